"""Streamers are cancelled, abandoned, shared and closed at any moment: nothing is lost or left."""

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import uvloop
from conftest import DEADLINE, io_threads, until

from dxstream import (
    ConnectionLostError,
    DXLinkStreamer,
    Endpoint,
    ReconnectPolicy,
    StreamerClosedError,
)
from dxstream.dxfeed import Candle, Greeks, Quote, Trade
from dxstream.exchange import Exchange, FaultProxy

SOON = ReconnectPolicy(min_delay=0.001, max_delay=0.01)
MINUTE = 60_000
START = 1_700_000_000_000 // MINUTE * MINUTE


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


async def cancelled_after(steps: int, wait: Awaitable[Any]) -> tuple[bool, Any]:
    """Give a wait so many turns of the loop, and cancel it; say whether it was done, and how."""
    task = asyncio.ensure_future(wait)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    try:
        return True, await task
    except asyncio.CancelledError:
        return False, None


async def _awaited(wait: Awaitable[Any]) -> Any:
    return await wait


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_listener_that_is_cancelled_at_any_step_loses_no_event(
    exchange: Exchange, run: Callable[[Any], Any]
) -> None:
    async def main() -> list[float]:
        seen: list[float] = []
        async with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, "A", 0)
            until(lambda: exchange.stats().subscriptions == 1)
            listener = streamer.listen(Quote)
            published = 0
            for round_ in range(60):
                for _ in range(round_ % 3):
                    published += 1
                    exchange.publish(Quote("A", bid_price=published))
                done, event = await cancelled_after(round_ % 7, anext(listener))
                if done:
                    seen.append(event.bid_price)
            while len(seen) < published:
                seen.append((await asyncio.wait_for(anext(listener), DEADLINE)).bid_price)
            stats = listener.stats()
            assert (stats.received, stats.delivered) == (published, published)
        return seen

    seen = run(main())
    assert seen == [float(number) for number in range(1, len(seen) + 1)]


@pytest.mark.parametrize("way", ["get_event", "batches", "states", "candles", "live", "collect"])
def test_what_waits_can_be_cancelled_at_any_step_and_asked_again(
    exchange: Exchange, way: str
) -> None:
    def bar(number: int) -> Candle:
        time = START + number * MINUTE
        return Candle("A{=m}", time=time, index=time // 1000 << 32, close=number + 1, open=1)

    async def main() -> None:
        exchange.publish(bar(0), Quote("B", bid_price=1))
        async with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            until(lambda: exchange.stats().subscriptions == 1)
            batches = streamer.batches(Quote, max_wait=0)
            states = streamer.states()
            assert (await anext(states)).state == "connected"
            candles = await streamer.candles("A{=m}")
            live = candles.live()
            waits: dict[str, Callable[[], Awaitable[Any]]] = {
                "get_event": lambda: streamer.get_event(Quote),
                "batches": lambda: anext(batches),
                "states": lambda: anext(states),
                "candles": lambda: streamer.candles("A{=m}"),
                "live": lambda: anext(live),
                "collect": lambda: streamer.collect(Quote, ["A", "B"], timeout=DEADLINE),
            }
            wait, steps = waits[way], 0
            before = descriptors()
            # Until one is done in so few steps, or none ever would be.
            while not (await cancelled_after(steps, wait()))[0] and steps < 40:
                steps += 1
            if way in ("get_event", "batches"):
                exchange.publish(Quote("A", bid_price=7))
            elif way == "states":
                exchange.close_connections(1012, "again")
            elif way == "live":
                exchange.publish(bar(1))
            elif way == "collect":
                exchange.publish(Quote("A", bid_price=7))
            result = await asyncio.wait_for(_awaited(wait()), DEADLINE)
            gc.collect()
            assert descriptors() <= before + 2
            if way == "get_event":
                assert result.bid_price == 7
            elif way == "batches":
                assert result.bid_price.tolist() == [7]
            elif way == "states":
                assert result.state == "reconnecting"
            elif way == "collect":
                assert sorted(result[0]) == ["A", "B"]
            else:
                assert result.close.tolist() == [1, 2] if way == "live" else [1]

    asyncio.run(main())


def test_connecting_and_closing_can_be_cancelled_at_any_step(exchange: Exchange) -> None:
    async def session() -> Endpoint:
        await asyncio.sleep(0)
        return Endpoint(exchange.url)

    async def main() -> None:
        for steps in range(12):
            streamer = DXLinkStreamer(session)
            done, _ = await cancelled_after(steps, streamer.__aenter__())
            if done:
                await cancelled_after(steps % 4, streamer.close())
            assert streamer.state in ("new", "closed") or done
            with suppress(StreamerClosedError):
                await streamer.close()
        until(lambda: exchange.stats().connections == 0)

    asyncio.run(main())
    gc.collect()
    until(lambda: io_threads() == 0 and threads("dxstream-callbacks") == 0)


def test_a_timeout_that_races_with_events_loses_none(exchange: Exchange) -> None:
    async def main() -> list[float]:
        seen: list[float] = []
        async with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, "A", 0)
            until(lambda: exchange.stats().subscriptions == 1)
            listener = streamer.listen(Quote)

            def publish() -> None:
                for number in range(1, 301):
                    exchange.publish(Quote("A", bid_price=number))

            publisher = threading.Thread(target=publish)
            publisher.start()
            while len(seen) < 300:
                with suppress(TimeoutError):
                    seen.append((await asyncio.wait_for(anext(listener), 0.0002)).bid_price)
            publisher.join()
        return seen

    assert asyncio.run(main()) == [float(number) for number in range(1, 301)]


