//! What an instance's mounts need on the host before its container is made.
//!
//! Looks at paths and makes directories that a manifest asks for; never removes or writes files.
//! The worker asks it where paths lead, and calls it as the first part of making a container.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::judge::{Judge, Lead, Leads};
use crate::domain::outcome::{Cause, Rejection, Retry};
use crate::domain::policy::Policy;
use crate::domain::template::{MountSource, Template};

/// Where the paths lead now of which that has to be known to judge `templates`.
pub fn leads<'a>(
    policy: &Policy,
    source: &str,
    templates: impl IntoIterator<Item = &'a Template>,
) -> Leads {
    let mut leads = Leads::new();
    for template in templates {
        for path in policy.asks(source, template) {
            leads.entry(path.to_owned()).or_insert_with(|| Lead::To(lead(path)));
        }
    }
    leads
}

/// Where an absolute path leads, links followed as far as there is something; the path itself, if
/// that can't be told: nothing can be mounted from there then.
#[must_use]
pub fn lead(path: &str) -> String {
    let mut there = PathBuf::from(path);
    let mut missing = Vec::new();
    let real = loop {
        match std::fs::canonicalize(&there) {
            Ok(real) => break real,
            Err(error) if error.kind() == ErrorKind::NotFound => match there.file_name() {
                Some(name) => missing.push(name.to_owned()),
                None => return path.to_owned(),
            },
            Err(_) => return path.to_owned(),
        }
        there.pop();
    };
    let whole = missing.into_iter().rev().fold(real, |real, name| real.join(name));
    whole.into_os_string().into_string().unwrap_or_else(|_| path.to_owned())
}

/// Resolves the host paths of a template, links included, and makes those directories that are to
/// be made. `source` is the source directory, absolute.
///
/// # Errors
/// `MountMissing` if one is not there, `PolicyDenied` if a link leads where `policy` does not allow.
pub fn prepare(template: &mut Template, source: &str, policy: &Policy) -> Result<(), Rejection> {
    // Before, for a directory must not be made there; and after, for a link may have been moved.
    allow(template, source, policy)?;
    for mount in &mut template.mounts {
        let MountSource::HostPath { path, create } = &mut mount.source else { continue };
        if *create {
            make_directory(path)?;
        }
        let resolved = std::fs::canonicalize(&*path).map_err(|error| missing(path, &error))?;
        let Some(resolved) = resolved.to_str() else {
            return Err(missing(path, &"its name is not UTF-8"));
        };
        resolved.clone_into(path);
    }
    allow(template, source, policy)
}

fn allow(template: &Template, source: &str, policy: &Policy) -> Result<(), Rejection> {
    let leads = leads(policy, source, [template]);
    let judge = Judge { policy, source, leads: &leads };
    match judge.strays(template).first() {
        Some(violation) => Err(violation.refused()),
        None => Ok(()),
    }
}

fn make_directory(path: &str) -> Result<(), Rejection> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(Path::new(path)).map_err(|error| missing(path, &error))
        }
        Err(error) => Err(missing(path, &error)),
    }
}

fn missing(path: &str, why: &dyn std::fmt::Display) -> Rejection {
    Rejection {
        cause: Cause::MountMissing,
        retry: Retry::Later,
        message: format!("host path {path}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::domain::policy::Level;

    /// A directory with a source `tasks` and a place `out` beside it, both as the disk has them.
    fn home() -> (tempfile::TempDir, String, String) {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().canonicalize().unwrap().join(name);
        let (tasks, out) = (path("tasks"), path("out"));
        fs::create_dir(&tasks).unwrap();
        fs::create_dir(&out).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        (home, text(tasks), text(out))
    }

    /// One that mounts `path`, which is made where there is none.
    fn template(path: &str) -> Template {
        let source = serde_json::json!({"hostPath": {"path": path, "create": true}});
        serde_json::from_value(serde_json::json!({
            "image": "app:1",
            "imagePullPolicy": "IfNotPresent",
            "mounts": [{"path": "/data", "source": source}],
        }))
        .unwrap()
    }

    #[test]
    fn a_path_leads_as_far_as_there_is_something() {
        let (_home, tasks, out) = home();
        symlink(&out, format!("{tasks}/link")).unwrap();
        symlink("loop", format!("{tasks}/loop")).unwrap();
        symlink("none", format!("{tasks}/dangling")).unwrap();
        for (path, real) in [
            (tasks.clone(), tasks.clone()),
            (format!("{tasks}/link"), out.clone()),
            (format!("{tasks}/link/a/b"), format!("{out}/a/b")),
            (format!("{tasks}/a/b"), format!("{tasks}/a/b")),
            (format!("{tasks}/loop"), format!("{tasks}/loop")),
            (format!("{tasks}/dangling"), format!("{tasks}/dangling")),
            ("/".to_owned(), "/".to_owned()),
        ] {
            assert_eq!(lead(&path), real, "{path}");
        }
    }

    #[test]
    fn nothing_is_made_where_the_policy_forbids_it() {
        let (_home, tasks, out) = home();
        symlink(&out, format!("{tasks}/link")).unwrap();
        let path = format!("{tasks}/link/new");
        let mut policy = Policy { level: Level::Baseline, allowed_host_paths: Vec::new() };
        let rejection = prepare(&mut template(&path), &tasks, &policy).unwrap_err();
        assert_eq!((rejection.cause, rejection.retry), (Cause::PolicyDenied, Retry::Never));
        assert!(rejection.message.contains(&format!("leads to `{out}/new`")), "{rejection}");
        assert!(!Path::new(&out).join("new").exists());
        policy.allowed_host_paths.push(out.clone());
        let mut template = template(&path);
        assert_eq!(prepare(&mut template, &tasks, &policy), Ok(()));
        let MountSource::HostPath { path, .. } = &template.mounts[0].source else { panic!() };
        assert_eq!(*path, format!("{out}/new"));
        assert!(Path::new(path).is_dir());
    }

    #[test]
    fn a_source_and_a_prefix_that_are_links_count_as_where_they_lead() {
        let (home, tasks, out) = home();
        let link = |name: &str, to: &str| {
            let path = home.path().join(name);
            symlink(to, &path).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (source, prefix) = (link("source", &tasks), link("prefix", &out));
        let policy = Policy { level: Level::Baseline, allowed_host_paths: vec![prefix.clone()] };
        for path in [format!("{source}/a"), format!("{prefix}/a")] {
            assert_eq!(prepare(&mut template(&path), &source, &policy), Ok(()), "{path}");
        }
    }
}
