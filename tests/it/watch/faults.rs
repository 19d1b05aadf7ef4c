//! What is refused, and said: never followed, never waited for, never left out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

/// What one look at a directory filled by `prepare` tells.
fn look_at(prepare: impl FnOnce(&Path)) -> Vec<String> {
    let home = TempDir::new().unwrap();
    let root = home.path().join("source");
    fs::create_dir(&root).unwrap();
    fs::write(home.path().join("secret.yaml"), "secret").unwrap();
    fs::create_dir(home.path().join("others")).unwrap();
    fs::write(home.path().join("others/a.yaml"), "others").unwrap();
    prepare(&root);
    look(&root)
}

#[test]
fn a_link_that_leads_out_is_refused() {
    let told = look_at(|root| {
        symlink("../secret.yaml", root.join("a.yaml")).unwrap();
        symlink(root.with_file_name("secret.yaml"), root.join("b.yaml")).unwrap();
        symlink("/etc/shadow", root.join("c.yaml")).unwrap();
        fs::create_dir(root.join("x")).unwrap();
        symlink("../../secret.yaml", root.join("x/d.yaml")).unwrap();
        symlink("../others", root.join("y")).unwrap();
        symlink("/etc/hostname", root.join("no-manifest")).unwrap();
    });
    let leaves = |name: &str, to: &str| format!("{name} ! the link leads out of the source: {to}");
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(told[0], leaves("a.yaml", "../secret.yaml"));
    assert!(told[1].starts_with("b.yaml ! the link leads out of the source: /"));
    assert_eq!(told[2], leaves("c.yaml", "/etc/shadow"));
    assert_eq!(told[3], leaves("x/d.yaml", "../../secret.yaml"));
    assert_eq!(told[4], leaves("y", "../others"));
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let told = look_at(|root| {
        fs::create_dir_all(root.join(".hidden/x")).unwrap();
        fs::write(root.join(".hidden/x/a.yaml"), "one").unwrap();
        symlink(".hidden/x/a.yaml", root.join("b.yaml")).unwrap();
        symlink(root.join(".hidden/x/a.yaml"), root.join("c.yaml")).unwrap();
        symlink(".hidden", root.join("current")).unwrap();
        symlink("x/../current/x/a.yaml", root.join("d.yaml")).unwrap();
        fs::create_dir(root.join("x")).unwrap();
    });
    let all = ["b.yaml: one", "c.yaml: one", "current/x/a.yaml: one", "d.yaml: one"];
    assert_eq!(told, all);
}

#[test]
fn a_link_to_a_directory_that_is_listed_anyway_adds_nothing() {
    let told = look_at(|root| {
        fs::create_dir(root.join("x")).unwrap();
        fs::write(root.join("x/a.yaml"), "one").unwrap();
        symlink("x", root.join("again")).unwrap();
    });
    assert_eq!(told, ["x/a.yaml: one"]);
}

#[test]
fn a_link_that_loops_or_dangles_is_refused() {
    let told = look_at(|root| {
        symlink("a.yaml", root.join("a.yaml")).unwrap();
        symlink("nowhere", root.join("b.yaml")).unwrap();
        symlink(".", root.join("c")).unwrap();
        fs::create_dir(root.join("x")).unwrap();
        symlink("../x", root.join("x/up")).unwrap();
        symlink("nowhere", root.join("y")).unwrap();
    });
    let circle = "the link leads round in a circle";
    let nowhere = "the link leads to what is not there: nowhere";
    let all = [
        format!("a.yaml ! {circle}"),
        format!("b.yaml ! {nowhere}"),
        format!("c ! {circle}"),
        format!("x/up ! {circle}"),
        format!("y ! {nowhere}"),
    ];
    assert_eq!(told, all);
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let told = look_at(|root| {
        let made = Command::new("mkfifo").arg(root.join("a.yaml")).status().unwrap();
        assert!(made.success());
        UnixListener::bind(root.join("b.yaml")).unwrap();
        fs::create_dir(root.join("c.yaml")).unwrap();
        fs::write(root.join("c.yaml/d.yaml"), "one").unwrap();
    });
    let all = [
        "a.yaml ! it is a named pipe, and only files are read",
        "b.yaml ! it is a socket, and only files are read",
        "c.yaml ! it is a directory, and only files are read",
    ];
    assert_eq!(told, all);
}

