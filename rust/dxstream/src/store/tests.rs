mod hiding;
mod overload;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::event::{Candle, MAX_WORDS, Quote, Record, flags};

fn store() -> Store {
    Store::new(Arc::new(Tables::new()), 4)
}

fn writer(store: &Store, received_at: u64) -> StoreWriter<'_> {
    StoreWriter { store, received_at }
}

fn quotes(rows: &[(u32, f64)]) -> Vec<u64> {
    let width = EventKind::Quote.fields().len();
    let mut words = vec![0; rows.len() * width];
    for (row, &(symbol, bid_price)) in words.chunks_exact_mut(width).zip(rows) {
        Quote { event_symbol: SymbolId(symbol), bid_price, ..Quote::UNKNOWN }.write_row(row);
    }
    words
}

fn prices(consumer: &mut Consumer) -> Vec<f64> {
    std::iter::from_fn(|| consumer.next_row(0).map(|(row, _)| Quote::from_row(row).bid_price))
        .collect()
}

fn add_up(stats: QueueStats) {
    let parts = [stats.delivered, stats.pending, stats.conflated, stats.dropped, stats.filtered];
    assert_eq!(stats.received, parts.iter().sum::<u64>(), "{stats:?}");
}

const ROOMY: QueueSettings = QueueSettings::every(1 << 20);

#[test]
fn the_latest_event_of_a_symbol_is_the_last_written() {
    let store = store();
    let mut row = [0; MAX_WORDS];
    assert!(store.latest(EventKind::Quote, SymbolId(3), &mut row).is_none());
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(3, 1.0), (700, 2.0), (3, 3.0)]));
    assert_eq!(store.latest(EventKind::Quote, SymbolId(3), &mut row), Some(0));
    assert_eq!(Quote::from_row(&row).bid_price.to_bits(), 3.0_f64.to_bits());
    assert_eq!(store.latest(EventKind::Quote, SymbolId(700), &mut row), Some(0));
    assert!(store.latest(EventKind::Quote, SymbolId(4), &mut row).is_none());
    assert!(store.latest(EventKind::Trade, SymbolId(3), &mut row).is_none());
}

#[test]
fn every_listener_gets_every_event_and_only_of_its_type_and_symbols() {
    let store = store();
    let mut all = store.listen(EventKind::Quote, None, ROOMY);
    let mut some = store.listen(EventKind::Quote, Some([SymbolId(2)].into()), ROOMY);
    let mut trades = store.listen(EventKind::Trade, None, ROOMY);
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0), (2, 2.0), (1, 3.0)]));
    assert_eq!(prices(&mut all), [1.0, 2.0, 3.0]);
    assert_eq!(prices(&mut some), [2.0]);
    assert!(trades.next_row(0).is_none());
    assert_eq!(
        some.stats(),
        QueueStats { received: 3, delivered: 1, pending: 0, conflated: 0, dropped: 0, filtered: 2 }
    );
}

#[test]
fn rows_that_are_not_as_required_are_filtered_and_take_no_place() {
    let store = store();
    let word = EventKind::Quote.fields().iter().position(|field| field.name == "bid_price");
    let requirements: &[Requirement] = vec![(word.unwrap(), Need::Finite)].leak();
    let every = QueueSettings { requirements, ..QueueSettings::every(2) };
    let latest = QueueSettings { conflation: Some(0), ..every };
    let all = store.listen(EventKind::Quote, None, ROOMY);
    let mut consumers = [every, latest].map(|of| store.listen(EventKind::Quote, None, of));
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, f64::NAN), (2, 2.0)]));
    let mut fork = store.fork(&all, Some([SymbolId(1)].into()), every);
    for consumer in &mut consumers {
        assert_eq!(prices(consumer), [1.0, 2.0]);
        assert_eq!(consumer.stats().filtered, 1);
        add_up(consumer.stats());
    }
    assert_eq!(prices(&mut fork), [1.0]);
    assert_eq!(fork.stats().filtered, 2);
}

