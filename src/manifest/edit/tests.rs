use proptest::prelude::*;

use super::*;

fn name(text: &str) -> TaskName {
    TaskName::parse(text, &Label::default_namespace()).unwrap()
}

fn task(name: &str, image: &str) -> String {
    format!(
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata:\n  name: {name}\nspec:\n  image: {image}\n"
    )
}

fn json(name: &str, image: &str) -> String {
    format!(
        "{{\"apiVersion\": \"evenkeel/v1\", \"kind\": \"Task\", \"metadata\": {{\"name\": \"{name}\"}},\n \
         \"spec\": {{\"image\": \"{image}\"}}}}\n"
    )
}

/// Replaces `web` by one with the image `new`.
fn replaced(text: &str) -> String {
    replace(text, &[(&name("web"), &task("web", "new"))]).unwrap()
}

#[test]
fn a_document_must_be_replaced_where_it_stands() {
    let (web, new) = (task("web", "old"), task("web", "new"));
    let (db, x) = (task("db", "i"), task("x", "i"));
    for (before, after) in [
        (String::new(), String::new()),
        ("# of all\n\n# of web\n".into(), "\n# the end\n\n".into()),
        (format!("{db}---\n"), format!("---\n{x}")),
        (
            format!("%YAML 1.2\n--- # db\n{db}...\n---\n# of web\n\n"),
            format!("\n# of x\n---\n{x}# z"),
        ),
        ("\u{feff}# marked\n".into(), String::new()),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: web}\n---\n".into(), "...\n".into()),
    ] {
        let text = replaced(&format!("{before}{web}{after}"));
        assert_eq!(text, format!("{before}{new}{after}"));
    }
}

#[test]
fn comments_around_a_document_must_stay_and_those_within_it_are_what_was_sent() {
    let old = "# kept\napiVersion: evenkeel/v1\nkind: Task\nmetadata: {name: web}\nspec:\n  \
               # lost\n  image: old\n  # lost\n# kept too\n";
    let new = format!("# not taken\n{}  # taken\n# not taken\n", task("web", "new"));
    let text = replace(old, &[(&name("web"), &new)]).unwrap();
    assert_eq!(text, format!("# kept\n{}  # taken\n# kept too\n", task("web", "new")));
    // Where there are none, those that were sent are taken; and once taken they stay as they are.
    let text = replace(&task("web", "old"), &[(&name("web"), &new)]).unwrap();
    assert_eq!(text, new);
    assert_eq!(replace(&text, &[(&name("web"), &new)]).unwrap(), text);
}

#[test]
fn line_breaks_must_be_those_of_the_file() {
    let dos = |text: String| text.replace('\n', "\r\n");
    let both = |web: &str| dos(format!("{}---\n{}", task("db", "i"), task("web", web)));
    assert_eq!(replaced(&both("old")), both("new"));
    let sent = dos(task("web", "new"));
    let unix = format!("{}---\n{}", task("web", "old"), task("db", "i"));
    let text = replace(&unix, &[(&name("web"), &sent)]).unwrap();
    assert_eq!(text, unix.replace("old", "new"));
}

#[test]
fn a_missing_line_break_at_the_end_must_harm_nobody() {
    let bare = |text: String| text.trim_end().to_owned();
    let (web, db) = (task("web", "old"), bare(task("db", "i")));
    assert_eq!(replaced(&bare(web.clone())), task("web", "new"));
    assert_eq!(replaced(&format!("{web}---\n{db}")), format!("{}---\n{db}", task("web", "new")));
    let sent = bare(task("web", "new"));
    let text = replace(&format!("{web}---\n{db}"), &[(&name("web"), &sent)]).unwrap();
    assert_eq!(text, format!("{}---\n{db}", task("web", "new")));
    assert_eq!(in_form_of("a.yaml", &sent).unwrap(), task("web", "new"));
}

