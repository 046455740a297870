"""What a streamer asks a server for."""

import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from math import isnan
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from dxstream import _dxstream
from dxstream._dxstream import Client, Queue, Symbols, TimeSeries, Wake
from dxstream.account_stream import AccountUpdates, is_account
from dxstream.account_update import AccountUpdate
from dxstream.arguments import milliseconds, symbol_list
from dxstream.callbacks import Callbacks
from dxstream.connection import Connection, Settings
from dxstream.dxfeed import Candle, Event, Quote, Trade
from dxstream.endpoint import SessionLike
from dxstream.histories import Histories
from dxstream.session import Session
from dxstream.waiting import Call, Procedure, Wait, done

if TYPE_CHECKING:
    from dxstream.candles import CandleFeed, Candles

__all__ = ["MAX_HISTORY", "Inbox", "Subscriber", "check_subscribed", "type_name"]

E = TypeVar("E", bound=Event)

MAX_HISTORY = 1 << 20
"""Most events of a symbol and type that can be kept."""

BACKLOG = 1 << 17
"""Most events of a type that wait from `subscribe` until the first listener takes them over."""


COMPANION_SECONDS = 1.0
"""Longest wait for the Trades that accompany Quotes."""

FIRST_DAY = 86_400_000
"""Where histories of candles begin at the earliest: 1970-01-02, ms since 1970 UTC."""

END_OF_TIME = 2_145_916_800_000
"""2038-01-01, ms since 1970 UTC: what comes after is no time of a candle."""


class Inbox(Generic[E]):
    """What came of an event type for `get_event`, and for the first listener.

    Events of the SDK's classes have a queue of their own for `get_event`, which lacks what the SDK
    does not deliver.
    """

    __slots__ = ("of_sdk", "queue", "taken_over", "used")

    def __init__(self, queue: Queue[E] | None = None) -> None:
        self.queue = queue
        self.of_sdk: Queue[Any] | None = None
        self.used = False
        self.taken_over = queue is None


class TableRows(NamedTuple):
    """The symbols of a table's rows: as they were asked for, on the wire, and in the store.

    The first two are one tuple where they are the same.
    """

    asked: tuple[str, ...]
    wire: tuple[str, ...]
    resolved: Symbols


