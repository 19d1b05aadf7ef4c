//! What a scrape tells, and what the README says that it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The value of a series, such as `up{job="a"}`.
pub fn sample(text: &str, series: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

/// Metrics by name: of what type each is, and which labels it has.
pub type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// The metrics of a scrape, as Prometheus had them before: there a metric has one name.
pub fn families(text: &str) -> Families {
    let mut found = Families::new();
    for line in text.lines() {
        if let Some((name, type_)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let twice = found.insert(name.to_owned(), (type_.to_owned(), BTreeSet::new()));
            assert_eq!(twice, None, "{name} is told twice");
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let of = ["_bucket", "_sum", "_count"].into_iter();
            let of = of.filter_map(|suffix| found.get_key_value(name.strip_suffix(suffix)?)).next();
            let name = of.map_or(name, |(name, _)| name).to_owned();
            let family = found.get_mut(&name).unwrap_or_else(|| panic!("{line} has no type"));
            let keys = labels.split("=\"").filter_map(|it| it.rsplit(['"', ',']).next());
            let keys = keys.filter(|key| !["", "}", "le"].contains(key));
            family.1.extend(keys.map(str::to_owned));
        }
    }
    found
}

/// The metrics that the README lists.
pub fn listed() -> Families {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("### Measure it\n").unwrap();
    let (_, table) = section.split_once("| metric | type | labels | meaning |\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(1);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, type_, labels, meaning] = cells[..] else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        let labels = labels.split(',').map(|it| it.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (name.trim_matches('`').to_owned(), (type_.to_owned(), labels))
    };
    rows.map(row).collect()
}
