//! The same instant on two servers' clocks. iTop prints and takes local times without a zone, so a date copied
//! unchanged is another moment on the other side.
//!
//! A server's zone comes from the configuration, or from the offsets that its answers have shown: every zone of the
//! world that had these offsets at these times is a candidate. A date crosses if all candidates agree on it. An offset
//! in November does not say what holds in July: where the candidates differ nothing is guessed, and the date waits.

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::ticket::Abroad;
use itop_bridge_core::{Lifecycle, Link, Policy, Side, Ticket};
use itop_bridge_store::{About, DirtyMark, Instance, Look, Store, StoreError, TicketOf};
use itop_bridge_text::date_format::{from_iso, is_iso, iso};
use itop_client::{Found, Object};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::side::dates::{in_iso, is_date, is_prose};
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::snapshot::Snapshot;
use crate::side::zone::Learnt;
use crate::{Lane, Shared};

/// The name of the store's cursor for the offsets.
const CURSOR: &str = "offsets";

/// At most this many offsets are kept: a few years of summers and winters.
const MOST: usize = 24;

/// The offsets that a server's answers have shown, and when.
#[derive(Debug, Clone, Default)]
pub struct Offsets {
    /// The server's local time and its offset then, the newest last.
    shown: Vec<(DateTime, Offset)>,
    /// The zones that fit all of them, once computed.
    zones: Option<Vec<TimeZone>>,
}

impl Offsets {
    /// Loads the offsets that an earlier process saw on this side.
    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<Offsets, StoreError> {
        let kept = store.cursor(of, CURSOR)?.unwrap_or_default();
        let shown = |line: &str| {
            let (seconds, at) = line.split_once(' ')?;
            Some((from_iso(at)?, Offset::from_seconds(seconds.parse().ok()?).ok()?))
        };
        Ok(Offsets { shown: kept.lines().filter_map(shown).collect(), zones: None })
    }

    fn as_text(&self) -> String {
        let line = |(at, offset): &(DateTime, Offset)| format!("{} {}", offset.seconds(), iso(*at));
        self.shown.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Adds an offset; returns whether it may tell something new.
    fn add(&mut self, at: DateTime, offset: Offset) -> bool {
        let month = |at: &DateTime| (at.year(), at.month());
        if self.shown.last().is_some_and(|(last, known)| *known == offset && month(last) == month(&at)) {
            return false;
        }
        self.shown.push((at, offset));
        self.shown.drain(..self.shown.len().saturating_sub(MOST));
        self.zones = None;
        true
    }

    /// The offset shown last.
    pub fn newest(&self) -> Option<Offset> {
        self.shown.last().map(|(_, offset)| *offset)
    }

    /// The zones that the server may be in. If no zone fits all offsets, the server was moved, and the newest ones
    /// count.
    pub fn zones(&mut self) -> &[TimeZone] {
        let shown = &self.shown;
        self.zones.get_or_insert_with(|| {
            let all = all_zones();
            let having = |shown: &[(DateTime, Offset)]| -> Vec<TimeZone> {
                let had = |zone: &&TimeZone| shown.iter().all(|(at, offset)| has(zone, *at, *offset));
                all.iter().filter(had).cloned().collect()
            };
            let newest = (0..shown.len()).map(|from| having(&shown[from..]));
            newest.into_iter().find(|zones| !zones.is_empty()).unwrap_or_default()
        })
    }
}

fn all_zones() -> Vec<TimeZone> {
    let names = jiff::tz::db().available();
    let is_one = |name: &str| !["right/", "posix/", "SystemV/"].iter().any(|prefix| name.starts_with(prefix));
    names.filter(|name| is_one(name.as_str())).filter_map(|name| TimeZone::get(name.as_str()).ok()).collect()
}

fn has(zone: &TimeZone, at: DateTime, offset: Offset) -> bool {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset: only } => only == offset,
        // In the hour that repeats or is skipped, either may be meant.
        AmbiguousOffset::Fold { before, after } | AmbiguousOffset::Gap { before, after } => {
            [before, after].contains(&offset)
        }
    }
}

