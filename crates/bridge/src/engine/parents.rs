//! The parents of a ticket, read when it has new log entries: iTop copies a parent's entries into its children, and what
//! stands on a ticket that is no part of a pair stays there.

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::parents::{Elder, Family, Kept, PARENT_ATTRIBUTES, ParentKey, parent_attributes};
use itop_bridge_core::plan::Plan;
use itop_bridge_core::{Link, LogName, Policy, Side, Ticket};
use itop_client::{ErrorClass, Object, Query};

use super::failure::Failure;
use super::itop::Itop;
use super::log_entries::entries;
use super::pass::Pass;
use super::sights::Sights;
use super::{Lane, Shared};
use crate::count::counted;
use crate::store::{LinkState, Stored, TicketOf};

/// The parents that a ticket names in these attributes.
pub(super) fn named_by(object: &Object, attributes: &BTreeSet<String>) -> Vec<ParentKey> {
    let asked = PARENT_ATTRIBUTES.iter().filter(|(code, _)| attributes.contains(*code));
    let key = |(code, class): &(&str, &str)| {
        let id = object.number(code).filter(|id| *id > 0)?;
        Some(ParentKey { class: (*class).to_owned(), id })
    };
    asked.filter_map(key).collect()
}

impl Pass<'_> {
    /// Reads the parents that the plan must know. Answers whether it asked for any: then it is made once more.
    pub(super) async fn read_parents(&mut self, plan: &Plan, sights: &mut Sights) -> Result<bool, Failure> {
        let (shared, lane, policy) = (self.shared, self.lane, self.policy.clone());
        for side in &plan.parents_of {
            let Some(ticket) = sights.ticket_mut(*side) else { continue };
            let link = self.link.clone();
            let family = self.reading(shared.read_family(lane, &policy, *side, ticket, &link)).await??;
            ticket.family = Some(Box::new(family));
        }
        Ok(!plan.parents_of.is_empty())
    }

    /// For the record: these entries stay on their side.
    pub(super) fn are_kept(&mut self, from: Side, log: LogName, kept: &[Kept]) {
        let mut by_parent: BTreeMap<String, usize> = BTreeMap::new();
        for kept in kept {
            *by_parent.entry(words_of(kept)).or_default() += 1;
        }
        for (of, count) in by_parent {
            let entries = counted(count, "entry", "entries");
            self.did(format!("{entries} of the {} log {} did not cross: {of}", log.word(), from.place()));
        }
    }
}

/// Why an entry stays on its side, for people.
pub fn words_of(kept: &Kept) -> String {
    let Kept { parent, reference, .. } = kept;
    match reference {
        Some(reference) => {
            format!("iTop copied it from the parent {reference}, which is no part of a pair of this customer's")
        }
        None => format!(
            "it may be a copy from {} {}, which was the parent then and cannot be read any more",
            parent.class, parent.id
        ),
    }
}

impl Shared {
    /// The parents that the ticket has or had, and the parents of those that are themselves paired: what stands there
    /// came down through these.
    pub(super) async fn read_family(
        &self,
        lane: &Lane,
        policy: &Policy,
        side: Side,
        ticket: &Ticket,
        link: &Link,
    ) -> Result<Family, Failure> {
        let mut left: Vec<ParentKey> = ticket.parents.iter().chain(link.origins_on(side)).cloned().collect();
        let mut met = BTreeSet::from([ParentKey { class: ticket.class.clone(), id: ticket.id }]);
        let mut family = Family::default();
        while let Some(key) = left.pop() {
            if !met.insert(key.clone()) {
                continue;
            }
            match self.read_parent(lane, policy, side, &key).await? {
                Ok(elder) => {
                    if elder.is_paired {
                        left.extend(elder.parents.iter().cloned());
                    }
                    family.elders.push(elder);
                }
                Err(why) => family.unreadable.push((key, why)),
            }
        }
        Ok(family)
    }

    /// The parent, or why it cannot be read.
    async fn read_parent(
        &self,
        lane: &Lane,
        policy: &Policy,
        side: Side,
        key: &ParentKey,
    ) -> Result<Result<Elder, String>, Failure> {
        let itop = self.itop(lane, side);
        let logs: Vec<LogName> = policy.logs.iter().filter(|(from, _)| *from == side).map(|(_, log)| *log).collect();
        let parents = parent_attributes(&key.class).iter().map(|(code, _)| (*code).to_owned());
        let logs_and_parents = logs.iter().map(|log| log.attribute().to_owned()).chain(parents);
        let attributes: BTreeSet<String> = logs_and_parents.chain(["id".to_owned(), "ref".to_owned()]).collect();
        let answer = itop.read(&key.class, &Query::ids(&[key.id]), &attributes).await;
        self.heard(itop, &answer);
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                return match error.class {
                    ErrorClass::Rights { .. } | ErrorClass::Refused => Ok(Err(error.to_string())),
                    _ => Err(Failure::of(itop, &error)),
                };
            }
        };
        let Some(object) = found.objects.first() else {
            return Ok(Err("it is not there, or the account may not see it".to_owned()));
        };
        let logs = logs.into_iter().filter_map(|log| Some((log, entries(object.log(log.attribute())?))));
        let pair = self.own_pair(lane, itop, key.id).await?;
        let had = pair.iter().flat_map(|pair| pair.link.parents_on(side)).cloned();
        Ok(Ok(Elder {
            key: key.clone(),
            reference: object.text("ref").unwrap_or_default().to_owned(),
            is_paired: pair.is_some(),
            parents: named_by(object, &attributes).into_iter().chain(had).collect(),
            logs: logs.collect::<BTreeMap<_, _>>(),
        }))
    }

    /// The pair of this very external that the ticket is part of.
    async fn own_pair(&self, lane: &Lane, itop: &Itop, ticket: u64) -> Result<Option<Stored>, Failure> {
        let (name, side) = (lane.name.clone(), itop.side());
        let link = self.store.call(move |store| match side {
            Side::External => store.link_of_external(&TicketOf { external: name, ticket }),
            Side::Internal => store.link_of_internal(ticket),
        });
        let is_it = |stored: &Stored| stored.state == LinkState::Live && stored.external_name == lane.name;
        Ok(link.await?.filter(is_it))
    }
}
