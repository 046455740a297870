"""Columns as Arrow data, as pyarrow and polars read them."""

import array
import datetime as dt
import gc
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from dxstream._dxstream import arrow_schema, arrow_stream

if TYPE_CHECKING:
    from typing_extensions import CapsuleType

NAT = np.iinfo(np.int64).min
DAY = dt.datetime(2026, 7, 31, 13, 30, tzinfo=dt.UTC)
DAY_MS = int(DAY.timestamp() * 1000)
CATEGORIES = pa.dictionary(pa.int32(), pa.utf8())


@dataclass
class Table:
    """Columns as a table of events has them."""

    columns: Sequence[tuple[Any, ...]]
    valid: Any = None

    def __arrow_c_schema__(self) -> "CapsuleType":
        return arrow_schema(self.columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> "CapsuleType":
        return arrow_stream(self.columns, self.valid)


def longs(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def every_kind() -> Table:
    return Table(
        [
            ("event_symbol", "symbol", ["AAPL", "SPY", "AAPL", None]),
            ("price", "double", np.array([1.5, math.nan, -0.0, math.inf])),
            ("trade_id", "long", longs(0, NAT, 2**63 - 1, -1)),
            ("sequence", "int", longs(0, NAT, 7, 8)),
            ("index", "index", longs(2**62, -(2**62), 0, 1)),
            ("time", "time", longs(DAY_MS, 0, NAT, -1)),
            ("received_at", "time_ns", longs(DAY_MS * 1_000_000 + 1, 0, NAT, -1)),
            ("day_id", "day", longs(20665, 0, 2**40, -1)),
            ("valid_tick", "bool", np.array([0, 1, 2, 255], dtype=np.uint8)),
            ("exchange_code", "char", ["Q", None, "", "é"]),
            ("buyer", "text", ["a", None, "", "数"]),
            ("side", "enum", np.array([2, -1, 3, 0], dtype=np.int8), ["UNDEFINED", "BUY", "SELL"]),
        ]
    )


EXPECTED = {
    "event_symbol": (CATEGORIES, ["AAPL", "SPY", "AAPL", None]),
    "trade_id": (pa.int64(), [0, None, 2**63 - 1, -1]),
    "sequence": (pa.int64(), [0, NAT, 7, 8]),
    "index": (pa.int64(), [2**62, -(2**62), 0, 1]),
    "time": (
        pa.timestamp("ms", "UTC"),
        [DAY, None, None, dt.datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=dt.UTC)],
    ),
    "day_id": (pa.date32(), [dt.date(2026, 7, 31), None, None, dt.date(1969, 12, 31)]),
    "valid_tick": (pa.bool_(), [False, True, None, None]),
    "exchange_code": (pa.utf8(), ["Q", None, "", "é"]),
    "buyer": (pa.utf8(), ["a", None, "", "数"]),
    "side": (CATEGORIES, ["SELL", None, None, "UNDEFINED"]),
}


def test_pyarrow_reads_every_kind() -> None:
    table = pa.table(every_kind())
    table.validate(full=True)
    assert len(table.schema.names) == len(EXPECTED) + 2
    for name, (kind, values) in EXPECTED.items():
        assert table.schema.field(name).type == kind, name
        assert table.column(name).to_pylist() == values, name
    assert table.schema.field("received_at").type == pa.timestamp("ns", "UTC")
    nanoseconds = table.column("received_at").cast(pa.int64()).to_pylist()
    assert nanoseconds == [DAY_MS * 1_000_000 + 1, None, None, -1]


def test_nan_stays_nan() -> None:
    price = pa.table(every_kind()).column("price")
    assert price.null_count == 0
    values = price.to_pylist()
    assert math.isnan(values[1])
    assert values[::3] == [1.5, math.inf]
    assert math.copysign(1, values[2]) == -1


def test_polars_reads_every_kind() -> None:
    frame = pl.DataFrame(every_kind())
    for name, (_, values) in EXPECTED.items():
        assert frame[name].to_list() == values, name
    assert frame.schema["price"] == pl.Float64
    assert frame.schema["time"] == pl.Datetime("ms", "UTC")
    assert frame.schema["received_at"] == pl.Datetime("ns", "UTC")
    assert frame.schema["day_id"] == pl.Date
    assert frame["price"].null_count() == 0
    assert frame["price"].is_nan().to_list() == [False, True, False, False]


def test_the_schema_is_that_of_the_stream() -> None:
    table = every_kind()
    assert pa.schema(table) == pa.table(table).schema
    assert pa.schema(Table([("a", "long"), ("b", "enum")])).names == ["a", "b"]


@pytest.mark.parametrize(
    "valid", [np.array([True, False, True, False]), np.array([1, 0, 1, 0], dtype=np.uint8)]
)
def test_rows_without_an_event_have_a_symbol_and_nothing_else(valid: Any) -> None:
    table = every_kind()
    table.valid = valid
    read = pa.table(table)
    whole = pa.table(every_kind())
    assert read.column("event_symbol").to_pylist() == ["AAPL", "SPY", "AAPL", None]
    for name in read.schema.names[1:]:
        assert read.column(name)[1].as_py() is None, name
        assert read.column(name)[3].as_py() is None, name
        assert read.column(name)[0] == whole.column(name)[0], name
        assert read.column(name)[2] == whole.column(name)[2], name


@pytest.mark.parametrize("valid", [None, np.zeros(0, dtype=np.bool_)])
def test_a_table_of_no_rows_keeps_its_types(valid: Any) -> None:
    columns = [
        (name, kind, values[:0], *rest) for name, kind, values, *rest in every_kind().columns
    ]
    table = Table(columns, valid)
    assert pa.table(table).schema == pa.table(every_kind()).schema
    assert pa.table(table).num_rows == 0
    assert pl.DataFrame(table).shape == (0, len(columns))


def test_a_table_of_no_columns_has_no_rows() -> None:
    assert pa.table(Table([])).shape == (0, 0)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "?"])
