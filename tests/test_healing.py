"""A streamer that lost its connection makes it again, asks for everything again, and says so."""

import asyncio
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from conftest import DEADLINE, NO_RECONNECT, until, until_in_loop
from healing import SOON, reconnected, subscribed

from dxstream import (
    AuthenticationError,
    ConnectionLostError,
    DXLinkStreamer,
    Endpoint,
    Gap,
    ReconnectPolicy,
)
from dxstream.dxfeed import Candle, Quote, TimeAndSale, Trade
from dxstream.exchange import Exchange, Rules


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012])
def test_everything_is_asked_for_again_after_a_loss(exchange: Exchange, code: int) -> None:
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe(Quote, ["A", "B"], 0)
        streamer.subscribe(Trade, "A")
        subscribed(exchange, 3)
        exchange.close_connections(code, "for a test")
        reconnected(streamer)
        subscribed(exchange, 3)
        quotes = streamer.listen(Quote)
        exchange.publish(Quote("B", bid_price=2))
        assert next(quotes).bid_price == 2
        assert exchange.stats().accepted == 2
        until(lambda: len(streamer.gaps) == 1)
        gap = streamer.gaps[0]
        assert gap.types == ("Quote", "Trade")
        assert gap.healed == ()
        assert (gap.epoch, gap.code) == (1, code)
        assert "for a test" in gap.reason
        assert gap.from_time <= gap.to_time


