"""What the rows of a :class:`~dxstream.exchange.Blast` are, worked out from its settings alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = ["BlastRows"]

_ROUNDS = 8
_MASK = (1 << 64) - 1


def _mix(value: int) -> int:
    """SplitMix64's finalizer."""
    value = (value + 0x9E37_79B9_7F4A_7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return value ^ (value >> 31)


@dataclass(frozen=True)
class BlastRows:
    """The first rows of a blast.

    Attributes
    ----------
    count
        How many rows.
    symbol_count
        How many symbols take turns.
    seed
        What the values are made from.
    """

    count: int
    symbol_count: int = 1_000
    seed: int = 1

    @cached_property
    def symbols(self) -> list[str]:
        """The symbols, in the order of their turns."""
        return [f"SYM{number:04}" for number in range(self.symbol_count)]

    def prices(self, number: int) -> tuple[float, float]:
        """Return bid and ask of a row, counted from 0."""
        noise = _mix(self.seed ^ _mix(number % (_ROUNDS * self.symbol_count)))
        bid = 10_000 + noise % 40_000
        return bid / 100, (bid + 1 + (noise >> 16) % 5) / 100

    @cached_property
    def total(self) -> float:
        """The sum of bid and ask over all rows."""
        cycle = _ROUNDS * self.symbol_count
        whole, rest = divmod(self.count, cycle)
        sums = [math.fsum(self.prices(number)) for number in range(cycle if whole else rest)]
        return whole * math.fsum(sums) + math.fsum(sums[:rest])

    def last(self, symbol: int) -> tuple[float, float] | None:
        """Return the last prices of the symbol with this number; ``None`` if it has no row."""
        behind = (self.count - 1 - symbol) % self.symbol_count
        number = self.count - 1 - behind
        return None if number < 0 else self.prices(number)

    def check(
        self, count: int, total: float | None, latest: Mapping[str, tuple[float, float]]
    ) -> None:
        """Compare what a client has got with what was sent.

        Parameters
        ----------
        count
            How many rows it got.
        total
            The sum of their prices, if it read them.
        latest
            The last prices of symbols: of all that had rows, or of none where it kept none.

        Raises
        ------
        ValueError
            If anything differs.
        """
        if count != self.count:
            msg = f"{count:,} events came where {self.count:,} were sent"
            raise ValueError(msg)
        if total is not None and not math.isclose(total, self.total, rel_tol=1e-9):
            msg = f"the prices add up to {total}, not to {self.total}"
            raise ValueError(msg)
        if not latest:
            return
        for number, symbol in enumerate(self.symbols):
            if latest.get(symbol) != self.last(number):
                msg = f"the last of {symbol} is {latest.get(symbol)}, not {self.last(number)}"
                raise ValueError(msg)
