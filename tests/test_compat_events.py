"""Events with the SDK's fields and types: compared with the SDK's own, and by what users do."""

import asyncio
import copy
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from types import NoneType
from typing import Any

import pydantic
import pytest
import sdk_rows
import tastytrade.dxfeed
from conftest import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import output

from dxstream import DXLinkStreamer, EventTable, _dxstream, dxfeed
from dxstream.compat import events
from dxstream.compat.events import Candle, Greeks, Quote, TimeAndSale, Trade
from dxstream.exchange import Exchange

NAMES = [each.__name__ for each in sdk_rows.TYPES]
AAPL = Quote("AAPL", bid_price=150.25, ask_price=150.5, bid_size=3.0, ask_size=1.0)
ONE_SIDED = dxfeed.Quote("SPX", bid_price=5931.91)


def sdk_type(name: str) -> Any:
    return getattr(tastytrade.dxfeed, name)


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare all fields and properties of two events, in value and type."""
    for name in type(theirs).model_fields:
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (type(mine), mine) == (type(other), other), name
    assert list(ours.model_dump()) == list(theirs.model_dump())
    assert ours.model_dump() == theirs.model_dump()
    assert ours.model_dump(by_alias=True) == theirs.model_dump(by_alias=True)
    for name in ("pending", "remove", "snapshot_begin", "snapshot_end", "snapshot_mode"):
        assert getattr(ours, name, None) == getattr(theirs, name, None)
    if isinstance(theirs, tastytrade.dxfeed.Quote):
        assert ours.mid_price == theirs.mid_price
        assert ours.micro_price == theirs.micro_price


def assert_all_same(ours: list[Any], theirs: list[Any]) -> None:
    assert [each.event_symbol for each in ours] == [each.event_symbol for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


def through_the_wire(
    exchange: Exchange, streamer: DXLinkStreamer, name: str, rows: list[list[Any]]
) -> list[Any]:
    """Let a server send rows in the SDK's order, and list the events that come of them."""
    event_type = getattr(events, name)
    values = {"Decimal": 1.0, "Int": 1, "Bool": True, "Str": "A"}
    known = {field: values.get(kind) for field, kind in sdk_rows.KINDS[name].items()}
    end = [*(known | {"event_symbol": "THE END", "event_flags": 0}).values()][: len(known)]
    columns = [field.alias for field in event_type.model_fields.values()]
    data = [value for row in [*rows, end] for value in row]
    config = {"dataFormat": "COMPACT", "aggregationPeriod": 0.0, "eventFields": {name: columns}}
    exchange.send_raw(json.dumps({"type": "FEED_CONFIG", "channel": 1, **config}))
    exchange.send_raw(json.dumps({"type": "FEED_DATA", "channel": 1, "data": [name, data]}))
    found = []
    while (event := streamer.get_event(event_type).result(20)).event_symbol != "THE END":
        found.append(event)
    return found