def test_a_server_that_restarts_is_found_again() -> None:
    with Exchange(None) as first:
        port = first.port
        with DXLinkStreamer(first.url, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            subscribed(first, 1)
            first.stop()
            until(lambda: streamer.state == "reconnecting")
            with Exchange(None, port=port) as second:
                subscribed(second, 1)
                second.publish(Quote("A", bid_price=7))
                assert streamer.get_event(Quote).result(DEADLINE).bid_price == 7


def test_the_state_and_what_changed_it_can_be_followed(exchange: Exchange) -> None:
    async def main() -> list[tuple[str, int | None]]:
        seen = []
        async with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
            states = streamer.states()
            assert (await anext(states)).state == "connected"
            exchange.close_connections(1012, "restart")
            lost = await asyncio.wait_for(anext(states), DEADLINE)
            assert lost.reason is not None
            assert "1012 restart" in lost.reason
            assert lost.delay == 0
            seen.append((lost.state, lost.code))
            again = await asyncio.wait_for(anext(states), DEADLINE)
            seen.append((again.state, again.code))
            assert again.epoch == 1
        seen.extend([(change.state, change.code) async for change in states])
        return seen

    assert asyncio.run(main()) == [("reconnecting", 1012), ("connected", None), ("closed", None)]


def test_gaps_come_at_their_place_between_the_events(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe(Quote, "A", 0)
        streamer.subscribe(Trade, "A", 0)
        subscribed(exchange, 2)
        with_gaps = streamer.listen(Quote, gaps=True)
        without = streamer.listen(Quote)
        for round_ in range(3):
            exchange.publish(Quote("A", bid_price=10 * round_ + 1))
            exchange.publish(Quote("A", bid_price=10 * round_ + 2))
            until(partial(_bid_is, streamer, 10 * round_ + 2))
            exchange.close_connections(1012, "again")
            reconnected(streamer, round_ + 1)
            subscribed(exchange, 2)
        seen: list[Any] = []
        while sum(isinstance(item, Gap) for item in seen) < 3:
            seen.append(next(with_gaps))
        prices = [0 if isinstance(item, Gap) else item.bid_price for item in seen]
        # After a reconnect the server gives the last value again.
        assert prices[:3] == [1, 2, 0]
        assert [price for price in prices if price] == sorted(price for price in prices if price)
        gaps = [item for item in seen if isinstance(item, Gap)]
        assert [gap.types for gap in gaps] == [("Quote",)] * 3
        assert [gap.epoch for gap in gaps] == [1, 2, 3]
        assert not any(isinstance(next(without), Gap) for _ in range(6))


def _index(time: int, sequence: int = 0) -> int:
    """Pack the index of an event of a time series."""
    return time // 1000 << 32 | time % 1000 << 22 | sequence


def _bid_is(streamer: DXLinkStreamer, price: float) -> bool:
    quote = streamer.latest(Quote, "A")
    return quote is not None and quote.bid_price == price


def test_a_gap_comes_to_a_listener_that_waits(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            subscribed(exchange, 1)
            listener = streamer.listen(Quote, gaps=True)
            waiting = asyncio.ensure_future(anext(listener))
            await asyncio.sleep(0)
            exchange.close_connections(1012, "again")
            assert isinstance(await asyncio.wait_for(waiting, DEADLINE), Gap)

    asyncio.run(main())


@pytest.mark.parametrize("coroutine", [True, False])
def test_gaps_and_reconnects_are_called_back_in_the_event_loop(
    exchange: Exchange, coroutine: bool
) -> None:
    calls: list[tuple[str, Any]] = []
    loops = set()

    def note(name: str) -> Any:
        def plain(*arguments: Any) -> None:
            calls.append((name, arguments))
            loops.add(asyncio.get_running_loop())

        async def wait(*arguments: Any) -> None:
            await asyncio.sleep(0)
            plain(*arguments)

        return wait if coroutine else plain

    async def main() -> None:
        streamer = DXLinkStreamer(
            exchange.url,
            reconnect=SOON,
            on_gap=note("gap"),
            reconnect_fn=note("reconnect"),
            reconnect_args=(1, 2),
            disconnect_fn=note("disconnect"),
        )
        async with streamer:
            streamer.subscribe(Quote, "A", 0)
            subscribed(exchange, 1)
            exchange.close_connections(1012, "again")
            await until_in_loop(lambda: len(calls) >= 3)
            assert calls[0] == ("disconnect", (streamer,))
            assert calls[1] == ("reconnect", (streamer, 1, 2))
            assert calls[2] == ("gap", (streamer.gaps[0],))
            assert loops == {asyncio.get_running_loop()}

    asyncio.run(main())


@pytest.fixture
def many_files() -> Iterator[None]:
    """Keep a thousand files open: the descriptors to come are above what select takes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 3_000:
        pytest.skip("this process may not open 3,000 files")
    with ExitStack() as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3_000, before[1]))
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        for _ in range(1_100):
            files.enter_context(Path(os.devnull).open())
        yield


def called_back(exchange: Exchange) -> None:
    """Lose a connection, and wait until a function has been called with the gap."""
    came = threading.Event()
    with DXLinkStreamer(exchange.url, reconnect=SOON, on_gap=lambda _: came.set()) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange, 1)
        exchange.close_connections(1012, "again")
        assert came.wait(DEADLINE)


def test_gaps_are_called_back_without_an_event_loop_too(exchange: Exchange) -> None:
    called_back(exchange)


@pytest.mark.usefixtures("many_files")
def test_gaps_are_called_back_in_a_program_with_a_thousand_open_files(exchange: Exchange) -> None:
    called_back(exchange)


def test_a_time_series_goes_on_where_it_ended(exchange: Exchange) -> None:
    minute = 60_000
    start = 1_700_000_000_000 // minute * minute

    def bar(number: int, close: float) -> Candle:
        time = start + number * minute
        return Candle("A{=m}", time=time, index=_index(time), close=close, open=1, high=9, low=1)

    exchange.publish(*(bar(number, number) for number in range(5)))
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe_candle("A", "1m", start, extended_trading_hours=True)
        listener = streamer.listen(Candle)
        first = [next(listener).close for _ in range(5)]
        assert first == [4, 3, 2, 1, 0]
        exchange.close_connections(1012, "again")
        reconnected(streamer)
        subscribed(exchange, 1)
        exchange.publish(bar(5, 5))
        healed: list[float] = []
        while healed[-1:] != [5]:
            healed.append(next(listener).close)
        # The last bar comes again, for it may have changed meanwhile; no older one does.
        assert healed == [4, 5]
        until(lambda: len(streamer.gaps) == 1)
        assert streamer.gaps[0].healed == ("Candle",)
        asked = [message for message in exchange.received() if "fromTime" in message]
        assert f'"fromTime":{start}' in asked[0]
        assert f'"fromTime":{start + 4 * minute}' in asked[1]
        latest = streamer.latest(Candle, "A{=m}")
        assert latest is not None
        assert latest.close == 5


def test_sales_are_given_once_although_they_are_asked_for_twice(exchange: Exchange) -> None:
    start = 1_700_000_000_000

    def sale(number: int) -> TimeAndSale:
        time = start + number // 3
        index = _index(time, number % 3)
        return TimeAndSale("A", time=time, index=index, price=number, size=1)

    exchange.publish(*(sale(number) for number in range(8)))
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe(TimeAndSale, "A", from_time=start)
        listener = streamer.listen(TimeAndSale)
        prices = [next(listener).price for _ in range(8)]
        exchange.close_connections(1012, "again")
        exchange.publish(*(sale(number) for number in range(8, 12)))
        prices += [next(listener).price for _ in range(4)]
        assert sorted(prices) == list(range(12))
        exchange.publish(sale(12))
        assert next(listener).price == 12


def test_a_book_is_not_complete_until_it_was_asked_for_again(exchange: Exchange) -> None:
    from dxstream.dxfeed import Order

    exchange.publish(
        Order("A", index=1, order_side="BUY", price=10, size=1, source="NTV", time=1),
    )
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe(Order, "A", source="NTV")
        until(lambda: (book := streamer.book("A", "NTV")) is not None and book.complete)
        before = streamer.book("A", "NTV")
        assert before is not None
        exchange.close_connections(1012, "again")
        until(
            lambda: (
                (book := streamer.book("A", "NTV")) is not None
                and book.complete
                and book.epoch > before.epoch
            )
        )
        after = streamer.book("A", "NTV")
        assert after is not None
        assert after.bids.price.tolist() == [10]


def test_each_connection_asks_the_session_for_a_new_token() -> None:
    tokens = chain(["first", "second"], repeat("third"))
    used = []
    rules = Rules(tokens=("first", "second"), received_limit=100)
    with Exchange(None, rules=rules) as exchange:

        async def session() -> Endpoint:
            used.append(next(tokens))
            return Endpoint(exchange.url, used[-1])

        with DXLinkStreamer(session, reconnect=SOON) as streamer:
            exchange.close_connections(1012, "again")
            reconnected(streamer)
            assert used == ["first", "second"]
            exchange.close_connections(1012, "again")
            with pytest.raises(AuthenticationError, match="that the server has refused"):
                streamer.get_event(Quote).result(DEADLINE)
            assert used == ["first", "second", "third", "third"]


def test_a_refused_token_is_never_sent_again() -> None:
    rules = Rules(tokens=("right",), received_limit=100)
    with Exchange(None, rules=rules) as exchange:
        asked = []

        def session() -> Endpoint:
            asked.append(1)
            return Endpoint(exchange.url, "wrong")

        with pytest.raises(AuthenticationError, match="log in again"):
            DXLinkStreamer(session, reconnect=SOON).__enter__()
        assert len(asked) == 2
        assert sum("wrong" in message for message in exchange.received()) == 1


def test_attempts_end_where_the_policy_says() -> None:
    policy = ReconnectPolicy(min_delay=0.001, max_delay=0.002, max_attempts=3)
    with Exchange(None) as exchange, DXLinkStreamer(exchange.url, reconnect=policy) as streamer:
        listener = streamer.listen(Quote)
        exchange.stop()
        with pytest.raises(ConnectionLostError, match=r"gave up after 3 attempts: .*refused"):
            next(listener)
        assert streamer.state == "failed"


def test_what_nobody_was_told_is_raised_when_the_streamer_is_left(exchange: Exchange) -> None:
    streamer = DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT)
    streamer.__enter__()
    exchange.close_connections(1011, "bad")
    until(lambda: streamer.state == "failed")
    with pytest.raises(ConnectionLostError, match="1011 bad"):
        streamer.__exit__(None, None, None)


def test_what_was_told_is_not_raised_again(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
        exchange.close_connections(1011, "bad")
        with pytest.raises(ConnectionLostError, match="1011 bad"):
            streamer.get_event(Quote).result(DEADLINE)


def test_more_subscriptions_than_a_connection_holds_open_a_second_one() -> None:
    rules = Rules(max_subscriptions=25_000, subscription_rate=(4000, 4000))
    symbols = [f".SYM{number:05}C100" for number in range(22_000)]
    with Exchange(None, rules=rules) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, symbols)
        streamer.subscribe(Trade, symbols)
        until(lambda: exchange.stats().subscriptions == 44_000, 4 * DEADLINE)
        stats = streamer.stats()
        assert (stats.subscriptions, stats.connections) == (44_000, 2)
        assert exchange.stats().connections == 2
        exchange.publish(Quote(symbols[-1], bid_price=1), Trade(symbols[-1], price=2))
        assert streamer.get_event(Quote).result(DEADLINE).event_symbol == symbols[-1]
        assert streamer.get_event(Trade).result(DEADLINE).price == 2
        streamer.unsubscribe_all(Trade)
        until(lambda: exchange.stats().subscriptions == 22_000)


def test_a_server_with_less_room_gets_what_fits_and_the_rest_goes_elsewhere() -> None:
    rules = Rules(max_subscriptions=1_000)
    symbols = [f"S{number}" for number in range(2_500)]
    with Exchange(None, rules=rules) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, symbols)
        until(lambda: exchange.stats().subscriptions == 2_500)
        exchange.publish(*(Quote(symbol, bid_price=1) for symbol in symbols))
        events, missing = streamer.collect(Quote, symbols, timeout=DEADLINE).result()
        assert (len(events), missing) == (2_500, [])


def test_a_server_that_wants_less_haste_gets_everything_in_the_end() -> None:
    rules = Rules(subscription_rate=(300, 600))
    symbols = [f"S{number}" for number in range(1_500)]
    with Exchange(None, rules=rules) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, symbols)
        until(lambda: exchange.stats().subscriptions == 1_500)
        assert exchange.stats().errors > 0
        assert streamer.state == "connected"
        assert streamer.stats().connections == 1
