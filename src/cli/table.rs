//! Tables as kubectl's: columns as wide as their widest cell, no lines, nothing cut off.

use super::escape;

/// What is between two columns.
const GAP: &str = "   ";

/// A table; its cells are made harmless.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
    least: Vec<usize>,
}

impl Table {
    /// One of these columns.
    #[must_use]
    pub fn of(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()], least: Vec::new() }
    }

    /// One more row. An empty cell is shown as `-`.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(harmless(cells));
    }

    /// All of it, each line after `indent`.
    #[must_use]
    pub fn text(&self, indent: &str) -> String {
        let widths = self.widths();
        self.rows.iter().map(|row| line(row, &widths, indent)).collect()
    }

    /// Makes columns at least so wide: rows come that are not known yet.
    pub fn at_least(&mut self, widths: &[usize]) {
        self.least = widths.to_vec();
    }

    /// A row that comes after the table was shown, under its columns. One that needs more place
    /// makes room for those after it.
    #[must_use]
    pub fn more<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> String {
        let row = harmless(cells);
        let known = self.widths().into_iter().chain(std::iter::repeat(0));
        let widths = row.iter().zip(known).map(|(cell, known)| cell.chars().count().max(known));
        self.least = widths.collect();
        line(&row, &self.least, "")
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let least = |column: usize| self.least.get(column).copied().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(least(column))
        };
        (0..columns).map(width).collect()
    }
}

fn harmless<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> Vec<String> {
    let cell = |cell: T| match cell.as_ref() {
        "" => "-".to_owned(),
        text => escape::line(text).into_owned(),
    };
    cells.into_iter().map(cell).collect()
}

fn line(row: &[String], widths: &[usize], indent: &str) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    let cells: Vec<String> = padded.collect();
    format!("{indent}{}\n", cells.join(GAP).trim_end())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_the_last_is_not_padded() {
        let mut table = Table::of(&["NAME", "READY", "IMAGE"]);
        table.row(["web", "1/1", "nginx"]);
        table.row(["größer-name", "", "evil\u{1b}[2J\nimage"]);
        expect![[r"
            NAME          READY   IMAGE
            web           1/1     nginx
            größer-name   -       evil␛[2J image
        "]]
        .assert_eq(&table.text(""));
        assert_eq!(Table::of(&["A", "B"]).text("  "), "  A   B\n");
    }

    #[test]
    fn what_comes_later_must_stand_under_its_column() {
        let mut table = Table::of(&["NAME", "READY"]);
        table.at_least(&[6, 1]);
        assert_eq!(table.text(""), "NAME     READY\n");
        assert_eq!(table.more(["web", "1/1"]), "web      1/1\n");
        assert_eq!(table.more(["longer-name", "1/1"]), "longer-name   1/1\n");
        assert_eq!(table.more(["web", "1/1"]), "web           1/1\n");
    }
}
