"""Candles: histories as tables, loaded complete."""

import asyncio
import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any

import pytest
from candle_bars import FIVE, START, asked, at, candle, closes, load, row, send, start
from conftest import DEADLINE, until

from dxstream import (
    Candles,
    DXLinkStreamer,
    EventTable,
    StreamerClosedError,
)
from dxstream.dxfeed import Candle
from dxstream.exchange import Exchange, Market, Rules

RECORDED = (
    Path(__file__).parent.parent.parent / "shared/data/frames/quantconnect_feed_data_2025.jsonl"
)


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


def test_candles_are_what_the_exchange_holds_in_order() -> None:
    market = Market(seed=5, start=START, symbols=("AAPL",))
    with (
        Exchange(market, rules=Rules(start="on play")) as exchange,
        DXLinkStreamer(exchange.url) as streamer,
    ):
        first = START - 20 * 86_400_000
        listener = streamer.listen(Candle)
        streamer.subscribe_candle("AAPL", "5m", first)
        told: dict[int, tuple[float, ...]] = {}
        for event in listener:
            told[event.index] = (event.open, event.high, event.low, event.close, event.volume)
            if event.event_flags & 8:
                break
        candles = streamer.candles("AAPL", "5m", first).result(DEADLINE)
        assert isinstance(candles, EventTable)
        assert candles.index.tolist() == sorted(told)
        assert len(candles) > 500
        columns = zip(
            *(candles[name].tolist() for name in ("open", "high", "low", "close", "volume")),
            strict=True,
        )
        assert dict(zip(candles.index.tolist(), columns, strict=True)) == told
        assert set(candles.symbols) == {FIVE}
        assert (candles.symbol, candles.poison, candles.snipped) == (FIVE, 0, False)
        assert not candles.event_flags.any()
        assert candles.valid.all()
        assert (candles.received_at > 0).all()


