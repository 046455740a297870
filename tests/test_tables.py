"""Snapshots and history: columns of what the streamer holds."""

import gc
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import DEADLINE, until

from dxstream import DXLinkStreamer, EventTable, StreamerClosedError
from dxstream._dxstream import _event
from dxstream.dxfeed import Profile, Quote, Trade
from dxstream.exchange import Blast, Exchange


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, bid_price=bid, ask_price=bid + 0.5, bid_exchange_code="Q")


def arrived(streamer: DXLinkStreamer, symbol: str, bid: float) -> bool:
    latest = streamer.latest(Quote, symbol)
    return latest is not None and latest.bid_price == bid


def test_a_snapshot_has_a_row_for_each_subscribed_symbol_in_order(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    before = time.monotonic_ns(), time.time_ns()
    streamer.subscribe(Quote, ["SPY", "AAPL", "NONE"], 0)
    exchange.publish(quote("AAPL", 150), quote("SPY", 600))
    until(lambda: arrived(streamer, "SPY", 600) and arrived(streamer, "AAPL", 150))
    table = streamer.snapshot(Quote)
    assert table.symbols == ("SPY", "AAPL", "NONE")
    assert table.valid.tolist() == [True, True, False]
    assert table.bid_price[:2].tolist() == [600, 150]
    assert np.isnan(table.bid_price[2])
    assert table.bid_exchange_code.tolist() == ["Q", "Q", None]
    assert table[1] == streamer.latest(Quote, "AAPL")
    after = time.monotonic_ns(), time.time_ns()
    assert (table.received_at[:2] >= before[0]).all()
    assert (table.received_at[:2] <= after[0]).all()
    assert (table.received_at_wall[:2] <= after[1] + 10_000_000).all()


def test_a_snapshot_of_some_symbols_and_fields_keeps_the_order_asked(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, ["A", "B", "C"], 0)
    exchange.publish(quote("A", 1), quote("B", 2), quote("C", 3))
    until(lambda: arrived(streamer, "C", 3))
    table = streamer.snapshot(Quote, ["C", "A"], fields=["bid_price"])
    assert table.fields == ("event_symbol", "bid_price")
    assert table.bid_price.tolist() == [3, 1]


def test_a_snapshot_reuses_the_arrays_of_out(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "A", 0)
    exchange.publish(quote("A", 1))
    until(lambda: arrived(streamer, "A", 1))
    table = streamer.snapshot(Quote)
    prices = table.bid_price
    exchange.publish(quote("A", 2))
    until(lambda: arrived(streamer, "A", 2))
    assert streamer.snapshot(Quote, out=table) is table
    assert table.bid_price is prices
    assert prices.tolist() == [2]


def test_every_row_of_a_long_snapshot_is_the_latest_event(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    symbols = [f"S{n:03}" for n in range(200)]
    streamer.subscribe(Quote, symbols, 0)
    for n in range(3):
        exchange.publish(*(quote(symbol, 10 * at + n) for at, symbol in enumerate(symbols[1:], 1)))
    until(lambda: arrived(streamer, "S199", 1992))
    table = streamer.snapshot(Quote)
    assert not table.valid[0]
    assert table.received_at[0] == 0
    assert table[0] == Quote("S000")
    assert list(table[1:]) == [streamer.latest(Quote, symbol) for symbol in symbols[1:]]
    assert list(streamer.snapshot(Quote, symbols[::-1])) == list(table)[::-1]


def test_out_keeps_nothing_of_what_it_held(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Profile, ["A", "NONE"], 0)
    made_up = _event(Profile, {"event_symbol": "A", "trading_status": "ASLEEP", "description": "d"})
    exchange.publish(made_up)
    streamer.get_event(Profile).result(DEADLINE)
    table = streamer.snapshot(Profile, ["A"])
    assert table[0] == streamer.latest(Profile, "A")
    assert table.names("trading_status")[table.trading_status[0]] == "ASLEEP"
    assert table.event_symbol.tolist() == ["A"]
    assert streamer.snapshot(Profile, ("NONE",), out=table) is table
    assert table.symbols == ("NONE",)
    assert table.event_symbol.tolist() == ["NONE"]
    assert table.valid.tolist() == [False]
    assert table[0] == Profile("NONE")
    assert "ASLEEP" not in table.names("trading_status")


def test_a_part_of_a_table_may_be_filled(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "A", 0)
    exchange.publish(quote("A", 1))
    until(lambda: arrived(streamer, "A", 1))
    table = streamer.snapshot(Quote)
    bids = table[["bid_price"]]
    exchange.publish(quote("A", 2))
    until(lambda: arrived(streamer, "A", 2))
    streamer.snapshot(Quote, out=bids)
    assert bids.bid_price.tolist() == [2]
    assert table.ask_price.tolist() == [1.5]


def test_a_snapshot_follows_the_subscriptions(streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, ["A", "B"])
    assert streamer.snapshot(Quote).symbols == ("A", "B")
    streamer.subscribe(Quote, "C")
    assert streamer.snapshot(Quote).symbols == ("A", "B", "C")
    some = ("A", "C")
    assert streamer.snapshot(Quote, some).symbols == streamer.snapshot(Quote, some).symbols == some
    streamer.unsubscribe(Quote, "A")
    assert streamer.snapshot(Quote).symbols == ("B", "C")
    with pytest.raises(KeyError, match="A is not subscribed"):
        streamer.snapshot(Quote, some)
    streamer.unsubscribe_all(Quote)
    assert streamer.snapshot(Quote).symbols == ()


def test_texts_and_enums_come_as_they_are(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Profile, "AAPL", 0)
    exchange.publish(Profile("AAPL", description="Äpfel", trading_status="HALTED", beta=1.2))
    streamer.get_event(Profile).result(DEADLINE)
    table = streamer.snapshot(Profile)
    assert table.description.tolist() == ["Äpfel"]
    status = table.names("trading_status")[table.trading_status[0]]
    assert status == "HALTED"
    assert table[0].beta == 1.2


def test_history_is_the_last_events_oldest_first(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, history=3) as streamer:
        streamer.subscribe(Quote, ["A", "B"], 0)
        streamer.subscribe(Quote, ["LONG"], 0, history=10)
        streamer.subscribe(Quote, ["NONE"], 0, history=0)
        until(lambda: exchange.stats().subscriptions == 4)
        for n in range(5):
            exchange.publish(*(quote(symbol, n) for symbol in ("A", "LONG", "NONE")))
        until(lambda: arrived(streamer, "NONE", 4))
        assert streamer.history(Quote, "A").bid_price.tolist() == [2, 3, 4]
        assert streamer.history(Quote, "A", 2).bid_price.tolist() == [3, 4]
        assert streamer.history(Quote, "LONG").bid_price.tolist() == [0, 1, 2, 3, 4]
        assert len(streamer.history(Quote, "NONE")) == 1
        assert len(streamer.history(Quote, "B")) == 0
        times = streamer.history(Quote, "A").received_at
        assert (np.diff(times) >= 0).all()


def test_history_fills_out_from_its_start(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, ["A", "B"], 0)
    until(lambda: exchange.stats().subscriptions == 2)
    for n in range(3):
        exchange.publish(quote("A", n))
    until(lambda: arrived(streamer, "A", 2))
    fields = ["bid_price", "bid_exchange_code", "bid_time"]
    table = EventTable.from_events(Quote, [quote("X", 9)] * 5)[fields]
    prices = table.bid_price
    assert streamer.history(Quote, "A", 5, out=table) is table
    assert table.bid_price is prices
    assert prices[:3].tolist() == [0, 1, 2]
    assert np.isnan(prices[3:]).all()
    assert table.bid_exchange_code.tolist() == ["Q", "Q", "Q", None, None]
    assert table.valid.tolist() == [True, True, True, False, False]
    assert (table.received_at[:3] > 0).all()
    assert table.received_at[3:].tolist() == [0, 0]
    assert table.symbols == ("A",) * 5
    assert list(table[:3]) == list(streamer.history(Quote, "A", fields=fields))
    two = table[:2]
    assert streamer.history(Quote, "A", out=two).bid_price.tolist() == [1, 2]
    assert not streamer.history(Quote, "B", out=two).valid.any()
    assert two.symbols == ("B", "B")


def read_only(table: EventTable[Quote], name: str) -> None:
    table[name].flags.writeable = False


def replaced_valid(table: EventTable[Quote]) -> None:
    table.valid = np.zeros(7, np.bool_)


def replaced_times(table: EventTable[Quote]) -> None:
    table.received_at = np.zeros(2, np.float64)


def read_only_valid(table: EventTable[Quote]) -> None:
    table.valid.flags.writeable = False


def resized(table: EventTable[Quote]) -> None:
    table.bid_price.resize(7, refcheck=False)


SPOILED: dict[str, tuple[Callable[[EventTable[Quote]], None], type[Exception], str]] = {
    "read-only doubles": (lambda t: read_only(t, "bid_price"), ValueError, "bid_price must be"),
    "read-only longs": (lambda t: read_only(t, "bid_time"), ValueError, "bid_time must be"),
    "read-only texts": (
        lambda t: read_only(t, "ask_exchange_code"),
        ValueError,
        "ask_exchange_code must be",
    ),
    "resized": (resized, ValueError, "bid_price must be"),
    "valid of another length": (replaced_valid, ValueError, "valid must have the shape"),
    "read-only valid": (read_only_valid, ValueError, "valid must be"),
    "times of another type": (replaced_times, TypeError, "received_at must be an array of int64"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_out_is_refused_and_unchanged(
    exchange: Exchange, streamer: DXLinkStreamer, how: str
) -> None:
    spoil, error, match = SPOILED[how]
    streamer.subscribe(Quote, ["A", "B"], 0)
    exchange.publish(quote("A", 1), quote("B", 2))
    until(lambda: arrived(streamer, "B", 2))
    table = streamer.snapshot(Quote)
    kept = table.ask_price
    exchange.publish(quote("A", 3), quote("B", 4))
    until(lambda: arrived(streamer, "B", 4))
    spoil(table)
    fills: list[Callable[[], object]] = [
        lambda: streamer.snapshot(Quote, out=table),
        lambda: streamer.history(Quote, "A", out=table),
    ]
    for fill in fills:
        with pytest.raises(error, match=match) as raised:
            fill()
        assert "\n" not in str(raised.value)
        assert kept.tolist() == [1.5, 2.5]
        assert table.symbols == ("A", "B")


def test_a_table_of_another_shape_type_or_fields_is_no_out(streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, ["AAPL", "MSFT"])
    one = EventTable.from_events(Quote, [quote("X", 9)])
    trades = EventTable.from_events(Trade, [Trade("X", price=9)] * 2)
    bids = EventTable.from_events(Quote, [quote("X", 9)] * 2)[["bid_price"]]
    calls: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: streamer.snapshot(Quote, out=one), ValueError, "1 Quote events; 2 Quote"),
        (lambda: streamer.snapshot(Quote, out=trades), ValueError, "2 Trade events; 2 Quote"),  # type: ignore[misc]
        (
            lambda: streamer.snapshot(Quote, fields=["ask_price"], out=bids),
            ValueError,
            "out has the fields bid_price; leave fields away",
        ),
        (lambda: streamer.snapshot(Quote, out=[1]), TypeError, "EventTable, not list"),  # type: ignore[arg-type]
        (lambda: streamer.history(Quote, "AAPL", 3, out=bids), ValueError, "2 Quote events; 3 "),
        (lambda: streamer.history(Quote, "AAPL", out=trades), ValueError, "2 Trade events"),  # type: ignore[misc]
        (
            lambda: streamer.history(Quote, "AAPL", fields=["bid"], out=bids),
            KeyError,
            "no field 'bid'",
        ),
        (lambda: streamer.history(Quote, "AAPL", out=7), TypeError, "EventTable, not int"),  # type: ignore[arg-type]
    ]
    for call, error, match in calls:
        with pytest.raises(error, match=match) as raised:
            call()
        assert "\n" not in str(raised.value)
    assert one.bid_price.tolist() == [9]
    assert trades.price.tolist() == [9, 9]
    assert bids.bid_price.tolist() == [9, 9]
    assert one.symbols + bids.symbols == ("X", "X", "X")
    assert len(streamer.snapshot(Quote, fields=["event_symbol", "bid_price"], out=bids)) == 2


def test_memory_is_a_formula_with_its_numbers(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, history=9) as streamer:
        [messages, together] = str(streamer.memory()).splitlines()
        assert messages.startswith("messages: 1 connections x ")
        most = streamer.memory().bound
        assert together == f"together 0 bytes now, at most {most:,}"
        streamer.subscribe(Quote, ["A", "B"], 0)
        listener = streamer.listen(Quote, buffer=1000)
        exchange.publish(quote("A", 1), quote("B", 2))
        until(lambda: listener.stats().pending == 2)
        memory = streamer.memory()
        [(name, symbols, width, full, allocated)] = memory.rings
        assert (name, symbols, width) == ("Quote", 2, (12 + 2) * 8)
        # Two segments of eight events each, of which one is there.
        assert full == allocated + 2 * 8 * width
        assert memory.buffers == (("Quote", 1000, (12 + 1) * 8, 4096, 2),)
        assert memory.allocated == allocated + 2 * 13 * 8
        assert memory.bound == most + full + (1000 + 4096) * 104
        lines = str(memory).splitlines()
        assert lines[0].startswith(
            f"rings of Quote: 2 symbols x 9 events x 112 bytes, {full:,} bytes with their tables"
        )
        assert "Quote: (1,000 + 4,096) events x 104 bytes = 529,984 bytes when full" in lines[1]


def test_tables_can_be_read_after_closing(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, "A", 0)
    exchange.publish(quote("A", 7))
    until(lambda: arrived(streamer, "A", 7))
    streamer.close().result(DEADLINE)
    assert streamer.snapshot(Quote).bid_price.tolist() == [7]
    assert streamer.history(Quote, "A").bid_price.tolist() == [7]


def test_no_row_is_torn_while_events_pour_in() -> None:
    rows = 400_000
    symbols = [f"SYM{n:04}" for n in range(1000)]
    with (
        Exchange(Blast(rows=rows, wait_for=1000)) as exchange,
        DXLinkStreamer(exchange.url) as streamer,
    ):
        streamer.listen(Quote).close()
        streamer.subscribe(Quote, symbols, 0)
        table = None
        snapshots = 0
        while streamer.stats().events < rows:
            table = streamer.snapshot(Quote, out=table)
            snapshots += 1
            # Of a blast's quotes, bid and ask are at most five cents apart.
            spread = (table.ask_price - table.bid_price)[table.valid]
            assert ((spread > 0.005) & (spread < 0.055)).all()
            history = streamer.history(Quote, "SYM0500")
            assert ((history.ask_price - history.bid_price) < 0.055).all()
        assert snapshots > 1
        assert table is not None


def test_threads_take_snapshots_at_once(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(Quote, [f"S{n}" for n in range(50)], 0)
    exchange.publish(*(quote(f"S{n}", n) for n in range(50)))
    until(lambda: streamer.snapshot(Quote).valid.all())
    failures: list[object] = []

    def read() -> None:
        snapshots = (streamer.snapshot(Quote).bid_price.tolist() for _ in range(200))
        failures.extend(prices for prices in snapshots if prices != list(range(50)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not failures


def test_bad_questions_are_answered_in_one_line(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Quote, ["AAPL", "MSFT"])
    with pytest.raises(KeyError, match="AAPLE is not subscribed for Quote; there are AAPL"):
        streamer.snapshot(Quote, ["AAPLE"])
    with pytest.raises(KeyError, match="not subscribed"):
        streamer.history(Trade, "AAPL")
    with pytest.raises(KeyError, match="no field 'bid_prise'; there are bid_price"):
        streamer.snapshot(Quote, fields=["bid_prise"])
    with pytest.raises(KeyError, match="no field 'bid_prise'; there are bid_price"):
        streamer.history(Quote, "AAPL", fields=["bid_prise"])
    with pytest.raises(KeyError, match="AAPLE is not subscribed for Quote; there are AAPL"):
        streamer.history(Quote, "AAPLE")
    with pytest.raises(ValueError, match="n must be"):
        streamer.history(Quote, "AAPL", -1)
    with pytest.raises(TypeError, match="event class"):
        streamer.snapshot(int)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="event class"):
        streamer.history("Quote", "AAPL")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="history must be"):
        DXLinkStreamer(exchange.url, history=-1)
    with pytest.raises(ValueError, match="history must be"):
        streamer.subscribe(Quote, "A", history=1 << 30)
    with pytest.raises(StreamerClosedError, match="not connected"):
        DXLinkStreamer(exchange.url).snapshot(Quote)
    gc.collect()
