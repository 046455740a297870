//! The account streamer's messages, from text and as text.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::secret::Secret;

/// What the account streamer, or a snapshot by REST, tells of an account, of alerts or watchlists.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The type as the server names it, such as `Order`; any text, known or not.
    pub kind: Box<str>,
    /// The object as JSON, as the server wrote it.
    pub data: Box<RawValue>,
    /// When the server sent it, in ms since 1970 UTC, where it says so.
    pub timestamp: Option<i64>,
    /// The server's number of it on the connection, where it says so.
    pub sequence: Option<i64>,
    /// Whether it is part of a snapshot, which tells what there is; otherwise something has changed.
    pub is_snapshot: bool,
}

impl Notification {
    /// The account that it is about, if it is about one.
    pub fn account(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Of {
            #[serde(rename = "account-number")]
            account: Option<String>,
        }
        serde_json::from_str::<Of>(self.data.get()).ok()?.account
    }
}

/// A server's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) ok: bool,
    pub(super) action: String,
    pub(super) message: String,
    pub(super) request_id: Option<u64>,
    /// The accounts of a connect, where the server repeats them.
    pub(super) value: Option<Vec<String>>,
}

/// What a text frame turns out to be.
#[derive(Debug)]
pub(super) enum Incoming {
    Notification(Notification),
    Reply(Reply),
    /// JSON that is neither.
    Unknown,
    /// No JSON object.
    Malformed,
}

/// The keys of every message. Each value is looked at on its own, so that one of an unexpected kind does
/// not spoil the others.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "ws-sequence")]
    sequence: Option<&'a RawValue>,
    #[serde(borrow)]
    results: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "request-id")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads a text frame: one message, or a batch of them.
pub(super) fn read(frame: &str) -> Vec<Incoming> {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(frame) else {
        return vec![Incoming::Malformed];
    };
    let batch = envelope.results.filter(|_| envelope.kind.is_none());
    match batch.and_then(|results| serde_json::from_str::<Vec<&RawValue>>(results.get()).ok()) {
        Some(batch) => batch
            .into_iter()
            .map(|one| match serde_json::from_str::<Envelope<'_>>(one.get()) {
                Ok(envelope) => classify(&envelope, one.get()),
                Err(_) => Incoming::Malformed,
            })
            .collect(),
        None => vec![classify(&envelope, frame)],
    }
}

fn classify(envelope: &Envelope<'_>, whole: &str) -> Incoming {
    if let Some(kind) = envelope.kind.and_then(text) {
        // A message of an unknown shape is kept as it is.
        let data = match envelope.data {
            Some(data) => data.to_owned(),
            None => match RawValue::from_string(whole.to_owned()) {
                Ok(whole) => whole,
                Err(_) => return Incoming::Malformed,
            },
        };
        return Incoming::Notification(Notification {
            kind: kind.into(),
            data,
            timestamp: envelope.timestamp.and_then(integer),
            sequence: envelope.sequence.and_then(integer),
            is_snapshot: false,
        });
    }
    match envelope.status.and_then(text) {
        Some(status) => Incoming::Reply(Reply {
            ok: status == "ok",
            action: envelope.action.and_then(text).unwrap_or_default(),
            message: envelope.message.and_then(text).unwrap_or_default(),
            request_id: envelope.request_id.and_then(integer).and_then(|id| id.try_into().ok()),
            value: envelope.value.and_then(texts),
        }),
        None => Incoming::Unknown,
    }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// One text, or several; seen both ways.
fn texts(raw: &RawValue) -> Option<Vec<String>> {
    serde_json::from_str(raw.get()).ok().or_else(|| text(raw).map(|one| vec![one]))
}

/// An integer, also one within quotes; the server mixes them.
fn integer(raw: &RawValue) -> Option<i64> {
    serde_json::from_str(raw.get()).ok().or_else(|| text(raw)?.parse().ok())
}

/// A request, which gets its token when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) action: String,
    pub(super) value: Option<Value>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Accounts(Vec<String>),
    User(String),
}

impl Request {
    /// The text frame; `token` is what the Authorization header of REST has.
    pub(super) fn frame(&self, token: &Secret) -> String {
        #[derive(Serialize)]
        struct Frame<'a> {
            action: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: &'a Option<Value>,
            #[serde(rename = "auth-token")]
            token: &'a str,
            #[serde(rename = "request-id")]
            id: u64,
            source: &'static str,
        }
        let Self { id, action, value } = self;
        let source = concat!("dxstream/", env!("CARGO_PKG_VERSION"));
        serde_json::to_string(&Frame { action, value, token: token.expose(), id: *id, source })
            .expect("texts and numbers are JSON")
    }
}

/// A value of JSON as text.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("texts and numbers are JSON")
}
