"""Opening and closing a streamer's connection."""

import atexit
import threading
import time
import warnings
import weakref
from types import TracebackType
from typing import Self

from dxstream import _dxstream
from dxstream._dxstream import Client, Wake
from dxstream.endpoint import Endpoint, SessionLike, resolve, resolve_blocking
from dxstream.errors import StreamerClosedError
from dxstream.exchange import Exchange
from dxstream.waiting import Call, Procedure, Wait, run, run_blocking

__all__ = ["Connection"]

_CLOSE_SECONDS = 3.0

_open: "weakref.WeakSet[Connection]" = weakref.WeakSet()


class Connection:
    """The life of a connection: a context manager, asynchronous or not, that opens once."""

    def __init__(
        self,
        session: SessionLike,
        *,
        history: int,
        connect_timeout: float,
        keepalive_timeout: float,
    ) -> None:
        self.session = session
        self._history = history
        self._connect_timeout = connect_timeout
        self._keepalive_timeout = keepalive_timeout
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._exchange: Exchange | None = None
        self._entered = False
        self._closed = False

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
                history=self._history,
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


def _close_all() -> None:
    for connection in list(_open):
        connection.close()
    _dxstream.shut_down(_CLOSE_SECONDS)


atexit.register(_close_all)
