//! Properties that are computed from fields: times and dates, prices between bid and ask, flags.

use dxstream::event::{EventKind, Field, FieldKind, Quote, Record, SYMBOL_WORD, Trade, flags};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDate, PyDateTime, PyDelta, PyFloat, PyTzInfo};

use super::describe;
use super::object::View;
use super::sdk;

const MS_PER_DAY: i64 = 86_400_000;

/// A property that is not a field of the class that has it.
pub(super) struct Property {
    pub(super) name: String,
    pub(super) doc: String,
    compute: Compute,
}

/// How a property is computed; a number is the place of the field.
#[derive(Clone, Copy)]
enum Compute {
    Class,
    Symbol,
    Field(usize),
    Utc(usize),
    Date(usize),
    Flag(usize, i64),
    Mid,
    Micro,
    LastPrice,
    LastVolume,
    LastTime,
    SaleConditions,
}

impl Property {
    fn new(name: impl Into<String>, doc: impl Into<String>, compute: Compute) -> Self {
        Self { name: name.into(), doc: doc.into(), compute }
    }

    /// The attribute `__class__`, by which an event is an instance of a class of the SDK.
    pub(super) fn class() -> Self {
        Self::new("__class__", "The class of the event.", Compute::Class)
    }

    /// The attribute of a field, for a class whose values are not those of the base's getter.
    pub(super) fn of_field(field: &Field, at: usize) -> Self {
        Self::new(field.name, describe::field(field), Compute::Field(at))
    }

    /// The properties of the class `Event`, given the fields that all event types begin with.
    pub(super) fn of_event(fields: &'static [Field]) -> Vec<Self> {
        let mut properties = Self::of_base(fields, 0);
        properties.push(Self::new("symbol", describe::SYMBOL, Compute::Symbol));
        properties
    }

    /// The properties of the class `IndexedEvent`, whose base has the first `inherited` fields.
    pub(super) fn of_indexed_event(fields: &'static [Field], inherited: usize) -> Vec<Self> {
        let mut properties = Self::of_base(fields, inherited);
        if let Some(at) = fields.iter().position(|field| field.name == "event_flags") {
            properties.extend(
                FLAGS
                    .iter()
                    .map(|&(name, mask, doc)| Self::new(name, doc, Compute::Flag(at, mask))),
            );
        }
        properties
    }

    /// The properties of an event type, whose base has the first `inherited` fields.
    pub(super) fn of_kind(kind: EventKind, inherited: usize) -> Vec<Self> {
        let mut properties = Self::of_fields(kind.fields(), inherited);
        let alias = |name, doc, field| {
            let at = kind.fields().iter().position(|of_kind| of_kind.name == field);
            Self::new(name, doc, Compute::Field(at.expect("the field is declared")))
        };
        match kind {
            EventKind::Quote => properties.extend([
                Self::new("mid_price", describe::MID_PRICE, Compute::Mid),
                Self::new("micro_price", describe::MICRO_PRICE, Compute::Micro),
                Self::new("last_price", describe::LAST_PRICE, Compute::LastPrice),
                Self::new("volume", describe::LAST_VOLUME, Compute::LastVolume),
                Self::new("last_time", describe::LAST_TIME, Compute::LastTime),
            ]),
            EventKind::Trade | EventKind::TradeETH => properties.extend([
                alias("volume", describe::VOLUME, "day_volume"),
                Self::new("trade_conditions", describe::TRADE_CONDITIONS, Compute::SaleConditions),
            ]),
            EventKind::Greeks => {
                properties.push(alias(
                    "implied_volatility",
                    describe::IMPLIED_VOLATILITY,
                    "volatility",
                ));
            }
            _ => {}
        }
        properties
    }

    fn of_base(fields: &'static [Field], inherited: usize) -> Vec<Self> {
        let own = fields.iter().enumerate().skip(inherited);
        own.map(|(at, field)| Self::of_field(field, at))
            .chain(Self::of_fields(fields, inherited))
            .collect()
    }

    fn of_fields(fields: &'static [Field], inherited: usize) -> Vec<Self> {
        let own = fields.iter().enumerate().skip(inherited);
        own.filter_map(|(at, field)| {
            let name = field.name;
            match field.kind {
                FieldKind::Time => {
                    let doc = format!("The `{name}` as a datetime in UTC, or None for 0.");
                    Some(Self::new(format!("{name}_utc"), doc, Compute::Utc(at)))
                }
                FieldKind::Day => {
                    let doc = format!("The `{name}` as a date, or None for 0.");
                    Some(Self::new(format!("{name}_date"), doc, Compute::Date(at)))
                }
                _ => None,
            }
        })
        .collect()
    }

