"""Opening and closing a streamer's connection."""

import atexit
import os
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dxstream import _dxstream, logs
from dxstream._dxstream import Client, Wake
from dxstream.callbacks import Callbacks
from dxstream.endpoint import Endpoint, SessionLike, resolve, resolve_blocking
from dxstream.errors import StreamerClosedError
from dxstream.healing import Gap, ReconnectPolicy, StateChanges
from dxstream.process import Local, importing
from dxstream.waiting import Call, Procedure, Wait, end_daemons, run, run_blocking

if TYPE_CHECKING:
    from dxstream.account_stream import AccountUpdates
    from dxstream.exchange import Exchange

__all__ = ["Connection", "Settings"]

_CLOSE_SECONDS = 3.0
_CLOSED_MEANWHILE = "the streamer was closed while it was connecting; make a new one"

_all: "weakref.WeakSet[Connection]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a streamer connects; see :class:`dxstream.DXLinkStreamer`."""

    reconnect: ReconnectPolicy
    renews: bool
    connect_timeout: float
    keepalive_timeout: float
    history: int
    companions: str


class Connection(Local):
    """The life of a streamer's connections: a context manager, asynchronous or not, opened once."""

    def __init__(self, session: SessionLike, settings: Settings, callbacks: Callbacks) -> None:
        self.session = session
        self._settings = settings
        self._callbacks = callbacks
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._connecting: Client | None = None
        self._exchange: Exchange | None = None
        self._accounts: AccountUpdates | None = None
        self._entered = False
        self._closed = False
        self._inherited = False
        _all.add(self)

    @property
    def state(self) -> str:
        """Where the streamer stands.

        "new", "connecting", "connected", "reconnecting" while a lost connection is being made
        again, "closed", or "failed" where nothing could heal it.
        """
        if self._client is None:
            return "closed" if self._closed else "connecting" if self._entered else "new"
        return self._client.state

    def states(self) -> StateChanges:
        """Get the changes of :attr:`state`, from the first on: ``async for`` or ``for``.

        Raises
        ------
        StreamerClosedError
            If the streamer was never connected.
        """
        client = self._connected() if self._inherited else self._client
        return StateChanges(client or self._connected())

    @property
    def epoch(self) -> int:
        """How many times a connection was made again."""
        return 0 if self._client is None else self._client.epoch()

    @property
    def gaps(self) -> list[Gap]:
        """What was missed, in the order in which it ended.

        There is a gap for each time that a connection was made again, and for what a connection
        that went on did not carry for a while; see :class:`~dxstream.Gap`. The last 1,024 are kept.
        """
        if self._client is None:
            return []
        gaps, _ = self._client.gaps_since(0)
        return [Gap.of(gap) for gap in gaps]

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
                with importing:
                    from dxstream.exchange import Exchange

                self._exchange = Exchange.from_url(endpoint.url)
                endpoint = Endpoint(self._exchange.url)
            logs.follow_levels()
            wake = Wake()
            with self._lock:
                if self._closed:
                    raise StreamerClosedError(_CLOSED_MEANWHILE)
                authorities = endpoint.ca_pem(self._callbacks.authorities)
                client = Client(endpoint.url, endpoint.token, authorities, self._settings)
                self._connecting = client
            self._callbacks.start(self, client)
            while True:
                client.watch(wake)
                if client.state != "connecting":
                    break
                yield Wait(wake)
                wake.clear()
            client.check()
            with self._lock:
                if self._closed:
                    raise StreamerClosedError(_CLOSED_MEANWHILE)
                self._client = client
        except BaseException:
            if client is not None:
                client.close()
            raise
        finally:
            self._connecting = None

    def _disconnect(self) -> Procedure[None]:
        with self._lock:
            client, exchange = self._client or self._connecting, self._exchange
            self._closed = True
        try:
            if client is not None:
                client.close()
                deadline = time.monotonic() + _CLOSE_SECONDS
                wake = Wake()
                while True:
                    client.watch(wake)
                    if client.state in ("closed", "failed"):
                        break
                    if not (yield Wait(wake, deadline)):
                        break
                    wake.clear()
            if self._accounts is not None:
                yield from self._accounts.close()
        finally:
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
        if not self._inherited:
            run_blocking(self._leave(exc))

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
        if not self._inherited:
            await run(self._leave(exc))

    def _leave(self, exc: BaseException | None) -> Procedure[None]:
        client = self._client
        # What nobody was told would go unseen otherwise.
        error = None
        if client is not None and exc is None:
            error = client.untold_error()
            if error is None and self._accounts is not None:
                error = self._accounts.untold_error()
        yield from self._disconnect()
        if error is not None:
            try:
                raise error
            finally:
                # An error and the frame that holds it would keep each other, and the client.
                del error

    def close(self) -> Call[None]:
        """Close the connection; listeners end once they have given what they hold.

        It may be called more than once. The streamer cannot be opened again.
        """
        with self._lock:
            if (client := self._client or self._connecting) is not None:
                client.close()
            if self._accounts is not None:
                self._accounts.shut()
            self._closed = True
        return Call(self._disconnect)

    def __del__(self) -> None:
        client = getattr(self, "_client", None)
        if client is not None and not self._inherited and client.state not in ("closed", "failed"):
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
        if client.state == "failed":
            client.check()
        return client


def _close_all() -> None:
    end_daemons()
    for connection in list(_all):
        if not connection._inherited:
            connection.close()
    _dxstream.shut_down(_CLOSE_SECONDS)


def _inherit() -> None:
    """Leave the connections to the parent: their methods raise here, and nothing closes them."""
    for connection in list(_all):
        # A thread that does not exist here may have held it.
        connection._lock = threading.RLock()
        connection._inherited = connection._entered


atexit.register(_close_all)
os.register_at_fork(after_in_child=_inherit)
