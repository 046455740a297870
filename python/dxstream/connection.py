"""Opening and closing a streamer's connection."""

import atexit
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dxstream import _dxstream, logs
from dxstream._dxstream import Client, Wake
from dxstream.callbacks import Callbacks
from dxstream.endpoint import Endpoint, SessionLike, resolve, resolve_blocking
from dxstream.errors import StreamerClosedError
from dxstream.exchange import Exchange
from dxstream.healing import Gap, ReconnectPolicy, StateChanges
from dxstream.waiting import Call, Procedure, Wait, run, run_blocking

__all__ = ["Connection", "Settings"]

_CLOSE_SECONDS = 3.0

_open: "weakref.WeakSet[Connection]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a streamer connects; see :class:`dxstream.DXLinkStreamer`."""

    reconnect: ReconnectPolicy
    renews: bool
    connect_timeout: float
    keepalive_timeout: float
    history: int


class Connection:
    """The life of a streamer's connections: a context manager, asynchronous or not, opened once."""

    def __init__(self, session: SessionLike, settings: Settings, callbacks: Callbacks) -> None:
        self.session = session
        self._settings = settings
        self._callbacks = callbacks
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._exchange: Exchange | None = None
        self._entered = False
        self._closed = False

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
        return StateChanges(self._client or self._connected())

    @property
    def epoch(self) -> int:
        """How many times a connection was made again."""
        return 0 if self._client is None else self._client.epoch()

    @property
    def gaps(self) -> list[Gap]:
        """What was missed, oldest first: a gap for each time that a connection was made again.

        The last 1,024 are kept.
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
                self._exchange = Exchange.from_url(endpoint.url)
                endpoint = Endpoint(self._exchange.url)
            logs.follow_levels()
            client = Client(endpoint.url, endpoint.token, endpoint.ca_pem(), self._settings)
            self._callbacks.start(self, client)
            wake = Wake()
            while True:
                client.watch(wake)
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
                    client.watch(wake)
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
        await run(self._leave(exc))

    def _leave(self, exc: BaseException | None) -> Procedure[None]:
        client = self._client
        # What nobody was told would go unseen otherwise.
        error = None if client is None or exc is not None else client.untold_error()
        yield from self._disconnect()
        if error is not None:
            raise error

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
        if client is not None and client.state not in ("closed", "failed"):
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


def _close_all() -> None:
    for connection in list(_open):
        connection.close()
    _dxstream.shut_down(_CLOSE_SECONDS)


atexit.register(_close_all)
