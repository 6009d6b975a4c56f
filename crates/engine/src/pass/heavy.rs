//! Tickets whose files together are larger than PHP's memory. iTop loads the files with each write to the ticket and
//! carries the write out, but then PHP ends: an error page replaces the answer, and no hook is sent. The call is over
//! by then, so one read shows its effect, and nothing is sent twice. Attaching files to such a ticket works as usual.

use itop_bridge_core::event::Event;
use itop_bridge_core::link::Heavy;
use itop_bridge_core::{FileMark, Link, Ticket};
use itop_client::{Error, ErrorClass, Object, Query, Written, oql_quote};

use crate::pass::work::Work;
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::{Lane, Shared};

/// At most this many files of one ticket are read for their sizes.
const MOST_FILES: usize = 200;

/// Reads the `output` attributes of the ticket after a write during which PHP ran out of memory. `None` for any
/// other error.
pub(crate) async fn read_after_memory_ran_out(
    work: &mut Work<'_>,
    itop: &Itop,
    error: &Error,
    target: &Ticket,
    output: &[&str],
) -> Result<Option<Object>, Failure> {
    let ErrorClass::OutOfMemory { limit } = &error.class else { return Ok(None) };
    record_heavy(work, itop, limit, target).await?;
    let query = Query::ids(&[target.id]);
    let found = work.reading(call::get(work.shared, itop, &target.class, &query, output)).await??;
    Ok(found.objects.into_iter().next())
}

/// Finds the attachment with this mark that a create made although PHP ran out of memory.
pub(crate) async fn find_attached(
    work: &mut Work<'_>,
    itop: &Itop,
    mark: &FileMark,
) -> Result<Option<Written>, Failure> {
    let oql = format!("SELECT Attachment WHERE temp_id = {}", oql_quote(&mark.temp_id()));
    let query = Query::oql(oql);
    let attributes = ["id", "creation_date"];
    let found = work.reading(call::get(work.shared, itop, "Attachment", &query, &attributes)).await??;
    Ok(found.objects.into_iter().next_back().map(|object| Written { object, date: None }))
}

/// Records, once, that the ticket is heavy: in the log and in its activity. `note_heavy` keeps it for the alerts.
async fn record_heavy(work: &mut Work<'_>, itop: &Itop, limit: &str, target: &Ticket) -> Result<(), Failure> {
    let on = itop.side();
    if work.link.heavy_on(on).is_some() {
        return Ok(());
    }
    let (files, bytes) = size_of_files(work, itop, target).await?;
    let heavy = Heavy { on, limit: limit.to_owned(), since_ms: work.shared.now_ms(), files, bytes };
    let told = told(&work.link, &heavy, &itop.name);
    tracing::warn!(ticket = %work.name(), "{told}");
    work.did(Event::Heavy { on, text: told });
    work.link.open.heavy.push(heavy);
    work.save().await
}

/// The number of files on the ticket, and their total size if all could be read.
async fn size_of_files(work: &mut Work<'_>, itop: &Itop, target: &Ticket) -> Result<(usize, Option<u64>), Failure> {
    let oql = format!("SELECT Attachment WHERE item_class = {} AND item_id = {}", oql_quote(&target.class), target.id);
    let query = Query::oql(oql);
    let Ok(found) = work.reading(call::asked(work.shared, itop, "Attachment", &query, &["id"])).await? else {
        return Ok((0, None));
    };
    let mut bytes = Some(0).filter(|_| found.objects.len() <= MOST_FILES);
    for file in found.objects.iter().take(MOST_FILES) {
        let memory = work.file_memory().await?;
        let max_bytes = work.lane.settings.sync.max_attachment_bytes;
        let read = work.reading(call::contents(work.shared, itop, Some(&memory), file.id, max_bytes)).await?;
        let size = match read {
            Ok(Some(read)) if !read.too_large => Some(read.contents.data.decoded_len()),
            _ => None,
        };
        bytes = bytes.zip(size).map(|(sum, size)| sum + size);
        if bytes.is_none() {
            break;
        }
    }
    Ok((found.objects.len(), bytes))
}

/// The ticket is heavy no more: a write to it was answered.
pub(crate) fn end_heavy(work: &mut Work<'_>, itop: &Itop, class: &str) {
    if class == "Attachment" || work.link.heavy_on(itop.side()).is_none() {
        return;
    }
    work.link.open.heavy.retain(|heavy| heavy.on != itop.side());
    tracing::info!(ticket = %work.name(), itop = %itop.name, "writes to this ticket are answered again");
    work.did(Event::HeavyEnded { instance: itop.name.clone() });
}

/// Keeps the alert's text about the ticket for as long as it is heavy.
pub(crate) fn note_heavy(shared: &Shared, lane: &Lane, number: Option<i64>, link: &Link) {
    let Some(number) = number else { return };
    let mut known = shared.heavy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let texts: Vec<String> =
        link.open.heavy.iter().map(|heavy| told(link, heavy, &shared.itop(lane, heavy.on).name)).collect();
    match texts.is_empty() {
        true => known.remove(&number),
        false => known.insert(number, texts.join("; ")),
    };
}

pub(crate) fn heavy_tickets(shared: &Shared) -> std::collections::BTreeMap<i64, String> {
    shared.heavy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

/// The cause, for people.
pub fn told(link: &Link, heavy: &Heavy, instance: &str) -> String {
    let reference = link.key(heavy.on).map_or("", |key| &key.reference);
    let files = match (heavy.bytes, heavy.files) {
        (Some(bytes), _) => format!("are {} MB together", bytes.div_ceil(1_000_000)),
        (None, 0) => "are very large together".to_owned(),
        (None, files) => format!("({files} of them) are very large together"),
    };
    let limit = &heavy.limit;
    format!(
        "the files of {instance} {reference} {files}, more than PHP's memory there takes (memory_limit {limit}): this iTop answers each write to the ticket with an error though it carries it out, and sends no hook; raise memory_limit in its php.ini"
    )
}

/// Whether a write took effect, judged by the present value: it differs from the one before, or equals the one sent.
pub(crate) fn took_effect(before: Option<&str>, sent: &str, now: &str) -> bool {
    before != Some(now) || now == sent
}
