//! The description of the API: an `OpenAPI` 3.1 document, made from the routes and the types that
//! they take and answer.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Problem;
use super::route::Route;
use super::watching::Told;

/// The document.
#[must_use]
pub fn document() -> Value {
    of(&super::server::routes())
}

/// The document of these routes.
pub(super) fn of(routes: &[Route]) -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|it| {
            it.definitions_path = "/components/schemas".into();
            it.meta_schema = None;
        })
    };
    let mut taken = settings().for_deserialize().into_generator();
    let mut answered = settings().for_serialize().into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let mut operation = Operation::new(&mut taken, &mut answered);
        (route.describe)(&mut operation);
        operation.refuses(StatusCode::FORBIDDEN, "A web page may have sent it");
        operation.refuses(StatusCode::INTERNAL_SERVER_ERROR, "The state can't be read");
        operation.refuses(StatusCode::SERVICE_UNAVAILABLE, "The worker is stopping, or too busy");
        let method = route.method.as_str().to_lowercase();
        paths.entry(route.path).or_default().insert(method, operation.value(route));
    }
    // What a stream tells stands in no answer, as `OpenAPI` 3.1 has no word for its parts.
    answered.subschema_for::<Told>();
    let mut schemas = answered.take_definitions(true);
    for (name, schema) in taken.take_definitions(true) {
        let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        assert!(*known == schema, "{name} is one thing where it is taken and where it is answered");
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "evenkeel",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "How a worker, its tasks and their instances are, and what is asked of it",
            "description": "Served on the unix socket evenkeel.sock in the state directory of the \
                            worker, which only its owner can open. Times are RFC 3339 in UTC. \
                            What can't be done is answered with a Problem. What a web page \
                            may have sent is refused: with an Origin, or a Host that is neither \
                            localhost nor a loopback address.",
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "http://localhost", "description": "The unix socket"}],
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// What is said of one way to ask.
pub struct Operation<'a> {
    taken: &'a mut SchemaGenerator,
    answered: &'a mut SchemaGenerator,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<String, Value>,
}

impl<'a> Operation<'a> {
    fn new(taken: &'a mut SchemaGenerator, answered: &'a mut SchemaGenerator) -> Self {
        let (parameters, answers) = (Vec::new(), BTreeMap::new());
        Self { taken, answered, parameters, body: None, answers }
    }

    fn value(self, route: &Route) -> Value {
        let mut value = json!({
            "operationId": route.name,
            "summary": route.says,
            "responses": self.answers,
        });
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            value["requestBody"] = body;
        }
        value
    }

    /// A part of the path is one of these.
    pub fn path_parameter<T: JsonSchema>(&mut self, name: &str, says: &str) {
        let schema = self.taken.subschema_for::<T>();
        self.parameter(("path", name), says, true, &schema.to_value());
    }

    /// The query may hold each field of this type.
    pub fn query_parameters<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(self.taken).to_value();
        let fields = schema["properties"].as_object().cloned().unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, mut field) in fields {
            let says = field["description"].as_str().unwrap_or_default().to_owned();
            if let Some(object) = field.as_object_mut() {
                object.remove("description");
            }
            let is_required = required.contains(&Value::from(name.clone()));
            self.parameter(("query", &name), &says, is_required, &not_null(field));
        }
    }

    /// A header may be set.
    pub fn header_parameter(&mut self, name: &str, says: &str) {
        self.parameter(("header", name), says, false, &json!({"type": "string"}));
    }

    fn parameter(
        &mut self,
        (stands, name): (&str, &str),
        says: &str,
        required: bool,
        schema: &Value,
    ) {
        self.parameters.push(json!({
            "name": name, "in": stands, "description": says, "required": required, "schema": schema,
        }));
    }

    /// The body is one of these, as JSON.
    pub fn takes<T: JsonSchema>(&mut self) {
        let schema = self.taken.subschema_for::<T>();
        let content = json!({"application/json": {"schema": schema}});
        self.body = Some(json!({"required": true, "content": content}));
    }

    /// The schema of something that is answered.
    pub fn answered<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().to_value()
    }

    /// It may be answered so; said once more of a status, as another type too.
    pub fn answers(&mut self, status: StatusCode, says: &str, of_type: &str, schema: &Value) {
        let answer = self.answers.entry(status.as_u16().to_string());
        let answer = answer.or_insert_with(|| json!({"description": says}));
        answer["content"][of_type] = json!({"schema": schema});
    }

    /// It may be answered so, without a body.
    pub fn answers_nothing(&mut self, status: StatusCode, says: &str) {
        self.answers.insert(status.as_u16().to_string(), json!({"description": says}));
    }

    /// It may be refused so.
    pub fn refuses(&mut self, status: StatusCode, says: &str) {
        let schema = self.answered::<Problem>();
        let key = status.as_u16().to_string();
        if !self.answers.contains_key(&key) {
            self.answers(status, says, "application/json", &schema);
        }
    }
}

/// A schema of something that is there: in a query, what is not there is left out.
fn not_null(mut schema: Value) -> Value {
    let is_null = |of: &Value| of.as_str().or(of["type"].as_str()) == Some("null");
    for key in ["type", "anyOf"] {
        let Some(kinds) = schema.get_mut(key).and_then(Value::as_array_mut) else { continue };
        kinds.retain(|kind| !is_null(kind));
        match kinds.pop() {
            Some(only) if kinds.is_empty() && only.is_object() => return only,
            Some(only) if kinds.is_empty() => schema[key] = only,
            last => kinds.extend(last),
        }
    }
    schema
}
