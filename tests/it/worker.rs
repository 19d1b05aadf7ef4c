//! The worker, from manifests to containers: stories on the simulated engine, each an obligation.

mod api;
mod by_command;
mod crashes;
mod crowd;
mod deeds;
mod door;
mod engine;
mod files;
mod host;
mod let_go;
mod lock;
mod metrics;
mod policy;
mod probes;
mod promises;
mod removals;
mod shared_host;
mod sharing;
mod state;
mod status_dir;
mod swap;
mod work;
