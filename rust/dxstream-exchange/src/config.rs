//! What an exchange is asked to be.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dxstream::symbol::Tables;

use crate::account::AccountsConfig;
use crate::blast::Blast;
use crate::fault::Fault;
use crate::source::EventSource;

/// How an exchange is started; [`ExchangeConfig::default`] is a plain one without events of its own.
pub struct ExchangeConfig {
    /// Where to listen; loopback only. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether to speak TLS, with a certificate made for this run.
    pub tls: bool,
    /// What the certificate is like.
    pub certificate: Certificate,
    /// Who is let in.
    pub access: Access,
    /// The tables that the rows of the source, and of the caller, are numbered by.
    pub tables: Arc<Tables>,
    /// Where events come from, beside those that the caller publishes.
    pub source: Option<Box<dyn EventSource>>,
    /// When the source's time begins.
    pub start: Start,
    /// What a client that reads too slowly does to the source.
    pub slow_client: SlowClient,
    /// How the protocol is spoken.
    pub rules: Rules,
    /// How many of the clients' messages to keep, the latest; 0 keeps none. Tokens are among them.
    pub received_limit: usize,
    /// Serves each client a benchmark's stream of quotes in place of a market.
    pub blast: Option<Blast>,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
    /// The accounts that are served beside the market, on a port of their own.
    pub accounts: Option<AccountsConfig>,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            certificate: Certificate::Valid,
            access: Access::AnyToken,
            tables: Arc::default(),
            source: None,
            start: Start::Immediately,
            slow_client: SlowClient::Disconnect,
            rules: Rules::default(),
            received_limit: 0,
            blast: None,
            faults: Vec::new(),
            accounts: None,
        }
    }
}

impl fmt::Debug for ExchangeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeConfig")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .field("certificate", &self.certificate)
            .field("access", &self.access)
            .field("source", &self.source.is_some())
            .field("start", &self.start)
            .field("slow_client", &self.slow_client)
            .field("rules", &self.rules)
            .field("received_limit", &self.received_limit)
            .field("blast", &self.blast)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// What the exchange's certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For the loopback interface, and of today.
    Valid,
    /// For the loopback interface, until the year 2001.
    Expired,
    /// For `other.example`.
    OtherHost,
}

/// Who is let in.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody: the answer to SETUP is AUTHORIZED, as the dxFeed demo does.
    Anonymous,
    /// Whoever sends a token.
    AnyToken,
    /// Whoever sends one of these tokens; another is answered UNAUTHORIZED and a close.
    Tokens(Vec<String>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::AnyToken => f.write_str("AnyToken"),
            Self::Tokens(tokens) => write!(f, "Tokens({} of them)", tokens.len()),
        }
    }
}

/// When the source's time begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the exchange.
    Immediately,
    /// When a client subscribes to something.
    OnFirstSubscription,
    /// When [`Exchange::play`](crate::Exchange::play) is called.
    OnCommand,
}

/// What a client that reads too slowly does to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowClient {
    /// Nothing: TICKER channels conflate, and a client with more than
    /// [`Rules::max_pending_rows`] rows of the other contracts unsent is disconnected.
    Disconnect,
    /// The source waits for it, so that every client gets every event.
    Wait,
}

/// How the protocol is spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How long the server may be silent, as it tells clients; it speaks twice as often.
    pub keepalive_timeout: Duration,
    /// How long a client may be silent unless it says otherwise.
    pub accept_keepalive_timeout: Duration,
    /// How a client that has been silent for too long is told.
    pub silence: Silence,
    /// Which field names are served.
    pub field_names: FieldNames,
    /// How a character field without a character is written.
    pub no_character: NoCharacter,
    /// How an unknown integer, truth value or enum is written.
    pub unknown: Unknown,
    /// The aggregation periods that clients may have.
    pub aggregation: Aggregation,
    /// Most subscriptions of a connection, counted by type, symbol and source.
    pub max_subscriptions: usize,
    /// Most subscriptions over time; nothing for no bound.
    pub subscription_rate: Option<SubscriptionRate>,
    /// Longest message of a client, in bytes; a longer one closes the connection with 1009.
    pub max_message_bytes: usize,
    /// Longest message of the server, in bytes.
    pub max_frame_bytes: usize,
    /// Most rows in a message of the server.
    pub max_frame_rows: usize,
    /// Whether a COMPACT message may carry several types; dxFeed's own clients read only the first.
    pub several_types_a_frame: bool,
    /// Whether a TICKER subscription of an unknown symbol is answered with an event in which
    /// nothing is known, in place of silence.
    pub answer_unknown_symbols: bool,
    /// Most prices a side in a DOM snapshot.
    pub max_depth: usize,
    /// Bytes ready to be sent to a client, beyond which its rows wait.
    pub outbox_bytes: usize,
    /// Rows that may wait for a client.
    pub max_pending_rows: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            keepalive_timeout: Duration::from_mins(1),
            accept_keepalive_timeout: Duration::from_mins(1),
            silence: Silence::Bye,
            field_names: FieldNames::Lenient,
            no_character: NoCharacter::Nul,
            unknown: Unknown::Default,
            aggregation: Aggregation::default(),
            max_subscriptions: 25_000,
            subscription_rate: None,
            max_message_bytes: 64 << 10,
            max_frame_bytes: 60_000,
            max_frame_rows: usize::MAX,
            several_types_a_frame: false,
            answer_unknown_symbols: false,
            max_depth: 50,
            outbox_bytes: 1 << 20,
            max_pending_rows: 1 << 16,
        }
    }
}

/// How a client that has been silent for too long is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// By a close with code 1000 and reason "Bye", as tastytrade's endpoint does.
    Bye,
    /// By an ERROR of kind TIMEOUT and then the close, as the specification says.
    Timeout,
}

/// Which field names are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldNames {
    /// All that any server is known to serve: `vwap` and `VWAP`, `orderSide` and `side`,
    /// `optionVolume`, `tradeId`.
    Lenient,
    /// One name a field, and no field beyond the specification.
    Strict,
}

/// How a character field without a character is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCharacter {
    /// As `"\u0000"`.
    Nul,
    /// As `""`.
    Empty,
}

/// How an unknown integer, truth value or enum is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// As the dxFeed API's default: 0, `false`, the enum's first name.
    Default,
    /// As `null`.
    Null,
}

/// The aggregation periods that clients may have; a wish outside is moved to the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregation {
    /// The shortest; zero sends each event at once and conflates nothing.
    pub min: Duration,
    /// The one of a client that asks for none.
    pub default: Duration,
    /// The longest.
    pub max: Duration,
}

impl Default for Aggregation {
    fn default() -> Self {
        Self {
            min: Duration::ZERO,
            default: Duration::from_millis(100),
            max: Duration::from_hours(24),
        }
    }
}

impl Aggregation {
    /// The period that a client gets for its wish, in seconds.
    pub(crate) fn grant(&self, wish: Option<f64>) -> Duration {
        match wish {
            Some(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds)
                .unwrap_or(self.max)
                .clamp(self.min, self.max.max(self.min)),
            _ => self.default,
        }
    }
}

/// Most subscriptions over time: a bucket of `burst` that refills by `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionRate {
    /// Most subscriptions at once.
    pub burst: u32,
    /// Subscriptions a second in the long run.
    pub per_second: u32,
}