#[test]
fn a_text_whose_last_breaks_count_must_keep_them() {
    let web = |end: &str| format!("{}  args:\n    - |{end}", task("web", "new"));
    let old = format!("{}---\n{}", task("web", "old"), task("db", "i"));
    let last = format!("{}---\n{}", task("db", "i"), task("web", "old"));
    // Breaks that are kept, one that is not there, and none that count.
    for end in ["+\n      x\n\n\n", "\n      x", "-\n      x"] {
        let sent = web(end);
        let held = values(&sent).unwrap();
        assert_eq!(values(&replace(&old, &[(&name("web"), &sent)]).unwrap()).unwrap()[0], held[0]);
        assert_eq!(values(&replace(&last, &[(&name("web"), &sent)]).unwrap()).unwrap()[1], held[0]);
        assert_eq!(values(&in_form_of("a.yaml", &sent).unwrap()).unwrap(), held);
    }
}

#[test]
fn several_documents_must_be_replaced_each_in_its_own_way() {
    let names = ["web", "db", "x"].map(name);
    let old = ["web", "db", "x"].map(|it| task(it, "old")).join("# c\n---\n");
    let plain = ["web", "db"].map(|it| task(it, "new"));
    let news = [(&names[0], &*plain[0]), (&names[1], &*plain[1])];
    let text = replace(&old, &news).unwrap();
    assert_eq!(
        text,
        old.replace("web\nspec:\n  image: old", "web\nspec:\n  image: new")
            .replace("db\nspec:\n  image: old", "db\nspec:\n  image: new")
    );
    // One that may have no line break at its end, one that has to keep several.
    let odd = [("web", "+\n      x\n\n\n"), ("db", ""), ("x", "\n      y")]
        .map(|(name, end)| format!("{}  args:\n    - |{end}", task(name, "new")));
    let odd = [odd[0].clone(), plain[1].clone(), odd[2].clone()];
    let news = [0, 1, 2].map(|at| (&names[at], &*odd[at]));
    let held: Vec<Value> = odd.iter().map(|it| value(it)).collect();
    assert_eq!(values(&replace(&old, &news).unwrap()).unwrap(), held);
}

#[test]
fn a_document_on_the_line_of_its_mark_must_be_replaced_whole() {
    let old = format!("--- {}--- {}", json("web", "old"), json("db", "i"));
    assert_eq!(replaced(&old), format!("---\n{}--- {}", task("web", "new"), json("db", "i")));
}

#[test]
fn json_must_stay_json() {
    let sent = in_form_of("web.json", &task("web", "new")).unwrap();
    let text = replace(&json("web", "old"), &[(&name("web"), &sent)]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["spec"]["image"], "new");
    assert_eq!(in_form_of("web.json", &json("web", "new")).unwrap(), json("web", "new"));
    assert_eq!(in_form_of("web.yaml", &json("web", "new")).unwrap(), json("web", "new"));
    // In a file of YAML it is a document as any other.
    let text = format!("{}---\n{}", task("db", "i"), task("web", "old"));
    let text = replace(&text, &[(&name("web"), &json("web", "new"))]).unwrap();
    assert_eq!(text, format!("{}---\n{}", task("db", "i"), json("web", "new")));
}

#[test]
fn what_can_not_be_told_apart_must_be_refused() {
    use Unchangeable::{Absent, Broken, Entangled, Twice};
    let web = task("web", "old");
    let new = task("web", "new");
    for (text, sent, why) in [
        (task("db", "i"), new.clone(), Absent),
        (task("web", "old").replace("evenkeel/v1", "v1"), new.clone(), Absent),
        (format!("{web}---\n{web}"), new.clone(), Twice),
        (format!("{web}---\n{{"), new.clone(), Broken),
        (format!("{web}---\na: 1\na: 2\n"), new.clone(), Broken),
        (web.clone(), format!("{new}---\n{new}"), Entangled),
        (web.clone(), String::new(), Entangled),
    ] {
        assert_eq!(replace(&text, &[(&name("web"), &sent)]), Err(why), "{text}\n<- {sent}");
    }
}