#[test]
fn a_name_that_cannot_be_shown_is_refused_and_escaped() {
    let told = look_at(|root| {
        for name in [&b"a\nb.yaml"[..], b"c\x1b[31m.yaml", b"d\xff.yaml"] {
            fs::write(root.join(OsStr::from_bytes(name)), "one").unwrap();
        }
        fs::create_dir(root.join(OsStr::from_bytes(b"e\xff"))).unwrap();
        fs::write(root.join(OsStr::from_bytes(b"f\xff.txt")), "no manifest").unwrap();
    });
    let names = ["a\\nb.yaml", "c\\x1b[31m.yaml", "d\\xff.yaml", "e\\xff"];
    let why = "its name is not UTF-8, or has control characters";
    assert_eq!(told, names.map(|name| format!("{name} ! {why}")));
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let told = look_at(|root| {
        fs::write(root.join("a.yaml"), vec![b'#'; 1024 * 1024]).unwrap();
        fs::write(root.join("b.yaml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
        fs::File::create(root.join("c.yaml")).unwrap().set_len(1 << 40).unwrap();
    });
    assert!(told[0].starts_with("a.yaml: #"));
    assert_eq!(told[1], "b.yaml ! it has more than 1048576 bytes");
    assert_eq!(told[2], "c.yaml ! it has more than 1048576 bytes");
}

#[test]
fn directories_too_deep_are_refused() {
    let told = look_at(|root| {
        let deep = vec!["x"; 40].join("/");
        fs::create_dir_all(root.join(&deep)).unwrap();
        fs::write(root.join(deep).join("a.yaml"), "one").unwrap();
    });
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("! it lies more than 32 directories deep"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_be_read_again_must_be_shown_again() {
    let mut watching = Watching::start(|_| {}, |_| {});
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let (path, aside) = (watching.path("a.yaml"), watching.home.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    symlink("nowhere", watching.path("next")).unwrap();
    fs::rename(watching.path("next"), &path).unwrap();
    watching.until(&["a.yaml ! the link leads to what is not there", "next"][..1]).await;
    fs::rename(&aside, &path).unwrap();
    watching.until(&["a.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_answer_must_not_keep_the_watch_from_ending() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("a.yaml"), "one").unwrap();
    let (release, hangs) = std::sync::mpsc::channel::<()>();
    let (starts, started) = std::sync::mpsc::channel::<()>();
    let read = reader(&Parsed::default());
    let hang = move |file: &str, content: &[u8]| {
        let _nobody_counts = starts.send(());
        let _released = hangs.recv();
        read(file, content)
    };
    let mut options = Options::new(home.path());
    (options.settle, options.stop_within) = (Duration::ZERO, Duration::from_millis(1));
    let (out, _snapshots) = channel(Arc::new(Snapshot::Unavailable { message: String::new() }));
    let (health_out, _health) = channel(WatchHealth::default());
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch(options, hang, out, health_out, stop.clone()));
    tokio::task::spawn_blocking(move || started.recv()).await.unwrap().unwrap();
    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    drop(release);
}

#[test]
fn a_look_that_is_long_over_its_time_must_be_told() {
    let minutes = |count: u64| Some(std::time::Instant::now() - Duration::from_secs(60 * count));
    let health = |last_look| WatchHealth {
        last_look,
        look_within: Duration::from_secs(90),
        degraded: Some("no events".into()),
        ..WatchHealth::default()
    };
    for (last_look, said) in [(None, "no events"), (minutes(1), "no events"), (minutes(2), "120 s")]
    {
        let told = health(last_look).trouble().unwrap();
        assert!(told.contains(said), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_brings_a_bug_to_light_must_not_stop_the_reading_of_others() {
    let prepare = |root: &Path| {
        fs::write(root.join("a.yaml"), "poison").unwrap();
        fs::write(root.join("web.yaml"), "task web").unwrap();
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching
        .until(&["a.yaml ! evenkeel failed when it read this file", "web.yaml: task web"])
        .await;
    watching.write("web.yaml", "task web 2");
    watching.until(&["a.yaml ! evenkeel failed", "web.yaml: task web 2"]).await;
    watching.write("a.yaml", "task a");
    watching.until(&["a.yaml: task a", "web.yaml: task web 2"]).await;
    watching.end().await;
}

/// A reader that hangs until `release` goes, as one on a disk that is away does.
fn hanging() -> (std::sync::mpsc::Sender<()>, impl Fn(&str, &[u8]) -> FileState + Send + 'static) {
    let (release, hangs) = std::sync::mpsc::channel();
    let read = move |_: &str, bytes: &[u8]| {
        let _released = hangs.recv();
        let digest = String::from_utf8_lossy(bytes).into_owned();
        FileState::Read { digest, documents: Vec::new() }
    };
    (release, read)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_does_not_answer_must_be_told_and_be_read_once_it_does() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("a.yaml"), "one").unwrap();
    let mut options = Options::new(home.path());
    options.answer_within = Duration::from_millis(50);
    options.settle = Duration::ZERO;
    let silent = |snapshot: &Snapshot| match snapshot {
        Snapshot::Unavailable { message } => message.contains("relied on: no answer within"),
        Snapshot::Read { .. } => false,
    };
    let (release, read) = hanging();
    let looked = tokio::time::timeout(PATIENCE, look_within(options.clone(), read)).await.unwrap();
    assert!(silent(&looked), "{looked:?}");
    drop(release);

    let (release, read) = hanging();
    let unread = Snapshot::Unavailable { message: "not read yet".into() };
    let (out, mut snapshots) = channel(Arc::new(unread));
    let stop = CancellationToken::new();
    let watching = watch(options, read, out, channel(WatchHealth::default()).0, stop.clone());
    let running = tokio::spawn(async move { watching.await.unwrap() });
    tokio::time::timeout(PATIENCE, snapshots.wait_for(|it| silent(it))).await.unwrap().unwrap();
    drop(release);
    let is_read = |it: &Arc<Snapshot>| told(it) == ["a.yaml: one"];
    tokio::time::timeout(PATIENCE, snapshots.wait_for(is_read)).await.unwrap().unwrap();
    stop.cancel();
    running.await.unwrap();
}
