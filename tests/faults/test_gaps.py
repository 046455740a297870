"""Losses over a connection that goes on, and gaps that end when nothing is missing any more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from conftest import DEADLINE, until
from healing import bid, flows, reconnected, server, stream, subscribed

from dxstream import DXLinkStreamer, Gap
from dxstream.dxfeed import Quote, TimeAndSale
from dxstream.exchange import Exchange, FaultProxy
from dxstream.faults import Fault, Inject, Omit

CLOSED = Inject.message("CHANNEL_CLOSED", 1)


def refusal(what: str) -> Inject:
    """Make the ERROR by which a server says that it refused subscriptions."""
    text = f"Your subscription {what}"
    return Inject.message("ERROR", 1, error="BAD_ACTION", message=text)


def behind(exchange: Exchange, count: int) -> int:
    """Wait until so many are subscribed; return the last time at which fewer were seen to be."""
    last = 0
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        now = time.monotonic_ns()
        if exchange.stats().subscriptions == count:
            return last
        last = now
        time.sleep(0.001)
    raise AssertionError(exchange.stats())


@contextmanager
def refused_after_its_gap(what: str) -> Iterator[DXLinkStreamer]:
    """Stream a quote that is refused when the gap of a loss is over; check that it goes on."""
    refused = Fault(refusal(what), after="FEED_DATA", connection=2)
    with server(refused) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        exchange.close_connections(1012, "again")
        until(lambda: len(streamer.gaps) == 2)
        first, second = streamer.gaps
        assert "1012 again" in first.reason
        assert (second.types, second.healed) == (("Quote",), ())
        assert second.received_from <= first.received_to <= second.received_to
        yield streamer
        flows(exchange, streamer, 2)


def test_a_channel_that_is_closed_unasked_leaves_a_gap() -> None:
    with server() as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        listener = streamer.listen(Quote, gaps=True)
        flows(exchange, streamer, 1)
        exchange.set_faults([Fault(CLOSED, after="FEED_DATA")])
        flows(exchange, streamer, 2)
        until(lambda: streamer.gaps)
        [gap] = streamer.gaps
        assert gap.reason == "the server closed the channel of Quote"
        assert (gap.types, gap.healed, gap.epoch, gap.code) == (("Quote",), (), 0, None)
        assert (streamer.epoch, streamer.stats().gaps) == (0, 1)
        seen = [next(listener) for _ in range(3)]
        assert [isinstance(item, Gap) for item in seen] == [False, False, True]


def test_a_series_on_a_channel_that_is_closed_goes_on_from_its_last_event() -> None:
    start = 1_700_000_000_000

    def sale(number: int) -> TimeAndSale:
        time = start + 1000 * number
        return TimeAndSale("A", time=time, index=time // 1000 << 32, price=number, size=1)

    with server() as exchange, stream(exchange) as streamer:
        exchange.publish(*(sale(number) for number in range(5)))
        streamer.subscribe(TimeAndSale, "A", from_time=start)
        listener = streamer.listen(TimeAndSale)
        prices = [next(listener).price for _ in range(5)]
        exchange.set_faults([Fault(CLOSED, after="FEED_DATA")])
        exchange.publish(sale(5))
        prices.append(next(listener).price)
        until(lambda: streamer.gaps)
        exchange.publish(sale(6))
        prices.append(next(listener).price)
        assert prices == [4, 3, 2, 1, 0, 5, 6]
        [gap] = streamer.gaps
        assert (gap.types, gap.healed) == (("TimeAndSale",), ("TimeAndSale",))
        asked = [message for message in exchange.received() if '"fromTime"' in message]
        assert f'"fromTime":{start}' in asked[0]
        assert f'"fromTime":{start + 5000}' in asked[1]


def test_a_channel_that_is_never_configured_leaves_a_gap() -> None:
    with (
        server(Fault(Omit(), at="FEED_CONFIG")) as exchange,
        stream(exchange, connect_timeout=0.3) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        until(lambda: streamer.gaps)
        [gap] = streamer.gaps
        assert gap.reason == "the server did not configure the channel of Quote"
        assert (gap.types, gap.healed, gap.epoch, streamer.epoch) == (("Quote",), (), 0, 0)
        # From when the channel was opened on.
        assert gap.received_to - gap.received_from >= 0.3e9
        flows(exchange, streamer)


def test_a_gap_ends_when_what_was_refused_for_its_rate_is_subscribed_again() -> None:
    symbols = [f"S{number}" for number in range(700)]
    with server(subscription_rate=(300, 600)) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, symbols, 0)
        subscribed(exchange, 700)
        refused = exchange.stats().errors
        assert refused > 0
        # What was never subscribed before has no gap.
        assert streamer.gaps == []
        exchange.close_connections(1012)
        reconnected(streamer)
        incomplete = behind(exchange, 700)
        assert exchange.stats().errors > refused
        until(lambda: streamer.gaps)
        [gap] = streamer.gaps
        assert 0 < incomplete <= gap.received_to


def test_what_is_refused_when_its_gap_is_over_has_another() -> None:
    with refused_after_its_gap("rate is too high") as streamer:
        [_, gap] = streamer.gaps
        assert gap.reason == "the server refused subscriptions of Quote for their rate"
        assert gap.epoch == 1


def test_what_moves_to_a_connection_with_room_has_a_gap() -> None:
    with refused_after_its_gap("size is too big") as streamer:
        [_, gap] = streamer.gaps
        assert "no room for subscriptions of Quote; another connection has them" in gap.reason
        assert streamer.stats().connections == 2


def test_a_gap_ends_when_the_server_has_the_last_of_many_subscriptions() -> None:
    symbols = [f"S{number}" for number in range(4_000)]
    with server() as exchange, FaultProxy(exchange.url) as proxy:
        exchange.publish(*(Quote(symbol, bid_price=1) for symbol in symbols))
        with stream(proxy) as streamer:
            streamer.subscribe(Quote, symbols, 0)
            subscribed(exchange, 4_000)
            # Events of the first come while the last are still on their way.
            proxy.delay(0.2)
            exchange.close_connections(1012)
            reconnected(streamer)
            incomplete = behind(exchange, 4_000)
            until(lambda: streamer.gaps)
            [gap] = streamer.gaps
            assert 0 < incomplete <= gap.received_to
            assert bid(streamer, symbols[-1]) == 1


def test_a_gap_without_events_ends_all_the_same() -> None:
    with server() as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        until(lambda: streamer.gaps)
        assert streamer.gaps[0].types == ("Quote",)
