"""Waiting for what nothing tells: counts that are looked at until they are as they should be."""

import time
from collections.abc import Callable

__all__ = ["DEADLINE", "until"]

DEADLINE = 100.0
"""Seconds after which what is waited for counts as never coming."""


def until(condition: Callable[[], bool], *, every: float, what: str) -> None:
    """Look every so many seconds, until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not within the deadline.
    """
    limit = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > limit:
            msg = f"not within {DEADLINE:.0f} s: {what}"
            raise TimeoutError(msg)
        time.sleep(every)
