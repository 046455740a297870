"""The tastytrade SDK as a client of the exchange: it gets what was published, field by field."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast

import pytest
import tastytrade.dxfeed
from strategies import enum_names
from tastytrade import DXLinkStreamer, Session

from dxstream import dxfeed
from dxstream.exchange import Exchange, Market, Rules

TYPES = [
    "Candle",
    "Greeks",
    "Profile",
    "Quote",
    "Summary",
    "TheoPrice",
    "TimeAndSale",
    "Trade",
    "Underlying",
]
TOKEN = "a quote token"
RULES = Rules(tokens=(TOKEN,))
DEADLINE = 20
EVENTS = 60

FINITE = [
    *(0.0, -0.0, 0.1, 150.25, -3.5, 1e-12, -4.81989763184255e-12, 1e-3, 9.99e-4, 5e-324),
    *(9999999.999, 1e7, 13743299.5, 2.0**53, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3),
]
NOT_FINITE = [math.nan, math.inf, -math.inf]
WHOLE = [0.0, -0.0, 1.0, 999.0, 1e7, 13743299.0, 2.0**53]
INTEGERS = [0, 1, -1, 4_194_303, 2**53 + 1, 7235129486797176832, 2**63 - 1, 1 - 2**63]
CHARACTERS = ["Q", "z", "0", " ", '"', "\\", "é", "€", "𝄞"]
TEXTS = [
    *("", " ", "Apple Inc. - Common Stock", "Société Générale S.A.", "株式会社ソニー", "🐂 🐻"),
    *('a "quoted" \\ text', "tab\tline\nnul\0end", "\u2028\u2029\ufeff", "x" * 500),
]


class StubSession:
    """What the SDK's streamer takes from a session."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_kwargs = {"trust_env": False}

    async def _get(self, path: str) -> dict[str, str]:
        assert path == "/api-quote-tokens"
        return {"dxlink-url": self.url, "token": TOKEN}


@asynccontextmanager
async def connected(exchange: Exchange) -> AsyncIterator[DXLinkStreamer]:
    """Give the SDK's streamer, connected; its streams are closed, as the SDK leaves them open."""
    streamer = DXLinkStreamer(cast(Session, StubSession(exchange.url)))
    try:
        async with asyncio.timeout(DEADLINE), streamer:
            yield streamer
    finally:
        for sender in streamer._send.values():
            sender.close()
        for receiver in streamer._recv.values():
            receiver.close()


def sdk_type(name: str) -> Any:
    return getattr(tastytrade.dxfeed, name)


def allows_unknown(name: str, field: str) -> bool:
    """Whether the SDK has a value for a field that is not a finite number."""
    of_bar = name == "Candle" and field in {"open", "high", "low", "close"}
    return of_bar or not sdk_type(name).model_fields[field].is_required()


def draw(random: Random, name: str, field: str) -> Any:
    """Return a value of a field that the SDK does not drop the event for."""
    event_type = getattr(dxfeed, name)
    declared = event_type.__annotations__[field]
    optional = allows_unknown(name, field)
    if field in {"event_flags", "buyer", "seller"}:
        return 0 if field == "event_flags" else None
    if names := enum_names(event_type, field):
        return random.choice([None, *names])
    if field.endswith("_code") or field == "trade_through_exempt":
        return random.choice([None, *CHARACTERS])
    match declared:
        case "float":
            whole = sdk_type(name).model_fields[field].annotation in {int, int | None}
            finite = WHOLE if whole else [*FINITE, random.uniform(-1e6, 1e6)]
            return random.choice([*finite, *(NOT_FINITE if optional else [])])
        case "int" | "int | None":
            unknown = [None] if "None" in declared else []
            return random.choice([*unknown, *INTEGERS, random.getrandbits(62)])
        case "bool | None":
            return random.choice([None, True, False])
        case _:
            return random.choice([*([None] if optional else []), *TEXTS])


def events_of(random: Random, name: str) -> list[Any]:
    """Return an event of a type for each of as many symbols."""
    event_type = getattr(dxfeed, name)
    fields = [field for field in sdk_type(name).model_fields if field != "event_symbol"]
    return [
        event_type(f"S{at}", **{field: draw(random, name, field) for field in fields})
        for at in range(EVENTS)
    ]


def as_sdk_has_it(event: Any, field: str) -> Any:
    """Return the value that the SDK's model has for a field of an event of the exchange."""
    event_type = type(event)
    value = getattr(event, field)
    model_field = sdk_type(event_type.__name__).model_fields[field]
    if isinstance(value, float):
        if not math.isfinite(value):
            return Decimal(0) if model_field.is_required() else model_field.default
        whole = model_field.annotation in {int, int | None}
        return int(value) if whole else Decimal(str(value))
    if value is None:
        if names := enum_names(event_type, field):
            return names[0]
        if field.endswith("_code") or field == "trade_through_exempt":
            return "\0"
        return {"bool | None": False, "int | None": 0}.get(event_type.__annotations__[field])
    return value


def expected(event: Any) -> dict[str, Any]:
    fields = sdk_type(type(event).__name__).model_fields
    return {field: as_sdk_has_it(event, field) for field in fields}


async def take(streamer: DXLinkStreamer, name: str, count: int) -> list[dict[str, Any]]:
    """Return the fields of the next events of a type, sorted by symbol."""
    events = [await streamer.get_event(sdk_type(name)) for _ in range(count)]
    return by_symbol(event.model_dump() for event in events)


def by_symbol(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda event: int(event["event_symbol"][1:]))


