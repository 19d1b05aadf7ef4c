//! What the process may do. Whether the operator allows it is the policy's question.

use std::collections::BTreeSet;

use super::Findings;
use crate::domain::template::SecurityContext;
use crate::manifest::words::shorten;
use crate::manifest::{raw, suggest};

/// Linux's capabilities (capability.h of Linux 6), without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// What the engine calls no `AppArmor` profile.
const UNCONFINED: &str = "unconfined";

pub(super) fn check(
    raw: Option<&raw::SecurityContext>,
    findings: &mut Findings,
) -> SecurityContext {
    let Some(raw) = raw else { return SecurityContext::default() };
    let base = "/spec/securityContext";
    if raw.run_as_group.is_some() && raw.run_as_user.is_none() {
        findings.key(
            format!("{base}/runAsGroup"),
            "`runAsGroup` says nothing without a `runAsUser`",
            "add `runAsUser: 1000`",
        );
    }
    if raw.privileged && raw.allow_privilege_escalation == Some(false) {
        findings.value(
            format!("{base}/allowPrivilegeEscalation"),
            "a `privileged` process has all rights already",
            "remove `allowPrivilegeEscalation`, or `privileged`",
        );
    }
    let capabilities = raw.capabilities.clone().unwrap_or_default();
    let place = |list: &str| format!("{base}/capabilities/{list}");
    let add = capability_set(&capabilities.add, &place("add"), findings);
    let drop = capability_set(&capabilities.drop, &place("drop"), findings);
    if let Some(both) = add.intersection(&drop).next() {
        findings.key(
            place("drop"),
            format!("`{both}` is both added and dropped"),
            "keep it in one of the two lists",
        );
    }
    SecurityContext {
        run_as_user: raw.run_as_user,
        run_as_group: raw.run_as_group,
        supplemental_groups: raw.supplemental_groups.iter().copied().collect(),
        read_only_root_filesystem: raw.read_only_root_filesystem,
        privileged: raw.privileged,
        allow_privilege_escalation: raw.allow_privilege_escalation.unwrap_or(raw.privileged),
        capabilities_add: add,
        capabilities_drop: drop,
        seccomp_unconfined: raw
            .seccomp_profile
            .as_ref()
            .is_some_and(|profile| matches!(profile.r#type, raw::SeccompType::Unconfined)),
        apparmor_profile: raw
            .apparmor_profile
            .as_ref()
            .and_then(|profile| apparmor(profile, &format!("{base}/apparmorProfile"), findings)),
    }
}

fn capability_set(names: &[String], pointer: &str, findings: &mut Findings) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for (index, written) in names.iter().enumerate() {
        let name = written.strip_prefix("CAP_").unwrap_or(written);
        if name != "ALL" && !CAPABILITIES.contains(&name) {
            let help = match suggest::nearest(name, CAPABILITIES.into_iter(), 3) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write a name of capabilities(7), such as `NET_BIND_SERVICE`".to_owned(),
            };
            let message = format!("`{}` is no capability", shorten(written));
            findings.value(format!("{pointer}/{index}"), message, help);
        }
        set.insert(name.to_owned());
    }
    set
}

fn apparmor(raw: &raw::AppArmor, pointer: &str, findings: &mut Findings) -> Option<String> {
    let place = format!("{pointer}/localhostProfile");
    match (raw.r#type, &raw.localhost_profile) {
        (raw::AppArmorType::Localhost, None) => {
            let message = "`Localhost` needs the name of a profile";
            findings.key(pointer, message, "add `localhostProfile: my-profile`");
            None
        }
        (raw::AppArmorType::Localhost, Some(name)) => {
            let plain = |byte: u8| byte.is_ascii_graphic();
            if name.eq_ignore_ascii_case(UNCONFINED) {
                findings.value(
                    place,
                    "`unconfined` is the lack of a profile, not one",
                    "write `type: Unconfined`",
                );
            } else if !name.bytes().all(plain) {
                let message = format!("`{}` is no profile's name", shorten(name));
                findings.value(place, message, "write the name as `aa-status` shows it");
            }
            Some(name.clone())
        }
        (_, Some(_)) => {
            let message = "`localhostProfile` says nothing with another `type`";
            findings.key(place, message, "write `type: Localhost`, or remove it");
            None
        }
        (raw::AppArmorType::Unconfined, None) => Some(UNCONFINED.to_owned()),
        (raw::AppArmorType::RuntimeDefault, None) => None,
    }
}
