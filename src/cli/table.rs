//! Tables as kubectl's: columns as wide as their widest cell, no lines, nothing cut off.

use super::escape;

/// What is between two columns.
const GAP: &str = "   ";

/// A table; its cells are made harmless.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One of these columns.
    #[must_use]
    pub fn of(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// One more row. An empty cell is shown as `-`.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cell = |cell: T| match cell.as_ref() {
            "" => "-".to_owned(),
            text => escape::line(text).into_owned(),
        };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// All of it, each line after `indent`.
    #[must_use]
    pub fn text(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}", width = *width))
                .collect();
            text.push_str(indent);
            text.push_str(cells.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
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
}
