//! Reads a ticket's parents when it has new log entries: iTop copies a parent's entries into its children, and entries
//! of a ticket outside any pair must stay on their side.

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::event::Event;
use itop_bridge_core::parents::{Elder, Family, Kept, Kin, PARENT_ATTRIBUTES, ParentKey, parent_attributes};
use itop_bridge_core::plan::Plan;
use itop_bridge_core::{Link, LogName, Policy, Side, Ticket};
use itop_bridge_store::{LinkState, Stored, TicketOf};
use itop_bridge_text::log_entries::entries;
use itop_client::{ErrorClass, Query};

use crate::pass::work::Work;
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read::named_by;
use crate::side::snapshot::Snapshot;
use crate::{Lane, Shared};

fn logs_of(policy: &Policy, side: Side) -> Vec<LogName> {
    policy.logs.iter().filter(|(from, _)| *from == side).map(|(_, log)| *log).collect()
}

fn is_refused(error: &itop_client::Error) -> bool {
    matches!(error.class, ErrorClass::Rights { .. } | ErrorClass::Refused)
}

/// The queries, one per class, for the tickets that name any of these as a parent, except ticket `but`.
fn children_of(parents: &BTreeSet<ParentKey>, but: u64) -> impl Iterator<Item = (&'static str, String)> {
    let ids_of = |class: &str| {
        let ids = parents.iter().filter(|parent| parent.class == class).map(|parent| parent.id.to_string());
        ids.collect::<Vec<_>>().join(",")
    };
    PARENT_ATTRIBUTES.into_iter().filter_map(move |(_, class)| {
        let named = parent_attributes(class).iter().map(|(code, of)| (code, ids_of(of)));
        let are: Vec<String> =
            named.filter(|(_, ids)| !ids.is_empty()).map(|(code, ids)| format!("{code} IN ({ids})")).collect();
        let oql = || format!("SELECT {class} WHERE ({}) AND id != {but}", are.join(" OR "));
        (!are.is_empty()).then(|| (class, oql()))
    })
}

/// Reads the parents that the plan needs. Returns whether it needed any: then the plan is made again.
pub(crate) async fn read_parents(work: &mut Work<'_>, plan: &Plan, snapshot: &mut Snapshot) -> Result<bool, Failure> {
    if plan.parents_of.is_empty() && plan.kin_of.is_empty() {
        return Ok(false);
    }
    let (shared, lane, policy, link) = (work.shared, work.lane, work.policy.clone(), work.link.clone());
    work.reading(read_what_is_asked_of_parents(shared, lane, &policy, &link, plan, snapshot)).await?
}

/// Records that these entries stay on their side.
pub(crate) fn record_kept(work: &mut Work<'_>, from: Side, log: LogName, kept: &[Kept]) {
    let mut by_parent: BTreeMap<String, usize> = BTreeMap::new();
    for kept in kept {
        *by_parent.entry(words_of(kept)).or_default() += 1;
    }
    for (why, entries) in by_parent {
        work.did(Event::EntriesKept { entries, from, log, why });
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
            "it may be a copy from {} {}, which was the parent then, and nobody has let it cross",
            parent.class, parent.id
        ),
    }
}

/// The same for a caller without a claim.
pub(crate) async fn read_what_is_asked_of_parents(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    link: &Link,
    plan: &Plan,
    snapshot: &mut Snapshot,
) -> Result<bool, Failure> {
    for side in &plan.parents_of {
        let Some(ticket) = snapshot.ticket_mut(*side) else { continue };
        ticket.family = Some(Box::new(read_family(shared, lane, policy, *side, ticket, link).await?));
    }
    for side in &plan.kin_of {
        let Some(ticket) = snapshot.ticket_mut(*side) else { continue };
        let Some(mut family) = ticket.family.take() else { continue };
        family.kin = Some(read_kin(shared, lane, policy, *side, ticket.id, &family).await?);
        ticket.family = Some(family);
    }
    Ok(!plan.parents_of.is_empty() || !plan.kin_of.is_empty())
}

