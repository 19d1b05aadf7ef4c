//! Restarts and updates.

use super::Findings;
use crate::domain::task::{Backoff, OnFailure, RestartPolicy, Strategy, Update};
use crate::manifest::raw;

pub(super) fn check(spec: &raw::Spec, findings: &mut Findings) -> (Backoff, Update) {
    let backoff = spec.backoff.as_ref().map_or_else(Backoff::default, |raw| backoff(raw, findings));
    let update = spec.update.as_ref().map_or_else(Update::default, |raw| update(raw, findings));
    (backoff, update)
}

pub(super) fn restart_policy(raw: raw::RestartPolicy) -> RestartPolicy {
    match raw {
        raw::RestartPolicy::Always => RestartPolicy::Always,
        raw::RestartPolicy::OnFailure => RestartPolicy::OnFailure,
        raw::RestartPolicy::Never => RestartPolicy::Never,
    }
}

fn backoff(raw: &raw::Backoff, findings: &mut Findings) -> Backoff {
    let raw::Backoff { initial_seconds, max_seconds, reset_after_seconds, limit } = *raw;
    if max_seconds < initial_seconds {
        findings.value(
            "/spec/backoff/maxSeconds",
            format!(
                "the longest wait, {max_seconds} s, is shorter than the first, {initial_seconds} s"
            ),
            format!("write `maxSeconds: {initial_seconds}` or more"),
        );
    }
    Backoff { initial_seconds, max_seconds, reset_after_seconds, limit }
}

fn update(raw: &raw::Update, findings: &mut Findings) -> Update {
    let strategy = match raw.strategy {
        raw::Strategy::Rolling => Strategy::Rolling,
        raw::Strategy::Recreate => Strategy::Recreate,
    };
    let on_failure = match raw.on_failure {
        raw::OnFailure::Rollback => OnFailure::Rollback,
    };
    if strategy == Strategy::Rolling && raw.max_surge == 0 && raw.max_unavailable == 0 {
        findings.value(
            "/spec/update/maxSurge",
            "with neither a second instance nor a slot without one, nothing can be replaced",
            "write `maxUnavailable: 1`, or `maxSurge: 1`",
        );
    }
    if let Some(deadline) = raw.progress_deadline_seconds
        && deadline <= raw.min_ready_seconds
    {
        findings.value(
            "/spec/update/progressDeadlineSeconds",
            format!(
                "the deadline, {deadline} s, ends before an instance was ready for {} s",
                raw.min_ready_seconds
            ),
            format!("write more than {}, the `minReadySeconds`", raw.min_ready_seconds),
        );
    }
    Update {
        strategy,
        max_surge: raw.max_surge,
        max_unavailable: raw.max_unavailable,
        min_ready_seconds: raw.min_ready_seconds,
        progress_deadline_seconds: raw.progress_deadline_seconds,
        on_failure,
    }
}
