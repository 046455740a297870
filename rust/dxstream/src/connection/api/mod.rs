//! REST and OAuth of one credential, on the I/O thread.

mod reply;
mod rest;
mod scrub;
mod token;

use std::sync::Arc;
use std::time::Duration;

pub use reply::Reply;
pub use rest::Answer;
use rest::Rest;
use token::Tokens;

use super::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::secret::Secret;
use crate::store::Wake;

/// What leads to an API and is allowed there.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `https://` anywhere, `http://` on the loopback interface only.
    pub base_url: String,
    /// The account streamer: `wss://` anywhere, `ws://` on the loopback interface only.
    pub account_url: String,
    /// The secret of the application and the user's grant, for OAuth.
    pub credentials: Option<Credentials>,
    /// Whether it is the sandbox, which takes no Accept-Version.
    pub is_test: bool,
    /// Authorities to trust besides those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// The longest wait for an answer.
    pub timeout: Duration,
}

/// What OAuth makes access tokens of.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The secret of the application.
    pub provider_secret: Secret,
    /// The user's grant.
    pub refresh_token: Secret,
}

/// The API of one credential. All methods may be called from any thread; none blocks.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rest: Rest,
    tokens: Tokens,
    account: Endpoint,
}

impl Api {
    /// An API; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a URL cannot be used.
    pub fn new(settings: ApiSettings) -> Result<Self> {
        let ApiSettings { base_url, account_url, credentials, is_test, ca_pem, timeout } = settings;
        let mut account = Endpoint::new(&account_url, None)?;
        if let Some(pem) = &ca_pem {
            account = account.with_ca_pem(pem.clone());
        }
        let rest = Rest::new(&base_url, ca_pem, !is_test, timeout)?;
        Ok(Self(Arc::new(Inner { rest, tokens: Tokens::new(credentials), account })))
    }

    /// Begins to get a path, such as `/customers/me/accounts`, with a current access token. An answer that is
    /// no success is an error: [`Error::Authentication`] or [`Error::Refused`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the path cannot be used, [`Error::ConnectionLost`] when the I/O
    /// thread cannot be started.
    pub fn get(&self, path: &str, query: &[(String, String)]) -> Result<Reply> {
        let url = self.0.rest.url(path, query)?;
        let api = self.clone();
        Reply::begin(async move { api.get_url(url).await.map_err(|loss| loss.error) })
    }

    /// Begins to get a fresh access token, if there is none or `force` asks for another. The answer has
    /// no body.
    ///
    /// # Errors
    /// [`Error::ConnectionLost`] when the I/O thread cannot be started.
    pub fn refresh(&self, force: bool) -> Result<Reply> {
        let api = self.clone();
        Reply::begin(async move {
            let rejected = if force { api.0.tokens.current() } else { None };
            let token = api.token(rejected.as_ref()).await;
            token.map(|_| Answer { status: 200, body: String::new() }).map_err(|loss| loss.error)
        })
    }

    /// Takes an access token that comes from elsewhere: what the Authorization header is to have, and for
    /// how long it is good.
    pub fn set_access_token(&self, token: Secret, lifetime: Option<Duration>) {
        self.0.tokens.set(token, lifetime);
    }

    /// Takes note of why there is no access token from elsewhere.
    pub fn no_access_token(&self, loss: Loss) {
        self.0.tokens.none(loss);
    }

    /// Whether an access token from elsewhere is wanted. Each wish is told once.
    pub fn wants_token(&self) -> bool {
        self.0.tokens.take_wish()
    }

    /// Lets `wake` ring once when an access token from elsewhere is wanted.
    pub fn watch(&self, wake: &Arc<Wake>) {
        self.0.tokens.watch(wake);
    }

    pub(super) fn account_endpoint(&self) -> &Endpoint {
        &self.0.account
    }

    /// A current access token, another than `rejected`.
    pub(super) async fn token(
        &self,
        rejected: Option<&Secret>,
    ) -> std::result::Result<Secret, Loss> {
        self.0.tokens.get(&self.0.rest, rejected).await
    }

    /// The text of a path of the API.
    pub(super) async fn get_path(
        &self,
        path: &str,
        query: &[(String, String)],
    ) -> std::result::Result<String, Loss> {
        let url = self.0.rest.url(path, query).map_err(Loss::lasting)?;
        Ok(self.get_url(url).await?.body)
    }

    async fn get_url(&self, url: reqwest::Url) -> std::result::Result<Answer, Loss> {
        let token = self.token(None).await?;
        let answer = self.0.rest.get(url.clone(), &token).await?;
        if answer.status != 401 {
            return self.success(&url, answer);
        }
        // Once: a second refusal has another reason than the token's age.
        let token = self.token(Some(&token)).await?;
        let answer = self.0.rest.get(url.clone(), &token).await?;
        if answer.status != 401 {
            return self.success(&url, answer);
        }
        let said = self.0.tokens.said(&answer.body);
        Err(Loss::lasting(Error::Authentication(format!(
            "{} refuses a fresh access token: HTTP 401{said}; log in again",
            self.0.rest.host()
        ))))
    }

    /// An answer that is a success; of any other, what the server said about it.
    fn success(&self, url: &reqwest::Url, answer: Answer) -> std::result::Result<Answer, Loss> {
        if answer.is_success() {
            return Ok(answer);
        }
        let (host, path, status) = (self.0.rest.host(), url.path(), answer.status);
        let said = self.0.tokens.said(&answer.body);
        let text = format!("{host} refuses {path}: HTTP {status}{said}");
        Err(Loss::lasting(if answer.status == 403 {
            Error::Authentication(format!("{text}; the grant does not allow it"))
        } else {
            Error::Refused(text)
        }))
    }
}
