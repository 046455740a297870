//! The shapes of the messages, one place for each. Source: DXLink specification 1.0.2.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The channel of the connection itself.
pub(super) const CONNECTION: u64 = 0;

/// What the client says of itself in SETUP; servers accept anything that begins with `0.1-`.
const CLIENT_VERSION: &str = concat!("0.1-dxstream/", env!("CARGO_PKG_VERSION"));

/// A message from the client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub(super) enum ClientMessage<'a> {
    Setup {
        channel: u64,
        version: &'a str,
        keepalive_timeout: f64,
        accept_keepalive_timeout: f64,
    },
    Auth {
        channel: u64,
        token: &'a str,
    },
    Keepalive {
        channel: u64,
    },
    ChannelRequest {
        channel: u64,
        service: &'a str,
        parameters: FeedParameters<'a>,
    },
    ChannelCancel {
        channel: u64,
    },
    FeedSetup {
        channel: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        accept_aggregation_period: Option<f64>,
        accept_data_format: &'a str,
        accept_event_fields: Map<String, Value>,
    },
}

/// The parameters of a FEED channel.
#[derive(Debug, Serialize)]
pub(super) struct FeedParameters<'a> {
    pub(super) contract: &'a str,
}

impl ClientMessage<'_> {
    /// SETUP with the same timeout, in seconds, for both sides.
    pub(super) fn setup(keepalive_timeout: f64) -> Self {
        Self::Setup {
            channel: CONNECTION,
            version: CLIENT_VERSION,
            keepalive_timeout,
            accept_keepalive_timeout: keepalive_timeout,
        }
    }

    /// The text frame of the message.
    pub(super) fn frame(&self) -> String {
        serde_json::to_string(self).expect("a client message has only string keys and numbers")
    }
}

/// A message from the server, other than FEED_DATA. Fields that are not named here are ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub(super) enum ServerMessage {
    Setup {
        keepalive_timeout: Option<f64>,
        accept_keepalive_timeout: Option<f64>,
    },
    AuthState {
        state: AuthState,
    },
    Keepalive {},
    Error {
        #[serde(default)]
        channel: u64,
        #[serde(default)]
        error: String,
        #[serde(default)]
        message: String,
    },
    ChannelOpened {
        channel: u64,
    },
    ChannelClosed {
        channel: u64,
    },
    FeedConfig {
        channel: u64,
        #[serde(default)]
        event_fields: Map<String, Value>,
    },
    #[serde(other)]
    Unknown,
}

/// Whether the server accepts the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum AuthState {
    Authorized,
    Unauthorized,
}