def test_symbols_are_matched_in_their_normal_form(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(
        candle(0, 1, symbol="AAPL{=m}"),
        candle(0, 2, symbol="AAPL{=m,tho=true}"),
        candle(0, 3, symbol="AAPL{=m,price=bid}"),
        candle(0, 4, symbol="AAPL{=5m}"),
        candle(0, 5, symbol="MSFT{=m}"),
    )
    calls = {
        "AAPL{=m}": streamer.candles("AAPL", "1m", extended_trading_hours=True),
        "AAPL{=m,tho=true}": streamer.candles("AAPL", "m"),
        "AAPL{=m,price=bid}": streamer.candles("AAPL{price=bid,=1m}"),
    }
    tables = {symbol: call.result(DEADLINE) for symbol, call in calls.items()}
    assert [table.close.tolist() for table in tables.values()] == [[1], [2], [3]]
    assert [table.symbol for table in tables.values()] == list(tables)
    exchange.publish(*(candle(1, n + 10, symbol=symbol) for n, symbol in enumerate(tables)))
    for n, table in enumerate(tables.values()):
        assert next(table.live()).close.tolist() == [n + 1, n + 10]


def test_corrections_and_removals_of_a_snapshot_are_applied(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    candles = load(
        exchange,
        background,
        streamer.candles("AAPL", "5m", at(0)),
        row(at(5), 5, flags=4),
        row(at(4), 4),
        row(at(4), 4),
        row(at(5), 5.5),
        row(at(3), 3),
        row(at(4), "NaN", flags=2),
        row(at(2), "NaN"),
        row(at(1), 0),
        row((2**31 - 1) * 1000, 7),
        row(at(0), "NaN", flags=10),
        row(at(6), 6),
    )
    assert [bar for bar, _ in closes(candles)][:3] == [2, 3, 5]
    assert candles.close.tolist()[1:3] == [3, 5.5]
    assert candles.poison == 2
    latest = candles if len(candles) == 4 else next(candles.live())
    assert closes(latest)[-1] == (6, 6)


def test_poison_that_is_mended_is_a_bar_again(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(candle(0, 1), candle(1, 0), candle(2, 2))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    assert (closes(candles), candles.poison) == ([(0, 1), (2, 2)], 1)
    live = candles.live()
    exchange.publish(candle(1, 1.5))
    mended = next(live)
    assert (closes(mended), mended.poison) == ([(0, 1), (1, 1.5), (2, 2)], 0)
    exchange.publish(candle(2, 0))
    poisoned = next(live)
    assert (closes(poisoned), poisoned.poison) == (closes(mended), 1)
    assert candles.poison == 1


def test_a_symbol_without_candles_has_an_empty_table(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1))
    candles = streamer.candles("AAPL", "5m", at(1)).result(DEADLINE)
    assert (len(candles), candles.symbol) == (0, FIVE)
    exchange.publish(candle(2, 2))
    assert closes(next(candles.live())) == [(2, 2)]


def test_a_snapshot_that_the_server_cut_is_complete_and_says_so(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    call = streamer.candles("AAPL", "5m", at(0))
    candles = load(exchange, background, call, row(at(5), 5, flags=4), row(at(4), 4, flags=16))
    assert (closes(candles), candles.snipped) == ([(4, 4), (5, 5)], True)
    assert candles[:1].snipped


def test_bars_before_the_start_are_left_out(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    start_time = datetime.fromtimestamp(at(2) / 1000, UTC)
    call = streamer.candles("AAPL", "5m", start_time)
    rows = row(at(3), 3, flags=4), row(at(2), 2), row(at(1), 1, flags=8)
    assert closes(load(exchange, background, call, *rows)) == [(2, 2), (3, 3)]


def test_a_snapshot_that_another_call_asked_for_does_not_count(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    late = start(background, streamer.candles("AAPL", "5m", at(4)))
    until(lambda: len(asked(exchange)) == 1)
    early = start(background, streamer.candles("AAPL", "5m", at(0)))
    until(lambda: len(asked(exchange)) == 2)
    send(exchange, row(at(4), 4, flags=4), row(at(4) - 1, "NaN", flags=10))
    assert closes(late.result(DEADLINE)) == [(4, 4)]
    assert not early.done()
    send(
        exchange,
        row(at(4), 4, flags=4),
        row(at(1), 1),
        row(at(0) - 1, "NaN", flags=10),
    )
    assert closes(early.result(DEADLINE)) == [(1, 1), (4, 4)]


def test_histories_that_begin_with_the_first_day_can_be_loaded_again(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(candle(0, 1))
    streamer.subscribe_candle("AAPL", "5m", 0)
    for _ in range(3):
        assert closes(streamer.candles("AAPL", "5m", 0).result(DEADLINE)) == [(0, 1)]
    until(lambda: exchange.stats().subscriptions == 1)


def test_a_server_that_never_completes_is_given_up(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    expected = r"^the candles of NONE\{=5m,tho=true\} were not complete within 0.05 s; [^\n]*$"
    with pytest.raises(TimeoutError, match=expected):
        streamer.candles("NONE", "5m", timeout=0.05).result()
    with pytest.raises(TimeoutError):
        streamer.candles("NONE", "5m").result(0.05)
    until(lambda: exchange.stats().subscriptions == 0)
    assert streamer.stats().subscriptions == 0

    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(streamer.candles("NONE", "5m"), 0.05)
            until(lambda: exchange.stats().subscriptions == 0)

    asyncio.run(main())


def test_an_unfinished_snapshot_is_waited_for(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    loading = start(background, streamer.candles("AAPL", "5m", at(0)))
    until(lambda: asked(exchange))
    before = streamer.stats().events
    send(exchange, row(at(3), 3), row(at(2), 2, flags=4), row(at(1), 1))
    until(lambda: streamer.stats().events == before + 3)
    assert not loading.done()
    send(exchange, row(at(0), 0.5, flags=8))
    assert closes(loading.result(DEADLINE)) == [(0, 0.5), (1, 1), (2, 2)]


def test_a_call_that_nobody_awaits_asks_for_nothing(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.candles("AAPL", "5m")
    streamer.candles("MSFT", "5m", timeout=0)
    with pytest.raises(TimeoutError):
        streamer.candles("NONE", "5m", timeout=0).result()
    streamer.subscribe_candle("ASKED", "5m")
    until(lambda: any("ASKED" in message for message in exchange.received()))
    assert not any("AAPL" in message or "MSFT" in message for message in exchange.received())


def test_parts_and_copies_are_tables_that_do_not_go_on(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(*(candle(n, n + 1) for n in range(4)), candle(9, 0))
    candles = streamer.candles("AAPL", "5m").result(DEADLINE)
    for part in (candles[1:3], candles[[1, 2]], candles[["time", "close"]][1:3]):
        assert isinstance(part, Candles)
        assert closes(part) == [(1, 2), (2, 3)]
        assert (part.symbol, part.poison) == (FIVE, 1)
        with pytest.raises(ValueError, match="call live"):
            part.live()
        part.unsubscribe()
    copy = pickle.loads(pickle.dumps(candles))
    assert closes(copy) == closes(candles)
    assert exchange.stats().subscriptions == 1
    assert candles[-1].close == 4
    assert candles.to_pandas()["close"].tolist() == [1, 2, 3, 4]


def test_bad_questions_are_answered_in_one_line(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"interval": "nonsense"}, ValueError, '"nonsense" is no candle interval'),
        ({"interval": "5m", "start_time": 1_691_402_400}, ValueError, "looks like seconds"),
        ({"interval": "5m", "start_time": -1}, ValueError, "before 1970"),
        ({"interval": "5m", "start_time": 10**20}, ValueError, "before 2038"),
        ({"interval": "5m", "timeout": -1}, ValueError, "timeout must be"),
        ({"interval": "5m", "timeout": nan}, ValueError, "timeout must be"),
        ({}, ValueError, "an interval is missing"),
        ({"symbol": "AAPL{=5m}", "interval": "5m"}, ValueError, "no symbol for candles"),
        ({"symbol": "AAPL{=5m}", "extended_trading_hours": True}, ValueError, "trading hours"),
        ({"symbol": "AAPL{5m}"}, ValueError, "does not end in"),
        ({"symbol": "", "interval": "5m"}, ValueError, "no symbol"),
        ({"symbol": 5, "interval": "5m"}, TypeError, "must be a string"),
    ]
    for arguments, error, text in cases:
        with pytest.raises(error, match=text) as raised:
            streamer.candles(**{"symbol": "AAPL"} | arguments)
        assert "\n" not in str(raised.value)
    with pytest.raises(StreamerClosedError, match="not connected"):
        DXLinkStreamer(exchange.url).candles("AAPL", "5m")
    assert not asked(exchange)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded frames are not here")
def test_recorded_candles_load(
    exchange: Exchange, streamer: DXLinkStreamer, background: ThreadPoolExecutor
) -> None:
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    fields = lines[0]["frame"]["acceptEventFields"]
    frames = [line["frame"] for line in lines if line["frame"].get("data", [""])[0] == "Candle"]
    assert len(frames) == 1
    call = streamer.candles("AAPL", "1d", 926_208_000_000, extended_trading_hours=True)
    loading = start(background, call)
    until(lambda: asked(exchange, "AAPL{=d}"))
    config = {"type": "FEED_CONFIG", "channel": 1, "eventFields": fields}
    exchange.send_raw(json.dumps(config))
    exchange.send_raw(json.dumps({"type": "FEED_DATA", "channel": 1, "data": frames[0]["data"]}))
    candles = loading.result(DEADLINE)
    assert candles.time.tolist() == [1_749_772_800_000, 1_750_032_000_000]
    assert candles.close.tolist() == [196.45, 198.42]
    assert (candles.poison, candles.snipped) == (0, False)
