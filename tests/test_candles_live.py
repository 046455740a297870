"""Candles that go on: live tables, and what keeps their subscription."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import nan

import pytest
import trio
from candle_bars import FIVE, asked, at, candle, closes, load, row, send, start
from conftest import DEADLINE, NO_RECONNECT, until

from dxstream import (
    Candles,
    ConnectionLostError,
    DXLinkStreamer,
    SlowConsumerError,
    StreamerClosedError,
)
from dxstream.dxfeed import Candle
from dxstream.exchange import Exchange


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


def test_live_candles_are_complete_after_each_change(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1), candle(1, 2))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    live = candles.live()
    exchange.publish(candle(1, 2.5))
    first = next(live)
    assert isinstance(first, Candles)
    assert closes(first) == [(0, 1), (1, 2.5)]
    exchange.publish(candle(0, nan, flags=2))
    assert closes(next(live)) == [(1, 2.5)]
    exchange.publish(candle(2, 3))
    assert closes(next(live)) == [(1, 2.5), (2, 3)]
    assert closes(candles) == [(0, 1), (1, 2)]
    assert closes(first) == [(0, 1), (1, 2.5)]


def test_a_slow_program_gets_the_latest_and_no_backlog(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    live = candles.live()
    for close in range(2, 40):
        exchange.publish(candle(0, close))

    def last_close() -> float:
        latest = streamer.latest(Candle, FIVE)
        return nan if latest is None else latest.close

    until(lambda: last_close() == 39)
    assert closes(next(live)) == [(0, 39)]
    exchange.publish(candle(0, 39), candle(1, 40))
    assert closes(next(live)) == [(0, 39), (1, 40)]


def test_a_transaction_is_seen_whole(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(candle(0, 0.5))
    live = streamer.candles("AAPL", "5m").result(DEADLINE).live()
    for n in range(1, 6):
        exchange.publish(candle(0, n, flags=1))
        exchange.publish(candle(1, n, flags=1))
        exchange.publish(candle(2, n))
        assert closes(next(live)) == [(0, n), (1, n), (2, n)]


def test_live_candles_in_asyncio(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            one, two = await asyncio.gather(
                streamer.candles("AAPL", "5m"), streamer.candles("MSFT", "5m")
            )
            assert (closes(one), closes(two)) == ([(0, 1)], [(0, 2)])
            waiting = asyncio.ensure_future(anext(two.live()))
            seen = []
            exchange.publish(candle(1, 3))
            async for candles in one.live():
                seen.append(closes(candles)[-1])
                if len(seen) == 3:
                    break
                exchange.publish(candle(1, 3 + len(seen)))
            assert seen == [(1, 3), (1, 4), (1, 5)]
            assert not waiting.done()
            exchange.publish(candle(1, 6, symbol="MSFT{=5m,tho=true}"))
            assert closes(await asyncio.wait_for(waiting, DEADLINE)) == [(0, 2), (1, 6)]

    exchange.publish(candle(0, 1), candle(0, 2, symbol="MSFT{=5m,tho=true}"))
    asyncio.run(main())


def test_live_candles_in_trio(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            candles = await streamer.candles("AAPL", "5m")
            async with candles:
                exchange.publish(candle(1, 2))
                async for latest in candles.live():
                    assert closes(latest) == [(0, 1), (1, 2)]
                    break

    exchange.publish(candle(0, 1))
    trio.run(main)


def test_two_calls_of_one_symbol_do_not_disturb_each_other(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(*(candle(n, n + 1) for n in range(6)))
    late = streamer.candles("AAPL", "5m", at(4)).result(DEADLINE)
    assert closes(late) == [(4, 5), (5, 6)]
    early = streamer.candles("AAPL", "5m", at(1)).result(DEADLINE)
    again = streamer.candles("AAPL", "5m", at(4)).result(DEADLINE)
    assert closes(early) == [(n, n + 1) for n in range(1, 6)]
    assert closes(again) == closes(late)
    assert asked(exchange) == [at(4) - 1, at(1) - 1, at(1) - 2]
    again.unsubscribe()
    exchange.publish(candle(1, 9), candle(5, 9))
    assert closes(next(early.live())) == [(1, 9), (2, 3), (3, 4), (4, 5), (5, 9)]
    # What others asked for meanwhile was the same to it.
    live = late.live()
    assert closes(next(live)) == [(4, 5), (5, 9)]
    assert exchange.stats().subscriptions == 1
    assert streamer.stats().subscriptions == 1
    early.unsubscribe()
    exchange.publish(candle(4, 9))
    assert closes(next(live))[0] == (4, 9)
    late.unsubscribe()
    until(lambda: exchange.stats().subscriptions == 0)


def test_what_subscribe_wants_and_what_candles_want_are_two_things(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(*(candle(n, n + 1) for n in range(4)))
    candles = streamer.candles("AAPL", "5m", at(0)).result(DEADLINE)
    streamer.subscribe_candle("AAPL", "5m")
    until(lambda: exchange.stats().subscriptions == 2)
    streamer.subscribe_candle("AAPL", "5m", at(3))
    until(lambda: asked(exchange)[1:] == [at(3), at(0) - 1])
    live = candles.live()
    exchange.publish(candle(0, 9))
    assert closes(next(live))[0] == (0, 9)
    streamer.unsubscribe_candle("AAPL", "5m")
    exchange.publish(candle(0, 10))
    assert closes(next(live))[0] == (0, 10)
    until(lambda: exchange.stats().subscriptions == 1)
    streamer.unsubscribe_all(Candle)
    exchange.publish(candle(0, 11))
    assert closes(next(live))[0] == (0, 11)
    streamer.subscribe_candle("AAPL", "5m")
    until(lambda: exchange.stats().subscriptions == 2)
    candles.unsubscribe()
    until(lambda: exchange.stats().subscriptions == 1)
    assert streamer.snapshot(Candle).symbols == (FIVE,)


def test_candles_that_nobody_has_are_unsubscribed(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    live = candles.live()
    del candles
    exchange.publish(candle(0, 2))
    latest = next(live)
    del live
    gc.collect()
    assert exchange.stats().subscriptions == 1
    del latest
    gc.collect()
    until(lambda: exchange.stats().subscriptions == 0)


def test_unsubscribing_ends_the_iterations(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(candle(0, 1))
    with streamer.candles("AAPL", "5m").result(DEADLINE) as candles:
        ended: list[list[Candles]] = []
        threads = [
            threading.Thread(target=lambda: ended.append(list(candles.live()))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert ended == [[], []]
    until(lambda: exchange.stats().subscriptions == 0)
    candles.unsubscribe()
    assert list(candles.live()) == []
    assert closes(candles) == [(0, 1)]


def test_several_iterations_each_see_the_last_change(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    exchange.publish(candle(0, 0.5))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)

    def follow() -> float:
        for latest in candles.live():
            if latest.close[-1] == 200:
                return 200.0
        return nan

    following = [background.submit(follow) for _ in range(3)]
    for close in range(1, 201):
        exchange.publish(candle(0, close))
    assert [future.result(DEADLINE) for future in following] == [200.0] * 3


def test_one_iteration_is_for_one_task(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            live = (await streamer.candles("AAPL", "5m")).live()
            waiting = asyncio.ensure_future(anext(live))
            while not live._waiting:
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="call live"):
                await anext(live)
            waiting.cancel()

    exchange.publish(candle(0, 1))
    asyncio.run(main())


def test_a_closed_streamer_ends_what_waits(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    exchange.publish(candle(0, 1))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    live = candles.live()
    loading = start(background, streamer.candles("NONE", "5m"))
    until(lambda: len(asked(exchange, "NONE{=5m,tho=true}")) == 1)
    before = streamer.stats().events
    exchange.publish(candle(1, 2))
    until(lambda: streamer.stats().events > before)
    streamer.close().result(DEADLINE)
    with pytest.raises(StreamerClosedError):
        loading.result(DEADLINE)
    assert [closes(latest) for latest in live] == [[(0, 1), (1, 2)]]
    with pytest.raises(StreamerClosedError):
        streamer.candles("AAPL", "5m")
    candles.unsubscribe()


def test_a_lost_connection_is_raised_where_it_is_final(exchange: Exchange) -> None:
    exchange.publish(candle(0, 1))
    with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
        live = streamer.candles("AAPL", "5m").result(DEADLINE).live()
        exchange.stop()
        with pytest.raises(ConnectionLostError):
            list(live)


def test_candles_go_on_over_a_lost_connection(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(candle(0, 1), candle(1, 2))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    live = candles.live()
    exchange.close_connections(1012, "restart")
    exchange.publish(candle(1, 3), candle(2, 4))
    while closes(candles) != [(0, 1), (1, 3), (2, 4)]:
        candles = next(live)


def test_changes_that_found_no_room_are_told(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    call = streamer.candles("AAPL", "5m", at(0))
    candles = load(exchange, background, call, row(at(0), 1, flags=12))
    before = streamer.stats().events
    for frame in range(70):
        send(exchange, *(row(at(0), 1 + frame + n / 4000) for n in range(2000)))
    until(lambda: streamer.stats().events == before + 140_000)
    with pytest.raises(SlowConsumerError, match=r"^the candles of AAPL\{=5m,tho=true\} lack"):
        next(candles.live())
    assert closes(candles) == [(0, 1)]


def test_a_second_load_does_not_fill_the_first_ones_room(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    """Each load brings every other a snapshot, whether it reads or not."""
    snapshot = [row(at(n), n + 1) for n in range(40_000, -1, -1)]
    snapshot[0][1], snapshot[-1][1] = 4, 8
    calls = (streamer.candles("AAPL", "5m", at(0)) for _ in range(8))
    tables = [load(exchange, background, call, *snapshot) for call in calls]
    assert {len(table) for table in tables} == {40_001}
    send(exchange, row(at(0), 2))
    assert next(tables[0].live()).close[0] == 2


def test_the_memory_of_histories_is_counted(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(*(candle(n, n + 1) for n in range(5)))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    memory = streamer.memory()
    [(symbol, bars, width)] = memory.series
    assert (symbol, bars) == (FIVE, 5)
    assert memory.allocated >= 5 * width
    assert f"candles of {FIVE}: 5 bars x {width} bytes = {5 * width:,} bytes" in str(memory)
    candles.unsubscribe()
    assert streamer.memory().series == ()


def test_candles_are_loaded_again_after_a_table_was_dropped(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1))
    held = streamer.candles("AAPL", "5m").result(DEADLINE)
    for _ in range(3):
        # Each is let go at once, while the server goes on for the first.
        again = streamer.candles("AAPL", "5m").result(DEADLINE)
        assert closes(again) == closes(held) == [(0, 1)]
