"""What a process takes: memory, threads and file descriptors, over time. Linux only."""

import ctypes
import os
import statistics
import sys
from array import array
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20


@dataclass(frozen=True)
class Footprint:
    """What this process takes at a moment.

    Attributes
    ----------
    resident
        Bytes of memory. What was freed is among them as long as the allocator keeps it, which is as
        much as was ever taken at once: after a network has stood still, all that was under way.
    heap
        Bytes that are allocated and not freed, by the C library's count; 0 where it has none. It
        leaves out Python's small objects.
    blocks
        Python's small objects.
    threads
        Threads, those that are not Python's included.
    descriptors
        Open file descriptors.
    """

    resident: int
    heap: int
    blocks: int
    threads: int
    descriptors: int

    @classmethod
    def now(cls) -> "Footprint":
        """Measure it."""
        return cls(
            resident=int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
            heap=_heap(),
            blocks=sys.getallocatedblocks(),
            threads=_entries("/proc/self/task"),
            # The listing has a descriptor of its own.
            descriptors=_entries("/proc/self/fd") - 1,
        )

    def __str__(self) -> str:
        """Say it in words."""
        return (
            f"{self.resident / MIB:.1f} MiB resident, {self.heap / MIB:.1f} MiB of heap, "
            f"{self.blocks:,} objects, {self.threads} threads, {self.descriptors} descriptors"
        )


SLACK = Footprint(
    # A burst of events that waits once more than ever before stays with the allocator.
    resident=48 * MIB,
    # Gaps and changes of state, of which the streamer keeps the last 1,024, and candles.
    heap=4 * MIB,
    blocks=10_000,
    threads=0,
    # The socket of a connection, which is there or is not.
    descriptors=1,
)
"""What each may grow by from the second fifth of a run to the last."""


class Trend:
    """Footprints at equal distances, and whether they grow.

    The first fifth is the warm-up. The median of the last fifth is compared with that of the
    second, so that neither a peak nor a moment without a connection counts.
    """

    def __init__(self) -> None:
        # Arrays, so that the samples are no objects of their own.
        self._samples = [array("q") for _ in astuple(SLACK)]

    def take(self) -> None:
        """Take a sample."""
        for samples, value in zip(self._samples, astuple(Footprint.now()), strict=True):
            samples.append(value)

    def fifths(self) -> list[Footprint]:
        """Return the median of each fifth."""
        count = len(self._samples[0])
        parts = [slice(count * n // 5, count * (n + 1) // 5 + 1) for n in range(5)]
        return [
            Footprint(*(int(statistics.median(samples[part])) for samples in self._samples))
            for part in parts
        ]

    def grown(self) -> list[str]:
        """Say what has grown by more than its slack."""
        _, early, *_, late = self.fifths()
        return [
            f"{name} from {before:,} to {after:,}"
            for name, before, after, slack in zip(
                Footprint.__dataclass_fields__,
                astuple(early),
                astuple(late),
                astuple(SLACK),
                strict=True,
            )
            if after > before + slack
        ]


class _MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def _heap() -> int:
    try:
        count = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    count.restype = _MallInfo
    info = count()
    return int(info.uordblks + info.hblkhd)


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def native_threads() -> set[str]:
    """Return the names that the system has for the threads of this process."""
    names = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread may end while it is looked at.
        with suppress(OSError):
            names.add((task / "comm").read_text().strip())
    return names
