"""Connections that end: by a close, by FIN and RST in the middle of things, again and again."""

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import io_threads, until
from healing import CANARY, SOON, bid, change, flows, reconnected, server, stream, subscribed

from dxstream import DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote
from dxstream.exchange import FaultProxy
from dxstream.faults import Cut, Fault, Inject

if TYPE_CHECKING:
    from faults.conftest import Told


@pytest.mark.parametrize(
    ("code", "reason", "at_once"),
    [
        (1000, "Bye", True),
        (1012, "service restart", True),
        (1000, "", False),
        (1001, "going away", False),
        (1008, "policy", False),
        (1009, "too big", False),
        (1011, "internal error", False),
        (1013, "try again later", False),
        (4000, "of its own", False),
    ],
)
def test_a_close_is_healed_and_its_code_told(code: int, reason: str, at_once: bool) -> None:
    with server() as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(code, reason)
        reconnected(streamer)
        flows(exchange, streamer)
        lost = change(streamer)
        assert lost.code == code
        assert lost.reason == f"the server closed the connection: {code} {reason}".strip()
        assert lost.delay is not None
        assert (lost.delay == 0) == at_once
        until(lambda: streamer.gaps)
        assert streamer.gaps[0].code == code


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("bytes_", [0, 1, 30])
def test_a_frame_that_is_cut_gives_no_event_and_comes_again(
    tmp_path: Path, bytes_: int, reset: bool, tls: bool
) -> None:
    cut = Fault(Cut(bytes=bytes_, reset=reset), at="FEED_DATA", number=2, connection=1)
    ca_file = tmp_path / "ca.pem"
    with server(cut, tls=tls) as exchange:
        ca_file.write_text(exchange.ca_pem or "")
        endpoint = Endpoint(exchange.url, CANARY, ca_file if tls else None)
        with DXLinkStreamer(endpoint, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            listener = streamer.listen(Quote)
            flows(exchange, streamer, 1)
            exchange.publish(Quote("A", bid_price=2))
            reconnected(streamer)
            # The server gives its last value again, which is the one that was cut.
            until(lambda: bid(streamer) == 2)
            exchange.publish(Quote("A", bid_price=3))
            prices = [next(listener).bid_price]
            while prices[-1] != 3:
                prices.append(next(listener).bid_price)
            assert prices == [1, 2, 3]
            stats = streamer.stats()
            assert (stats.malformed_frames, stats.rejected_rows) == (0, 0)
            assert exchange.stats().faults == (1,)


def test_a_message_that_is_cut_between_its_frames_gives_no_event() -> None:
    row = ["Quote", ["A", 7.0] * 300]
    message = json.dumps({"type": "FEED_DATA", "channel": 1, "data": row})
    broken = Fault(Inject(message, fragments=6), at="FEED_DATA", number=2, connection=1)
    with (
        server(broken) as exchange,
        FaultProxy(exchange.url) as proxy,
        stream(proxy) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        proxy.cut(proxy.stats().bytes_from_server + len(message) // 2)
        exchange.publish(Quote("A", bid_price=2))
        reconnected(streamer)
        until(lambda: bid(streamer) == 2)
        assert proxy.stats().cut == 1
        stats = streamer.stats()
        assert (stats.malformed_frames, stats.rejected_rows, stats.rejected_blocks) == (0, 0, 0)


def test_a_byte_that_the_network_changed_ends_the_connection() -> None:
    with (
        server() as exchange,
        FaultProxy(exchange.url) as proxy,
        stream(proxy) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        # The first byte of the next frame: its opcode becomes one that is reserved.
        proxy.corrupt(proxy.stats().bytes_from_server, mask=0x72)
        exchange.publish(Quote("A", bid_price=2))
        reconnected(streamer)
        until(lambda: bid(streamer) == 2)
        assert "the connection broke" in (change(streamer).reason or "")


def test_a_storm_of_restarts_is_survived_by_many_streamers(told: "Told") -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with server() as exchange, FaultProxy(exchange.url) as proxy:
        before = descriptors()
        with ExitStack() as opened:
            streamers = [opened.enter_context(stream(proxy)) for _ in range(20)]
            for streamer in streamers:
                streamer.subscribe(Quote, "A", 0)
            subscribed(exchange, 20)
            for _ in range(50):
                proxy.refuse()
                proxy.drop(reset=True)
                proxy.accept()
                until(lambda: proxy.stats().connections)
            subscribed(exchange, 20)
            exchange.publish(Quote("A", bid_price=5))
            for streamer in streamers:
                until(partial(_has, streamer, 5))
                assert streamer.state == "connected"
                until(partial(getattr, streamer, "gaps"))
            assert io_threads() == 1
        until(lambda: io_threads() == 0)
        told.forget()
        del streamers, streamer
        until(lambda: descriptors() <= before)


def _has(streamer: DXLinkStreamer, price: float) -> bool:
    return bid(streamer) == price


def test_a_restart_in_the_middle_of_subscribing_leaves_nothing_out() -> None:
    symbols = [f"S{number}" for number in range(1500)]
    with server() as first:
        port = first.port
        with stream(first) as streamer:
            streamer.subscribe(Quote, symbols)
            until(lambda: first.stats().subscriptions > 100)
            first.stop()
            with server(port=port) as second:
                subscribed(second, len(symbols))
                second.publish(*(Quote(symbol, bid_price=1) for symbol in symbols))
                until(lambda: all(bid(streamer, symbol) == 1 for symbol in symbols))
