"""The streamer: one connection, its subscriptions and its listeners."""

import time
import weakref
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dxstream import _dxstream
from dxstream._dxstream import Client, Queue, Symbols, Wake
from dxstream.arguments import milliseconds, symbol_list
from dxstream.connection import Connection
from dxstream.dxfeed import Candle, Event
from dxstream.endpoint import SessionLike
from dxstream.listener import Listener, take
from dxstream.stats import StreamerStats
from dxstream.waiting import Call, Procedure, Wait, done

if TYPE_CHECKING:
    from dxstream.batches import Batches
    from dxstream.table import EventTable

__all__ = ["DEFAULT_BUFFER", "DEFAULT_HISTORY", "DXLinkStreamer"]

E = TypeVar("E", bound=Event)

DEFAULT_BUFFER = 1 << 20
"""Most events that wait for a listener, unless it asks for another number."""

DEFAULT_HISTORY = 64
"""Events of each symbol and type that are kept, unless a streamer asks for another number."""

MAX_HISTORY = 1 << 20
"""Most events of a symbol and type that can be kept."""

BACKLOG = 1 << 17
"""Most events of a type that wait from `subscribe` until the first listener takes them over."""


class _Inbox(Generic[E]):
    """What came of an event type for `get_event`, and for the first listener."""

    __slots__ = ("queue", "taken_over", "used")

    def __init__(self, queue: Queue[E] | None = None) -> None:
        self.queue = queue
        self.used = False
        self.taken_over = queue is None


