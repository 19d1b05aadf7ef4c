//! What systemd does for the engine and the clock, where there is one.

use std::collections::BTreeMap;
use std::process::Stdio;

use tokio::process::Command;

use super::{Finding, PATIENCE};

const SERVICE: &str = "service";
const CLOCK: &str = "clock";

/// What there is to say of the engine's service, if that is on this host, and of the clock.
pub async fn findings(is_local: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if is_local {
        let asked = "Id,LoadState,UnitFileState,Restart";
        let show = ["show", "docker.service", "docker.socket", "--property", asked];
        if let Some(text) = ask("systemctl", &show).await {
            found.extend(service(&units(&text)));
        }
    }
    if let Some(text) = ask("timedatectl", &["show", "--property", "NTPSynchronized"]).await {
        found.extend(clock(text.trim()));
    }
    found
}

/// What a program prints; `None`: it is not there, fails or takes too long.
async fn ask(program: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The properties of each unit: paragraphs of `key=value`.
fn units(text: &str) -> BTreeMap<String, BTreeMap<&str, &str>> {
    let units = text.split("\n\n").filter_map(|part| {
        let properties = part.lines().filter_map(|line| line.split_once('='));
        let unit: BTreeMap<&str, &str> = properties.collect();
        Some(((*unit.get("Id")?).to_owned(), unit))
    });
    units.collect()
}

fn service(units: &BTreeMap<String, BTreeMap<&str, &str>>) -> Vec<Finding> {
    let says = |unit: &str, key: &str| units.get(unit).and_then(|it| it.get(key)).copied();
    if says("docker.service", "LoadState") != Some("loaded") {
        return vec![Finding::ok(
            SERVICE,
            "Docker is no service of systemd: who starts it is not known",
        )];
    }
    let mut found = Vec::new();
    let restart = says("docker.service", "Restart").unwrap_or_default();
    if matches!(restart, "" | "no") {
        let told =
            Finding::warn(SERVICE, "systemd does not start docker.service again if it fails")
                .means("without an engine nothing is started or watched over")
                .todo("systemctl edit docker.service: [Service], Restart=always");
        found.push(told);
    }
    let starts = |unit| {
        matches!(
            says(unit, "UnitFileState"),
            Some("enabled" | "enabled-runtime" | "static" | "generated")
        )
    };
    if !starts("docker.service") && !starts("docker.socket") {
        let told = Finding::warn(SERVICE, "docker.service is not started with the host")
            .means("after a reboot nothing runs before somebody starts it")
            .todo("systemctl enable docker.service");
        found.push(told);
    }
    if found.is_empty() {
        let message = format!("docker.service starts with the host, and again: Restart={restart}");
        found.push(Finding::ok(SERVICE, message));
    }
    found
}

fn clock(told: &str) -> Option<Finding> {
    match told.split_once('=')?.1 {
        "yes" => Some(Finding::ok(CLOCK, "this host's is synchronised")),
        "no" => Some(
            Finding::warn(CLOCK, "this host's is not synchronised")
                .means("the times of events, TTLs and deadlines after a restart go by it")
                .todo("timedatectl set-ntp true, or another NTP client"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    fn told(restart: &str, service_state: &str, socket_state: &str) -> Vec<Level> {
        let text = format!(
            "Restart={restart}\nId=docker.service\nLoadState=loaded\nUnitFileState={service_state}\n\n\
             Id=docker.socket\nLoadState=loaded\nUnitFileState={socket_state}\n"
        );
        service(&units(&text)).into_iter().map(|it| it.level).collect()
    }

    #[test]
    fn the_engine_must_come_back_by_itself() {
        assert_eq!(told("always", "enabled", "enabled"), [Level::Ok]);
        assert_eq!(told("on-failure", "disabled", "enabled"), [Level::Ok]);
        assert_eq!(told("no", "enabled", "disabled"), [Level::Warn]);
        assert_eq!(told("no", "disabled", "disabled"), [Level::Warn, Level::Warn]);
        let none = units("Id=docker.service\nLoadState=not-found\nUnitFileState=\n");
        assert_eq!(service(&none)[0].level, Level::Ok);
        assert_eq!(service(&units(""))[0].level, Level::Ok);
    }

    #[test]
    fn a_clock_that_nobody_sets_must_be_told_of() {
        let level = |told| clock(told).map(|it| it.level);
        assert_eq!(level("NTPSynchronized=yes"), Some(Level::Ok));
        assert_eq!(level("NTPSynchronized=no"), Some(Level::Warn));
        assert_eq!(level(""), None);
    }
}
