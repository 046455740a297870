"""The streamer: one connection, its subscriptions and its listeners."""

import atexit
import threading
import time
import warnings
import weakref
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from dxstream import _dxstream
from dxstream._dxstream import Client, Queue, Wake
from dxstream.dxfeed import Candle, Event
from dxstream.endpoint import Endpoint, SessionLike, resolve, resolve_blocking
from dxstream.errors import StreamerClosedError
from dxstream.exchange import Exchange
from dxstream.listener import Listener, take
from dxstream.waiting import Call, Procedure, Wait, done, run, run_blocking

__all__ = ["DEFAULT_BUFFER", "DXLinkStreamer", "StreamerStats"]

E = TypeVar("E", bound=Event)

DEFAULT_BUFFER = 1 << 20
"""Most events that wait for a listener, unless it asks for another number."""

BACKLOG = 1 << 17
"""Most events of a type that wait from `subscribe` until the first listener takes them over."""

_CLOSE_SECONDS = 3.0
# Milliseconds of 1973: an earlier from_time was most likely given in seconds.
_EARLIEST_FROM_TIME = 100_000_000_000

_open: "weakref.WeakSet[DXLinkStreamer]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class StreamerStats:
    """What a streamer has counted since it was connected.

    Attributes
    ----------
    state
        "new", "connecting", "connected", "closed" or "failed".
    messages
        Text frames received.
    bytes
        Bytes of text frames received.
    events
        Events read, marker rows of snapshots included.
    malformed_frames
        Frames that were no DXLink message; they were skipped.
    rejected_rows
        Rows that could not be read; they were skipped.
    rejected_blocks
        Blocks of an unknown event type, channel or field list; they were skipped.
    split_transactions
        Snapshots and transactions that were too long to be handed on whole.
    server_errors
        ERROR messages of the server.
    complaints
        The last of these, oldest first, in words.
    subscriptions
        Symbols wanted, over all event types.
    """

    state: str
    messages: int
    bytes: int
    events: int
    malformed_frames: int
    rejected_rows: int
    rejected_blocks: int
    split_transactions: int
    server_errors: int
    complaints: tuple[str, ...]
    subscriptions: int


class _Inbox:
    """What came of an event type since it was subscribed, until the first listener takes over."""

    __slots__ = ("queue", "taken_over", "used")

    def __init__(self, queue: "Queue[Any]") -> None:
        self.queue = queue
        self.used = False
        self.taken_over = False


