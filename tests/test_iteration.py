"""How a listener hands out what is ready, and what else runs meanwhile."""

import asyncio
import gc
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
import trio
import uvloop
from conftest import DEADLINE, NO_RECONNECT, until

from dxstream import ConnectionLostError, DXLinkStreamer, Listener, SlowConsumerWarning
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Blast, Exchange

WAITING = 20_000
"""Events that wait when an iteration begins, so that it always finds one ready."""


@pytest.fixture
def full() -> Iterator[Listener[Quote]]:
    """Give a listener for which many events wait."""
    blast = Blast(symbols=10, rows=WAITING, wait_for=10)
    with Exchange(blast) as exchange, DXLinkStreamer(exchange.url) as streamer:
        listener = streamer.listen(Quote)
        streamer.subscribe(Quote, [f"SYM{n:04}" for n in range(10)], 0)
        until(lambda: listener.stats().pending == WAITING)
        yield listener


@pytest.fixture
def listener(exchange: Exchange) -> Iterator[Listener[Quote]]:
    """Give a listener of a symbol that the exchange has been asked for."""
    with DXLinkStreamer(exchange.url) as streamer:
        listener = streamer.listen(Quote)
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions)
        yield listener


def publish(exchange: Exchange, listener: Listener[Quote], *bids: float) -> None:
    """Publish quotes, and wait until they wait for the listener."""
    before = listener.stats().received
    exchange.publish(*(Quote("A", bid_price=bid) for bid in bids))
    until(lambda: listener.stats().received == before + len(bids))


async def waited(exchange: Exchange, listener: Listener[Quote]) -> None:
    """Wait for quotes, so that the running event loop watches for the listener."""
    for bid in (-1, -2):
        exchange.publish(Quote("A", bid_price=bid))
        assert (await anext(listener)).bid_price == bid


async def awaited(wait: Awaitable[Any]) -> Any:
    return await wait


async def take(listener: Listener[Quote], events: int, seconds_for_each: float = 0.0) -> None:
    """Take events without giving way, and take some time for each."""
    count = 0
    async for _ in listener:
        count += 1
        if count == events:
            return
        limit = time.perf_counter() + seconds_for_each
        while time.perf_counter() < limit:
            pass


def begin_to_wait(coroutine: Coroutine[Any, Any, object]) -> None:
    """Go on until a coroutine waits for something; it may give way before."""
    while not asyncio.isfuture(coroutine.send(None)):
        pass


async def count_turns(busy: Coroutine[Any, Any, None], sleep: Callable[[], Awaitable[None]]) -> int:
    """Count how often another task of asyncio runs while one is busy."""
    task = asyncio.ensure_future(busy)
    turns = 0
    while not task.done():
        turns += 1
        await sleep()
    await task
    return turns


def in_asyncio(busy: Coroutine[Any, Any, None]) -> int:
    return asyncio.run(count_turns(busy, lambda: asyncio.sleep(0)))


def in_uvloop(busy: Coroutine[Any, Any, None]) -> int:
    return uvloop.run(count_turns(busy, lambda: asyncio.sleep(0)))


def in_trio(busy: Coroutine[Any, Any, None]) -> int:
    turns = 0
    over = False

    async def run() -> None:
        nonlocal over
        await busy
        over = True

    async def main() -> None:
        nonlocal turns
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            while not over:
                turns += 1
                await trio.lowlevel.checkpoint()

    trio.run(main)
    return turns


loops = pytest.mark.parametrize("count_in", [in_asyncio, in_uvloop, in_trio])


@loops
def test_a_busy_listener_starves_nobody(
    full: Listener[Quote], count_in: Callable[[Coroutine[Any, Any, None]], int]
) -> None:
    turns = count_in(take(full, WAITING))
    # One in a few hundred events.
    assert turns >= WAITING // 512
    assert full.stats().delivered == WAITING


@loops
def test_a_program_that_takes_long_for_each_event_starves_nobody(
    full: Listener[Quote], count_in: Callable[[Coroutine[Any, Any, None]], int]
) -> None:
    # Each event takes as long as a turn at most.
    turns = count_in(take(full, 40, seconds_for_each=0.001))
    assert turns >= 39
    assert full.stats().delivered == 40


def test_what_is_in_hand_counts_as_pending(full: Listener[Quote]) -> None:
    async def main() -> None:
        taken = 0
        async for _ in full:
            taken += 1
            if taken % 37 == 0:
                stats = full.stats()
                assert (stats.delivered, stats.pending) == (taken, WAITING - taken)
            if taken == 5_000:
                return

    asyncio.run(main())
    next(full)
    assert full.stats().delivered == 5_001


