//! Whether a ticket is still the one that was linked although its time of creation differs. The facts that the core
//! needs to decide this are read here, and only then.

use itop_bridge_core::event::Event;
use itop_bridge_core::{Link, LogName, Side, is_in_doubt};
use itop_bridge_text::log_entries::entries;
use itop_client::Query;

use crate::pass::snapshot::list;
use crate::pass::work::Work;
use crate::side::call;
use crate::side::dates::is_date;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::snapshot::Snapshot;

/// Reads the files of a doubtful ticket and, on the internal side, the log whose first entry bears the mark.
pub(crate) async fn look_closer(work: &mut Work<'_>, snapshot: &mut Snapshot) -> Result<(), Failure> {
    for side in Side::BOTH {
        let Some(ticket) = snapshot.ticket(side) else { continue };
        if is_in_doubt(&work.policy, &work.link, side, ticket).is_none() {
            continue;
        }
        let files = if ticket.files.is_none() { Some(list(work, ticket, side).await?) } else { None };
        let log = if side == Side::Internal && !ticket.logs.contains_key(&LogName::Private) {
            private_log(work, ticket.id).await?
        } else {
            None
        };
        let Some(ticket) = snapshot.ticket_mut(side) else { continue };
        ticket.files = files.or(ticket.files.take());
        ticket.logs.extend(log.map(|log| (LogName::Private, log)));
    }
    Ok(())
}

async fn private_log(
    work: &mut Work<'_>,
    ticket: u64,
) -> Result<Option<Vec<itop_bridge_core::caselog::Entry>>, Failure> {
    let (internal, class) = (&work.shared.internal, work.policy.internal_class.clone());
    let query = Query::id(ticket);
    let shared = work.shared;
    let found = work.reading(call::get(shared, internal, &class, &query, &["private_log"])).await??;
    Ok(found.objects.first().and_then(|object| object.log("private_log")).map(entries))
}

/// Records that a person corrected the ticket's start: all else says that it is the same ticket.
pub(crate) fn record_start_corrected(work: &mut Work<'_>, of: Side, at: &str) {
    let before = &work.link.ancestor.side(of).made;
    if !before.is_empty() && before != at {
        let reference = work.link.key(of).map_or("", |key| &key.reference);
        let (before, now) = (before.clone(), at.to_owned());
        let event = Event::StartCorrected { reference: reference.to_owned(), before, now };
        tracing::info!(ticket = %work.name(), "{event}");
        work.did(event);
    }
}

/// Converts a link stored by an older version, whose dates are as the sides print them. A time of creation that cannot
/// be parsed is dropped, and read again.
pub(crate) fn with_iso_dates(link: &Link, internal: &Itop, external: &Itop) -> Link {
    let mut link = link.clone();
    for (side, itop) in [(Side::External, external), (Side::Internal, internal)] {
        let ancestor = link.ancestor.side_mut(side);
        ancestor.made = itop.kept_as_iso(&ancestor.made).unwrap_or_default();
        for (code, value) in &mut ancestor.fields {
            if is_date(code)
                && let Some(iso) = itop.kept_as_iso(value)
            {
                *value = iso;
            }
        }
    }
    link
}
