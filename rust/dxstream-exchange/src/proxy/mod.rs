//! A TCP proxy on loopback that does to bytes what networks do: delay, cut, freeze, trickle and corrupt them.
//!
//! It knows nothing of what the bytes mean, so it stands in front of TLS too. `settings` is what callers ask
//! for, `relay` moves the bytes of a connection.

mod relay;
mod settings;

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use crate::proxy::settings::Settings;

pub use settings::{Corruption, Cut, Stream};

/// How many clients may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyStats {
    /// Connections that are there now.
    pub connections: usize,
    /// Connections that ever came.
    pub accepted: u64,
    /// Those among them that ended at once, since the server was not there.
    pub unreachable: u64,
    /// Those that were cut at a byte, or dropped.
    pub cut: u64,
    /// Bytes that were changed.
    pub corrupted: u64,
    /// Bytes that went to clients.
    pub bytes_from_server: u64,
    /// Bytes that went to the server.
    pub bytes_from_client: u64,
}

/// What the proxy's thread and its callers look at.
#[derive(Debug, Default)]
struct Record(Mutex<ProxyStats>);

impl Record {
    fn update(&self, change: impl FnOnce(&mut ProxyStats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Why a proxy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// One of the addresses is not on loopback.
    #[error("the proxy serves loopback only, not {0}")]
    NotLoopback(SocketAddr),
    /// The address is taken, or may not be used.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The system gave no thread or no event queue.
    #[error("cannot start the proxy's thread: {0}")]
    Thread(#[source] io::Error),
}

enum Command {
    Change(Box<dyn FnOnce(&mut Settings) + Send>),
    Refuse,
    Accept,
    Stop,
}

/// A running proxy; it stops when it is dropped.
///
/// Calls may come from any thread. They return when what they ask for is so, and do nothing once the proxy
/// has stopped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    record: Arc<Record>,
    commands: mpsc::UnboundedSender<(Command, SyncSender<io::Result<()>>)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FaultProxy {
    /// Starts a proxy at an address, in front of a server; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`ProxyError`] when an address is not on loopback or the system refuses.
    pub fn start(address: SocketAddr, server: SocketAddr) -> Result<Self, ProxyError> {
        for end in [address, server] {
            if !end.ip().is_loopback() {
                return Err(ProxyError::NotLoopback(end));
            }
        }
        let refused = |error| ProxyError::Listen(address, error);
        let listener = StdTcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ProxyError::Thread)?;
        let record = Arc::new(Record::default());
        let (commands, received) = mpsc::unbounded_channel();
        let service = Service { address, server, record: Arc::clone(&record) };
        let thread = thread::Builder::new()
            .name("dxstream-proxy".to_owned())
            .spawn(move || service.run(&runtime, listener, received))
            .map_err(ProxyError::Thread)?;
        Ok(Self { address, record, commands, thread: Mutex::new(Some(thread)) })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets each byte wait for so long, in both directions.
    pub fn set_delay(&self, delay: Duration) {
        self.change(move |settings| settings.delay = delay);
    }

    /// Lets so many bytes a second pass in each direction; nothing for as many as come.
    pub fn trickle(&self, bytes_per_second: Option<u32>) {
        self.change(move |settings| settings.bytes_per_second = bytes_per_second);
    }

    /// Moves no byte until [`FaultProxy::thaw`]; connections are still accepted.
    pub fn freeze(&self) {
        self.change(|settings| settings.frozen = true);
    }

    /// Moves bytes again.
    pub fn thaw(&self) {
        self.change(|settings| settings.frozen = false);
    }

    /// Cuts the next connections that come to a byte of a stream, in place of what was asked for that stream
    /// before; nothing to cut none. One that is beyond it goes on.
    pub fn cut(&self, stream: Stream, cut: Option<Cut>) {
        self.change(move |settings| *settings.cut_mut(stream) = cut);
    }

    /// Changes a byte of the next connections that come to it, in place of what was asked for that stream
    /// before; nothing to change none.
    pub fn corrupt(&self, stream: Stream, corruption: Option<Corruption>) {
        self.change(move |settings| *settings.corruption_mut(stream) = corruption);
    }

    /// Ends every connection now, by RST or by FIN; new ones may come.
    pub fn drop_connections(&self, reset: bool) {
        self.change(move |settings| settings.dropped = Some((settings.drops() + 1, reset)));
    }

    /// Lets the system refuse new connections; those that are there stay.
    ///
    /// # Errors
    /// When another program has taken the port in between.
    pub fn refuse(&self) -> io::Result<()> {
        self.command(Command::Refuse)
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// When the system does not let it listen.
    pub fn accept(&self) -> io::Result<()> {
        self.command(Command::Accept)
    }

    /// What the proxy has done so far.
    pub fn stats(&self) -> ProxyStats {
        *self.record.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection, stops listening and waits for the thread's end.
    pub fn stop(&self) {
        let _ = self.command(Command::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by the panic hook.
            let _ = thread.join();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Settings) + Send + 'static) {
        // A change does not fail.
        let _ = self.command(Command::Change(Box::new(change)));
    }

    fn command(&self, command: Command) -> io::Result<()> {
        let (done, answer) = sync_channel(1);
        match self.commands.send((command, done)) {
            // No answer is the end of the thread: there is nothing left to change.
            Ok(()) => answer.recv().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop();
    }
}

type Commands = mpsc::UnboundedReceiver<(Command, SyncSender<io::Result<()>>)>;

/// What the thread serves with.
struct Service {
    address: SocketAddr,
    server: SocketAddr,
    record: Arc<Record>,
}

/// Where clients come in.
enum Door {
    Open(TcpListener),
    /// The port is kept; the system refuses who comes.
    Shut(TcpSocket),
}

impl Service {
    fn run(self, runtime: &Runtime, listener: StdTcpListener, commands: Commands) {
        LocalSet::new().block_on(runtime, self.serve(listener, commands));
    }

    async fn serve(self, listener: StdTcpListener, mut commands: Commands) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let mut door = Some(Door::Open(listener));
        let settings = Rc::new(watch::Sender::new(Settings::default()));
        loop {
            let accept = async {
                match &door {
                    Some(Door::Open(listener)) => listener.accept().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let Some((command, done)) = command else { return };
                    let result = match command {
                        Command::Change(change) => {
                            settings.send_modify(change);
                            Ok(())
                        }
                        Command::Refuse => self.shut(&mut door),
                        Command::Accept => open(&mut door),
                        Command::Stop => return,
                    };
                    // The caller may have given up waiting.
                    let _ = done.send(result);
                }
                accepted = accept => {
                    let Ok((client, _)) = accepted else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let (settings, record) = (Rc::clone(&settings), Arc::clone(&self.record));
                    let server = self.server;
                    record.update(|stats| {
                        stats.accepted += 1;
                        stats.connections += 1;
                    });
                    spawn_local(async move {
                        relay::serve(client, server, &settings, &record).await;
                        record.update(|stats| stats.connections -= 1);
                    });
                }
            }
        }
    }

    fn shut(&self, door: &mut Option<Door>) -> io::Result<()> {
        if let Some(Door::Shut(_)) = door {
            return Ok(());
        }
        // The port is free for a moment: a socket that listens cannot stop to.
        *door = None;
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        *door = Some(Door::Shut(socket));
        Ok(())
    }
}

fn open(door: &mut Option<Door>) -> io::Result<()> {
    match door.take() {
        Some(Door::Shut(socket)) => *door = Some(Door::Open(socket.listen(BACKLOG)?)),
        other => *door = other,
    }
    Ok(())
}
