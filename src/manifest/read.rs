//! YAML to trees: one pass over the parser's events, within limits that are counted, never timed.
//!
//! The only place that names the YAML parser. JSON is YAML, and is read here too. What a document
//! should hold is not known here; `manifest::read` calls this.

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag, options};
use serde_json::Value;

use super::scalar;
use super::text::{Problem, Spot};
use super::tree::{Builder, Draft, Extent, Stop};

mod syntax;

/// The documents of a text, one after the other.
pub(super) struct Documents<'a> {
    body: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    ended: bool,
}

impl<'a> Documents<'a> {
    /// The documents of `body`.
    pub fn of(body: &'a str) -> Self {
        let options = options! { emit_comments: false };
        Self { body, parser: Parser::new_from_str_with_options(body, options), ended: false }
    }

    /// Goes on at the next document, if the parser can.
    fn recover(&mut self) {
        self.ended = !matches!(self.parser.proceed_next_document(), Ok(true));
    }
}

impl Iterator for Documents<'_> {
    type Item = Draft;

    fn next(&mut self) -> Option<Draft> {
        if self.ended {
            return None;
        }
        let mut open: Option<(u32, Builder)> = None;
        loop {
            match self.parser.next_event() {
                None | Some(Ok((Event::StreamEnd, _))) => {
                    self.ended = true;
                    return open.map(|(line, builder)| builder.finish(line, Extent::Whole));
                }
                Some(Ok((Event::DocumentStart(..), span))) => {
                    open = Some((spot_of(&span).line, Builder::default()));
                }
                Some(Ok((Event::DocumentEnd, _))) => {
                    let (line, builder) = open.unwrap_or_default();
                    return Some(builder.finish(line, Extent::Whole));
                }
                Some(Ok((event, span))) => {
                    let Some((line, builder)) = &mut open else { continue };
                    if let Err(Stop(problem)) = take(builder, event, &span) {
                        let mut builder = std::mem::take(builder);
                        builder.report(problem);
                        let line = *line;
                        self.recover();
                        return Some(builder.finish(line, Extent::Stopped));
                    }
                }
                Some(Err(error)) => {
                    let mark = error.marker();
                    let spot = Spot {
                        line: count(mark.line()).max(1),
                        column: count(mark.col()).saturating_add(1),
                        width: 1,
                    };
                    let (line, mut builder) = open.unwrap_or((spot.line, Builder::default()));
                    builder.report(syntax::problem(&error, self.body, spot));
                    self.recover();
                    return Some(builder.finish(line, Extent::NoYaml));
                }
            }
        }
    }
}

/// Hands one event to the tree.
fn take(builder: &mut Builder, event: Event<'_>, span: &Span) -> Result<(), Stop> {
    let spot = spot_of(span);
    match event {
        Event::Scalar(text, style, anchor, tag) => {
            let tagged = tag.as_deref().map(|tag| (tag, tag_spot(span, spot)));
            let value = scalar_value(builder, (&text, style), tagged, spot);
            let plain = style == ScalarStyle::Plain;
            builder.scalar(&text, value, plain, (spot, anchor))
        }
        Event::SequenceStart(_, anchor, tag) => {
            check_tag(builder, tag.as_deref(), "seq", tag_spot(span, spot));
            builder.open_list(spot, anchor)
        }
        Event::MappingStart(_, anchor, tag) => {
            check_tag(builder, tag.as_deref(), "map", tag_spot(span, spot));
            builder.open_map(spot, anchor)
        }
        Event::SequenceEnd | Event::MappingEnd => {
            builder.close();
            Ok(())
        }
        Event::Alias(anchor) => builder.alias(anchor, spot),
        _ => Ok(()),
    }
}

fn scalar_value(
    builder: &mut Builder,
    (text, style): (&str, ScalarStyle),
    tag: Option<(&Tag, Spot)>,
    spot: Spot,
) -> Value {
    let core = match tag {
        None if style == ScalarStyle::Plain => None,
        None => Some("str"),
        Some((tag, _)) if tag.handle().is_empty() && tag.suffix() == "!" => Some("str"),
        Some((tag, place)) => match tag.core_suffix() {
            Some("str") => Some("str"),
            Some(suffix @ ("int" | "float" | "bool" | "null")) => Some(suffix),
            _ => {
                refuse_tag(builder, tag, place);
                return Value::from(text);
            }
        },
    };
    if core == Some("str") {
        return Value::from(text);
    }
    match scalar::resolve(text) {
        Ok(value) if core.is_none_or(|suffix| is_of(&value, suffix)) => value,
        Ok(_) => {
            let message = format!("`{}` is not what its tag says", super::words::shorten(text));
            builder.report(Problem::parse(spot, message, "remove the tag"));
            Value::Null
        }
        Err(refused) => {
            builder.report(Problem::parse(spot, refused.message, refused.help));
            Value::Null
        }
    }
}

fn is_of(value: &Value, suffix: &str) -> bool {
    match suffix {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        _ => value.is_null(),
    }
}

fn check_tag(builder: &mut Builder, tag: Option<&Tag>, expected: &str, spot: Spot) {
    if let Some(tag) = tag
        && tag.core_suffix() != Some(expected)
    {
        refuse_tag(builder, tag, spot);
    }
}

fn refuse_tag(builder: &mut Builder, tag: &Tag, spot: Spot) {
    let message =
        format!("the tag `{}` means nothing here", super::words::shorten(&tag.original()));
    builder.report(Problem::parse(spot, message, "remove the tag"));
}

/// Where a tag stands, which is before what it tags.
fn tag_spot(span: &Span, tagged: Spot) -> Spot {
    span.tag_span().map_or(tagged, |span| spot_of(&span))
}

fn spot_of(span: &Span) -> Spot {
    let (start, end) = (&span.start, &span.end);
    let width = if start.line() == end.line() {
        count(end.col().saturating_sub(start.col()))
    } else {
        Spot::TO_LINE_END
    };
    Spot { line: count(start.line()).max(1), column: count(start.col()).saturating_add(1), width }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}
