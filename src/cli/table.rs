//! Tables as kubectl's: columns as wide as their widest cell, no lines. In a terminal that is too
//! narrow cells are cut where that does no harm, what matters least is left out, and a sentence goes
//! on beneath itself.

use super::escape;
use super::fold::{self, Room};

/// What is between two columns.
const GAP: &str = "   ";

/// A sentence that would have less place beside its row stands beneath it.
const BESIDE: usize = 24;

/// No cell is cut to less.
const BARELY: usize = 6;

/// How far in it stands there.
const BENEATH: &str = "    ";

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    header: &'static str,
    fit: Fit,
    rank: u8,
}

/// What becomes of the cells of a column where there is too little place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// They stay whole.
    Whole,
    /// They are cut, to no less than this.
    Cut(usize),
    /// They are sentences, in the last column.
    Sentence,
}

/// A column whose cells stay whole.
#[must_use]
pub const fn column(header: &'static str) -> Column {
    Column { header, fit: Fit::Whole, rank: 0 }
}

/// The last column, of sentences.
#[must_use]
pub const fn sentences(header: &'static str) -> Column {
    Column { header, fit: Fit::Sentence, rank: 0 }
}

impl Column {
    /// The same whose cells may be cut, to no less than `least` columns of the terminal.
    #[must_use]
    pub const fn cut(self, least: usize) -> Self {
        Self { fit: Fit::Cut(least), ..self }
    }

    /// The same that may be left out: the one of the highest rank first.
    #[must_use]
    pub const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// A table; its cells are made harmless.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    least: Vec<usize>,
    room: Room,
    /// How what came first was laid out, which what comes later keeps to.
    layout: Option<Layout>,
}

/// Where cells go.
#[derive(Debug, Clone)]
struct Layout {
    columns: Vec<Column>,
    /// How wide each column is; `None`: it is left out.
    widths: Vec<Option<usize>>,
    /// Where sentences are folded to, and whether they stand beneath their row.
    sentence: Option<(usize, bool)>,
}

impl Table {
    /// One of these columns, for so much room.
    #[must_use]
    pub fn of(columns: &[Column], room: Room) -> Self {
        let header = columns.iter().map(|column| column.header.to_owned()).collect();
        let columns = columns.to_vec();
        Self { columns, rows: vec![header], least: Vec::new(), room, layout: None }
    }

    /// One more row. An empty cell is shown as `-`.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(harmless(cells));
    }

    /// All of it, each line after `indent`.
    #[must_use]
    pub fn text(&self, indent: &str) -> String {
        let layout = self.layout(indent);
        self.rows.iter().map(|row| layout.row(row, indent)).collect()
    }

    /// Makes columns at least so wide: rows come that are not known yet.
    pub fn at_least(&mut self, widths: &[usize]) {
        self.least = widths.to_vec();
    }

    /// A row that comes after the table was shown, under its columns. Where there is room, one that
    /// needs more place makes it for those after it.
    #[must_use]
    pub fn more<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> String {
        let row = harmless(cells);
        if self.room.is_none() {
            let known = self.widths().into_iter().chain(std::iter::repeat(0));
            let widths = row.iter().zip(known).map(|(cell, known)| fold::width(cell).max(known));
            self.least = widths.collect();
            return self.layout("").row(&row, "");
        }
        let layout = self.layout.take().unwrap_or_else(|| self.layout(""));
        let text = layout.row(&row, "");
        self.layout = Some(layout);
        text
    }

    fn widths(&self) -> Vec<usize> {
        let least = |column: usize| self.least.get(column).copied().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| fold::width(cell)).max().unwrap_or(0).max(least(column))
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn layout(&self, indent: &str) -> Layout {
        let natural = self.widths();
        let whole = || natural.iter().copied().map(Some).collect::<Vec<_>>();
        let Some(room) = self.room.map(|room| room.saturating_sub(indent.len())) else {
            return self.laid_out(whole(), None);
        };
        if needed(&whole()) <= room {
            return self.laid_out(whole(), None);
        }
        let last = self.columns.len() - 1;
        if self.columns[last].fit != Fit::Sentence {
            return self.laid_out(squeeze(&self.columns, &natural, room), None);
        }
        let mut widths = whole();
        widths[last] = None;
        let beside = room.saturating_sub(needed(&widths) + GAP.len());
        if beside >= BESIDE {
            return self.laid_out(widths, Some((beside, false)));
        }
        let mut widths = squeeze(&self.columns[..last], &natural[..last], room);
        widths.push(None);
        let beneath = room.saturating_sub(BENEATH.len());
        self.laid_out(widths, Some((beneath, true)))
    }

    fn laid_out(&self, widths: Vec<Option<usize>>, sentence: Option<(usize, bool)>) -> Layout {
        Layout { columns: self.columns.clone(), widths, sentence }
    }
}

