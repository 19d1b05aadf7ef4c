use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tempfile::TempDir;

use super::*;

fn source(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("apps")).unwrap();
    for (file, text) in files {
        fs::write(dir.path().join(file), text).unwrap();
    }
    dir
}

fn change(file: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Change { file: file.to_owned(), before: bytes(before), after: bytes(after) }
}

/// All names in the source and beneath, with what is in them.
fn there(dir: &TempDir) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "apps/"] {
        for entry in fs::read_dir(dir.path().join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.push(format!("{folder}{}={text}", entry.file_name().display()));
            }
        }
    }
    found.sort();
    found
}

fn mode(dir: &TempDir, file: &str) -> u32 {
    fs::metadata(dir.path().join(file)).unwrap().mode() & 0o7777
}

fn chmod(dir: &TempDir, file: &str, mode: u32) {
    fs::set_permissions(dir.path().join(file), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_must_be_made_replaced_and_removed_and_nothing_left_beside_them() {
    let dir = source(&[("apps/b.yaml", "b"), ("c.yaml", "c"), ("d.yaml", "d")]);
    let changes = [
        change("a.yaml", None, Some("new")),
        change("apps/b.yaml", Some("b"), Some("other")),
        change("c.yaml", Some("c"), None),
    ];
    write(dir.path(), &changes).unwrap();
    assert_eq!(there(&dir), ["a.yaml=new", "apps/b.yaml=other", "d.yaml=d"]);
    assert_eq!(read(dir.path(), "apps/b.yaml").unwrap().unwrap(), b"other");
    assert_eq!(read(dir.path(), "c.yaml").unwrap(), None);
}

#[test]
fn mode_and_owner_must_be_kept_and_a_new_file_must_show_no_more_than_its_directory() {
    let dir = source(&[("a.yaml", "a")]);
    chmod(&dir, "a.yaml", 0o640);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown(dir.path().join("a.yaml"), Some(1234), Some(1235)).unwrap();
        std::os::unix::fs::chown(dir.path(), Some(1236), Some(1237)).unwrap();
    }
    write(dir.path(), &[change("a.yaml", Some("a"), Some("b"))]).unwrap();
    assert_eq!(mode(&dir, "a.yaml"), 0o640);
    for (folder, file) in [(0o755, 0o644), (0o700, 0o600), (0o770, 0o640)] {
        chmod(&dir, "", folder);
        write(dir.path(), &[change("new.yaml", None, Some("n"))]).unwrap();
        assert_eq!(mode(&dir, "new.yaml"), file);
        if is_root {
            let owner = |file: &str| {
                let is = fs::metadata(dir.path().join(file)).unwrap();
                (is.uid(), is.gid())
            };
            assert_eq!((owner("a.yaml"), owner("new.yaml")), ((1234, 1235), (1236, 1237)));
        }
        write(dir.path(), &[change("new.yaml", Some("n"), None)]).unwrap();
    }
}

#[test]
fn what_was_changed_meanwhile_must_stay_and_with_it_all_the_others() {
    let dir = source(&[("a.yaml", "a"), ("b.yaml", "edited"), ("new.yaml", "there")]);
    let before = there(&dir);
    for bad in [
        change("b.yaml", Some("b"), Some("c")),
        change("b.yaml", Some("b"), None),
        change("new.yaml", None, Some("n")),
        change("gone.yaml", Some("g"), Some("h")),
        change("gone.yaml", Some("g"), None),
    ] {
        let error = write(dir.path(), &[change("a.yaml", Some("a"), Some("z")), bad.clone()]);
        let error = error.unwrap_err();
        assert!(matches!(&error, SaveError::Changed(file) if *file == bad.file), "{error}");
        assert_eq!(there(&dir), before, "{bad:?}");
    }
}

#[test]
fn a_change_at_any_moment_before_the_last_must_be_noticed() {
    for at in 0..4 {
        let dir = source(&[("a.yaml", "a"), ("b.yaml", "b")]);
        let mut steps = 0;
        let changes =
            [change("a.yaml", Some("a"), Some("z")), change("b.yaml", Some("b"), Some("y"))];
        let error = write_in_steps(dir.path(), &changes, &mut || {
            if steps == at {
                fs::write(dir.path().join("b.yaml"), "mine").unwrap();
            }
            steps += 1;
        });
        assert!(matches!(error, Err(SaveError::Changed(_))), "{at}: {error:?}");
        assert_eq!(there(&dir), ["a.yaml=a", "b.yaml=mine"], "{at}");
    }
}

#[test]
fn what_is_reached_by_a_link_must_be_refused() {
    let dir = source(&[("a.yaml", "a"), ("apps/b.yaml", "b")]);
    let link = |from: &str, to: &str| symlink(from, dir.path().join(to)).unwrap();
    link("a.yaml", "linked.yaml");
    link("nowhere", "dangling.yaml");
    link("apps", "more");
    let around = tempfile::tempdir().unwrap();
    symlink(dir.path(), around.path().join("source")).unwrap();
    let before = there(&dir);
    for (root, file, text) in [
        (dir.path().to_owned(), "linked.yaml", Some("a")),
        (dir.path().to_owned(), "dangling.yaml", None),
        (dir.path().to_owned(), "more/b.yaml", Some("b")),
        (dir.path().to_owned(), "more/new.yaml", None),
        (around.path().join("source"), "a.yaml", Some("a")),
    ] {
        let read = read(&root, file).unwrap_err();
        let write = write(&root, &[change(file, text, Some("z"))]).unwrap_err();
        for error in [read, write] {
            assert!(matches!(error, SaveError::Linked { .. }), "{file}: {error}");
        }
        assert_eq!(there(&dir), before);
    }
}

#[test]
fn what_is_no_file_of_the_source_must_be_refused() {
    let dir = source(&[]);
    fs::create_dir(dir.path().join("dir.yaml")).unwrap();
    for file in ["dir.yaml", "../x.yaml", "apps/../x.yaml", "/etc/x.yaml", ""] {
        let error = write(dir.path(), &[change(file, None, Some("z"))]).unwrap_err();
        assert!(matches!(error, SaveError::NoFile(_)), "{file}: {error}");
    }
    let error = write(dir.path(), &[change("none/x.yaml", None, Some("z"))]).unwrap_err();
    assert!(error.to_string().starts_with("can't write "), "{error}");
}

#[test]
fn what_nobody_may_write_must_be_left_alone_also_by_root() {
    let dir = source(&[("a.yaml", "a"), ("apps/b.yaml", "b")]);
    chmod(&dir, "a.yaml", 0o444);
    chmod(&dir, "apps", 0o555);
    let before = there(&dir);
    for change in [
        change("a.yaml", Some("a"), Some("z")),
        change("a.yaml", Some("a"), None),
        change("apps/b.yaml", Some("b"), Some("z")),
        change("apps/b.yaml", Some("b"), None),
        change("apps/new.yaml", None, Some("z")),
    ] {
        let error = write(dir.path(), std::slice::from_ref(&change)).unwrap_err();
        assert!(matches!(error, SaveError::ReadOnly(_)), "{change:?}: {error}");
        assert_eq!(there(&dir), before);
    }
    chmod(&dir, "apps", 0o755);
}

#[test]
fn whenever_the_process_dies_a_file_must_be_the_old_one_or_the_new_one() {
    let mut ends = Vec::new();
    for steps in 0.. {
        let dir = source(&[("apps/b.yaml", "old"), ("c.yaml", "old")]);
        let changes = [
            change("a.yaml", None, Some("new")),
            change("apps/b.yaml", Some("old"), Some("new")),
            change("c.yaml", Some("old"), None),
        ];
        let mut left = steps;
        let mut die = || {
            assert!(left > 0, "killed");
            left -= 1;
        };
        let written =
            catch_unwind(AssertUnwindSafe(|| write_in_steps(dir.path(), &changes, &mut die)));
        let seen: Vec<String> =
            there(&dir).into_iter().filter(|it| !it.contains(UNFINISHED)).collect();
        for file in &seen {
            assert!(file.ends_with("=old") || file.ends_with("=new"), "after {steps}: {seen:?}");
        }
        // What was left beside is no hindrance to who comes after.
        let again: Vec<Change> = changes
            .iter()
            .map(|it| Change { before: read(dir.path(), &it.file).unwrap(), ..it.clone() })
            .filter(|it| it.before != it.after)
            .collect();
        write(dir.path(), &again).unwrap();
        assert_eq!(
            there(&dir).iter().filter(|it| !it.contains(UNFINISHED)).collect::<Vec<_>>(),
            ["a.yaml=new", "apps/b.yaml=new"]
        );
        ends.push(seen.join(" "));
        if written.is_ok() {
            break;
        }
    }
    ends.dedup();
    assert_eq!(
        ends,
        [
            "apps/b.yaml=old c.yaml=old",
            "a.yaml=new apps/b.yaml=old c.yaml=old",
            "a.yaml=new apps/b.yaml=new c.yaml=old",
            "a.yaml=new apps/b.yaml=new",
        ]
    );
}