class Subscriber(Connection):
    """A connection and what is subscribed on it."""

    def __init__(self, session: SessionLike, settings: Settings, callbacks: Callbacks) -> None:
        if not 0 <= settings.history <= MAX_HISTORY:
            msg = f"history must be from 0 to {MAX_HISTORY}"
            raise ValueError(msg)
        super().__init__(session, settings, callbacks)
        self._inboxes: dict[str, Inbox[Any]] = {}
        # For each event type, when each symbol was first asked for, on time.monotonic_ns().
        self._subscribed: dict[str, dict[str, int]] = {}
        self._all_rows: dict[str, TableRows] = {}
        self._some_rows: dict[str, TableRows] = {}
        self._histories = Histories()

    def __repr__(self) -> str:
        """Show the state and what is subscribed; never a token."""
        types = ", ".join(f"{len(of)} {name}" for name, of in self._subscribed.items() if of)
        state = "of another process" if self._inherited else self.state
        return f"<{type(self).__name__} {state}: {types or 'nothing'} subscribed>"

    def _account_updates(self) -> AccountUpdates:
        with self._lock:
            self._connected()
            if self._accounts is None:
                streamer = weakref.ref(self)

                def mark(symbol: str) -> float | None:
                    owner = streamer()
                    return None if owner is None else owner._mark(symbol)

                session: object = self.session
                if (exchange := self._exchange) is not None:
                    urls = exchange.api_url, exchange.account_url
                    session = Session("sim", "sim", base_url=urls[0], account_url=urls[1])
                self._accounts = AccountUpdates(session, mark)
            return self._accounts

    def _mark(self, symbol: str) -> float | None:
        """Return the middle of the last quote of a symbol, or else the price of its last trade."""
        if (client := self._client) is None:
            return None
        try:
            [wire] = client.wire_symbols(Quote, [symbol])
        except ValueError:
            return None
        quote, trade = client.latest(Quote, wire), client.latest(Trade, wire)
        if quote is not None and not isnan(quote.mid_price):
            return quote.mid_price
        return None if trade is None or isnan(trade.price) else trade.price

    def subscribe(
        self,
        event_type: type[Event | AccountUpdate],
        symbols: str | Iterable[str],
        refresh_interval: float | None = 0.1,
        *,
        from_time: int | datetime | None = None,
        source: str | None = None,
        history: int | None = None,
    ) -> Call[None]:
        """Ask for events of symbols.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`, such as ``Quote``. With ``AccountUpdate`` the symbols
            are account numbers, and awaiting the call waits until the server has agreed.
        symbols
            Symbols of dxFeed, OCC's of options (``"AAPL  250117C00150000"``), or tastytrade's of
            futures and options on them, as :func:`dxstream.symbology.to_dxfeed` reads them except
            for cryptocurrencies; a string is one symbol. The ``symbol`` of an event is as it is
            written here, or in the last call that names it, whatever the event type; its
            ``event_symbol`` is as the server writes it.
        refresh_interval
            Seconds over which the server may aggregate; 0 asks for every event, and ``None`` leaves
            it to the server. The last call for an event type counts for all its symbols.
        from_time
            Start of the history of a time series (Candle, Greeks, TheoPrice, Underlying,
            TimeAndSale): ms since 1970 UTC, or a datetime. Without it, only new events come.
        source
            Source of orders, such as ``"NTV"``.
        history
            Events of each of these symbols to keep, if not as many as the streamer keeps. It counts
            for symbols of which no event has come yet.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used, as an OCC symbol that is wrong; nothing is subscribed
            then.
        StreamerClosedError
            If the streamer is not connected.
        SubscriptionError, AuthenticationError
            When it is awaited: the server refuses an account.

        Notes
        -----
        The server confirms nothing: a symbol that it does not know stays silent.

        What it returns need not be awaited. Where the streamer has ``companions="subscribe"``,
        awaiting a subscription of ``Quote`` waits until each symbol has a Trade, for a second at
        most.
        """
        with self._lock:
            client = self._connected()
            if is_account(event_type):
                if (from_time, source, history) != (None, None, None):
                    msg = "accounts have no history and no source; name their numbers alone"
                    raise ValueError(msg)
                return self._account_updates().subscribe(symbols)
            start = None if from_time is None else milliseconds("from_time", from_time)
            names = symbol_list(symbols)
            name = type_name(event_type)
            if history is not None and not 0 <= history <= MAX_HISTORY:
                msg = f"history must be from 0 to {MAX_HISTORY}"
                raise ValueError(msg)
            inbox = self._inboxes.get(name)
            if inbox is None:
                # Before the server is asked, so that the first event finds it.
                inbox = Inbox(client.backlog(event_type, capacity=BACKLOG))
            told = client.subscribe(
                event_type,
                names,
                from_time=start,
                source=source,
                refresh_interval=refresh_interval,
                history=history,
            )
            self._inboxes[name] = inbox
            now = time.monotonic_ns()
            subscribed = self._subscribed.setdefault(name, {})
            for symbol in told:
                subscribed.setdefault(symbol, now)
            self._forget_rows(name)
            # How a symbol is written counts for the tables of all types.
            self._all_rows.clear()
            if name == type_name(Candle) and start is not None:
                for symbol in told:
                    self._histories.subscribe(symbol, start)
                    self._ask_again(client, symbol, unless=start)
            if name == type_name(Quote) and self._settings.companions == "subscribe":
                return Call(until_traded(client, told))
        return done(None)

    def unsubscribe(
        self,
        event_type: type[Event | AccountUpdate],
        symbols: str | Iterable[str],
        *,
        source: str | None = None,
    ) -> Call[None]:
        """Ask for events of symbols no longer; symbols that are not subscribed are passed over.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used; nothing is unsubscribed then.
        StreamerClosedError
            If the streamer is not connected.
        """
        with self._lock:
            client = self._connected()
            if is_account(event_type):
                self._account_updates().unsubscribe(symbols)
                return done(None)
            told = client.unsubscribe(event_type, symbol_list(symbols), source=source)
            name = type_name(event_type)
            for symbol in told:
                self._subscribed.get(name, {}).pop(symbol, None)
            self._forget_rows(name)
            if name == type_name(Candle):
                for symbol in told:
                    self._histories.unsubscribe(symbol)
                    self._ask_again(client, symbol)
        return done(None)

    def unsubscribe_all(self, event_type: type[Event | AccountUpdate]) -> Call[None]:
        """Ask for no events of the type any more.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected.
        """
        with self._lock:
            client = self._connected()
            if is_account(event_type):
                self._account_updates().unsubscribe()
                return done(None)
            client.unsubscribe_all(event_type)
            name = type_name(event_type)
            self._subscribed.pop(name, None)
            self._forget_rows(name)
            if name == type_name(Candle):
                for symbol in self._histories:
                    self._histories.unsubscribe(symbol)
                    self._ask_again(client, symbol)
        return done(None)

    def _ask_again(self, client: Client, symbol: str, unless: int | None = None) -> None:
        """Ask for the history that others than `subscribe` go on wanting."""
        start = self._histories.earliest(symbol)
        if start is not None and start != unless:
            client.subscribe(Candle, [symbol], from_time=start, keep_spelling=True)

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
            from dxstream.candles import load

            feed = self._follow(wire, start)
            candles = yield from load(feed, timeout)
            with self._lock:
                self._histories.answered(wire, feed.series)
            return candles

        return Call(procedure)

    def _follow(self, symbol: str, start: int) -> "CandleFeed":
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

    def _rows(
        self, client: Client, event_type: type[Event], symbols: str | Iterable[str] | None
    ) -> TableRows:
        """Find the symbols of a table's rows; all that are subscribed where it is ``None``."""
        name = type_name(event_type)
        known = (self._all_rows if symbols is None else self._some_rows).get(name)
        if known is not None and (symbols is None or known.asked is symbols):
            return known
        with self._lock:
            subscribed = self._subscribed.get(name, {})
            if symbols is None:
                wire = tuple(subscribed)
                resolved = client.symbols(event_type, wire)
                asked = client.spellings(resolved)
                rows = TableRows(asked, asked if asked == wire else wire, resolved)
                return self._all_rows.setdefault(name, rows)
            listed = symbol_list(symbols)
            asked = symbols if type(symbols) is tuple else tuple(listed)
            known = self._some_rows.get(name)
            if known is None or known.asked != asked:
                wire = tuple(client.wire_symbols(event_type, asked))
                check_subscribed(name, wire, subscribed)
                wire = asked if asked == wire else wire
                known = TableRows(asked, wire, client.symbols(event_type, wire))
                self._some_rows[name] = known
            return known

    def _forget_rows(self, name: str) -> None:
        self._all_rows.pop(name, None)
        self._some_rows.pop(name, None)


