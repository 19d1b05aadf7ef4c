//! Requests to the engine, counted: which operation, what came of it, how long until then.

use std::sync::Arc;

use hyper::Method;
use tokio::time::Instant;

use crate::metrics::{Answer, EngineMetrics};

/// A request that is under way. One that is dropped before it has ended was given up.
#[derive(Debug)]
pub(super) struct Asked {
    metrics: Arc<EngineMetrics>,
    operation: &'static str,
    began: Instant,
    answer: Answer,
}

impl Asked {
    /// It is sent now.
    pub(super) fn now(metrics: &Arc<EngineMetrics>, method: &Method, path: &str) -> Self {
        let (metrics, operation) = (Arc::clone(metrics), operation(method, path));
        Self { metrics, operation, began: Instant::now(), answer: Answer::GivenUp }
    }

    /// It has ended so.
    pub(super) fn ended(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.metrics.asked(self.operation, self.answer, self.began.elapsed());
    }
}

/// What a request is for, in a word of few.
fn operation(method: &Method, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back();
    let deeper = parts.next().is_some();
    match (method.as_str(), first, last) {
        ("GET", "info", None) => "info",
        ("GET", "version", None) => "version",
        ("GET", "events", None) => "events",
        ("GET", "containers", Some("json")) if !deeper => "container_list",
        ("GET", "containers", Some("json")) => "container_inspect",
        ("GET", "containers", Some("logs")) => "container_logs",
        ("GET", "containers", Some("stats")) => "container_stats",
        ("POST", "containers", Some("create")) => "container_create",
        ("POST", "containers", Some("start")) => "container_start",
        ("POST", "containers", Some("stop")) => "container_stop",
        ("POST", "containers", Some("unpause")) => "container_unpause",
        ("POST", "containers", Some("rename")) => "container_rename",
        ("POST", "containers", Some("update")) => "container_update",
        ("DELETE", "containers", Some(_)) => "container_remove",
        ("POST", "containers", Some("exec")) => "exec_create",
        ("POST", "exec", Some("start")) => "exec_start",
        ("GET", "exec", Some("json")) => "exec_inspect",
        ("POST", "images", Some("create")) => "image_pull",
        ("GET", "images", Some("json")) if deeper => "image_inspect",
        ("GET", "networks", None) => "network_list",
        ("GET", "networks", Some(_)) => "network_inspect",
        ("POST", "networks", Some("create")) => "network_create",
        ("POST", "networks", Some("connect")) => "network_connect",
        ("POST", "networks", Some("disconnect")) => "network_disconnect",
        ("DELETE", "networks", Some(_)) => "network_remove",
        ("GET", "volumes", None) => "volume_list",
        ("GET", "volumes", Some(_)) => "volume_inspect",
        ("POST", "volumes", Some("create")) => "volume_create",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_must_be_counted_under_a_word_of_few() {
        for (method, path, wanted) in [
            ("GET", "/info", "info"),
            ("GET", "/containers/json?all=true&filters=%7B%7D", "container_list"),
            ("GET", "/containers/0123/json", "container_inspect"),
            ("POST", "/containers/create?name=evenkeel.a.b", "container_create"),
            ("POST", "/containers/0123/start", "container_start"),
            ("POST", "/containers/0123/stop?t=10", "container_stop"),
            ("DELETE", "/containers/0123?v=false", "container_remove"),
            ("POST", "/images/create?fromImage=a", "image_pull"),
            ("GET", "/images/127.0.0.1:5000/a/b:1/json", "image_inspect"),
            ("GET", "/networks/bridge", "network_inspect"),
            ("GET", "/networks?filters=x", "network_list"),
            ("POST", "/networks/n/connect", "network_connect"),
            ("GET", "/volumes?filters=x", "volume_list"),
            ("GET", "/_ping", "other"),
            ("PATCH", "/containers/json", "other"),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(operation(&method, path), wanted, "{method} {path}");
        }
    }
}
