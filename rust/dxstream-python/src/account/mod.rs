//! REST, OAuth and the account stream, as Python objects.

mod api;
mod client;
mod queue;

pub(crate) use api::{Api, Reply};
pub(crate) use client::AccountClient;
pub(crate) use queue::AccountQueue;
