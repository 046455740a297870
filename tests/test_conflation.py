"""Conflation and rate limits, as a program sees them."""

import time
from collections.abc import Iterator

import pytest
from conftest import until

from dxstream import DXLinkStreamer, ListenerStats
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        connected.subscribe(Quote, ["A", "B"], 0)
        until(lambda: any('"B"' in message for message in exchange.received()))
        yield connected


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, bid_price=bid)


def add_up(stats: ListenerStats) -> bool:
    parts = stats.delivered + stats.pending + stats.conflated + stats.dropped + stats.filtered
    return stats.received == parts


def test_latest_keeps_the_last_event_of_each_symbol(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, policy="latest")
    exchange.publish(*(quote("AB"[n % 2], n) for n in range(10)))
    until(lambda: listener.stats().received == 10)
    assert listener.stats().conflated == 8
    assert sorted(next(listener).bid_price for _ in range(2)) == [8, 9]
    assert add_up(listener.stats())
    exchange.publish(quote("A", 10))
    assert next(listener).bid_price == 10


def test_max_rate_spaces_events_and_ends_on_the_last(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, "A", max_rate=50)
    for n in range(200):
        exchange.publish(quote("A", n), quote("B", n))
    bids: list[float] = []
    began = time.monotonic()
    while not bids or bids[-1] != 199:
        bids.append(next(listener).bid_price)
    assert bids == sorted(set(bids))
    assert time.monotonic() - began >= (len(bids) - 1) / 50
    stats = listener.stats()
    assert add_up(stats)
    assert (stats.received, stats.filtered, stats.delivered) == (400, 200, len(bids))


def test_batches_conflate_too(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    batches = streamer.batches(Quote, policy="latest", max_wait=0)
    exchange.publish(*(quote("AB"[n % 2], n) for n in range(10)))
    until(lambda: batches.stats().received == 10)
    assert sorted(next(batches).bid_price.tolist()) == [8, 9]
    assert add_up(batches.stats())


def test_the_last_value_comes_although_the_stream_is_closed(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, max_rate=0.01)
    exchange.publish(quote("A", 1))
    assert next(listener).bid_price == 1
    exchange.publish(quote("A", 2))
    until(lambda: listener.stats().received == 2)
    streamer.close()
    assert [event.bid_price for event in listener] == [2]


def test_bad_limits_are_refused_in_one_line(streamer: DXLinkStreamer) -> None:
    for rate in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="max_rate must be"):
            streamer.listen(Quote, max_rate=rate)
    with pytest.raises(ValueError, match="policy must be"):
        streamer.batches(Quote, policy="first")
