//! The proof: compares the contents of both iTops, ignoring the bridge's own records, then gives everything one more
//! pass, which must write nothing.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use itop_bridge_core::{Side, TicketMark, text};
use itop_bridge_engine::clock::{Clock, SystemClock};
use itop_bridge_store::{About, DirtyMark, Look, TicketOf};
use itop_bridge_text::html::log_text;
use itop_sim::{Attachment, Sim, Ticket};
use tokio::time::Instant;

use super::narrator::{Narrator, counted};
use super::stage::{ACME, ELITERY, Stage};
use super::story::SCREENSHOT;

/// Every object that the bridge makes carries a mark with this prefix.
const MARK: &str = "itop-bridge:";

pub(super) async fn prove(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<bool> {
    stage.settled().await?;
    say.heading("Do both sides agree?")?;
    let originals = stage.acme.tickets("Ticket");
    let copies = stage.elitery.tickets("Ticket").len();
    let mut agree = !originals.is_empty() && originals.len() == copies;
    say.verdict(agree, &format!("tickets: {} at {ACME}, {copies} at {ELITERY}", originals.len()))?;
    for original in &originals {
        agree &= compare(stage, say, original)?;
    }
    let idle = one_more_pass(stage, say).await?;
    let proven = agree && idle;
    say.conclusion(
        proven,
        match proven {
            true => "Both sides agree, and one more pass writes nothing.",
            false => "The two sides do not agree, or the bridge does not come to rest.",
        },
    )?;
    Ok(proven)
}

fn compare(stage: &Stage, say: &mut Narrator<'_>, original: &Ticket) -> anyhow::Result<bool> {
    let reference = original.field("ref");
    let Some(copy) = stage.copy_of(original) else {
        say.verdict(false, &format!("{reference} has no counterpart"))?;
        return Ok(false);
    };
    let title = format!("[{reference}] {}", original.field("title"));
    let (words, copied_words) =
        (without_images(original.field("description")), without_images(copy.field("description")));
    let (images, copied_images) = (external_images(original), internal_images(&copy));
    let (acme, elitery) = (&stage.acme, &stage.elitery);
    // Name, type and content.
    let crossed = |from: (&Sim, &Ticket), to: (&Sim, &Ticket), side: Side| {
        let files = originals(from.0, from.1);
        let same = files == copies(to.0, to.1, side);
        (same, format!("{} {}", counted(files.len(), "file"), way(side)))
    };
    let plain = |code: &str| (original.field(code) == copy.field(code), format!("{code} {}", copy.field(code)));
    let all = [
        (copy.field("title") == title, "title".to_owned()),
        (text::same_html(&words, &copied_words) && images == copied_images, described(images.len())),
        plain("impact"),
        plain("urgency"),
        status(stage, original, &copy),
        crossed((acme, original), (elitery, &copy), Side::External),
        crossed((elitery, &copy), (acme, original), Side::Internal),
        log(original, (elitery, &copy), Side::External),
        log(&copy, (acme, original), Side::Internal),
    ];
    let agrees = all.iter().all(|(same, _)| *same);
    let shown: Vec<String> =
        all.into_iter().map(|(same, what)| if same { what } else { format!("{what} (DIFFERS)") }).collect();
    say.verdict(agrees, &format!("{reference} = {}: {}", copy.field("ref"), shown.join(", ")))?;
    Ok(agrees)
}

/// The external report names the internal status. The customer's own status is the same, unless the provider is
/// further: then the customer's ticket has only the report.
fn status(stage: &Stage, original: &Ticket, copy: &Ticket) -> (bool, String) {
    let (external, internal) = (original.status(), copy.status());
    let told = format!("{ELITERY} {} {internal}.txt", copy.field("ref"));
    let files = stage.acme.attachments(original.id);
    let mut reports = files.iter().filter(|file| file.temp_id.contains(":internal:status:"));
    let is_told = reports.next().is_some_and(|report| report.filename == told) && reports.next().is_none();
    if external == internal {
        return (is_told, format!("status {internal}, as the report says"));
    }
    let is_further = internal == "resolved" && ["new", "assigned", "pending"].contains(&external);
    (is_told && is_further, format!("status {external} at {ACME}, where the report says {internal}"))
}

/// Each entry of a log occurs exactly once in the files that carried it to the other side.
fn log(source: &Ticket, (sim, target): (&Sim, &Ticket), from: Side) -> (bool, String) {
    let entries = source.log("private_log").iter().filter(|entry| TicketMark::find(&entry.html).is_none());
    let entries: Vec<String> = entries.map(|entry| log_text(&entry.html)).collect();
    let mark = format!(":{}:log:", from.word());
    let files = sim.attachments(target.id).into_iter().filter(|file| is_made(file, &mark));
    let told: String = files.map(|file| String::from_utf8_lossy(&file.data).into_owned()).collect();
    let once = entries.iter().all(|entry| told.matches(entry.trim()).count() == 1);
    let none_besides = told.lines().filter(|line| line.starts_with("--- ")).count() == entries.len();
    let entries = if entries.len() == 1 { "1 log entry".to_owned() } else { format!("{} log entries", entries.len()) };
    (once && none_besides, format!("{entries} {}", way(from)))
}

fn way(from: Side) -> String {
    match from {
        Side::External => format!("to {ELITERY}"),
        Side::Internal => format!("to {ACME}"),
    }
}

/// One more pass for every pair, files included.
async fn one_more_pass(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<bool> {
    let links = stage.store.call(|store| store.links(None, 0, 200, None)).await?;
    let began = stage.begin();
    let now_ms = SystemClock.now_ms();
    let marks = links.iter().map(|stored| {
        let key = &stored.link.external;
        let of = TicketOf { external: stored.external_name.clone(), ticket: key.id };
        let mut look = Look::everything();
        for copy in &stored.link.files.copies {
            let named = match copy.from {
                Side::External => &mut look.external_attachments,
                Side::Internal => &mut look.internal_attachments,
            };
            named.insert(copy.original);
        }
        DirtyMark { about: About::External { of, class: Some(key.class.clone()) }, look, due_ms: now_ms }
    });
    stage.store.mark_dirty(marks.collect(), now_ms).await?;
    stage.settled().await?;
    let cost = stage.cost(began, Instant::now()).await?;
    let idle = !links.is_empty() && cost.acme > 0 && cost.elitery > 0 && cost.writes == 0;
    let read = cost.acme + cost.elitery - cost.writes;
    let pairs = counted(links.len(), "pair");
    say.verdict(
        idle,
        &format!("one more pass over {pairs}: {}, {}", counted(read, "read"), counted(cost.writes, "write")),
    )?;
    Ok(idle)
}

type File = (String, String, Vec<u8>);

fn originals(sim: &Sim, ticket: &Ticket) -> BTreeSet<File> {
    sim.attachments(ticket.id).into_iter().filter(|file| !file.temp_id.starts_with(MARK)).map(as_file).collect()
}

/// The copies that came from that side.
fn copies(sim: &Sim, ticket: &Ticket, from: Side) -> BTreeSet<File> {
    let mark = format!(":{}:file:", from.word());
    sim.attachments(ticket.id).into_iter().filter(|file| is_made(file, &mark)).map(as_file).collect()
}

fn is_made(file: &Attachment, mark: &str) -> bool {
    file.temp_id.starts_with(MARK) && file.temp_id.contains(mark)
}

fn as_file(file: Attachment) -> File {
    (file.filename, file.mimetype, file.data.to_vec())
}

fn described(images: usize) -> String {
    match images {
        0 => "description".to_owned(),
        some => format!("description with {}", counted(some, "image")),
    }
}

/// The text between the images, compared as the bridge compares it: iTop 3.1 escapes an `&` once more with each
/// write.
fn without_images(html: &str) -> String {
    let mut pieces = html.split("<img");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('>').map_or("", |(_, after)| after))
}

/// Each image of an external description is the one screenshot of the story.
fn external_images(ticket: &Ticket) -> Vec<Vec<u8>> {
    ticket.field("description").matches("<img").map(|_| SCREENSHOT.to_vec()).collect()
}

/// The images embedded in an internal description; an image without embedded data counts as empty.
fn internal_images(ticket: &Ticket) -> Vec<Vec<u8>> {
    let data = |tag: &str| {
        let base64 = tag.split_once("base64,")?.1.split('"').next()?;
        STANDARD.decode(base64).ok()
    };
    ticket.field("description").split("<img").skip(1).map(|tag| data(tag).unwrap_or_default()).collect()
}
