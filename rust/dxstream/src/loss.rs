//! Why a connection ended, and what that means for the next one.

use std::time::Duration;

use crate::error::Error;

/// What the endpoints of tastytrade answer a user who has too many connections; seen live as ERROR
/// `The number of user sessions has exceeded the configured limit, user=...`.
const TOO_MANY_SESSIONS: &str = "number of user sessions has exceeded";

/// The close reason of a keepalive that lapsed; seen live with code 1000.
const BYE: &str = "Bye";

/// The end of a connection, or of an attempt to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What happened, for whoever is told.
    pub error: Error,
    /// What to do about it.
    pub remedy: Remedy,
    /// The code of the server's close frame, where there was one.
    pub code: Option<u16>,
}

/// What heals a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// To connect again, after a backoff.
    Backoff,
    /// To connect again at once, unless that was just tried.
    AtOnce,
    /// To connect again, but not before so long.
    After(Duration),
    /// To wait for long, with all streamers of the process: the server has too many sessions of the
    /// user, and each attempt counts as one more.
    Saturation,
    /// To connect again with another token, never with the same.
    NewToken,
    /// Nothing.
    None,
}

impl Loss {
    /// A loss that a connection later may heal.
    pub fn passing(text: impl Into<String>) -> Self {
        Self { error: Error::ConnectionLost(text.into()), remedy: Remedy::Backoff, code: None }
    }

    /// A loss that nothing heals.
    pub fn lasting(error: Error) -> Self {
        Self { error, remedy: Remedy::None, code: None }
    }

    /// The server does not accept the token.
    pub fn of_token(text: impl Into<String>) -> Self {
        Self { error: Error::Authentication(text.into()), remedy: Remedy::NewToken, code: None }
    }

    /// What the server said may be a passing trouble of its own.
    pub fn protocol(text: impl Into<String>) -> Self {
        Self { error: Error::Protocol(text.into()), remedy: Remedy::Backoff, code: None }
    }

    /// The server has too many sessions of the user.
    fn saturation(text: &str) -> Self {
        Self {
            error: Error::ConnectionLost(format!(
                "{text}; close other connections of this user, or wait"
            )),
            remedy: Remedy::Saturation,
            code: None,
        }
    }

    /// The server closed the connection, after it had accepted the client or before. The texts of this
    /// and of [`Loss::of_server`] hold no secret.
    pub(crate) fn closed(code: Option<u16>, reason: &str, accepted: bool) -> Self {
        let reason = one_line(reason);
        let text = match code {
            Some(code) => format!("the server closed the connection: {code} {reason}"),
            None => "the server closed the connection".into(),
        };
        let text = text.trim_end().to_owned();
        let loss = match code {
            _ if reason.contains(TOO_MANY_SESSIONS) => Self::saturation(&text),
            // Seen live in place of the ERROR above.
            Some(1000) if !accepted => Self::saturation(&text),
            // 1012 is "service restart" (RFC 6455's registry).
            Some(1012) => Self { remedy: Remedy::AtOnce, ..Self::passing(text) },
            Some(1000) if reason == BYE => Self { remedy: Remedy::AtOnce, ..Self::passing(text) },
            _ => Self::passing(text),
        };
        Self { code, ..loss }
    }

    /// The server sent an ERROR that ends the session, after it had accepted the client or before.
    pub(crate) fn of_server(kind: &str, message: &str, accepted: bool) -> Self {
        let text = format!("the server says {}: {}", one_line(kind), one_line(message));
        if message.contains(TOO_MANY_SESSIONS) {
            return Self::saturation(&text);
        }
        match kind {
            "UNAUTHORIZED" => Self::of_token(text),
            "TIMEOUT" | "UNKNOWN" => Self::passing(text),
            _ if accepted => Self::protocol(text),
            _ => Self::lasting(Error::Protocol(text)),
        }
    }
}

/// A text of the server as part of a one-line message.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_tells_when_to_come_back() {
        let remedy = |code, reason, accepted| Loss::closed(code, reason, accepted).remedy;
        assert_eq!(remedy(Some(1012), "restart", true), Remedy::AtOnce);
        assert_eq!(remedy(Some(1000), "Bye", true), Remedy::AtOnce);
        assert_eq!(remedy(Some(1000), "Bye", false), Remedy::Saturation);
        assert_eq!(remedy(Some(1000), "", false), Remedy::Saturation);
        assert_eq!(remedy(Some(1000), "", true), Remedy::Backoff);
        assert_eq!(remedy(Some(1011), "", true), Remedy::Backoff);
        assert_eq!(remedy(None, "", false), Remedy::Backoff);
        let many = "The number of user sessions has exceeded the configured limit, user=x";
        assert_eq!(remedy(Some(1008), many, true), Remedy::Saturation);
    }

    #[test]
    fn an_error_tells_whether_to_come_back() {
        let remedy = |kind, message, accepted| Loss::of_server(kind, message, accepted).remedy;
        let many = "The number of user sessions has exceeded the configured limit, user=x";
        assert_eq!(remedy("UNAUTHORIZED", many, false), Remedy::Saturation);
        assert_eq!(remedy("UNAUTHORIZED", "Authentication failed", false), Remedy::NewToken);
        assert_eq!(remedy("TIMEOUT", "", true), Remedy::Backoff);
        assert_eq!(remedy("UNSUPPORTED_PROTOCOL", "", false), Remedy::None);
    }

    #[test]
    fn what_the_server_says_is_one_line() {
        let loss = Loss::closed(Some(1008), "no\nway\r", true);
        assert_eq!(loss.error.to_string(), "the server closed the connection: 1008 no way");
    }
}
