"""Conflation, rate limits and full buffers, as a program sees them."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from conftest import until

from dxstream import DXLinkStreamer, ListenerStats, SlowConsumerError, SlowConsumerWarning
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        connected.subscribe(Quote, ["A", "B"], 0)
        until(lambda: exchange.stats().subscriptions == 2)
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


def test_overflow_conflate_keeps_the_last_event_of_each_symbol_in_order(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, buffer=2, overflow="conflate")
    exchange.publish(quote("A", 0), quote("B", 1))
    until(lambda: listener.stats().pending == 2)
    assert listener.stats().conflated == 0
    exchange.publish(quote("A", 2))
    until(lambda: listener.stats().received == 3)
    assert listener.stats().conflated == 1
    assert [next(listener).bid_price for _ in range(2)] == [1, 2]
    exchange.publish(*(quote("AB"[n % 2], n) for n in range(10)))
    until(lambda: listener.stats().received == 13)
    assert [next(listener).bid_price for _ in range(2)] == [8, 9]
    stats = listener.stats()
    assert (stats.conflated, stats.dropped, stats.pending) == (9, 0, 0)
    assert add_up(stats)


def test_overflow_conflate_drops_the_oldest_of_too_many_symbols(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, buffer=1, overflow="conflate")
    exchange.publish(quote("A", 0), quote("B", 1))
    until(lambda: listener.stats().received == 2)
    with pytest.warns(SlowConsumerWarning, match="1 events were dropped"):
        assert next(listener).bid_price == 1
    assert add_up(listener.stats())


def test_overflow_raise_gives_what_waits_and_then_raises(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, buffer=2, overflow="raise")
    other = streamer.listen(Quote)
    exchange.publish(*(quote("A", n) for n in range(5)))
    until(lambda: listener.stats().received == 5)
    assert [next(listener).bid_price for _ in range(2)] == [0, 1]
    for _ in range(2):
        with pytest.raises(SlowConsumerError, match="full with 2 events that wait; take them") as e:
            next(listener)
        assert "\n" not in str(e.value)
    exchange.publish(quote("A", 5))
    assert [next(other).bid_price for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    until(lambda: listener.stats().received == 6)
    assert listener.stats().dropped == 4
    assert add_up(listener.stats())
    assert streamer.state == "connected"


def test_overflow_raise_reaches_a_program_that_waits(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    async def main() -> None:
        tables = streamer.batches(Quote, buffer=3, overflow="raise", max_wait=0)
        exchange.publish(*(quote("A", n) for n in range(4)))
        until(lambda: tables.stats().received == 4)
        assert (await anext(tables)).bid_price.tolist() == [0, 1, 2]
        with pytest.raises(SlowConsumerError, match="of Quote"):
            await anext(tables)
        assert add_up(tables.stats())

    asyncio.run(main())


@pytest.mark.parametrize("overflow", ["drop_oldest", "conflate"])
def test_a_conflating_listener_holds_as_many_symbols_as_its_buffer(
    exchange: Exchange, streamer: DXLinkStreamer, overflow: str
) -> None:
    listener = streamer.listen(Quote, policy="latest", buffer=1, overflow=overflow)
    exchange.publish(quote("A", 0), quote("A", 1), quote("B", 2), quote("B", 3))
    until(lambda: listener.stats().received == 4)
    with pytest.warns(SlowConsumerWarning, match="1 events were dropped"):
        assert next(listener).bid_price == 3
    stats = listener.stats()
    assert (stats.conflated, stats.dropped) == (2, 1)
    assert add_up(stats)


def test_a_conflating_listener_may_raise_when_too_many_symbols_wait(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote, max_rate=0.01, buffer=1, overflow="raise")
    exchange.publish(quote("A", 0))
    assert next(listener).bid_price == 0
    exchange.publish(quote("A", 1), quote("A", 2), quote("B", 3))
    until(lambda: listener.stats().received == 4)
    # What the rate held back comes at once, for nothing comes later.
    assert next(listener).bid_price == 2
    with pytest.raises(SlowConsumerError, match="full with 1 events"):
        next(listener)
    assert add_up(listener.stats())


def test_the_first_listener_of_a_type_meets_its_own_buffer(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(*(quote("AB"[n % 2], n) for n in range(4)))
    until(lambda: (last := streamer.latest(Quote, "B")) and last.bid_price == 3)
    with pytest.raises(ValueError, match="overflow must be"):
        streamer.listen(Quote, overflow="wait")
    listener = streamer.listen(Quote, buffer=3, overflow="conflate")
    assert [next(listener).bid_price for _ in range(2)] == [2, 3]
    assert add_up(listener.stats())


def test_a_closed_conflating_listener_keeps_nothing(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener, other = streamer.listen(Quote, max_rate=0.01), streamer.listen(Quote)
    exchange.publish(quote("A", 0), quote("B", 1))
    assert next(listener).bid_price == 0
    until(lambda: listener.stats().received == 2)
    listener.close()
    assert (listener.stats().pending, listener.stats().dropped) == (0, 1)
    exchange.publish(quote("A", 2))
    until(lambda: listener.stats().received == 3)
    assert add_up(listener.stats())
    assert [next(other).bid_price for _ in range(3)] == [0, 1, 2]
    assert list(listener) == []
    # A mailbox of each symbol, until the listener was closed.
    until(lambda: all(used == 0 for *_, used in streamer.memory().buffers))


def test_an_unknown_overflow_is_refused_in_one_line(streamer: DXLinkStreamer) -> None:
    message = 'overflow must be "drop_oldest", "conflate" or "raise", not "block"'
    with pytest.raises(ValueError, match=message):
        streamer.listen(Quote, overflow="block")
    with pytest.raises(ValueError, match=message):
        streamer.batches(Quote, overflow="block")
