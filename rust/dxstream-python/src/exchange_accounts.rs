//! The accounts of the embedded exchange, as a Python object. Their settings are declared in
//! `dxstream.accounts`.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dxstream_exchange::account::fault::{AccountAction, AccountFault};
use dxstream_exchange::account::{AccountsConfig, Decimal};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyTuple};

use crate::exchange::Exchange;
use crate::fault::{number, times};

/// `dxstream.exchange.Accounts`.
#[derive(FromPyObject)]
pub(crate) struct AccountSettings<'py> {
    port: u16,
    numbers: Vec<String>,
    client_secret: String,
    refresh_token: String,
    any_credentials: bool,
    is_test: bool,
    market_data: bool,
    seed: u64,
    cash: Bound<'py, PyAny>,
    opening_orders: usize,
    orders_per_minute: f64,
    access_token_seconds: f64,
    quote_token_seconds: f64,
    heartbeat_timeout: f64,
    received_limit: usize,
    faults: Vec<Bound<'py, PyAny>>,
}

impl AccountSettings<'_> {
    /// The configuration of accounts that trade in these symbols.
    pub(crate) fn config(self, symbols: Vec<String>) -> PyResult<AccountsConfig> {
        if self.numbers.is_empty() || self.numbers.iter().any(String::is_empty) {
            return Err(PyValueError::new_err(
                "numbers needs an account number, and none is empty",
            ));
        }
        if !(0.0..=60_000.0).contains(&self.orders_per_minute) {
            return Err(PyValueError::new_err(format!(
                "orders_per_minute must lie between 0 and 60000, not {}",
                self.orders_per_minute
            )));
        }
        // The exchange's clock begins about now.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(AccountsConfig {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            numbers: self.numbers,
            client_secret: self.client_secret,
            refresh_token: self.refresh_token,
            any_credentials: self.any_credentials,
            is_test: self.is_test,
            market_data: self.market_data,
            seed: self.seed,
            start: i64::try_from(now.as_millis()).unwrap_or_default(),
            cash: decimal("cash", &self.cash)?,
            opening_orders: self.opening_orders,
            orders_per_minute: self.orders_per_minute,
            symbols,
            access_token_lifetime: seconds("access_token_seconds", self.access_token_seconds)?,
            quote_token_lifetime: seconds("quote_token_seconds", self.quote_token_seconds)?,
            heartbeat_timeout: seconds("heartbeat_timeout", self.heartbeat_timeout)?,
            received_limit: self.received_limit,
            faults: all(self.faults)?,
        })
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    let duration = Duration::try_from_secs_f64(value).ok().filter(|given| !given.is_zero());
    duration.ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be a number of seconds above 0, not {value}"))
    })
}

