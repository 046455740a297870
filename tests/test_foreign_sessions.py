"""Sessions of the tastytrade SDK in its versions, and of others, as a streamer takes them."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import tastytrade
import trio
from account_stream import Follower, small_market
from conftest import until_in_loop
from healing import reconnected
from tastytrade.paper import PaperSession

from dxstream import (
    AuthenticationError,
    DXLinkStreamer,
    DXStreamError,
    ReconnectPolicy,
    Session,
)
from dxstream.access import AccountAccess
from dxstream.accounts import Accounts
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Rules

ACCOUNT = "SIM00001"
SECRET, TOKEN = "sim-secret", "sim-refresh"
SOON = ReconnectPolicy(min_delay=0.01, max_delay=0.05)


@pytest.fixture
def server() -> Iterator[Exchange]:
    """Run an exchange whose market takes nothing but the quote tokens of its accounts."""
    accounts = Accounts(orders_per_minute=0.0)
    with Exchange(small_market(), rules=Rules(tokens=()), accounts=accounts) as running:
        yield running


def fetch(server: Exchange, path: str, token: str | None = None, body: Any = None) -> Any:
    """Ask REST as a blocking HTTP client of an SDK does."""
    headers = {"User-Agent": "sdk/1.0", "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = token
    data = None if body is None else json.dumps(body).encode()
    request = Request(server.api_url + path, data, headers)
    try:
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except HTTPError as error:
        error.close()
        msg = f"HTTP {error.code}"
        raise RuntimeError(msg) from None


def grant(server: Exchange) -> str:
    body = {"grant_type": "refresh_token", "refresh_token": TOKEN, "client_secret": SECRET}
    token: str = fetch(server, "/oauth/token", body=body)["access_token"]
    return token


class Http:
    """An HTTP client that says where it sends requests."""

    def __init__(self, server: Exchange) -> None:
        self.base_url = server.api_url


class Session8:
    """As of 8.x: a login by password, whose quote token never changes."""

    def __init__(self, server: Exchange) -> None:
        self.is_test = False
        self.session_token = f"Bearer {grant(server)}"
        self.remember_token = None
        quotes = fetch(server, "/api-quote-tokens", self.session_token)["data"]
        self.streamer_token = quotes["token"]
        self.dxlink_url = quotes["dxlink-url"]
        self.client = Http(server)


class Session9:
    """As of 9.x and 10.x: blocking and asynchronous clients."""

    def __init__(self, server: Exchange) -> None:
        self.is_test = False
        self.server = server
        self.session_token = f"Bearer {grant(server)}"
        self.session_expiration = datetime.now(UTC) + timedelta(days=1)
        self.sync_client = self.async_client = Http(server)
        self.asked = 0

    def _get(self, url: str) -> Any:
        self.asked += 1
        return fetch(self.server, url, self.session_token)["data"]

    async def _a_get(self, _url: str) -> Any:
        pytest.fail("the blocking client does")


class Session11:
    """As of 11.x: OAuth, with a token that says what it is."""

    def __init__(self, server: Exchange) -> None:
        self.is_test = False
        self.provider_secret = SECRET
        self.refresh_token = TOKEN
        self.session_token = "Bearer of 11.x"
        # A mistake of 10.3 and 11.1: the 900 seconds became days.
        self.session_expiration = datetime.now(UTC) + timedelta(days=900)
        self.sync_client = self.async_client = Http(server)

    def refresh(self) -> None:
        pytest.fail("the core logs in itself")

    async def a_refresh(self) -> None:
        pytest.fail("the core logs in itself")


class Session12:
    """As of 12.0: asynchronous alone."""

    def __init__(self, server: Exchange) -> None:
        self.is_test = False
        self.provider_secret = SECRET
        self.refresh_token = TOKEN
        self.session_token = "kyrieeleison"
        self.session_expiration = 0.0
        self._client = Http(server)

    async def _refresh(self) -> None:
        pytest.fail("the core logs in itself")

    async def _get(self, _url: str) -> Any:
        pytest.fail("the core asks itself")


class Renewable(Session12):
    """As people subclass it: to be awaited."""

    def __await__(self) -> Any:
        pytest.fail("nothing is missing")


class Wrapper:
    """A session of somebody's own that has no more than the asynchronous `_get`."""

    def __init__(self, server: Exchange) -> None:
        self.server = server
        self.loops: list[object] = []

    async def _get(self, url: str) -> Any:
        self.loops.append(asyncio.get_running_loop())
        return (await asyncio.to_thread(fetch, self.server, url, f"Bearer {grant(self.server)}"))[
            "data"
        ]