def test_waits_in_vain_keep_no_descriptor(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        before = descriptors()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                streamer.get_event(Greeks).result(0)
            listener = streamer.listen(Quote, gaps=True)
            iteration = streamer.states()
            next(iteration)
            assert listener._queue.arm(listener._wait.wake)
            streamer._connected().watch(iteration._wake)
            del listener, iteration
        gc.collect()
        assert descriptors() == before


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("way", ["listen", "gaps", "batches", "live", "get_event"])
def test_what_ends_with_its_streamer_is_let_go_at_once(exchange: Exchange, way: str) -> None:
    exchange.publish(Candle("A{=m}", time=START, index=START // 1000 << 32, close=1.0))

    def waits(streamer: DXLinkStreamer) -> Callable[[], Any]:
        if way == "get_event":
            return partial(streamer.get_event(Quote).result, DEADLINE)
        iterations: dict[str, Callable[[], Iterator[Any]]] = {
            "listen": lambda: streamer.listen(Quote),
            "gaps": lambda: streamer.listen(Quote, gaps=True),
            "batches": lambda: streamer.batches(Quote),
            "live": lambda: streamer.candles("A{=m}").result(DEADLINE).live(),
        }
        return partial(list, iterations[way]())

    def ends() -> None:
        with DXLinkStreamer(exchange.url) as streamer:
            ending = waits(streamer)
        with suppress(StreamerClosedError):
            ending()

    ends()
    before = descriptors()
    for _ in range(5):
        ends()
    until(lambda: descriptors() <= before)


@pytest.mark.usefixtures("no_collection")
def test_a_connection_that_fails_is_let_go_at_once() -> None:
    with Exchange(None) as gone:
        url = gone.url

    def fails() -> None:
        with pytest.raises(ConnectionLostError), DXLinkStreamer(url):
            pass

    fails()
    before = descriptors()
    for _ in range(5):
        fails()
    until(lambda: descriptors() <= before)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_closed_while_streaming_does_no_harm(
    exchange: Exchange, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    first, second = new_loop(), new_loop()
    streamer = DXLinkStreamer(exchange.url)
    first.run_until_complete(streamer.__aenter__())
    streamer.subscribe(Quote, "A", 0)
    listener = streamer.listen(Quote)
    task = first.create_task(_awaited(anext(listener)))
    first.run_until_complete(asyncio.sleep(0))
    task.cancel()
    # A loop that is closed before the cancellation had its turn destroys what waits in it.
    first.set_exception_handler(lambda _loop, _context: None)
    first.close()
    del task
    gc.collect()
    exchange.publish(Quote("A", bid_price=1))
    until(lambda: listener.stats().pending == 1)
    event = second.run_until_complete(asyncio.wait_for(_awaited(anext(listener)), DEADLINE))
    assert event.bid_price == 1
    second.run_until_complete(streamer.__aexit__(None, None, None))
    second.close()
    assert streamer.state == "closed"


def test_two_loops_of_two_kinds_use_one_streamer_at_once(exchange: Exchange) -> None:
    counts: dict[str, list[float]] = {}

    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        listeners = {name: streamer.listen(Quote) for name in ("asyncio", "uvloop", "trio", "none")}

        async def read(name: str) -> None:
            counts[name] = [(await anext(listeners[name])).bid_price for _ in range(200)]

        workers = [
            threading.Thread(target=lambda: asyncio.run(read("asyncio"))),
            threading.Thread(target=lambda: uvloop.run(read("uvloop"))),
            threading.Thread(target=lambda: trio.run(read, "trio")),
            threading.Thread(
                target=lambda: counts.update(
                    none=[next(listeners["none"]).bid_price for _ in range(200)]
                )
            ),
        ]
        for worker in workers:
            worker.start()
        for number in range(200):
            exchange.publish(Quote("A", bid_price=number))
        for worker in workers:
            worker.join(DEADLINE)
    assert counts == {name: [float(number) for number in range(200)] for name in listeners}


def test_a_streamer_is_entered_in_one_task_and_left_in_another(exchange: Exchange) -> None:
    async def main() -> None:
        streamer = DXLinkStreamer(exchange.url)
        await asyncio.create_task(_awaited(streamer.__aenter__()))
        with pytest.raises(RuntimeError, match="connected already"):
            await streamer.__aenter__()
        assert streamer.state == "connected"
        for _ in range(2):
            await asyncio.create_task(_awaited(streamer.__aexit__(None, None, None)))
            assert streamer.state == "closed"

    asyncio.run(main())
    until(lambda: exchange.stats().connections == 0)


@pytest.mark.parametrize("blocking", [True, False])
def test_closing_while_connecting_ends_that(exchange: Exchange, blocking: bool) -> None:
    with FaultProxy(exchange.url) as proxy:
        proxy.freeze()
        streamer = DXLinkStreamer(proxy.url)

        def close() -> None:
            until(lambda: proxy.stats().accepted == 1)
            streamer.close()

        closer = threading.Thread(target=close)
        closer.start()
        enter = streamer.__enter__ if blocking else lambda: asyncio.run(streamer.__aenter__())
        with pytest.raises(StreamerClosedError):
            enter()
        closer.join()
        assert streamer.state == "closed"
    until(lambda: io_threads() == 0)


def test_a_streamer_closed_before_its_session_answers_does_not_connect(exchange: Exchange) -> None:
    def session() -> Endpoint:
        streamer.close()
        return Endpoint(exchange.url)

    streamer = DXLinkStreamer(session)
    with pytest.raises(StreamerClosedError, match="closed while it was connecting"), streamer:
        pass
    assert exchange.stats().attempts == 0


def test_what_belongs_to_a_process_refuses_to_be_pickled(exchange: Exchange) -> None:
    exchange.publish(
        Quote("A", bid_price=1), Candle("A{=m}", time=START, index=START // 1000 << 32)
    )
    with DXLinkStreamer(exchange.url) as streamer, FaultProxy(exchange.url) as proxy:
        streamer.subscribe(Quote, "A", 0)
        batches = streamer.batches(Quote)
        candles = streamer.candles("A{=m}").result(DEADLINE)
        for of_process in (
            streamer,
            streamer.listen(Quote),
            batches,
            candles.live(),
            streamer.states(),
            streamer.get_event(Quote),
            exchange,
            proxy,
        ):
            name = type(of_process).__name__
            for refused in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=f"{name} objects belong .* pickled") as raised:
                    refused(of_process)
                assert "\n" not in str(raised.value)
        table = next(batches)
        event = streamer.latest(Quote, "A")
        for value in (event, table, candles, Endpoint("wss://example.com")):
            pickle.loads(pickle.dumps(value))
        assert pickle.loads(pickle.dumps(event)) == event


def test_a_hundred_streamers_share_a_thread() -> None:
    with Exchange(None) as exchange:
        before = descriptors()
        exchange.publish(Quote("A", bid_price=1))
        streamers = [DXLinkStreamer(exchange.url).__enter__() for _ in range(100)]
        for streamer in streamers:
            streamer.subscribe(Quote, "A", 0)
        assert all(
            streamer.get_event(Quote).result(DEADLINE).bid_price == 1 for streamer in streamers
        )
        assert io_threads() == 1
        # A socket each, and its other end in this process; the rest is the I/O thread's.
        assert descriptors() - before <= 2 * len(streamers) + 8
        for streamer in streamers:
            streamer.close()
        for streamer in streamers:
            streamer.close().result(DEADLINE)
        until(lambda: exchange.stats().connections == 0)
        until(lambda: descriptors() <= before)
    until(lambda: io_threads() == 0)


@pytest.mark.parametrize("how", ["connected", "reconnecting", "callbacks", "cycle", "listener"])
def test_a_forgotten_streamer_is_closed_and_said_to_be(how: str) -> None:
    with Exchange(None) as exchange:
        callback = (lambda _: None) if how == "callbacks" else None
        streamers = [DXLinkStreamer(exchange.url, on_gap=callback, reconnect=SOON)]
        streamers[0].__enter__()
        streamers[0].subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        listener = streamers[0].listen(Quote)
        exchange.publish(Quote("A", bid_price=1))
        until(lambda: listener.stats().pending == 1)
        if how == "reconnecting":
            exchange.stop()
            until(lambda: streamers[0].state == "reconnecting")
        if how == "cycle":
            streamers[0].myself = streamers[0]  # type: ignore[attr-defined]
        forgotten = weakref.ref(streamers[0])

        def forget() -> None:
            streamers.clear()
            gc.collect()

        with pytest.warns(ResourceWarning, match="never closed"):
            forget()
        gc.collect()
        assert forgotten() is None
        if how == "listener":
            # It outlives the streamer, and gives what it holds.
            assert [event.bid_price for event in listener] == [1]
        until(lambda: io_threads() == 0 and threads("dxstream-callbacks") == 0)
        until(lambda: exchange.stats().connections == 0)
        listener.close()


def test_the_thread_of_callbacks_survives_a_closed_loop(exchange: Exchange) -> None:
    called: list[object] = []
    loop = asyncio.new_event_loop()
    streamer = DXLinkStreamer(exchange.url, reconnect=SOON, on_gap=called.append)
    loop.run_until_complete(streamer.__aenter__())
    loop.close()
    streamer.subscribe(Trade, "A", 0)
    until(lambda: exchange.stats().subscriptions == 1)
    exchange.close_connections(1012, "again")
    until(lambda: streamer.gaps)
    streamer.close().result(DEADLINE)
    until(lambda: threads("dxstream-callbacks") == 0)
    assert called == []


def test_a_session_is_asked_in_a_thread_of_its_own_where_a_loop_runs(exchange: Exchange) -> None:
    asked: list[str] = []

    async def session() -> Endpoint:
        await asyncio.sleep(0)
        asked.append(threading.current_thread().name)
        return Endpoint(exchange.url)

    async def main() -> None:
        with DXLinkStreamer(session):
            pass

    asyncio.run(main())
    with DXLinkStreamer(session):
        pass
    assert asked == ["dxstream-session", threading.current_thread().name]
