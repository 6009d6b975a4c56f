//! The production transport: HTTP/1.1 over TCP, with TLS by rustls and ring.
//!
//! Redirects are not followed: a POST would become a GET without its body, and the password would go wherever the
//! redirect points. Proxies of the environment are not used, only the configured one.
//!
//! *Caveat:* progress ticks when the connection takes a chunk and when one has come. Data in the kernel's send buffer
//! has not left yet, so a time-out must be longer than that buffer takes to drain over a slow line.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Proxy, redirect};

use crate::transport::{Body, MaxAnswerBytes, PeerCertificate, Progress, Transport, TransportError};

/// The size of a piece handed to the connection, and so of a tick of a request's progress.
const CHUNK_BYTES: usize = 64 << 10;

/// A connection that has been idle for longer is not used again. Apache closes after 5 s by
/// default, and a write sent into a closing connection has an unknown effect.
const IDLE_CONNECTION: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct HttpOptions {
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// URL of a proxy for all calls. It may contain an account, so `Debug` does not show it.
    pub proxy: Option<String>,
    pub connect_timeout: Duration,
    /// For a request without [`MaxAnswerBytes`].
    pub max_answer_bytes: u64,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions { ca_file: None, proxy: None, connect_timeout: Duration::from_secs(10), max_answer_bytes: 64 << 20 }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("ca_file", &self.ca_file)
            .field("has_proxy", &self.proxy.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .finish()
    }
}

/// Why no transport can be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpTransportError {
    #[error("cannot read ca_file {path}: {source}")]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("no PEM certificate in ca_file {path}")]
    NoCertificate { path: PathBuf },
    #[error("bad proxy: {0}")]
    Proxy(String),
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
}

pub struct HttpTransport {
    client: reqwest::Client,
    max_answer_bytes: u64,
}

impl HttpTransport {
    pub fn new(options: &HttpOptions) -> Result<HttpTransport, HttpTransportError> {
        // If the program has installed its own provider, that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .tls_info(true)
            .user_agent(concat!("itop-client/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(url) = &options.proxy {
            let proxy = Proxy::all(url).map_err(|error| HttpTransportError::Proxy(words(error)))?;
            builder = builder.proxy(proxy);
        }
        for certificate in ca_certificates(options)? {
            builder = builder.add_root_certificate(certificate);
        }
        let client = builder.build().map_err(|error| HttpTransportError::Client(words(error)))?;
        Ok(HttpTransport { client, max_answer_bytes: options.max_answer_bytes })
    }

    async fn exchange(
        &self,
        request: http::Request<Body>,
        progress: &Progress,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let limit = request.extensions().get::<MaxAnswerBytes>();
        let limit = limit.map_or(self.max_answer_bytes, |limit| limit.0);
        let request = request.map(|body| streamed(body, progress.clone()));
        let request =
            reqwest::Request::try_from(request).map_err(|error| TransportError::NotConnected(words(error)))?;
        let mut response = self.client.execute(request).await.map_err(transport_error)?;
        progress.add_received(0); // its head has come
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        if let Some(der) = certificate {
            answer.extensions_mut().insert(PeerCertificate(Bytes::copy_from_slice(der)));
        }
        *answer.body_mut() = read_body(response, limit, progress).await?;
        Ok(answer)
    }
}

impl Transport for HttpTransport {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        self.exchange(request, progress).boxed()
    }
}

async fn read_body(mut response: reqwest::Response, limit: u64, progress: &Progress) -> Result<Bytes, TransportError> {
    let too_large = TransportError::AnswerTooLarge { limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large);
    }
    let mut body = BytesMut::with_capacity(response.content_length().unwrap_or(0) as usize);
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        progress.add_received(chunk.len() as u64);
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Only reqwest's own statement that no connection was made counts as that.
fn transport_error(error: reqwest::Error) -> TransportError {
    if error.is_connect() { TransportError::NotConnected(words(error)) } else { TransportError::Broken(words(error)) }
}

/// One sentence: the innermost cause. Its wrappers (`error sending request: client error (Connect)`) say nothing to
/// people. Never the URL: an image's contains a secret.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let words = innermost.to_string();
    let known = [
        ("Connection refused", "nothing listens at this address and port"),
        ("failed to lookup address", "the name of the host is not known"),
        ("InvalidContentType", "what answers there speaks no TLS: is it a plain http port?"),
        ("invalid peer certificate", "its certificate is not accepted"),
    ];
    match known.iter().find(|(sign, _)| words.contains(sign)) {
        Some((_, said)) => format!("{said} ({words})"),
        None => words,
    }
}

fn streamed(body: Body, progress: Progress) -> reqwest::Body {
    if body.is_empty() {
        return reqwest::Body::default();
    }
    let mut pieces = body.into_pieces();
    pieces.reverse();
    reqwest::Body::wrap_stream(Chunks { pieces, progress })
}

/// A body as chunks that share the bytes of its pieces.
struct Chunks {
    /// Last first.
    pieces: Vec<Bytes>,
    progress: Progress,
}

impl Stream for Chunks {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(mut piece) = self.pieces.pop() else {
            return Poll::Ready(None);
        };
        let chunk = piece.split_to(piece.len().min(CHUNK_BYTES));
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
        self.progress.add_sent(chunk.len() as u64);
        Poll::Ready(Some(Ok(chunk)))
    }
}

fn ca_certificates(options: &HttpOptions) -> Result<Vec<Certificate>, HttpTransportError> {
    let Some(path) = &options.ca_file else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(path).map_err(|source| HttpTransportError::CaFile { path: path.clone(), source })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(HttpTransportError::NoCertificate { path: path.clone() }),
    }
}
