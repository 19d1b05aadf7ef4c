//! What happens in the engine, as hints to look again.
//!
//! The engine slows down every call on the host while one listener does not read, and then drops
//! events without a word. So a task of ours reads all the time into a small set of what is to be
//! looked at, from which the listener takes when it likes.
#![expect(clippy::disallowed_methods, reason = "the reader's task ends when its stream is dropped")]

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Body, Bytes};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::ask::{READ_DEADLINE, encode, open, within};
use super::connect::Address;
use crate::domain::container::label;
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::runtime::EngineEvent;
use crate::runtime::inbox::Inbox;

/// No event is as long; what is, is none.
const LINE_MAX: usize = 1024 * 1024;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A stream that says nothing for so long is begun anew, with a look at everything: nothing tells
/// one that has stalled from an engine where nothing happens.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// A stream that lived as long is forgiven its end.
const SETTLED: Duration = Duration::from_secs(10);

/// The kinds of events that are asked for. Not those of `exec`: each health check makes three,
/// with its command line in them.
const ACTIONS: [&str; 12] = [
    "create",
    "start",
    "die",
    "destroy",
    "oom",
    "pause",
    "unpause",
    "rename",
    "update",
    "stop",
    "disconnect",
    // Only when it changes; the engine takes it for `health_status: healthy` too.
    "health_status",
];

/// What happens to what carries the worker's label, for ever.
pub(super) fn events(address: Address, worker: &WorkerName) -> BoxStream<'static, EngineEvent> {
    let inbox = Arc::new(Inbox::default());
    let reader = read_for_ever(address, worker.clone(), Arc::clone(&inbox));
    let reader = AbortOnDropHandle::new(tokio::spawn(reader));
    stream::unfold((inbox, reader), |(inbox, reader)| async move {
        let event = inbox.take().await;
        Some((event, (inbox, reader)))
    })
    .boxed()
}

async fn read_for_ever(address: Address, worker: WorkerName, inbox: Arc<Inbox>) {
    let filters = json!({ "type": ["container", "network", "volume"], "event": ACTIONS });
    let path = format!("/events?filters={}", encode(&filters.to_string()));
    let mut backoff = BACKOFF_FIRST;
    loop {
        let call = open(&address, Method::GET, &path, None);
        match within(READ_DEADLINE, "question for events", call).await {
            Ok(response) => {
                let begun = Instant::now();
                inbox.put(EngineEvent::Relist);
                let end = read(response.into_body(), &worker, &inbox).await;
                tracing::debug!("the engine's events ended: {end}");
                if begun.elapsed() >= SETTLED {
                    backoff = BACKOFF_FIRST;
                }
            }
            Err(failure) => tracing::debug!("no events from the engine: {failure}"),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Reads events until the stream ends, and tells why it did.
async fn read<B>(mut body: B, worker: &WorkerName, inbox: &Inbox) -> String
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut lines = Lines::default();
    loop {
        let frame = match timeout(SILENCE, body.frame()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return "the engine closed the connection".to_owned(),
            Err(_) => return format!("nothing was heard for {} s", SILENCE.as_secs()),
        };
        let bytes = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return error.to_string(),
        };
        match lines.push(&bytes) {
            Ok(complete) => {
                for event in complete {
                    if let Some(event) = meaning(&event, worker) {
                        inbox.put(event);
                    }
                }
            }
            Err(why) => return why,
        }
    }
}

/// Cuts a stream of bytes into JSON values, one a line.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Value>, String> {
        self.rest.extend_from_slice(bytes);
        let mut values = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if !line.trim_ascii().is_empty() {
                let value = serde_json::from_slice(&line);
                values.push(value.map_err(|error| format!("an event that is no JSON: {error}"))?);
            }
        }
        if self.rest.len() > LINE_MAX {
            return Err(format!("an event of more than {LINE_MAX} bytes"));
        }
        Ok(values)
    }
}

