//! A WebSocket client that says what it is told and waits for what it expects.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::{Quote, Record};
use dxstream::symbol::SymbolId;
use dxstream_exchange::Exchange;
use dxstream_exchange::source::Row;
use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

pub(crate) struct Client {
    ws: WebSocketStream<Box<dyn Socket>>,
}

/// What came from the server.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Value),
    /// The code and reason of a close.
    Close(u16, String),
    /// The answer to a ping.
    Pong,
    /// The end of the socket, with or without an error.
    End,
}

impl Client {
    pub(crate) async fn connect(exchange: &Exchange) -> Self {
        Self::try_connect(exchange).await.unwrap()
    }

    pub(crate) async fn try_connect(exchange: &Exchange) -> Result<Self, Error> {
        Self::through(exchange, ([127, 0, 0, 1], exchange.port()).into()).await
    }

    /// Connects by way of an address that leads to the exchange.
    pub(crate) async fn through(exchange: &Exchange, way: SocketAddr) -> Result<Self, Error> {
        let socket = TcpStream::connect(way).await?;
        let socket: Box<dyn Socket> = match exchange.ca_pem() {
            None => Box::new(socket),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from("localhost").unwrap();
                let connector = TlsConnector::from(Arc::new(config));
                Box::new(connector.connect(name, socket).await?)
            }
        };
        let (ws, _) = client_async(exchange.url(), socket).await?;
        Ok(Self { ws })
    }

    /// A client with channel 1 open: COMPACT, no aggregation, symbol and bid price of quotes.
    pub(crate) async fn opened(exchange: &Exchange) -> Self {
        let mut client = Self::connect(exchange).await;
        client.open().await;
        client.wait_for("FEED_CONFIG").await;
        client
    }

    /// Asks for what [`Client::opened`] has, and waits for nothing.
    pub(crate) async fn open(&mut self) {
        for text in [
            r#"{"type":"SETUP","channel":0,"version":"0.1-test/1"}"#,
            r#"{"type":"AUTH","channel":0,"token":"token"}"#,
            r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#,
            r#"{"type":"FEED_SETUP","channel":1,"acceptAggregationPeriod":0,"acceptDataFormat":"COMPACT","acceptEventFields":{"Quote":["eventSymbol","bidPrice"],"TimeAndSale":["eventSymbol","index"]}}"#,
        ] {
            // What the server says tells whether it is still there.
            let _ = self.ws.send(Message::text(text)).await;
        }
    }

    /// The socket, once the handshakes are over.
    pub(crate) fn into_inner(self) -> Box<dyn Socket> {
        self.ws.into_inner()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    /// Closes and waits for the server's close in turn.
    pub(crate) async fn close(&mut self) {
        self.ws.send(Message::Close(None)).await.unwrap();
        while let Some(message) = timeout(DEADLINE, self.ws.next()).await.unwrap() {
            message.expect("the close is returned before the socket ends");
        }
    }

    pub(crate) async fn ping(&mut self) {
        self.ws.send(Message::Ping(Vec::new().into())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, kind: &str, symbol: &str) {
        self.say(&format!(
            r#"{{"type":"FEED_SUBSCRIPTION","channel":1,"add":[{{"type":"{kind}","symbol":"{symbol}"}}]}}"#
        ))
        .await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        let message = timeout(DEADLINE, self.ws.next()).await.expect("the server is silent");
        match message {
            Some(Ok(Message::Text(text))) => {
                Heard::Message(serde_json::from_str(&text).expect("a message is JSON"))
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Heard::Close(frame.code.into(), frame.reason.to_string())
            }
            Some(Ok(Message::Pong(_))) => Heard::Pong,
            _ => Heard::End,
        }
    }

    /// The next message as it is.
    pub(crate) async fn message(&mut self) -> Result<Message, Error> {
        let message = timeout(DEADLINE, self.ws.next()).await.expect("the server is silent");
        message.expect("the server has not left")
    }

    /// How the connection ends without a close, whatever comes before it.
    pub(crate) async fn end(&mut self) -> ErrorKind {
        loop {
            match self.message().await {
                Ok(_) => {}
                Err(Error::Io(error)) => return error.kind(),
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                    return ErrorKind::UnexpectedEof;
                }
                Err(error) => panic!("{error:?} in place of the end"),
            }
        }
    }

    /// Whether something has come by now.
    pub(crate) async fn has_heard(&mut self) -> bool {
        timeout(Duration::from_millis(20), self.ws.next()).await.is_ok()
    }

    /// The next message of this type; others before it are let go.
    pub(crate) async fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            match self.hear().await {
                Heard::Message(message) if message["type"] == kind => return message,
                Heard::Message(_) => {}
                other => panic!("{other:?} in place of {kind}"),
            }
        }
    }

    /// The values of the next FEED_DATA.
    pub(crate) async fn data(&mut self) -> Vec<Value> {
        self.wait_for("FEED_DATA").await["data"][1].as_array().unwrap().clone()
    }

    /// The close, whatever comes before it.
    pub(crate) async fn wait_for_close(&mut self) -> (u16, String) {
        loop {
            match self.hear().await {
                Heard::Message(_) => {}
                Heard::Close(code, reason) => return (code, reason),
                other => panic!("{other:?} in place of a close"),
            }
        }
    }
}

/// A quote of a symbol.
pub(crate) fn quote(exchange: &Exchange, symbol: &str, bid_price: f64) -> Row {
    let event_symbol = SymbolId(exchange.tables().symbols.intern(symbol).unwrap());
    Row::new(&Quote { event_symbol, bid_price, ..Quote::UNKNOWN })
}

/// Waits until something is so.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, poll).await.expect("the condition never came true");
}
