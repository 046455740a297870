//! `Exchange`: the embedded exchange, as a Python object. Its settings are declared in
//! `dxstream.exchange`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream_exchange::blast::{Blast, Pace, Stamp};
use dxstream_exchange::config::{Access, FieldNames, Rules, SlowClient, Start, SubscriptionRate};
use dxstream_exchange::market::{Market, MarketConfig};
use dxstream_exchange::source::{Depth, Level, Row};
use dxstream_exchange::{self as exchange, ExchangeConfig};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::event::rows::row_of;

/// `dxstream.exchange.Market`.
#[derive(FromPyObject)]
struct MarketSettings {
    seed: u64,
    start: i64,
    symbols: Vec<String>,
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

/// `dxstream.exchange.Rules`.
#[derive(FromPyObject)]
struct RuleSettings {
    tls: bool,
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

/// A DXLink exchange on loopback, on a thread of its own. It stops when it is dropped.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Exchange(exchange::Exchange);

#[pymethods]
impl Exchange {
    #[new]
    #[pyo3(signature = (port, rules, *, market=None, blast=None))]
    fn py_new(
        py: Python<'_>,
        port: u16,
        rules: RuleSettings,
        market: Option<MarketSettings>,
        blast: Option<BlastSettings>,
    ) -> PyResult<Self> {
        let mut config = rules.config(port)?;
        if let Some(settings) = market {
            let settings = MarketConfig {
                seed: settings.seed,
                start: settings.start,
                symbols: settings.symbols,
                quotes_per_second: settings.quotes_per_second,
                trades_per_second: settings.trades_per_second,
                ..MarketConfig::default()
            };
            let tables = Arc::clone(&config.tables);
            let market = py
                .detach(|| Market::new(&settings, tables))
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
            config.source = Some(Box::new(market));
        }
        config.blast = blast.map(BlastSettings::blast).transpose()?;
        let exchange = py.detach(|| exchange::Exchange::start(config));
        exchange.map(Self).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// Where clients connect to.
    #[getter(url)]
    fn py_url(&self) -> String {
        self.0.url()
    }

    /// The port that the exchange listens on.
    #[getter(port)]
    fn py_port(&self) -> u16 {
        self.0.port()
    }

    /// The certificate authority that clients have to trust, in PEM; `None` without TLS.
    #[getter(ca_pem)]
    fn py_ca_pem(&self) -> Option<&str> {
        self.0.ca_pem()
    }

    /// Sends events to every subscriber.
    #[pyo3(name = "publish")]
    fn py_publish(&self, events: &Bound<'_, PyAny>) -> PyResult<()> {
        let tables = self.0.tables();
        let row = |event| row_of(&event?, tables).map(|(kind, words)| Row { kind, words });
        let rows: Vec<Row> = events.try_iter()?.map(row).collect::<PyResult<_>>()?;
        let py = events.py();
        py.detach(|| self.0.publish(&rows));
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
    ) {
        let side = |levels: Vec<(f64, f64)>| {
            levels.into_iter().map(|(price, size)| Level { price, size }).collect()
        };
        let depth = Depth { time, bids: side(bids), asks: side(asks) };
        py.detach(|| self.0.set_depth(symbol, depth));
    }

    /// Begins the time of a source that waits for it.
    #[pyo3(name = "play")]
    fn py_play(&self, py: Python<'_>) {
        py.detach(|| self.0.play());
    }

    /// Sends a text message to every client, as it is.
    #[pyo3(name = "send_raw")]
    fn py_send_raw(&self, py: Python<'_>, text: &str) {
        py.detach(|| self.0.send_raw(text));
    }

    /// Closes every connection.
    #[pyo3(name = "close_connections")]
    fn py_close_connections(&self, py: Python<'_>, code: u16, reason: &str) {
        py.detach(|| self.0.close_connections(code, reason));
    }

    /// The clients' last messages, oldest first.
    #[pyo3(name = "received")]
    fn py_received(&self) -> Vec<String> {
        self.0.received()
    }

    /// What the exchange has done: counts by name, and events by type.
    #[pyo3(name = "stats")]
    fn py_stats<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let stats = self.0.stats();
        let counts = PyDict::new(py);
        counts.set_item("connections", stats.connections)?;
        counts.set_item("accepted", stats.accepted)?;
        counts.set_item("frames", stats.frames)?;
        counts.set_item("errors", stats.errors)?;
        counts.set_item("slow_clients", stats.slow_clients)?;
        let events = PyDict::new(py);
        for &kind in EventKind::ALL {
            events.set_item(kind.name(), stats.events(kind))?;
        }
        Ok((counts, events))
    }

    /// Closes every connection and ends the exchange.
    #[pyo3(name = "stop")]
    fn py_stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

/// The underlyings of the synthetic market.
#[pyfunction(name = "market_symbols")]
pub(crate) fn market_symbols() -> Vec<&'static str> {
    Market::symbols().collect()
}
