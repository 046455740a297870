"""What an account stream needs of a session: the API, and access tokens that are good."""

import inspect
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dxstream import foreign, logs
from dxstream._dxstream import AccountClient, Api, Wake
from dxstream.errors import AuthenticationError
from dxstream.session import PRODUCTION, SANDBOX, Session
from dxstream.waiting import run_in_own_loop, running_loop, sleep

if TYPE_CHECKING:
    import asyncio

__all__ = ["AccountAccess"]

_log = logging.getLogger("dxstream")

_ACCOUNT_FORMS = (
    "account updates need a dxstream.Session, or a session of the tastytrade SDK with "
    "provider_secret and refresh_token, or with session_token"
)

_DAY = 24 * 3600.0

_UNKNOWN_LIFE = 60.0
"""Seconds until a token is read again whose end is not known, or is said to be days away."""

_LITTLE_LIFE = 60.0
"""Seconds before the end of a token from which on its session is asked to refresh it."""

_REFRESH_SECONDS = 25.0
"""The longest wait for a session's refresh; the connection gives up a little later."""


class AccountAccess:
    """The API of a session's user, whatever the session is.

    Parameters
    ----------
    session
        A :class:`dxstream.Session` or one of another package.
    account_url
        Where the account streamer is, if the session does not say it.

    Raises
    ------
    TypeError
        If an account stream cannot log in with the session.

    Notes
    -----
    Where a session has the credentials of OAuth, the core makes its own access tokens. Of any other
    session, the access token is read each time that the core wants one.
    """

    def __init__(self, session: object, *, account_url: str | None = None) -> None:
        logs.follow_levels()
        self._session: object | None = None
        self._given: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        ours = session if isinstance(session, Session) else foreign.adopt(session)
        if ours is not None:
            self.api = ours.api
            if account_url is not None and account_url != ours.account_url:
                self.api = ours.api_with(account_url=account_url)
            return
        if foreign.is_paper(session) or not _has_token(session):
            msg = f"{_ACCOUNT_FORMS}; not {type(session).__name__}"
            raise TypeError(msg)
        self._session = session
        self._loop = running_loop()
        hosts = SANDBOX if foreign.is_test(session) else PRODUCTION
        self.api = Api(
            base_url=foreign.base_url(session) or hosts[0],
            account_url=account_url or hosts[1],
            is_test=foreign.is_test(session),
        )

    def serve(self, client: AccountClient) -> None:
        """Give `client` the session's access tokens until it ends, where the core has none."""
        if self._session is not None:
            threading.Thread(
                target=self._serve, args=(client, Wake()), name="dxstream-tokens", daemon=True
            ).start()

    def _serve(self, client: AccountClient, wake: Wake) -> None:
        while client.state not in ("closed", "failed"):
            wake.clear()
            client.watch(wake)
            if client.wants_token():
                self._give()
            elif client.state not in ("closed", "failed"):
                sleep(wake)

    def _give(self) -> None:
        session = self._session
        try:
            header, until = _token(session)
            old = header is None or header == self._given or until < time.time() + _LITTLE_LIFE
            if old and (refresh := _refresher(session)) is not None:
                self._refresh(refresh)
                header, until = _token(session)
            if header is None:
                msg = "the session has no access token; log in again"
                raise AuthenticationError(msg)
            self.api.set_access_token(header, until)
            self._given = header
        except AuthenticationError as error:
            self.api.no_access_token(str(error), lasting=True)
        except Exception as error:
            # The text of a stranger's error may hold a token.
            text = f"the session gave no access token: {type(error).__name__}"
            self.api.no_access_token(text, lasting=False)
            _log.warning("%s", text)

    def _refresh(self, refresh: Callable[[], Any]) -> None:
        if not inspect.iscoroutinefunction(refresh):
            refresh()
        elif self._loop is not None and self._loop.is_running():
            # A session's HTTP client belongs to the loop in which it was made.
            import asyncio

            asked = asyncio.run_coroutine_threadsafe(refresh(), self._loop)
            asked.result(_REFRESH_SECONDS)
        else:
            run_in_own_loop(refresh())


def _has_token(session: object) -> bool:
    return isinstance(getattr(session, "session_token", None), str)


def _refresher(session: object) -> Callable[[], Any] | None:
    for name in ("refresh", "_refresh", "a_refresh"):
        if inspect.isroutine(refresh := getattr(session, name, None)):
            return refresh
    return None


def _token(session: object) -> tuple[str | None, float]:
    """Read what the Authorization header is to have, and until when, in seconds since 1970 UTC."""
    token = getattr(session, "session_token", None)
    if not isinstance(token, str) or not token:
        return None, 0.0
    # Tokens of OAuth are borne; those of a login by password went as they are.
    bare = token.startswith("Bearer ") or _refresher(session) is None
    expiration = getattr(session, "session_expiration", None)
    if isinstance(expiration, datetime):
        expiration = expiration.timestamp()
    now = time.time()
    if not isinstance(expiration, int | float) or expiration > now + _DAY:
        expiration = now + _UNKNOWN_LIFE + 1
    return token if bare else f"Bearer {token}", float(expiration)
