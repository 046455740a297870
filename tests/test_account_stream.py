"""The account stream of the core: logging in, snapshots, heartbeats, and how it heals."""

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from account_stream import Follower, session_of, small_market
from conftest import NO_RECONNECT, until

from dxstream import AuthenticationError, ConnectionLostError, SubscriptionError
from dxstream._dxstream import AccountClient
from dxstream.accounts import Accounts
from dxstream.exchange import Exchange
from dxstream.faults import AccountFault, Close, Inject, Omit, Refuse, Respond, Stall
from dxstream.session import AccountSettings

ACCOUNT = "SIM00001"
OTHER = "SIM00002"


def serve(**options: Any) -> Exchange:
    accounts = Accounts(**{"numbers": (ACCOUNT, OTHER), "orders_per_minute": 0.0, **options})
    return Exchange(small_market(), accounts=accounts)


@pytest.fixture
def server() -> Iterator[Exchange]:
    """Run an exchange with two accounts that do nothing on their own."""
    with serve() as running:
        yield running


def actions(server: Exchange) -> list[str]:
    return [json.loads(text)["action"] for text in server.account_received()]


def test_a_stream_connects_when_an_account_is_wanted(server: Exchange) -> None:
    session = session_of(server)
    client = AccountClient(session.api, AccountSettings())
    assert client.state == "connecting"
    client.subscribe_accounts([ACCOUNT])
    until(lambda: client.state == "connected")
    client.close()
    until(lambda: client.state == "closed")
    assert actions(server)[0] == "connect"


def test_each_account_begins_with_its_snapshot(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT, OTHER) as follower:
        follower.until(follower.is_hydrated)
        for account in (ACCOUNT, OTHER):
            of_account = [one for one in follower.messages if one.data["account-number"] == account]
            assert all(message.is_snapshot for message in of_account)
            types = [message.type for message in of_account]
            assert types[0] == "AccountBalance"
            assert types[-1] == "SnapshotEnd"
            end = of_account[-1].data
            for name in ("AccountBalance", "CurrentPosition", "Order"):
                assert end[name] == types.count(name)
            assert end["CurrentPosition"] >= 1


