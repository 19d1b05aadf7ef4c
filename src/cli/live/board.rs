//! What is shown of tasks while they are under way: a line each, and how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::cli::age::age;
use crate::cli::amount::bytes;
use crate::cli::pick::short;
use crate::cli::{escape, fold, health};
use crate::domain::instance::State;
use crate::domain::name::TaskName;
use crate::domain::pull::{PullProgress, PullStage};
use crate::domain::status::{ConditionType, InstanceStatus, Kind, Phase, TaskStatus, Truth};
use crate::domain::time::Timestamp;
use crate::worker::pulls::Pulling;

/// A name takes no more than this, and no more than a third of a line.
const WIDEST: usize = 28;

/// Where a line has less, it is not said for how long.
const ROOM_FOR_TIME: usize = 60;

/// How what is waited for begins, in conditions.
const WAITING: &str = "waiting for ";

/// How many rows are left to the log at least, of a terminal that has them.
const LEFT_TO_LOG: usize = 6;

/// How tasks are at one moment.
#[derive(Debug)]
pub struct Board<'a> {
    now: Timestamp,
    /// What keeps all of them, told once.
    general: BTreeSet<&'a str>,
    /// Those that are under way, by name.
    rows: Vec<Row<'a>>,
    phases: BTreeMap<Phase, usize>,
}

/// What is shown of a task.
#[derive(Debug)]
struct Row<'a> {
    task: &'a TaskStatus,
    pull: Option<&'a Pulling>,
    trouble: Option<(&'a str, &'a str)>,
}

/// What becomes of a task; where there is too little place, what comes first here is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// Something is wrong, or in its way.
    Trouble,
    /// Its image comes.
    Pull,
    /// All else.
    Work,
}

impl<'a> Board<'a> {
    /// Takes how tasks are, by name, and which images come.
    pub fn of(
        tasks: impl IntoIterator<Item = &'a TaskStatus>,
        pulls: &'a [Pulling],
        now: Timestamp,
    ) -> Self {
        let wanted: BTreeMap<&TaskName, &Pulling> =
            pulls.iter().flat_map(|pull| pull.tasks.iter().map(move |task| (task, pull))).collect();
        let mut board =
            Self { now, general: BTreeSet::new(), rows: Vec::new(), phases: BTreeMap::new() };
        for task in tasks {
            *board.phases.entry(task.phase).or_default() += 1;
            if task.is_settled() {
                continue;
            }
            match health::trouble(task) {
                Some((reason, why)) if health::is_general(reason) => {
                    board.general.insert(why);
                }
                trouble => {
                    let pull = wanted.get(&task.name).copied();
                    board.rows.push(Row { task, pull, trouble });
                }
            }
        }
        board
    }

    /// It as lines that fit a terminal of so many columns and rows; none where there is no task.
    #[must_use]
    pub fn lines(&self, columns: usize, rows: usize) -> Vec<String> {
        let total: usize = self.phases.values().sum();
        if total == 0 {
            return Vec::new();
        }
        let most = rows.saturating_sub(LEFT_TO_LOG.min(rows / 2)).max(1);
        let general = self.general.iter().take(most - 1);
        let mut lines: Vec<String> =
            general.map(|why| painted(warning(), &escape::line(why), columns)).collect();
        let places = most - 1 - lines.len();
        let shown = self.shown(places);
        let names: Vec<String> = shown.iter().map(|row| short(&row.task.name)).collect();
        let name = names.iter().map(|name| fold::width(name)).max().unwrap_or(0);
        let name = name.min(WIDEST).min(columns / 3);
        for (row, of) in shown.iter().zip(&names) {
            lines.push(row.line((of, name), columns, self.now));
        }
        let left = self.rows.len() - shown.len();
        if left > 0 && places > 0 {
            lines.push(painted(Style::new().dimmed(), &format!("… and {left} more"), columns));
        }
        let tasks = if total == 1 { "task" } else { "tasks" };
        let sum = format!("{total} {tasks}: {}", health::counts(&self.phases));
        lines.push(painted(Style::new().bold(), &sum, columns));
        lines
    }

    /// The rows that have a place, by name.
    fn shown(&self, places: usize) -> Vec<&Row<'a>> {
        let mut shown: Vec<&Row> = self.rows.iter().collect();
        if shown.len() > places {
            shown.sort_by_key(|row| row.doing());
            // One is for how many there are besides.
            shown.truncate(places.saturating_sub(1));
            shown.sort_by_key(|row| &row.task.name);
        }
        shown
    }
}

