//! Symbol notations, for Python.

use dxstream::symbol::{self, CandleSymbol};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

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

/// The instrument of a candle symbol.
#[pyfunction(name = "candle_base")]
pub(crate) fn candle_base(symbol: &str) -> PyResult<String> {
    symbol
        .parse::<CandleSymbol>()
        .map(|candle| candle.symbol().to_owned())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The symbol that was probably meant, where `symbol` is none that dxFeed has.
#[pyfunction(name = "suggest_symbol")]
pub(crate) fn suggest_symbol(symbol: &str) -> Option<String> {
    symbol::suggest(symbol)
}
