"""Logging in by OAuth, and asking REST."""

import asyncio
import gc
import logging
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio
from account_stream import Follower, session_of, small_market
from conftest import until
from healing import reconnected

from dxstream import (
    AuthenticationError,
    ConnectionLostError,
    DXLinkStreamer,
    DXStreamError,
    ReconnectPolicy,
    RequestRefusedError,
    Session,
)
from dxstream.accounts import Accounts
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Rules
from dxstream.faults import AccountFault, Respond

SECRET, TOKEN = "canary-client-secret", "canary-refresh-token"
GRANTS = "POST /oauth/token"
WHO = "GET /customers/me/accounts"
QUOTE_TOKENS = "GET /api-quote-tokens"


@pytest.fixture
def server() -> Iterator[Exchange]:
    """Run an exchange that has accounts, and no orders but those that a test places."""
    accounts = Accounts(
        client_secret=SECRET, refresh_token=TOKEN, any_credentials=False, orders_per_minute=0.0
    )
    with Exchange(small_market(), accounts=accounts) as running:
        yield running


def login(server: Exchange, **options: object) -> Session:
    return session_of(server, **{"provider_secret": SECRET, "refresh_token": TOKEN, **options})


def requests(server: Exchange, request: str) -> int:
    return server.account_stats().requests.get(request, 0)


def test_what_is_missing_is_listed_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TT_SECRET", raising=False)
    monkeypatch.delenv("TT_REFRESH", raising=False)
    with pytest.raises(ValueError, match=r"provider_secret \(or TT_SECRET.*refresh_token") as none:
        Session()
    assert "\n" not in str(none.value)
    with pytest.raises(ValueError, match="TT_REFRESH") as half:
        Session(SECRET)
    assert "TT_SECRET" not in str(half.value)
    assert SECRET not in str(half.value)


def test_credentials_come_from_the_environment(
    server: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_SECRET", SECRET)
    monkeypatch.setenv("TT_REFRESH", TOKEN)
    session = Session(base_url=server.api_url, account_url=server.account_url)
    session.refresh().result()
    assert requests(server, GRANTS) == 1


def test_production_and_sandbox_have_their_own_servers() -> None:
    session, sandbox = Session(SECRET, TOKEN), Session(SECRET, TOKEN, is_test=True)
    assert session.base_url == "https://api.tastyworks.com"
    assert session.account_url == "wss://streamer.tastyworks.com"
    assert sandbox.base_url == "https://api.cert.tastyworks.com"
    assert sandbox.account_url == "wss://streamer.cert.tastyworks.com"


@pytest.mark.parametrize(
    "urls",
    [
        {"base_url": "http://api.tastyworks.com"},
        {"base_url": "api.tastyworks.com"},
        {"base_url": "https://user@example.com"},
        {"account_url": "ws://streamer.tastyworks.com"},
        {"account_url": "https://streamer.tastyworks.com"},
    ],
)
def test_urls_that_would_show_the_credentials_are_refused(urls: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the URL cannot be used"):
        Session(SECRET, TOKEN, **urls)


def test_a_session_shows_no_secret_and_is_not_pickled(server: Exchange) -> None:
    session = login(server)
    session.endpoint().result()
    shown = f"{session!r} {session!s} {vars(session)!r} {session.api!r}"
    assert SECRET not in shown
    assert TOKEN not in shown
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(session)


def test_a_session_works_on_a_thread_in_asyncio_and_in_trio(server: Exchange) -> None:
    session = login(server)

    async def ask() -> str:
        return (await session.accounts())[0].account_number

    assert session.accounts().result()[0].account_number == "SIM00001"
    assert asyncio.run(ask()) == "SIM00001"
    assert trio.run(ask) == "SIM00001"
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: session.accounts().result(), range(32)))
    assert {answer[0].account_number for answer in answers} == {"SIM00001"}
    assert requests(server, GRANTS) == 1


def test_requests_at_once_wait_for_one_login(server: Exchange) -> None:
    session = login(server)

    async def ask() -> None:
        await asyncio.gather(*(session.get("/customers/me") for _ in range(50)))

    asyncio.run(ask())
    assert requests(server, GRANTS) == 1
    assert requests(server, "GET /customers/me") == 50


def test_accounts_say_what_the_server_says(server: Exchange) -> None:
    (account,) = login(server).accounts().result()
    assert account.authority_level == "owner"
    assert account.is_closed is False
    assert account.fields["account-number"] == account.account_number


