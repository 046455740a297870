"""The streamer: one connection, its subscriptions and its listeners."""

import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from dxstream._dxstream import Queue, Wake, event_class, sdk_event_types
from dxstream.account_update import AccountUpdate, is_account
from dxstream.arguments import conflation_interval, symbol_list
from dxstream.callbacks import Callbacks
from dxstream.collected import DEFAULT_BUFFER, Collected
from dxstream.connection import Settings
from dxstream.dxfeed import Event
from dxstream.endpoint import SessionLike
from dxstream.errors import adopt_sdk_error
from dxstream.healing import EventsAndGaps, Gap, ReconnectPolicy
from dxstream.listener import Listener, Source, take
from dxstream.older_forms import OlderForms, authorities_of
from dxstream.process import importing
from dxstream.subscriptions import Inbox, type_name
from dxstream.waiting import Call, Procedure, Wait

if TYPE_CHECKING:
    from dxstream.batches import Batches

__all__ = ["DEFAULT_BUFFER", "DEFAULT_HISTORY", "DXLinkStreamer", "check_companions"]

E = TypeVar("E", bound=Event)

DEFAULT_HISTORY = 64
"""Events of each symbol and type that are kept, unless a streamer asks for another number."""

COMPANIONS = ("on use", "subscribe", "off")
"""When the Trades are subscribed that Quotes tell the last price and the volume of."""

SDK_EVENT_TYPES = frozenset(sdk_event_types())


def check_companions(companions: str) -> None:
    """Refuse what is no choice of companions."""
    if companions not in COMPANIONS:
        known = ", ".join(map(repr, COMPANIONS))
        msg = f"companions must be one of {known}, not {companions!r}"
        raise ValueError(msg)


