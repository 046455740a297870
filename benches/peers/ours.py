"""Runs of dxstream."""

import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import uvloop
from benches.peers.conditions import until
from benches.peers.publish import TYPES
from benches.peers.quotes import FIELDS, NUMBERS
from benches.peers.run import Found, Run

from dxstream import DXLinkStreamer, SlowConsumerWarning, dxfeed
from dxstream.cli.paths import WAYS, Measured, Stopwatch, read_async
from dxstream.dxfeed import Event, Quote

SNAPSHOTS_EVERY = 0.1
SNAPSHOTS = 300

COLUMNS = [FIELDS[field] for field in NUMBERS]


def _found(measured: Measured) -> Found:
    return Found.of(measured.events, measured.seconds, measured.cpu)


async def _latency(run: Run) -> Found:
    expected = run.expected
    async with DXLinkStreamer(run.url) as streamer:
        quotes = streamer.listen(Quote)
        await streamer.subscribe(Quote, expected.symbols, 0)
        now, total = time.monotonic_ns, 0.0
        ages: list[int] = []
        latest: dict[str, tuple[float, float]] = {}
        watch = Stopwatch()
        async for quote in quotes:
            total += quote.bid_price + quote.ask_price
            ages.append(now() - quote.bid_time * 1_000_000 - quote.time_nano_part)
            if len(ages) > run.rows - len(expected.symbols):
                latest[quote.event_symbol] = (quote.bid_price, quote.ask_price)
                if len(ages) == run.rows:
                    break
        measured = watch.stop(run.rows)
        expected.check(len(ages), total, latest)
        return _found(measured).with_ages(ages)


async def _listen(run: Run) -> Found:
    async with DXLinkStreamer(run.url) as streamer:
        return _found(await read_async(streamer, run.expected))


async def _columns(run: Run) -> Found:
    """Read two columns every 10 ms."""
    expected = run.expected
    async with DXLinkStreamer(run.url) as streamer:
        tables = streamer.batches(Quote, fields=["bid_price", "ask_price"], max_wait=0.01)
        await streamer.subscribe(Quote, expected.symbols, 0)
        events, first, total = 0, 0, 0.0
        latest: dict[str, tuple[float, float]] = {}
        watch = Stopwatch()
        async for table in tables:
            if not events:
                watch, first = Stopwatch(), len(table)
            events += len(table)
            total += float((table.bid_price + table.ask_price).sum())
            if events > run.rows - len(expected.symbols):
                prices = zip(table.bid_price.tolist(), table.ask_price.tolist(), strict=True)
                latest |= dict(zip(map(str, table.symbols), prices, strict=True))
            if events == run.rows:
                break
        measured = watch.stop(events - first)
        expected.check(events, total, latest)
        return _found(measured)


def _wait_for(streamer: DXLinkStreamer, events: int) -> None:
    came = f"{events:,} events have come"
    until(lambda: streamer.stats().events >= events, every=0.01, what=came)


def _wait_for_first(streamer: DXLinkStreamer) -> int:
    """Wait until events come, and say how many have."""
    until(lambda: streamer.stats().events > 0, every=0.0005, what="an event has come")
    return streamer.stats().events


def _kept(run: Run) -> Found:
    """Keep the last of each symbol, and read a snapshot ten times a second."""
    expected = run.expected
    with DXLinkStreamer(run.url) as streamer:
        streamer.subscribe(Quote, expected.symbols, 0)
        _wait_for_first(streamer)
        # The first snapshot brings modules; what the others take is measured.
        streamer.snapshot(Quote, fields=COLUMNS)
        first = streamer.stats().events
        watch = Stopwatch()

        def all_came() -> bool:
            streamer.snapshot(Quote, fields=COLUMNS)
            return streamer.stats().events >= run.rows

        until(all_came, every=SNAPSHOTS_EVERY, what=f"{run.rows:,} events have come")
        table = streamer.snapshot(Quote, expected.symbols)
        measured = watch.stop(run.rows - first)
        prices = zip(table.bid_price.tolist(), table.ask_price.tolist(), strict=True)
        latest = dict(zip(map(str, table.symbols), prices, strict=True))
        expected.check(streamer.stats().events, None, latest)
        return _found(measured)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _asleep(run: Run) -> Found:
    """Let a listener sleep while all events come."""
    warnings.simplefilter("ignore", SlowConsumerWarning)
    with DXLinkStreamer(run.url) as streamer:
        listener = streamer.listen(Quote)
        before = _resident()
        streamer.subscribe(Quote, run.expected.symbols, 0)
        _wait_for(streamer, run.rows)
        grown = _resident() - before
        stats, memory = listener.stats(), streamer.memory()
        run.expected.check(stats.received, None, {})
        if stats.received != stats.delivered + stats.pending + stats.dropped + stats.conflated:
            msg = f"events are missing in {stats}"
            raise ValueError(msg)
        if grown > memory.bound:
            msg = f"the process grew by {grown:,} bytes:\n{memory}"
            raise ValueError(msg)
        figures = {"grown": grown, "bound": memory.bound, "dropped": stats.dropped}
        return Found({name: figure / 1e6 for name, figure in figures.items()})


