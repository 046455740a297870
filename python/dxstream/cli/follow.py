"""Following a stream: every event of several types, until something ends it."""

import asyncio
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

from dxstream.dxfeed import Event
from dxstream.listener import Listener
from dxstream.streamer import DEFAULT_BUFFER, DXLinkStreamer

__all__ = ["Tally", "follow", "run_until_signal"]


class Tally:
    """Counts of events, from when it is made."""

    def __init__(self) -> None:
        self.events = 0
        self._counts: Counter[str] = Counter()
        self._symbols: defaultdict[str, set[str]] = defaultdict(set)
        self._began = time.monotonic()

    def restart(self) -> None:
        """Let the time begin now."""
        self._began = time.monotonic()

    def add(self, event: Event) -> None:
        """Count an event."""
        name = type(event).__name__
        self.events += 1
        self._counts[name] += 1
        self._symbols[name].add(event.event_symbol)

    def lines(self) -> list[str]:
        """Sum up: a line for each type, with counts and rates."""
        seconds = time.monotonic() - self._began
        lines = [f"{self.events:,} events in {seconds:.1f} s"]
        if self.events:
            lines.append(f"{'':14}{'events':>11}{'a second':>13}{'symbols':>9}")
        for name, count in sorted(self._counts.items()):
            rate = count / max(seconds, 1e-9)
            lines.append(f"  {name:12}{count:>11,}{rate:>13,.1f}{len(self._symbols[name]):>9,}")
        return lines


async def run_until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; SIGTERM cancels it, as Ctrl-C does."""
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work


async def follow(
    streamer: DXLinkStreamer,
    wanted: Mapping[type[Event], Iterable[str]],
    each: Callable[[Event], bool],
    *,
    refresh_interval: float | None = 0.1,
    buffer: int = DEFAULT_BUFFER,
    begin: Callable[[], Awaitable[None]] | None = None,
    end: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Subscribe, and hand every event to `each`, those of a type in order.

    Parameters
    ----------
    streamer
        Where to subscribe.
    wanted
        The symbols of each event type.
    each
        What to do with an event; it says whether that was the last.
    refresh_interval, buffer
        As for a streamer's ``subscribe`` and ``listen``.
    begin
        What to wait for after the subscription.
    end
        What ends the stream as well when it returns.
    """
    listeners: list[Listener[Event]] = []
    for event_type, symbols in wanted.items():
        streamer.subscribe(event_type, symbols, refresh_interval)
        listeners.append(streamer.listen(event_type, buffer=buffer))
    if begin is not None:
        await begin()
    ended = False

    async def take_all(listener: Listener[Event]) -> None:
        nonlocal ended
        async for event in listener:
            if ended or each(event):
                ended = True
                return

    tasks = [asyncio.create_task(take_all(listener)) for listener in listeners]
    if end is not None:
        tasks.append(asyncio.create_task(end()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
