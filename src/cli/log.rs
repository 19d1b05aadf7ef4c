//! The log, on standard error.

mod lines;

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{Args, LogFormat};
use lines::{Lines, Manner};

/// Takes a filter of the log as it is if it means something.
///
/// # Errors
/// A sentence, if a part of it is neither a level nor `TARGET=LEVEL`. A word alone that is no level
/// would be taken for the name of a module, and silence the log.
pub fn checked(filter: &str) -> Result<String, String> {
    let is_meant = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    match filter.split(',').map(str::trim).find(|part| !part.is_empty() && !is_meant(part)) {
        Some(part) => Err(format!(
            "{part:?} is no level; write error, warn, info, debug, trace or off, or a filter such \
             as evenkeel=debug"
        )),
        None => match EnvFilter::builder().parse(filter) {
            Ok(_) => Ok(filter.to_owned()),
            Err(error) => Err(format!("{error}; write a filter such as evenkeel=debug,info")),
        },
    }
}

/// Starts the log.
pub fn start(args: &Args) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(args.common.log.as_deref().unwrap_or_default());
    let filter = quiet(filter);
    let registry = tracing_subscriber::registry().with(filter);
    match args.common.log_format {
        LogFormat::Text => {
            let terminal = std::io::stderr().is_terminal();
            // The journal writes down the time itself.
            let journal = std::env::var_os("JOURNAL_STREAM").is_some();
            let manner = Manner { time: terminal || !journal };
            registry.with(Lines::new(manner)).init();
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).init();
        }
    }
}

/// Libraries that log what they send say no more than that they did.
fn quiet(filter: EnvFilter) -> EnvFilter {
    ["bollard=info", "hyper=info", "hyper_util=info"]
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive)
}