class OfficialApi:
    """The part of ``tastytrade_sdk.Tastytrade`` that asks REST."""

    def __init__(self, server: Exchange) -> None:
        self.server = server

    def get(self, path: str) -> Any:
        return fetch(self.server, path, f"Bearer {grant(self.server)}")


class Tastytrade:
    """The official client, which keeps its token to itself."""

    def __init__(self, server: Exchange) -> None:
        self.api = OfficialApi(server)


def sdk_session(server: Exchange) -> tastytrade.Session:
    """Make a session of the SDK that is installed, for the exchange."""
    session = tastytrade.Session(SECRET, TOKEN)
    session._client.base_url = server.api_url
    return session


FORMS: list[Callable[[Exchange], object]] = [
    sdk_session,
    Session8,
    Session9,
    Session11,
    Session12,
    Renewable,
    Tastytrade,
]


@pytest.mark.parametrize("make", [*FORMS, Wrapper])
def test_a_streamer_takes_the_session_on_a_thread(
    server: Exchange, make: Callable[[Exchange], Any]
) -> None:
    with DXLinkStreamer(make(server)) as streamer:
        streamer.subscribe(Quote, ["AAPL"]).result()
        assert streamer.get_event(Quote).result(20).event_symbol == "AAPL"


@pytest.mark.parametrize("make", [*FORMS, Wrapper])
def test_a_streamer_takes_the_session_in_asyncio(
    server: Exchange, make: Callable[[Exchange], Any]
) -> None:
    async def stream() -> str:
        async with DXLinkStreamer(make(server)) as streamer:
            await streamer.subscribe(Quote, ["AAPL"])
            return (await streamer.get_event(Quote)).event_symbol

    assert asyncio.run(stream()) == "AAPL"


@pytest.mark.parametrize("make", FORMS)
def test_a_streamer_takes_the_session_in_trio(
    server: Exchange, make: Callable[[Exchange], Any]
) -> None:
    async def stream() -> str:
        async with DXLinkStreamer(make(server)) as streamer:
            await streamer.subscribe(Quote, ["AAPL"])
            return (await streamer.get_event(Quote)).event_symbol

    assert trio.run(stream) == "AAPL"


@pytest.mark.parametrize("make", FORMS)
def test_the_session_is_asked_for_each_connection(
    server: Exchange, make: Callable[[Exchange], Any]
) -> None:
    with DXLinkStreamer(make(server), reconnect=SOON) as streamer:
        for epoch in range(1, 3):
            server.close_connections(1012, "restart")
            reconnected(streamer, epoch)


def test_a_session_with_a_loop_is_asked_in_its_loop(server: Exchange) -> None:
    async def stream() -> None:
        session = Wrapper(server)
        async with DXLinkStreamer(session, reconnect=SOON) as streamer:
            server.close_connections(1012, "restart")
            await until_in_loop(lambda: streamer.epoch > 0)
        assert set(session.loops) == {asyncio.get_running_loop()}
        assert len(session.loops) >= 2

    asyncio.run(asyncio.wait_for(stream(), 30))


def test_a_function_may_give_a_session(server: Exchange) -> None:
    async def make() -> tastytrade.Session:
        return sdk_session(server)

    with DXLinkStreamer(make) as streamer:  # type: ignore[arg-type]
        assert streamer.state == "connected"


