//! `Exchange`: the embedded exchange, as a Python object. Its settings are declared in
//! `dxstream.exchange`.

use std::collections::HashMap;
use std::io;
use std::iter::once;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::symbol::Tables;
use dxstream_exchange::blast::{Blast, Pace, Stamp};
use dxstream_exchange::config::{
    Access, Certificate, FieldNames, Rules, SlowClient, Start, SubscriptionRate,
};
use dxstream_exchange::market::{Market, MarketConfig};
use dxstream_exchange::source::{Depth, Level, Row};
use dxstream_exchange::tape::{Speed, Tape, TapeError, TapePlayer};
use dxstream_exchange::{self as exchange, ExchangeConfig, ExchangeError};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::event::rows::row_of;
use crate::exchange_accounts::AccountSettings;
use crate::fault;
use crate::process::Owned;

/// `dxstream.exchange.Market`.
#[derive(FromPyObject)]
struct MarketSettings {
    seed: u64,
    start: i64,
    symbols: Vec<String>,
    prices: HashMap<String, f64>,
    quotes_per_second: f64,
    trades_per_second: f64,
}

/// `dxstream.exchange.Blast`.
#[derive(FromPyObject)]
struct BlastSettings {
    symbols: usize,
    rows_per_frame: usize,
    rows: Option<u64>,
    seed: u64,
    wait_for: usize,
    rows_per_second: Option<u64>,
    stamp: String,
}

/// `dxstream.exchange.Tape`.
#[derive(FromPyObject)]
struct TapeSettings {
    paths: Vec<PathBuf>,
    speed: Option<f64>,
}

/// `dxstream.exchange.Rules`.
#[derive(FromPyObject)]
struct RuleSettings {
    tls: bool,
    certificate: String,
    tokens: Option<Vec<String>>,
    start: String,
    lossless: bool,
    strict_fields: bool,
    max_subscriptions: usize,
    subscription_rate: Option<(u32, u32)>,
    keepalive_timeout: f64,
    received_limit: usize,
}

impl RuleSettings {
    fn config(self, port: u16) -> PyResult<ExchangeConfig> {
        let keepalive_timeout = Duration::try_from_secs_f64(self.keepalive_timeout)
            .map_err(|error| PyValueError::new_err(format!("keepalive_timeout: {error}")))?;
        Ok(ExchangeConfig {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            tls: self.tls,
            certificate: match self.certificate.as_str() {
                "valid" => Certificate::Valid,
                "expired" => Certificate::Expired,
                "other host" => Certificate::OtherHost,
                other => {
                    return Err(PyValueError::new_err(format!(
                        "certificate must be \"valid\", \"expired\" or \"other host\", not {other:?}"
                    )));
                }
            },
            access: self.tokens.map_or(Access::Anonymous, Access::Tokens),
            start: match self.start.as_str() {
                "at once" => Start::Immediately,
                "on subscription" => Start::OnFirstSubscription,
                "on play" => Start::OnCommand,
                other => {
                    return Err(PyValueError::new_err(format!(
                        "start must be \"at once\", \"on subscription\" or \"on play\", not {other:?}"
                    )));
                }
            },
            slow_client: if self.lossless { SlowClient::Wait } else { SlowClient::Disconnect },
            rules: Rules {
                field_names: if self.strict_fields {
                    FieldNames::Strict
                } else {
                    FieldNames::Lenient
                },
                max_subscriptions: self.max_subscriptions,
                subscription_rate: self
                    .subscription_rate
                    .map(|(burst, per_second)| SubscriptionRate { burst, per_second }),
                keepalive_timeout,
                ..Rules::default()
            },
            received_limit: self.received_limit,
            ..ExchangeConfig::default()
        })
    }
}

impl BlastSettings {
    fn blast(self) -> PyResult<Blast> {
        let stamp = match self.stamp.as_str() {
            "none" => Stamp::None,
            "wall" => Stamp::Wall,
            "monotonic" => Stamp::Monotonic,
            other => {
                return Err(PyValueError::new_err(format!(
                    "stamp must be \"none\", \"wall\" or \"monotonic\", not {other:?}"
                )));
            }
        };
        Ok(Blast {
            symbols: self.symbols,
            rows_per_frame: self.rows_per_frame,
            rows: self.rows,
            seed: self.seed,
            wait_for: self.wait_for,
            pace: self.rows_per_second.map(|rows_per_second| Pace { rows_per_second, stamp }),
            ..Blast::default()
        })
    }
}