def test_counts_add_up_whenever_another_thread_asks() -> None:
    rows = 200_000
    with (
        Exchange(Blast(symbols=10, rows=rows, wait_for=10)) as exchange,
        DXLinkStreamer(exchange.url) as streamer,
    ):
        listener = streamer.listen(Quote, buffer=3_000)
        looked = threading.Event()
        over = threading.Event()
        wrong = []

        def look() -> None:
            last = 0
            while not over.is_set():
                stats = listener.stats()
                rest = stats.pending + stats.conflated + stats.dropped + stats.filtered
                if stats.received != stats.delivered + rest or stats.delivered < last:
                    wrong.append(stats)
                last = stats.delivered
                looked.set()

        async def main() -> None:
            taken = 0
            streamer.subscribe(Quote, [f"SYM{n:04}" for n in range(10)], 0)
            while listener.stats().received < rows or listener.stats().pending:
                await anext(listener)
                taken += 1
            assert taken == listener.stats().delivered

        thread = threading.Thread(target=look)
        thread.start()
        looked.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SlowConsumerWarning)
            try:
                asyncio.run(main())
            finally:
                over.set()
                thread.join()
        assert not wrong
        assert listener.stats().received == rows


def test_an_event_is_taken_when_it_is_awaited_and_not_before(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    async def main() -> None:
        publish(exchange, listener, 1, 2, 3)
        dropped = listener.__anext__()
        del dropped
        listener.__anext__().close()
        assert listener.stats().delivered == 0
        assert (await listener.__anext__()).bid_price == 1
        assert (await asyncio.create_task(listener.__anext__())).bid_price == 2
        assert (await asyncio.wait_for(anext(listener), 60)).bid_price == 3

    asyncio.run(main())


def test_an_awaitable_is_awaited_once(exchange: Exchange, listener: Listener[Quote]) -> None:
    async def main() -> None:
        publish(exchange, listener, 1, 2)
        awaitable = listener.__anext__()
        await awaitable
        with pytest.raises(RuntimeError, match="awaited before"):
            await awaitable
        with pytest.raises(RuntimeError, match="awaited before"):
            awaitable.throw(KeyError())
        awaitable.close()
        assert listener.stats().pending == 1

    asyncio.run(main())


def test_an_awaitable_is_a_coroutine_that_can_be_driven_by_hand(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    async def main() -> None:
        publish(exchange, listener, 1, 2, 3)
        # The first of all gives way.
        await anext(listener)
        assert isinstance(listener.__anext__(), Coroutine)
        with pytest.raises(StopIteration) as stop:
            listener.__anext__().send(None)
        assert stop.value.value.bid_price == 2
        with pytest.raises(StopIteration) as stop:
            next(iter(listener.__anext__().__await__()))
        assert stop.value.value.bid_price == 3
        listener.close()
        assert await anext(listener, None) is None
        with pytest.raises(StopAsyncIteration):
            listener.__anext__().send(None)

    asyncio.run(main())


def test_an_iteration_can_be_traced(full: Listener[Quote]) -> None:
    async def main() -> list[Quote]:
        return [await anext(full) for _ in range(100)]

    traced = []
    sys.settrace(lambda *what: traced.append(what[1]))
    try:
        quotes = asyncio.run(main())
    finally:
        sys.settrace(None)
    assert len({quote.event_symbol for quote in quotes}) == 10
    assert full.stats().delivered == len(quotes)
    assert traced


@pytest.mark.parametrize("has_waited", [False, True])
def test_what_is_thrown_into_an_awaitable_is_raised_where_it_waits(
    exchange: Exchange, listener: Listener[Quote], has_waited: bool
) -> None:
    async def main() -> None:
        if has_waited:
            await waited(exchange, listener)
        with pytest.raises(KeyError, match="'thrown'"):
            listener.__anext__().throw(KeyError("thrown"))
        waiting = listener.__anext__()
        begin_to_wait(waiting)
        with pytest.raises(KeyError, match="'thrown'"):
            waiting.throw(KeyError("thrown"))
        waiting = listener.__anext__()
        begin_to_wait(waiting)
        waiting.close()
        waiting.close()
        # Nobody waits any more, and nothing was lost.
        publish(exchange, listener, 7)
        assert (await anext(listener)).bid_price == 7

    asyncio.run(main())


@pytest.mark.parametrize("has_waited", [False, True])
def test_cancelled_iterations_lose_no_event(
    exchange: Exchange, listener: Listener[Quote], has_waited: bool
) -> None:
    count = 3_000
    quotes: list[Quote] = []

    async def read() -> None:
        async for quote in listener:
            quotes.append(quote)  # noqa: PERF401 - a comprehension that is cancelled loses its list

    async def main() -> None:
        if has_waited:
            await waited(exchange, listener)
        for first in range(0, count, 10):
            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
            exchange.publish(*(Quote("A", bid_price=first + n) for n in range(10)))
            await asyncio.sleep(0)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        while len(quotes) < count:
            quotes.append(await anext(listener))

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [quote.bid_price for quote in quotes] == list(range(count))


@pytest.mark.parametrize("has_waited", [False, True])
def test_an_iteration_that_nobody_can_reach_is_collected(
    exchange: Exchange, has_waited: bool
) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            listener = streamer.listen(Quote)
            streamer.subscribe(Quote, "A", 0)
            if has_waited:
                await waited(exchange, listener)
            reader = take(listener, 1)
            begin_to_wait(reader)
            # The reader waits for the listener, which leads to the reader.
            listener.reader = reader  # type: ignore[attr-defined]
            gone = weakref.ref(listener)
            del listener, reader
            gc.collect()
            assert gone() is None

    asyncio.run(main())


def test_a_wait_that_is_let_go_leaves_the_listener_to_others(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    async def main() -> None:
        await waited(exchange, listener)
        waiting = listener.__anext__()
        begin_to_wait(waiting)
        with pytest.raises(RuntimeError, match="another task iterates this listener"):
            await anext(listener)
        del waiting
        await waited(exchange, listener)

    asyncio.run(main())


@pytest.mark.parametrize("end", ["listener", "streamer", "exchange"])
def test_a_wait_ends_with_what_is_waited_for(exchange: Exchange, end: str) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
            listener = streamer.listen(Quote)
            streamer.subscribe(Quote, "A", 0)
            await waited(exchange, listener)
            waiting = asyncio.ensure_future(awaited(anext(listener, None)))
            await asyncio.sleep(0)
            assert not waiting.done()
            if end == "exchange":
                exchange.close_connections()
                with pytest.raises(ConnectionLostError):
                    await waiting
                return
            (listener if end == "listener" else streamer).close()
            assert await waiting is None

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_a_listener_waits_in_one_event_loop_after_another(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    asyncio.run(waited(exchange, listener))
    uvloop.run(waited(exchange, listener))
    trio.run(waited, exchange, listener)
    asyncio.run(waited(exchange, listener))
    loops = [asyncio.new_event_loop() for _ in range(2)]
    for number in range(6):
        loops[number % 2].run_until_complete(waited(exchange, listener))
    for loop in loops:
        loop.close()


def test_a_warning_of_drops_comes_before_the_next_wait(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            listener = streamer.listen(Quote, buffer=2)
            streamer.subscribe(Quote, "A", 0)
            await waited(exchange, listener)
            publish(exchange, listener, *range(5))

            async def go_on() -> None:
                # One of these may give way, and so look at drops before.
                await take(listener, 2)
                begin_to_wait(listener.__anext__())

            with pytest.warns(SlowConsumerWarning, match="3 events were dropped") as caught:
                await go_on()
            assert [warning.filename for warning in caught] == [__file__]

    asyncio.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_warning_of_drops_is_of_the_line_that_iterates(
    exchange: Exchange, asynchronous: bool
) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions)
        listener = streamer.listen(Quote, buffer=2)
        publish(exchange, listener, *range(5))
        with pytest.warns(SlowConsumerWarning, match="3 events were dropped") as caught:
            asyncio.run(take(listener, 2)) if asynchronous else next(listener)
        assert [warning.filename for warning in caught] == [__file__]


def test_an_event_in_the_memory_of_another_has_its_own_values(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    for round_ in range(3):
        made = [Quote("A", bid_price=n, bid_exchange_code="Q") for n in range(1_000)]
        trades = [Trade("T", price=n) for n in range(1_000)]
        assert sum(quote.bid_price for quote in made) == sum(trade.price for trade in trades)
        kept = made[::100]
        del made, trades
        fresh = [Quote("B") for _ in range(1_000)]
        assert all(quote.bid_price != quote.bid_price for quote in fresh)
        assert all(quote.bid_exchange_code is None for quote in fresh)
        publish(exchange, listener, round_)
        assert next(listener) == Quote("A", bid_price=round_)
        assert [quote.bid_price for quote in kept] == list(range(0, 1_000, 100))
        assert not any(gc.is_tracked(quote) for quote in (*kept, *fresh))


def test_the_symbol_of_events_is_the_string_of_the_program(
    exchange: Exchange, listener: Listener[Quote]
) -> None:
    publish(exchange, listener, 1, 2)
    first, second = next(listener), next(listener)
    assert first.event_symbol is second.event_symbol
    assert first.event_symbol is sys.intern("A")


@pytest.mark.parametrize("way", ["listen", "batches"])
def test_a_loop_goes_on_watching_for_a_listener_until_that_is_gone(
    exchange: Exchange, way: str
) -> None:
    with DXLinkStreamer(exchange.url) as streamer, ExitStack() as stack:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions)
        iteration: Any = streamer.listen(Quote) if way == "listen" else streamer.batches(Quote)
        loop = asyncio.new_event_loop()
        begins = stack.enter_context(patch.object(loop, "add_reader", wraps=loop.add_reader))
        ends = stack.enter_context(patch.object(loop, "remove_reader", wraps=loop.remove_reader))
        for bid in range(3):
            waits = loop.create_task(awaited(anext(iteration)))
            for _ in range(10):
                loop.run_until_complete(asyncio.sleep(0))
            assert not waits.done()
            exchange.publish(Quote("A", bid_price=bid))
            loop.run_until_complete(waits)
        # Its line, and what the loop may read itself.
        assert (begins.call_count, ends.call_count) == (2, 0)
        # Another thread may be the one that lets it go.
        held = [iteration]
        del iteration
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        assert (begins.call_count, ends.call_count) == (2, 1)
        loop.close()
