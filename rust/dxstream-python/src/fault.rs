//! The faults of an exchange, taken from the objects of `dxstream.faults`.

use dxstream_exchange::fault::{
    Action, Connections, Encoding, Expiry, Fault, Injection, Messages, Point,
};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyString};

use crate::event::{Class, known_class};

/// What `dxstream.faults.Fault` calls a message of any type.
const ANY: &str = "message";

/// The faults that these `dxstream.faults.Fault` describe.
pub(crate) fn all(faults: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Fault>> {
    faults.into_iter().map(|fault| of(&fault)).collect()
}

fn of(fault: &Bound<'_, PyAny>) -> PyResult<Fault> {
    Ok(Fault {
        connections: connections(fault)?,
        point: point(fault)?,
        times: times(fault)?,
        action: action(&fault.getattr("action")?)?,
    })
}

/// How often in a row a fault happens; nothing for always.
pub(crate) fn times(fault: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    let is_endless = fault.getattr("times")?.is_none();
    if is_endless { Ok(None) } else { number(fault, "times").map(Some) }
}

fn connections(fault: &Bound<'_, PyAny>) -> PyResult<Connections> {
    let given = |name| Ok::<_, PyErr>(!fault.getattr(name)?.is_none());
    match (given("connection")?, given("connections")?) {
        (false, false) => Ok(Connections::All),
        (true, false) => {
            let connection = number(fault, "connection")?;
            Ok(Connections::Numbers(connection..=connection))
        }
        (false, true) => match number(fault, "connections")? {
            0 => Err(PyValueError::new_err("connections must be above 0, not 0")),
            last => Ok(Connections::Numbers(1..=last)),
        },
        (true, true) => {
            Err(PyValueError::new_err("a fault has a connection or connections, not both"))
        }
    }
}

fn point(fault: &Bound<'_, PyAny>) -> PyResult<Point> {
    let at: Option<String> = fault.getattr("at")?.extract()?;
    let after: Option<String> = fault.getattr("after")?.extract()?;
    let number = number(fault, "number")?;
    let messages = |kind: String| Messages { kind: (kind != ANY).then_some(kind), number };
    let point = match (at, after) {
        (Some(at), None) => match at.as_str() {
            "accept" => Point::Accept,
            "tls" => Point::Tls,
            "upgrade" => Point::Upgrade,
            _ => return Ok(Point::At(messages(at))),
        },
        (None, Some(after)) => return Ok(Point::After(messages(after))),
        _ => return Err(PyValueError::new_err("a fault needs either at or after")),
    };
    if number != 1 {
        let text = format!("a connection comes to this point once; number must be 1, not {number}");
        return Err(PyValueError::new_err(text));
    }
    Ok(point)
}

fn action(action: &Bound<'_, PyAny>) -> PyResult<Action> {
    let class = action.get_type();
    let name = class.name()?;
    Ok(match name.to_str()? {
        "Stall" => Action::Stall {
            bytes: number(action, "bytes")?,
            reading: action.getattr("reading")?.extract()?,
        },
        "Cut" => Action::Cut {
            bytes: number(action, "bytes")?,
            reset: action.getattr("reset")?.extract()?,
        },
        "Trickle" => Action::Trickle { bytes_per_second: number(action, "bytes_per_second")? },
        "Respond" => {
            let headers = action.getattr("headers")?;
            Action::Respond {
                status: number(action, "status")?,
                headers: headers.cast::<PyMapping>()?.items()?.extract()?,
            }
        }
        "Close" => Action::Close {
            code: number(action, "code")?,
            reason: action.getattr("reason")?.extract()?,
        },
        "Inject" => Action::Inject(injection(action)?),
        "Omit" => Action::Omit,
        "Repeat" => Action::Repeat(number(action, "times")?),
        "Rewrite" => Action::Rewrite {
            old: action.getattr("old")?.extract()?,
            new: action.getattr("new")?.extract()?,
        },
        "Expire" => Action::Expire(match action.getattr("by")?.extract::<String>()?.as_str() {
            "AUTH_STATE" => Expiry::AuthState,
            "ERROR" => Expiry::Error,
            other => {
                let text = format!("by must be \"AUTH_STATE\" or \"ERROR\", not {other:?}");
                return Err(PyValueError::new_err(text));
            }
        }),
        "Reconfigure" => Action::Reconfigure(encoding(action)?),
        other => {
            let text = format!("what a fault does is a class of dxstream.faults, not {other}");
            return Err(PyTypeError::new_err(text));
        }
    })
}

fn injection(action: &Bound<'_, PyAny>) -> PyResult<Injection> {
    let payload = action.getattr("payload")?;
    let text: Option<bool> = action.getattr("text")?.extract()?;
    let bytes = if let Ok(text) = payload.cast::<PyString>() {
        text.to_str()?.as_bytes().to_vec()
    } else {
        payload.cast::<PyBytes>()?.as_bytes().to_vec()
    };
    Ok(Injection {
        payload: bytes.into(),
        text: text.unwrap_or_else(|| payload.is_instance_of::<PyString>()),
        fragments: number(action, "fragments")?,
        times: number(action, "times")?,
    })
}

fn encoding(action: &Bound<'_, PyAny>) -> PyResult<Encoding> {
    let event_type = action.getattr("event_type")?;
    let names: Vec<String> = action.getattr("fields")?.extract()?;
    let fields = match known_class(&event_type).map(Class::kind) {
        None if event_type.is_none() && names.is_empty() => None,
        None if event_type.is_none() => {
            return Err(PyValueError::new_err("fields need an event_type"));
        }
        None => return Err(PyTypeError::new_err("event_type is a class of dxstream.dxfeed")),
        Some(_) if names.is_empty() => {
            return Err(PyValueError::new_err("an event_type needs fields"));
        }
        Some(kind) => Some((kind, names)),
    };
    let compact = match action.getattr("data_format")?.extract::<Option<String>>()?.as_deref() {
        None => None,
        Some("COMPACT") => Some(true),
        Some("FULL") => Some(false),
        Some(other) => {
            let text = format!("data_format must be \"FULL\" or \"COMPACT\", not {other:?}");
            return Err(PyValueError::new_err(text));
        }
    };
    Ok(Encoding { fields, compact })
}

/// An attribute that is a number of the range of its Rust type.
pub(crate) fn number<T>(of: &Bound<'_, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    let value = of.getattr(name)?;
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(of.py()) {
            PyValueError::new_err(format!("{name} is out of range: {value}"))
        } else {
            error
        }
    })
}