class DXLinkStreamer(OlderForms, Collected):
    """Market data from a DXLink server, as typed events.

    Use it as a context manager, asynchronous or not. What a method does, it does when it is called;
    what it returns can be awaited, or waited for with ``.result()``, or left alone. All methods may
    be called from any thread and any event loop; none needs an event loop to be running.

    Parameters
    ----------
    session
        What leads to a server: a :class:`~dxstream.Session`, or one of the tastytrade SDK; an
        :class:`~dxstream.Endpoint`, a URL, or a function or coroutine function that returns one of
        them. ``"sim://"`` is an exchange inside this process.
    history
        Events of each symbol and type that are kept for :meth:`history`; 0 keeps the last alone.
    reconnect
        How it connects again after a loss. All that is subscribed is then asked for again, and what
        may be missing is a :class:`~dxstream.Gap`. The first connection is tried once.
    on_gap
        Is called with each gap, or is a coroutine function that is: in the event loop in which the
        streamer was entered, or in a thread of its own.
    connect_timeout
        Most seconds for each step of connecting and for each answer of the server.
    keepalive_timeout
        Most seconds of silence after which either side takes the other for dead.
    companions
        When the Trades are subscribed that give Quotes their ``last_price`` and ``volume``. "on
        use" is when one of them is first read of a symbol's Quote; it is ``None`` then. "subscribe"
        is when the Quote is subscribed, and awaiting :meth:`subscribe` waits until each symbol has
        a Trade, for a second at most. "off" is never; Trades that are subscribed anyway are used.
        Listeners neither get nor count the Trades that are subscribed so.
    reconnect_fn, disconnect_fn
        Are called, as `on_gap` is, with the streamer and `reconnect_args` or `disconnect_args`:
        when a connection was made again, and when one was lost.
    ssl_context
        The certificate authorities that it trusts are trusted besides those of the system; nothing
        else of it counts, and a server's certificate is always verified.

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
        reconnect: ReconnectPolicy = ReconnectPolicy(),
        on_gap: Callable[[Gap], object] | None = None,
        connect_timeout: float = 10.0,
        keepalive_timeout: float = 60.0,
        companions: Literal["on use", "subscribe", "off"] = "on use",
        reconnect_fn: Callable[..., object] | None = None,
        reconnect_args: Iterable[object] = (),
        disconnect_fn: Callable[..., object] | None = None,
        disconnect_args: Iterable[object] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        adopt_sdk_error()
        check_companions(companions)
        callbacks = Callbacks(
            session,
            on_gap,
            (reconnect_fn, tuple(reconnect_args)),
            (disconnect_fn, tuple(disconnect_args)),
            authorities_of(ssl_context),
        )
        settings = Settings(
            reconnect=reconnect,
            renews=callbacks.renews,
            connect_timeout=connect_timeout,
            keepalive_timeout=keepalive_timeout,
            history=history,
            companions=companions,
        )
        super().__init__(session, settings, callbacks)

    @overload
    def listen(
        self,
        event_type: type[AccountUpdate],
        symbols: str | Iterable[str] | None = None,
    ) -> Listener[AccountUpdate]: ...
    @overload
    def listen(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        policy: str = "every",
        max_rate: float | None = None,
        buffer: int = DEFAULT_BUFFER,
        overflow: str = "drop_oldest",
        gaps: Literal[False] = False,
    ) -> Listener[E]: ...
    @overload
    def listen(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        policy: str = "every",
        max_rate: float | None = None,
        buffer: int = DEFAULT_BUFFER,
        overflow: str = "drop_oldest",
        gaps: bool,
    ) -> Listener[E | Gap]: ...
    def listen(
        self,
        event_type: type[E | AccountUpdate],
        symbols: str | Iterable[str] | None = None,
        *,
        policy: str = "every",
        max_rate: float | None = None,
        buffer: int = DEFAULT_BUFFER,
        overflow: str = "drop_oldest",
        gaps: bool = False,
    ) -> Listener[Any]:
        """Get the events of a type, one after another: ``async for`` or ``for``.

        Every listener gets every event. The first of an event type begins with what came since
        :meth:`subscribe` (the last 131,072 events of it); every other begins now.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`. Of ``AccountUpdate`` the symbols are account numbers;
            it takes no other argument, and at most 10,000 updates wait, the last ones.
        symbols
            Only events of these symbols.
        policy
            "every" event, or the "latest" of each symbol: while the program is busy, at most one
            event of a symbol waits, its last.
        max_rate
            Most events of a symbol a second; its latest then, so that the last event of a burst
            comes within ``1 / max_rate`` seconds.
        buffer
            Most events that wait for the program; where only the latest of each symbol waits, most
            symbols.
        overflow
            What happens when more wait. With "drop_oldest" the oldest are dropped, counted, and
            warned of with :class:`~dxstream.SlowConsumerWarning`. With "conflate" those that wait
            are reduced to the last of each symbol, and the others count as conflated; only if there
            are more symbols than the buffer holds, the oldest are dropped. A buffer of 256 events
            or more may hold a quarter more before that is done again. With "raise" the listener
            gives what waits, raises :class:`~dxstream.SlowConsumerError`, and ends; what comes
            after that counts as dropped.
        gaps
            Whether to get a :class:`~dxstream.Gap` as well, at its end between the events, where
            events may be missing. Where many subscriptions are asked for again, events of the first
            come before it.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer is not connected.
        SubscriptionError
            If account updates are asked for, and no account is subscribed.

        Notes
        -----
        Events that are a state (Quote, Greeks, Summary, Profile, Trade, TheoPrice, Underlying) lose
        nothing that counts by conflation. Each TimeAndSale, Candle and Order says something of its
        own: they are conflated only where that was asked for.
        """
        interval = conflation_interval(policy, max_rate)
        # First, for the queue takes over what waits for the first listener.
        wake = Wake()
        if is_account(event_type):
            if (interval, buffer, overflow, gaps) != (None, DEFAULT_BUFFER, "drop_oldest", False):
                msg = "account updates have no policy, buffer, overflow or gaps to choose"
                raise ValueError(msg)
            updates = self._account_updates().source(symbols)
            return Listener(updates, type_name(event_type), overflow, wake)
        queue = self._listen(event_type, symbols, buffer, interval, overflow)
        name = type_name(event_type)
        events = EventsAndGaps(queue, self._connected(), name) if gaps else queue
        return Listener(events, name, overflow, wake)

    def batches(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        max_events: int = 65_536,
        max_wait: float = 0.01,
        fields: Iterable[str] | None = None,
        policy: str = "every",
        max_rate: float | None = None,
        buffer: int = DEFAULT_BUFFER,
        overflow: str = "drop_oldest",
    ) -> "Batches[E]":
        """Get the events of a type as tables, in the order of arrival: ``async for`` or ``for``.

        It is a listener, and gets every event as others do; no Python object is made for an event.

        Parameters
        ----------
        event_type, symbols, policy, max_rate, buffer, overflow
            As for :meth:`listen`.
        max_events
            Most rows of a table.
        max_wait
            Most seconds for which an event waits for others to fill its table. From 0.005 on, a
            busy socket may be read up to 4 ms late beside that.
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
        with importing:
            from dxstream.batches import Batches

        event_type = event_class(event_type)
        interval = conflation_interval(policy, max_rate)
        return Batches(
            event_type,
            lambda: self._listen(event_type, symbols, buffer, interval, overflow),
            max_events=max_events,
            max_wait=max_wait,
            fields=fields,
            overflow=overflow,
        )

    def _listen(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None,
        buffer: int,
        interval: float | None,
        overflow: str,
    ) -> Queue[E]:
        if buffer < 1:
            msg = "buffer must be at least 1"
            raise ValueError(msg)
        names = None if symbols is None else symbol_list(symbols)
        with self._lock:
            client = self._connected()
            inbox = self._inboxes.setdefault(type_name(event_type), Inbox())
            if inbox.queue is None or inbox.taken_over:
                return client.listen(
                    event_type, names, capacity=buffer, interval=interval, overflow=overflow
                )
            queue = client.fork(
                event_type,
                inbox.queue,
                names,
                capacity=buffer,
                interval=interval,
                overflow=overflow,
            )
            inbox.taken_over = True
            if not inbox.used:
                inbox.queue = None
            return queue

    def _inbox(self, event_type: type[E]) -> "Queue[E]":
        with self._lock:
            client = self._connected()
            inbox: Inbox[E] = self._inboxes.setdefault(type_name(event_type), Inbox())
            if event_class(event_type) in SDK_EVENT_TYPES:
                if inbox.of_sdk is None and inbox.queue is not None and not inbox.taken_over:
                    inbox.of_sdk = client.fork(event_type, inbox.queue, capacity=DEFAULT_BUFFER)
                elif inbox.of_sdk is None:
                    inbox.of_sdk = client.listen(event_type, capacity=DEFAULT_BUFFER)
                return inbox.of_sdk
            if inbox.queue is None:
                inbox.queue = client.listen(event_type, capacity=DEFAULT_BUFFER)
            elif not inbox.used:
                inbox.queue.set_capacity(DEFAULT_BUFFER)
                inbox.queue.begin()
            inbox.used = True
            return inbox.queue

    @overload
    def get_event(self, event_type: type[AccountUpdate]) -> Call[AccountUpdate]: ...
    @overload
    def get_event(self, event_type: type[E]) -> Call[E]: ...
    def get_event(self, event_type: type[E | AccountUpdate]) -> Call[Any]:
        """Get the next event of a type, waiting for it where none has come.

        Events that came since :meth:`subscribe` and that no other `get_event` took come first. A
        call that is cancelled or runs out of time takes no event.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected, or is closed meanwhile.
        SubscriptionError
            If account updates are asked for, and no account is subscribed.
        """
        queue: Source[Any] = (
            self._account_updates().inbox() if is_account(event_type) else self._inbox(event_type)
        )

        def procedure() -> Procedure[Any]:
            return (yield from take(queue, Wait(Wake())))

        return Call(procedure)

    @overload
    def get_event_nowait(self, event_type: type[AccountUpdate]) -> AccountUpdate | None: ...
    @overload
    def get_event_nowait(self, event_type: type[E]) -> E | None: ...
    def get_event_nowait(self, event_type: type[E | AccountUpdate]) -> E | AccountUpdate | None:
        """Get the next event of a type, or ``None`` where none has come.

        Raises
        ------
        TypeError
            If `event_type` is no event class.
        StreamerClosedError
            If the streamer is not connected.
        SubscriptionError
            If account updates are asked for, and no account is subscribed.
        """
        if is_account(event_type):
            return self._account_updates().inbox().next()
        return self._inbox(event_type).next()