#[test]
fn a_removed_document_must_take_its_own_comments_and_nothing_else() {
    let (web, db, x) = (task("web", "i"), task("db", "i"), task("x", "i"));
    for (before, after) in [
        (format!("{web}---\n{db}"), db.clone()),
        (format!("{db}---\n{web}"), db.clone()),
        (format!("{db}---\n# of web\n{web}\n---\n{x}"), format!("{db}---\n{x}")),
        (
            format!("{db}\n# of db\n---\n{web}# z\n---\n{x}"),
            format!("{db}\n# of db\n# z\n---\n{x}"),
        ),
        (format!("# of web\n{web}---\n# of db\n{db}"), format!("# of db\n{db}")),
        (format!("# all\n\n# of web\n{web}---\n{db}"), format!("# all\n\n---\n{db}")),
        (
            format!("# yaml-language-server: $schema=a\n# of web\n{web}---\n{db}"),
            format!("# yaml-language-server: $schema=a\n---\n{db}"),
        ),
        (format!("# all\n---\n{web}---\n{db}"), format!("# all\n---\n{db}")),
        (format!("\u{feff}{web}--- # db\n{db}"), format!("\u{feff}--- # db\n{db}")),
        (format!("{db}...\n{web}...\n---\n{x}"), format!("{db}...\n...\n---\n{x}")),
        (
            format!("--- {}--- {}", json("web", "i"), json("db", "i")),
            format!("--- {}", json("db", "i")),
        ),
        (format!("{web}--- {}", json("db", "i")), format!("--- {}", json("db", "i"))),
        (format!("{web}---\nkind: Pod\n"), "kind: Pod\n".into()),
        // The mark ends the directives.
        (format!("%YAML 1.2\n---\n{web}...\n---\n{db}"), format!("%YAML 1.2\n---\n...\n---\n{db}")),
    ] {
        let text = remove(&before, &name("web")).unwrap();
        assert_eq!(text, Some(after), "of {before}");
    }
}

#[test]
fn when_no_document_is_left_that_must_be_said() {
    let web = task("web", "i");
    for text in [web.clone(), format!("# all\n\n---\n{web}\n# end\n---\n...\n"), json("web", "i")] {
        assert_eq!(remove(&text, &name("web")), Ok(None), "{text}");
    }
    assert_eq!(remove(&web, &name("db")), Err(Unchangeable::Absent));
    assert_eq!(remove(&format!("{web}---\n{{"), &name("web")), Err(Unchangeable::Broken));
}

#[test]
fn each_document_of_what_is_sent_must_be_told_with_its_comments() {
    let (web, db) = (task("web", "i"), task("db", "i"));
    let text = format!("\u{feff}# all\n---\n# of web\n{web}--- # x\n{db}# z\n---\n# nothing\n");
    assert_eq!(split(&text).unwrap(), [format!("# of web\n{web}"), format!("{db}# z\n")]);
    assert_eq!(split("# nothing\n").unwrap(), [""; 0]);
    assert_eq!(split("{"), Err(Unchangeable::Broken));
}

#[test]
fn a_namespace_must_be_written_in_where_none_is_named() {
    let prod = Label::parse("prod").unwrap();
    let with = |text: &str| in_namespace(text, &prod);
    let web = task("web", "i");
    let block = web.replace("  name: web\n", "  namespace: prod\n  name: web\n");
    assert_eq!(with(&web), Some(block.clone()));
    assert_eq!(with(&web.replace('\n', "\r\n")), Some(block.replace('\n', "\r\n")));
    let flow = web.replace("\n  name: web\n", " {name: web}\n");
    assert_eq!(with(&flow), Some(flow.replace("{name", "{\"namespace\": \"prod\", name")));
    let open = web.replace("\n  name: web\n", " {\n  name: web}\n");
    assert_eq!(with(&open), Some(open.replace("name: web", "\"namespace\": \"prod\", name: web")));
    let written: Value = serde_json::from_str(&with(&json("web", "i")).unwrap()).unwrap();
    assert_eq!(written["metadata"]["namespace"], "prod");
    assert_eq!(with(&block), None, "it names one");
    assert_eq!(with("a: 1\n"), None);
}

