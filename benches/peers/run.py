"""What one run is, and what it found; both cross between processes as JSON."""

import json
from dataclasses import asdict, dataclass
from math import nan
from typing import Self

from dxstream.cli.blast_rows import BlastRows

__all__ = ["Found", "Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one client.

    Attributes
    ----------
    client
        Who: a name of :data:`benches.peers.plan.CLIENTS`.
    way
        What it does with the quotes.
    url
        Where they come from.
    rows
        How many come.
    symbols
        Of how many symbols.
    """

    client: str
    way: str
    url: str
    rows: int
    symbols: int = 1_000

    @property
    def expected(self) -> BlastRows:
        """What has to come."""
        return BlastRows(self.rows, self.symbols)

    def to_json(self) -> str:
        """Write it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Found:
    """What a run measured, having checked its values; `figures` by their names, in their units."""

    figures: dict[str, float]

    @classmethod
    def of(cls, events: int, seconds: float, cpu: float) -> Self:
        """Make it of a stream's events, and the seconds and CPU seconds of the process for them.

        Where all events came before the first look there is nothing to say of either.
        """
        if not events:
            return cls({"rate": nan, "cpu": nan})
        return cls({"rate": events / seconds / 1e6, "cpu": cpu / events * 1e6})

    def with_ages(self, ages: list[int]) -> Self:
        """Add the latencies of events in ns, without those of the first tenth."""
        settled = sorted(ages[len(ages) // 10 :])
        last = len(settled) - 1
        quantiles = {
            f"p{percent}": settled[round(last * percent / 100)] / 1e3 for percent in (50, 99)
        }
        return type(self)(self.figures | quantiles)

    def to_json(self) -> str:
        """Write it."""
        return json.dumps(self.figures)
