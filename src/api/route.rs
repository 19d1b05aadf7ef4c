//! What can be asked, each thing once: the server and its description are made from the same
//! values, and what a handler takes and answers is described by the types that it takes and answers.

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::Problem;
use super::openapi::Operation;
use super::server::Sources;
use crate::domain::instance::InstanceId;
use crate::domain::name::{Label, TaskName};

/// How long a request may take from the end of its headers to its own.
const TAKING: Duration = Duration::from_secs(10);

/// One thing that can be asked.
pub struct Route {
    /// Where, such as `/v1/tasks/{namespace}/{name}`.
    pub path: &'static str,
    /// How.
    pub method: Method,
    /// What it is called in the description.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub says: &'static str,
    /// Describes what it takes and answers.
    pub describe: fn(&mut Operation<'_>),
    /// What answers it.
    pub answer: MethodRouter<Sources>,
}

impl Route {
    /// Something that is read.
    pub fn get<I: Input, O: Output, F>(
        path: &'static str,
        (name, says): (&'static str, &'static str),
        handler: impl Fn(Sources, I) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        Self::of(Method::GET, path, (name, says), handler)
    }

    /// Something that is asked for.
    pub fn post<I: Input, O: Output, F>(
        path: &'static str,
        (name, says): (&'static str, &'static str),
        handler: impl Fn(Sources, I) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        Self::of(Method::POST, path, (name, says), handler)
    }

    /// Something that is to be gone.
    pub fn delete<I: Input, O: Output, F>(
        path: &'static str,
        (name, says): (&'static str, &'static str),
        handler: impl Fn(Sources, I) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        Self::of(Method::DELETE, path, (name, says), handler)
    }

    /// The same, for bodies of at most so many bytes.
    pub fn taking(self, most: usize) -> Self {
        Self { answer: self.answer.layer(DefaultBodyLimit::max(most)), ..self }
    }

    fn of<I: Input, O: Output, F>(
        method: Method,
        path: &'static str,
        (name, says): (&'static str, &'static str),
        handler: impl Fn(Sources, I) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("it is one that HTTP has");
        let answer = on(filter, move |State(sources): State<Sources>, mut request: Request| {
            let handler = handler.clone();
            async move {
                let taken = timeout(TAKING, I::take(&mut request)).await;
                handler(sources, taken.map_err(|_| late())??).await
            }
        });
        let describe = |operation: &mut Operation<'_>| {
            I::describe(operation);
            O::describe(operation);
        };
        Self { path, method, name, says, describe, answer }
    }
}

/// An answer that is none.
#[derive(Debug)]
pub struct Refused(pub StatusCode, pub String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = Problem { reason: word(self.0), message: self.1, problems: Vec::new() };
        (self.0, Json(problem)).into_response()
    }
}

/// The stable word of a status: `NotFound`.
fn word(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Refused").replace(' ', "")
}

/// The rest of a request did not come.
fn late() -> Refused {
    let message = format!("the whole request did not come within {} s", TAKING.as_secs());
    Refused(StatusCode::REQUEST_TIMEOUT, message)
}

/// What axum could not make sense of.
fn nonsense(error: impl Display + IntoResponse) -> Refused {
    let message = error.to_string();
    Refused(error.into_response().status(), message)
}

/// What is taken from a request.
pub trait Input: Sized + Send + 'static {
    /// Takes it.
    fn take(request: &mut Request) -> impl Future<Output = Result<Self, Refused>> + Send;
    /// Tells of it.
    fn describe(operation: &mut Operation<'_>);
}