/// How wide a row is.
fn needed(widths: &[Option<usize>]) -> usize {
    let kept = widths.iter().flatten();
    kept.clone().sum::<usize>() + GAP.len() * kept.count().saturating_sub(1)
}

/// Leaves out what matters least and cuts cells until a row fits.
fn squeeze(columns: &[Column], natural: &[usize], room: usize) -> Vec<Option<usize>> {
    let at_least = |index: usize, floor: Option<usize>| match columns[index].fit {
        Fit::Cut(least) => floor.unwrap_or(least.max(columns[index].header.len())),
        Fit::Whole | Fit::Sentence => usize::MAX,
    };
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    loop {
        let cut = widths.iter().enumerate();
        let cut = cut.map(|(index, width)| width.map(|it| it.min(at_least(index, None))));
        let can_go = |index: &usize| widths[*index].is_some() && columns[*index].rank > 0;
        let next = (0..columns.len()).filter(can_go).max_by_key(|index| columns[*index].rank);
        match next {
            Some(index) if needed(&cut.collect::<Vec<_>>()) > room => widths[index] = None,
            Some(_) | None => break,
        }
    }
    // Where that is not enough, the terminal is very narrow.
    for floor in [None, Some(BARELY)] {
        while needed(&widths) > room {
            let can_shrink =
                |index: &usize| widths[*index].is_some_and(|it| it > at_least(*index, floor));
            let widest = |index: &usize| (columns[*index].rank, widths[*index]);
            let next = (0..columns.len()).filter(can_shrink).max_by_key(widest);
            let Some(width) = next.and_then(|index| widths[index].as_mut()) else { break };
            *width -= 1;
        }
    }
    widths
}

impl Layout {
    /// A row, and its sentence beside or beneath it.
    fn row(&self, row: &[String], indent: &str) -> String {
        let mut cells = Vec::new();
        for ((cell, column), width) in row.iter().zip(&self.columns).zip(&self.widths) {
            let Some(width) = *width else { continue };
            let can_be_cut = matches!(column.fit, Fit::Cut(_));
            let cell = if can_be_cut { fold::cut(cell, width) } else { cell.clone() };
            let missing = width.saturating_sub(fold::width(&cell));
            cells.push(format!("{cell}{}", " ".repeat(missing)));
        }
        let row_alone = format!("{indent}{}", cells.join(GAP));
        let (Some((room, is_beneath)), Some(sentence)) = (self.sentence, row.last()) else {
            return format!("{}\n", row_alone.trim_end());
        };
        let parts = fold::parts(sentence, room);
        if is_beneath {
            let beneath = parts.iter().map(|part| format!("{indent}{BENEATH}{part}\n"));
            return format!("{}\n{}", row_alone.trim_end(), beneath.collect::<String>());
        }
        let beside = row_alone + GAP;
        let hang = format!("\n{}", " ".repeat(fold::width(&beside)));
        format!("{beside}{}\n", parts.join(&hang))
    }
}

