//! What is tried on the real Docker Engine. Each test makes its own worker name and removes by
//! label what it made; nothing else on the engine is touched.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod by_command;
mod byhand;
#[path = "../contract/mod.rs"]
mod contract;
mod crash;
mod disk;
mod doctor;
mod down;
mod engine_restart;
mod examples;
mod exec;
#[path = "../it/exposition.rs"]
mod exposition;
mod files;
mod house;
mod idle;
mod live;
mod on_docker;
mod poller;
mod probes;
mod proxy;
mod registry;
mod scrape;
mod settings;
#[path = "../it/terminal.rs"]
mod terminal;
mod updates;
mod watches;
mod work;
