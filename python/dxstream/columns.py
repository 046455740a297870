"""How the fields of events stand in numpy columns, by the kind that each field is declared with."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from dxstream._dxstream import field_kinds
from dxstream.dxfeed import Event

__all__ = ["DTYPES", "UNKNOWN", "Column", "Field", "column_of", "declared", "unknown", "values_of"]

Column: TypeAlias = npt.NDArray[Any]

_INT64 = np.dtype(np.int64)
_INT8 = np.dtype(np.int8)
_OBJECT = np.dtype(object)

DTYPES: dict[str, np.dtype[Any]] = {
    "symbol": _OBJECT,
    "double": np.dtype(np.float64),
    "long": _INT64,
    "int": _INT64,
    "time": _INT64,
    "day": _INT64,
    "index": _INT64,
    "char": _OBJECT,
    "bool": _INT8,
    "enum": _INT8,
    "text": _OBJECT,
}
"""The type of a column, by the kind of its field."""

UNKNOWN: dict[str, Any] = {
    "symbol": None,
    "double": np.nan,
    "long": -(2**63),
    "int": 0,
    "time": 0,
    "day": 0,
    "index": 0,
    "char": None,
    "bool": 2,
    "enum": -1,
    "text": None,
}
"""What a column holds where the value is unknown, by the kind of its field."""

_TRUTH = {False: 0, True: 1, None: 2}
_MOST_NAMES = 128


class Field(NamedTuple):
    """What the declaration of an event type says of a field.

    Attributes
    ----------
    name
        The name of the field.
    kind
        A key of :data:`DTYPES`.
    names
        The names of an enum field, in the order of their codes; empty for other fields.
    """

    name: str
    kind: str
    names: tuple[str, ...]


_declared: WeakKeyDictionary[type[Event], Mapping[str, Field]] = WeakKeyDictionary()


def declared(event_type: type[Event]) -> Mapping[str, Field]:
    """Return the fields of an event type by their names.

    Raises
    ------
    TypeError
        If it is no class of :mod:`dxstream.dxfeed`.
    """
    if not isinstance(event_type, type):
        return _read_declaration(event_type)
    known = _declared.get(event_type)
    if known is None:
        known = _declared[event_type] = _read_declaration(event_type)
    return known


def _read_declaration(event_type: type[Event]) -> Mapping[str, Field]:
    kinds = field_kinds(event_type)
    return MappingProxyType({name: Field(name, kind, names or ()) for name, kind, names in kinds})


def column_of(field: Field, values: Sequence[Any]) -> tuple[Column, tuple[str, ...]]:
    """Make the column of a field from the values that events have.

    Names that the enum does not have get the codes after its own; those beyond code 127 are
    unknown.

    Returns
    -------
    tuple of array and tuple
        The column, and the names of its codes.
    """
    names = field.names
    if field.kind == "long":
        unknown_long = UNKNOWN["long"]
        values = [unknown_long if value is None else value for value in values]
    elif field.kind == "bool":
        values = [_TRUTH[value] for value in values]
    elif field.kind == "enum":
        seen = dict.fromkeys([*names, *(name for name in values if name is not None)])
        names = tuple(seen)[:_MOST_NAMES]
        codes = {name: code for code, name in enumerate(names)}
        values = [codes.get(name, -1) for name in values]
    column = np.empty(len(values), DTYPES[field.kind])
    column[:] = values
    return column, names


def values_of(field: Field, column: Column, names: tuple[str, ...]) -> list[Any]:
    """Return the values that events have for a column of a field."""
    listed: list[Any] = column.tolist()
    if field.kind == "long":
        unknown_long = UNKNOWN["long"]
        return [None if value == unknown_long else value for value in listed]
    if field.kind == "bool":
        return [None if value == 2 else value != 0 for value in listed]
    if field.kind == "enum":
        return [names[code] if 0 <= code < len(names) else None for code in listed]
    return listed


def unknown(kind: str, column: Column) -> npt.NDArray[np.bool_]:
    """Say of each row whether the value of a field of this kind is unknown.

    Sequence numbers, indexes and flags are never unknown: 0 is a value for them.
    """
    if kind == "double":
        return np.isnan(column)
    if kind in ("int", "index"):
        return np.zeros(len(column), np.bool_)
    if kind == "enum":
        return np.asarray(column < 0)
    return np.asarray(column == UNKNOWN[kind], np.bool_)
