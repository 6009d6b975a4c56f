//! The zone of an iTop's times, which it prints without one.
//!
//! The configuration names it, or it is learnt: the answer to a create of the bridge holds iTop's own time of the
//! create, and the web server's time of the answer in UTC. This yields an offset, but not since when it holds: a time
//! from before it was learnt may be in summer time. The offset is kept in the store, so that a report rewritten after a
//! restart says the same as before.

use itop_bridge_store::{Instance, Store, StoreError};
use itop_client::Written;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::instants::{Offsets, offset_was_shown};
use crate::side::itop::Itop;

/// The name of the store's cursor for the learnt offset.
const CURSOR: &str = "offset";

/// Learns from an answered create: `created` is the attribute with iTop's own time of it.
pub(crate) async fn learn_offset(
    shared: &Shared,
    itop: &Itop,
    written: &Written,
    created: &str,
) -> Result<(), Failure> {
    if let (Some(created), Some(date)) = (written.object.text(created), written.date.as_deref())
        && let Some(shown) = Learnt::from(created, date)
    {
        offset_was_shown(shared, itop, &shown).await?;
    }
    let Some(learnt) = itop.learn_offset(written, created) else { return Ok(()) };
    let instance = itop.instance.clone();
    Ok(shared.store.call(move |store| store.set_cursor(&instance, CURSOR, &learnt.as_text())).await?)
}

/// Loads the offsets that an earlier process learnt.
pub(crate) async fn remember_offsets(shared: &Shared) -> Result<(), Failure> {
    for itop in shared.itops() {
        let instance = itop.instance.clone();
        let kept = move |store: &mut dyn Store| {
            Ok::<_, StoreError>((Learnt::kept(store, &instance)?, Offsets::kept(store, &instance)?))
        };
        let (learnt, offsets) = shared.store.call(kept).await?;
        if let Some(learnt) = learnt {
            itop.remember_offset(learnt);
        }
        *itop.offsets() = offsets;
    }
    Ok(())
}

/// Real offsets are multiples of this.
const STEP_SECONDS: i64 = 15 * 60;
/// An answer that came later than this after the create proves no offset.
const MAX_SLACK_SECONDS: i64 = 5 * 60;

/// An offset proven by answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    offset: Offset,
    /// The first time with this offset, as iTop prints it.
    since: String,
}

impl Learnt {
    /// Derives the offset from a create's own time, as iTop prints it, and the HTTP `Date` of its answer.
    pub fn from(created: &str, date: &str) -> Option<Learnt> {
        let utc = DateTimeParser::new().parse_timestamp(date).ok()?.as_second();
        let ahead = TimeZone::UTC.to_timestamp(read(created)?).ok()?.as_second() - utc;
        let steps = (ahead + STEP_SECONDS / 2).div_euclid(STEP_SECONDS);
        if (ahead - steps * STEP_SECONDS).abs() > MAX_SLACK_SECONDS {
            return None;
        }
        let offset = Offset::from_seconds(i32::try_from(steps * STEP_SECONDS).ok()?).ok()?;
        Some(Learnt { offset, since: created.to_owned() })
    }

    /// The offset that an earlier process learnt for this side.
    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<Option<Learnt>, StoreError> {
        Ok(store.cursor(of, CURSOR)?.as_deref().and_then(Learnt::from_text))
    }

    /// An offset shown at that server time.
    pub(crate) fn shown(offset: Offset, at: &str) -> Learnt {
        Learnt { offset, since: at.to_owned() }
    }

    pub(crate) fn since(&self) -> &str {
        &self.since
    }

    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Whether the zone had another offset when this one was learnt.
    pub fn contradicts(&self, zone: &TimeZone) -> bool {
        let at = read(&self.since).map(|since| zone.to_ambiguous_timestamp(since).offset());
        match at {
            // In the hour that repeats or is skipped, either may be meant.
            Some(AmbiguousOffset::Fold { before, after } | AmbiguousOffset::Gap { before, after }) => {
                ![before, after].contains(&self.offset)
            }
            Some(AmbiguousOffset::Unambiguous { offset }) => offset != self.offset,
            None => false,
        }
    }

    /// Updates the known offset with a newer answer.
    pub fn then(known: Option<Learnt>, newer: Learnt) -> Learnt {
        known.filter(|known| known.offset == newer.offset).unwrap_or(newer)
    }

    /// For the store: the offset in seconds, and its first time.
    pub fn as_text(&self) -> String {
        format!("{} {}", self.offset.seconds(), self.since)
    }

    pub fn from_text(text: &str) -> Option<Learnt> {
        let (seconds, since) = text.split_once(' ')?;
        let offset = Offset::from_seconds(seconds.parse().ok()?).ok()?;
        Some(Learnt { offset, since: since.to_owned() })
    }

    /// The zone of a time as iTop prints it, if known.
    fn zone_of(&self, date: &str) -> Option<TimeZone> {
        (date >= self.since.as_str()).then(|| TimeZone::fixed(self.offset))
    }
}

/// Prints an iTop's time, as that iTop prints it, for people of the other side.
pub fn print(date: &str, configured: Option<&TimeZone>, learnt: Option<&Learnt>) -> String {
    let zone = configured.cloned().or_else(|| learnt?.zone_of(date));
    let zoned = zone.and_then(|zone| zone.to_ambiguous_zoned_datetime(read(date)?).compatible().ok());
    match zoned {
        Some(zoned) => zoned.strftime(WITH_OFFSET).to_string(),
        None => format!("{date} (server time)"),
    }
}

