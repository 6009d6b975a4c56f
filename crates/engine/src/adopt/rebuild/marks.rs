//! The search for marks: in internal tickets and files, and in the reports on external tickets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use itop_bridge_core::{FileKind, FileMark, Side, TicketMark};
use itop_client::{Object, Query, oql_quote};

use super::{Candidate, FILES, FoundBy, PAGE, Rebuilt};
use crate::adopt::rebuild::pairs::texts_of;
use crate::adopt::rebuild::{list_after, list_all};
use crate::pass::documents::reference_in_report;
use crate::side::failure::Failure;
use crate::side::{call, read};
use crate::{Lane, Shared};

/// All pairs that this bridge's marks name.
pub(super) async fn marked_pairs(shared: &Shared, rebuilt: &mut Rebuilt) -> Result<Vec<Candidate>, Failure> {
    let mut found = tickets_marked(shared, 0, "").await?;
    let own: HashMap<u64, TicketMark> = found.iter().map(|one| (one.internal, one.mark.clone())).collect();
    let by_files = marked_internal_files(shared).await?;
    // A ticket's own mark outweighs those of its attachments.
    found.extend(by_files.into_iter().filter(|one| !own.contains_key(&one.internal)));
    let mut named: Vec<TicketMark> = found.iter().map(|one| one.mark.clone()).collect();
    for lane in &shared.lanes {
        let reports = reports_of(shared, lane).await?;
        named.extend(reports.iter().map(|(mark, _)| mark.clone()));
        let paired: BTreeSet<u64> = found
            .iter()
            .filter(|one| one.mark.external == lane.settings.name_in_marks)
            .map(|one| one.mark.ticket)
            .collect();
        let unpaired = reports.into_iter().filter(|(mark, _)| !paired.contains(&mark.ticket)).collect();
        found.extend(
            pairs_of_reports(shared, lane, unpaired).await?.into_iter().filter(|one| !own.contains_key(&one.internal)),
        );
    }
    for TicketMark { external, ticket, .. } in named {
        let highest = rebuilt.since.entry(shared.marked_external(&external).to_owned()).or_default();
        *highest = ticket.max(*highest);
    }
    Ok(found)
}

/// Internal tickets with a higher id whose log begins with this bridge's mark for a ticket of the lane.
pub(super) async fn tickets_marked_after(shared: &Shared, after: u64, lane: &Lane) -> Result<Vec<Candidate>, Failure> {
    let external = &lane.settings.name_in_marks;
    let marked = tickets_marked(shared, after, &format!("{external}:")).await?;
    Ok(marked.into_iter().filter(|one| one.mark.external == *external).collect())
}

/// The same for any external whose mark continues with `goes_on`.
async fn tickets_marked(shared: &Shared, after: u64, goes_on: &str) -> Result<Vec<Candidate>, Failure> {
    let mark = oql_quote(&format!("%[itop-bridge:{}:{goes_on}%", shared.server));
    let condition = format!("private_log LIKE {mark}");
    let fields = ["id", "private_log"];
    let tickets = list_after(shared, &shared.internal, "Ticket", after, &condition, &fields, PAGE).await?;
    let candidates = tickets.iter().filter_map(|object| {
        let first = read::first_entry(object)?;
        let mark = TicketMark::find(&first).filter(|mark| mark.server == shared.server)?;
        let reference = TicketMark::reference_in(&first).map(str::to_owned);
        Some(Candidate { mark, internal: object.id, reference, by: FoundBy::Ticket })
    });
    Ok(candidates.collect())
}

/// Internal tickets with files that bear this bridge's marks.
async fn marked_internal_files(shared: &Shared) -> Result<Vec<Candidate>, Failure> {
    let mark = oql_quote(&format!("itop-bridge:{}:%", shared.server));
    let condition = format!("temp_id LIKE {mark}");
    let files =
        list_all(shared, &shared.internal, "Attachment", &condition, &["id", "item_id", "temp_id"], FILES).await?;
    let named: BTreeMap<u64, BTreeSet<TicketMark>> = files
        .iter()
        .filter_map(|file| marked_file(shared, file, Side::External))
        .fold(BTreeMap::new(), |mut all, (of, mark)| {
            all.entry(of).or_default().insert(mark.ticket);
            all
        });
    let candidates = named.into_iter().flat_map(|(internal, marks)| {
        // If a ticket has files of several pairs, a person moved them, and they prove nothing.
        let only = (marks.len() == 1).then_some(marks);
        only.into_iter().flatten().map(move |mark| Candidate { mark, internal, reference: None, by: FoundBy::Files })
    });
    Ok(candidates.collect())
}

/// The external's tickets that have a report, with the report's id.
async fn reports_of(shared: &Shared, lane: &Lane) -> Result<Vec<(TicketMark, u64)>, Failure> {
    let mark = oql_quote(&format!("itop-bridge:{}:{}:%:internal:status:%", shared.server, lane.settings.name_in_marks));
    let condition = format!("temp_id LIKE {mark}");
    let files =
        list_all(shared, &lane.external, "Attachment", &condition, &["id", "item_id", "temp_id"], FILES).await?;
    let reports = files.iter().filter_map(|file| {
        let (of, mark) = marked_file(shared, file, Side::Internal)?;
        let is_report = mark.kind == FileKind::Status
            && mark.ticket.ticket == of
            && mark.ticket.external == lane.settings.name_in_marks;
        is_report.then_some((mark.ticket, file.id))
    });
    Ok(reports.collect())
}

/// The file's ticket, and the file's mark.
fn marked_file(shared: &Shared, file: &Object, from: Side) -> Option<(u64, FileMark)> {
    let mark = FileMark::find(file.text("temp_id")?).filter(|mark| mark.ticket.server == shared.server)?;
    let of = file.number("item_id").filter(|id| *id > 0)?;
    (mark.from == from).then_some((of, mark))
}

/// The counterparts that reports name by reference.
async fn pairs_of_reports(
    shared: &Shared,
    lane: &Lane,
    reports: Vec<(TicketMark, u64)>,
) -> Result<Vec<Candidate>, Failure> {
    let mut found = Vec::new();
    for page in reports.chunks(PAGE) {
        let ids: Vec<u64> = page.iter().map(|(_, id)| *id).collect();
        let texts = texts_of(shared, &lane.external, &ids).await?;
        let told = page.iter().filter_map(|(mark, id)| Some((reference_in_report(texts.get(id)?)?, mark)));
        let told: Vec<(&str, &TicketMark)> = told.collect();
        let references: Vec<String> = told.iter().map(|(reference, _)| oql_quote(reference)).collect();
        if references.is_empty() {
            continue;
        }
        let oql = format!("SELECT Ticket WHERE ref IN ({})", references.join(","));
        let tickets = call::get(shared, &shared.internal, "Ticket", &Query::oql(oql), &["id", "ref"]).await?;
        found.extend(tickets.objects.iter().filter_map(|object| {
            let (_, mark) = told.iter().find(|(reference, _)| Some(*reference) == object.text("ref"))?;
            let mark = (*mark).clone();
            Some(Candidate { mark, internal: object.id, reference: None, by: FoundBy::Report })
        }));
    }
    Ok(found)
}
