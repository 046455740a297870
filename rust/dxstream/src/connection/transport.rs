//! The socket: TCP, TLS, WebSocket, each within its own deadline. Nothing of the WebSocket library
//! is seen outside of this file.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{FutureExt, SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};

use super::clock::now;
use super::endpoint::Endpoint;
use super::lead::Watched;
use super::said;
use crate::error::Error;
use crate::json::FrameReader;
use crate::loss::{Loss, Remedy};

/// How long each step of connecting may take, and how much the server may send at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest wait for each of: the host's addresses, TCP, TLS, the WebSocket upgrade.
    pub step_timeout: Duration,
    /// The longest wait for the socket to take what is sent.
    pub write_timeout: Duration,
    /// The longest wait for the server's answer to a close.
    pub close_timeout: Duration,
    /// Most bytes of a WebSocket frame.
    pub max_frame: usize,
    /// Most bytes of a WebSocket message.
    pub max_message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            step_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(1),
            max_frame: 4 << 20,
            max_message: 8 << 20,
        }
    }
}

/// Most messages that are taken before commands and deadlines are looked at again.
const MESSAGES_AT_ONCE: usize = 64;

/// Most bytes that wait to be sent before the connection is given up.
const MAX_WRITE_BUFFER: usize = 4 << 20;

/// Most bytes that are read from the socket at once. The WebSocket library writes zeros over so many
/// before each reading, and they should stay in the nearest cache until they are read.
const READ_BUFFER: usize = 16 << 10;

impl Limits {
    /// Most bytes that a connection holds: messages that come or wait to be sent, and the symbols and
    /// texts that their reader remembers.
    pub const fn most_bytes(&self) -> usize {
        READ_BUFFER + self.max_message + MAX_WRITE_BUFFER + FrameReader::MOST_BYTES
    }
}

type Result<T> = std::result::Result<T, Loss>;

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The descriptor that the bytes come from.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl ByteStream for TcpStream {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl ByteStream for TlsStream<TcpStream> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }
}

/// What arrives on a socket.
#[derive(Debug)]
pub(super) enum Received {
    Text(Utf8Bytes),
    Binary,
    /// The server says goodbye: with a code and a reason, which may be empty, or without.
    Close(Option<u16>, String),
    /// A ping or pong: nothing to read, but the server lives.
    Alive,
}

/// An open WebSocket.
pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn ByteStream>>,
    watched: Option<Watched>,
    write_timeout: Duration,
}

impl Socket {
    /// Connects to an endpoint. Redirects are not followed.
    pub(super) async fn connect(endpoint: &Endpoint, limits: &Limits) -> Result<Self> {
        let host = endpoint.host();
        let tls = if endpoint.is_secure() { Some(tls_config(endpoint)?) } else { None };
        let tcp = connect_tcp(endpoint, limits.step_timeout).await?;
        tcp.set_nodelay(true).map_err(|error| lost(host, &error))?;
        let began = now();
        let bytes: Box<dyn ByteStream> = if let Some(config) = tls {
            let connector = TlsConnector::from(config);
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| unusable(format!("{host} cannot be the name of a TLS server")))?;
            let tls = timeout(limits.step_timeout, connector.connect(name, tcp)).await;
            let stream = tls
                .map_err(|_| too_slow(host, "TLS handshake", limits.step_timeout))?
                .map_err(|error| tls_failed(host, &error))?;
            said::step(host, "TLS handshake", began);
            Box::new(stream)
        } else {
            Box::new(tcp)
        };
        let mut request = endpoint
            .url()
            .into_client_request()
            .map_err(|error| unusable(format!("the URL cannot be used: {error}")))?;
        let agent = HeaderValue::from_static(concat!("dxstream/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_frame_size(Some(limits.max_frame))
            .max_message_size(Some(limits.max_message))
            .max_write_buffer_size(MAX_WRITE_BUFFER);
        let began = now();
        let upgrade = tokio_tungstenite::client_async_with_config(request, bytes, Some(config));
        let (stream, answer) = timeout(limits.step_timeout, upgrade)
            .await
            .map_err(|_| too_slow(host, "WebSocket upgrade", limits.step_timeout))?
            .map_err(|error| upgrade_failed(host, &error))?;
        said::step(host, "WebSocket upgrade", began);
        // The library leaves this to its users (RFC 6455, 4.1); none was asked for.
        if answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Err(Loss::protocol(format!(
                "{host} uses a WebSocket extension that was not asked for"
            )));
        }
        Ok(Self { stream, watched: None, write_timeout: limits.write_timeout })
    }

