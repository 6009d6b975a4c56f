//! Foresees what a pass over a snapshot would write: the same decision, without the writes.

use itop_bridge_core::link::{Copy, CopyState};
use itop_bridge_core::plan::{FieldWrite, Plan, Value, Write};
use itop_bridge_core::{FileContent, Link, LogName, Policy, Reading, Side, Ticket, TicketKey, reconcile};
use itop_bridge_store::{Claim, Look, TicketOf};

use crate::foresee::why_not::NoPlan;
use crate::pass::hinted::{has_copy_of, unknown_copies};
use crate::pass::parents::read_what_is_asked_of_parents;
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::instants::see_abroad;
use crate::side::snapshot::Snapshot;
use crate::{Lane, Shared};

/// How many characters of iTop's times, `2026-01-31 12:00:00`, are the day.
const DAY: usize = 10;

/// Which files' contents to read.
pub(crate) enum Contents {
    /// Of every file that was or would be copied.
    All,
    /// Only of files that hints named, as a pass does to see whether they changed.
    Named(Look),
}

impl Contents {
    fn holds(&self, side: Side, file: u64) -> bool {
        match self {
            Contents::All => true,
            Contents::Named(look) => look.named(side).contains(&file),
        }
    }
}

pub(crate) async fn foresee(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    claim: &Claim,
    mut snapshot: Snapshot,
    (why_not, which): (Option<NoPlan>, Contents),
) -> Result<Preview, Failure> {
    let link = match (&claim.link, &snapshot.external) {
        (Some((_, link)), _) => link.clone(),
        (None, Reading::Here(ticket)) => Link::without_counterpart(ticket.key()),
        (None, _) => {
            let (class, id) = (claim.class.clone().unwrap_or_default(), claim.lease.of.ticket);
            Link::without_counterpart(TicketKey { class, id, reference: String::new() })
        }
    };
    see_abroad(shared, lane, policy, &link, &mut snapshot);
    let mut contents = contents_of_originals(shared, lane, &link, &mut snapshot, &which).await?;
    let (planned, once_made) = match why_not {
        Some(why) => (Err(why), None),
        None => {
            let plan = plan_with_parents(shared, lane, policy, &link, &mut snapshot).await?;
            let once_made = once_made(shared, lane, policy, &link, &plan, &snapshot).await?;
            (Ok(plan), once_made)
        }
    };
    if matches!(which, Contents::All) {
        let plans = planned.iter().chain(once_made.iter().map(|(_, plan)| plan));
        for plan in plans {
            contents.extend(contents_of_new_files(shared, lane, plan).await?);
        }
    }
    let Snapshot { external, internal, .. } = snapshot;
    let number = claim.link.as_ref().map(|(number, _)| *number);
    let made = match &external {
        Reading::Here(ticket) => policy.made(Side::External, ticket).map(|at| at.chars().take(DAY).collect()),
        _ => None,
    };
    let of = claim.lease.of.clone();
    Ok(Preview { of, link, number, external, internal, planned, once_made, contents, made })
}

/// Plans as a pass does: once more with the parents, if the plan needs them.
async fn plan_with_parents(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    link: &Link,
    snapshot: &mut Snapshot,
) -> Result<Plan, Failure> {
    loop {
        let plan = reconcile(policy, link, &snapshot.external, &snapshot.internal);
        if !read_what_is_asked_of_parents(shared, lane, policy, link, &plan, snapshot).await? {
            return Ok(plan);
        }
    }
}

/// The writes that follow in the same pass once the counterpart is made, assuming that iTop stores it as sent.
async fn once_made(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    link: &Link,
    plan: &Plan,
    snapshot: &Snapshot,
) -> Result<Option<(Link, Plan)>, Failure> {
    let create = plan.writes.iter().find_map(|step| match &step.write {
        Write::CreateTicket { class, fields } => Some((class, fields)),
        _ => None,
    });
    let Some((class, fields)) = create else { return Ok(None) };
    let ticket = as_sent(policy, class, fields, shared.now_ms());
    let mut link = link.clone();
    let sent = fields.iter().filter_map(|field| Some((&field.code, field.source.as_ref()?)));
    link.gets_counterpart(policy, &ticket, sent);
    let mut snapshot = Snapshot { internal: Reading::Here(ticket), ..snapshot.clone() };
    see_abroad(shared, lane, policy, &link, &mut snapshot);
    let plan = plan_with_parents(shared, lane, policy, &link, &mut snapshot).await?;
    Ok(Some((link, plan)))
}

