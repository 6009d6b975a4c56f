//! A scripted transport: it plays, for each call, what a server or a network may do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use itop_client::*;
use tokio::time::sleep;

use crate::CREATED;

/// What the next call meets.
pub enum Step {
    Answer(u16, Vec<u8>),
    Header(u16, &'static str, &'static str),
    Fails(TransportError),
    Silence,
    /// So many ticks, each after a pause, and then the step.
    Ticks(usize, Duration, Box<Step>),
}

pub fn ok(body: &str) -> Step {
    Step::Answer(200, body.into())
}

/// Plays its steps, one a call; the last again and again.
pub struct Script {
    steps: Mutex<VecDeque<Arc<Step>>>,
    calls: AtomicUsize,
    at_once: AtomicUsize,
    pub most_at_once: AtomicUsize,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Arc<Script> {
        Arc::new(Script {
            steps: Mutex::new(steps.into_iter().map(Arc::new).collect()),
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        })
    }

    fn next(&self) -> Arc<Step> {
        let mut steps = self.steps.lock().unwrap();
        if steps.len() > 1 { steps.pop_front().unwrap() } else { steps[0].clone() }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Transport for Script {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        assert!(!format!("{:?}", request.body()).contains("CANARY"));
        let step = self.next();
        async move {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
            let outcome = play(&step, progress).await;
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            outcome
        }
        .boxed()
    }
}

fn play<'a>(step: &'a Step, progress: &'a Progress) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
    async move {
        let mut response = http::Response::new(Bytes::new());
        match step {
            Step::Answer(status, body) => {
                *response.status_mut() = http::StatusCode::from_u16(*status).unwrap();
                *response.body_mut() = Bytes::from(body.clone());
            }
            Step::Header(status, name, value) => {
                *response.status_mut() = http::StatusCode::from_u16(*status).unwrap();
                response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
                *response.body_mut() = Bytes::from_static(CREATED.as_bytes());
            }
            Step::Fails(error) => return Err(error.clone()),
            Step::Silence => return future::pending().await,
            Step::Ticks(times, pause, then) => {
                for _ in 0..*times {
                    sleep(*pause).await;
                    progress.add_sent(1);
                }
                return play(then, progress).await;
            }
        }
        Ok(response)
    }
    .boxed()
}
