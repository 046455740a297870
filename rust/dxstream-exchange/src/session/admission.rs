//! Who may talk, by token, and which tokens have expired.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Access;
use crate::fault::Expiry;

/// A client's token; it is not shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// What the answer to an AUTH is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// With when the token expires, if it does.
    Admitted(Token, Option<Duration>),
    /// UNAUTHORIZED and a close.
    Refused,
    /// An ERROR that says so.
    Failed,
}

/// The door that all clients go through.
#[derive(Debug)]
pub(crate) struct Admission {
    access: Access,
    /// Tokens that were issued while the exchange runs, and when they expire.
    issued: Mutex<HashMap<Token, Duration>>,
    expired: Mutex<HashMap<Token, Expiry>>,
}

impl Admission {
    pub(crate) fn new(access: Access) -> Self {
        Self { access, issued: Mutex::default(), expired: Mutex::default() }
    }

    /// Whether no token is needed.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.access == Access::Anonymous
    }

    /// Lets a token in until it expires, besides those of the configuration.
    pub(crate) fn issue(&self, token: &str, expires: Duration) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.insert(Token(token.to_owned()), expires);
    }

    pub(crate) fn judge(&self, now: Duration, token: Option<&str>) -> Verdict {
        let Some(token) = token else { return Verdict::Refused };
        let known = match &self.access {
            Access::Anonymous | Access::AnyToken => true,
            Access::Tokens(tokens) => tokens.iter().any(|known| known == token),
        };
        let token = Token(token.to_owned());
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let expires = issued.get(&token).copied();
        let known = known || expires.is_some();
        match self.expired.lock().unwrap_or_else(PoisonError::into_inner).get(&token) {
            Some(Expiry::Error) => Verdict::Failed,
            None if expires.is_some_and(|expires| expires <= now) => Verdict::Failed,
            None if known => Verdict::Admitted(token, expires),
            None | Some(Expiry::AuthState) => Verdict::Refused,
        }
    }

    /// Refuses a token from here on.
    pub(crate) fn expire(&self, token: Token, expiry: Expiry) {
        self.expired.lock().unwrap_or_else(PoisonError::into_inner).insert(token, expiry);
    }
}
