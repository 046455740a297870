"""Following an account stream in tests, as whoever builds on the native client does."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from conftest import DEADLINE

from dxstream import ReconnectPolicy, Session
from dxstream._dxstream import AccountClient, Wake
from dxstream.access import AccountAccess
from dxstream.exchange import Exchange, Market
from dxstream.session import AccountSettings

SOON = ReconnectPolicy(min_delay=0.01, max_delay=0.05)


class Message(NamedTuple):
    """A message of an account stream."""

    type: str
    data: dict[str, Any]
    is_snapshot: bool


def small_market() -> Market:
    """Make a market that starts soon."""
    return Market(symbols=("AAPL", "SPY"))


def session_of(exchange: Exchange, **options: Any) -> Session:
    """Log in at an exchange."""
    credentials = {"provider_secret": "sim-secret", "refresh_token": "sim-refresh"}
    urls = {"base_url": exchange.api_url, "account_url": exchange.account_url}
    return Session(**{**credentials, **urls, **options})


class Follower:
    """An account stream and a listener of all that it tells."""

    def __init__(
        self, session: object, *accounts: str, account_url: str | None = None, **settings: Any
    ) -> None:
        access = AccountAccess(session, account_url=account_url)
        self.client = AccountClient(access.api, AccountSettings(**{"reconnect": SOON, **settings}))
        access.serve(self.client)
        self.queue = self.client.listen()
        self.messages: list[Message] = []
        self._wake = Wake()
        self.client.subscribe_accounts(accounts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def _take(self) -> None:
        while (message := self.queue.next()) is not None:
            kind, data, _, _, is_snapshot, _ = message
            self.messages.append(Message(kind, json.loads(data), is_snapshot))

    def until(self, condition: Callable[[], object]) -> None:
        """Take messages until a condition holds, and those that came until then."""
        limit = time.monotonic() + DEADLINE
        while True:
            self._take()
            if condition():
                self._take()
                return
            assert time.monotonic() < limit, (self.client.state, self.client.counters())
            self._wake.clear()
            self.client.watch(self._wake)
            if self.queue.arm(self._wake):
                self._wake.wait(0.05)
            else:
                time.sleep(0.005)

    def reconnected(self, times: int) -> None:
        """Wait until a connection was made again so many times."""
        self.until(lambda: self.client.counters()["epoch"] == times)

    def confirmed(self) -> dict[str, str]:
        """Tell what became of what is wanted."""
        return {name: state for name, state, _ in self.client.confirmed()}

    def is_hydrated(self) -> bool:
        """Tell whether every account's snapshot has come."""
        return set(self.confirmed().values()) == {"hydrated"}

    def error(self) -> Exception:
        """Wait until the stream ends, and tell why."""
        self.until(lambda: self.client.state in ("closed", "failed"))
        error = self.client.error()
        assert error is not None
        return error
