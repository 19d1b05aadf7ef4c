//! Diagnostics as people and machines want them: rustc's look, GitHub's annotations, JSON.
//!
//! A diagnostic carries the line it is about, so no file is read here. Pure; the commands call it.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::Value;

use crate::domain::diagnostic::{Diagnostic, Span};

/// Whether to write in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI escapes, for a terminal.
    Always,
    /// Plain text.
    Never,
}

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is refused.
    Error,
    /// It is told, and no more.
    Warning,
}

/// Diagnostics for a person: each with its line, the place marked, and what to write instead.
/// Ends with a line break, if there are any. Of a line that is longer than `room` the part around
/// the place is shown.
#[must_use]
pub fn people(diagnostics: &[Diagnostic], colour: Colour, room: Option<usize>) -> String {
    people_of(diagnostics, Weight::Error, colour, room)
}

/// As [`people`], of a weight.
#[must_use]
pub fn people_of(
    diagnostics: &[Diagnostic],
    weight: Weight,
    colour: Colour,
    room: Option<usize>,
) -> String {
    let renderer = match colour {
        Colour::Always => Renderer::styled(),
        Colour::Never => Renderer::plain(),
    }
    .decor_style(DecorStyle::Ascii);
    let renderer = match room {
        Some(room) => renderer.term_width(room),
        None => renderer,
    };
    let mut shown = String::new();
    for diagnostic in diagnostics {
        shown.push_str(&renderer.render(&[group(diagnostic, weight)]));
        shown.push_str("\n\n");
    }
    shown.pop();
    shown
}

fn group(diagnostic: &Diagnostic, weight: Weight) -> Group<'_> {
    let level = match weight {
        Weight::Error => Level::ERROR,
        Weight::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.reason.to_string());
    let group = match &diagnostic.place {
        Some(place) if !place.text.is_empty() => {
            let mark = AnnotationKind::Primary.span(bytes_of(place));
            let snippet = Snippet::source(place.text.as_str())
                .line_start(usize::try_from(place.line).unwrap_or(usize::MAX))
                .path(diagnostic.file.as_str())
                .annotation(mark);
            title.element(snippet)
        }
        Some(place) => {
            let line = usize::try_from(place.line).unwrap_or(usize::MAX);
            title.element(Origin::path(diagnostic.file.as_str()).line(line))
        }
        None => title.element(Origin::path(diagnostic.file.as_str())),
    };
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The bytes of the line that a place marks; the end of the line, if it lies past what is kept.
fn bytes_of(place: &Span) -> std::ops::Range<usize> {
    let offset = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        place.text.char_indices().nth(count).map_or(place.text.len(), |(at, _)| at)
    };
    let first = place.column.saturating_sub(1);
    offset(first)..offset(first.saturating_add(place.width))
}

/// Diagnostics as workflow commands of GitHub Actions, a line each: they become annotations of the
/// files. Their paths are relative to the source, so `prefix` is put before them: the source's
/// path in the repository, empty or ending with `/`.
#[must_use]
pub fn github(diagnostics: &[Diagnostic], prefix: &str) -> String {
    github_of(diagnostics, Weight::Error, prefix)
}

/// As [`github`], of a weight.
#[must_use]
pub fn github_of(diagnostics: &[Diagnostic], weight: Weight, prefix: &str) -> String {
    let command = match weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
    };
    let line = |diagnostic: &Diagnostic| {
        let file = property(&format!("{prefix}{}", diagnostic.file));
        let place = diagnostic.place.as_ref().map_or_else(String::new, |place| {
            let end = place.column.saturating_add(place.width);
            format!(",line={},col={},endColumn={end}", place.line, place.column)
        });
        let help = diagnostic.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        let text = data(&format!("{}{help}", diagnostic.message));
        let title = property(&diagnostic.reason.to_string());
        format!("::{command} file={file}{place},title={title}::{text}\n")
    };
    diagnostics.iter().map(line).collect()
}

/// Diagnostics as JSON: a list of objects with `file`, `place`, `reason`, `message` and `help`.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> Value {
    serde_json::json!(diagnostics)
}

/// Escapes as `@actions/core` does for the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes as `@actions/core` does for a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::domain::diagnostic::InvalidReason;

    fn sample() -> Diagnostic {
        Diagnostic {
            file: "web.yaml".into(),
            place: Some(Span {
                line: 7, column: 9, width: 5, text: "  ä:    imgae: nginx".into()
            }),
            reason: InvalidReason::SchemaInvalid,
            message: "unknown field `imgae` in `spec`".into(),
            help: Some("did you mean `image`?".into()),
        }
    }

    #[test]
    fn a_person_sees_the_line_and_what_to_write() {
        expect![[r"
            error[SchemaInvalid]: unknown field `imgae` in `spec`
             --> web.yaml:7:9
              |
            7 |   ä:    imgae: nginx
              |         ^^^^^
              |
              = help: did you mean `image`?
        "]]
        .assert_eq(&people(&[sample()], Colour::Never, None));
        assert!(people(&[sample()], Colour::Always, None).contains('\u{1b}'));
        assert_eq!(people(&[], Colour::Never, None), "");
    }

    #[test]
    fn a_place_that_is_not_kept_is_shown_by_its_number() {
        let mut problem = sample();
        problem.place = Some(Span { line: 7, column: 900, width: 3, text: "short".into() });
        assert!(people(&[problem.clone()], Colour::Never, None).contains("web.yaml:7:"));
        problem.place = Some(Span { line: 7, column: 1, width: 1, text: String::new() });
        assert!(people(&[problem.clone()], Colour::Never, None).contains("--> web.yaml:7"));
        problem.place = None;
        assert!(people(&[problem], Colour::Never, None).contains("--> web.yaml\n"));
    }

    #[test]
    fn github_gets_a_command_that_no_text_can_break_out_of() {
        let mut problem = sample();
        problem.file = "a,b:c.yaml".into();
        problem.message = "100 %\n::warning::x".into();
        expect![[r"
            ::error file=tasks/a%2Cb%3Ac.yaml,line=7,col=9,endColumn=14,title=SchemaInvalid::100 %25%0A::warning::x%0Adid you mean `image`?
        "]]
        .assert_eq(&github(&[problem], "tasks/"));
    }

    #[test]
    fn machines_get_the_parts() {
        assert_eq!(json(&[sample()])[0]["place"]["line"], 7);
        assert_eq!(json(&[sample()])[0]["reason"], "SchemaInvalid");
    }
}
