//! What a container has written.
//!
//! Read piece by piece, so that neither a line without end nor a frame of 4 GiB takes more memory
//! than what came in at once. Nothing is ever decided on what a log says.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;

use super::ask::{READ_DEADLINE, open, within};
use super::connect::Address;
use super::create::clean;
use super::observe::inspect_raw;
use crate::domain::instance::ContainerId;
use crate::runtime::{LogChunk, LogQuery, Unreachable};

/// How much of a message of the engine's own is told.
const MESSAGE_MAX: usize = 4096;

type Item = Result<LogChunk, Unreachable>;

/// The log of a container.
pub(super) fn logs(address: Address, id: ContainerId, query: LogQuery) -> BoxStream<'static, Item> {
    let opened = async move {
        match begin(&address, &id, &query).await {
            Ok(reader) => stream::unfold(Some(reader), next).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    };
    stream::once(opened).flatten().boxed()
}

struct Reader {
    body: Incoming,
    frames: Frames,
    ready: VecDeque<LogChunk>,
    /// With no one following, the engine has no reason to be silent.
    follow: bool,
}

async fn begin(
    address: &Address,
    id: &ContainerId,
    query: &LogQuery,
) -> Result<Reader, Unreachable> {
    let container = inspect_raw(address, id).await?;
    let container = container.ok_or_else(|| Unreachable(format!("no such container: {id}")))?;
    // A terminal has one output and no frames.
    let raw = container["Config"]["Tty"].as_bool().unwrap_or(false);
    let path = path(id, query);
    let call = open(address, Method::GET, &path, None);
    let response = within(READ_DEADLINE, "question for the log", call).await?;
    Ok(Reader {
        body: response.into_body(),
        frames: if raw { Frames::Raw } else { Frames::begin() },
        ready: VecDeque::new(),
        follow: query.follow,
    })
}

fn path(id: &ContainerId, query: &LogQuery) -> String {
    let tail = query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let since = query.since.map_or_else(String::new, |since| {
        let millis = since.millis();
        format!("&since={}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
    });
    format!(
        "/containers/{id}/logs?stdout=true&stderr=true&follow={}&timestamps={}&tail={tail}{since}",
        query.follow, query.timestamps
    )
}

async fn next(reader: Option<Reader>) -> Option<(Item, Option<Reader>)> {
    let mut reader = reader?;
    loop {
        if let Some(chunk) = reader.ready.pop_front() {
            return Some((Ok(chunk), Some(reader)));
        }
        let frame = if reader.follow {
            reader.body.frame().await
        } else {
            match tokio::time::timeout(READ_DEADLINE, reader.body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Some((Err(Unreachable("the log broke off".to_owned())), None)),
            }
        };
        match frame {
            None => return reader.frames.end().map(|error| (Err(error), None)),
            Some(Err(error)) => {
                return Some((Err(Unreachable(format!("the log broke off: {error}"))), None));
            }
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                if let Err(error) = reader.frames.push(&bytes, &mut reader.ready) {
                    return Some((Err(error), None));
                }
            }
        }
    }
}

/// Where in the engine's frames we are: eight bytes of header, the stream's number first and the
/// length last, then so many bytes.
#[derive(Debug)]
pub(super) enum Frames {
    /// There are none.
    Raw,
    /// So much of a header came in.
    Header(Vec<u8>),
    /// So many bytes of this stream are to come.
    Body { stderr: bool, left: usize },
    /// So many bytes of a message of the engine's own are to come, and these came.
    Message { left: usize, text: Vec<u8> },
}