#[test]
fn a_fork_begins_with_what_waits_and_then_goes_its_own_way() {
    let store = store();
    let mut first = store.listen(EventKind::Quote, None, QueueSettings::every(3));
    let mut writer = writer(&store, 0);
    writer.rows(EventKind::Quote, &quotes(&[(1, 0.0), (1, 1.0), (1, 2.0), (1, 3.0)]));
    first.next_row(0);
    writer.rows(EventKind::Quote, &quotes(&[(1, 4.0)]));
    let mut fork = store.fork(&first, None, QueueSettings::every(10));
    writer.rows(EventKind::Quote, &quotes(&[(1, 5.0)]));
    assert_eq!(
        fork.stats(),
        QueueStats { received: 5, delivered: 0, pending: 4, conflated: 0, dropped: 1, filtered: 0 }
    );
    assert_eq!(prices(&mut fork), [2.0, 3.0, 4.0, 5.0]);
    assert_eq!(prices(&mut first), [2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn only_series_get_the_marks_of_snapshots() {
    let store = store();
    let mut listener = store.listen(EventKind::Candle, None, ROOMY);
    let mut followers =
        [3, 4].map(|symbol| store.follow(EventKind::Candle, SymbolId(symbol), 1 << 20));
    let event_flags = flags::REMOVE_EVENT | flags::SNAPSHOT_BEGIN;
    let mark =
        SnapshotMark { symbol: SymbolId(3), source: Text::NONE, index: 7 << 32, event_flags };
    let mut row = vec![0; EventKind::Candle.fields().len()];
    Candle { event_symbol: SymbolId(3), index: 9 << 32, ..Record::UNKNOWN }.write_row(&mut row);
    let mut writer = writer(&store, 5);
    writer.snapshot_mark(EventKind::Candle, &mark);
    writer.rows(EventKind::Candle, &row);
    let indexes = |consumer: &mut Consumer| -> Vec<(i64, i64)> {
        let rows = std::iter::from_fn(|| {
            let (row, _) = consumer.next_row(0)?;
            let candle = Candle::from_row(row);
            Some((candle.index >> 32, candle.event_flags))
        });
        rows.collect()
    };
    assert_eq!(indexes(&mut listener), [(9, 0)]);
    assert_eq!(indexes(&mut followers[0]), [(7, event_flags), (9, 0)]);
    assert_eq!(indexes(&mut followers[1]), []);
    store.end(&Error::Closed);
    assert_eq!(followers[0].ended(), Some(Error::Closed));
    assert_eq!(store.follow(EventKind::Candle, SymbolId(3), 1).ended(), Some(Error::Closed));
}

#[test]
fn an_ended_queue_gives_what_is_left_then_its_error() {
    let store = store();
    let mut before = store.listen(EventKind::Quote, None, ROOMY);
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
    store.end(&Error::Closed);
    assert_eq!(before.ended(), None);
    assert_eq!(prices(&mut before), [1.0]);
    assert_eq!(before.ended(), Some(Error::Closed));
    assert_eq!(store.listen(EventKind::Quote, None, ROOMY).ended(), Some(Error::Closed));
}

#[test]
fn a_waiting_reader_is_woken_by_rows_and_by_the_end() {
    let store = store();
    let mut consumer = store.listen(EventKind::Quote, None, ROOMY);
    let wake = Arc::new(Wake::new().unwrap());
    for _ in 0..2 {
        assert!(matches!(consumer.arm(&wake, 1), Arm::Waiting));
        assert!(!wake.wait(Duration::ZERO).unwrap());
        writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
        assert!(wake.wait(Duration::from_secs(5)).unwrap());
        assert!(matches!(consumer.arm(&wake, 1), Arm::Ready));
        assert_eq!(prices(&mut consumer), [1.0]);
    }
    assert!(matches!(consumer.arm(&wake, 1), Arm::Waiting));
    store.end(&Error::Closed);
    assert!(wake.wait(Duration::from_secs(5)).unwrap());
    assert!(matches!(consumer.arm(&wake, 1), Arm::Ready));
}

#[test]
fn a_reader_may_wait_for_several_rows() {
    let store = store();
    let mut consumer = store.listen(EventKind::Quote, None, ROOMY);
    let wake = Arc::new(Wake::new().unwrap());
    assert!(matches!(consumer.arm(&wake, 3), Arm::Waiting));
    writer(&store, 1).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, 2.0)]));
    assert!(!wake.wait(Duration::ZERO).unwrap());
    writer(&store, 2).rows(EventKind::Quote, &quotes(&[(1, 3.0)]));
    assert!(wake.wait(Duration::from_secs(5)).unwrap());
    let times: Vec<u64> =
        std::iter::from_fn(|| consumer.next_row(0).map(|(_, received_at)| received_at)).collect();
    assert_eq!(times, [1, 1, 2]);
    assert!(matches!(consumer.arm(&wake, 3), Arm::Waiting));
    store.end(&Error::Closed);
    assert!(wake.wait(Duration::from_secs(5)).unwrap());
}