def test_what_happens_is_told_after_the_snapshot(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        order = server.place_order(ACCOUNT, "SPY", 1)

        def filled() -> bool:
            return any(
                message.type == "Order"
                and message.data["id"] == order
                and message.data["status"] == "Filled"
                for message in follower.messages
            )

        follower.until(filled)
        assert not follower.messages[-1].is_snapshot
        assert follower.client.counters()["sequence_gaps"] == 0


def test_another_account_and_alerts_can_be_added(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        follower.client.subscribe("quote-alerts-subscribe")
        follower.client.subscribe("public-watchlists-subscribe")
        follower.client.subscribe_accounts([OTHER])
        wanted = {
            ACCOUNT: "hydrated",
            OTHER: "hydrated",
            "public-watchlists-subscribe": "confirmed",
            "quote-alerts-subscribe": "confirmed",
        }
        follower.until(lambda: follower.confirmed() == wanted)
        assert follower.client.counters()["epoch"] == 0


def test_wrong_arguments_change_nothing(server: Exchange) -> None:
    client = AccountClient(session_of(server).api, AccountSettings())
    with pytest.raises(ValueError, match="subscribe an account before"):
        client.subscribe("quote-alerts-subscribe")
    with pytest.raises(ValueError, match="not known; choose one of"):
        client.subscribe("everything")
    for account in ("", "../sessions", "5WT 0000", "x" * 33):
        with pytest.raises(ValueError, match="not an account number"):
            client.subscribe_accounts([ACCOUNT, account])
    with pytest.raises(ValueError, match="at most 1000"):
        client.subscribe_accounts([f"A{number}" for number in range(1001)])
    assert client.confirmed() == []
    client.close()


def test_every_heartbeat_has_a_current_token() -> None:
    with (
        serve(access_token_seconds=1.0) as server,
        Follower(session_of(server), ACCOUNT, heartbeat_interval=0.1) as follower,
    ):
        follower.until(lambda: server.account_stats().requests.get("POST /oauth/token", 0) >= 4)
        beats = [json.loads(text) for text in server.account_received()]
        tokens = {beat["auth-token"] for beat in beats if beat["action"] == "heartbeat"}
        assert len(tokens) >= 3
        stats = server.account_stats()
        assert (stats.errors, stats.accepted) == (0, 1)
        assert follower.client.state == "connected"


def test_a_token_that_is_revoked_in_the_middle_is_replaced(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT, heartbeat_interval=0.05) as follower:
        follower.until(follower.is_hydrated)
        server.expire_access_tokens()
        follower.reconnected(1)
        follower.until(follower.is_hydrated)
        assert server.account_stats().requests["POST /oauth/token"] == 2


def test_a_lost_connection_is_made_again_with_a_snapshot(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        for epoch in range(1, 4):
            follower.messages.clear()
            server.close_account_connections(1012, "restart")
            follower.reconnected(epoch)
            follower.until(lambda: any(one.type == "SnapshotEnd" for one in follower.messages))
        changes, _ = follower.client.changes_since(0)
        states = [change[1] for change in changes]
        assert states[:3] == ["connected", "reconnecting", "connected"]


def test_what_happened_while_away_is_in_the_snapshot(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        away = AccountFault(Respond(503), at="upgrade", times=3)
        server.set_account_faults([away])
        server.close_account_connections(1001, "going away")
        follower.until(lambda: follower.client.state == "reconnecting")
        order = server.place_order(ACCOUNT, "SPY", 1)
        follower.until(lambda: follower.client.state == "connected")
        follower.until(
            lambda: any(
                one.type == "Order" and one.data["id"] == order for one in follower.messages
            )
        )


def test_a_silent_server_is_left_for_another_connection(server: Exchange) -> None:
    with Follower(
        session_of(server), ACCOUNT, heartbeat_interval=0.1, silence_timeout=0.5
    ) as follower:
        follower.until(follower.is_hydrated)
        server.set_account_faults([AccountFault(Stall(), at="heartbeat")])
        follower.reconnected(1)
        changes, _ = follower.client.changes_since(0)
        reasons = [change[6] for change in changes if change[6]]
        assert reasons == ["the account streamer has said nothing for 0.5 s"]


def test_a_heartbeat_that_is_not_answered_is_no_loss_while_others_are(server: Exchange) -> None:
    server.set_account_faults([AccountFault(Omit(), at="heartbeat", number=2)])
    with Follower(session_of(server), ACCOUNT, heartbeat_interval=0.05) as follower:
        follower.until(lambda: (follower.client.counters()["heartbeats_answered"] or 0) >= 5)
        assert follower.client.counters()["epoch"] == 0


def test_a_refused_login_ends_the_stream() -> None:
    with (
        serve(any_credentials=False, refresh_token="another") as server,
        Follower(session_of(server), ACCOUNT) as follower,
    ):
        error = follower.error()
        assert isinstance(error, AuthenticationError)
        assert "TT_REFRESH" in str(error)
        ended = follower.queue.ended()
        assert str(ended) == str(error)


def test_a_connect_that_is_always_refused_ends_the_stream(server: Exchange) -> None:
    server.set_account_faults([AccountFault(Refuse("failed"), at="connect", times=None)])
    with Follower(session_of(server), ACCOUNT) as follower:
        error = follower.error()
        assert isinstance(error, AuthenticationError)
        assert "log in again" in str(error)
        stats = server.account_stats()
        # Once with the token, and once with a fresh one.
        assert stats.requests["POST /oauth/token"] == 2
        assert stats.faults == (2,)


def test_a_connect_that_is_refused_once_is_tried_with_another_token(server: Exchange) -> None:
    server.set_account_faults([AccountFault(Refuse("failed"), at="connect")])
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        assert server.account_stats().requests["POST /oauth/token"] == 2


def test_an_unknown_account_ends_the_stream(server: Exchange) -> None:
    with Follower(session_of(server), "5WT00000") as follower:
        error = follower.error()
        assert isinstance(error, SubscriptionError)
        assert "5WT00000 is not one of this login's" in str(error)


def test_an_unknown_account_leaves_the_others_alone(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        follower.client.subscribe_accounts(["5WT00000"])
        wanted = {ACCOUNT: "hydrated", "5WT00000": "refused"}
        follower.until(lambda: follower.confirmed() == wanted)
        refused = [error for _, _, error in follower.client.confirmed() if error is not None]
        assert isinstance(refused[0], SubscriptionError)
        order = server.place_order(ACCOUNT, "SPY", 1)
        follower.until(lambda: any(one.data.get("id") == order for one in follower.messages))


def test_settings_that_let_a_quiet_server_count_as_dead_are_refused(server: Exchange) -> None:
    with pytest.raises(ValueError, match="silence_timeout must be longer than heartbeat_interval"):
        Follower(session_of(server), ACCOUNT, heartbeat_interval=20, silence_timeout=20)


def test_the_first_connection_that_fails_is_final(server: Exchange) -> None:
    server.set_account_faults([AccountFault(Respond(502), at="upgrade", times=None)])
    with Follower(session_of(server), ACCOUNT) as follower:
        assert isinstance(follower.error(), ConnectionLostError)


def test_attempts_end_where_the_policy_says(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT, reconnect=NO_RECONNECT) as follower:
        follower.until(follower.is_hydrated)
        server.close_account_connections(1011, "trouble")
        assert "1011 trouble" in str(follower.error())


def test_messages_of_any_kind_harm_nothing(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        for text in (
            '{"type":"BrandNew","data":{"x":[1,2.5]},"timestamp":"17","ws-sequence":9}',
            '{"type":"Order","data":',
            "[]",
            '{"what":"else"}',
            '{"results":[{"type":"Last","data":{}}]}',
        ):
            assert server.notify(ACCOUNT, text) == 1
        follower.until(lambda: follower.messages[-1].type == "Last")
        assert ("BrandNew", {"x": [1, 2.5]}, False) in follower.messages
        counters = follower.client.counters()
        assert (counters["malformed"], counters["unknown"]) == (2, 1)
        assert follower.client.state == "connected"


def test_a_snapshot_that_fails_is_asked_for_again_and_holds_nothing_back(server: Exchange) -> None:
    path = f"/accounts/{ACCOUNT}/positions"
    server.set_account_faults([AccountFault(Respond(500), at=path)])
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(lambda: follower.client.counters()["failed_snapshots"] == 1)
        server.notify(ACCOUNT, '{"type":"Order","data":{"account-number":"SIM00001","id":7}}')
        follower.until(lambda: any(one.data.get("id") == 7 for one in follower.messages))
        assert not any(message.is_snapshot for message in follower.messages)
        follower.until(follower.is_hydrated)


def test_a_stream_without_snapshots_asks_rest_for_nothing(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT, hydrate=False) as follower:
        follower.until(lambda: follower.confirmed() == {ACCOUNT: "confirmed"})
        server.notify(ACCOUNT, '{"type":"X","data":{"account-number":"SIM00001"}}')
        follower.until(lambda: follower.messages)
        requests = server.account_stats().requests
        assert not any("/accounts/" in request for request in requests)


def test_each_listener_gets_every_message_of_its_types(server: Exchange) -> None:
    client = AccountClient(session_of(server).api, AccountSettings(hydrate=False))
    every, orders, small = client.listen(), client.listen(["Order"]), client.listen(None, 2)
    client.subscribe_accounts([ACCOUNT])
    until(lambda: client.state == "connected")
    for number in range(5):
        kind = "Order" if number % 2 else "Other"
        server.notify(ACCOUNT, f'{{"type":"{kind}","data":{{"n":{number}}}}}')
    until(lambda: every.stats()[0] == 5)
    assert orders.stats() == (2, 0, 2, 0, 0, 3)
    assert small.stats() == (5, 0, 2, 0, 3, 0)
    taken = [small.next(), small.next(), small.next()]
    assert [message and message[1] for message in taken] == ['{"n":3}', '{"n":4}', None]
    client.close()
    until(lambda: small.ended() is not None)
    # What waits is still given.
    assert every.ended() is None
    assert every.next() is not None


def test_no_token_is_said(server: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    faults = [
        AccountFault(Close(1011, "trouble"), at="heartbeat"),
        AccountFault(Inject("{"), at="heartbeat", number=2),
        AccountFault(Refuse("failed"), at="heartbeat", number=3),
    ]
    server.set_account_faults(faults)
    with Follower(session_of(server), ACCOUNT, heartbeat_interval=0.05) as follower:
        follower.until(lambda: (follower.client.counters()["epoch"] or 0) >= 2)
        changes, _ = follower.client.changes_since(0)
        shown = [repr(change) for change in changes]
        shown += [*follower.client.complaints(), repr(follower.client.counters())]
    tokens = {json.loads(text)["auth-token"] for text in server.account_received()}
    assert len(tokens) >= 2
    until(lambda: any("account stream: closed" in one.getMessage() for one in caplog.records))
    said = "\n".join([*shown, *(record.getMessage() for record in caplog.records)])
    for token in tokens:
        assert token.removeprefix("Bearer ") not in said


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_stream_belongs_to_its_process(server: Exchange) -> None:
    with Follower(session_of(server), ACCOUNT) as follower:
        follower.until(follower.is_hydrated)
        child = os.fork()
        if child == 0:
            try:
                follower.client.subscribe_accounts([OTHER])
            except RuntimeError as error:
                os._exit(0 if "forked" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert follower.client.state == "connected"
