//! The events of the tastytrade SDK: which fields they have, of which types, and which of them can be
//! absent. Read from the models of version 13.2.3.
//!
//! A number that is not finite counts as absent, as in the SDK, which does not deliver an event of
//! which a number is absent that must be there.

use dxstream::event::{EventKind, FieldKind};
use dxstream::store::{Need, Requirement, is_whole};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyString, PyTuple, PyType};

use super::class::{self, Class};
use super::object::View;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Str,
    OptionalStr,
    Bool,
    Int,
    OptionalInt,
    Decimal,
    OptionalDecimal,
    /// It is zero where it is absent, and need not be given.
    DecimalOrZero,
    /// The same, but it has to be given.
    GivenDecimalOrZero,
    /// `None`, whatever the server says; the text that it says here.
    Nothing,
}

use Type::{
    Bool, Decimal, DecimalOrZero, GivenDecimalOrZero, Int, Nothing, OptionalDecimal, OptionalInt,
    OptionalStr, Str,
};

type Fields = &'static [(&'static str, Type)];

/// The event types, and their fields in order behind those that all have.
const EVENTS: &[(EventKind, Fields)] = &[
    (
        EventKind::Candle,
        &[
            ("index", Int),
            ("time", Int),
            ("sequence", Int),
            ("count", Int),
            ("volume", OptionalDecimal),
            ("vwap", OptionalDecimal),
            ("bid_volume", OptionalDecimal),
            ("ask_volume", OptionalDecimal),
            ("imp_volatility", OptionalDecimal),
            ("open_interest", OptionalInt),
            ("open", GivenDecimalOrZero),
            ("high", GivenDecimalOrZero),
            ("low", GivenDecimalOrZero),
            ("close", GivenDecimalOrZero),
        ],
    ),
    (
        EventKind::Greeks,
        &[
            ("index", Int),
            ("time", Int),
            ("sequence", Int),
            ("price", Decimal),
            ("volatility", Decimal),
            ("delta", Decimal),
            ("gamma", Decimal),
            ("theta", Decimal),
            ("rho", Decimal),
            ("vega", Decimal),
        ],
    ),
    (
        EventKind::Profile,
        &[
            ("description", Str),
            ("short_sale_restriction", Str),
            ("trading_status", Str),
            ("halt_start_time", Int),
            ("halt_end_time", Int),
            ("ex_dividend_day_id", Int),
            ("status_reason", OptionalStr),
            ("high_52_week_price", OptionalDecimal),
            ("low_52_week_price", OptionalDecimal),
            ("beta", OptionalDecimal),
            ("shares", OptionalDecimal),
            ("high_limit_price", OptionalDecimal),
            ("low_limit_price", OptionalDecimal),
            ("earnings_per_share", OptionalDecimal),
            ("ex_dividend_amount", OptionalDecimal),
            ("dividend_frequency", OptionalDecimal),
            ("free_float", OptionalDecimal),
        ],
    ),
    (
        EventKind::Quote,
        &[
            ("sequence", Int),
            ("time_nano_part", Int),
            ("bid_time", Int),
            ("bid_exchange_code", Str),
            ("ask_time", Int),
            ("ask_exchange_code", Str),
            ("bid_price", Decimal),
            ("ask_price", Decimal),
            ("bid_size", DecimalOrZero),
            ("ask_size", DecimalOrZero),
        ],
    ),
    (
        EventKind::Summary,
        &[
            ("day_id", Int),
            ("day_close_price_type", Str),
            ("prev_day_id", Int),
            ("prev_day_close_price_type", Str),
            ("open_interest", Int),
            ("day_open_price", OptionalDecimal),
            ("day_high_price", OptionalDecimal),
            ("day_low_price", OptionalDecimal),
            ("day_close_price", OptionalDecimal),
            ("prev_day_close_price", OptionalDecimal),
            ("prev_day_volume", OptionalDecimal),
        ],
    ),
    (
        EventKind::TheoPrice,
        &[
            ("index", Int),
            ("time", Int),
            ("sequence", Int),
            ("price", Decimal),
            ("underlying_price", Decimal),
            ("delta", Decimal),
            ("gamma", Decimal),
            ("dividend", Decimal),
            ("interest", Decimal),
        ],
    ),
    (
        EventKind::TimeAndSale,
        &[
            ("index", Int),
            ("time", Int),
            ("time_nano_part", Int),
            ("sequence", Int),
            ("exchange_code", Str),
            ("price", Decimal),
            ("size", Int),
            ("bid_price", Decimal),
            ("ask_price", Decimal),
            ("trade_through_exempt", Str),
            ("aggressor_side", Str),
            ("spread_leg", Bool),
            ("extended_trading_hours", Bool),
            ("valid_tick", Bool),
            ("type", Str),
            ("buyer", Nothing),
            ("seller", Nothing),
            ("exchange_sale_conditions", OptionalStr),
        ],
    ),
    (
        EventKind::Trade,
        &[
            ("time", Int),
            ("time_nano_part", Int),
            ("sequence", Int),
            ("exchange_code", Str),
            ("day_id", Int),
            ("tick_direction", Str),
            ("extended_trading_hours", Bool),
            ("price", Decimal),
            ("change", OptionalDecimal),
            ("size", OptionalInt),
            ("day_volume", OptionalDecimal),
            ("day_turnover", OptionalDecimal),
        ],
    ),
    (
        EventKind::Underlying,
        &[
            ("index", Int),
            ("time", Int),
            ("sequence", Int),
            ("volatility", Decimal),
            ("front_volatility", Decimal),
            ("back_volatility", Decimal),
            ("call_volume", Int),
            ("put_volume", Int),
            ("option_volume", Int),
            ("put_call_ratio", Decimal),
        ],
    ),
];

