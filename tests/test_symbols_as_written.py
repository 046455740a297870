"""Events and tables say a symbol as the user wrote it, and as the server does."""

import copy
import pickle
from collections.abc import Iterator

import pytest
from conftest import until

from dxstream import DXLinkStreamer, EventTable
from dxstream._dxstream import _event, _Rows
from dxstream.dxfeed import Candle, Greeks, Quote
from dxstream.exchange import Exchange

WRITTEN = "AAPL{=1m}"
OTHERWISE = "AAPL{=01m}"
WIRE = "AAPL{=m}"
BAR = Candle(WIRE, index=1 << 32, time=60_000, count=7, open=1.0, high=2.0, low=0.5, close=1.5)


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


@pytest.fixture
def bar(exchange: Exchange, streamer: DXLinkStreamer) -> Candle:
    """Get a candle that was subscribed as no server writes it."""
    streamer.subscribe(Candle, WRITTEN, 0)
    exchange.publish(BAR)
    return streamer.get_event(Candle).result(20)


def test_an_event_has_the_symbol_as_written_and_as_sent(bar: Candle) -> None:
    assert (bar.symbol, bar.event_symbol) == (WRITTEN, WIRE)
    assert bar.as_dict()["event_symbol"] == WIRE
    assert repr(bar).startswith(f"Candle(event_symbol='{WIRE}', ")


def test_the_spelling_is_no_part_of_an_event(bar: Candle) -> None:
    assert bar == BAR
    assert hash(bar) == hash(BAR)
    assert (BAR.symbol, _Rows([bar])[0].event_symbol) == (WIRE, WIRE)


def test_a_pickle_keeps_both_symbols(bar: Candle) -> None:
    for twin in (pickle.loads(pickle.dumps(bar)), copy.copy(bar), copy.deepcopy(bar)):
        assert (twin.symbol, twin.event_symbol) == (WRITTEN, WIRE)
        assert twin == bar
        assert pickle.loads(pickle.dumps(twin)).symbol == WRITTEN
    assert pickle.loads(pickle.dumps(BAR)).symbol == WIRE


def test_a_damaged_pickle_is_refused() -> None:
    with pytest.raises(TypeError, match="needs event_symbol"):
        _event(Candle, {"symbol": WRITTEN})
    with pytest.raises(TypeError, match="must be a str"):
        _event(Candle, {"symbol": 5, "event_symbol": WIRE})


def test_the_last_spelling_counts_for_events_of_all_times_and_types(
    bar: Candle, exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Candle, OTHERWISE, 0)
    assert bar.symbol == OTHERWISE
    exchange.publish(BAR)
    assert streamer.get_event(Candle).result(20).symbol == OTHERWISE
    streamer.subscribe(Quote, WIRE, 0)
    assert bar.symbol == WIRE
    streamer.subscribe(Candle, [WRITTEN, "MSFT"], 0)
    exchange.publish(Quote(WIRE, bid_price=1.0))
    assert streamer.get_event(Quote).result(20).symbol == bar.symbol == WRITTEN


def test_a_refused_subscription_leaves_the_spelling(bar: Candle, streamer: DXLinkStreamer) -> None:
    with pytest.raises(ValueError, match="candle symbol"):
        streamer.subscribe(Candle, [OTHERWISE, "AAPL{=nonsense}"])
    assert bar.symbol == WRITTEN


def test_an_event_keeps_its_symbol_when_the_streamer_is_gone(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Candle, WRITTEN, 0)
        exchange.publish(BAR)
        bar = streamer.get_event(Candle).result(20)
    del streamer
    assert (bar.symbol, bar.event_symbol) == (WRITTEN, WIRE)


def test_either_spelling_finds_events(bar: Candle, streamer: DXLinkStreamer) -> None:
    for symbol in (WRITTEN, WIRE, OTHERWISE):
        assert streamer.latest(Candle, symbol) == bar
        events, missing = streamer.collect(Candle, symbol).result(20)
        assert (events, missing) == ({symbol: bar}, [])
        assert streamer.snapshot(Candle, (symbol,))[0] == bar
        assert streamer.history(Candle, symbol)[0] == bar
    assert bar.symbol == WRITTEN


