//! What needs no engine: stories on real directories and the simulated engine.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod architecture;
mod cli;
#[path = "../contract/mod.rs"]
mod contract;
mod db;
mod exposition;
mod manifest;
mod probe;
mod queue;
mod reasons;
mod schema;
mod simulated;
mod terminal;
mod watch;
mod worker;
