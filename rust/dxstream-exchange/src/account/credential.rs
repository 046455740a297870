//! OAuth: who gets an access token, and which ones are good.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::market::random::Random;

/// Random numbers of tokens come from another stream than those of orders.
const STREAM: u64 = 0x746f_6b65_6e73;

/// Characters of a token.
const TOKEN_LENGTH: usize = 43;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The tokens that were issued, and until when they are good.
pub(super) struct Tokens {
    random: Random,
    access: HashMap<String, Duration>,
}

impl Tokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed, STREAM), access: HashMap::new() }
    }

    /// A token that was never made before.
    pub(super) fn make(&mut self) -> String {
        let mut letter = || char::from(ALPHABET[self.random.below(62) as usize]);
        (0..TOKEN_LENGTH).map(|_| letter()).collect()
    }

    /// Eight hexadecimal digits.
    pub(super) fn session_id(&mut self) -> String {
        format!("{:08x}", self.random.below(1 << 32))
    }

    /// Issues an access token.
    pub(super) fn issue(&mut self, now: Duration, lifetime: Duration) -> String {
        self.access.retain(|_, expiry| *expiry > now);
        let token = self.make();
        self.access.insert(token.clone(), now.saturating_add(lifetime));
        token
    }

    /// Whether the value of an `Authorization` header, or of an `auth-token`, is good: `Bearer` and an
    /// access token.
    pub(super) fn admit(&self, now: Duration, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        token.and_then(|token| self.access.get(token)).is_some_and(|expiry| *expiry > now)
    }

    /// Lets every access token expire now.
    pub(super) fn expire(&mut self) {
        self.access.clear();
    }
}

/// Whether the body of a request for an access token is a good one.
///
/// # Errors
/// What is wrong, as the vendor's server says it.
pub(super) fn judge_grant(
    body: &[u8],
    secret: &str,
    refresh_token: &str,
    any: bool,
) -> Result<(), (&'static str, &'static str)> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(("invalid_request", "The request is missing a required parameter"));
    };
    let field = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if field("grant_type") != "refresh_token" {
        return Err(("unsupported_grant_type", "The authorization grant type is not supported"));
    }
    let (given_secret, given_token) = (field("client_secret"), field("refresh_token"));
    if given_token.is_empty() || given_secret.is_empty() {
        return Err(("invalid_grant", "Invalid JWT"));
    }
    match any || (given_token == refresh_token && given_secret == secret) {
        true => Ok(()),
        false if given_token == refresh_token => {
            Err(("invalid_client", "Client authentication failed"))
        }
        false => Err(("invalid_grant", "Invalid JWT")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn an_access_token_is_good_until_its_time_is_over_or_all_expire() {
        let mut tokens = Tokens::new(1);
        let first = format!("Bearer {}", tokens.issue(Duration::ZERO, MINUTE));
        assert!(tokens.admit(Duration::ZERO, Some(&first)));
        assert!(!tokens.admit(MINUTE, Some(&first)));
        assert!(!tokens.admit(Duration::ZERO, first.strip_prefix("Bearer ")));
        assert!(!tokens.admit(Duration::ZERO, None));
        let second = format!("Bearer {}", tokens.issue(Duration::ZERO, MINUTE));
        assert_ne!(first, second);
        tokens.expire();
        assert!(!tokens.admit(Duration::ZERO, Some(&second)));
    }

    #[test]
    fn a_grant_needs_the_secret_and_the_refresh_token() {
        let body = |secret, token| {
            serde_json::json!({"grant_type": "refresh_token", "client_secret": secret,
                "refresh_token": token})
            .to_string()
        };
        let judge = |body: String, any| judge_grant(body.as_bytes(), "s", "r", any);
        assert_eq!(judge(body("s", "r"), false), Ok(()));
        assert_eq!(judge(body("s", "x"), false), Err(("invalid_grant", "Invalid JWT")));
        assert_eq!(judge(body("x", "r"), false).unwrap_err().0, "invalid_client");
        assert_eq!(judge(body("x", "x"), true), Ok(()));
        assert_eq!(judge(body("x", ""), true).unwrap_err().0, "invalid_grant");
        assert_eq!(judge("{".to_owned(), true).unwrap_err().0, "invalid_request");
        assert_eq!(judge("{}".to_owned(), true).unwrap_err().0, "unsupported_grant_type");
    }
}
