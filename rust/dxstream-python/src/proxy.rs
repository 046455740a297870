//! `FaultProxy`: the proxy of the exchange's crate, as a Python object.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dxstream_exchange::proxy::{self, Corruption, Cut, ProxyError, Stream};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::process::Owned;

/// A proxy on loopback, on a thread of its own. It stops when it is dropped.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct FaultProxy {
    proxy: Owned<proxy::FaultProxy>,
}

#[pymethods]
impl FaultProxy {
    #[new]
    fn py_new(py: Python<'_>, port: u16, host: &str, server_port: u16) -> PyResult<Self> {
        let name = if host == "localhost" { "127.0.0.1" } else { host };
        let ip = name.parse().map_err(|_| {
            PyValueError::new_err(format!("the server must be on loopback, not on {host:?}"))
        })?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = SocketAddr::new(ip, server_port);
        let proxy =
            py.detach(|| proxy::FaultProxy::start(address, server)).map_err(
                |error| match error {
                    ProxyError::NotLoopback(_) => PyValueError::new_err(error.to_string()),
                    _ => PyOSError::new_err(error.to_string()),
                },
            )?;
        Ok(Self { proxy: Owned::new(proxy) })
    }

    /// The port that the proxy listens on.
    #[getter(port)]
    fn py_port(&self) -> PyResult<u16> {
        Ok(self.proxy.get()?.address().port())
    }

    /// Lets each byte wait for so many seconds.
    #[pyo3(name = "delay")]
    fn py_delay(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let delay = Duration::try_from_secs_f64(seconds)
            .ok()
            // A clock that adds up delays has to hold them.
            .filter(|delay| *delay <= Duration::from_hours(24))
            .ok_or_else(|| {
                PyValueError::new_err(format!("the delay must be from 0 s to a day, not {seconds}"))
            })?;
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.set_delay(delay));
        Ok(())
    }

    /// Lets so many bytes a second pass.
    #[pyo3(name = "trickle")]
    fn py_trickle(&self, py: Python<'_>, bytes_per_second: Option<i64>) -> PyResult<()> {
        let rate = bytes_per_second
            .map(|rate| {
                u32::try_from(rate).ok().filter(|&rate| rate > 0).ok_or_else(|| {
                    PyValueError::new_err(format!("bytes_per_second must be above 0, not {rate}"))
                })
            })
            .transpose()?;
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.trickle(rate));
        Ok(())
    }

    /// Moves no byte.
    #[pyo3(name = "freeze")]
    fn py_freeze(&self, py: Python<'_>) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.freeze());
        Ok(())
    }

    /// Moves bytes again.
    #[pyo3(name = "thaw")]
    fn py_thaw(&self, py: Python<'_>) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.thaw());
        Ok(())
    }

    /// Cuts connections at a byte of a stream.
    #[pyo3(name = "cut")]
    fn py_cut(
        &self,
        py: Python<'_>,
        after: Option<i64>,
        stream: &str,
        reset: bool,
        connections: i64,
    ) -> PyResult<()> {
        let stream = stream_of(stream)?;
        let connections = count("connections", connections, 1)?;
        let after = after.map(|after| count("after", after, 0)).transpose()?;
        let cut = after.map(|after| Cut { after, reset, connections });
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.cut(stream, cut));
        Ok(())
    }

    /// Changes a byte of a stream.
    #[pyo3(name = "corrupt")]
    fn py_corrupt(
        &self,
        py: Python<'_>,
        at: Option<i64>,
        stream: &str,
        mask: i64,
        connections: i64,
    ) -> PyResult<()> {
        let stream = stream_of(stream)?;
        let connections = count("connections", connections, 1)?;
        let mask = u8::try_from(mask).ok().filter(|&mask| mask > 0).ok_or_else(|| {
            PyValueError::new_err(format!("mask must be from 1 to 255, not {mask}"))
        })?;
        let at = at.map(|at| count("at", at, 0)).transpose()?;
        let corruption = at.map(|at| Corruption { at, mask, connections });
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.corrupt(stream, corruption));
        Ok(())
    }

    /// Ends every connection now.
    #[pyo3(name = "drop")]
    fn py_drop(&self, py: Python<'_>, reset: bool) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.drop_connections(reset));
        Ok(())
    }

    /// Lets the system refuse new connections.
    #[pyo3(name = "refuse")]
    fn py_refuse(&self, py: Python<'_>) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        Ok(py.detach(|| proxy.refuse())?)
    }

    /// Accepts connections again.
    #[pyo3(name = "accept")]
    fn py_accept(&self, py: Python<'_>) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        Ok(py.detach(|| proxy.accept())?)
    }

    /// What the proxy has done, by the names of `dxstream.exchange.ProxyStats`.
    #[pyo3(name = "stats")]
    fn py_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.proxy.get()?.stats();
        let counts = PyDict::new(py);
        counts.set_item("connections", stats.connections)?;
        counts.set_item("accepted", stats.accepted)?;
        counts.set_item("unreachable", stats.unreachable)?;
        counts.set_item("cut", stats.cut)?;
        counts.set_item("corrupted", stats.corrupted)?;
        counts.set_item("bytes_from_server", stats.bytes_from_server)?;
        counts.set_item("bytes_from_client", stats.bytes_from_client)?;
        Ok(counts)
    }

    /// Ends every connection and the proxy.
    #[pyo3(name = "stop")]
    fn py_stop(&self, py: Python<'_>) -> PyResult<()> {
        let proxy = self.proxy.get()?;
        py.detach(|| proxy.stop());
        Ok(())
    }
}

fn stream_of(name: &str) -> PyResult<Stream> {
    match name {
        "server" => Ok(Stream::Server),
        "client" => Ok(Stream::Client),
        other => {
            let text = format!("stream must be \"server\" or \"client\", not {other:?}");
            Err(PyValueError::new_err(text))
        }
    }
}

/// A number that is at least so much.
fn count(name: &str, value: i64, least: u64) -> PyResult<u64> {
    u64::try_from(value).ok().filter(|&value| value >= least).ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be at least {least}, not {value}"))
    })
}
