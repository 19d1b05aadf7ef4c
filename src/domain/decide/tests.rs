//! Stories about one task or two, on a model of the engine with virtual time. Each is titled as an
//! obligation; after every look of every one of them the promises of `promises` are checked.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod adoption;
mod by_command;
mod crowd;
mod drift;
mod engine;
mod jobs;
mod looks;
mod outcomes;
mod permit;
pub mod play;
mod promises;
mod readiness;
mod removal;
mod replacement;
mod rollback;
mod scale;
mod service;
mod sharing;
mod stand_in;
mod stop_first;
mod tasks;
mod walk;
