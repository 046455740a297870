"""The faults of an exchange, as far as Python declares them; Rust's tests see them on the wire."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from conftest import DEADLINE, until

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Blast, Exchange, Rules
from dxstream.faults import (
    Close,
    Cut,
    Expire,
    Fault,
    Inject,
    Omit,
    Reconfigure,
    Repeat,
    Respond,
    Rewrite,
    Stall,
    Trickle,
)

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def answer(exchange: Exchange) -> bytes:
    """Ask for a WebSocket and read to the end of the connection."""
    heard = b""
    with socket.create_connection(("127.0.0.1", exchange.port), DEADLINE) as client:
        client.sendall(UPGRADE)
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(1 << 16):
                heard += more
    return heard


def after_opening(action: Any) -> Fault:
    return Fault(action, after="message", number=0)


def frames(exchange: Exchange) -> bytes:
    """Read what comes after the HTTP answer."""
    return answer(exchange).partition(b"\r\n\r\n")[2]


def test_a_fault_of_each_kind_is_declared_and_counted() -> None:
    end = after_opening(Cut())
    with Exchange(None) as exchange:
        for faults, heard in [
            ([Fault(Cut(), at="accept")], b""),
            ([Fault(Cut(bytes=8, reset=True), at="upgrade")], b"HTTP/1.1"),
            ([Fault(Trickle(100_000), at="accept"), Fault(Cut(bytes=4), at="upgrade")], b"HTTP"),
        ]:
            exchange.set_faults(faults)
            assert answer(exchange) == heard
            assert exchange.stats().faults == (1,) * len(faults)
        for action, heard in [
            (Inject("é"), b"\x81\x02\xc3\xa9"),
            (Inject(b"\xff"), b"\x82\x01\xff"),
            (Inject(b"\xff", text=True), b"\x81\x01\xff"),
            (Inject("é", text=False), b"\x82\x02\xc3\xa9"),
            (Inject("abc", fragments=2), b"\x01\x01a\x80\x02bc"),
            (Inject("a", times=3), b"\x81\x01a" * 3),
            (Close(1012, "Bye"), b"\x88\x05\x03\xf4Bye"),
            (Close(), b"\x88\x02\x03\xe8"),
        ]:
            exchange.set_faults([after_opening(action), end])
            assert frames(exchange) == heard
            assert exchange.stats().faults[0] == 1


def test_an_upgrade_is_refused_so_many_times() -> None:
    refusal = Respond(429, {"Retry-After": "7"})
    with Exchange(None, faults=[Fault(refusal, at="upgrade", connections=2)]) as exchange:
        for _ in range(2):
            head = answer(exchange).decode().lower()
            assert head.startswith("http/1.1 429 ")
            assert "retry-after: 7\r\n" in head
        with DXLinkStreamer(exchange.url):
            stats = exchange.stats()
            assert (stats.attempts, stats.accepted, stats.faults) == (3, 1, (2,))


def test_rows_are_encoded_as_declared() -> None:
    change = Reconfigure(Quote, ("askPrice", "eventSymbol", "bidPrice"), data_format="FULL")
    rules = Rules(received_limit=10)
    faults = [Fault(change, after="CHANNEL_OPENED"), Fault(Repeat(), at="CHANNEL_OPENED")]
    with (
        Exchange(None, rules=rules, faults=faults) as exchange,
        DXLinkStreamer(exchange.url) as streamer,
    ):
        exchange.publish(Quote(event_symbol="AAPL", bid_price=1.0, ask_price=2.0, bid_size=3.0))
        streamer.subscribe(Quote, "AAPL")
        quote = streamer.get_event(Quote).result(DEADLINE)
        assert (quote.bid_price, quote.ask_price) == (1.0, 2.0)
        assert quote.bid_size != 3.0


def test_a_message_of_the_protocol_is_made_of_its_fields() -> None:
    message = Inject.message("CHANNEL_CLOSED", 3)
    assert message == Inject('{"type": "CHANNEL_CLOSED", "channel": 3}')
    assert "CHANNEL" not in repr(message)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (lambda: Fault(Stall()), "either at or after"),
        (lambda: Fault(Stall(), at="SETUP", after="SETUP"), "either at or after"),
        (lambda: Fault(Stall(), at="setup"), "no message of the type"),
        (lambda: Fault(Stall(), at="tls"), "speaks TLS"),
        (lambda: Fault(Stall(), at="accept", number=2), "number must be 1"),
        (lambda: Fault(Stall(), at="SETUP", number=0), "above 0"),
        (lambda: Fault(Stall(), at="SETUP", number=-1), "number is out of range: -1"),
        (lambda: Fault(Stall(), at="SETUP", times=0), "times must be above 0"),
        (lambda: Fault(Stall(), at="SETUP", connection=1, connections=1), "not both"),
        (lambda: Fault(Stall(), at="SETUP", connections=0), "connections must be above 0"),
        (lambda: Fault(Cut(bytes=-1), at="SETUP"), "bytes is out of range: -1"),
        (lambda: Fault(Cut(bytes=1), after="SETUP"), "cannot happen after a message"),
        (lambda: Fault(Trickle(0), at="accept"), "bytes_per_second must be above 0"),
        (lambda: Fault(Respond(200), at="upgrade"), "status must be"),
        (lambda: Fault(Respond(70_000), at="upgrade"), "status is out of range"),
        (lambda: Fault(Respond(401, {"a b": ""}), at="upgrade"), "not a header"),
        (lambda: Fault(Close(99_999), at="SETUP"), "code is out of range"),
        (lambda: Fault(Close(reason="x" * 124), at="SETUP"), "at most 123 bytes"),
        (lambda: Fault(Inject("", fragments=0), at="SETUP"), "fragments must be above 0"),
        (lambda: Fault(Inject("", times=0), at="SETUP"), "times must be above 0"),
        (lambda: Fault(Omit(), after="SETUP"), "an omission cannot happen after a message"),
        (lambda: Fault(Rewrite("", "a"), at="SETUP"), "is empty"),
        (lambda: Fault(Expire(by="CLOSE"), after="SETUP"), "by must be"),
        (lambda: Fault(Reconfigure(Quote), after="SETUP"), "needs fields"),
        (lambda: Fault(Reconfigure(None, ("bidPrice",)), after="SETUP"), "need an event_type"),
        (lambda: Fault(Reconfigure(Trade, ("bidPrice",)), after="SETUP"), 'no field "bidPrice"'),
        (lambda: Fault(Reconfigure(data_format="full"), after="SETUP"), "data_format must be"),
    ],
)
def test_a_fault_that_cannot_happen_is_a_value_error(
    fault: Callable[[], Fault], match: str
) -> None:
    with Exchange(None, faults=[after_opening(Stall())]) as exchange:
        for take in (
            lambda: exchange.set_faults([fault()]),
            lambda: Exchange(None, faults=[fault()]),
        ):
            with pytest.raises(ValueError, match=match) as raised:
                take()
            assert "\n" not in str(raised.value)
        assert exchange.stats().faults == (0,)


@pytest.mark.parametrize(
    "faults",
    [
        3,
        [Stall()],
        [Fault("stall", at="SETUP")],  # type: ignore[arg-type]
        [Fault(Inject(3), at="SETUP")],  # type: ignore[arg-type]
        [Fault(Reconfigure(int, ("real",)), after="SETUP")],  # type: ignore[arg-type]
        [Fault(Respond(401, [1]), at="upgrade")],  # type: ignore[arg-type]
    ],
)
def test_what_is_no_fault_is_a_type_error(faults: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        Exchange(None, faults=faults)


def test_a_blast_has_no_faults() -> None:
    with pytest.raises(ValueError, match="a blast has no faults"):
        Exchange(Blast(), faults=[after_opening(Stall())])


def test_an_exchange_comes_back_on_its_port_at_once() -> None:
    first = Exchange(None)
    with socket.create_connection(("127.0.0.1", first.port), DEADLINE) as client:
        client.sendall(UPGRADE)
        until(lambda: first.stats().connections == 1)
        first.stop()
        faults = [after_opening(Cut())]
        with Exchange(None, port=first.port, faults=faults) as second:
            assert second.url == first.url
            assert answer(second).startswith(b"HTTP/1.1 101 ")
