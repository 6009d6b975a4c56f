//! What carries a webhook to its receiver.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No answer came: refused, cut, or too late. iTop does not care which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook was not delivered")]
pub struct NotDelivered;

/// Carries a request and returns the status of its answer. Time-outs are the simulator's.
#[async_trait]
pub trait HookSender: Send + Sync {
    async fn send(&self, request: Request<Bytes>) -> Result<u16, NotDelivered>;
}

/// Sends over real sockets, plain HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketSender;

#[async_trait]
impl HookSender for SocketSender {
    async fn send(&self, request: Request<Bytes>) -> Result<u16, NotDelivered> {
        let host = request.uri().host().ok_or(NotDelivered)?.to_owned();
        let port = request.uri().port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|_| NotDelivered)?;
        let (mut connection, task) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| NotDelivered)?;
        tokio::spawn(task);
        let (mut head, body) = request.into_parts();
        let host = HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| NotDelivered)?;
        head.headers.insert(HeaderName::from_static("host"), host);
        // A request line names the path alone.
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse().map_err(|_| NotDelivered)?;
        let answer = connection.send_request(Request::from_parts(head, Full::new(body))).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|_| NotDelivered)
    }
}