def test_every_field_of_every_type_is_what_was_published() -> None:
    async def run(exchange: Exchange) -> None:
        random = Random(13)
        symbols = [f"S{at}" for at in range(EVENTS)]
        last = {name: events_of(random, name) for name in TYPES}
        live = {name: events_of(random, name) for name in TYPES}
        for events in last.values():
            exchange.publish(*events)
        async with connected(exchange) as streamer:
            for name in TYPES:
                await streamer.subscribe(sdk_type(name), symbols, refresh_interval=0)
            for name in TYPES:
                # TimeAndSale is a stream: who subscribes gets what comes after.
                if name != "TimeAndSale":
                    assert await take(streamer, name, EVENTS) == [*map(expected, last[name])], name
            for events in live.values():
                exchange.publish(*events)
            for name in TYPES:
                assert await take(streamer, name, EVENTS) == [*map(expected, live[name])], name
                assert streamer.get_event_nowait(sdk_type(name)) is None

    with Exchange(None, rules=RULES) as exchange:
        asyncio.run(run(exchange))


def test_candle_history_comes_newest_first_and_ends_with_a_marker() -> None:
    symbol = "AAPL{=5m,tho=true}"
    start = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    begin = int(start.timestamp() * 1000)
    since = start - timedelta(minutes=1)
    marker_time = begin - 60_000

    def bar(number: int, close: float) -> dxfeed.Candle:
        time = begin + number * 300_000
        index = time // 1000 << 32
        prices: Any = {"open": 230.0, "high": 231.5, "low": 229.75, "close": close, "vwap": 230.1}
        return dxfeed.Candle(symbol, index=index, time=time, count=7, volume=1.25e7, **prices)

    async def run(exchange: Exchange) -> None:
        exchange.publish(*[bar(number, 230.0 + number) for number in range(-2, 5)])
        async with connected(exchange) as streamer:
            await streamer.subscribe_candle(["AAPL"], "5m", since, refresh_interval=0)
            candle = tastytrade.dxfeed.Candle
            snapshot = [await streamer.get_event(candle) for _ in range(6)]
            bars, marker = snapshot[:-1], snapshot[-1]
            assert [event.event_flags for event in snapshot] == [4, 0, 0, 0, 0, 10]
            for event, number in zip(bars, [4, 3, 2, 1, 0], strict=True):
                published = expected(bar(number, 230.0 + number))
                assert event.model_dump() | {"event_flags": 0} == published
            assert marker.snapshot_end
            assert marker.remove
            assert marker.model_dump() == expected(
                dxfeed.Candle(
                    symbol, event_flags=10, index=marker_time // 1000 << 32, time=marker_time
                )
            )
            assert marker.close == 0
            assert marker.volume is None
            exchange.publish(bar(4, 231.25))
            assert (await streamer.get_event(candle)).model_dump() == expected(bar(4, 231.25))

    with Exchange(None, rules=RULES) as exchange:
        asyncio.run(run(exchange))


def test_the_sdk_drops_events_without_a_value_that_it_requires() -> None:
    quote: Any = {"bid_exchange_code": "Q", "ask_exchange_code": "Q", "bid_price": 1.0}
    sale: Any = {"price": 1.0, "bid_price": 1.0, "ask_price": 2.0, "size": 1.0}

    async def run(exchange: Exchange) -> None:
        async with connected(exchange) as streamer:
            await streamer.subscribe(tastytrade.dxfeed.TimeAndSale, ["S"], refresh_interval=0)
            await streamer.subscribe(tastytrade.dxfeed.Quote, ["S"], refresh_interval=0)
            await streamer.subscribe(tastytrade.dxfeed.Profile, ["S"], refresh_interval=0)
            exchange.publish(dxfeed.Profile("S", description="the last to be subscribed"))
            await streamer.get_event(tastytrade.dxfeed.Profile)
            exchange.publish(
                dxfeed.Quote("S", **quote),
                dxfeed.Quote("S", ask_price=2.0, sequence=1, **quote),
                dxfeed.TimeAndSale("S", buyer="a buyer", **sale),
                dxfeed.TimeAndSale("S", **(sale | {"size": 0.5})),
                dxfeed.TimeAndSale("S", sequence=1, **sale),
            )
            assert (await streamer.get_event(tastytrade.dxfeed.Quote)).sequence == 1
            assert (await streamer.get_event(tastytrade.dxfeed.TimeAndSale)).sequence == 1
            assert exchange.stats().events["TimeAndSale"] == 3

    with Exchange(None, rules=RULES) as exchange:
        asyncio.run(run(exchange))


def test_the_synthetic_market_feeds_every_type(caplog: pytest.LogCaptureFixture) -> None:
    option = ".AAPL260116C230"
    symbols = {"Greeks": option, "TheoPrice": option, "Candle": "AAPL{=m}"}
    counts: Counter[str] = Counter()

    async def run(exchange: Exchange) -> None:
        async with connected(exchange) as streamer:
            for name in TYPES:
                await streamer.subscribe(sdk_type(name), [symbols.get(name, "AAPL")])
            while min(counts[name] for name in TYPES) < 1 or counts["Quote"] < 20:
                event = await streamer.get_event(tastytrade.dxfeed.Quote)
                assert 0 < event.bid_price < event.ask_price
                counts["Quote"] += 1
                for name in TYPES:
                    while streamer.get_event_nowait(sdk_type(name)):
                        counts[name] += 1

    market = Market(
        start=1_767_625_200_000, symbols=("AAPL",), quotes_per_second=30, trades_per_second=20
    )
    with (
        caplog.at_level(logging.DEBUG, logger="tastytrade"),
        Exchange(market, rules=RULES) as exchange,
    ):
        asyncio.run(run(exchange))
    assert counts["TimeAndSale"] > 10
    assert not [text for text in caplog.messages if text.startswith("Failed to parse event")]
