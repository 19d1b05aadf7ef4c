//! What is read, and how often.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn only_manifests_must_be_read() {
    let prepare = |root: &Path| {
        fs::create_dir_all(root.join("x/.git")).unwrap();
        fs::create_dir_all(root.join("x.bak")).unwrap();
        for name in [
            "a.yaml",
            "b.yml",
            "c.json",
            "x/d.yaml",
            ".e.yaml",
            "f.yaml~",
            "g.yaml.swp",
            "#h.yaml#",
            "4913",
            "i.yaml.bak",
            "j.txt",
            "k",
            "x/.git/l.yaml",
            "x.bak/m.yaml",
        ] {
            fs::write(root.join(name), "one").unwrap();
        }
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching.until(&["a.yaml: one", "b.yml: one", "c.json: one", "x/d.yaml: one"]).await;
    assert_eq!(watching.parsed.lock().unwrap().len(), 4);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_written_just_before_the_start_must_settle_first() {
    let prepare = |root: &Path| fs::write(root.join("a.yaml"), "one").unwrap();
    let mut unsettled = Watching::start(prepare, |options| options.settle = NEVER);
    unsettled.until(&["a.yaml ..."]).await;
    unsettled.end().await;
    let mut settled = Watching::start(prepare, |_| {});
    settled.until(&["a.yaml: one"]).await;
    settled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_change_a_content_must_not_be_parsed() {
    let mut watching = Watching::start(|_| {}, |_| {});
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let path = watching.path("a.yaml");
    // Each of these is empty for a moment, right after the close of the one before.
    for _ in 0..200 {
        watching.write("a.yaml", "one");
        fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    watching.listed_again(3).await;
    assert_eq!(watching.parsed("a.yaml"), ["one"]);
    watching.end().await;
}

/// Whether this process may read whatever there is.
fn reads_anything() -> bool {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o000)).unwrap();
    fs::read(secret.path()).is_ok()
}

/// Runs one test of this program as somebody else than root, in a process of its own.
fn as_somebody(test: &str) {
    // The program may lie where only root comes.
    let home = TempDir::new().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = home.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(["--exact", test, "--nocapture"]);
    command.uid(65534).gid(65534).env("TMPDIR", home.path()).current_dir(home.path());
    let done = command.output().unwrap();
    let said = format!("{done:?}");
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_must_be_said_and_not_left_out() {
    if reads_anything() {
        return as_somebody("watch::rules::what_may_not_be_read_must_be_said_and_not_left_out");
    }
    let prepare = |root: &Path| {
        fs::create_dir(root.join("x")).unwrap();
        for name in ["a.yaml", "b.yaml", "x/c.yaml"] {
            fs::write(root.join(name), "one").unwrap();
        }
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching.until(&["a.yaml: one", "b.yaml: one", "x/c.yaml: one"]).await;
    let root = watching.root.clone();
    let allow = |name: &str, mode| {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("a.yaml", 0o000);
    allow("x", 0o000);
    let denied = "it can't be read: Permission denied";
    let (file, directory) = (format!("a.yaml ! {denied}"), format!("x / {denied}"));
    watching.until(&[&file, "b.yaml: one", &directory]).await;
    // What comes into such a directory is not seen: that it can't be listed has to stay said.
    fs::remove_file(root.join("b.yaml")).unwrap();
    watching.until(&[&file, &directory]).await;
    watching.listed_again(2).await;
    watching.until(&[&file, &directory]).await;
    watching.write("b.yaml", "one");
    allow("a.yaml", 0o644);
    allow("x", 0o755);
    watching.until(&["a.yaml: one", "b.yaml: one", "x/c.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_may_not_be_read_must_not_keep_events_from_the_others() {
    if reads_anything() {
        return as_somebody(
            "watch::rules::a_directory_that_may_not_be_read_must_not_keep_events_from_the_others",
        );
    }
    for (mode, later) in [(0o000, false), (0o300, false), (0o600, false), (0o000, true)] {
        let prepare = |root: &Path| {
            for name in ["x", "y"] {
                fs::create_dir(root.join(name)).unwrap();
            }
            let allowed = if later { 0o755 } else { mode };
            fs::set_permissions(root.join("x"), fs::Permissions::from_mode(allowed)).unwrap();
        };
        let mut watching = Watching::start(prepare, |options| {
            (options.rescan, options.settle) = (NEVER, NEVER);
        });
        if later {
            watching.until(&[]).await;
            let path = watching.path("x");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        watching.until(&["x / it can't be read"]).await;
        watching.write("a.yaml", "one");
        watching.write("y/a.yaml", "one");
        watching.until(&["a.yaml: one", "x / it can't be read", "y/a.yaml: one"]).await;
        let degraded = watching.health.borrow().degraded.clone();
        assert_eq!(degraded, None, "only that directory has no events, and says so itself");
        watching.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_reading_must_not_make_us_read() {
    let mut watching = Watching::by_events_alone().await;
    for at in 0..20 {
        watching.write(&format!("{at:02}.yaml"), "one");
    }
    let wanted: Vec<String> = (0..20).map(|at| format!("{at:02}.yaml: one")).collect();
    let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    watching.until(&wanted).await;
    // Long enough for a loop to be seen, if there were one.
    let change = tokio::time::timeout(Duration::from_millis(700), watching.snapshots.changed());
    assert!(change.await.is_err(), "nothing changed, and a snapshot came");
    watching.write("last.yaml", "one");
    wanted.push("last.yaml: one");
    watching.until(&wanted).await;
    let health = watching.health.borrow().clone();
    assert!(health.listings <= 3, "{health:?}");
    // A look for each hint at most: made, written, closed.
    assert!(health.reads <= 3 * 21, "{health:?}");
    assert_eq!((health.parsed, &health.degraded), (21, &None));
    assert!(health.last_full_read.is_some());
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_mounts_must_not_be_read_as_manifests() {
    let prepare = |root: &Path| {
        fs::create_dir_all(root.join("site/deep")).unwrap();
        let mounts =
            [root.join("site"), root.join("nginx.yaml")].map(|path| path.display().to_string());
        fs::write(root.join("web.yaml"), format!("task web {}", mounts.join(" "))).unwrap();
        fs::write(root.join("nginx.yaml"), "task evil").unwrap();
        fs::write(root.join("site/deep/a.yaml"), "task evil").unwrap();
        fs::write(root.join("sites.yaml"), "task sites").unwrap();
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching.until(&["sites.yaml: task sites", "web.yaml: task web"]).await;
    watching.write("site/b.yaml", "task evil");
    watching.write("z.yaml", "task z");
    watching.until(&["sites.yaml", "web.yaml", "z.yaml"]).await;
    // The last good version runs on while its manifest is broken, and so does what it mounts.
    watching.write("web.yaml", "broken");
    watching.until(&["sites.yaml", "web.yaml: broken", "z.yaml"]).await;
    watching.listed_again(3).await;
    watching.until(&["sites.yaml", "web.yaml: broken", "z.yaml"]).await;
    // A task that mounts nothing frees it all.
    watching.write("web.yaml", "task web");
    let free =
        ["nginx.yaml", "site/b.yaml", "site/deep/a.yaml", "sites.yaml", "web.yaml", "z.yaml"];
    watching.until(&free).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_above_its_own_manifest_must_hide_nothing() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("x")).unwrap();
        let above = [root.to_owned(), root.join("x"), root.parent().unwrap().to_owned()];
        let above = above.map(|path| path.display().to_string()).join(" ");
        fs::write(root.join("x/a.yaml"), format!("task a {above}")).unwrap();
        fs::write(root.join("x/b.yaml"), "task b").unwrap();
    };
    let (known, receiver) = channel([].into());
    let mut root = PathBuf::new();
    let mut watching = Watching::start(prepare, |options| {
        root.clone_from(&options.root);
        options.host_paths = receiver;
    });
    watching.until(&["x/a.yaml: task a", "x/b.yaml: task b"]).await;
    // Nor once the worker knows of it.
    let mounted = |path: &Path, manifest: &str| Mounted {
        path: path.display().to_string(),
        manifest: manifest.into(),
    };
    known.send_replace([mounted(&root, "x/a.yaml"), mounted(&root.join("x"), "x/a.yaml")].into());
    watching.listed_again(3).await;
    watching.until(&["x/a.yaml: task a", "x/b.yaml: task b"]).await;
    // One that another manifest mounts is another matter.
    known.send_replace([mounted(&root.join("x"), "c.yaml")].into());
    watching.until(&[]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_known_task_mounts_must_not_be_read_while_it_is_known() {
    let (mut site, (known, receiver)) = (String::new(), channel([].into()));
    let prepare = |root: &Path| {
        fs::create_dir(root.join("site")).unwrap();
        fs::write(root.join("site/a.yaml"), "task evil").unwrap();
        fs::write(root.join("web.yaml"), "broken").unwrap();
    };
    let mut watching = Watching::start(prepare, |options| {
        site = options.root.join("site").display().to_string();
        known.send_replace([Mounted { path: site.clone(), manifest: "web.yaml".into() }].into());
        options.host_paths = receiver;
    });
    watching.until(&["web.yaml: broken"]).await;
    watching.listed_again(2).await;
    // Its manifest is gone, and it may not be.
    fs::remove_file(watching.path("web.yaml")).unwrap();
    watching.until(&[]).await;
    watching.listed_again(2).await;
    assert_eq!(watching.parsed("site/a.yaml"), Vec::<String>::new());
    known.send_replace([].into());
    watching.until(&["site/a.yaml: task evil"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_must_not_be_read_over_and_over() {
    let mut watching = Watching::by_events_alone().await;
    fs::write(watching.path("a.yaml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    watching.until(&["a.yaml ! it has more than"]).await;
    let change = tokio::time::timeout(Duration::from_millis(300), watching.snapshots.changed());
    assert!(change.await.is_err(), "nothing changed, and a snapshot came");
    watching.write("b.yaml", "one");
    watching.until(&["a.yaml ! it has more than", "b.yaml: one"]).await;
    assert!(watching.health.borrow().reads < 20, "{:?}", watching.health.borrow());
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanished_must_be_looked_for_again_before_long() {
    let mut watching = Watching::start(|_| {}, |options| options.rescan = NEVER);
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    fs::remove_file(watching.path("a.yaml")).unwrap();
    watching.until(&[]).await;
    watching.listed_again(1).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_link_that_is_swapped_must_be_told_of_though_no_file_changed() {
    let prepare = |root: &Path| {
        symlink("/nowhere", root.join("data")).unwrap();
        fs::write(root.join("a.yaml"), format!("task t {}/data", root.display())).unwrap();
    };
    let mut watching = Watching::start(prepare, |options| options.rescan = NEVER);
    watching.until(&["a.yaml: task t"]).await;
    let before = watching.snapshots.borrow_and_update().clone();
    symlink("/etc", watching.home.path().join("next")).unwrap();
    fs::rename(watching.home.path().join("next"), watching.path("data")).unwrap();
    tokio::time::timeout(PATIENCE, watching.snapshots.changed()).await.unwrap().unwrap();
    assert_eq!(told(&before), told(&watching.snapshots.borrow()));
    watching.end().await;
}
