//! What the server says, `type` and `channel` first: the QD client insists on it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::encode::write_double;
use crate::source::Level;

/// The version that the server says it is; DXLink servers write protocol and build.
const VERSION: &str = concat!("1.0-", env!("CARGO_PKG_VERSION"));

/// The user that every token stands for.
const USER_ID: &str = "exchange-user";

/// The types of all messages that a session makes.
pub(crate) const MESSAGE_TYPES: [&str; 10] = [
    "SETUP",
    "AUTH_STATE",
    "KEEPALIVE",
    "ERROR",
    "CHANNEL_OPENED",
    "CHANNEL_CLOSED",
    "FEED_CONFIG",
    "FEED_DATA",
    "DOM_CONFIG",
    "DOM_SNAPSHOT",
];

/// The kinds of ERROR that the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    UnsupportedProtocol,
    Timeout,
    Unauthorized,
    InvalidMessage,
    BadAction,
}

impl ErrorKind {
    const fn name(self) -> &'static str {
        match self {
            Self::UnsupportedProtocol => "UNSUPPORTED_PROTOCOL",
            Self::Timeout => "TIMEOUT",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::InvalidMessage => "INVALID_MESSAGE",
            Self::BadAction => "BAD_ACTION",
        }
    }
}

#[derive(Serialize)]
struct Message<'a, B> {
    r#type: &'a str,
    channel: i64,
    #[serde(flatten)]
    body: B,
}

fn message<B: Serialize>(kind: &str, channel: i64, body: B) -> String {
    debug_assert!(MESSAGE_TYPES.contains(&kind));
    serde_json::to_string(&Message { r#type: kind, channel, body })
        .expect("a message of named fields has a JSON form")
}

#[derive(Serialize)]
struct Empty {}

pub(crate) fn setup(keepalive: Duration, accept_keepalive: Duration) -> String {
    let body = json!({
        "keepaliveTimeout": seconds(keepalive),
        "acceptKeepaliveTimeout": seconds(accept_keepalive),
        "version": VERSION,
    });
    message("SETUP", 0, body)
}

pub(crate) fn authorized() -> String {
    message("AUTH_STATE", 0, json!({ "state": "AUTHORIZED", "userId": USER_ID }))
}

pub(crate) fn unauthorized() -> String {
    message("AUTH_STATE", 0, json!({ "state": "UNAUTHORIZED" }))
}

pub(crate) fn keepalive() -> String {
    message("KEEPALIVE", 0, Empty {})
}

pub(crate) fn error(channel: i64, kind: ErrorKind, text: &str) -> String {
    message("ERROR", channel, json!({ "error": kind.name(), "message": text }))
}

pub(crate) fn channel_opened(
    channel: i64,
    service: &str,
    parameters: &Map<String, Value>,
) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        service: &'a str,
        parameters: &'a Map<String, Value>,
    }
    message("CHANNEL_OPENED", channel, Body { service, parameters })
}

pub(crate) fn channel_closed(channel: i64) -> String {
    message("CHANNEL_CLOSED", channel, Empty {})
}

pub(crate) fn feed_config(
    channel: i64,
    data_format: &str,
    period: Duration,
    fields: Option<(&str, Vec<&str>)>,
) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        data_format: &'a str,
        aggregation_period: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        event_fields: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    }
    let event_fields = fields.map(|(kind, names)| BTreeMap::from([(kind, names)]));
    let body = Body { data_format, aggregation_period: seconds(period), event_fields };
    message("FEED_CONFIG", channel, body)
}

pub(crate) fn dom_config(
    channel: i64,
    period: Duration,
    depth_limit: usize,
    order_fields: &[String],
) -> String {
    let body = json!({
        "aggregationPeriod": seconds(period),
        "depthLimit": depth_limit,
        "dataFormat": "FULL",
        "orderFields": order_fields,
    });
    message("DOM_CONFIG", channel, body)
}

pub(crate) fn dom_snapshot(
    channel: i64,
    time: i64,
    bids: &[Level],
    asks: &[Level],
    order_fields: &[String],
) -> String {
    #[derive(Serialize)]
    struct Body {
        time: i64,
        bids: Vec<Map<String, Value>>,
        asks: Vec<Map<String, Value>>,
    }
    let side = |levels: &[Level]| -> Vec<Map<String, Value>> {
        levels
            .iter()
            .map(|level| {
                order_fields
                    .iter()
                    .map(|name| {
                        let value = if name == "price" { level.price } else { level.size };
                        (name.clone(), double(value))
                    })
                    .collect()
            })
            .collect()
    };
    message("DOM_SNAPSHOT", channel, Body { time, bids: side(bids), asks: side(asks) })
}

/// A double; one that is not finite is a string, as in feed data.
fn double(value: f64) -> Value {
    let mut text = Vec::new();
    write_double(&mut text, value);
    serde_json::from_slice(&text).expect("an encoded double is JSON")
}

/// A duration in seconds, without a fraction where it has none.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 {
        json!(duration.as_secs())
    } else {
        json!(duration.as_secs_f64())
    }
}
