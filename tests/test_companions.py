"""Values of other events: what a Quote tells of the last Trade, and a Trade of its sale."""

import asyncio
import json
import math
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import until, until_in_loop

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Greeks, Quote, TimeAndSale, Trade, TradeETH
from dxstream.exchange import Exchange

AAPL = Quote("AAPL", bid_price=150.0, ask_price=150.5)
TIME = 1_748_020_168_804
LAST = Trade(
    "AAPL",
    price=150.25,
    size=100,
    day_volume=12_345.0,
    time=TIME,
    sequence=7,
    trade_id=0,
    tick_direction="UP",
    extended_trading_hours=False,
)


def asked(exchange: Exchange, change: str, event_type: type = Trade) -> list[str]:
    """List the symbols of a type that the exchange was asked to add or remove, in order."""
    return [
        item["symbol"]
        for message in map(json.loads, exchange.received())
        for item in message.get(change, ())
        if item["type"] == event_type.__name__
    ]


def trades(streamer: DXLinkStreamer) -> int:
    """Count the Trades that came, hidden or not."""
    return streamer.stats().by_type["Trade"].events


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


def quote_of(exchange: Exchange, streamer: DXLinkStreamer, event: Quote = AAPL) -> Quote:
    """Subscribe a symbol's quotes and get one."""
    streamer.subscribe(Quote, event.event_symbol, 0)
    exchange.publish(event)
    return streamer.get_event(Quote).result(20)