/// What the SDK makes of an event type.
pub(super) struct Model {
    /// The places of its fields and their types, in the SDK's order.
    fields: Vec<(usize, Type)>,
    /// What it needs of the numbers of an event to deliver it.
    pub(super) requirements: &'static [Requirement],
}

impl Model {
    /// What the SDK makes of an event type, if it has it.
    pub(super) fn of(kind: EventKind) -> Option<Self> {
        let (_, own) = EVENTS.iter().find(|(of, _)| *of == kind)?;
        let flags: Fields = if kind.delivery().indexed { &[("event_flags", Int)] } else { &[] };
        let common: Fields = &[("event_symbol", Str), ("event_time", Int)];
        let all = common.iter().chain(flags).chain(*own);
        let place = |name| kind.fields().iter().position(|field| field.name == name);
        let fields: Vec<_> = all
            .map(|&(name, of_type)| (place(name).expect("the event type has the field"), of_type))
            .collect();
        let need = |&(at, of_type): &(usize, Type)| {
            let need = match (of_type, kind.fields()[at].kind) {
                (Decimal, FieldKind::Double) => Need::Finite,
                (Int, FieldKind::Double) => Need::Whole,
                (OptionalInt, FieldKind::Double) => Need::WholeOrUnknown,
                (Int, FieldKind::Long) => Need::Known,
                _ => return None,
            };
            Some((at, need))
        };
        let requirements = Vec::leak(fields.iter().filter_map(need).collect());
        Some(Self { fields, requirements })
    }

    /// The places of the fields, in the SDK's order.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().map(|&(at, _)| at)
    }

    fn type_of(&self, at: usize) -> Option<Type> {
        self.fields.iter().find(|(of, _)| *of == at).map(|&(_, of_type)| of_type)
    }
}

