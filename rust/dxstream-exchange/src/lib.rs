//! A DXLink exchange on loopback, for tests, demonstrations and benchmarks.
//!
//! [`Exchange`] serves the protocol from a thread of its own. Its events come from a
//! [`source::EventSource`], from [`Exchange::publish`], or from a [`blast::Blast`]. What a client sends
//! and gets is decided in `session`, which knows neither sockets nor a clock.

#![forbid(unsafe_code)]

pub mod account;
pub mod blast;
pub mod config;
mod encode;
pub mod fault;
mod hub;
mod ledger;
pub mod market;
pub mod proxy;
mod server;
mod session;
pub mod source;
pub mod tape;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use dxstream::event::EventKind;
use dxstream::symbol::{SymbolId, Tables};
use tokio::sync::mpsc;

use crate::account::config::MAX_CASH;
use crate::account::fault::AccountFaultError;
use crate::account::{AccountRecord, Decimal};
use crate::fault::{Fault, FaultError};
use crate::hub::{Hub, Record};
use crate::server::{AccountService, Command, Service};
use crate::source::{Depth, Row};

pub use config::ExchangeConfig;
pub use hub::Stats;

/// Why an exchange could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The address is not on loopback.
    #[error("the exchange serves loopback only, not {0}")]
    NotLoopback(SocketAddr),
    /// The address is taken, or may not be used.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// A blast writes to the socket itself, without TLS.
    #[error("a blast does not speak TLS")]
    BlastOverTls,
    /// A fault cannot happen.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A fault of the account side cannot happen.
    #[error(transparent)]
    AccountFault(#[from] AccountFaultError),
    /// An account has more cash than sums of it could be told.
    #[error("the cash of an account lies between -{MAX_CASH} and {MAX_CASH}, and is not {0}")]
    Cash(Decimal),
    /// The system gave no thread or no event queue.
    #[error("cannot start the exchange's thread: {0}")]
    Thread(#[source] io::Error),
}

/// Listens on an address, and says on which where the system chose the port.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ExchangeError> {
    let refused = |error| ExchangeError::Listen(address, error);
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "wss" } else { "ws" };
    format!("{scheme}://{address}/")
}

