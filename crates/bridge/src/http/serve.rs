//! The sockets. Every action of a client is limited, so that slow clients cannot use up the connections, nor large
//! requests the memory.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use itop_bridge_engine::timing::Timing;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use self::taken::Taken;
use self::unread::{Drained, Unread};

mod taken;
mod unread;

/// Each connection costs a file descriptor, and a process often has no more than 1,024. When all are in use, a new
/// client waits for a free one: at most [`Timing::request_read_ms`] if the others are idle.
const MAX_CONNECTIONS: usize = 512;

/// The longest head of a request. iTop's are under 1 KiB; a proxy adds some lines.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// After a failed accept (usually because no file descriptor is left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The address that a request comes from: the client's, or its proxy's. Headers that name another are ignored, since
/// anybody can write them.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Answers requests until `shutdown`; those under way then have [`Timing::shutdown_ms`] to end.
///
/// A client has [`Timing::request_read_ms`] to send a request's head (an idle connection is closed after it too), as
/// long again for its body, again to take any part of an answer, and again to finish sending a request that was
/// answered before it was read.
pub async fn serve(listener: TcpListener, router: Router, timing: &Timing, shutdown: impl Future<Output = ()>) {
    let patience = duration(timing.request_read_ms);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(MAX_HEAD_BYTES);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (socket, peer, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let unread = Unread::default();
        let answered = unread.clone();
        let socket = TokioIo::new(Drained::within(patience, unread.clone(), Taken::within(patience, socket)));
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            unread.watch(request)
        });
        let service = service.map_response(move |answer| answered.tell(answer));
        let connection = graceful.watch(server.serve_connection(socket, TowerToHyperService::new(service)));
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                // The client caused it, and is gone.
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(duration(timing.shutdown_ms), graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were cut off by the shutdown");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
        match listener.accept().await {
            Ok((socket, peer)) => return (socket, peer, place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}