def check_subscribed(
    event_type: str, symbols: Iterable[str], subscribed: Mapping[str, Any]
) -> None:
    """Refuse symbols that are not subscribed.

    Raises
    ------
    KeyError
        For the first that is not, with those that look like it.
    """
    for symbol in symbols:
        if symbol not in subscribed:
            near = get_close_matches(symbol, subscribed, cutoff=0.5)
            hint = f"; there are {', '.join(near)}" if near else ""
            msg = f"{symbol} is not subscribed for {event_type}{hint}"
            raise KeyError(msg)


def until_traded(client: Client, symbols: list[str]) -> Callable[[], Procedure[None]]:
    """Ask for the Trades of symbols, and return what waits until each has one, or for a second."""
    trades = client.accompany(symbols)
    deadline = time.monotonic() + COMPANION_SECONDS

    def procedure() -> Procedure[None]:
        missing = {symbol for symbol in symbols if client.latest(Trade, symbol) is None}
        wake = Wake()
        while missing:
            if (trade := trades.next()) is not None:
                missing.discard(trade.event_symbol)
                continue
            if trades.ended() is not None:
                break
            if trades.arm(wake) and not (yield Wait(wake, deadline)):
                break

    return procedure


def type_name(event_type: type[Event | AccountUpdate]) -> str:
    """Return the name of an event type."""
    # What is no class is refused, with a clear word, where the name is used next.
    return getattr(event_type, "__name__", "")
