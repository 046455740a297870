"""Event classes: what they say of themselves, construction, derived properties."""

import inspect
import math
import sys
import typing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import EVENT_TYPES

from dxstream import _dxstream, dxfeed
from dxstream._dxstream import _Rows
from dxstream.dxfeed import (
    Candle,
    Event,
    Greeks,
    IndexedEvent,
    Order,
    Profile,
    Quote,
    Series,
    Summary,
    TimeAndSale,
    Trade,
)


class TestClasses:
    def test_module_exports_every_class_of_the_extension(self) -> None:
        native = {
            name
            for name, value in vars(_dxstream).items()
            if isinstance(value, type) and issubclass(value, Event)
        }
        assert set(dxfeed.__all__) == native

    @pytest.mark.parametrize("event_type", EVENT_TYPES)
    def test_class_describes_itself(self, event_type: Any) -> None:
        assert event_type.__module__ == "dxstream.dxfeed"
        assert event_type.__qualname__ == event_type.__name__
        assert event_type.fields[:2] == ("event_symbol", "event_time")
        assert tuple(event_type.__annotations__) == event_type.fields
        assert tuple(inspect.signature(event_type).parameters) == event_type.fields
        documented = (inspect.getdoc(event_type) or "").partition("Attributes\n----------\n")[2]
        for name in event_type.fields:
            assert f"{name} : {event_type.__annotations__[name]}" in documented
            assert getattr(event_type, name).__doc__

    def test_annotations_are_types(self) -> None:
        hints = typing.get_type_hints(Summary)
        assert hints["day_open_price"] is float
        assert hints["open_interest"] == int | None

    def test_bases_have_no_instances(self) -> None:
        for base in (Event, IndexedEvent):
            with pytest.raises(TypeError, match="cannot create"):
                base()

    def test_indexed_types_share_a_base(self) -> None:
        assert isinstance(Candle("AAPL{=d}"), IndexedEvent)
        assert isinstance(Quote("AAPL"), Event)
        assert not isinstance(Quote("AAPL"), IndexedEvent)

    def test_event_types_are_final(self) -> None:
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("MyQuote", (Quote,), {})

    def test_properties_of_the_bases_refuse_what_is_no_event(self) -> None:
        stranger: Any = type("Stranger", (IndexedEvent, int), {})(5)
        for name in ("event_symbol", "pending", "time_utc"):
            with pytest.raises(TypeError, match="not an event type"):
                getattr(stranger, name)
        with pytest.raises(TypeError, match="not an event type"):
            Event.as_dict(stranger)

    def test_class_of_an_event_type_is_found_by_itself_and_by_its_name(self) -> None:
        assert _Rows.kind(Quote) == ("Quote", True)
        assert _Rows.kind(type("Quote", (), {})) == ("Quote", False)
        assert _Rows.kind(type("Quotation", (), {})) is None
        assert _Rows.kind(Event) is None