/// Prints a moment on that server's clock; in UTC if its zone at that time is not known.
pub fn print_moment(ms: i64, configured: Option<&TimeZone>, learnt: Option<&Learnt>) -> String {
    let Ok(moment) = Timestamp::from_millisecond(ms) else { return format!("{ms} ms") };
    let there = |learnt: &Learnt| {
        let local = TimeZone::fixed(learnt.offset).to_datetime(moment);
        learnt.zone_of(&local.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    let zone = configured.cloned().or_else(|| there(learnt?));
    ZonedDateTime::new(moment, zone.unwrap_or(TimeZone::UTC)).strftime(WITH_OFFSET).to_string()
}

const WITH_OFFSET: &str = "%Y-%m-%d %H:%M:%S %:z";

fn read(date: &str) -> Option<DateTime> {
    date.replacen(' ', "T", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Tue, 24 Nov 2026 12:00:00 GMT";

    fn printed(date: &str, learnt: Option<&Learnt>) -> String {
        print(date, None, learnt)
    }

    #[test]
    fn a_time_of_an_unknown_zone_is_the_servers() {
        assert_eq!(printed("2026-11-24 13:00:00", None), "2026-11-24 13:00:00 (server time)");
        let zone = TimeZone::get("Europe/Paris").unwrap();
        assert_eq!(print("2026-07-01 13:00:00", Some(&zone), None), "2026-07-01 13:00:00 +02:00");
        assert_eq!(print("", Some(&zone), None), " (server time)");
    }

    #[test]
    fn a_moment_is_told_on_the_servers_clock_where_its_zone_is_known() {
        let noon = "2026-11-24T12:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let jakarta = TimeZone::get("Asia/Jakarta").unwrap();
        let learnt = Learnt::from("2026-11-24 13:00:00", NOON);
        assert_eq!(print_moment(noon, Some(&jakarta), learnt.as_ref()), "2026-11-24 19:00:00 +07:00");
        assert_eq!(print_moment(noon, None, learnt.as_ref()), "2026-11-24 13:00:00 +01:00");
        // Before this offset was learnt, another may have held.
        assert_eq!(print_moment(noon - 1_000, None, learnt.as_ref()), "2026-11-24 11:59:59 +00:00");
        assert_eq!(print_moment(noon, None, None), "2026-11-24 12:00:00 +00:00");
    }

    #[test]
    fn an_offset_is_learnt_from_a_create_and_the_answers_date() {
        for (created, offset) in [
            ("2026-11-24 13:00:00", "+01:00"),
            ("2026-11-24 12:59:40", "+01:00"),
            ("2026-11-24 13:00:02", "+01:00"),
            ("2026-11-24 17:44:50", "+05:45"),
            ("2026-11-24 08:30:00", "-03:30"),
            ("2026-11-24 11:59:59", "+00:00"),
        ] {
            let learnt = Learnt::from(created, NOON).unwrap();
            assert_eq!(printed(created, Some(&learnt)), format!("{created} {offset}"));
        }
    }

    #[test]
    fn what_was_learnt_is_stored_as_text_and_read_again() {
        for created in ["2026-11-24 17:44:50", "2026-11-24 08:30:00"] {
            let learnt = Learnt::from(created, NOON).unwrap();
            assert_eq!(Learnt::from_text(&learnt.as_text()), Some(learnt));
        }
        assert_eq!(Learnt::from_text("an hour"), None);
    }

    #[test]
    fn a_zone_with_another_offset_at_that_time_is_contradicted() {
        let winter = Learnt::from("2026-11-24 13:00:00", NOON).unwrap();
        let zone = |name: &str| TimeZone::get(name).unwrap();
        assert!(!winter.contradicts(&zone("Europe/Paris")));
        assert!(winter.contradicts(&zone("Asia/Jakarta")));
        assert!(winter.contradicts(&zone("UTC")));
        let repeated = Learnt::from("2026-10-25 02:30:00", "Sun, 25 Oct 2026 00:30:00 GMT").unwrap();
        assert!(!repeated.contradicts(&zone("Europe/Paris")));
    }

    #[test]
    fn what_tells_no_offset_for_sure_is_not_learnt() {
        for created in ["2026-11-24 12:53:00", "2026-12-24 13:00:00", "", "yesterday"] {
            assert_eq!(Learnt::from(created, NOON), None, "{created}");
        }
        assert_eq!(Learnt::from("2026-11-24 13:00:00", "not a date"), None);
    }

    #[test]
    fn a_time_from_before_an_offset_was_met_is_the_servers() {
        let known = Learnt::from("2026-11-24 13:00:00", NOON);
        let learnt = Learnt::then(known, Learnt::from("2026-11-24 14:00:00", "Tue, 24 Nov 2026 13:00:00 GMT").unwrap());
        assert_eq!(printed("2026-11-24 13:30:00", Some(&learnt)), "2026-11-24 13:30:00 +01:00");
        assert_eq!(printed("2026-07-01 12:00:00", Some(&learnt)), "2026-07-01 12:00:00 (server time)");
        let changed =
            Learnt::then(Some(learnt), Learnt::from("2026-11-24 20:00:00", "Tue, 24 Nov 2026 13:00:00 GMT").unwrap());
        assert_eq!(printed("2026-11-24 13:30:00", Some(&changed)), "2026-11-24 13:30:00 (server time)");
        assert_eq!(printed("2026-11-24 20:00:01", Some(&changed)), "2026-11-24 20:00:01 +07:00");
    }
}
