//! The ways between a world's parts: calls to the simulators and to the bridge, webhooks, and posted alerts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use itop_bridge::checks;
use itop_bridge::config::SideConfig;
use itop_client::{Body, MaxAnswerBytes, Progress, Transport, TransportError};
use itop_sim::{HookSender, NotDelivered, Sim, Wire};
use tower::ServiceExt as _;

use super::World;
use super::setup::NAMES;
use crate::commits::Commits;

impl World {
    pub(super) fn way_to(&self, side: &SideConfig) -> Arc<dyn Transport> {
        if side.name == checks::OWN {
            return Arc::new(ToBridge(self.bridges.clone()));
        }
        let host = side.url.trim_start_matches("http://");
        let sim = match NAMES.iter().position(|name| *name == host) {
            Some(position) => self.externals[position].clone(),
            None => self.internal.clone(),
        };
        let (side, panic_at, garbled) = (side.name.clone(), self.panic_at.clone(), self.garbled.clone());
        Arc::new(ToSim { sim, slow_line: self.slow_line, side, panic_at, garbled, commits: self.commits.clone() })
    }
}

/// The transport from the client to a simulator.
struct ToSim {
    sim: Sim,
    slow_line: bool,
    side: String,
    panic_at: Arc<Mutex<Option<&'static str>>>,
    garbled: Garbled,
    commits: Arc<Commits>,
}

/// A word, and the bytes that replace it.
pub(super) type Garbled = Arc<Mutex<Option<(&'static str, &'static [u8])>>>;

impl ToSim {
    fn garble(&self, answer: http::Response<Bytes>) -> http::Response<Bytes> {
        let Some((word, bytes)) = *self.garbled.lock().unwrap() else { return answer };
        answer.map(|body| {
            let mut out = Vec::new();
            let mut rest = &body[..];
            while let Some(at) = rest.windows(word.len()).position(|window| window == word.as_bytes()) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(bytes);
                rest = &rest[at + word.len()..];
            }
            out.extend_from_slice(rest);
            Bytes::from(out)
        })
    }
}

impl Transport for ToSim {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        let panics = self.panic_at.lock().unwrap().take_if(|side| *side == self.side).is_some();
        Box::pin(async move {
            assert!(!panics, "a mistake in the bridge");
            if self.commits.are_over() {
                return std::future::pending().await;
            }
            let (head, body) = request.into_parts();
            let limit = head.extensions.get::<MaxAnswerBytes>().map_or(u64::MAX, |max| max.0);
            let request = http::Request::from_parts(head, body.to_bytes());
            let handled = self.sim.handle(request);
            tokio::pin!(handled);
            let wire = loop {
                tokio::select! {
                    wire = &mut handled => break wire,
                    // Over a slow line bytes trickle all the time.
                    () = tokio::time::sleep(Duration::from_secs(1)), if self.slow_line => progress.add_received(1),
                }
            };
            match wire {
                Wire::Answer(answer) if answer.body().len() as u64 > limit => {
                    Err(TransportError::AnswerTooLarge { limit })
                }
                Wire::Answer(answer) => {
                    progress.add_received(answer.body().len() as u64);
                    Ok(self.garble(answer))
                }
                Wire::Refused => Err(TransportError::NotConnected("connection refused".into())),
                Wire::Cut(_) => Err(TransportError::Broken("the connection was cut".into())),
                Wire::Hang => std::future::pending().await,
            }
        })
    }
}

/// The transport to the bridge's own address.
struct ToBridge(Bridges);

impl Transport for ToBridge {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let router = self.0.0.lock().unwrap().get(request.uri().host().unwrap_or_default()).cloned();
            let router = router.ok_or_else(|| TransportError::NotConnected("connection refused".into()))?;
            let (head, body) = request.into_parts();
            let request = http::Request::from_parts(head, axum::body::Body::from(body.to_bytes()));
            let answer = router.oneshot(request).await.expect("a router always answers");
            let (head, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a short answer");
            Ok(http::Response::from_parts(head, body))
        })
    }
}

/// The target of another action of the customer's, whose receiver takes 25 s to answer.
pub const SLOW_RECEIVER: &str = "/slow";

/// Delivers webhooks into the bridge.
pub struct ToRouter(pub axum::Router);

#[async_trait]
impl HookSender for ToRouter {
    async fn send(&self, request: http::Request<Bytes>) -> Result<u16, NotDelivered> {
        if request.uri().path() == SLOW_RECEIVER {
            tokio::time::sleep(Duration::from_secs(25)).await;
            return Ok(200);
        }
        let request = request.map(axum::body::Body::from);
        let answer = self.0.clone().oneshot(request).await.map_err(|_| NotDelivered)?;
        Ok(answer.status().as_u16())
    }
}

/// Delivers webhooks to the bridge that their address names; a bridge that does not run gets none.
#[derive(Clone, Default)]
pub struct Bridges(Arc<Mutex<BTreeMap<String, axum::Router>>>);

impl Bridges {
    pub(super) fn connect(&self, host: &str, router: axum::Router) {
        self.0.lock().unwrap().insert(host.to_owned(), router);
    }

    pub(super) fn disconnect(&self, host: &str) {
        self.0.lock().unwrap().remove(host);
    }

    pub(super) fn disconnect_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[async_trait]
impl HookSender for Bridges {
    async fn send(&self, request: http::Request<Bytes>) -> Result<u16, NotDelivered> {
        let host = request.uri().host().unwrap_or_default();
        let router = self.0.lock().unwrap().get(host).cloned().ok_or(NotDelivered)?;
        ToRouter(router).send(request).await
    }
}

/// The receiver of alerts.
#[derive(Clone, Default)]
pub struct Posted {
    bodies: Arc<Mutex<Vec<serde_json::Value>>>,
    fails: Arc<Mutex<bool>>,
}

impl Posted {
    pub fn take(&self) -> Vec<serde_json::Value> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }

    pub fn fail(&self, fails: bool) {
        *self.fails.lock().unwrap() = fails;
    }
}

impl Transport for Posted {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        assert_eq!(request.uri(), "http://chat/hook?key=sk_chat");
        let body = request.body().to_bytes();
        let status = if *self.fails.lock().unwrap() { 500 } else { 200 };
        if status == 200 {
            self.bodies.lock().unwrap().push(serde_json::from_slice(&body).expect("JSON"));
        }
        Box::pin(async move {
            let answer = http::Response::builder().status(status).body(Bytes::new());
            Ok(answer.expect("an answer"))
        })
    }
}
