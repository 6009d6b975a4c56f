//! The seam under the client: how one request becomes one answer.
//!
//! Production uses HTTP ([`HttpTransport`](crate::HttpTransport)); a test or a simulation passes its own transport. A
//! transport neither times out nor retries: it ticks [`Progress`] whenever bytes move, and the client around it
//! decides when silence has lasted too long.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

/// Sends one request and reads its whole answer.
pub trait Transport: Send + Sync {
    /// Dropping the future gives the call up. The server may still carry it out.
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>>;
}

/// Why no answer came. The difference decides whether a write may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection was never made: the server cannot have seen the request.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// It ended after bytes may have left: the server may have carried the request out.
    #[error("{0}")]
    Broken(String),
    /// The answer has more bytes than [`MaxAnswerBytes`] allows.
    #[error("the answer is larger than {limit} bytes")]
    AnswerTooLarge { limit: u64 },
}

/// The maximum size of the answer to this request: the client puts it among the request's extensions. A transport
/// that holds whole answers in memory must obey it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxAnswerBytes(pub u64);

/// The certificate, as DER, by which the server proved its name. A TLS transport puts it among the answer's
/// extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(pub Bytes);

/// A request's body: pieces sent one after the other.
///
/// A file of 20 MiB is 27 MB of base64. It stays the single piece that it was read as, between pieces for the frame
/// around it, and is never copied to be sent.
#[derive(Clone, Default)]
pub struct Body {
    pieces: Vec<Bytes>,
}

impl Body {
    pub fn empty() -> Body {
        Body::default()
    }

    pub fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    /// Length of all pieces together, in bytes.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    /// All pieces copied into one: for transports within a process, which want to parse it.
    pub fn to_bytes(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.len() as usize);
        for piece in &self.pieces {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }
}

/// Never the content: it contains the password.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes in {} pieces)", self.len(), self.pieces.len())
    }
}

/// Counts a call's bytes and wakes its watcher. A clone is the same counter.
#[derive(Clone, Default)]
pub struct Progress {
    counter: Arc<Counter>,
}

#[derive(Default)]
struct Counter {
    sent: AtomicU64,
    received: AtomicU64,
    moved: Notify,
}

impl Progress {
    pub fn new() -> Progress {
        Progress::default()
    }

    /// Records that `bytes` more have left.
    pub fn add_sent(&self, bytes: u64) {
        self.counter.sent.fetch_add(bytes, Ordering::Relaxed);
        self.counter.moved.notify_one();
    }

    /// Records that `bytes` more have come.
    pub fn add_received(&self, bytes: u64) {
        self.counter.received.fetch_add(bytes, Ordering::Relaxed);
        self.counter.moved.notify_one();
    }

    pub fn sent(&self) -> u64 {
        self.counter.sent.load(Ordering::Relaxed)
    }

    pub fn received(&self) -> u64 {
        self.counter.received.load(Ordering::Relaxed)
    }

    /// Resolves once bytes have moved since this was last awaited. For one watcher.
    pub(crate) async fn moved(&self) {
        self.counter.moved.notified().await;
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({} sent, {} received)", self.sent(), self.received())
    }
}
