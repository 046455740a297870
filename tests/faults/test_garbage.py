"""Servers that send what is no DXLink message, or too much."""

import json

import pytest
from conftest import until
from healing import bid, change, flows, reconnected, server, stream, subscribed

from dxstream.dxfeed import Quote
from dxstream.faults import Fault, Inject

GARBAGE: dict[str, Inject] = {
    "no JSON": Inject("hello"),
    "nothing": Inject(""),
    "truncated JSON": Inject('{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1,'),
    "a list": Inject("[1]"),
    "a number": Inject("7"),
    "no type": Inject('{"channel":0}'),
    "a type that is no string": Inject('{"type":7,"channel":0}'),
    "a message with wrong fields": Inject('{"type":"AUTH_STATE","channel":0,"state":7}'),
    "binary": Inject(b"\0\1\2"),
    "lists in lists": Inject("[" * 10_000 + "]" * 10_000),
    "objects in objects": Inject('{"a":' * 10_000 + "1" + "}" * 10_000),
    "deep data": Inject('{"type":"FEED_DATA","channel":1,"data":' + "[" * 10_000),
}


def after_first(action: Inject) -> Fault:
    return Fault(action, after="FEED_DATA", connection=1)


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_counted_and_its_neighbours_arrive(kind: str) -> None:
    with server(after_first(GARBAGE[kind])) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        until(lambda: streamer.stats().malformed_frames == 1)
        flows(exchange, streamer, 2)
        assert (streamer.state, streamer.epoch) == ("connected", 0)


@pytest.mark.parametrize("kind", ["no JSON", "binary"])
def test_a_hundred_bad_frames_in_a_row_end_the_connection(kind: str) -> None:
    garbage = GARBAGE[kind]
    many = Inject(garbage.payload, text=garbage.text, times=100)
    with server(after_first(many)) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        reconnected(streamer)
        flows(exchange, streamer, 2)
        assert streamer.stats().malformed_frames == 100
        assert "100 frames in a row" in (change(streamer).reason or "")
        until(lambda: streamer.gaps)


def test_fewer_bad_frames_between_good_ones_do_not() -> None:
    many = Inject("hello", times=99)
    faults = [Fault(many, after="FEED_DATA", number=number) for number in (1, 2, 3)]
    with server(*faults) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        for price in (1, 2, 3, 4):
            flows(exchange, streamer, price)
        assert streamer.stats().malformed_frames == 3 * 99
        assert streamer.epoch == 0


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Inject(b"\xff", text=True), "no UTF-8"),
        (Inject(b'{"type":"\xc3"}', text=True, fragments=3), "no UTF-8"),
        (Inject("x" * (5 << 20)), "too much at once"),
        (Inject("x" * (9 << 20), fragments=9), "too much at once"),
    ],
    ids=["invalid UTF-8", "invalid UTF-8 in fragments", "a huge frame", "a huge message"],
)
def test_what_cannot_be_text_ends_the_connection(action: Inject, reason: str) -> None:
    with server(after_first(action)) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        reconnected(streamer)
        flows(exchange, streamer, 2)
        assert reason in (change(streamer).reason or "")


def test_a_message_in_many_fragments_is_one_message() -> None:
    message = {"type": "FEED_DATA", "channel": 1, "data": ["Trade", ["ä", 1.0] * 300]}
    text = json.dumps(message, ensure_ascii=False)
    pieces = Inject(text, fragments=len(text.encode()))
    with server(after_first(pieces)) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        # A type that the channel does not carry: read whole, and skipped.
        until(lambda: streamer.stats().rejected_blocks == 1)
        flows(exchange, streamer, 2)
        assert (streamer.stats().malformed_frames, streamer.epoch) == (0, 0)


def test_a_row_that_cannot_be_read_is_counted_and_its_neighbours_arrive() -> None:
    with server() as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, ["A", "B"], 0)
        subscribed(exchange, 2)
        config = {"Quote": ["eventSymbol", "bidPrice"]}
        exchange.send_raw(json.dumps({"type": "FEED_CONFIG", "channel": 1, "eventFields": config}))
        for values in (["A", 1, 7, 2, "B", 3], ["A", 5, "B"], ["B", 6]):
            data = ["Quote", values]
            exchange.send_raw(json.dumps({"type": "FEED_DATA", "channel": 1, "data": data}))
        until(lambda: bid(streamer, "B") == 6)
        assert bid(streamer) == 5
        assert streamer.stats().rejected_rows >= 2
        assert streamer.epoch == 0
