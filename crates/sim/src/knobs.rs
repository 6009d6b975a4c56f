//! What a test turns: hooks' weather and triggers, faults to come.

use std::sync::Arc;

use crate::call::Call;
use crate::fault::Fault;
use crate::hooks::specification::{Payloads, Receiver};
use crate::hooks::{Delivery, HookSender, Outcome, Trigger, Weather};
use crate::sim::Sim;

/// In which order held hooks are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    InOrder,
    Reversed,
    /// Positions among the held ones; what is not named stays held.
    These(Vec<usize>),
}

impl Sim {
    pub fn connect_hooks(&self, sender: impl HookSender + 'static) {
        self.with(|state| state.hooks.sender = Some(Arc::new(sender)));
    }

    pub fn add_trigger(&self, trigger: Trigger) {
        self.with(|state| state.hooks.triggers.push(trigger));
    }

    pub fn clear_triggers(&self) {
        self.with(|state| state.hooks.triggers.clear());
    }

    /// Changes the triggers there are: a filter, another header.
    pub fn with_triggers(&self, change: impl FnOnce(&mut Vec<Trigger>)) {
        self.with(|state| change(&mut state.hooks.triggers));
    }

    /// The specification's triggers of a customer's iTop, with payloads of ids only.
    pub fn install_external_hooks(&self, bridge_url: &str, key: &str) {
        self.install(receiver(bridge_url, key, Payloads::IdsOnly).external());
    }

    /// The specification's triggers of the provider's iTop, which calls itself `elitery`.
    pub fn install_internal_hooks(&self, bridge_url: &str, key: &str) {
        self.install(receiver(bridge_url, key, Payloads::IdsOnly).internal("elitery"));
    }

    /// The same with the payloads exactly as the specification prints them: they break.
    pub fn install_external_hooks_as_printed(&self, bridge_url: &str, key: &str) {
        self.install(receiver(bridge_url, key, Payloads::AsPrinted).external());
    }

    pub fn install_internal_hooks_as_printed(&self, bridge_url: &str, key: &str) {
        self.install(receiver(bridge_url, key, Payloads::AsPrinted).internal("elitery"));
    }

    fn install(&self, triggers: Vec<Trigger>) {
        self.with(|state| state.hooks.triggers.extend(triggers));
    }

    /// Every webhook that fired, sent or not, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.with(|state| state.hooks.deliveries.clone())
    }

    /// Forgets the deliveries that are over; held ones and those on their way stay.
    pub fn clear_deliveries(&self) {
        self.with(|state| state.hooks.deliveries.retain(|delivery| delivery.outcome == Outcome::Waiting));
    }

    pub fn drop_hooks(&self, on: bool) {
        self.set_weather(if on { Weather::Drop } else { Weather::Fair });
    }

    /// Each hook is sent so many times more; 0 ends it.
    pub fn duplicate_hooks(&self, more: usize) {
        self.set_weather(if more == 0 { Weather::Fair } else { Weather::Duplicate(more) });
    }

    /// Keeps hooks back; saves no longer wait for them.
    pub fn hold_hooks(&self, on: bool) {
        self.set_weather(if on { Weather::Hold } else { Weather::Fair });
    }

    pub fn held_hooks(&self) -> usize {
        self.with(|state| state.hooks.held.len())
    }

    /// Sends held hooks now, and returns when they are answered.
    pub async fn release_hooks(&self, order: Release) {
        let numbers = self.with(|state| {
            let held = std::mem::take(&mut state.hooks.held);
            match order {
                Release::InOrder => held,
                Release::Reversed => held.into_iter().rev().collect(),
                Release::These(positions) => {
                    let chosen = positions.iter().filter_map(|position| held.get(*position).copied()).collect();
                    let rest = held.iter().enumerate().filter(|(position, _)| !positions.contains(position));
                    state.hooks.held = rest.map(|(_, number)| *number).collect();
                    chosen
                }
            }
        });
        for number in numbers {
            self.send(number).await;
        }
    }

    /// Loses what is held back.
    pub fn forget_held_hooks(&self) {
        self.with(|state| {
            for number in std::mem::take(&mut state.hooks.held) {
                state.hooks.settle(number, Outcome::Lost);
            }
        });
    }

    /// The next call, whatever it is.
    pub fn fail_next(&self, fault: Fault) {
        self.fail_when(1, fault, |_| true);
    }

    /// The next write.
    pub fn fail_next_write(&self, fault: Fault) {
        self.fail_when(1, fault, Call::is_write);
    }

    /// The `n`-th call from now on, counted from 1.
    pub fn fail_nth(&self, n: usize, fault: Fault) {
        let mut seen = 0;
        self.fail_with(move |_| {
            seen += 1;
            (seen == n).then(|| fault.clone())
        });
    }

    /// The next so many calls that fit.
    pub fn fail_when(&self, times: usize, fault: Fault, fits: impl Fn(&Call) -> bool + Send + 'static) {
        let mut left = times;
        self.fail_with(move |call| {
            let hit = left > 0 && fits(call);
            left -= usize::from(hit);
            hit.then(|| fault.clone())
        });
    }

    /// A closure that is asked about every call; the first rule that answers decides.
    pub fn fail_with(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.with(|state| state.faults.push(rule));
    }

    /// What stands before this iTop keeps each call from it that writes this word, until all is well again.
    pub fn bar_word(&self, word: &'static str, fault: Fault) {
        self.fail_with(move |call| call.says(word).then(|| fault.clone()));
    }

    /// All is well again.
    pub fn heal(&self) {
        self.with(|state| {
            state.faults.clear();
            state.down = false;
            state.maintenance = false;
            state.read_only = false;
            state.hooks.weather = Weather::Fair;
        });
    }
}

fn receiver(url: &str, key: &str, payloads: Payloads) -> Receiver {
    Receiver { url: url.into(), key: key.into(), payloads }
}
