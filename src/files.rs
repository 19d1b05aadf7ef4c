//! What an instance's mounts need on the host before its container is made.
//!
//! Looks at paths and makes directories that a manifest asks for; never removes or writes files.
//! The worker calls it as the first part of making a container.

use std::io::ErrorKind;
use std::path::Path;

use crate::domain::outcome::{Cause, Rejection, Retry};
use crate::domain::policy::Policy;
use crate::domain::template::{MountSource, Template};

/// Resolves the host paths of a template, links included, and makes those directories that are to
/// be made. `source` is the source directory, absolute.
///
/// # Errors
/// `MountMissing` if one is not there, `Forbidden` if a link leads where `policy` does not allow.
pub fn prepare(template: &mut Template, source: &str, policy: &Policy) -> Result<(), Rejection> {
    let resolved_source = std::fs::canonicalize(source)
        .map_or_else(|_| source.to_owned(), |path| path.to_string_lossy().into_owned());
    for mount in &mut template.mounts {
        let MountSource::HostPath { path, create } = &mut mount.source else { continue };
        if *create {
            make_directory(path)?;
        }
        let resolved = std::fs::canonicalize(&*path).map_err(|error| missing(path, &error))?;
        let Some(resolved) = resolved.to_str() else {
            return Err(missing(path, &"its name is not UTF-8"));
        };
        let allowed = policy.allows_host_path(resolved, &resolved_source)
            || policy.allows_host_path(resolved, source);
        if !allowed {
            return Err(Rejection {
                cause: Cause::Forbidden,
                retry: Retry::Never,
                message: format!("host path {path} leads to {resolved}, which the policy forbids"),
            });
        }
        resolved.clone_into(path);
    }
    Ok(())
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
