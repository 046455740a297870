"""Event tables as data frames, and as text and HTML to look at."""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dxstream.columns import UNKNOWN, Column, declared, unknown, values_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from dxstream.table import EventTable

__all__ = ["to_html", "to_pandas", "to_polars", "to_text"]

_SHOWN_ROWS = 5
_SHOWN_WIDTH = 100
_CELL_WIDTH = 24
_GAP = "..."
_LEFT_ALIGNED = ("symbol", "time", "day", "char", "enum", "text")


def _dates(table: "EventTable[Any]", name: str) -> npt.NDArray[np.datetime64]:
    days = table.times(name)
    # Frames count days in 32 bits, or seconds in 64; either would turn others into wrong dates.
    last = np.datetime64(2**31 - 1, "D")
    first = np.datetime64(1 - 2**31, "D")
    return np.where((days >= first) & (days <= last), days, np.datetime64("NaT", "D"))


def to_pandas(table: "EventTable[Any]", *, datetimes: bool) -> "pd.DataFrame":
    """Make a pandas DataFrame of a table."""
    import pandas as pd

    kinds = declared(table.event_type)
    made: dict[str, Any] = {}
    for name in table.fields:
        kind, column = kinds[name].kind, table[name]
        if kind == "enum":
            names = table.names(name)
            codes = np.where(column < len(names), column, -1)
            made[name] = pd.Categorical.from_codes(codes.tolist(), categories=pd.Index(names))
        elif kind == "bool":
            made[name] = pd.array(values_of(kinds[name], column, ()), dtype="boolean")
        elif kind == "long":
            made[name] = pd.arrays.IntegerArray(column, unknown(kind, column), copy=True)
        elif kind == "time" and datetimes:
            made[name] = pd.DatetimeIndex(table.times(name)).tz_localize("UTC")
        elif kind == "day" and datetimes:
            made[name] = _dates(table, name).astype("datetime64[s]")
        else:
            made[name] = column.copy()
    return pd.DataFrame(made)


def to_polars(table: "EventTable[Any]", *, datetimes: bool) -> "pl.DataFrame":
    """Make a polars DataFrame of a table."""
    import polars as pl

    kinds = declared(table.event_type)
    made: dict[str, pl.Series] = {}
    for name in table.fields:
        field, column = kinds[name], table[name]
        if field.kind in ("time", "day") and datetimes:
            is_day = field.kind == "day"
            moments = _dates(table, name) if is_day else table.times(name)
            series = pl.Series(name, moments.view(np.int64)).replace(UNKNOWN["long"], None)
            series = series.cast(pl.Date if is_day else pl.Datetime("ms", "UTC"))
        elif field.kind == "enum":
            names = table.names(name)
            series = pl.Series(name, values_of(field, column, names), pl.Enum(names))
        elif field.kind == "bool":
            series = pl.Series(name, values_of(field, column, ()), pl.Boolean)
        elif field.kind == "long":
            series = pl.Series(name, values_of(field, column, ()), pl.Int64)
        elif column.dtype == object:
            series = pl.Series(name, column.tolist(), pl.String)
        else:
            series = pl.Series(name, column)
        made[name] = series
    return pl.DataFrame(made)


def _headline(table: "EventTable[Any]") -> str:
    missing = len(table) - int(np.count_nonzero(table.valid))
    without = f", {missing} of them without an event yet" if missing else ""
    unit = "event" if len(table) == 1 else "events"
    rows = f"{len(table)} {table.event_type.__name__} {unit}{without}"
    return f"EventTable of {rows}, {len(table.fields)} fields"


def _shown_rows(rows: int) -> Column:
    numbers = np.arange(rows)
    if rows <= 2 * _SHOWN_ROWS:
        return numbers
    return np.concatenate([numbers[:_SHOWN_ROWS], numbers[-_SHOWN_ROWS:]])


def _cell(kind: str, value: object) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, int) and kind in ("time", "day"):
        return "-" if value == 0 else _moment(kind, value)
    text = str(value)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= _CELL_WIDTH else f"{text[: _CELL_WIDTH - 3]}..."


def _moment(kind: str, value: int) -> str:
    most = 253_402_300_799_999 if kind == "time" else 2_932_896
    if not -most <= value <= most:
        return str(value)
    return str(np.datetime64(value, "ms" if kind == "time" else "D")).replace("T", " ")


def _cells(table: "EventTable[Any]", *, width: int | None) -> list[tuple[bool, list[str]]]:
    """Return the shown columns: whether each is aligned left, and its heading and cells.

    Columns of which nothing is known in these rows are left out.
    """
    kinds = declared(table.event_type)
    rows = _shown_rows(len(table))
    gap = len(rows) < len(table)
    numbers = [str(row) for row in rows]
    columns = [(True, ["", *numbers])]
    if "event_symbol" not in table.fields:
        columns.append((True, ["symbol", *(_cell("text", table.symbols[row]) for row in rows)]))
    left = 0
    for name in table.fields:
        field = kinds[name]
        column = table[name][rows]
        names = table.names(name) if field.kind == "enum" else ()
        cells = [_cell(field.kind, value) for value in values_of(field, column, names)]
        if any(cell not in ("-", "0") for cell in cells) or field.kind == "symbol":
            columns.append((field.kind in _LEFT_ALIGNED, [name, *cells]))
    if gap:
        for _, cells in columns:
            cells.insert(_SHOWN_ROWS + 1, _GAP)
    if width is None:
        return columns
    fitting: list[tuple[bool, list[str]]] = []
    for column_cells in columns:
        left += max(map(len, column_cells[1])) + 2
        if left > width and len(fitting) > 1:
            fitting.append((True, [_GAP] * len(column_cells[1])))
            break
        fitting.append(column_cells)
    return fitting


def to_text(table: "EventTable[Any]") -> str:
    """Show the first and last rows, and as many fields as have values and fit, aligned."""
    aligned = []
    for left, cells in _cells(table, width=_SHOWN_WIDTH):
        width = max(map(len, cells))
        aligned.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
    lines = ["  ".join(line).rstrip() for line in zip(*aligned, strict=True)]
    return "\n".join([_headline(table), *(lines if len(table) else [])])


def to_html(table: "EventTable[Any]") -> str:
    """Show the first and last rows, and all fields that have values, as an HTML table."""
    columns = [cells for _, cells in _cells(table, width=None)]
    heading, *lines = zip(*columns, strict=True)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return (
        f"<p>{escape(_headline(table))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
