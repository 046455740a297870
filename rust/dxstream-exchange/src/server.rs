//! The exchange's thread: listener, sockets, clock and the callers' commands.

use std::cell::RefCell;
use std::future::pending;
use std::net::TcpListener as StdTcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::symbol::SymbolId;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::account::{self, AccountRecord, Accounts, AccountsConfig};
use crate::blast::{Blast, Blasts};
use crate::fault::Fault;
use crate::fault::handshake::Link;
use crate::fault::script::{Script, Step};
use crate::fault::wire::{Transport, Wire};
use crate::hub::{Hub, Next, Record};
use crate::session::Output;
use crate::source::{Depth, Row};

/// How long a client may take to read the last messages before a close, and to close in turn.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Most clients at a time.
const MAX_CONNECTIONS: usize = 1024;

/// Something that a caller does to the accounts.
pub(crate) type AccountTask = Box<dyn FnOnce(&mut Accounts, Duration) + Send>;

/// What callers ask of the exchange's thread; the sender is told when it is done.
pub(crate) enum Command {
    Publish(Vec<Row>),
    SetHistory(EventKind, SymbolId, Vec<Row>),
    SetDepth(String, Depth),
    Play,
    SendRaw(String),
    CloseConnections(u16, String),
    SetFaults(Vec<Fault>),
    Accounts(AccountTask),
    Stop,
}

pub(crate) type Commands = mpsc::UnboundedReceiver<(Command, SyncSender<()>)>;

/// What the thread serves with.
pub(crate) struct Service {
    pub(crate) listener: StdTcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) blast: Option<Arc<Blast>>,
    pub(crate) max_message_bytes: usize,
    pub(crate) faults: Vec<Fault>,
    pub(crate) record: Arc<Record>,
    pub(crate) accounts: Option<AccountService>,
}

/// What the thread serves accounts with.
pub(crate) struct AccountService {
    pub(crate) listener: StdTcpListener,
    pub(crate) config: AccountsConfig,
    /// Where the market data side is.
    pub(crate) dxlink_url: String,
    pub(crate) record: Arc<AccountRecord>,
}

pub(crate) struct Shared {
    pub(crate) hub: RefCell<Hub>,
    pub(crate) accounts: Option<RefCell<Accounts>>,
    /// Woken when the hub and the accounts should take a turn.
    pub(crate) turn: Notify,
    epoch: Instant,
    pub(crate) tls: Option<TlsAcceptor>,
    blast: Option<(Arc<Blast>, Blasts)>,
    max_message_bytes: usize,
    script: Rc<RefCell<Script>>,
    /// Told when the exchange stops.
    pub(crate) stop: Rc<Notify>,
    record: Arc<Record>,
}

impl Shared {
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Lets the market data side and the accounts do what is due.
    fn take_turn(&self) -> Next {
        let mut hub = self.hub.borrow_mut();
        let now = self.now();
        let next = hub.turn(now);
        let Some(accounts) = &self.accounts else { return next };
        match (next, accounts.borrow_mut().turn(now, &mut hub.ledger)) {
            (Next::At(one), Next::At(other)) => Next::At(one.min(other)),
            (Next::Now, _) | (_, Next::Now) => Next::Now,
            (Next::Never, next) | (next, Next::Never) => next,
        }
    }
}

/// Runs the exchange until it is told to stop.
pub(crate) fn run(
    runtime: &tokio::runtime::Runtime,
    service: Service,
    hub: Hub,
    commands: Commands,
) {
    let local = LocalSet::new();
    local.block_on(runtime, serve(service, hub, commands));
}

