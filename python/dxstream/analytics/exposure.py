"""What a portfolio's options are exposed to, and the gamma of a whole chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dxstream.analytics.chain import Options, options_of, require_price
from dxstream.columns import unknown
from dxstream.dxfeed import Greeks, Summary
from dxstream.table import EventTable

__all__ = ["GammaExposure", "PortfolioGreeks", "gamma_exposure", "portfolio_greeks"]

_GREEKS = ("delta", "gamma", "theta", "rho", "vega")


def _last_rows(symbols: Sequence[str], wanted: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the last row of each wanted symbol among `symbols`, -1 where there is none."""
    rows = dict(zip(symbols, range(len(symbols)), strict=True))
    return np.fromiter(map(rows.get, wanted, repeat(-1)), np.intp, len(wanted))


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioGreeks:
    """The Greeks of positions, an array of shape (p,) each: quantity x multiplier x Greek.

    Attributes
    ----------
    symbols
        The symbols of the p positions.
    quantity
        How many contracts are held of each, negative where they are short.
    delta
        Change of the value for a rise of the underlying by 1, which is a number of shares.
    gamma
        Change of the delta for a rise of the underlying by 1.
    theta
        Change of the value over one day.
    rho
        Change of the value for one percentage point of interest rate.
    vega
        Change of the value for one percentage point of volatility.
    """

    symbols: tuple[str, ...]
    quantity: npt.NDArray[np.float64]
    delta: npt.NDArray[np.float64]
    gamma: npt.NDArray[np.float64]
    theta: npt.NDArray[np.float64]
    rho: npt.NDArray[np.float64]
    vega: npt.NDArray[np.float64]

    def total(self) -> dict[str, float]:
        """Return the sum of each Greek; NaN where a position's is unknown.

        A sum over several underlyings adds moves of each by 1, which are not alike.
        """
        return {name: float(getattr(self, name).sum()) for name in _GREEKS}


def portfolio_greeks(
    positions: Mapping[str, float],
    greeks: EventTable[Greeks],
    multiplier: float | Mapping[str, float] = 100.0,
) -> PortfolioGreeks:
    """Multiply the Greeks of contracts with the positions in them.

    Parameters
    ----------
    positions
        The number of contracts by option symbol, negative where they are short.
    greeks
        A table with the Greeks of these symbols; the last row of a symbol counts.
    multiplier
        Shares a contract, one for all or by symbol.

    Returns
    -------
    PortfolioGreeks
        Arrays of shape (p,), in the order of the positions. A Greek that is unknown is NaN, and so
        is its total.

    Raises
    ------
    KeyError
        If a position's symbol is not in the table, or has no multiplier.
    AttributeError
        If the table lacks a Greek.
    """
    symbols = tuple(positions)
    rows = _last_rows(greeks.symbols, symbols)
    if (rows < 0).any():
        absent = symbols[int(np.flatnonzero(rows < 0)[0])]
        msg = f"the table has no Greeks of {absent!r}; {int((rows < 0).sum())} positions lack them"
        raise KeyError(msg)
    quantity = np.array([positions[symbol] for symbol in symbols], np.float64)
    if isinstance(multiplier, Mapping):
        if lacking := [symbol for symbol in symbols if symbol not in multiplier]:
            msg = f"there is no multiplier for {lacking[0]!r}"
            raise KeyError(msg)
        shares = quantity * np.array([multiplier[symbol] for symbol in symbols], np.float64)
    else:
        shares = quantity * multiplier
    products = {name: shares * getattr(greeks, name)[rows] for name in _GREEKS}
    return PortfolioGreeks(symbols, quantity, **products)


class GammaExposure(NamedTuple):
    """The gamma exposure of a chain by strike.

    Attributes
    ----------
    strikes
        The k strikes, ascending.
    calls
        That of the calls, shape (k,), not negative where no gamma is.
    puts
        That of the puts, shape (k,), not positive where no gamma is negative.
    left_out
        How many contracts do not count, as their gamma or open interest is unknown.
    """

    strikes: npt.NDArray[np.float64]
    calls: npt.NDArray[np.float64]
    puts: npt.NDArray[np.float64]
    left_out: int

    @property
    def net(self) -> npt.NDArray[np.float64]:
        """That of calls and puts together, shape (k,)."""
        return self.calls + self.puts


def gamma_exposure(
    greeks: EventTable[Greeks],
    summaries: EventTable[Summary],
    spot: float,
    *,
    multiplier: float = 100.0,
    options: Options | None = None,
) -> GammaExposure:
    """Sum gamma times open interest by strike, over all expiries.

    For each contract ``gamma * open_interest * multiplier * spot**2 * 0.01``: the change in the
    value of delta, in money, for a rise of the underlying by 1 %. Calls count positive and puts
    negative, which is what dealers hold who are long the calls and short the puts.

    Parameters
    ----------
    greeks
        A table with `gamma`, a row for each option of one underlying.
    summaries
        A table with `open_interest`, joined by symbol; the last row of a symbol counts.
    spot
        The price of the underlying.
    multiplier
        Shares a contract.
    options
        What :func:`parse_options` returns for the symbols of `greeks`, to save reading them again.

    Returns
    -------
    GammaExposure
        Arrays of shape (k,), in the currency of the prices. A strike of which no contract counts
        has 0.

    Raises
    ------
    ValueError
        If `spot` is not above 0, a symbol is none of an option, or `options` is of another length.
    AttributeError
        If a table lacks its field.
    """
    require_price(spot)
    contracts = options_of(greeks, options)
    rows = _last_rows(summaries.symbols, greeks.symbols)
    open_interest = np.zeros(len(greeks))
    found = rows >= 0
    chosen = summaries.open_interest[rows[found]]
    open_interest[found] = np.where(unknown("long", chosen), np.nan, chosen)
    gamma = greeks.gamma
    counts = found & np.isfinite(gamma) & np.isfinite(open_interest)
    exposure = np.where(counts, gamma * open_interest, 0.0) * (multiplier * spot**2 * 0.01)
    strikes, at = np.unique(contracts.strike, return_inverse=True)
    call = contracts.right == "C"
    calls = np.bincount(at, np.where(call, exposure, 0.0), len(strikes)).astype(np.float64)
    puts = np.bincount(at, np.where(call, 0.0, -exposure), len(strikes)).astype(np.float64)
    return GammaExposure(strikes, calls, puts, int(len(greeks) - np.count_nonzero(counts)))