def test_a_query_is_sent_as_the_server_names_it(server: Exchange) -> None:
    answer = login(server).get("/instruments/equities", symbol=["AAPL"]).result()
    assert set(answer) >= {"data"}


def test_a_token_is_renewed_before_it_expires() -> None:
    accounts = Accounts(access_token_seconds=1.0, orders_per_minute=0.0)
    with Exchange(small_market(), accounts=accounts) as server:
        session = session_of(server)

        def asks() -> bool:
            session.get("/customers/me").result()
            return requests(server, GRANTS) >= 3

        until(asks)
        # No request was refused: each was answered the first time.
        assert server.account_stats().errors == 0


def test_a_refused_token_leads_to_one_login_and_one_more_try(server: Exchange) -> None:
    session = login(server)
    session.accounts().result()
    server.expire_access_tokens()
    session.accounts().result()
    assert requests(server, GRANTS) == 2
    assert requests(server, WHO) == 3


def test_a_fresh_token_that_is_refused_is_final(server: Exchange) -> None:
    session = login(server)
    server.set_account_faults([AccountFault(Respond(401), at="/customers", times=None)])
    with pytest.raises(AuthenticationError, match="refuses a fresh access token"):
        session.accounts().result()
    assert requests(server, GRANTS) == 2
    assert requests(server, WHO) == 2


def test_refresh_asks_when_it_must_or_is_told_to(server: Exchange) -> None:
    session = login(server)
    session.refresh().result()
    session.refresh().result()
    assert requests(server, GRANTS) == 1
    session.refresh(force=True).result()
    assert requests(server, GRANTS) == 2


@pytest.mark.parametrize(
    ("wrong", "advice"), [("provider_secret", "TT_SECRET"), ("refresh_token", "TT_REFRESH")]
)
def test_a_refused_login_says_what_to_do(server: Exchange, wrong: str, advice: str) -> None:
    session = login(server, **{wrong: "canary-wrong-credential"})
    with pytest.raises(AuthenticationError, match=advice) as refused:
        session.refresh().result()
    text = str(refused.value)
    assert "\n" not in text
    assert "canary" not in text


def test_what_the_server_refuses_is_no_lost_connection(server: Exchange) -> None:
    session = login(server)
    with pytest.raises(RequestRefusedError, match="refuses /nothing: HTTP 404: not_found"):
        session.get("/nothing").result()
    with pytest.raises(ValueError, match="begins with /"):
        session.get("nothing").result()


def test_a_server_that_asks_to_be_left_alone_is(server: Exchange) -> None:
    session = login(server)
    session.refresh().result()
    busy = AccountFault(Respond(429, {"Retry-After": "60"}), at="/customers")
    server.set_account_faults([busy])
    with pytest.raises(ConnectionLostError, match="HTTP 429 Too Many Requests; try again in 60 s"):
        session.accounts().result()
    with pytest.raises(ConnectionLostError, match="left alone for"):
        session.accounts().result()
    assert requests(server, WHO) == 1


def test_a_redirect_is_not_followed(server: Exchange) -> None:
    session = login(server)
    away = AccountFault(Respond(302, {"Location": f"{server.api_url}/customers/me"}), at=WHO[4:])
    server.set_account_faults([away])
    with pytest.raises(ConnectionLostError, match="redirects are not followed"):
        session.accounts().result()
    assert requests(server, "GET /customers/me") == 0


def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    with Exchange(small_market(), accounts=Accounts()) as server:
        session = session_of(server)
    with pytest.raises(ConnectionLostError, match="cannot connect to 127"):
        session.accounts().result()


def test_the_sandbox_is_asked_without_a_version() -> None:
    with Exchange(small_market(), accounts=Accounts(is_test=True)) as server:
        assert session_of(server, is_test=True).accounts().result()
        with pytest.raises(DXStreamError):
            session_of(server).accounts().result()


def test_a_streamer_takes_a_session(server: Exchange) -> None:
    session = login(server)
    with DXLinkStreamer(session) as streamer:
        streamer.subscribe(Quote, ["AAPL"]).result()
        assert streamer.get_event(Quote).result().event_symbol == "AAPL"

    async def stream() -> str:
        async with DXLinkStreamer(session) as streamer:
            await streamer.subscribe(Quote, ["AAPL"])
            return (await streamer.get_event(Quote)).event_symbol

    assert asyncio.run(stream()) == "AAPL"
    assert trio.run(stream) == "AAPL"
    assert requests(server, QUOTE_TOKENS) == 1
    assert session.endpoint().result().level == "api"


