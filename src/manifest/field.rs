//! Where a field of a task stands in its manifest, by the path that people know it by.
//!
//! Pure; who tells of a change that has been accepted calls it.

use super::node::{Kind, Node};
use super::read::Documents;

/// The line of `field` (such as `image`, `args[0]` or `env.PORT`) in the document that begins at
/// line `document` of `text`, or of the nearest thing around it that is there. `None`: there is no
/// such document.
#[must_use]
pub fn line_of(text: &str, document: u32, field: &str) -> Option<u32> {
    let root = Documents::of(text).find(|draft| draft.line == document)?.root?;
    let part = if field.split('.').next() == Some("labels") { "metadata" } else { "spec" };
    let begin = root.single(part)?;
    let mut line = root.key_at(&format!("/{part}")).line;
    walk(begin, field, &mut line);
    Some(line)
}

/// Goes as far into `node` as `path` leads, and notes the line of each part.
fn walk(node: &Node, path: &str, line: &mut u32) {
    match &*node.kind {
        Kind::Scalar(_) => {}
        Kind::Map(map) => {
            // A key may hold dots.
            let leads = |key: &&String| rest(path, key).is_some();
            let Some(key) = map.entries.keys().filter(leads).max_by_key(|key| key.len()) else {
                return;
            };
            let entry = &map.entries[key];
            *line = entry.key.line;
            walk(&entry.node, rest(path, key).unwrap_or_default(), line);
        }
        Kind::List(items) => {
            let index = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            let by_index = index.and_then(|(index, rest)| {
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some((item, rest.trim_start_matches('.')))
            });
            let named = || items.iter().find_map(|item| Some((item, rest(path, &name(item)?)?)));
            if let Some((item, rest)) = by_index.or_else(named) {
                *line = item.spot.line;
                walk(item, rest, line);
            }
        }
    }
}

/// What tells an entry of a list from the others.
fn name(item: &Node) -> Option<String> {
    let of = |key| item.single(key).map(Node::value);
    let port = || of("containerPort").map(|port| port.to_string());
    of("name").or_else(|| of("path")).and_then(|it| it.as_str().map(str::to_owned)).or_else(port)
}

/// What is left of a path after `key`, if it leads there.
fn rest<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(key)?;
    match rest.chars().next() {
        None | Some('[') => Some(rest),
        Some('.') => Some(&rest[1..]),
        // `80/tcp` is an entry for `80`.
        Some('/') if key.bytes().all(|byte| byte.is_ascii_digit()) => Some(""),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_must_be_found_where_it_stands() {
        let text = "\
kind: Task
---
kind: Task
metadata:
  name: web
  labels:
    a.b/c: d
spec:
  image: app:1
  command: [sh,
    -c]
  env:
    - name: A
      value: '1'
    - {name: PORT, value: '2'}
  ports:
    - containerPort: 80
      hostPort: 1
  mounts:
    - path: /var/www
      volume: page
  securityContext: {runAsUser: 1,
    runAsGroup: 2}
";
        let documents: Vec<u32> = Documents::of(text).map(|draft| draft.line).collect();
        for (field, line) in [
            ("image", 9),
            ("command[1]", 11),
            ("env.PORT", 15),
            ("env.A", 13),
            ("env.GONE", 12),
            ("ports.80/tcp", 17),
            ("mounts./var/www.volume", 21),
            ("mounts./var/www.readOnly", 20),
            ("securityContext.runAsGroup", 23),
            ("labels.a.b/c", 7),
            ("workingDir", 8),
        ] {
            assert_eq!(line_of(text, documents[1], field), Some(line), "{field}");
        }
        assert_eq!(line_of(text, 999, "image"), None);
        assert_eq!(line_of("{", 1, "image"), None);
    }
}