/// What an event means for us; `None`: nothing.
fn meaning(event: &Value, worker: &WorkerName) -> Option<EngineEvent> {
    let actor = &event["Actor"];
    let attributes = &actor["Attributes"];
    match event["Type"].as_str()? {
        "container" => {
            let ours = attributes[label::WORKER].as_str() == Some(worker.as_str());
            let id = ContainerId::parse(actor["ID"].as_str()?)?;
            ours.then_some(EngineEvent::Container(id))
        }
        // A network's events carry the container's id, but no labels of either. Of a network of
        // ours, it is one of ours that was cut off; any other is seen by the next look at it.
        "network" if event["Action"] == "disconnect" => {
            let prefix = format!("evenkeel.{worker}.");
            let ours = attributes["name"].as_str()?.starts_with(&prefix);
            let id = ContainerId::parse(attributes["container"].as_str()?)?;
            ours.then_some(EngineEvent::Container(id))
        }
        // Strangers come and go all the time where things are built and tested.
        "network" | "volume" if event["Action"] == "destroy" => {
            let name = attributes["name"].as_str().or(actor["ID"].as_str())?;
            name.starts_with(&format!("evenkeel.{worker}.")).then_some(EngineEvent::Resource)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    fn id(digit: &str) -> ContainerId {
        ContainerId::parse(&digit.repeat(64)).unwrap()
    }

    fn worker() -> WorkerName {
        WorkerName::parse("w").unwrap()
    }

    #[test]
    fn only_what_is_ours_means_something() {
        let container = |worker: &str| {
            json!({ "Type": "container", "Action": "die", "Actor": {
                "ID": "a".repeat(64), "Attributes": { "evenkeel.worker": worker } } })
        };
        let event = Some(EngineEvent::Container(id("a")));
        assert_eq!(meaning(&container("w"), &worker()), event);
        assert_eq!(meaning(&container("v"), &worker()), None);
        let network = |action: &str, name: &str| {
            json!({ "Type": "network", "Action": action, "Actor": {
                "ID": "n", "Attributes": { "name": name, "container": "a".repeat(64) } } })
        };
        assert_eq!(meaning(&network("disconnect", "evenkeel.w.prod"), &worker()), event);
        assert_eq!(meaning(&network("disconnect", "bridge"), &worker()), None);
        let resource = Some(EngineEvent::Resource);
        assert_eq!(meaning(&network("destroy", "evenkeel.w.prod"), &worker()), resource);
        assert_eq!(meaning(&network("destroy", "bridge"), &worker()), None);
        let volume = |name: &str| {
            json!({ "Type": "volume", "Action": "destroy", "Actor": {
                "ID": name, "Attributes": { "driver": "local" } } })
        };
        assert_eq!(meaning(&volume("evenkeel.w.prod.data"), &worker()), resource);
        assert_eq!(meaning(&volume("evenkeel.v.prod.data"), &worker()), None);
        assert_eq!(meaning(&json!({ "Type": "volume", "Action": "create" }), &worker()), None);
        assert_eq!(meaning(&json!([]), &worker()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_stalls_must_end() {
        let inbox = Inbox::default();
        let line = json!({ "Type": "container", "Action": "die", "Actor": {
            "ID": "a".repeat(64), "Attributes": { "evenkeel.worker": "w" } } });
        let line = Frame::data(Bytes::from(format!("{line}\n")));
        let first = stream::iter([Ok::<_, Infallible>(line)]);
        let stalled = StreamBody::new(first.chain(stream::pending()));
        let end = read(stalled, &worker(), &inbox).await;
        assert_eq!(end, "nothing was heard for 600 s");
        assert_eq!(inbox.take().await, EngineEvent::Container(id("a")));
    }

    #[test]
    fn events_may_come_in_pieces_but_not_without_end() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"{\"a\":1}\n\n{\"b\"").unwrap(), [json!({ "a": 1 })]);
        assert_eq!(lines.push(b":2}\n").unwrap(), [json!({ "b": 2 })]);
        assert!(lines.push(b"<html>\n").is_err());
        assert!(Lines::default().push(&vec![b'x'; LINE_MAX + 1]).is_err());
    }
}
