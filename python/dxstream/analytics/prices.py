"""Prices between bid and ask, and the average price of trades."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dxstream.dxfeed import OptionSale, Quote, TimeAndSale, Trade, TradeETH
from dxstream.table import EventTable

__all__ = [
    "SymbolVwap",
    "imbalance",
    "micro_price",
    "mid",
    "spread",
    "spread_bps",
    "vwap",
    "vwap_by_symbol",
]

Floats: TypeAlias = npt.NDArray[np.float64]

Trades: TypeAlias = (
    EventTable[Trade] | EventTable[TradeETH] | EventTable[TimeAndSale] | EventTable[OptionSale]
)
"""A table whose events have a price and a size."""


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with NaN where the denominator is not above 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def mid(quotes: EventTable[Quote]) -> Floats:
    """Return the prices halfway between bid and ask: ``(bid + ask) / 2``.

    Parameters
    ----------
    quotes
        A table with `bid_price` and `ask_price`, n rows.

    Returns
    -------
    array of float64, shape (n,)
        In the unit of the prices; NaN where bid or ask is unknown.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    prices: Floats = (quotes.bid_price + quotes.ask_price) / 2
    return prices


def spread(quotes: EventTable[Quote]) -> Floats:
    """Return ``ask - bid``.

    Parameters
    ----------
    quotes
        A table with `bid_price` and `ask_price`, n rows.

    Returns
    -------
    array of float64, shape (n,)
        In the unit of the prices, negative in a crossed market; NaN where bid or ask is unknown.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    prices: Floats = quotes.ask_price - quotes.bid_price
    return prices


def spread_bps(quotes: EventTable[Quote]) -> Floats:
    """Return the spread in basis points of the mid price: ``10_000 * (ask - bid) / mid``.

    Parameters
    ----------
    quotes
        A table with `bid_price` and `ask_price`, n rows.

    Returns
    -------
    array of float64, shape (n,)
        In basis points; NaN where bid or ask is unknown, or the mid price is not above 0.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    return _divided(10_000 * spread(quotes), mid(quotes))


def micro_price(quotes: EventTable[Quote]) -> Floats:
    """Return the means of bid and ask, each weighted with the size of the other side.

    ``(bid * ask_size + ask * bid_size) / (bid_size + ask_size)``, as
    :attr:`dxstream.dxfeed.Quote.micro_price`.

    Parameters
    ----------
    quotes
        A table with `bid_price`, `bid_size`, `ask_price` and `ask_size`, n rows.

    Returns
    -------
    array of float64, shape (n,)
        In the unit of the prices. The mid price where a size is unknown or they total 0; NaN where
        bid or ask is unknown.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    weighted = quotes.bid_price * quotes.ask_size + quotes.ask_price * quotes.bid_size
    total = quotes.bid_size + quotes.ask_size
    return np.where(total > 0, _divided(weighted, total), mid(quotes))


def imbalance(quotes: EventTable[Quote]) -> Floats:
    """Return ``(bid_size - ask_size) / (bid_size + ask_size)``.

    Parameters
    ----------
    quotes
        A table with `bid_size` and `ask_size`, n rows.

    Returns
    -------
    array of float64, shape (n,)
        From -1, all size at the ask, to 1, all at the bid; NaN where a size is unknown or they
        total 0.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    return _divided(quotes.bid_size - quotes.ask_size, quotes.bid_size + quotes.ask_size)


class SymbolVwap(NamedTuple):
    """The average price of each symbol's trades.

    Attributes
    ----------
    symbols
        The m symbols of the table, each once, in the order in which they first come.
    vwap
        The volume-weighted average price of each, shape (m,).
    volume
        The size of the trades that count, shape (m,).
    """

    symbols: tuple[str, ...]
    vwap: Floats
    volume: Floats


def _weights(trades: Trades) -> tuple[Floats, Floats]:
    """Return the value and the size of each trade, both 0 where it does not count."""
    price, size = trades.price, trades.size
    counts = np.isfinite(price) & np.isfinite(size) & (size > 0)
    return np.where(counts, price, 0.0) * np.where(counts, size, 0.0), np.where(counts, size, 0.0)


def vwap(trades: Trades) -> float:
    """Return the volume-weighted average price of all trades: ``sum(price * size) / sum(size)``.

    Cancelled and corrected sales count like any other: choose the rows first where that matters.

    Parameters
    ----------
    trades
        A table with `price` and `size`.

    Returns
    -------
    float
        In the unit of the prices. Trades whose price is unknown, or whose size is unknown or not
        above 0, do not count; NaN where none is left.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    value, size = _weights(trades)
    volume = float(size.sum())
    return float(value.sum()) / volume if volume > 0 else float("nan")


def vwap_by_symbol(trades: Trades) -> SymbolVwap:
    """Return the volume-weighted average price of each symbol: ``sum(price * size) / sum(size)``.

    Parameters
    ----------
    trades
        A table with `price` and `size`, of m symbols.

    Returns
    -------
    SymbolVwap
        Prices of shape (m,), in their own unit. The trades of :func:`vwap` count; NaN for a symbol
        that has none.

    Raises
    ------
    AttributeError
        If the table lacks a field.
    """
    value, size = _weights(trades)
    symbols = tuple(dict.fromkeys(trades.symbols))
    places = dict(zip(symbols, range(len(symbols)), strict=True))
    of_row = np.fromiter(map(places.__getitem__, trades.symbols), np.intp, len(trades))
    volume = np.bincount(of_row, size, len(symbols)).astype(np.float64)
    total = np.bincount(of_row, value, len(symbols)).astype(np.float64)
    return SymbolVwap(symbols, _divided(total, volume), volume)
