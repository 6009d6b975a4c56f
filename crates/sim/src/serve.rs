//! The simulator behind a real socket, for the demo and the socket tests.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::sim::Sim;
use crate::wire::Wire;

/// Serves until the task is dropped or accepting fails. What is `Refused` is closed without a
/// byte, `Cut` ends inside the body, `Hang` stays silent until the client goes.
pub async fn serve(sim: Sim, listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        if sim.with(|state| state.down) {
            // The nearest to a refusal that an accepted connection allows.
            drop(stream);
            continue;
        }
        tokio::spawn(connection(sim.clone(), stream));
    }
}

impl Sim {
    /// See [`serve`].
    pub async fn serve(self, listener: TcpListener) -> io::Result<Infallible> {
        serve(self, listener).await
    }
}

async fn connection(sim: Sim, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let sim = sim.clone();
        async move { answer(&sim, request).await }
    });
    // An error here is a cut that was asked for, or a client that went.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(sim: &Sim, request: Request<Incoming>) -> io::Result<Response<Partial>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // Carried out to its end, whoever has gone meanwhile: PHP does not notice that a client hung up.
    let handled = {
        let sim = sim.clone();
        tokio::spawn(async move { sim.handle(Request::from_parts(head, body)).await })
    };
    match handled.await.map_err(io::Error::other)? {
        Wire::Answer(answer) => Ok(answer.map(|body| Partial { body: Some(body), cut: Cut::Never })),
        Wire::Cut(sent) => {
            let body = Partial { body: Some(sent.into()), cut: Cut::AfterATurn };
            let mut answer = Response::new(body);
            answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
            Ok(answer)
        }
        Wire::Refused => Err(io::Error::other("refused")),
        Wire::Hang => std::future::pending().await,
    }
}

/// A body of one piece, after which the connection may break.
struct Partial {
    body: Option<Bytes>,
    cut: Cut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    /// First the server gets a turn to put on the wire what it has: an error at once would drop
    /// that.
    AfterATurn,
    Now,
}

impl Body for Partial {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(body) = self.body.take().filter(|body| !body.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        match self.cut {
            Cut::Never => Poll::Ready(None),
            Cut::AfterATurn => {
                self.cut = Cut::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Cut::Now => Poll::Ready(Some(Err(io::Error::other("cut")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Bytes::is_empty) && self.cut == Cut::Never
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.body {
            Some(body) if self.cut == Cut::Never => hyper::body::SizeHint::with_exact(body.len() as u64),
            _ => hyper::body::SizeHint::default(),
        }
    }
}
