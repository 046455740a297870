"""Servers that answer the request for a WebSocket with something else."""

import pytest
from conftest import DEADLINE, until
from healing import change, flows, reconnected, server, stream, subscribed

from dxstream import (
    AuthenticationError,
    ConnectionLostError,
    DXStreamError,
    ReconnectPolicy,
)
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange
from dxstream.faults import Fault, Respond


def refusing(status: int, **headers: str) -> Fault:
    """Refuse the first attempt to connect again."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(Respond(status, named), at="upgrade", connection=2)


FINAL: list[tuple[int, type[DXStreamError], str]] = [
    (401, AuthenticationError, "refused the connection: HTTP 401"),
    (403, AuthenticationError, "refused the connection: HTTP 403"),
    (400, ConnectionLostError, "HTTP 400"),
    (404, ConnectionLostError, "HTTP 404"),
    (301, ConnectionLostError, "redirects are not followed"),
    (302, ConnectionLostError, "redirects are not followed"),
    (307, ConnectionLostError, "redirects are not followed"),
    (308, ConnectionLostError, "redirects are not followed"),
]


@pytest.mark.parametrize(("status", "error", "match"), FINAL)
def test_an_answer_that_will_not_change_ends_the_streamer(
    exchange: Exchange, status: int, error: type[DXStreamError], match: str
) -> None:
    fault = refusing(status, Location=exchange.url)
    with server(fault) as refuser, stream(refuser) as streamer:
        refuser.close_connections(1012)
        with pytest.raises(error, match=match):
            streamer.get_event(Quote).result(DEADLINE)
        assert streamer.state == "failed"
        assert refuser.stats().attempts == 2
        assert exchange.stats().attempts == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_answer_that_may_change_is_tried_again(status: int) -> None:
    with server(refusing(status)) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        reconnected(streamer)
        flows(exchange, streamer)
        assert exchange.stats().attempts == 3


@pytest.mark.parametrize(
    ("status", "retry_after", "least", "most"),
    [
        (429, "7", 7, 7),
        (503, "100", 100, 100),
        (503, "86400", 300, 300),
        (429, "Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
        (429, "soon", 0, 0),
        (503, "-5", 0, 0),
        (502, "7", 0, 0),
    ],
)
def test_a_server_that_names_a_time_is_left_alone_until_then(
    status: int, retry_after: str, least: float, most: float
) -> None:
    policy = ReconnectPolicy(min_delay=0.001, max_delay=0.01)
    fault = refusing(status, Retry_After=retry_after)
    with server(fault) as exchange, stream(exchange, reconnect=policy) as streamer:
        exchange.close_connections(1012)
        until(lambda: exchange.stats().faults == (1,))
        refused = change(streamer, "HTTP")
        assert refused.delay is not None
        assert least <= refused.delay <= most + policy.max_delay


def test_an_extension_that_nobody_asked_for_is_refused() -> None:
    deflate = Respond(101, {"Sec-WebSocket-Extensions": "permessage-deflate"})
    fault = Fault(deflate, at="upgrade", connection=2)
    with server(fault) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        reconnected(streamer)
        flows(exchange, streamer)
        assert change(streamer, "extension that was not asked for").attempt == 2
