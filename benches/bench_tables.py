"""What tables cost: snapshots, history and batches. Each run checks the values that it measured."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import until

from dxstream import DXLinkStreamer, EventTable
from dxstream.dxfeed import Greeks, Quote
from dxstream.exchange import Exchange

FIELDS = [
    "index",
    "time",
    "sequence",
    "price",
    "volatility",
    "delta",
    "gamma",
    "theta",
    "rho",
    "vega",
]
"""Ten columns, float64 or int64."""

HISTORY = 1024
PUBLISHED = 1500


class Universe(NamedTuple):
    """A streamer and the greeks that it holds the last of, in the order of the subscription."""

    streamer: DXLinkStreamer
    latest: list[Greeks]


@pytest.fixture(scope="module", params=[1_000, 10_000])
def universe(request: pytest.FixtureRequest) -> Iterator[Universe]:
    """Connect a streamer that has had three events of so many symbols, in an order of their own."""
    symbols = [f"O{number:05}" for number in range(request.param)]
    order = np.random.default_rng(1).permutation(len(symbols)).tolist()
    with Exchange(None) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Greeks, symbols, 0)
        until(lambda: exchange.stats().subscriptions == len(symbols))
        for turn in range(3):
            latest = [greeks(symbol, at + turn) for at, symbol in enumerate(symbols)]
            exchange.publish(*(latest[at] for at in order))
            until(partial(all_arrived, streamer, latest))
        yield Universe(streamer, latest)


def greeks(symbol: str, number: int) -> Greeks:
    """Make an event whose values tell its number."""
    return Greeks(
        symbol,
        index=number + 1,
        time=1_700_000_000_000 + number,
        sequence=number,
        price=number / 4,
        volatility=number / 8,
        delta=number / 16,
        gamma=-number,
        theta=number / 32,
        rho=number / 64,
        vega=number * 2.0,
    )


def all_arrived(streamer: DXLinkStreamer, sent: list[Greeks]) -> bool:
    """Say whether the last event of each symbol is the one that was sent."""
    table = streamer.snapshot(Greeks, fields=["price"])
    return bool((table.price == [event.price for event in sent]).all())


def check(table: EventTable[Greeks], latest: list[Greeks]) -> None:
    """Check every value of a snapshot."""
    assert table.valid.all()
    assert table.symbols == tuple(event.event_symbol for event in latest)
    for name in FIELDS:
        assert table[name].tolist() == [getattr(event, name) for event in latest]


@pytest.mark.benchmark(group="snapshot of 10 columns")
def test_snapshot_into_out(benchmark: Any, universe: Universe) -> None:
    table = universe.streamer.snapshot(Greeks, fields=FIELDS)
    for name in FIELDS:
        table[name][:] = -1
    assert benchmark(universe.streamer.snapshot, Greeks, out=table) is table
    check(table, universe.latest)


@pytest.mark.benchmark(group="snapshot of 10 columns")
def test_snapshot_into_arrays_of_its_own(benchmark: Any, universe: Universe) -> None:
    check(benchmark(universe.streamer.snapshot, Greeks, fields=FIELDS), universe.latest)


@pytest.fixture(scope="module")
def past() -> Iterator[DXLinkStreamer]:
    """Connect a streamer that has had quotes of one symbol, more than it keeps."""
    with Exchange(None) as exchange, DXLinkStreamer(exchange.url, history=HISTORY) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        for number in range(PUBLISHED):
            exchange.publish(Quote("A", bid_price=number, bid_time=number + 1, ask_size=number))
        until(lambda: streamer.snapshot(Quote).bid_price[0] == PUBLISHED - 1)
        yield streamer


@pytest.mark.parametrize("into_out", [True, False])
@pytest.mark.benchmark(group=f"history of {HISTORY} quotes, 3 columns")
def test_history(benchmark: Any, past: DXLinkStreamer, into_out: bool) -> None:
    fields = ["bid_price", "bid_time", "ask_size"]
    out = past.history(Quote, "A", HISTORY, fields=fields) if into_out else None
    table = benchmark(past.history, Quote, "A", HISTORY, fields=fields, out=out)
    numbers = np.arange(PUBLISHED - HISTORY, PUBLISHED)
    assert table.valid.all()
    assert (table.bid_price == numbers).all()
    assert (table.bid_time == numbers + 1).all()
    assert (table.ask_size == numbers).all()
