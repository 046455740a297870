"""Where to connect: from whatever the user calls a session to a URL and a token."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TypeAlias

__all__ = ["Endpoint", "SessionLike"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A DXLink server and the token for it.

    Attributes
    ----------
    url
        ``wss://host/path``; ``ws://`` for the loopback interface only; ``sim://`` for an exchange
        with a synthetic market inside this process, ``sim://?seed=7`` for another market.
    token
        The quote token, or ``None`` for a server that asks for none. It is never shown.
    ca_file
        A PEM file with certificate authorities to trust besides those of the system.
    level
        What the server calls the token's data, such as "api", or "demo" for delayed data; ``None``
        where nobody said.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca_file: str | PathLike[str] | None = None
    level: str | None = None

    def ca_pem(self) -> bytes | None:
        """Read the certificate authorities.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        return None if self.ca_file is None else Path(self.ca_file).read_bytes()


SessionLike: TypeAlias = (
    Endpoint | str | Callable[[], "Endpoint | str"] | Callable[[], Awaitable["Endpoint | str"]]
)
"""What leads to an endpoint: one, its URL, or a function or coroutine function that returns it."""


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    if isinstance(value, str):
        return Endpoint(value)
    msg = (
        "a session must be an Endpoint, a URL, or a function that returns one of them; "
        f"not {type(value).__name__}"
    )
    raise TypeError(msg)


def _called(session: SessionLike) -> object:
    return session() if callable(session) else session


async def resolve(session: SessionLike) -> Endpoint:
    """Find the endpoint of a session, in the caller's event loop."""
    value = _called(session)
    return _endpoint(await value if inspect.isawaitable(value) else value)


def resolve_blocking(session: SessionLike) -> Endpoint:
    """Find the endpoint of a session; a coroutine runs in an event loop of its own."""
    value = _called(session)
    if not inspect.isawaitable(value):
        return _endpoint(value)

    async def wait() -> object:
        return await value

    if not _in_event_loop():
        return _endpoint(asyncio.run(wait()))
    # A thread has one running loop. Nobody waits for a daemon when this thread is interrupted.
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(asyncio.run(wait()))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="dxstream-session", daemon=True).start()
    return _endpoint(answer.result())


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
