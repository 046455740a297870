//! Symbol notations, for Python.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use dxstream::symbol::{self, CandleSymbol, NotationError, OptionTerms, crypto_to_dxfeed};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The number by which numpy knows that there is no day.
const NO_DAY: i64 = i64::MIN;

/// The year of today in UTC.
pub(crate) fn this_year() -> u32 {
    // A year has 365.2425 days on average; at New Year it may begin half a day off, which changes nothing
    // for contracts that trade.
    const SECONDS: u64 = 31_556_952;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + u32::try_from(now.as_secs() / SECONDS).unwrap_or(0)
}

/// The dxFeed symbol of what a user wrote, where futures are written in the year `this_year`.
#[pyfunction(name = "to_dxfeed")]
pub(crate) fn to_dxfeed(symbol: &str, this_year: u32) -> PyResult<String> {
    dxfeed(symbol, this_year).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The same of each symbol.
#[pyfunction(name = "all_to_dxfeed")]
pub(crate) fn all_to_dxfeed(symbols: Vec<String>, this_year: u32) -> PyResult<Vec<String>> {
    each(symbols, |symbol| dxfeed(symbol, this_year))
}

fn dxfeed(symbol: &str, this_year: u32) -> Result<String, NotationError> {
    match crypto_to_dxfeed(symbol) {
        Some(crypto) => Ok(crypto),
        None => symbol::to_dxfeed(symbol, this_year).map(Cow::into_owned),
    }
}

/// The OCC symbol of an option.
#[pyfunction(name = "to_occ")]
pub(crate) fn to_occ(symbol: &str) -> PyResult<String> {
    symbol::to_occ(symbol).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The same of each symbol.
#[pyfunction(name = "all_to_occ")]
pub(crate) fn all_to_occ(symbols: Vec<String>) -> PyResult<Vec<String>> {
    each(symbols, symbol::to_occ)
}

/// Converts each symbol, or says which is the first that cannot be.
fn each(
    symbols: Vec<String>,
    convert: impl Fn(&str) -> Result<String, NotationError>,
) -> PyResult<Vec<String>> {
    let convert = |(at, symbol): (usize, String)| {
        convert(&symbol).map_err(|error| PyValueError::new_err(format!("symbol {at}: {error}")))
    };
    symbols.into_iter().enumerate().map(convert).collect()
}

/// Roots, and as the bytes of arrays: the days of expiry since 1970 (int64, numpy's NaT where a month alone
/// is named), the rights (`C` or `P`) and the strikes (float64).
type Terms<'py> = (Vec<String>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// What the symbols of options say.
#[pyfunction(name = "option_terms")]
pub(crate) fn option_terms(py: Python<'_>, symbols: Vec<String>) -> PyResult<Terms<'_>> {
    let count = symbols.len();
    let mut roots = Vec::with_capacity(count);
    let mut days = Vec::with_capacity(count * size_of::<i64>());
    let mut rights = Vec::with_capacity(count);
    let mut strikes = Vec::with_capacity(count * size_of::<f64>());
    for (at, symbol) in symbols.into_iter().enumerate() {
        let terms = OptionTerms::read(&symbol).ok_or_else(|| {
            PyValueError::new_err(format!(
                "symbol {at}: {symbol:?} is no symbol of an option, as .AAPL260619C150 is"
            ))
        })?;
        roots.push(terms.root.to_owned());
        let day = terms.expiry.map_or(NO_DAY, symbol::Date::since_1970);
        days.extend_from_slice(&day.to_ne_bytes());
        rights.push(if terms.is_call { b'C' } else { b'P' });
        strikes.extend_from_slice(&terms.strike.to_ne_bytes());
    }
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    Ok((roots, bytes(&days), bytes(&rights), bytes(&strikes)))
}

/// The symbol of the candles of `symbol`, in normal form.
#[pyfunction(name = "candle_symbol")]
pub(crate) fn candle_symbol(
    symbol: &str,
    interval: &str,
    extended_trading_hours: bool,
) -> PyResult<String> {
    CandleSymbol::new(symbol, interval, extended_trading_hours)
        .map(|candle| candle.to_string())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The candle symbol in normal form, its instrument as dxFeed writes it.
#[pyfunction(name = "candle_to_dxfeed")]
pub(crate) fn candle_to_dxfeed(symbol: &str) -> PyResult<String> {
    symbol::candle_to_dxfeed(symbol, this_year())
        .map(|candle| candle.to_string())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The instrument of a candle symbol.
#[pyfunction(name = "candle_base")]
pub(crate) fn candle_base(symbol: &str) -> PyResult<String> {
    symbol
        .parse::<CandleSymbol>()
        .map(|candle| candle.symbol().to_owned())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The symbol that was probably meant, where `symbol` is none that dxFeed has.
#[pyfunction(name = "suggest_symbol", signature = (symbol, this_year=None))]
pub(crate) fn suggest_symbol(symbol: &str, this_year: Option<u32>) -> Option<String> {
    symbol::suggest(symbol, this_year.unwrap_or_else(self::this_year))
}
