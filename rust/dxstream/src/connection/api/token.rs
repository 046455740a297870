//! The access token: where it comes from, and how it is kept fresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::clock::now;
use super::super::watchers::Watchers;
use super::rest::{Answer, Rest};
use super::{Credentials, scrub};
use crate::error::Error;
use crate::log;
use crate::loss::Loss;
use crate::secret::Secret;
use crate::store::Wake;

/// A token is renewed when it is good for less than this, or than a tenth of its life if that is less.
const MARGIN: Duration = Duration::from_mins(1);

/// A token that is said to live longer is renewed after this.
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 365);

/// How long a token that is still good is used before a renewal that failed is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest wait for a token from elsewhere.
const PATIENCE: Duration = Duration::from_secs(30);

type Attempt<T> = std::result::Result<T, Loss>;

/// An access token.
#[derive(Debug, Clone)]
struct Access {
    /// What the Authorization header is to have.
    header: Secret,
    /// From when on it is to be renewed, and until when it is good; for ever where nobody said.
    times: Option<(Duration, Duration)>,
}

impl Access {
    fn new(header: Secret, lifetime: Option<Duration>) -> Self {
        let times = lifetime.map(|lifetime| {
            let (lifetime, made) = (lifetime.min(LONGEST_LIFE), now());
            let young = lifetime.saturating_sub(MARGIN.min(lifetime / 10));
            (made + young, made + lifetime)
        });
        Self { header, times }
    }

    fn is(&self, other: Option<&Secret>) -> bool {
        other.is_some_and(|other| other.expose() == self.header.expose())
    }

    fn is_fresh(&self, now: Duration) -> bool {
        self.times.is_none_or(|(renew, _)| now < renew)
    }

    fn is_good(&self, now: Duration) -> bool {
        self.times.is_none_or(|(_, until)| now < until)
    }
}

/// The access token of a credential, or of a session elsewhere.
#[derive(Debug)]
pub(super) struct Tokens {
    credentials: Option<Credentials>,
    known: Mutex<Known>,
    /// One renewal at a time.
    renewing: tokio::sync::Mutex<()>,
    /// The last token from elsewhere, or why there is none.
    given: watch::Sender<Attempt<()>>,
}

#[derive(Debug, Default)]
struct Known {
    access: Option<Access>,
    /// Until when a token that is still good is used although it should be renewed.
    pause: Duration,
    wish: bool,
    waiting: Watchers,
}

impl Tokens {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
            known: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            given: watch::Sender::new(Ok(())),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is used now.
    pub(super) fn current(&self) -> Option<Secret> {
        self.known().access.as_ref().map(|access| access.header.clone())
    }

    pub(super) fn set(&self, header: Secret, lifetime: Option<Duration>) {
        self.known().access = Some(Access::new(header, lifetime));
        let _ = self.given.send_replace(Ok(()));
    }

    pub(super) fn none(&self, loss: Loss) {
        let _ = self.given.send_replace(Err(loss));
    }

    pub(super) fn take_wish(&self) -> bool {
        std::mem::take(&mut self.known().wish)
    }

    pub(super) fn watch(&self, wake: &Arc<Wake>) {
        let mut known = self.known();
        known.waiting.add(wake);
        if known.wish {
            known.waiting.ring();
        }
    }

    /// What a server said about an error, without any of the secrets.
    pub(super) fn said(&self, body: &str) -> String {
        let access = self.current();
        let credentials = self.credentials.iter();
        let secrets = credentials.flat_map(|both| [&both.provider_secret, &both.refresh_token]);
        scrub::said(body, secrets.chain(access.iter()))
    }

    fn fresh(&self, rejected: Option<&Secret>) -> Option<Secret> {
        let (known, now) = (self.known(), now());
        let access = known.access.as_ref().filter(|access| !access.is(rejected))?;
        let usable = access.is_fresh(now) || now < known.pause && access.is_good(now);
        usable.then(|| access.header.clone())
    }

    /// A current token, another than `rejected`.
    pub(super) async fn get(&self, rest: &Rest, rejected: Option<&Secret>) -> Attempt<Secret> {
        if let Some(token) = self.fresh(rejected) {
            return Ok(token);
        }
        let _turn = self.renewing.lock().await;
        // Another may have renewed it meanwhile.
        if let Some(token) = self.fresh(rejected) {
            return Ok(token);
        }
        let renewed = match &self.credentials {
            Some(credentials) => self.grant(rest, credentials).await,
            None => self.ask_elsewhere(rejected).await,
        };
        match renewed {
            Ok(token) => Ok(token),
            Err(loss) => {
                let mut known = self.known();
                let access = known.access.clone();
                let usable = |access: &Access| !access.is(rejected) && access.is_good(now());
                match access.filter(usable) {
                    // It will do for a while, unless it was the credentials that were refused.
                    Some(access) if !matches!(loss.error, Error::Authentication(_)) => {
                        known.pause = now() + PAUSE;
                        tracing::warn!(
                            target: log::CONNECTION,
                            "the access token is not renewed yet: {}",
                            loss.error
                        );
                        Ok(access.header)
                    }
                    _ => Err(loss),
                }
            }
        }
    }

