//! FEED_CONFIG and FEED_DATA in any order: data is read by the last config, in one pass as by way of a
//! tree.

use std::sync::Arc;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::protocol::{
    Entry, EventSink, FeedKey, Session, SessionSettings, SnapshotMark, Subscriptions, TypeGap,
};
use dxstream::symbol::Tables;

/// What a session hands on.
#[derive(Debug, PartialEq)]
enum Passed {
    Rows(EventKind, Vec<u64>),
    Snapshot(EventKind, Vec<u64>, bool),
    Mark(EventKind, SnapshotMark),
}

#[derive(Debug, Default, PartialEq)]
struct Recorded(Vec<Passed>);

impl EventSink for Recorded {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        self.0.push(Passed::Rows(kind, rows.to_vec()));
    }

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], resumed: bool) {
        self.0.push(Passed::Snapshot(kind, rows.to_vec(), resumed));
    }

    fn snapshot_mark(&mut self, kind: EventKind, mark: &SnapshotMark) {
        self.0.push(Passed::Mark(kind, *mark));
    }

    fn gap(&mut self, _: &TypeGap) {}

    fn last_time(&self, _: EventKind, _: &str) -> Option<i64> {
        None
    }
}

/// A session with one open channel for candles and one for quotes.
struct Reader {
    session: Session,
    wanted: Subscriptions,
    passed: Recorded,
}

impl Reader {
    fn new(tables: Arc<Tables>) -> Self {
        let session = Session::new(SessionSettings::default(), None, tables, Duration::ZERO);
        let mut wanted = Subscriptions::default();
        for (kind, from_time) in [(EventKind::Quote, None), (EventKind::Candle, Some(0))] {
            let entry = Entry { symbol: "A".into(), source: None };
            wanted.add(FeedKey::new(kind, from_time), [entry], from_time, None);
        }
        let mut reader = Self { session, wanted, passed: Recorded::default() };
        for message in [
            r#"{"type":"SETUP","channel":0}"#,
            r#"{"type":"AUTH_STATE","channel":0,"state":"AUTHORIZED"}"#,
            r#"{"type":"CHANNEL_OPENED","channel":1}"#,
            r#"{"type":"CHANNEL_OPENED","channel":3}"#,
        ] {
            reader.receive(message);
        }
        reader
    }

    fn receive(&mut self, frame: &str) {
        self.session.receive(frame, &mut self.wanted, &mut self.passed, Duration::ZERO);
        while self.session.next_output().is_some() {}
        while self.session.next_event().is_some() {}
    }
}

/// Takes each line that begins with a brace as the `eventFields` of a FEED_CONFIG, and each other as
/// the `data` of a FEED_DATA message, on channel 1 or, after a `3`, on channel 3.
///
/// # Panics
/// If the two ways of reading do not agree.
pub fn check(input: &[u8]) {
    let tables = Arc::new(Tables::new());
    let [mut fast, mut by_tree] = [(); 2].map(|()| Reader::new(Arc::clone(&tables)));
    for line in String::from_utf8_lossy(input).lines() {
        let (channel, body) = line.strip_prefix('3').map_or((1, line), |body| (3, body));
        let frame = if body.starts_with('{') {
            format!(r#"{{"type":"FEED_CONFIG","channel":{channel},"eventFields":{body}}}"#)
        } else {
            format!(r#"{{"type":"FEED_DATA","channel":{channel},"data":{body}}}"#)
        };
        // The tree first: the other way knows only symbols that were met before.
        by_tree.receive(&format!(" {frame}"));
        fast.receive(&frame);
        assert_eq!(fast.passed, by_tree.passed, "{frame}");
        let mut counted = by_tree.session.counters();
        counted.bytes = fast.session.counters().bytes;
        assert_eq!(fast.session.counters(), counted, "{frame}");
    }
}
