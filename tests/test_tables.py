"""Snapshots and history: columns of what the streamer holds."""

import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import DEADLINE, until

from dxstream import DXLinkStreamer, StreamerClosedError
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
        until(lambda: any('"NONE"' in message for message in exchange.received()))
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


def test_memory_is_a_formula_with_its_numbers(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, history=9) as streamer:
        assert str(streamer.memory()) == "together 0 bytes now"
        streamer.subscribe(Quote, ["A", "B"], 0)
        listener = streamer.listen(Quote, buffer=1000)
        exchange.publish(quote("A", 1), quote("B", 2))
        until(lambda: listener.stats().pending == 2)
        memory = streamer.memory()
        [(name, symbols, width, allocated)] = memory.rings
        assert (name, symbols, width) == ("Quote", 2, (12 + 2) * 8)
        assert memory.buffers == (("Quote", 1000, (12 + 1) * 8, 2),)
        assert memory.allocated == allocated + 2 * 13 * 8
        lines = str(memory).splitlines()
        assert lines[0].startswith(
            "rings of Quote: 2 symbols x 10 events x 112 bytes = 2,240 bytes"
        )
        assert "Quote: 1,000 events x 104 bytes = 104,000 bytes when full" in lines[1]


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
    with pytest.raises(ValueError, match="n must be"):
        streamer.history(Quote, "AAPL", -1)
    with pytest.raises(ValueError, match="1 Quote events; 2 Quote"):
        streamer.snapshot(Quote, out=streamer.snapshot(Quote, ["AAPL"]))
    with pytest.raises(ValueError, match="history must be"):
        DXLinkStreamer(exchange.url, history=-1)
    with pytest.raises(ValueError, match="history must be"):
        streamer.subscribe(Quote, "A", history=1 << 30)
    with pytest.raises(StreamerClosedError, match="not connected"):
        DXLinkStreamer(exchange.url).snapshot(Quote)
    gc.collect()
