//! Models of the lock-free parts, for loom: every order of steps of few threads, within bounds.
//!
//! Run by `make loom`. Loom treats sequentially consistent accesses as acquire-release, and none is
//! used here.

use loom::sync::Arc;
use loom::thread;

use super::ring::Ring;

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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
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
