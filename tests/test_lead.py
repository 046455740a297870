"""An event loop that waits for each of many events reads the sockets itself, and loses none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
import uvloop
from conftest import DEADLINE, until
from healing import SOON
from programs import says

from dxstream import DXLinkStreamer, Listener
from dxstream.cli.blast_rows import BlastRows
from dxstream.dxfeed import Quote
from dxstream.exchange import Blast, Exchange, FaultProxy
from dxstream.waiting import lead_of

ROWS = BlastRows(0, symbol_count=10)

loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


@pytest.fixture
def steady() -> Iterator[Exchange]:
    """Run an exchange that sends quotes without end, one every half of a millisecond."""
    blast = Blast(symbols=10, wait_for=10, rows_per_frame=1, rows_per_second=2_000)
    with Exchange(blast) as exchange:
        yield exchange


def subscribe(streamer: DXLinkStreamer) -> Listener[Quote]:
    quotes = streamer.listen(Quote)
    streamer.subscribe(Quote, ROWS.symbols, 0)
    return quotes


def turns() -> int:
    """Count how often the running loop has read the sockets."""
    lead = lead_of(asyncio.get_running_loop())
    return 0 if lead is None else lead.turns


def has_more(streamer: DXLinkStreamer, events: int) -> bool:
    return streamer.stats().events > events


async def led(quotes: Listener[Quote], numbers: Iterator[int], more: int = 100) -> None:
    """Take quotes until the loop has read so many times more, and check that none is missing."""
    async with asyncio.timeout(DEADLINE):
        enough = turns() + more
        while turns() < enough:
            quote = await anext(quotes)
            assert (quote.bid_price, quote.ask_price) == ROWS.prices(next(numbers))


@loops
def test_a_loop_that_waits_for_each_event_reads_them_itself_and_misses_none(
    steady: Exchange, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def main() -> None:
        async with DXLinkStreamer(steady.url) as streamer:
            await led(subscribe(streamer), count(), more=200)

    run(main())


@loops
def test_a_loop_that_leads_and_is_blocked_holds_up_nobody_else(
    steady: Exchange, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def main() -> None:
        numbers = count()
        async with DXLinkStreamer(steady.url) as streamer:
            quotes = subscribe(streamer)
            for _ in range(3):
                await led(quotes, numbers)
                # The loop does nothing now.
                until(partial(has_more, streamer, streamer.stats().events + 200))
            await led(quotes, numbers)

    run(main())


def test_a_listener_in_a_thread_gets_every_event_while_a_loop_leads(steady: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(steady.url) as streamer:
            quotes, others = streamer.listen(Quote), streamer.listen(Quote)
            streamer.subscribe(Quote, ROWS.symbols, 0)
            over = threading.Event()
            seen: list[tuple[float, float]] = []

            def take() -> None:
                # It waits for few, so that the loop alone is woken for most.
                for quote in others:
                    seen.append((quote.bid_price, quote.ask_price))
                    if over.is_set():
                        return
                    if len(seen) % 200 == 0:
                        until(lambda: over.is_set() or others.stats().pending > 200)

            thread = threading.Thread(target=take)
            thread.start()
            try:
                await led(quotes, count())
            finally:
                over.set()
                await asyncio.to_thread(thread.join)
            assert seen == [ROWS.prices(number) for number in range(len(seen))]

    asyncio.run(main())


def test_a_loop_that_waits_no_longer_leads_no_longer(steady: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(steady.url) as streamer:
            await led(subscribe(streamer), count())
            async with asyncio.timeout(DEADLINE):
                before = -1
                while turns() != before:
                    before, events = turns(), streamer.stats().events
                    while not has_more(streamer, events + 200):
                        await asyncio.sleep(0.001)

    asyncio.run(main())


def test_no_event_is_lost_with_a_wait_that_is_cancelled_while_its_loop_leads(
    steady: Exchange,
) -> None:
    async def main() -> None:
        numbers = count()
        async with DXLinkStreamer(steady.url) as streamer:
            quotes = subscribe(streamer)
            await led(quotes, numbers)
            cancelled = 0
            while cancelled < 100:
                waits = asyncio.ensure_future(anext(quotes))
                await asyncio.sleep(0)
                if waits.done() or not waits.cancel():
                    assert (await waits).bid_price == ROWS.prices(next(numbers))[0]
                    continue
                await asyncio.wait([waits])
                if waits.cancelled():
                    cancelled += 1
                else:
                    assert waits.result().bid_price == ROWS.prices(next(numbers))[0]
            await led(quotes, numbers)

    asyncio.run(main())


def test_a_streamer_obeys_while_a_loop_leads(steady: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(steady.url) as streamer:
            quotes = subscribe(streamer)
            numbers = count()
            await led(quotes, numbers)
            with Exchange(None) as other:
                async with DXLinkStreamer(other.url) as second:
                    await second.subscribe(Quote, "A", 0)
                    async with asyncio.timeout(DEADLINE):
                        while not other.stats().subscriptions:
                            await anext(quotes)
                            next(numbers)
                    other.publish(Quote("A", bid_price=7))
                    assert (await second.get_event(Quote)).bid_price == 7
            await led(quotes, numbers)

    asyncio.run(main())


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_is_lost_while_a_loop_leads_is_made_again(
    steady: Exchange, reset: bool
) -> None:
    async def main() -> None:
        async with DXLinkStreamer(proxy.url, reconnect=SOON) as streamer:
            quotes = subscribe(streamer)
            await led(quotes, count())
            proxy.drop(reset=reset)
            async with asyncio.timeout(DEADLINE):
                while streamer.epoch == 0:
                    await anext(quotes)
                for _ in range(quotes.stats().pending):
                    await anext(quotes)
                # The blast begins anew for each client, and repeats itself.
                async for quote in quotes:
                    if (quote.bid_price, quote.ask_price) == ROWS.prices(0):
                        break
            await led(quotes, count(1))

    with FaultProxy(steady.url) as proxy:
        asyncio.run(main())


def test_a_loop_that_leads_may_be_followed_by_another(steady: Exchange) -> None:
    async def main(quotes: Listener[Quote], numbers: Iterator[int]) -> None:
        await led(quotes, numbers)

    with DXLinkStreamer(steady.url) as streamer:
        quotes, numbers = subscribe(streamer), count()
        for run in (asyncio.run, uvloop.run, asyncio.run):
            run(main(quotes, numbers))


def test_two_loops_get_every_event(steady: Exchange) -> None:
    async def main(quotes: Listener[Quote]) -> None:
        for number in range(1_000):
            quote = await anext(quotes)
            assert (quote.bid_price, quote.ask_price) == ROWS.prices(number)

    with DXLinkStreamer(steady.url) as streamer:
        listeners = [streamer.listen(Quote) for _ in range(2)]
        streamer.subscribe(Quote, ROWS.symbols, 0)
        failed: list[BaseException] = []

        def run(quotes: Listener[Quote]) -> None:
            try:
                asyncio.run(main(quotes))
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=run, args=(quotes,)) for quotes in listeners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert not failed
        assert not any(thread.is_alive() for thread in threads)


def test_a_fork_while_a_loop_leads_leaves_both_sides_streaming() -> None:
    said = says(
        """
        from dxstream.exchange import Blast
        from dxstream.waiting import lead_of
        blast = Blast(symbols=10, wait_for=10, rows_per_frame=1, rows_per_second=2_000)

        async def lead(url, between=lambda: None):
            async with DXLinkStreamer(url) as streamer:
                quotes = streamer.listen(Quote)
                await streamer.subscribe(Quote, [f"SYM{n:04}" for n in range(10)], 0)
                lead = lead_of(asyncio.get_running_loop())
                async with asyncio.timeout(20):
                    while lead.turns < 200:
                        await anext(quotes)
                    found = between()
                    while lead.turns < 400:
                        await anext(quotes)
                return found

        def fork():
            pid = os.fork()
            if pid:
                return pid
            # The child leaves the parent's loop, and has one of its own.
            asyncio._set_running_loop(None)
            try:
                asyncio.run(lead(url))
            except BaseException as error:
                print(repr(error), flush=True)
            os._exit(0)

        with Exchange(blast) as exchange:
            url = exchange.url
            pid = asyncio.run(lead(url, fork))
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )
    assert said.split() == ["0"]
