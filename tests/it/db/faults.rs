//! What happens to files, and what must come of it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;

/// The files as they are, to see whether they were touched. An empty log says nothing.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap_or_default()))
        .filter(|(path, bytes)| !(path.ends_with("state.db-wal") && bytes.is_empty()))
        .collect()
}

fn sql(dir: &Path, statements: &str) {
    Connection::open(file_of(dir)).unwrap().execute_batch(statements).unwrap();
}

/// What a crash after [`whole`] would have left: a file and its log.
async fn after_crash() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let opened = Db::open(dir.path()).await.unwrap();
    opened.db.write(whole()).await.unwrap();
    crashed(dir.path())
}

/// All of it can be written and is read back.
async fn assert_works(db: Db, dir: &Path, what: &str) {
    db.write(whole()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    db.close().await;
    let opened = Db::open(dir).await.unwrap();
    assert!(opened.set_aside.is_none(), "{what}: {:?}", opened.set_aside);
    assert_eq!(opened.stored, whole_stored(), "{what}");
    opened.db.close().await;
}

type Damage = fn(&Path);

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn replace_by_directory(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    fs::write(path.join("inside"), "x").unwrap();
}

fn replace_by_pipe(path: &Path) {
    fs::remove_file(path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

fn replace_by_link_to_nowhere(path: &Path) {
    fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink("nowhere", path).unwrap();
}

fn replace_by_database_of_others(path: &Path) {
    fs::remove_file(path).unwrap();
    sql(path.parent().unwrap(), "CREATE TABLE recipes (name TEXT); PRAGMA user_version = 1;");
}

/// Damage that leaves nothing to be relied on.
const DAMAGES: [(&str, Damage); 15] = [
    ("text", |path| fs::write(path, "Dear diary, today I was a database.").unwrap()),
    ("cut in the middle", |path| cut(path, fs::metadata(path).unwrap().len() / 2)),
    ("cut after the header", |path| cut(path, 100)),
    ("cut in a page", |path| cut(path, fs::metadata(path).unwrap().len() - 1000)),
    ("one byte", |path| cut(path, 1)),
    ("header of zeros", |path| overwrite(path, 0, &[0; 100])),
    ("first page of zeros", |path| overwrite(path, 0, &[0; 4096])),
    ("second page of noise", |path| overwrite(path, 4096, &[0xa5; 4096])),
    ("all zeros", |path| fs::write(path, vec![0; 8192]).unwrap()),
    ("a directory", replace_by_directory),
    ("a pipe", replace_by_pipe),
    ("a link to nowhere", replace_by_link_to_nowhere),
    ("a database of others", replace_by_database_of_others),
    ("a table is missing", |path| sql(path.parent().unwrap(), "DROP TABLE kept_log")),
    ("a column is missing", |path| {
        sql(path.parent().unwrap(), "ALTER TABLE instance DROP COLUMN proven");
    }),
];

#[tokio::test]
async fn a_file_that_cannot_be_used_must_be_set_aside_and_a_new_one_begun() {
    for (what, damage) in DAMAGES {
        let dir = closed().await;
        damage(&file_of(dir.path()));
        let opened = Db::open(dir.path()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let set_aside = opened.set_aside.unwrap_or_else(|| panic!("{what} was used"));
        assert_eq!(set_aside.path, dir.path().join("state.db.broken-1"), "{what}");
        assert!(set_aside.path.symlink_metadata().is_ok(), "{what}: nothing was kept of it");
        assert!(!set_aside.why.is_empty(), "{what}");
        assert_eq!(opened.stored, Stored::default(), "{what}");
        assert_works(opened.db, dir.path(), what).await;
    }
}

#[tokio::test]
async fn a_missing_or_empty_file_must_be_begun_anew() {
    let damages: [(&str, Damage); 3] = [
        ("missing", |path| fs::remove_file(path).unwrap()),
        ("empty", |path| cut(path, 0)),
        ("missing, its log still there", |path| {
            fs::remove_file(path).unwrap();
            fs::write(path.with_extension("db-wal"), vec![7; 9000]).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = closed().await;
        damage(&file_of(dir.path()));
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.fresh && opened.set_aside.is_none(), "{what}");
        assert_works(opened.db, dir.path(), what).await;
    }
}

#[tokio::test]
async fn a_damaged_log_costs_what_was_in_it_and_no_more() {
    let damages: [(&str, Damage); 4] = [
        ("deleted", |log| fs::remove_file(log).unwrap()),
        ("empty", |log| cut(log, 0)),
        ("noise", |log| fs::write(log, vec![0xa5; 20_000]).unwrap()),
        ("another's index", |log| {
            fs::write(log.with_extension("db-shm"), vec![0xa5; 32_768]).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = after_crash().await;
        damage(&dir.path().join("state.db-wal"));
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.set_aside.is_none(), "{what}: {:?}", opened.set_aside);
        let wanted = if what == "another's index" { whole_stored() } else { Stored::default() };
        assert_eq!(opened.stored, wanted, "{what}");
        assert_eq!(opened.fresh, wanted == Stored::default(), "{what}");
        opened.db.write(vec![Change::DropTask(name("prod/web"))]).await.unwrap();
        let dir = crashed(dir.path());
        assert!(Db::open(dir.path()).await.unwrap().set_aside.is_none(), "{what}");
    }
}

/// Splitmix64: positions that are the same in every run.
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn flip_bits(path: &Path, seed: u64) {
    let mut bytes = fs::read(path).unwrap();
    let mut state = seed;
    for _ in 0..=seed % 8 {
        let bit = noise(&mut state) % (bytes.len() as u64 * 8);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
    }
    fs::write(path, bytes).unwrap();
}

/// Whatever is in the files: it ends in time with a DB that works, or with a clear refusal.
async fn assert_survives(dir: &Path, what: &str) {
    let deadline = Duration::from_secs(30);
    let opened = tokio::time::timeout(deadline, Db::open(dir)).await.unwrap();
    let db = match opened {
        Ok(opened) => opened.db,
        // Its version may be what was hit; that one is never guessed at.
        Err(DbError::Newer { .. }) => return,
        Err(error) => panic!("{what}: {error:?}"),
    };
    let _ = db.events(last(100)).await;
    let _ = db.kept_log(InstanceId(Uuid::from_u128(2))).await;
    if let Err(error) = db.write(whole()).await {
        assert!(error.needs_rebuild(), "{what}: {error}");
        db.rebuild(whole()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    db.write(vec![Change::AddEvent(event(None, "after"))]).await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn flipped_bits_in_the_file_must_never_stop_a_start() {
    let whole_file = closed().await;
    for seed in 0..200 {
        let dir = crashed(whole_file.path());
        flip_bits(&file_of(dir.path()), seed);
        assert_survives(dir.path(), &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn flipped_bits_in_the_log_must_never_stop_a_start() {
    let with_log = after_crash().await;
    for seed in 0..200 {
        let dir = crashed(with_log.path());
        flip_bits(&dir.path().join("state.db-wal"), seed);
        assert_survives(dir.path(), &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn a_file_of_a_newer_release_must_be_left_alone() {
    for dir in [closed().await, after_crash().await] {
        sql(
            dir.path(),
            "PRAGMA user_version = 99; ALTER TABLE task ADD COLUMN mood TEXT;
             UPDATE task SET mood = 'good'",
        );
        let before = contents(dir.path());
        let error = Db::open(dir.path()).await.unwrap_err();
        assert!(matches!(error, DbError::Newer { found: 99, known: 6, .. }), "{error}");
        let error = Db::open_read_only(dir.path()).await.unwrap_err();
        assert!(matches!(error, DbError::Newer { .. }), "{error}");
        assert!(contents(dir.path()) == before, "it was touched");
    }
}

#[tokio::test]
async fn a_file_of_an_older_release_must_be_read_and_go_on() {
    for dir in [closed().await, after_crash().await] {
        sql(
            dir.path(),
            "ALTER TABLE revision DROP COLUMN restart; ALTER TABLE task DROP COLUMN restart;
             ALTER TABLE task DROP COLUMN going; ALTER TABLE task DROP COLUMN suspended;
             DROP TABLE run; ALTER TABLE instance DROP COLUMN unwell; PRAGMA user_version = 1",
        );
        let wanted = stored_before();
        let copied = Db::open_read_only(dir.path()).await.unwrap();
        assert_eq!(copied.stored, wanted);
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.set_aside.is_none(), "{:?}", opened.set_aside);
        assert_eq!(opened.stored, wanted);
        opened.db.write(whole()).await.unwrap();
        opened.db.close().await;
        assert_eq!(Db::open(dir.path()).await.unwrap().stored, whole_stored());
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_must_not_hide_those_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap().db;
    let many = (1..=10).map(|it| Change::AddEvent(event(Some("prod/web"), &it.to_string())));
    db.write(many.collect()).await.unwrap();
    db.close().await;
    sql(
        dir.path(),
        "UPDATE event SET severity = 'Loud' WHERE seq IN (2, 3);
         UPDATE event SET message = CAST(x'ff' AS TEXT) WHERE seq = 6;",
    );
    let db = Db::open(dir.path()).await.unwrap().db;
    let (mut mark, mut told) = (Mark { seq: 0, at: None }, Vec::new());
    for task in [None, Some(name("prod/web"))] {
        let query = EventQuery { task: task.clone(), ..last(100) };
        let listed = db.events(query).await.unwrap();
        while mark.seq < 10 {
            let News::Happened(events, after) = db.news(mark, task.clone(), 3).await.unwrap()
            else {
                panic!("nothing was missed after {mark:?}");
            };
            assert!(after.seq > mark.seq && (!events.is_empty() || after.seq == 10), "{after:?}");
            (mark, told) = (after, [told, events].concat());
        }
        assert_eq!(told, listed, "{task:?}");
        for (seq, event) in std::mem::take(&mut told) {
            let is_flawed = [2, 3, 6].contains(&seq);
            assert_eq!(event.reason == UNREADABLE, is_flawed, "{event:?}");
            assert_eq!(event.task, Some(name("prod/web")));
            let wanted = format!("the stored event {seq} can't be read");
            assert_eq!(event.message.starts_with(&wanted), is_flawed, "{event:?}");
        }
        mark = Mark { seq: 0, at: None };
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_must_not_take_down_the_rest() {
    let rows = [
        ("UPDATE instance SET state = 'Dancing' WHERE slot = 0", "the stored instance 0"),
        ("UPDATE instance SET attempt = -1 WHERE slot = 0", "the stored instance 0"),
        ("UPDATE instance SET container = 'abc' WHERE slot = 0", "its container's id is none"),
        ("UPDATE instance SET name = 'nobody' WHERE slot = 0", "nothing readable is stored of"),
        ("UPDATE revision SET spec = '[' WHERE number = 2", "the stored revision prod/web 2"),
        ("UPDATE revision SET number = 5000000000 WHERE number = 2", "prod/web 5000000000"),
        ("UPDATE task SET spec = '{}' WHERE name = 'bare'", "the stored task default/bare"),
        ("UPDATE task SET uid = 'x' WHERE name = 'bare'", "the stored task default/bare"),
        ("UPDATE task SET name = 'Bare!' WHERE name = 'bare'", "the stored task default/Bare!"),
        ("UPDATE run SET attempt = -1", "the stored run prod/web 1.-1"),
        ("UPDATE run SET name = 'nobody'", "nothing readable is stored of"),
        ("UPDATE meta SET value = CAST(x'ff' AS TEXT)", "the stored meta source"),
    ];
    for (statement, wanted) in rows {
        let dir = closed().await;
        sql(dir.path(), statement);
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.set_aside.is_none(), "{statement}: {:?}", opened.set_aside);
        let stored = opened.stored;
        assert_eq!(stored.unreadable.len(), 1, "{statement}: {:?}", stored.unreadable);
        assert!(stored.unreadable[0].contains(wanted), "{statement}: {:?}", stored.unreadable);
        let web = stored.records.last().unwrap();
        assert_eq!(web.head, head("prod/web"), "{statement}");
        let of_web = web.instances.len() + web.revisions.len() + web.runs.len();
        assert_eq!(stored.records.len() + of_web + stored.meta.len(), 7, "{statement}");
    }
}

#[tokio::test]
async fn a_run_whose_end_cannot_be_read_must_still_be_a_run() {
    let dir = closed().await;
    sql(dir.path(), "UPDATE run SET reason = 'Bored'");
    let stored = Db::open(dir.path()).await.unwrap().stored;
    assert!(stored.unreadable.is_empty(), "{:?}", stored.unreadable);
    let runs: Vec<_> = stored.records.last().unwrap().runs.values().collect();
    assert_eq!(runs, [&Run { reason: None, ..run(Seat { slot: 1, attempt: 2 }) }]);
}

#[tokio::test]
async fn a_task_of_another_release_is_read_as_far_as_it_can_be() {
    let dir = closed().await;
    sql(
        dir.path(),
        "UPDATE task SET spec = json_remove(spec, '$.template.resources', '$.suspend');
         UPDATE task SET spec = json_set(spec, '$.mood', 'good', '$.template.gpus', 2);
         CREATE INDEX of_a_person ON instance (container);",
    );
    let opened = Db::open(dir.path()).await.unwrap();
    assert!(opened.set_aside.is_none());
    assert_eq!(opened.stored, whole_stored());
}

#[tokio::test]
async fn a_file_that_is_taken_away_while_it_is_used_must_be_noticed_and_can_be_rebuilt() {
    let damages: [(&str, Damage); 6] = [
        ("the file deleted", |path| fs::remove_file(path).unwrap()),
        ("the log deleted", |path| fs::remove_file(path.with_extension("db-wal")).unwrap()),
        ("the directory deleted", |path| fs::remove_dir_all(path.parent().unwrap()).unwrap()),
        ("moved", |path| fs::rename(path, path.with_extension("old")).unwrap()),
        ("replaced by text", |path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "Dear diary").unwrap();
        }),
        ("replaced by a directory", replace_by_directory),
    ];
    for (what, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let opened = Db::open(&state).await.unwrap();
        opened.db.write(whole()).await.unwrap();
        damage(&file_of(&state));
        for _ in 0..2 {
            let event = Change::AddEvent(event(None, "three"));
            let error = opened.db.write(vec![event]).await.unwrap_err();
            assert!(matches!(error, DbError::Gone { .. }), "{what}: {error}");
            assert!(error.needs_rebuild(), "{what}");
        }
        assert_eq!(messages(&opened.db, last(10)).await, ["one", "two"], "{what}: still read");
        let set_aside = opened.db.rebuild(whole()).await.unwrap();
        assert_eq!(set_aside.is_some(), file_of(&state).with_extension("db.broken-1").exists());
        opened.db.write(vec![Change::AddEvent(event(None, "three"))]).await.unwrap();
        let copy = crashed_files(&state);
        assert_eq!(Db::open(copy.path()).await.unwrap().stored, whole_stored(), "{what}");
        assert_works(opened.db, &state, what).await;
    }
}

/// As [`crashed`], of the DB itself alone.
fn crashed_files(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn a_rebuild_that_fails_must_leave_nothing_that_passes_for_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 256 * 1024, ..Limits::default() };
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    db.write(whole()).await.unwrap();
    fs::remove_file(file_of(dir.path())).unwrap();
    let mut too_much = whole();
    too_much.push(Change::SetMeta { key: "big".into(), value: Some("x".repeat(512 * 1024)) });
    for _ in 0..3 {
        let error = db.rebuild(too_much.clone()).await.unwrap_err();
        assert!(matches!(error, DbError::Full { .. }), "{error}");
        assert!(contents(dir.path()).is_empty(), "{:?}", contents(dir.path()).keys());
        assert!(matches!(db.write(whole()).await, Err(DbError::Gone { .. })));
    }
    assert_eq!(db.rebuild(whole()).await.unwrap(), None);
    assert_works(db, dir.path(), "rebuilt").await;
}

#[tokio::test]
async fn a_file_damaged_while_it_is_used_must_be_noticed_and_can_be_rebuilt() {
    let dir = closed().await;
    let db = Db::open(dir.path()).await.unwrap().db;
    // All pages but the first: what is in no cache yet is read from here on.
    let path = file_of(dir.path());
    let length = fs::metadata(&path).unwrap().len();
    overwrite(&path, 4096, &vec![0xa5; usize::try_from(length).unwrap() - 4096]);
    let mut found = None;
    for number in 0..2000 {
        let key = format!("key-{number}");
        let meta = Change::SetMeta { key, value: Some("x".repeat(500)) };
        let log = Change::KeepLog { instance: InstanceId(Uuid::from_u128(2)), log: vec![1] };
        if let Err(error) = db.write(vec![meta, log]).await {
            found = Some(error);
            break;
        }
    }
    if let Some(error) = found {
        assert!(error.needs_rebuild(), "{error}");
        let error = db.write(whole()).await.unwrap_err();
        assert!(error.needs_rebuild(), "{error}");
    }
    assert!(db.rebuild(whole()).await.unwrap().is_some());
    assert_works(db, dir.path(), "rebuilt").await;
}

#[tokio::test]
async fn a_full_disk_must_change_nothing_and_be_got_over_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 400 * 1024, ..Limits::default() };
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    db.write(whole()).await.unwrap();
    let big = |number: u32| {
        let key = format!("big-{number}");
        Change::SetMeta { key, value: Some("x".repeat(20_000)) }
    };
    let mut written = 0;
    let error = loop {
        match db.write(vec![big(written)]).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert!(matches!(error, DbError::Full { .. }), "{error}");
    assert!(!error.needs_rebuild());
    let log = db.kept_log(InstanceId(Uuid::from_u128(1))).await.unwrap();
    assert_eq!(log, None, "reading works");
    let forget = Change::SetMeta { key: "big-0".into(), value: None };
    db.write(vec![forget]).await.unwrap();
    db.write(vec![big(written)]).await.unwrap();
    db.close().await;
    let opened = Db::open(dir.path()).await.unwrap();
    assert!(opened.set_aside.is_none());
    assert_eq!(opened.stored.records, whole_stored().records);
    assert_eq!(opened.stored.meta.len(), 1 + usize::try_from(written).unwrap());
}

#[tokio::test]
async fn a_damaged_file_must_stay_where_it_is_while_there_is_no_room_for_a_new_one() {
    let none = Limits { bytes: 8192, ..Limits::default() };
    let fresh = tempfile::tempdir().unwrap();
    let error = Db::open_with(fresh.path(), none).await.unwrap_err();
    assert!(matches!(error, DbError::Full { .. }) && error.lacks_disk(), "{error}");
    for (what, damage) in DAMAGES {
        let dir = closed().await;
        damage(&file_of(dir.path()));
        // Reading a pipe would wait for who writes.
        let content = || file_of(dir.path()).is_file().then(|| fs::read(file_of(dir.path())));
        let before = content().map(Result::unwrap);
        for _ in 0..2 {
            let error = Db::open_with(dir.path(), none).await.unwrap_err();
            let told = error.told();
            assert!(error.lacks_disk() && told.contains("state.db is damaged ("), "{told}");
            assert!(told.contains(": there is no space left for the state database"), "{told}");
            assert_eq!(content().map(Result::unwrap), before, "{what}");
            assert!(file_of(dir.path()).symlink_metadata().is_ok(), "{what}");
            assert!(!dir.path().join("state.db.broken-1").exists(), "{what}");
        }
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.set_aside.is_some(), "{what}");
        assert_works(opened.db, dir.path(), what).await;
    }
}

#[tokio::test]
async fn at_its_size_limit_history_makes_room_for_what_is() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 400 * 1024, ..Limits::default() };
    let db = Db::open_with(dir.path(), limits).await.unwrap().db;
    let message = "x".repeat(4000);
    for number in 0..300 {
        let task = format!("task-{}", number % 10);
        let event = event(Some(&task), &format!("{number} {message}"));
        db.write(vec![Change::AddEvent(event)]).await.unwrap();
    }
    db.write(whole()).await.unwrap();
    let left = messages(&db, last(1000)).await;
    assert!((10..100).contains(&left.len()), "{} events are left", left.len());
    assert!(left.iter().any(|message| message.starts_with("299 ")));
    assert!(fs::metadata(file_of(dir.path())).unwrap().len() <= limits.bytes);
}

#[tokio::test]
async fn a_file_that_is_mostly_empty_is_made_smaller_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap().db;
    let meta = |value: Option<String>| Change::SetMeta { key: "big".into(), value };
    db.write(vec![meta(Some("x".repeat(8 << 20)))]).await.unwrap();
    db.write(vec![meta(None)]).await.unwrap();
    db.close().await;
    let size = || fs::metadata(file_of(dir.path())).unwrap().len();
    assert!(size() > 8 << 20);
    Db::open(dir.path()).await.unwrap().db.close().await;
    assert!(size() < 1 << 20, "{} bytes", size());
}

#[tokio::test]
async fn only_the_newest_three_broken_files_are_left_there() {
    let dir = tempfile::tempdir().unwrap();
    // What releases before left there goes as well, and what is not numbered stays.
    for name in ["broken-1", "broken-2", "broken-3", "broken-4", "broken-4-wal", "broken-x"] {
        fs::write(dir.path().join(format!("state.db.{name}")), "older").unwrap();
    }
    Db::open(dir.path()).await.unwrap().db.close().await;
    assert_eq!(
        broken(dir.path()),
        ["broken-2", "broken-3", "broken-4", "broken-4-wal", "broken-x"]
    );
    for number in 5..=12_u32 {
        fs::write(file_of(dir.path()), "broken").unwrap();
        fs::write(dir.path().join("state.db-wal"), "broken").unwrap();
        let opened = Db::open(dir.path()).await.unwrap();
        let path = opened.set_aside.unwrap().path;
        assert_eq!(path, dir.path().join(format!("state.db.broken-{number}")));
        opened.db.close().await;
    }
    let with_logs = ["broken-10", "broken-10-wal", "broken-11", "broken-11-wal", "broken-12"];
    assert_eq!(broken(dir.path()), [&with_logs[..], &["broken-12-wal", "broken-x"]].concat());
}

/// What is set aside in a directory.
fn broken(dir: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let names = contents(dir).into_keys().map(name);
    let broken = names.filter_map(|name| Some(name.strip_prefix("state.db.")?.to_owned()));
    broken.collect()
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    // No file or directory can be made there, by root neither.
    let error = Db::open(Path::new("/proc/evenkeel")).await.unwrap_err();
    assert!(matches!(error, DbError::Directory { .. }), "{error}");
    assert_eq!(error.to_string(), "can't create the state directory /proc/evenkeel");
    let error = Db::open(Path::new("/proc")).await.unwrap_err();
    assert!(matches!(error, DbError::File { action: "create", .. }), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Db::open(file.path()).await.unwrap_err();
    assert!(matches!(error, DbError::Directory { .. }), "{error}");
}

// Reading while no daemon runs.

#[tokio::test]
async fn reading_must_write_nothing_and_see_what_only_the_log_has() {
    for dir in [closed().await, after_crash().await] {
        let before = contents(dir.path());
        let opened = Db::open_read_only(dir.path()).await.unwrap();
        assert_eq!(opened.stored, whole_stored());
        assert_eq!(messages(&opened.db, last(10)).await, ["one", "two"]);
        let error = opened.db.write(whole()).await.unwrap_err();
        assert!(matches!(error, DbError::ReadOnly { .. }), "{error}");
        assert!(matches!(opened.db.rebuild(whole()).await, Err(DbError::ReadOnly { .. })));
        assert_eq!(messages(&opened.db, last(1)).await, ["two"]);
        opened.db.close().await;
        assert!(contents(dir.path()) == before, "it was touched");
    }
}

#[tokio::test]
async fn reading_where_nothing_is_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let opened = Db::open_read_only(&missing).await.unwrap();
    assert!(opened.fresh && opened.set_aside.is_none());
    assert_eq!(opened.stored, Stored::default());
    assert!(!missing.exists());
}

#[tokio::test]
async fn reading_what_is_damaged_says_so_and_leaves_it() {
    for (what, damage) in DAMAGES {
        let dir = closed().await;
        damage(&file_of(dir.path()));
        let error = Db::open_read_only(dir.path()).await.unwrap_err();
        assert!(matches!(&error, DbError::Damaged { .. }), "{what}: {error}");
        let path = file_of(dir.path()).display().to_string();
        assert!(error.to_string().contains(&path), "{what}: {error}");
        assert!(file_of(dir.path()).symlink_metadata().is_ok(), "{what}");
    }
}

// Other processes: the test runs itself once more, with the directory in its environment.

const DIR: &str = "EVENKEEL_TEST_STATE";

fn again(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("db::faults::{test}"), "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn two_processes_must_never_have_it_at_once() {
    if let Some(dir) = std::env::var_os(DIR) {
        let error = Db::open(Path::new(&dir)).await.unwrap_err();
        assert!(matches!(error, DbError::Locked { .. }), "{error}");
        println!("refused: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let opened = Db::open(dir.path()).await.unwrap();
    let other = again("two_processes_must_never_have_it_at_once", dir.path());
    let output = other.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("refused: the state database"), "{text}");
    assert!(text.contains("is in use by another program"), "{text}");
    assert_works(opened.db, dir.path(), "the first").await;
}

#[tokio::test]
async fn nothing_that_was_acknowledged_may_be_lost_with_the_process() {
    if let Some(dir) = std::env::var_os(DIR) {
        let opened = Db::open(Path::new(&dir)).await.unwrap();
        let first = opened.stored.meta.get("count").map_or(0, |count| count.parse().unwrap());
        for count in first + 1..first + 100_000_u32 {
            let value = Some(count.to_string());
            opened.db.write(vec![Change::SetMeta { key: "count".into(), value }]).await.unwrap();
            println!("\nwritten {count}");
        }
        panic!("nobody killed it");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=6 {
        let mut child =
            again("nothing_that_was_acknowledged_may_be_lost_with_the_process", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = || -> Option<u32> {
            let line = lines.find(|line| line.as_ref().unwrap().starts_with("written "))?.unwrap();
            Some(line["written ".len()..].parse().unwrap())
        };
        for _ in 0..round * 20 {
            acknowledged = count().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts as well.
        acknowledged = std::iter::from_fn(count).last().unwrap_or(acknowledged);
        let opened = Db::open(dir.path()).await.unwrap();
        assert!(opened.set_aside.is_none(), "{:?}", opened.set_aside);
        let stored: u32 = opened.stored.meta["count"].parse().unwrap();
        assert!(stored == acknowledged || stored == acknowledged + 1, "{stored} {acknowledged}");
        // The next one begins from what is there; closing or not makes no difference to it.
        if round % 2 == 0 {
            opened.db.close().await;
        }
    }
}