class DXLinkStreamer(Connection):
    """Market data from a DXLink server, as typed events.

    Use it as a context manager, asynchronous or not. What a method does, it does when it is called;
    what it returns can be awaited, or waited for with ``.result()``, or left alone. All methods may
    be called from any thread and any event loop; none needs an event loop to be running.

    Parameters
    ----------
    session
        What leads to a server: an :class:`~dxstream.Endpoint`, a URL, or a function or coroutine
        function that returns one of them. ``"sim://"`` is an exchange inside this process.
    history
        Events of each symbol and type that are kept for :meth:`history`; 0 keeps the last alone.
    connect_timeout
        Most seconds for each step of connecting and for each answer of the server.
    keepalive_timeout
        Seconds of silence after which either side may take the other for dead.

    Examples
    --------
    >>> from dxstream import DXLinkStreamer
    >>> from dxstream.dxfeed import Quote
    >>> with DXLinkStreamer("sim://") as streamer:
    ...     streamer.subscribe(Quote, "AAPL")
    ...     for quote in streamer.listen(Quote):
    ...         print(quote.event_symbol, quote.bid_price < quote.ask_price)
    ...         break
    <dxstream.waiting.Call object at ...>
    AAPL True
    """

    def __init__(
        self,
        session: SessionLike,
        *,
        history: int = DEFAULT_HISTORY,
        connect_timeout: float = 10.0,
        keepalive_timeout: float = 60.0,
    ) -> None:
        if not 0 <= history <= MAX_HISTORY:
            msg = f"history must be from 0 to {MAX_HISTORY}"
            raise ValueError(msg)
        super().__init__(
            session,
            history=history,
            connect_timeout=connect_timeout,
            keepalive_timeout=keepalive_timeout,
        )
        self._inboxes: dict[str, _Inbox[Any]] = {}
        self._subscribed: dict[str, dict[str, None]] = {}
        self._symbols: dict[str, tuple[tuple[str, ...], list[str], Symbols]] = {}
        self._listeners: weakref.WeakSet[Listener[Any]] = weakref.WeakSet()

    def __repr__(self) -> str:
        """Show the state and what is subscribed; never a token."""
        types = ", ".join(f"{len(of)} {name}" for name, of in self._subscribed.items() if of)
        return f"<DXLinkStreamer {self.state}: {types or 'nothing'} subscribed>"

    # --- subscriptions

    def subscribe(
        self,
        event_type: type[Event],
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
            A class of :mod:`dxstream.dxfeed`, such as ``Quote``.
        symbols
            dxFeed symbols; a string is one symbol.
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
            If an argument cannot be used; nothing is subscribed then.
        StreamerClosedError
            If the streamer is not connected.

        Notes
        -----
        The server confirms nothing: a symbol that it does not know stays silent.
        """
        with self._lock:
            client = self._connected()
            start = None if from_time is None else milliseconds("from_time", from_time)
            names = symbol_list(symbols)
            name = _name(event_type)
            if history is not None:
                if not 0 <= history <= MAX_HISTORY:
                    msg = f"history must be from 0 to {MAX_HISTORY}"
                    raise ValueError(msg)
                client.set_history(client.symbols(event_type, names), history)
            inbox = self._inboxes.get(name)
            if inbox is None:
                # Before the server is asked, so that the first event finds it.
                inbox = _Inbox(client.listen(event_type, capacity=BACKLOG))
            told = client.subscribe(
                event_type,
                names,
                from_time=start,
                source=source,
                refresh_interval=refresh_interval,
            )
            self._inboxes[name] = inbox
            self._subscribed.setdefault(name, {}).update(dict.fromkeys(told))
            self._symbols.pop(name, None)
        return done(None)

    def unsubscribe(
        self,
        event_type: type[Event],
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
            told = client.unsubscribe(event_type, symbol_list(symbols), source=source)
            name = _name(event_type)
            for symbol in told:
                self._subscribed.get(name, {}).pop(symbol, None)
            self._symbols.pop(name, None)
        return done(None)

    def unsubscribe_all(self, event_type: type[Event]) -> Call[None]:
        """Ask for no events of the type any more.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected.
        """
        with self._lock:
            self._connected().unsubscribe_all(event_type)
            self._subscribed.pop(_name(event_type), None)
            self._symbols.pop(_name(event_type), None)
        return done(None)

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
            dxFeed symbols of instruments; a string is one symbol.
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
            self._connected()
            if interval is not None:
                candles = [_dxstream.candle_symbol(ticker, interval, extended_trading_hours)]
            else:
                known = self._subscribed.get(_name(Candle), {})
                candles = [candle for candle in known if _dxstream.candle_base(candle) == ticker]
            return self.unsubscribe(Candle, candles) if candles else done(None)

    # --- events

    def listen(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        buffer: int = DEFAULT_BUFFER,
    ) -> Listener[E]:
        """Get the events of a type, one after another: ``async for`` or ``for``.

        Every listener gets every event. The first of an event type begins with what came since
        :meth:`subscribe` (the last 131,072 events of it); every other begins now.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbols
            Only events of these symbols.
        buffer
            Most events that wait for the program; beyond, the oldest are dropped, counted, and
            warned of with :class:`~dxstream.SlowConsumerWarning`.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer is not connected.
        """
        queue = self._listen(event_type, symbols, buffer)
        listener = Listener(queue, _name(event_type), self._listeners.discard)
        self._listeners.add(listener)
        return listener

    def batches(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        max_events: int = 65_536,
        max_wait: float = 0.01,
        fields: Iterable[str] | None = None,
        buffer: int = DEFAULT_BUFFER,
    ) -> "Batches[E]":
        """Get the events of a type as tables, in the order of arrival: ``async for`` or ``for``.

        It is a listener, and gets every event as others do; no Python object is made for an event.

        Parameters
        ----------
        event_type, symbols, buffer
            As for :meth:`listen`.
        max_events
            Most rows of a table.
        max_wait
            Most seconds for which an event waits for others to fill its table.
        fields
            The fields to read; all where it is ``None``.

        Raises
        ------
        KeyError
            If there is no such field.
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer is not connected.
        """
        from dxstream.batches import Batches

        return Batches(
            event_type,
            lambda: self._listen(event_type, symbols, buffer),
            max_events=max_events,
            max_wait=max_wait,
            fields=fields,
        )

    def _listen(
        self, event_type: type[E], symbols: str | Iterable[str] | None, buffer: int
    ) -> Queue[E]:
        if buffer < 1:
            msg = "buffer must be at least 1"
            raise ValueError(msg)
        names = None if symbols is None else symbol_list(symbols)
        with self._lock:
            client = self._connected()
            inbox = self._inboxes.setdefault(_name(event_type), _Inbox())
            if inbox.queue is None or inbox.taken_over:
                return client.listen(event_type, names, capacity=buffer)
            inbox.taken_over = True
            queue = client.fork(inbox.queue, names, capacity=buffer)
            if not inbox.used:
                inbox.queue = None
            return queue

    def _inbox(self, event_type: type[E]) -> "Queue[E]":
        with self._lock:
            client = self._connected()
            inbox: _Inbox[E] = self._inboxes.setdefault(_name(event_type), _Inbox())
            if inbox.queue is None:
                inbox.queue = client.listen(event_type, capacity=DEFAULT_BUFFER)
            elif not inbox.used:
                inbox.queue.set_capacity(DEFAULT_BUFFER)
            inbox.used = True
            return inbox.queue

    def get_event(self, event_type: type[E]) -> Call[E]:
        """Get the next event of a type, waiting for it where none has come.

        Events that came since :meth:`subscribe` and that no other `get_event` took come first. A
        call that is cancelled or runs out of time takes no event.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected, or is closed meanwhile.
        """
        queue = self._inbox(event_type)

        def procedure() -> Procedure[E]:
            return (yield from take(queue, Wake()))

        return Call(procedure)

    def get_event_nowait(self, event_type: type[E]) -> E | None:
        """Get the next event of a type, or ``None`` where none has come.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected.
        """
        return self._inbox(event_type).next()

    def latest(self, event_type: type[E], symbol: str) -> E | None:
        """Get the last event of a symbol, or ``None`` where none has come.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer was never connected.
        """
        client = self._client
        if client is None:
            client = self._connected()
        return client.latest(event_type, symbol)

    def snapshot(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        fields: Iterable[str] | None = None,
        out: "EventTable[E] | None" = None,
    ) -> "EventTable[E]":
        """Get the last event of each symbol as columns.

        It reads memory alone: it needs no event loop, takes no lock that the connection takes, and
        works after the streamer was closed. Each row is one event.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbols
            The symbols of the rows, in their order; all that are subscribed where it is ``None``,
            in the order of subscription.
        fields
            The fields to read; all where it is ``None``.
        out
            A table of as many rows, whose arrays are filled and which is returned.

        Returns
        -------
        EventTable
            A row for each symbol. Rows of symbols without an event are not ``valid``.

        Raises
        ------
        KeyError
            If a symbol is not subscribed, or there is no such field.
        ValueError, TypeError
            If an argument cannot be used, or `out` has another shape.
        StreamerClosedError
            If the streamer was never connected.
        """
        from dxstream import reading

        client = self._client or self._connected()
        with self._lock:
            name = _name(event_type)
            subscribed = self._subscribed.get(name, {})
            names = tuple(subscribed) if symbols is None else tuple(symbol_list(symbols))
            asked = self._symbols.get(name)
            if asked is None or asked[0] != names:
                wire = client.wire_symbols(event_type, names)
                if symbols is not None:
                    reading.check_subscribed(name, wire, subscribed)
                asked = self._symbols[name] = names, wire, client.symbols(event_type, wire)
        _, wire, resolved = asked
        return reading.snapshot(client, event_type, resolved, wire, fields, out)

    def history(
        self,
        event_type: type[E],
        symbol: str,
        n: int | None = None,
        *,
        fields: Iterable[str] | None = None,
    ) -> "EventTable[E]":
        """Get the last events of a symbol as columns, oldest first.

        Like :meth:`snapshot` it reads memory alone. Events that are overwritten while they are read
        are left out, on the oldest side.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbol
            A symbol that is subscribed.
        n
            Most events; all that are kept where it is ``None``.
        fields
            The fields to read; all where it is ``None``.

        Raises
        ------
        KeyError
            If the symbol is not subscribed, or there is no such field.
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer was never connected.
        """
        from dxstream import reading

        if n is not None and n < 0:
            msg = "n must be 0 or more"
            raise ValueError(msg)
        client = self._client or self._connected()
        with self._lock:
            subscribed = self._subscribed.get(_name(event_type), {})
            wire = client.wire_symbols(event_type, [symbol])
            reading.check_subscribed(_name(event_type), wire, subscribed)
        most = MAX_HISTORY if n is None else n
        return reading.table_of(event_type, client.history(event_type, symbol, most), fields)

    def collect(
        self,
        event_type: type[E],
        symbols: str | Iterable[str],
        timeout: float = 5.0,
    ) -> Call[tuple[dict[str, E], list[str]]]:
        """Get one event of each symbol: its last one, or the first to come.

        Symbols that are not subscribed are subscribed until all have come.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbols
            dxFeed symbols; a string is one symbol.
        timeout
            Most seconds to wait.

        Returns
        -------
        tuple of dict and list
            The events by symbol as it was given, and the symbols of which none came, in the order
            given.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer is not connected, or is closed meanwhile.
        """
        asked = symbol_list(symbols)
        if not timeout >= 0:
            msg = "timeout must be seconds, 0 or more"
            raise ValueError(msg)
        client = self._connected()
        queue = client.listen(event_type, asked, capacity=DEFAULT_BUFFER)

        def procedure() -> Procedure[tuple[dict[str, E], list[str]]]:
            return (yield from self._collect(client, queue, event_type, asked, timeout))

        return Call(procedure)

    def _collect(
        self,
        client: Client,
        queue: "Queue[E]",
        event_type: type[E],
        asked: list[str],
        timeout: float,
    ) -> Procedure[tuple[dict[str, E], list[str]]]:
        deadline = time.monotonic() + timeout
        wire = dict(zip(asked, client.wire_symbols(event_type, asked), strict=True))
        with self._lock:
            known = self._subscribed.get(_name(event_type), {})
            new = [symbol for symbol in wire.values() if symbol not in known]
            if new:
                self.subscribe(event_type, new)
        found: dict[str, E] = {}
        for symbol in wire.values():
            if symbol not in new and (event := client.latest(event_type, symbol)) is not None:
                found[symbol] = event
        missing = set(wire.values()) - found.keys()
        wake = Wake()
        try:
            while missing:
                event = queue.next()
                if event is not None:
                    if event.event_symbol in missing:
                        missing.discard(event.event_symbol)
                        found[event.event_symbol] = event
                    continue
                if (ended := queue.ended()) is not None:
                    raise ended
                if queue.arm(wake) and not (yield Wait(wake, deadline)):
                    break
        finally:
            if new and self.state == "connected":
                self.unsubscribe(event_type, new)
        events = {symbol: found[name] for symbol, name in wire.items() if name in found}
        return events, [symbol for symbol in asked if symbol not in events]

    # --- figures

    def stats(self) -> StreamerStats:
        """Count what the connection has received and what of it could not be used."""
        client = self._client
        counters = dict.fromkeys(_COUNTERS, 0) if client is None else client.counters()
        return StreamerStats(
            state=self.state,
            complaints=() if client is None else tuple(client.complaints()),
            subscriptions=sum(len(of_type) for of_type in self._subscribed.values()),
            **counters,
        )


def _name(event_type: type[Event]) -> str:
    # What is no class is refused, with a clear word, where the name is used next.
    return getattr(event_type, "__name__", "")


_COUNTERS = (
    "messages",
    "bytes",
    "events",
    "malformed_frames",
    "rejected_rows",
    "rejected_blocks",
    "split_transactions",
    "server_errors",
)