def _snapshot(run: Run) -> Found:
    """Read snapshots of all symbols, one way after the other, when all rows are there."""
    with DXLinkStreamer(run.url) as streamer:
        streamer.subscribe(Quote, run.expected.symbols, 0)
        _wait_for(streamer, run.rows)
        numbers, whole = streamer.snapshot(Quote, fields=COLUMNS), streamer.snapshot(Quote)
        ways: dict[str, Callable[[], object]] = {
            "out": lambda: streamer.snapshot(Quote, out=numbers),
            "fresh": lambda: streamer.snapshot(Quote, fields=COLUMNS),
            "all": lambda: streamer.snapshot(Quote, out=whole),
        }
        took: dict[str, list[int]] = {name: [] for name in ways}
        for name, read in ways.items():
            for _ in range(SNAPSHOTS):
                began = time.perf_counter_ns()
                read()
                took[name].append(time.perf_counter_ns() - began)
        for table in (numbers, whole):
            prices = zip(table.bid_price.tolist(), table.ask_price.tolist(), strict=True)
            latest = dict(zip(map(str, table.symbols), prices, strict=True))
            run.expected.check(run.rows, None, latest)
        return Found({name: float(np.median(of)) / 1e3 for name, of in took.items()})


def _scale(run: Run) -> Found:
    """Subscribe many symbols, and wait until each has had an event."""
    symbols = run.expected.symbols
    with DXLinkStreamer(run.url) as streamer:
        before, cpu = _resident(), time.process_time()
        began = time.perf_counter()
        streamer.subscribe(Quote, symbols, 0)
        called = time.perf_counter() - began
        until(
            lambda: sum(count for _, count, *_ in streamer.memory().rings) >= len(symbols),
            every=0.01,
            what=f"each of {len(symbols):,} symbols has an event",
        )
        seconds = time.perf_counter() - began
        stats, memory = streamer.stats(), streamer.memory()
        latest = streamer.snapshot(Quote, symbols)
        if np.isnan(latest.bid_price).any() or stats.subscriptions != len(symbols):
            msg = f"not every one of {len(symbols)} symbols has an event: {stats}"
            raise ValueError(msg)
        return Found(
            {
                "seconds": seconds,
                "call": called,
                "connections": float(stats.connections),
                "cpu": time.process_time() - cpu,
                "grown": (_resident() - before) / 1e6,
                "allocated": memory.allocated / 1e6,
            }
        )


def _listeners(run: Run) -> Found:
    """Let several listeners have every event, each read in turn."""
    count = int(run.way.removeprefix("listeners "))
    with DXLinkStreamer(run.url) as streamer:
        tables = [
            streamer.batches(Quote, fields=["bid_price", "ask_price"], buffer=run.rows)
            for _ in range(count)
        ]
        streamer.subscribe(Quote, run.expected.symbols, 0)
        first = _wait_for_first(streamer)
        watch, totals, events = Stopwatch(), [0.0] * count, [0] * count
        while min(events) < run.rows:
            for at, of in enumerate(tables):
                if events[at] < run.rows:
                    table = next(of)
                    events[at] += len(table)
                    totals[at] += float((table.bid_price + table.ask_price).sum())
        measured = watch.stop(run.rows - first)
        for seen, total in zip(events, totals, strict=True):
            run.expected.check(seen, total, {})
        return _found(measured)


def _types(run: Run) -> Found:
    """Keep events of several types, which another exchange than that of the run publishes."""
    names = TYPES[: int(run.way.removeprefix("types "))]
    numbers = map(str, (len(names), run.symbols, run.rows))
    command = [sys.executable, "-m", "benches.peers.publish", *numbers]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as exchange:
        assert exchange.stdout is not None
        kinds: list[type[Event]] = [getattr(dxfeed, name) for name in names]
        with DXLinkStreamer(exchange.stdout.readline().strip()) as streamer:
            for kind in kinds:
                streamer.subscribe(kind, run.expected.symbols, 0)
            first = _wait_for_first(streamer)
            watch = Stopwatch()
            _wait_for(streamer, run.rows)
            measured = watch.stop(run.rows - first)
            of_type = {name: of.events for name, of in streamer.stats().by_type.items()}
            if of_type != dict.fromkeys(names, run.rows // len(names)):
                msg = f"{of_type} came where {run.rows:,} events were published"
                raise ValueError(msg)
        return _found(measured)


ASYNC: dict[str, Callable[[Run], Awaitable[Found]]] = {
    "latency": _latency,
    "listen": _listen,
    "columns": _columns,
}
BLOCKING: dict[str, Callable[[Run], Found]] = {
    "kept": _kept,
    "asleep": _asleep,
    "snapshot": _snapshot,
    "scale": _scale,
}


def measure(run: Run) -> Found:
    """Run one of the ways, on uvloop where there is a loop."""
    if run.way in WAYS:
        return _found(WAYS[run.way](run.url, run.expected))
    if run.way in BLOCKING:
        return BLOCKING[run.way](run)
    if run.way.startswith("listeners "):
        return _listeners(run)
    if run.way.startswith("types "):
        return _types(run)

    async def main() -> Found:
        return await ASYNC[run.way](run)

    return uvloop.run(main())