/// The value, if all agree on it.
fn unanimous<T: PartialEq>(mut said: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = said.next()??;
    said.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// The instant of a local time, if all these zones agree on it.
fn instant(zones: &[TimeZone], local: DateTime) -> Option<Timestamp> {
    unanimous(zones.iter().map(|zone| zone.to_ambiguous_timestamp(local).compatible().ok()))
}

fn local(zones: &[TimeZone], instant: Timestamp) -> Option<DateTime> {
    unanimous(zones.iter().map(|zone| Some(zone.to_datetime(instant))))
}

/// Whether these zones agree on every day of the year from then on.
pub fn agree_for_a_year(zones: &[TimeZone], from: Timestamp) -> bool {
    const DAY_SECONDS: i64 = 86_400;
    let days = (0..366).filter_map(|day| Timestamp::from_second(from.as_second() + day * DAY_SECONDS).ok());
    !zones.is_empty() && days.into_iter().all(|day| local(zones, day).is_some())
}

/// A sweep's list, for the next sweep to compare: a difference means a change in between.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    from: String,
    date_ms: i64,
    tickets: BTreeMap<u64, String>,
}

impl Listed {
    /// Whether the ticket was changed or created after this sweep. A ticket that was hidden then, or restored by a
    /// backup, shows an old change; its id is no higher than the highest known one.
    fn lacks(&self, ticket: u64, last_update: &str, highest: u64) -> bool {
        match self.tickets.get(&ticket) {
            Some(listed) => listed.as_str() < last_update,
            None => last_update >= self.from.as_str() && ticket > highest,
        }
    }
}

/// Real offsets are multiples of this.
const STEP_MS: i64 = 15 * 60 * 1_000;
/// A call takes a while, and a time may be printed without seconds.
const SLACK_MS: i64 = 150 * 1_000;

/// Beyond this number only the tickets read in the last minutes are kept.
const MOST_READ_LATELY: usize = 1_000;

/// The server's own time of its answer.
fn date_of(found: &Found) -> Option<i64> {
    let date = DateTimeParser::new().parse_timestamp(found.date.as_deref()?).ok()?;
    Some(date.as_millisecond())
}

/// The offset shown by a change that was made between these moments.
fn offset_between(last_update: &str, after_ms: i64, before_ms: i64) -> Option<Learnt> {
    let as_utc = TimeZone::UTC.to_timestamp(from_iso(last_update)?).ok()?.as_millisecond();
    let least = (as_utc - before_ms - SLACK_MS + STEP_MS - 1).div_euclid(STEP_MS);
    let most = (as_utc - after_ms + SLACK_MS).div_euclid(STEP_MS);
    let offset = Offset::from_seconds(i32::try_from(least.checked_mul(STEP_MS)? / 1_000).ok()?).ok()?;
    (least == most).then(|| Learnt::shown(offset, last_update))
}

impl Itop {
    /// Calls `say` with the zones that this server may be in; with none if nothing is known.
    fn with_zones<T>(&self, say: impl FnOnce(&[TimeZone]) -> T) -> T {
        match &self.time_zone {
            Some(zone) => say(std::slice::from_ref(zone)),
            None => say(self.offsets().zones()),
        }
    }

    pub(crate) fn may_tell_instants(&self) -> bool {
        self.time_zone.is_some() || !self.offsets().shown.is_empty()
    }

    /// The offset that a sweep's answer shows, compared with the sweep before.
    pub(crate) fn offset_shown_by(&self, found: &Found, from: &str) -> Option<Learnt> {
        let date_ms = date_of(found)?;
        let change = |object: &Object| Some((object.id, object.text("last_update")?.to_owned()));
        let tickets: BTreeMap<u64, String> = found.objects.iter().filter_map(change).collect();
        let now = Listed { from: from.to_owned(), date_ms, tickets };
        let mut last = self.last_listed();
        let before = last.replace(now)?;
        let now = last.as_ref()?;
        let highest = self.highest_ticket();
        let changed = now.tickets.iter().filter(|(id, at)| before.lacks(**id, at, highest));
        changed.map(|(_, at)| offset_between(at, before.date_ms, date_ms)).next().flatten()
    }

    /// The offset shown by tickets that changed between two reads soon after each other.
    fn offset_shown_by_changes(&self, found: &Found) -> Option<Learnt> {
        let date_ms = date_of(found)?;
        let mut read = self.read_lately();
        if read.len() > MOST_READ_LATELY {
            read.retain(|_, (_, at_ms)| date_ms - *at_ms < STEP_MS);
        }
        let listed = self.last_listed();
        let mut shown = None;
        for object in &found.objects {
            let Some(at) = object.text("last_update").filter(|at| !at.is_empty()) else { continue };
            let before = read.insert(object.id, (at.to_owned(), date_ms));
            let after_ms = match before {
                Some((before, before_ms)) => (before.as_str() < at).then_some(before_ms),
                None => {
                    let listed = listed.as_ref().filter(|listed| listed.lacks(object.id, at, self.highest_ticket()));
                    listed.map(|listed| listed.date_ms)
                }
            };
            shown = shown.or_else(|| offset_between(at, after_ms?, date_ms));
        }
        shown
    }