def test_what_is_collected_has_the_symbol_as_written(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.publish(BAR)
    events, missing = streamer.collect(Candle, WRITTEN, 20).result()
    assert (events, missing) == ({WRITTEN: BAR}, [])
    assert events[WRITTEN].symbol == WRITTEN


def test_events_of_all_types_can_be_joined_by_the_symbol_as_written(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    occ, option = "AAPL  250117C00150000", ".AAPL250117C150"
    streamer.subscribe(Quote, occ, 0)
    streamer.subscribe(Greeks, [occ], 0)
    exchange.publish(Quote(option, bid_price=1.5), Greeks(option, index=1, time=1, delta=0.5))
    quote = streamer.get_event(Quote).result(20)
    greeks = streamer.get_event(Greeks).result(20)
    assert quote.symbol == greeks.symbol == occ
    assert quote.event_symbol == greeks.event_symbol == option
    assert streamer.latest(Quote, occ) == streamer.latest(Quote, option) == quote
    assert streamer.snapshot(Greeks).symbols == (occ,)
    assert quote.volume is None
    until(lambda: '"type":"Trade","symbol":".AAPL250117C150"' in "".join(exchange.received()))


class TestTables:
    @pytest.fixture(params=["all", "named", "history", "batch"])
    def table(
        self,
        request: pytest.FixtureRequest,
        exchange: Exchange,
        streamer: DXLinkStreamer,
    ) -> EventTable[Candle]:
        """Read a table that has one bar."""
        streamer.subscribe(Candle, WRITTEN, 0)
        batches = streamer.batches(Candle)
        exchange.publish(BAR)
        until(lambda: streamer.latest(Candle, WIRE) is not None)
        if request.param == "batch":
            return next(batches)
        if request.param == "history":
            return streamer.history(Candle, WIRE)
        return streamer.snapshot(Candle, None if request.param == "all" else [WRITTEN])

    def test_a_table_has_both_symbols(self, table: EventTable[Candle]) -> None:
        assert table.symbols == (WRITTEN,)
        assert table.event_symbols == (WIRE,)
        assert table["event_symbol"].tolist() == [WIRE]

    def test_events_and_parts_of_a_table_have_both_symbols(self, table: EventTable[Candle]) -> None:
        parts = [
            table,
            table[:1],
            table[[0]],
            table[table.valid],
            table[["close"]],
            pickle.loads(pickle.dumps(table)),
        ]
        for part in parts:
            assert (part.symbols, part.event_symbols) == ((WRITTEN,), (WIRE,))
            assert (part[0].symbol, part[0].event_symbol) == (WRITTEN, WIRE)
        assert table[0] == BAR

    def test_a_table_of_events_has_their_symbols(self, table: EventTable[Candle]) -> None:
        of_events = EventTable.from_events(Candle, [table[0], Candle("SPY{=d}")])
        assert of_events.symbols == (WRITTEN, "SPY{=d}")
        assert of_events.event_symbols == (WIRE, "SPY{=d}")
        assert [event.symbol for event in of_events] == [WRITTEN, "SPY{=d}"]


def test_a_table_that_is_filled_again_says_the_symbols_of_now(
    bar: Candle, streamer: DXLinkStreamer
) -> None:
    table = streamer.snapshot(Candle)
    streamer.subscribe(Quote, WIRE)
    assert streamer.snapshot(Candle, out=table).symbols == (WIRE,)
    streamer.subscribe(Candle, WRITTEN)
    again = streamer.snapshot(Candle, out=table)
    assert again is table
    assert (again.symbols, again.event_symbols) == ((WRITTEN,), (WIRE,))
    assert again[0] == bar
    rows = streamer.history(Candle, WRITTEN, 2)
    rows = streamer.history(Candle, WRITTEN, len(rows), out=rows)
    assert rows.symbols == (WRITTEN,)


def test_the_start_of_candles_elsewhere_leaves_the_spelling(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(Candle, WRITTEN, 0, from_time=0)
    with pytest.raises(TimeoutError):
        streamer.candles(WIRE, timeout=0).result()
    exchange.publish(BAR)
    assert streamer.get_event(Candle).result(20).symbol == WRITTEN