impl Frames {
    /// Of an output with frames, at its beginning.
    pub(super) fn begin() -> Self {
        Self::Header(Vec::new())
    }

    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        ready: &mut VecDeque<LogChunk>,
    ) -> Result<(), Unreachable> {
        while !bytes.is_empty() {
            match self {
                Self::Raw => {
                    ready.push_back(LogChunk { stderr: false, bytes: bytes.to_vec() });
                    return Ok(());
                }
                Self::Header(header) => {
                    let (head, rest) = bytes.split_at(bytes.len().min(8 - header.len()));
                    header.extend_from_slice(head);
                    bytes = rest;
                    if let Ok(header) = <[u8; 8]>::try_from(header.as_slice()) {
                        *self = Self::after(header)?;
                    }
                }
                Self::Body { stderr, left } => {
                    let (piece, rest) = bytes.split_at(bytes.len().min(*left));
                    ready.push_back(LogChunk { stderr: *stderr, bytes: piece.to_vec() });
                    *left -= piece.len();
                    bytes = rest;
                    if *left == 0 {
                        *self = Self::Header(Vec::new());
                    }
                }
                Self::Message { left, text } => {
                    let (piece, _) = bytes.split_at(bytes.len().min(*left));
                    text.extend_from_slice(piece);
                    *left -= piece.len();
                    if *left == 0 {
                        return Err(engine_says(text));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn after(header: [u8; 8]) -> Result<Self, Unreachable> {
        let [stream, _, _, _, length @ ..] = header;
        let left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match (stream, left) {
            (0..=2, 0) => Ok(Self::Header(Vec::new())),
            (0..=2, left) => Ok(Self::Body { stderr: stream == 2, left }),
            (3, 0) => Err(engine_says(b"an error without words")),
            (3, left) => Ok(Self::Message { left: left.min(MESSAGE_MAX), text: Vec::new() }),
            (other, _) => Err(Unreachable(format!("the log has a stream of number {other}"))),
        }
    }

    /// What is wrong if it ends here.
    pub(super) fn end(&self) -> Option<Unreachable> {
        match self {
            Self::Raw => None,
            Self::Header(header) if header.is_empty() => None,
            Self::Message { text, .. } => Some(engine_says(text)),
            Self::Header(_) | Self::Body { .. } => {
                Some(Unreachable("the log broke off".to_owned()))
            }
        }
    }
}

fn engine_says(text: &[u8]) -> Unreachable {
    Unreachable(format!("the engine says of the log: {}", clean(&String::from_utf8_lossy(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], length.as_slice(), text.as_bytes()].concat()
    }

    fn read(pieces: impl Iterator<Item = Vec<u8>>) -> (String, String, Option<Unreachable>) {
        let (mut frames, mut ready) = (Frames::Header(Vec::new()), VecDeque::new());
        let (mut out, mut err) = (String::new(), String::new());
        for piece in pieces {
            if let Err(error) = frames.push(&piece, &mut ready) {
                return (out, err, Some(error));
            }
            for chunk in ready.drain(..) {
                let text = String::from_utf8(chunk.bytes).unwrap();
                if chunk.stderr { err.push_str(&text) } else { out.push_str(&text) }
            }
        }
        (out, err, frames.end())
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let bytes = [frame(1, "hello\n"), frame(2, "oh\n"), frame(1, ""), frame(1, "bye")].concat();
        for size in 1..=bytes.len() {
            let pieces = bytes.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(read(pieces), ("hello\nbye".into(), "oh\n".into(), None), "by {size}");
        }
    }

    #[test]
    fn the_engines_own_errors_and_nonsense_end_the_log() {
        let (out, _, error) = read([frame(1, "a"), frame(3, "rotated\x1b away")].into_iter());
        assert_eq!(out, "a");
        assert_eq!(error.unwrap().0, "the engine says of the log: rotated  away");
        assert!(read([frame(9, "x")].into_iter()).2.is_some());
        assert!(read([vec![1, 0, 0, 0, 255, 255, 255, 255, b'x']].into_iter()).2.is_some());
    }

    #[test]
    fn a_query_is_written_as_the_engine_reads_it() {
        let id = ContainerId::parse(&"0".repeat(64)).unwrap();
        let query = LogQuery {
            tail: Some(5),
            since: Some(Timestamp::from_millis(1_700_000_000_042)),
            ..LogQuery::default()
        };
        let path = path(&id, &query);
        assert!(
            path.ends_with("follow=false&timestamps=false&tail=5&since=1700000000.042"),
            "{path}"
        );
    }
}
