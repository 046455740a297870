"""Symbols in the notations of OCC, tastytrade and dxFeed: conversion, candles, terms of options.

dxFeed's notation is what streamers speak. ``subscribe`` and whatever else takes symbols reads the
others too, so that these functions are for programs that work with symbols themselves.

================================  ===============================  ==========================
What                              As tastytrade and OCC write it   As dxFeed writes it
================================  ===============================  ==========================
option on equities or an index    ``AAPL  250117C00150000``        ``.AAPL250117C150``
future                            ``/ESZ5``                        ``/ESZ25:XCME``
option on a future                ``./ESZ5 EW4Z5 251226C6900``     ``./EW4Z25C6900:XCME``
cryptocurrency                    ``BTC/USD``                      ``BTC/USD:CXTALP``
================================  ===============================  ==========================
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from dxstream import _dxstream

__all__ = [
    "Options",
    "candle_base",
    "candle_symbol",
    "parse_options",
    "suggest",
    "to_dxfeed",
    "to_occ",
]


@overload
def to_dxfeed(  # type: ignore[overload-overlap]  # a string is one symbol
    symbols: str, *, today: date | None = None
) -> str: ...
@overload
def to_dxfeed(symbols: Iterable[str], *, today: date | None = None) -> list[str]: ...
def to_dxfeed(symbols: str | Iterable[str], *, today: date | None = None) -> str | list[str]:
    """Convert symbols to those of dxFeed.

    Parameters
    ----------
    symbols
        A symbol, or an iterable of symbols such as a list or an array, as in the table of
        :mod:`dxstream.symbology`. Symbols that are none of these stay as they are.
    today
        The day on which ``/ESZ5`` is written, which tells its year: that of the last year, of this
        or of the eight to come that ends in the digit. It is the day of the system's clock where it
        is ``None``. Options on futures tell their year by their expiry.

    Returns
    -------
    str or list of str
        A string for a string, a list for everything else.

    Raises
    ------
    ValueError
        If a symbol looks like an OCC symbol or an option on a future and is none, has white space
        in it, or is of a futures product whose exchange is not known. The text names the first such
        symbol and its place.
    TypeError
        If a symbol is no string.

    Notes
    -----
    ``BTC/USD`` is a symbol of dxFeed's as well, of another source than tastytrade's. This function
    takes it for tastytrade's, as it does ``BCH/USD``, ``DOGE/USD``, ``ETH/USD`` and ``LTC/USD``;
    what subscribes leaves them as they are.

    Examples
    --------
    >>> from datetime import date
    >>> to_dxfeed("AAPL  250117C00150000")
    '.AAPL250117C150'
    >>> to_dxfeed(["SPXW  241125P05990000", "/ESZ5", "SPY"], today=date(2025, 9, 1))
    ['.SPXW241125P5990', '/ESZ25:XCME', 'SPY']
    >>> to_dxfeed("./ESZ5 EW4Z5 251226C6900")
    './EW4Z25C6900:XCME'
    >>> to_dxfeed("AAPL 250117C00150000")
    Traceback (most recent call last):
        ...
    ValueError: "AAPL 250117C00150000" is no OCC symbol: ...; did you mean ".AAPL250117C150"?
    """
    year = _year(today)
    if isinstance(symbols, str):
        return _dxstream.to_dxfeed(symbols, year)
    return _dxstream.all_to_dxfeed(_listed(symbols), year)


@overload
def to_occ(symbols: str) -> str: ...  # type: ignore[overload-overlap]
@overload
def to_occ(symbols: Iterable[str]) -> list[str]: ...
def to_occ(symbols: str | Iterable[str]) -> str | list[str]:
    """Convert dxFeed symbols of options on equities and indexes to OCC's 21 characters.

    Parameters
    ----------
    symbols
        A symbol, or an iterable of symbols; OCC symbols stay as they are.

    Returns
    -------
    str or list of str
        A string for a string, a list for everything else.

    Raises
    ------
    ValueError
        If a symbol is of no such option. The text names the first and its place.
    TypeError
        If a symbol is no string.

    Examples
    --------
    >>> to_occ(".AAPL250117C150")
    'AAPL  250117C00150000'
    >>> to_occ([".F250117C12.5", ".SPXW241125P5990"])
    ['F     250117C00012500', 'SPXW  241125P05990000']
    """
    if isinstance(symbols, str):
        return _dxstream.to_occ(symbols)
    return _dxstream.all_to_occ(_listed(symbols))


def candle_symbol(
    symbol: str, interval: str | None = None, *, extended_trading_hours: bool | None = None
) -> str:
    """Return the symbol of candles in its normal form, under which the server sends them.

    Parameters
    ----------
    symbol
        The instrument, in any notation that ``subscribe`` takes; or a candle symbol, where
        `interval` and `extended_trading_hours` are left out.
    interval
        Length of a bar: a number and one of s, m, h, d, w, mo and the like, as in ``"5m"``.
    extended_trading_hours
        Whether trades outside of regular trading hours count; not, where it is ``None``.

    Raises
    ------
    ValueError
        If the symbol or the interval is wrong.

    Examples
    --------
    >>> candle_symbol("SPX", "1d")
    'SPX{=d,tho=true}'
    >>> candle_symbol("AAPL  250117C00150000", "5m", extended_trading_hours=True)
    '.AAPL250117C150{=5m}'
    >>> candle_symbol("SPX{tho=true,=1d}")
    'SPX{=d,tho=true}'
    """
    if interval is not None:
        symbol = _dxstream.candle_symbol(symbol, interval, bool(extended_trading_hours))
    elif extended_trading_hours is not None:
        msg = f"an interval is missing, as in candle_symbol({symbol!r}, '5m')"
        raise ValueError(msg)
    return _dxstream.candle_to_dxfeed(symbol)


def candle_base(symbol: str) -> str:
    """Return the instrument of a candle symbol.

    Raises
    ------
    ValueError
        If it is no candle symbol.

    Examples
    --------
    >>> candle_base("AAPL&Q{=5m,tho=true}")
    'AAPL&Q'
    """
    return _dxstream.candle_base(symbol)


class Options(NamedTuple):
    """What option symbols say, an array of shape (n,) each.

    Attributes
    ----------
    root
        The root of the option: the underlying, or a class of it as SPXW; for options on futures the
        root of the option, as EW4.
    expiry
        The last day, datetime64[D]; NaT where the symbol names the month of a contract alone.
    right
        "C" for a call, "P" for a put.
    strike
        The strike price, float64.
    """

    root: npt.NDArray[np.str_]
    expiry: npt.NDArray[np.datetime64]
    right: npt.NDArray[np.str_]
    strike: npt.NDArray[np.float64]


def parse_options(symbols: Iterable[str]) -> Options:
    """Read root, expiry, right and strike of options from their symbols.

    Parameters
    ----------
    symbols
        Symbols of options, n of them, in any notation: ``.AAPL260619C150``,
        ``AAPL  260619C00150000``, ``./EW4Z25C6900:XCME`` or ``./ESZ5 EW4Z5 251226C6900``. Years are
        those from 2000 to 2099.

    Returns
    -------
    Options
        Four arrays of shape (n,).

    Raises
    ------
    ValueError
        If a symbol is none of an option. The text names the first and its place.
    TypeError
        If a symbol is no string.

    Examples
    --------
    >>> options = parse_options([".SPXW260619P4502.5", "AAPL  260619C00150000"])
    >>> options.root, options.strike
    (array(['SPXW', 'AAPL'], dtype='<U4'), array([4502.5,  150. ]))
    >>> parse_options(["./ESZ5 EW4Z5 251226C6900", "./EW4Z25C6900:XCME"]).expiry
    array(['2025-12-26',        'NaT'], dtype='datetime64[D]')
    """
    listed = [symbols] if isinstance(symbols, str) else _listed(symbols)
    roots, days, rights, strikes = _dxstream.option_terms(listed)
    return Options(
        np.array(roots, np.str_),
        np.frombuffer(days, np.int64).astype("datetime64[D]"),
        np.frombuffer(rights, "S1").astype("U1"),
        np.frombuffer(strikes, np.float64).copy(),
    )


def suggest(symbol: str, *, today: date | None = None) -> str | None:
    """Say which dxFeed symbol was probably meant by one that no server answers.

    Parameters
    ----------
    symbol
        A symbol as somebody wrote it.
    today
        As for :func:`to_dxfeed`.

    Returns
    -------
    str or None
        ``None`` where nothing better is known.

    Examples
    --------
    >>> suggest("AAPL 250117C00150000")
    '.AAPL250117C150'
    >>> suggest("spy"), suggest("BTC/USD"), suggest("SPY")
    ('SPY', 'BTC/USD:CXTALP', None)
    """
    return _dxstream.suggest_symbol(symbol, _year(today))


def _year(today: date | None) -> int:
    return (date.today() if today is None else today).year


def _listed(symbols: Iterable[str]) -> list[str]:
    listed = list(symbols)
    for at, symbol in enumerate(listed):
        if not isinstance(symbol, str):
            msg = f"symbol {at} must be a string, not {type(symbol).__name__}"
            raise TypeError(msg)
    return listed
