"""The ways that quotes take through the public API, each measured and its values checked.

A way runs against an exchange that sends a known number of rows of a
:class:`~dxstream.exchange.Blast`. It measures from the first event to the last, and compares the
number of events, the sum of their prices and the last quote of each symbol with what the blast is
made from.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dxstream.cli.blast_rows import BlastRows
from dxstream.dxfeed import Quote
from dxstream.streamer import DXLinkStreamer
from dxstream.table import EventTable

__all__ = ["WAYS", "Measured", "Stopwatch", "run_loop"]

_PRICES = ("bid_price", "ask_price")
_FOR_EVER = 1 << 62
_POLL_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way took: events, and the seconds and the CPU seconds of the process for them."""

    events: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Million events a second."""
        return self.events / self.seconds / 1e6

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds per million events, of all threads of the process."""
        return self.cpu / self.events * 1e6


class Stopwatch:
    """Time and CPU from when the first events came."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    def stop(self, events: int) -> Measured:
        """Say what it took to get `events` events after the first."""
        return Measured(events, time.perf_counter() - self._began, time.process_time() - self._cpu)


def run_loop(coroutine: Awaitable[Measured]) -> Measured:
    """Run on uvloop where it is installed, as programs that care for speed do."""

    async def main() -> Measured:
        return await coroutine

    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    return uvloop.run(main())


def _last(quotes: Sequence[Quote]) -> dict[str, tuple[float, float]]:
    return {of.event_symbol: (of.bid_price, of.ask_price) for of in quotes}


def _ends(table: EventTable[Quote], rows: int) -> dict[str, tuple[float, float]]:
    columns = (table.symbols, table.bid_price.tolist(), table.ask_price.tolist())
    ends = zip(*(column[-rows:] for column in columns), strict=True)
    return {str(symbol): (bid, ask) for symbol, bid, ask in ends}


def plain_loop(url: str, rows: BlastRows) -> Measured:
    """Measure ``for quote in listen(Quote)``."""
    with DXLinkStreamer(url) as streamer:
        listener = streamer.listen(Quote, buffer=rows.count)
        streamer.subscribe(Quote, rows.symbols, 0)
        quotes: Iterator[Quote] = iter(listener)
        first = next(quotes)
        watch = Stopwatch()
        total = first.bid_price + first.ask_price
        for quote in islice(quotes, rows.count - 1 - len(rows.symbols)):
            total += quote.bid_price + quote.ask_price
        last = list(islice(quotes, len(rows.symbols)))
        total += sum(quote.bid_price + quote.ask_price for quote in last)
        measured = watch.stop(rows.count - 1)
        rows.check(1 + measured.events, total, _last(last))
        return measured


async def read_async(streamer: DXLinkStreamer, rows: BlastRows) -> Measured:
    """Measure ``async for quote in listen(Quote)``."""
    listener = streamer.listen(Quote, buffer=rows.count)
    await streamer.subscribe(Quote, rows.symbols, 0)
    first = await anext(listener)
    watch = Stopwatch()
    total = first.bid_price + first.ask_price
    left = rows.count - 1 - len(rows.symbols)
    async for quote in listener:
        total += quote.bid_price + quote.ask_price
        left -= 1
        if not left:
            break
    last: list[Quote] = []
    async for quote in listener:
        total += quote.bid_price + quote.ask_price
        last.append(quote)
        if len(last) == len(rows.symbols):
            break
    measured = watch.stop(rows.count - 1)
    rows.check(1 + measured.events, total, _last(last))
    return measured


def async_loop(url: str, rows: BlastRows) -> Measured:
    """Measure ``async for quote in listen(Quote)`` on uvloop."""

    async def main() -> Measured:
        async with DXLinkStreamer(url) as streamer:
            return await read_async(streamer, rows)

    return run_loop(main())


def batches(url: str, rows: BlastRows) -> Measured:
    """Measure ``for table in batches(Quote)``, reading two columns."""
    with DXLinkStreamer(url) as streamer:
        tables = streamer.batches(Quote, fields=_PRICES, buffer=rows.count)
        streamer.subscribe(Quote, rows.symbols, 0)
        table = next(tables)
        watch, first = Stopwatch(), len(table)
        events = first
        total = float((table.bid_price + table.ask_price).sum())
        tail = len(rows.symbols)
        tails = [table]
        while events < rows.count:
            table = next(tables)
            events += len(table)
            total += float((table.bid_price + table.ask_price).sum())
            if events > rows.count - tail:
                tails.append(table)
        measured = watch.stop(events - first)
        rows.check(events, total, {k: v for of in tails for k, v in _ends(of, tail).items()})
        return measured


def store(url: str, rows: BlastRows) -> Measured:
    """Measure events that nobody listens to, up to a snapshot of all symbols at the end."""
    with DXLinkStreamer(url) as streamer:
        streamer.subscribe(Quote, rows.symbols, 0)
        while not (first := streamer.stats().events):
            time.sleep(_POLL_SECONDS)
        watch = Stopwatch()
        while (events := streamer.stats().events) < rows.count:
            time.sleep(_POLL_SECONDS)
        table = streamer.snapshot(Quote, rows.symbols)
        measured = watch.stop(events - first)
        rows.check(events, None, _ends(table, len(rows.symbols)))
        return measured


WAYS: Mapping[str, Callable[[str, BlastRows], Measured]] = {
    "async for": async_loop,
    "for": plain_loop,
    "batches": batches,
    "store": store,
}