impl Row<'_> {
    fn doing(&self) -> Doing {
        match (self.pull, self.trouble) {
            (Some(_), _) => Doing::Pull,
            (None, Some(_)) => Doing::Trouble,
            (None, None) => Doing::Work,
        }
    }

    /// It, with the name of its task in so many columns.
    fn line(&self, (name, width): (&str, usize), columns: usize, now: Timestamp) -> String {
        let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
        let name = fold::cut(name, width);
        let pad = width - fold::width(&name);
        let mut line = format!("{bold}{name}{bold:#}{:pad$}", "");
        let mut room = columns.saturating_sub(width + 2);
        if columns >= ROOM_FOR_TIME {
            let since = self.since().map(|since| age(now.since(since))).unwrap_or_default();
            let _ = write!(line, "  {dim}{since:>5}{dim:#}");
            room = room.saturating_sub(7);
        }
        let style = if self.doing() == Doing::Trouble { warning() } else { Style::new() };
        line + "  " + &painted(style, &escape::line(&self.text(now)), room)
    }

    /// Since when it is under way.
    fn since(&self) -> Option<Timestamp> {
        let converged = self.task.condition(ConditionType::Converged);
        let works = converged.filter(|it| it.status != Truth::True);
        let started = || live(self.task).filter_map(|it| it.started_at).min();
        works.map(|it| it.last_transition_time).or_else(started)
    }

    fn text(&self, now: Timestamp) -> String {
        match (self.pull, self.trouble) {
            (Some(pull), _) => pulling(&pull.image, &pull.progress),
            (None, Some((_, message))) if message.starts_with(WAITING) => message.to_owned(),
            (None, Some((reason, message))) => {
                let wait = self.task.next_try_at.map(|at| at.since(now));
                let wait = wait.filter(|wait| wait.as_secs() > 0);
                let again = wait.map(|wait| format!(", again in {}", age(wait)));
                format!("{reason}{}: {message}", again.unwrap_or_default())
            }
            (None, None) => working(self.task),
        }
    }
}

/// Its instances that have not ended.
fn live(task: &TaskStatus) -> impl Iterator<Item = &InstanceStatus> {
    task.instances.iter().filter(|it| !it.state.is_end())
}

fn warning() -> Style {
    AnsiColor::Yellow.on_default()
}

fn painted(style: Style, text: &str, room: usize) -> String {
    format!("{style}{}{style:#}", fold::cut(text, room))
}

/// How far a pull has come; what matters most comes first, as the end of it may be cut off.
fn pulling(image: &str, progress: &PullProgress) -> String {
    let share = |of: u64, all: u64| (u128::from(of) * 100).checked_div(u128::from(all));
    let share = |of, all| format!("{}% of {}", share(of, all).unwrap_or(100), bytes(all));
    let PullProgress { layers, layers_done, fetched_bytes, unpacked_bytes, .. } = *progress;
    match (progress.stage, progress.total_bytes) {
        (PullStage::Queued, _) => format!("waiting for a place to pull {image}"),
        (PullStage::Fetching, None) if layers == 0 => format!("pulling {image}"),
        (PullStage::Fetching, None) => {
            let come = bytes(fetched_bytes);
            format!("pulling {come}, {layers_done} of {layers} layers: {image}")
        }
        (PullStage::Fetching, Some(all)) => {
            format!("pulling {}: {image}", share(fetched_bytes, all))
        }
        (PullStage::Unpacking, all) => {
            format!("unpacking {}: {image}", share(unpacked_bytes, all.unwrap_or_default()))
        }
    }
}

