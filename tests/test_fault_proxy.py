"""A proxy's commands from Python; Rust's tests see each byte."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import DEADLINE, until

from dxstream import DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, FaultProxy, Rules
from dxstream.faults import Fault, Inject

HELLO = 100_000
"""Bytes that a client gets once it has asked for a WebSocket."""

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    hello = Fault(Inject(b"x" * HELLO), after="message", number=0)
    with Exchange(None, faults=[hello]) as exchange, FaultProxy(exchange.url) as running:
        yield running


def client(proxy: FaultProxy) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", proxy.port), DEADLINE)
    connected.sendall(UPGRADE)
    return connected


def heard(proxy: FaultProxy, most: int = HELLO) -> bytes:
    """Connect and read so many bytes, or to the end of the connection."""
    got = b""
    with suppress(ConnectionResetError), client(proxy) as connected:
        while len(got) < most and (more := connected.recv(most - len(got))):
            got += more
    return got


@pytest.mark.parametrize("tls", [False, True])
def test_a_stream_passes_with_and_without_tls(tmp_path: Path, tls: bool) -> None:
    with Exchange(None, rules=Rules(tls=tls)) as exchange, FaultProxy(exchange.url) as proxy:
        assert proxy.url.replace(str(proxy.port), str(exchange.port)) == exchange.url
        authority = tmp_path / "ca.pem"
        authority.write_text(exchange.ca_pem or "")
        session = Endpoint(proxy.url, ca_file=authority if tls else None)
        exchange.publish(Quote(event_symbol="AAPL", bid_price=1.0))
        with DXLinkStreamer(session) as streamer:
            streamer.subscribe(Quote, "AAPL")
            assert streamer.get_event(Quote).result(DEADLINE).bid_price == 1.0
            assert proxy.stats().connections == 1


@pytest.mark.parametrize("reset", [False, True])
def test_a_stream_is_cut_at_a_byte_once(proxy: FaultProxy, reset: bool) -> None:
    whole = heard(proxy)
    assert len(whole) == HELLO
    proxy.cut(1234, reset=reset)
    assert heard(proxy) == whole[:1234]
    assert heard(proxy) == whole
    proxy.cut(len(UPGRADE) - 1, stream="client", reset=reset)
    assert heard(proxy) == b""
    proxy.cut(0)
    proxy.cut(None)
    assert heard(proxy) == whole
    assert proxy.stats().cut == 2


def test_a_byte_is_changed_once(proxy: FaultProxy) -> None:
    whole = heard(proxy)
    proxy.corrupt(5_000, mask=1)
    assert heard(proxy) == whole[:5_000] + b"y" + whole[5_001:]
    assert heard(proxy) == whole
    proxy.corrupt(0, stream="client")
    assert b" 101 " not in heard(proxy)
    assert proxy.stats().corrupted == 2


def test_a_frozen_proxy_moves_nothing(proxy: FaultProxy) -> None:
    proxy.freeze()
    with client(proxy) as connected:
        until(lambda: proxy.stats().connections == 1)
        connected.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connected.recv(1)
        assert proxy.stats().bytes_from_client == 0
        connected.settimeout(DEADLINE)
        proxy.trickle(1_000)
        proxy.delay(0.001)
        proxy.thaw()
        assert connected.recv(1) == b"H"
        proxy.drop(reset=True)
        with pytest.raises(ConnectionResetError):
            connected.makefile("rb").read()
    assert proxy.stats().cut == 1


def test_connections_are_refused_and_accepted(proxy: FaultProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        client(proxy)
    proxy.accept()
    assert len(heard(proxy)) == HELLO


def test_a_server_that_is_not_there_is_counted(exchange: Exchange) -> None:
    with FaultProxy(exchange.url) as proxy:
        exchange.stop()
        assert heard(proxy) == b""
        stats = proxy.stats()
        assert (stats.accepted, stats.unreachable) == (1, 1)


def test_a_stopped_proxy_frees_its_port(exchange: Exchange) -> None:
    first = FaultProxy(exchange.url)
    first.stop()
    first.freeze()
    with FaultProxy(exchange.url, port=first.port) as second:
        assert second.url == first.url
        with pytest.raises(OSError, match="cannot listen"):
            FaultProxy(exchange.url, port=second.port)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda proxy: proxy.cut(-1), "after must be at least 0, not -1"),
        (lambda proxy: proxy.cut(1, stream="both"), "stream must be"),
        (lambda proxy: proxy.cut(1, connections=0), "connections must be at least 1"),
        (lambda proxy: proxy.corrupt(-1), "at must be at least 0"),
        (lambda proxy: proxy.corrupt(1, mask=0), "mask must be from 1 to 255"),
        (lambda proxy: proxy.delay(-1), "the delay must be"),
        (lambda proxy: proxy.delay(float("nan")), "the delay must be"),
        (lambda proxy: proxy.trickle(0), "bytes_per_second must be above 0"),
        (lambda _: FaultProxy("http://127.0.0.1"), "needs a URL like"),
        (lambda _: FaultProxy("ws://192.0.2.1/"), "loopback only"),
        (lambda _: FaultProxy("wss://example.com/"), "loopback"),
    ],
)
def test_a_bad_setting_is_a_value_error(
    proxy: FaultProxy, call: Callable[[FaultProxy], object], match: str
) -> None:
    with pytest.raises(ValueError, match=match) as raised:
        call(proxy)
    assert "\n" not in str(raised.value)
