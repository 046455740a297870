"""Candles: a chart's history as a table that goes on."""

import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dxstream._dxstream import TimeSeries, Wake
from dxstream.columns import Column
from dxstream.dxfeed import Candle
from dxstream.errors import SlowConsumerError, StreamerClosedError
from dxstream.process import Local
from dxstream.reading import table_of
from dxstream.table import EventTable
from dxstream.waiting import Procedure, Wait, checkpoint, run, run_blocking

__all__ = ["CandleFeed", "Candles", "LiveCandles", "load"]

_NO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class CandleFeed:
    """A series of candles that is brought up to date until it is closed, or nobody has it."""

    def __init__(self, symbol: str, series: TimeSeries, release: Callable[[], None]) -> None:
        self.symbol = symbol
        self.series = series
        self.closed = False
        self._release = release
        self._lives: weakref.WeakSet[LiveCandles] = weakref.WeakSet()

    def update(self) -> int:
        """Apply what has come, and return the number of the last change.

        Raises
        ------
        SlowConsumerError
            If something that came found no room.
        """
        epoch = self.series.update()
        if (missing := self.series.missing) and not self.closed:
            msg = (
                f"the candles of {self.symbol} lack {missing} rows for which there was no room; "
                "take live() more often, or call candles() again with a later start_time"
            )
            raise SlowConsumerError(msg)
        return epoch

    def arm(self, wake: Wake, epoch: int) -> bool:
        """Ask `wake` to ring at the next change; say whether to wait for that."""
        # What another thread applied or closed before this one armed does not ring.
        return self.series.arm(wake) and not self.closed and self.update() == epoch

    def table(self) -> "Candles":
        """Make a table of what the series holds."""
        batch, epoch, poison, snipped = self.series.rows()
        table = table_of(Candle, batch)
        candles = Candles(
            Candle,
            table.symbols,
            {name: table[name] for name in table.fields if name != "event_symbol"},
            table.valid,
            table.received_at,
            table.wall_offset,
            symbol=self.symbol,
            poison=poison,
            snipped=snipped,
        )
        candles.event_symbols = table.event_symbols
        candles._feed, candles._epoch = self, epoch
        return candles

    def attach(self, live: "LiveCandles") -> None:
        """Let an iteration know when the feed is closed."""
        self._lives.add(live)

    def close(self) -> None:
        """Ask the server for no more, and end the iterations."""
        if not self.closed:
            self.closed = True
            self._release()
            self.series.close()
            for live in list(self._lives):
                live.wake()

    def __del__(self) -> None:
        # In a fork's child there is nothing to close.
        with suppress(RuntimeError):
            self.close()


def load(feed: CandleFeed, timeout: float) -> Procedure["Candles"]:
    """Wait until a feed is complete; close it where that fails."""
    deadline = time.monotonic() + timeout
    wake, series = Wake(), feed.series
    try:
        while True:
            feed.update()
            if series.complete:
                return feed.table()
            series.check()
            if time.monotonic() > deadline or (
                series.arm(wake) and not (yield Wait(wake, deadline))
            ):
                msg = (
                    f"the candles of {feed.symbol} were not complete within {timeout} s; "
                    "does the server have that symbol and interval?"
                )
                raise TimeoutError(msg)
    except BaseException:
        feed.close()
        raise