fn harmless<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> Vec<String> {
    let cell = |cell: T| match cell.as_ref() {
        "" => "-".to_owned(),
        text => escape::line(text).into_owned(),
    };
    cells.into_iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_the_last_is_not_padded() {
        let mut table = Table::of(&[column("NAME"), column("READY"), column("IMAGE")], None);
        table.row(["web", "1/1", "nginx"]);
        table.row(["größer-name", "", "evil\u{1b}[2J\nimage"]);
        expect![[r"
            NAME          READY   IMAGE
            web           1/1     nginx
            größer-name   -       evil␛[2J image
        "]]
        .assert_eq(&table.text(""));
        assert_eq!(Table::of(&[column("A"), column("B")], None).text("  "), "  A   B\n");
    }

    #[test]
    fn what_comes_later_must_stand_under_its_column() {
        let mut table = Table::of(&[column("NAME"), column("READY")], None);
        table.at_least(&[6, 1]);
        assert_eq!(table.text(""), "NAME     READY\n");
        assert_eq!(table.more(["web", "1/1"]), "web      1/1\n");
        assert_eq!(table.more(["longer-name", "1/1"]), "longer-name   1/1\n");
        assert_eq!(table.more(["web", "1/1"]), "web           1/1\n");
    }

    fn tasks(room: Room) -> Table {
        let columns = [
            column("NAME").cut(16),
            column("READY"),
            column("STATUS").cut(12),
            column("AGE").rank(1),
            column("IMAGE").cut(10).rank(2),
        ];
        let mut table = Table::of(&columns, room);
        table.row(["web", "1/1", "Running", "5m", "registry.example.com/nginx:1.27"]);
        table.row(["a-rather-long-name", "0/1", "Pending(CrashLoop)", "5m", "app:1"]);
        table
    }

    #[test]
    fn in_a_narrow_terminal_cells_must_be_cut_and_then_columns_left_out() {
        expect![[r"
            NAME                 READY   STATUS               AGE   IMAGE
            web                  1/1     Running              5m    registry.exampl…
            a-rather-long-name   0/1     Pending(CrashLoop)   5m    app:1
        "]]
        .assert_eq(&tasks(Some(72)).text(""));
        let narrow = tasks(Some(40)).text("");
        expect![[r"
            NAME               READY   STATUS
            web                1/1     Running
            a-rather-long-n…   0/1     Pending(Cras…
        "]]
        .assert_eq(&narrow);
        for room in 40..100 {
            let text = tasks(Some(room)).text("  ");
            assert!(text.lines().all(|line| fold::width(line) <= room), "{room}:\n{text}");
        }
        let mut table = tasks(Some(40));
        assert_eq!(table.text(""), narrow);
        let later = table.more(["another-long-name-that-comes", "10/10", "Running", "1s", "app:2"]);
        assert_eq!(later, "another-long-na…   10/10   Running\n");
    }

    #[test]
    fn a_sentence_must_go_on_beneath_itself_or_beneath_its_row() {
        let columns =
            [column("AGE"), column("TYPE").rank(1), column("REASON"), sentences("MESSAGE")];
        let table = |room| {
            let mut table = Table::of(&columns, room);
            table.row(["5m", "Warning", "Failed", "instance 0.1 ended: Error, exit code 3"]);
            table
        };
        assert_eq!(table(Some(70)).text(""), table(None).text(""));
        expect![[r"
            AGE   TYPE      REASON   MESSAGE
            5m    Warning   Failed   instance 0.1 ended: Error,
                                     exit code 3
        "]]
        .assert_eq(&table(Some(52)).text(""));
        expect![[r"
            AGE   TYPE      REASON
                MESSAGE
            5m    Warning   Failed
                instance 0.1 ended: Error, exit code
                3
        "]]
        .assert_eq(&table(Some(40)).text(""));
    }
}
