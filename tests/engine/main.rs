//! What is tried on the real Docker Engine. Each test makes its own worker name and removes by
//! label what it made; nothing else on the engine is touched.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod bench;
#[path = "../contract/mod.rs"]
mod contract;
mod on_docker;
mod registry;
mod settings;
