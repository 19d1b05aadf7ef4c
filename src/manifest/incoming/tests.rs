use super::*;
use crate::domain::desired::{Desired, Rules};
use crate::domain::name::TaskName;
use crate::domain::policy::{Level, Policy};
use crate::domain::source::Snapshot;
use crate::domain::time::Mono;
use crate::manifest::edit::Unchangeable;

const SOURCE: &str = "/srv/tasks";

const POLICY: Policy = Policy { level: Level::Baseline, allowed_host_paths: Vec::new() };

const CONTEXT: Context<'static> = Context { source: SOURCE, policy: &POLICY };

fn name(text: &str) -> TaskName {
    TaskName::parse(text, &Label::default_namespace()).unwrap()
}

fn task(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata:\n  name: {name}\nspec:\n  image: app:1\n{spec}"
    )
}

fn mounts(path: &str) -> String {
    format!("  mounts: [{{path: /d, hostPath: {path}}}]\n")
}

fn sent(folder: Option<&str>, text: &str) -> Sent {
    let folder = folder.map(ToOwned::to_owned);
    Sent { name: "my.yaml".into(), folder, text: text.to_owned(), others: Others::Refuse }
}

fn arrivals(text: &str) -> Vec<Arrival> {
    check(&[sent(None, text)], None, &CONTEXT).unwrap()
}

