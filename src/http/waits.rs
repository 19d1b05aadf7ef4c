//! Whom a connection waits for: us, or the other side, and since when.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::Instant;

/// Since when the other side of a connection is waited for, if it is. Its clones are one.
///
/// It is while a request of it is not whole. Where it reads nothing it is as well: what is answered
/// is handed on in one piece, but for a stream, and then the next request is waited for.
#[derive(Debug, Clone)]
pub(super) struct Waits(Arc<watch::Sender<Option<Instant>>>);

impl Waits {
    /// Of a connection that has just come: it is to bring a request.
    pub(super) fn begin() -> Self {
        Self(Arc::new(watch::Sender::new(Some(Instant::now()))))
    }

    /// Since when the other side is waited for; `None`: it is not.
    pub(super) fn since(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// The head of a request is there. It is whole when its body was taken.
    pub(super) fn asked<B: Body>(&self, body: B) -> Followed<B> {
        if body.is_end_stream() {
            self.taken();
            return Followed { body, _end: None };
        }
        Followed { body, _end: Some(End { waits: self.clone(), then: Self::taken }) }
    }

    /// An answer begins. When all of it was handed on, the next request is waited for.
    pub(super) fn answering<B>(&self, body: B) -> Followed<B> {
        Followed { body, _end: Some(End { waits: self.clone(), then: Self::answered }) }
    }

    fn taken(&self) {
        self.0.send_replace(None);
    }

    fn answered(&self) {
        self.0.send_replace(Some(Instant::now()));
    }
}

/// A body whose end is noted.
#[derive(Debug)]
pub struct Followed<B> {
    body: B,
    _end: Option<End>,
}

/// Notes something when it is dropped.
#[derive(Debug)]
struct End {
    waits: Waits,
    then: fn(&Waits),
}

impl Drop for End {
    fn drop(&mut self) {
        (self.then)(&self.waits);
    }
}

impl<B: Body + Unpin> Body for Followed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