impl MarketSettings {
    fn market(self, py: Python<'_>, tables: Arc<Tables>) -> PyResult<Market> {
        let config = MarketConfig {
            seed: self.seed,
            start: self.start,
            symbols: self.symbols,
            prices: self.prices.into_iter().collect(),
            quotes_per_second: self.quotes_per_second,
            trades_per_second: self.trades_per_second,
            ..MarketConfig::default()
        };
        py.detach(|| Market::new(&config, tables))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

impl TapeSettings {
    fn player(self, py: Python<'_>, tables: &Tables) -> PyResult<TapePlayer> {
        let speed = match self.speed {
            None => Speed::Full,
            Some(speed) if speed > 0.0 && speed.is_finite() => Speed::Scaled(speed),
            Some(speed) => {
                return Err(PyValueError::new_err(format!(
                    "speed must be above 0, or None for full speed; not {speed}"
                )));
            }
        };
        if self.paths.is_empty() {
            return Err(PyValueError::new_err("a tape needs a file; name at least one in paths"));
        }
        let tape = py.detach(|| Tape::open(&self.paths, tables)).map_err(|error| {
            let text = error.to_string();
            match error {
                // The kind of the error decides on the exception, such as `FileNotFoundError`.
                TapeError::Read { error, .. } => io::Error::new(error.kind(), text).into(),
                _ => PyValueError::new_err(text),
            }
        })?;
        Ok(TapePlayer::new(tape, speed))
    }
}

/// Symbols, counts of events by type, time of the first event in ms, and seconds to the last.
type Contents<'py> = (Bound<'py, PyTuple>, Bound<'py, PyDict>, Option<i64>, f64);

/// Counts by name, events by type, and how often each fault happened.
type Counts<'py> = (Bound<'py, PyDict>, Bound<'py, PyDict>, Bound<'py, PyTuple>);

/// What a tape holds.
struct TapeContents {
    symbols: Vec<String>,
    events: Vec<(&'static str, usize)>,
    start: Option<i64>,
    seconds: f64,
}

impl TapeContents {
    fn of(tape: &Tape, tables: &Tables) -> Self {
        let counts = EventKind::ALL.iter().map(|&kind| (kind.name(), tape.count(kind)));
        let symbols = tape.symbols().iter().filter_map(|&symbol| tables.symbol(symbol));
        Self {
            symbols: symbols.map(str::to_owned).collect(),
            events: counts.filter(|(_, count)| *count > 0).collect(),
            start: tape.start(),
            seconds: tape.length().as_secs_f64(),
        }
    }
}

/// A DXLink exchange on loopback, on a thread of its own. It stops when it is dropped.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Exchange {
    pub(crate) server: Owned<exchange::Exchange>,
    /// The symbols of options, by underlying.
    options: HashMap<String, Vec<String>>,
    tape: Option<TapeContents>,
}

#[pymethods]
impl Exchange {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    #[pyo3(signature = (port, rules, faults, *, market=None, blast=None, tape=None, accounts=None))]
    fn py_new(
        py: Python<'_>,
        port: u16,
        rules: RuleSettings,
        faults: Vec<Bound<'_, PyAny>>,
        market: Option<MarketSettings>,
        blast: Option<BlastSettings>,
        tape: Option<TapeSettings>,
        accounts: Option<AccountSettings<'_>>,
    ) -> PyResult<Self> {
        let mut config = rules.config(port)?;
        let mut options = HashMap::new();
        let mut contents = None;
        if let Some(settings) = market {
            let underlyings = settings.symbols.clone();
            let market = settings.market(py, Arc::clone(&config.tables))?;
            let listed = |symbol: String| {
                let of_symbol = market.options(&symbol).collect();
                (symbol, of_symbol)
            };
            options = underlyings.into_iter().map(listed).collect();
            config.source = Some(Box::new(market));
        }
        if let Some(settings) = tape {
            let player = settings.player(py, &config.tables)?;
            contents = Some(TapeContents::of(player.tape(), &config.tables));
            config.source = Some(Box::new(player));
        }
        config.blast = blast.map(BlastSettings::blast).transpose()?;
        config.faults = fault::all(faults)?;
        if let Some(settings) = accounts {
            let listed = options.iter().flat_map(|(of, options)| once(of).chain(options));
            let played = contents.iter().flat_map(|contents| &contents.symbols);
            let mut symbols: Vec<String> = listed.chain(played).cloned().collect();
            symbols.sort_unstable();
            config.accounts = Some(settings.config(symbols)?);
        }
        let server =
            py.detach(|| exchange::Exchange::start(config)).map_err(|error| match error {
                ExchangeError::Fault(_)
                | ExchangeError::AccountFault(_)
                | ExchangeError::Cash(_) => PyValueError::new_err(error.to_string()),
                _ => PyOSError::new_err(error.to_string()),
            })?;
        Ok(Self { server: Owned::new(server), options, tape: contents })
    }

    /// Where clients connect to.
    #[getter(url)]
    fn py_url(&self) -> PyResult<String> {
        Ok(self.server.get()?.url())
    }

    /// The port that the exchange listens on.
    #[getter(port)]
    fn py_port(&self) -> PyResult<u16> {
        Ok(self.server.get()?.port())
    }