/// What is wrong, a line each.
fn wrong(sent: &[Sent], namespace: Option<&str>) -> String {
    let namespace = namespace.map(|it| Label::parse(it).unwrap());
    let problems = check(sent, namespace.as_ref(), &CONTEXT).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_that_is_wrong_must_be_told_under_the_senders_name() {
    let text = format!("{}---\n{}", task("web", "  imgae: x\n"), task("db", "  replicas: two\n"));
    let told = wrong(&[sent(None, &text), sent(None, "kind: Pod\napiVersion: v1\n")], None);
    assert_eq!(told.lines().count(), 3, "{told}");
    for part in [
        "my.yaml:7:3: unknown field `imgae` in `spec` (did you mean `image`?)",
        "my.yaml:15:13: `two` is not a whole number",
        "my.yaml:2:13: `v1` is not evenkeel's (take it out of what is sent",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    assert!(wrong(&[sent(None, "\n{")], None).starts_with("my.yaml:2:"));
    let port = "  ports: [{containerPort: 80, hostPort: 8080}]\n";
    let both = [sent(None, &task("web", port)), sent(None, &task("db", port))];
    assert!(wrong(&both, None).contains("host port 8080"));
    let both = [sent(None, &task("web", "")), sent(None, &task("web", ""))];
    assert!(wrong(&both, None).contains("`default/web` is declared in my.yaml:1 already"));
    let net = [sent(None, &task("web", "  hostNetwork: true\n"))];
    assert!(wrong(&net, None).contains("policy `baseline`"), "{}", wrong(&net, None));
}

#[test]
fn each_document_must_arrive_by_itself() {
    let text = format!("# all\n---\n# web\n{}---\n{}# end\n", task("web", ""), task("db", ""));
    let found = arrivals(&text);
    let shown: Vec<_> = found.iter().map(|it| (it.task.name.to_string(), it.line)).collect();
    assert_eq!(shown, [("default/web".to_owned(), 2), ("default/db".to_owned(), 10)]);
    assert_eq!(found[0].text, format!("# web\n{}", task("web", "")));
    assert_eq!(arrivals("# nothing\n"), []);
    let others = format!("kind: Pod\napiVersion: v1\n---\n{}", task("web", ""));
    let passed = Sent { others: Others::PassOver, ..sent(None, &others) };
    let found = check(&[passed], None, &CONTEXT).unwrap();
    assert_eq!((found.len(), &*found[0].text), (1, &*task("web", "")));
}

#[test]
fn a_relative_path_must_mean_what_it_meant_where_it_was_written() {
    let text = task("web", &mounts("./site"));
    let stray = wrong(&[sent(None, &text)], None);
    assert_eq!(
        stray,
        "my.yaml:7:33: `./site` is relative to its file, and this is read from none \
         (write the whole path, beginning with `/`)"
    );
    let stray = wrong(&[sent(Some("/home/me"), &text)], None);
    assert!(stray.contains("which is not in the source, /srv/tasks"), "{stray}");
    // What it would mean there is nobody's concern.
    let stray = wrong(&[sent(Some("/srv/tasks-2"), &task("web", &mounts("../x")))], None);
    assert_eq!(stray.lines().count(), 1, "{stray}");
    let all = check(&[sent(Some("/srv/tasks/apps"), &text)], None, &CONTEXT).unwrap();
    assert_eq!(all[0].misplaced("apps/web.yaml", SOURCE), []);
    let moved = all[0].misplaced("default.web.yaml", SOURCE);
    assert_eq!(moved.len(), 1);
    assert_eq!(
        moved[0].to_string(),
        "my.yaml:7:33: `./site` is relative to its file: in default.web.yaml it means \
         /srv/tasks/site (write the whole path, such as `/srv/tasks/apps/site`)"
    );
    let up = [sent(Some("/srv/tasks/apps"), &task("web", &mounts("../../x")))];
    assert!(wrong(&up, None).contains("`/srv/x` is outside the source"));
    let whole = check(&[sent(None, &task("web", &mounts("/srv/tasks/a")))], None, &CONTEXT);
    assert_eq!(whole.unwrap()[0].misplaced("x/y.yaml", SOURCE), []);
}

#[test]
fn a_namespace_must_be_one_in_words_and_on_the_command_line() {
    let prod = Label::parse("prod").unwrap();
    let text = format!(
        "{}---\n{}",
        task("web", ""),
        task("db", "").replace("name: db", "name: db\n  namespace: prod")
    );
    let found = check(&[sent(None, &text)], Some(&prod), &CONTEXT).unwrap();
    let names: Vec<String> = found.iter().map(|it| it.task.name.to_string()).collect();
    assert_eq!(names, ["prod/web", "prod/db"]);
    assert!(found[0].text.contains("  namespace: prod\n  name: web\n"));
    let told = wrong(&[sent(None, &text)], Some("default"));
    assert!(told.contains("`prod/db` is of namespace prod, and default was asked for"), "{told}");
}

#[test]
fn what_says_the_same_must_leave_the_file_as_it_is_written() {
    let old = format!("# mine\n{}---\n{}", task("web", "  replicas: 1\n"), task("db", ""));
    let edit = Edit::Put(arrivals(&format!("{}---\n{}", task("db", ""), task("web", ""))));
    let drawn = draft("a.yaml", Some(&old), &edit, &CONTEXT).unwrap();
    assert_eq!(drawn.text.as_ref(), Some(&old));
    assert!(drawn.fates.iter().all(|(_, fate, _)| *fate == Fate::Unchanged));
}

#[test]
fn what_becomes_of_each_manifest_must_be_told_with_its_place() {
    let old = format!("{}---\n{}", task("web", ""), task("db", ""));
    let edit = Edit::Put(arrivals(&format!(
        "{}---\n{}",
        task("db", ""),
        task("web", "  # more\n  replicas: 2\n")
    )));
    let drawn = draft("a.yaml", Some(&old), &edit, &CONTEXT).unwrap();
    let shown: Vec<String> = drawn
        .fates
        .iter()
        .map(|(name, fate, place)| format!("{name} {} {place}", fate.word()))
        .collect();
    assert_eq!(shown, ["default/db unchanged a.yaml:9", "default/web configured a.yaml:1"]);
    let edit = Edit::Put(arrivals(&task("web", "")));
    let drawn = draft("default.web.yaml", None, &edit, &CONTEXT).unwrap();
    assert_eq!(drawn.text, Some(task("web", "")));
    assert_eq!(drawn.fates[0].1, Fate::Created);
    let drawn = draft("a.yaml", Some(&old), &Edit::Remove(name("db")), &CONTEXT).unwrap();
    assert_eq!(drawn.text, Some(task("web", "")));
    assert_eq!(drawn.fates[0].2.to_string(), "a.yaml:7");
    let drawn = draft("a.yaml", Some(&task("web", "")), &Edit::Remove(name("web")), &CONTEXT);
    assert_eq!(drawn.unwrap().text, None);
}

#[test]
fn a_file_that_is_not_as_it_was_thought_must_stay_as_it_is() {
    let put = Edit::Put(arrivals(&task("web", "")));
    let remove = Edit::Remove(name("web"));
    let broken = format!("{}---\n{}", task("web", "  replicas: 2\n"), task("db", "  imgae: x\n"));
    for edit in [&put, &remove] {
        let why = draft("a.yaml", Some(&broken), edit, &CONTEXT).unwrap_err();
        let Undraftable::Broken(problems) = why else { panic!("{why:?}") };
        assert!(problems[0].to_string().starts_with("a.yaml:15:3: unknown field"), "{problems:?}");
        let twice = format!("{}---\n{}", task("web", ""), task("web", ""));
        let why = draft("a.yaml", Some(&twice), edit, &CONTEXT).unwrap_err();
        assert_eq!(why, Undraftable::Unchangeable(Unchangeable::Twice));
    }
    let occupied = draft("default.web.yaml", Some(&task("db", "")), &put, &CONTEXT);
    assert_eq!(occupied, Err(Undraftable::Occupied));
    for text in [None, Some(task("db", ""))] {
        let gone = draft("a.yaml", text.as_deref(), &remove, &CONTEXT);
        assert_eq!(gone, Err(Undraftable::NotThere(name("web"))));
    }
}

/// The desired state after one look at these files, and the files.
fn known(texts: &[(&str, String)]) -> (Desired, BTreeMap<String, FileState>) {
    let state =
        |(file, text): &(&str, String)| ((*file).to_owned(), read(file, text.as_bytes(), &CONTEXT));
    let files: BTreeMap<String, FileState> = texts.iter().map(state).collect();
    let snapshot = Snapshot::Read { files: files.clone() };
    (Desired::restored([]).next(&snapshot, &Rules::default(), Mono::default()), files)
}

fn intended(text: &str, folder: Option<&str>, texts: &[(&str, String)]) -> Result<String, Refusal> {
    let (desired, files) = known(texts);
    let arrivals = check(&[sent(folder, text)], None, &CONTEXT).unwrap();
    let intents = intent::put(arrivals, (&desired, &files), SOURCE)?;
    let told = intents.iter().map(|Intent { file, known, edit }| {
        let Edit::Put(arrivals) = edit else { panic!("{edit:?}") };
        let names: Vec<String> = arrivals.iter().map(|it| it.task.name.to_string()).collect();
        let is = if known.is_some() { "changed" } else { "new" };
        format!("{file} {is}: {}", names.join(" "))
    });
    Ok(told.collect::<Vec<_>>().join("; "))
}

#[test]
fn a_manifest_must_go_where_its_name_stands_and_a_new_one_into_a_file_of_its_own() {
    let there = [
        ("a.yaml", format!("{}---\n{}", task("web", ""), task("db", ""))),
        ("x/b.yml", task("x", "")),
    ];
    let text = ["db", "new", "x", "web"].map(|it| task(it, "")).join("---\n");
    assert_eq!(
        intended(&text, None, &there).unwrap(),
        "a.yaml changed: default/db default/web; default.new.yaml new: default/new; \
         x/b.yml changed: default/x"
    );
}

#[test]
fn a_manifest_that_can_not_go_where_it_belongs_must_be_refused_with_what_to_do() {
    let web = task("web", "");
    let mount = task("web", &mounts("./site"));
    let broken = format!("{web}---\n{}", task("db", "  imgae: x\n"));
    let moved = "is relative to its file: in default.web.yaml it means /srv/tasks/site";
    for (sent, folder, there, why, says) in [
        (
            &web,
            None,
            vec![("a.yaml", broken)],
            Why::FileBroken,
            "a.yaml is broken, so nothing in it",
        ),
        (
            &web,
            None,
            vec![("a.yaml", web.clone()), ("b.yaml", web.clone())],
            Why::NameConflict,
            "default/web stands in a.yaml:1 and in b.yaml:1: remove one of the two first",
        ),
        (
            &web,
            None,
            vec![("default.web.yaml", task("db", ""))],
            Why::FileExists,
            "default.web.yaml would be made, and is there: give that file another name",
        ),
        (
            &mount,
            Some("/srv/tasks/apps"),
            vec![],
            Why::Invalid,
            "there is a problem in what was sent",
        ),
    ] {
        let refusal = intended(sent, folder, &there).unwrap_err();
        assert_eq!(refusal.why, why, "{refusal:?}");
        assert!(refusal.message.starts_with(says), "{refusal:?}");
        match why {
            Why::FileBroken => assert!(refusal.problems[0].to_string().starts_with("a.yaml:14:3:")),
            Why::Invalid => assert!(refusal.problems[0].to_string().contains(moved)),
            _ => assert!(refusal.problems.is_empty()),
        }
    }
}

#[test]
fn a_manifest_must_be_removed_where_it_stands_and_one_that_is_gone_needs_no_more() {
    let (mut desired, files) = known(&[("a.yaml", task("web", "")), ("b.yaml", task("db", ""))]);
    let removed = intent::remove(&name("web"), (&desired, &files)).unwrap().unwrap();
    assert_eq!((&*removed.file, removed.edit), ("a.yaml", Edit::Remove(name("web"))));
    let unknown = intent::remove(&name("wbe"), (&desired, &files)).unwrap_err();
    assert_eq!((unknown.why, &*unknown.message), (Why::NotFound, "there is no task default/wbe"));
    let (_, rest) = known(&[("b.yaml", task("db", ""))]);
    let snapshot = Snapshot::Read { files: rest.clone() };
    desired.advance(&snapshot, &Rules::default(), Mono::default());
    assert_eq!(intent::remove(&name("web"), (&desired, &rest)), Ok(None));
}