async fn serve(service: Service, hub: Hub, mut commands: Commands) {
    let Ok(listener) = TcpListener::from_std(service.listener) else { return };
    let (accounts, account_listener) = match service.accounts {
        None => (None, None),
        Some(AccountService { listener, config, dxlink_url, record }) => {
            let accounts = Accounts::new(config, hub.admission(), dxlink_url, record);
            (Some(RefCell::new(accounts)), TcpListener::from_std(listener).ok())
        }
    };
    let shared = Rc::new(Shared {
        hub: RefCell::new(hub),
        accounts,
        turn: Notify::new(),
        epoch: Instant::now(),
        tls: service.tls,
        blast: service.blast.map(|blast| (blast, Blasts::default())),
        max_message_bytes: service.max_message_bytes,
        script: Rc::new(RefCell::new(Script::new(service.faults, Arc::clone(&service.record)))),
        stop: Rc::default(),
        record: service.record,
    });
    let accepting = spawn_local(accept(listener, Rc::clone(&shared)));
    let serving = account_listener
        .map(|listener| spawn_local(account::serve::accept(listener, Rc::clone(&shared))));
    loop {
        let next = shared.take_turn();
        let sleep = async {
            match next {
                Next::Now => yield_now().await,
                Next::At(due) => sleep_until(shared.epoch + due).await,
                Next::Never => pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => {
                let Some((command, done)) = command else { return };
                let stop = matches!(command, Command::Stop);
                obey(&shared, command);
                let _ = shared.take_turn();
                if stop {
                    accepting.abort();
                    if let Some(serving) = serving {
                        serving.abort();
                    }
                    farewell(&shared).await;
                    return;
                }
                // The caller may have given up waiting.
                let _ = done.send(());
            }
            () = shared.turn.notified() => {}
            () = sleep => {}
        }
    }
}

fn obey(shared: &Shared, command: Command) {
    let mut hub = shared.hub.borrow_mut();
    let now = shared.now();
    match command {
        Command::Publish(rows) => hub.publish(now, &rows),
        Command::SetHistory(kind, symbol, rows) => hub.set_history(kind, symbol, &rows),
        Command::SetDepth(symbol, depth) => hub.set_depth(&symbol, depth),
        Command::Play => hub.play(now),
        Command::SendRaw(text) => hub.send_raw(now, &text),
        Command::CloseConnections(code, reason) => hub.close_connections(code, &reason),
        Command::SetFaults(faults) => {
            shared.script.borrow_mut().set(faults);
            hub.wake_all();
        }
        Command::Accounts(task) => {
            if let Some(accounts) = &shared.accounts {
                task(&mut accounts.borrow_mut(), now);
            }
        }
        Command::Stop => {
            hub.close_connections(1001, "going away");
            if let Some(accounts) = &shared.accounts {
                accounts.borrow_mut().close(1001, "going away");
            }
        }
    }
}

/// Waits until every client has been told that the exchange stops.
async fn farewell(shared: &Shared) {
    shared.stop.notify_waiters();
    if let Some((_, blasts)) = &shared.blast {
        blasts.stop();
    }
    let empty = async {
        let accounts = || shared.accounts.as_ref().is_some_and(|all| !all.borrow().is_empty());
        while !shared.hub.borrow().is_empty() || accounts() {
            shared.turn.notified().await;
        }
    };
    let _ = timeout(FAREWELL, empty).await;
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        shared.record.update(|stats| stats.attempts += 1);
        if shared.record.stats().connections < MAX_CONNECTIONS {
            let _ = socket.set_nodelay(true);
            spawn_local(greet(socket, Rc::clone(&shared)));
        }
    }
}

async fn greet(socket: TcpStream, shared: Rc<Shared>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(shared.max_message_bytes))
        .max_frame_size(Some(shared.max_message_bytes));
    let accepted = Link::accept(socket, &shared.script, &shared.stop).await;
    let Some((mut link, socket)) = accepted else { return };
    if let Some(acceptor) = &shared.tls {
        let Some(socket) = link.secure(acceptor, socket).await else { return };
        if let Some(ws) = link.upgrade(socket, config).await {
            converse(ws, link, &shared).await;
        }
    } else if let Some(ws) = link.upgrade(socket, config).await {
        match &shared.blast {
            Some((blast, blasts)) => give_blast(ws, &shared, blast, blasts).await,
            None => converse(ws, link, &shared).await,
        }
    }
}

