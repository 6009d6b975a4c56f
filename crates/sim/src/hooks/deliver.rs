//! One delivery: prepared while the world is locked, sent while it is not, and recorded.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::render::{body, header_lines};
use super::{Action, Trigger, Weather};
use crate::change::Event;
use crate::sim::Sim;
use crate::world::World;

/// iTop waits 5 s to connect and 120 s for the answer.
const PATIENCE: Duration = Duration::from_secs(125);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not sent yet.
    Waiting,
    /// The status is recorded here; iTop ignores it.
    Answered(u16),
    /// No answer within iTop's patience, or nobody there.
    Failed,
    /// iTop gave it up: its payload is no JSON ("Wrong JSON format").
    WrongJson,
    /// Lost on purpose: `Weather::Drop`, or no sender connected.
    Lost,
}

/// A webhook that fired, sent or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Counted from 0 since the simulator began.
    pub number: usize,
    /// When its trigger fired, Unix seconds.
    pub at: i64,
    pub trigger: String,
    pub class: String,
    pub id: u64,
    pub method: String,
    pub base_url: String,
    pub path: String,
    /// As typed into iTop: `http` would lower the names.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub outcome: Outcome,
}

impl Delivery {
    pub(super) fn prepare(world: &World, trigger: &Trigger, action: &Action, event: &Event, now: i64) -> Self {
        let headers = header_lines(&action.headers);
        let body = body(world, &action.payload, &headers, &event.object);
        Self {
            number: 0,
            at: now,
            trigger: trigger.description.clone(),
            class: event.object.class.clone(),
            id: event.object.id,
            method: action.method.to_uppercase(),
            base_url: action.base_url.clone(),
            path: action.path.clone(),
            headers,
            outcome: if body.is_some() { Outcome::Waiting } else { Outcome::WrongJson },
            body: body.unwrap_or_default(),
        }
    }

    fn request(&self) -> Option<Request<Bytes>> {
        let mut request =
            Request::builder().method(self.method.as_str()).uri(format!("{}{}", self.base_url, self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Bytes::from(self.body.clone())).ok()
    }
}

impl Sim {
    /// Fires what an event triggers and waits for each answer, one after the other: as the
    /// person who saves does.
    pub(crate) async fn fire(&self, event: &Event) {
        let waiting = self.with(|state| {
            let now = state.now();
            let prepared = state.hooks.prepare(&state.world, event, now);
            state.hooks.record(prepared)
        });
        for number in waiting {
            self.deliver(number).await;
        }
    }

    async fn deliver(&self, number: usize) {
        let weather = self.with(|state| state.hooks.weather.clone());
        match weather {
            Weather::Fair => self.send(number).await,
            Weather::Drop => self.with(|state| state.hooks.settle(number, Outcome::Lost)),
            Weather::Hold => self.with(|state| state.hooks.held.push(number)),
            Weather::Duplicate(more) => {
                for _ in 0..=more {
                    self.send(number).await;
                }
            }
        }
    }

    pub(crate) async fn send(&self, number: usize) {
        let (request, sender) = self.with(|state| {
            let delivery = state.hooks.deliveries.iter().find(|delivery| delivery.number == number);
            (delivery.and_then(Delivery::request), state.hooks.sender.clone())
        });
        let outcome = match (request, sender) {
            (Some(request), Some(sender)) => match tokio::time::timeout(PATIENCE, sender.send(request)).await {
                Ok(Ok(status)) => Outcome::Answered(status),
                _ => Outcome::Failed,
            },
            _ => Outcome::Lost,
        };
        self.with(|state| state.hooks.settle(number, outcome));
    }
}
