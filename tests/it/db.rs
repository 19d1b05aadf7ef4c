//! The current-state DB on real files.

mod faults;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use evenkeel::db::{
    Change, Db, DbError, EventQuery, LOG_KEPT, Limits, Mark, News, Opened, Stored, UNREADABLE,
};
use evenkeel::domain::by_command::ByCommand;
use evenkeel::domain::event::{Event, Severity};
use evenkeel::domain::fingerprint::Fingerprint;
use evenkeel::domain::instance::{ContainerId, EndReason, Instance, InstanceId, Seat, State, Uid};
use evenkeel::domain::name::TaskName;
use evenkeel::domain::once::Run;
use evenkeel::domain::probe::{Action, Probe, Probes};
use evenkeel::domain::record::{Head, Record, Refusal, Restart, Revision};
use evenkeel::domain::source::Place;
use evenkeel::domain::task::{Backoff, RestartPolicy, Task, Update};
use evenkeel::domain::template::{
    EnvVar, ImageRef, Logging, PullPolicy, Resources, SecurityContext, Template,
};
use evenkeel::domain::time::{Mono, Timestamp};
use evenkeel::metrics::{Exposition, Metrics, Moment};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use crate::exposition::sample;

// What is stored.

fn name(text: &str) -> TaskName {
    TaskName::try_from(text.to_owned()).unwrap()
}

fn task(text: &str) -> Task {
    Task {
        probes: Probes {
            readiness: Some(Probe {
                action: Action::Exec(vec!["true".to_owned()]),
                initial_delay_seconds: 1,
                period_seconds: 2,
                timeout_seconds: 3,
                success_threshold: 4,
                failure_threshold: 5,
            }),
            ..Probes::default()
        },
        name: name(text),
        labels: BTreeMap::from([("team".into(), "näh".into())]),
        annotations: BTreeMap::new(),
        replicas: 2,
        suspend: false,
        restart_policy: RestartPolicy::Always,
        backoff: Backoff::default(),
        update: Update::default(),
        termination_grace_period_seconds: 10,
        template: Template {
            image: ImageRef::checked("nginx:1.27"),
            image_pull_policy: PullPolicy::IfNotPresent,
            command: vec![],
            args: vec!["-g".into(), "daemon off;".into()],
            working_dir: None,
            env: vec![EnvVar { name: "A".into(), value: "'\"\u{1f600}\n".into() }],
            ports: vec![],
            mounts: vec![],
            host_network: false,
            resources: Resources::default(),
            security_context: SecurityContext::default(),
            logging: Logging::default(),
            stop_signal: None,
            tty: false,
            stdin: false,
            init: false,
        },
    }
}

fn head(text: &str) -> Head {
    Head {
        name: name(text),
        uid: Uid(Uuid::from_u128(7)),
        generation: 3,
        task: task(text),
        place: Place { file: "a/web.yaml".into(), line: 12 },
        going: true,
        refused: Some(Refusal {
            generation: 3,
            revision: 2,
            reason: "CrashLoop".into(),
            message: "it ended 3 times".into(),
            at: Timestamp::from_millis(1_769_851_800_123),
        }),
        suspended: Some(ByCommand::asked(Some("näh"), Timestamp::from_millis(7))),
        restart: Some(Restart {
            number: 2,
            asked: ByCommand::asked(Some("näh"), Timestamp::from_millis(8)),
        }),
        created_at: Timestamp::from_millis(-1),
    }
}

fn revision(text: &str, number: u32) -> Revision {
    Revision {
        number,
        generation: u64::from(number),
        fingerprint: Fingerprint::of(&task(text), evenkeel::domain::fingerprint::CURRENT_SCHEME),
        task: task(text),
        image_id: (number > 1).then(|| format!("sha256:{number:064}")),
        ready: number == 1,
        restart: number - 1,
        created_at: Timestamp::from_millis(5),
    }
}

fn instance(text: &str, id: u128, seat: Seat) -> Instance {
    Instance {
        unwell: true,
        id: InstanceId(Uuid::from_u128(id)),
        task: name(text),
        uid: Uid(Uuid::from_u128(7)),
        seat,
        revision: 1,
        fingerprint: Fingerprint::stored("1:00"),
        state: State::Pending,
        container: None,
        failures: 0,
        start_sent: false,
        proven: false,
        stopping: None,
        created_at: Timestamp::from_millis(1),
        started_at: None,
        finished_at: None,
        exit_code: None,
        reason: None,
        message: None,
        hopeless: true,
        because: "the manifest asks for it".into(),
        seen_under: Some(Timestamp::from_millis(1_700_000_000_500)),
        moved_at: Mono::default(),
    }
}

