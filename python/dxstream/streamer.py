"""The streamer: one connection, its subscriptions and its listeners."""

import time
import weakref
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

from dxstream import _dxstream
from dxstream._dxstream import Client, Queue, Wake
from dxstream.arguments import milliseconds, symbol_list
from dxstream.connection import Connection
from dxstream.dxfeed import Candle, Event
from dxstream.endpoint import SessionLike
from dxstream.listener import Listener, take
from dxstream.stats import StreamerStats
from dxstream.waiting import Call, Procedure, Wait, done

__all__ = ["DEFAULT_BUFFER", "DXLinkStreamer"]

E = TypeVar("E", bound=Event)

DEFAULT_BUFFER = 1 << 20
"""Most events that wait for a listener, unless it asks for another number."""

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
        connect_timeout: float = 10.0,
        keepalive_timeout: float = 60.0,
    ) -> None:
        super().__init__(
            session, connect_timeout=connect_timeout, keepalive_timeout=keepalive_timeout
        )
        self._inboxes: dict[str, _Inbox[Any]] = {}
        self._subscribed: dict[str, set[str]] = {}
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
            name = _name(event_type)
            inbox = self._inboxes.get(name)
            if inbox is None:
                # Before the server is asked, so that the first event finds it.
                inbox = _Inbox(client.listen(event_type, capacity=BACKLOG))
            told = client.subscribe(
                event_type,
                symbol_list(symbols),
                from_time=start,
                source=source,
                refresh_interval=refresh_interval,
            )
            self._inboxes[name] = inbox
            self._subscribed.setdefault(name, set()).update(told)
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
            self._subscribed.get(_name(event_type), set()).difference_update(told)
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
                known = self._subscribed.get(_name(Candle), set())
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
        if buffer < 1:
            msg = "buffer must be at least 1"
            raise ValueError(msg)
        names = None if symbols is None else symbol_list(symbols)
        with self._lock:
            client = self._connected()
            inbox = self._inboxes.setdefault(_name(event_type), _Inbox())
            if inbox.queue is None or inbox.taken_over:
                queue = client.listen(event_type, names, capacity=buffer)
            else:
                queue = client.fork(inbox.queue, names, capacity=buffer)
                inbox.taken_over = True
                if not inbox.used:
                    inbox.queue = None
            listener = Listener(queue, _name(event_type), self._listeners.discard)
            self._listeners.add(listener)
            return listener

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
            known = self._subscribed.get(_name(event_type), set())
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
