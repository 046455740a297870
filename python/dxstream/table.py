"""Events of one type as columns: one numpy array per field."""

import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from dxstream import _dxstream, frames
from dxstream._dxstream import Fields
from dxstream.columns import DTYPES, UNKNOWN, Column, column_of, declared, values_of
from dxstream.dxfeed import Event

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["EventTable"]

E = TypeVar("E", bound=Event)

_BOOL = np.dtype(np.bool_)
_INT64 = np.dtype(np.int64)
_NO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class EventTable(Generic[E]):
    """Events of one type as columns: a contiguous numpy array per field, a row per event.

    A column is ``table.bid_price`` or ``table["bid_price"]``. ``table[["bid_price", "ask_price"]]``
    is a table of some fields; ``table[2:5]``, ``table[mask]`` and ``table[[4, 0]]`` are tables of
    some rows; ``table[3]`` is the event of a row.

    Parameters
    ----------
    event_type
        A class of :mod:`dxstream.dxfeed`.
    symbols
        The symbol of each row, as it was asked for or subscribed.
    columns
        Arrays of the fields that the table has, by name, of the types listed below. The
        `event_symbol`, which is the server's, may be left out where it is the same as `symbols`.
    valid
        Which rows hold an event; all, where it is ``None``. In the other rows every field is
        unknown, and both times of receipt are 0.
    received_at
        When each row was received, in ns of :func:`time.monotonic_ns`; 0 where it is ``None``.
    wall_offset
        What to add to `received_at` to get ns since 1970 UTC.
    names
        The names of the codes of enum columns that hold others than the declared ones.

    Raises
    ------
    TypeError
        If `event_type` is no event class, or a column is no array of its type.
    ValueError
        If a column is of no field, or of another length than `symbols`.

    Attributes
    ----------
    event_type : type
        The class of the events.
    fields : tuple of str
        The names of the columns, in the order of their declaration or in which they were chosen.
    symbols : tuple of str
        The symbol of each row, as the user writes it: that of an event's ``symbol``.
    event_symbols : tuple of str
        The symbol of each row, as the server writes it; the column `event_symbol` is the same.
    valid : array of bool
        Which rows hold an event.
    received_at : array of int64
        When the rows were received, ns of the local monotonic clock.
    wall_offset : int
        The wall clock less the monotonic one, ns.

    Notes
    -----
    Doubles are float64, NaN where unknown. Times (ms since 1970 UTC), days (since 1970-01-01),
    indexes, sequence numbers and flags are int64, 0 where unknown. Counts and identifiers are
    int64, and ``-2**63`` where unknown, which are the bits of NaT. Truth values are int8: 0, 1, and
    2 where unknown, so compare them with 1 to get a mask. Enums are int8 codes of :meth:`names`, -1
    where unknown. Texts and characters are objects: str, or ``None`` where unknown.

    A table never writes to its arrays, and does not keep others from doing so: they belong to
    whoever has the table. Tables made from another by naming fields or by a slice without a step
    share its memory; those made by a mask, by row numbers or by a step have copies.

    Examples
    --------
    >>> from dxstream.dxfeed import Quote
    >>> from dxstream.table import EventTable
    >>> table = EventTable.from_events(
    ...     Quote,
    ...     [Quote("AAPL", bid_price=150.0, ask_price=150.5), Quote("SPY", bid_price=600.0)],
    ... )
    >>> table
    EventTable of 2 Quote events, 12 fields
       event_symbol  bid_price  ask_price
    0  AAPL                150      150.5
    1  SPY                 600          -
    >>> table.bid_price
    array([150., 600.])
    >>> table[0]
    Quote(event_symbol='AAPL', bid_price=150.0, ask_price=150.5)
    """

    # Without a __dict__, nothing that is set on a table can hide one of its columns.
    __slots__ = (
        "__weakref__",
        "_columns",
        "_names",
        "_targets",
        "event_symbols",
        "event_type",
        "fields",
        "received_at",
        "symbols",
        "valid",
        "wall_offset",
    )

    def __init__(
        self,
        event_type: type[E],
        symbols: Sequence[str],
        columns: Mapping[str, Column],
        valid: npt.NDArray[np.bool_] | None = None,
        received_at: npt.NDArray[np.int64] | None = None,
        wall_offset: int = 0,
        *,
        names: Mapping[str, tuple[str, ...]] = _NO_NAMES,
    ) -> None:
        kinds = declared(event_type)
        rows = len(symbols)
        self.event_type = event_type
        self.symbols = self.event_symbols = tuple(symbols)
        self.valid = np.ones(rows, np.bool_) if valid is None else valid
        self.received_at = np.zeros(rows, np.int64) if received_at is None else received_at
        self.wall_offset = wall_offset
        self._names = names
        self._targets: tuple[Fields, tuple[Column, ...], Column, Column] | None = None
        self._columns: dict[str, Column] = {}
        if stray := [name for name in columns if name not in kinds]:
            raise ValueError(_no_field(stray[0], event_type.__name__, kinds))
        for name, column in columns.items():
            self._columns[name] = _checked(name, column, DTYPES[kinds[name].kind], rows)
        if "event_symbol" in columns:
            wire = tuple(self._columns["event_symbol"].tolist())
            self.event_symbols = self.symbols if wire == self.symbols else wire
        self.fields = tuple(name for name in kinds if name in columns or name == "event_symbol")
        self.valid = _checked("valid", self.valid, _BOOL, rows)
        self.received_at = _checked("received_at", self.received_at, _INT64, rows)

    @classmethod
    def from_events(cls, event_type: type[E], events: Iterable[E]) -> Self:
        """Make a table of events; they count as received now.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        events
            Events of that class.

        Raises
        ------
        TypeError
            If `event_type` is no event class, or one of the events is of another.
        """
        listed = list(events)
        kinds = declared(event_type)
        for event in listed:
            if type(event) is not event_type:
                msg = f"a table of {event_type.__name__} events takes no {type(event).__name__}"
                raise TypeError(msg)
        values = [_dxstream._raw(event) for event in listed]
        made = {
            name: column_of(field, [value[name] for value in values])
            for name, field in kinds.items()
        }
        now = time.monotonic_ns()
        return cls(
            event_type,
            [event.symbol for event in listed],
            {name: column for name, (column, _) in made.items()},
            received_at=np.full(len(listed), now, np.int64),
            wall_offset=time.time_ns() - now,
            names={name: names for name, (_, names) in made.items() if names},
        )

    def refresh(
        self,
        symbols: Sequence[str],
        event_symbols: Sequence[str],
        wall_offset: int,
        names: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Take note that the arrays were filled anew, with as many rows as before."""
        self.symbols = tuple(symbols)
        self.event_symbols = self.symbols if event_symbols is symbols else tuple(event_symbols)
        self.wall_offset = wall_offset
        self._names = names
        self._columns.pop("event_symbol", None)

    def targets(self) -> tuple[Fields, tuple[Column, ...], Column, Column]:
        """Return what the native part fills: fields and their arrays, `valid` and `received_at`.

        The symbols are not among them.

        Raises
        ------
        TypeError, ValueError
            If `valid` or `received_at` was replaced by what is no such array.
        """
        if self._targets is None:
            names = [name for name in self.fields if name != "event_symbol"]
            arrays = tuple(self._columns[name] for name in names)
            rows = len(self.symbols)
            valid = _checked("valid", self.valid, _BOOL, rows)
            received_at = _checked("received_at", self.received_at, _INT64, rows)
            self._targets = Fields(self.event_type, names), arrays, valid, received_at
        fields, arrays, valid, received_at = self._targets
        if self.valid is not valid or self.received_at is not received_at:
            self._targets = None
            return self.targets()
        # A view of each time, for an array may be given other memory.
        return fields, arrays, valid.view(np.uint8), received_at

    @property
    def received_at_wall(self) -> npt.NDArray[np.int64]:
        """When the rows were received, ns since 1970 UTC; 0 in rows without an event."""
        return np.where(self.valid, self.received_at + self.wall_offset, 0)

    def names(self, field: str) -> tuple[str, ...]:
        """Return the names of an enum field; the name of a row is the one at its code.

        Names that the server sent and the enum does not have come after its own.

        Raises
        ------
        KeyError
            If the table has no such field.
        ValueError
            If the field is no enum.
        """
        self[field]
        names = self._names.get(field) or declared(self.event_type)[field].names
        if not names:
            msg = f"{field} is no enum; {self._enums()}"
            raise ValueError(msg)
        return names

    def _enums(self) -> str:
        kinds = declared(self.event_type)
        enums = [name for name in self.fields if kinds[name].kind == "enum"]
        return f"the enums are {', '.join(enums)}" if enums else "the table has none"

    def times(self, field: str) -> npt.NDArray[np.datetime64]:
        """Return times as datetime64[ms], or days as datetime64[D]; unknown ones are NaT.

        Raises
        ------
        KeyError
            If the table has no such field.
        ValueError
            If the field holds neither times nor days.
        """
        column = self[field]
        kind = declared(self.event_type)[field].kind
        if kind not in ("time", "day"):
            msg = f"{field} holds neither times nor days"
            raise ValueError(msg)
        known = np.where(column == 0, UNKNOWN["long"], column)
        return known.view("datetime64[ms]" if kind == "time" else "datetime64[D]")

    def __len__(self) -> int:
        return len(self.symbols)

    def __iter__(self) -> Iterator[E]:
        return self._events(slice(None))

    def _events(self, rows: slice) -> Iterator[E]:
        kinds = declared(self.event_type)
        fields = dict.fromkeys(("event_symbol", *self.fields))
        columns = [
            values_of(field, self._column(name)[rows], self._names.get(name) or field.names)
            for name, field in ((name, kinds[name]) for name in fields)
        ]
        if self.symbols is not self.event_symbols:
            # That is how an event takes it.
            fields["symbol"] = None
            columns.append(list(self.symbols[rows]))
        for row in zip(*columns, strict=True):
            values = dict(zip(fields, row, strict=True))
            yield cast("E", _dxstream._event(self.event_type, values))

    def _column(self, name: str) -> Column:
        if name == "event_symbol" and name not in self._columns:
            self._columns[name] = _object_array(self.event_symbols)
        return self._columns[name]

    @overload
    def __getitem__(self, key: str) -> Column: ...
    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> E: ...
    @overload
    def __getitem__(
        self, key: slice | list[str] | list[int] | npt.NDArray[np.bool_ | np.integer[Any]]
    ) -> Self: ...
    def __getitem__(self, key: Any) -> Any:
        """Take a column by its name, an event by its row, or a part of the table.

        The event of a row that holds none has the symbol, and all else unknown.

        Raises
        ------
        KeyError
            If the table has no such field.
        IndexError
            If it has no such row, or a mask is of another length.
        TypeError
            If the key is none of these.
        """
        if isinstance(key, str):
            if key not in self.fields:
                raise KeyError(_no_field(key, self._title(), self.fields))
            return self._column(key)
        if isinstance(key, slice):
            return self._rows(key)
        if isinstance(key, np.ndarray) and key.ndim == 1:
            return self._rows(key)
        if isinstance(key, list | tuple):
            if key and all(isinstance(name, str) for name in key):
                return self._some(tuple(dict.fromkeys(key)), {name: self[name] for name in key})
            return self._rows(np.array(key, None if key else np.intp))
        try:
            row = operator.index(key)
        except TypeError:
            msg = f"a table is indexed by fields, rows or masks, not by {type(key).__name__}"
            raise TypeError(msg) from None
        if not -len(self) <= row < len(self):
            msg = f"row {row} is not in a table of {len(self)} rows"
            raise IndexError(msg)
        return next(self._events(slice(row, row + 1 or None)))

    def _rows(self, rows: slice | Column) -> Self:
        if isinstance(rows, np.ndarray) and rows.dtype.kind not in "biu":
            msg = f"rows are chosen by whole numbers or truth values, not by {rows.dtype}"
            raise TypeError(msg)
        columns = {name: column[rows] for name, column in self._columns.items()}
        if self.symbols is not self.event_symbols:
            columns["event_symbol"] = self._column("event_symbol")[rows]
        symbols: Sequence[str]
        if isinstance(rows, slice):
            symbols = self.symbols[rows]
        else:
            symbols = _object_array(self.symbols)[rows].tolist()
        return self._some(self.fields, columns, symbols, self.valid[rows], self.received_at[rows])

    def _some(
        self,
        fields: tuple[str, ...],
        columns: dict[str, Column],
        symbols: Sequence[str] | None = None,
        valid: npt.NDArray[np.bool_] | None = None,
        received_at: npt.NDArray[np.int64] | None = None,
    ) -> Self:
        some = type(self)(
            self.event_type,
            self.symbols if symbols is None else symbols,
            columns,
            self.valid if valid is None else valid,
            self.received_at if received_at is None else received_at,
            self.wall_offset,
            names=self._names,
        )
        some.fields = fields
        if symbols is None:
            some.event_symbols = self.event_symbols
        return some

    def __getattr__(self, name: str) -> Column:
        # While a table is being copied, it has no fields yet.
        fields = () if name in EventTable.__slots__ else self.fields
        if name in fields:
            return self._column(name)
        title = self._title() if fields else "the table"
        raise AttributeError(_no_field(name, title, fields), name=name, obj=self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.fields]

    def _title(self) -> str:
        return f"the {self.event_type.__name__} table"

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("__weakref__", "_targets")
        slots = (name for name in EventTable.__slots__ if name not in left_out)
        state = {name: getattr(self, name) for name in slots}
        return {**state, "_columns": dict(self._columns), "_names": dict(self._names)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._targets = None

    def __arrow_c_schema__(self) -> object:
        """Return the table's Arrow schema, as the PyCapsule interface wants it."""
        return _dxstream.arrow_schema(self._arrow_columns())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the table as an Arrow stream, as the PyCapsule interface wants it.

        polars, pyarrow, pandas and duckdb read it. Unknown values are null, but for doubles, which
        stay NaN; rows without an event are null but for their symbol. Times are timestamps in UTC,
        enums and symbols dictionaries of text. `received_at` is by the wall clock.
        """
        return _dxstream.arrow_stream(self._arrow_columns(), self.valid.view(np.uint8))

    def _arrow_columns(self) -> list[tuple[Any, ...]]:
        kinds = declared(self.event_type)
        columns: list[tuple[Any, ...]] = [
            (name, kinds[name].kind, column, self.names(name))
            if kinds[name].kind == "enum"
            else (name, kinds[name].kind, column)
            for name, column in self._columns.items()
        ]
        return [*columns, ("received_at", "time_ns", self.received_at_wall)]

    def to_numpy(self) -> Column:
        """Return a structured array: a record per row, a field per column, of the same types."""
        kinds = declared(self.event_type)
        types = [(name, DTYPES[kinds[name].kind]) for name in self.fields]
        records = np.empty(len(self), np.dtype(types))
        for name in self.fields:
            records[name] = self[name]
        return records

    def to_pandas(self, *, datetimes: bool = False) -> "pd.DataFrame":
        """Return a DataFrame; it needs pandas, as ``dxstream[pandas]`` installs it.

        Enums become categoricals, truth values the nullable boolean, counts and identifiers the
        nullable Int64.

        Parameters
        ----------
        datetimes
            Whether times become datetimes in UTC and days dates, instead of whole numbers; days
            beyond 32 bits are unknown then.
        """
        return frames.to_pandas(self, datetimes=datetimes)

    def to_polars(self, *, datetimes: bool = False) -> "pl.DataFrame":
        """Return a DataFrame; it needs polars, as ``dxstream[polars]`` installs it.

        Enums become polars enums; what is unknown is null, but for doubles, which are NaN, and for
        whole numbers whose unknown value is 0.

        Parameters
        ----------
        datetimes
            Whether times become datetimes in UTC and days dates, instead of whole numbers; days
            beyond 32 bits are unknown then.
        """
        return frames.to_polars(self, datetimes=datetimes)

    def __repr__(self) -> str:
        return frames.to_text(self)

    def _repr_html_(self) -> str:
        return frames.to_html(self)


def _checked(name: str, column: object, dtype: np.dtype[Any], rows: int) -> Column:
    if not isinstance(column, np.ndarray) or column.dtype != dtype:
        found = column.dtype if isinstance(column, np.ndarray) else type(column).__name__
        msg = f"{name} must be an array of {dtype}, not {found}"
        raise TypeError(msg)
    if column.shape != (rows,):
        msg = f"{name} must have the shape ({rows},) of the symbols, not {column.shape}"
        raise ValueError(msg)
    return np.ascontiguousarray(column)


def _object_array(values: Sequence[object]) -> Column:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _no_field(name: str, owner: str, fields: Iterable[str]) -> str:
    near = get_close_matches(name, fields, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(fields)}"
    return f"{owner} has no field {name!r}; {hint}"