    async fn grant(&self, rest: &Rest, credentials: &Credentials) -> Attempt<Secret> {
        #[derive(Serialize)]
        struct Grant<'a> {
            #[serde(rename = "grant_type")]
            kind: &'static str,
            refresh_token: &'a str,
            client_secret: &'a str,
        }
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            expires_in: Option<f64>,
        }
        let body = serde_json::to_string(&Grant {
            kind: "refresh_token",
            refresh_token: credentials.refresh_token.expose(),
            client_secret: credentials.provider_secret.expose(),
        })
        .expect("texts are JSON");
        let answer = rest.post("/oauth/token", body).await?;
        if !answer.is_success() {
            return Err(self.refused(rest, &answer));
        }
        let granted: Granted = serde_json::from_str(&answer.body).map_err(|_| {
            Loss::protocol(format!("{} grants no access token that can be read", rest.host()))
        })?;
        let lifetime =
            granted.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let access = Access::new(Secret::new(format!("Bearer {}", granted.access_token)), lifetime);
        let header = access.header.clone();
        self.known().access = Some(access);
        tracing::info!(
            target: log::CONNECTION,
            "{}: a new access token, good for {}",
            rest.host(),
            lifetime.map_or_else(|| "an unknown time".into(), |time| format!("{time:.0?}"))
        );
        Ok(header)
    }

    fn refused(&self, rest: &Rest, answer: &Answer) -> Loss {
        let (host, status) = (rest.host(), answer.status);
        let said = self.said(&answer.body);
        let advice = match scrub::code(&answer.body).as_deref() {
            Some("invalid_grant") => {
                "the refresh token was revoked or is another application's; make a new grant and set \
                 TT_REFRESH"
            }
            Some("invalid_client" | "unauthorized_client") => {
                "the client secret is wrong or was replaced; set TT_SECRET"
            }
            _ if matches!(status, 400 | 401 | 403 | 422) => {
                "check the client secret and the refresh token; the sandbox has its own"
            }
            _ => {
                let text = format!("{host} grants no access token: HTTP {status}{said}");
                return Loss::lasting(Error::ConnectionLost(text));
            }
        };
        let text = format!("{host} refuses the login: HTTP {status}{said}; {advice}");
        Loss::lasting(Error::Authentication(text))
    }

    async fn ask_elsewhere(&self, rejected: Option<&Secret>) -> Attempt<Secret> {
        let mut given = self.given.subscribe();
        {
            let mut known = self.known();
            known.wish = true;
            known.waiting.ring();
        }
        let answer = async {
            // The sender lives as long as this does.
            let _ = given.changed().await;
            given.borrow_and_update().clone()
        };
        match timeout(PATIENCE, answer).await {
            Ok(Ok(())) => {}
            Ok(Err(loss)) => return Err(loss),
            Err(_) => {
                return Err(Loss::passing("the session gave no access token in time"));
            }
        }
        self.fresh(rejected).or_else(|| self.good(rejected)).ok_or_else(|| {
            Loss::lasting(Error::Authentication(
                "the session gives an access token that was refused or is too old; log in again"
                    .into(),
            ))
        })
    }

    fn good(&self, rejected: Option<&Secret>) -> Option<Secret> {
        let known = self.known();
        let access = known.access.as_ref().filter(|access| !access.is(rejected))?;
        access.is_good(now()).then(|| access.header.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_a_minute_before_its_end_or_at_nine_tenths_of_a_short_life() {
        for (life, renewed_after) in [(900.0, 840.0), (600.0, 540.0), (100.0, 90.0), (1.0, 0.9)] {
            let before = now();
            let life = Duration::from_secs_f64(life);
            let access = Access::new(Secret::new("x"), Some(life));
            let after = now();
            let (renew, until) = access.times.unwrap();
            assert!((before + life..=after + life).contains(&until));
            let renewed_after = Duration::from_secs_f64(renewed_after);
            assert!((before + renewed_after..=after + renewed_after).contains(&renew));
            assert!(access.is_fresh(before) && access.is_good(before));
            assert!(!access.is_fresh(renew) && access.is_good(renew));
            assert!(!access.is_good(until));
        }
    }

    #[test]
    fn a_token_that_is_said_to_live_for_ever_is_taken() {
        assert!(Access::new(Secret::new("x"), Some(Duration::MAX)).is_fresh(now()));
    }

    #[test]
    fn a_token_whose_life_nobody_knows_is_good_until_it_is_refused() {
        let tokens = Tokens::new(None);
        tokens.set(Secret::new("Bearer 1"), None);
        assert_eq!(tokens.fresh(None).unwrap().expose(), "Bearer 1");
        assert!(tokens.fresh(Some(&Secret::new("Bearer 1"))).is_none());
        tokens.set(Secret::new("Bearer 2"), None);
        assert!(tokens.fresh(Some(&Secret::new("Bearer 1"))).is_some());
    }
}
