//! Who may talk, by token, and which tokens have expired.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

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
    Admitted(Token),
    /// UNAUTHORIZED and a close.
    Refused,
    /// An ERROR that says so.
    Failed,
}

/// The door that all clients go through.
#[derive(Debug)]
pub(crate) struct Admission {
    access: Access,
    expired: Mutex<HashMap<Token, Expiry>>,
}

impl Admission {
    pub(crate) fn new(access: Access) -> Self {
        Self { access, expired: Mutex::default() }
    }

    /// Whether no token is needed.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.access == Access::Anonymous
    }

    pub(crate) fn judge(&self, token: Option<&str>) -> Verdict {
        let Some(token) = token else { return Verdict::Refused };
        let known = match &self.access {
            Access::Anonymous | Access::AnyToken => true,
            Access::Tokens(tokens) => tokens.iter().any(|known| known == token),
        };
        let token = Token(token.to_owned());
        match self.expired.lock().unwrap_or_else(PoisonError::into_inner).get(&token) {
            Some(Expiry::Error) => Verdict::Failed,
            None if known => Verdict::Admitted(token),
            None | Some(Expiry::AuthState) => Verdict::Refused,
        }
    }

    /// Refuses a token from here on.
    pub(crate) fn expire(&self, token: Token, expiry: Expiry) {
        self.expired.lock().unwrap_or_else(PoisonError::into_inner).insert(token, expiry);
    }
}
