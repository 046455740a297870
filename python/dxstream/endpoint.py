"""Where to connect: from whatever the user calls a session to a URL and a token."""

import inspect
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union, cast, runtime_checkable

from dxstream.process import importing
from dxstream.waiting import Call, run_in_own_loop, running_loop

if TYPE_CHECKING:
    from dxstream.session import Session

__all__ = ["Endpoint", "SessionLike"]

_STEPS = 4
"""How far a session may lead to another: a function to a session, that to an endpoint."""


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

    def ca_pem(self, others: bytes | None = None) -> bytes | None:
        """Read the certificate authorities, and put others behind them.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        if self.ca_file is None:
            return others
        return b"\n".join((Path(self.ca_file).read_bytes(), others or b""))


@runtime_checkable
class CredentialSession(Protocol):
    """A session with the credentials of OAuth, as the tastytrade SDK's since 9.11."""

    provider_secret: str
    refresh_token: str


@runtime_checkable
class QuoteTokenSession(Protocol):
    """A session with a quote token, as the tastytrade SDK's before 12.0."""

    streamer_token: str
    dxlink_url: str


@runtime_checkable
class AskingSession(Protocol):
    """A session that asks REST, as the tastytrade SDK's own; awaited where that is asynchronous."""

    def _get(self, url: str, /) -> object: ...


@runtime_checkable
class OfficialSession(Protocol):
    """A client with an API, as ``tastytrade_sdk.Tastytrade``."""

    @property
    def api(self) -> object: ...


SessionLike: TypeAlias = Union[
    "Session",
    CredentialSession,
    QuoteTokenSession,
    AskingSession,
    OfficialSession,
    Endpoint,
    str,
    Callable[[], Endpoint | str],
    Callable[[], Awaitable[Endpoint | str]],
]
"""What leads to an endpoint: a session, one itself or its URL, or a function that returns these."""


def gives_anew(session: object) -> bool:
    """Tell whether a session can be asked for another endpoint."""
    return not isinstance(session, Endpoint | str)


def _ask(session: object, *, fresh: bool) -> object:
    """Ask a session for an endpoint: it, or what is to be awaited for it."""
    if isinstance(session, str):
        return Endpoint(session)
    if not gives_anew(session):
        return session
    with importing:
        from dxstream import foreign
        from dxstream.session import Session

    if isinstance(session, Session):
        return session.endpoint(fresh=fresh)
    if foreign.is_foreign(session):
        return foreign.ask(session, fresh=fresh)
    function = cast("Callable[[], object] | None", session)
    return function() if callable(function) else session


def belongs_to_loop(session: object) -> bool:
    """Tell whether a session is to be asked in the event loop in which it was made."""
    if not gives_anew(session):
        return False
    with importing:
        from dxstream import foreign
        from dxstream.session import Session

    if isinstance(session, Session):
        return False
    return not foreign.is_foreign(session) or foreign.needs_loop(session)


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    with importing:
        from dxstream.foreign import FORMS

    msg = f"a session must be {FORMS}; not {type(value).__name__}"
    raise TypeError(msg)


async def resolve(session: object, *, fresh: bool = False) -> Endpoint:
    """Find the endpoint of a session, in the caller's event loop.

    Parameters
    ----------
    session
        What leads to an endpoint.
    fresh
        Whether the last endpoint's token was refused, and another is needed.

    Raises
    ------
    TypeError
        If nothing leads from it to an endpoint.
    """
    for _ in range(_STEPS):
        value = _ask(session, fresh=fresh)
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, Endpoint) or value is session:
            return _endpoint(value)
        session = value
    return _endpoint(session)


def resolve_blocking(session: object, *, fresh: bool = False) -> Endpoint:
    """Find the endpoint of a session; a coroutine runs in an event loop of its own."""
    for _ in range(_STEPS):
        value = _ask(session, fresh=fresh)
        if isinstance(value, Call):
            value = value.result()
        elif inspect.isawaitable(value):
            value = _wait_for(value)
        if isinstance(value, Endpoint) or value is session:
            return _endpoint(value)
        session = value
    return _endpoint(session)


def _wait_for(awaitable: Awaitable[object]) -> object:
    async def wait() -> object:
        return await awaitable

    if running_loop() is None:
        return run_in_own_loop(wait())
    with importing:
        from concurrent.futures import Future
    # A thread has one running loop. Nobody waits for a daemon when this thread is interrupted.
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(run_in_own_loop(wait()))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="dxstream-session", daemon=True).start()
    return answer.result()