    /// Lets the event loop watch it that will lead.
    pub(super) fn watch(&mut self) {
        if self.watched.as_ref().is_none_or(Watched::is_over) {
            let descriptor = self.stream.get_ref().descriptor().try_clone_to_owned();
            // Where no descriptor is left, the I/O thread alone reads it.
            self.watched = descriptor.ok().map(Watched::new);
        }
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<Received> {
        received(self.stream.next().await)
    }

    /// A message that came, and those behind it that are here already; so many that whoever takes them
    /// can look at other things from time to time.
    pub(super) fn with_those_here(
        &mut self,
        first: Result<Received>,
    ) -> impl Iterator<Item = Result<Received>> {
        let more = std::iter::from_fn(|| self.stream.next().now_or_never().map(received));
        std::iter::once(first).chain(more).take(MESSAGES_AT_ONCE)
    }

    /// Sends text frames, all at once.
    pub(super) async fn send(&mut self, frames: impl Iterator<Item = String>) -> Result<()> {
        let stream = &mut self.stream;
        let sending = async {
            for frame in frames {
                stream.feed(tungstenite::Message::text(frame)).await?;
            }
            stream.flush().await
        };
        match timeout(self.write_timeout, sending).await {
            Ok(sent) => sent.map_err(|error| ended(&error)),
            Err(_) => Err(Loss::passing(format!(
                "the server took no data for {} s",
                self.write_timeout.as_secs_f64()
            ))),
        }
    }

    /// Says goodbye and waits for the answer, at most `limit`.
    pub(super) async fn close(mut self, limit: Duration) {
        let farewell = async {
            if self.stream.close(None).await.is_ok() {
                while let Some(Ok(message)) = self.stream.next().await {
                    if message.is_close() {
                        break;
                    }
                }
            }
        };
        // A server that does not answer a close is left as it is.
        let _ = timeout(limit, farewell).await;
    }
}

fn received(
    message: Option<std::result::Result<tungstenite::Message, tungstenite::Error>>,
) -> Result<Received> {
    use tungstenite::Message;
    match message {
        Some(Ok(Message::Text(text))) => Ok(Received::Text(text)),
        Some(Ok(Message::Binary(_))) => Ok(Received::Binary),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Received::Alive),
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) =
                frame.map(|frame| (u16::from(frame.code), frame.reason.to_string())).unzip();
            Ok(Received::Close(code, reason.unwrap_or_default()))
        }
        Some(Err(error)) => Err(ended(&error)),
        None => Err(Loss::passing("the connection ended")),
    }
}

async fn connect_tcp(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream> {
    let (host, port) = (endpoint.host(), endpoint.port());
    let began = now();
    let found: Vec<SocketAddr> = timeout(limit, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| too_slow(host, "search for its address", limit))?
        .map_err(|error| Loss::passing(format!("the host {host} is not found: {error}")))?
        .filter(|address| endpoint.admits(address))
        .collect();
    said::step(host, "search for its address", began);
    let mut last = Loss::passing(format!("the host {host} has no address that may be used"));
    for address in found {
        let began = now();
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                said::step(host, "TCP connection", began);
                return Ok(stream);
            }
            Ok(Err(error)) => {
                last = Loss::passing(format!("cannot connect to {host}:{port}: {error}"));
            }
            Err(_) => last = too_slow(host, "TCP connection", limit),
        }
    }
    Err(last)
}