class DXLinkStreamer:
    """Market data from a DXLink server, as typed events.

    Use it as a context manager, asynchronous or not. What a method does, it does when it is called; what
    it returns can be awaited, or waited for with ``.result()``, or left alone. All methods may be called
    from any thread and any event loop; none needs an event loop to be running.

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
        self.session = session
        self._connect_timeout = connect_timeout
        self._keepalive_timeout = keepalive_timeout
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._exchange: Exchange | None = None
        self._entered = False
        self._closed = False
        self._inboxes: dict[str, _Inbox] = {}
        self._subscribed: dict[str, set[str]] = {}
        self._listeners: weakref.WeakSet[Listener[Any]] = weakref.WeakSet()

    def __repr__(self) -> str:
        """Show the state and what is subscribed; never a token."""
        types = ", ".join(f"{len(of)} {name}" for name, of in self._subscribed.items() if of)
        return f"<DXLinkStreamer {self.state}: {types or 'nothing'} subscribed>"

    # --- connecting and closing

    @property
    def state(self) -> str:
        """Where the connection stands: "new", "connecting", "connected", "closed" or "failed"."""
        if self._client is None:
            return "closed" if self._closed else "connecting" if self._entered else "new"
        return self._client.state

    def _enter(self) -> None:
        with self._lock:
            if self._closed:
                msg = "the streamer was closed; make a new one to connect again"
                raise StreamerClosedError(msg)
            if self._entered:
                msg = "the streamer is connected already; one `with` is enough"
                raise RuntimeError(msg)
            self._entered = True

    def _connect(self, endpoint: Endpoint) -> Procedure[None]:
        client: Client | None = None
        try:
            if endpoint.url.startswith("sim:"):
                self._exchange = Exchange.from_url(endpoint.url)
                endpoint = Endpoint(self._exchange.url)
            client = Client(
                endpoint.url,
                endpoint.token,
                ca_pem=endpoint.ca_pem(),
                connect_timeout=self._connect_timeout,
                keepalive_timeout=self._keepalive_timeout,
            )
            wake = Wake()
            while True:
                client.watch_state(wake)
                if client.state != "connecting":
                    break
                yield Wait(wake)
                wake.clear()
            if (error := client.error()) is not None:
                raise error
        except BaseException:
            if client is not None:
                client.close()
            raise
        with self._lock:
            self._client = client
        _open.add(self)

    def _disconnect(self) -> Procedure[None]:
        with self._lock:
            client, exchange = self._client, self._exchange
            self._closed = True
        try:
            if client is not None:
                client.close()
                deadline = time.monotonic() + _CLOSE_SECONDS
                wake = Wake()
                while True:
                    client.watch_state(wake)
                    if client.state in ("closed", "failed"):
                        break
                    if not (yield Wait(wake, deadline)):
                        break
                    wake.clear()
        finally:
            _open.discard(self)
            if exchange is not None:
                exchange.stop()

    def _give_up(self) -> None:
        with self._lock:
            self._closed = True
            if self._exchange is not None:
                self._exchange.stop()

    def __enter__(self) -> Self:
        self._enter()
        try:
            run_blocking(self._connect(resolve_blocking(self.session)))
        except BaseException:
            self._give_up()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_blocking(self._disconnect())

    async def __aenter__(self) -> Self:
        self._enter()
        try:
            await run(self._connect(await resolve(self.session)))
        except BaseException:
            self._give_up()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await run(self._disconnect())

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        """Open and close the streamer, for a blocking portal of anyio."""
        async with self:
            yield self

    def close(self) -> Call[None]:
        """Close the connection; listeners end once they have given what they hold.

        It may be called more than once. The streamer cannot be opened again.
        """
        with self._lock:
            self._closed = True
            if self._client is not None:
                self._client.close()
        return Call(self._disconnect)

    def __del__(self) -> None:
        client = getattr(self, "_client", None)
        if client is not None and client.state in ("connecting", "connected"):
            client.close()
            if not self._closed:
                warnings.warn(
                    f"{self!r} was never closed; use `with` or close()",
                    ResourceWarning,
                    source=self,
                    stacklevel=1,
                )

    def _connected(self) -> Client:
        client = self._client
        if self._closed:
            msg = "the streamer is closed; make a new one to connect again"
            raise StreamerClosedError(msg)
        if client is None:
            msg = "the streamer is not connected yet; use it in `async with` or `with`"
            raise StreamerClosedError(msg)
        if client.state == "failed" and (error := client.error()) is not None:
            raise error
        return client

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
            start = None if from_time is None else _milliseconds("from_time", from_time)
            told = client.subscribe(
                event_type,
                _symbol_list(symbols),
                from_time=start,
                source=source,
                refresh_interval=refresh_interval,
            )
            name = event_type.__name__
            if name not in self._inboxes:
                self._inboxes[name] = _Inbox(client.listen(event_type, capacity=BACKLOG))
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
            told = client.unsubscribe(event_type, _symbol_list(symbols), source=source)
            self._subscribed.get(event_type.__name__, set()).difference_update(told)
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
            self._subscribed.pop(event_type.__name__, None)
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
            Start of the history, ms since 1970 UTC or a datetime. Without it, only the bar of now and
            those to come.
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
            for symbol in _symbol_list(symbols)
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
                known = self._subscribed.get(Candle.__name__, set())
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
            Most events that wait for the program; beyond, the oldest are dropped, counted, and warned
            of with :class:`~dxstream.SlowConsumerWarning`.

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
        names = None if symbols is None else _symbol_list(symbols)
        with self._lock:
            client = self._connected()
            queue: Queue[E]
            inbox = self._inboxes.get(getattr(event_type, "__name__", ""))
            if inbox is not None and not inbox.taken_over:
                queue = client.fork(inbox.queue, names, capacity=buffer)
                inbox.taken_over = True
                if not inbox.used:
                    inbox.queue = client.listen(event_type, capacity=1)
            else:
                queue = client.listen(event_type, names, capacity=buffer)
            listener = Listener(queue, event_type.__name__, self._listeners.discard)
            self._listeners.add(listener)
            return listener

    def _inbox(self, event_type: type[E]) -> "Queue[E]":
        with self._lock:
            client = self._connected()
            name = getattr(event_type, "__name__", "")
            inbox = self._inboxes.get(name)
            if inbox is None or (inbox.taken_over and not inbox.used):
                taken_over = inbox is not None
                inbox = _Inbox(client.listen(event_type, capacity=DEFAULT_BUFFER))
                inbox.taken_over = taken_over
                self._inboxes[name] = inbox
            elif not inbox.used:
                inbox.queue.set_capacity(DEFAULT_BUFFER)
            inbox.used = True
            return inbox.queue

    def get_event(self, event_type: type[E]) -> Call[E]:
        """Get the next event of a type, waiting for it where none has come.

        Events that came since :meth:`subscribe` and that no other `get_event` took come first. A call
        that is cancelled or runs out of time takes no event.

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
        asked = _symbol_list(symbols)
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
            known = self._subscribed.get(event_type.__name__, set())
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


def _symbol_list(symbols: str | Iterable[str]) -> list[str]:
    listed = [symbols] if isinstance(symbols, str) else list(symbols)
    for symbol in listed:
        if not isinstance(symbol, str):
            msg = f"a symbol must be a string, not {type(symbol).__name__}"
            raise TypeError(msg)
    if not listed:
        msg = "no symbol is given; name at least one"
        raise ValueError(msg)
    return listed


def _milliseconds(name: str, time_of: int | datetime) -> int:
    if isinstance(time_of, datetime):
        # A datetime without a zone is local time, as everywhere in Python.
        return round(time_of.timestamp() * 1000)
    if 0 < time_of < _EARLIEST_FROM_TIME:
        msg = f"{name} must be milliseconds since 1970; {time_of} looks like seconds"
        raise ValueError(msg)
    if time_of < 0:
        msg = f"{name} must not be before 1970"
        raise ValueError(msg)
    return time_of


def _close_all() -> None:
    for streamer in list(_open):
        streamer.close()
    _dxstream.shut_down(_CLOSE_SECONDS)


atexit.register(_close_all)
