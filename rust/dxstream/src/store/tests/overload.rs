//! Readers that are slower than the writer: every policy, with a clock of its own and with threads.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::store::queue::Overflow::{self, Conflate, DropOldest, Raise};

fn overflows() -> impl Strategy<Value = Overflow> {
    prop_oneof![Just(DropOldest), Just(Conflate), Just(Raise)]
}

fn is_slow_consumer(ended: Option<Error>) -> bool {
    match ended {
        Some(Error::SlowConsumer(text)) => {
            assert!(text.contains("events that wait; take them faster"), "{text}");
            true
        }
        _ => false,
    }
}

/// What a queue of every row is to do, row by row.
#[derive(Default)]
struct Model {
    /// Rows that were not taken: symbol and number.
    rows: VecDeque<(u32, u64)>,
    /// The first of them, which the reader has in hand and no policy reaches.
    in_hand: usize,
    dropped: u64,
    conflated: u64,
    raised: bool,
}

impl Model {
    fn push(&mut self, rows: &[(u32, u64)], capacity: usize, overflow: Overflow) {
        if self.raised {
            self.dropped += rows.len() as u64;
            return;
        }
        self.rows.extend(rows);
        let slack = if overflow == Conflate && capacity >= 256 { capacity / 4 } else { 0 };
        let mut waiting = self.rows.split_off(self.in_hand);
        if waiting.len() > capacity + slack {
            if overflow == Raise {
                self.dropped += (waiting.len() - capacity) as u64;
                waiting.truncate(capacity);
                self.raised = true;
            }
            if overflow == Conflate {
                let last: HashMap<u32, u64> = waiting.iter().copied().collect();
                let before = waiting.len();
                waiting.retain(|&(symbol, number)| last[&symbol] == number);
                self.conflated += (before - waiting.len()) as u64;
            }
            while waiting.len() > capacity {
                waiting.pop_front();
                self.dropped += 1;
            }
        }
        self.rows.extend(waiting);
    }
}

proptest! {
    /// Each row comes in order or is accounted for, whatever the buffer and what happens beyond.
    #[test]
    fn a_full_queue_of_every_row_does_as_its_policy_says(
        capacity in prop_oneof![1_usize..20, 200_usize..3000],
        overflow in overflows(),
        symbols in prop_oneof![1_u32..5, 100_u32..4000],
        only in proptest::option::of(0_u32..5),
        steps in proptest::collection::vec((0_usize..2500, 0_usize..3000), 1..12),
    ) {
        let store = store();
        let settings = QueueSettings { overflow, ..QueueSettings::every(capacity) };
        let wanted = only.map(|symbol| HashSet::from([SymbolId(symbol)]));
        let mut consumer = store.listen(EventKind::Quote, wanted, settings);
        let mut model = Model::default();
        let (mut sent, mut taken, mut filtered) = (0_u64, 0_u64, 0_u64);
        for (push, take) in steps {
            let rows: Vec<(u32, u64)> =
                (sent..sent + push as u64).map(|n| ((n * n % u64::from(symbols)) as u32, n)).collect();
            let words: Vec<(u32, f64)> = rows.iter().map(|row| (row.0, row.1 as f64)).collect();
            writer(&store, 0).rows(EventKind::Quote, &quotes(&words));
            sent += push as u64;
            let passed: Vec<_> =
                rows.into_iter().filter(|row| only.is_none_or(|only| only == row.0)).collect();
            filtered += (push - passed.len()) as u64;
            model.push(&passed, capacity, overflow);
            let before = taken;
            while let left @ 1.. = take - (taken - before) as usize
                && let Some((rows, times)) = consumer.next_rows(left, || 0)
            {
                prop_assert!((1..=left).contains(&times.len()));
                let rows = rows.chunks_exact(rows.len() / times.len());
                for row in rows {
                    let quote = Quote::from_row(row);
                    let expected = model.rows.pop_front().map(|(symbol, n)| (symbol, n as f64));
                    prop_assert_eq!(Some((quote.event_symbol.0, quote.bid_price)), expected);
                    taken += 1;
                }
                model.in_hand = consumer.in_hand();
            }
            let stats = QueueStats {
                received: sent,
                delivered: taken,
                pending: model.rows.len() as u64,
                conflated: model.conflated,
                dropped: model.dropped,
                filtered,
            };
            prop_assert_eq!(consumer.stats(), stats);
            add_up(stats);
            let over = model.raised && model.rows.is_empty();
            prop_assert_eq!(is_slow_consumer(consumer.ended()), over);
        }
    }
}

#[derive(Debug, Clone)]
enum Happens {
    Arrive(Vec<u32>),
    Pass(u64),
    Take(usize),
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let happens = prop_oneof![
        4 => proptest::collection::vec(0_u32..4, 1..5).prop_map(Happens::Arrive),
        3 => (0_u64..60).prop_map(Happens::Pass),
        3 => (0_usize..5).prop_map(Happens::Take),
    ];
    proptest::collection::vec(happens, 0..80)
}