def test_the_installed_sdk_has_what_its_sessions_are_known_by(server: Exchange) -> None:
    session = sdk_session(server)
    assert isinstance(session.provider_secret, str)
    assert isinstance(session.refresh_token, str)
    assert session.session_token == "kyrieeleison"
    with DXLinkStreamer(session):
        pass
    # The core has logged in itself and left the session as it was.
    assert session.session_token == "kyrieeleison"


def test_the_sdks_classes_take_our_session(server: Exchange) -> None:
    session = Session(SECRET, TOKEN, base_url=server.api_url, account_url=server.account_url)

    async def ask() -> list[str]:
        accounts = await tastytrade.Account.get(session)  # type: ignore[call-overload]
        return [account.account_number for account in accounts]

    assert asyncio.run(ask()) == [ACCOUNT]


def test_a_paper_session_has_no_market_data() -> None:
    session = PaperSession("key")
    with pytest.raises(ValueError, match="a PaperSession has no market data"):
        DXLinkStreamer(session).__enter__()
    with pytest.raises(TypeError, match="account updates need"):
        AccountAccess(session)


@pytest.mark.parametrize("session", [object(), 17, None, b"wss://example.com", []])
def test_what_is_no_session_is_refused_with_what_is(session: Any) -> None:
    accepted = r"a session must be an Endpoint.*dxstream.Session.*tastytrade_sdk"
    with pytest.raises(TypeError, match=accepted) as refused:
        DXLinkStreamer(session).__enter__()
    assert "\n" not in str(refused.value)
    with pytest.raises(TypeError, match="account updates need"):
        AccountAccess(session)


def test_a_sandbox_without_market_data_is_told_plainly() -> None:
    accounts = Accounts(is_test=True, market_data=False)
    with Exchange(small_market(), accounts=accounts) as server:
        for make in (sdk_session, Session9, Wrapper):
            session: Any = make(server)
            session.is_test = True
            with (
                pytest.raises(AuthenticationError, match="the sandbox gives this"),
                DXLinkStreamer(session),
            ):
                pass


@pytest.mark.parametrize("make", [sdk_session, Session8, Session9, Session11, Session12, Renewable])
def test_an_account_stream_takes_the_session(
    server: Exchange, make: Callable[[Exchange], Any]
) -> None:
    with Follower(make(server), ACCOUNT, account_url=server.account_url) as follower:
        follower.until(follower.is_hydrated)


def test_an_account_stream_cannot_log_in_with_the_official_client(server: Exchange) -> None:
    with pytest.raises(TypeError, match="not Tastytrade"):
        AccountAccess(Tastytrade(server))


class Refreshed:
    """A session whose access token is short-lived, and who is asked for another."""

    def __init__(self, server: Exchange) -> None:
        self.server = server
        self._client = Http(server)
        self.session_token = "kyrieeleison"
        self.session_expiration = 0.0
        self.refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1
        self.session_token = grant(self.server)
        self.session_expiration = time.time() + 900


class RefreshedInLoop(Refreshed):
    """The same, asynchronous."""

    async def refresh(self) -> None:  # type: ignore[override]
        await asyncio.to_thread(super().refresh)


@pytest.mark.parametrize("make", [Refreshed, RefreshedInLoop])
def test_a_session_is_asked_for_another_access_token(
    server: Exchange, make: type[Refreshed]
) -> None:
    session = make(server)
    with Follower(
        session, ACCOUNT, account_url=server.account_url, heartbeat_interval=0.05
    ) as follower:
        follower.until(follower.is_hydrated)
        assert session.refreshed == 1
        server.expire_access_tokens()
        follower.reconnected(1)
        follower.until(follower.is_hydrated)
        assert session.refreshed == 2


def test_a_session_that_cannot_refresh_ends_the_stream(server: Exchange) -> None:
    class Broken(Refreshed):
        def refresh(self) -> None:
            msg = "canary-token in a stranger's text"
            raise RuntimeError(msg)

    with Follower(Broken(server), ACCOUNT, account_url=server.account_url) as follower:
        error = follower.error()
        assert isinstance(error, DXStreamError)
        assert "RuntimeError" in str(error)
        assert "canary" not in str(error)
