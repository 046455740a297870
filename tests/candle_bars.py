"""Candles for tests: bars, frames of bars, and loading them."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from conftest import DEADLINE, until

from dxstream import Candles, EventTable
from dxstream.dxfeed import Candle
from dxstream.exchange import Exchange
from dxstream.waiting import Call

T = TypeVar("T")

START = 1_767_625_200_000
FIVE = "AAPL{=5m,tho=true}"
FIELDS = ["eventSymbol", "eventFlags", "index", "time", "open", "high", "low", "close"]


def at(bar: int) -> int:
    return START + bar * 300_000


def index(time: int) -> int:
    return (time // 1000) << 32 | (time % 1000) << 22


def candle(bar: int, close: float, flags: int = 0, symbol: str = FIVE) -> Candle:
    return Candle(
        symbol,
        event_flags=flags,
        index=index(at(bar)),
        time=at(bar),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=100.0,
    )


def row(
    time: int, close: float | str, flags: int = 0, symbol: str = FIVE
) -> list[str | int | float]:
    return [symbol, flags, index(time), time, close, close, close, close]


def send(exchange: Exchange, *rows: list[str | int | float]) -> None:
    """Send rows of candles as a server of its own mind does."""
    config = {"type": "FEED_CONFIG", "channel": 1, "eventFields": {"Candle": FIELDS}}
    exchange.send_raw(json.dumps(config))
    values = [value for row in rows for value in row]
    exchange.send_raw(json.dumps({"type": "FEED_DATA", "channel": 1, "data": ["Candle", values]}))


def asked(exchange: Exchange, symbol: str = FIVE) -> list[int]:
    """Return from when on a symbol was asked for, each time."""
    added = [
        item for message in map(json.loads, exchange.received()) for item in message.get("add", ())
    ]
    return [item["fromTime"] for item in added if item["symbol"] == symbol and "fromTime" in item]


def start(background: ThreadPoolExecutor, call: Call[T]) -> "Future[T]":
    return background.submit(call.result, DEADLINE)


def load(
    exchange: Exchange,
    background: ThreadPoolExecutor,
    call: Call[Candles],
    *rows: list[str | int | float],
) -> Candles:
    """Load candles while the exchange, which does not know them, is made to send rows."""
    before = len(asked(exchange))
    loading = start(background, call)
    until(lambda: len(asked(exchange)) > before)
    send(exchange, *rows)
    return loading.result(DEADLINE)


def closes(table: EventTable[Candle]) -> list[tuple[int, float]]:
    bars = ((table.time - START) // 300_000).tolist()
    return list(zip(bars, table.close.tolist(), strict=True))
