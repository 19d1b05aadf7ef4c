//! evenkeel keeps a Docker host as a directory of YAML says.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod api;
pub mod cli;
pub mod db;
pub mod domain;
pub mod files;
pub mod http;
pub mod manifest;
pub mod metrics;
pub mod queue;
pub mod runtime;
pub mod watch;
pub mod worker;