proptest! {
    /// At every step each row is accounted for, no symbol comes more often than its rate, and where
    /// the buffer has room the last value of each comes within the interval.
    #[test]
    fn conflated_rows_are_accounted_for_and_end_on_the_last_value(
        happenings in happenings(),
        interval in prop_oneof![Just(0_u64), 1_u64..50],
        capacity in 1_usize..6,
        overflow in overflows(),
        only in proptest::option::of(0_u32..4),
    ) {
        let store = store();
        let symbols = only.map(|symbol| HashSet::from([SymbolId(symbol)]));
        let settings = QueueSettings {
            overflow,
            conflation: Some(interval),
            ..QueueSettings::every(capacity)
        };
        let mut consumer = store.listen(EventKind::Quote, symbols, settings);
        let mut now = 1000_u64;
        let mut value = 0.0;
        let mut last_sent: HashMap<u32, f64> = HashMap::new();
        let mut taken: HashMap<u32, (f64, u64)> = HashMap::new();
        let mut ended = 0;
        let end = [Happens::Pass(interval), Happens::Take(100)];
        for happens in happenings.into_iter().chain(end) {
            match happens {
                Happens::Arrive(symbols) => {
                    let rows: Vec<(u32, f64)> = symbols
                        .into_iter()
                        .map(|symbol| {
                            value += 1.0;
                            (symbol, value)
                        })
                        .collect();
                    writer(&store, now).rows(EventKind::Quote, &quotes(&rows));
                    let wanted = rows.into_iter().filter(|row| only.is_none_or(|only| only == row.0));
                    last_sent.extend(wanted);
                }
                Happens::Pass(time) => now += time,
                Happens::Take(most) => {
                    store.release(now);
                    // Once it has raised, there is no later time to hold a row back for.
                    let raised = consumer.stats().dropped > 0 && overflow == Raise;
                    for _ in 0..most {
                        let Some((row, _)) = consumer.next_row(now) else {
                            ended += u32::from(is_slow_consumer(consumer.ended()));
                            break;
                        };
                        prop_assert_eq!(ended, 0, "a row came after the end");
                        let quote = Quote::from_row(row);
                        let symbol = quote.event_symbol.0;
                        if let Some((before, at)) = taken.get(&symbol) {
                            prop_assert!(quote.bid_price > *before, "a value came twice or late");
                            prop_assert!(raised || now - at >= interval, "{} is too soon", now - at);
                        }
                        taken.insert(symbol, (quote.bid_price, now));
                    }
                }
            }
            let stats = consumer.stats();
            add_up(stats);
            prop_assert!(stats.pending <= capacity as u64, "{:?}", stats);
            if let Some(due) = store.release(now) {
                prop_assert!(due > now && due <= now + interval);
            }
        }
        let stats = consumer.stats();
        prop_assert_eq!(stats.pending, 0);
        prop_assert_eq!(ended > 0, overflow == Raise && stats.dropped > 0);
        prop_assert!(stats.dropped == 0 || capacity < last_sent.len(), "{:?}", stats);
        if stats.dropped == 0 {
            for (symbol, value) in last_sent {
                prop_assert_eq!(taken.get(&symbol).map(|(taken, _)| *taken), Some(value));
            }
        }
    }
}

/// Writes rows of `SYMBOLS` symbols at full speed while a reader takes them in bursts, and checks
/// their order and the counts all the while.
fn overrun(settings: QueueSettings, duration: Duration) {
    const SYMBOLS: u32 = 40;
    let store = store();
    let mut consumer = store.listen(EventKind::Quote, None, settings);
    let began = Instant::now();
    let clock = || began.elapsed().as_nanos() as u64;
    let mut last: HashMap<u32, f64> = HashMap::new();
    let mut stats_before = QueueStats::default();
    let wake = Arc::new(Wake::new().unwrap());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut sent = 0_u32;
            while began.elapsed() < duration {
                let rows: Vec<(u32, f64)> =
                    (sent..sent + 50).map(|n| (n * 7 % SYMBOLS, f64::from(n))).collect();
                writer(&store, clock()).rows(EventKind::Quote, &quotes(&rows));
                store.release(clock());
                sent += 50;
            }
            store.end(&Error::Closed);
            sent
        });
        let ended = loop {
            for _ in 0..300 {
                let Some((row, _)) = consumer.next_row(clock()) else { break };
                let quote = Quote::from_row(row);
                let before = last.insert(quote.event_symbol.0, quote.bid_price);
                assert!(before.is_none_or(|before| before < quote.bid_price), "{before:?}");
            }
            let stats = consumer.stats();
            add_up(stats);
            assert!(stats.received >= stats_before.received);
            assert!(stats.conflated >= stats_before.conflated);
            assert!(stats.dropped >= stats_before.dropped);
            if settings.conflation.is_some() {
                // One more may be in the writer's hand.
                assert!(stats.pending <= u64::from(SYMBOLS) + 1, "{stats:?}");
            }
            stats_before = stats;
            if let Some(ended) = consumer.ended() {
                break ended;
            }
            if matches!(consumer.arm(&wake, 1), Arm::Waiting) {
                assert!(wake.wait(Duration::from_secs(20)).unwrap());
            }
        };
        let sent = writing.join().unwrap();
        let stats = consumer.stats();
        add_up(stats);
        assert_eq!((stats.received, stats.pending), (u64::from(sent), 0));
        if settings.overflow == Raise && stats.dropped > 0 {
            assert!(is_slow_consumer(Some(ended)));
            return;
        }
        assert_eq!(ended, Error::Closed);
        if settings.conflation.is_some() {
            assert_eq!(stats.dropped, 0, "{stats:?}");
        }
        if settings.overflow == Conflate {
            assert_eq!(stats.dropped, 0, "a symbol was lost although there was room");
        }
        for n in sent - SYMBOLS..sent {
            assert_eq!(last.get(&(n * 7 % SYMBOLS)), Some(&f64::from(n)));
        }
    });
}