/// A number as Python writes it, so that no digit is lost on the way.
fn decimal(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Decimal> {
    let text = value.str()?;
    let text = text.to_str()?;
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .map_err(|_| PyValueError::new_err(format!("{name} must be a number, not {text}")))
}

/// The faults that these `dxstream.faults.AccountFault` describe.
fn all(faults: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<AccountFault>> {
    faults.into_iter().map(|fault| of(&fault)).collect()
}

fn of(fault: &Bound<'_, PyAny>) -> PyResult<AccountFault> {
    Ok(AccountFault {
        point: fault.getattr("at")?.extract()?,
        number: number(fault, "number")?,
        times: times(fault)?,
        action: action(&fault.getattr("action")?)?,
    })
}

fn action(action: &Bound<'_, PyAny>) -> PyResult<AccountAction> {
    let class = action.get_type();
    let name = class.name()?;
    Ok(match name.to_str()? {
        "Respond" => AccountAction::Respond {
            status: number(action, "status")?,
            headers: action.getattr("headers")?.cast::<PyMapping>()?.items()?.extract()?,
        },
        "Refuse" => AccountAction::Refuse(action.getattr("message")?.extract()?),
        "Omit" => AccountAction::Omit,
        "Stall" => AccountAction::Stall,
        "Close" => AccountAction::Close {
            code: number(action, "code")?,
            reason: action.getattr("reason")?.extract()?,
        },
        "Inject" => AccountAction::Inject(action.getattr("payload")?.extract()?),
        other => {
            let text = format!(
                "on the account side goes wrong Respond, Refuse, Omit, Stall, Close or Inject of \
                 dxstream.faults, not {other}"
            );
            return Err(PyTypeError::new_err(text));
        }
    })
}

/// The accounts of an exchange that has some.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct ExchangeAccounts {
    exchange: Py<Exchange>,
}

#[pymethods]
impl ExchangeAccounts {
    #[new]
    fn py_new(exchange: Py<Exchange>) -> Self {
        Self { exchange }
    }

    /// Where REST is; `None` without accounts.
    #[getter(api_url)]
    fn py_api_url(&self) -> PyResult<Option<String>> {
        Ok(self.exchange.get().server.get()?.api_url())
    }

    /// Where the account WebSocket is; `None` without accounts.
    #[getter(account_url)]
    fn py_account_url(&self) -> PyResult<Option<String>> {
        Ok(self.exchange.get().server.get()?.account_url())
    }

    /// Places an order, and returns its id.
    #[pyo3(name = "place_order")]
    fn py_place_order(
        &self,
        py: Python<'_>,
        account: &str,
        symbol: &str,
        quantity: i64,
        price: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let limit = if price.is_none() { None } else { Some(decimal("price", price)?) };
        let server = self.exchange.get().server.get()?;
        py.detach(|| server.place_order(account, symbol, quantity, limit))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Sends a text to every client that hears of an account, and says to how many.
    #[pyo3(name = "notify")]
    fn py_notify(&self, py: Python<'_>, account: &str, text: &str) -> PyResult<usize> {
        let server = self.exchange.get().server.get()?;
        Ok(py.detach(|| server.notify(account, text)))
    }

    /// Refuses every access token that was issued so far.
    #[pyo3(name = "expire_access_tokens")]
    fn py_expire_access_tokens(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.exchange.get().server.get()?;
        py.detach(|| server.expire_access_tokens());
        Ok(())
    }

    /// Closes every client of the account WebSocket.
    #[pyo3(name = "close_connections")]
    fn py_close_connections(&self, py: Python<'_>, code: u16, reason: &str) -> PyResult<()> {
        let server = self.exchange.get().server.get()?;
        py.detach(|| server.close_account_connections(code, reason));
        Ok(())
    }

    /// Replaces the faults.
    #[pyo3(name = "set_faults")]
    fn py_set_faults(&self, py: Python<'_>, faults: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let faults = all(faults)?;
        let server = self.exchange.get().server.get()?;
        py.detach(|| server.set_account_faults(faults))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The last messages of the clients of the account WebSocket, oldest first.
    #[pyo3(name = "received")]
    fn py_received(&self) -> PyResult<Vec<String>> {
        Ok(self.exchange.get().server.get()?.account_received())
    }

    /// What the accounts have done: counts by name, requests by method and path, and how often each
    /// fault happened.
    #[pyo3(name = "stats")]
    fn py_stats<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>, Bound<'py, PyTuple>)> {
        let stats = self.exchange.get().server.get()?.account_stats();
        let counts = PyDict::new(py);
        counts.set_item("connections", stats.connections)?;
        counts.set_item("accepted", stats.accepted)?;
        counts.set_item("connects", stats.connects)?;
        counts.set_item("heartbeats", stats.heartbeats)?;
        counts.set_item("errors", stats.errors)?;
        counts.set_item("notifications", stats.notifications)?;
        counts.set_item("timeouts", stats.timeouts)?;
        let requests = PyDict::new(py);
        for (request, count) in &stats.requests {
            requests.set_item(request, count)?;
        }
        Ok((counts, requests, PyTuple::new(py, &stats.faults)?))
    }
}
