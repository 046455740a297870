//! What is ready to be sent to a client, and how much of it.

use std::collections::VecDeque;

use dxstream::event::EventKind;

use crate::session::reply::{self, ErrorKind};

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A text message.
    Text(String),
    /// The close of the WebSocket; nothing follows it.
    Close {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
}

/// How much a session has said since it was last asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) events: [u64; EventKind::ALL.len()],
    pub(crate) frames: u64,
    pub(crate) errors: u64,
}

/// The messages to a client that wait for its socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    bytes: usize,
    closed: bool,
    /// Whether something was put in since [`Outbox::spoke`] was last asked.
    spoke: bool,
    pub(crate) sent: Sent,
}

impl Outbox {
    pub(crate) fn push(&mut self, text: String) {
        if !self.closed {
            self.bytes += text.len();
            self.queue.push_back(Output::Text(text));
            self.sent.frames += 1;
            self.spoke = true;
        }
    }

    pub(crate) fn error(&mut self, channel: i64, kind: ErrorKind, text: &str) {
        self.push(reply::error(channel, kind, text));
        self.sent.errors += 1;
    }

    /// Ends the conversation after what is already in the outbox.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        if !self.closed {
            self.closed = true;
            self.queue.push_back(Output::Close { code, reason: reason.to_owned() });
        }
    }

    /// Ends the conversation without what is in the outbox.
    pub(crate) fn abandon(&mut self, code: u16, reason: &str) {
        if !self.closed {
            self.clear();
            self.close(code, reason);
        }
    }

    /// Ends the conversation without a word.
    pub(crate) fn mute(&mut self) {
        self.clear();
        self.closed = true;
    }

    /// Drops what is not sent yet.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    pub(crate) fn take(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        if let Output::Text(text) = &output {
            self.bytes -= text.len();
        }
        Some(output)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn spoke(&mut self) -> bool {
        std::mem::take(&mut self.spoke)
    }
}