/// Speaks with a client until either side closes.
async fn converse<S: Transport>(ws: WebSocketStream<S>, mut link: Link, shared: &Shared) {
    let (id, wake) = shared.hub.borrow_mut().open(shared.now());
    let (mut sink, mut stream) = ws.split();
    let read = async {
        while let Some(message) = stream.next().await {
            match message {
                Ok(Message::Text(text)) => {
                    shared.hub.borrow_mut().receive(id, shared.now(), &text);
                }
                Ok(Message::Binary(_)) => shared.hub.borrow_mut().receive(id, shared.now(), ""),
                Ok(Message::Close(_)) => return,
                Ok(_) => {}
                Err(WebSocketError::Capacity(_)) => {
                    // What the client says from here on is not read; the writer has the last word.
                    shared.hub.borrow_mut().refuse_message(id, shared.now());
                    wake.notify_one();
                    return pending().await;
                }
                Err(_) => return,
            }
            shared.turn.notify_one();
        }
    };
    let write = async {
        loop {
            let outputs = shared.hub.borrow_mut().take(id);
            let steps = link.line.steps(outputs);
            if steps.is_empty() {
                wake.notified().await;
                continue;
            }
            shared.turn.notify_one();
            for step in steps {
                let goes_on = match step {
                    Step::Say(output) => say(&mut sink, output).await.is_some(),
                    Step::End(ending) => return sink.flush().await.is_ok().then_some(ending),
                    step => link.perform(step, &mut sink, &shared.hub, id).await.is_ok(),
                };
                if !goes_on {
                    return None;
                }
            }
            if sink.flush().await.is_err() {
                return None;
            }
        }
    };
    let ending = tokio::select! {
        () = read => {
            let _ = timeout(FAREWELL, sink.close()).await;
            None
        }
        ending = write => ending,
    };
    match ending {
        // A client that hears nothing more is still connected.
        Some(_) => shared.hub.borrow_mut().mute(id),
        None => shared.hub.borrow_mut().leave(id),
    }
    shared.turn.notify_one();
    if let Ok(mut ws) = stream.reunite(sink) {
        match ending {
            Some(ending) => link.end(ws.get_mut(), ending).await,
            None => drain(ws.get_mut()).await,
        }
    }
    shared.hub.borrow_mut().leave(id);
    shared.turn.notify_one();
}

/// Sends one output; nothing where it was the last.
pub(crate) async fn say<K>(sink: &mut K, output: Output) -> Option<()>
where
    K: futures_util::Sink<Message, Error = WebSocketError> + Unpin,
{
    match output {
        Output::Text(text) => sink.feed(Message::text(text)).await.ok(),
        Output::Close { code, reason } => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let close = async {
                sink.send(Message::Close(Some(frame))).await?;
                sink.flush().await
            };
            let _ = timeout(FAREWELL, close).await;
            None
        }
    }
}

/// Ends the stream, as the server has to do first, and reads what is left until the client ends
/// its own: unread bytes would turn the end into a reset, which takes what the client has not read
/// with it.
pub(crate) async fn drain<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) {
    let read = async {
        if socket.shutdown().await.is_ok() {
            read_to_end(socket).await;
        }
    };
    let _ = timeout(FAREWELL, read).await;
}

/// Reads what is left, and leaves it.
pub(crate) async fn read_to_end<S: AsyncRead + Unpin>(socket: &mut S) {
    let mut buffer = vec![0; 16 << 10];
    while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
}

/// Speaks with a client until it has subscribed to quotes, then hands its socket to the blast.
async fn give_blast(
    mut ws: WebSocketStream<Wire<Wire<TcpStream>>>,
    shared: &Shared,
    blast: &Arc<Blast>,
    blasts: &Blasts,
) {
    let (id, _) = shared.hub.borrow_mut().open(shared.now());
    let begun = loop {
        let Some(Ok(message)) = ws.next().await else { break None };
        let (wanted, outputs) = {
            let mut hub = shared.hub.borrow_mut();
            if let Message::Text(text) = &message {
                hub.receive(id, shared.now(), text);
            }
            let wanted = hub.quotes_wanted(id, blast.wait_for);
            let _ = hub.turn(shared.now());
            (wanted, hub.take(id))
        };
        let mut open = true;
        for output in outputs {
            open &= say(&mut ws, output).await.is_some();
        }
        if !open || ws.flush().await.is_err() {
            break None;
        }
        if wanted.is_some() {
            break wanted;
        }
    };
    if let Some((channel, layout)) = begun
        && let Ok(socket) = ws.into_inner().into_inner().into_inner().into_std()
    {
        let done = blasts.send(blast, socket, channel, &layout, Arc::clone(&shared.record));
        let _ = done.await;
    }
    shared.hub.borrow_mut().leave(id);
    shared.turn.notify_one();
}
