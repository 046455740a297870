//! What passes through a proxy, and what does not.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use dxstream_exchange::Exchange;
use dxstream_exchange::config::ExchangeConfig;
use dxstream_exchange::proxy::{Corruption, Cut, FaultProxy, ProxyError, ProxyStats, Stream};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::client::{Client, DEADLINE, until};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A server whose connections the test holds, and a proxy before it.
struct Ends {
    listener: TcpListener,
    proxy: FaultProxy,
}

impl Ends {
    async fn new() -> Self {
        let listener = TcpListener::bind(SocketAddr::from(ANY_PORT)).await.unwrap();
        let server = listener.local_addr().unwrap();
        Self { listener, proxy: FaultProxy::start(ANY_PORT.into(), server).unwrap() }
    }

    /// The client's and the server's end of a connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).await.unwrap();
        let (server, _) = timeout(DEADLINE, self.listener.accept()).await.unwrap().unwrap();
        (client, server)
    }
}

/// All that comes to an end of a connection, and how that ends.
async fn heard(socket: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut heard = Vec::new();
    let end = timeout(DEADLINE, socket.read_to_end(&mut heard)).await.expect("it stays open");
    (heard, end.err().map(|error| error.kind()))
}

async fn read(socket: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timeout(DEADLINE, socket.read_exact(&mut bytes)).await.expect("nothing comes").unwrap();
    bytes
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 / 7) as u8).collect()
}

#[test]
fn what_passes_is_what_was_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ends = runtime.block_on(Ends::new());
    let sizes = vec((any::<u8>(), 0..40_000_usize), 0..6);
    let config = Config { cases: 24, ..Config::default() };
    TestRunner::new(config)
        .run(&(sizes.clone(), sizes), |(down, up)| {
            runtime.block_on(async {
                let (mut client, mut server) = ends.connect().await;
                let says = |pieces: &[(u8, usize)]| -> Vec<u8> {
                    pieces.iter().flat_map(|&(byte, count)| vec![byte; count]).collect()
                };
                let (down, up) = (says(&down), says(&up));
                let (mut from_server, mut to_server) = client.split();
                let (mut from_client, mut to_client) = server.split();
                let (mut client_heard, mut server_heard) = (Vec::new(), Vec::new());
                let send_down = async {
                    to_client.write_all(&down).await?;
                    to_client.shutdown().await
                };
                let send_up = async {
                    to_server.write_all(&up).await?;
                    to_server.shutdown().await
                };
                let all = async {
                    tokio::try_join!(
                        send_down,
                        send_up,
                        from_server.read_to_end(&mut client_heard),
                        from_client.read_to_end(&mut server_heard),
                    )
                };
                timeout(DEADLINE, all).await.unwrap().unwrap();
                if (client_heard, server_heard) == (down, up) {
                    Ok(())
                } else {
                    Err(TestCaseError::fail("other bytes came than were sent"))
                }
            })
        })
        .unwrap();
    runtime.block_on(until(|| ends.proxy.stats().connections == 0));
}

#[tokio::test]
async fn a_connection_is_cut_at_its_byte_and_the_next_is_not() {
    let ends = Ends::new().await;
    let sent = pattern(100_000);
    for (after, reset) in [(0, false), (1, true), (4_097, false), (16_384, true), (99_999, false)] {
        for stream in [Stream::Server, Stream::Client] {
            // A connection of before may be at the byte.
            until(|| ends.proxy.stats().connections == 0).await;
            ends.proxy.cut(stream, Some(Cut { after, reset, connections: 1 }));
            let (mut client, mut server) = ends.connect().await;
            let (from, to) = match stream {
                Stream::Server => (&mut server, &mut client),
                Stream::Client => (&mut client, &mut server),
            };
            let (_, (bytes, error)) = tokio::join!(from.write_all(&sent), heard(to));
            assert!(bytes == sent[..after as usize], "{} bytes", bytes.len());
            assert_eq!(error, reset.then_some(ErrorKind::ConnectionReset));
            let (mut client, mut server) = ends.connect().await;
            server.write_all(&sent).await.unwrap();
            drop(server);
            assert!(heard(&mut client).await.0 == sent);
        }
    }
    assert_eq!(ends.proxy.stats().cut, 10);
}

