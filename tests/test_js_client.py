"""dxFeed's JavaScript client as a client of the exchange; its script is in tests/peers/js."""

import json
import math
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dxstream.dxfeed import Candle, Quote
from dxstream.exchange import Exchange, Rules

NODE = shutil.which("node")
FOLDER = Path(__file__).parent / "peers" / "js"
TOKEN = "a quote token"
DEADLINE = 20
MINUTE = 60_000
START = 1_767_625_200_000
FIELDS = ["askPrice", "eventSymbol", "bidPrice", "askSize", "bidSize", "bidExchangeCode", "bidTime"]

QUOTES = [
    Quote(
        "AAPL",
        bid_price=150.25,
        bid_size=300.0,
        bid_exchange_code="Q",
        bid_time=START,
        ask_price=1.3743299e7,
        ask_size=1e-12,
    ),
    Quote("ÜN/株:🐂", bid_price=-0.5, ask_price=math.inf, bid_exchange_code='"'),
]

SYMBOLS = [quote.event_symbol for quote in QUOTES]
COMPACT = {"format": "COMPACT", "symbols": SYMBOLS, "fields": FIELDS}
FULL = {"format": "FULL", "symbols": SYMBOLS}

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        NODE is not None and not (FOLDER / "node_modules").is_dir(),
        reason="`make peers` has not installed dxFeed's client",
    ),
]


def serve() -> Exchange:
    return Exchange(None, rules=Rules(tokens=(TOKEN,)))


class Peer:
    """The client's process; whatever it prints is kept by where it came from."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    def next(self, source: str) -> dict[str, Any]:
        """Return the next that came from a feed, the book or the connection."""
        message: dict[str, Any]
        for at, message in enumerate(self.said):
            if message["from"] == source:
                return self.said.pop(at)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message["from"] == source:
                return message
            self.said.append(message)
        pytest.fail(f"the client ended without {source}; it said {self.said}")


@contextmanager
def peer(exchange: Exchange, **wishes: Any) -> Iterator[Peer]:
    """Run the client; it has to end by itself, having complained of nothing."""
    assert NODE is not None
    wishes = {"url": exchange.url, "token": TOKEN, **wishes}
    command = [NODE, str(FOLDER / "client.cjs"), json.dumps(wishes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
    ) as process:
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        try:
            client = Peer(process)
            yield client
            _, complaints = process.communicate()
            assert complaints == ""
            assert process.returncode == 0
            assert [message for message in client.said if message["from"] == "error"] == []
        finally:
            deadline.cancel()
            process.kill()


def as_wire(value: Any) -> Any:
    """Return what the client has for a value."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def test_quotes_come_in_both_formats_with_the_values_that_were_published() -> None:
    with serve() as exchange:
        exchange.publish(*QUOTES)
        with peer(exchange, quotes=[COMPACT, FULL]) as client:
            check_compact(client, QUOTES)
            check_full(client, QUOTES)
            changed = Quote("AAPL", bid_price=151.0, ask_price=0.0, bid_size=math.nan)
            exchange.publish(changed)
            check_compact(client, [changed])
            check_full(client, [changed])


def test_the_client_is_let_in_and_comes_back_when_the_connection_is_closed() -> None:
    with serve() as exchange:
        exchange.publish(*QUOTES)
        with peer(exchange, quotes=[COMPACT]) as client:
            while (authorization := client.next("authorization"))["state"] != "AUTHORIZED":
                pass
            details = authorization["details"]
            assert details["protocolVersion"] == "0.1"
            assert details["serverVersion"].startswith("1.0-")
            assert details["serverKeepaliveTimeout"] == 60
            check_compact(client, QUOTES)
            exchange.close_connections(1001, "a restart")
            assert client.next("error")["error"] == {"type": "UNKNOWN", "message": "a restart"}
            check_compact(client, QUOTES)


