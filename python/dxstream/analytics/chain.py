"""Figures of a chain by expiry, strike and right."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dxstream.symbology import Options, parse_options
from dxstream.table import EventTable

__all__ = ["ChainPivot", "Options", "chain_pivot", "options_of", "parse_options", "require_price"]

RIGHTS = ("C", "P")


def options_of(table: EventTable[Any], options: Options | None) -> Options:
    """Return the options of a table's rows: those given, or what its symbols say."""
    if options is None:
        return parse_options(table.symbols)
    if len(options.strike) != len(table):
        msg = f"options has {len(options.strike)} rows, and the table {len(table)}"
        raise ValueError(msg)
    return options


def require_expiry(options: Options) -> Options:
    """Refuse options of which no day of expiry is known."""
    unknown = np.isnat(options.expiry)
    if unknown.any():
        row = int(unknown.argmax())
        msg = (
            f"the expiry of option {row}, of root {options.root[row]}, is not known, for its "
            "symbol names the month of a contract alone; give Options with the expiry"
        )
        raise ValueError(msg)
    return options


def require_price(spot: float) -> None:
    """Refuse what is no price of an underlying."""
    if not spot > 0:
        msg = f"spot must be a price above 0, not {spot}"
        raise ValueError(msg)


class ChainPivot(NamedTuple):
    """Figures of a chain by expiry, strike and right.

    Attributes
    ----------
    expiries
        The e expiries, ascending, datetime64[D].
    strikes
        The k strikes, ascending, float64.
    values
        Shape (e, k, 2): the last axis is calls, then puts. NaN where there is no contract.
    """

    expiries: npt.NDArray[np.datetime64]
    strikes: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    @property
    def calls(self) -> npt.NDArray[np.float64]:
        """The figures of the calls, shape (e, k)."""
        return self.values[:, :, 0]

    @property
    def puts(self) -> npt.NDArray[np.float64]:
        """The figures of the puts, shape (e, k)."""
        return self.values[:, :, 1]


def chain_pivot(options: Options | Sequence[str], values: npt.ArrayLike) -> ChainPivot:
    """Arrange figures of contracts by expiry, strike and right.

    Parameters
    ----------
    options
        What :func:`parse_options` returns, or the symbols of the contracts; n of them.
    values
        A figure per contract, shape (n,), as ``greeks.volatility`` or ``mid(quotes)``.

    Returns
    -------
    ChainPivot
        With values of shape (e, k, 2), in the unit of the figures; those that are NaN stay NaN.

    Raises
    ------
    ValueError
        If a symbol is none of an option or names no day of expiry, `values` is of another shape, or
        an expiry, strike and right comes twice, as the classes SPX and SPXW do: choose one root
        first.

    Examples
    --------
    >>> pivot = chain_pivot([".A260619C10", ".A260619P10", ".A260619C20"], [1.0, 2.0, 3.0])
    >>> pivot.values.tolist()
    [[[1.0, 2.0], [3.0, nan]]]
    """
    parsed = require_expiry(options if isinstance(options, Options) else parse_options(options))
    figures = np.asarray(values, np.float64)
    if figures.shape != parsed.strike.shape:
        msg = f"values must have the shape {parsed.strike.shape} of the options, not "
        msg += str(figures.shape)
        raise ValueError(msg)
    expiries, expiry = np.unique(parsed.expiry, return_inverse=True)
    strikes, strike = np.unique(parsed.strike, return_inverse=True)
    shape = (len(expiries), len(strikes), len(RIGHTS))
    put = (parsed.right == "P").astype(np.intp)
    place = (expiry * shape[1] + strike) * shape[2] + put
    counts = np.bincount(place, minlength=1)
    if counts.max() > 1:
        row = np.flatnonzero(place == counts.argmax())[0]
        msg = f"the {parsed.right[row]} {parsed.strike[row]:g} of {parsed.expiry[row]} "
        msg += "comes twice; choose one root and one row for each contract"
        raise ValueError(msg)
    pivot = np.full(shape, np.nan)
    pivot.reshape(-1)[place] = figures
    return ChainPivot(expiries, strikes, pivot)