class TestOnUse:
    def test_the_first_read_subscribes_the_trade_and_the_values_follow_it(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        quote = quote_of(exchange, streamer)
        assert asked(exchange, "add") == []
        assert [quote.last_price, quote.volume, quote.last_time] == [None] * 3
        until(lambda: asked(exchange, "add") == ["AAPL"])
        exchange.publish(LAST)
        until(lambda: quote.last_price is not None)
        assert (quote.last_price, quote.volume, quote.last_time) == (150.25, 12_345.0, TIME)
        exchange.publish(Trade("AAPL", price=151.0))
        until(lambda: quote.last_price == 151.0)
        assert [quote.volume, quote.last_time] == [None] * 2
        exchange.publish(Trade("AAPL", time=TIME))
        until(lambda: quote.last_time == TIME)
        assert quote.last_price is None
        assert asked(exchange, "add") == ["AAPL"]

    def test_a_trade_that_is_subscribed_is_used_as_it_is(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        streamer.subscribe(Trade, "AAPL", 0)
        exchange.publish(LAST)
        quote = quote_of(exchange, streamer)
        until(lambda: quote.volume == 12_345.0)
        streamer.unsubscribe(Quote, "AAPL")
        streamer.subscribe(Quote, "LAST", 0)
        until(lambda: asked(exchange, "add", Quote) == ["AAPL", "LAST"])
        assert asked(exchange, "remove") == []
        exchange.publish(Trade("AAPL", price=2.0))
        until(lambda: trades(streamer) == 2)
        listener = streamer.listen(Trade)
        assert [next(listener).price for _ in range(2)] == [150.25, 2.0]

    def test_reading_changes_nothing_else_of_a_quote(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        quote = quote_of(exchange, streamer)
        assert quote.volume is None
        exchange.publish(LAST)
        until(lambda: quote.volume == 12_345.0)
        assert quote == AAPL
        assert hash(quote) == hash(AAPL)
        assert "volume" not in quote.as_dict()
        assert pickle.loads(pickle.dumps(quote)).volume is None

    def test_an_event_of_no_streamer_has_none(self, exchange: Exchange) -> None:
        assert (AAPL.last_price, AAPL.volume, AAPL.last_time) == (None, None, None)
        with DXLinkStreamer(exchange.url) as streamer:
            quote = quote_of(exchange, streamer)
            assert quote.volume is None
            exchange.publish(LAST)
            until(lambda: quote.volume == 12_345.0)
        assert quote.volume == 12_345.0
        del streamer
        assert (quote.last_price, quote.volume, quote.last_time) == (None, None, None)


class TestHiding:
    @pytest.fixture
    def quote(self, exchange: Exchange, streamer: DXLinkStreamer) -> Quote:
        """Get a quote whose companion has come."""
        quote = quote_of(exchange, streamer)
        assert quote.volume is None
        until(lambda: asked(exchange, "add") == ["AAPL"])
        exchange.publish(LAST)
        until(lambda: quote.volume == 12_345.0)
        return quote

    @pytest.mark.usefixtures("quote")
    def test_nothing_shows_it(self, streamer: DXLinkStreamer) -> None:
        assert "Trade" not in repr(streamer)
        assert streamer.stats().subscriptions == 1
        assert streamer.snapshot(Trade).symbols == ()
        with pytest.raises(KeyError, match="not subscribed"):
            streamer.snapshot(Trade, ["AAPL"])
        assert streamer.silent(0, event_type=Trade) == []
        assert streamer.get_event_nowait(Trade) is None

    @pytest.mark.parametrize("options", [{}, {"policy": "latest"}, {"symbols": ["AAPL", "MSFT"]}])
    def test_listeners_of_other_symbols_neither_get_nor_count_it(
        self, exchange: Exchange, streamer: DXLinkStreamer, quote: Quote, options: dict[str, Any]
    ) -> None:
        streamer.subscribe(Trade, "MSFT", 0)
        listener = streamer.listen(Trade, **options)
        exchange.publish(Trade("MSFT", price=2.0))
        assert next(listener).event_symbol == "MSFT"
        exchange.publish(Trade("AAPL", price=1.0), Trade("MSFT", price=2.0), LAST)
        assert next(listener).event_symbol == "MSFT"
        until(lambda: quote.last_price == 150.25 and trades(streamer) >= 4)
        stats = listener.stats()
        assert (stats.received, stats.delivered, stats.pending) == (2, 2, 0)

    def test_the_user_gets_it_from_when_he_subscribes_until_he_no_longer_does(
        self, exchange: Exchange, streamer: DXLinkStreamer, quote: Quote
    ) -> None:
        streamer.subscribe(Trade, "AAPL", 0)
        # As of a server that is asked for it now.
        assert streamer.get_event(Trade).result(20) == LAST
        exchange.publish(Trade("AAPL", price=1.0))
        assert streamer.get_event(Trade).result(20).price == 1.0
        assert streamer.snapshot(Trade).symbols == ("AAPL",)
        streamer.unsubscribe(Trade, "AAPL")
        streamer.subscribe(Trade, "LAST", 0)
        until(lambda: "LAST" in asked(exchange, "add"))
        exchange.publish(Trade("AAPL", price=2.0), Trade("LAST", price=3.0))
        assert streamer.get_event(Trade).result(20).event_symbol == "LAST"
        assert quote.last_price == 2.0
        streamer.unsubscribe_all(Trade)
        streamer.subscribe(Trade, "NEXT", 0)
        until(lambda: "NEXT" in asked(exchange, "add"))
        exchange.publish(Trade("AAPL", price=4.0), Trade("NEXT", price=5.0))
        assert streamer.get_event(Trade).result(20).event_symbol == "NEXT"
        assert quote.last_price == 4.0
        assert asked(exchange, "remove") == ["LAST"]

    @pytest.mark.parametrize("everything", [False, True])
    def test_it_ends_with_the_quote_and_comes_again_with_it(
        self, exchange: Exchange, streamer: DXLinkStreamer, quote: Quote, *, everything: bool
    ) -> None:
        streamer.subscribe(Trade, "MSFT", 0)
        if everything:
            streamer.unsubscribe_all(Quote)
        else:
            streamer.unsubscribe(Quote, "AAPL")
        until(lambda: asked(exchange, "remove") == ["AAPL"])
        assert quote.last_price == 150.25
        streamer.subscribe(Quote, "AAPL", 0)
        assert quote.last_price == 150.25
        until(lambda: asked(exchange, "add") == ["AAPL", "MSFT", "AAPL"])
        exchange.publish(Trade("AAPL", price=1.0))
        until(lambda: quote.last_price == 1.0)
        assert streamer.get_event_nowait(Trade) is None

    def test_the_last_one_leaves_nothing_subscribed(
        self, exchange: Exchange, streamer: DXLinkStreamer, quote: Quote
    ) -> None:
        streamer.unsubscribe(Quote, quote.symbol)
        until(lambda: sum("CHANNEL_CANCEL" in text for text in exchange.received()) == 2)

    def test_it_outlives_a_lost_connection(
        self, exchange: Exchange, streamer: DXLinkStreamer, quote: Quote
    ) -> None:
        exchange.close_connections()
        until(lambda: asked(exchange, "add") == ["AAPL", "AAPL"])
        exchange.publish(Trade("AAPL", price=1.0))
        until(lambda: quote.last_price == 1.0)
        assert streamer.listen(Trade).stats().received == 0


class TestSubscribe:
    def test_waiting_for_the_subscription_waits_for_the_trades(self, exchange: Exchange) -> None:
        async def stream() -> None:
            async with DXLinkStreamer(exchange.url, companions="subscribe") as streamer:
                subscribed = streamer.subscribe(Quote, ["AAPL", "MSFT"], 0)
                await until_in_loop(lambda: asked(exchange, "add") == ["AAPL", "MSFT"])
                exchange.publish(LAST, Trade("MSFT", day_volume=5.0), AAPL)
                await subscribed
                quote = await streamer.get_event(Quote)
                assert (quote.last_price, quote.volume) == (150.25, 12_345.0)
                await streamer.subscribe(Quote, "AAPL", 0)
                assert streamer.stats().subscriptions == 2
                assert streamer.get_event_nowait(Trade) is None

        asyncio.run(asyncio.wait_for(stream(), 20))

    def test_a_symbol_that_never_trades_does_not_keep_a_program_waiting(
        self, exchange: Exchange
    ) -> None:
        with DXLinkStreamer(exchange.url, companions="subscribe") as streamer:
            streamer.subscribe(Quote, ["AAPL", "SPX"], 0).result(20)
            streamer.close()
            until(lambda: streamer.state == "closed")

    def test_a_program_that_waits_ends_with_the_streamer(self, exchange: Exchange) -> None:
        with DXLinkStreamer(exchange.url, companions="subscribe") as streamer:
            subscribed = streamer.subscribe(Quote, "AAPL", 0)
            streamer.close()
            until(lambda: streamer.state == "closed")
            subscribed.result(20)


class TestOff:
    def test_nothing_is_subscribed_and_what_is_known_is_told(self, exchange: Exchange) -> None:
        with DXLinkStreamer(exchange.url, companions="off") as streamer:
            quote = quote_of(exchange, streamer)
            assert quote.volume is None
            streamer.subscribe(Trade, "MSFT", 0)
            until(lambda: asked(exchange, "add") == ["MSFT"])
            streamer.subscribe(Trade, "AAPL", 0)
            exchange.publish(LAST)
            until(lambda: quote.volume == 12_345.0)

    def test_another_word_is_refused(self) -> None:
        wrong: Any = "always"
        with pytest.raises(ValueError, match="companions must be one of 'on use', 'subscribe'"):
            DXLinkStreamer("sim://", companions=wrong)


class TestNames:
    def test_a_trade_tells_the_volume_of_the_day(self) -> None:
        assert LAST.volume == LAST.day_volume == 12_345.0
        assert TradeETH("AAPL", day_volume=5).volume == 5.0
        assert math.isnan(Trade("AAPL").volume)

    def test_greeks_tell_the_implied_volatility(self) -> None:
        assert Greeks(".AAPL250117C150", volatility=0.397).implied_volatility == 0.397


class TestTradeConditions:
    SALE = TimeAndSale(
        "AAPL",
        index=TIME // 1000 << 32 | TIME % 1000 << 22 | 7,
        time=TIME,
        sequence=7,
        price=150.25,
        size=100,
        exchange_sale_conditions="@ TI",
    )

    @pytest.mark.parametrize("event_type", [Trade, TradeETH])
    def test_they_are_those_of_the_same_sale(
        self, exchange: Exchange, streamer: DXLinkStreamer, event_type: Any
    ) -> None:
        known = LAST.as_dict()
        others = [
            known | {"event_symbol": "MSFT"},
            known | {"sequence": 8},
            known | {"time": TIME + 1},
            known | {"price": 150.0},
            known | {"price": math.nan},
            known | {"size": math.nan},
        ]
        streamer.subscribe(event_type, ["AAPL", "MSFT"], 0)
        trades = []
        for fields in (known, *others):
            exchange.publish(event_type(**fields))
            trades.append(streamer.get_event(event_type).result(20))
        trade, *strangers = trades
        assert trade.trade_conditions is None
        streamer.subscribe(TimeAndSale, "AAPL", 0)
        until(lambda: asked(exchange, "add", TimeAndSale) == ["AAPL"])
        exchange.publish(self.SALE)
        until(lambda: trade.trade_conditions == "@ TI")
        assert [each.trade_conditions for each in strangers] == [None] * 6
        assert pickle.loads(pickle.dumps(trade)).trade_conditions is None

    def test_a_sale_without_conditions_has_none(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        streamer.subscribe(TimeAndSale, "AAPL", 0)
        streamer.subscribe(Trade, "AAPL", 0)
        until(lambda: asked(exchange, "add", TimeAndSale) == ["AAPL"])
        fields = self.SALE.as_dict() | {"exchange_sale_conditions": None}
        exchange.publish(TimeAndSale(**fields), LAST)
        trade = streamer.get_event(Trade).result(20)
        assert streamer.get_event(TimeAndSale).result(20).price == 150.25
        assert trade.trade_conditions is None