fn ended(text: &str, id: u128, seat: Seat) -> Instance {
    Instance {
        state: State::Failed,
        container: ContainerId::parse(&"0123456789abcdef".repeat(4)),
        failures: 4,
        start_sent: true,
        proven: true,
        stopping: Some("Replaced".into()),
        started_at: Some(Timestamp::from_millis(2)),
        finished_at: Some(Timestamp::from_millis(3)),
        exit_code: Some(-1),
        reason: Some(EndReason::OomKilled),
        message: Some("out of memory".into()),
        ..instance(text, id, seat)
    }
}

fn run(seat: Seat) -> Run {
    Run {
        uid: Uid(Uuid::from_u128(7)),
        seat,
        fingerprint: Fingerprint::stored("1:0a"),
        reason: Some(EndReason::Error),
        exit_code: Some(3),
    }
}

fn event(text: Option<&str>, message: &str) -> Event {
    Event {
        at: Timestamp::from_millis(9),
        severity: Severity::Warning,
        task: text.map(name),
        uid: None,
        instance: None,
        seat: None,
        reason: "Started".into(),
        message: message.into(),
    }
}

const SEATS: [Seat; 2] = [Seat { slot: 0, attempt: 1 }, Seat { slot: 1, attempt: 4 }];

/// One task with all there can be, and one with nothing.
fn whole() -> Vec<Change> {
    vec![
        Change::PutHead(head("prod/web")),
        Change::PutHead(Head {
            refused: None,
            going: false,
            suspended: None,
            restart: None,
            ..head("bare")
        }),
        Change::PutRevision { task: name("prod/web"), revision: revision("prod/web", 1) },
        Change::PutRevision { task: name("prod/web"), revision: revision("prod/web", 2) },
        Change::PutInstance(instance("prod/web", 1, SEATS[0])),
        Change::PutInstance(ended("prod/web", 2, SEATS[1])),
        Change::PutRun { task: name("prod/web"), run: run(Seat { slot: 1, attempt: 2 }) },
        Change::KeepLog { instance: InstanceId(Uuid::from_u128(2)), log: b"bye\0\xff".to_vec() },
        Change::AddEvent(event(Some("prod/web"), "one")),
        Change::AddEvent(event(None, "two")),
        Change::SetMeta { key: "source".into(), value: Some("/srv".into()) },
    ]
}

fn whole_stored() -> Stored {
    let bare = Record::accepted(
        Head { refused: None, going: false, suspended: None, restart: None, ..head("bare") },
        Mono::default(),
    );
    let mut web = Record::accepted(head("prod/web"), Mono::default());
    for number in [1, 2] {
        web.revisions.insert(number, revision("prod/web", number));
    }
    web.instances.insert(SEATS[0], instance("prod/web", 1, SEATS[0]));
    web.instances.insert(SEATS[1], ended("prod/web", 2, SEATS[1]));
    let run = run(Seat { slot: 1, attempt: 2 });
    web.runs.insert((1, run.fingerprint.clone()), run);
    Stored {
        records: vec![bare, web],
        meta: BTreeMap::from([("source".into(), "/srv".into())]),
        unreadable: vec![],
    }
}

/// What the releases before left, by schema, and what has to be read from it.
fn earlier() -> Vec<(&'static str, Stored)> {
    let (mut one, mut three) = (stored_before(), stored_at_three());
    // They had no probes yet.
    for record in one.records.iter_mut().chain(&mut three.records) {
        record.head.task.probes = Probes::default();
        record.revisions.values_mut().for_each(|it| it.task.probes = Probes::default());
    }
    vec![(include_str!("../stored/1.sql"), one), (include_str!("../stored/3.sql"), three)]
}

/// The same in a file of the first schema, which had no place for some of it.
fn stored_before() -> Stored {
    let mut before = stored_at_three();
    for record in &mut before.records {
        record.head.going = false;
        record.runs.clear();
    }
    before
}

/// The same in a file of schema 3.
fn stored_at_three() -> Stored {
    let mut three = whole_stored();
    for record in &mut three.records {
        (record.head.suspended, record.head.restart) = (None, None);
        record.revisions.values_mut().for_each(|it| it.restart = 0);
        record.instances.values_mut().for_each(|it| it.unwell = false);
    }
    three
}

// Where it is stored.

fn file_of(dir: &Path) -> PathBuf {
    dir.join("state.db")
}

