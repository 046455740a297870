//! From the store's writer to listeners, which take what waits after every eighth frame.

use std::hint::black_box;
use std::sync::Arc;

use dxstream::event::EventKind;
use dxstream::protocol::EventSink;
use dxstream::store::{Consumer, Overflow, QueueSettings, Store, StoreWriter};
use dxstream::symbol::Tables;

use crate::input::{self, Channel, EVENTS, QUOTE};
use crate::store::{HISTORY, SYMBOLS};
use crate::{Round, Work};

const EVERY: QueueSettings = QueueSettings::every(1 << 16);

/// Nanoseconds between two frames: 64 rows of 1,000 symbols make a round in 16 ms.
const FRAME_EVERY: u64 = 1_000_000;

/// A conflating queue whose listener takes a symbol's row again after so many nanoseconds.
const fn at_most_every(interval: u64) -> QueueSettings {
    QueueSettings {
        capacity: 1 << 16,
        overflow: Overflow::DropOldest,
        conflation: Some(interval),
        requirements: &[],
    }
}

pub(crate) const WORKS: &[Work] = &[
    Work::new("queue/every row", || work(EVERY, 1)),
    Work::new("queue/every row, 10 listeners", || work(EVERY, 10)),
    Work::new("queue/conflated", || work(at_most_every(0), 1)),
    Work::new("throttle/50 ms a symbol", || work(at_most_every(50_000_000), 1)),
];

fn work(settings: QueueSettings, listeners: usize) -> Round {
    let tables = Arc::new(Tables::new());
    let channel = Channel::of(EventKind::Quote, &QUOTE);
    let frames = input::rows(&input::quotes(64, SYMBOLS), &channel, &tables);
    let store = Store::new(tables, HISTORY);
    let mut consumers: Vec<Consumer> =
        (0..listeners).map(|_| store.listen(EventKind::Quote, None, settings)).collect();
    let mut now = 0;
    Box::new(move || {
        let before = consumers[0].stats();
        let mut taken = 0;
        for frames in frames.chunks(8) {
            for rows in frames {
                now += FRAME_EVERY;
                StoreWriter { store: &store, received_at: now }
                    .rows(EventKind::Quote, black_box(rows));
            }
            store.release(now);
            for consumer in &mut consumers {
                while let Some((row, received_at)) = consumer.next_row(now) {
                    assert!(black_box(row).len() == QUOTE.len() && received_at <= now);
                    taken += 1;
                }
            }
        }
        let stats = consumers[0].stats();
        assert_eq!(stats.received - before.received, EVENTS as u64);
        assert_eq!((stats.delivered - before.delivered) * listeners as u64, taken);
        match settings.conflation {
            None => assert_eq!(taken, (EVENTS * listeners) as u64),
            Some(_) => assert!(stats.conflated > before.conflated && taken > 0),
        }
        assert_eq!(stats.dropped + stats.filtered, 0);
    })
}
