//! What the fuzz targets check. Each takes any bytes and panics where a promise is broken.
//!
//! The inputs are text, so that a seed and a finding can be read: see `seeds/`.

pub mod compact;
pub mod config;
pub mod session;