    /// The certificate authority that clients have to trust, in PEM; `None` without TLS.
    #[getter(ca_pem)]
    fn py_ca_pem(&self) -> PyResult<Option<&str>> {
        Ok(self.server.get()?.ca_pem())
    }

    /// The symbols of the options of an underlying of the market.
    #[pyo3(name = "options")]
    fn py_options(&self, symbol: &str) -> Vec<&str> {
        let listed = self.options.get(symbol).into_iter().flatten();
        listed.map(String::as_str).collect()
    }

    /// What the tape holds, in the order of the fields of `dxstream.exchange.TapeContents`.
    #[pyo3(name = "tape")]
    fn py_tape<'py>(&self, py: Python<'py>) -> PyResult<Option<Contents<'py>>> {
        let Some(tape) = &self.tape else { return Ok(None) };
        let symbols = PyTuple::new(py, &tape.symbols)?;
        let events = PyDict::new(py);
        for (name, count) in &tape.events {
            events.set_item(name, count)?;
        }
        Ok(Some((symbols, events, tape.start, tape.seconds)))
    }

    /// Sends events to every subscriber.
    #[pyo3(name = "publish")]
    fn py_publish(&self, events: &Bound<'_, PyAny>) -> PyResult<()> {
        let tables = self.server.get()?.tables();
        let row = |event| row_of(&event?, tables).map(|(kind, words)| Row { kind, words });
        let rows: Vec<Row> = events.try_iter()?.map(row).collect::<PyResult<_>>()?;
        let py = events.py();
        let server = self.server.get()?;
        py.detach(|| server.publish(&rows));
        Ok(())
    }

    /// Sets the order book that the DOM service shows for a symbol; levels are price and size.
    #[pyo3(name = "set_depth")]
    fn py_set_depth(
        &self,
        py: Python<'_>,
        symbol: &str,
        bids: Vec<(f64, f64)>,
        asks: Vec<(f64, f64)>,
        time: i64,
    ) -> PyResult<()> {
        let side = |levels: Vec<(f64, f64)>| {
            levels.into_iter().map(|(price, size)| Level { price, size }).collect()
        };
        let depth = Depth { time, bids: side(bids), asks: side(asks) };
        let server = self.server.get()?;
        py.detach(|| server.set_depth(symbol, depth));
        Ok(())
    }

    /// Begins the time of a source that waits for it.
    #[pyo3(name = "play")]
    fn py_play(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.server.get()?;
        py.detach(|| server.play());
        Ok(())
    }

    /// Sends a text message to every client, as it is.
    #[pyo3(name = "send_raw")]
    fn py_send_raw(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let server = self.server.get()?;
        py.detach(|| server.send_raw(text));
        Ok(())
    }

    /// Closes every connection.
    #[pyo3(name = "close_connections")]
    fn py_close_connections(&self, py: Python<'_>, code: u16, reason: &str) -> PyResult<()> {
        let server = self.server.get()?;
        py.detach(|| server.close_connections(code, reason));
        Ok(())
    }

    /// Replaces the faults.
    #[pyo3(name = "set_faults")]
    fn py_set_faults(&self, py: Python<'_>, faults: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let faults = fault::all(faults)?;
        let server = self.server.get()?;
        py.detach(|| server.set_faults(faults))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The clients' last messages, oldest first.
    #[pyo3(name = "received")]
    fn py_received(&self) -> PyResult<Vec<String>> {
        Ok(self.server.get()?.received())
    }

    /// What the exchange has done: counts by name, events by type, and how often each fault happened.
    #[pyo3(name = "stats")]
    fn py_stats<'py>(&self, py: Python<'py>) -> PyResult<Counts<'py>> {
        let stats = self.server.get()?.stats();
        let counts = PyDict::new(py);
        counts.set_item("connections", stats.connections)?;
        counts.set_item("accepted", stats.accepted)?;
        counts.set_item("subscriptions", stats.subscriptions)?;
        counts.set_item("frames", stats.frames)?;
        counts.set_item("errors", stats.errors)?;
        counts.set_item("slow_clients", stats.slow_clients)?;
        counts.set_item("attempts", stats.attempts)?;
        let events = PyDict::new(py);
        for &kind in EventKind::ALL {
            events.set_item(kind.name(), stats.events(kind))?;
        }
        Ok((counts, events, PyTuple::new(py, &stats.faults)?))
    }

    /// Closes every connection and ends the exchange.
    #[pyo3(name = "stop")]
    fn py_stop(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.server.get()?;
        py.detach(|| server.stop());
        Ok(())
    }
}

/// The underlyings of the synthetic market.
#[pyfunction(name = "market_symbols")]
pub(crate) fn market_symbols() -> Vec<&'static str> {
    Market::symbols().collect()
}