#[test]
fn a_reader_on_another_thread_misses_nothing() {
    const ROWS: u32 = 20_000;
    let store = store();
    let mut consumer = store.listen(EventKind::Quote, None, ROOMY);
    let wake = Arc::new(Wake::new().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..ROWS {
                writer(&store, 0).rows(EventKind::Quote, &quotes(&[(n % 7, f64::from(n))]));
            }
            store.end(&Error::Closed);
        });
        let mut seen = 0;
        loop {
            for price in prices(&mut consumer) {
                assert_eq!(price.to_bits(), f64::from(seen).to_bits());
                seen += 1;
            }
            if consumer.ended().is_some() {
                break;
            }
            if matches!(consumer.arm(&wake, 1), Arm::Waiting) {
                assert!(wake.wait(Duration::from_secs(20)).unwrap());
            }
        }
        assert_eq!(seen, ROWS);
    });
}

#[test]
fn history_is_the_last_events_oldest_first_with_their_times() {
    let store = store();
    let history = |most: usize| {
        let mut seen = Vec::new();
        store.history(EventKind::Quote, SymbolId(1), most, |row, received_at| {
            seen.push((Quote::from_row(row).bid_price, received_at));
        });
        seen
    };
    assert!(history(9).is_empty());
    for n in 0..3_u8 {
        writer(&store, n.into()).rows(EventKind::Quote, &quotes(&[(1, n.into()), (2, 9.0)]));
    }
    assert_eq!(history(9), [(0.0, 0), (1.0, 1), (2.0, 2)]);
    assert_eq!(history(2), [(1.0, 1), (2.0, 2)]);
    assert!(history(0).is_empty());
    for n in 3..40_u8 {
        writer(&store, n.into()).rows(EventKind::Quote, &quotes(&[(1, n.into())]));
    }
    assert_eq!(history(9), [(36.0, 36), (37.0, 37), (38.0, 38), (39.0, 39)]);
}

#[test]
fn a_symbol_may_keep_more_or_less_history_than_the_others() {
    let store = store();
    store.set_history(EventKind::Quote, SymbolId(1), 0);
    store.set_history(EventKind::Quote, SymbolId(2), 30);
    for n in 0..50_u8 {
        let bid = n.into();
        writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, bid), (2, bid), (3, bid)]));
    }
    let count = |symbol| {
        let mut count = 0;
        store.history(EventKind::Quote, SymbolId(symbol), 100, |_, _| count += 1);
        count
    };
    assert_eq!((count(1), count(2), count(3)), (1, 30, 4));
}

#[test]
fn rings_allocate_as_they_fill_and_say_how_much() {
    let store = Store::new(Arc::new(Tables::new()), 1000);
    assert!(store.ring_memory().is_empty());
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
    let [before] = store.ring_memory()[..] else { panic!("one event type has rings") };
    assert_eq!((before.kind, before.rings), (EventKind::Quote, 1));
    for _ in 0..1000 {
        writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
    }
    let [after] = store.ring_memory()[..] else { panic!("one event type has rings") };
    let grown = after.bytes - before.bytes;
    assert!((990..1010).contains(&(grown / after.row_bytes)), "{grown} bytes");
    assert_eq!((before.most_bytes, after.bytes), (after.most_bytes, after.most_bytes));
}

/// Writes rows whose words tell their number at full speed, while readers check what they see of
/// the latest row and of history.
fn read_while_it_is_written(duration: Duration) {
    let store = Store::new(Arc::new(Tables::new()), 5);
    let width = EventKind::Quote.fields().len();
    let row_of = |n: u64| (0..width as u64).map(move |word| if word == 0 { 5 } else { n + word });
    let check = |row: &[u64], received_at: u64| {
        let n = row[1] - 1;
        assert!(row.iter().copied().eq(row_of(n)), "a torn row {row:?}");
        assert_eq!(received_at, n);
        n
    };
    let deadline = Instant::now() + duration;
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while Instant::now() < deadline {
                for _ in 0..100 {
                    n += 1;
                    let row: Vec<u64> = row_of(n).collect();
                    writer(&store, n).rows(EventKind::Quote, &row);
                }
            }
            written.store(n, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut row = [0; MAX_WORDS];
                let mut newest = 0;
                while written.load(Ordering::Acquire) == 0 {
                    let latest = store.latest(EventKind::Quote, SymbolId(5), &mut row);
                    let n = latest.map_or(0, |received_at| check(&row[..width], received_at));
                    assert!(n >= newest, "the latest row went back from {newest} to {n}");
                    newest = n;
                    let mut last: Option<u64> = None;
                    store.history(EventKind::Quote, SymbolId(5), 5, |row, received_at| {
                        let n = check(row, received_at);
                        assert!(last.is_none_or(|last| n == last + 1), "{n} after {last:?}");
                        last = Some(n);
                    });
                }
            });
        }
    });
    let mut row = [0; MAX_WORDS];
    let last = written.load(Ordering::Acquire);
    assert_eq!(store.latest(EventKind::Quote, SymbolId(5), &mut row), Some(last));
}

