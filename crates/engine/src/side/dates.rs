//! Converts printed dates to ISO as soon as they are read: no later code compares or shows another form.
//!
//! The format is configured, or learnt: a printed date fits few formats, and iTop itself tells which of them it uses,
//! since OQL compares in ISO form. A side that prints ISO, as iTop does by default, costs no call.
//!
//! An administrator may change the format at any time, and `05/06/2026` is a date in two formats. So a date is doubted
//! if it cannot be read, lies ahead, or contradicts an earlier read of the same ticket; and so is the first date of a
//! process. A doubted date is checked with iTop before it is believed.

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::Ticket;
use itop_bridge_core::ticket::Abroad;
use itop_bridge_store::{Instance, Store, StoreError};
use itop_bridge_text::date_format::{DateFormat, from_iso, is_iso, iso};
use itop_client::{FieldValue, Object, Query, oql_quote};
use jiff::ToSpan;
use jiff::civil::DateTime;
use serde_json::Value as Json;

use crate::Shared;
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::instants::look_at_waiting_dates;
use crate::side::itop::Itop;

/// The name of the store's cursor for the learnt format.
const CURSOR: &str = "date_format";

/// The name of the store's cursor for a date that could be read in no format when one was last read.
const UNREAD: &str = "unread_date";

/// No server's local time is further ahead of UTC; includes some minutes for a fast clock.
const FARTHEST_AHEAD_MS: i64 = 15 * 3_600_000;

/// The state of knowledge about a side's date format.
pub(crate) struct Dates {
    format: DateFormat,
    /// iTop was asked in this process, or its dates fit only one format.
    is_confirmed: bool,
    /// A date could be read in no format, and none has been read since.
    is_unread: bool,
    has_warned: bool,
}

impl Default for Dates {
    fn default() -> Dates {
        Dates { format: DateFormat::iso(), is_confirmed: false, is_unread: false, has_warned: false }
    }
}

/// The format of a side that an earlier process learnt.
pub fn kept_date_format(store: &mut dyn Store, of: &Instance) -> Result<Option<DateFormat>, StoreError> {
    Ok(store.cursor(of, CURSOR)?.and_then(|format| DateFormat::parse(&format).ok()))
}

/// A date of a side that can be read in no format; cleared once a date is read again.
pub fn unread_date(store: &mut dyn Store, of: &Instance) -> Result<Option<String>, StoreError> {
    store.cursor(of, UNREAD)
}

/// Whether the attribute is a date in iTop's own data model. For other attributes the value decides.
pub(crate) fn is_date(code: &str) -> bool {
    code == "last_update" || code == "expire" || code.ends_with("_date") || code.ends_with("_deadline")
}

/// Text that a person writes may look like a date and stays as it is.
pub(crate) fn is_prose(code: &str) -> bool {
    const PROSE: [&str; 9] = [
        "title",
        "description",
        "solution",
        "pending_reason",
        "user_comment",
        "ref",
        "temp_id",
        "friendlyname",
        "escalation_reason",
    ];
    PROSE.contains(&code) || code.ends_with("_name") || code.ends_with("_friendlyname") || code.ends_with("_comment")
}

/// The earliest meaning of a date that an older version stored as printed.
pub(crate) fn earliest(kept: &str) -> Option<String> {
    if is_iso(kept) { Some(kept.to_owned()) } else { DateFormat::readings(kept).into_iter().next() }
}

/// One printed date of an object.
struct Printed<'a> {
    object: &'a Object,
    code: &'a str,
    text: &'a str,
}

fn printed(objects: &[Object]) -> Vec<Printed<'_>> {
    let mut printed = Vec::new();
    for object in objects {
        let dates = object.fields.keys().filter(|code| is_date(code));
        let dates = dates.filter_map(|code| Some(Printed { object, code, text: object.text(code)? }));
        printed.extend(dates.filter(|printed| !printed.text.is_empty()));
    }
    printed
}

impl Itop {
    pub(crate) fn date_format(&self) -> DateFormat {
        self.dates().format.clone()
    }

    /// Sets the format that the configuration or an earlier process gave.
    pub(crate) fn prints_dates_as(&self, format: DateFormat) {
        self.dates().format = format;
    }

