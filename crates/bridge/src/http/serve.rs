//! The sockets. Time-outs stand on everything that a client does, so that slow ones cannot use up
//! the connections.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::timing::Timing;

/// Each costs a file descriptor, of which a process often has no more than 1,024.
const MAX_CONNECTIONS: usize = 512;

/// After a failed accept (no file descriptor left, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers requests until `shutdown`; those under way then have [`Timing::shutdown_ms`] to end.
///
/// A client has [`Timing::request_read_ms`] for a request's head (an idle connection is closed after
/// it too) and once more for its body.
pub async fn serve(listener: TcpListener, router: Router, timing: &Timing, shutdown: impl Future<Output = ()>) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(duration(timing.request_read_ms));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (socket, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(server.serve_connection(TokioIo::new(socket), service));
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                // The client's doing, and it is gone.
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(duration(timing.shutdown_ms), graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were cut off by the shutdown");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    loop {
        let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
        match listener.accept().await {
            Ok((socket, _)) => return (socket, place),
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
