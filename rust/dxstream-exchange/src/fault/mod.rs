//! Faults that an exchange makes on purpose, so that a client can be tested against them.
//!
//! A [`Fault`] says in which connections, at which point, and what goes wrong. `script` decides, sans-I/O,
//! when each of them happens; `handshake` and
//! `perform` do it, by way of `wire` where bytes count.

mod check;
pub(crate) mod handshake;
pub(crate) mod perform;
pub(crate) mod script;
pub(crate) mod wire;

use std::ops::RangeInclusive;

use dxstream::event::EventKind;
use tokio_tungstenite::tungstenite::Bytes;

pub(crate) use check::check;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The connections that have it.
    pub connections: Connections,
    /// Where in the conversation.
    pub point: Point,
    /// How often in a connection, at consecutive points: the message that the point names and those after
    /// it. Nothing for always. It does not matter below the WebSocket, where each point comes once.
    pub times: Option<u64>,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// A fault of every connection, once in each.
    pub fn new(point: Point, action: Action) -> Self {
        Self { connections: Connections::All, point, times: Some(1), action }
    }
}

/// Which connections have a fault. They are numbered from 1 as they come after the faults were set; those
/// that were there before have number 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connections {
    /// All, those that were there before too.
    All,
    /// These numbers.
    Numbers(RangeInclusive<u64>),
}

impl Connections {
    fn contain(&self, number: u64) -> bool {
        match self {
            Self::All => true,
            Self::Numbers(numbers) => numbers.contains(&number),
        }
    }
}

/// Where a fault happens.
///
/// Messages are those that the exchange has to say to a client, counted from 1 since the connection was
/// opened or the faults were set, whichever was later. What a fault adds is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// The TCP connection is there; nothing has been read.
    Accept,
    /// The exchange is about to answer the client's TLS hello.
    Tls,
    /// The exchange is about to answer the HTTP request.
    Upgrade,
    /// A message is about to be sent.
    At(Messages),
    /// A message has been sent. Number 0 is the moment at which the WebSocket is open.
    After(Messages),
}

/// A message of the exchange, by type and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// Its type, such as `AUTH_STATE`; nothing for any type.
    pub kind: Option<String>,
    /// Its number among those of the type.
    pub number: u64,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The connection stays open and nothing more is said, not even a pong.
    Stall {
        /// How many bytes of what was to be said are said first.
        bytes: u64,
        /// Whether what the client says is still taken off the socket. Where it is not, the exchange does
        /// not notice that the client leaves.
        reading: bool,
    },
    /// The TCP connection ends without a close frame and without TLS's farewell.
    Cut {
        /// How many bytes of what was to be said are said first.
        bytes: u64,
        /// Whether by RST; by FIN otherwise.
        reset: bool,
    },
    /// What is said from here on goes out slowly, below TLS.
    Trickle {
        /// How slowly.
        bytes_per_second: u32,
    },
    /// The HTTP request has this answer.
    Respond {
        /// The status. With 101 the connection goes on, and the headers join those of the answer.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
    },
    /// The WebSocket is closed.
    Close {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// A message that the exchange would not send is sent.
    Inject(Injection),
    /// The message is not sent.
    Omit,
    /// The message is sent so many times more.
    Repeat(u32),
    /// A part of the message's text is another wherever it occurs.
    Rewrite {
        /// The part.
        old: String,
        /// What takes its place.
        new: String,
    },
    /// The client's token is refused from here on, in every connection; the client is told, and its channels
    /// are closed. It may authenticate anew with another token.
    Expire(Expiry),
    /// Rows are encoded in another way from here on, whatever the client asks for, and the client is told by
    /// FEED_CONFIG.
    Reconfigure(Encoding),
}

/// A message that a client should not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// What is in it.
    pub payload: Bytes,
    /// Whether it is said to be text; binary otherwise.
    pub text: bool,
    /// In how many frames it comes, of about the same length.
    pub fragments: usize,
    /// How many times in a row.
    pub times: u32,
}

impl Injection {
    /// A text message in one frame, once.
    pub fn text(text: impl Into<String>) -> Self {
        Self { payload: Bytes::from(text.into()), text: true, fragments: 1, times: 1 }
    }
}

/// How a client is told that its token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// By AUTH_STATE UNAUTHORIZED; the token is then refused as one that was never known.
    AuthState,
    /// By an ERROR of kind UNAUTHORIZED, as tastytrade's endpoint was seen to do; another one answers each
    /// AUTH with the token.
    Error,
}

/// How the rows of a connection are encoded, in place of what the client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoding {
    /// The fields of a type, in the order in which they are served.
    pub fields: Option<(EventKind, Vec<String>)>,
    /// Whether data is COMPACT.
    pub compact: Option<bool>,
}

impl Encoding {
    /// The fields of a type, where they are not those that the client asks for.
    pub(crate) fn fields(&self, kind: EventKind) -> Option<&[String]> {
        let (named, fields) = self.fields.as_ref()?;
        (*named == kind).then_some(fields)
    }
}

/// A fault that cannot happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// The point and the action do not go together.
    #[error("{action} cannot happen {point}")]
    Misplaced {
        /// What was to happen.
        action: &'static str,
        /// Where.
        point: &'static str,
    },
    /// A fault of the TLS handshake, and the exchange speaks none.
    #[error("a fault of the TLS handshake needs an exchange that speaks TLS")]
    NoTls,
    /// Faults of an exchange that serves a blast.
    #[error("a blast has no faults")]
    Blast,
    /// A number that is not allowed.
    #[error("{name} must be {allowed}, not {value}")]
    Number {
        /// What it is the number of.
        name: &'static str,
        /// Which numbers are allowed.
        allowed: &'static str,
        /// What it is.
        value: u64,
    },
    /// A close reason that does not fit into a frame.
    #[error("the reason of a close has at most 123 bytes, not {0}")]
    LongReason(usize),
    /// A header that HTTP does not allow.
    #[error("the header {0:?} is not a header of HTTP")]
    Header(String),
    /// A type of message that the exchange does not send.
    #[error("the exchange sends no message of the type {0:?}")]
    UnknownMessage(String),
    /// A field that the exchange does not serve.
    #[error("{0} has no field {1:?}")]
    UnknownField(&'static str, String),
    /// A rewrite of nothing.
    #[error("the text to rewrite is empty")]
    NothingToRewrite,
}