#[test]
fn a_reader_that_is_overrun_sees_rows_in_order_and_each_accounted_for() {
    let duration = Duration::from_millis(250);
    for overflow in [DropOldest, Conflate, Raise] {
        overrun(QueueSettings { overflow, ..QueueSettings::every(100) }, duration);
    }
    for interval in [0, 1, 20_000] {
        let settings = QueueSettings { conflation: Some(interval), ..QueueSettings::every(40) };
        overrun(settings, duration);
    }
}

#[test]
fn a_fork_of_a_conflating_queue_begins_with_what_waits_there() {
    let store = store();
    let settings = QueueSettings { conflation: Some(100), ..QueueSettings::every(10) };
    let mut first = store.listen(EventKind::Quote, None, settings);
    writer(&store, 1000).rows(EventKind::Quote, &quotes(&[(2, 1.0), (1, 2.0)]));
    assert_eq!(prices(&mut first), [1.0, 2.0]);
    writer(&store, 1001).rows(EventKind::Quote, &quotes(&[(1, 3.0), (1, 4.0)]));
    writer(&store, 1002).rows(EventKind::Quote, &quotes(&[(2, 5.0)]));
    let mut fork = store.fork(&first, None, ROOMY);
    let waiting = QueueStats { received: 2, pending: 2, ..QueueStats::default() };
    assert_eq!(fork.stats(), waiting);
    assert_eq!(prices(&mut fork), [4.0, 5.0]);
    store.end(&Error::Closed);
    assert_eq!(prices(&mut first).len(), 2);
    add_up(first.stats());
}

#[test]
fn a_closed_reader_keeps_nothing_and_drops_what_comes() {
    for conflation in [None, Some(0), Some(1 << 60)] {
        let store = store();
        let settings = QueueSettings { conflation, ..ROOMY };
        let mut consumer = store.listen(EventKind::Quote, None, settings);
        let rows = quotes(&[(1, 1.0), (2, 2.0), (3, 3.0)]);
        writer(&store, 1).rows(EventKind::Quote, &rows);
        assert!(consumer.next_row(1).is_some());
        consumer.set_capacity(0);
        let closed = QueueStats { received: 3, delivered: 1, dropped: 2, ..QueueStats::default() };
        assert_eq!(consumer.stats(), closed);
        assert!(consumer.next_row(1).is_none());
        writer(&store, 2).rows(EventKind::Quote, &rows);
        assert_eq!(consumer.stats(), QueueStats { received: 6, dropped: 5, ..closed });
        assert!(store.queue_memory().iter().all(|queue| queue.entries == 0));
        assert_eq!(store.release(3), None);
    }
}

#[test]
fn a_rate_counts_from_when_a_row_was_ready_where_the_clock_was_read_before() {
    let store = store();
    let settings = QueueSettings { conflation: Some(100), ..ROOMY };
    let mut consumer = store.listen(EventKind::Quote, None, settings);
    for (arrives, taken_by_clock) in [(1000, 1000), (1100, 1050), (1199, 1199)] {
        writer(&store, arrives).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
        let came = consumer.next_row(taken_by_clock).is_some();
        assert_eq!(came, arrives < 1199);
    }
    assert_eq!(store.release(1199), Some(1200));
}

#[test]
fn the_memory_of_a_conflating_queue_is_that_of_its_mailboxes() {
    let store = store();
    let settings = QueueSettings { conflation: Some(0), ..ROOMY };
    let mut all = store.listen(EventKind::Quote, None, settings);
    let some = store.listen(EventKind::Quote, Some([SymbolId(1)].into()), settings);
    writer(&store, 1).rows(EventKind::Quote, &quotes(&[(1, 1.0), (2, 2.0), (1, 3.0)]));
    assert_eq!(prices(&mut all), [3.0, 2.0]);
    let memory = store.queue_memory();
    let used: Vec<_> = memory.iter().map(|queue| (queue.capacity, queue.entries)).collect();
    assert_eq!(used, [(Tables::MAX_SYMBOLS, 2), (1, 1)]);
    assert!(memory[0].entry_bytes >= 3 * (EventKind::Quote.fields().len() + 1) * 8);
    drop(some);
}
