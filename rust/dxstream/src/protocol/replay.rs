//! Frames of a server on one channel, through a session into a store, for tests.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Entry, FeedKey, Session, SessionSettings, Subscriptions};
use crate::event::EventKind;
use crate::store::{Store, StoreWriter};
use crate::symbol::{SymbolId, Tables};

/// A session that is subscribed, and the store that it writes to.
pub(crate) struct Replay {
    kind: EventKind,
    session: Session,
    wanted: Subscriptions,
    pub(crate) store: Store,
}

impl Replay {
    /// Subscribes to events of one type with these fields, of whatever symbols the frames have.
    pub(crate) fn new(kind: EventKind, from_time: Option<i64>, fields: &[&str]) -> Self {
        let tables = Arc::new(Tables::new());
        let settings = SessionSettings::default();
        let session = Session::new(settings, None, Arc::clone(&tables), Duration::ZERO);
        let mut wanted = Subscriptions::default();
        let entry = Entry { symbol: "any".into(), source: None };
        wanted.add(FeedKey::new(kind, from_time), [entry], from_time, None);
        let mut replay = Self { kind, session, wanted, store: Store::new(tables, 0) };
        for message in [
            json!({"type": "SETUP", "channel": 0}),
            json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}),
            json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED", "parameters": {}}),
            json!({"type": "FEED_CONFIG", "channel": 1, "dataFormat": "COMPACT",
                   "eventFields": {kind.name(): fields}}),
        ] {
            replay.receive(&message.to_string());
        }
        replay
    }

    /// Takes one message.
    ///
    /// # Panics
    /// If something of it could not be read.
    pub(crate) fn receive(&mut self, message: &str) {
        let mut writer = StoreWriter { store: &self.store, received_at: 0 };
        self.session.receive(message, &mut self.wanted, &mut writer, Duration::ZERO);
        let counters = self.session.counters();
        assert_eq!(
            counters.malformed_frames + counters.rejected_rows + counters.rejected_blocks,
            0
        );
    }

    /// Takes a FEED_DATA message of these values, row after row.
    pub(crate) fn receive_data(&mut self, values: &[Value]) {
        let name = self.kind.name();
        // As on the wire, the type comes first.
        self.receive(&format!(
            r#"{{"type":"FEED_DATA","channel":1,"data":["{name}",{}]}}"#,
            Value::from(values)
        ));
    }

    /// The number of a symbol.
    pub(crate) fn symbol(&self, symbol: &str) -> SymbolId {
        SymbolId(self.store.tables().symbols.intern(symbol).unwrap())
    }
}
