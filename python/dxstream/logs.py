"""What streamers say in Python's :mod:`logging`.

There are two loggers, which no program needs to configure:

``dxstream.connection``
    How connections are made, lost and healed. WARNING for losses, for gaps in which events may be
    missing, and for what is slow; INFO for attempts and successes; DEBUG for each step.
``dxstream.protocol``
    WARNING for complaints of the server and for what cannot be read; DEBUG for each message that is
    no data, by its type and size.

No record holds a token, or anything else of a message's content but a server's complaint. Records
are made by the connection's thread, which never runs Python: they wait in a queue, and a thread of
Python's hands them to `logging`. The queue holds 4,096; how many found no room is said.

Examples
--------
>>> import logging
>>> logging.basicConfig(level=logging.INFO)
>>> logging.getLogger("dxstream.protocol").setLevel(logging.ERROR)
"""

import atexit
import logging
import os
import threading

from dxstream._dxstream import LogQueue
from dxstream.waiting import sleep

__all__ = ["follow_levels"]

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_RECORDS_AT_ONCE = 1_000
_SECONDS_PER_LOOK = 1.0
"""How soon a level is followed that was changed while streamers are connected."""

_STOP_SECONDS = 2.0

_lock = threading.Lock()
_drain: "_Drain | None" = None
_loggers = [logging.getLogger(name) for name in LogQueue.speakers()]
for _logger in _loggers:
    # Programs that configure no logging are told nothing on stderr.
    _logger.addHandler(logging.NullHandler())


def follow_levels() -> None:
    """Follow the levels of `logging` as they are now.

    Streamers do it when they connect, and once a second from the first time on that something is
    wanted. A program needs it only if it configures `logging` after that, for the first time, and
    wants to miss nothing.
    """
    global _drain
    level = _wanted()
    with _lock:
        if _drain is not None and _drain.is_alive():
            _drain.queue.want(level)
        elif level is not None:
            _drain = _Drain()
            _drain.queue.want(level)
            _drain.start()


def _wanted() -> int | None:
    """Return the lowest level that anybody takes, or ``None`` where nobody takes any."""
    heard = [logger for logger in _loggers if _has_handler(logger)]
    return next((level for level in _LEVELS if any(of.isEnabledFor(level) for of in heard)), None)


def _has_handler(logger: logging.Logger) -> bool:
    of: logging.Logger | None = logger
    while of is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in of.handlers):
            return True
        of = of.parent if of.propagate else None
    return False


class _Drain(threading.Thread):
    """Hands the records that wait to `logging`."""

    def __init__(self) -> None:
        super().__init__(name="dxstream-logging", daemon=True)
        self.queue = LogQueue()
        self._wake = self.queue.wake()
        self._stopping = False

    def run(self) -> None:
        while not self._stopping:
            sleep(self._wake, _SECONDS_PER_LOOK)
            self._wake.clear()
            self._hand_over()
            self.queue.want(_wanted())
        self._hand_over()

    def stop(self) -> None:
        """Hand over what waits, and end; a handler that hangs is left alone."""
        self.queue.want(None)
        self._stopping = True
        self._wake.ring()
        self.join(_STOP_SECONDS)

    def _hand_over(self) -> None:
        while True:
            records, dropped = self.queue.take(_RECORDS_AT_ONCE)
            for level, name, at, text in records:
                logger = logging.getLogger(name)
                if logger.isEnabledFor(level):
                    _handle(logger, level, text, at)
            if dropped:
                _loggers[0].warning("%d log records found no room and were dropped", dropped)
            if not records:
                return


def _handle(logger: logging.Logger, level: int, text: str, at: int) -> None:
    record = logger.makeRecord(logger.name, level, "dxstream", 0, text, (), None)
    late = record.created - at / 1e9
    record.created -= late
    record.relativeCreated -= late * 1e3
    record.msecs = at // 1_000_000 % 1_000
    record.threadName, record.thread = "dxstream-io", None
    logger.handle(record)


def _stop() -> None:
    with _lock:
        if _drain is not None:
            _drain.stop()


def _inherit() -> None:
    """Forget the parent's thread, which is not here, and a lock that another thread may hold."""
    global _lock, _drain
    _lock = threading.Lock()
    _drain = None


# Before `connection` closes what is open, as the last registered is called first.
atexit.register(_stop)
os.register_at_fork(after_in_child=_inherit)
