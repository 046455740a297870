"""The command ``dxstream bench``: how fast quotes stream on this machine."""

import argparse
import os
import platform
import statistics

from dxstream._dxstream import __version__
from dxstream.cli.blast_rows import BlastRows
from dxstream.cli.lines import table
from dxstream.cli.paths import WAYS
from dxstream.cli.serve import blasting
from dxstream.exchange import Blast

__all__ = ["bench"]

_NAMES = {
    "async for": "async for quote in listen(Quote)",
    "for": "for quote in listen(Quote)",
    "batches": "batches(Quote), two columns",
    "store": "kept, and one snapshot at the end",
}
_SHARES = {50: 1.0, 1: 0.25}
"""Which part of the events a round sends, by rows a frame."""


def bench(arguments: argparse.Namespace) -> None:
    """Measure each way in turns, and print the medians."""
    rates: dict[tuple[str, int], list[float]] = {}
    sent = {
        per_frame: max(2_000, round(share * arguments.events))
        for per_frame, share in _SHARES.items()
    }
    print(
        f"dxstream {__version__}, CPython {platform.python_version()}, {os.cpu_count()} cores. An "
        f"exchange in another process\nsends quotes of 1,000 symbols over loopback, in rounds of "
        f"{sent[50]:,} and {sent[1]:,} events.",
        flush=True,
    )
    checked = 0
    for per_frame, count in sent.items():
        rows = BlastRows(count)
        blast = Blast(rows=count, rows_per_frame=per_frame, wait_for=len(rows.symbols))
        with blasting(blast) as url:
            for _ in range(arguments.rounds):
                for name, measure in WAYS.items():
                    rates.setdefault((name, per_frame), []).append(measure(url, rows).rate)
                    checked += count
    lines = [
        (_NAMES[name], *(_spread(rates[name, per_frame]) for per_frame in _SHARES)) for name in WAYS
    ]
    print("\nmillion events a second, median (least-most)")
    print("\n".join(table(("", "50 events a frame", "1 event a frame"), lines)))
    print(f"\nchecked {checked:,} events: their number, prices and the last of each symbol")


def _spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):.2f} ({min(rates):.2f}-{max(rates):.2f})"
