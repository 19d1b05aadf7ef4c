//! Image references: `name[:tag][@digest]`, after the grammar of `distribution/reference`.
//!
//! Pure; `check` calls it.

use crate::domain::template::{ImageRef, PullPolicy};

/// The longest name, its host included (`distribution/reference`).
const NAME_MAX: usize = 255;

/// What is wrong with an image reference, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnImage {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// A checked reference, and when it is pulled if nobody says.
pub(super) fn parse(text: &str) -> Result<(ImageRef, PullPolicy), NotAnImage> {
    let wrong = |message: String, help: &str| Err(NotAnImage { message, help: help.to_owned() });
    let shown = super::words::shorten(text);
    if text.contains("://") {
        return wrong(
            format!("`{shown}` is a URL; an image is named without one"),
            "write the name after the `//`",
        );
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return wrong(
            format!("the digest of `{shown}` is not `sha256:` and 64 of 0-9 and a-f"),
            "copy it whole, or write a tag such as `nginx:1.27`",
        );
    }
    // A colon before the last slash belongs to a host's port.
    let path_start = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[path_start..].rfind(':') {
        Some(colon) => (&rest[..path_start + colon], Some(&rest[path_start + colon + 1..])),
        None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return wrong(
            format!("the tag of `{shown}` is none"),
            "write up to 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`",
        );
    }
    check_name(name, text)?;
    let policy = match (tag, digest) {
        (Some("latest") | None, None) => PullPolicy::Always,
        _ => PullPolicy::IfNotPresent,
    };
    Ok((ImageRef::checked(text), policy))
}

fn check_name(name: &str, text: &str) -> Result<(), NotAnImage> {
    let shown = super::words::shorten(text);
    let wrong = |message: String, help: String| Err(NotAnImage { message, help });
    let example =
        || "write a name such as `nginx:1.27` or `registry.example:5000/team/app:2`".to_owned();
    let (host, path) = match name.split_once('/') {
        Some((first, path)) if is_host_part(first) => (Some(first), path),
        _ => (None, name),
    };
    if host.is_some_and(|host| !is_host(host)) {
        return wrong(format!("the registry's host in `{shown}` is none"), example());
    }
    if path.chars().any(|character| character.is_ascii_uppercase()) {
        // A host without a dot is more likely a name that was written with capitals.
        let lower = match host {
            Some(host) if host.contains(['.', ':']) => format!("{host}/{}", path.to_lowercase()),
            _ => name.to_lowercase(),
        };
        let rest = &text[name.len()..];
        let help = format!("write `{}`", super::words::shorten(&format!("{lower}{rest}")));
        return wrong(format!("`{shown}` has capitals, and image names have none"), help);
    }
    if path.is_empty() || !path.split('/').all(is_component) || name.len() > NAME_MAX {
        return wrong(format!("`{shown}` is no image name"), example());
    }
    if host.is_none() && name.len() == 64 && name.bytes().all(is_hex) {
        return wrong(
            format!("`{shown}` is an image's id, not a name"),
            "give it a name: `docker tag ID my-image:1`".to_owned(),
        );
    }
    Ok(())
}

/// Docker takes the first part as a host if it can't be part of a name on Docker Hub.
fn is_host_part(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.chars().any(|character| character.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let literal = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let name_fits = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(|part| {
            let inner = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            inner && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
        }),
    };
    port_fits && name_fits
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().copied().is_some_and(plain) || !bytes.last().copied().is_some_and(plain) {
        return false;
    }
    let separators = component
        .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
    separators.into_iter().all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_as_docker_takes_them() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, policy) in [
            ("nginx", PullPolicy::Always),
            ("nginx:latest", PullPolicy::Always),
            ("nginx:1.27", PullPolicy::IfNotPresent),
            ("evenkeel/busybox:1", PullPolicy::IfNotPresent),
            ("localhost/app", PullPolicy::Always),
            ("registry.example:5000/team/app:v2_1.0-x", PullPolicy::IfNotPresent),
            ("REGISTRY/app:1", PullPolicy::IfNotPresent),
            ("[::1]:5000/app", PullPolicy::Always),
            ("x/a__b--c.d/e:1", PullPolicy::IfNotPresent),
            (&format!("nginx@{digest}"), PullPolicy::IfNotPresent),
            (&format!("nginx:latest@{digest}"), PullPolicy::IfNotPresent),
        ] {
            assert_eq!(parse(text), Ok((ImageRef::checked(text), policy)), "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for text in [
            "",
            ":1",
            "nginx:",
            "nginx:-1",
            "nginx@sha256:00",
            "nginx@",
            "-nginx",
            "nginx-",
            "a..b",
            "a___b",
            "a//b",
            "/a",
            "a/",
            "host:0/a",
            "-x.y/a",
            "ngin x",
            "https://registry/app",
            "../nginx",
            "nginx?x=1",
            &"a".repeat(64),
            &"x/".repeat(150),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let capitals = parse("Team/App:1").unwrap_err();
        assert_eq!(capitals.message, "`Team/App:1` has capitals, and image names have none");
        assert_eq!(capitals.help, "write `team/app:1`");
        assert_eq!(parse("x.y/App:1").unwrap_err().help, "write `x.y/app:1`");
    }
}
