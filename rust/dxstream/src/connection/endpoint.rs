//! Where to connect: a URL, a token, and whom to trust.

use std::net::{IpAddr, SocketAddr};

use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::{Error, Result};
use crate::secret::Secret;

/// A DXLink server and the token for it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Uri,
    host: String,
    port: u16,
    secure: bool,
    token: Option<Secret>,
    ca_pem: Option<Vec<u8>>,
}

impl Endpoint {
    /// An endpoint at `url`: `wss://` anywhere, `ws://` on the loopback interface only.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the URL is none of these, or names a user or a fragment.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self> {
        Self::parse(url, ["wss", "ws"], token)
    }

    /// The address of a REST API at `url`: `https://` anywhere, `http://` on the loopback interface only.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as [`Endpoint::new`].
    pub(super) fn api(url: &str) -> Result<Self> {
        Self::parse(url, ["https", "http"], None)
    }

    fn parse(url: &str, [safe, plain]: [&str; 2], token: Option<Secret>) -> Result<Self> {
        let invalid = |problem: &str| {
            Err(Error::InvalidArgument(format!("the URL cannot be used: {problem}")))
        };
        if url.contains('#') {
            return invalid("it has a fragment (#); leave that out");
        }
        let Ok(parsed) = url.parse::<Uri>() else {
            return invalid(&format!("it is not a URL; write {safe}://host/path"));
        };
        let secure = match parsed.scheme_str() {
            Some(scheme) if scheme == safe => true,
            Some(scheme) if scheme == plain => false,
            _ => return invalid(&format!("it must begin with {safe}://")),
        };
        let authority = parsed.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return invalid("it names a user; pass the token as Endpoint(url, token)");
        }
        let named = parsed.host().unwrap_or("");
        let host = named.trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return invalid("it names no host");
        }
        let port = match authority.strip_prefix(named).unwrap_or("").strip_prefix(':') {
            None if secure => 443,
            None => 80,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return invalid("its port is not a number from 1 to 65535"),
            },
        };
        let endpoint = Self { url: parsed, host, port, secure, token, ca_pem: None };
        if !secure && !endpoint.names_loopback() {
            return invalid(&format!(
                "{plain}:// is for the loopback interface only; use {safe}://"
            ));
        }
        Ok(endpoint)
    }

    /// The same endpoint, trusting the authorities of `pem` besides those of the system.
    #[must_use]
    pub fn with_ca_pem(self, pem: Vec<u8>) -> Self {
        Self { ca_pem: Some(pem), ..self }
    }

    fn names_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether a connection may be made to an address that the host's name led to.
    pub(super) fn admits(&self, address: &SocketAddr) -> bool {
        self.secure || address.ip().is_loopback()
    }

    /// The URL, which holds no secret.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Host and port, by which servers are told apart.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn ca_pem(&self) -> Option<&[u8]> {
        self.ca_pem.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_urls_and_loopback_urls_are_accepted() {
        for (url, host, port) in [
            ("wss://demo.dxfeed.com/market-data/dxlink-ws", "demo.dxfeed.com", 443),
            ("wss://example.com:8443/x?y=z", "example.com", 8443),
            ("ws://127.0.0.1:9000", "127.0.0.1", 9000),
            ("ws://127.8.8.8/", "127.8.8.8", 80),
            ("ws://localhost:1", "localhost", 1),
            ("ws://[::1]:7/feed", "::1", 7),
        ] {
            let endpoint = Endpoint::new(url, None).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_in_one_line() {
        for url in [
            "",
            "demo.dxfeed.com",
            "https://demo.dxfeed.com",
            "ws://demo.dxfeed.com",
            "ws://10.0.0.1:9000",
            "ws://127.0.0.1.example.com",
            "wss://user:password@demo.dxfeed.com",
            "wss://demo.dxfeed.com/#fragment",
            "wss://demo.dxfeed.com:99999",
            "wss://demo.dxfeed.com:0",
            "wss://",
            "wss://exa mple.com",
        ] {
            let error = Endpoint::new(url, None).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{url}");
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("password"), "{url}: {text}");
        }
    }

    #[test]
    fn an_endpoint_does_not_show_its_token() {
        let token = Some(Secret::new("canary-token"));
        let endpoint = Endpoint::new("wss://example.com", token).unwrap();
        assert!(!format!("{endpoint:?}").contains("canary-token"));
    }
}
