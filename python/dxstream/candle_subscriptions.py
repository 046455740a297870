"""Candles: what a streamer asks a server for, and histories of them."""

import weakref
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from dxstream import _dxstream
from dxstream._dxstream import TimeSeries
from dxstream.arguments import milliseconds, symbol_list
from dxstream.dxfeed import Candle
from dxstream.process import importing
from dxstream.subscriptions import Subscriber, type_name
from dxstream.waiting import Call, Procedure, done

if TYPE_CHECKING:
    from dxstream.candles import CandleFeed, Candles

__all__ = ["CandleSubscriber"]

FIRST_DAY = 86_400_000
"""Where histories of candles begin at the earliest: 1970-01-02, ms since 1970 UTC."""

END_OF_TIME = 2_145_916_800_000
"""2038-01-01, ms since 1970 UTC: what comes after is no time of a candle."""


class CandleSubscriber(Subscriber):
    """A connection whose subscriptions may be candles, by instrument and interval."""

    def subscribe_candle(
        self,
        symbols: str | Iterable[str],
        interval: str,
        start_time: int | datetime | None = None,
        extended_trading_hours: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
        refresh_interval: float | None = 0.1,
    ) -> Call[None]:
        """Ask for candles of symbols.

        Parameters
        ----------
        symbols
            Symbols of instruments, as for :meth:`subscribe`; a string is one symbol.
        interval
            Length of a bar: a number and one of s, m, h, d, w, mo and the like, as in ``"5m"``.
        start_time
            Start of the history, ms since 1970 UTC or a datetime. Without it, only the bar of now
            and those to come.
        extended_trading_hours
            Whether trades outside of regular trading hours count.
        refresh_interval
            As for :meth:`subscribe`.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used; nothing is subscribed then.
        StreamerClosedError
            If the streamer is not connected.
        """
        candles = [
            _dxstream.candle_symbol(symbol, interval, extended_trading_hours)
            for symbol in symbol_list(symbols)
        ]
        return self.subscribe(Candle, candles, refresh_interval, from_time=start_time)

    def unsubscribe_candle(
        self,
        ticker: str,
        interval: str | None = None,
        extended_trading_hours: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> Call[None]:
        """Ask for candles of a symbol no longer: of one interval, or of all where it is ``None``.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used; nothing is unsubscribed then.
        StreamerClosedError
            If the streamer is not connected.
        """
        with self._lock:
            client = self._connected()
            if interval is not None:
                candles = [_dxstream.candle_symbol(ticker, interval, extended_trading_hours)]
            else:
                known = self._subscribed.get(type_name(Candle), {})
                [base] = client.wire_symbols(Candle, [ticker])
                candles = [candle for candle in known if _dxstream.candle_base(candle) == base]
            return self.unsubscribe(Candle, candles) if candles else done(None)

    def candles(
        self,
        symbol: str,
        interval: str | None = None,
        start_time: int | datetime | None = None,
        *,
        extended_trading_hours: bool = False,
        timeout: float = 30.0,
    ) -> "Call[Candles]":
        """Get the history of a symbol's candles, complete and in the order of time.

        The server's snapshot is loaded, corrections and removals applied. The table's ``live()``
        goes on from there.

        Parameters
        ----------
        symbol
            Symbol of an instrument, as for :meth:`subscribe`; or a candle symbol, such as
            ``"AAPL{=5m}"``, which says interval and trading hours itself.
        interval
            Length of a bar, as for :meth:`subscribe_candle`.
        start_time
            The first bar is the first that begins then or later: ms since 1970 UTC or a datetime;
            all that the server has where it is ``None``.
        extended_trading_hours
            Whether trades outside of regular trading hours count.
        timeout
            Most seconds to wait for the whole history.

        Returns
        -------
        Candles
            An :class:`~dxstream.table.EventTable`; without a row where the symbol has no candles.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used; nothing is subscribed then.
        TimeoutError
            If the history is not complete in time; nothing stays subscribed then.
        SlowConsumerError
            If the history has more bars than there is room for.
        StreamerClosedError
            If the streamer is not connected, or is closed meanwhile.

        Examples
        --------
        >>> from dxstream import DXLinkStreamer
        >>> with DXLinkStreamer("sim://") as streamer:
        ...     candles = streamer.candles("AAPL", "1d").result()
        ...     print(candles.symbol, len(candles) > 200, (candles.high >= candles.low).all())
        AAPL{=d,tho=true} True True
        """
        start = FIRST_DAY
        if start_time is not None:
            start = max(start, milliseconds("start_time", start_time))
        if start >= END_OF_TIME:
            msg = "start_time must be before 2038"
            raise ValueError(msg)
        if not timeout >= 0:
            msg = "timeout must be seconds, 0 or more"
            raise ValueError(msg)
        client = self._connected()
        [symbol] = symbol_list([symbol])
        if interval is not None:
            candle = _dxstream.candle_symbol(symbol, interval, extended_trading_hours)
        elif "{" in symbol and not extended_trading_hours:
            candle = symbol
        else:
            msg = (
                f"{symbol!r} says its trading hours itself; leave extended_trading_hours out"
                if "{" in symbol
                else f'an interval is missing, as in candles({symbol!r}, "5m")'
            )
            raise ValueError(msg)
        [wire] = client.wire_symbols(Candle, [candle])

        def procedure() -> "Procedure[Candles]":
            with importing:
                from dxstream.candles import load

            feed = self._follow(wire, start)
            candles = yield from load(feed, timeout)
            with self._lock:
                self._histories.answered(wire, feed.series)
            return candles

        return Call(procedure)

    def _follow(self, symbol: str, start: int) -> "CandleFeed":
        with importing:
            from dxstream.candles import CandleFeed

        with self._lock:
            client = self._connected()
            for series in self._histories.followers(symbol):
                # Of what is on its way to them, one snapshot has to find room.
                series.update()
            others = self._histories.others(symbol)
            asked = min([start, *others]) - 1
            if asked < 0:
                client.unsubscribe(Candle, [symbol], history_only=True)
                asked = 0
            others = [other for other in others if other != asked]
            series = client.follow(Candle, symbol, start, others)
            self._histories.follow(symbol, series, asked)
            client.subscribe(Candle, [symbol], from_time=asked, keep_spelling=True)
            streamer = weakref.ref(self)

        def release() -> None:
            if (owner := streamer()) is not None:
                owner._release(symbol, series)

        return CandleFeed(symbol, series, release)

    def _release(self, symbol: str, series: TimeSeries) -> None:
        with self._lock:
            nobody = self._histories.leave(symbol, series)
            if nobody and self._client is not None and not self._closed:
                self._client.unsubscribe(Candle, [symbol], history_only=True)
