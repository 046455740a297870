"""Waiting, written once for asyncio, trio and plain threads.

A procedure is a generator that yields each :class:`Wait` it has, is sent whether the line rang, and
returns its result. A :class:`Call` is a procedure that the caller can await or block on.
"""

import selectors
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload
from weakref import ReferenceType, WeakKeyDictionary, ref

from dxstream._dxstream import Bell, Lead, Wake
from dxstream.errors import StreamerClosedError
from dxstream.process import Local, importing

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "Call",
    "Procedure",
    "Wait",
    "Watch",
    "checkpoint",
    "done",
    "end_daemons",
    "lead_of",
    "run",
    "run_blocking",
    "run_in_own_loop",
    "running_loop",
    "sleep",
]

# poll takes descriptors above 1,023, as a program with many files has them; select does not.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """A line to wait for, and until when, on :func:`time.monotonic`."""

    wake: Wake
    deadline: float | None = None


Procedure: TypeAlias = Generator[Wait, bool, T]

_exits = False
"""Whether the interpreter is about to exit."""


def end_daemons() -> None:
    """End daemon threads that wait here without a word, as the exit of the interpreter does."""
    global _exits
    _exits = True


def sleep(wake: Wake, seconds: float | None = None) -> None:
    """Sleep until a line rings, in a daemon thread of our own.

    Unlike `Wake.wait` it never looks up, so that the interpreter can end meanwhile.
    """
    with _Selector() as selector:
        selector.register(wake.fileno(), selectors.EVENT_READ)
        selector.select(seconds)


def running_loop() -> "asyncio.AbstractEventLoop | None":
    """Return the event loop of asyncio in which this is called, if there is one."""
    # It takes long to import, and where nobody has no loop of it runs.
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _left(deadline: float | None) -> float:
    return inf if deadline is None else max(0.0, deadline - time.monotonic())


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()


_leads: "WeakKeyDictionary[asyncio.AbstractEventLoop, ReferenceType[Lead]]" = WeakKeyDictionary()
"""By which event loops read the sockets themselves; each lives as long as its loop watches it."""


def lead_of(loop: "asyncio.AbstractEventLoop") -> Lead | None:
    """Return what lets the running loop read the sockets itself, where it can."""
    try:
        known = _leads.get(loop)
        lead = known() if known is not None else None
        if lead is None:
            lead = Lead()
            loop.add_reader(lead.fileno(), lead.turn)
            _leads[loop] = ref(lead)
    except (OSError, TypeError):
        # There is no descriptor left, or a loop of another kind has no weak references.
        return None
    return lead


def _watch(loop: "asyncio.AbstractEventLoop", wake: Wake, lead: Lead | None = None) -> Bell:
    """Let the running loop watch a line."""
    if lead is not None:
        lead.adopt(wake)
    bell = Bell(loop, wake, {} if lead is None else lead.answers)
    loop.add_reader(wake.fileno(), bell.ring)
    return bell


def _unwatch(bell: Bell) -> None:
    """Let the loop watch the line no longer. In the loop's thread only."""
    bell.stop()
    bell.event_loop.remove_reader(bell.fileno())
    bell.settle(False)  # noqa: FBT003


def _rings(bell: Bell, deadline: float | None) -> Awaitable[bool]:
    """Wait until the line rings; ``False`` where the deadline comes first."""
    answer = bell.rings()
    return answer if deadline is None else _until(deadline, bell, answer)


async def _until(deadline: float, bell: Bell, answer: Awaitable[bool]) -> bool:
    timer = bell.event_loop.call_later(_left(deadline), bell.settle, False)  # noqa: FBT003
    try:
        return await answer
    finally:
        timer.cancel()


class Watch:
    """The watch that an event loop of asyncio keeps on a line between waits.

    A loop that begins and ends to watch a descriptor makes a call of the system each time, so who
    waits again and again keeps it watched, as long as this object lives and the loop is the same.
    """

    __slots__ = ("bell",)

    def __init__(self) -> None:
        self.bell: Bell | None = None

    def in_loop(self, loop: "asyncio.AbstractEventLoop", wake: Wake) -> Bell:
        """Return what rings in the running loop, whose thread this is."""
        bell = self.bell
        if bell is None or bell.event_loop is not loop:
            self._stop()
            bell = self.bell = _watch(loop, wake, lead_of(loop))
        return bell

    def _stop(self) -> None:
        bell, self.bell = self.bell, None
        if bell is not None:
            bell.stop()
            # A loop that is closed watches nothing.
            with suppress(RuntimeError):
                bell.event_loop.call_soon_threadsafe(_unwatch, bell)

    def __del__(self) -> None:
        self._stop()