/// Reads the ticket's present and former parents, and, above each parent that is itself paired, that parent's
/// parents: their entries came down through it.
async fn read_family(
    shared: &Shared,
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
        match read_parent(shared, lane, policy, side, &key).await? {
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

/// Reads the parents' other children and their descendants, as far as the account sees them: usually one or two
/// calls.
async fn read_kin(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    side: Side,
    ticket: u64,
    family: &Family,
) -> Result<Kin, Failure> {
    let itop = shared.itop(lane, side);
    let logs = logs_of(policy, side);
    let mut kin = Kin::default();
    for elder in family.elders.iter().filter(|elder| elder.is_paired) {
        for (log, entries) in &elder.logs {
            kin.logs.entry(*log).or_default().extend(entries.iter().map(|entry| entry.key.clone()));
        }
    }
    let mut above: BTreeSet<ParentKey> = family.elders.iter().map(|elder| elder.key.clone()).collect();
    let mut met = above.clone();
    while !above.is_empty() {
        let mut below = BTreeSet::new();
        for (class, oql) in children_of(&above, ticket) {
            let attributes = logs.iter().map(|log| log.attribute().to_owned()).chain(["id".to_owned()]).collect();
            let answer = call::get_known(shared, itop, class, &Query::oql(oql), &attributes).await;
            let found = match answer {
                Ok(found) => found,
                // The progress of tickets that the account may not read cannot be known.
                Err(error) if is_refused(&error) => continue,
                Err(error) => return Err(Failure::of(itop, &error)),
            };
            for object in &found.objects {
                let key = ParentKey { class: class.to_owned(), id: object.id };
                if !met.insert(key.clone()) {
                    continue;
                }
                below.insert(key);
                for log in &logs {
                    let entries = object.log(log.attribute()).map(entries).unwrap_or_default();
                    kin.logs.entry(*log).or_default().extend(entries.into_iter().map(|entry| entry.key));
                }
            }
        }
        above = below;
    }
    kin.read_at_ms = shared.now_ms();
    Ok(kin)
}

/// The parent, or why it cannot be read.
async fn read_parent(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    side: Side,
    key: &ParentKey,
) -> Result<Result<Elder, String>, Failure> {
    let itop = shared.itop(lane, side);
    let logs = logs_of(policy, side);
    let parents = parent_attributes(&key.class).iter().map(|(code, _)| (*code).to_owned());
    let logs_and_parents = logs.iter().map(|log| log.attribute().to_owned()).chain(parents);
    let attributes: BTreeSet<String> = logs_and_parents.chain(["id".to_owned(), "ref".to_owned()]).collect();
    let answer = call::get_known(shared, itop, &key.class, &Query::ids(&[key.id]), &attributes).await;
    let found = match answer {
        Ok(found) => found,
        Err(error) if is_refused(&error) => return Ok(Err(error.to_string())),
        Err(error) => return Err(Failure::of(itop, &error)),
    };
    let Some(object) = found.objects.first() else {
        return Ok(Err("it is not there, or the account may not see it".to_owned()));
    };
    let logs = logs.into_iter().filter_map(|log| Some((log, entries(object.log(log.attribute())?))));
    let pair = own_pair(shared, lane, itop, key.id).await?;
    let had = pair.iter().flat_map(|pair| pair.link.parents_on(side)).cloned();
    Ok(Ok(Elder {
        key: key.clone(),
        reference: object.text("ref").unwrap_or_default().to_owned(),
        is_paired: pair.is_some(),
        parents: named_by(object, &attributes).into_iter().chain(had).collect(),
        logs: logs.collect::<BTreeMap<_, _>>(),
    }))
}

/// This external's pair that includes the ticket.
async fn own_pair(shared: &Shared, lane: &Lane, itop: &Itop, ticket: u64) -> Result<Option<Stored>, Failure> {
    let (name, side) = (lane.name.clone(), itop.side());
    let link = shared.store.call(move |store| match side {
        Side::External => store.link_of_external(&TicketOf { external: name, ticket }),
        Side::Internal => store.link_of_internal(ticket),
    });
    let is_it = |stored: &Stored| stored.state == LinkState::Live && stored.external_name == lane.name;
    Ok(link.await?.filter(is_it))
}
