"""Reading tables out of a connection's store: snapshots and history."""

import time
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dxstream._dxstream import Batch, Client
from dxstream.columns import DTYPES, declared
from dxstream.dxfeed import Event
from dxstream.table import EventTable

if TYPE_CHECKING:
    from dxstream.subscriptions import TableRows

__all__ = ["check_fields", "check_out", "snapshot", "table_of"]

E = TypeVar("E", bound=Event)

_NO_NAMES: Mapping[str, tuple[str, ...]] = {}


def snapshot(
    client: Client,
    event_type: type[E],
    rows: "TableRows",
    fields: Iterable[str] | None,
    out: EventTable[E] | None,
) -> EventTable[E]:
    """Read the last event of each symbol into a table, or into the arrays of `out`."""
    names = rows.asked
    if out is None:
        out = _empty(event_type, names, fields)
    elif (
        type(out) is not EventTable
        or out.event_type is not event_type
        or len(out.symbols) != len(names)
        or fields is not None
    ):
        check_out(event_type, len(names), fields, out)
    extra = client.snapshot(rows.resolved, *out.targets())
    out.refresh(names, rows.wire, _wall_offset(), extra or _NO_NAMES)
    return out


def table_of(
    event_type: type[E],
    batch: Batch,
    fields: Iterable[str] | None = None,
    *,
    symbol: tuple[str, str] = ("", ""),
    out: EventTable[E] | None = None,
) -> EventTable[E]:
    """Make a table of the events of a batch, or fill `out` with them and with rows of none.

    The rows without an event get the `symbol`: as it was asked for, and as the wire has it.
    """
    names, wire = batch.symbols()
    if out is None:
        out = _empty(event_type, names, fields)
    else:
        missing = len(out) - len(names)
        names, wire = names + symbol[:1] * missing, wire + symbol[1:] * missing
    if names is not wire and names == wire:
        wire = names
    extra = batch.fill(*out.targets())
    out.refresh(names, wire, _wall_offset(), extra or _NO_NAMES)
    return out


def check_fields(event_type: type[Event], fields: Iterable[str] | None) -> list[str]:
    """List the fields to read; all where it is ``None``.

    Raises
    ------
    KeyError
        For the first that the event type does not have, with those that look like it.
    """
    kinds = declared(event_type)
    wanted = list(kinds) if fields is None else list(fields)
    for name in wanted:
        if name not in kinds:
            near = get_close_matches(name, kinds)
            hint = f"; there are {', '.join(near)}" if near else ""
            msg = f"{event_type.__name__} has no field {name!r}{hint}"
            raise KeyError(msg)
    return wanted


def check_out(
    event_type: type[Event], rows: int | None, fields: Iterable[str] | None, out: EventTable[Any]
) -> None:
    """Refuse a table that is of other events, rows or fields than those that are asked for.

    Any number of rows will do where it is ``None``, and any fields.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If it is another table.
    KeyError
        If there is no such field.
    """
    if not isinstance(out, EventTable):
        msg = f"out must be an EventTable, not {type(out).__name__}"
        raise TypeError(msg)
    rows = len(out) if rows is None else rows
    if out.event_type is not event_type or len(out) != rows:
        asked = getattr(event_type, "__name__", event_type)
        msg = (
            f"out is a table of {len(out)} {out.event_type.__name__} events; "
            f"{rows} {asked} events are asked for"
        )
        raise ValueError(msg)
    if fields is not None:
        wanted = {"event_symbol", *check_fields(event_type, fields)}
        if wanted != {"event_symbol", *out.fields}:
            msg = f"out has the fields {', '.join(out.fields)}; leave fields away, or name the same"
            raise ValueError(msg)


def _empty(
    event_type: type[E], names: tuple[str, ...], fields: Iterable[str] | None
) -> EventTable[E]:
    kinds = declared(event_type)
    rows = len(names)
    wanted = (name for name in check_fields(event_type, fields) if name != "event_symbol")
    return EventTable(
        event_type,
        names,
        {name: np.empty(rows, DTYPES[kinds[name].kind]) for name in wanted},
        np.empty(rows, np.bool_),
        np.empty(rows, np.int64),
    )


def _wall_offset() -> int:
    return time.time_ns() - time.monotonic_ns()