/// What is answered.
pub trait Output: IntoResponse {
    /// Tells of it.
    fn describe(operation: &mut Operation<'_>);
}

impl Input for () {
    async fn take(_request: &mut Request) -> Result<Self, Refused> {
        Ok(())
    }
    fn describe(_operation: &mut Operation<'_>) {}
}

impl<A: Input, B: Input> Input for (A, B) {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        Ok((A::take(request).await?, B::take(request).await?))
    }
    fn describe(operation: &mut Operation<'_>) {
        A::describe(operation);
        B::describe(operation);
    }
}

/// The part of a path that a type stands for.
async fn of_path<T: DeserializeOwned + Send>(request: &mut Request) -> Result<T, Refused> {
    let (mut parts, body) = std::mem::take(request).into_parts();
    let taken = Path::<T>::from_request_parts(&mut parts, &()).await;
    *request = Request::from_parts(parts, body);
    taken.map(|Path(value)| value).map_err(nonsense)
}

/// `/{namespace}/{name}`.
impl Input for TaskName {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        let (namespace, name) = of_path::<(Label, Label)>(request).await?;
        Ok(Self { namespace, name })
    }
    fn describe(operation: &mut Operation<'_>) {
        operation.path_parameter::<Label>("namespace", "The namespace of the task");
        operation.path_parameter::<Label>("name", "What the task is called there");
        operation.refuses(StatusCode::BAD_REQUEST, "That is no name");
        operation.refuses(StatusCode::NOT_FOUND, "There is no such task; the nearest name is told");
    }
}

/// `/{instance}`.
impl Input for InstanceId {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        of_path::<Uuid>(request).await.map(Self)
    }
    fn describe(operation: &mut Operation<'_>) {
        operation.path_parameter::<Uuid>("instance", "The UUID of the instance");
        operation.refuses(StatusCode::BAD_REQUEST, "That is no UUID");
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Query<T> {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        Self::try_from_uri(request.uri()).map_err(nonsense)
    }
    fn describe(operation: &mut Operation<'_>) {
        operation.query_parameters::<T>();
        operation.refuses(StatusCode::BAD_REQUEST, "A parameter makes no sense");
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Json<T> {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        // By name alone: a list may pass for an object whose fields can be left out.
        let taken = Json::<Map<String, Value>>::from_request(std::mem::take(request), &()).await;
        let Json(fields) = taken.map_err(nonsense)?;
        serde_json::from_value(Value::Object(fields)).map(Self).map_err(|error| {
            let message = format!("the body is not what is taken here: {error}");
            Refused(StatusCode::UNPROCESSABLE_ENTITY, message)
        })
    }
    fn describe(operation: &mut Operation<'_>) {
        operation.takes::<T>();
        operation.refuses(StatusCode::BAD_REQUEST, "The body is no JSON");
        operation.refuses(StatusCode::REQUEST_TIMEOUT, "The body did not come in time");
        operation.refuses(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
        operation.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not said to be JSON");
        operation.refuses(StatusCode::UNPROCESSABLE_ENTITY, "The body is not what is taken here");
    }
}

impl<T: Serialize + JsonSchema> Output for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.answered::<T>();
        operation.answers(StatusCode::OK, "It is so", "application/json", &schema);
    }
}

/// It was done, and there is nothing to say to that.
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Output for Done {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers_nothing(StatusCode::NO_CONTENT, "It was done");
        operation.refuses(StatusCode::CONFLICT, "Things are not as they were said to be");
    }
}

/// It will be done.
pub struct Begun;

impl IntoResponse for Begun {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

impl Output for Begun {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers_nothing(StatusCode::ACCEPTED, "It has begun");
    }
}

/// Bytes as a container wrote them.
pub struct Log(pub Vec<u8>);

impl IntoResponse for Log {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/octet-stream")], Bytes::from(self.0)).into_response()
    }
}

impl Output for Log {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({});
        operation.answers(StatusCode::OK, "Its last bytes", "application/octet-stream", &schema);
        operation.refuses(StatusCode::NOT_FOUND, "No log of it was kept");
    }
}

/// What the asker would like to get.
pub struct Accept(pub String);

impl Accept {
    /// Which of these types is named first, if one is.
    #[must_use]
    pub fn first_of(&self, types: &[&str]) -> Option<usize> {
        let named = types.iter().enumerate().filter_map(|(at, it)| Some((self.0.find(it)?, at)));
        named.min().map(|(_, at)| at)
    }
}

impl Input for Accept {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        let header = request.headers().get(header::ACCEPT);
        let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(text.to_lowercase()))
    }
    /// The types that are answered tell of it: `OpenAPI` wants no parameter of that name.
    fn describe(_operation: &mut Operation<'_>) {}
}

/// A JSON document of another's making.
pub struct Document(pub Value);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl Output for Document {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({"type": "object"});
        operation.answers(StatusCode::OK, "The document", "application/json", &schema);
    }
}
