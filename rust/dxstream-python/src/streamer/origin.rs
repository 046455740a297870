//! Where events come from: a streamer, as its events know it.

use dxstream::connection::Client;
use pyo3::prelude::*;

use crate::process::Owned;

/// A streamer's connection. Its events refer to it without keeping it.
pub(crate) struct Origin {
    stream: Owned<Client>,
}

impl Origin {
    pub(super) fn new(client: Client) -> Self {
        Self { stream: Owned::new(client) }
    }

    /// The connection.
    ///
    /// # Errors
    /// `RuntimeError` in a process that was forked since.
    #[inline]
    pub(super) fn stream(&self) -> PyResult<&Client> {
        self.stream.get()
    }
}
