//! What can go wrong, in words for the person who reads it.

use crate::event::EventKind;

/// An error of the stream. Every text is one line and says what happened and what to do; none
/// holds a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument cannot be used; nothing was changed.
    #[error("{0}")]
    InvalidArgument(String),
    /// The server refused the credentials, or asked for some where there are none.
    #[error("{0}")]
    Authentication(String),
    /// The server could not be reached, or the connection to it ended.
    #[error("{0}")]
    ConnectionLost(String),
    /// The server does not speak DXLink as this client understands it.
    #[error("{0}")]
    Protocol(String),
    /// The server refused a subscription.
    #[error("{0}")]
    Subscription(String),
    /// The server refused a request of REST.
    #[error("{0}")]
    Refused(String),
    /// A listener that asked for it was told that its queue is full.
    #[error("{0}")]
    SlowConsumer(String),
    /// The stream was closed by its owner.
    #[error("the streamer is closed; make a new one to connect again")]
    Closed,
}

impl Error {
    /// The buffer of a listener is full, and it asked to be told.
    pub(crate) fn slow_consumer(kind: EventKind, waiting: usize) -> Self {
        Self::SlowConsumer(format!(
            "the listener of {} is too slow: its buffer is full with {waiting} events that wait; \
             take them faster, give it a larger buffer, or choose another overflow",
            kind.name()
        ))
    }
}

/// The result of an operation of the stream.
pub type Result<T> = std::result::Result<T, Error>;
