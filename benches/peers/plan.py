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

RATE = {"rate": "million events/s"}
CPU = {"cpu": "CPU s per million events"}


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


def _speed(seconds: float, rows: int | None = None) -> Sequence[Measurement]:
    full = Blast(wait_for=1_000)
    single = Blast(wait_for=1_000, rows_per_frame=1)
    rest = ("tastytrade SDK", "dxlink (Rust)")

    def rate(key: str, title: str, ways: dict[str, str], blast: Blast = full) -> Measurement:
        return Measurement(key, title, RATE, ways, seconds, blast, rows)

    return (
        rate(
            "objects",
            "to a typed object, bid and ask read (`async for`)",
            _all("async for", *rest),
        ),
        rate(
            "objects of single rows",
            "the same, one event a frame",
            _all("async for", *rest),
            single,
        ),
        rate("for", "typed objects in a `for` loop", {"dxstream": "for"}),
        rate("batches", "to columns (`batches`)", _all("batches")),
        rate("store", "kept, one snapshot at the end", _all("store")),
    )


def _pace(seconds: float) -> Sequence[Measurement]:
    stamped = Blast(wait_for=1_000, rows_per_frame=10, rows_per_second=50_000, stamp="monotonic")
    paced = Blast(wait_for=1_000, rows_per_frame=10, rows_per_second=100_000)

    def costs(key: str, title: str, way: str) -> Measurement:
        return Measurement(
            key, title, CPU, _all(way), seconds, paced, more_is_better=False, rounds=3
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
            # The slowest hundredth is of few moments, in which something else ran.
            rounds=9,
        ),
        costs("cpu store", "kept at 100,000 events/s, 10 snapshots a second", "kept"),
        costs("cpu listen", "typed objects at 100,000 events/s", "listen"),
        costs("cpu batches", "columns every 10 ms at 100,000 events/s", "columns"),
    )


@dataclass(frozen=True, slots=True)
class _Size:
    """How much there is of what dxstream does alone.

    Attributes
    ----------
    million
        What a million events are.
    snapshots
        Of how many symbols snapshots are taken.
    kept
        Of how many symbols events are kept.
    of_type
        How many symbols each of several event types has.
    scales
        How many symbols are subscribed at once, and on how many connections.
    """

    million: int
    snapshots: tuple[int, ...]
    kept: tuple[int, ...]
    of_type: int
    scales: tuple[tuple[int, str], ...]


_WHOLE = _Size(
    million=1_000_000,
    snapshots=(1_000, 10_000),
    kept=(100, 1_000, 10_000),
    of_type=1_000,
    scales=((25_000, "one connection"), (100_000, "four connections")),
)
# Subscriptions go out at 2,000 a second, which is what takes most of the time.
_LITTLE = _Size(
    million=20_000,
    snapshots=(1_000,),
    kept=(100, 1_000),
    of_type=100,
    scales=((2_000, "one connection"),),
)


def _alone(size: _Size) -> Sequence[Measurement]:
    """Return what has no counterpart with the others."""

    def ours(
        key: str,
        title: str,
        figures: dict[str, str],
        way: str,
        rows: int,
        symbols: int = 1_000,
        *,
        more_is_better: bool = False,
        rounds: int = 3,
    ) -> Measurement:
        return Measurement(
            key=key,
            title=title,
            figures=figures,
            ways={"dxstream": way},
            seconds=0,
            blast=Blast(symbols=symbols, wait_for=min(symbols, 25_000)),
            rows=rows,
            more_is_better=more_is_better,
            rounds=rounds,
        )

    snapshot = {
        "out": "µs, 9 columns of numbers into arrays that are there",
        "fresh": "µs, 9 columns of numbers into new arrays",
        "all": "µs, all columns, two of text, into arrays that are there",
    }
    grown = {"seconds": "s", "grown": "MB grown", "allocated": "MB of it events"}
    asleep = 10 * size.million
    return (
        *(
            ours(
                f"snapshot {symbols:,}",
                f"snapshot of {symbols:,} symbols",
                snapshot,
                "snapshot",
                8 * symbols,
                symbols,
            )
            for symbols in size.snapshots
        ),
        ours(
            "asleep",
            f"memory while a consumer sleeps through {asleep / 1e6:g} million events",
            {"grown": "MB grown", "bound": "MB, the printed bound"},
            "asleep",
            asleep,
            rounds=1,
        ),
        *(
            ours(
                f"store of {symbols:,}",
                f"kept, {symbols:,} symbols",
                RATE,
                "store",
                max(6 * size.million, 2 * symbols),
                symbols,
                more_is_better=True,
            )
            for symbols in size.kept
        ),
        *(
            ours(
                f"listeners {count}",
                f"columns, {count} listeners of every event",
                RATE,
                f"listeners {count}",
                size.million,
                more_is_better=True,
            )
            for count in (1, 10, 50)
        ),
        *(
            ours(
                f"types {count}",
                f"kept at about 50,000 events/s, of {count} event types",
                CPU,
                f"types {count}",
                max(16_000, size.million * 16 // 100),
                size.of_type,
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
                symbols,
                rounds=1,
            )
            for symbols, connections in size.scales
        ),
    )


def plan(*, short: bool) -> list[Measurement]:
    """Return the lines of the table."""
    if short:
        return [*_speed(0, rows=8_000), *_pace(0.2), *_alone(_LITTLE)]
    return [*_speed(1.0), *_pace(4.0), *_alone(_WHOLE)]
