//! The Python bindings of dxstream: the extension module `dxstream._dxstream`.

#![deny(unsafe_code)]

mod account;
mod arrow;
mod error;
mod event;
mod exchange;
mod exchange_accounts;
mod fault;
mod free_list;
mod instrument;
mod log;
mod process;
mod proxy;
mod streamer;
mod strings;
mod symbology;

/// The native part of dxstream.
#[pyo3::pymodule(gil_used = false)]
mod _dxstream {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::account::{AccountClient, AccountQueue, Api, Reply};
    #[pymodule_export]
    use crate::arrow::{arrow_schema, arrow_stream};
    #[pymodule_export]
    use crate::event::describe::field_kinds;
    #[pymodule_export]
    use crate::event::pickle::{event_of, raw};
    #[pymodule_export]
    use crate::event::rows::Rows;
    #[pymodule_export]
    use crate::event::sdk::{sdk_event_types, sdk_fields, unmet};
    #[pymodule_export]
    use crate::exchange::{Exchange, market_symbols};
    #[pymodule_export]
    use crate::exchange_accounts::ExchangeAccounts;
    #[pymodule_export]
    use crate::log::LogQueue;
    #[pymodule_export]
    use crate::process::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use crate::proxy::FaultProxy;
    #[pymodule_export]
    use crate::streamer::{
        Batch, Bell, Client, Fields, Iteration, Lead, Queue, Symbols, TimeSeries, Wake,
        event_class, shut_down,
    };
    #[pymodule_export]
    use crate::symbology::{
        all_to_dxfeed, all_to_occ, candle_base, candle_symbol, candle_to_dxfeed, option_terms,
        suggest_symbol, to_dxfeed, to_occ,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        for class in crate::event::exports(module.py())? {
            module.add(class.name()?, class)?;
        }
        // What is public is said by the Python modules that export it.
        module.delattr("__all__")
    }
}
