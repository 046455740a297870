"""Reading tables out of a connection's store: snapshots and history."""

import time
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np

from dxstream._dxstream import Batch, Client, Symbols
from dxstream.columns import DTYPES, Column, declared
from dxstream.dxfeed import Event
from dxstream.table import EventTable

__all__ = ["check_fields", "check_subscribed", "snapshot", "table_of"]

E = TypeVar("E", bound=Event)


def snapshot(
    client: Client,
    event_type: type[E],
    symbols: Symbols,
    names: Sequence[str],
    fields: Iterable[str] | None,
    out: EventTable[E] | None,
) -> EventTable[E]:
    """Read the last event of each symbol into a table, or into the arrays of `out`."""
    if out is None:
        columns = _empty(event_type, fields, len(symbols))
        valid = np.empty(len(symbols), np.bool_)
        received_at = np.empty(len(symbols), np.int64)
    else:
        _check_out(event_type, len(symbols), out)
        columns = out.arrays()
        valid, received_at = out.valid, out.received_at
    buffers = _buffers(event_type, columns)
    extra = client.snapshot(symbols, buffers, valid.view(np.uint8), received_at)
    _set_objects(columns, buffers)
    if out is not None:
        out.refresh(names, _wall_offset(), extra)
        return out
    return EventTable(event_type, names, columns, valid, received_at, _wall_offset(), names=extra)


def table_of(
    event_type: type[E], batch: Batch, fields: Iterable[str] | None = None
) -> EventTable[E]:
    """Make a table of the events of a batch."""
    rows = len(batch)
    columns = _empty(event_type, fields, rows)
    valid, received_at = np.empty(rows, np.bool_), np.empty(rows, np.int64)
    buffers = _buffers(event_type, columns)
    extra = batch.fill(buffers, valid.view(np.uint8), received_at)
    _set_objects(columns, buffers)
    symbols = batch.symbols()
    return EventTable(event_type, symbols, columns, valid, received_at, _wall_offset(), names=extra)


def check_subscribed(
    event_type: str, symbols: Iterable[str], subscribed: Mapping[str, Any]
) -> None:
    """Refuse symbols that are not subscribed.

    Raises
    ------
    KeyError
        For the first that is not, with those that look like it.
    """
    for symbol in symbols:
        if symbol not in subscribed:
            near = get_close_matches(symbol, subscribed, cutoff=0.5)
            hint = f"; there are {', '.join(near)}" if near else ""
            msg = f"{symbol} is not subscribed for {event_type}{hint}"
            raise KeyError(msg)


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


def _empty(event_type: type[Event], fields: Iterable[str] | None, rows: int) -> dict[str, Column]:
    kinds = declared(event_type)
    wanted = (name for name in check_fields(event_type, fields) if name != "event_symbol")
    return {name: np.empty(rows, DTYPES[kinds[name].kind]) for name in wanted}


def _buffers(event_type: type[Event], columns: Mapping[str, Column]) -> dict[str, Any]:
    kinds = declared(event_type)
    objects = np.dtype(object)
    return {
        name: [] if DTYPES[kinds[name].kind] == objects else column
        for name, column in columns.items()
    }


def _set_objects(columns: Mapping[str, Column], buffers: Mapping[str, Any]) -> None:
    for name, values in buffers.items():
        if isinstance(values, list):
            columns[name][:] = values


def _check_out(event_type: type[Event], rows: int, out: EventTable[Any]) -> None:
    if out.event_type is not event_type or len(out) != rows:
        msg = (
            f"out is a table of {len(out)} {out.event_type.__name__} events; "
            f"{rows} {event_type.__name__} events are asked for"
        )
        raise ValueError(msg)


def _wall_offset() -> int:
    return time.time_ns() - time.monotonic_ns()
