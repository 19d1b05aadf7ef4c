//! The log as people enjoy it: a line a thing, in columns.
//!
//! `12:04:05Z  prod/web   Running   instance 0.2 is running`

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use anstyle::{AnsiColor, Style};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::cli::{escape, fold, out};
use crate::domain::time::Timestamp;
use crate::worker::{Clock, EVENT_TARGET};

/// No column grows beyond this: one long name must not push all others to the right.
const WIDEST: usize = 28;

/// How far in a line goes on that a terminal has no place for.
const HANG: usize = 4;

/// As wide as the usual reasons, so that the column does not jump with the first lines.
const USUAL: usize = "ImageReady".len();

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// With the time before each.
    pub time: bool,
}

/// Writes each record as a line on standard error.
#[derive(Debug)]
pub struct Lines {
    manner: Manner,
    /// The widths that were needed so far of what stands before the message.
    task: AtomicUsize,
    reason: AtomicUsize,
}

impl Lines {
    /// None written yet.
    #[must_use]
    pub fn new(manner: Manner) -> Self {
        Self { manner, task: AtomicUsize::new(0), reason: AtomicUsize::new(USUAL) }
    }

    fn line(&self, metadata: &Metadata<'_>, record: &Record, now: Timestamp) -> String {
        let mut line = String::new();
        if self.manner.time {
            // Of `2026-01-31T09:30:00.123Z` what changes while one watches.
            let time = now.to_string();
            let dim = Style::new().dimmed();
            let _ = write!(line, "{dim}{}Z{dim:#}  ", time.get(11..19).unwrap_or(&time));
        }
        let style = style_of(*metadata.level());
        if metadata.target() == EVENT_TARGET {
            let task = record.task.strip_prefix("default/").unwrap_or(&record.task);
            let (task, reason) = (padded(task, &self.task), padded(&record.reason, &self.reason));
            let bold = Style::new().bold();
            let _ = write!(line, "{bold}{task}{bold:#}  {style}{reason}{style:#}  ");
        } else if let Some(word) = word_of(*metadata.level()) {
            let _ = write!(line, "{style}{word}{style:#} ");
            if *metadata.level() > Level::INFO {
                let _ = write!(line, "{}: ", metadata.target());
            }
        }
        line.push_str(&escape::line(&record.message));
        line.push_str(&escape::line(&record.rest));
        if metadata.target() != EVENT_TARGET {
            for (name, value) in [("task", &record.task), ("reason", &record.reason)] {
                if !value.is_empty() {
                    let _ = write!(line, " {name}={}", escape::line(value));
                }
            }
        }
        line
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        let now = Clock::begin().now().wall;
        let line = self.line(event.metadata(), &record, now);
        out::show(&fold::line(&line, HANG, fold::room_to_talk()));
    }
}

/// What is told, by name.
#[derive(Debug, Default)]
struct Record {
    task: String,
    reason: String,
    message: String,
    rest: String,
}

impl Record {
    fn take(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "task" => value.clone_into(&mut self.task),
            "reason" => value.clone_into(&mut self.reason),
            _ => {}
        }
        let is_column = ["message", "task", "reason"].contains(&field.name());
        if !is_column {
            let _ = write!(self.rest, " {}={value}", field.name());
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

/// The text, as wide as the widest so far.
fn padded(text: &str, widest: &AtomicUsize) -> String {
    let text = escape::line(text);
    let own = text.chars().count().min(WIDEST);
    let width = widest.fetch_max(own, Ordering::Relaxed).max(own);
    format!("{text:<width$}")
}

fn style_of(level: Level) -> Style {
    match level {
        Level::ERROR => AnsiColor::Red.on_default().bold(),
        Level::WARN => AnsiColor::Yellow.on_default(),
        Level::INFO => AnsiColor::Green.on_default(),
        _ => Style::new().dimmed(),
    }
}

/// What stands before a record that is of no task; what is as it should be needs no word.
fn word_of(level: Level) -> Option<&'static str> {
    match level {
        Level::ERROR => Some("error:"),
        Level::WARN => Some("warning:"),
        Level::INFO => None,
        Level::DEBUG => Some("debug"),
        _ => Some("trace"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps the lines instead of writing them.
    struct Kept(Lines, Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut record = Record::default();
            event.record(&mut record);
            let line = self.0.line(event.metadata(), &record, Timestamp::from_millis(45_000));
            let plain = anstream::adapter::strip_str(&line).to_string();
            self.1.lock().unwrap().push(plain);
        }
    }

    #[test]
    fn what_happens_to_tasks_stands_in_columns_and_all_else_is_short() {
        let kept = Arc::default();
        let lines = Lines::new(Manner { time: true });
        let subscriber = tracing_subscriber::registry().with(Kept(lines, Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: EVENT_TARGET, task = "prod/web", reason = "Running", "it runs");
            tracing::warn!(target: EVENT_TARGET, task = "default/db", reason = "Failed", "a\nb");
            tracing::info!(tasks = 3, "state read");
            tracing::warn!(task = "default/db", error = %"no\u{1b}[2J", "it failed");
        });
        assert_eq!(
            *kept.lock().unwrap(),
            [
                "00:00:45Z  prod/web  Running     it runs",
                "00:00:45Z  db        Failed      a b",
                "00:00:45Z  state read tasks=3",
                "00:00:45Z  warning: it failed error=no␛[2J task=default/db",
            ]
        );
    }
}
