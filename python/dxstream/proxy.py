"""A TCP proxy in this process that does to bytes what networks do."""

from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from dxstream import _dxstream
from dxstream.process import Local

__all__ = ["FaultProxy", "ProxyStats"]

_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class ProxyStats:
    """What a proxy has done.

    Attributes
    ----------
    connections
        Connections that are there now.
    accepted
        Connections that ever came.
    unreachable
        Those among them that ended at once, since the server was not there.
    cut
        Those that were cut at a byte, or dropped.
    corrupted
        Bytes that were changed.
    bytes_from_server
        Bytes that went to clients.
    bytes_from_client
        Bytes that went to the server.
    """

    connections: int
    accepted: int
    unreachable: int
    cut: int
    corrupted: int
    bytes_from_server: int
    bytes_from_client: int


class FaultProxy(Local):
    """A proxy on the loopback interface before a server there; it runs until it is stopped.

    It knows nothing of what passes, TLS and WebSocket included. What it is told takes hold before
    the call returns. Positions count the bytes of a stream from the beginning of each connection.

    Parameters
    ----------
    url
        Where the server is, such as :attr:`Exchange.url`.
    port
        Where to listen; 0 lets the system choose.

    Raises
    ------
    ValueError
        If the URL does not lead to a server on the loopback interface.
    OSError
        If the port is taken.

    Examples
    --------
    >>> from dxstream import DXLinkStreamer
    >>> from dxstream.exchange import Exchange, FaultProxy
    >>> with (
    ...     Exchange(None) as exchange,
    ...     FaultProxy(exchange.url) as proxy,
    ...     DXLinkStreamer(proxy.url),
    ... ):
    ...     stats = proxy.stats()
    >>> stats.connections, stats.bytes_from_server > 0
    (1, True)
    """

    def __init__(self, url: str, *, port: int = 0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            msg = f"the proxy needs a URL like ws://127.0.0.1:8080/, not {url!r}"
            raise ValueError(msg)
        server_port = _PORTS[parts.scheme] if parts.port is None else parts.port
        self._native = _dxstream.FaultProxy(port, parts.hostname, server_port)
        self._url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self._native.port}"))

    @property
    def url(self) -> str:
        """Where clients connect to, in place of the server."""
        return self._url

    @property
    def port(self) -> int:
        """The port that the proxy listens on."""
        return self._native.port

    def delay(self, seconds: float) -> None:
        """Let each byte wait, in both directions; those that wait already too."""
        self._native.delay(seconds)

    def trickle(self, bytes_per_second: int | None) -> None:
        """Let so many bytes a second pass in each direction; as many as come, for ``None``."""
        self._native.trickle(bytes_per_second)

    def freeze(self) -> None:
        """Move no byte until :meth:`thaw`; connections are still accepted."""
        self._native.freeze()

    def thaw(self) -> None:
        """Move bytes again."""
        self._native.thaw()

    def cut(
        self,
        after: int | None,
        *,
        stream: str = "server",
        reset: bool = False,
        connections: int = 1,
    ) -> None:
        """Cut connections at a byte, in place of what was asked for this stream before.

        A connection that is beyond it goes on. What a client has not read when it is reset
        may be lost, as on any network.

        Parameters
        ----------
        after
            How many bytes of the stream pass; ``None`` cuts no connection.
        stream
            Whose bytes count, "server" or "client".
        reset
            Whether both ends are reset; they get FIN otherwise.
        connections
            How many connections are cut, the next that are at the byte.
        """
        self._native.cut(after, stream, reset, connections)

    def corrupt(
        self,
        at: int | None,
        *,
        stream: str = "server",
        mask: int = 0xFF,
        connections: int = 1,
    ) -> None:
        """Change a byte, in place of what was asked for this stream before.

        Parameters
        ----------
        at
            The position of the byte, from 0; ``None`` changes none.
        stream
            Whose byte it is, "server" or "client".
        mask
            The bits that are flipped.
        connections
            In how many connections, the next that come to the byte.
        """
        self._native.corrupt(at, stream, mask, connections)

    def drop(self, *, reset: bool = False) -> None:
        """End every connection now, by RST or by FIN; new ones may come."""
        self._native.drop(reset)

    def refuse(self) -> None:
        """Let the system refuse new connections; those that are there stay.

        Raises
        ------
        OSError
            If another program has taken the port in between.
        """
        self._native.refuse()

    def accept(self) -> None:
        """Accept connections again."""
        self._native.accept()

    def stats(self) -> ProxyStats:
        """Count what the proxy has done."""
        return ProxyStats(**self._native.stats())

    def stop(self) -> None:
        """End every connection and stop listening."""
        self._native.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # In a fork's child there is nothing to stop.
        with suppress(RuntimeError):
            self.stop()

    def __repr__(self) -> str:
        """Show where clients connect to."""
        return f"<FaultProxy at {self.url}>"
