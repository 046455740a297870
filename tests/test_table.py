"""Tables of events: columns, parts, rows, frames, and what they look like."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import EVENT_TYPES, enum_names, events

from dxstream import EventTable
from dxstream._dxstream import _event, field_kinds
from dxstream.columns import DTYPES, UNKNOWN
from dxstream.dxfeed import Event, Order, Profile, Quote, Summary, TimeAndSale, Trade

QUOTES = [
    Quote("AAPL", bid_price=150.0, bid_size=100, ask_price=150.5, ask_time=1_684_559_855_338),
    Quote("SPY", bid_price=600.0, bid_exchange_code="Q"),
    Quote("MSFT", ask_price=400.25),
]


@pytest.fixture
def quotes() -> EventTable[Quote]:
    return EventTable.from_events(Quote, QUOTES)


def arrays(**columns: Any) -> dict[str, Any]:
    return {name: np.array(column) for name, column in columns.items()}


class TestColumns:
    @settings(deadline=None)
    @given(st.lists(events(), max_size=5))
    def test_every_row_is_its_event(self, drawn: list[Any]) -> None:
        for event_type in {type(event) for event in drawn}:
            of_type = [event for event in drawn if type(event) is event_type]
            table = EventTable.from_events(event_type, of_type)
            assert list(table) == of_type
            assert [table[row] for row in range(len(table))] == of_type
            assert table.symbols == tuple(event.event_symbol for event in of_type)
            repr(table)
            table._repr_html_()

    @pytest.mark.parametrize("event_type", EVENT_TYPES)
    def test_columns_have_the_types_of_their_kinds(self, event_type: Any) -> None:
        table = EventTable.from_events(event_type, [event_type("A")])
        assert table.fields == event_type.fields
        for name, kind, names in field_kinds(event_type):
            column = getattr(table, name)
            assert column is table[name]
            assert column.dtype == DTYPES[kind]
            assert list(names or ()) == enum_names(event_type, name)
            if kind != "symbol":
                np.testing.assert_array_equal(column, np.array([UNKNOWN[kind]], DTYPES[kind]))

    def test_values_that_a_server_made_up_are_kept(self) -> None:
        order = _event(Order, {"event_symbol": "A", "order_side": "SHORT", "exchange_code": "NYC"})
        table = EventTable.from_events(Order, [order, Order("B", order_side="SELL")])
        assert table.names("order_side") == ("UNDEFINED", "BUY", "SELL", "SHORT")
        assert table.order_side.tolist() == [3, 2]
        assert table[0] == order

    def test_names_beyond_the_codes_are_unknown(self) -> None:
        made_up = [
            _event(Order, {"event_symbol": "A", "order_side": str(number)}) for number in range(126)
        ]
        table = EventTable.from_events(Order, made_up)
        assert table.order_side.tolist() == [*range(3, 128), -1]

    def test_enum_codes_have_names(self) -> None:
        table = EventTable.from_events(Trade, [Trade("A", tick_direction="UP"), Trade("B")])
        names = table.names("tick_direction")
        assert [names[code] if code >= 0 else None for code in table.tick_direction] == ["UP", None]
        with pytest.raises(ValueError, match=r"price is no enum; the enums are tick_direction"):
            table.names("price")
        with pytest.raises(ValueError, match="the table has none"):
            table[["price"]].names("price")

    def test_times_and_days(self, quotes: EventTable[Quote]) -> None:
        times = quotes.times("ask_time")
        assert times.dtype == "datetime64[ms]"
        assert str(times[0]) == "2023-05-20T05:17:35.338"
        assert np.isnat(times[1:]).all()
        days = EventTable.from_events(Summary, [Summary("A", day_id=20_665), Summary("B")])
        assert days.times("day_id").dtype == "datetime64[D]"
        assert str(days.times("day_id")) == "['2026-07-31'        'NaT']"
        with pytest.raises(ValueError, match="bid_price holds neither times nor days"):
            quotes.times("bid_price")

    def test_receipt_is_told_on_both_clocks(self) -> None:
        table = EventTable(
            Quote,
            ["A", "B"],
            {},
            np.array([True, False]),
            np.array([5, 0]),
            wall_offset=1_000,
        )
        assert table.received_at.tolist() == [5, 0]
        assert table.received_at_wall.tolist() == [1_005, 0]

    def test_no_field_is_hidden_by_the_table(self) -> None:
        own = set(dir(EventTable))
        for event_type in EVENT_TYPES:
            assert own.isdisjoint(event_type.fields)

    def test_no_column_can_be_hidden_by_another_array(self, quotes: EventTable[Quote]) -> None:
        with pytest.raises(AttributeError):
            quotes.bid_price = np.zeros(3)  # type: ignore[attr-defined]
        assert quotes.bid_price[0] == 150

    def test_symbols_may_differ_from_those_on_the_wire(self) -> None:
        wire = {"event_symbol": np.array(["A{=m}"], object)}
        table = EventTable(Quote, ["A{=1m}"], wire)
        assert table.symbols == ("A{=1m}",)
        assert table[0] == Quote("A{=m}")


class TestParts:
    def test_some_fields(self, quotes: EventTable[Quote]) -> None:
        prices = quotes[["ask_price", "bid_price"]]
        assert prices.fields == tuple(prices.to_pandas()) == ("ask_price", "bid_price")
        assert np.shares_memory(prices.bid_price, quotes.bid_price)
        assert prices[0] == Quote("AAPL", bid_price=150.0, ask_price=150.5)
        assert list(prices[1:])[1] == Quote("MSFT", ask_price=400.25)
        assert prices[1:].fields == prices.fields

    def test_slices_share_memory_and_others_do_not(self, quotes: EventTable[Quote]) -> None:
        assert list(quotes[1:]) == QUOTES[1:]
        assert np.shares_memory(quotes[1:].bid_price, quotes.bid_price)
        assert list(quotes[::-2]) == QUOTES[::-2]
        assert quotes[::-2].bid_price.flags.c_contiguous
        assert not np.shares_memory(quotes[::-2].bid_price, quotes.bid_price)

    @pytest.mark.parametrize(
        ("key", "rows"),
        [
            (np.array([True, False, True]), [0, 2]),
            (np.array([2, -3]), [2, 0]),
            ([1, 1], [1, 1]),
            ([True, False, False], [0]),
            ([], []),
        ],
    )
    def test_masks_and_row_numbers(
        self, quotes: EventTable[Quote], key: Any, rows: list[int]
    ) -> None:
        part = quotes[key]
        assert list(part) == [QUOTES[row] for row in rows]
        assert part.symbols == tuple(QUOTES[row].event_symbol for row in rows)

    def test_rows_count_from_the_end_too(self, quotes: EventTable[Quote]) -> None:
        assert quotes[-1] == quotes[np.int64(2)] == QUOTES[2]
        for row in (3, -4):
            with pytest.raises(IndexError, match=f"row {row} is not in a table of 3 rows"):
                quotes[row]

    def test_rows_without_an_event_have_a_symbol_only(self) -> None:
        table = EventTable.from_events(Quote, [Quote("A"), Quote("B")])
        table.valid[1] = False
        assert table[table.valid].symbols == ("A",)
        assert table[1] == Quote("B")

    def test_copies_and_pickles(self, quotes: EventTable[Quote]) -> None:
        for same in (copy.copy(quotes), copy.deepcopy(quotes), pickle.loads(pickle.dumps(quotes))):
            assert list(same) == QUOTES


class TestMistakes:
    def test_unknown_fields_are_answered_with_near_ones(self, quotes: EventTable[Quote]) -> None:
        near = "the Quote table has no field 'bid_prise'; did you mean bid_price"
        with pytest.raises(AttributeError, match=near):
            _ = quotes.bid_prise
        with pytest.raises(KeyError, match=near):
            quotes["bid_prise"]
        with pytest.raises(KeyError, match=near):
            quotes[["ask_price", "bid_prise"]]
        with pytest.raises(KeyError, match="'zzz'; it has bid_price"):
            quotes[["bid_price"]]["zzz"]

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: EventTable(int, [], {}), TypeError, "an event class of dxstream.dxfeed"),  # type: ignore[type-var]
            (lambda: EventTable(Event, [], {}), TypeError, "an event class of dxstream.dxfeed"),
            (
                lambda: EventTable(Quote, [], arrays(bid=[1.0])),
                ValueError,
                "Quote has no field 'bid'; did you mean bid_",
            ),
            (
                lambda: EventTable(Quote, ["A"], arrays(bid_price=[1])),
                TypeError,
                "bid_price must be an array of float64, not int64",
            ),
            (
                lambda: EventTable(Quote, ["A"], {"bid_price": [1.0]}),  # type: ignore[dict-item]
                TypeError,
                "bid_price must be an array of float64, not list",
            ),
            (
                lambda: EventTable(Quote, ["A"], arrays(bid_price=[1.0, 2.0])),
                ValueError,
                r"bid_price must have the shape \(1,\) of the symbols, not \(2,\)",
            ),
            (
                lambda: EventTable(Quote, ["A"], {}, np.array([True, True])),
                ValueError,
                "valid must have the shape",
            ),
            (
                lambda: EventTable.from_events(Quote, [Trade("A")]),
                TypeError,
                "a table of Quote events takes no Trade",
            ),
        ],
    )
    def test_wrong_arguments_are_named(
        self, make: Callable[[], object], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            make()

    def test_wrong_keys_are_refused(self, quotes: EventTable[Quote]) -> None:
        key: Any = 1.5
        with pytest.raises(TypeError, match="by fields, rows or masks, not by float"):
            quotes[key]
        with pytest.raises(TypeError, match="whole numbers or truth values, not by float64"):
            quotes[np.array([1.5])]
        with pytest.raises(IndexError):
            quotes[np.array([True])]


class TestFrames:
    EVENTS = (
        TimeAndSale("A", time=86_400_000, price=1.5, trade_id=7, spread_leg=True, buyer="X"),
        TimeAndSale("B", aggressor_side="BUY", exchange_code="Q", event_flags=4),
    )

    @pytest.fixture
    def sales(self) -> EventTable[TimeAndSale]:
        return EventTable.from_events(TimeAndSale, self.EVENTS)

    def test_records(self, sales: EventTable[TimeAndSale]) -> None:
        records = sales.to_numpy()
        assert records.dtype.names == TimeAndSale.fields
        assert records["price"][0] == 1.5
        assert records[1]["event_flags"] == 4
        assert records["buyer"].tolist() == ["X", None]

    def test_pandas(self, sales: EventTable[TimeAndSale]) -> None:
        frame = sales.to_pandas()
        assert list(frame.columns) == list(TimeAndSale.fields)
        assert frame["time"].tolist() == [86_400_000, 0]
        assert frame["trade_id"].tolist() == [7, pd.NA]
        assert frame["spread_leg"].tolist() == [True, pd.NA]
        assert list(frame["aggressor_side"].cat.categories) == ["UNDEFINED", "BUY", "SELL"]
        assert frame["aggressor_side"].isna().tolist() == [True, False]
        assert frame["buyer"][0] == "X"
        frame.loc[0, "price"] = 2.0
        assert sales.price[0] == 1.5

    def test_polars(self, sales: EventTable[TimeAndSale]) -> None:
        frame = sales.to_polars()
        assert frame.columns == list(TimeAndSale.fields)
        assert frame["time"].to_list() == [86_400_000, 0]
        assert frame["trade_id"].to_list() == [7, None]
        assert frame["spread_leg"].to_list() == [True, None]
        assert frame["aggressor_side"].to_list() == [None, "BUY"]
        assert frame["aggressor_side"].dtype == pl.Enum(["UNDEFINED", "BUY", "SELL"])
        assert frame["buyer"].to_list() == ["X", None]

    def test_frames_with_datetimes(self, sales: EventTable[TimeAndSale]) -> None:
        pandas_times = sales.to_pandas(datetimes=True)["time"]
        assert str(pandas_times[0]) == "1970-01-02 00:00:00+00:00"
        assert pandas_times.isna().tolist() == [False, True]
        polars_times = sales.to_polars(datetimes=True)["time"]
        assert polars_times.dtype == pl.Datetime("ms", "UTC")
        assert polars_times.is_null().to_list() == [False, True]
        days = EventTable.from_events(Summary, [Summary("A", day_id=1), Summary("B")])
        assert str(days.to_pandas(datetimes=True)["day_id"][0]) == "1970-01-02 00:00:00"
        assert str(days.to_polars(datetimes=True)["day_id"].to_list()[0]) == "1970-01-02"

    @pytest.mark.parametrize("day", [2**31, -(2**31), 2**62, 2**63 - 1, -(2**63)])
    def test_days_that_frames_cannot_count_are_unknown(self, day: int) -> None:
        table = EventTable.from_events(Summary, [Summary("A", day_id=day)])
        assert table.to_pandas(datetimes=True)["day_id"].isna().all()
        assert table.to_polars(datetimes=True)["day_id"].is_null().all()
        repr(table)

    @settings(deadline=None)
    @given(events())
    def test_any_event_has_frames(self, event: Any) -> None:
        table = EventTable.from_events(type(event), [event])
        for datetimes in (False, True):
            for frame in (
                table.to_pandas(datetimes=datetimes),
                table.to_polars(datetimes=datetimes),
            ):
                assert list(frame.columns) == list(table.fields)
                assert frame["event_symbol"][0] == event.event_symbol

    @pytest.mark.parametrize("event_type", EVENT_TYPES)
    def test_every_type_without_rows_and_with_unknown_ones(self, event_type: Any) -> None:
        for rows in (0, 1):
            table = EventTable.from_events(event_type, [event_type("A")] * rows)
            for datetimes in (False, True):
                assert table.to_pandas(datetimes=datetimes).shape == (rows, len(table.fields))
                assert table.to_polars(datetimes=datetimes).shape == (rows, len(table.fields))
            assert table.to_numpy().shape == (rows,)
            assert repr(table).startswith(f"EventTable of {rows} {event_type.__name__} event")


class TestLooks:
    def test_long_tables_show_both_ends(self) -> None:
        table = EventTable.from_events(
            Quote, [Quote(f"S{row}", bid_price=row / 4, bid_time=1) for row in range(1, 12)]
        )
        table.valid[0] = False
        assert repr(table).splitlines() == [
            "EventTable of 11 Quote events, 1 of them without an event yet, 12 fields",
            "     event_symbol  bid_time                 bid_price",
            "0    S1            1970-01-01 00:00:00.001       0.25",
            "1    S2            1970-01-01 00:00:00.001        0.5",
            "2    S3            1970-01-01 00:00:00.001       0.75",
            "3    S4            1970-01-01 00:00:00.001          1",
            "4    S5            1970-01-01 00:00:00.001       1.25",
            "...  ...           ...                            ...",
            "6    S7            1970-01-01 00:00:00.001       1.75",
            "7    S8            1970-01-01 00:00:00.001          2",
            "8    S9            1970-01-01 00:00:00.001       2.25",
            "9    S10           1970-01-01 00:00:00.001        2.5",
            "10   S11           1970-01-01 00:00:00.001       2.75",
        ]

    def test_wide_tables_and_long_texts_are_cut(self) -> None:
        numbers: dict[str, Any] = {
            name: 1.0 for name in TimeAndSale.fields if name.endswith(("price", "size"))
        }
        sale = TimeAndSale("A\n", buyer="B" * 200, exchange_sale_conditions="C" * 30, **numbers)
        text = repr(EventTable.from_events(TimeAndSale, [sale]))
        assert max(map(len, text.splitlines())) <= 105
        assert r"A\n" in text
        profile = Profile("A", description="D" * 200)
        assert f"{'D' * 21}..." in repr(EventTable.from_events(Profile, [profile]))

    def test_symbols_show_without_their_column(self, quotes: EventTable[Quote]) -> None:
        assert repr(quotes[["bid_price"]]).splitlines()[1:3] == [
            "   symbol  bid_price",
            "0  AAPL          150",
        ]

    def test_html_is_escaped(self) -> None:
        html = EventTable.from_events(Quote, [Quote("<b>", bid_price=1)])._repr_html_()
        assert "<td>&lt;b&gt;</td>" in html
        assert html.count("<tr>") == 2


def test_numpy_is_imported_with_the_first_table() -> None:
    program = (
        "import sys, dxstream; assert 'numpy' not in sys.modules; "
        "dxstream.EventTable; assert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