class Candles(EventTable[Candle]):
    """The candles of a symbol as columns, in the order of time.

    :meth:`~dxstream.DXLinkStreamer.candles` returns it. It does not change: :meth:`live` gives one
    after another, each complete. Its ``event_flags`` are 0, as they have had their effect; bars of
    which the server said that they are gone are gone, and of one bar there is the last correction.

    The server goes on sending until :meth:`unsubscribe`, the end of a ``with`` over the table, or
    until neither it nor one that :meth:`live` gave is left. The name ``close`` is that of a column.

    Attributes
    ----------
    symbol : str
        The candle symbol in its normal form, under which the server knows it.
    poison : int
        Bars that are left out because what the server last sent for them cannot be: all four
        prices zero, or a time in 2038 or later. A bar that is sent again counts once; one that was
        sound before stays as it was.
    snipped : bool
        Whether the server cut the history short, so that it may begin later than was asked.
    """

    __slots__ = ("_epoch", "_feed", "poison", "snipped", "symbol")

    def __init__(
        self,
        event_type: type[Candle],
        symbols: Sequence[str],
        columns: Mapping[str, Column],
        valid: npt.NDArray[np.bool_] | None = None,
        received_at: npt.NDArray[np.int64] | None = None,
        wall_offset: int = 0,
        *,
        names: Mapping[str, tuple[str, ...]] = _NO_NAMES,
        symbol: str = "",
        poison: int = 0,
        snipped: bool = False,
    ) -> None:
        super().__init__(event_type, symbols, columns, valid, received_at, wall_offset, names=names)
        self.symbol = symbol
        self.poison = poison
        self.snipped = snipped
        self._feed: CandleFeed | None = None
        self._epoch = 0

    def live(self) -> "LiveCandles":
        """Get the candles again after each change: ``async for`` or ``for``.

        The first table comes when there is something that this one does not have. A program that
        is slow gets the latest and never a backlog. Iteration ends with :meth:`unsubscribe` and
        when the streamer is closed, and raises what ended the stream otherwise. There is room for
        131,072 changes to wait, and twice as many as there are bars; where one found none, it
        raises :class:`~dxstream.SlowConsumerError`.

        Raises
        ------
        ValueError
            If the table is a part of another, or a copy.
        """
        if self._feed is None:
            msg = "a part of candles does not go on; call live() of the whole table"
            raise ValueError(msg)
        return LiveCandles(self._feed, self._epoch)

    def unsubscribe(self) -> None:
        """Ask the server for no more of these candles; iterations over :meth:`live` end.

        Others who want the same candles go on getting them.
        """
        if self._feed is not None:
            self._feed.close()

    def _some(
        self,
        fields: tuple[str, ...],
        columns: dict[str, Column],
        symbols: Sequence[str] | None = None,
        valid: npt.NDArray[np.bool_] | None = None,
        received_at: npt.NDArray[np.int64] | None = None,
    ) -> Self:
        some = super()._some(fields, columns, symbols, valid, received_at)
        some.symbol, some.poison, some.snipped = self.symbol, self.poison, self.snipped
        return some

    def __getstate__(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("symbol", "poison", "snipped", "_epoch")}
        return super().__getstate__() | own | {"_feed": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unsubscribe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unsubscribe()


class LiveCandles(Local, AsyncIterator[Candles], Iterator[Candles]):
    """Candles after each change: ``async for`` or ``for``.

    One task or thread iterates at a time. Cancelling it loses nothing.
    """

    def __init__(self, feed: CandleFeed, epoch: int) -> None:
        self._feed = feed
        self._epoch = epoch
        self._wake = Wake()
        self._waiting = False
        feed.attach(self)

    def wake(self) -> None:
        """Let an iteration that waits look again."""
        self._wake.ring()

    def _next(self) -> Procedure[Candles]:
        if self._waiting:
            msg = "another task iterates these candles; call live() for each"
            raise RuntimeError(msg)
        self._waiting = True
        feed, series = self._feed, self._feed.series
        try:
            while not feed.closed:
                if feed.update() != self._epoch:
                    candles = feed.table()
                    self._epoch = candles._epoch
                    return candles
                series.check()
                if feed.arm(self._wake, self._epoch):
                    yield Wait(self._wake)
            msg = "the candles are unsubscribed"
            raise StreamerClosedError(msg)
        finally:
            self._waiting = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Candles:
        await checkpoint()
        try:
            return await run(self._next())
        except StreamerClosedError:
            raise StopAsyncIteration from None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Candles:
        try:
            return run_blocking(self._next())
        except StreamerClosedError:
            raise StopIteration from None
