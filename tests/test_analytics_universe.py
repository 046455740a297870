"""Figures of a recorded chain, streamed through an exchange, against plain sums of its file."""

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from dxstream import DXLinkStreamer, EventTable, analytics
from dxstream.dxfeed import Event, Greeks, Quote, Summary
from dxstream.exchange import Exchange

E = TypeVar("E", bound=Event)

UNIVERSE = (
    Path(__file__)
    .parents[1]
    .parent.joinpath("shared", "data", "options", "goog_universe_20151224.csv.gz")
)
CONTRACTS = 2016
SECONDS = 60.0


@dataclass
class Contract:
    """A line of the file."""

    expiry: date
    strike: float
    right: str
    low: float
    high: float
    open_interest: int | None
    iv: float
    greeks: dict[str, float]

    @property
    def symbol(self) -> str:
        return f".GOOG{self.expiry:%y%m%d}{self.right}{self.strike:g}"


@dataclass
class Chain:
    """The contracts of the file, and the tables that they were streamed into."""

    spot: float
    contracts: list[Contract]
    greeks: EventTable[Greeks]
    summaries: EventTable[Summary]
    quotes: EventTable[Quote]

    def of(self, expiry: date, right: str) -> list[Contract]:
        """Return the contracts of an expiry and right whose volatility is known, by strike."""
        chosen = [c for c in self.contracts if (c.expiry, c.right) == (expiry, right) and c.iv > 0]
        return sorted(chosen, key=lambda contract: contract.strike)

    def expiries(self) -> list[date]:
        return sorted({contract.expiry for contract in self.contracts})


def read() -> tuple[float, list[Contract]]:
    with gzip.open(UNIVERSE, "rt") as text:
        _, underlying, *lines = csv.reader(text)
    contracts = [
        Contract(
            expiry=datetime.strptime(line[0], "%Y%m%d").date(),
            strike=float(line[1]),
            right=line[2],
            high=float(line[4]),
            low=float(line[5]),
            open_interest=int(line[8]) if line[8] else None,
            iv=float(line[9]),
            greeks=dict(
                zip(("delta", "gamma", "vega", "theta", "rho"), map(float, line[10:]), strict=True)
            ),
        )
        for line in lines
    ]
    return float(underlying[6]), contracts


def summary(contract: Contract) -> Summary:
    return Summary(contract.symbol, open_interest=contract.open_interest)


def streamed(streamer: DXLinkStreamer, exchange: Exchange, events: list[E]) -> EventTable[E]:
    """Send events through the exchange and collect them in their order."""
    exchange.publish(*events)
    symbols = [event.event_symbol for event in events]
    found, missing = streamer.collect(type(events[0]), symbols, SECONDS).result()
    assert missing == []
    return EventTable.from_events(type(events[0]), [found[symbol] for symbol in symbols])


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    if not UNIVERSE.exists():
        pytest.skip(f"the recorded data is not beside the repository: {UNIVERSE.name}")
    spot, contracts = read()
    greeks = [Greeks(c.symbol, volatility=c.iv, **c.greeks) for c in contracts]  # type: ignore[arg-type]
    summaries = [summary(contract) for contract in contracts]
    # The day's range stands for the two sides, of which the file has none.
    quotes = [Quote(c.symbol, bid_price=c.low, ask_price=c.high) for c in contracts]
    with Exchange(None) as exchange, DXLinkStreamer(exchange.url) as streamer:
        yield Chain(
            spot,
            contracts,
            streamed(streamer, exchange, greeks),
            streamed(streamer, exchange, summaries[::-1]),
            streamed(streamer, exchange, quotes),
        )


def test_every_contract_arrives_and_is_read(chain: Chain) -> None:
    assert len(chain.greeks) == CONTRACTS
    options = analytics.parse_options(chain.greeks.symbols)
    assert set(options.root.tolist()) == {"GOOG"}
    assert options.expiry.tolist() == [c.expiry for c in chain.contracts]
    assert options.strike.tolist() == [c.strike for c in chain.contracts]
    assert options.right.tolist() == [c.right for c in chain.contracts]


def test_quotes(chain: Chain) -> None:
    mids = [(c.low + c.high) / 2 for c in chain.contracts]
    assert analytics.mid(chain.quotes).tolist() == mids
    bps = analytics.spread_bps(chain.quotes)
    for contract, mid, found in zip(chain.contracts, mids, bps, strict=True):
        assert found == pytest.approx(1e4 * (contract.high - contract.low) / mid)