/// Reads the present contents of copied originals, and of those of their copies whose contents are unknown. Returns the
/// originals'.
async fn contents_of_originals(
    shared: &Shared,
    lane: &Lane,
    link: &Link,
    snapshot: &mut Snapshot,
    which: &Contents,
) -> Result<Vec<(Side, u64, FileContent)>, Failure> {
    let mut contents = Vec::new();
    for from in Side::BOTH {
        let mut originals = Vec::new();
        let is_back = |copy: &&Copy| {
            let is_lost = copy.from == from && copy.state == CopyState::RemovedByPerson;
            is_lost && has_copy_of(snapshot.of(from.other()), from, copy.original)
        };
        let back: Vec<u64> = link.files.copies.iter().filter(is_back).map(|copy| copy.original).collect();
        let Some(files) = snapshot.ticket_mut(from).and_then(|ticket| ticket.files.as_mut()) else { continue };
        for file in files {
            let copied = link.copy_of(from, file.id).filter(|copy| copy.state != CopyState::RemovedByPerson);
            if back.contains(&file.id) || copied.is_some() && which.holds(from, file.id) {
                originals.push(file.id);
                file.content = content(shared, lane, from, file.id).await?;
                contents.extend(file.content.clone().map(|content| (from, file.id, content)));
            }
        }
        let unknown = unknown_copies(link, from, &originals);
        let on = from.other();
        for file in snapshot.ticket_mut(on).and_then(|ticket| ticket.files.as_mut()).into_iter().flatten() {
            if unknown.contains(&file.id) {
                file.content = content(shared, lane, on, file.id).await?;
            }
        }
    }
    Ok(contents)
}

async fn contents_of_new_files(
    shared: &Shared,
    lane: &Lane,
    plan: &Plan,
) -> Result<Vec<(Side, u64, FileContent)>, Failure> {
    let mut contents = Vec::new();
    for step in &plan.writes {
        if let Write::CopyFile { from, original } = step.write {
            contents.extend(content(shared, lane, from, original).await?.map(|content| (from, original, content)));
        }
    }
    Ok(contents)
}

async fn content(shared: &Shared, lane: &Lane, side: Side, id: u64) -> Result<Option<FileContent>, Failure> {
    let itop = shared.itop(lane, side);
    let read = call::contents(shared, itop, None, id, lane.settings.sync.max_attachment_bytes).await;
    Ok(read.map_err(|error| Failure::of(itop, &error))?.map(|read| read.fingerprint()))
}

/// The counterpart as its create requests it, without an id yet.
fn as_sent(policy: &Policy, class: &str, fields: &[FieldWrite], now_ms: i64) -> Ticket {
    let value = |field: &FieldWrite| {
        let (Value::Text(value) | Value::Html(value)) = &field.value;
        (field.code.clone(), value.clone())
    };
    Ticket {
        class: class.to_owned(),
        id: 0,
        reference: String::new(),
        status: policy.internal_lifecycle.as_ref().map_or("new".to_owned(), |lifecycle| lifecycle.initial.clone()),
        attributes: fields.iter().map(value).collect(),
        abroad: Default::default(),
        files: Some(Vec::new()),
        // The log's first entry is the mark, which never crosses.
        logs: LogName::ALL.map(|log| (log, Vec::new())).into(),
        parents: Vec::new(),
        family: None,
        read_at_ms: now_ms,
    }
}

/// A ticket's snapshot, and what a pass would do with it.
#[derive(Debug)]
pub struct Preview {
    pub of: TicketOf,
    pub link: Link,
    /// The link's number, if the pair is known already.
    pub number: Option<i64>,
    pub external: Reading,
    pub internal: Reading,
    /// There is no plan if a pass would wait for something, or if the ticket is not carried.
    pub planned: Result<Plan, NoPlan>,
    /// If the plan creates the counterpart: the same pass's next writes, and the link that they use.
    pub once_made: Option<(Link, Plan)>,
    /// The contents of the files that would be copied or rewritten.
    pub contents: Vec<(Side, u64, FileContent)>,
    /// The day on which the external ticket was created according to iTop, if known.
    pub made: Option<String>,
}

impl Preview {
    pub fn is_lost(&self) -> bool {
        matches!(self.planned, Err(NoPlan::Lost(_)))
    }
}