#[test]
fn no_row_is_torn_and_history_has_no_gap() {
    read_while_it_is_written(Duration::from_secs(2));
}

#[test]
#[ignore = "takes 30 seconds"]
fn no_row_is_torn_and_history_has_no_gap_for_long() {
    read_while_it_is_written(Duration::from_secs(30));
}

#[test]
fn a_conflating_queue_wakes_its_reader_when_a_held_row_is_due_and_gives_all_at_the_end() {
    let store = store();
    let settings = QueueSettings { conflation: Some(100), ..QueueSettings::every(10) };
    let mut consumer = store.listen(EventKind::Quote, None, settings);
    let wake = Arc::new(Wake::new().unwrap());
    writer(&store, 1000).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, 2.0)]));
    assert_eq!(consumer.next_row(1000).map(|(row, _)| Quote::from_row(row).bid_price), Some(2.0));
    writer(&store, 1050).rows(EventKind::Quote, &quotes(&[(1, 3.0)]));
    assert!(consumer.next_row(1050).is_none());
    assert!(matches!(consumer.arm(&wake, 1), Arm::Waiting));
    assert_eq!(store.release(1099), Some(1100));
    assert!(!wake.wait(Duration::ZERO).unwrap());
    assert_eq!(store.release(1100), None);
    assert!(wake.wait(Duration::from_secs(5)).unwrap());
    assert_eq!(consumer.next_row(1100).map(|(row, _)| Quote::from_row(row).bid_price), Some(3.0));
    writer(&store, 1120).rows(EventKind::Quote, &quotes(&[(1, 4.0)]));
    store.end(&Error::Closed);
    assert_eq!(consumer.ended(), None);
    assert_eq!(consumer.next_row(1120).map(|(row, _)| Quote::from_row(row).bid_price), Some(4.0));
    assert_eq!(consumer.ended(), Some(Error::Closed));
}

/// A clock by which every row is stored at 1,000.
fn stored_at() -> u64 {
    1_000
}

#[test]
fn listeners_are_counted_together_also_when_they_are_gone() {
    let store = store();
    let quote = |store: &Store| store.listener_totals()[EventKind::Quote as usize];
    let backlog = store.backlog(EventKind::Quote, None, QueueSettings::every(1));
    let mut every = store.listen(EventKind::Quote, None, QueueSettings::every(2));
    let latest = QueueSettings { conflation: Some(0), ..QueueSettings::every(2) };
    let latest = store.listen(EventKind::Quote, None, latest);
    writer(&store, 1).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, 2.0), (1, 3.0)]));
    assert_eq!(
        quote(&store),
        ListenerTotals { listeners: 2, pending: 3, conflated: 2, dropped: 1 }
    );
    // A backlog counts from when it has a reader, with what it dropped before.
    backlog.begin();
    backlog.begin();
    assert_eq!(
        quote(&store),
        ListenerTotals { listeners: 3, pending: 4, conflated: 2, dropped: 3 }
    );
    let fork = store.fork(&backlog, None, ROOMY);
    assert_eq!(quote(&store).dropped, 5);
    drop((fork, backlog));
    assert_eq!(every.next_row(0).map(|(_, at)| at), Some(1));
    // What a reader leaves behind is not lost to anybody.
    every.set_capacity(0);
    writer(&store, 2).rows(EventKind::Quote, &quotes(&[(1, 4.0)]));
    assert_eq!(
        quote(&store),
        ListenerTotals { listeners: 1, pending: 1, conflated: 3, dropped: 5 }
    );
    drop((every, latest));
    assert_eq!(
        quote(&store),
        ListenerTotals { listeners: 0, pending: 0, conflated: 3, dropped: 5 }
    );
    assert_eq!(store.listener_totals()[EventKind::Trade as usize], ListenerTotals::default());
}

#[test]
fn waiting_is_measured_once_for_each_time_that_rows_are_taken() {
    let store = store().with_clock(stored_at);
    let mut consumer = store.listen(EventKind::Quote, None, ROOMY);
    for _ in 0..3 {
        writer(&store, 1).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, 2.0)]));
        assert!(consumer.next_row(3_000).is_some());
        assert!(consumer.next_row(9_000).is_some());
    }
    let delivery = store.delivery();
    assert_eq!((delivery.count, delivery.sum), (3, Duration::from_micros(6)));
    assert!((2_000..2_020).contains(&delivery.p50.as_nanos()));
}
