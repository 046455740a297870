"""What a streamer asks a server for."""

import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from math import isnan
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from dxstream._dxstream import Client, Queue, Symbols, Wake
from dxstream.account_update import AccountUpdate, is_account
from dxstream.arguments import milliseconds, symbol_list
from dxstream.callbacks import Callbacks
from dxstream.connection import Connection, Settings
from dxstream.dxfeed import Candle, Event, Quote, Trade
from dxstream.endpoint import SessionLike
from dxstream.errors import DXStreamError
from dxstream.histories import Histories
from dxstream.process import importing
from dxstream.waiting import Call, Procedure, Wait, done

if TYPE_CHECKING:
    from dxstream.account_stream import AccountUpdates

__all__ = ["MAX_HISTORY", "Inbox", "Subscriber", "check_subscribed", "type_name"]

E = TypeVar("E", bound=Event)

MAX_HISTORY = 1 << 20
"""Most events of a symbol and type that can be kept."""

BACKLOG = 1 << 17
"""Most events of a type that wait from `subscribe` until the first listener takes them over."""


COMPANION_SECONDS = 1.0
"""Longest wait for the Trades that accompany Quotes."""


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
        _check_history(settings.history)
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

    def _account_updates(self) -> "AccountUpdates":
        with importing:
            from dxstream.account_stream import AccountUpdates
            from dxstream.session import Session

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
            if history is not None:
                _check_history(history)
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


def _check_history(history: int) -> None:
    if not 0 <= history <= MAX_HISTORY:
        msg = f"history must be from 0 to {MAX_HISTORY}"
        raise ValueError(msg)


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
            try:
                trades.check()
            except DXStreamError:
                break
            if trades.arm(wake) and not (yield Wait(wake, deadline)):
                break

    return procedure


def type_name(event_type: type[Event | AccountUpdate]) -> str:
    """Return the name of an event type."""
    # What is no class is refused, with a clear word, where the name is used next.
    return getattr(event_type, "__name__", "")
