//! The exchange as its clients see it: real sockets, real time, deadlines in place of sleeps.

mod accounts;
mod blasts;
mod client;
mod fault_checks;
mod faults;
mod protocol;
mod proxies;
mod sources;