/// The value that the SDK gives a field of an event; that of our class where it has no such field.
///
/// # Errors
/// `MemoryError`.
pub(super) fn value<'py>(
    event: &View<'_, 'py>,
    model: &Model,
    at: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let py = event.py();
    let field = &event.fields()[at];
    let word = event.words()[at];
    let number = f64::from_bits(word);
    Ok(match (model.type_of(at), field.kind) {
        (Some(OptionalInt | Int), FieldKind::Double) if is_whole(number) => {
            (number as i64).into_bound_py_any(py)?
        }
        // A number that the SDK has no place for is told all the same.
        (Some(_), FieldKind::Double) if number.is_finite() => decimal(py, number)?,
        (Some(DecimalOrZero | GivenDecimalOrZero), FieldKind::Double) => zero(py)?,
        (Some(_), FieldKind::Double) => py.None().into_bound(py),
        // The SDK has a str here, of which unknown characters are NUL and unknown names are empty.
        (Some(Str), FieldKind::Char) if word == 0 => PyString::intern(py, "\0").into_any(),
        (Some(Str), kind) if word == kind.unknown() => PyString::intern(py, "").into_any(),
        _ => event.raw(at)?,
    })
}

/// `Decimal(str(number))`.
///
/// # Errors
/// `MemoryError`.
pub(super) fn decimal(py: Python<'_>, number: f64) -> PyResult<Bound<'_, PyAny>> {
    decimal_class(py)?.call1((PyFloat::new(py, number).str()?,))
}

/// `Decimal(0)`.
fn zero(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static ZERO: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let zero = ZERO.get_or_try_init(py, || decimal_class(py)?.call1((0,)).map(Bound::unbind))?;
    Ok(zero.bind(py).clone())
}

fn decimal_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

/// Half of bid and ask together, as the SDK computes it; `None` where one is unknown.
///
/// # Errors
/// Those of decimal arithmetic.
pub(super) fn mid_price<'py>(
    bid: &Bound<'py, PyAny>,
    ask: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if bid.is_none() || ask.is_none() {
        return Ok(bid.py().None().into_bound(bid.py()));
    }
    bid.add(ask)?.div(2)
}

/// Bid and ask, each weighted with the size of the other side, as the SDK computes it.
///
/// # Errors
/// Those of decimal arithmetic.
pub(super) fn micro_price<'py>(
    [bid, bid_size, ask, ask_size]: [&Bound<'py, PyAny>; 4],
) -> PyResult<Bound<'py, PyAny>> {
    let total = bid_size.add(ask_size)?;
    if bid.is_none() || ask.is_none() || !total.is_truthy()? {
        return mid_price(bid, ask);
    }
    bid_size.div(&total)?.mul(ask)?.add(ask_size.div(&total)?.mul(bid)?)
}

/// The classes of the events of the SDK, in the order of their names.
#[pyfunction]
pub(crate) fn sdk_event_types(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let classes = EVENTS.iter().filter_map(|(kind, _)| class::of_sdk(py, *kind));
    PyTuple::new(py, classes.map(|class| class.type_object(py)).collect::<Vec<_>>())
}

fn class_of(event_type: &Bound<'_, PyType>) -> PyResult<(&'static Class, &'static Model)> {
    let class = class::of_type(event_type.py(), event_type.as_type_ptr());
    let class = class.and_then(|class| Some((class, class.model.as_ref()?)));
    class.ok_or_else(|| {
        PyTypeError::new_err(format!("{event_type} is no class of the SDK's events"))
    })
}

/// The name, the alias and the type of each field of an event class of the SDK, in its order.
///
/// # Errors
/// `TypeError` for a class that is none.
#[pyfunction]
pub(crate) fn sdk_fields<'py>(event_type: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyTuple>> {
    let py = event_type.py();
    let (class, model) = class_of(event_type)?;
    let described = model.fields.iter().map(|&(at, of_type)| {
        let field = &class.fields()[at];
        (field.name, field.wire, format!("{of_type:?}")).into_pyobject(py)
    });
    PyTuple::new(py, described.collect::<PyResult<Vec<_>>>()?)
}

/// The names of the fields that keep the SDK from delivering an event.
///
/// # Errors
/// `TypeError` for what is no event.
#[pyfunction]
pub(crate) fn unmet<'py>(event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let view = View::of(event).ok_or_else(|| PyTypeError::new_err("an event is needed"))?;
    let requirements = view.class().requirements();
    let unmet = requirements.iter().filter(|(at, need)| !need.is_met(view.words()[*at]));
    PyTuple::new(event.py(), unmet.map(|(at, _)| view.fields()[*at].name).collect::<Vec<_>>())
}