@pytest.mark.parametrize("before", [0, 1], ids=["at a bar", "between two bars"])
def test_a_candle_snapshot_is_complete_by_its_flags(before: int) -> None:
    def bar(minute: int, close: float) -> Candle:
        time = START + minute * MINUTE
        prices: Any = {"open": 1.0, "high": 9.5, "low": 0.125, "close": close, "vwap": 2.0}
        return Candle("AAPL{=m}", index=time // 1000 << 32, time=time, count=3, **prices)

    with serve() as exchange:
        exchange.publish(*[bar(minute, 1.0) for minute in range(5)])
        from_time = START + 2 * MINUTE - before
        with peer(exchange, candles=[{"symbol": "AAPL{=m}", "fromTime": from_time}]) as client:
            check_bars(client, [bar(minute, 1.0) for minute in (4, 3, 2)])
            exchange.publish(bar(4, 1.5))
            check_bars(client, [bar(4, 1.5), bar(3, 1.0), bar(2, 1.0)])
            exchange.publish(bar(5, 2.5))
            check_bars(client, [bar(4, 1.5), bar(3, 1.0), bar(2, 1.0), bar(5, 2.5)])


def test_an_order_book_comes_whole_and_again_when_it_changes() -> None:
    with serve() as exchange:
        bids = [(10.5, 3.0), (10.25, 4.5), (10.0, 1.0)]
        exchange.set_depth("AAPL", bids, [(10.75, 7.0)], time=7)
        with peer(exchange, depth={"symbol": "AAPL", "limit": 2}) as client:
            book = client.next("depth")
            assert book == {
                "from": "depth",
                "config": {
                    "aggregationPeriod": 0,
                    "dataFormat": "FULL",
                    "depthLimit": 2,
                    "orderFields": ["price", "size"],
                },
                "time": 7,
                "bids": [{"price": 10.5, "size": 3.0}, {"price": 10.25, "size": 4.5}],
                "asks": [{"price": 10.75, "size": 7.0}],
            }
            exchange.set_depth("AAPL", [], [(11.0, 1.0)], time=8)
            asks = [{"price": 11.0, "size": 1.0}]
            assert client.next("depth") == book | {"time": 8, "bids": [], "asks": asks}


def check_compact(client: Peer, quotes: list[Quote]) -> None:
    events: list[dict[str, Any]] = []
    while len(events) < len(quotes):
        said = client.next("COMPACT")
        assert said["config"] == {
            "aggregationPeriod": 0,
            "dataFormat": "COMPACT",
            "eventFields": {"Quote": FIELDS},
        }
        events += said["events"]
    assert events == [
        {
            "eventType": "Quote",
            "askPrice": as_wire(quote.ask_price),
            "eventSymbol": quote.event_symbol,
            "bidPrice": quote.bid_price,
            "askSize": as_wire(quote.ask_size),
            "bidSize": as_wire(quote.bid_size),
            "bidExchangeCode": quote.bid_exchange_code or "\0",
            "bidTime": quote.bid_time,
        }
        for quote in quotes
    ]


def check_full(client: Peer, quotes: list[Quote]) -> None:
    events: list[dict[str, Any]] = []
    while len(events) < len(quotes):
        said = client.next("FULL")
        assert said["config"]["dataFormat"] == "FULL"
        events += said["events"]
    for event, quote in zip(events, quotes, strict=True):
        assert next(iter(event)) == "eventType"
        numbers = {"bidPrice": quote.bid_price, "bidSize": quote.bid_size}
        numbers |= {"askPrice": quote.ask_price, "askSize": quote.ask_size}
        known = {name: as_wire(value) for name, value in numbers.items() if value == value}
        assert {name: event[name] for name in numbers if name in event} == known
        assert event["eventSymbol"] == quote.event_symbol
        assert event.get("bidExchangeCode") == quote.bid_exchange_code


def check_bars(client: Peer, bars: list[Candle]) -> None:
    names = {"open", "high", "low", "close", "volume", "vwap", "count", "time"}
    said = client.next(bars[0].event_symbol)["bars"]
    assert [{name: one[name] for name in names} for one in said] == [
        {name: as_wire(getattr(one, name)) for name in names} for one in bars
    ]
