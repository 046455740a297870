"""What a program gets from a streamer, in every way of running one."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
import uvloop
from conftest import DEADLINE, until

from dxstream import DXLinkStreamer, Endpoint, Listener, SlowConsumerWarning
from dxstream.dxfeed import Candle, Order, Quote, Trade
from dxstream.exchange import Exchange


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, bid_price=bid, bid_size=10, ask_price=bid + 0.5, ask_size=20)


def bids(listener: Listener[Quote], count: int) -> list[float]:
    return [next(listener).bid_price for _ in range(count)]


def subscribed(exchange: Exchange, symbol: str) -> Callable[[], bool]:
    """Say whether the exchange was asked for a symbol."""
    return lambda: any(
        item["symbol"] == symbol
        for message in map(json.loads, exchange.received())
        for item in message.get("add", ())
    )


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


def test_events_arrive_as_they_were_sent(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    sent = [
        quote("AAPL", 150.25),
        Quote("SPX", bid_price=5931.91, ask_price=float("nan"), bid_exchange_code="Q"),
    ]
    streamer.subscribe(Quote, ["AAPL", "SPX"], refresh_interval=0)
    exchange.publish(*sent)
    listener = streamer.listen(Quote)
    assert sorted([next(listener), next(listener)], key=lambda q: q.event_symbol) == sent


def test_what_is_asked_for_while_another_message_is_sent_is_asked_for_at_once(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "FIRST")
    for number in range(20):
        until(subscribed(exchange, f"S{number - 1}" if number else "FIRST"))
        # The second message is made while the first is on its way.
        streamer.unsubscribe(Quote, f"S{number - 1}")
        streamer.subscribe(Quote, f"S{number}")
    until(subscribed(exchange, "S19"))


def test_every_listener_gets_every_event_and_the_first_what_came_before(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "AAPL", refresh_interval=0)
    until(subscribed(exchange, "AAPL"))
    exchange.publish(quote("AAPL", 1))
    until(lambda: streamer.latest(Quote, "AAPL"))
    first, second = streamer.listen(Quote), streamer.listen(Quote)
    exchange.publish(quote("AAPL", 2), quote("AAPL", 3))
    assert bids(first, 3) == [1, 2, 3]
    assert bids(second, 2) == [2, 3]
    stats = second.stats()
    assert (stats.received, stats.delivered, stats.pending, stats.dropped) == (2, 2, 0, 0)


def test_a_listener_before_the_subscription_is_the_first(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    listener = streamer.listen(Quote)
    streamer.subscribe(Quote, "AAPL", refresh_interval=0)
    exchange.publish(quote("AAPL", 1))
    assert bids(listener, 1) == [1]
    other = streamer.listen(Quote)
    exchange.publish(quote("AAPL", 2))
    assert bids(other, 1) == [2]


def test_a_listener_of_some_symbols_gets_only_these(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, ["A", "B"], refresh_interval=0)
    until(subscribed(exchange, "B"))
    exchange.publish(quote("A", 1), quote("B", 2))
    until(lambda: streamer.latest(Quote, "B"))
    listener = streamer.listen(Quote, "B")
    exchange.publish(quote("A", 3), quote("B", 4))
    assert bids(listener, 2) == [2, 4]
    assert listener.stats().filtered == 2


def test_a_string_is_one_symbol(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "SPY")
    until(subscribed(exchange, "SPY"))
    assert not subscribed(exchange, "S")()
    assert streamer.stats().subscriptions == 1


def test_a_full_buffer_drops_the_oldest_and_warns(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    listener = streamer.listen(Quote, buffer=2)
    exchange.publish(*(quote("A", n) for n in range(5)))
    until(lambda: listener.stats().received == 5)
    with pytest.warns(SlowConsumerWarning, match="3 events were dropped"):
        assert bids(listener, 2) == [3, 4]
    assert listener.stats().dropped == 3


def test_a_closed_listener_keeps_nothing(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    listener, other = streamer.listen(Quote), streamer.listen(Quote)
    exchange.publish(quote("A", 1))
    assert bids(other, 1) == [1]
    listener.close()
    exchange.publish(quote("A", 2))
    assert bids(other, 1) == [2]
    until(lambda: listener.stats().received == 2)
    assert listener.stats().pending == 0
    assert list(listener) == []


def test_unsubscribed_symbols_stop_and_the_others_go_on(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, ["A", "B"], refresh_interval=0)
    until(subscribed(exchange, "B"))
    listener = streamer.listen(Quote)
    streamer.unsubscribe(Quote, ["A", "NEVER_SUBSCRIBED"])
    until(lambda: any('"remove"' in message for message in exchange.received()))
    exchange.publish(quote("A", 1), quote("B", 2))
    assert bids(listener, 1) == [2]


def test_a_type_can_be_unsubscribed_and_subscribed_again(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    streamer.unsubscribe_all(Quote)
    streamer.subscribe(Quote, "B", refresh_interval=0)
    until(subscribed(exchange, "B"))
    exchange.publish(quote("A", 1), quote("B", 2))
    assert bids(streamer.listen(Quote), 1) == [2]
    assert streamer.stats().subscriptions == 1


def test_get_event_takes_each_event_once(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    assert streamer.get_event_nowait(Quote) is None
    exchange.publish(quote("A", 1), quote("A", 2))
    assert streamer.get_event(Quote).result(DEADLINE).bid_price == 1
    assert streamer.get_event(Quote).result(DEADLINE).bid_price == 2
    with pytest.raises(TimeoutError):
        streamer.get_event(Quote).result(0.01)


def test_get_event_and_listen_do_not_take_from_each_other(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    exchange.publish(quote("A", 1), quote("A", 2), quote("A", 3))
    assert streamer.get_event(Quote).result(DEADLINE).bid_price == 1
    assert bids(streamer.listen(Quote), 2) == [2, 3]
    assert streamer.get_event(Quote).result(DEADLINE).bid_price == 2


def test_collect_gives_one_event_of_each_symbol_and_names_the_missing(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(quote("A", 1), quote("B", 2))
    events, missing = streamer.collect(Quote, ["B", "X", "A", "Y"], timeout=0.3).result()
    assert {symbol: event.bid_price for symbol, event in events.items()} == {"A": 1, "B": 2}
    assert missing == ["X", "Y"]
    assert streamer.stats().subscriptions == 0


def test_collect_keeps_subscriptions_and_uses_what_is_known(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(quote("A", 1))
    streamer.subscribe(Quote, "A")
    until(lambda: streamer.latest(Quote, "A"))
    events, missing = streamer.collect(Quote, "A", timeout=0).result()
    assert (events["A"].bid_price, missing) == (1, [])
    assert streamer.stats().subscriptions == 1


def test_candles_come_as_history_without_the_marker_row(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    minute = 60_000
    first = round(start.timestamp() * 1000)
    bars = [
        Candle("AAPL{=m}", time=first + n * minute, index=(first // 1000 + n * 60) << 32, close=n)
        for n in range(3)
    ]
    exchange.publish(*bars)
    streamer.subscribe_candle(
        "AAPL", "1m", start - timedelta(minutes=1), extended_trading_hours=True
    )
    listener = streamer.listen(Candle)
    got = [next(listener) for _ in bars]
    assert [candle.close for candle in got] == [2, 1, 0]
    assert [candle.index for candle in got] == [bar.index for bar in reversed(bars)]
    assert got[0].snapshot_begin
    assert got[-1].snapshot_end
    last = streamer.latest(Candle, "AAPL{=1m}")
    assert last is not None
    assert last.event_symbol == "AAPL{=m}"


def test_candles_are_unsubscribed_by_interval_or_all_at_once(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    for interval in ("1m", "5m", "1h"):
        streamer.subscribe_candle(["AAPL", "SPY"], interval)
    assert streamer.stats().subscriptions == 6
    streamer.unsubscribe_candle("AAPL", "5m")
    assert streamer.stats().subscriptions == 5
    streamer.unsubscribe_candle("AAPL")
    assert streamer.stats().subscriptions == 3
    until(subscribed(exchange, "SPY{=h,tho=true}"))


def test_orders_of_a_source_are_asked_for_with_it(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Order, "AAPL", refresh_interval=0, source="NTV")
    until(subscribed(exchange, "AAPL"))
    order = Order("AAPL", source="NTV", index=7 << 32, price=10, size=5, order_side="BUY")
    exchange.publish(order)
    got = streamer.get_event(Order).result(DEADLINE)
    assert (got.source, got.index, got.order_side) == ("NTV", 7 << 32, "BUY")


def test_a_broken_frame_is_counted_and_its_neighbours_arrive(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, "A", refresh_interval=0)
    until(subscribed(exchange, "A"))
    listener = streamer.listen(Quote)
    exchange.publish(quote("A", 1))
    exchange.send_raw('{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1.0')
    exchange.send_raw("no JSON at all")
    exchange.publish(quote("A", 2))
    assert bids(listener, 2) == [1, 2]
    until(lambda: streamer.stats().malformed_frames == 2)


def test_an_error_of_the_server_is_kept_in_words(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.send_raw(
        '{"type":"ERROR","channel":0,"error":"BAD_ACTION","message":"Something was wrong"}'
    )
    until(lambda: streamer.stats().server_errors == 1)
    assert streamer.stats().complaints == ("the server says BAD_ACTION: Something was wrong",)


def test_thousands_of_symbols_are_all_subscribed(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    symbols = [f".SPXW261218C{strike}" for strike in range(4000, 7000)]
    exchange.publish(*(quote(symbol, 1) for symbol in symbols))
    events, missing = streamer.collect(Quote, symbols, timeout=DEADLINE).result()
    assert (len(events), missing) == (len(symbols), [])


def test_keepalives_go_out_while_python_does_something_else(exchange: Exchange) -> None:
    def keepalives() -> int:
        return sum('"KEEPALIVE"' in message for message in exchange.received())

    with DXLinkStreamer(exchange.url, keepalive_timeout=0.05):
        before = keepalives()
        # One call of C code: no other thread can run Python meanwhile.
        sum(range(40_000_000))
        assert keepalives() >= before + 3


# --- every way of running


def in_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(body())


def in_uvloop(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())


def in_trio(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        with trio.fail_after(DEADLINE):
            await main()

    trio.run(body)


@pytest.mark.parametrize("run", [in_asyncio, in_uvloop, in_trio])
def test_a_program_streams_in_any_event_loop(
    exchange: Exchange, run: Callable[[Callable[[], Awaitable[None]]], None]
) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            await streamer.subscribe(Quote, ["A", "B"], 0)
            exchange.publish(quote("A", 1))
            assert (await streamer.get_event(Quote)).bid_price == 1
            seen = []
            exchange.publish(*(quote("B", n) for n in range(2000)))
            async for event in streamer.listen(Quote, "B"):
                seen.append(event.bid_price)
                if len(seen) == 2000:
                    break
            assert seen == list(range(2000))
            events, missing = await streamer.collect(Quote, ["A", "Z"], timeout=0.05)
            assert (list(events), missing) == (["A"], ["Z"])
            await streamer.unsubscribe_all(Quote)

    run(main)


def test_trio_starts_calls_as_tasks(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(streamer.subscribe, Quote, ["A"])
            exchange.publish(quote("A", 1))
            with trio.fail_after(DEADLINE):
                assert (await streamer.get_event(Quote)).bid_price == 1

    trio.run(main)


def test_asyncio_takes_calls_as_coroutines(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            await asyncio.gather(streamer.subscribe(Quote, "A", 0), streamer.unsubscribe_all(Trade))
            task = asyncio.create_task(streamer.get_event(Quote))
            exchange.publish(quote("A", 1))
            assert (await asyncio.wait_for(task, DEADLINE)).bid_price == 1

    in_asyncio(main)


def test_cancelled_calls_lose_no_event(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            await streamer.subscribe(Quote, "A", 0)
            until(subscribed(exchange, "A"))
            listener = streamer.listen(Quote)

            def publish() -> None:
                for n in range(300):
                    exchange.publish(quote("A", n))

            publisher = threading.Thread(target=publish)
            waits: list[tuple[list[float], Callable[[], Any]]] = [
                ([], lambda: streamer.get_event(Quote)),
                ([], listener.__anext__),
            ]
            for _, wait in waits:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(wait(), 0.0005)
            publisher.start()
            for seen, wait in waits:
                while len(seen) < 300:
                    with suppress(TimeoutError):
                        seen.append((await asyncio.wait_for(wait(), 0.0005)).bid_price)
                assert seen == list(range(300))
            publisher.join()

    in_asyncio(main)


def test_a_plain_with_works_while_a_loop_runs(exchange: Exchange) -> None:
    exchange.publish(quote("A", 1))

    async def cell() -> float:
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, "A")
            return next(streamer.listen(Quote)).bid_price

    assert asyncio.run(cell()) == 1


def test_entering_and_leaving_by_hand_from_different_tasks(exchange: Exchange) -> None:
    exchange.publish(quote("A", 1))

    async def main() -> None:
        streamer = DXLinkStreamer(exchange.url)
        await asyncio.create_task(streamer.__aenter__())
        await asyncio.create_task(streamer.subscribe(Quote, "A"))
        assert (await streamer.get_event(Quote)).bid_price == 1
        await asyncio.create_task(streamer.__aexit__(None, None, None))
        assert streamer.state == "closed"

    in_asyncio(main)


def test_several_threads_subscribe_and_listen_at_once(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    symbols = [f"S{n}" for n in range(8)]
    exchange.publish(*(quote(symbol, 5) for symbol in symbols))
    results: list[float] = []

    def work(symbol: str) -> None:
        listener = streamer.listen(Quote, symbol)
        streamer.subscribe(Quote, symbol, 0)
        results.extend(bids(listener, 1))

    threads = [threading.Thread(target=work, args=[symbol]) for symbol in symbols]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert results == [5] * len(symbols)


def test_two_tasks_on_one_listener_are_told_so(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            listener = streamer.listen(Quote)
            waiting = asyncio.ensure_future(listener.__anext__())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await listener.__anext__()
            waiting.cancel()

    in_asyncio(main)


@pytest.mark.parametrize("form", ["url", "endpoint", "function", "coroutine function"])
@pytest.mark.parametrize("blocking", [True, False])
def test_a_session_is_anything_that_leads_to_an_endpoint(
    exchange: Exchange, form: str, blocking: bool
) -> None:
    async def coroutine() -> Endpoint:
        await asyncio.sleep(0)
        return Endpoint(exchange.url)

    sessions: dict[str, Any] = {
        "url": exchange.url,
        "endpoint": Endpoint(exchange.url, "a token"),
        "function": lambda: exchange.url,
        "coroutine function": coroutine,
    }
    streamer = DXLinkStreamer(sessions[form])

    async def main() -> None:
        async with streamer:
            assert streamer.state == "connected"

    if blocking:
        with streamer:
            assert streamer.state == "connected"
    else:
        in_asyncio(main)
    assert streamer.state == "closed"


def test_sim_is_a_market_in_this_process() -> None:
    with DXLinkStreamer("sim://?seed=5&quotes_per_second=50") as streamer:
        streamer.subscribe(Quote, ["AAPL", "SPY"], 0)
        seen = [next(streamer.listen(Quote)) for _ in range(3)]
    assert all(0 < event.bid_price < event.ask_price for event in seen)
