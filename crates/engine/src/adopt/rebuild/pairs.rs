//! Reads one page of pairs, both tickets with files and documents, and stores each pair.

use std::collections::HashMap;

use base64::Engine as _;
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::event::Event;
use itop_bridge_core::link::CopyState;
use itop_bridge_core::{Adopted, Policy, Side, Ticket, TicketMark, found_by_marks};
use itop_bridge_store::{About, Activity, DirtyMark, Look, StoreError, TicketOf};
use itop_client::Object;

use super::{Candidate, FoundBy, FoundPair, Left, Rebuilt};
use crate::adopt::rebuild::left;
use crate::halt::went_back::read_and_watch;
use crate::pass::documents::{read_back, reference_in_report};
use crate::scope::policies::policy_without_defaults;
use crate::side::call::all_contents;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::side::read::{self, Reads, Wanted, list_files};
use crate::{Lane, Shared};

/// Reports and notices are small. A file that a person put in their place may not be.
const MAX_TEXTS_BYTES: u64 = 8 << 20;

/// The two tickets of a pair, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairIds {
    pub external: u64,
    pub internal: u64,
}

impl Candidate {
    fn ids(&self) -> PairIds {
        PairIds { external: self.mark.ticket, internal: self.internal }
    }
}

/// Both sides of a page of pairs.
pub(crate) struct Both {
    pub external: Reads,
    pub internal: Reads,
    /// The texts of the documents, by side and attachment.
    pub texts: HashMap<(Side, u64), String>,
}

/// Stores these pairs of one class.
pub(super) async fn take_page(
    shared: &Shared,
    lane: &Lane,
    class: &str,
    page: &[Candidate],
    dry_run: bool,
    rebuilt: &mut Rebuilt,
) -> Result<(), Failure> {
    let policy = policy_without_defaults(shared, lane, class)?;
    let ids: Vec<PairIds> = page.iter().map(Candidate::ids).collect();
    let mut both = read_pairs(shared, lane, class, &policy, &ids).await?;
    for candidate in page {
        let taken = match pair_of(shared, lane, &mut both, candidate)? {
            Ok((external, internal)) => {
                let documents = documents_of(&external, &internal, &both.texts);
                let adopted = found_by_marks(&policy, &external, &internal, documents);
                take(shared, lane, candidate.by, adopted, dry_run).await?
            }
            Err(why) => Err(left(shared, candidate, why)),
        };
        match taken {
            Ok(pair) => rebuilt.pairs.push(pair),
            Err(left) => rebuilt.left.push(left),
        }
    }
    Ok(())
}

pub(crate) async fn read_pairs(
    shared: &Shared,
    lane: &Lane,
    class: &str,
    policy: &Policy,
    page: &[PairIds],
) -> Result<Both, Failure> {
    let mut external = Wanted { class, attributes: read::external_attributes(policy, class), condition: None };
    // The first entry tells whether the ticket is itself a copy.
    external.attributes.insert("private_log".to_owned());
    let internal_class = &policy.internal_class;
    let internal = Wanted { class: internal_class, attributes: read::internal_attributes(policy), condition: None };
    let external_ids: Vec<u64> = page.iter().map(|pair| pair.external).collect();
    let internal_ids: Vec<u64> = page.iter().map(|pair| pair.internal).collect();
    let mark = |pair: &PairIds| lane.mark(&shared.server, class, pair.external);
    let external_marks: HashMap<u64, TicketMark> = page.iter().map(|pair| (pair.external, mark(pair))).collect();
    let internal_marks: HashMap<u64, TicketMark> = page.iter().map(|pair| (pair.internal, mark(pair))).collect();
    let (mut external, mut internal, external_files, internal_files) = tokio::join!(
        read_and_watch(shared, &lane.external, &external, &external_ids),
        read_and_watch(shared, &shared.internal, &internal, &internal_ids),
        list_files(shared, &lane.external, class, &external_marks),
        list_files(shared, &shared.internal, internal_class, &internal_marks),
    );
    let external_files = external_files.map_err(|error| Failure::of(&lane.external, &error))?;
    let internal_files = internal_files.map_err(|error| Failure::of(&shared.internal, &error))?;
    hang(&mut external, external_files);
    hang(&mut internal, internal_files);
    let mut texts = HashMap::new();
    for (kind, reads) in [(DocumentKind::Report, &external), (DocumentKind::Notice, &internal)] {
        let itop = shared.itop(lane, kind.on());
        let ids: Vec<u64> = tickets(reads).filter_map(|ticket| marked(ticket, kind)).collect();
        let found = texts_of(shared, itop, &ids).await?;
        texts.extend(found.into_iter().map(|(id, text)| ((kind.on(), id), text)));
    }
    Ok(Both { external, internal, texts })
}

