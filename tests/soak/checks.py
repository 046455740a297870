"""What must hold, and what did not."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dxstream import Gap
from dxstream.stats import ListenerStats

ACCOUNTED = "every event is accounted for"
ASCENDS = "the events of a symbol come in order"
RIGHT = "the values of an event are those that were published"
TAKEN = "what was taken is what was delivered"

NOTED_WITHIN = 20_000_000_000
"""Nanoseconds within which a gap has to be noted after the first event that came behind it."""


class Violations:
    """The conditions that did not hold, each with the first time that it did not."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[str, tuple[str, int]] = {}

    def add(self, condition: str, detail: object) -> None:
        """Take note that a condition did not hold."""
        with self._lock:
            first, times = self._found.get(condition, (str(detail), 0))
            self._found[condition] = first, times + 1

    def check(self, holds: bool, condition: str, detail: object) -> None:
        """Take note of a condition that does not hold."""
        if not holds:
            self.add(condition, detail)

    def lines(self) -> list[str]:
        """Return a line for each condition."""
        with self._lock:
            return [
                f"{condition}: {detail}" + (f" (and {times - 1} more)" if times > 1 else "")
                for condition, (detail, times) in self._found.items()
            ]


class Counted(Protocol):
    """A listener, or what counts like one."""

    def stats(self) -> ListenerStats:
        """Count what became of the events."""


def adds_up(stats: ListenerStats) -> bool:
    """Say whether every event that was received is accounted for."""
    became = stats.delivered + stats.pending + stats.conflated + stats.dropped + stats.filtered
    return stats.received == became


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, and say whether it came to that."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True)
class Jump:
    """Sales of one symbol that did not come; times are monotonic ns."""

    symbol: int
    missing: int
    before: int
    """When the last one before them was received."""
    after: int
    """When the first one behind them was received."""
    published: int
    """When the last of them was published."""


@dataclass
class Jumps:
    """The sales that did not come, each of which a gap has to explain."""

    violations: Violations
    missing: int = 0
    _open: list[Jump] = field(default_factory=list)
    _gaps: list[Gap] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, jumps: list[Jump]) -> None:
        """Take note of sales that did not come."""
        with self._lock:
            self.missing += sum(jump.missing for jump in jumps)
            self._open += jumps

    def add_gap(self, gap: Gap) -> None:
        """Take note of a gap of sales."""
        with self._lock:
            self._gaps.append(gap)

    def explain(self, *, at_last: bool = False) -> None:
        """Look which are explained; those that are not in time are violations."""
        with self._lock:
            late = time.monotonic_ns() - NOTED_WITHIN
            unexplained = [jump for jump in self._open if not self._is_explained(jump)]
            # A jump that is not explained after so long is a violation, so it needs no older gap.
            old = late - NOTED_WITHIN
            self._gaps = [gap for gap in self._gaps if gap.received_to > old]
            self._open = []
            for jump in unexplained:
                if not at_last and jump.after > late:
                    self._open.append(jump)
                else:
                    self.violations.add("what is missing falls within a gap", self._detail(jump))

    def _is_explained(self, jump: Jump) -> bool:
        return any(
            jump.before <= gap.received_from < jump.after and jump.published <= gap.received_to
            for gap in reversed(self._gaps)
        )

    def _detail(self, jump: Jump) -> str:
        near = [
            f"gap from {(gap.received_from - jump.before) / 1e9:.3f} to "
            f"{(gap.received_to - jump.before) / 1e9:.3f} s ({gap.reason})"
            for gap in self._gaps
            if gap.received_to >= jump.before and gap.received_from <= jump.after
        ]
        return (
            f"{jump.missing} sales of symbol {jump.symbol}, the last of them published "
            f"{(jump.published - jump.before) / 1e9:.3f} s after the last that came, and "
            f"{(jump.after - jump.before) / 1e9:.3f} s between those that came; {near or 'no gap'}"
        )


class Sequence:
    """The numbers of the last events of each symbol, and whether they ascend."""

    def __init__(self, symbols: int, *, again: bool) -> None:
        self.last = np.full(symbols, -1, np.int64)
        self._again = again

    def step(self, symbol: int, number: int) -> bool:
        """Take the next event, and say whether it may come now."""
        before = int(self.last[symbol])
        self.last[symbol] = number
        return number > before or (self._again and number == before)

    def steps(self, symbols: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> bool:
        """Take the next events, and say whether they may come now."""
        _, ascend = self.differences(symbols, numbers)
        return ascend

    def differences(
        self, symbols: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], bool]:
        """Take the next events; return how far each is from the one before of its symbol."""
        order = np.argsort(symbols, kind="stable")
        of, sorted_numbers = symbols[order], numbers[order]
        first = np.ones(len(of), np.bool_)
        first[1:] = of[1:] != of[:-1]
        before = np.empty_like(sorted_numbers)
        before[1:] = sorted_numbers[:-1]
        before[first] = self.last[of[first]]
        last = np.ones(len(of), np.bool_)
        last[:-1] = first[1:]
        self.last[of[last]] = sorted_numbers[last]
        differences = np.empty_like(sorted_numbers)
        differences[order] = sorted_numbers - before
        least = 0 if self._again else 1
        return differences, bool((differences >= least).all())