    /// The value of the property.
    ///
    /// # Errors
    /// `ValueError` for a time or day that Python's calendar does not reach.
    pub(super) fn value<'py>(&self, event: &View<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = event.py();
        let words = event.words();
        Ok(match self.compute {
            Compute::Class => event.class().shown(py)?.into_any(),
            Compute::Symbol => match event.spelling() {
                Some(spelling) => spelling.into_any(),
                None => event.value(SYMBOL_WORD)?,
            },
            Compute::Field(at) => event.value(at)?,
            Compute::Utc(at) | Compute::Date(at) if words[at] == 0 => py.None().into_bound(py),
            Compute::Utc(at) => {
                utc(py, words[at] as i64).map_err(|_| self.unreachable(words[at]))?
            }
            Compute::Date(at) => {
                date(py, words[at] as i64).map_err(|_| self.unreachable(words[at]))?
            }
            Compute::Flag(at, mask) => {
                PyBool::new(py, words[at] as i64 & mask != 0).to_owned().into_any()
            }
            Compute::Mid | Compute::Micro if event.model().is_some() => {
                let [bid, bid_size, ask, ask_size] = QUOTED.map(|name| event.value_of(name));
                let (bid, ask) = (&bid?, &ask?);
                if let Compute::Mid = self.compute {
                    sdk::mid_price(bid, ask)?
                } else {
                    sdk::micro_price([bid, &bid_size?, ask, &ask_size?])?
                }
            }
            Compute::Mid => PyFloat::new(py, mid_price(&Quote::from_row(words))).into_any(),
            Compute::Micro => PyFloat::new(py, micro_price(&Quote::from_row(words))).into_any(),
            Compute::LastPrice => known(event, last_trade(event)?.map(|trade| trade.price))?,
            Compute::LastVolume => known(event, last_trade(event)?.map(|trade| trade.day_volume))?,
            Compute::LastTime => {
                let time = last_trade(event)?.map(|trade| trade.time).filter(|&time| time != 0);
                time.into_bound_py_any(py)?
            }
            Compute::SaleConditions => {
                // Trade and TradeETH have the same fields.
                let conditions = match event.instrument() {
                    Some(instrument) => {
                        instrument.get().sale_conditions(py, &Trade::from_row(words))?
                    }
                    None => None,
                };
                conditions.into_bound_py_any(py)?
            }
        })
    }

    #[cold]
    fn unreachable(&self, word: u64) -> PyErr {
        let field = self.name.trim_end_matches("_utc").trim_end_matches("_date");
        let value = word as i64;
        PyValueError::new_err(format!("{field} {value} is outside of the years 1 to 9999"))
    }
}

/// The fields of which prices between bid and ask are made.
const QUOTED: [&str; 4] = ["bid_price", "bid_size", "ask_price", "ask_size"];

const FLAGS: &[(&str, i64, &str)] = &[
    ("pending", flags::TX_PENDING, "Whether more events of the same transaction follow."),
    ("remove", flags::REMOVE_EVENT, "Whether the event with this index is gone."),
    ("snapshot_begin", flags::SNAPSHOT_BEGIN, "Whether a snapshot begins with the event."),
    ("snapshot_end", flags::SNAPSHOT_END, "Whether a snapshot ends with the event."),
    (
        "snapshot_snip",
        flags::SNAPSHOT_SNIP,
        "Whether a snapshot ends with the event because the server cut it short.",
    ),
    ("snapshot_mode", flags::SNAPSHOT_MODE, "Whether the publisher works in snapshot mode."),
];

/// The companion of a Quote.
fn last_trade(quote: &View<'_, '_>) -> PyResult<Option<Trade>> {
    quote.instrument().map_or(Ok(None), |instrument| instrument.get().last_trade(quote.py()))
}

/// A number as the class of the event tells numbers, or `None` where it is unknown.
fn known<'py>(event: &View<'_, 'py>, number: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
    let py = event.py();
    Ok(match number.filter(|number| !number.is_nan()) {
        Some(number) if event.model().is_some() => sdk::decimal(py, number)?,
        Some(number) => PyFloat::new(py, number).into_any(),
        None => py.None().into_bound(py),
    })
}

fn mid_price(quote: &Quote) -> f64 {
    f64::midpoint(quote.bid_price, quote.ask_price)
}

fn micro_price(quote: &Quote) -> f64 {
    let total = quote.bid_size + quote.ask_size;
    if total > 0.0 {
        (quote.bid_price * quote.ask_size + quote.ask_price * quote.bid_size) / total
    } else {
        mid_price(quote)
    }
}

/// The time at `ms` since 1970.
fn utc(py: Python<'_>, ms: i64) -> PyResult<Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyDateTime>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || {
        let utc = PyTzInfo::utc(py)?;
        PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc)).map(Bound::unbind)
    })?;
    let ms_of_day = ms.rem_euclid(MS_PER_DAY);
    let (seconds, us) = ((ms_of_day / 1000) as i32, (ms_of_day % 1000 * 1000) as i32);
    epoch.bind(py).add(delta(py, ms.div_euclid(MS_PER_DAY), seconds, us)?)
}

/// The day with this number since 1970-01-01.
fn date(py: Python<'_>, day: i64) -> PyResult<Bound<'_, PyAny>> {
    PyDate::new(py, 1970, 1, 1)?.add(delta(py, day, 0, 0)?)
}

fn delta(py: Python<'_>, days: i64, seconds: i32, us: i32) -> PyResult<Bound<'_, PyDelta>> {
    PyDelta::new(py, i32::try_from(days)?, seconds, us, false)
}
