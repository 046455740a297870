//! Models of a mailbox, and of the queue that is made of them.

use std::sync::Arc;

use loom::thread;

use super::check_model;
use crate::event::{EventKind, SYMBOL_WORD};
use crate::store::conflation::Conflation;
use crate::store::mailbox::Mailbox;
use crate::store::queue::{Overflow, QueueStats};
use crate::sync::SegQueue;

/// Words of a row: the symbol, and the number of the row twice over.
const WIDTH: usize = 3;

fn row(symbol: u64, n: u64) -> [u64; WIDTH] {
    [symbol, 10 + n, 20 + n]
}

/// The symbol and the number of a row that must be whole.
fn number(row: &[u64], received_at: u64) -> (u64, u64) {
    assert_eq!(row, super::mailbox::row(row[SYMBOL_WORD], received_at), "a torn row");
    (row[SYMBOL_WORD], received_at)
}

fn add_up(stats: QueueStats) {
    let parts = [stats.delivered, stats.pending, stats.conflated, stats.dropped, stats.filtered];
    assert_eq!(stats.received, parts.iter().sum::<u64>(), "{stats:?}");
}

#[test]
fn a_row_is_taken_whole_and_once_or_replaced() {
    const ROWS: u64 = 4;
    check_model(3, || {
        let mailbox = Arc::new(Mailbox::new(WIDTH));
        let ready = Arc::new(SegQueue::new());
        let writer = {
            let (mailbox, ready) = (Arc::clone(&mailbox), Arc::clone(&ready));
            thread::spawn(move || {
                let mut replaced = 0;
                for n in 1..=ROWS {
                    if mailbox.put(&row(7, n), n) {
                        replaced += 1;
                    } else {
                        // The reader took row n - 1 at the latest, and opened the mailbox later on.
                        assert!(mailbox.open_at() < n * 100, "what was taken before is not seen");
                        assert!(n == 1 || mailbox.open_at() > 0, "a row vanished");
                        ready.push(());
                    }
                }
                replaced
            })
        };
        let mut words = Vec::new();
        let mut taken = Vec::new();
        let mut take = || {
            while ready.pop().is_some() {
                let received_at = mailbox.take(taken.len() as u64 + 1, 0, &mut words);
                taken.push(number(&words, received_at).1);
            }
        };
        take();
        take();
        let replaced = writer.join().unwrap();
        take();
        assert!(taken.is_sorted_by(|one, next| one < next), "{taken:?}");
        assert_eq!(taken.last(), Some(&ROWS), "the last row was lost");
        assert_eq!(taken.len() as u64 + replaced, ROWS, "{taken:?}, {replaced} replaced");
    });
}

#[test]
fn the_writer_sees_when_a_row_was_taken() {
    check_model(3, || {
        let mailbox = Arc::new(Mailbox::new(WIDTH));
        assert!(!mailbox.put(&row(7, 1), 1));
        let reader = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.take(5, 100, &mut Vec::new()))
        };
        let replaced = mailbox.put(&row(7, 2), 2);
        let open_at = mailbox.open_at();
        assert!(replaced || open_at == 105, "taken, and yet open at {open_at}");
        assert_eq!(reader.join().unwrap(), if replaced { 2 } else { 1 });
    });
}

/// Writes rows of two symbols into a queue while the reader takes and counts them.
fn conflate(capacity: usize, interval: u64) {
    const ROWS: u64 = 4;
    let queue = Arc::new(Conflation::new(WIDTH, interval, capacity, Overflow::DropOldest));
    let writer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            for n in 1..=ROWS {
                assert_eq!(queue.push(&row(n % 2, n), n, None, false), None);
                queue.release(n);
            }
            queue.release(u64::MAX);
        })
    };
    let mut words = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..2 {
        if let Some(received_at) = queue.take(2, &mut words) {
            taken.push(number(&words, received_at));
        }
        let stats = queue.stats(taken.len() as u64);
        add_up(stats);
        // One row more may be in the writer's hand, who has received it and not said yet what it
        // replaced or drove out.
        assert!(stats.pending <= capacity.min(2) as u64 + 1, "{stats:?}");
    }
    writer.join().unwrap();
    while let Some(received_at) = queue.take(2, &mut words) {
        taken.push(number(&words, received_at));
    }
    let stats = queue.stats(taken.len() as u64);
    add_up(stats);
    assert_eq!((stats.received, stats.pending), (ROWS, 0));
    for symbol in 0..2 {
        let of_symbol: Vec<_> =
            taken.iter().filter(|row| row.0 == symbol).map(|row| row.1).collect();
        assert!(of_symbol.is_sorted_by(|one, next| one < next), "{taken:?}");
        if capacity >= 2 {
            assert_eq!(stats.dropped, 0, "a row was dropped although there was room");
            assert_eq!(of_symbol.last(), Some(&(ROWS - symbol)), "{taken:?}");
        }
    }
}

#[test]
fn a_conflating_queue_accounts_for_each_row_while_it_is_written() {
    check_model(2, || conflate(2, 0));
}

#[test]
fn what_a_rate_holds_back_is_accounted_for_and_released() {
    check_model(2, || conflate(2, 3));
}

#[test]
fn a_conflating_queue_that_is_full_drops_and_counts() {
    check_model(2, || conflate(1, 0));
}

#[test]
fn a_closed_queue_keeps_nothing_while_it_is_written() {
    check_model(2, || {
        let width = EventKind::Quote.fields().len();
        let queue = Arc::new(Conflation::new(width, 0, 10, Overflow::DropOldest));
        let push = move |queue: &Conflation| {
            let mut row = vec![0; width];
            row[SYMBOL_WORD] = 1;
            queue.push(&row, 1, None, false);
        };
        push(&queue);
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push(&queue))
        };
        queue.set_capacity(0);
        let stats = queue.stats(0);
        add_up(stats);
        assert_eq!(stats.pending, 0);
        writer.join().unwrap();
        queue.release(2);
        let stats = queue.stats(0);
        add_up(stats);
        assert_eq!((stats.received, stats.delivered, stats.pending), (2, 0, 0));
        assert_eq!(queue.memory(1).2, 0);
    });
}