    /// Converts this side's date to the other side's clock.
    fn abroad(&self, other: &Itop, date: &str) -> Abroad {
        let Some(here) = from_iso(date) else { return Abroad::At(date.to_owned()) };
        let Some(instant) = self.with_zones(|zones| instant(zones, here)) else {
            return Abroad::Unknown(self.why_unknown(here));
        };
        match other.with_zones(|zones| local(zones, instant)) {
            Some(there) => Abroad::At(iso(there)),
            None => Abroad::Unknown(other.why_unknown(here)),
        }
    }

    fn why_unknown(&self, at: DateTime) -> String {
        let (name, section) = (&self.name, self.section());
        let when = at.strftime("%B %Y");
        if self.may_tell_instants() {
            format!(
                "the zone of {name} in {when} is not known: set `time_zone` under {section}; until then this date waits"
            )
        } else {
            format!(
                "the zone of {name} is not known yet: it is learnt from its answers, or set `time_zone` under {section}; until then this date waits"
            )
        }
    }
}

/// Converts the crossing dates of both tickets to the other side's clock.
pub(crate) fn see_abroad(shared: &Shared, lane: &Lane, policy: &Policy, link: &Link, snapshot: &mut Snapshot) {
    for side in Side::BOTH {
        if let Some(ticket) = snapshot.ticket_mut(side) {
            shared.itop(lane, side).knows_the_seconds_of(ticket, &link.ancestor.side(side).fields);
            dates_abroad(shared, lane, policy, side, ticket);
        }
    }
}

pub(crate) fn dates_abroad(shared: &Shared, lane: &Lane, policy: &Policy, side: Side, ticket: &mut Ticket) {
    let (here, there) = (shared.itop(lane, side), shared.itop(lane, side.other()));
    let asked = policy.lifecycle(side.other()).map(Lifecycle::asked_anywhere).unwrap_or_default();
    let fields: BTreeSet<&str> = match side {
        Side::External => policy.fields.iter().map(String::as_str).collect(),
        Side::Internal => BTreeSet::new(),
    };
    let crosses = |code: &str| fields.contains(code) || asked.contains(code);
    // For an attribute that iTop's model does not name, the value decides.
    let dates = ticket
        .attributes
        .iter()
        .filter(|(code, value)| crosses(code) && is_iso(value) && (is_date(code) || !is_prose(code)));
    let dates: Vec<_> = dates.map(|(code, date)| (code.clone(), here.abroad(there, date))).collect();
    // Keeps the entries for unreadable dates.
    ticket.abroad.extend(dates);
}

/// Converts the dates of tickets to ISO, and learns the server's offset from them.
pub(crate) async fn tickets_in_iso(shared: &Shared, itop: &Itop, found: &mut Found) {
    in_iso(shared, itop, &mut found.objects).await;
    if let Some(shown) = itop.offset_shown_by_changes(found)
        && let Err(failure) = offset_was_shown(shared, itop, &shown).await
    {
        tracing::warn!(itop = %itop.name, error = %failure.text, "the offset of this iTop's times was not stored: it is learnt again");
    }
}

/// A server has shown its offset: marks the tickets that wait for a zone.
pub(crate) async fn offset_was_shown(shared: &Shared, itop: &Itop, shown: &Learnt) -> Result<(), Failure> {
    let Some(at) = from_iso(shown.since()) else { return Ok(()) };
    let kept = {
        let mut offsets = itop.offsets();
        if !offsets.add(at, shown.offset()) {
            return Ok(());
        }
        offsets.as_text()
    };
    let instance = itop.instance.clone();
    shared.store.call(move |store| store.set_cursor(&instance, CURSOR, &kept)).await?;
    look_at_waiting_dates(shared).await
}

