//! Models of whole queues: rows are pushed and a reader takes them, or sleeps until they come.

use std::sync::Arc;

use loom::thread;

use super::check_model;
use crate::error::Error;
use crate::event::{EventKind, SYMBOL_WORD};
use crate::store::queue::{Queue, QueueStats};
use crate::store::{Arm, Consumer, Overflow, QueueSettings, Wake};

const KIND: EventKind = EventKind::Quote;

/// Pushes row `n`, whose time of arrival is its number.
fn push(queue: &Queue, symbol: u64, n: u64) {
    let mut row = vec![n; KIND.fields().len()];
    row[SYMBOL_WORD] = symbol;
    queue.push(&row, n);
}

fn queue(settings: QueueSettings) -> (Arc<Queue>, Consumer) {
    let queue = Arc::new(Queue::new(KIND, None, settings));
    (Arc::clone(&queue), Consumer::new(queue))
}

/// Takes what there is until the queue ends, and sleeps in between; a wake-up that is lost leaves the
/// reader asleep for ever, which loom finds.
fn read_to_the_end(consumer: &mut Consumer, rows: usize) -> (Vec<u64>, Error) {
    let wake = Arc::new(Wake::new().unwrap());
    let mut taken = Vec::new();
    loop {
        while let Some((row, received_at)) = consumer.next_row(0) {
            assert_eq!(row[1..], vec![received_at; row.len() - 1], "a torn row");
            taken.push(received_at);
        }
        if let Some(error) = consumer.ended() {
            return (taken, error);
        }
        if matches!(consumer.arm(&wake, rows), Arm::Waiting) {
            wake.wait();
        }
    }
}

/// Lets one thread push `rows` rows of `symbols` in turns and end the queue, while another reads.
fn push_and_read(
    settings: QueueSettings,
    symbols: u64,
    rows: u64,
    at_once: usize,
) -> (Vec<u64>, QueueStats) {
    let (queue, mut consumer) = queue(settings);
    let writer = thread::spawn(move || {
        for n in 1..=rows {
            push(&queue, n % symbols, n);
        }
        queue.end(Error::Closed);
    });
    let (taken, error) = read_to_the_end(&mut consumer, at_once);
    writer.join().unwrap();
    let stats = consumer.stats();
    let parts = [stats.delivered, stats.pending, stats.conflated, stats.dropped, stats.filtered];
    assert_eq!(stats.received, parts.iter().sum::<u64>(), "{stats:?}");
    assert_eq!((stats.received, stats.pending), (rows, 0));
    assert_eq!(stats.delivered, taken.len() as u64);
    let raises = settings.overflow == Overflow::Raise && stats.dropped > 0;
    assert_eq!(matches!(error, Error::SlowConsumer(_)), raises, "{error}");
    (taken, stats)
}

#[test]
fn every_row_comes_in_order_and_no_wake_up_is_lost() {
    check_model(3, || {
        let (taken, _) = push_and_read(QueueSettings::every(10), 1, 2, 1);
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn a_reader_that_waits_for_several_rows_is_woken_by_them_or_by_the_end() {
    check_model(2, || {
        let (taken, _) = push_and_read(QueueSettings::every(10), 1, 3, 2);
        assert_eq!(taken, [1, 2, 3]);
    });
}

#[test]
fn a_queue_that_raises_gives_what_waits_and_wakes_its_reader() {
    check_model(2, || {
        let settings = QueueSettings { overflow: Overflow::Raise, ..QueueSettings::every(1) };
        let (taken, stats) = push_and_read(settings, 1, 3, 1);
        assert!(taken.iter().copied().eq(1..=stats.delivered), "{taken:?}");
    });
}

#[test]
fn a_conflating_queue_ends_on_the_last_row_and_loses_no_wake_up() {
    check_model(2, || {
        let settings = QueueSettings { conflation: Some(0), ..QueueSettings::every(10) };
        let (taken, stats) = push_and_read(settings, 1, 2, 1);
        assert_eq!(taken.last(), Some(&2));
        assert_eq!(stats.dropped, 0);
    });
}

#[test]
fn a_conflating_queue_that_raises_gives_what_waits_and_wakes_its_reader() {
    check_model(2, || {
        let conflation = Some(0);
        let settings =
            QueueSettings { overflow: Overflow::Raise, conflation, ..QueueSettings::every(1) };
        let (taken, stats) = push_and_read(settings, 2, 3, 1);
        assert!(taken.is_sorted_by(|one, next| one < next), "{taken:?}");
        assert!(!taken.is_empty(), "{stats:?}");
    });
}

#[test]
fn rows_that_were_held_back_wake_the_reader_when_they_are_released() {
    check_model(2, || {
        let settings = QueueSettings { conflation: Some(10), ..QueueSettings::every(10) };
        let (queue, mut consumer) = queue(settings);
        push(&queue, 1, 1);
        assert_eq!(consumer.next_row(1).map(|(_, received_at)| received_at), Some(1));
        push(&queue, 1, 2);
        let wake = Arc::new(Wake::new().unwrap());
        let writer = thread::spawn(move || assert_eq!(queue.release(11), None));
        if matches!(consumer.arm(&wake, 1), Arm::Waiting) {
            wake.wait();
        }
        assert_eq!(consumer.next_row(11).map(|(_, received_at)| received_at), Some(2));
        writer.join().unwrap();
    });
}