/// A running exchange; it stops when it is dropped.
///
/// Calls may come from any thread. Those that change something return when it is done, and do nothing
/// once the exchange has stopped.
#[derive(Debug)]
pub struct Exchange {
    address: SocketAddr,
    ca_pem: Option<String>,
    /// Whether it serves a blast.
    blasts: bool,
    tables: Arc<Tables>,
    record: Arc<Record>,
    /// Where the accounts are served, if there are any.
    pub(crate) account_address: Option<SocketAddr>,
    pub(crate) account_record: Arc<AccountRecord>,
    commands: mpsc::UnboundedSender<(Command, std::sync::mpsc::SyncSender<()>)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Exchange {
    /// Starts an exchange.
    ///
    /// # Errors
    /// [`ExchangeError`] when the configuration contradicts itself or the system refuses.
    pub fn start(mut config: ExchangeConfig) -> Result<Self, ExchangeError> {
        if !config.address.ip().is_loopback() {
            return Err(ExchangeError::NotLoopback(config.address));
        }
        if config.tls && config.blast.is_some() {
            return Err(ExchangeError::BlastOverTls);
        }
        fault::check(&config.faults, config.tls, config.blast.is_some())?;
        let accounts = config.accounts.take();
        if let Some(accounts) = &accounts {
            if !accounts.address.ip().is_loopback() {
                return Err(ExchangeError::NotLoopback(accounts.address));
            }
            account::fault::check(&accounts.faults)?;
            if accounts.cash.abs() > Decimal::from(MAX_CASH) {
                return Err(ExchangeError::Cash(accounts.cash));
            }
        }
        let (acceptor, ca_pem) = if config.tls {
            let (acceptor, ca_pem) = tls::acceptor(config.certificate)?;
            (Some(acceptor), Some(ca_pem))
        } else {
            (None, None)
        };
        let (listener, address) = listen(config.address)?;
        let account_record = Arc::new(AccountRecord::default());
        let mut account_address = None;
        let mut account_service = None;
        if let Some(accounts) = accounts {
            let (listener, served) = listen(accounts.address)?;
            account_address = Some(served);
            account_service = Some(AccountService {
                listener,
                config: accounts,
                dxlink_url: url(address, ca_pem.is_some()),
                record: Arc::clone(&account_record),
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ExchangeError::Thread)?;

        let record = Arc::new(Record::default());
        record.count_faults(config.faults.len());
        let tables = Arc::clone(&config.tables);
        let blasts = config.blast.is_some();
        let service = Service {
            listener,
            tls: acceptor,
            blast: config.blast.clone().map(Arc::new),
            max_message_bytes: config.rules.max_message_bytes,
            faults: config.faults.clone(),
            record: Arc::clone(&record),
            accounts: account_service,
        };
        let (commands, received) = mpsc::unbounded_channel();
        let hub_record = Arc::clone(&record);
        let thread = thread::Builder::new()
            .name("dxstream-exchange".to_owned())
            .spawn(move || server::run(&runtime, service, Hub::new(config, hub_record), received))
            .map_err(ExchangeError::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            address,
            ca_pem,
            blasts,
            tables,
            record,
            account_address,
            account_record,
            commands,
            thread,
        })
    }

    /// Where clients connect to: `ws://127.0.0.1:port/`, or `wss` with TLS.
    pub fn url(&self) -> String {
        url(self.address, self.ca_pem.is_some())
    }

    /// The port that the exchange listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate authority that clients have to trust, in PEM; nothing without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The tables that rows are numbered by.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Sends rows to every subscriber as live events; they become the last value and, by index, part
    /// of the history. Does not wait for clients to read.
    pub fn publish(&self, rows: &[Row]) {
        self.command(Command::Publish(rows.to_vec()));
    }

    /// Replaces what was published of a symbol's history, for snapshots that are asked for from here
    /// on; nothing is sent.
    pub fn set_history(&self, kind: EventKind, symbol: SymbolId, rows: &[Row]) {
        self.command(Command::SetHistory(kind, symbol, rows.to_vec()));
    }

    /// Sets the order book that the DOM service shows for a symbol.
    pub fn set_depth(&self, symbol: &str, depth: Depth) {
        self.command(Command::SetDepth(symbol.to_owned(), depth));
    }

    /// Begins the time of a source that waits for it.
    pub fn play(&self) {
        self.command(Command::Play);
    }

    /// Sends a text message to every client, as it is.
    pub fn send_raw(&self, text: &str) {
        self.command(Command::SendRaw(text.to_owned()));
    }

    /// Closes every connection after what is ready to be sent; new ones may come.
    pub fn close_connections(&self, code: u16, reason: &str) {
        self.command(Command::CloseConnections(code, reason.to_owned()));
    }

    /// Replaces the faults, for the connections that are open too; [`Stats::faults`] begins anew.
    ///
    /// # Errors
    /// [`FaultError`] when a fault cannot happen; the faults are then those that they were.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), FaultError> {
        fault::check(&faults, self.ca_pem.is_some(), self.blasts)?;
        self.command(Command::SetFaults(faults));
        Ok(())
    }

    /// What the exchange has done so far.
    pub fn stats(&self) -> Stats {
        self.record.stats()
    }

    /// The clients' last messages, oldest first, as many as
    /// [`ExchangeConfig::received_limit`] keeps.
    pub fn received(&self) -> Vec<String> {
        self.record.received()
    }

    /// Closes every connection with code 1001, stops listening and waits for the thread's end.
    pub fn stop(&self) {
        self.command(Command::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by the panic hook.
            let _ = thread.join();
        }
    }

    pub(crate) fn command(&self, command: Command) {
        let (done, answer) = sync_channel(1);
        if self.commands.send((command, done)).is_ok() {
            // An error is the end of the thread: there is nothing left to change.
            let _ = answer.recv();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop();
    }
}
