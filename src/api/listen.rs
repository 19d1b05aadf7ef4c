//! The side of the stream that listens: server-sent events, as the WHATWG's HTML standard has them.

use serde::de::DeserializeOwned;
use std::time::Duration;

use super::client::ClientError;
use super::watching::{KEEP_ALIVE, Told};
use crate::http::Stream;

/// After how long without a word the other side is taken to be gone.
const SILENCE: Duration = KEEP_ALIVE.saturating_mul(3);

/// A daemon that is listened to.
#[derive(Debug)]
pub struct Watching {
    stream: Stream,
    /// What was read and makes no whole event yet.
    unread: Vec<u8>,
    last: Option<String>,
}

impl Watching {
    pub(super) fn of(stream: Stream) -> Self {
        Self { stream, unread: Vec::new(), last: None }
    }

    /// The last id that was told: [`super::client::Client::watch`] goes on after it.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// What is told next; what this release does not know is passed over.
    ///
    /// # Errors
    /// [`ClientError::Ended`] if the daemon ends.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.unread.drain(..end + 2).collect();
                if let Some(told) = self.read(&String::from_utf8_lossy(&event))? {
                    return Ok(told);
                }
            }
            match self.stream.part(SILENCE).await {
                Ok(Some(part)) => self.unread.extend_from_slice(&part),
                Ok(None) | Err(_) => return Err(ClientError::Ended),
            }
        }
    }

    /// All that is left of a short answer.
    pub(super) async fn rest(mut self) -> Result<Vec<u8>, ClientError> {
        while let Some(part) = self.stream.part(SILENCE).await.map_err(ClientError::Http)? {
            self.unread.extend_from_slice(&part);
        }
        Ok(self.unread)
    }

    /// Reads one event.
    fn read(&mut self, event: &str) -> Result<Option<Told>, ClientError> {
        let (mut kind, mut data) = ("", String::new());
        for line in event.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => kind = value,
                "id" => self.last = Some(value.to_owned()),
                "data" => data.push_str(value),
                _ => {}
            }
        }
        Ok(Some(match kind {
            "task" => Told::Task(of(&data)?),
            "removed" => Told::Removed(of(&data)?),
            "happened" => Told::Happened(of(&data)?),
            "synced" => Told::Synced {},
            "reset" => Told::Reset(of(&data)?),
            "untold" => Told::Untold(of(&data)?),
            _ => return Ok(None),
        }))
    }
}

fn of<T: DeserializeOwned>(data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(ClientError::Unreadable)
}
