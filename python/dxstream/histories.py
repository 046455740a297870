"""Whose history of candles a server is asked for, and from when."""

from collections.abc import Iterator

from dxstream._dxstream import TimeSeries

__all__ = ["Histories"]

_MOST_UNANSWERED = 64


class Histories:
    """The histories of candles that are wanted: by `subscribe`, and by each call of `candles`.

    A server has one start for each symbol, and sends a snapshot when it is told another. So each
    call asks from a millisecond before all others: every one gets a snapshot, which holds what all
    want, and whose start tells whose it is, as no bar begins there.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, dict[TimeSeries | None, int]] = {}
        self._unanswered: dict[str, list[int]] = {}
        self._last_asked: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._wanted))

    def earliest(self, symbol: str) -> int | None:
        """Return the start that the server has to be told; ``None`` where nobody wants any."""
        return min(self._wanted.get(symbol, {}).values(), default=None)

    def subscribe(self, symbol: str, start: int) -> None:
        """Note that `subscribe` asked for a history."""
        self._wanted.setdefault(symbol, {})[None] = start

    def unsubscribe(self, symbol: str) -> None:
        """Note that `unsubscribe` left it."""
        self.leave(symbol, None)

    def others(self, symbol: str) -> list[int]:
        """Return the starts of the snapshots of a symbol that may be on their way.

        That which was asked for last is among them, as asking for it again would bring none.
        """
        last = self._last_asked.get(symbol)
        starts = [*self._wanted.get(symbol, {}).values(), *self._unanswered.get(symbol, ())]
        return starts if last is None else [*starts, last]

    def followers(self, symbol: str) -> list[TimeSeries]:
        """Return the series that follow a symbol."""
        return [series for series in self._wanted.get(symbol, {}) if series is not None]

    def memory(self) -> tuple[tuple[str, int, int], ...]:
        """Return the symbol of each series, how many rows it holds, and bytes of a row."""
        return tuple(
            (symbol, *series.memory()) for symbol in self for series in self.followers(symbol)
        )

    def follow(self, symbol: str, series: TimeSeries, start: int) -> None:
        """Note that a series follows a symbol, and was asked for from `start` on."""
        self._wanted.setdefault(symbol, {})[series] = start
        self._last_asked[symbol] = start
        unanswered = self._unanswered.setdefault(symbol, [])
        unanswered.append(start)
        del unanswered[:-_MOST_UNANSWERED]

    def answered(self, symbol: str, series: TimeSeries) -> None:
        """Note that the snapshot for a series has come, and with it all that were asked before."""
        unanswered = self._unanswered.get(symbol, [])
        start = self._wanted.get(symbol, {}).get(series)
        if start in unanswered:
            del unanswered[: unanswered.index(start) + 1]
        if not unanswered:
            self._unanswered.pop(symbol, None)

    def leave(self, symbol: str, series: TimeSeries | None) -> bool:
        """Note that a series is not followed any more; say whether nobody wants the symbol now."""
        wanted = self._wanted.get(symbol, {})
        left = wanted.pop(series, None) is not None
        if not wanted:
            self._wanted.pop(symbol, None)
            self._last_asked.pop(symbol, None)
        return left and not wanted
