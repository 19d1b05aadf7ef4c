//! What no schema says: turns a manifest as written into a task, or says all that is wrong.
//!
//! Pure: paths are compared as text, and nothing of the host is looked at. The policy is checked
//! elsewhere. `manifest::read` calls it.

mod container;
mod mounts;
mod ports;
mod probes;
mod resources;
mod rollout;
mod security;

use std::collections::BTreeMap;

use super::finding::{Finding, token};
use super::raw;
use super::suggest;
use crate::domain::container::label;
use crate::domain::name::{Label, TaskName};
use crate::domain::task::{PRUNE_ANNOTATION, Task};
use crate::domain::template::{Port, Template};

/// Where a manifest comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The source directory: absolute, normalised.
    pub source: &'a str,
    /// The file, relative to it.
    pub file: &'a str,
}

/// All that is wrong so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn value(
        &mut self,
        pointer: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Finding::value(pointer, message, help));
    }

    fn key(
        &mut self,
        pointer: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Finding::key(pointer, message, help));
    }
}

/// The task that a manifest declares.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn task(manifest: raw::Manifest, origin: Origin<'_>) -> Result<Task, Vec<Finding>> {
    let mut findings = Findings::default();
    let raw::Manifest { metadata, spec, .. } = manifest;
    let name = task_name(&metadata, &mut findings);
    check_labels(&metadata.labels, &mut findings);
    check_annotations(&metadata.annotations, &mut findings);
    let (backoff, update) = rollout::check(&spec, &mut findings);
    let ports = ports::check(&spec, &mut findings);
    let probes = probes::check(&spec, &ports, &mut findings);
    let template = template(&spec, origin, ports, &mut findings);
    let (Some(name), Some(template), true) = (name, template, findings.0.is_empty()) else {
        return Err(findings.0);
    };
    Ok(Task {
        name,
        labels: metadata.labels,
        annotations: metadata.annotations,
        replicas: spec.replicas,
        suspend: spec.suspend,
        restart_policy: rollout::restart_policy(spec.restart_policy),
        backoff,
        update,
        termination_grace_period_seconds: spec.termination_grace_period_seconds,
        probes,
        template,
    })
}

fn template(
    spec: &raw::Spec,
    origin: Origin<'_>,
    ports: Vec<Port>,
    findings: &mut Findings,
) -> Option<Template> {
    let image = container::image(spec, findings);
    let working_dir = container::working_dir(spec, findings);
    let env = container::env(&spec.env, findings);
    let stop_signal = container::stop_signal(spec, findings);
    let logging = container::logging(spec.logging.as_ref(), findings);
    let mounts = mounts::check(spec, origin, findings);
    let resources = resources::check(spec.resources.as_ref(), findings);
    let security_context = security::check(spec.security_context.as_ref(), findings);
    let (image, image_pull_policy) = image?;
    Some(Template {
        image,
        image_pull_policy,
        command: spec.command.clone(),
        args: spec.args.clone(),
        working_dir,
        env,
        ports,
        mounts,
        host_network: spec.host_network,
        resources,
        security_context,
        logging,
        stop_signal,
        tty: spec.tty,
        stdin: spec.stdin,
        init: spec.init,
    })
}

fn task_name(metadata: &raw::Metadata, findings: &mut Findings) -> Option<TaskName> {
    let mut label = |pointer: &str, text: &str| {
        let parsed = Label::parse(text);
        parsed.map_err(|why| findings.value(pointer, why.to_string(), "write such as `web`")).ok()
    };
    let namespace = label("/metadata/namespace", &metadata.namespace);
    let name = label("/metadata/name", &metadata.name);
    Some(TaskName { namespace: namespace?, name: name? })
}

fn check_labels(labels: &BTreeMap<String, String>, findings: &mut Findings) {
    for key in labels.keys() {
        let pointer = format!("/metadata/labels/{}", token(key));
        if key.to_ascii_lowercase().starts_with(label::PREFIX) {
            let message = format!("labels that begin with `{}` are evenkeel's own", label::PREFIX);
            findings.key(pointer, message, "choose another prefix");
        } else if key.is_empty() || key.chars().any(|part| part.is_control() || part == ' ') {
            let message = "a label's key can't be empty or hold spaces or control characters";
            findings.key(pointer, message, "write a key such as `app`");
        }
    }
}

fn check_annotations(annotations: &BTreeMap<String, String>, findings: &mut Findings) {
    for (key, value) in annotations {
        let pointer = format!("/metadata/annotations/{}", token(key));
        if key == PRUNE_ANNOTATION {
            if !matches!(value.as_str(), "true" | "false") {
                let shown = super::words::shorten(value);
                let message = format!("`{shown}` is nothing that `{PRUNE_ANNOTATION}` can be");
                findings.value(pointer, message, "write \"false\" or \"true\"");
            }
        } else if key.starts_with("evenkeel/") {
            let help = match suggest::nearest(key, [PRUNE_ANNOTATION].into_iter(), 3) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or choose another prefix".to_owned(),
            };
            let shown = super::words::shorten(key);
            findings.key(pointer, format!("evenkeel knows no annotation `{shown}`"), help);
        }
    }
}