/// What a crash would have left: the files as they are, without closing anything.
fn crashed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// A closed DB that holds [`whole`].
async fn closed() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let opened = Db::open(dir.path()).await.unwrap();
    opened.db.write(whole()).await.unwrap();
    opened.db.close().await;
    dir
}

async fn messages(db: &Db, query: EventQuery) -> Vec<String> {
    let events = db.events(query).await.unwrap();
    assert!(events.is_sorted_by_key(|(seq, _)| *seq));
    events.into_iter().map(|(_, event)| event.message).collect()
}

fn last(limit: u32) -> EventQuery {
    EventQuery { limit, ..EventQuery::default() }
}

fn assert_usable(opened: &Opened, what: &str) {
    assert!(opened.stored.unreadable.is_empty(), "{what}: {:?}", opened.stored.unreadable);
}

#[tokio::test]
async fn everything_that_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/default");
    let opened = Db::open(&state).await.unwrap();
    assert!(opened.fresh && opened.set_aside.is_none());
    assert_eq!(opened.stored, Stored::default());
    opened.db.write(whole()).await.unwrap();
    opened.db.close().await;

    let opened = Db::open(&state).await.unwrap();
    assert!(!opened.fresh && opened.set_aside.is_none());
    assert_eq!(opened.stored, whole_stored());
    assert_eq!(messages(&opened.db, last(10)).await, ["one", "two"]);
    let log = opened.db.kept_log(InstanceId(Uuid::from_u128(2))).await.unwrap();
    assert_eq!(log.as_deref(), Some(&b"bye\0\xff"[..]));
    assert_eq!(opened.db.kept_log(InstanceId(Uuid::from_u128(3))).await.unwrap(), None);
}

