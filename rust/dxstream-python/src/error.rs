//! Errors of the core as Python exceptions, which `dxstream.errors` declares.

use dxstream::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Whether an exception says that the streamer or the listener was closed.
#[cold]
pub(crate) fn is_closed(py: Python<'_>, error: &PyErr) -> bool {
    let class =
        py.import("dxstream.errors").and_then(|errors| errors.getattr("StreamerClosedError"));
    class.is_ok_and(|class| error.is_instance(py, &class))
}

/// The exception for an error of the core.
pub(crate) fn map_error(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::InvalidArgument(text) => return PyValueError::new_err(text.clone()),
        Error::Authentication(_) => "AuthenticationError",
        Error::ConnectionLost(_) => "ConnectionLostError",
        Error::Protocol(_) => "ProtocolError",
        Error::Subscription(_) => "SubscriptionError",
        Error::Refused(_) => "RequestRefusedError",
        Error::SlowConsumer(_) => "SlowConsumerError",
        Error::Closed => "StreamerClosedError",
        _ => "DXStreamError",
    };
    let exception = py
        .import("dxstream.errors")
        .and_then(|errors| errors.getattr(class)?.call1((error.to_string(),)));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        Err(problem) => problem,
    }
}