/// Both tickets, if they exist and are the ones that the mark means. An outer error ends the search: a side is
/// down.
fn pair_of(
    shared: &Shared,
    lane: &Lane,
    both: &mut Both,
    candidate: &Candidate,
) -> Result<Result<(Ticket, Ticket), String>, Failure> {
    let Candidate { mark, internal, reference, .. } = candidate;
    let external = match one(&mut both.external, mark.ticket, &lane.external)? {
        Ok(ticket) => ticket,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(said) = reference.as_ref().filter(|said| **said != external.reference) {
        return Ok(Err(format!(
            "it is the copy of {said}, and ticket {} of {} is {}: was that iTop restored or cloned? `links link` links them all the same",
            mark.ticket, lane.name, external.reference
        )));
    }
    let internal = one(&mut both.internal, *internal, &shared.internal)?;
    Ok(internal.map(|internal| (external, internal)))
}

async fn take(
    shared: &Shared,
    lane: &Lane,
    by: FoundBy,
    adopted: Adopted,
    dry_run: bool,
) -> Result<Result<FoundPair, Left>, Failure> {
    let Adopted { link, due } = adopted;
    let Some(internal) = link.internal.clone() else { return Err(Failure::setup("a pair of one".to_owned())) };
    let mut pair = FoundPair {
        number: None,
        external_name: lane.name.clone(),
        external: link.external.clone(),
        internal,
        by,
        files: link.files.copies.len(),
        conflicts: link.open.conflicts.iter().map(ToString::to_string).collect(),
        due: due.into_iter().map(|step| step.reason).collect(),
    };
    if dry_run {
        return Ok(Ok(pair));
    }
    let now = shared.now_ms();
    let did = Activity::of(now, Event::Adopted { by: by.adopted_by() });
    let name = lane.name.clone();
    match shared.store.call(move |store| store.adopt_link(&name, &link, false, &[did], now)).await {
        Ok(number) => {
            pair.number = Some(number);
            Ok(Ok(pair))
        }
        // Somebody else has linked one of them meanwhile.
        Err(error @ StoreError::AlreadyLinked { .. }) => {
            let what = format!("{}:{}", pair.external_name, pair.external.reference);
            Ok(Err(Left { what, why: error.to_string() }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads small text files, many at once. A file that is too large, or no text, is left out.
pub(super) async fn texts_of(shared: &Shared, itop: &Itop, ids: &[u64]) -> Result<HashMap<u64, String>, Failure> {
    let text = |object: &Object| {
        let data = object.contents("contents")?.data.as_str();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
        Some((object.id, String::from_utf8(bytes).ok()?))
    };
    Ok(all_contents(shared, itop, ids, MAX_TEXTS_BYTES).await?.iter().filter_map(text).collect())
}

/// Marks tickets that no mark names; each crosses if it qualifies.
pub(super) async fn mark_newer(shared: &Shared, lane: &Lane, tickets: Vec<(u64, String)>) -> Result<usize, Failure> {
    let due_ms = shared.now_ms();
    let marks = tickets.into_iter().map(|(ticket, class)| {
        let of = TicketOf { external: lane.name.clone(), ticket };
        DirtyMark { about: About::External { of, class: Some(class) }, look: Look::ticket(), due_ms }
    });
    Ok(shared.store.mark_all(marks.collect(), shared.now_ms()).await?)
}

/// A ticket of a page, or why there is none.
pub(crate) fn one(reads: &mut Reads, id: u64, itop: &Itop) -> Result<Result<Ticket, String>, Failure> {
    match reads.remove(&id) {
        Some(Ok(Some(read))) => Ok(Ok(read.ticket)),
        Some(Ok(None)) | None => Ok(Err(format!("ticket {id} of {} is gone, or of another class", itop.name))),
        Some(Err(error)) => {
            let failure = Failure::of(itop, &error);
            let is_of_ticket = !matches!(failure.kind, Kind::Transient | Kind::Login);
            if is_of_ticket { Ok(Err(failure.text)) } else { Err(failure) }
        }
    }
}

fn hang(reads: &mut Reads, mut files: HashMap<u64, Vec<itop_bridge_core::File>>) {
    for (id, read) in reads {
        if let Ok(Some(read)) = read {
            read.ticket.files = files.remove(id);
        }
    }
}

fn tickets(reads: &Reads) -> impl Iterator<Item = &Ticket> {
    reads.values().filter_map(|read| read.as_ref().ok()?.as_ref()).map(|read| &read.ticket)
}

/// The attachment that is this document of the pair.
fn marked(ticket: &Ticket, kind: DocumentKind) -> Option<u64> {
    let is_it = |mark: &itop_bridge_core::FileMark| mark.from == kind.from() && mark.kind == kind.file_kind();
    ticket.files.iter().flatten().find(|file| file.mark().is_some_and(is_it)).map(|file| file.id)
}

/// The existing report and notice. If one cannot be read, only the present state is known of it.
pub(crate) fn documents_of(
    external: &Ticket,
    internal: &Ticket,
    texts: &HashMap<(Side, u64), String>,
) -> Vec<Document> {
    let of = |kind: DocumentKind, on: &Ticket, of: &Ticket| {
        let id = marked(on, kind)?;
        let text = texts.get(&(kind.on(), id));
        let told = text.and_then(|text| reference_in_report(text)).filter(|_| kind == DocumentKind::Report);
        if told.is_some_and(|told| told != of.reference) {
            // The report is of an earlier counterpart, which this one replaces: none of its lines applies.
            return Some(Document { state: Some(CopyState::Stands(id)), ..Document::new(kind) });
        }
        let line = text.and_then(|text| read_back(text));
        Some(Document::found(kind, id, line.unwrap_or_else(|| Line::of(&of.status))))
    };
    let report = of(DocumentKind::Report, external, internal);
    report.into_iter().chain(of(DocumentKind::Notice, internal, external)).collect()
}
