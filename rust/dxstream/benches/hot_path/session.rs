//! A session's text frames into the store, by the whole way.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::protocol::{Entry, FeedKey, Session, SessionSettings, Subscriptions};
use dxstream::store::{QueueSettings, Store, StoreWriter};
use dxstream::symbol::Tables;

use crate::input::{self, EVENTS, QUOTE};
use crate::store::{HISTORY, SYMBOLS};
use crate::{Round, Work};

pub(crate) const WORKS: &[Work] = &[
    Work::new("session/64 rows a frame", || work(input::quotes(64, SYMBOLS), false)),
    Work::new("session/64 rows a frame, 1 listener", || work(input::quotes(64, SYMBOLS), true)),
    Work::new("session/1 row a frame", || work(input::quotes(1, SYMBOLS), false)),
    Work::new("session/1 row a frame, 1 listener", || work(input::quotes(1, SYMBOLS), true)),
];

fn work(frames: Vec<String>, with_listener: bool) -> Round {
    let tables = Arc::new(Tables::new());
    let store = Store::new(Arc::clone(&tables), HISTORY);
    let (mut session, mut wanted) = subscribed(tables, &store);
    let mut consumer =
        with_listener.then(|| store.listen(EventKind::Quote, None, QueueSettings::every(1 << 16)));
    let as_written = input::written_sum(&frames, QUOTE.len(), 6);
    let mut now = Duration::ZERO;
    let mut events = session.counters().events;
    Box::new(move || {
        let mut sum = 0.0;
        for some in frames.chunks(frames.len() / 16) {
            now += Duration::from_micros(100);
            for frame in some {
                let sink = &mut StoreWriter { store: &store, received_at: now.as_nanos() as u64 };
                session.receive(black_box(frame), &mut wanted, sink, now);
            }
            if let Some(consumer) = &mut consumer {
                while let Some((row, _)) = consumer.next_row(0) {
                    sum += f64::from_bits(row[6]);
                }
            }
        }
        events += EVENTS as u64;
        assert_eq!(session.counters().events, events);
        if with_listener {
            assert!((sum - as_written).abs() < 1e-6 * as_written);
        }
    })
}

/// A session whose channel 1 carries quotes.
fn subscribed(tables: Arc<Tables>, store: &Store) -> (Session, Subscriptions) {
    let mut session = Session::new(SessionSettings::default(), None, tables, Duration::ZERO);
    let mut wanted = Subscriptions::default();
    let key = FeedKey::new(EventKind::Quote, None);
    let entries = (0..SYMBOLS).map(|number| Entry { symbol: input::symbol(number), source: None });
    wanted.add(key, entries, None, None);
    let fields = serde_json::to_string(&QUOTE).expect("names are texts");
    let config = format!(
        r#"{{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0,"eventFields":{{"Quote":{fields}}}}}"#
    );
    for message in [
        r#"{"type":"SETUP","channel":0,"version":"1.0"}"#,
        r#"{"type":"AUTH_STATE","channel":0,"state":"AUTHORIZED"}"#,
        r#"{"type":"CHANNEL_OPENED","channel":1,"service":"FEED"}"#,
        &config,
    ] {
        let sink = &mut StoreWriter { store, received_at: 0 };
        session.receive(message, &mut wanted, sink, Duration::ZERO);
        session.send_changes(&mut wanted, Duration::ZERO);
    }
    assert!(session.is_authorized());
    (session, wanted)
}
