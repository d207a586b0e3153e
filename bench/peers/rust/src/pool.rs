//! r2d2, with resources that do nothing.

use crate::{emit, measure};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

struct Nothing;

impl r2d2::ManageConnection for Nothing {
    type Connection = usize;
    type Error = std::fmt::Error;
    fn connect(&self) -> Result<usize, Self::Error> {
        Ok(0)
    }
    fn is_valid(&self, _: &mut usize) -> Result<(), Self::Error> {
        Ok(())
    }
    fn has_broken(&self, _: &mut usize) -> bool {
        false
    }
}

type Pool = r2d2::Pool<Nothing>;

fn open(size: u32) -> Pool {
    r2d2::Pool::builder().max_size(size).build(Nothing).unwrap()
}

/// Runs the row; false if there is none of this name.
pub fn run(row: &str) -> bool {
    match row {
        "r2d2.1user" => acquire_release(row, &open(1), 1, || ()),
        "r2d2.2on2" => acquire_release(row, &open(2), 2, || ()),
        "r2d2.64on10" => acquire_release(row, &open(10), 64, || ()),
        "r2d2.queued" => {
            let pool = open(10);
            acquire_release(row, &pool, 64, std::thread::yield_now);
            waits(row, &pool, 64);
        }
        _ => return false,
    }
    true
}

/// Wall time per acquire and release over all users (threads).
fn acquire_release(row: &str, pool: &Pool, users: usize, hold: fn()) {
    const PER_USER: usize = 100;
    let user = |n| {
        for _ in 0..n * PER_USER {
            let _held = pool.get().unwrap();
            hold();
        }
    };
    measure(row, users * PER_USER, |n| {
        std::thread::scope(|scope| (0..users).for_each(|_| drop(scope.spawn(|| user(n)))))
    });
}

/// Every acquire of half a second: percentiles, and how many per 1,000 were
/// overtaken by one that began at least `users` acquires later.
fn waits(row: &str, pool: &Pool, users: usize) {
    let (begun, newest, overtaken) = Default::default();
    let (begun, newest, overtaken): (&AtomicUsize, &AtomicUsize, &AtomicUsize) =
        (&begun, &newest, &overtaken);
    let end = Instant::now() + Duration::from_millis(500);
    let user = || {
        let mut mine = Vec::new();
        loop {
            let begin = Instant::now();
            if begin > end {
                return mine;
            }
            let ticket = begun.fetch_add(1, SeqCst);
            let _held = pool.get().unwrap();
            mine.push(begin.elapsed().as_nanos() as f64 / 1e3);
            if newest.fetch_max(ticket, SeqCst) >= ticket + users {
                overtaken.fetch_add(1, SeqCst);
            }
            std::thread::yield_now();
        }
    };
    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..users).map(|_| scope.spawn(user)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by(f64::total_cmp);
    emit(&format!("{row}.wait_p50"), "us", all[all.len() / 2]);
    emit(&format!("{row}.wait_p99"), "us", all[all.len() * 99 / 100]);
    emit(&format!("{row}.wait_max"), "us", all[all.len() - 1]);
    let overtaken = overtaken.load(SeqCst) as f64 * 1000.0 / all.len() as f64;
    emit(&format!("{row}.inversions"), "/1000", overtaken);
}
