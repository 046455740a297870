//! What a connection says for the log: of messages their type and size alone, and never a token.

use std::time::Duration;

use super::clock::now;
use crate::log;
use crate::protocol::Counters;

/// A step of connecting that takes longer is worth a warning.
const SLOW_STEP: Duration = Duration::from_secs(2);

/// The least time between two warnings of what cannot be read.
const QUIET: Duration = Duration::from_secs(10);

/// The types of messages that may be named.
const TYPES: [&str; 13] = [
    "SETUP",
    "AUTH",
    "AUTH_STATE",
    "KEEPALIVE",
    "CHANNEL_REQUEST",
    "CHANNEL_OPENED",
    "CHANNEL_CANCEL",
    "CHANNEL_CLOSED",
    "FEED_SETUP",
    "FEED_CONFIG",
    "FEED_SUBSCRIPTION",
    "FEED_DATA",
    "ERROR",
];

/// The type of a message, as far as it is one of DXLink's.
pub(super) fn message_type(frame: &str) -> &'static str {
    let after = frame.split_once("\"type\"").map_or("", |(_, after)| after);
    let named = after.trim_start_matches([' ', ':']).strip_prefix('"').unwrap_or("");
    let end = named.find('"').unwrap_or(0);
    TYPES.into_iter().find(|known| *known == &named[..end]).unwrap_or("something else")
}

/// Says how long a step of connecting took that began at `began`.
pub(super) fn step(host: &str, step: &str, began: Duration) {
    let took = now().saturating_sub(began);
    if took >= SLOW_STEP {
        tracing::warn!(target: log::CONNECTION, "{host}: the {step} took {took:.1?}");
    } else {
        tracing::debug!(target: log::CONNECTION, "{host}: the {step} took {took:.1?}");
    }
}

/// Whether messages are spoken of.
pub(super) fn of_messages() -> bool {
    tracing::enabled!(target: log::PROTOCOL, tracing::Level::DEBUG)
}

/// Speaks of a message that is no data.
pub(super) fn message(what: &str, link: usize, frame: &str) {
    let kind = message_type(frame);
    if kind != "FEED_DATA" {
        tracing::debug!(
            target: log::PROTOCOL,
            "connection {link}: {what} {kind}, {} bytes",
            frame.len()
        );
    }
}

/// Warns of what cannot be read, once in a while.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    told: u64,
    told_at: Option<Duration>,
}

impl Unreadable {
    /// How many frames, rows and blocks could not be read since it was told last, if it is time to.
    pub(super) fn news(&mut self, counters: &Counters, now: Duration) -> Option<u64> {
        let Counters { malformed_frames, rejected_rows, rejected_blocks, .. } = counters;
        let count = malformed_frames + rejected_rows + rejected_blocks;
        if count == self.told || self.told_at.is_some_and(|at| now < at + QUIET) {
            return None;
        }
        self.told_at = Some(now);
        Some(count - std::mem::replace(&mut self.told, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_a_known_type_or_not_at_all() {
        for (frame, named) in [
            (r#"{"type":"KEEPALIVE","channel":0}"#, "KEEPALIVE"),
            (r#"{"channel":1, "type" : "FEED_DATA","data":[]}"#, "FEED_DATA"),
            (r#"{"type":"AUTH","token":"secret"}"#, "AUTH"),
            (r#"{"type":"secret"}"#, "something else"),
            (r#"{"type":"secret"#, "something else"),
            (r#"{"type":1}"#, "something else"),
            ("secret", "something else"),
            ("", "something else"),
        ] {
            assert_eq!(message_type(frame), named, "{frame}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_at_once_and_then_seldom() {
        let mut unreadable = Unreadable::default();
        let counters = |malformed_frames| Counters { malformed_frames, ..Counters::default() };
        let seconds = Duration::from_secs;
        assert_eq!(unreadable.news(&counters(0), seconds(100)), None);
        assert_eq!(unreadable.news(&counters(1), seconds(100)), Some(1));
        for count in 2..1_000 {
            assert_eq!(unreadable.news(&counters(count), seconds(109)), None);
        }
        assert_eq!(unreadable.news(&counters(1_000), seconds(110)), Some(999));
        assert_eq!(unreadable.news(&counters(1_000), seconds(130)), None);
    }
}