def test_integers_have_any_width(dtype: str) -> None:
    table = Table([("n", "int", np.array([0, 1, 1], dtype=dtype))])
    assert pa.table(table).column("n").to_pylist() == [0, 1, 1]


@pytest.mark.parametrize("dtype", ["f8", "i8", "u1", "?"])
def test_columns_may_skip_rows(dtype: str) -> None:
    values = np.array([0, 1, 1, 0], dtype=dtype)[::-2]
    kind = "double" if dtype == "f8" else "int"
    assert pa.table(Table([("n", kind, values)])).column("n").to_pylist() == [0, 1]


def test_columns_need_no_numpy() -> None:
    table = Table([("n", "double", array.array("d", [1.5])), ("m", "int", b"\x07")])
    assert pa.table(table).to_pylist() == [{"n": 1.5, "m": 7}]


def test_a_read_only_array_is_a_column() -> None:
    values = longs(1, 2)
    values.flags.writeable = False
    assert pa.table(Table([("n", "int", values)])).column("n").to_pylist() == [1, 2]


def test_data_outlives_its_table_and_does_not_follow_it() -> None:
    price = np.array([1.0, 2.0])
    before = sys.getrefcount(price)
    reader = pa.RecordBatchReader.from_stream(Table([("price", "double", price)]))
    assert sys.getrefcount(price) == before
    price[:] = 9.0
    del price
    gc.collect()
    table = reader.read_all()
    assert table.column("price").to_pylist() == [1.0, 2.0]


def test_a_capsule_is_consumed_once() -> None:
    capsule = every_kind().__arrow_c_stream__()
    read = pa.RecordBatchReader._import_from_c_capsule(capsule)
    with pytest.raises(pa.ArrowInvalid, match="released"):
        pa.RecordBatchReader._import_from_c_capsule(capsule)
    del capsule
    assert read.read_all().num_rows == 4


def test_what_nobody_consumes_is_freed() -> None:
    values = np.zeros(1 << 17)
    before = peak()
    for _ in range(200):
        arrow_stream([("n", "double", values)])
        pa.table(Table([("n", "double", values)]))
    # The 400 copies would be 400 MiB.
    assert peak() - before < 100 << 10


def peak() -> int:
    """Tell the most memory that the process has had, in KiB."""
    resource = pytest.importorskip("resource")
    usage: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage // 1024 if sys.platform == "darwin" else usage


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (("a", "float", longs()), ValueError, 'there is no kind "float"'),
        (("a", "int"), IndexError, "out of range"),
        (("a", "enum", longs()), IndexError, "out of range"),
        (("a", "double", longs(1)), BufferError, "f64"),
        (("a", "int", np.array([1.0])), TypeError, "has no integers"),
        (("a", "int", longs(1, 2, 3)), ValueError, '"a" has 3 rows where there are 2'),
        (("a", "int", np.zeros((2, 2), dtype=np.int64)), ValueError, "one dimension"),
        (("a", "double", np.zeros((2, 2))), ValueError, "one dimension"),
        (("a", "int", [1, 2]), TypeError, "bytes-like"),
        (("a", "text", [1, 2]), TypeError, "str"),
        (("a", "text", 5), TypeError, "iterable"),
    ],
)
def test_a_column_that_is_none_is_refused(
    column: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        arrow_stream([("first", "int", longs(1, 2)), column])


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match='"n" has 2 rows where there are 1'):
        arrow_stream([("n", "int", longs(1, 2))], longs(1))
