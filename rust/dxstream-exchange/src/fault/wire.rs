//! A socket whose writes can be slowed down, or stopped at a byte.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// A byte stream over TCP.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// The TCP connection at the bottom.
    fn tcp(&mut self) -> &mut TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&mut self) -> &mut TcpStream {
        self
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut().0.tcp()
    }
}

impl<S: Transport> Transport for Wire<S> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.socket.tcp()
    }
}

/// What is done to the writes of a [`Wire`].
#[derive(Debug)]
pub(crate) struct Tap {
    /// How many bytes may still pass; what is written beyond vanishes.
    allowed: Cell<u64>,
    bytes_per_second: Cell<Option<u32>>,
    /// Told when a write comes to the end of what is allowed.
    spent: Notify,
}

impl Tap {
    pub(crate) fn allow(&self, bytes: u64) {
        self.allowed.set(bytes);
    }

    pub(crate) fn trickle(&self, bytes_per_second: u32) {
        self.bytes_per_second.set(Some(bytes_per_second));
    }

    pub(crate) fn is_trickling(&self) -> bool {
        self.bytes_per_second.get().is_some()
    }

    /// Waits until a write has come to the end of what is allowed.
    pub(crate) async fn spent(&self) {
        self.spent.notified().await;
    }
}

/// A socket with a tap.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    socket: S,
    tap: Rc<Tap>,
    /// Until when nothing is written.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Wire<S> {
    pub(crate) fn new(socket: S) -> Self {
        let tap = Tap {
            allowed: Cell::new(u64::MAX),
            bytes_per_second: Cell::new(None),
            spent: Notify::new(),
        };
        Self { socket, tap: Rc::new(tap), pause: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.socket
    }

    pub(crate) fn tap(&self) -> Rc<Tap> {
        Rc::clone(&self.tap)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self;
        let allowed = wire.tap.allowed.get();
        if allowed == 0 {
            wire.tap.spent.notify_one();
            return Poll::Ready(Ok(bytes.len()));
        }
        if let Some(pause) = &mut wire.pause {
            ready!(pause.as_mut().poll(context));
            wire.pause = None;
        }
        let rate = wire.tap.bytes_per_second.get();
        // Ten pieces a second are slow enough to be many and quick enough to keep the rate.
        let piece = rate.map_or(usize::MAX, |rate| (rate as usize / 10).max(1));
        let most = piece.min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let part = &bytes[..bytes.len().min(most)];
        let written = ready!(Pin::new(&mut wire.socket).poll_write(context, part))?;
        if allowed < u64::MAX {
            wire.tap.allowed.set(allowed - written as u64);
            if allowed == written as u64 {
                wire.tap.spent.notify_one();
            }
        }
        if let Some(rate) = rate {
            let seconds = written as f64 / f64::from(rate);
            wire.pause = Some(Box::pin(sleep(Duration::from_secs_f64(seconds))));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn what_is_beyond_the_last_byte_vanishes() {
        let (socket, mut peer) = duplex(64);
        let mut wire = Wire::new(socket);
        wire.write_all(b"all of it, ").await.unwrap();
        wire.tap().allow(4);
        wire.write_all(b"part of it").await.unwrap();
        wire.tap().spent().await;
        wire.write_all(b"nothing").await.unwrap();
        drop(wire);
        let mut heard = String::new();
        peer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "all of it, part");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_keeps_its_rate() {
        for (bytes_per_second, seconds) in [(100, 10), (5, 200), (4_000, 0)] {
            let (socket, mut peer) = duplex(64);
            let mut wire = Wire::new(socket);
            wire.tap().trickle(bytes_per_second);
            let sent: Vec<u8> = (0..1_000).map(|at| at as u8).collect();
            let begun = Instant::now();
            let mut heard = Vec::new();
            let write = async {
                wire.write_all(&sent).await.unwrap();
                drop(wire);
            };
            let ((), read) = tokio::join!(write, peer.read_to_end(&mut heard));
            read.unwrap();
            assert!(heard == sent);
            // The clock stands still but for the pauses; the one after the last piece is not waited for.
            assert_eq!(begun.elapsed().as_secs_f64().round() as u64, seconds);
        }
    }
}
