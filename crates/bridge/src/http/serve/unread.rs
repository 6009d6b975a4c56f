//! The end of a connection whose request was answered before all of it was read.
//!
//! Closing a socket with unread bytes resets the connection, and a reset discards the answer on its way to a client
//! that reads only after it has sent everything. So the bridge answers at once, announces that it closes, and reads
//! and drops the rest, up to a limit. Nothing of it is kept, and without a key nothing of it is looked at.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// At most this much is read and dropped after an answer; a client that still sends then is cut off.
const MOST_DROPPED_BYTES: usize = 16 * 1024 * 1024;

/// The size of the buffer for dropped bytes.
const PIECE_BYTES: usize = 8 * 1024;

/// The parts of the client's bytes that nobody has read.
#[derive(Clone, Default)]
pub struct Unread(Arc<Parts>);

#[derive(Default)]
struct Parts {
    /// The rest of the current request's body.
    body: AtomicBool,
    /// Bytes that belong to no request yet: usually the beginning of the next head.
    head: AtomicBool,
}

impl Unread {
    fn has_body(&self) -> bool {
        self.0.body.load(Ordering::Relaxed)
    }

    fn has_anything(&self) -> bool {
        self.has_body() || self.0.head.load(Ordering::Relaxed)
    }

    fn came(&self) {
        self.0.head.store(true, Ordering::Relaxed);
    }

    fn request_begins(&self, has_body: bool) {
        self.0.head.store(false, Ordering::Relaxed);
        self.0.body.store(has_body, Ordering::Relaxed);
    }

    fn request_is_read(&self) {
        self.request_begins(false);
    }

    /// The request, with a body that reports when its end was read.
    pub fn watch(&self, request: Request<Incoming>) -> Request {
        request.map(|body| {
            self.request_begins(!body.is_end_stream());
            axum::body::Body::new(Watched { body, unread: self.clone() })
        })
    }

    /// The answer to that request; it announces that the connection closes if the request was not read to its end.
    pub fn tell(&self, mut answer: Response) -> Response {
        if self.has_body() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

struct Watched {
    body: Incoming,
    unread: Unread,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.request_is_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that is closed only once the client's remaining bytes have been read or dropped.
pub struct Drained<S> {
    socket: S,
    patience: Duration,
    unread: Unread,
    /// Set once the answer is sent and nothing more is written: when waiting for the rest ends, and how many bytes
    /// were dropped.
    dropping: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Drained<S> {
    pub fn within(patience: Duration, unread: Unread, socket: S) -> Drained<S> {
        Drained { socket, patience, unread, dropping: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drained<S> {
    /// Ready at the client's end, after the limit, or at the timeout.
    fn poll_drop_the_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((until, dropped)) = &mut self.dropping else { return Poll::Ready(()) };
        let mut piece = [0; PIECE_BYTES];
        while *dropped < MOST_DROPPED_BYTES {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => *dropped += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return until.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Drained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.unread.came();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Drained<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.dropping.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
            if !self.unread.has_anything() {
                return Poll::Ready(Ok(()));
            }
            let until = Box::pin(sleep_until(Instant::now() + self.patience));
            self.dropping = Some((until, 0));
        }
        self.poll_drop_the_rest(context).map(Ok)
    }
}