async def _rings_in_trio(wait: Wait) -> bool:
    import trio

    with trio.move_on_after(_left(wait.deadline)):
        await trio.lowlevel.wait_readable(wait.wake.fileno())
        return True
    return False


async def _rings_once(loop: "asyncio.AbstractEventLoop", wait: Wait) -> bool:
    bell = _watch(loop, wait.wake)
    try:
        return await _rings(bell, wait.deadline)
    finally:
        _unwatch(bell)


async def checkpoint() -> None:
    """Let the other tasks of the event loop run."""
    if _in_trio():
        import trio

        await trio.lowlevel.checkpoint()
    else:
        import asyncio

        await asyncio.sleep(0)


async def run(procedure: Procedure[T], watch: Watch | None = None) -> T:
    """Run a procedure in the running event loop.

    Where a `watch` is given, all waits are for one line, and the loop goes on watching it.
    """
    try:
        wait = next(procedure)
        loop = None
        if not _in_trio():
            import asyncio

            loop = asyncio.get_running_loop()
        while True:
            if loop is None:
                rang = await _rings_in_trio(wait)
            elif watch is None:
                rang = await _rings_once(loop, wait)
            else:
                rang = await _rings(watch.in_loop(loop, wait.wake), wait.deadline)
            wait = procedure.send(rang)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        procedure.close()


def run_in_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of asyncio of its own."""
    with importing:
        import asyncio
    return asyncio.run(coroutine)


def run_blocking(procedure: Procedure[T], timeout: float | None = None) -> T:
    """Run a procedure on this thread; other threads of Python go on meanwhile.

    Raises
    ------
    TimeoutError
        If the procedure has not returned after `timeout` seconds. Nothing was taken then.
    """
    limit = None if timeout is None else time.monotonic() + timeout
    try:
        wait = next(procedure)
        while True:
            deadline = min((at for at in (wait.deadline, limit) if at is not None), default=None)
            left = _left(deadline)
            rang = wait.wake.wait(None if left == inf else left)
            if not rang and deadline == limit:
                msg = f"nothing came within {timeout} s"
                raise TimeoutError(msg)
            wait = procedure.send(rang)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except StreamerClosedError:
        if _exits and threading.current_thread().daemon:
            raise SystemExit from None
        raise
    finally:
        procedure.close()


class Call(Local, Coroutine[object, None, T], Generic[T]):
    """What a method of a streamer returns: await it, or block on :meth:`result`.

    It is a coroutine to asyncio and trio, so that tasks and ``wait_for`` take it. It can be awaited
    or asked for its result once; one that nobody awaits does no harm.
    """

    __slots__ = ("_coroutine", "_procedure")

    def __init__(self, procedure: Callable[[], Procedure[T]]) -> None:
        self._procedure: Callable[[], Procedure[T]] | None = procedure
        self._coroutine: Coroutine[object, None, T] | None = None

    def _begin(self) -> Procedure[T]:
        if self._procedure is None:
            msg = "this call was awaited before; call the method again"
            raise RuntimeError(msg)
        procedure, self._procedure = self._procedure(), None
        return procedure

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result on this thread.

        Parameters
        ----------
        timeout
            Most seconds to wait; for ever where it is ``None``.

        Raises
        ------
        TimeoutError
            If there is no result in time; no event is lost by that.
        """
        return run_blocking(self._begin(), timeout)

    def __await__(self) -> Generator[Any, None, T]:
        return run(self._begin()).__await__()

    def _running(self) -> Coroutine[object, None, T]:
        if self._coroutine is None:
            self._coroutine = run(self._begin())
        return self._coroutine

    def send(self, value: None) -> object:
        """Go on, as a coroutine does."""
        return self._running().send(value)

    @overload
    def throw(
        self,
        typ: type[BaseException],
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> object: ...
    @overload
    def throw(
        self, typ: BaseException, val: None = None, tb: TracebackType | None = None, /
    ) -> object: ...
    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> object:
        """Raise an exception where the coroutine waits."""
        if not isinstance(typ, BaseException):
            typ = val if isinstance(val, BaseException) else typ()
        return self._running().throw(typ.with_traceback(tb) if tb is not None else typ)

    def close(self) -> None:
        """End the coroutine; one that has not begun never will."""
        self._procedure = None
        if self._coroutine is not None:
            self._coroutine.close()


def done(value: T) -> Call[T]:
    """Return a call that has its result already."""

    def procedure() -> Procedure[T]:
        return value
        yield

    return Call(procedure)