def test_pivot_has_every_contract_in_its_place(chain: Chain) -> None:
    pivot = analytics.chain_pivot(chain.greeks.symbols, chain.greeks.delta)
    assert pivot.expiries.tolist() == chain.expiries()
    strikes = sorted({c.strike for c in chain.contracts})
    assert pivot.strikes.tolist() == strikes
    assert np.count_nonzero(~np.isnan(pivot.values)) == CONTRACTS
    for contract in chain.contracts:
        side = pivot.calls if contract.right == "C" else pivot.puts
        row = chain.expiries().index(contract.expiry)
        assert side[row, strikes.index(contract.strike)] == contract.greeks["delta"]


def test_portfolio(chain: Chain) -> None:
    held = {c.symbol: ((row * 7) % 11) - 5 for row, c in enumerate(chain.contracts)}
    total = analytics.portfolio_greeks(held, chain.greeks).total()
    for name, found in total.items():
        products = [100 * held[c.symbol] * c.greeks[name] for c in chain.contracts]
        assert found == pytest.approx(math.fsum(products), rel=1e-9)


def test_gamma_exposure(chain: Chain) -> None:
    calls: dict[float, float] = defaultdict(float)
    puts: dict[float, float] = defaultdict(float)
    for c in chain.contracts:
        sums = calls if c.right == "C" else puts
        sums[c.strike] += c.greeks["gamma"] * (c.open_interest or 0) * 100 * chain.spot**2 / 100
    read_directly = EventTable.from_events(Summary, map(summary, chain.contracts))
    unknown = sum(contract.open_interest is None for contract in chain.contracts)
    # On the wire an open interest that is unknown is 0.
    for summaries, left_out in ((chain.summaries, 0), (read_directly, unknown)):
        exposure = analytics.gamma_exposure(chain.greeks, summaries, chain.spot)
        assert exposure.left_out == left_out
        for strike, call, put in zip(exposure.strikes, exposure.calls, exposure.puts, strict=True):
            assert call == pytest.approx(calls[strike], rel=1e-12)
            assert put == pytest.approx(-puts[strike], rel=1e-12)


@pytest.mark.parametrize("right", ["C", "P"])
def test_smiles(chain: Chain, right: str) -> None:
    smiles = analytics.iv_smile(chain.greeks, right=right)
    assert [smile.expiry.item() for smile in smiles] == chain.expiries()
    for smile, expiry in zip(smiles, chain.expiries(), strict=True):
        contracts = chain.of(expiry, right)
        assert smile.strikes.tolist() == [c.strike for c in contracts]
        assert smile.iv.tolist() == [c.iv for c in contracts]


def test_smile_of_what_is_out_of_the_money(chain: Chain) -> None:
    for smile in analytics.iv_smile(chain.greeks, spot=chain.spot):
        expiry = smile.expiry.astype(date)
        puts = [c.iv for c in chain.of(expiry, "P") if c.strike < chain.spot]
        calls = [c.iv for c in chain.of(expiry, "C") if c.strike >= chain.spot]
        assert smile.iv.tolist() == puts + calls


def between(points: list[tuple[float, float]], at: float) -> float:
    """Read a broken line at a point; NaN outside of it."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= at < x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return math.nan


def test_term_structure(chain: Chain) -> None:
    expiries, iv = analytics.term_structure(chain.greeks, chain.spot)
    assert expiries.tolist() == chain.expiries()
    for expiry, found in zip(chain.expiries(), iv, strict=True):
        known: dict[float, list[float]] = defaultdict(list)
        for contract in chain.of(expiry, "C") + chain.of(expiry, "P"):
            known[contract.strike].append(contract.iv)
        points = [(strike, sum(ivs) / len(ivs)) for strike, ivs in sorted(known.items())]
        assert found == pytest.approx(between(points, chain.spot), rel=1e-12)


def test_risk_reversal(chain: Chain) -> None:
    found = analytics.risk_reversal(chain.greeks)
    for row, expiry in enumerate(chain.expiries()):
        for right, delta, iv in (("C", 0.25, found.call_iv[row]), ("P", -0.25, found.put_iv[row])):
            points = sorted((c.greeks["delta"], c.iv) for c in chain.of(expiry, right))
            assert iv == pytest.approx(between(points, delta), rel=1e-9, nan_ok=True)
    # No put of this expiry is further out of the money than a delta of -0.29.
    assert found.expiries[np.isnan(found.skew)].tolist() == [date(2016, 2, 5)]
