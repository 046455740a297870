"""What a streamer survives: how it connects again, what was missed, and how its state changes."""

import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from dxstream._dxstream import Client, Queue, Wake
from dxstream.dxfeed import Event
from dxstream.errors import StreamerClosedError
from dxstream.process import Local
from dxstream.waiting import Procedure, Wait, run, run_blocking

__all__ = ["EventsAndGaps", "Gap", "ReconnectPolicy", "StateChange", "StateChanges"]

E = TypeVar("E", bound=Event)

_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectPolicy:
    """How a streamer connects again after a loss: exponential backoff with full jitter.

    The wait before an attempt is a random part of a longest wait, which doubles with each attempt
    that fails. A server that restarts (close code 1012), and one that took the client for dead, is
    asked again at once. One that names a time (HTTP 429 and 503 with Retry-After) is obeyed, up to
    5 minutes.

    Attributes
    ----------
    min_delay
        Longest wait before the first attempt, in seconds.
    max_delay
        Longest wait before any attempt, in seconds.
    stable_after
        Seconds that a connection must have held for the waits to begin anew.
    max_attempts
        Attempts, with no stable connection between them, after which the loss is final; no end of
        them where it is ``None``. With 0, a streamer does not connect again.
    saturation_delay
        Shortest wait, in seconds, after the server said that the user has too many sessions. It
        doubles up to 15 minutes, and holds for all streamers of the process.
    """

    min_delay: float = 0.5
    max_delay: float = 30.0
    stable_after: float = 30.0
    max_attempts: int | None = None
    saturation_delay: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What may be missing because a connection was lost, or a part of what it carries.

    Attributes
    ----------
    epoch
        How many connections there were before the one that ended the gap. That is the connection
        itself where it went on: where the server closed a channel, never configured one, or
        refused what had been subscribed before.
    from_time, to_time
        When the last message came before the loss, or the server opened a channel that it never
        configured; and when the server was known to have all that was asked for again. In ms
        since 1970 UTC, by this machine's clock.
    received_from, received_to
        The same in ns of :func:`time.monotonic_ns`, as ``received_at`` is.
    reason
        What happened, in words.
    code
        Code of the server's close frame, where there was one.
    types
        Names of the event types of which events may be missing.
    healed
        Those of them of which nothing is missing: time series that were subscribed with
        `from_time`, and were asked for again from their last event on.
    """

    epoch: int
    from_time: int
    to_time: int
    received_from: int
    received_to: int
    reason: str
    code: int | None
    types: tuple[str, ...]
    healed: tuple[str, ...]

    @classmethod
    def of(
        cls,
        record: tuple[int, int, int, int | None, str, list[str], list[str]],
    ) -> "Gap":
        """Make a gap of what the connection noted."""
        epoch, begin, end, code, reason, types, healed = record
        offset = time.time_ns() - time.monotonic_ns()
        return cls(
            epoch=epoch,
            from_time=(begin + offset) // _MS,
            # Up to the end of the millisecond, so that the gap has all that is missing.
            to_time=-(-(end + offset) // _MS),
            received_from=begin,
            received_to=end,
            reason=reason,
            code=code,
            types=tuple(types),
            healed=tuple(healed),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A change of a streamer's state.

    Attributes
    ----------
    state
        The state since then: "connecting", "connected", "reconnecting", "closed" or "failed".
    time
        When, ms since 1970 UTC.
    epoch
        How many times a connection was made again so far.
    attempt
        Attempts since the connection was last stable.
    delay
        Seconds of the wait before the next attempt; ``None`` where none is planned.
    code
        Code of the server's close frame, where there was one.
    reason
        Why a connection was lost, or an attempt failed; ``None`` where none was.
    error
        What ended the streamer, for "closed" and "failed".
    """

    state: str
    time: int
    epoch: int
    attempt: int
    delay: float | None
    code: int | None
    reason: str | None
    error: Exception | None

    @classmethod
    def of(
        cls,
        record: tuple[int, str, int, int, float | None, int | None, str | None, Exception | None],
    ) -> "StateChange":
        """Make a change of what the connection noted."""
        at, state, epoch, attempt, delay, code, reason, error = record
        return cls(
            state=state,
            time=(at + time.time_ns() - time.monotonic_ns()) // _MS,
            epoch=epoch,
            attempt=attempt,
            delay=delay,
            code=code,
            reason=reason,
            error=error,
        )


class EventsAndGaps(Generic[E]):
    """The events of a queue with the gaps of their type between them, as a listener takes them.

    Each event has its time of receipt and each gap its end, by the same clock; a gap is noted
    before the first event that comes after it is put into a queue.
    """

    def __init__(self, queue: Queue[E], client: Client, name: str) -> None:
        self._queue = queue
        self._client = client
        self._name = name
        self._held: tuple[E, int] | None = None
        self._gaps: deque[Gap] = deque()
        _, self._seen = client.type_gaps_since(0)
        self.check = queue.check
        self.stats = queue.stats
        self.set_capacity = queue.set_capacity

    def next(self) -> E | Gap | None:
        """Take the next event or gap, or ``None`` where neither is there."""
        if self._held is None:
            self._held = self._queue.next_received()
        if self._look() and self._held is None:
            # An event may have come before the gap that was just found.
            self._held = self._queue.next_received()
        held = self._held
        if self._gaps and (held is None or self._gaps[0].received_to <= held[1]):
            return self._gaps.popleft()
        self._held = None
        return None if held is None else held[0]

    def arm(self, wake: Wake, events: int = 1) -> bool:
        """Ask `wake` to ring when an event or a gap comes; ``False`` where one is there."""
        waits = self._queue.arm(wake, events)
        self._client.watch(wake)
        return waits and not self._look()

    def _look(self) -> bool:
        gaps, self._seen = self._client.type_gaps_since(self._seen)
        self._gaps.extend(Gap.of(gap) for gap in gaps if self._name in gap[5])
        return bool(self._gaps)


class StateChanges(Local, AsyncIterator[StateChange], Iterator[StateChange]):
    """The changes of a streamer's state, from its first on: ``async for`` or ``for``.

    It ends after the change to "closed" or "failed". The last 1,024 changes are kept for iterators
    that fall behind.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wake = Wake()
        self._ready: deque[StateChange] = deque()
        self._seen = 0
        self._over = False

    def _take(self) -> Procedure[StateChange]:
        while not self._over:
            if self._ready:
                change = self._ready.popleft()
                self._over = change.state in ("closed", "failed")
                return change
            self._wake.clear()
            self._client.watch(self._wake)
            changes, self._seen = self._client.changes_since(self._seen)
            self._ready.extend(map(StateChange.of, changes))
            if not changes:
                yield Wait(self._wake)
        msg = "the streamer is over"
        raise StreamerClosedError(msg)

    def __aiter__(self) -> "StateChanges":
        return self

    async def __anext__(self) -> StateChange:
        try:
            return await run(self._take())
        except StreamerClosedError:
            raise StopAsyncIteration from None

    def __iter__(self) -> "StateChanges":
        return self

    def __next__(self) -> StateChange:
        try:
            return run_blocking(self._take())
        except StreamerClosedError:
            raise StopIteration from None
