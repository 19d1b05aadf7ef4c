//! What happened as causes, each with what was done about it.

use serde::Serialize;

use crate::api::Numbered;
use crate::domain::event::Severity;
use crate::domain::happening::Happening;

/// A cause and what was done about it.
#[derive(Debug, Serialize)]
pub struct Link<'a> {
    /// What happened.
    pub cause: &'a Numbered,
    /// The generation that it brought, if it brought one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What followed.
    pub effects: Vec<&'a Numbered>,
    /// How often in a row the same happened; this is the last time.
    pub times: u32,
}

/// The causes among events, the oldest first; of one slot or of all.
pub fn links(events: &[Numbered], slot: Option<u16>) -> Vec<Link<'_>> {
    let is_meant =
        |it: &&Numbered| slot.is_none_or(|slot| it.event.seat.is_none_or(|seat| seat.slot == slot));
    let mut links: Vec<Link<'_>> = Vec::new();
    for event in events.iter().filter(is_meant) {
        match links.last_mut() {
            Some(link) if !is_cause(event) => link.effects.push(event),
            Some(_) | None => links.push(Link {
                cause: event,
                generation: generation(event),
                effects: Vec::new(),
                times: 1,
            }),
        }
    }
    let mut folded: Vec<Link<'_>> = Vec::new();
    for mut link in links {
        match folded.last_mut() {
            Some(before) if is_alike(before, &link) => {
                link.times = before.times + 1;
                *before = link;
            }
            Some(_) | None => folded.push(link),
        }
    }
    folded
}

fn is_cause(it: &Numbered) -> bool {
    match Happening::of(&it.event.reason) {
        Some(happening) => happening.is_cause(),
        // A daemon of another release says it: what somebody should look at is told for itself.
        None => it.event.severity != Severity::Normal,
    }
}

/// Whether two are the same but for their attempts.
fn is_alike(one: &Link<'_>, other: &Link<'_>) -> bool {
    let of = |it: &Numbered| {
        let slot = it.event.seat.map(|seat| seat.slot);
        (it.event.reason.clone(), slot, plain(&it.event.message))
    };
    let all = |link: &Link<'_>| link.effects.iter().map(|it| of(it)).collect::<Vec<_>>();
    of(one.cause) == of(other.cause) && all(one) == all(other)
}

/// A sentence without its numbers.
fn plain(message: &str) -> String {
    let seat = |word: &str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    message.split(' ').filter(|word| !seat(word)).collect::<Vec<_>>().join(" ")
}

/// The generation that was accepted.
fn generation(it: &Numbered) -> Option<u64> {
    let is_accepted = it.event.reason == Happening::Accepted.word();
    let number = it.event.message.strip_prefix("generation ")?.split(' ').next()?;
    number.parse().ok().filter(|_| is_accepted)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn event(seq: i64, seat: Option<(u16, u32)>, reason: &str, message: &str) -> Numbered {
        let seat = seat.map(|(slot, attempt)| json!({"slot": slot, "attempt": attempt}));
        serde_json::from_value(json!({
            "seq": seq, "at": "2026-01-31T09:30:00Z", "severity": "Normal", "task": "web",
            "seat": seat, "reason": reason, "message": message,
        }))
        .unwrap()
    }

    fn told(links: &[Link<'_>]) -> String {
        let mut text = String::new();
        for Link { cause, generation, effects, times } in links {
            let effects: Vec<&str> = effects.iter().map(|it| &*it.event.reason).collect();
            let reason = &cause.event.reason;
            writeln!(text, "{reason} {generation:?} x{times}: {effects:?}").unwrap();
        }
        text
    }

    #[test]
    fn what_follows_must_stand_under_its_cause_and_the_same_once() {
        let mut events = vec![
            event(1, None, "Accepted", "accepted from web.yaml:1"),
            event(2, Some((0, 1)), "Wanted", "instance 0.1 is wanted: the manifest asks for it"),
            event(3, Some((1, 1)), "Wanted", "instance 1.1 is wanted: the manifest asks for it"),
            event(4, None, "Accepted", "generation 2 accepted from web.yaml:1"),
            event(5, None, "Revision", "revision 2 begins, from web.yaml:1"),
        ];
        for attempt in 2..5 {
            let message = format!("instance 0.{attempt} ended: Error, exit code 3");
            events.push(event(10, Some((0, attempt)), "Failed", &message));
            let message = format!("instance 0.{} is wanted: 0.{attempt} ended", attempt + 1);
            events.push(event(11, Some((0, attempt + 1)), "Restarted", &message));
        }
        events.push(event(20, Some((0, 5)), "Failed", "instance 0.5 ended: Error, exit code 4"));
        expect![[r#"
            Accepted None x1: ["Wanted", "Wanted"]
            Accepted Some(2) x1: ["Revision"]
            Failed None x3: ["Restarted"]
            Failed None x1: []
        "#]]
        .assert_eq(&told(&links(&events, None)));
        expect![[r#"
            Accepted None x1: ["Wanted"]
            Accepted Some(2) x1: ["Revision"]
        "#]]
        .assert_eq(&told(&links(&events, Some(1))));
    }

    #[test]
    fn what_is_denied_and_what_is_not_known_must_be_told_for_itself() {
        let mut unknown = event(4, None, "Comet", "a daemon to come says so");
        unknown.event.severity = Severity::Warning;
        let events = vec![
            event(1, None, "Accepted", "accepted from web.yaml:1"),
            event(2, None, "PolicyDenied", "waiting for something that the policy allows"),
            event(3, None, "Sunshine", "a daemon to come says so"),
            unknown,
        ];
        expect![[r#"
            Accepted None x1: []
            PolicyDenied None x1: ["Sunshine"]
            Comet None x1: []
        "#]]
        .assert_eq(&told(&links(&events, None)));
    }
}