/// Marks the tickets with a date that waits for its zone or format to be known.
pub(crate) async fn look_at_waiting_dates(shared: &Shared) -> Result<(), Failure> {
    let waiting = std::mem::take(&mut *shared.waits_for_date());
    if waiting.is_empty() {
        return Ok(());
    }
    let mark = |of| {
        let about = About::External { of, class: None };
        DirtyMark { about, look: Look::ticket(), due_ms: shared.now_ms() }
    };
    shared.store.mark_all(waiting.into_iter().map(mark).collect(), shared.now_ms()).await?;
    Ok(())
}

/// Records whether a date of this ticket waits for its zone or format to be known.
pub(crate) fn note_waiting_for_date(shared: &Shared, of: &TicketOf, waits: bool) {
    let mut waiting = shared.waits_for_date();
    if waits {
        waiting.insert(of.clone());
    } else {
        waiting.remove(of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(shown: &[(&str, i32)]) -> Offsets {
        let mut offsets = Offsets::default();
        for (at, hours) in shown {
            offsets.add(from_iso(at).unwrap(), Offset::from_seconds(hours * 3600).unwrap());
        }
        offsets
    }

    fn crossed(from: &mut Offsets, to: &mut Offsets, date: &str) -> Option<String> {
        let instant = instant(from.zones(), from_iso(date).unwrap())?;
        local(to.zones(), instant).map(iso)
    }

    #[test]
    fn a_date_crosses_where_every_zone_that_fits_says_the_same() {
        let mut jakarta = offsets(&[("2026-11-24 18:00:00", 7)]);
        let mut paris = offsets(&[("2026-11-24 12:00:00", 1)]);
        let winter = crossed(&mut jakarta, &mut paris, "2026-12-01 08:00:00");
        assert_eq!(winter.as_deref(), Some("2026-12-01 02:00:00"));
        // Lagos has no summer time, and nothing distinguishes it from Paris in November.
        assert_eq!(crossed(&mut jakarta, &mut paris, "2027-07-01 08:00:00"), None);
        assert!(agree_for_a_year(jakarta.zones(), Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000)));
        assert!(!agree_for_a_year(paris.zones(), "2026-11-24T11:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_summer_that_was_seen_tells_the_next() {
        let mut jakarta = offsets(&[("2026-11-24 18:00:00", 7)]);
        let mut paris = offsets(&[("2026-07-02 12:00:00", 2), ("2026-11-24 12:00:00", 1), ("2027-03-30 12:00:00", 2)]);
        let summer = crossed(&mut jakarta, &mut paris, "2027-07-01 08:00:00");
        assert_eq!(summer.as_deref(), Some("2027-07-01 03:00:00"));
    }

    #[test]
    fn a_server_that_was_moved_is_where_it_was_seen_last() {
        let mut moved = offsets(&[("2026-11-24 12:00:00", 1), ("2026-11-24 18:10:00", 7)]);
        let mut utc = offsets(&[("2026-11-24 11:00:00", 0), ("2026-07-24 11:00:00", 0)]);
        let crossed = crossed(&mut moved, &mut utc, "2026-12-01 08:00:00");
        assert_eq!(crossed.as_deref(), Some("2026-12-01 01:00:00"));
    }

    #[test]
    fn offsets_are_stored_as_text() {
        let kept = offsets(&[("2026-07-02 12:00:00", 2), ("2026-11-24 12:00:00", 1), ("2026-11-25 12:00:00", 1)]);
        assert_eq!(kept.as_text(), "7200 2026-07-02 12:00:00\n3600 2026-11-24 12:00:00");
        assert!(Offsets::default().zones().is_empty());
    }

    #[test]
    fn a_change_between_two_sweeps_shows_the_offset() {
        let utc = |text: &str| TimeZone::UTC.to_timestamp(from_iso(text).unwrap()).unwrap().as_millisecond();
        let (after, before) = (utc("2026-11-24 11:00:00"), utc("2026-11-24 11:05:01"));
        let shown = |at: &str| offset_between(at, after, before).map(|learnt| learnt.offset().seconds());
        assert_eq!(shown("2026-11-24 12:02:00"), Some(3600));
        assert_eq!(shown("2026-11-24 18:04:30"), Some(7 * 3600));
        assert_eq!(shown("2026-11-24 16:46:00"), Some(20_700));
        // No offset fits.
        assert_eq!(shown("2026-11-24 12:10:00"), None);
        // Two sweeps an hour apart show no offset.
        assert_eq!(offset_between("2026-11-24 12:02:00", after - 3_600_000, before), None);
    }
}