#[tokio::test]
async fn what_each_release_before_left_is_read_and_written() {
    let tables = |path: &Path| -> Vec<(String, String)> {
        let file = Connection::open(path).unwrap();
        let sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = file.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let new = tables(&file_of(closed().await.path()));
    let files = fs::read_dir("tests/stored").unwrap().count();
    assert_eq!(files, earlier().len(), "each stored DB is tried");
    for (left, wanted) in earlier() {
        let dir = tempfile::tempdir().unwrap();
        Connection::open(file_of(dir.path())).unwrap().execute_batch(left).unwrap();
        // Without a daemon it is read from a copy, and left as it is.
        let copy = Db::open_read_only(dir.path()).await.unwrap();
        assert_eq!(copy.stored, wanted);
        drop(copy);
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(!opened.fresh && opened.set_aside.is_none());
        assert_eq!(opened.stored, wanted);
        assert_eq!(messages(&opened.db, last(10)).await, ["one", "two"]);
        opened.db.write(whole()).await.unwrap();
        opened.db.close().await;
        assert_eq!(tables(&file_of(dir.path())), new);
        let opened = Db::open(dir.path()).await.unwrap();
        assert_eq!(opened.stored, whole_stored());
    }
}

#[tokio::test]
async fn every_state_and_reason_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let states =
        [State::Pending, State::Scheduled, State::Running, State::Completed, State::Failed];
    let reasons = [
        EndReason::Exited,
        EndReason::Stopped,
        EndReason::Error,
        EndReason::OomKilled,
        EndReason::StartError,
        EndReason::Lost,
        EndReason::Disrupted,
        EndReason::Cancelled,
        EndReason::ProbeFailed,
        EndReason::NameTaken,
    ];
    let mut wanted = Vec::new();
    for state in states {
        for reason in reasons {
            let slot = u16::try_from(wanted.len()).unwrap();
            let seat = Seat { slot, attempt: 1 };
            let plain = instance("web", u128::from(slot) + 1, seat);
            wanted.push(Instance { state, reason: Some(reason), ..plain });
        }
    }
    let mut changes = vec![Change::PutHead(head("web"))];
    changes.extend(wanted.iter().cloned().map(Change::PutInstance));
    let opened = Db::open(dir.path()).await.unwrap();
    opened.db.write(changes).await.unwrap();
    opened.db.close().await;
    let opened = Db::open(dir.path()).await.unwrap();
    assert_usable(&opened, "states");
    let found: Vec<Instance> = opened.stored.records[0].instances.values().cloned().collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn what_is_dropped_is_gone_and_nothing_else() {
    let dir = closed().await;
    let db = Db::open(dir.path()).await.unwrap().db;
    let (gone, kept) = (InstanceId(Uuid::from_u128(2)), InstanceId(Uuid::from_u128(1)));
    db.write(vec![
        Change::KeepLog { instance: kept, log: b"kept".to_vec() },
        Change::DropInstance(gone),
        Change::DropRevision { task: name("prod/web"), number: 1 },
        Change::DropRun {
            task: name("prod/web"),
            slot: 1,
            fingerprint: Fingerprint::stored("1:0a"),
        },
        Change::SetMeta { key: "source".into(), value: None },
    ])
    .await
    .unwrap();
    assert_eq!(db.kept_log(gone).await.unwrap(), None);
    assert_eq!(db.kept_log(kept).await.unwrap().as_deref(), Some(&b"kept"[..]));
    db.close().await;

    let opened = Db::open(dir.path()).await.unwrap();
    let web = &opened.stored.records[1];
    assert_eq!(web.instances.keys().collect::<Vec<_>>(), [&SEATS[0]]);
    assert_eq!(web.revisions.keys().collect::<Vec<_>>(), [&2]);
    assert!(web.runs.is_empty());
    assert!(opened.stored.meta.is_empty());

    opened.db.write(vec![Change::DropTask(name("prod/web"))]).await.unwrap();
    assert_eq!(opened.db.kept_log(kept).await.unwrap(), None);
    assert_eq!(messages(&opened.db, last(10)).await, ["one", "two"]);
    opened.db.close().await;
    let opened = Db::open(dir.path()).await.unwrap();
    let names: Vec<String> =
        opened.stored.records.iter().map(|record| record.head.name.to_string()).collect();
    assert_eq!(names, ["default/bare"]);
    assert_usable(&opened, "after the drop");
}

#[tokio::test]
async fn what_is_put_again_replaces_what_was_there() {
    let dir = closed().await;
    let db = Db::open(dir.path()).await.unwrap().db;
    let moved = ended("prod/web", 1, SEATS[0]);
    let usurper = instance("prod/web", 9, SEATS[1]);
    let again = Run { reason: None, exit_code: None, ..run(Seat { slot: 1, attempt: 9 }) };
    db.write(vec![
        Change::PutInstance(moved.clone()),
        Change::PutInstance(usurper.clone()),
        Change::PutRun { task: name("prod/web"), run: again.clone() },
    ])
    .await
    .unwrap();
    assert_eq!(db.kept_log(InstanceId(Uuid::from_u128(2))).await.unwrap(), None);
    db.close().await;
    let stored = Db::open(dir.path()).await.unwrap().stored;
    let instances: Vec<&Instance> = stored.records[1].instances.values().collect();
    assert_eq!(instances, [&moved, &usurper]);
    assert_eq!(stored.records[1].runs.values().collect::<Vec<_>>(), [&again]);
}

#[tokio::test]
async fn only_the_end_of_a_log_and_the_start_of_a_message_are_kept() {
    let dir = closed().await;
    let db = Db::open(dir.path()).await.unwrap().db;
    let mut log = vec![b'x'; LOG_KEPT];
    log.extend(b"end");
    let id = InstanceId(Uuid::from_u128(1));
    let long = "ä".repeat(5000);
    db.write(vec![
        Change::KeepLog { instance: id, log },
        Change::AddEvent(event(None, &format!("!{long}"))),
    ])
    .await
    .unwrap();
    let kept = db.kept_log(id).await.unwrap().unwrap();
    assert_eq!((kept.len(), &kept[LOG_KEPT - 3..]), (LOG_KEPT, &b"end"[..]));
    // What was read a second time, with less luck, replaces nothing.
    db.write(vec![Change::KeepLog { instance: id, log: b"less".to_vec() }]).await.unwrap();
    assert_eq!(db.kept_log(id).await.unwrap().unwrap(), kept);
    let message = messages(&db, last(1)).await.remove(0);
    assert_eq!(message.len(), 4095, "cut between two characters");
}

#[tokio::test]
async fn events_are_asked_for_by_task_and_by_number() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap().db;
    for number in 0..6 {
        let task = (number % 2 == 0).then_some("prod/web");
        db.write(vec![Change::AddEvent(event(task, &number.to_string()))]).await.unwrap();
    }
    let of_web = EventQuery { task: Some(name("prod/web")), ..last(2) };
    assert_eq!(messages(&db, of_web).await, ["2", "4"]);
    let of_other = EventQuery { task: Some(name("web")), ..last(2) };
    assert!(messages(&db, of_other).await.is_empty());
    assert_eq!(messages(&db, last(3)).await, ["3", "4", "5"]);
    let second = db.events(last(5)).await.unwrap()[0].0;
    let page = |after| EventQuery { after: Some(after), ..last(2) };
    assert_eq!(messages(&db, page(second)).await, ["2", "3"]);
    assert!(messages(&db, page(second + 4)).await.is_empty());
}

