//! Paths, as text: nothing here looks at a file system.
//!
//! Pure; `check` calls it.

/// Why a text is no path of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathError {
    /// It does not begin with `/`.
    Relative,
    /// It has `..` in it.
    Upwards,
}

/// A path of a container, without `.`, doubled or trailing slashes.
pub(super) fn in_container(text: &str) -> Result<String, PathError> {
    if !text.starts_with('/') {
        return Err(PathError::Relative);
    }
    if text.split('/').any(|part| part == "..") {
        return Err(PathError::Upwards);
    }
    Ok(resolve("", text))
}

/// A path of the host, absolute: `text` begins at `folder` if it is relative. Links are not
/// followed.
pub(super) fn on_host(folder: &str, text: &str) -> String {
    if text.starts_with('/') { resolve("", text) } else { resolve(folder, text) }
}

/// The folder of `file`, beneath `source`.
pub(super) fn folder_of(source: &str, file: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) => resolve(source, folder),
        None => resolve(source, ""),
    }
}

fn resolve(from: &str, text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(text.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_text() {
        assert_eq!(in_container("/a//b/./c/").as_deref(), Ok("/a/b/c"));
        assert_eq!(in_container("/").as_deref(), Ok("/"));
        assert_eq!(in_container("a"), Err(PathError::Relative));
        assert_eq!(in_container("/a/../b"), Err(PathError::Upwards));
        assert_eq!(folder_of("/srv/tasks", "a/b.yaml"), "/srv/tasks/a");
        assert_eq!(folder_of("/srv/tasks", "b.yaml"), "/srv/tasks");
        assert_eq!(on_host("/srv/tasks/a", "../site"), "/srv/tasks/site");
        assert_eq!(on_host("/srv/tasks", "../../../../etc"), "/etc");
        assert_eq!(on_host("/srv/tasks", "/var/./log/"), "/var/log");
    }
}