/// What a task is about that is well so far.
fn working(task: &TaskStatus) -> String {
    let (ready, wanted) = (task.ready_replicas, task.replicas);
    if task.phase == Phase::Stopping || wanted == 0 {
        return format!("stopping, {} left", live(task).count());
    }
    let waits = task.condition(ConditionType::Converged).filter(|it| it.reason == "Waiting");
    if let Some(it) = waits.filter(|it| it.message.starts_with(WAITING)) {
        return format!("{ready}/{wanted} ready, {}", it.message);
    }
    let leaves = live(task).any(|it| it.reason.as_deref() == Some("Stopping"));
    let is_new = task.serving_generation.is_none_or(|serving| serving == task.generation);
    if task.kind == Kind::Job && live(task).any(|it| it.state == State::Running) {
        "running".to_owned()
    } else if leaves || !is_new {
        format!("updating, {}/{wanted} begun", task.updated_replicas)
    } else {
        format!("starting {ready}/{wanted}")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    const BEGAN: &str = "2026-01-31T09:30:00Z";

    /// A task that begins, with what is otherwise.
    fn task(name: &str, converged: (&str, &str), changes: &Value) -> TaskStatus {
        let is = if converged.0 == "Converged" { "True" } else { "False" };
        let condition = |type_: &str, status: &str, (reason, message): (&str, &str)| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": BEGAN, "observedGeneration": 1,
            })
        };
        let mut status = json!({
            "name": name, "uid": uuid::Uuid::nil(), "kind": "Service", "phase": "Progressing",
            "generation": 1, "observedGeneration": 1, "replicas": 3, "readyReplicas": 1,
            "updatedReplicas": 1, "restarts": 0, "instances": [],
            "conditions": [
                condition("Valid", "True", ("Accepted", "the manifest was accepted")),
                condition("Converged", is, converged),
                condition("Ready", "False", ("Starting", "1 of 3 ready: start 0.1")),
            ],
            "source": {"file": "web.yaml", "line": 1}, "image": "i", "createdAt": BEGAN,
        });
        for (key, value) in changes.as_object().unwrap() {
            match key.as_str() {
                "ready" => {
                    let told = (value[0].as_str().unwrap(), value[1].as_str().unwrap());
                    status["conditions"][2] = condition("Ready", "False", told);
                }
                _ => status[key] = value.clone(),
            }
        }
        serde_json::from_value(status).unwrap()
    }

    fn begins(name: &str) -> TaskStatus {
        task(name, ("InProgress", "create 0.1: the manifest asks for it"), &json!({}))
    }

    fn runs(name: &str) -> TaskStatus {
        task(name, ("Converged", "nothing is to be done"), &json!({"phase": "Running"}))
    }

    fn instance(state: &str, reason: Option<&str>) -> Value {
        json!({
            "id": uuid::Uuid::nil(), "slot": 0, "attempt": 1, "state": state, "ready": false,
            "image": "i", "startedAt": "2026-01-31T09:30:05Z", "reason": reason, "revision": 1,
            "because": "",
        })
    }

    fn pull(image: &str, tasks: &[&str], progress: &Value) -> Pulling {
        let mut pull = json!({"image": image, "tasks": tasks, "progress": {
            "stage": "Fetching", "layers": 4, "layersDone": 1, "fetchedBytes": 23_000_000,
            "unpackedBytes": 0,
        }});
        for (key, value) in progress.as_object().unwrap() {
            pull["progress"][key] = value.clone();
        }
        serde_json::from_value(pull).unwrap()
    }

    /// What is shown after 12 s, without colours; each line must fit.
    fn shown(tasks: &[TaskStatus], pulls: &[Pulling], (columns, rows): (usize, usize)) -> String {
        let now = Timestamp::parse("2026-01-31T09:30:12Z").unwrap();
        let lines = Board::of(tasks, pulls, now).lines(columns, rows);
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        let lines: Vec<String> = lines.iter().map(plain).collect();
        for line in &lines {
            assert!(fold::width(line) <= columns, "{line:?} at {columns}");
        }
        lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    fn some() -> (Vec<TaskStatus>, Vec<Pulling>) {
        let leaves = json!({"phase": "Stopping", "instances": [instance("Running", None)]});
        let updates = json!({
            "generation": 2, "servingGeneration": 1, "updatedReplicas": 2, "readyReplicas": 3,
        });
        let job = json!({"kind": "Job", "replicas": 1, "instances": [instance("Running", None)]});
        let fails = json!({
            "phase": "Pending", "nextTryAt": "2026-01-31T09:30:20Z",
            "ready": ["CrashLoop", "0 of 1 ready: 0.4 ended: Error, exit code 3"],
        });
        let port =
            ("PortConflict", "waiting for host port 8080/tcp, which default/web (web.yaml:1) has");
        let tasks = vec![
            task("backup", ("Converged", "nothing is to be done"), &job),
            task("blog", port, &json!({"phase": "Pending"})),
            runs("cache"),
            task("db", ("Waiting", "waiting for back-off before 0.5"), &fails),
            task("leaves", ("InProgress", "stop 0.1"), &leaves),
            task("new", ("InProgress", "create 1.2"), &updates),
            task("stays", ("Waiting", "waiting for 0.1 to stay up"), &json!({"readyReplicas": 3})),
            begins("web"),
            begins("shop/api"),
        ];
        let pulls = vec![pull("nginx:1.27", &["web"], &json!({"totalBytes": 54_000_000}))];
        (tasks, pulls)
    }

    fn check(size: (usize, usize), expected: &Expect) {
        let (tasks, pulls) = some();
        expected.assert_eq(&shown(&tasks, &pulls, size));
    }

    #[test]
    fn each_task_under_way_must_have_a_line_and_the_others_be_counted() {
        check(
            (100, 40),
            &expect![[r"
                backup       7s  running
                blog        12s  waiting for host port 8080/tcp, which default/web (web.yaml:1) has
                db          12s  CrashLoop, again in 8s: 0 of 1 ready: 0.4 ended: Error, exit code 3
                leaves      12s  stopping, 1 left
                new         12s  updating, 2/3 begun
                stays       12s  3/3 ready, waiting for 0.1 to stay up
                web         12s  pulling 42% of 51Mi: nginx:1.27
                shop/api    12s  starting 1/3
                9 tasks: 1 Stopping, 5 Progressing, 1 Running, 2 Pending
            "]],
        );
        check(
            (40, 40),
            &expect![[r"
                backup    running
                blog      waiting for host port 8080/tc…
                db        CrashLoop, again in 8s: 0 of …
                leaves    stopping, 1 left
                new       updating, 2/3 begun
                stays     3/3 ready, waiting for 0.1 to…
                web       pulling 42% of 51Mi: nginx:1.…
                shop/api  starting 1/3
                9 tasks: 1 Stopping, 5 Progressing, 1 R…
            "]],
        );
    }

    #[test]
    fn where_there_is_too_little_place_what_is_wrong_must_be_shown_first() {
        check(
            (100, 10),
            &expect![[r"
            blog    12s  waiting for host port 8080/tcp, which default/web (web.yaml:1) has
            db      12s  CrashLoop, again in 8s: 0 of 1 ready: 0.4 ended: Error, exit code 3
            web     12s  pulling 42% of 51Mi: nginx:1.27
            … and 5 more
            9 tasks: 1 Stopping, 5 Progressing, 1 Running, 2 Pending
        "]],
        );
        check(
            (100, 2),
            &expect![[r"
            9 tasks: 1 Stopping, 5 Progressing, 1 Running, 2 Pending
        "]],
        );
        check(
            (20, 12),
            &expect![[r"
                backup  running
                blog    waiting for…
                db      CrashLoop, …
                web     pulling 42%…
                … and 4 more
                9 tasks: 1 Stopping…
            "]],
        );
    }

    #[test]
    fn a_pull_must_tell_what_is_known_of_how_far_it_has_come() {
        let web = [begins("web")];
        let line = |progress: &Value| {
            let all = shown(&web, &[pull("nginx:1.27", &["web"], progress)], (100, 24));
            all.lines().next().unwrap().split_once("12s  ").unwrap().1.to_owned()
        };
        let table = [
            (json!({"stage": "Queued", "layers": 0}), "waiting for a place to pull nginx:1.27"),
            (json!({"layers": 0}), "pulling nginx:1.27"),
            (json!({}), "pulling 21Mi, 1 of 4 layers: nginx:1.27"),
            (json!({"totalBytes": 54_000_000}), "pulling 42% of 51Mi: nginx:1.27"),
            (
                json!({"stage": "Unpacking", "totalBytes": 54_000_000, "unpackedBytes": 5_400_000}),
                "unpacking 10% of 51Mi: nginx:1.27",
            ),
        ];
        for (progress, wanted) in table {
            assert_eq!(line(&progress), wanted);
        }
    }

    #[test]
    fn what_keeps_all_tasks_must_be_told_once() {
        let of_engine = ("EngineUnavailable", "the engine can't be asked: no such file");
        let stopped = |name| task(name, of_engine, &json!({"phase": "Pending"}));
        let tasks = [stopped("db"), stopped("web")];
        let told = "the engine can't be asked: no such file\n2 tasks: 2 Pending\n";
        assert_eq!(shown(&tasks, &[], (80, 24)), told);
    }

    #[test]
    fn where_nothing_is_under_way_only_the_number_must_be_shown_and_of_no_task_nothing() {
        assert_eq!(shown(&[runs("web")], &[], (80, 24)), "1 task: 1 Running\n");
        assert_eq!(shown(&[], &[], (80, 24)), "");
    }
}
