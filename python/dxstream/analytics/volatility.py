"""Implied volatility by strike, by expiry and by delta."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dxstream.analytics.chain import (
    RIGHTS,
    Options,
    options_of,
    require_expiry,
    require_price,
)
from dxstream.dxfeed import Greeks
from dxstream.table import EventTable

__all__ = [
    "RiskReversal",
    "Smile",
    "TermStructure",
    "iv_smile",
    "risk_reversal",
    "term_structure",
]


class Smile(NamedTuple):
    """The implied volatility of one expiry by strike.

    Attributes
    ----------
    expiry
        The last day of the options.
    strikes
        The k strikes whose volatility is known, ascending, each once.
    iv
        The volatility at each, a fraction of the price a year, shape (k,).
    """

    expiry: np.datetime64
    strikes: npt.NDArray[np.float64]
    iv: npt.NDArray[np.float64]


def _known(iv: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    # A solver that finds no volatility is often published as 0.
    return np.isfinite(iv) & (iv > 0)


def _mean_by_strike(
    strike: npt.NDArray[np.float64], iv: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    strikes, at = np.unique(strike, return_inverse=True)
    total = np.bincount(at, iv, len(strikes))
    return strikes, total / np.maximum(np.bincount(at, minlength=len(strikes)), 1)


def iv_smile(
    greeks: EventTable[Greeks],
    *,
    right: str | None = None,
    spot: float | None = None,
    options: Options | None = None,
) -> list[Smile]:
    """Return the implied volatility by strike, of each expiry.

    Parameters
    ----------
    greeks
        A table with `volatility`, a row for each option of one underlying.
    right
        "C" or "P": of the calls or of the puts.
    spot
        Instead of `right`, the price of the underlying: of what is out of the money, the puts below
        it and the calls at it or above.
    options
        What :func:`parse_options` returns for the symbols of `greeks`, to save reading them again.

    Returns
    -------
    list of Smile
        One for each of the expiries, ascending. Contracts whose volatility is unknown or not above
        0 are left out; where several have one expiry, strike and right, the smile has their mean.

    Raises
    ------
    ValueError
        If not just one of `right` and `spot` is given, or it cannot be used; if a symbol is none of
        an option or names no day of expiry, or `options` is of another length.
    AttributeError
        If the table lacks the field.
    """
    contracts = require_expiry(options_of(greeks, options))
    if (right is None) == (spot is None):
        msg = "give either right, for calls or puts, or spot, for what is out of the money"
        raise ValueError(msg)
    if spot is not None:
        require_price(spot)
        chosen = np.where(contracts.strike < spot, "P", "C") == contracts.right
    elif right in RIGHTS:
        chosen = contracts.right == right
    else:
        msg = f"right must be 'C' or 'P', not {right!r}"
        raise ValueError(msg)
    iv = greeks.volatility
    chosen &= _known(iv)
    smiles = []
    for expiry in np.unique(contracts.expiry):
        rows = chosen & (contracts.expiry == expiry)
        smiles.append(Smile(expiry, *_mean_by_strike(contracts.strike[rows], iv[rows])))
    return smiles


class TermStructure(NamedTuple):
    """The implied volatility at the money by expiry.

    Attributes
    ----------
    expiries
        The e expiries, ascending, datetime64[D].
    iv
        The volatility of each, a fraction of the price a year, shape (e,).
    """

    expiries: npt.NDArray[np.datetime64]
    iv: npt.NDArray[np.float64]


def term_structure(
    greeks: EventTable[Greeks], spot: float, *, options: Options | None = None
) -> TermStructure:
    """Return the implied volatility at the money, of each expiry.

    The volatility of a strike is the mean of its call's and its put's, or that of the one which is
    known; between the two strikes around `spot` it is linear in the strike.

    Parameters
    ----------
    greeks
        A table with `volatility`, a row for each option of one underlying.
    spot
        The price of the underlying.
    options
        What :func:`parse_options` returns for the symbols of `greeks`, to save reading them again.

    Returns
    -------
    TermStructure
        Arrays of shape (e,). Contracts whose volatility is unknown or not above 0 are left out; NaN
        for an expiry that has no strike on one side of `spot`.

    Raises
    ------
    ValueError
        If `spot` is not above 0, a symbol is none of an option, or `options` is of another length.
    AttributeError
        If the table lacks the field.
    """
    require_price(spot)
    contracts = require_expiry(options_of(greeks, options))
    iv = greeks.volatility
    known = _known(iv)
    expiries = np.unique(contracts.expiry)
    at_the_money = np.full(len(expiries), np.nan)
    for at, expiry in enumerate(expiries):
        rows = known & (contracts.expiry == expiry)
        if rows.any():
            by_strike = _mean_by_strike(contracts.strike[rows], iv[rows])
            at_the_money[at] = np.interp(spot, *by_strike, left=np.nan, right=np.nan)
    return TermStructure(expiries, at_the_money)


class RiskReversal(NamedTuple):
    """The skew between calls and puts of one delta, by expiry.

    Attributes
    ----------
    expiries
        The e expiries, ascending, datetime64[D].
    call_iv
        The volatility of the call, a fraction of the price a year, shape (e,).
    put_iv
        That of the put.
    """

    expiries: npt.NDArray[np.datetime64]
    call_iv: npt.NDArray[np.float64]
    put_iv: npt.NDArray[np.float64]

    @property
    def skew(self) -> npt.NDArray[np.float64]:
        """``call_iv - put_iv``, shape (e,): negative where puts are the dearer side."""
        return self.call_iv - self.put_iv


def risk_reversal(
    greeks: EventTable[Greeks], delta: float = 0.25, *, options: Options | None = None
) -> RiskReversal:
    """Return the skew between a call and a put that are equally far out of the money.

    Of each expiry, the volatility of the call whose delta is `delta`, and of the put whose delta is
    ``-delta``. Each is linear in delta between the two contracts of that right around it; no model
    is fitted, and nothing is smoothed.

    Parameters
    ----------
    greeks
        A table with `volatility` and `delta`, a row for each option of one underlying.
    delta
        The delta, between 0 and 1.
    options
        What :func:`parse_options` returns for the symbols of `greeks`, to save reading them again.

    Returns
    -------
    RiskReversal
        Arrays of shape (e,). Contracts whose delta is unknown, or whose volatility is unknown or
        not above 0, are left out; NaN where no contract is left on one side of the delta.

    Raises
    ------
    ValueError
        If `delta` is not between 0 and 1, a symbol is none of an option, or `options` is of another
        length.
    AttributeError
        If the table lacks a field.
    """
    if not 0 < delta < 1:
        msg = f"delta must be between 0 and 1, not {delta}"
        raise ValueError(msg)
    contracts = require_expiry(options_of(greeks, options))
    iv, deltas = greeks.volatility, greeks.delta
    known = _known(iv) & np.isfinite(deltas)
    expiries = np.unique(contracts.expiry)
    found = np.full((len(RIGHTS), len(expiries)), np.nan)
    for side, (right, wanted) in enumerate(zip(RIGHTS, (delta, -delta), strict=True)):
        for at, expiry in enumerate(expiries):
            rows = np.flatnonzero(known & (contracts.right == right) & (contracts.expiry == expiry))
            rows = rows[np.argsort(deltas[rows], kind="stable")]
            if len(rows):
                found[side, at] = np.interp(
                    wanted, deltas[rows], iv[rows], left=np.nan, right=np.nan
                )
    return RiskReversal(expiries, found[0], found[1])
