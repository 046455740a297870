"""What a streamer calls: its session for a new endpoint, and the functions that it was given.

The connection's own thread never runs Python. A thread of the streamer's waits for what has
happened and calls; it is there only where there is something to call.
"""

import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dxstream._dxstream import Client, Wake
from dxstream.endpoint import (
    SessionLike,
    belongs_to_loop,
    gives_anew,
    resolve,
    resolve_blocking,
)
from dxstream.errors import AuthenticationError, DXStreamError
from dxstream.healing import Gap
from dxstream.waiting import run_in_own_loop, running_loop, sleep

if TYPE_CHECKING:
    import asyncio

    from dxstream.connection import Connection

__all__ = ["Callbacks", "call"]

_log = logging.getLogger("dxstream")

_RENEWAL_SECONDS = 30.0
"""The longest wait for a session; the connection gives up a little later."""


class Callbacks:
    """The functions of one streamer, and the event loop in which they run.

    Parameters
    ----------
    session
        What leads to an endpoint.
    on_gap
        Is called with each gap.
    reconnect, disconnect
        Are called with the streamer and these arguments when a connection was made again, and when
        one was lost.
    authorities
        Certificate authorities in PEM that are trusted besides those of the endpoints.
    """

    def __init__(
        self,
        session: SessionLike,
        on_gap: Callable[[Gap], Any] | None,
        reconnect: tuple[Callable[..., Any] | None, Iterable[Any]],
        disconnect: tuple[Callable[..., Any] | None, Iterable[Any]],
        authorities: bytes | None = None,
    ) -> None:
        self._session = session
        self._on_gap = on_gap
        self._reconnect = reconnect
        self._disconnect = disconnect
        self.authorities = authorities
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def renews(self) -> bool:
        """Whether the session gives a new endpoint each time that it is asked."""
        return gives_anew(self._session)

    def start(self, streamer: "Connection", client: Client) -> None:
        """Begin to call, in the running event loop of asyncio if there is one."""
        called = (self._on_gap, self._reconnect[0], self._disconnect[0])
        if not self.renews and not any(called):
            return
        self._loop = running_loop()
        thread = threading.Thread(
            target=self._watch,
            args=(weakref.ref(streamer), client, Wake()),
            name="dxstream-callbacks",
            daemon=True,
        )
        thread.start()

    def _watch(self, streamer: "weakref.ref[Connection]", client: Client, wake: Wake) -> None:
        gaps_seen = changes_seen = 0
        state = "connecting"
        while state not in ("closed", "failed"):
            wake.clear()
            client.watch(wake)
            if client.wants_endpoint():
                self._renew(client)
            changes, changes_seen = client.changes_since(changes_seen)
            for _, new_state, epoch, *_ in changes:
                before, state = state, new_state
                if before == "connected" and state in ("reconnecting", "failed"):
                    self._call_with(streamer, *self._disconnect)
                elif before == "reconnecting" and state == "connected" and epoch:
                    self._call_with(streamer, *self._reconnect)
            gaps, gaps_seen = client.gaps_since(gaps_seen)
            for gap in gaps:
                if self._on_gap is not None:
                    call(self._loop, self._on_gap, Gap.of(gap))
            if not (changes or gaps):
                sleep(wake)

    def _renew(self, client: Client) -> None:
        session, fresh = self._session, client.endpoint_refused()
        try:
            loop = self._loop if belongs_to_loop(session) else None
            if loop is not None and loop.is_running():
                # A session's HTTP client belongs to the loop in which it was made.
                import asyncio

                asked = asyncio.run_coroutine_threadsafe(resolve(session, fresh=fresh), loop)
                endpoint = asked.result(_RENEWAL_SECONDS)
            else:
                endpoint = resolve_blocking(session, fresh=fresh)
            client.renew(endpoint.url, endpoint.token, endpoint.ca_pem(self.authorities))
        except DXStreamError as error:
            client.renewal_failed(str(error), lasting=isinstance(error, AuthenticationError))
        except Exception as error:
            # The text of a stranger's error may hold a token.
            text = f"the session gave no new endpoint: {type(error).__name__}"
            client.renewal_failed(text, lasting=False)
            _log.warning("%s", text)

    def _call_with(
        self,
        streamer: "weakref.ref[Connection]",
        function: Callable[..., Any] | None,
        arguments: Iterable[Any],
    ) -> None:
        alive = streamer()
        if function is not None and alive is not None:
            call(self._loop, function, alive, *arguments)


def call(
    loop: "asyncio.AbstractEventLoop | None", function: Callable[..., Any], *arguments: object
) -> None:
    """Call a function or coroutine function in a loop, or in one of its own; log what it raises."""
    if loop is not None:
        import asyncio

        running = _run(function, arguments)
        try:
            asyncio.run_coroutine_threadsafe(running, loop)
        except RuntimeError:
            running.close()
            _log.warning("the event loop is closed; %s is not called", _name(function))
    else:
        run_in_own_loop(_run(function, arguments))


async def _run(function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    try:
        result = function(*arguments)
        if inspect.isawaitable(result):
            await result
    except Exception:
        _log.exception("%s raised", _name(function))


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))
