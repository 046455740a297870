//! The handshakes of a connection, TLS and WebSocket, with the faults below the WebSocket.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::perform::end;
use super::script::{Ending, Line, Script};
use super::wire::{Tap, Transport, Wire};
use super::{Action, Point};

/// How long a client may take for the TLS and WebSocket handshakes.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection and the faults that are in store for it.
pub(crate) struct Link {
    pub(crate) line: Line,
    /// Below TLS.
    socket: Rc<Tap>,
    /// Below the WebSocket; the tap of the socket itself before [`Link::upgrade`].
    pub(super) stream: Rc<Tap>,
    /// Told when the exchange stops.
    stop: Rc<Notify>,
}

impl Link {
    /// Takes a connection that has just come; nothing where a fault has ended it.
    pub(crate) async fn accept(
        socket: TcpStream,
        script: &Rc<RefCell<Script>>,
        stop: &Rc<Notify>,
    ) -> Option<(Self, Wire<TcpStream>)> {
        let mut socket = Wire::new(socket);
        let mut link = Self {
            line: Line::new(script),
            socket: socket.tap(),
            stream: socket.tap(),
            stop: Rc::clone(stop),
        };
        if let Some((ending, _)) = link.ending(&Point::Accept) {
            link.end(&mut socket, ending).await;
            return None;
        }
        Some((link, socket))
    }

    /// Answers the client's TLS hello.
    pub(crate) async fn secure(
        &mut self,
        acceptor: &TlsAcceptor,
        mut socket: Wire<TcpStream>,
    ) -> Option<TlsStream<Wire<TcpStream>>> {
        self.in_time(socket.tcp().readable()).await?.ok()?;
        let ending = self.ending(&Point::Tls);
        if let Some((_, bytes)) = ending {
            self.socket.allow(bytes);
        }
        let mut accept = acceptor.accept(socket);
        let secured = tokio::select! {
            secured = self.in_time(&mut accept) => Some(secured?),
            () = self.socket.spent() => None,
        };
        let Some((ending, _)) = ending else { return secured?.ok() };
        match secured {
            Some(Ok(mut stream)) => self.end(&mut stream, ending).await,
            _ => {
                if let Some(socket) = accept.get_mut() {
                    self.end(socket, ending).await;
                }
            }
        }
        None
    }

    /// Answers the client's HTTP request.
    pub(crate) async fn upgrade<S: Transport>(
        &mut self,
        socket: S,
        config: WebSocketConfig,
    ) -> Option<WebSocketStream<Wire<S>>> {
        let mut socket = Wire::new(socket);
        self.stream = socket.tap();
        let (stream, patience) = (socket.tap(), patience(Rc::clone(&self.socket)));
        let mut ending = None;
        #[expect(clippy::result_large_err, reason = "the library's type of a refusal")]
        let answer = |_: &Request, response| self.answer(response, &mut ending);
        let upgraded = tokio::select! {
            upgraded = accept_hdr_async_with_config(&mut socket, answer, Some(config)) => upgraded.is_ok(),
            () = stream.spent() => false,
            () = patience => false,
        };
        if let Some(ending) = ending {
            self.end(&mut socket, ending).await;
            return None;
        }
        if !upgraded {
            return None;
        }
        Some(WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await)
    }

    /// Does to a connection what ends it, and comes back when it is over.
    pub(crate) async fn end<S: Transport>(&self, socket: &mut S, ending: Ending) {
        end(socket.tcp(), ending, &self.stop).await;
    }

    /// The answer to the HTTP request; tells where the connection ends with it.
    #[expect(clippy::result_large_err, reason = "the library's type of a refusal")]
    fn answer(
        &mut self,
        mut response: Response,
        ending: &mut Option<Ending>,
    ) -> Result<Response, ErrorResponse> {
        for action in self.line.stage(&Point::Upgrade) {
            match action {
                Action::Respond { status: 101, headers } => add(response.headers_mut(), headers),
                Action::Respond { status, headers } => {
                    *ending = Some(Ending::Cut { reset: false });
                    let mut refusal = ErrorResponse::new(None);
                    *refusal.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                    let plain = [("Content-Length", "0"), ("Connection", "close")];
                    let plain = plain.map(|(name, value)| (name.to_owned(), value.to_owned()));
                    add(refusal.headers_mut(), plain.into_iter().chain(headers));
                    return Err(refusal);
                }
                action => {
                    if let Some((its, bytes)) = self.take(&action) {
                        self.stream.allow(bytes);
                        *ending = Some(its);
                    }
                }
            }
        }
        Ok(response)
    }

    /// How a point below the WebSocket ends the connection, and after how many bytes of what was to be said.
    fn ending(&mut self, point: &Point) -> Option<(Ending, u64)> {
        let actions = self.line.stage(point);
        actions.iter().filter_map(|action| self.take(action)).last()
    }

    fn take(&self, action: &Action) -> Option<(Ending, u64)> {
        match *action {
            Action::Stall { bytes, reading } => Some((Ending::Stall { reading }, bytes)),
            Action::Cut { bytes, reset } => Some((Ending::Cut { reset }, bytes)),
            Action::Trickle { bytes_per_second } => {
                self.trickle(bytes_per_second);
                None
            }
            _ => None,
        }
    }

    pub(super) fn trickle(&self, bytes_per_second: u32) {
        self.socket.trickle(bytes_per_second);
    }

    /// What comes of a step of a handshake; nothing where the client takes too long.
    async fn in_time<F: Future>(&self, step: F) -> Option<F::Output> {
        tokio::select! {
            done = step => Some(done),
            () = patience(Rc::clone(&self.socket)) => None,
        }
    }
}

/// Waits until the client has taken too long; one that hears the exchange slowly has time without end.
async fn patience(socket: Rc<Tap>) {
    sleep(HANDSHAKE).await;
    while socket.is_trickling() {
        sleep(HANDSHAKE).await;
    }
}

fn add(to: &mut HeaderMap, headers: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            to.append(name, value);
        }
    }
}
