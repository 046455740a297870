//! The bytes of one connection, in both directions.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Record;
use super::settings::{Next, Settings, Stream};
use crate::server::drain;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// Chunks of a stream that may wait for their time; beyond, the sender has to.
const MAX_CHUNKS: usize = 64;

/// How a connection ends before both of its streams have.
#[derive(Debug, Clone, Copy)]
struct Ending {
    reset: bool,
    /// Whether the proxy was told to.
    wanted: bool,
}

/// An end was reset, and so is the other.
const LOST: Ending = Ending { reset: true, wanted: false };

impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Self {
        LOST
    }
}

/// Serves a client until its connection ends.
pub(super) async fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    settings: &watch::Sender<Settings>,
    record: &Record,
) {
    let drops = settings.borrow().drops();
    let Ok(mut server) = TcpStream::connect(server).await else {
        record.update(|stats| stats.unreachable += 1);
        let _ = client.set_zero_linger();
        return;
    };
    for socket in [&client, &server] {
        // Without it bytes are only later.
        let _ = socket.set_nodelay(true);
    }
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let of = |stream| Relay { stream, position: 0, settings, record };
        let streams = async {
            tokio::try_join!(
                of(Stream::Server).pass(from_server, to_client),
                of(Stream::Client).pass(from_client, to_server),
            )
        };
        tokio::select! {
            biased;
            ending = dropped(settings, drops) => Err(ending),
            passed = streams => passed,
        }
    };
    let Err(ending) = ended else { return };
    if ending.wanted {
        record.update(|stats| stats.cut += 1);
    }
    if ending.reset {
        for socket in [client, server] {
            // The socket is reset when it is dropped. An error means that it is gone already.
            let _ = socket.set_zero_linger();
        }
    } else {
        tokio::join!(drain(&mut client), drain(&mut server));
    }
}

/// Waits until all connections are dropped that have seen so many drops.
async fn dropped(settings: &watch::Sender<Settings>, seen: u64) -> Ending {
    let mut changes = settings.subscribe();
    loop {
        if let Some((drops, reset)) = changes.borrow_and_update().dropped
            && drops > seen
        {
            return Ending { reset, wanted: true };
        }
        if changes.changed().await.is_err() {
            return LOST;
        }
    }
}

/// One stream of a connection.
struct Relay<'a> {
    stream: Stream,
    /// Bytes that have passed.
    position: u64,
    settings: &'a watch::Sender<Settings>,
    record: &'a Record,
}

impl Relay<'_> {
    /// Passes a stream on to its end, and ends the other side's then.
    async fn pass<R, W>(mut self, from: R, to: W) -> Result<(), Ending>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (sender, receiver) = mpsc::channel(MAX_CHUNKS);
        let frozen = self.settings.subscribe();
        tokio::try_join!(read(from, sender, frozen), self.write(receiver, to))?;
        Ok(())
    }

    async fn write<W: AsyncWrite + Unpin>(
        &mut self,
        mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
        mut to: W,
    ) -> Result<(), Ending> {
        let mut changes = self.settings.subscribe();
        loop {
            changes.mark_unchanged();
            if let Next::Cut { reset } = self.next() {
                return Err(self.cut(reset));
            }
            let chunk = tokio::select! {
                chunk = chunks.recv() => chunk,
                // A cut may be due without another byte.
                _ = changes.changed() => continue,
            };
            let Some((came, bytes)) = chunk else { break };
            self.wait(came, &mut changes).await;
            self.write_chunk(&bytes, &mut to, &mut changes).await?;
        }
        to.shutdown().await?;
        Ok(())
    }

    async fn write_chunk<W: AsyncWrite + Unpin>(
        &mut self,
        mut bytes: &[u8],
        to: &mut W,
        changes: &mut watch::Receiver<Settings>,
    ) -> Result<(), Ending> {
        while let Some(&first) = bytes.first() {
            changes.mark_unchanged();
            let flipped;
            let (part, flips): (&[u8], bool) = match self.next() {
                Next::Wait => {
                    let _ = changes.changed().await;
                    continue;
                }
                Next::Cut { reset } => return Err(self.cut(reset)),
                Next::Pass(most) => (&bytes[..bytes.len().min(most)], false),
                Next::Flip(mask) => {
                    flipped = [first ^ mask];
                    (&flipped, true)
                }
            };
            // Counted before they are written: whoever has got bytes finds them counted.
            let length = part.len();
            self.count(length as i64);
            // A side that does not read must not keep a change from taking hold.
            let written = tokio::select! {
                written = to.write(part) => written?,
                _ = changes.changed() => 0,
            };
            self.count(written as i64 - length as i64);
            if written == 0 {
                continue;
            }
            if flips {
                self.settings.send_modify(|settings| settings.has_flipped(self.stream));
                self.record.update(|stats| stats.corrupted += 1);
            }
            bytes = &bytes[written..];
            let rate = changes.borrow().bytes_per_second;
            if let Some(rate) = rate {
                sleep(Duration::from_secs_f64(written as f64 / f64::from(rate))).await;
            }
        }
        Ok(())
    }

    fn next(&self) -> Next {
        self.settings.borrow().next(self.stream, self.position)
    }

    fn cut(&self, reset: bool) -> Ending {
        self.settings.send_modify(|settings| settings.has_cut(self.stream));
        Ending { reset, wanted: true }
    }

    fn count(&mut self, bytes: i64) {
        self.position = self.position.saturating_add_signed(bytes);
        self.record.update(|stats| {
            let counted = match self.stream {
                Stream::Server => &mut stats.bytes_from_server,
                Stream::Client => &mut stats.bytes_from_client,
            };
            *counted = counted.saturating_add_signed(bytes);
        });
    }

    /// Waits until what came then may pass.
    async fn wait(&self, came: Instant, changes: &mut watch::Receiver<Settings>) {
        loop {
            let due = came + changes.borrow_and_update().delay;
            tokio::select! {
                () = sleep_until(due) => return,
                _ = changes.changed() => {}
            }
        }
    }
}

/// Takes what comes, with the time at which it came; nothing while the stream is frozen.
async fn read<R: AsyncRead + Unpin>(
    mut from: R,
    chunks: mpsc::Sender<(Instant, Vec<u8>)>,
    mut changes: watch::Receiver<Settings>,
) -> Result<(), Ending> {
    let mut buffer = vec![0; CHUNK];
    loop {
        if changes.wait_for(|settings| !settings.frozen).await.is_err() {
            return Err(LOST);
        }
        let count = tokio::select! {
            count = from.read(&mut buffer) => count?,
            // It may be frozen now.
            _ = changes.changed() => continue,
        };
        if count == 0 || chunks.send((Instant::now(), buffer[..count].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}
