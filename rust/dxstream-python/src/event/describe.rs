//! What Python programmers read of the classes: documentation, signatures, annotations.

use std::fmt::Write as _;

use dxstream::event::{EventKind, Field, FieldKind};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::known_class;

/// The documentation of the class `Event`.
pub(super) const EVENT: &str = "\
The base of all event types; it has no instances of its own.

Events do not change. They are equal when they are of one type and all of their fields are equal,
where an unknown number equals an unknown number; equal events have the same hash. They have no
order.

Notes
-----
What the server did not send is unknown. An unknown double is NaN; an unknown text, character,
enum name or truth value is None, and so is an unknown count or identifier (`int | None`).
Times, days, indexes, sequence numbers and flags are plain integers, and 0 says that they are
unknown: that is the rule of dxFeed, which has no other mark for them.";

/// The documentation of the class `IndexedEvent`.
pub(super) const INDEXED_EVENT: &str = "\
The base of the event types that have an index and event flags.

It has no instances of its own. An index is unique for its symbol; a time series is ordered by it.";

pub(super) const SYMBOL: &str = "\
The symbol as it was written in the last subscription; event_symbol is that of the wire.

It is the same for events of all types, so that they can be joined by it. Of an event that a program
made, it is the event_symbol.";

pub(super) const MID_PRICE: &str =
    "The price halfway between bid and ask; NaN where one of them is unknown.";

pub(super) const MICRO_PRICE: &str = "\
The mean of bid and ask, each weighted with the size of the other side.

It leans to the side that is about to give way. It is the mid price where the sizes are unknown or
total 0, and NaN where the bid or the ask is unknown.";

pub(super) const LAST_PRICE: &str = "\
The price of the symbol's last Trade, or None where none came.

A Quote has no such price on the wire. It is that of the last Trade known when it is read: the first
read of the symbol's `last_price`, `volume` or `last_time` subscribes its Trade, hidden from
listeners, if the streamer does not leave it out, and unsubscribing the Quote ends that. It is None
while none has come, where the price is unknown, of an event that a program made, and when the
streamer is gone. `last_time` says how old it is.";

pub(super) const LAST_VOLUME: &str =
    "The day's volume by the symbol's last Trade, or None where none came; see last_price.";

pub(super) const LAST_TIME: &str = "\
The time of the symbol's last Trade, ms since 1970 UTC, or None where it is unknown.

See last_price.";

pub(super) const VOLUME: &str = "\
Volume of the trading day so far, the same as day_volume. The size of the trade is its size.";

pub(super) const TRADE_CONDITIONS: &str = "\
The conditions of the sale in the exchange's own letters, or None where they are not known.

No Trade has them on the wire. They are those of the TimeAndSale of the same symbol, time, sequence,
price and size, if TimeAndSale is subscribed and the streamer still has it when this is read.";

pub(super) const IMPLIED_VOLATILITY: &str =
    "Black-Scholes implied volatility, a fraction; the same as volatility.";

/// The Python type of a field's value.
pub(super) const fn annotation(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Symbol => "str",
        FieldKind::Double => "float",
        FieldKind::Long => "int | None",
        FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => "int",
        FieldKind::Bool => "bool | None",
        FieldKind::Char | FieldKind::Enum(_) | FieldKind::Text => "str | None",
    }
}

/// What Python calls a field kind.
const fn kind_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Symbol => "symbol",
        FieldKind::Double => "double",
        FieldKind::Long => "long",
        FieldKind::Int => "int",
        FieldKind::Time => "time",
        FieldKind::Day => "day",
        FieldKind::Index => "index",
        FieldKind::Char => "char",
        FieldKind::Bool => "bool",
        FieldKind::Enum(_) => "enum",
        FieldKind::Text => "text",
    }
}

/// The name, the kind and the enum names of each field of an event class.
///
/// # Errors
/// `TypeError` for a class that is none of ours.
#[pyfunction]
pub(crate) fn field_kinds<'py>(event_type: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = event_type.py();
    let class = known_class(event_type).ok_or_else(|| {
        PyTypeError::new_err(format!(
            "an event class of dxstream.dxfeed is needed, such as Quote; not {}",
            event_type.repr().map_or_else(|_| "this".into(), |repr| repr.to_string())
        ))
    })?;
    let described = class.fields().iter().map(|field| {
        let names = match field.kind {
            FieldKind::Enum(names) => Some(PyTuple::new(py, names.names)?),
            _ => None,
        };
        (field.name, kind_name(field.kind), names).into_pyobject(py)
    });
    PyTuple::new(py, described.collect::<PyResult<Vec<_>>>()?)
}

/// The documentation of a field.
pub(super) fn field(field: &Field) -> String {
    match field.kind {
        FieldKind::Enum(names) => format!("{} One of {}.", field.doc, names.names.join(", ")),
        _ => field.doc.to_owned(),
    }
}

/// The documentation of a class of the SDK's events.
pub(super) fn sdk_class(kind: EventKind) -> String {
    let name = kind.name();
    format!(
        "{}\n\nIt is {name} of dxstream.dxfeed with the fields and types of the tastytrade SDK.",
        kind.doc().trim()
    )
}

/// The signature and the documentation of an event type's class.
pub(super) fn class(kind: EventKind) -> String {
    let mut text = format!("{}(", kind.name());
    for (at, field) in kind.fields().iter().enumerate() {
        text += if at == 0 { "" } else { ", " };
        text += field.name;
        text += match field.kind {
            FieldKind::Symbol => ", *",
            FieldKind::Double => "=nan",
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => "=0",
            _ => "=None",
        };
    }
    text += ")\n--\n\n";
    for line in kind.doc().lines() {
        text += line.trim();
        text.push('\n');
    }
    text += "\nAttributes\n----------\n";
    for each in kind.fields() {
        let _ = writeln!(text, "{} : {}\n    {}", each.name, annotation(each.kind), field(each));
    }
    text
}
