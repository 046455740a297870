"""A listener: the events of one type, one after another."""

import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from dxstream._dxstream import Iteration, Wake
from dxstream.errors import SlowConsumerWarning, StreamerClosedError
from dxstream.process import Local
from dxstream.stats import ListenerStats
from dxstream.waiting import Procedure, Wait, Watch, checkpoint, run, run_blocking

__all__ = ["Listener", "Source", "take", "warn_of_drops"]

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

_SECONDS_PER_WARNING = 60.0
_CLOSED = "the listener is closed"


class Source(Protocol[E_co]):
    """Where a listener's events come from: a queue, or what looks like one."""

    def next(self) -> E_co | None:
        """Take the next event, or ``None`` where none waits."""

    def arm(self, wake: Wake, events: int = 1) -> bool:
        """Ask `wake` to ring when something waits; ``False`` where it does already."""

    def check(self) -> None:
        """Raise why there will be no more events, where that is so."""

    def stats(self) -> tuple[int, int, int, int, int, int]:
        """Count what became of the events."""

    def set_capacity(self, capacity: int) -> None:
        """Let it hold another number of events."""


def take(
    queue: Source[E], wait: Wait, is_closed: Callable[[], bool] = lambda: False
) -> Procedure[E]:
    """Take the next event of a queue, waiting for it with a line of the caller's own."""
    while not is_closed():
        event = queue.next()
        if event is not None:
            return event
        queue.check()
        if queue.arm(wait.wake):
            yield wait
    raise StreamerClosedError(_CLOSED)


def warn_of_drops(name: str, overflow: str) -> Callable[[int, int], None]:
    """Return what warns when the number of dropped events has grown, at most once a minute.

    It takes that number, and how many calls up the program is. A listener that raises when its
    buffer is full needs no warning of it.
    """
    if overflow == "raise":
        return lambda _dropped, _stacklevel: None
    warned_drops = 0
    warned_at = float("-inf")

    def warn(dropped: int, stacklevel: int) -> None:
        nonlocal warned_drops, warned_at
        if dropped <= warned_drops:
            return
        now = time.monotonic()
        if now >= warned_at + _SECONDS_PER_WARNING:
            warned_drops, warned_at = dropped, now
            warnings.warn(
                f"the listener of {name} is too slow: {dropped} events were dropped; "
                "take them faster, or give it a larger buffer",
                SlowConsumerWarning,
                stacklevel=stacklevel,
            )

    return warn


class Listener(Local, Iteration[E], AsyncIterator[E], Iterator[E], Generic[E]):
    """The events of one type, in the order of arrival: ``async for`` or ``for``.

    Every listener gets every event. Iteration ends when the streamer is closed, and raises what
    ended the stream otherwise, or :class:`~dxstream.SlowConsumerError` where that was asked for.
    One task or thread iterates at a time; cancelling it loses no event.
    """

    def __init__(self, queue: Source[E], name: str, overflow: str, wake: Wake) -> None:
        self._queue = queue
        self._name = name
        self._wait = Wait(wake)
        self._watch = Watch()
        self._drops = warn_of_drops(name, overflow)

    def __repr__(self) -> str:
        """Show the event type and the counts."""
        stats = self.stats()
        return f"<Listener of {self._name}: {stats.delivered} delivered, {stats.pending} pending>"

    def stats(self) -> ListenerStats:
        """Count what became of the events, at one moment."""
        return ListenerStats(*self._queue.stats())

    def close(self) -> None:
        """Stop listening; an iteration that waits ends, and nothing is kept any more."""
        self._closed = True
        self._queue.set_capacity(0)
        self._wait.wake.ring()

    async def aclose(self) -> None:
        """Stop listening, as an async generator does."""
        self.close()

    def _next(self) -> Procedure[E]:
        self._begin_wait()
        try:
            return (yield from take(self._queue, self._wait, lambda: self._closed))
        finally:
            self._end_wait()

    # What the native part calls: it hands out what is ready itself, and waits once it has a bell.

    def _check(self, stacklevel: int = 3) -> None:
        self._drops(self._queue.stats()[4], stacklevel)

    async def _later(self, gives_way: bool) -> E:  # noqa: FBT001 - called by native code
        if gives_way:
            await checkpoint()
        self._check(stacklevel=4)
        try:
            event = await run(self._next(), self._watch)
        except StreamerClosedError:
            raise StopAsyncIteration from None
        self._bell = self._watch.bell
        return event

    def _block(self) -> E:
        self._check(stacklevel=4)
        try:
            return run_blocking(self._next())
        except StreamerClosedError:
            raise StopIteration from None

    async def __aenter__(self) -> "Listener[E]":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __enter__(self) -> "Listener[E]":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