    /// The next date is checked with iTop before it is believed.
    pub(crate) fn doubts_its_dates(&self) {
        self.dates().is_confirmed = false;
        self.seen().forget_tickets();
    }

    /// Without seconds, a second change may hide in the printed minute.
    pub(crate) fn unseen_for_ms(&self) -> i64 {
        if self.dates().format.has_seconds() { 0 } else { 60_000 }
    }

    fn is_doubted(&self, objects: &[Object], now_ms: i64) -> bool {
        let (format, is_confirmed) = {
            let dates = self.dates();
            (dates.format.clone(), dates.is_confirmed)
        };
        let printed = printed(objects);
        if printed.iter().any(|printed| format.read(printed.text).is_none()) {
            return true;
        }
        // ISO is the one form that fits every iTop.
        !format.is_iso()
            && printed.iter().filter(|printed| printed.code == "last_update").any(|printed| {
                let readings = DateFormat::readings(printed.text);
                let Some(reading) = format.read(printed.text).filter(|_| readings.len() > 1) else { return false };
                let seen = self.seen().last(printed.object.id).map(str::to_owned).filter(|seen| *seen != reading);
                let contradicts = seen.is_some_and(|seen| readings.contains(&seen) || reading < seen);
                !is_confirmed || contradicts || lies_ahead(&reading, now_ms)
            })
    }

    /// Converts an object's dates to ISO. A date that cannot be read becomes null: unknown, not empty.
    pub(crate) fn to_iso(&self, object: &mut Object) {
        let format = self.date_format();
        let is_iso_format = format.is_iso();
        for (code, value) in &mut object.fields {
            let FieldValue::Json(Json::String(text)) = value else { continue };
            let is_date = is_date(code);
            if text.is_empty() || (!is_date && (is_iso_format || is_prose(code))) {
                continue;
            }
            match format.read(text).or_else(|| only_reading(text).filter(|_| is_date)) {
                Some(read) => *text = read,
                None if is_date && !is_iso(text) && !is_day(text) => *value = FieldValue::Json(Json::Null),
                None => {}
            }
        }
    }

    /// If this side prints no seconds, a date within the agreed minute counts as the agreed date.
    pub(crate) fn knows_the_seconds_of(&self, ticket: &mut Ticket, agreed: &BTreeMap<String, String>) {
        const MINUTES: usize = "2026-11-29 18:00".len();
        if self.date_format().has_seconds() {
            return;
        }
        for (code, value) in ticket.attributes.iter_mut().filter(|(_, value)| is_iso(value)) {
            if let Some(agreed) = agreed.get(code).filter(|agreed| is_iso(agreed))
                && agreed[..MINUTES] == value[..MINUTES]
            {
                value.clone_from(agreed);
            }
        }
    }

    /// The requested dates that could not be read, each with the reason.
    pub(crate) fn unread_dates(&self, object: &Object, asked: &BTreeSet<String>) -> BTreeMap<String, Abroad> {
        let is_unread = |code: &&String| is_date(code) && object.json(code).is_some_and(Json::is_null);
        let unread = asked.iter().filter(is_unread);
        unread.map(|code| (code.clone(), Abroad::Unknown(self.why_unread()))).collect()
    }

    fn why_unread(&self) -> String {
        format!(
            "how {} prints dates is not known: set `date_format` under {} to its `date_and_time_format`; until then this date waits",
            self.name,
            self.section()
        )
    }

    /// Converts a date of this side that an older version stored as printed.
    pub(crate) fn kept_as_iso(&self, kept: &str) -> Option<String> {
        if kept.is_empty() || is_iso(kept) || is_day(kept) {
            Some(kept.to_owned())
        } else {
            self.date_format().read(kept)
        }
    }
}

fn is_day(text: &str) -> bool {
    text.len() == "2026-11-29".len() && text.parse::<jiff::civil::Date>().is_ok()
}

/// The moment of a printed date, if all formats that can read it agree.
fn only_reading(printed: &str) -> Option<String> {
    let mut readings = DateFormat::readings(printed).into_iter();
    readings.next().filter(|_| readings.next().is_none())
}

