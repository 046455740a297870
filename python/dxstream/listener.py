"""A listener: the events of one type, one after another."""

import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from dxstream._dxstream import Queue, Wake
from dxstream.dxfeed import Event
from dxstream.errors import SlowConsumerWarning, StreamerClosedError
from dxstream.waiting import Procedure, Wait, checkpoint, run, run_blocking

__all__ = ["Listener", "ListenerStats"]

E = TypeVar("E", bound=Event)

_EVENTS_PER_CHECKPOINT = 512
_SECONDS_PER_WARNING = 60.0


@dataclass(frozen=True, slots=True)
class ListenerStats:
    """What became of a listener's events; ``received`` is the sum of the others.

    Attributes
    ----------
    received
        Events of the listener's type that came since it began.
    delivered
        Events that the program took.
    pending
        Events that wait.
    dropped
        Events that were dropped, oldest first, because the buffer was full.
    filtered
        Events of symbols that the listener did not ask for.
    """

    received: int
    delivered: int
    pending: int
    dropped: int
    filtered: int


def take(queue: Queue[E], wake: Wake) -> Procedure[E]:
    """Take the next event of a queue, waiting for it with a line of the caller's own."""
    while True:
        event = queue.next()
        if event is not None:
            return event
        if (ended := queue.ended()) is not None:
            raise ended
        if queue.arm(wake):
            yield Wait(wake)


class Listener(AsyncIterator[E], Iterator[E], Generic[E]):
    """The events of one type, in the order of arrival: ``async for`` or ``for``.

    Every listener gets every event. Iteration ends when the streamer is closed, and raises what ended
    the stream otherwise. One task or thread iterates at a time; cancelling it loses no event.
    """

    def __init__(self, queue: Queue[E], name: str, forget: Callable[["Listener[E]"], None]) -> None:
        self._queue = queue
        self._name = name
        self._forget = forget
        self._wake = Wake()
        self._closed = False
        self._waiting = False
        self._since_checkpoint = 0
        self._warned_drops = 0
        self._warned_at = float("-inf")

    def __repr__(self) -> str:
        """Show the event type and the counts."""
        stats = self.stats()
        return f"<Listener of {self._name}: {stats.delivered} delivered, {stats.pending} pending>"

    def stats(self) -> ListenerStats:
        """Count what became of the events, at one moment."""
        return ListenerStats(*self._queue.stats())

    def close(self) -> None:
        """Stop listening; an iteration that waits ends."""
        self._closed = True
        self._wake.ring()
        self._forget(self)

    async def aclose(self) -> None:
        """Stop listening, as an async generator does."""
        self.close()

    def _next(self) -> Procedure[E]:
        if self._waiting:
            msg = "another task iterates this listener; make a listener for each"
            raise RuntimeError(msg)
        self._waiting = True
        try:
            self._warn_of_drops()
            step = take(self._queue, self._wake)
            wait = next(step)
            while not self._closed:
                wait = step.send((yield wait))
            msg = "the listener is closed"
            raise StreamerClosedError(msg)
        except StopIteration as stop:
            event: E = stop.value
            return event
        finally:
            self._waiting = False

    def _warn_of_drops(self) -> None:
        dropped = self.stats().dropped
        now = time.monotonic()
        if dropped > self._warned_drops and now >= self._warned_at + _SECONDS_PER_WARNING:
            self._warned_at = now
            self._warned_drops = dropped
            warnings.warn(
                f"the listener of {self._name} is too slow: {dropped} events were dropped; "
                "take them faster, or give it a larger buffer",
                SlowConsumerWarning,
                stacklevel=4,
            )

    def _ready(self) -> E | None:
        if self._closed:
            msg = "the listener is closed"
            raise StreamerClosedError(msg)
        return self._queue.next()

    def __aiter__(self) -> "Listener[E]":
        return self

    async def __anext__(self) -> E:
        self._since_checkpoint += 1
        if self._since_checkpoint >= _EVENTS_PER_CHECKPOINT:
            self._since_checkpoint = 0
            self._warn_of_drops()
            await checkpoint()
        try:
            event = self._ready()
            if event is None:
                self._since_checkpoint = 0
                event = await run(self._next())
        except StreamerClosedError:
            raise StopAsyncIteration from None
        return event

    def __iter__(self) -> "Listener[E]":
        return self

    def __next__(self) -> E:
        try:
            event = self._ready()
            return run_blocking(self._next()) if event is None else event
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
