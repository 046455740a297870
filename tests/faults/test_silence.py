"""Servers and networks that stop in the middle, or go on too slowly."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import DEADLINE, io_threads, until
from healing import CANARY, SOON, bid, change, flows, reconnected, server, stream, subscribed

from dxstream import ConnectionLostError, DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, FaultProxy
from dxstream.faults import Action, Cut, Fault, Stall, Trickle

SHORT = 0.3
"""Seconds of a deadline that is to pass in a test."""


@pytest.mark.parametrize("reading", [True, False])
def test_a_server_that_falls_silent_is_left_for_a_new_connection(reading: bool) -> None:
    silence = Fault(Stall(reading=reading), after="FEED_DATA", connection=1)
    with server(silence) as exchange, stream(exchange, keepalive_timeout=SHORT) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer)
        reconnected(streamer)
        # It stays among the exchange's connections where that does not read.
        until(lambda: exchange.stats().accepted >= 2)
        until(lambda: exchange.stats().subscriptions >= 1)
        exchange.publish(Quote("A", bid_price=2))
        until(lambda: bid(streamer) == 2)
        assert "sent nothing for 0.3 s" in (change(streamer).reason or "")
        until(lambda: streamer.gaps)
        assert "sent nothing" in streamer.gaps[0].reason


def test_bytes_that_make_no_message_are_silence() -> None:
    slow = Fault(Trickle(20), at="FEED_DATA", number=2, connection=1)
    with server(slow) as exchange, stream(exchange, keepalive_timeout=SHORT) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer)
        exchange.publish(Quote("A", bid_price=2))
        reconnected(streamer)
        until(lambda: bid(streamer) == 2)
        assert change(streamer, "sent nothing").delay is not None


def test_a_network_that_moves_nothing_is_survived() -> None:
    with (
        server() as exchange,
        FaultProxy(exchange.url) as proxy,
        stream(proxy, keepalive_timeout=SHORT, connect_timeout=SHORT) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer)
        proxy.freeze()
        until(lambda: streamer.state == "reconnecting")
        # The system accepts connections for the proxy, and nothing comes of them.
        until(lambda: proxy.stats().accepted >= 3)
        assert streamer.epoch == 0
        proxy.thaw()
        reconnected(streamer)
        exchange.publish(Quote("A", bid_price=2))
        until(lambda: bid(streamer) == 2)


SYMBOLS = [f"{number:06}".ljust(200, "x") for number in range(40_000)]
"""More than the buffers of the system take, about 9 MB as they are asked for."""


@contextlib.contextmanager
def blocked(**settings: Any) -> Iterator[tuple[Exchange, FaultProxy, DXLinkStreamer]]:
    """Let a streamer have a lot to say over a connection that takes nothing."""
    with (
        server(max_subscriptions=100_000) as exchange,
        FaultProxy(exchange.url) as proxy,
        stream(proxy, **settings) as streamer,
    ):
        yield exchange, proxy, streamer


def test_a_server_that_takes_nothing_is_left_and_gets_everything_in_the_end() -> None:
    with blocked(keepalive_timeout=SHORT) as (exchange, proxy, streamer):
        streamer.subscribe(Quote, SYMBOLS[:3000])
        proxy.freeze()
        until(lambda: streamer.state == "reconnecting")
        reason = change(streamer).reason or ""
        assert "took no data for 0.3 s" in reason or "sent nothing" in reason
        proxy.thaw()
        until(lambda: exchange.stats().subscriptions == 3000)


def test_a_streamer_that_cannot_write_is_closed_all_the_same() -> None:
    with blocked() as (_, proxy, streamer):
        proxy.freeze()
        streamer.subscribe(Quote, SYMBOLS[:3000])
        streamer.close().result(DEADLINE)
        assert streamer.state == "closed"
    until(lambda: io_threads() == 0)


STAGES = {
    "TCP": ("accept", 1, "WebSocket upgrade took longer"),
    "TLS": ("tls", 1, "TLS handshake took longer"),
    "upgrade": ("upgrade", 1, "WebSocket upgrade took longer"),
    "SETUP": ("SETUP", 1, "did not answer SETUP within"),
    "AUTH_STATE": ("AUTH_STATE", 1, "did not answer AUTH_STATE within"),
    "AUTH": ("AUTH_STATE", 2, "did not answer AUTH within"),
}
"""Where the server stops: the point, its number, and what the loss says."""

SLOWLY = [Stall(), Stall(reading=False), Stall(bytes=5), Trickle(20)]
"""Bytes that trickle must not extend a deadline."""


def at_stage(stage: str, action: Action, **which: Any) -> Fault:
    point, number, _ = STAGES[stage]
    return Fault(action, at=point, number=number, **which)


def trusting(exchange: Exchange, folder: Path) -> Endpoint:
    """Make an endpoint that trusts the exchange, whether or not it speaks TLS."""
    ca_file = folder / "ca.pem"
    ca_file.write_text(exchange.ca_pem or "")
    return Endpoint(exchange.url, CANARY, ca_file if exchange.ca_pem else None)


@pytest.mark.parametrize("action", SLOWLY, ids=repr)
@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_of_connecting_has_a_deadline(
    tmp_path: Path, stage: str, action: Action
) -> None:
    if stage == "TCP" and isinstance(action, Stall):
        action = Stall(reading=action.reading)
    with server(at_stage(stage, action, connection=1), tls=stage == "TLS") as exchange:
        endpoint = trusting(exchange, tmp_path)
        streamer = DXLinkStreamer(endpoint, connect_timeout=SHORT)
        with pytest.raises(ConnectionLostError, match=STAGES[stage][2]), streamer:
            pass
        assert exchange.stats().faults == (1,)


@pytest.mark.parametrize("stage", STAGES)
def test_a_reconnect_that_stops_at_a_stage_is_followed_by_another(
    tmp_path: Path, stage: str
) -> None:
    stop = at_stage(stage, Trickle(20), connection=2)
    with server(stop, tls=stage == "TLS") as exchange:
        endpoint = trusting(exchange, tmp_path)
        with DXLinkStreamer(endpoint, connect_timeout=SHORT, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            subscribed(exchange)
            exchange.close_connections(1012)
            reconnected(streamer)
            flows(exchange, streamer)
            assert change(streamer, STAGES[stage][2]).delay is not None


@pytest.mark.parametrize("action", SLOWLY, ids=repr)
def test_a_channel_that_does_not_open_in_time_ends_the_connection(action: Action) -> None:
    stop = Fault(action, at="CHANNEL_OPENED", connection=1)
    with server(stop) as exchange, stream(exchange, connect_timeout=SHORT) as streamer:
        streamer.subscribe(Quote, "A", 0)
        reconnected(streamer)
        until(lambda: exchange.stats().subscriptions >= 1)
        exchange.publish(Quote("A", bid_price=1))
        until(lambda: bid(streamer) == 1)
        assert "did not answer CHANNEL_REQUEST" in (change(streamer).reason or "")


@pytest.mark.parametrize("action", SLOWLY, ids=repr)
def test_a_channel_that_is_not_configured_in_time_is_opened_again(action: Action) -> None:
    stop = Fault(action, at="FEED_CONFIG", connection=1)
    with server(stop) as exchange:
        settings = {"connect_timeout": SHORT, "keepalive_timeout": 4 * SHORT}
        with stream(exchange, **settings) as streamer:
            streamer.subscribe(Quote, "A", 0)
            subscribed(exchange)
            exchange.publish(Quote("A", bid_price=1))
            until(lambda: bid(streamer) == 1)
            complaints = streamer.stats().complaints
            assert "did not configure the channel of Quote" in complaints[0]
            # Nothing came on the new channel either, so that the connection was given up.
            assert streamer.epoch >= 1


def test_a_first_address_that_is_dead_is_passed_over(exchange: Exchange) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo("localhost", exchange.port)}
    if addresses == {"127.0.0.1"}:
        pytest.skip("localhost has one address here")
    with DXLinkStreamer(f"ws://localhost:{exchange.port}") as streamer:
        assert streamer.state == "connected"


def test_a_host_that_is_not_found_is_said_so() -> None:
    endpoint = Endpoint("wss://no-such-host.invalid", CANARY)
    match = "not found|search for its address took longer"
    streamer = DXLinkStreamer(endpoint, connect_timeout=SHORT)
    with pytest.raises(ConnectionLostError, match=match), streamer:
        pass


def test_a_server_that_is_gone_for_a_while_is_tried_until_it_is_back() -> None:
    with (
        server() as exchange,
        FaultProxy(exchange.url) as proxy,
        stream(proxy) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        proxy.refuse()
        proxy.drop(reset=True)
        assert change(streamer, "refused").attempt >= 2
        proxy.accept()
        reconnected(streamer)
        flows(exchange, streamer)


def test_a_connection_that_ends_before_the_handshake_does_is_tried_again() -> None:
    cuts = [
        Fault(Cut(), at="accept", connection=2),
        Fault(Cut(reset=True), at="upgrade", connection=3),
        Fault(Cut(bytes=20), at="upgrade", connection=4),
        Fault(Cut(bytes=3), at="SETUP", connection=5),
        Fault(Cut(reset=True), at="AUTH_STATE", number=2, connection=6),
    ]
    with server(*cuts) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        reconnected(streamer)
        flows(exchange, streamer)
        assert exchange.stats().faults == (1,) * len(cuts)
