//! What a client says.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Number, Value};

/// Any message of a client: the fields of every type, found by name in whatever order they come.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientMessage {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) channel: i64,
    pub(crate) version: Option<String>,
    pub(crate) keepalive_timeout: Option<f64>,
    pub(crate) accept_keepalive_timeout: Option<f64>,
    pub(crate) token: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) parameters: Option<Map<String, Value>>,
    pub(crate) accept_aggregation_period: Option<Period>,
    pub(crate) accept_data_format: Option<String>,
    pub(crate) accept_event_fields: Option<HashMap<String, Vec<String>>>,
    pub(crate) accept_depth_limit: Option<usize>,
    pub(crate) accept_order_fields: Option<Vec<String>>,
    pub(crate) reset: Option<bool>,
    pub(crate) remove: Option<Vec<Item>>,
    pub(crate) add: Option<Vec<Item>>,
}

impl ClientMessage {
    /// A text among the parameters.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.as_ref()?.get(name)?.as_str()
    }
}

/// A wish for an aggregation period. The QD client asks for the server's default with `"NaN"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Period {
    Seconds(f64),
    Text(String),
}

impl Period {
    pub(crate) fn seconds(&self) -> Option<f64> {
        match self {
            Self::Seconds(seconds) => Some(*seconds),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// One item of a FEED_SUBSCRIPTION.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) symbol: String,
    pub(crate) source: Option<String>,
    pub(crate) from_time: Option<Number>,
}

impl Item {
    /// The time asked for, ms since 1970 UTC.
    pub(crate) fn start(&self) -> Option<i64> {
        let number = self.from_time.as_ref()?;
        number.as_i64().or_else(|| number.as_f64().map(|time| time as i64))
    }
}
