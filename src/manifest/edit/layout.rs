//! A text cut into its documents, so that the pieces put together again are the text.
//!
//! It goes by lines alone: at the beginning of a line `---` and `...` are marks wherever they stand
//! (YAML 1.2, rule 206, `c-forbidden`). Whoever calls it sees to it that a parser agrees.

/// One document with what stands around it; or comments and directives alone, without a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The line of the mark that it begins with, if it has one. Where the document begins on that
    /// line, the mark without a line break.
    pub open: &'a str,
    /// Comments and empty lines before the document.
    pub lead: &'a str,
    /// The document, from its first line to its last; comments within, and indented ones at its
    /// end, are its own.
    pub body: &'a str,
    /// Comments and empty lines after it.
    pub trail: &'a str,
}

impl Part<'_> {
    /// Whether it is opened by a line that holds nothing but a mark.
    pub fn is_opened_plainly(&self) -> bool {
        matches!(self.open.trim_end(), "---" | "...") && ends_line(self.open)
    }
}

/// The parts of a text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut begins = vec![0];
    let mut at = 0;
    for line in lines(text) {
        if at > 0 && is_mark(line) {
            begins.push(at);
        }
        at += line.len();
    }
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(ends).map(|(begin, end)| part(&text[*begin..end])).collect()
}

/// Whether a text has a line that is a comment.
pub(super) fn has_comment(text: &str) -> bool {
    lines(text).any(|line| line.trim_start().starts_with('#'))
}

/// Whether a text ends with a line break.
pub(super) fn ends_line(text: &str) -> bool {
    text.ends_with(['\n', '\r'])
}

/// The lines of a text, each with its break: LF, CR LF or CR.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .find(['\n', '\r'])
            .map_or(rest.len(), |at| at + if rest[at..].starts_with("\r\n") { 2 } else { 1 });
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line)
    })
}

fn part(text: &str) -> Part<'_> {
    let first = lines(text).next().unwrap_or_default();
    let open = if is_mark(first) { mark(first) } else { 0 };
    let (open, rest) = text.split_at(open);
    let begins_here = !open.is_empty() && !ends_line(open) && !rest.is_empty();
    let is_around = |line: &&str| {
        let line = line.trim();
        line.is_empty() || line.starts_with(['#', '%'])
    };
    let lead = if begins_here { 0 } else { lines(rest).take_while(is_around).map(str::len).sum() };
    let (lead, rest) = rest.split_at(lead);
    let is_behind = |line: &&&str| line.trim().is_empty() || line.starts_with('#');
    let all: Vec<&str> = lines(rest).collect();
    let trail: usize = all.iter().rev().take_while(is_behind).map(|line| line.len()).sum();
    let (body, trail) = rest.split_at(rest.len() - trail);
    Part { open, lead, body, trail }
}

fn is_mark(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

/// How much of a line that is a mark belongs to the mark: all of it, unless a document begins there.
fn mark(line: &str) -> usize {
    let rest = line[3..].trim_start();
    if rest.is_empty() || rest.starts_with('#') { line.len() } else { line.len() - rest.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<[&str; 4]> {
        let all = parts(text);
        let again: String =
            all.iter().flat_map(|it| [it.open, it.lead, it.body, it.trail]).collect();
        assert_eq!(again, text, "nothing is lost");
        all.iter().map(|it| [it.open, it.lead, it.body, it.trail]).collect()
    }

    #[test]
    fn a_text_is_cut_at_its_marks_and_nothing_is_lost() {
        assert_eq!(shown("a: 1"), [["", "", "a: 1", ""]]);
        assert_eq!(shown(""), [["", "", "", ""]]);
        assert_eq!(shown("# x\n\n# y\n"), [["", "# x\n\n# y\n", "", ""]]);
        assert_eq!(
            shown(
                "# x\n---\n# y\na: 1\n  # own\n\n# z\n--- # w\nb: |\n  --- c\n  # no comment\n...\n"
            ),
            [
                ["", "# x\n", "", ""],
                ["---\n", "# y\n", "a: 1\n  # own\n", "\n# z\n"],
                ["--- # w\n", "", "b: |\n  --- c\n  # no comment\n", ""],
                ["...\n", "", "", ""],
            ]
        );
        assert_eq!(
            shown("--- {a: 1}\n--- b"),
            [["--- ", "", "{a: 1}\n", ""], ["--- ", "", "b", ""]]
        );
        assert_eq!(shown("---"), [["---", "", "", ""]]);
        assert_eq!(
            shown("%YAML 1.2\r\n---\ra\r\n"),
            [["", "%YAML 1.2\r\n", "", ""], ["---\r", "", "a\r\n", ""]]
        );
        assert_eq!(shown("a\n----\n---x\n"), [["", "", "a\n----\n---x\n", ""]]);
    }
}
