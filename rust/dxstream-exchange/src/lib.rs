//! A DXLink exchange on loopback, for tests, demonstrations and benchmarks.

#![forbid(unsafe_code)]

pub mod source;
