//! The image, the process, its environment and its output.

use std::collections::BTreeMap;

use super::Findings;
use crate::domain::template::{EnvVar, ImageRef, Logging, PullPolicy};
use crate::manifest::path::{self, PathError};
use crate::manifest::words::shorten;
use crate::manifest::{image as reference, raw, signal, suggest};

pub(super) fn image(spec: &raw::Spec, findings: &mut Findings) -> Option<(ImageRef, PullPolicy)> {
    match reference::parse(&spec.image) {
        Ok((image, usual)) => {
            let policy = match spec.image_pull_policy {
                None => usual,
                Some(raw::PullPolicy::Always) => PullPolicy::Always,
                Some(raw::PullPolicy::IfNotPresent) => PullPolicy::IfNotPresent,
                Some(raw::PullPolicy::Never) => PullPolicy::Never,
            };
            Some((image, policy))
        }
        Err(wrong) => {
            findings.value("/spec/image", wrong.message, wrong.help);
            None
        }
    }
}

pub(super) fn working_dir(spec: &raw::Spec, findings: &mut Findings) -> Option<String> {
    let written = spec.working_dir.as_deref()?;
    let pointer = "/spec/workingDir";
    match path::in_container(written) {
        Ok(path) => Some(path),
        Err(PathError::Relative) => {
            let shown = shorten(written);
            findings.value(
                pointer,
                format!("`{shown}` is no absolute path"),
                format!("write `workingDir: /{}`", shown.trim_start_matches("./")),
            );
            None
        }
        Err(PathError::Upwards) => {
            findings.value(pointer, "`..` can't stand in this path", "write the path out");
            None
        }
    }
}

pub(super) fn env(vars: &[raw::EnvVar], findings: &mut Findings) -> Vec<EnvVar> {
    let mut first = BTreeMap::new();
    for (index, var) in vars.iter().enumerate() {
        if let Some(before) = first.insert(&var.name, index) {
            findings.value(
                format!("/spec/env/{index}/name"),
                format!("`{}` is set twice, first in `env[{before}]`", shorten(&var.name)),
                "keep one of the two",
            );
        }
    }
    vars.iter().map(|var| EnvVar { name: var.name.clone(), value: var.value.clone() }).collect()
}

pub(super) fn stop_signal(spec: &raw::Spec, findings: &mut Findings) -> Option<String> {
    let written = spec.stop_signal.as_deref()?;
    let parsed = signal::parse(written);
    if parsed.is_none() {
        let upper = written.to_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let help = match suggest::nearest(name, signal::names(), 2) {
            Some(near) => format!("did you mean `SIG{near}`?"),
            None => "write a name such as `SIGINT`, or a number from 1 to 64 in quotes".to_owned(),
        };
        findings.value("/spec/stopSignal", format!("`{}` is no signal", shorten(written)), help);
    }
    parsed
}

pub(super) fn logging(raw: Option<&raw::Logging>, findings: &mut Findings) -> Logging {
    let usual = Logging::default();
    let Some(raw) = raw else { return usual };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    if !raw.driver.bytes().all(known) {
        findings.value(
            "/spec/logging/driver",
            format!("`{}` is no log driver", shorten(&raw.driver)),
            "write `driver: json-file`, or another of the engine's",
        );
    }
    let mut options = raw.options.clone().unwrap_or_default();
    if raw.driver == usual.driver {
        // A log without an end fills the disk: what is not said is filled in.
        for (key, value) in usual.options {
            options.entry(key).or_insert(value);
        }
    }
    Logging { driver: raw.driver.clone(), options }
}
