"""Batches: the events of one type as tables, one after another."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from dxstream._dxstream import Queue, Wake
from dxstream.dxfeed import Event
from dxstream.errors import StreamerClosedError
from dxstream.listener import warn_of_drops
from dxstream.process import Local
from dxstream.reading import check_fields, table_of
from dxstream.stats import ListenerStats
from dxstream.table import EventTable
from dxstream.waiting import Procedure, Wait, Watch, checkpoint, run, run_blocking

__all__ = ["Batches"]

_PATIENT = 0.005
"""Seconds: who lets a batch grow so long does not mind when it begins some milliseconds later."""

E = TypeVar("E", bound=Event)


class Batches(Local, AsyncIterator[EventTable[E]], Iterator[EventTable[E]], Generic[E]):
    """The events of one type as tables, in the order of arrival: ``async for`` or ``for``.

    Every listener gets every event. Iteration ends when the streamer is closed, and raises what
    ended the stream otherwise, or :class:`~dxstream.SlowConsumerError` where that was asked for.
    One task or thread iterates at a time; cancelling it loses no event.
    """

    def __init__(
        self,
        event_type: type[E],
        listen: Callable[[], Queue[E]],
        *,
        max_events: int,
        max_wait: float,
        fields: Iterable[str] | None,
        overflow: str,
    ) -> None:
        if max_events < 1:
            msg = "max_events must be at least 1"
            raise ValueError(msg)
        if not max_wait >= 0:
            msg = "max_wait must be seconds, 0 or more"
            raise ValueError(msg)
        self._event_type = event_type
        self._max_events = max_events
        self._max_wait = max_wait
        self._fields = check_fields(event_type, fields)
        self._wake = Wake(patient=max_wait >= _PATIENT)
        self._watch = Watch()
        self._waiting = False
        # When the next batch is due, on time.monotonic(): what comes after one waits no longer.
        self._due: float | None = None
        self._drops = warn_of_drops(event_type.__name__, overflow)
        # Last, for it takes over what waits for the first listener.
        self._queue = listen()

    def stats(self) -> ListenerStats:
        """Count what became of the events, at one moment."""
        return ListenerStats(*self._queue.stats())

    def _next(self) -> Procedure[EventTable[E]]:
        if self._waiting:
            msg = "another task iterates these batches; make some for each"
            raise RuntimeError(msg)
        self._waiting = True
        queue, wake, most = self._queue, self._wake, self._max_events
        try:
            self._drops(queue.stats()[4], 5)
            batch = None
            if (due := self._due) is not None:
                while queue.arm(wake, most) and (yield Wait(wake, due)):
                    pass
                batch = queue.take(most)
            if not batch:
                while queue.arm(wake):
                    yield Wait(wake)
                due = time.monotonic() + self._max_wait
                while queue.arm(wake, most) and (yield Wait(wake, due)):
                    pass
                batch = queue.take(most)
                if not batch:
                    queue.check()
            self._due = time.monotonic() + self._max_wait
            return table_of(self._event_type, batch, self._fields)
        finally:
            self._waiting = False

    def __aiter__(self) -> "Batches[E]":
        return self

    async def __anext__(self) -> EventTable[E]:
        await checkpoint()
        try:
            return await run(self._next(), self._watch)
        except StreamerClosedError:
            raise StopAsyncIteration from None

    def __iter__(self) -> "Batches[E]":
        return self

    def __next__(self) -> EventTable[E]:
        try:
            return run_blocking(self._next())
        except StreamerClosedError:
            raise StopIteration from None
