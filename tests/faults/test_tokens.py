"""Tokens that end in the middle of a session, and servers with too many sessions of a user."""

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import DEADLINE, until
from healing import CANARY, SOON, change, flows, reconnected, server, stream, subscribed

from dxstream import (
    AuthenticationError,
    ConnectionLostError,
    DXLinkStreamer,
    Endpoint,
    ReconnectPolicy,
)
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange
from dxstream.faults import Action, Close, Expire, Fault, Inject

FIRST, SECOND = f"{CANARY}-first", f"{CANARY}-second"


def sent(exchange: Exchange, token: str) -> int:
    return sum(f'"{token}"' in message for message in exchange.received())


@pytest.mark.parametrize("by", ["AUTH_STATE", "ERROR"])
def test_a_token_that_ends_is_replaced_once_and_never_sent_again(by: str) -> None:
    tokens = [FIRST, SECOND]
    asked = []
    ending = Fault(Expire(by=by), after="FEED_DATA", connection=1)
    with server(ending, tokens=(FIRST, SECOND)) as exchange:

        def session() -> Endpoint:
            asked.append(1)
            return Endpoint(exchange.url, tokens[len(asked) - 1])

        with DXLinkStreamer(session, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            flows(exchange, streamer, 1)
            reconnected(streamer)
            flows(exchange, streamer, 2)
            assert len(asked) == 2
            assert (sent(exchange, FIRST), sent(exchange, SECOND)) == (1, 1)
            assert exchange.stats().attempts == 2
            until(lambda: streamer.gaps)


@pytest.mark.parametrize("by", ["AUTH_STATE", "ERROR"])
def test_a_token_that_nobody_replaces_ends_the_streamer(by: str) -> None:
    with server(Fault(Expire(by=by), after="FEED_DATA")) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        listener = streamer.listen(Quote)
        exchange.publish(Quote("A", bid_price=1))
        assert next(listener).bid_price == 1
        with pytest.raises(AuthenticationError):
            next(listener)
        assert streamer.state == "failed"
        assert sent(exchange, CANARY) == 1
        assert exchange.stats().attempts == 1


def test_a_session_that_gives_the_old_token_ends_the_streamer() -> None:
    with server(Fault(Expire(), after="FEED_DATA")) as exchange:
        session = Endpoint(exchange.url, CANARY)
        with DXLinkStreamer(lambda: session, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            flows(exchange, streamer, 1)
            with pytest.raises(AuthenticationError, match="that the server has refused"):
                streamer.collect(Quote, "NONE", timeout=DEADLINE).result()
            assert sent(exchange, CANARY) == 1


MANY = "The number of user sessions has exceeded the configured limit, user=x"
SATURATIONS: list[Action] = [
    Inject.message("ERROR", error="UNAUTHORIZED", message=MANY),
    Close(1000),
    Close(1008, MANY),
]


def by_name(exchange: Exchange) -> Endpoint:
    """Name the host otherwise than other tests, for the process remembers which to leave alone."""
    return Endpoint(f"ws://localhost:{exchange.port}", CANARY)


def saturated(action: Action, policy: ReconnectPolicy) -> Iterator[tuple[Exchange, Any, Any]]:
    """Let the first of two streamers lose its connection and be refused the next."""
    faults = [
        Fault(Close(1012), after="FEED_DATA", connection=1),
        Fault(action, at="AUTH_STATE", connection=3),
    ]
    with server(*faults) as exchange:
        endpoint = by_name(exchange)
        with (
            DXLinkStreamer(endpoint, reconnect=policy) as first,
            DXLinkStreamer(endpoint, reconnect=policy) as second,
        ):
            first.subscribe(Quote, "A", 0)
            subscribed(exchange)
            exchange.publish(Quote("A", bid_price=1))
            yield exchange, first, second


@pytest.mark.parametrize("action", SATURATIONS, ids=["ERROR", "close 1000", "close with reason"])
def test_a_server_with_too_many_sessions_is_left_alone_by_the_whole_process(
    action: Action,
) -> None:
    for exchange, first, second in saturated(action, SOON):
        delay = change(first, "close other connections").delay
        assert delay is not None
        assert SOON.saturation_delay <= delay <= 1.5 * SOON.saturation_delay
        exchange.close_connections(1012)
        assert change(second).delay == 0
        # A first connection does not wait: whoever opens it is told.
        with (
            pytest.raises(ConnectionLostError, match="left alone for"),
            DXLinkStreamer(by_name(exchange)),
        ):
            pass
        assert second.state == "reconnecting"
        assert exchange.stats().attempts == 3


def test_a_server_that_had_too_many_sessions_is_asked_again_in_the_end() -> None:
    policy = ReconnectPolicy(min_delay=0.001, max_delay=0.01, saturation_delay=0.1)
    for exchange, first, second in saturated(SATURATIONS[0], policy):
        change(first, "close other connections")
        exchange.close_connections(1012)
        reconnected(first)
        reconnected(second)
        flows(exchange, first, 2)


def test_a_first_connection_to_a_server_with_too_many_sessions_is_told() -> None:
    with server(Fault(SATURATIONS[0], at="AUTH_STATE")) as exchange:
        streamer = stream(exchange)
        with pytest.raises(ConnectionLostError, match="close other connections"), streamer:
            pass
