use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::{MAX_WORDS, Quote, Record};

fn store() -> Store {
    Store::new(Arc::new(Tables::new()))
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
    std::iter::from_fn(|| consumer.next_row().map(|row| Quote::from_row(row).bid_price)).collect()
}

const ROOMY: QueueSettings = QueueSettings { capacity: 1 << 20 };

#[test]
fn the_latest_event_of_a_symbol_is_the_last_written() {
    let store = store();
    let mut row = [0; MAX_WORDS];
    assert!(!store.latest(EventKind::Quote, SymbolId(3), &mut row));
    StoreWriter(&store).rows(EventKind::Quote, &quotes(&[(3, 1.0), (700, 2.0), (3, 3.0)]));
    assert!(store.latest(EventKind::Quote, SymbolId(3), &mut row));
    assert_eq!(Quote::from_row(&row).bid_price.to_bits(), 3.0_f64.to_bits());
    assert!(store.latest(EventKind::Quote, SymbolId(700), &mut row));
    assert!(!store.latest(EventKind::Quote, SymbolId(4), &mut row));
    assert!(!store.latest(EventKind::Trade, SymbolId(3), &mut row));
}

#[test]
fn every_listener_gets_every_event_and_only_of_its_type_and_symbols() {
    let store = store();
    let mut all = store.listen(EventKind::Quote, None, ROOMY);
    let mut some = store.listen(EventKind::Quote, Some([SymbolId(2)].into()), ROOMY);
    let mut trades = store.listen(EventKind::Trade, None, ROOMY);
    StoreWriter(&store).rows(EventKind::Quote, &quotes(&[(1, 1.0), (2, 2.0), (1, 3.0)]));
    assert_eq!(prices(&mut all), [1.0, 2.0, 3.0]);
    assert_eq!(prices(&mut some), [2.0]);
    assert!(trades.next_row().is_none());
    assert_eq!(
        some.stats(),
        QueueStats { received: 3, delivered: 1, pending: 0, dropped: 0, filtered: 2 }
    );
}

#[test]
fn a_fork_begins_with_what_waits_and_then_goes_its_own_way() {
    let store = store();
    let mut first = store.listen(EventKind::Quote, None, QueueSettings { capacity: 3 });
    let mut writer = StoreWriter(&store);
    writer.rows(EventKind::Quote, &quotes(&[(1, 0.0), (1, 1.0), (1, 2.0), (1, 3.0)]));
    first.next_row();
    writer.rows(EventKind::Quote, &quotes(&[(1, 4.0)]));
    let mut fork = store.fork(&first, None, QueueSettings { capacity: 10 });
    writer.rows(EventKind::Quote, &quotes(&[(1, 5.0)]));
    assert_eq!(
        fork.stats(),
        QueueStats { received: 5, delivered: 0, pending: 4, dropped: 1, filtered: 0 }
    );
    assert_eq!(prices(&mut fork), [2.0, 3.0, 4.0, 5.0]);
    assert_eq!(prices(&mut first), [2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn an_ended_queue_gives_what_is_left_then_its_error() {
    let store = store();
    let mut before = store.listen(EventKind::Quote, None, ROOMY);
    StoreWriter(&store).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
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
        assert!(matches!(consumer.arm(&wake), Arm::Waiting));
        assert!(!wake.wait(Duration::ZERO).unwrap());
        StoreWriter(&store).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
        assert!(wake.wait(Duration::from_secs(5)).unwrap());
        assert!(matches!(consumer.arm(&wake), Arm::Ready));
        assert_eq!(prices(&mut consumer), [1.0]);
    }
    assert!(matches!(consumer.arm(&wake), Arm::Waiting));
    store.end(&Error::Closed);
    assert!(wake.wait(Duration::from_secs(5)).unwrap());
    assert!(matches!(consumer.arm(&wake), Arm::Ready));
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
                StoreWriter(&store).rows(EventKind::Quote, &quotes(&[(n % 7, f64::from(n))]));
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
            if matches!(consumer.arm(&wake), Arm::Waiting) {
                assert!(wake.wait(Duration::from_secs(20)).unwrap());
            }
        }
        assert_eq!(seen, ROWS);
    });
}

#[test]
fn a_latest_read_is_never_torn() {
    const ROUNDS: u32 = 50_000;
    let store = store();
    let width = EventKind::Quote.fields().len();
    let row_of = |n: u64| (0..width as u64).map(move |word| if word == 0 { 5 } else { n + word });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=u64::from(ROUNDS) {
                let row: Vec<u64> = row_of(n).collect();
                StoreWriter(&store).rows(EventKind::Quote, &row);
            }
        });
        let mut row = [0; MAX_WORDS];
        let mut last = 0;
        while last < u64::from(ROUNDS) {
            if store.latest(EventKind::Quote, SymbolId(5), &mut row) {
                let n = row[1] - 1;
                assert!(n >= last, "the latest event went back");
                assert!(row[..width].iter().copied().eq(row_of(n)), "torn row {row:?}");
                last = n;
            }
        }
    });
}

proptest! {
    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_them(
        capacity in 1_usize..3000,
        steps in proptest::collection::vec((0_usize..2500, 0_usize..3000), 1..12),
    ) {
        let store = store();
        let mut consumer = store.listen(EventKind::Quote, None, QueueSettings { capacity });
        let mut model = VecDeque::new();
        let (mut sent, mut dropped, mut taken) = (0_u64, 0_u64, 0_u64);
        // The reader holds one segment of its own, which is out of the queue's reach.
        let mut in_hand = 0_usize;
        for (push, take) in steps {
            let rows: Vec<(u32, f64)> = (0..push).map(|n| (1, (sent + n as u64) as f64)).collect();
            StoreWriter(&store).rows(EventKind::Quote, &quotes(&rows));
            model.extend(rows.iter().map(|row| row.1));
            sent += push as u64;
            while model.len() > in_hand + capacity {
                model.remove(in_hand);
                dropped += 1;
            }
            for _ in 0..take {
                let Some(row) = consumer.next_row() else { break };
                let price = Quote::from_row(row).bid_price;
                prop_assert_eq!(Some(price.to_bits()), model.pop_front().map(f64::to_bits));
                taken += 1;
                in_hand = consumer.in_hand();
            }
            let stats = consumer.stats();
            prop_assert_eq!(stats.received, sent);
            prop_assert_eq!(stats.delivered, taken);
            prop_assert_eq!(stats.dropped, dropped);
            prop_assert_eq!(stats.pending as usize, model.len());
            prop_assert_eq!(
                stats.received,
                stats.delivered + stats.pending + stats.dropped + stats.filtered
            );
        }
    }
}
