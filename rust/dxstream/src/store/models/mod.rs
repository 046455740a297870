//! Models of the lock-free parts, for loom: every order of steps of few threads, within bounds.
//!
//! Run by `make loom`. Loom treats sequentially consistent accesses as acquire-release, and none is
//! used here. In the models a wake-up line and the ready list are made of loom's locks (`wake.rs`,
//! `crate::sync`).

mod mailbox;
mod queue;
mod waiting;

use loom::sync::Arc;
use loom::thread;

use super::ring::Ring;

/// Runs a model in every order of steps with at most so many switches that no thread asked for.
fn check_model(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// The row of entry `n`: both words tell its number.
fn row(n: u64) -> [u64; 2] {
    [10 + n, 20 + n]
}

fn check(row: &[u64], received_at: u64) -> u64 {
    let n = received_at;
    assert_eq!(row, [10 + n, 20 + n], "a torn row");
    n
}

#[test]
fn the_latest_row_is_whole_and_never_goes_back() {
    check_model(3, || {
        let ring = Arc::new(Ring::new(2, 1));
        ring.push(&row(0), 0);
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for n in 1..4 {
                    ring.push(&row(n), n);
                }
            })
        };
        let mut words = [0; 2];
        let mut last = 0;
        for _ in 0..2 {
            let received_at = ring.latest(&mut words).expect("a row was there before");
            let n = check(&words, received_at);
            assert!(n >= last, "the latest row went back from {last} to {n}");
            last = n;
        }
        writer.join().unwrap();
        let received_at = ring.latest(&mut words).unwrap();
        assert_eq!(check(&words, received_at), 3);
    });
}

#[test]
fn history_is_whole_and_without_a_gap() {
    check_model(3, || {
        let ring = Arc::new(Ring::new(2, 2));
        ring.push(&row(0), 0);
        let writer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for n in 1..5 {
                    ring.push(&row(n), n);
                }
            })
        };
        let mut last: Option<u64> = None;
        ring.history(2, |words, received_at| {
            let n = check(words, received_at);
            assert!(last.is_none_or(|last| n == last + 1), "{n} after {last:?}");
            last = Some(n);
        });
        writer.join().unwrap();
        let mut seen = Vec::new();
        ring.history(2, |words, received_at| seen.push(check(words, received_at)));
        assert_eq!(seen, [3, 4]);
    });
}