class TestTheSdksModels:
    @pytest.mark.parametrize("name", NAMES)
    def test_fields_are_the_same(self, name: str) -> None:
        ours, theirs = getattr(events, name), sdk_type(name)
        assert list(ours.model_fields) == list(theirs.model_fields)
        for field, info in theirs.model_fields.items():
            mine = ours.model_fields[field]
            assert (mine.annotation or NoneType) == (info.annotation or NoneType), field
            assert mine.alias == info.alias
            assert mine.is_required() == info.is_required()
            if not info.is_required():
                assert (type(mine.default), mine.default) == (type(info.default), info.default)

    def test_all_event_types_are_there(self) -> None:
        exported = set(tastytrade.dxfeed.__all__) - {"Event"}
        assert exported == set(NAMES)
        assert exported <= set(events.__all__)

    @pytest.mark.skipif(not sdk_rows.FRAMES, reason="../shared/data/frames is not here")
    @pytest.mark.skipif(not sdk_rows.SAMPLE.exists(), reason="../shared/data/tape is not here")
    def test_real_rows_give_the_same_events(self, exchange: Exchange) -> None:
        by_type: dict[str, list[list[Any]]] = defaultdict(list)
        for name, row in sdk_rows.real_rows():
            by_type[name].append(row)
        assert {"Quote", "Trade", "Candle", "Summary", "Profile"} == by_type.keys()
        delivered = 0
        for name, rows in by_type.items():
            flat = [value for row in rows for value in row]
            theirs = sdk_type(name).from_stream(list(flat))
            assert_all_same(getattr(events, name).from_stream(flat), theirs)
            with DXLinkStreamer(exchange.url) as streamer:
                streamer.subscribe(getattr(events, name), "ANY", 0)
                until(lambda: exchange.stats().subscriptions == 1)
                assert_all_same(through_the_wire(exchange, streamer, name, rows), theirs)
            until(lambda: exchange.stats().connections == 0)
            delivered += len(theirs)
        assert delivered > 6000

    @pytest.mark.parametrize("name", NAMES)
    @given(data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_any_rows_give_the_same_events(self, name: str, data: st.DataObject) -> None:
        rows = data.draw(st.lists(sdk_rows.rows(name), max_size=5))
        flat = [value for row in rows for value in row]
        theirs = sdk_type(name).from_stream(list(flat))
        assert_all_same(getattr(events, name).from_stream(flat), theirs)

    @pytest.mark.parametrize("name", NAMES)
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    def test_a_streamer_gives_of_any_rows_what_the_sdk_does(
        self, name: str, exchange: Exchange, streamer: DXLinkStreamer, data: st.DataObject
    ) -> None:
        rows = data.draw(st.lists(sdk_rows.rows(name), min_size=1, max_size=20))
        streamer.subscribe(getattr(events, name), "ANY", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        flat = json.loads(json.dumps([value for row in rows for value in row]))
        theirs = sdk_type(name).from_stream(flat)
        assert_all_same(through_the_wire(exchange, streamer, name, rows), theirs)


class TestEvents:
    def test_numbers_are_decimals_of_their_shortest_text(self) -> None:
        for number in (0.1, 150.0, 1e22, 5e-324, -0.0, 1.7976931348623157e308):
            price = Trade("A", price=number).price
            assert price == Decimal(str(number))
            assert str(price) == str(Decimal(str(number)))

    def test_they_are_made_of_names_aliases_and_what_pydantic_takes(self) -> None:
        assert Quote(eventSymbol="AAPL", bidPrice=Decimal("150.25"), ask_price="150.5") == Quote(
            "AAPL", bid_price=150.25, ask_price=150.5, bid_size=None, ask_size="NaN"
        )
        assert Trade("A", dayId=5.0, size=100).size == 100
        with pytest.raises(TypeError, match="no field 'bid'"):
            Quote("A", bid=1)
        with pytest.raises(ValueError, match="must be a number"):
            Quote("A", bid_price="cheap")
        twice: list[dict[str, Any]] = [
            {"event_symbol": "A", "eventSymbol": "B"},
            {"eventSymbol": "A", "bid_price": 1, "bidPrice": 2},
            {"eventSymbol": "A", "bid_exchange_code": "Q", "bidExchangeCode": "N"},
        ]
        for values in twice:
            with pytest.raises(TypeError, match=r"^Quote\(\) got \w+ twice$"):
                Quote(**values)
        with pytest.raises(TypeError, match=r"^Quote\(\) got event_symbol twice$"):
            Quote("A", eventSymbol="B")

    def test_fields_are_read_by_the_names_of_the_wire(self) -> None:
        assert (AAPL.bidPrice, AAPL.eventSymbol) == (Decimal("150.25"), "AAPL")  # type: ignore[attr-defined]
        bar = Candle("AAPL{=d}", vwap=1.5, imp_volatility=0.25)
        assert (bar.VWAP, bar.impVolatility) == (Decimal("1.5"), Decimal("0.25"))  # type: ignore[attr-defined]
        assert not hasattr(AAPL, "bidprice")
        assert "bidPrice" not in dir(AAPL)
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            getattr(AAPL, "nothing")  # noqa: B009 - mypy knows that there is none

    def test_a_price_that_is_absent_is_none_and_a_mean_of_it_too(self) -> None:
        quote = Quote("SPX", bid_price=1.0)
        assert [quote.ask_price, quote.mid_price, quote.micro_price] == [None] * 3
        assert Trade("SPX", size=0.5).size == Decimal("0.5")

    def test_values_of_other_events_are_decimals_too(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        assert Greeks(".A", volatility=0.397).implied_volatility == Decimal("0.397")
        assert Trade("A", day_volume=5).volume == Decimal(5)
        streamer.subscribe(Quote, "AAPL", 0)
        streamer.subscribe(Trade, "AAPL", 0)
        exchange.publish(AAPL, dxfeed.Trade("AAPL", price=150.25, day_volume=5))
        quote = streamer.get_event(Quote).result(20)
        until(lambda: quote.last_price is not None)
        assert (quote.last_price, quote.volume) == (Decimal("150.25"), Decimal(5))
        assert isinstance(quote.volume, Decimal)

    def test_they_are_events_of_ours_and_equal_to_them(self) -> None:
        ours = dxfeed.Quote("AAPL", bid_price=150.25, ask_price=150.5, bid_size=3.0, ask_size=1.0)
        theirs: Any = AAPL
        assert isinstance(theirs, dxfeed.Quote)
        assert theirs == ours
        assert ours == theirs
        assert hash(theirs) == hash(ours)
        assert theirs != Quote("AAPL")
        assert theirs != dxfeed.Trade("AAPL")

    def test_they_are_instances_of_the_sdks_classes_and_of_ours(self) -> None:
        event: Any = AAPL
        assert isinstance(event, tastytrade.dxfeed.Quote)
        assert isinstance(event, Quote)
        assert type(event) is Quote
        assert not isinstance(event, tastytrade.dxfeed.Trade | Trade)
        assert not isinstance(dxfeed.Quote("A"), tastytrade.dxfeed.Quote)

    def test_they_are_pickled_copied_and_shown(self) -> None:
        for twin in (pickle.loads(pickle.dumps(AAPL)), copy.copy(AAPL), copy.deepcopy(AAPL)):
            assert type(twin) is Quote
            assert twin == AAPL
        names: dict[str, Any] = {"Decimal": Decimal, "Quote": Quote}
        assert eval(repr(AAPL), names) == AAPL
        theirs = sdk_type("Quote")(**AAPL.model_dump())
        assert repr(AAPL) == repr(theirs)
        assert AAPL.as_dict()["bid_price"] == Decimal("150.25")

    def test_they_have_no_other_subclasses(self) -> None:
        for event_type in (Quote, dxfeed.Quote):
            with pytest.raises(TypeError, match="not an acceptable base type"):
                type("Mine", (event_type,), {})


class TestMethodsOfModels:
    THEIRS = tastytrade.dxfeed.Quote(**AAPL.model_dump())

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"by_alias": True},
            {"mode": "json"},
            {"include": {"bid_price"}},
            {"exclude": {"bid_price", "ask_price"}},
        ],
    )
    def test_dumps_are_the_sdks(self, options: dict[str, Any]) -> None:
        assert AAPL.model_dump(**options) == self.THEIRS.model_dump(**options)
        del_mode = {key: value for key, value in options.items() if key != "mode"}
        assert AAPL.model_dump_json(**del_mode) == self.THEIRS.model_dump_json(**del_mode)
        assert AAPL.model_dump_json(indent=2) == self.THEIRS.model_dump_json(indent=2)
        assert dict(AAPL) == dict(self.THEIRS)
        assert Trade("A", price=1).model_dump(exclude_none=True).get("change", 0) == 0

    def test_what_is_dumped_is_validated_again(self) -> None:
        for dumped in (AAPL.model_dump(), AAPL.model_dump(by_alias=True), self.THEIRS, AAPL):
            assert Quote.model_validate(dumped) == AAPL
        assert Quote.model_validate_json(AAPL.model_dump_json()) == AAPL
        native = dxfeed.Quote("AAPL", bid_price=150.25, ask_price=150.5, bid_size=3, ask_size=1)
        assert type(Quote.model_validate(native)) is Quote
        assert Quote.model_validate(AAPL.model_dump() | {"other": 1}) == AAPL
        assert Quote.model_construct(**AAPL.model_dump()) == AAPL

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"bid_price": "NaN"}, "Quote needs a number for bid_price"),
            ({"bid_exchange_code": None}, "Quote.bid_exchange_code must be a str"),
            ({"sequence": "one"}, "Quote.sequence must be an int"),
        ],
    )
    def test_what_the_sdk_does_not_take_is_refused(
        self, change: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            Quote.model_validate(AAPL.model_dump() | change)
        with pytest.raises(pydantic.ValidationError):
            tastytrade.dxfeed.Quote.model_validate(AAPL.model_dump() | change)
        with pytest.raises(ValueError, match="Quote needs bid_price"):
            Quote.model_validate(AAPL.model_dump(exclude={"bid_price"}))
        with pytest.raises(ValueError, match="Quote needs a number"):
            Quote.model_validate(ONE_SIDED)

    def test_a_copy_has_the_new_values(self) -> None:
        changed = AAPL.model_copy(update={"bid_price": Decimal(1), "askSize": 7, "sequence": 9})
        assert [changed.bid_price, changed.ask_size, changed.sequence] == [1, 7, 9]
        assert changed.ask_price == AAPL.ask_price
        assert AAPL.model_copy() == AAPL
        assert AAPL.model_copy(update={"ask_size": None}).ask_size == 0
        for name in ("event_symbol", "eventSymbol"):
            assert AAPL.model_copy(update={name: "B"}).symbol == "B"
        with pytest.raises(TypeError, match="no field"):
            AAPL.model_copy(update={"nothing": 1})

    def test_a_list_of_the_wrong_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="5 values are no multiple of the 12 fields of Quote"):
            Quote.from_stream([1] * 5)

    def test_pydantic_models_hold_events(self) -> None:
        class Holding(pydantic.BaseModel):
            quote: Quote
            native: dxfeed.Quote

        native = dxfeed.Quote("A", bid_price=1.5)
        holding = Holding(quote=AAPL, native=native)
        assert holding.quote is AAPL
        assert holding.native is native
        assert holding.model_dump()["quote"] == AAPL.model_dump()
        dumped = json.loads(holding.model_dump_json())
        assert dumped["quote"]["bid_price"] == "150.25"
        values = {"quote": dumped["quote"], "native": {"event_symbol": "A"}}
        assert Holding.model_validate(values).quote == AAPL
        with pytest.raises(pydantic.ValidationError):
            Holding.model_validate({"quote": {"event_symbol": "A"}, "native": native})

    def test_pydantic_is_not_needed(self) -> None:
        program = (
            "import sys\n"
            "sys.modules['pydantic'] = sys.modules['pydantic_core'] = None\n"
            "from dxstream.compat.events import Quote\n"
            "quote = Quote.model_validate(Quote('A', bid_price=1, ask_price=2))\n"
            "print(quote.model_dump_json(include={'mid_price', 'bid_price'}))\n"
        )
        assert output("-c", program) == '{"bid_price":"1.0"}\n'


