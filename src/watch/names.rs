//! Which names are read. Pure.

/// What a name in the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A manifest, if it is a file.
    Manifest,
    /// No manifest; it may be a directory that holds some.
    Other,
    /// Hidden, or an editor's: neither read nor entered.
    Never,
}

/// Judges a name by an allow-list: what is not known to be a manifest is none.
pub(super) fn judge(name: &[u8]) -> Name {
    let never = name.starts_with(b".")
        || name.ends_with(b"~")
        || name == b"4913"
        || (name.starts_with(b"#") && name.ends_with(b"#"))
        || [&b".swp"[..], b".bak"].iter().any(|end| name.ends_with(end));
    if never {
        return Name::Never;
    }
    let manifest = [&b".yaml"[..], b".yml", b".json"].iter().any(|end| name.ends_with(end));
    if manifest { Name::Manifest } else { Name::Other }
}

/// A name that can be shown and kept as it is: UTF-8 without control characters.
pub(super) fn printable(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Any name, in a form that can be shown.
pub(super) fn shown(name: &[u8]) -> String {
    printable(name).map_or_else(|| name.escape_ascii().to_string(), str::to_owned)
}

/// Whether `path` is `above` or lies beneath it.
pub(super) fn is_at_or_beneath(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_manifests_are_read() {
        for name in ["web.yaml", "web.yml", "web.json", "a.b.yaml", "x y.yaml", "ä.yaml"] {
            assert_eq!(judge(name.as_bytes()), Name::Manifest, "{name}");
        }
        for name in ["web", "README.md", "web.yaml-bak", "web.yaml.orig", "web.YAML", "yaml"] {
            assert_eq!(judge(name.as_bytes()), Name::Other, "{name}");
        }
        for name in [
            ".web.yaml",
            ".yaml",
            "..data",
            ".git",
            ".web.yaml.swp",
            "web.yaml~",
            "4913",
            "#web.yaml#",
            "web.yaml.bak",
            "web.yaml.swp",
            ".#web.yaml",
        ] {
            assert_eq!(judge(name.as_bytes()), Name::Never, "{name}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_shown_is_escaped() {
        assert_eq!(printable("ä b.yaml".as_bytes()), Some("ä b.yaml"));
        assert_eq!(shown(b"a\nb.yaml"), r"a\nb.yaml");
        assert_eq!(shown(b"\x1b[31m.yaml"), r"\x1b[31m.yaml");
        assert_eq!(shown(b"\xff.yaml"), r"\xff.yaml");
    }

    #[test]
    fn beneath_goes_by_whole_names() {
        assert!(is_at_or_beneath("a", "a") && is_at_or_beneath("a/b", "a"));
        assert!(!is_at_or_beneath("ab", "a") && !is_at_or_beneath("a", "a/b"));
    }
}
