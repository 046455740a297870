//! One client of the account WebSocket; sans-I/O.
//!
//! Replies are those that were recorded of the vendor's servers: errors carry no `request-id`, whatever the
//! request had.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::session::Output;

/// Most messages that wait for a client to read; one with more is disconnected.
const MAX_WAITING: usize = 1 << 16;

/// A client's message. What it does not know it ignores.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) action: Option<String>,
    #[serde(default)]
    pub(super) value: Value,
    #[serde(rename = "auth-token")]
    pub(super) auth_token: Option<String>,
    #[serde(rename = "request-id", default)]
    pub(super) request_id: Value,
}

impl Message {
    /// The account numbers of a `connect`: an array, or one string.
    pub(super) fn accounts(&self) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match &self.value {
            Value::String(number) => Some(vec![number.clone()]),
            Value::Array(numbers) if !numbers.is_empty() => numbers.iter().map(text).collect(),
            _ => None,
        }
    }
}

/// A client's conversation.
pub(super) struct Client {
    /// As `web-socket-session-id` has it.
    session_id: String,
    /// The accounts that it hears of; none before it has connected.
    accounts: Vec<String>,
    /// The last heartbeat, or the beginning.
    pub(super) heard: Duration,
    /// Notifications sent, as `ws-sequence` counts them.
    sequence: u64,
    outbox: VecDeque<Output>,
    closed: bool,
    /// Whether nothing more is said.
    pub(super) muted: bool,
    /// Woken when there is something to send.
    pub(super) wake: Rc<Notify>,
    /// Told when nothing more is to be read.
    pub(super) deaf: Rc<Notify>,
}

impl Client {
    pub(super) fn new(session_id: String, now: Duration) -> Self {
        Self {
            session_id,
            accounts: Vec::new(),
            heard: now,
            sequence: 0,
            outbox: VecDeque::new(),
            closed: false,
            muted: false,
            wake: Rc::default(),
            deaf: Rc::default(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.accounts.is_empty()
    }

    pub(super) fn hears_of(&self, account: &str) -> bool {
        self.accounts.iter().any(|number| number == account)
    }

    /// Hears of these accounts too from here on.
    pub(super) fn connect(&mut self, accounts: &[String]) {
        let more = accounts.iter().filter(|number| !self.hears_of(number)).cloned();
        let more: Vec<String> = more.collect();
        self.accounts.extend(more);
    }

    /// Answers a message by "ok".
    pub(super) fn confirm(&mut self, message: &Message, value: Option<Value>) {
        let mut reply = json!({
            "status": "ok",
            "action": message.action,
            "web-socket-session-id": self.session_id,
        });
        if let Some(value) = value {
            reply["value"] = value;
        }
        if !message.request_id.is_null() {
            reply["request-id"] = message.request_id.clone();
        }
        self.say(reply.to_string());
    }

    /// Answers a message by an error.
    pub(super) fn refuse(&mut self, action: Option<&str>, text: &str) {
        let mut reply = json!({
            "status": "error",
            "web-socket-session-id": self.session_id,
            "message": text,
        });
        if let Some(action) = action {
            reply["action"] = action.into();
        }
        self.say(reply.to_string());
    }

    /// Sends a notification.
    pub(super) fn notify(&mut self, kind: &str, data: &Value, timestamp: i64) {
        self.sequence += 1;
        let frame = json!({
            "type": kind,
            "data": data,
            "timestamp": timestamp,
            "ws-sequence": self.sequence,
        });
        self.say(frame.to_string());
    }

    /// Sends a text as it is.
    pub(super) fn say(&mut self, text: String) {
        if self.outbox.len() >= MAX_WAITING {
            self.outbox.clear();
            self.close(1008, "slow consumer");
        } else if !self.closed && !self.muted {
            self.outbox.push_back(Output::Text(text));
            self.wake.notify_one();
        }
    }

    /// Ends the conversation after what is ready to be sent.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        if !self.closed && !self.muted {
            self.closed = true;
            self.outbox.push_back(Output::Close { code, reason: reason.to_owned() });
            self.wake.notify_one();
        }
    }

    /// Says nothing more, and does not listen.
    pub(super) fn mute(&mut self) {
        self.muted = true;
        self.outbox.clear();
        self.deaf.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// What is ready to be sent.
    pub(super) fn take(&mut self) -> Vec<Output> {
        self.outbox.drain(..).collect()
    }
}
