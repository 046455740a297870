"""Sessions of other packages: what they have to offer, told by their attributes.

Versions of the tastytrade SDK differ in what a session is, and people subclass it; so it is never
asked which class an object has, but what it can do.
"""

import inspect
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dxstream._dxstream import Wake
from dxstream.endpoint import Endpoint
from dxstream.errors import AuthenticationError, DXStreamError
from dxstream.session import Session, endpoint_of
from dxstream.waiting import Call, Procedure, Wait

__all__ = [
    "FORMS",
    "adopt",
    "ask",
    "base_url",
    "is_foreign",
    "is_paper",
    "is_test",
    "needs_loop",
]

T = TypeVar("T")

_QUOTE_TOKENS = "/api-quote-tokens"

FORMS = (
    "an Endpoint, a URL, or a function that returns one of them; a dxstream.Session; a session of "
    "the tastytrade SDK (provider_secret and refresh_token, or _get, or streamer_token and "
    "dxlink_url); or a tastytrade_sdk.Tastytrade (api.get)"
)
"""What can be a session, in words."""


def is_foreign(session: object) -> bool:
    """Tell whether an object is a session of another package."""
    return (
        is_paper(session)
        or _credentials(session) is not None
        or _getter(session) is not None
        or _static(session) is not None
        or _official(session) is not None
    )


def is_paper(session: object) -> bool:
    """Tell whether a session is one of the SDK's for paper trading."""
    return any(base.__name__ == "PaperSession" for base in type(session).__mro__)


def _text(session: object, name: str) -> str | None:
    value = getattr(session, name, None)
    return value if isinstance(value, str) and value else None


def _credentials(session: object) -> tuple[str, str] | None:
    secret, token = _text(session, "provider_secret"), _text(session, "refresh_token")
    return None if secret is None or token is None else (secret, token)


def _getter(session: object) -> Callable[..., Any] | None:
    get = getattr(session, "_get", None)
    return get if inspect.isroutine(get) else None


def _static(session: object) -> tuple[str, str] | None:
    url, token = _text(session, "dxlink_url"), _text(session, "streamer_token")
    return None if url is None or token is None else (url, token)


def _official(session: object) -> Callable[..., Any] | None:
    get = getattr(getattr(session, "api", None), "get", None)
    return get if inspect.isroutine(get) else None


def needs_loop(session: object) -> bool:
    """Tell whether a foreign session is to be awaited in the event loop in which it was made."""
    if is_paper(session) or _credentials(session) is not None:
        return False
    return inspect.iscoroutinefunction(_getter(session))


def is_test(session: object) -> bool:
    """Tell whether a session is one of the sandbox."""
    return getattr(session, "is_test", False) is True


def base_url(session: object) -> str | None:
    """Find where a session's HTTP client sends requests; ``None`` where it does not say."""
    for name in ("_client", "async_client", "sync_client", "client"):
        url = getattr(getattr(session, name, None), "base_url", None)
        if url is not None and (text := str(url)).startswith(("https://", "http://")):
            return text.rstrip("/")
    return None


def ca_file(session: object) -> str | None:
    """Find the file of authorities that a session was told to trust."""
    options = getattr(session, "client_kwargs", None)
    verify = options.get("verify") if isinstance(options, dict) else None
    return verify if isinstance(verify, str) and Path(verify).is_file() else None


@dataclass(frozen=True, slots=True)
class _Adopted:
    credentials: tuple[str, str]
    session: Session


_adopted: "weakref.WeakKeyDictionary[object, _Adopted]" = weakref.WeakKeyDictionary()
os.register_at_fork(after_in_child=_adopted.clear)


def adopt(session: object) -> Session | None:
    """Make a session of our own for one that has the credentials of OAuth; the same each time.

    It reads two texts and no more, so it works when the other's event loop has ended.
    """
    credentials = _credentials(session)
    if credentials is None or is_paper(session):
        return None
    try:
        known = _adopted.get(session)
    except TypeError:  # neither hashed nor held weakly
        known = None
    if known is not None and known.credentials == credentials:
        return known.session
    ours = Session(
        *credentials, is_test(session), base_url=base_url(session), ca_file=ca_file(session)
    )
    with suppress(TypeError):
        _adopted[session] = _Adopted(credentials, ours)
    return ours


def ask(session: object, *, fresh: bool) -> object:
    """Ask a foreign session for an endpoint.

    Returns
    -------
    object
        The endpoint, or what is to be awaited for it: a :class:`Call`, or a coroutine for the event
        loop to which the session belongs.

    Raises
    ------
    ValueError
        If it is a session without market data.
    """
    if is_paper(session):
        msg = (
            "a PaperSession has no market data; give the streamer a session of tastytrade with an "
            "OAuth grant"
        )
        raise ValueError(msg)
    if (ours := adopt(session)) is not None:
        return ours.endpoint(fresh=fresh)
    file = ca_file(session)
    if (get := _getter(session)) is not None:
        if inspect.iscoroutinefunction(get):
            return _awaited(session, get)
        return _asked(session, lambda: endpoint_of(get(_QUOTE_TOKENS), file))
    if (static := _static(session)) is not None:
        return Endpoint(*static, file)
    if (official := _official(session)) is not None:
        return _asked(session, lambda: endpoint_of(official(_QUOTE_TOKENS), file))
    msg = f"a session must be {FORMS}; not {type(session).__name__}"
    raise TypeError(msg)


async def _awaited(session: object, get: Callable[..., Any]) -> Endpoint:
    try:
        return endpoint_of(await get(_QUOTE_TOKENS), ca_file(session))
    except Exception as error:
        _explain(session, error)
        raise


def _asked(session: object, function: Callable[[], Endpoint]) -> Call[Endpoint]:
    """Ask in a thread, since the session's own client blocks."""

    def work() -> Endpoint:
        try:
            return function()
        except Exception as error:
            _explain(session, error)
            raise

    return _in_thread(work)


def _explain(session: object, error: Exception) -> None:
    if is_test(session) and not isinstance(error, DXStreamError):
        msg = (
            "the sandbox gives this session no market data; stream with a production session "
            f"({type(error).__name__})"
        )
        raise AuthenticationError(msg) from error


def _in_thread(function: Callable[[], T]) -> Call[T]:
    """Run a function that blocks in a thread of its own."""

    def procedure() -> Procedure[T]:
        wake = Wake()
        answers: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                answers.append(function())
            except BaseException as error:
                errors.append(error)
            finally:
                wake.ring()

        # Nobody waits for a daemon when this is interrupted.
        threading.Thread(target=run, name="dxstream-session", daemon=True).start()
        while not (answers or errors):
            yield Wait(wake)
            wake.clear()
        if errors:
            raise errors[0]
        return answers[0]

    return Call(procedure)
