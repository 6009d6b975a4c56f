//! The one way to read from an iTop. The end of each call is reported to the side's breaker and to the suspensions,
//! unless it says nothing about the side.

use std::collections::BTreeSet;

use itop_client::{Contents, Error, ErrorClass, Found, Image, Object, Query, Reservation};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::heard::report_read;
use crate::side::itop::Itop;

/// Gets objects of a class, with these attributes.
pub(crate) async fn get(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &[&str],
) -> Result<Found, Failure> {
    asked(shared, itop, class, query, attributes).await.map_err(|error| Failure::of(itop, &error))
}

/// The same for a caller that needs iTop's own error.
pub(crate) async fn asked(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &[&str],
) -> Result<Found, Error> {
    let answer = itop.client.get(class, query, attributes).await;
    report_read(shared, itop, class, answer)
}

/// Gets objects with those of the attributes that the class has. An attribute that iTop does not know is left out from
/// then on.
pub(crate) async fn get_known(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &BTreeSet<String>,
) -> Result<Found, Error> {
    get_batch(shared, itop, class, query, attributes, |_| false).await
}

/// The same for a batch: an error that may be the fault of one of its objects says nothing about the side.
pub(crate) async fn get_batch(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &BTreeSet<String>,
    may_be_of_one: impl Fn(&Error) -> bool,
) -> Result<Found, Error> {
    loop {
        let wanted = itop.model().present(class, attributes);
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        match itop.client.get(class, query, &wanted).await {
            Err(error) if itop.learn_missing(class, &error, &wanted) => {}
            Err(error) if may_be_of_one(&error) => return Err(error),
            answer => return report_read(shared, itop, class, answer),
        }
    }
}

/// The lightest call. Its end is not reported, since it may be a probe: that is up to the caller.
pub(crate) async fn is_there(itop: &Itop) -> Result<(), Error> {
    itop.client.check_login().await.map(|_| ())
}

/// The highest ticket id of the side.
pub(crate) async fn highest_ticket(shared: &Shared, itop: &Itop) -> Result<u64, Failure> {
    let highest = climb(shared, itop, "Ticket", itop.highest_ticket()).await?;
    itop.met_ticket(highest);
    Ok(highest)
}

/// The highest attachment id of the side.
pub(crate) async fn highest_attachment(shared: &Shared, itop: &Itop) -> Result<u64, Failure> {
    climb(shared, itop, "Attachment", 0).await
}

/// iTop cannot sort, so this climbs from one found id to the next in doubling steps, and starts small again when a step
/// went too far.
async fn climb(shared: &Shared, itop: &Itop, class: &str, mut low: u64) -> Result<u64, Failure> {
    let mut step = 1;
    loop {
        let query = Query::oql(format!("SELECT {class} WHERE id >= {}", low.saturating_add(step))).limit(1);
        let found = get(shared, itop, class, &query, &["id"]).await?;
        match found.objects.first() {
            Some(object) if object.id > low => {
                low = object.id;
                step *= 2;
            }
            _ if step > 1 => step = 1,
            _ => return Ok(low),
        }
    }
}

/// An attachment's contents, and its ticket.
#[derive(Debug, Clone)]
pub struct ReadContents {
    pub item: u64,
    pub contents: Contents,
    /// Too large to be read: the data is missing, and the name is made up.
    pub too_large: bool,
}

/// Reads an attachment with its contents; `None` if it is gone. `memory` is the pass's own, if it holds any.
pub(crate) async fn contents(
    shared: &Shared,
    itop: &Itop,
    memory: Option<&Reservation>,
    id: u64,
    max_bytes: u64,
) -> Result<Option<ReadContents>, Error> {
    let query = Query::ids(&[id]).contents_up_to(max_bytes);
    let answer = itop.client_within(memory).get("Attachment", &query, &["id", "item_id", "contents"]).await;
    let found = match answer {
        Err(error) if error.class == ErrorClass::TooLarge => return without_contents(shared, itop, id).await,
        answer => report_read(shared, itop, "Attachment", answer)?,
    };
    Ok(found.objects.first().and_then(|object| {
        let item = object.number("item_id").unwrap_or_default();
        Some(ReadContents { item, contents: object.contents("contents")?.clone(), too_large: false })
    }))
}

/// Stands in for an attachment that does not fit into memory. iTop tells a name only together with the data.
async fn without_contents(shared: &Shared, itop: &Itop, id: u64) -> Result<Option<ReadContents>, Error> {
    let found = asked(shared, itop, "Attachment", &Query::ids(&[id]), &["id", "item_id"]).await?;
    Ok(found.objects.first().map(|object| {
        let item = object.number("item_id").unwrap_or_default();
        let contents = Contents::new("".into(), format!("attachment {id}"), "too large");
        ReadContents { item, contents, too_large: true }
    }))
}

/// Reads attachments with their contents: together if they fit into one answer, else in halves. A single one that is too
/// large is left out.
pub(crate) async fn all_contents(
    shared: &Shared,
    itop: &Itop,
    ids: &[u64],
    max_bytes: u64,
) -> Result<Vec<Object>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::ids(ids).contents_up_to(max_bytes);
    match itop.client.get("Attachment", &query, &["id", "contents"]).await {
        Err(error) if error.class == ErrorClass::TooLarge && ids.len() == 1 => Ok(Vec::new()),
        Err(error) if error.class == ErrorClass::TooLarge => {
            let (some, others) = ids.split_at(ids.len() / 2);
            let mut all = Box::pin(all_contents(shared, itop, some, max_bytes)).await?;
            all.extend(Box::pin(all_contents(shared, itop, others, max_bytes)).await?);
            Ok(all)
        }
        answer => {
            let found = report_read(shared, itop, "Attachment", answer).map_err(|error| Failure::of(itop, &error))?;
            Ok(found.objects)
        }
    }
}

/// Downloads an inline image. Its end is not reported: iTop asks for no log-in here, so an error says nothing about the
/// account, and whether the side is up shows better in the pass's next call.
pub(crate) async fn inline_image(
    itop: &Itop,
    memory: Option<&Reservation>,
    id: u64,
    secret: &str,
    max_bytes: u64,
) -> Result<Image, Error> {
    itop.client_within(memory).inline_image(id, secret, max_bytes).await
}
