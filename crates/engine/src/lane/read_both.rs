//! Reads both sides of the tickets of one class, as many as were claimed together.

use std::collections::HashMap;

use itop_bridge_core::{Link, Policy, Reading, Side};
use itop_bridge_store::Claim;

use crate::halt::went_back::read_and_watch;
use crate::pass::looks;
use crate::scope::only::{made_since, only};
use crate::side::failure::Failure;
use crate::side::read::{self, Reads, Wanted, list_files};
use crate::side::snapshot::Snapshot;
use crate::side::unreadable::{Loaded, ticket_not_read};
use crate::{Itop, Lane, Shared};

pub(crate) async fn read_both(
    shared: &Shared,
    lane: &Lane,
    class: &str,
    policy: &Policy,
    claims: &[Claim],
) -> Vec<Result<Snapshot, Failure>> {
    let (linked, unlinked): (Vec<&Claim>, Vec<&Claim>) = claims.iter().partition(|claim| claim.link.is_some());
    let ids = |claims: &[&Claim]| claims.iter().map(|claim| claim.lease.of.ticket).collect::<Vec<u64>>();
    let known = Wanted { class, attributes: read::external_attributes(policy, class), condition: None };
    // A ticket that an operator wants crosses however old it is, but not against `only`.
    let (wanted, unlinked): (Vec<&Claim>, Vec<&Claim>) = unlinked.into_iter().partition(|claim| claim.look.backfilled);
    let mut fresh = Wanted { condition: condition(lane, class), ..known.clone() };
    fresh.attributes.insert("private_log".to_owned());
    let older = Wanted { condition: only(lane, class), ..fresh.clone() };
    let counterpart_ids: Vec<u64> = links(claims).filter_map(|link| Some(link.internal.as_ref()?.id)).collect();
    let counterparts =
        Wanted { class: &policy.internal_class, attributes: read::internal_attributes(policy), condition: None };
    let (linked_ids, unlinked_ids, wanted_ids) = (ids(&linked), ids(&unlinked), ids(&wanted));

    let with_files = claims.iter().filter(|claim| looks::needs_files(claim, Side::External));
    let external_marks = with_files
        .map(|claim| (claim.lease.of.ticket, lane.mark(&shared.server, class, claim.lease.of.ticket)))
        .collect::<HashMap<_, _>>();
    let listed = claims.iter().filter(|claim| looks::needs_files(claim, Side::Internal));
    let listed = listed.filter_map(|claim| claim.link.as_ref().map(|(_, link)| link));
    let internal_marks = read::marks_of(lane, &shared.server, listed, Side::Internal);

    let asked_ms = shared.now_ms();
    let (mut external, unlinked, wanted, internal, external_files, internal_files) = tokio::join!(
        read_and_watch(shared, &lane.external, &known, &linked_ids),
        read_and_watch(shared, &lane.external, &fresh, &unlinked_ids),
        read_and_watch(shared, &lane.external, &older, &wanted_ids),
        read_and_watch(shared, &shared.internal, &counterparts, &counterpart_ids),
        list_files(shared, &lane.external, class, &external_marks),
        list_files(shared, &shared.internal, &policy.internal_class, &internal_marks),
    );
    external.extend(unlinked);
    external.extend(wanted);
    let mut snapshot = Vec::new();
    for claim in claims {
        let both = Both { external: &external, internal: &internal };
        let reading = both.of(shared, lane, class, claim).and_then(|mut snapshot| {
            attach(&mut snapshot.external, &external_files, &lane.external, asked_ms)?;
            attach(&mut snapshot.internal, &internal_files, &shared.internal, asked_ms)?;
            for side in Side::BOTH {
                if let (Some((_, link)), Some(ticket)) = (&claim.link, snapshot.ticket_mut(side)) {
                    link.recognize_files(side, &policy.mark(link), ticket.files.as_deref_mut().unwrap_or_default());
                }
            }
            Ok(snapshot)
        });
        snapshot.push(reading);
    }
    snapshot
}

/// The OQL that an unlinked ticket of this class must fit.
fn condition(lane: &Lane, class: &str) -> Option<String> {
    let since = lane.settings.sync.since.map(|date| made_since(lane, class, date));
    let parts: Vec<String> = only(lane, class).into_iter().chain(since).collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

/// Why a ticket without a link was not found. If only its id was asked for, it is gone; otherwise a condition may have
/// excluded it.
fn unread(lane: &Lane, class: &str, claim: &Claim) -> &'static str {
    let since = lane.settings.sync.since.is_some() && !claim.look.backfilled;
    match (only(lane, class).is_some(), since) {
        (false, false) => "it is gone",
        (true, false) => "it does not fit `only`, is gone, or the account may not see it",
        (false, true) => "it was made before `since`, is gone, or the account may not see it",
        (true, true) => "it does not fit `only`, was made before `since`, is gone, or the account may not see it",
    }
}

fn links(claims: &[Claim]) -> impl Iterator<Item = &Link> {
    claims.iter().filter_map(|claim| claim.link.as_ref().map(|(_, link)| link))
}

struct Both<'a> {
    external: &'a Reads,
    internal: &'a Reads,
}

impl Both<'_> {
    fn of(&self, shared: &Shared, lane: &Lane, class: &str, claim: &Claim) -> Result<Snapshot, Failure> {
        let external = match self.external.get(&claim.lease.of.ticket) {
            Some(Ok(read)) => {
                lane.external.unreadables().read(Loaded::Ticket, claim.lease.of.ticket);
                read.clone()
            }
            Some(Err(error)) => return Err(ticket_not_read(shared, &lane.external, claim.lease.of.ticket, error)),
            None => None,
        };
        let counterpart = claim.link.as_ref().and_then(|(_, link)| link.internal.as_ref());
        let internal = match counterpart.map(|key| (key, self.internal.get(&key.id))) {
            None => Reading::NotCreated,
            Some((key, Some(Ok(Some(read))))) => {
                shared.internal.unreadables().read(Loaded::Ticket, key.id);
                Reading::Here(read.ticket.clone())
            }
            Some((key, Some(Err(error)))) => return Err(ticket_not_read(shared, &shared.internal, key.id, error)),
            Some(_) => Reading::Gone,
        };
        let first_entry = external.as_ref().and_then(|read| read.first_entry.clone());
        let external = external.map_or(Reading::Gone, |read| Reading::Here(read.ticket));
        Ok(Snapshot { external, internal, first_entry, unread: unread(lane, class, claim) })
    }
}

fn attach(
    reading: &mut Reading,
    files: &Result<HashMap<u64, Vec<itop_bridge_core::File>>, itop_client::Error>,
    itop: &Itop,
    asked_ms: i64,
) -> Result<(), Failure> {
    if let Reading::Here(ticket) = reading {
        // If the batch had to be halved, the ticket was read after its files.
        ticket.read_at_ms = ticket.read_at_ms.min(asked_ms);
        match files {
            Ok(files) => ticket.files = files.get(&ticket.id).cloned(),
            Err(error) => return Err(Failure::of(itop, error)),
        }
    }
    Ok(())
}
