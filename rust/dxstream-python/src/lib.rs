//! The Python bindings of dxstream: the extension module `dxstream._dxstream`.

#![deny(unsafe_code)]

mod event;
mod strings;

/// The native part of dxstream.
#[pyo3::pymodule(gil_used = false)]
mod _dxstream {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::event::Rows;
    #[pymodule_export]
    use crate::event::pickle::event_of;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        for class in crate::event::exports(module.py())? {
            module.add(class.name()?, class)?;
        }
        Ok(())
    }
}
