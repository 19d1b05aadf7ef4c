//! What was meant: the nearest known name, the place a field belongs at, what other tools call it.
//!
//! Pure; `words` and `check` call it.

use serde_json::Value;

use super::schema;

/// Fields of the format that a later release brings, by where they stand.
const LATER: [(&str, &[&str]); 4] = [
    (
        "/spec",
        &[
            "activeDeadlineSeconds",
            "ttlSecondsAfterFinished",
            "schedule",
            "dependsOn",
            "envFrom",
            "networks",
            "hostname",
            "hostAliases",
            "dns",
            "lifecycle",
            "devices",
            "gpus",
            "shmSize",
            "ulimits",
            "sysctls",
        ],
    ),
    ("/spec/env/*", &["valueFrom"]),
    ("/spec/mounts/*", &["content", "mode", "file", "onChange", "signal", "secret"]),
    ("", &["status"]),
];

/// What Kubernetes and Compose call things, by where it is written, and what to write here.
const ELSEWHERE: [(&str, &str, &str); 37] = [
    ("", "services", "this looks like a Compose file: write one manifest for each service"),
    ("/spec", "containers", "a task is one container: write its fields under `spec` directly"),
    ("/spec", "initContainers", "a task is one container: write another task"),
    ("/spec", "template", "a task is one container: write its fields under `spec` directly"),
    ("/spec", "selector", "remove it: a task knows its instances"),
    ("/spec", "volumes", "write `mounts`, each with a `path` and a `volume`"),
    ("/spec", "volumeMounts", "write `mounts`, each with a `path` and a `volume`"),
    ("/spec", "volume", "write `mounts`, each with a `path` and a `volume`"),
    ("/spec", "environment", "write `env`, a list of `name` and `value`"),
    ("/spec", "entrypoint", "write `command`"),
    ("/spec", "cmd", "write `args`"),
    ("/spec", "restart", "write `restartPolicy`"),
    ("/spec", "user", "write `securityContext: {runAsUser: 1000}`"),
    ("/spec", "cap_add", "write `securityContext: {capabilities: {add: […]}}`"),
    ("/spec", "cap_drop", "write `securityContext: {capabilities: {drop: […]}}`"),
    ("/spec", "read_only", "write `securityContext: {readOnlyRootFilesystem: true}`"),
    ("/spec", "mem_limit", "write `resources: {limits: {memory: 128Mi}}`"),
    ("/spec", "cpus", "write `resources: {limits: {cpu: 500m}}`"),
    ("/spec", "pids_limit", "write `resources: {limits: {pids: 100}}`"),
    ("/spec", "tmpfs", "write `mounts`, with a `path` and a `tmpfs`"),
    ("/spec", "network_mode", "write `hostNetwork: true` for the host's network"),
    ("/spec", "stop_grace_period", "write `terminationGracePeriodSeconds`"),
    ("/spec", "stop_signal", "write `stopSignal`"),
    ("/spec", "stdin_open", "write `stdin`"),
    ("/spec", "container_name", "remove it: evenkeel names containers"),
    ("/spec", "strategy", "write `update: {strategy: …}`"),
    ("/spec", "backoffLimit", "write `backoff: {limit: 6}`"),
    ("/spec/ports/*", "target", "write `containerPort`"),
    ("/spec/ports/*", "port", "write `containerPort`, and `hostPort` to publish it"),
    ("/spec/ports/*", "targetPort", "write `containerPort`"),
    ("/spec/ports/*", "published", "write `hostPort`"),
    ("/spec/mounts/*", "mountPath", "write `path`"),
    ("/spec/mounts/*", "target", "write `path`"),
    ("/spec/mounts/*", "source", "write `volume` for a volume, `hostPath` for a path of the host"),
    ("/spec/mounts/*", "name", "write `volume`"),
    ("/spec/mounts/*", "type", "remove it: `volume`, `hostPath` and `tmpfs` say it"),
    ("/spec/mounts/*", "emptyDir", "write `tmpfs: {}` for memory, `volume` for a volume"),
];

/// Longer names are not compared: nobody misspells so much.
const COMPARED: usize = 64;

