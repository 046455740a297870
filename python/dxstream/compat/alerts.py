"""The account streamer with the interface of the tastytrade SDK's."""

import asyncio
import atexit
import importlib.util
import json
import logging
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from dxstream import foreign
from dxstream._dxstream import AccountClient, Wake
from dxstream.account_records import AccountRecord
from dxstream.account_stream import AccountSource, AccountStream, Message
from dxstream.callbacks import call
from dxstream.errors import StreamerClosedError, adopt_sdk_error
from dxstream.listener import Listener
from dxstream.older_forms import OlderOpening
from dxstream.process import Local
from dxstream.session import PRODUCTION, SANDBOX
from dxstream.waiting import Call, Procedure, done, run, run_blocking, running_loop, sleep

__all__ = ["MAP_ALERTS", "AlertStreamer"]

_log = logging.getLogger("dxstream")

_all: "weakref.WeakSet[AlertStreamer]" = weakref.WeakSet()


class _Alert(AccountRecord):
    """An alert where the SDK is not installed: its fields by the SDK's names."""

    __slots__ = ()


def _model(name: str) -> type[_Alert]:
    return type(
        name, (_Alert,), {"__slots__": (), "__module__": __name__, "__doc__": _Alert.__doc__}
    )


MAP_ALERTS: dict[str, type[AccountRecord]] = {
    "AccountBalance": _model("AccountBalance"),
    "ComplexOrder": _model("PlacedComplexOrder"),
    "CurrentPosition": _model("CurrentPosition"),
    "ExternalTransaction": _model("ExternalTransaction"),
    "Order": _model("PlacedOrder"),
    "PublicWatchlists": _model("Watchlist"),
    "QuoteAlert": _model("QuoteAlert"),
    "TradingStatus": _model("TradingStatus"),
    "UnderlyingYearGainSummary": _model("UnderlyingYearGainSummary"),
}
"""The class of each type of alert, where the SDK is not installed."""


def _classes() -> Mapping[str, Callable[..., Any]]:
    """Return the class of each type of alert: the SDK's own where it is installed."""
    streamer = sys.modules.get("tastytrade.streamer")
    if streamer is None and importlib.util.find_spec("tastytrade") is not None:
        streamer = importlib.import_module("tastytrade.streamer")
    classes: Mapping[str, Callable[..., Any]] = getattr(streamer, "MAP_ALERTS", MAP_ALERTS)
    return classes


