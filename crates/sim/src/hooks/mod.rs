//! Webhooks: triggers and actions as data, the rendering of a payload, the delivery.

mod deliver;
mod render;
mod sender;
pub mod specification;

use std::sync::Arc;

pub use deliver::{Delivery, Outcome};
pub use sender::{HookSender, NotDelivered, SocketSender};

use crate::change::{Change, Event};
use crate::oql::{self, Asker};
use crate::provision;
use crate::world::World;

/// When a trigger fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    Create,
    Update,
    Delete,
    /// A state is entered, by a stimulus or by writing `status`.
    StateEnter(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// iTop fires triggers in the order of their descriptions.
    pub description: String,
    pub on: On,
    /// The class, subclasses included.
    pub class: String,
    /// An update fires only if one of these changed.
    pub target_attcodes: Option<Vec<String>>,
    /// An OQL that must find the object.
    pub filter_oql: Option<String>,
    pub actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub name: String,
    pub method: String,
    /// The remote application's address, without a slash at the end.
    pub base_url: String,
    pub path: String,
    /// As typed into iTop, one a line; the spelling of `Content-type` decides about escaping.
    pub headers: String,
    pub payload: String,
    pub enabled: bool,
}

impl Trigger {
    fn fires(&self, world: &World, event: &Event) -> bool {
        let on = match (&self.on, &event.change) {
            (On::Create, Change::Created) | (On::Delete, Change::Deleted) => true,
            (On::Update, Change::Updated(changed)) => {
                let wanted = self.target_attcodes.as_ref();
                wanted.is_none_or(|codes| codes.iter().any(|code| changed.contains(code)))
            }
            (On::StateEnter(wanted), Change::Entered(state)) => wanted == state,
            _ => false,
        };
        on && world.schema().is_a(&event.object.class, &self.class) && self.filter_finds(world, event)
    }

    /// A filter that iTop cannot run holds everything back.
    fn filter_finds(&self, world: &World, event: &Event) -> bool {
        let Some(filter) = &self.filter_oql else { return true };
        let nobody = Asker { user_id: 0, contact_id: 0 };
        oql::parse(filter)
            .and_then(|query| {
                let found = oql::matches(world, &query, nobody)?;
                Ok(found.iter().any(|object| object.id == event.object.id))
            })
            .unwrap_or(false)
    }
}

/// How the deliveries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// All are lost.
    Drop,
    /// Each is sent so many times more.
    Duplicate(usize),
    /// Kept back until released; the save does not wait.
    Hold,
}

/// All about webhooks that a simulator holds.
pub struct Hooks {
    pub triggers: Vec<Trigger>,
    pub sender: Option<Arc<dyn HookSender>>,
    pub weather: Weather,
    pub deliveries: Vec<Delivery>,
    /// What `Weather::Hold` keeps: numbers of deliveries.
    pub held: Vec<usize>,
    next_number: usize,
}

impl Hooks {
    /// The same triggers and the same way out; nothing was sent yet.
    pub fn connected_alike(&self) -> Hooks {
        Hooks { triggers: self.triggers.clone(), sender: self.sender.clone(), ..Hooks::default() }
    }
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            triggers: Vec::new(),
            sender: None,
            weather: Weather::Fair,
            deliveries: Vec::new(),
            held: Vec::new(),
            next_number: 0,
        }
    }
}

impl Hooks {
    /// The deliveries of an event, in iTop's order, not yet sent. What iTop itself gives up is
    /// among them.
    pub fn prepare(&self, world: &World, event: &Event, now: i64) -> Vec<Delivery> {
        let provisioned = provision::triggers(world);
        let all = self.triggers.iter().chain(&provisioned);
        let mut firing: Vec<&Trigger> = all.filter(|trigger| trigger.fires(world, event)).collect();
        firing.sort_by_key(|trigger| trigger.description.to_lowercase());
        let actions =
            firing.into_iter().flat_map(|trigger| trigger.actions.iter().map(move |action| (trigger, action)));
        actions
            .filter(|(_, action)| action.enabled)
            .map(|(trigger, action)| Delivery::prepare(world, trigger, action, event, now))
            .collect()
    }

    /// Takes prepared deliveries into the log; the numbers of those that iTop will send.
    fn record(&mut self, prepared: Vec<Delivery>) -> Vec<usize> {
        let first = self.next_number;
        let numbered = prepared.into_iter().zip(first..).map(|(delivery, number)| Delivery { number, ..delivery });
        self.deliveries.extend(numbered);
        self.next_number = self.deliveries.last().map_or(first, |last| first.max(last.number + 1));
        let new = self.deliveries.iter().filter(|delivery| delivery.number >= first);
        new.filter(|delivery| delivery.outcome == Outcome::Waiting).map(|delivery| delivery.number).collect()
    }

    pub fn settle(&mut self, number: usize, outcome: Outcome) {
        if let Some(delivery) = self.deliveries.iter_mut().find(|delivery| delivery.number == number) {
            delivery.outcome = outcome;
        }
    }
}
