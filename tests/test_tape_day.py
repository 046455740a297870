"""Recorded days go through the exchange, a socket and the streamer, and arrive unchanged."""

import csv
import gzip
import io
import json
import math
import threading
import time
import zipfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Event, Profile, Quote, Summary, Trade
from dxstream.exchange import Exchange, Rules, Tape
from dxstream.listener import Listener

DATA = Path(__file__).parents[1].parent / "shared" / "data"
TICKS = [
    DATA / "ticks" / f"{name}_20131009_{kind}.zip"
    for name, kind in [
        ("aig", "quote"),
        ("ibm", "quote"),
        ("aig", "trade"),
        ("ibm", "trade"),
        ("spy", "trade"),
    ]
]
DEMO = DATA / "tape" / "demo-sample.decoded.jsonl.gz"

# New York is four hours behind UTC in October.
MIDNIGHT = (datetime(2013, 10, 9, tzinfo=UTC) + timedelta(hours=4)).timestamp() * 1000

SECONDS = 120.0
WHOLE = Rules(lossless=True, start="on play")


def require(*paths: Path) -> None:
    if absent := [path.name for path in paths if not path.exists()]:
        pytest.skip(f"the recorded data is not beside the repository: {', '.join(absent)}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {SECONDS} s"
        time.sleep(0.005)


@dataclass
class Columns:
    """Events of one type and symbol, in order."""

    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    exchanges: list[str | None] = field(default_factory=list)


def drain(listener: Listener[Any], events: list[Event]) -> None:
    events.extend(listener)


def play(exchange: Exchange, types: list[type[Event]]) -> dict[str, list[Event]]:
    """Play the tape of an exchange to a streamer; return all that `listen` gave of each type."""
    tape = exchange.tape
    assert tape is not None
    got: dict[str, list[Event]] = {of.__name__: [] for of in types}
    with DXLinkStreamer(exchange.url) as streamer:
        threads = []
        for of in types:
            streamer.subscribe(of, tape.symbols, refresh_interval=0)
            listener = streamer.listen(of)
            threads.append(threading.Thread(target=drain, args=(listener, got[of.__name__])))
        wanted = len(types) * len(tape.symbols)
        wait_until(lambda: exchange.stats().subscriptions == wanted, "the subscription")
        for thread in threads:
            thread.start()
        exchange.play()
        total = sum(tape.events.values())
        wait_until(lambda: streamer.stats().events >= total, "the end of the tape")
        stats = streamer.stats()
        streamer.close()
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
    assert (stats.events, stats.rejected_rows, stats.server_errors) == (total, 0, 0)
    assert sum(exchange.stats().events.values()) == total
    return got


def lines(path: Path) -> Iterator[list[str]]:
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.namelist()
        with archive.open(member) as file:
            yield from csv.reader(io.TextIOWrapper(file, "ascii"))


def recorded(path: Path) -> Columns:
    """Read the file of a symbol's quotes or trades."""
    columns = Columns()
    rows = lines(path)
    if path.stem.endswith("_trade"):
        for ms, price, size, exchange, *_ in rows:
            columns.numbers.extend((int(price) / 10000.0, float(size)))
            columns.times.append(int(MIDNIGHT) + int(ms))
            columns.exchanges.append(exchange)
        return columns
    # The line of a bid, then that of its ask.
    for bid, ask in zip(rows, rows, strict=True):
        columns.numbers.extend(
            (int(bid[1]) / 10000.0, float(bid[2]), int(ask[3]) / 10000.0, float(ask[4]))
        )
        columns.times.extend((int(MIDNIGHT) + int(bid[0]), int(MIDNIGHT) + int(ask[0])))
        columns.exchanges.extend((bid[5], ask[5]))
    return columns


def columns_of_quotes(events: list[Event]) -> dict[str, Columns]:
    by_symbol: dict[str, Columns] = defaultdict(Columns)
    for quote in events:
        assert isinstance(quote, Quote)
        columns = by_symbol[quote.event_symbol]
        columns.numbers.extend((quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size))
        columns.times.extend((quote.bid_time, quote.ask_time))
        columns.exchanges.extend((quote.bid_exchange_code, quote.ask_exchange_code))
    return by_symbol


def columns_of_trades(events: list[Event]) -> dict[str, Columns]:
    by_symbol: dict[str, Columns] = defaultdict(Columns)
    for trade in events:
        assert isinstance(trade, Trade)
        columns = by_symbol[trade.event_symbol]
        columns.numbers.extend((trade.price, trade.size))
        columns.times.append(trade.time)
        columns.exchanges.append(trade.exchange_code)
    return by_symbol


def test_every_tick_of_a_day_arrives_in_order_and_bit_by_bit() -> None:
    require(*TICKS)
    with Exchange(Tape(tuple(TICKS)), rules=WHOLE) as exchange:
        got = play(exchange, [Quote, Trade])
    quotes, trades = columns_of_quotes(got["Quote"]), columns_of_trades(got["Trade"])
    assert (sorted(quotes), sorted(trades)) == (["AIG", "IBM"], ["AIG", "IBM", "SPY"])
    total = 0
    for path in TICKS:
        symbol, _, kind = path.stem.upper().split("_")
        arrived = (quotes if kind == "QUOTE" else trades)[symbol]
        wanted = recorded(path)
        assert arrived.numbers.tobytes() == wanted.numbers.tobytes(), path.name
        assert arrived.times == wanted.times, path.name
        assert arrived.exchanges == wanted.exchanges, path.name
        total += len(wanted.times) // (2 if kind == "QUOTE" else 1)
    assert total == 712_006 + 67_746 + 52_008 + 27_042 + 439_677


PRICES = {
    "Quote": {
        "bid_price": "Bid.Price",
        "bid_size": "Bid.Size",
        "ask_price": "Ask.Price",
        "ask_size": "Ask.Size",
    },
    "Trade": {
        "price": "Last.Price",
        "size": "Last.Size",
        "change": "Last.Change",
        "day_volume": "Volume",
    },
    "Summary": {
        "day_open_price": "DayOpen.Price",
        "day_high_price": "DayHigh.Price",
        "day_low_price": "DayLow.Price",
        "day_close_price": "DayClose.Price",
        "prev_day_close_price": "PrevDayClose.Price",
        "open_interest": "OpenInterest",
    },
    "Profile": {"beta": "Beta", "shares": "Shares", "high_52_week_price": "52High.Price"},
}
SECONDS_OF = {
    "Quote": {"bid_time": "Bid.Time", "ask_time": "Ask.Time"},
    "Trade": {"time": "Last.Time"},
    "Summary": {},
    "Profile": {"halt_start_time": "Halt.StartTime"},
}
TEXTS = {
    "Quote": {"bid_exchange_code": "Bid.Exchange", "ask_exchange_code": "Ask.Exchange"},
    "Trade": {"exchange_code": "Last.Exchange"},
    "Summary": {},
    "Profile": {"description": "Description", "status_reason": "StatusReason"},
}


def values_of_record(record: dict[str, Any]) -> list[Any]:
    """Return the values of a decoded record, with None for what is unknown."""
    kind = record["record"]
    numbers = [float(record[name]) for name in PRICES[kind].values()]
    times = [record[name] * 1000 for name in SECONDS_OF[kind].values()]
    texts = [(record[name] or "").strip("\0") or None for name in TEXTS[kind].values()]
    return [*(None if math.isnan(number) else number for number in numbers), *times, *texts]


def values_of_event(event: Event) -> list[Any]:
    kind = type(event).__name__
    numbers = [getattr(event, name) for name in PRICES[kind]]
    times = [getattr(event, name) for name in SECONDS_OF[kind]]
    texts = [(getattr(event, name) or "").strip("\0") or None for name in TEXTS[kind]]
    return [
        *(None if number is None or math.isnan(number) else float(number) for number in numbers),
        *times,
        *texts,
    ]


def test_every_event_of_the_recorded_minute_arrives() -> None:
    require(DEMO)
    wanted: dict[tuple[str, str], list[list[Any]]] = defaultdict(list)
    with gzip.open(DEMO, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            wanted[record["record"], record["symbol"]].append(values_of_record(record))
    types: list[type[Event]] = [Quote, Trade, Summary, Profile]
    with Exchange(Tape((DEMO,)), rules=WHOLE) as exchange:
        events = play(exchange, types)
    arrived: dict[tuple[str, str], list[list[Any]]] = defaultdict(list)
    for of_type in events.values():
        for event in of_type:
            arrived[type(event).__name__, event.event_symbol].append(values_of_event(event))
    assert {name: len(of_type) for name, of_type in events.items()} == {
        "Quote": 4465,
        "Trade": 1951,
        "Summary": 114,
        "Profile": 79,
    }
    assert arrived == wanted