#[tokio::test]
async fn a_connection_that_is_there_is_cut_at_its_byte_and_not_beyond_it() {
    let ends = Ends::new().await;
    let (mut client, mut server) = ends.connect().await;
    server.write_all(b"0123456789").await.unwrap();
    read(&mut client, 10).await;
    until(|| ends.proxy.stats().bytes_from_server == 10).await;
    let cut = |after| Some(Cut { after, reset: true, connections: 1 });
    ends.proxy.cut(Stream::Server, cut(3));
    server.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut client, 4).await, b"more");
    until(|| ends.proxy.stats().bytes_from_server == 14).await;
    ends.proxy.cut(Stream::Server, cut(14));
    assert_eq!(heard(&mut client).await, (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(heard(&mut server).await, (Vec::new(), Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_byte_is_changed_and_no_other() {
    let ends = Ends::new().await;
    let sent = pattern(50_000);
    let corruption = Corruption { at: 20_000, mask: 0x41, connections: 1 };
    ends.proxy.corrupt(Stream::Server, Some(corruption));
    for changed in [true, false] {
        let (mut client, mut server) = ends.connect().await;
        server.write_all(&sent).await.unwrap();
        drop(server);
        let mut expected = sent.clone();
        expected[20_000] ^= if changed { 0x41 } else { 0 };
        assert!(heard(&mut client).await.0 == expected);
    }
    assert_eq!(ends.proxy.stats().corrupted, 1);
}

#[tokio::test]
async fn a_frozen_proxy_accepts_and_moves_nothing_until_it_thaws() {
    let ends = Ends::new().await;
    let (mut client, mut server) = ends.connect().await;
    ends.proxy.freeze();
    server.write_all(b"down").await.unwrap();
    client.write_all(b"up").await.unwrap();
    let (mut other, mut its_server) = ends.connect().await;
    other.write_all(b"too").await.unwrap();
    assert!(timeout(Duration::from_millis(20), client.readable()).await.is_err());
    let stats = ends.proxy.stats();
    assert_eq!((stats.connections, stats.bytes_from_server, stats.bytes_from_client), (2, 0, 0));
    ends.proxy.thaw();
    assert_eq!(read(&mut client, 4).await, b"down");
    assert_eq!(read(&mut server, 2).await, b"up");
    assert_eq!(read(&mut its_server, 3).await, b"too");
    until(|| ends.proxy.stats().bytes_from_client == 5).await;
}

#[tokio::test]
async fn delayed_and_trickling_bytes_all_arrive() {
    let ends = Ends::new().await;
    let sent = pattern(2_000);
    ends.proxy.set_delay(Duration::from_hours(1));
    let (mut client, mut server) = ends.connect().await;
    server.write_all(&sent).await.unwrap();
    assert!(timeout(Duration::from_millis(20), client.readable()).await.is_err());
    assert_eq!(ends.proxy.stats().bytes_from_server, 0);
    ends.proxy.set_delay(Duration::from_millis(1));
    assert!(read(&mut client, 2_000).await == sent);
    ends.proxy.trickle(Some(10));
    server.write_all(&sent).await.unwrap();
    assert_eq!(read(&mut client, 2).await, sent[..2]);
    ends.proxy.trickle(None);
    drop(server);
    assert!(heard(&mut client).await.0 == sent[2..]);
}

#[tokio::test]
async fn connections_are_refused_by_the_system_until_they_are_accepted() {
    let ends = Ends::new().await;
    let (mut client, mut server) = ends.connect().await;
    for _ in 0..2 {
        ends.proxy.refuse().unwrap();
        let error = TcpStream::connect(ends.proxy.address()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    server.write_all(b"still here").await.unwrap();
    assert_eq!(read(&mut client, 10).await, b"still here");
    for _ in 0..2 {
        ends.proxy.accept().unwrap();
    }
    ends.connect().await;
}

#[tokio::test]
async fn all_connections_are_dropped_and_others_come() {
    for (reset, error) in [(true, Some(ErrorKind::ConnectionReset)), (false, None)] {
        let ends = Ends::new().await;
        let (mut first, mut server) = ends.connect().await;
        let (mut second, _server) = ends.connect().await;
        ends.proxy.drop_connections(reset);
        for socket in [&mut first, &mut second, &mut server] {
            assert_eq!(heard(socket).await, (Vec::new(), error));
        }
        let (mut third, mut server) = ends.connect().await;
        server.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut third, 5).await, b"hello");
        assert_eq!(ends.proxy.stats().cut, 2);
    }
}

#[tokio::test]
async fn a_proxy_stands_before_an_exchange_that_restarts() {
    let config = || ExchangeConfig { tls: true, ..ExchangeConfig::default() };
    let exchange = Exchange::start(config()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], exchange.port()));
    let proxy = FaultProxy::start(ANY_PORT.into(), address).unwrap();
    let mut client = Client::through(&exchange, proxy.address()).await.unwrap();
    client.open().await;
    client.wait_for("FEED_CONFIG").await;
    exchange.stop();
    assert_eq!(client.wait_for_close().await.0, 1001);
    drop(client);
    assert!(Client::through(&exchange, proxy.address()).await.is_err());
    let exchange = Exchange::start(ExchangeConfig { address, ..config() }).unwrap();
    Client::through(&exchange, proxy.address()).await.unwrap();
    let ProxyStats { accepted, unreachable, .. } = proxy.stats();
    assert_eq!((accepted, unreachable), (3, 1));
}

#[tokio::test]
async fn a_stopped_proxy_ends_its_connections_and_frees_its_port() {
    let ends = Ends::new().await;
    let (mut client, _server) = ends.connect().await;
    ends.proxy.stop();
    ends.proxy.freeze();
    ends.proxy.refuse().unwrap();
    assert!(heard(&mut client).await.0.is_empty());
    let address = ends.proxy.address();
    assert!(TcpStream::connect(address).await.is_err());
    let again = FaultProxy::start(address, ends.listener.local_addr().unwrap()).unwrap();
    assert_eq!(again.address(), address);
    let taken = FaultProxy::start(address, address).unwrap_err();
    assert!(matches!(taken, ProxyError::Listen(..)));
}

#[test]
fn a_proxy_serves_loopback_only() {
    let far = "192.0.2.1:80".parse().unwrap();
    for (address, server) in [(far, ANY_PORT.into()), (ANY_PORT.into(), far)] {
        let error = FaultProxy::start(address, server).unwrap_err();
        assert_eq!(error.to_string(), "the proxy serves loopback only, not 192.0.2.1:80");
    }
}
