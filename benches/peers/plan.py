"""What is measured, with whom, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from dxstream.exchange import Blast

__all__ = ["CLIENTS", "Measurement", "missing", "plan"]

HAND_WRITTEN = ("picows + orjson", "picows + msgspec", "websockets + orjson", "aiohttp + orjson")
CLIENTS = ("dxstream", *HAND_WRITTEN, "tastytrade SDK", "dxlink (Rust)")
"""Everybody, in the order of the table."""

RATES = {
    "dxstream": 3.0,
    **dict.fromkeys(HAND_WRITTEN, 1.0),
    "tastytrade SDK": 0.03,
    "dxlink (Rust)": 0.5,
}
"""About how many million events a second a client reads: what makes rounds about as long."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the table.

    Attributes
    ----------
    key
        Its name in the JSON.
    title
        Its name for people.
    figures
        Which figures of a run are shown, and their units.
    ways
        What each client does.
    seconds
        About how long a run lasts.
    blast
        What the exchange sends, but for the number of rows.
    rows
        How many rows, where they do not follow from `seconds`.
    more_is_better
        Whether a greater figure is the better one.
    rounds
        How many rounds, where it is not as many as all others.
    """

    key: str
    title: str
    figures: dict[str, str]
    ways: dict[str, str]
    seconds: float
    blast: Blast
    rows: int | None = None
    more_is_better: bool = True
    rounds: int | None = None

    def rows_of(self, client: str) -> int:
        """Return how many rows a client gets in a run."""
        if self.rows is not None:
            return self.rows
        pace = self.blast.rows_per_second
        rate = RATES[client] * 1e6 if pace is None else pace
        if pace is None and self.blast.rows_per_frame == 1:
            rate /= 2
        return max(4 * self.blast.symbols, round(rate * self.seconds))


def missing() -> dict[str, str]:
    """Return which clients cannot run here, and why."""
    absent = {}
    for client in HAND_WRITTEN:
        packages = [name for name in client.split(" + ") if find_spec(name) is None]
        if packages:
            absent[client] = f"{' and '.join(packages)} not installed (benches/requirements.txt)"
    if find_spec("tastytrade") is None:
        absent["tastytrade SDK"] = "tastytrade not installed (requirements-dev.txt)"
    return absent


def _all(way: str, *others: str) -> dict[str, str]:
    return dict.fromkeys(("dxstream", *HAND_WRITTEN, *others), way)


def _speed(seconds: float) -> Sequence[Measurement]:
    full = Blast(wait_for=1_000)
    single = Blast(wait_for=1_000, rows_per_frame=1)
    rest = ("tastytrade SDK", "dxlink (Rust)")
    m = {"rate": "million events/s"}
    return (
        Measurement(
            "objects",
            "to a typed object, bid and ask read (`async for`)",
            m,
            _all("async for", *rest),
            seconds,
            full,
        ),
        Measurement(
            "objects of single rows",
            "the same, one event a frame",
            m,
            _all("async for", *rest),
            seconds,
            single,
        ),
        Measurement("for", "typed objects in a `for` loop", m, {"dxstream": "for"}, seconds, full),
        Measurement("batches", "to columns (`batches`)", m, _all("batches"), seconds, full),
        Measurement("store", "kept, one snapshot at the end", m, _all("store"), seconds, full),
    )


def _pace(seconds: float) -> Sequence[Measurement]:
    stamped = Blast(wait_for=1_000, rows_per_frame=10, rows_per_second=50_000, stamp="monotonic")
    paced = Blast(wait_for=1_000, rows_per_frame=10, rows_per_second=100_000)
    cpu = {"cpu": "CPU s per million events"}

    def costs(key: str, title: str, way: str) -> Measurement:
        return Measurement(
            key, title, cpu, _all(way), seconds, paced, more_is_better=False, rounds=3
        )

    return (
        Measurement(
            "latency",
            "delivery latency at 50,000 events/s",
            {"p50": "µs, p50", "p99": "µs, p99"},
            _all("latency"),
            seconds,
            stamped,
            more_is_better=False,
        ),
        costs("cpu store", "kept at 100,000 events/s, 10 snapshots a second", "kept"),
        costs("cpu listen", "typed objects at 100,000 events/s", "listen"),
        costs("cpu batches", "columns every 10 ms at 100,000 events/s", "columns"),
    )


def _alone(million: float, scales: Sequence[tuple[int, str]]) -> Sequence[Measurement]:
    """Return what has no counterpart with the others."""

    def ours(
        key: str,
        title: str,
        figures: dict[str, str],
        way: str,
        rows: int,
        blast: Blast,
        *,
        more: bool = False,
        rounds: int = 3,
    ) -> Measurement:
        return Measurement(key, title, figures, {"dxstream": way}, 0, blast, rows, more, rounds)

    rate = {"rate": "million events/s"}
    snapshot = {
        "out": "µs, 9 columns of numbers into arrays that are there",
        "fresh": "µs, 9 columns of numbers into new arrays",
        "all": "µs, all columns, two of text, into arrays that are there",
    }
    grown = {"seconds": "s", "grown": "MB grown", "allocated": "MB of it events"}
    asleep = round(10 * million * 1e6)
    thousand = Blast(wait_for=1_000)
    ten_thousand = Blast(symbols=10_000, wait_for=10_000)
    return (
        ours(
            "snapshot 1,000",
            "snapshot of 1,000 symbols",
            snapshot,
            "snapshot",
            8_000,
            thousand,
        ),
        ours(
            "snapshot 10,000",
            "snapshot of 10,000 symbols",
            snapshot,
            "snapshot",
            80_000,
            ten_thousand,
        ),
        ours(
            "asleep",
            f"memory while a consumer sleeps through {asleep / 1e6:g} million events",
            {"grown": "MB grown", "bound": "MB, the printed bound"},
            "asleep",
            asleep,
            thousand,
            rounds=1,
        ),
        *(
            ours(
                f"store of {symbols:,}",
                f"kept, {symbols:,} symbols",
                rate,
                "store",
                max(round(6e6 * million), 2 * symbols),
                Blast(symbols=symbols, wait_for=min(symbols, 25_000)),
                more=True,
            )
            for symbols in (100, 1_000, 10_000)
        ),
        *(
            ours(
                f"listeners {count}",
                f"columns, {count} listeners of every event",
                rate,
                f"listeners {count}",
                round(1e6 * million),
                thousand,
                more=True,
            )
            for count in (1, 10, 50)
        ),
        *(
            ours(
                f"types {count}",
                f"kept at about 50,000 events/s, of {count} event types",
                {"cpu": "CPU s per million events"},
                f"types {count}",
                max(16_000, round(160_000 * million)),
                thousand,
            )
            for count in (1, 4, 8)
        ),
        *(
            ours(
                f"scale {symbols:,}",
                f"{symbols:,} symbols on {connections}, until each has an event",
                grown,
                "scale",
                symbols,
                Blast(symbols=symbols, wait_for=min(symbols, 25_000)),
                rounds=1,
            )
            for symbols, connections in scales
        ),
    )


def plan(*, short: bool) -> list[Measurement]:
    """Return the lines of the table."""
    if short:
        return [*_speed(0.1), *_pace(0.3), *_alone(0.02, [(4_000, "one connection")])]
    scales = [(25_000, "one connection"), (100_000, "four connections")]
    return [*_speed(1.0), *_pace(2.0), *_alone(1.0, scales)]