#[tokio::test]
async fn a_task_that_never_stops_failing_must_not_push_out_the_events_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { events: 100, events_per_task: 10, ..Limits::default() };
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    db.write(vec![Change::AddEvent(event(Some("quiet"), "once"))]).await.unwrap();
    for number in 0..1000 {
        db.write(vec![Change::AddEvent(event(Some("loud"), &number.to_string()))]).await.unwrap();
    }
    let all = messages(&db, last(5000)).await;
    assert!(all.len() <= 1 + 10 + 50, "{} events are left", all.len());
    assert_eq!(all.first().map(String::as_str), Some("once"));
    assert_eq!(all.last().map(String::as_str), Some("999"));

    let many = |number: u32| Change::AddEvent(event(Some(&format!("task-{number}")), "x"));
    db.write((0..2000).map(many).collect()).await.unwrap();
    let left = messages(&db, last(5000)).await.len();
    assert!(left <= 100 + 500, "{left} events are left");
    db.close().await;
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    assert_eq!(messages(&db, last(5000)).await.len(), 100, "a start trims to the limit itself");
}

#[tokio::test]
async fn what_write_returned_from_must_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Db::open(dir.path()).await.unwrap();
    let fresh = crashed(dir.path());
    opened.db.write(whole()).await.unwrap();
    let full = crashed(dir.path());
    drop(opened);
    let fresh = Db::open(fresh.path()).await.unwrap();
    assert!(fresh.set_aside.is_none());
    assert_eq!(fresh.stored, Stored::default());
    let full = Db::open(full.path()).await.unwrap();
    assert!(full.set_aside.is_none());
    assert_eq!(full.stored, whole_stored());
    let dropped = Db::open(dir.path()).await.unwrap();
    assert_eq!(dropped.stored, whole_stored());
}

#[tokio::test]
async fn a_failed_change_must_leave_none_of_the_others_behind() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 256 * 1024, ..Limits::default() };
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    let big = Change::SetMeta { key: "big".into(), value: Some("x".repeat(512 * 1024)) };
    let error = db.write(vec![Change::PutHead(head("web")), big]).await.unwrap_err();
    assert!(matches!(error, DbError::Full { .. }), "{error}");
    db.close().await;
    assert_eq!(Db::open(dir.path()).await.unwrap().stored, Stored::default());
}

#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let _opened = Db::open(&state).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let names: Vec<PathBuf> =
        fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() > 1, "{names:?}");
    for name in names {
        assert_eq!(mode(&name), 0o600, "{}", name.display());
    }
}

#[tokio::test]
async fn a_closed_db_is_one_file_that_others_can_read() {
    let dir = closed().await;
    let names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["state.db"]);
    let row: (String, i64, String) = Connection::open(file_of(dir.path()))
        .unwrap()
        .query_row(
            "SELECT reason, exit_code, container FROM instance WHERE name = 'web' AND slot = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, ("OOMKilled".into(), -1, "0123456789abcdef".repeat(4)));
}

#[tokio::test]
async fn a_copy_of_a_closed_handle_says_that_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap().db;
    db.clone().close().await;
    assert!(matches!(db.write(whole()).await, Err(DbError::Closed)));
    assert!(matches!(db.events(last(1)).await, Err(DbError::Closed)));
    assert!(matches!(db.rebuild(whole()).await, Err(DbError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn writing_takes_no_time_on_a_paused_clock() {
    let dir = tempfile::tempdir().unwrap();
    let start = tokio::time::Instant::now();
    let timer = tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(1)));
    let db = Db::open(dir.path()).await.unwrap().db;
    for _ in 0..20 {
        db.write(whole()).await.unwrap();
    }
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    timer.await.unwrap();
}

#[tokio::test]
async fn what_is_written_and_what_is_not_must_be_counted() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::default();
    let db = Db::open(dir.path()).await.unwrap().db.counted(metrics.db.clone());
    db.write(whole()).await.unwrap();
    assert!(evenkeel::db::size(dir.path()).unwrap() > 4096);
    db.clone().close().await;
    db.write(whole()).await.unwrap_err();
    db.events(last(1)).await.unwrap_err();
    let text = metrics.exposed(Moment::default(), Exposition::OpenMetrics);
    assert_eq!(sample(&text, "evenkeel_db_write_duration_seconds_count"), Some(2.0));
    assert_eq!(sample(&text, "evenkeel_db_errors_total{kind=\"closed\"}"), Some(2.0));
}
