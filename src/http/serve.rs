//! Answers over connections that come in: so many at once, each only for so long without a word.
//!
//! Knows nothing of what is answered.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub use super::room::CONNECTIONS;
use super::room::Room;
use super::waits::{Followed, Waits};

/// What a request brings.
pub type Asked = Followed<Incoming>;

/// How long a request may take from the beginning of its connection, or from the last answer over
/// it, to the end of its headers.
pub const HEADERS: Duration = Duration::from_secs(10);

/// How long the other side may take to read something of what is sent.
const READING: Duration = Duration::from_secs(5 * 60);

/// How long what is being answered may take in the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Answers over connections, until `stop` or until there comes none any more.
pub async fn serve<I, S, B>(connections: impl Stream<Item = I>, answer: S, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Clone + Send + 'static,
    TowerToHyperService<S>:
        Service<Request<Asked>, Response = Response<B>, Error = Infallible, Future: Send>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let mut connections = pin!(connections);
    let mut room = Room::default();
    loop {
        let came = tokio::select! {
            () = stop.cancelled() => break,
            () = room.ended() => continue,
            came = connections.next() => came,
        };
        let Some(io) = came else { break };
        tokio::select! {
            () = stop.cancelled() => break,
            () = room.place() => {}
        }
        let (waits, answer) = (Waits::begin(), TowerToHyperService::new(answer.clone()));
        room.enter(waits.clone(), converse((io, waits), answer, stop.clone()));
    }
    let _late = timeout(LAST_ANSWERS, room.all_ended()).await;
    // A connection that somebody keeps open must not keep the process.
    room.close().await;
}

/// Answers over one connection, until it ends or, after the answer that is under way, until `stop`.
async fn converse<I, S, B>((io, waits): (I, Waits), answer: S, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Asked>, Response = Response<B>, Error = Infallible>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
{
    let io = TokioIo::new(Prompt { io, stalled: None });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let answer = service_fn(move |request: Request<Incoming>| {
        let answering = answer.call(request.map(|body| waits.asked(body)));
        let waits = waits.clone();
        async move { answering.await.map(|answer| answer.map(|body| waits.answering(body))) }
    });
    let mut connection = pin!(http.serve_connection(io, answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the API broke off");
    }
}

/// A connection that fails when the other side reads nothing any more.
struct Prompt<I> {
    io: I,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Prompt<I> {
    fn unless_stalled<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(READING)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Prompt<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Prompt<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unless_stalled(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.unless_stalled(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.unless_stalled(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
