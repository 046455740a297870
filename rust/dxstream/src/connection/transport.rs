//! The socket: TCP, TLS, WebSocket, each within its own deadline. Nothing of the WebSocket library
//! is seen outside of this file.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};

use super::endpoint::Endpoint;
use crate::error::{Error, Result};

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

/// Most bytes that wait to be sent before the connection is given up.
const MAX_WRITE_BUFFER: usize = 4 << 20;

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What arrives on a socket.
#[derive(Debug)]
pub(super) enum Received {
    Text(Utf8Bytes),
    Binary,
    /// A ping or pong: nothing to read, but the server lives.
    Alive,
}

/// An open WebSocket.
pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn ByteStream>>,
    write_timeout: Duration,
}

impl Socket {
    /// Connects to an endpoint.
    pub(super) async fn connect(endpoint: &Endpoint, limits: &Limits) -> Result<Self> {
        let host = endpoint.host();
        let tls = if endpoint.is_secure() { Some(tls_config(endpoint)?) } else { None };
        let tcp = connect_tcp(endpoint, limits.step_timeout).await?;
        tcp.set_nodelay(true).map_err(|error| lost(host, &error))?;
        let bytes: Box<dyn ByteStream> = if let Some(config) = tls {
            let connector = TlsConnector::from(config);
            let name = ServerName::try_from(host.to_owned()).map_err(|_| {
                Error::InvalidArgument(format!("{host} cannot be the name of a TLS server"))
            })?;
            let tls = timeout(limits.step_timeout, connector.connect(name, tcp)).await;
            Box::new(
                tls.map_err(|_| too_slow(host, "TLS handshake", limits.step_timeout))?
                    .map_err(|error| tls_failed(host, &error))?,
            )
        } else {
            Box::new(tcp)
        };
        let mut request = endpoint
            .url()
            .into_client_request()
            .map_err(|error| Error::InvalidArgument(format!("the URL cannot be used: {error}")))?;
        let agent = HeaderValue::from_static(concat!("dxstream/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        let config = WebSocketConfig::default()
            .max_frame_size(Some(limits.max_frame))
            .max_message_size(Some(limits.max_message))
            .max_write_buffer_size(MAX_WRITE_BUFFER);
        let upgrade = tokio_tungstenite::client_async_with_config(request, bytes, Some(config));
        let (stream, _) = timeout(limits.step_timeout, upgrade)
            .await
            .map_err(|_| too_slow(host, "WebSocket upgrade", limits.step_timeout))?
            .map_err(|error| upgrade_failed(host, &error))?;
        Ok(Self { stream, write_timeout: limits.write_timeout })
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<Received> {
        received(self.stream.next().await)
    }

    /// The next message, if it is here already.
    pub(super) fn receive_now(&mut self) -> Option<Result<Received>> {
        self.stream.next().now_or_never().map(received)
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
            Err(_) => Err(Error::ConnectionLost(format!(
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
        Some(Ok(Message::Close(frame))) => Err(Error::ConnectionLost(match frame {
            Some(frame) => format!(
                "the server closed the connection: {} {}",
                u16::from(frame.code),
                frame.reason.chars().filter(|c| !c.is_control()).collect::<String>()
            ),
            None => "the server closed the connection".into(),
        })),
        Some(Err(error)) => Err(ended(&error)),
        None => Err(Error::ConnectionLost("the connection ended".into())),
    }
}

async fn connect_tcp(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream> {
    let (host, port) = (endpoint.host(), endpoint.port());
    let found: Vec<SocketAddr> = timeout(limit, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| too_slow(host, "search for its address", limit))?
        .map_err(|error| Error::ConnectionLost(format!("the host {host} is not found: {error}")))?
        .filter(|address| endpoint.admits(address))
        .collect();
    let mut last =
        Error::ConnectionLost(format!("the host {host} has no address that may be used"));
    for address in found {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                last = Error::ConnectionLost(format!("cannot connect to {host}:{port}: {error}"));
            }
            Err(_) => last = too_slow(host, "TCP connection", limit),
        }
    }
    Err(last)
}

fn tls_config(endpoint: &Endpoint) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let unusable = |what: &str, error: &dyn std::fmt::Display| {
        Error::InvalidArgument(format!("{what} cannot be used: {error}"))
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

fn too_slow(host: &str, step: &str, limit: Duration) -> Error {
    Error::ConnectionLost(format!(
        "cannot connect to {host}: the {step} took longer than {} s",
        limit.as_secs_f64()
    ))
}

fn lost(host: &str, error: &io::Error) -> Error {
    Error::ConnectionLost(format!("cannot connect to {host}: {error}"))
}

fn tls_failed(host: &str, error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            Error::ConnectionLost(format!("the certificate of {host} is not trusted: {problem}"))
        }
        _ => Error::ConnectionLost(format!("no TLS connection to {host}: {error}")),
    }
}

fn upgrade_failed(host: &str, error: &tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => match response.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Error::Authentication(format!("{host} refused the connection: HTTP {status}"))
            }
            status => Error::ConnectionLost(format!(
                "{host} did not open a WebSocket: it answered HTTP {status}"
            )),
        },
        tungstenite::Error::Io(error) => lost(host, error),
        error => Error::ConnectionLost(format!("{host} did not open a WebSocket: {error}")),
    }
}

fn ended(error: &tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Capacity(problem) => {
            Error::Protocol(format!("the server sent too much at once: {problem}"))
        }
        tungstenite::Error::Utf8(_) => {
            Error::Protocol("the server sent text that is no UTF-8".into())
        }
        error => Error::ConnectionLost(format!("the connection broke: {error}")),
    }
}
