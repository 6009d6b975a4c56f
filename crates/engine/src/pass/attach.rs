//! Creates attachments and replaces their contents, with names and sizes that the other iTop takes.

use base64::Engine as _;
use itop_bridge_core::event::Event;
use itop_bridge_core::{FileKind, FileMark, Link, Side, Ticket, text};
use itop_bridge_text::room::{What, in_the_basic_plane};
use itop_client::{Contents, ErrorClass, Fields, ValueFault};

use crate::pass::heavy::find_attached;
use crate::pass::work::Work;
use crate::pass::write::{WriteEnd, write};
use crate::side::dates::in_iso;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::room::learn_room;
use crate::side::send::{Create, Update};
use crate::side::zone::learn_offset;

/// Creates an attachment on the other side's ticket, with the mark that identifies it.
pub(crate) async fn attach(
    work: &mut Work<'_>,
    from: Side,
    kind: FileKind,
    key: String,
    contents: Contents,
    target: &Ticket,
    intend: impl FnOnce(&mut Link, i64) + Clone,
) -> WriteEnd<itop_client::Written> {
    let mark = FileMark { ticket: work.mark(), from, kind, key };
    let mut fields = Fields::new();
    fields.set("item_class", target.class.clone());
    fields.set("item_id", target.id);
    if let Some(org) = target.filled("org_id") {
        fields.set("item_org_id", org.to_owned());
    }
    fields.set("temp_id", mark.temp_id());
    let itop = work.shared.itop(work.lane, from.other());
    // `write` sends the contents within this memory.
    work.file_memory().await?;
    let mut contents = with_a_name_for(itop, contents);
    let mut answer = loop {
        fields.set("contents", contents.clone());
        let create = Create { class: "Attachment", fields: &fields, output: &["id", "creation_date"] };
        match write(work, itop, create, intend.clone()).await? {
            Err(error) if drop_refused_characters(work, itop, &mut contents, &error).await? => {}
            answer => break answer,
        }
    };
    if let Err(error) = &mut answer
        && matches!(error.class, ErrorClass::OutOfMemory { .. })
    {
        match find_attached(work, itop, &mark).await? {
            Some(written) => return Ok(Ok(written)),
            // The file alone exceeds PHP's memory.
            None => error.class = ErrorClass::TooLarge,
        }
    }
    if let Ok(written) = &mut answer {
        in_iso(work.shared, itop, std::slice::from_mut(&mut written.object)).await;
        learn_offset(work.shared, itop, written, "creation_date").await?;
    }
    Ok(answer)
}

/// Replaces the contents of an attachment on the other side.
pub(crate) async fn replace(
    work: &mut Work<'_>,
    from: Side,
    id: u64,
    contents: Contents,
    intend: impl FnOnce(&mut Link, i64) + Clone,
) -> WriteEnd<()> {
    let itop = work.shared.itop(work.lane, from.other());
    // `write` sends the contents within this memory.
    work.file_memory().await?;
    let mut contents = with_a_name_for(itop, contents);
    loop {
        let fields = Fields::new().with("contents", contents.clone());
        let update = Update { class: "Attachment", id, fields: &fields, output: &["id"] };
        match write(work, itop, update, intend.clone()).await? {
            Err(error) if drop_refused_characters(work, itop, &mut contents, &error).await? => {}
            answer => return Ok(answer.map(|_| ())),
        }
    }
}

/// Whether the name was refused for characters that a `utf8mb3` database lacks. If so, `?` replaces them in
/// `contents`, to be sent again.
async fn drop_refused_characters(
    work: &mut Work<'_>,
    itop: &Itop,
    contents: &mut Contents,
    error: &itop_client::Error,
) -> Result<bool, Failure> {
    let name = in_the_basic_plane(&contents.filename);
    let is_it = error.bad_values().iter().any(|value| value.fault == ValueFault::Characters);
    if !is_it || name == contents.filename {
        return Ok(false);
    }
    learn_room(work.shared, itop, "Attachment", FILE_NAME, What::BasicPlaneOnly).await?;
    let event = Event::FileNameLostCharacters { name: contents.filename.clone(), instance: itop.name.clone() };
    work.did(event);
    contents.filename = name;
    Ok(true)
}

/// A text file as iTop takes it.
pub fn text_contents(words: &str, name: &str) -> Contents {
    let data = base64::engine::general_purpose::STANDARD.encode(words);
    Contents::new(data.into(), text::file_name(name), "text/plain")
}

/// The contents with a name that the database of that side is known to hold.
fn with_a_name_for(itop: &Itop, contents: Contents) -> Contents {
    if !itop.room("Attachment", FILE_NAME).basic_plane_only {
        return contents;
    }
    Contents { filename: in_the_basic_plane(&contents.filename), ..contents }
}

/// The attribute with a file's name.
const FILE_NAME: &str = "contents_filename";