pub(super) fn tls_config(endpoint: &Endpoint) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let unusable = |what: &str, error: &dyn std::fmt::Display| {
        unusable(format!("{what} cannot be used: {error}"))
    };
    let authorities = match endpoint.ca_pem() {
        Some(pem) => CertificateDer::pem_slice_iter(pem)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| unusable("the CA file", &error))?,
        None => Vec::new(),
    };
    if authorities.is_empty() && endpoint.ca_pem().is_some() {
        return Err(unusable("the CA file", &"it holds no certificate"));
    }
    let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider))
        .map_err(|error| unusable("the system's certificate store", &error))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("TLS", &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn unusable(text: String) -> Loss {
    Loss::lasting(Error::InvalidArgument(text))
}

fn too_slow(host: &str, step: &str, limit: Duration) -> Loss {
    Loss::passing(format!(
        "cannot connect to {host}: the {step} took longer than {} s",
        limit.as_secs_f64()
    ))
}

fn lost(host: &str, error: &io::Error) -> Loss {
    Loss::passing(format!("cannot connect to {host}: {error}"))
}

fn tls_failed(host: &str, error: &io::Error) -> Loss {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(problem)) => Loss::lasting(Error::ConnectionLost(
            format!("the certificate of {host} is not trusted: {problem}"),
        )),
        _ => Loss::passing(format!("no TLS connection to {host}: {error}")),
    }
}

fn upgrade_failed(host: &str, error: &tungstenite::Error) -> Loss {
    match error {
        tungstenite::Error::Http(response) => refused(host, response),
        tungstenite::Error::Io(error) => lost(host, error),
        error => Loss::passing(format!("{host} did not open a WebSocket: {error}")),
    }
}

/// An answer to the upgrade that is no WebSocket.
fn refused<T>(host: &str, response: &Response<T>) -> Loss {
    let status = response.status();
    let text = format!("{host} did not open a WebSocket: it answered HTTP {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Loss::lasting(Error::Authentication(
            format!("{host} refused the connection: HTTP {status}"),
        )),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let header = response.headers().get(header::RETRY_AFTER);
            match header.and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now())) {
                Some(after) => Loss { remedy: Remedy::After(after), ..Loss::passing(text) },
                None => Loss::passing(text),
            }
        }
        status if status.is_redirection() => {
            Loss::lasting(Error::ConnectionLost(format!("{text}; redirects are not followed")))
        }
        status if status.is_client_error() => Loss::lasting(Error::ConnectionLost(text)),
        _ => Loss::passing(text),
    }
}

/// What a Retry-After says: seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn ended(error: &tungstenite::Error) -> Loss {
    match error {
        tungstenite::Error::Capacity(problem) => {
            Loss::protocol(format!("the server sent too much at once: {problem}"))
        }
        tungstenite::Error::Utf8(_) => Loss::protocol("the server sent text that is no UTF-8"),
        error => Loss::passing(format!("the connection broke: {error}")),
    }
}

#[cfg(test)]
mod autobahn;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_websocket_says_whether_to_come_back() {
        let remedy = |status: u16, retry_after: &str| {
            let mut response = Response::builder().status(status);
            if !retry_after.is_empty() {
                response = response.header(header::RETRY_AFTER, retry_after);
            }
            refused("example.com", &response.body(()).unwrap()).remedy
        };
        for status in [301, 302, 307, 308, 400, 401, 403, 404] {
            assert_eq!(remedy(status, ""), Remedy::None, "{status}");
        }
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(remedy(status, ""), Remedy::Backoff, "{status}");
        }
        assert_eq!(remedy(429, "7"), Remedy::After(Duration::from_secs(7)));
        assert_eq!(remedy(503, "Fri, 31 Dec 1999 23:59:59 GMT"), Remedy::After(Duration::ZERO));
        assert_eq!(remedy(503, "soon"), Remedy::Backoff);
        assert_eq!(remedy(502, "7"), Remedy::Backoff);
    }

    #[test]
    fn a_date_to_come_back_is_a_time_from_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let after = retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now);
        assert_eq!(after, Some(Duration::from_secs(7)));
    }
}
