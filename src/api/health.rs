//! Whether the daemon lives, and whether it can do its work: for who restarts it or waits for it.
//!
//! A line for each thing that is looked at, as Kubernetes writes them; JSON for who asks for that.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::openapi::Operation;
use super::route::{Accept, Output, Refused};
use super::server::Sources;
use crate::worker::command::{Command, Overview};

/// How long the worker is waited for.
const LIMIT: Duration = Duration::from_secs(2);

/// What the lines and the JSON are called by their types.
const PLAIN: &str = "text/plain";
const JSON: &str = "application/json";

/// Whether all is well with something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at, such as `engine`.
    pub name: String,
    /// Whether all is well with it.
    pub ok: bool,
    /// A stable CamelCase word for what is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What was looked at, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// Each thing.
    pub checks: Vec<Check>,
}

impl Check {
    fn of(name: &str, trouble: Option<(&str, String)>) -> Self {
        let ok = trouble.is_none();
        let (reason, message) = trouble.map(|(word, says)| (word.to_owned(), says)).unzip();
        Self { name: name.to_owned(), ok, reason, message }
    }
}

/// Whether it lives: the worker answers.
pub(super) async fn healthz(sources: Sources, accept: Accept) -> Result<Shown, Refused> {
    let answered = tokio::time::timeout(LIMIT, sources.ask(Command::Ping)).await;
    let trouble = (!matches!(answered, Ok(Ok(())))).then(no_answer);
    Ok(Shown::of("healthz", vec![Check::of("worker", trouble)], &accept))
}

/// Whether it can do its work.
pub(super) async fn readyz(sources: Sources, accept: Accept) -> Result<Shown, Refused> {
    let overview = tokio::time::timeout(LIMIT, sources.ask(Command::Overview)).await;
    let checks = match overview {
        Ok(Ok(overview)) => checks(overview),
        Ok(Err(_)) | Err(_) => vec![Check::of("worker", Some(no_answer()))],
    };
    Ok(Shown::of("readyz", checks, &accept))
}

fn no_answer() -> (&'static str, String) {
    ("NoAnswer", format!("the worker does not answer within {} s, or is stopping", LIMIT.as_secs()))
}

/// What keeps the worker from its work. What waits for a person, or is wrong with a task or a
/// manifest, does not.
fn checks(overview: Overview) -> Vec<Check> {
    let down = || ("GoingDown", "everything is being removed".to_owned());
    let changed = overview.source_changed.map(|other| {
        let says = format!("containers of this worker were made from {other}: nothing is started");
        ("SourceChanged", says)
    });
    let unavailable = overview.source_unavailable.map(|why| ("SourceUnavailable", why));
    vec![
        Check::of("worker", overview.going_down.then(down)),
        Check::of("engine", overview.engine_unavailable.map(|why| ("EngineUnavailable", why))),
        Check::of("source", unavailable.or(changed)),
        Check::of("state", overview.db_trouble.map(|why| ("StateNotWritten", why))),
    ]
}

/// What was looked at, and how it is told.
pub(super) struct Shown {
    path: &'static str,
    health: Health,
    as_json: bool,
}

impl Shown {
    fn of(path: &'static str, checks: Vec<Check>, accept: &Accept) -> Self {
        let health = Health { ok: checks.iter().all(|check| check.ok), checks };
        Self { path, health, as_json: accept.first_of(&[PLAIN, JSON]) == Some(1) }
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for Check { name, ok, reason, message } in &self.health.checks {
            let _ = if *ok {
                writeln!(text, "[+]{name} ok")
            } else {
                let (reason, says) = (reason.as_deref(), message.as_deref());
                // Whoever worded it: it stays in its line.
                let says = says.unwrap_or_default().replace(char::is_control, " ");
                writeln!(text, "[-]{name} {}: {says}", reason.unwrap_or_default())
            };
        }
        let end = if self.health.ok { "passed" } else { "failed" };
        let _ = writeln!(text, "{} check {end}", self.path);
        text
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let well = self.health.ok;
        let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if self.as_json {
            return (status, Json(self.health)).into_response();
        }
        let of_type = [(header::CONTENT_TYPE, format!("{PLAIN}; charset=utf-8"))];
        (status, of_type, self.lines()).into_response()
    }
}

impl Output for Shown {
    fn describe(operation: &mut Operation<'_>) {
        let (lines, schema) = (json!({"type": "string"}), operation.answered::<Health>());
        for (status, says) in [
            (StatusCode::OK, "All is well; as JSON where Accept names that type first"),
            (StatusCode::SERVICE_UNAVAILABLE, "Something is not, and what"),
        ] {
            operation.answers(status, says, PLAIN, &lines);
            operation.answers(status, says, JSON, &schema);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_must_be_told_in_its_line() {
        let trouble = ("SourceUnavailable", "it is\n[+]gone".to_owned());
        let checks = vec![Check::of("engine", None), Check::of("source", Some(trouble))];
        let told = Shown::of("readyz", checks, &Accept(String::new()));
        assert_eq!(
            told.lines(),
            "[+]engine ok\n[-]source SourceUnavailable: it is [+]gone\nreadyz check failed\n"
        );
    }
}
