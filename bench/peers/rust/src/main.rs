//! Rival programs written in Rust: Tokio, crossbeam and r2d2.
//!
//!     rustpeer ROW        measures one row and prints it as lines of JSON
//!     rustpeer --version  prints the version
//!
//! Rows that end in `.p1` run Tokio on the calling thread, `.p2` on two workers.

mod pool;
mod tokio_rows;

use std::time::Instant;

/// Prints one line of the protocol that bench/README.md describes.
pub fn emit(row: &str, unit: &str, value: f64) {
    println!("{{\"row\": \"{row}\", \"unit\": \"{unit}\", \"value\": {value}}}");
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Grows `n` until `run(n)` takes 100 ms, which also warms up, and emits the
/// median of three runs in nanoseconds, where `run(n)` does `n * per_run`
/// operations.
pub fn measure(row: &str, per_run: usize, run: impl Fn(usize)) {
    let seconds = |n: usize| {
        let begin = Instant::now();
        run(n);
        begin.elapsed().as_secs_f64()
    };
    let mut n = 1;
    while seconds(n) < 0.1 {
        n *= 2;
    }
    let each = |_| seconds(n) * 1e9 / (n * per_run) as f64;
    emit(row, "ns", median((0..3).map(each).collect()));
}

/// One value through a crossbeam channel of 1,024, thread to thread.
fn crossbeam_buffered(row: &str) {
    measure(row, 1, |n| {
        let (sender, receiver) = crossbeam_channel::bounded(1024);
        let producer = std::thread::spawn(move || (0..n).for_each(|i| sender.send(i).unwrap()));
        assert_eq!(receiver.iter().count(), n);
        producer.join().unwrap();
    });
}

fn main() {
    let row = std::env::args().nth(1).unwrap_or_default();
    match row.as_str() {
        "--version" => println!("rustpeer"),
        "crossbeam.buffered" => crossbeam_buffered(&row),
        _ if row.starts_with("r2d2.") && pool::run(&row) => {}
        _ if row.starts_with("tokio.") && tokio_rows::run(&row) => {}
        _ => {
            eprintln!("rustpeer has no row {row:?}");
            std::process::exit(3);
        }
    }
}
