//! What the YAML parser finds wrong, in words for people who write manifests.
//!
//! Only wording.

use granit_parser::{ErrorKind, ScanError};

use super::super::text::{Problem, Spot};

/// The problem that an error of the parser is. `spot` is where the parser stood.
pub(super) fn problem(error: &ScanError, body: &str, spot: Spot) -> Problem {
    let mut spot = spot;
    let (message, help) = match error.kind() {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            spot = indenting_tab(body, spot.line).unwrap_or(spot);
            ("a tab can't indent YAML", "indent with spaces, two for each level")
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("a quote is opened and never closed", "close it with the same quote")
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a `[` or `{` is opened and not closed where this begins",
            "put a `,` between entries, and `]` or `}` after the last",
        ),
        ErrorKind::MismatchedFlowCollectionEnd { .. } | ErrorKind::MisplacedFlowCollectionEnd => {
            ("this bracket closes nothing", "close each `[` with `]` and each `{` with `}`")
        }
        ErrorKind::UnknownAnchor => {
            ("this alias has no anchor before it", "write the value out, or mark one with `&name`")
        }
        ErrorKind::MappingValueNotAllowed => (
            "a `:` can't stand here",
            "put text with `: ` in it into quotes, or begin a new line for a new field",
        ),
        ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::UnexpectedEofBlockMapping => (
            "a field was expected here",
            "write `field: value`, indented like the fields around it",
        ),
        ErrorKind::InvalidIndentation
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent => {
            ("the indentation fits nothing around it", "indent it like its neighbours")
        }
        ErrorKind::InvalidLowSurrogate
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnpairedLowSurrogate
        | ErrorKind::InvalidLowSurrogateHexEscape
        | ErrorKind::InvalidUnicodeEscape => (
            "this escape is no character: half of a surrogate pair",
            "write the character itself, or both halves",
        ),
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => (
            "YAML has no such escape",
            "write `\\\\` for a backslash, or use single quotes, where it is only that",
        ),
        ErrorKind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
            ("plain text can't begin with this character", "put the text into quotes")
        }
        ErrorKind::RecursionLimitExceeded => {
            ("nested deeper than 32 levels", "no field of a task lies that deep: take levels away")
        }
        ErrorKind::ExpectedDocumentStart | ErrorKind::MissingDocumentEndBeforeDirective => (
            "this is no YAML: lines that begin with `%` are directives",
            "begin with `apiVersion: evenkeel/v1`, and separate documents by `---`",
        ),
        _ => {
            let help = "write each field as `field: value`, indented with spaces; quote odd text";
            return Problem::parse(spot, format!("this is no YAML: {}", error.info()), help);
        }
    };
    Problem::parse(spot, message, help)
}

/// The first tab that indents a line, from `line` on: the parser stands where the text before it
/// began.
fn indenting_tab(body: &str, line: u32) -> Option<Spot> {
    let first = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines = body.lines().enumerate().skip(first);
    lines.into_iter().find_map(|(index, line)| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let column = indent.chars().position(|character| character == '\t')?;
        let count = |number: usize| u32::try_from(number + 1).ok();
        (indent.len() < line.len()).then_some(())?;
        Some(Spot { line: count(index)?, column: count(column)?, width: 1 })
    })
}