/// What to write instead of the unknown field `name` of the map at `pointer`.
pub(super) fn for_field(pointer: &str, name: &str) -> String {
    let shape = shape(pointer);
    if let Some(help) = known_otherwise(&shape, name) {
        return help;
    }
    let known = known_fields(pointer);
    if let Some(near) = nearest(name, known.iter().map(String::as_str), 1) {
        return format!("did you mean `{near}`?");
    }
    if let Some(place) = place_of(name, &shape) {
        return format!("`{name}` belongs under `{place}`");
    }
    if let Some(near) = nearest(name, known.iter().map(String::as_str), 3) {
        return format!("did you mean `{near}`?");
    }
    let list = known.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    format!("remove it; known here: {list}")
}

/// What to write instead of a name that other tools or later releases have at a place of that
/// shape.
pub(super) fn known_otherwise(shape: &str, name: &str) -> Option<String> {
    if let Some((_, fields)) = LATER.iter().find(|(place, _)| *place == shape)
        && fields.contains(&name)
    {
        return Some(if name == "status" {
            "remove it: `status` is what evenkeel reports".to_owned()
        } else {
            "this release does not have it yet: remove it".to_owned()
        });
    }
    let foreign = |(place, other, _): &&(&str, &str, &str)| *place == shape && *other == name;
    ELSEWHERE.iter().find(foreign).map(|(_, _, help)| (*help).to_owned())
}

/// The one of `known` that is most like `name`: with no more than `most` changes, and no more than
/// one for each three letters.
pub fn nearest<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    if name.len() > COMPARED {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let written = plain(name);
    let most = most.min((written.chars().count() / 3).max(1));
    let distances = known.map(|candidate| (distance(&written, &plain(candidate)), candidate));
    let near = distances
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count());
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Changes from one text to the other: a letter more, less or another, or two swapped.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, left) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, right) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(left != right);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *left == other[j - 1] && one[i - 1] == *right {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

/// The fields that may stand in the map at `pointer`.
fn known_fields(pointer: &str) -> Vec<String> {
    let fields = schema::part(pointer).and_then(|part| part.get("properties")?.as_object());
    fields.map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

/// Where else a field of that name may stand: beneath `near` if it can, else where it nests least.
fn place_of(name: &str, near: &str) -> Option<String> {
    let mut places = Vec::new();
    collect_places(schema::shared(), "", name, &mut places);
    let order = |place: &String| (!place.starts_with(near), place.matches('/').count());
    let place = places.into_iter().min_by_key(order)?;
    Some(super::finding::path(&place).replace(".*", "[]"))
}

fn collect_places(part: &Value, pointer: &str, name: &str, places: &mut Vec<String>) {
    if let Some(fields) = part.get("properties").and_then(Value::as_object) {
        for (field, inner) in fields {
            if field == name && !pointer.is_empty() {
                places.push(pointer.to_owned());
            }
            collect_places(inner, &format!("{pointer}/{field}"), name, places);
        }
    }
    if let Some(items) = part.get("items") {
        collect_places(items, &format!("{pointer}/*"), name, places);
    }
}

/// A JSON pointer with `*` for every number.
fn shape(pointer: &str) -> String {
    let parts = pointer.split('/').map(|part| {
        let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if number { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changes() {
        for (one, other, changes) in
            [("image", "image", 0), ("imgae", "image", 1), ("", "abc", 3), ("port", "prots", 2)]
        {
            assert_eq!(distance(one, other), changes, "{one} {other}");
        }
    }

    #[test]
    fn an_unknown_field_leads_to_the_one_that_was_meant() {
        let cases = [
            ("/spec", "imgae", "did you mean `image`?"),
            ("/spec", "ImagePullPolicy", "did you mean `imagePullPolicy`?"),
            ("/spec/ports/0", "host_port", "did you mean `hostPort`?"),
            ("", "image", "`image` belongs under `spec`"),
            ("/spec", "labels", "`labels` belongs under `metadata`"),
            ("/spec", "hostPort", "`hostPort` belongs under `spec.ports[]`"),
            ("/spec/resources", "memory", "`memory` belongs under `spec.resources.limits`"),
            ("/spec", "lifecycle", "this release does not have it yet: remove it"),
            ("/spec", "entrypoint", "write `command`"),
            ("/spec/mounts/3", "mountPath", "write `path`"),
            ("/spec/resources", "xyzzy", "remove it; known here: `limits`, `requests`"),
            ("", "status", "remove it: `status` is what evenkeel reports"),
        ];
        for (pointer, name, help) in cases {
            assert_eq!(for_field(pointer, name), help, "{pointer} {name}");
        }
    }
}
