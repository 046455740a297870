//! A text that must not be shown.

use std::fmt;

use zeroize::Zeroizing;

/// A token or password. It prints as `***` and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text that somebody else wrote, with `***` in place of the secret.
    pub fn hide(secret: Option<&Self>, text: &str) -> String {
        match secret.map(Self::expose) {
            Some(secret) if !secret.is_empty() => text.replace(secret, "***"),
            _ => text.to_owned(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_what_others_say() {
        let secret = Secret::new("canary");
        let said = "canary: no canary, but a Canary";
        assert_eq!(Secret::hide(Some(&secret), said), "***: no ***, but a Canary");
        assert_eq!(Secret::hide(Some(&Secret::new("")), said), said);
        assert_eq!(Secret::hide(None, said), said);
    }
}
