//! Tokio: tasks, cancellation, channels and sleeps.

use crate::{emit, measure, median};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const BATCH: usize = 1000;

fn runtime(row: &str) -> Runtime {
    let mut builder = match row.ends_with(".p2") {
        true => Builder::new_multi_thread(),
        false => Builder::new_current_thread(),
    };
    builder.worker_threads(2).enable_time().build().unwrap()
}

/// Runs the row; false if there is none of this name.
pub fn run(row: &str) -> bool {
    let rt = runtime(row);
    match row.trim_end_matches(".p1").trim_end_matches(".p2") {
        "tokio.1spawner" => spawn(row, &rt, 1),
        "tokio.2spawners" => spawn(row, &rt, 2),
        "tokio.child" => child(row),
        "tokio.cancel" => cancel(row),
        "tokio.unbuffered" => round_trip(row, &rt),
        "tokio.buffered" => one_to_one(row, &rt),
        "tokio.million" => million(row, &rt),
        "tokio.bytes" => bytes_each(row, &rt),
        _ => return false,
    }
    true
}

/// `n` batches of 1,000 tasks, each batch started and then joined.
async fn batches(n: usize) {
    let mut handles = Vec::with_capacity(BATCH);
    for _ in 0..n {
        handles.extend((0..BATCH).map(|i| tokio::spawn(async move { i })));
        for handle in handles.drain(..) {
            handle.await.unwrap();
        }
    }
}

/// Wall time per task. The spawners are tasks too, so that they run on the
/// workers.
fn spawn(row: &str, rt: &Runtime, spawners: usize) {
    measure(row, BATCH * spawners, |n| {
        let all: Vec<_> = (0..spawners).map(|_| rt.spawn(batches(n))).collect();
        rt.block_on(async {
            for one in all {
                one.await.unwrap();
            }
        });
    });
}

/// One child token created and cancelled under a live parent.
fn child(row: &str) {
    let parent = CancellationToken::new();
    measure(row, 1, |n| (0..n).for_each(|_| parent.child_token().cancel()));
}

/// Time per child of cancelling a parent of 1,000.
fn cancel(row: &str) {
    let once = |_| {
        let parent = CancellationToken::new();
        let _children: Vec<_> = (0..BATCH).map(|_| parent.child_token()).collect();
        let begin = Instant::now();
        parent.cancel();
        begin.elapsed().as_nanos() as f64 / BATCH as f64
    };
    emit(row, "ns", median((0..1000).map(once).collect()));
}

/// A value to another task and its answer back. Tokio has no unbuffered
/// channel; two of capacity one come closest.
fn round_trip(row: &str, rt: &Runtime) {
    measure(row, 1, |n| {
        let (ask, mut asked) = tokio::sync::mpsc::channel(1);
        let (answer, mut answered) = tokio::sync::mpsc::channel(1);
        let echo = rt.spawn(async move {
            while let Some(v) = asked.recv().await {
                answer.send(v).await.unwrap();
            }
        });
        let caller = rt.spawn(async move {
            for i in 0..n {
                ask.send(i).await.unwrap();
                answered.recv().await.unwrap();
            }
        });
        rt.block_on(async { (caller.await.unwrap(), echo.await.unwrap()) });
    });
}

/// One value through a channel of 1,024, task to task.
fn one_to_one(row: &str, rt: &Runtime) {
    measure(row, 1, |n| {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
        let producer = rt.spawn(async move {
            for i in 0..n {
                sender.send(i).await.unwrap();
            }
        });
        let consumer = rt.spawn(async move { while receiver.recv().await.is_some() {} });
        rt.block_on(async { (producer.await.unwrap(), consumer.await.unwrap()) });
    });
}

/// A million tasks that each sleep 1 to 100 ms.
fn million(row: &str, rt: &Runtime) {
    let begin = Instant::now();
    let all = rt.spawn(async {
        let sleeper = |i: u64| tokio::spawn(tokio::time::sleep(Duration::from_millis(1 + i % 100)));
        let handles: Vec<_> = (0..1_000_000).map(sleeper).collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    rt.block_on(all).unwrap();
    emit(row, "s", begin.elapsed().as_secs_f64());
}

/// Resident memory of each of a million tasks that sleep at the same time; the
/// process ends before they do.
fn bytes_each(row: &str, rt: &Runtime) {
    const SLEEPERS: usize = 1_000_000;
    let before = resident_bytes();
    let all = Arc::new(tokio::sync::Semaphore::new(0));
    let started = all.clone();
    rt.spawn(async move {
        for _ in 0..SLEEPERS {
            let started = started.clone();
            tokio::spawn(async move {
                started.add_permits(1);
                drop(started);
                tokio::time::sleep(Duration::from_secs(3600)).await;
            });
        }
    });
    drop(rt.block_on(all.acquire_many(SLEEPERS as u32)).unwrap());
    emit(row, "B", (resident_bytes() - before) / SLEEPERS as f64);
    std::process::exit(0);
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
