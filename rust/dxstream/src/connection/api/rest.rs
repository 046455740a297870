//! Requests over HTTP. Nothing of the HTTP library is seen outside of this folder.

use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};

use super::super::clock::now;
use super::super::endpoint::Endpoint;
use super::super::io_thread::IoThread;
use super::super::transport::{retry_after, tls_config};
use crate::error::{Error, Result};
use crate::log;
use crate::loss::{Loss, Remedy};
use crate::protocol::ReconnectPolicy;
use crate::secret::Secret;

/// The version of the API that dxstream knows; the sandbox refuses the header.
const ACCEPT_VERSION: (&str, &str) = ("accept-version", "20251101");

/// Most bytes of an answer.
const MAX_BODY: usize = 16 << 20;

/// How long a connection is kept for the next request.
const KEPT: Duration = Duration::from_secs(30);

type Attempt<T> = std::result::Result<T, Loss>;

/// A server's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The text, which may hold a secret.
    pub body: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    pub(in super::super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The server of an API.
#[derive(Debug)]
pub(super) struct Rest {
    base: Url,
    endpoint: Endpoint,
    production: bool,
    timeout: Duration,
    /// The client, and the thread on which it keeps its connections.
    client: Mutex<Option<(Weak<IoThread>, Client)>>,
    /// Until when the server asked to be left alone.
    quiet: Mutex<Duration>,
}

impl Rest {
    pub(super) fn new(
        base_url: &str,
        ca_pem: Option<Vec<u8>>,
        production: bool,
        timeout: Duration,
    ) -> Result<Self> {
        let mut endpoint = Endpoint::api(base_url)?;
        if let Some(pem) = ca_pem {
            endpoint = endpoint.with_ca_pem(pem);
        }
        let base = Url::parse(base_url).map_err(|error| {
            Error::InvalidArgument(format!("the URL of the API cannot be used: {error}"))
        })?;
        let (client, quiet) = (Mutex::new(None), Mutex::new(Duration::ZERO));
        Ok(Self { base, endpoint, production, timeout, client, quiet })
    }

    pub(super) fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The URL of a path, which stays on this server.
    pub(super) fn url(&self, path: &str, query: &[(String, String)]) -> Result<Url> {
        if !path.starts_with('/') || path.contains('#') {
            return Err(Error::InvalidArgument(format!(
                "the path {path:?} cannot be used; it begins with / and has no #"
            )));
        }
        let (path, in_path) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(in_path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Gets something with an access token.
    pub(super) async fn get(&self, url: Url, token: &Secret) -> Attempt<Answer> {
        let mut request = Request::new(Method::GET, url);
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_| {
            Loss::lasting(Error::Authentication(
                "the access token cannot be sent: it has characters that no token has".into(),
            ))
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        self.send(request).await
    }

    /// Posts JSON, without an access token.
    pub(super) async fn post(&self, path: &str, body: String) -> Attempt<Answer> {
        let url = self.url(path, &[]).map_err(Loss::lasting)?;
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        self.send(request).await
    }

    async fn send(&self, mut request: Request) -> Attempt<Answer> {
        let began = now();
        let quiet = self.quiet_until().saturating_sub(began);
        if !quiet.is_zero() {
            let text = format!(
                "{} asked to be left alone for {} s more",
                self.host(),
                quiet.as_secs_f64().ceil()
            );
            return Err(Loss { remedy: Remedy::After(quiet), ..Loss::passing(text) });
        }
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if self.production {
            headers.insert(ACCEPT_VERSION.0, HeaderValue::from_static(ACCEPT_VERSION.1));
        }
        let client = self.client()?;
        let method = request.method().clone();
        let response = client.execute(request).await.map_err(|error| self.failed(&error))?;
        let answer = self.read(response).await?;
        tracing::debug!(
            target: log::CONNECTION,
            "{}: {method} answered HTTP {}, {} bytes, in {:.1?}",
            self.host(),
            answer.status,
            answer.body.len(),
            now().saturating_sub(began)
        );
        Ok(answer)
    }

    async fn read(&self, mut response: Response) -> Attempt<Answer> {
        let (host, status) = (self.host(), response.status());
        let text = || format!("{host} answers HTTP {status}");
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let header = response.headers().get(RETRY_AFTER);
                let after =
                    header.and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
                let Some(after) = after else { return Err(Loss::passing(text())) };
                self.keep_quiet(after);
                let text = format!("{}; try again in {} s", text(), after.as_secs());
                return Err(Loss { remedy: Remedy::After(after), ..Loss::passing(text) });
            }
            status if status.is_server_error() => return Err(Loss::passing(text())),
            status if status.is_redirection() => {
                let text = format!("{}; redirects are not followed", text());
                return Err(Loss::lasting(Error::ConnectionLost(text)));
            }
            _ => {}
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if bytes.len() + chunk.len() > MAX_BODY {
                let text = format!("{host} answers with more than {MAX_BODY} bytes");
                return Err(Loss::protocol(text));
            }
            bytes.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(bytes)
            .map_err(|_| Loss::protocol(format!("{host} answers with text that is no UTF-8")))?;
        Ok(Answer { status: status.as_u16(), body })
    }

    fn quiet_until(&self) -> Duration {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_quiet(&self, after: Duration) {
        let until = now() + after.min(ReconnectPolicy::MAX_RETRY_AFTER);
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// The client of the I/O thread that runs now; another thread's would have lost its connections.
    fn client(&self) -> Attempt<Client> {
        let thread = std::sync::Arc::downgrade(&IoThread::get().map_err(Loss::lasting)?);
        let mut known = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = &*known
            && Weak::ptr_eq(of, &thread)
        {
            return Ok(client.clone());
        }
        let tls = tls_config(&self.endpoint)?;
        let mut builder = Client::builder()
            .user_agent(concat!("dxstream/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured((*tls).clone())
            .https_only(self.endpoint.is_secure())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // The WebSockets know no proxy either, and tokens go where the URL says.
            .no_proxy()
            .connect_timeout(self.timeout)
            .timeout(self.timeout)
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(4);
        if !self.endpoint.is_secure() {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            let loopback = loopback.map(|address| SocketAddr::new(address, self.endpoint.port()));
            builder = builder.resolve_to_addrs("localhost", &loopback);
        }
        let client = builder.build().map_err(|error| {
            let text = format!("HTTP cannot be used: {}", deepest(&error));
            Loss::lasting(Error::ConnectionLost(text))
        })?;
        *known = Some((thread, client.clone()));
        Ok(client)
    }

    fn failed(&self, error: &reqwest::Error) -> Loss {
        let host = self.host();
        if let Some(rustls::Error::InvalidCertificate(problem)) = tls_problem(error) {
            return Loss::lasting(Error::ConnectionLost(format!(
                "the certificate of {host} is not trusted: {problem}"
            )));
        }
        let seconds = self.timeout.as_secs_f64();
        Loss::passing(if error.is_timeout() {
            format!("{host} did not answer within {seconds} s")
        } else if error.is_connect() {
            format!("cannot connect to {host}:{}: {}", self.endpoint.port(), deepest(error))
        } else {
            format!("the request to {host} failed: {}", deepest(error))
        })
    }
}

/// The innermost reason, which names neither URL nor headers.
fn deepest(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}

fn tls_problem(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(reason) = next {
        if let Some(problem) = reason.downcast_ref::<rustls::Error>() {
            return Some(problem);
        }
        // An I/O error is not the source of what it wraps.
        let wrapped = reason.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => reason.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(base: &str) -> Result<Rest> {
        Rest::new(base, None, true, Duration::from_secs(1))
    }

    #[test]
    fn every_path_stays_on_the_server_below_its_base() {
        let pairs = [("symbol[]".to_owned(), "SPY & co".to_owned())];
        for (base, path, url) in [
            ("https://h.com", "/a/b", "https://h.com/a/b?symbol%5B%5D=SPY+%26+co"),
            ("https://h.com/v1/", "/a", "https://h.com/v1/a?symbol%5B%5D=SPY+%26+co"),
            ("https://h.com", "/a?x=1", "https://h.com/a?x=1&symbol%5B%5D=SPY+%26+co"),
            ("https://h.com", "//evil.com/a", "https://h.com//evil.com/a?symbol%5B%5D=SPY+%26+co"),
            ("https://h.com", "/%2FESZ5", "https://h.com/%2FESZ5?symbol%5B%5D=SPY+%26+co"),
        ] {
            assert_eq!(rest(base).unwrap().url(path, &pairs).unwrap().as_str(), url);
        }
        for path in ["", "a", "https://evil.com/", "/a#b"] {
            let error = rest("https://h.com").unwrap().url(path, &[]).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{path}");
        }
    }

    #[test]
    fn credentials_are_not_sent_in_the_clear_but_on_loopback() {
        for base in ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://h.com"]
        {
            assert!(rest(base).is_ok(), "{base}");
        }
        for base in ["http://h.com", "http://127.0.0.1.h.com", "wss://h.com", "https://u:p@h.com"] {
            assert!(matches!(rest(base).unwrap_err(), Error::InvalidArgument(_)), "{base}");
        }
    }
}
