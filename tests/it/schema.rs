//! The schema: it is the committed file, it is closed and plain, and it agrees with the parser.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel::domain::policy::{Level, Policy};
use evenkeel::domain::source::{Document, FileState};
use evenkeel::manifest::{self, Context, schema};
use proptest::prelude::*;
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(text: &str) -> FileState {
    let policy = Policy { level: Level::Privileged, allowed_host_paths: Vec::new() };
    manifest::read("web.yaml", text.as_bytes(), &Context { source: "/srv", policy: &policy })
}

/// The documents of a text as JSON, by another reader than ours.
fn as_json(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect()
}

fn committed() -> Value {
    serde_json::from_str(&fs::read_to_string(path("schema/task.v1.json")).unwrap()).unwrap()
}

#[test]
fn the_committed_schema_is_the_one_that_the_parser_uses() {
    let made = serde_json::to_string_pretty(&schema::task_schema()).unwrap() + "\n";
    let file = path("schema/task.v1.json");
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        fs::create_dir_all(path("schema")).unwrap();
        fs::write(&file, &made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(there, made, "run the tests with EVENKEEL_BLESS=1");
}

#[test]
fn the_schema_is_one_and_plain() {
    let schema = committed();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&schema).unwrap();
    check_plain(&schema, "");
}

/// Every map is closed, every field has a description and an example, and nothing is there that
/// editors or strict validators stumble over.
fn check_plain(part: &Value, place: &str) {
    let object = part.as_object().unwrap_or_else(|| panic!("{place} is no schema"));
    for word in ["format", "anyOf", "oneOf", "allOf", "$ref", "$defs"] {
        assert!(!object.contains_key(word), "{place} has {word}");
    }
    let kind = &part["type"];
    assert!(!kind.to_string().contains("null"), "{place} takes null");
    assert!(!part.get("default").is_some_and(Value::is_null), "{place} has null for a default");
    if let Some(fields) = part.get("properties").and_then(Value::as_object) {
        assert_eq!(part["additionalProperties"], false, "{place} is open");
        for (name, field) in fields {
            let inner = format!("{place}/{name}");
            let text = field["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10 && text.contains('.'), "{inner}: {text:?}");
            let top = ["/metadata", "/spec"].contains(&inner.as_str());
            let examples = field["examples"].as_array().cloned().unwrap_or_default();
            assert!(top || !examples.is_empty(), "{inner} has no example");
            let validator = jsonschema::validator_for(field).unwrap();
            for value in examples.iter().chain(field.get("default")) {
                assert!(validator.is_valid(value), "{inner} does not take {value}");
            }
            check_plain(field, &inner);
        }
    } else if kind == "object" {
        assert_eq!(part["additionalProperties"]["type"], "string", "{place} is open");
    }
    if let Some(items) = part.get("items") {
        check_plain(items, &format!("{place}/*"));
    }
}

#[test]
fn every_example_of_a_field_makes_a_task() {
    let schema = schema::task_schema();
    for (name, field) in schema["properties"]["spec"]["properties"].as_object().unwrap() {
        let mut document = json!({
            "apiVersion": "evenkeel/v1", "kind": "Task",
            "metadata": { "name": "web" }, "spec": { "image": "nginx:1.27" },
        });
        document["spec"][name] = field["examples"][0].clone();
        let state = read(&document.to_string());
        assert!(is_task(&state), "{name}: {state:?}");
    }
}

#[test]
fn the_schema_takes_the_examples_and_refuses_what_is_said_to_break_it() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    let yaml = |folder: &str| {
        let files = fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect::<Vec<_>>()
    };
    for (file, text) in yaml("manifests") {
        for document in as_json(&text) {
            assert!(validator.is_valid(&document), "{}", file.display());
        }
    }
    let mut refused = 0;
    for (file, text) in yaml("tests/broken") {
        let valid = |text: &str| as_json(text).iter().all(|document| validator.is_valid(document));
        match file.file_name().unwrap().to_str().unwrap().as_bytes()[0] {
            b'2' => {
                assert!(!valid(&text), "{}", file.display());
                refused += 1;
            }
            // What the checks and the policy find, the schema can't say.
            b'3' | b'4' => assert!(valid(&text), "{}", file.display()),
            _ => {}
        }
    }
    assert!(refused > 40, "{refused}");
}

fn is_task(state: &FileState) -> bool {
    matches!(state, FileState::Read { documents, .. } if matches!(documents[..], [Document::Task { .. }]))
}

/// A value for a part of the schema: mostly one that it takes, sometimes not.
fn value_for(part: &Value) -> BoxedStrategy<Value> {
    let right = right_value_for(part);
    let wrong = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!("")),
        Just(json!("text")),
        Just(json!([])),
        Just(json!({})),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    prop_oneof![60 => right, 1 => wrong].boxed()
}

fn right_value_for(part: &Value) -> BoxedStrategy<Value> {
    if let Some(options) = part["enum"].as_array() {
        return proptest::sample::select(options.clone()).boxed();
    }
    let examples = part["examples"].as_array().cloned().unwrap_or_default();
    let kind = part["type"].as_str().unwrap_or_default();
    if let ("object", Some(fields)) = (kind, part["properties"].as_object()) {
        let required: Vec<&str> =
            part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Just(json!({})).boxed();
        for (name, field) in fields {
            let name = name.clone();
            let share = if required.contains(&name.as_str()) { 0.98 } else { 0.25 };
            let inner = proptest::option::weighted(share, value_for(field));
            object = (object, inner)
                .prop_map(move |(mut object, inner)| {
                    if let Some(inner) = inner {
                        object[&name] = inner;
                    }
                    object
                })
                .boxed();
        }
        return object;
    }
    match kind {
        "array" => {
            proptest::collection::vec(value_for(&part["items"]), 0..3).prop_map(Value::from).boxed()
        }
        "integer" => {
            let least = part["minimum"].as_u64().unwrap_or(0);
            (least..=part["maximum"].as_u64().unwrap()).prop_map(Value::from).boxed()
        }
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        _ if !examples.is_empty() => proptest::sample::select(examples).boxed(),
        _ => "[a-zA-Z0-9/._ -]{1,9}".prop_map(Value::from).boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What the schema takes and the types refuse would be told of in serde's words, at no place.
    #[test]
    fn the_schema_and_the_types_say_the_same(document in value_for(&schema::task_schema())) {
        let validator = jsonschema::validator_for(&committed()).unwrap();
        let state = read(&document.to_string());
        let FileState::Read { documents, .. } = &state else {
            return Err(TestCaseError::fail(format!("{state:?}")));
        };
        match &documents[..] {
            [Document::Task { task, .. }] => {
                prop_assert!(validator.is_valid(&document));
                // Another library's YAML of the same reads the same.
                let yaml = read(&serde_yaml::to_string(&document).unwrap());
                let FileState::Read { documents, .. } = yaml else { panic!("{yaml:?}") };
                let [Document::Task { task: same, .. }] = &documents[..] else { panic!("{documents:?}") };
                prop_assert_eq!(same, task);
            }
            [Document::Broken { problems, .. }] => {
                prop_assert!(!problems.is_empty());
                let unworded = problems.iter().find(|problem| {
                    problem.help.as_ref().is_none_or(|help| help.contains("evenkeel schema"))
                });
                prop_assert_eq!(unworded, None);
            }
            [Document::Foreign { .. }] | [] => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
