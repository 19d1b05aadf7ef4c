//! What the container sees of the host.

use std::collections::BTreeMap;

use super::{Findings, Origin, resources};
use crate::domain::name::Label;
use crate::domain::template::{Mount, MountSource};
use crate::manifest::path::{self, PathError};
use crate::manifest::raw;
use crate::manifest::words::shorten;

/// Where the engine puts file systems of its own.
const ENGINES_OWN: [&str; 2] = ["/proc", "/sys"];

pub(super) fn check(spec: &raw::Spec, origin: Origin<'_>, findings: &mut Findings) -> Vec<Mount> {
    let mut seen = BTreeMap::new();
    let mut mounts = Vec::new();
    for (index, raw) in spec.mounts.iter().enumerate() {
        let pointer = format!("/spec/mounts/{index}");
        let path = mount_path(raw, &pointer, findings);
        if let Some(path) = &path
            && let Some(first) = seen.insert(path.clone(), index)
        {
            findings.value(
                format!("{pointer}/path"),
                format!("`mounts[{first}]` is at this path already"),
                "choose another path",
            );
        }
        let source = source(raw, origin, &pointer, findings);
        check_flags(spec, raw, &pointer, findings);
        if let (Some(path), Some(source)) = (path, source) {
            mounts.push(Mount { path, read_only: raw.read_only, shared: raw.shared, source });
        }
    }
    mounts
}

fn mount_path(raw: &raw::Mount, pointer: &str, findings: &mut Findings) -> Option<String> {
    let pointer = format!("{pointer}/path");
    match path::in_container(&raw.path) {
        Ok(path) if path == "/" => {
            let message = "nothing can be mounted over the container's root";
            findings.value(pointer, message, "write a path below it, such as `/data`");
            None
        }
        Ok(path) if ENGINES_OWN.iter().any(|own| is_at_or_below(&path, own)) => {
            let message = format!("the engine has file systems of its own at `{}`", shorten(&path));
            findings.value(pointer, message, "write another path, such as `/data`");
            None
        }
        Ok(path) => Some(path),
        Err(PathError::Upwards) => {
            findings.value(pointer, "`..` can't stand in this path", "write the path out");
            None
        }
        Err(PathError::Relative) => {
            findings.value(pointer, "this is no absolute path", "begin it with `/`");
            None
        }
    }
}

fn is_at_or_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn source(
    raw: &raw::Mount,
    origin: Origin<'_>,
    pointer: &str,
    findings: &mut Findings,
) -> Option<MountSource> {
    match (&raw.volume, &raw.host_path, &raw.tmpfs) {
        (Some(raw::Volume::Named(name)), None, None) => {
            Label::parse(name).ok().map(MountSource::Volume)
        }
        (Some(raw::Volume::Engine(name)), None, None) => {
            Some(MountSource::EngineVolume(name.clone()))
        }
        (None, Some(written), None) => {
            if written == "~" || written.starts_with("~/") {
                findings.value(
                    format!("{pointer}/hostPath"),
                    "`~` is not taken for a home directory here",
                    "write the path out, such as `/home/me/site`",
                );
                return None;
            }
            let folder = path::folder_of(origin.source, origin.file);
            Some(MountSource::HostPath {
                path: path::on_host(&folder, written),
                create: raw.create,
            })
        }
        (None, None, Some(tmpfs)) => {
            let place = format!("{pointer}/tmpfs/size");
            let size = tmpfs.size.as_ref();
            let size = size.and_then(|size| resources::bytes(size, &place, findings));
            if size == Some(0) {
                findings.value(place, "memory of no size holds nothing", "write `size: 64Mi`");
            }
            Some(MountSource::Tmpfs { size })
        }
        (None, None, None) => {
            findings.value(
                pointer,
                "a mount needs a source",
                "add one of `volume: data`, `hostPath: ./site` and `tmpfs: {}`",
            );
            None
        }
        _ => {
            findings.value(
                pointer,
                "a mount has one source, and this one has more",
                "keep one of `volume`, `hostPath` and `tmpfs`",
            );
            None
        }
    }
}

fn check_flags(spec: &raw::Spec, raw: &raw::Mount, pointer: &str, findings: &mut Findings) {
    if raw.create && raw.host_path.is_none() {
        findings.key(
            format!("{pointer}/create"),
            "`create` says nothing without a `hostPath`",
            "remove it: volumes are made when missing",
        );
    }
    if raw.tmpfs.is_some() {
        if raw.read_only {
            findings.key(
                format!("{pointer}/readOnly"),
                "memory that can't be written stays empty",
                "remove `readOnly`",
            );
        }
        if raw.shared {
            findings.key(
                format!("{pointer}/shared"),
                "memory is each container's own",
                "remove `shared`, or mount a `volume`",
            );
        }
        return;
    }
    let has_source = raw.volume.is_some() || raw.host_path.is_some();
    if has_source && spec.replicas > 1 && !raw.read_only && !raw.shared {
        findings.value(
            pointer,
            format!("{} instances would write this mount at once", spec.replicas),
            "add `readOnly: true`, or `shared: true` if they can, or write `replicas: 1`",
        );
    }
}
