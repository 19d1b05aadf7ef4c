//! `evenkeel version`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::args::{Common, TextFormat, Version};
use super::{Exit, daemon, escape, out};
use crate::api::client::Client;
use crate::runtime::Runtime;

/// How long others are waited for: this is asked in a hurry.
const DEADLINE: Duration = Duration::from_secs(2);

/// Prints the versions of all that takes part, as far as it answers.
pub async fn version(common: &Common, args: &Version) -> anyhow::Result<Exit> {
    let own = env!("CARGO_PKG_VERSION");
    let asked = async {
        let client = Client::of(&daemon::state_dir(common).ok()?);
        client.find().await.ok().flatten()
    };
    let engine = async { daemon::docker(common).ok()?.info().await.ok() };
    let (running, engine) = tokio::join!(
        tokio::time::timeout(DEADLINE, asked),
        tokio::time::timeout(DEADLINE, engine),
    );
    let (running, engine) = (running.ok().flatten(), engine.ok().flatten());
    if args.output == TextFormat::Json {
        let running =
            running.map(|it| json!({ "version": it.version, "worker": it.worker, "pid": it.pid }));
        let engine =
            engine.map(|it| json!({ "version": it.version, "apiVersion": it.api_version }));
        let all = json!({ "version": own, "daemon": running, "engine": engine });
        return out::line(&serde_json::to_string_pretty(&all)?);
    }
    let mut text = format!("evenkeel {own}");
    if let Some(it) = running {
        let _ = write!(
            text,
            "\ndaemon   {} (worker {}, pid {})",
            escape::line(&it.version),
            escape::line(&it.worker),
            it.pid
        );
    }
    if let Some(it) = engine {
        let (version, api) = (escape::line(&it.version), escape::line(&it.api_version));
        let _ = write!(text, "\nengine   {version} (API {api})");
    }
    out::line(&text)
}
