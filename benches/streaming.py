"""How fast quotes stream from the embedded exchange through the public API.

Server and client share the machine, over loopback, in rows of 12 fields (about 79 bytes) of 1,000
symbols. The ways are measured in turns; each figure is the median of its rounds, in million events
a second, with the least and the most. Every round checks the number of events and the sum of the
prices read.
"""

import asyncio
import itertools
import os
import platform
import statistics
import time
from collections.abc import AsyncIterable, Callable, Iterable

import numpy as np
import numpy.typing as npt
import uvloop

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Blast, Exchange

SYMBOLS = [f"SYM{number:04}" for number in range(1_000)]
CYCLE = 8 * len(SYMBOLS)
"""After so many rows, a blast repeats itself."""

ROUNDS = 5
EVENTS = {50: 250 * CYCLE, 1: 75 * CYCLE}
"""Events of a round, by rows a frame."""


class Tally:
    """Reads bid and ask of each quote, and checks them at the end."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.total = 0.0
        self.first_cycle = 0.0
        self.began = 0.0

    def read(self, quotes: Iterable[Quote]) -> None:
        """Read the quotes of a ``for`` loop."""
        for count, quote in enumerate(quotes, 1):
            self.total += quote.bid_price + quote.ask_price
            if count == 1:
                self.began = time.perf_counter()
            if count == CYCLE:
                self.first_cycle = self.total
            if count == self.events:
                break

    async def read_async(self, quotes: AsyncIterable[Quote]) -> None:
        """Read the quotes of an ``async for`` loop."""
        count = 0
        async for quote in quotes:
            count += 1
            self.total += quote.bid_price + quote.ask_price
            if count == 1:
                self.began = time.perf_counter()
            if count == CYCLE:
                self.first_cycle = self.total
            if count == self.events:
                break

    def rate(self) -> float:
        """Return million events a second, having checked the values."""
        seconds = time.perf_counter() - self.began
        expected = self.first_cycle * (self.events // CYCLE)
        if abs(self.total - expected) > 1e-9 * expected:
            msg = f"the prices add up to {self.total}, not to {expected}"
            raise AssertionError(msg)
        return self.events / seconds / 1e6


def plain_loop(url: str, events: int) -> float:
    """Measure ``for quote in listen(Quote)``."""
    with DXLinkStreamer(url) as streamer:
        tally = Tally(events)
        listener = streamer.listen(Quote, buffer=events)
        streamer.subscribe(Quote, SYMBOLS, 0)
        tally.read(listener)
        return tally.rate()


async def async_loop(url: str, events: int) -> float:
    """Measure ``async for quote in listen(Quote)``."""
    async with DXLinkStreamer(url) as streamer:
        tally = Tally(events)
        listener = streamer.listen(Quote, buffer=events)
        await streamer.subscribe(Quote, SYMBOLS, 0)
        await tally.read_async(listener)
        return tally.rate()


def batches(url: str, events: int) -> float:
    """Measure ``for table in batches(Quote)``, reading two columns."""
    with DXLinkStreamer(url) as streamer:
        tables = streamer.batches(Quote, fields=["bid_price", "ask_price"], buffer=events)
        streamer.subscribe(Quote, SYMBOLS, 0)
        began = 0.0
        seen: list[npt.NDArray[np.float64]] = []
        while tables.stats().delivered < events:
            table = next(tables)
            began = began or time.perf_counter()
            seen.append(table.bid_price + table.ask_price)
        seconds = time.perf_counter() - began
        prices = np.concatenate(seen).reshape(-1, CYCLE)
        if not (prices == prices[0]).all():
            msg = "the prices do not repeat themselves"
            raise AssertionError(msg)
        return events / seconds / 1e6


def store(url: str, events: int) -> float:
    """Measure events that nobody listens to: they are read into the rings of their symbols."""
    with DXLinkStreamer(url) as streamer:
        streamer.listen(Quote).close()
        streamer.subscribe(Quote, SYMBOLS, 0)
        idle = streamer.listen(Trade)
        while not streamer.stats().events:
            time.sleep(0.0001)
        began, before = time.perf_counter(), streamer.stats().events
        while (now := streamer.stats().events) < events:
            time.sleep(0.0005)
        seconds = time.perf_counter() - began
        missing = [symbol for symbol in SYMBOLS if streamer.latest(Quote, symbol) is None]
        if missing or now != events or idle.stats().received:
            msg = f"{now} of {events} events came, and none of {missing}"
            raise AssertionError(msg)
        return (now - before) / seconds / 1e6


WAYS: dict[str, Callable[[str, int], float]] = {
    "for quote in listen(Quote)": plain_loop,
    "async for, asyncio": lambda url, events: asyncio.run(async_loop(url, events)),
    "async for, uvloop": lambda url, events: uvloop.run(async_loop(url, events)),
    "batches, two columns": batches,
    "rings alone, nobody listens": store,
}


def main() -> None:
    """Measure and print."""
    rates: dict[tuple[str, int], list[float]] = {}
    for _, rows, (name, measure) in itertools.product(range(ROUNDS), EVENTS, WAYS.items()):
        events = EVENTS[rows]
        blast = Blast(rows=events, rows_per_frame=rows, wait_for=len(SYMBOLS))
        with Exchange(blast) as exchange:
            rates.setdefault((name, rows), []).append(measure(exchange.url, events))
    print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, {ROUNDS} rounds")
    print(f"{'million events a second':32}{'50 rows a frame':>20}{'1 row a frame':>20}")
    for name in WAYS:
        shown = [
            f"{statistics.median(of):.2f} ({min(of):.2f}-{max(of):.2f})"
            for of in (rates[name, rows] for rows in EVENTS)
        ]
        print(f"{name:32}{shown[0]:>20}{shown[1]:>20}")


if __name__ == "__main__":
    main()
