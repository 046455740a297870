//! `Api` and `Reply`: REST and OAuth of one credential.

use std::time::{Duration, SystemTime};

use dxstream::connection::{self, ApiSettings, Credentials};
use dxstream::{Error, Loss, Secret};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::map_error;
use crate::process::Owned;
use crate::streamer::Wake;
use crate::streamer::settings::seconds;

/// Tokens and REST of one credential. Any thread may use it, and nothing blocks.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Api(Owned<connection::Api>);

impl Api {
    pub(super) fn api(&self) -> PyResult<&connection::Api> {
        self.0.get()
    }
}

#[pymethods]
impl Api {
    #[new]
    #[pyo3(signature = (
        *, base_url, account_url, provider_secret=None, refresh_token=None, access_token=None,
        is_test=false, ca_pem=None, timeout=10.0
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn py_new(
        py: Python<'_>,
        base_url: String,
        account_url: String,
        provider_secret: Option<String>,
        refresh_token: Option<String>,
        access_token: Option<String>,
        is_test: bool,
        ca_pem: Option<Vec<u8>>,
        timeout: f64,
    ) -> PyResult<Self> {
        let credentials = match (provider_secret, refresh_token) {
            (Some(provider_secret), Some(refresh_token)) => Some(Credentials {
                provider_secret: Secret::new(provider_secret),
                refresh_token: Secret::new(refresh_token),
            }),
            (None, None) => None,
            _ => {
                return Err(PyValueError::new_err(
                    "provider_secret and refresh_token belong together",
                ));
            }
        };
        let timeout = seconds("timeout", timeout)?;
        let settings = ApiSettings { base_url, account_url, credentials, is_test, ca_pem, timeout };
        let api = connection::Api::new(settings).map_err(|error| map_error(py, &error))?;
        if let Some(token) = access_token {
            api.set_access_token(Secret::new(token), None);
        }
        Ok(Self(Owned::new(api)))
    }

    /// Begins to get a path with a current access token.
    #[pyo3(name = "get", signature = (path, query=Vec::new()))]
    fn py_get(&self, py: Python<'_>, path: &str, query: Vec<(String, String)>) -> PyResult<Reply> {
        let api = self.api()?;
        // Detached, as where a client is made.
        Reply::new(py, py.detach(move || api.get(path, &query)))
    }

    /// Begins to get a fresh access token where there is none, or another with `force`.
    #[pyo3(name = "refresh", signature = (force=false))]
    fn py_refresh(&self, py: Python<'_>, force: bool) -> PyResult<Reply> {
        let api = self.api()?;
        Reply::new(py, py.detach(|| api.refresh(force)))
    }

    /// Takes an access token of a foreign session: what the Authorization header is to have, and when it
    /// expires, in seconds since 1970 UTC.
    #[pyo3(name = "set_access_token", signature = (token, expires_at=None))]
    fn py_set_access_token(&self, token: String, expires_at: Option<f64>) -> PyResult<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let lifetime = expires_at.map(|at| {
            let at = Duration::try_from_secs_f64(at.max(0.0)).unwrap_or(Duration::MAX);
            // Far times would overflow a clock.
            at.saturating_sub(now).min(Duration::from_hours(24 * 365))
        });
        self.api()?.set_access_token(Secret::new(token), lifetime);
        Ok(())
    }

    /// Takes note of why a foreign session gave no access token.
    #[pyo3(name = "no_access_token")]
    fn py_no_access_token(&self, text: String, lasting: bool) -> PyResult<()> {
        self.api()?.no_access_token(if lasting {
            Loss::lasting(Error::Authentication(text))
        } else {
            Loss::passing(text)
        });
        Ok(())
    }
}

/// An answer that is under way; dropping it gives the request up.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Reply(Owned<connection::Reply>);

impl Reply {
    fn new(py: Python<'_>, begun: dxstream::Result<connection::Reply>) -> PyResult<Self> {
        begun.map(|reply| Self(Owned::new(reply))).map_err(|error| map_error(py, &error))
    }
}

#[pymethods]
impl Reply {
    /// Lets `wake` ring once when the answer is there.
    #[pyo3(name = "watch")]
    fn py_watch(&self, wake: &Wake) -> PyResult<()> {
        self.0.get()?.watch(wake.line()?);
        Ok(())
    }

    /// The HTTP status and the text, or `None` while it is under way.
    #[pyo3(name = "result")]
    fn py_result(&self, py: Python<'_>) -> PyResult<Option<(u16, String)>> {
        match self.0.get()?.result() {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some((answer.status, answer.body))),
            Some(Err(error)) => Err(map_error(py, &error)),
        }
    }
}