/// A document of the task, written in one of several ways.
fn written(name: &'static str) -> impl Strategy<Value = String> {
    let image = prop::sample::select(vec!["a", "b:1", "c@sha256:d"]);
    let style = 0..6_u8;
    let env = prop::collection::vec("[a-z #:'\"{}-]{0,9}", 0..3);
    (image, style, env).prop_map(move |(image, style, env)| {
        let text = task(name, image);
        let listed: Vec<String> =
            env.iter().map(|it| format!("    - {}\n", serde_json::json!(it))).collect();
        let listed = listed.concat();
        match style {
            0 => text,
            1 => json(name, image),
            2 => format!("{text}  command:\n{listed}  # - own\n"),
            3 => format!("{text}  args:\n    - |\n      --- a\n      # b\n\n      ...\n"),
            4 => format!("{text}  args:\n    - \"a\n      b\"\n"),
            _ => format!("{text}  args: [a, # b\n  c]\n"),
        }
    })
}

/// What stands between two documents.
fn between() -> impl Strategy<Value = String> {
    let around = prop::sample::select(vec!["", "\n", "# c\n", "\n# c\n\n"]);
    let mark = prop::sample::select(vec!["---\n", "--- # m\n", "...\n---\n", "---\n# e\n---\n"]);
    (around.clone(), mark, around).prop_map(|(a, mark, b)| format!("{a}{mark}{b}"))
}

fn value(text: &str) -> Value {
    let [value] = &values(text).unwrap()[..] else { panic!("{text}") };
    value.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]
    #[test]
    fn all_bytes_but_those_of_the_document_must_stay(
        olds in (written("web"), written("db"), written("x")),
        at in 0..3_usize,
        marks in (between(), between()),
        head in prop::sample::select(vec!["", "# h\n", "---\n", "# h\n\n# i\n", "%YAML 1.2\n---\n", "\u{feff}"]),
        tail in prop::sample::select(vec!["", "\n", "# t", "...\n", "---\n", "\n# t\n---\n# u\n"]),
        news in (written("web"), written("db"), written("x")),
        crlf in any::<bool>(),
    ) {
        let names = ["web", "db", "x"].map(name);
        let dos = |text: &str| if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        let (olds, news) = ([olds.0, olds.1, olds.2], [news.0, news.1, news.2]);
        let gaps = [dos(head), dos(&marks.0), dos(&marks.1), dos(tail)];
        let join = |texts: &[String; 3]| {
            let pairs = gaps.iter().zip(texts.iter().map(|it| dos(it)).chain([String::new()]));
            pairs.flat_map(|(gap, text)| [gap.clone(), text]).collect::<String>()
        };
        let file = join(&olds);
        let mut wanted = olds.clone();
        wanted[at] = news[at].clone();
        let changed = replace(&file, &[(&names[at], &news[at])]).unwrap();
        prop_assert_eq!(&changed, &join(&wanted));
        let held = values(&changed).unwrap();
        prop_assert_eq!(held, wanted.iter().map(|it| value(it)).collect::<Vec<_>>());

        let rest = remove(&file, &names[at]).unwrap().unwrap();
        let mut left: Vec<Value> = olds.iter().map(|it| value(it)).collect();
        left.remove(at);
        prop_assert_eq!(values(&rest).unwrap(), left);
        // What goes is one stretch, or two where a comment between stays.
        let other = |it: usize| dos(&olds[it]);
        for it in (0..3).filter(|it| *it != at) {
            prop_assert!(rest.contains(&other(it)), "{} in {}", other(it), rest);
        }
    }

    #[test]
    fn no_text_must_be_spoilt(text in "([a-z]: [|>\"'\\[{&*!]?[a-z#-]*\n|---\n|\\.\\.\\.\n|# c\n|  [a-z]\n|\n|\t){0,12}", new in written("web")) {
        let text = format!("{text}---\n{}", task("web", "old"));
        if let Ok(changed) = replace(&text, &[(&name("web"), &new)]) {
            let (before, after) = (values(&text).unwrap(), values(&changed).unwrap());
            let last = before.len() - 1;
            prop_assert_eq!(&before[..last], &after[..last]);
            prop_assert_eq!(&after[last], &value(&new));
        }
    }
}