class TestConstruction:
    def test_symbol_is_positional_or_named(self) -> None:
        assert Quote("AAPL") == Quote(event_symbol="AAPL")
        assert Quote("AAPL").symbol == Quote("AAPL").event_symbol == "AAPL"

    def test_what_is_not_given_is_unknown(self) -> None:
        trade = Trade("AAPL")
        assert math.isnan(trade.price)
        assert trade.trade_id is None
        assert trade.exchange_code is None
        assert trade.tick_direction is None
        assert trade.extended_trading_hours is None
        assert (trade.time, trade.sequence, trade.day_id) == (0, 0, 0)
        assert Profile("AAPL").description is None

    def test_values_are_kept(self) -> None:
        sale = TimeAndSale(
            "AAPL",
            price=150,
            trade_id=0,
            exchange_code="Q",
            aggressor_side="BUY",
            spread_leg=False,
            buyer="",
        )
        assert type(sale.price) is float
        assert (sale.price, sale.trade_id, sale.exchange_code) == (150.0, 0, "Q")
        assert (sale.aggressor_side, sale.spread_leg, sale.buyer) == ("BUY", False, "")

    def test_integers_are_exact(self) -> None:
        index = 2**53 + 1
        assert Greeks("X", index=index).index == index
        assert Order("X", order_id=2**63 - 1).order_id == 2**63 - 1

    def test_strings_are_shared(self) -> None:
        symbol = "".join(["AA", "PL"])
        assert Quote(symbol).event_symbol is symbol
        side = "".join(["B", "UY"])
        assert Order("X", order_side=side).order_side is sys.intern(side)

    def test_str_subclass_becomes_str(self) -> None:
        text = type("Text", (str,), {})("AAPL")
        assert type(Quote(text).event_symbol) is str

    @pytest.mark.parametrize(
        ("event_type", "args", "fields", "error", "message"),
        [
            (Quote, (), {}, TypeError, "Quote() needs event_symbol"),
            (
                Quote,
                ("A", "B"),
                {},
                TypeError,
                "Quote() takes only event_symbol by position, name the other fields",
            ),
            (Quote, "A", {"event_symbol": "B"}, TypeError, "Quote() got event_symbol twice"),
            (Quote, "A", {"bid": 1}, TypeError, "Quote has no field 'bid'"),
            (Quote, (None,), {}, TypeError, "Quote.event_symbol must be a str, not NoneType"),
            (
                Quote,
                "A",
                {"bid_price": "1"},
                TypeError,
                "Quote.bid_price must be a number, not str",
            ),
            (
                Quote,
                "A",
                {"bid_price": None},
                TypeError,
                "Quote.bid_price must be a number, not NoneType",
            ),
            (Quote, "A", {"sequence": 1.5}, TypeError, "Quote.sequence must be an int, not float"),
            (
                Quote,
                "A",
                {"sequence": 2**63},
                ValueError,
                "Quote.sequence must be a number of 64 bits, not 9223372036854775808",
            ),
            (
                Quote,
                "A",
                {"bid_price": 10**400},
                ValueError,
                f"Quote.bid_price must be a number of 64 bits, not 1{'0' * 39}...",
            ),
            (
                Trade,
                "A",
                {"trade_id": -(2**63)},
                ValueError,
                "Trade.trade_id must be a number of 64 bits, not -9223372036854775808",
            ),
            (
                Quote,
                "A",
                {"bid_exchange_code": "NY"},
                ValueError,
                "Quote.bid_exchange_code must be one character, not 'NY'",
            ),
            (
                Quote,
                "A",
                {"bid_exchange_code": "\0"},
                ValueError,
                "Quote.bid_exchange_code must be one character, not '\\x00'",
            ),
            (
                Order,
                "A",
                {"order_side": "BYU"},
                ValueError,
                "Order.order_side must be one of UNDEFINED, BUY, SELL, not 'BYU'",
            ),
            (
                TimeAndSale,
                "A",
                {"spread_leg": 1},
                TypeError,
                "TimeAndSale.spread_leg must be a bool or None, not int",
            ),
            (
                Profile,
                "A",
                {"description": b""},
                TypeError,
                "Profile.description must be a str or None, not bytes",
            ),
            (
                Quote,
                "\ud800",
                {},
                ValueError,
                "Quote.event_symbol must be without lone surrogates, not '\\ud800'",
            ),
        ],
    )
    def test_wrong_arguments_are_named(
        self,
        event_type: Any,
        args: tuple[Any, ...],
        fields: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error) as caught:
            event_type(*args, **fields)
        assert str(caught.value) == message


class TestDerivedProperties:
    def test_time_as_datetime(self) -> None:
        quote = Quote("AAPL", bid_time=1_684_559_855_338)
        assert quote.bid_time_utc == datetime(2023, 5, 20, 5, 17, 35, 338_000, tzinfo=UTC)
        assert quote.ask_time_utc is None
        assert quote.event_time_utc is None

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_any_time_of_the_calendar(self, when: datetime) -> None:
        when = when.replace(microsecond=when.microsecond // 1000 * 1000)
        ms = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        assert Candle("X", time=ms).time_utc == (when if ms else None)

    def test_day_as_date(self) -> None:
        assert Summary("AAPL", day_id=20_665).day_id_date == date(2026, 7, 31)
        assert Summary("AAPL", day_id=20_665).prev_day_id_date is None
        assert Series("AAPL", expiration=1).expiration_date == date(1970, 1, 2)

    def test_time_beyond_the_calendar_is_an_error(self) -> None:
        with pytest.raises(
            ValueError, match="bid_time 9223372036854775807 is outside of the years"
        ):
            _ = Quote("X", bid_time=2**63 - 1).bid_time_utc
        with pytest.raises(ValueError, match="expiration 4000000 is outside of the years"):
            _ = Series("X", expiration=4_000_000).expiration_date

    def test_prices_between_bid_and_ask(self) -> None:
        quote = Quote("X", bid_price=10.0, bid_size=1.0, ask_price=12.0, ask_size=3.0)
        assert quote.mid_price == 11.0
        assert quote.micro_price == (10.0 * 3.0 + 12.0 * 1.0) / 4.0

    @pytest.mark.parametrize("size", [0.0, math.nan])
    def test_micro_price_without_sizes_is_mid_price(self, size: float) -> None:
        quote = Quote("X", bid_price=10.0, bid_size=size, ask_price=12.0, ask_size=size)
        assert quote.micro_price == quote.mid_price == 11.0

    def test_prices_of_one_side_are_unknown(self) -> None:
        quote = Quote("X", bid_price=10.0, bid_size=1.0, ask_size=1.0)
        assert math.isnan(quote.mid_price)
        assert math.isnan(quote.micro_price)

    @pytest.mark.parametrize(
        ("name", "flag"),
        [
            ("pending", 0x01),
            ("remove", 0x02),
            ("snapshot_begin", 0x04),
            ("snapshot_end", 0x08),
            ("snapshot_snip", 0x10),
            ("snapshot_mode", 0x40),
        ],
    )
    def test_flags(self, name: str, flag: int) -> None:
        assert getattr(Candle("X", event_flags=flag), name) is True
        assert getattr(Candle("X", event_flags=0x5F & ~flag), name) is False