fn lies_ahead(reading: &str, now_ms: i64) -> bool {
    let utc = from_iso(reading).and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time).ok());
    utc.is_some_and(|utc| utc.as_millisecond() > now_ms.saturating_add(FARTHEST_AHEAD_MS))
}

/// Converts the dates of these objects to ISO; if the format is in doubt, asks iTop first.
pub(crate) async fn in_iso(shared: &Shared, itop: &Itop, objects: &mut [Object]) {
    if itop.is_doubted(objects, shared.now_ms()) {
        let _one_at_a_time = itop.learning_dates.lock().await;
        if itop.is_doubted(objects, shared.now_ms()) {
            learn_date_format(shared, itop, objects).await;
        }
    } else if itop.dates().is_unread && !printed(objects).is_empty() {
        let _one_at_a_time = itop.learning_dates.lock().await;
        reads_dates(shared, itop).await;
    }
    objects.iter_mut().for_each(|object| itop.to_iso(object));
}

async fn learn_date_format(shared: &Shared, itop: &Itop, objects: &[Object]) {
    let printed: Vec<Printed<'_>> = printed(objects).into_iter().filter(|printed| !is_day(printed.text)).collect();
    let Some(first) = printed.iter().find(|printed| !is_iso(printed.text)) else {
        return prints_dates_as(shared, itop, DateFormat::iso()).await;
    };
    let mut candidates = DateFormat::candidates(first.text);
    let present = itop.date_format();
    if present.read(first.text).is_some() && !candidates.contains(&present) {
        candidates.insert(0, present);
    }
    let fits = |format: &DateFormat| {
        let of_time = printed.iter().filter(|printed| !is_iso(printed.text));
        of_time.clone().filter(|printed| printed.text.contains(':')).all(|printed| format.read(printed.text).is_some())
    };
    candidates.retain(fits);
    match confirmed(shared, itop, &printed, &candidates).await {
        Ok(Some(format)) => prints_dates_as(shared, itop, format).await,
        Ok(None) if candidates.is_empty() => {
            let of_none = printed.iter().find(|printed| DateFormat::candidates(printed.text).is_empty());
            reads_no_date(shared, itop, of_none.unwrap_or(first).text).await;
        }
        // None of these dates distinguishes the formats, or the ticket has changed meanwhile: the next read
        // decides.
        Ok(None) => {}
        Err(failure) => {
            tracing::warn!(itop = %itop.name, error = %failure.text, "how this iTop prints dates could not be asked");
        }
    }
}

/// The format in which iTop confirms the printed date.
async fn confirmed(
    shared: &Shared,
    itop: &Itop,
    printed: &[Printed<'_>],
    candidates: &[DateFormat],
) -> Result<Option<DateFormat>, Failure> {
    if let [only] = candidates {
        return Ok(Some(only.clone()));
    }
    let readings = |printed: &Printed<'_>| -> BTreeSet<String> {
        candidates.iter().filter_map(|format| format.read(printed.text)).collect()
    };
    let Some(tells) = printed.iter().max_by_key(|printed| readings(printed).len()) else { return Ok(None) };
    if readings(tells).len() < 2 {
        return Ok(None);
    }
    for format in candidates {
        let Some(reading) = format.read(tells.text) else { continue };
        if is_held_as(shared, itop, tells, &reading, format.has_seconds()).await? {
            return Ok(Some(format.clone()));
        }
    }
    Ok(None)
}

async fn is_held_as(
    shared: &Shared,
    itop: &Itop,
    of: &Printed<'_>,
    reading: &str,
    to_the_second: bool,
) -> Result<bool, Failure> {
    let Some(from) = from_iso(reading) else { return Ok(false) };
    let to = if to_the_second { from } else { from.saturating_add(59.seconds()) };
    let (class, id, code) = (&of.object.class, of.object.id, of.code);
    let (from, to) = (oql_quote(&iso(from)), oql_quote(&iso(to)));
    let oql = format!("SELECT {class} WHERE id = {id} AND {code} >= {from} AND {code} <= {to}");
    let found = call::get(shared, itop, class, &Query::oql(oql), &["id"]).await?;
    Ok(!found.objects.is_empty())
}

