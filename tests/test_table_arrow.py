"""Tables of events as Arrow data."""

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from dxstream.dxfeed import Quote, Summary, TimeAndSale
from dxstream.table import EventTable

SALES = [
    TimeAndSale(
        "AAPL",
        time=1_700_000_000_123,
        price=150.25,
        size=100,
        aggressor_side="BUY",
        exchange_sale_conditions="@ TI",
        valid_tick=True,
    ),
    TimeAndSale("SPY", price=600),
]


def test_polars_and_pyarrow_take_a_table_as_it_is() -> None:
    table = EventTable.from_events(TimeAndSale, SALES)
    frame = pl.DataFrame(table)
    assert frame["event_symbol"].to_list() == ["AAPL", "SPY"]
    assert frame["price"].to_list() == [150.25, 600.0]
    assert frame["aggressor_side"].cast(pl.String).to_list() == ["BUY", None]
    assert frame["exchange_sale_conditions"].to_list() == ["@ TI", None]
    assert frame["valid_tick"].to_list() == [True, None]
    assert frame["time"].dt.epoch("ms").to_list() == [1_700_000_000_123, None]
    read = pa.table(table)
    assert read.column_names == frame.columns
    assert read["time"].to_pylist()[0].tzinfo is not None


def test_parts_of_a_table_are_arrow_data_too() -> None:
    table = EventTable.from_events(TimeAndSale, SALES)
    assert pl.DataFrame(table[["price", "size"]]).columns[-3:] == ["price", "size", "received_at"]
    assert pl.DataFrame(table[1:])["price"].to_list() == [600.0]
    assert pl.DataFrame(table[::-1])["price"].to_list() == [600.0, 150.25]
    assert len(pl.DataFrame(table[:0])) == 0


def test_an_unknown_count_is_null_and_an_unknown_price_stays_nan() -> None:
    frame = pl.DataFrame(EventTable.from_events(Summary, [Summary("AAPL")]))
    assert frame["open_interest"].to_list() == [None]
    assert frame["day_open_price"].is_nan().to_list() == [True]


def test_the_schema_alone_can_be_asked_for() -> None:
    schema = pa.schema(EventTable.from_events(Quote, []))
    assert schema.field("bid_price").type == pa.float64()