class TestStreamer:
    @pytest.mark.parametrize("asked", [Quote, tastytrade.dxfeed.Quote])
    def test_the_class_that_is_passed_decides(
        self, exchange: Exchange, streamer: DXLinkStreamer, asked: Any
    ) -> None:
        streamer.subscribe(asked, "AAPL", 0)
        assert streamer.get_event_nowait(dxfeed.Quote) is None
        assert streamer.get_event_nowait(asked) is None
        ours, theirs = streamer.listen(dxfeed.Quote), streamer.listen(asked)
        batches = streamer.batches(asked)
        exchange.publish(AAPL)
        found = [
            next(theirs),
            streamer.get_event(asked).result(20),
            streamer.latest(asked, "AAPL"),
            streamer.collect(asked, "AAPL").result(20)[0]["AAPL"],
            streamer.snapshot(asked)[0],
            streamer.history(asked, "AAPL")[0],
            next(batches)[0],
        ]
        assert {type(event) for event in found} == {Quote}
        assert {event.bid_price for event in found} == {Decimal("150.25")}
        assert all(isinstance(event, tastytrade.dxfeed.Quote) for event in found)
        native = [
            next(ours),
            streamer.get_event(dxfeed.Quote).result(20),
            streamer.latest(dxfeed.Quote, "AAPL"),
            streamer.snapshot(dxfeed.Quote)[0],
        ]
        assert {type(event) for event in native} == {dxfeed.Quote}
        streamer.unsubscribe(asked, "AAPL")
        streamer.unsubscribe_all(asked)
        assert streamer.stats().subscriptions == 0

    def test_a_class_of_another_library_gives_our_own(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        other: Any = type("Quote", (), {})
        streamer.subscribe(other, "AAPL", 0)
        exchange.publish(AAPL)
        assert type(streamer.get_event(other).result(20)) is dxfeed.Quote
        derived: Any = type("Quote", (tastytrade.dxfeed.Quote,), {})
        assert type(streamer.latest(derived, "AAPL")) is Quote

    def test_what_the_sdk_does_not_deliver_is_filtered_and_kept(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        streamer.subscribe(Quote, ["AAPL", "SPX"], 0)
        until(lambda: exchange.stats().subscriptions == 2)
        listener = streamer.listen(Quote)
        latest = streamer.listen(Quote, policy="latest")
        native = streamer.listen(dxfeed.Quote)
        assert streamer.get_event_nowait(Quote) is None
        exchange.publish(ONE_SIDED, AAPL)
        assert streamer.get_event(Quote).result(20) == AAPL
        until(lambda: native.stats().received == 2)
        assert [next(latest), next(listener)] == [AAPL, AAPL]
        for each in (latest, listener):
            stats = each.stats()
            parts = (stats.delivered, stats.pending, stats.conflated, stats.dropped, stats.filtered)
            assert sum(parts) == stats.received
            assert (stats.delivered, stats.filtered) == (1, 1)
        assert [next(native).event_symbol, next(native).event_symbol] == ["SPX", "AAPL"]
        one_sided = streamer.latest(Quote, "SPX")
        assert one_sided is not None
        assert [one_sided.bid_price, one_sided.ask_price] == [Decimal("5931.91"), None]
        found, missing = streamer.collect(Quote, ["AAPL", "SPX"], 0).result(20)
        assert (list(found), missing) == (["AAPL"], ["SPX"])

    def test_our_own_listener_misses_nothing_after_get_event_of_the_sdks(
        self, exchange: Exchange, streamer: DXLinkStreamer
    ) -> None:
        streamer.subscribe(dxfeed.Quote, ["SPX", "AAPL"], 0)
        until(lambda: exchange.stats().subscriptions == 2)
        exchange.publish(ONE_SIDED, AAPL)
        assert streamer.get_event(Quote).result(20) == AAPL
        listener = streamer.listen(dxfeed.Quote)
        assert [next(listener).event_symbol for _ in range(2)] == ["SPX", "AAPL"]

    def test_the_sdks_loop_runs(self, exchange: Exchange) -> None:
        async def stream() -> Any:
            async with DXLinkStreamer(exchange.url) as streamer:
                await streamer.subscribe(sdk_type("Quote"), ["AAPL"])
                exchange.publish(AAPL)
                async for quote in streamer.listen(sdk_type("Quote")):
                    return quote
            return None

        assert asyncio.run(asyncio.wait_for(stream(), 20)).model_dump() == AAPL.model_dump()

    def test_a_table_of_them_has_the_same_columns(self) -> None:
        sale = TimeAndSale("A", price=1.5, size=100, spread_leg=True)
        table = EventTable.from_events(TimeAndSale, [sale, TimeAndSale("B")])
        assert table.price[0] == 1.5
        assert table.exchange_code.tolist() == [None, None]
        assert [type(event) for event in table] == [TimeAndSale, TimeAndSale]
        assert table[0] == sale
        with pytest.raises(TypeError, match="takes no"):
            EventTable.from_events(dxfeed.TimeAndSale, [sale])


def test_only_the_sdks_classes_have_its_fields() -> None:
    with pytest.raises(TypeError, match="no class of the SDK"):
        _dxstream.sdk_fields(dxfeed.Quote)
