"""Symbols of which nothing comes are named."""

import pytest
from conftest import until

from dxstream import DXLinkStreamer, SilentSymbol, StreamerClosedError
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Exchange


def silent(streamer: DXLinkStreamer, older_than: float = 0.0) -> list[tuple[str, str]]:
    return [(one.event_type, one.symbol) for one in streamer.silent(older_than)]


def test_symbols_that_never_answered_are_named_after_a_while(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        assert streamer.silent(0) == []
        streamer.subscribe(Quote, ["A", "B", "C"], 0)
        streamer.subscribe(Trade, "A", 0)
        until(lambda: exchange.stats().subscriptions == 4)
        exchange.publish(Quote("B", bid_price=1))
        until(lambda: streamer.latest(Quote, "B"))
        assert streamer.silent() == []
        names = [("Quote", "A"), ("Quote", "C"), ("Trade", "A")]
        assert silent(streamer) == names
        assert all(one.age is None and one.suggestion is None for one in streamer.silent(0))
        assert [one.event_type for one in streamer.silent(0, Trade)] == ["Trade"]
        streamer.unsubscribe(Quote, "A")
        streamer.unsubscribe_all(Trade)
        assert silent(streamer) == [("Quote", "C")]


def test_symbols_that_stopped_are_named_while_their_peers_go_on(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, ["A", "B"], 0)
        streamer.subscribe(Trade, "A", 0)
        until(lambda: exchange.stats().subscriptions == 3)
        exchange.publish(Quote("A", bid_price=1), Quote("B", bid_price=1), Trade("A", price=1))
        until(lambda: streamer.latest(Trade, "A"))
        patience = 0.2

        def stopped() -> list[SilentSymbol]:
            # The peer goes on.
            exchange.publish(Quote("B", bid_price=2))
            return streamer.silent(patience)

        until(stopped)
        found = stopped()
        # Of trades there is no peer that goes on: perhaps nobody trades.
        assert [(one.event_type, one.symbol) for one in found] == [("Quote", "A")]
        assert found[0].age is not None
        assert found[0].age >= patience
        exchange.publish(Quote("A", bid_price=3))
        until(lambda: stopped() == [])


@pytest.mark.parametrize(
    ("symbol", "suggestion"),
    [
        ("/ESZ25", "/ESZ25:XCME"),
        ("AAPL250117C150.5", ".AAPL250117C150.5"),
        (".AAPL250117C150.50", ".AAPL250117C150.5"),
        (".aapl250117c150.5", ".AAPL250117C150.5"),
        ("aapl", "AAPL"),
        ("AAPL", None),
        (".AAPL250117C150.5", None),
    ],
)
def test_a_symbol_that_looks_wrong_gets_a_suggestion(
    exchange: Exchange, symbol: str, suggestion: str | None
) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, symbol)
        [found] = streamer.silent(0)
        assert found.suggestion == suggestion
        said = f"Quote {symbol}: never answered"
        assert str(found) == (f"{said}; did you mean {suggestion}?" if suggestion else said)


def test_health_is_a_few_lines(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, [f"s{number}" for number in range(12)], 0)
        health = streamer.health(0)
        assert (health.state, health.dropped, health.gaps) == ("connected", 0, 0)
        assert len(health.silent) == 12
        first, *others, last = str(health).splitlines()
        assert first.startswith("connected, last message ")
        assert first.endswith(" events/s, 12 silent, 0 dropped, 0 gaps")
        assert others[0] == "  Quote s0: never answered; did you mean S0?"
        assert (len(others), last) == (10, "  and 2 more")
        exchange.publish(Quote("s0", bid_price=1))
        until(lambda: streamer.health().events_per_second > 0)
    assert streamer.health().state == "closed"


def test_wrong_arguments_are_refused(exchange: Exchange) -> None:
    with pytest.raises(StreamerClosedError, match="not connected"):
        DXLinkStreamer(exchange.url).silent()
    with DXLinkStreamer(exchange.url) as streamer:
        for seconds in (-1, float("nan")):
            with pytest.raises(ValueError, match="older_than must be seconds"):
                streamer.silent(seconds)
            with pytest.raises(ValueError, match="older_than must be seconds"):
                streamer.health(seconds)