class AlertStreamer(OlderOpening, Local):
    """Balances, positions, orders, watchlists and quote alerts, as the SDK's streamer gives them.

    The connection heals itself, and sends heartbeats. How things stood when it was made is not told
    at first, as the SDK does not; after a reconnect it is, for what changed meanwhile was missed.

    Every listener gets every alert of its class, as the SDK's own model where the SDK is installed
    and as an :class:`~dxstream.account_records.AccountRecord` otherwise. An alert that the SDK's
    model refuses is logged, counted in :attr:`rejected`, and passed over.

    Parameters
    ----------
    session
        A :class:`dxstream.Session`, or the SDK's own session of any version.
    reconnect_args, reconnect_fn, disconnect_args, disconnect_fn
        As in versions 9.4 to 11: functions that are called with the streamer and these arguments
        when a connection was made again, and when one was lost.

    Raises
    ------
    TypeError
        If an account stream cannot log in with the session.
    """

    def __init__(
        self,
        session: object,
        disconnect_args: Iterable[object] = (),
        disconnect_fn: Callable[..., object] | None = None,
        reconnect_args: Iterable[object] = (),
        reconnect_fn: Callable[..., object] | None = None,
    ) -> None:
        adopt_sdk_error()
        self.session = session
        hosts = SANDBOX if foreign.is_test(session) else PRODUCTION
        self.base_url: str = getattr(session, "account_url", None) or hosts[1]
        self.request_id = 0
        self.rejected: Counter[str] = Counter()
        self._disconnect = (disconnect_fn, tuple(disconnect_args or ()))
        self._reconnect = (reconnect_fn, tuple(reconnect_args or ()))
        self._classes = _classes()
        self._stream: AccountStream | None = None
        self._first: dict[str, AccountSource[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        _all.add(self)

    def _open(self) -> None:
        if self._closed or self._stream is not None:
            msg = "the streamer was opened before; make a new one"
            raise StreamerClosedError(msg)
        self._stream = AccountStream(self.session, account_url=self.base_url)
        # What comes before a class has a listener waits for its first.
        self._first = {kind: self._source(self._stream, kind) for kind in self._classes}
        if self._disconnect[0] is not None or self._reconnect[0] is not None:
            watcher = threading.Thread(
                target=_watch,
                args=(weakref.ref(self), self._stream.client, Wake()),
                name="dxstream-callbacks",
                daemon=True,
            )
            watcher.start()

    def _source(self, stream: AccountStream, kind: str) -> AccountSource[Any]:
        def read(message: Message) -> object | None:
            _, text, _, _, snapshot, _ = message
            if snapshot and not stream.client.counters()["epoch"]:
                return None
            return self._read(kind, text)

        return AccountSource(stream, stream.listen([kind]), read)

    def _read(self, kind: str, text: str) -> object | None:
        of = self._classes[kind]
        try:
            if isinstance(of, type) and issubclass(of, AccountRecord):
                return of.from_json(text)
            made: object = of(**json.loads(text))
        except Exception as error:
            # A model of the SDK's that wants a field which the server does not send.
            self.rejected[kind] += 1
            _log.warning("an alert of type %s is passed over: %s", kind, type(error).__name__)
            return None
        return made

    def _call(self, function: Callable[..., object] | None, arguments: Iterable[object]) -> None:
        if function is not None:
            call(self._loop, function, self, *arguments)

    def _opened(self) -> AccountStream:
        if self._stream is None or self._closed:
            msg = "the streamer is not open; use it in `async with`"
            raise StreamerClosedError(msg)
        return self._stream

    def subscribe_accounts(self, accounts: Iterable[Any]) -> Call[None]:
        """Ask for the balances, positions and orders of accounts.

        Parameters
        ----------
        accounts
            Objects with an `account_number`, or the numbers.

        Raises
        ------
        SubscriptionError, AuthenticationError
            When it is awaited: the server refuses an account.
        """
        numbers = [str(getattr(account, "account_number", account)) for account in accounts]
        if not numbers:
            msg = "no account is given; pass those of Account.get(session)"
            raise ValueError(msg)
        return self._asked(self._opened().subscribe_accounts(numbers))

    def subscribe_public_watchlists(self) -> Call[None]:
        """Ask for changes of the public watchlists."""
        return self._asked(self._opened().subscribe("public-watchlists-subscribe"))

    def subscribe_quote_alerts(self) -> Call[None]:
        """Ask for the quote alerts that the user has set."""
        return self._asked(self._opened().subscribe("quote-alerts-subscribe"))

    def subscribe_user_messages(self, session: object) -> Call[None]:
        """Ask for messages to a user, who has an `external_id`; of versions before 11."""
        external_id = getattr(getattr(session, "user", None), "external_id", None)
        if external_id is None:
            msg = "the session has no user with an external_id; pass one that has"
            raise TypeError(msg)
        return self._asked(self._opened().subscribe("user-message-subscribe", str(external_id)))

    def _asked(self, answered: Procedure[None]) -> Call[None]:
        self.request_id += 1
        return Call(lambda: answered)

    def listen(self, alert_class: type[Any]) -> Listener[Any]:
        """Get the alerts of a class: ``async for`` or ``for``.

        The first listener of a class begins with what came since the streamer was opened.

        Parameters
        ----------
        alert_class
            A class of the SDK's, such as ``PlacedOrder``.
        """
        stream = self._opened()
        kind = self._kind(alert_class)
        source = self._first.pop(kind, None) or self._source(stream, kind)
        return Listener(source, alert_class.__name__, "drop_oldest", Wake())

    def _kind(self, alert_class: type[Any]) -> str:
        for kind, of in self._classes.items():
            if of is alert_class or getattr(of, "__name__", "") == alert_class.__name__:
                return kind
        known = ", ".join(getattr(of, "__name__", kind) for kind, of in self._classes.items())
        msg = f"{alert_class.__name__} is no class of alerts; there are {known}"
        raise TypeError(msg)

    def fail(self) -> None:
        """Raise what a broken connection raised in the SDK, to try out a program's retries."""
        from httpx2.websockets import HTTPXWSException

        msg = "the streamer was asked to fail"
        raise HTTPXWSException(msg)

    def _end(self) -> Procedure[None]:
        self._closed = True
        if self._stream is not None:
            yield from self._stream.close()

    def close(self) -> Call[None]:
        """Close the connection; listeners end once they have given what they hold."""
        self._closed = True
        if self._stream is None:
            return done(None)
        self._stream.client.close()
        return Call(self._stream.close)

    def _leave(self, exc: BaseException | None) -> Procedure[None]:
        error = None if exc is not None or self._stream is None else self._stream.untold_error()
        yield from self._end()
        if error is not None:
            try:
                raise error
            finally:
                # An error and the frame that holds it would keep each other.
                del error

    async def __aenter__(self) -> Self:
        self._loop = running_loop()
        self._open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await run(self._leave(exc))

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_blocking(self._leave(exc))


def _close_all() -> None:
    for streamer in list(_all):
        # In a fork's child there is nothing to close.
        with suppress(RuntimeError):
            streamer.close()


# Before the I/O thread is waited for, which is registered with the streamers of market data.
atexit.register(_close_all)


def _watch(of: "weakref.ref[AlertStreamer]", client: AccountClient, wake: Wake) -> None:
    """Call the functions of a streamer when a connection is lost and made again."""
    seen = 0
    state = "connecting"
    while state not in ("closed", "failed"):
        wake.clear()
        client.watch(wake)
        changes, seen = client.changes_since(seen)
        for _, new_state, epoch, *_ in changes:
            before, state = state, new_state
            if (streamer := of()) is None:
                return
            if before == "connected" and state in ("reconnecting", "failed"):
                streamer._call(*streamer._disconnect)
            elif before == "reconnecting" and state == "connected" and epoch:
                streamer._call(*streamer._reconnect)
            del streamer
        if not changes:
            sleep(wake)