def test_the_quote_token_is_kept_for_each_reconnect(server: Exchange) -> None:
    soon = ReconnectPolicy(min_delay=0.01, max_delay=0.05)
    with DXLinkStreamer(login(server), reconnect=soon) as streamer:
        for epoch in range(1, 4):
            server.close_connections(1012, "restart")
            reconnected(streamer, epoch)
    assert requests(server, QUOTE_TOKENS) == 1


def test_a_quote_token_that_is_refused_is_replaced() -> None:
    accounts = Accounts(quote_token_seconds=1.0, orders_per_minute=0.0)
    soon = ReconnectPolicy(min_delay=0.01, max_delay=0.05)
    with (
        Exchange(small_market(), rules=Rules(tokens=()), accounts=accounts) as server,
        DXLinkStreamer(session_of(server), reconnect=soon) as streamer,
    ):
        streamer.subscribe(Quote, ["AAPL"]).result()
        until(lambda: streamer.epoch >= 2)
        assert streamer.get_event(Quote).result().event_symbol == "AAPL"
        assert requests(server, QUOTE_TOKENS) >= 3


def test_a_quote_token_can_be_asked_for_anew(server: Exchange) -> None:
    session = login(server)
    first = session.endpoint().result()
    assert session.endpoint().result() == first
    assert session.endpoint(fresh=True).result().token != first.token


@pytest.mark.parametrize(("is_test", "told"), [(True, "the sandbox"), (False, "no customer")])
def test_a_login_without_market_data_is_told_plainly(is_test: bool, told: str) -> None:
    accounts = Accounts(is_test=is_test, market_data=False)
    with Exchange(small_market(), accounts=accounts) as server:
        session = session_of(server, is_test=is_test)
        with pytest.raises(AuthenticationError, match=told), DXLinkStreamer(session):
            pass


def test_no_secret_is_in_any_text(server: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    session = login(server)
    texts = [repr(session.accounts().result()), repr(session.endpoint().result())]
    tokens = {session.endpoint().result().token}
    server.set_account_faults(
        [
            AccountFault(Respond(500), at="/customers", number=1),
            AccountFault(Respond(401), at="/customers", number=2, times=2),
            AccountFault(Respond(418), at="/customers", number=4),
            AccountFault(Respond(302), at="/oauth/token", number=2),
        ]
    )
    for _ in range(6):
        server.expire_access_tokens()
        try:
            texts.append(repr(session.accounts().result()))
        except DXStreamError as error:
            texts.append(f"{error!r} {error.__cause__!r} {error.__context__!r}")
    until(lambda: len(caplog.records) > 5)
    said = "\n".join([*texts, *(record.getMessage() for record in caplog.records)])
    for secret in (SECRET, TOKEN, *tokens):
        assert secret
        assert secret not in said
    assert "Bearer" not in said


def test_an_answer_that_nobody_waits_for_is_given_up(server: Exchange) -> None:
    session = login(server)
    for _ in range(20):
        session.api.get("/customers/me")
    gc.collect()
    assert session.accounts().result()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_session_belongs_to_its_process(server: Exchange) -> None:
    session = login(server)
    session.refresh().result()
    child = os.fork()
    if child == 0:
        try:
            session.accounts().result()
        except RuntimeError as error:
            os._exit(0 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert session.accounts().result()


def test_the_streamer_heals_while_the_event_loop_is_blocked(server: Exchange) -> None:
    session = login(server)
    soon = ReconnectPolicy(min_delay=0.01, max_delay=0.05)

    async def stream() -> None:
        async with DXLinkStreamer(session, reconnect=soon) as streamer:
            server.close_connections(1012, "restart")
            # This blocks the loop on purpose.
            until(lambda: streamer.epoch >= 1)

    asyncio.run(stream())


def test_a_login_over_tls_trusts_the_authorities_that_it_is_told(tmp_path: Path) -> None:
    accounts = Accounts(orders_per_minute=0.0)
    with Exchange(small_market(), rules=Rules(tls=True), accounts=accounts) as server:
        assert server.api_url.startswith("https://")
        assert server.ca_pem is not None
        authorities = tmp_path / "ca.pem"
        authorities.write_text(server.ca_pem)
        with pytest.raises(ConnectionLostError, match=r"certificate of .* is not trusted"):
            session_of(server).accounts().result()
        session = session_of(server, ca_file=authorities)
        assert session.accounts().result()
        with DXLinkStreamer(session) as streamer:
            assert streamer.state == "connected"
        with Follower(session, "SIM00001") as follower:
            follower.until(follower.is_hydrated)
