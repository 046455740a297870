"""What a streamer counts and measures."""

from functools import partial

from conftest import until

from dxstream import DXLinkStreamer, ReconnectPolicy
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Exchange


def test_a_streamer_that_was_never_connected_has_counted_nothing() -> None:
    stats = DXLinkStreamer("sim://").stats()
    assert (stats.state, stats.events, stats.by_type) == ("new", 0, {})
    assert (stats.pending, stats.dropped, stats.parse_errors) == (0, 0, 0)
    assert stats.wire_to_parse.count == stats.parse_to_delivery.count == 0


def test_events_and_what_became_of_them_are_counted_by_type(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        streamer.subscribe(Trade, "A", 0)
        until(lambda: exchange.stats().subscriptions == 2)
        every = streamer.listen(Quote, buffer=3)
        latest = streamer.listen(Quote, policy="latest")
        exchange.publish(*(Quote("A", bid_price=price) for price in range(10)))
        exchange.publish(Trade("A", price=1))
        until(lambda: streamer.stats().events == 11)
        until(lambda: every.stats().received == latest.stats().received == 10)
        stats = streamer.stats()
        assert {name: of.events for name, of in stats.by_type.items()} == {"Quote": 10, "Trade": 1}
        quotes = stats.by_type["Quote"]
        assert (quotes.listeners, quotes.pending) == (2, 3 + 1)
        assert (quotes.dropped, quotes.conflated) == (7, 9)
        # What waits since `subscribe`, and nobody has asked for, is not a listener's.
        assert stats.by_type["Trade"].listeners == 0
        assert (stats.pending, stats.dropped, stats.conflated) == (4, 7, 9)
        # Sums do not shrink, and what is left behind is nobody's loss.
        every.close()
        latest.close()
        stats = streamer.stats()
        assert stats.by_type["Quote"].listeners == 0
        assert (stats.pending, stats.dropped, stats.conflated) == (0, 7, 9)
        assert streamer.get_event_nowait(Trade) is not None
        assert streamer.stats().by_type["Trade"].listeners == 1


def test_rates_are_of_what_came_lately(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        exchange.publish(*(Quote("A", bid_price=price) for price in range(100)))
        until(lambda: streamer.stats().events == 100)
        stats = streamer.stats()
        # All came since the start, which is less than the window ago or not: over 5.25 s at most.
        assert stats.rates.events >= 100 / 5.25
        assert stats.rates.bytes >= stats.rates.events
        assert stats.rates.messages > 0


def test_latencies_are_measured_by_batch(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        listener = streamer.listen(Quote)
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        for price in range(20):
            exchange.publish(Quote("A", bid_price=price))
            assert next(listener).bid_price == price
        # Events are handed on first, and counted when the socket was read empty.
        until(lambda: streamer.stats().events == 20)
        stats = streamer.stats()
        assert stats.parse_to_delivery.count == 20
        assert stats.wire_to_parse.count >= 20
        for latency in (stats.parse_to_delivery, stats.wire_to_parse):
            assert 0 < latency.p50 <= latency.p99 <= latency.p999 <= latency.max
            assert 0 < latency.sum <= latency.count * latency.max


def _has_gaps(streamer: DXLinkStreamer, count: int) -> bool:
    return streamer.stats().gaps == count


def test_gaps_and_reconnects_are_counted(exchange: Exchange) -> None:
    policy = ReconnectPolicy(min_delay=0.001, max_delay=0.01)
    with DXLinkStreamer(exchange.url, reconnect=policy) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        for count in (1, 2):
            exchange.close_connections(1012, "again")
            until(partial(_has_gaps, streamer, count))
            until(lambda: exchange.stats().subscriptions == 1)
        stats = streamer.stats()
        assert (stats.reconnects, stats.gaps, len(streamer.gaps)) == (2, 2, 2)


def test_what_cannot_be_read_is_counted(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        exchange.send_raw("{")
        until(lambda: streamer.stats().parse_errors == 1)