async fn prints_dates_as(shared: &Shared, itop: &Itop, format: DateFormat) {
    if itop.dates().is_unread {
        reads_dates(shared, itop).await;
    }
    let is_news = {
        let mut dates = itop.dates();
        dates.is_confirmed = true;
        let before = std::mem::replace(&mut dates.format, format.clone());
        before != format
    };
    if let Err(failure) = look_at_waiting_dates(shared).await {
        tracing::warn!(itop = %itop.name, error = %failure.text, "tickets whose dates wait were not marked: they are looked at when they change");
    }
    if !is_news {
        return;
    }
    tracing::info!(itop = %itop.name, format = %format, "this iTop prints dates so");
    // Dates read in the wrong format are no measure.
    itop.seen().forget_tickets();
    let (instance, text) = (itop.instance.clone(), format.to_string());
    let keep = move |store: &mut dyn Store| match store.is_to_read() {
        true => Ok(()),
        false => store.set_cursor(&instance, CURSOR, &text),
    };
    if let Err(error) = shared.store.call(keep).await {
        tracing::warn!(itop = %itop.name, %error, "how this iTop prints dates was not stored: the next start learns it again");
    }
}

/// Warns once, and keeps the date for `check`.
async fn reads_no_date(shared: &Shared, itop: &Itop, text: &str) {
    if std::mem::replace(&mut itop.dates().is_unread, true) {
        return;
    }
    if !std::mem::replace(&mut itop.dates().has_warned, true) {
        tracing::warn!(
            itop = %itop.name,
            "this iTop prints a date as {text:?}, which can be read in no format: set `date_format` of this side to its `date_and_time_format`; until then its dates are unknown"
        );
    }
    keep_unread(shared, itop, Some(text.to_owned())).await;
}

async fn reads_dates(shared: &Shared, itop: &Itop) {
    itop.dates().is_unread = false;
    keep_unread(shared, itop, None).await;
}

async fn keep_unread(shared: &Shared, itop: &Itop, text: Option<String>) {
    let instance = itop.instance.clone();
    let keep = move |store: &mut dyn Store| match text {
        _ if store.is_to_read() => Ok(()),
        Some(text) => store.set_cursor(&instance, UNREAD, &text),
        None => store.drop_cursor(&instance, UNREAD),
    };
    if let Err(error) = shared.store.call(keep).await {
        tracing::warn!(itop = %itop.name, %error, "whether its dates can be read was not stored: `check` may say what was so before");
    }
}

/// Loads the formats that an earlier process learnt. A configured format takes precedence.
pub(crate) async fn remember_date_formats(shared: &Shared) -> Result<(), Failure> {
    for itop in shared.itops() {
        let instance = itop.instance.clone();
        let kept = shared.store.call(move |store| kept_date_format(store, &instance)).await?;
        if let Some(format) = kept.filter(|_| itop.stated_date_format.is_none()) {
            itop.prints_dates_as(format);
        }
        let instance = itop.instance.clone();
        itop.dates().is_unread = shared.store.call(move |store| unread_date(store, &instance)).await?.is_some();
    }
    Ok(())
}

/// A server time earlier by so many seconds; unchanged if it is no time.
pub(crate) fn earlier(server_time: &str, seconds: i64) -> String {
    let Ok(time) = server_time.parse::<DateTime>() else { return server_time.to_owned() };
    let earlier = time.checked_sub(seconds.seconds()).unwrap_or(time);
    earlier.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Whether the time went back by more than the hour that repeats when summer time ends.
pub(crate) fn is_back(before: &str, now: &str, overlap_seconds: i64) -> bool {
    let is_time = |text: &str| text.parse::<DateTime>().is_ok();
    is_time(now) && is_time(before) && now < earlier(before, overlap_seconds).as_str()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cursor_reaches_back_over_the_hour_that_repeats() {
        assert_eq!(super::earlier("2026-10-25 02:30:00", 65 * 60), "2026-10-25 01:25:00");
        assert_eq!(super::earlier("never", 60), "never");
    }
}
