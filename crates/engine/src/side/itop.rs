//! One iTop as the engine sees it: its client, and the facts learnt about it while working.
//!
//! Learnt facts (attributes that a class lacks, whether an attribute is plain text or HTML, whether it is escaped once
//! more when read, the highest ticket id) are kept in memory: after a restart, learning them again costs a call, and
//! never an error. The zone of its times, its date format and the room of its attributes are in the store too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use itop_bridge_core::Side;
use itop_bridge_core::words::Console;
use itop_bridge_store::Instance;
use itop_bridge_text::date_format::DateFormat;
use itop_bridge_text::room::Room;
use itop_client::{Client, Error, ErrorClass, Memory, Reservation, Written};
use tokio::sync::{Notify, OnceCell};

use crate::side::breaker::Breaker;
use crate::side::dates::{Dates, is_back};
use crate::side::halting::Halts;
use crate::side::instants::{Listed, Offsets};
use crate::side::login::LoginSource;
use crate::side::room::LearntRoom;
use crate::side::throttle::Throttled;
use crate::side::unreadable::{Loaded, Unreadable};
use crate::side::zone::{self, Learnt};

pub struct Itop {
    /// Its name in the configuration.
    pub name: String,
    pub instance: Instance,
    /// Only this layer calls it: `call` reads, `send` changes.
    pub(in crate::side) client: Client,
    /// The addresses that its own links lead to.
    console: Mutex<Console>,
    /// A sent call may take effect for this long.
    pub settle_ms: i64,
    /// A call ends after this long without a byte.
    pub timeout_ms: i64,
    /// The zone of the server's times, if configured.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// Its date format, if configured.
    pub stated_date_format: Option<DateFormat>,
    /// The source of its log-in.
    pub(crate) login_source: Option<Arc<dyn LoginSource>>,
    /// iTop has refused the log-in and not accepted it since.
    pub(crate) login_is_refused: AtomicBool,
    /// Held by the task that learns the date format; others wait for it.
    pub(crate) learning_dates: tokio::sync::Mutex<()>,
    dates: Mutex<Dates>,
    offsets: Mutex<Offsets>,
    last_listed: Mutex<Option<Listed>>,
    /// The `last_update` of recently read tickets, and the server's time of the answer.
    read_lately: Mutex<HashMap<u64, (String, i64)>>,
    known: Mutex<Known>,
    breaker: Mutex<Breaker>,
    pub(crate) halts: Halts,
    /// Set once the witnesses that an earlier process stored were loaded.
    pub(crate) knows_witnesses: OnceCell<()>,
    /// Wakes the prober when the breaker wants a probe.
    pub(crate) trouble: Notify,
}

#[derive(Default)]
struct Known {
    missing: HashMap<String, BTreeSet<String>>,
    formats: HashMap<(String, String), Format>,
    /// Attributes, by class and code, whose text is answered with every `&` escaped once more.
    escaped: BTreeSet<(String, String)>,
    highest_ticket: u64,
    /// The offset of the server's times from UTC.
    offset: Option<Learnt>,
    room: LearntRoom,
    seen: HashMap<u64, Seen>,
    /// Attachments that a sweep has seen, within its overlap.
    attachments: BTreeSet<u64>,
    /// How many answers this iTop has given.
    answers: u64,
    unreadable: HashMap<(Loaded, u64), Unreadable>,
    throttled: Option<Throttled>,
    sweeps: Sweeps,
}

/// When the side was last swept, and the next sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sweeps {
    pub last_ms: Option<i64>,
    pub next_ms: Option<i64>,
}

/// The format of a text attribute; it differs between iTop's versions (`solution` is plain in 3.1 and HTML in 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    Html,
}

/// The last `last_update` that a pass or a sweep has read.
struct Seen {
    last_update: String,
    first_met_ms: i64,
    settled: bool,
}

impl Itop {
    pub fn new(name: String, instance: Instance, client: Client, settle_ms: i64, timeout_ms: i64) -> Itop {
        let (known, breaker) = (Mutex::default(), Mutex::default());
        let console = Mutex::new(Console::at(client.base_url()));
        let (halts, knows_witnesses, trouble) = (Halts::default(), OnceCell::new(), Notify::new());
        Itop {
            name,
            instance,
            client,
            console,
            settle_ms,
            timeout_ms,
            time_zone: None,
            stated_date_format: None,
            login_source: None,
            login_is_refused: AtomicBool::new(false),
            learning_dates: tokio::sync::Mutex::default(),
            dates: Mutex::default(),
            offsets: Mutex::default(),
            last_listed: Mutex::default(),
            read_lately: Mutex::default(),
            known,
            breaker,
            halts,
            knows_witnesses,
            trouble,
        }
    }

    /// Sets the source of a corrected log-in.
    pub fn with_login_from(self, source: Arc<dyn LoginSource>) -> Itop {
        Itop { login_source: Some(source), ..self }
    }

    /// The addresses that its own links lead to.
    pub fn console(&self) -> Console {
        self.console.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns another address that the iTop uses for itself.
    pub fn learn_address(&self, url: &str, other: &Console) {
        if self.console.lock().unwrap_or_else(PoisonError::into_inner).learn_address(url, other) {
            tracing::info!(
                side = self.name,
                url,
                "this iTop also uses this address for itself: links to it cross as words"
            );
        }
    }

    /// Sets the zone of the server's times, if configured.
    pub fn in_time_zone(self, time_zone: Option<jiff::tz::TimeZone>) -> Itop {
        Itop { time_zone, ..self }
    }

    /// Sets its date format, if configured.
    pub fn in_date_format(self, stated: Option<DateFormat>) -> Itop {
        if let Some(format) = &stated {
            self.prints_dates_as(format.clone());
        }
        Itop { stated_date_format: stated, ..self }
    }

    pub(crate) fn dates(&self) -> MutexGuard<'_, Dates> {
        self.dates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list of this process's last sweep.
    pub(crate) fn last_listed(&self) -> MutexGuard<'_, Option<Listed>> {
        self.last_listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read_lately(&self) -> MutexGuard<'_, HashMap<u64, (String, i64)>> {
        self.read_lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints this iTop's time, as it prints it, for people of the other side: with its zone, if configured or learnt.
    pub fn print_time(&self, date: &str) -> String {
        zone::print(date, self.time_zone.as_ref(), self.known().offset.as_ref())
    }

    /// Prints a moment of the bridge's clock as this iTop's people would write it.
    pub fn print_moment(&self, ms: i64) -> String {
        zone::print_moment(ms, self.time_zone.as_ref(), self.known().offset.as_ref())
    }

    /// Learns from an answered create: `created` is the attribute with iTop's own time of it. Returns a new offset.
    pub(crate) fn learn_offset(&self, written: &Written, created: &str) -> Option<Learnt> {
        let (created, date) = (written.object.text(created)?, written.date.as_deref()?);
        let newer = Learnt::from(created, date)?;
        let mut known = self.known();
        let before = known.offset.take();
        let learnt = Learnt::then(before.clone(), newer);
        known.offset = Some(learnt.clone());
        (before.as_ref() != Some(&learnt)).then_some(learnt)
    }

    /// How much of a text the attribute takes.
    pub fn room(&self, class: &str, code: &str) -> Room {
        self.known().room.of(class, code)
    }

    /// Returns all limits known afterwards.
    pub(crate) fn learn_room(&self, learn: impl FnOnce(&mut LearntRoom)) -> LearntRoom {
        let mut known = self.known();
        learn(&mut known.room);
        known.room.clone()
    }

    pub(crate) fn remember_offset(&self, learnt: Learnt) {
        self.known().offset.get_or_insert(learnt);
    }

    pub fn side(&self) -> Side {
        self.instance.side()
    }

    /// Its section of the configuration, for advice to the operator.
    pub(crate) fn section(&self) -> String {
        format!("[{}]", self.instance.key())
    }

    /// The budget of memory for file contents.
    pub(crate) fn memory(&self) -> &Memory {
        self.client.memory()
    }

    /// The client, whose calls take their memory from this reservation, if any.
    pub(in crate::side) fn client_within(&self, memory: Option<&Reservation>) -> Client {
        memory.map_or_else(|| self.client.clone(), |memory| self.client.within(memory))
    }

    pub fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attributes that the class is not known to lack.
    pub fn present(&self, class: &str, attributes: &BTreeSet<String>) -> BTreeSet<String> {
        let known = self.known();
        match known.missing.get(class) {
            Some(missing) => attributes.difference(missing).cloned().collect(),
            None => attributes.clone(),
        }
    }

    pub fn has_attribute(&self, class: &str, code: &str) -> bool {
        !self.known().missing.get(class).is_some_and(|missing| missing.contains(code))
    }

    /// Whether the error names an attribute that was sent or requested and that the class lacks. Concurrent calls all
    /// see it as learnt.
    pub fn learn_missing(&self, class: &str, error: &Error, sent: &[&str]) -> bool {
        match &error.class {
            ErrorClass::UnknownAttribute { attribute } if sent.contains(&attribute.as_str()) => {
                if self.known().missing.entry(class.to_owned()).or_default().insert(attribute.clone()) {
                    tracing::info!(itop = %self.name, class, attribute, "this class does not have the attribute; it is left out");
                }
                true
            }
            _ => false,
        }
    }

    pub fn format(&self, class: &str, code: &str) -> Option<Format> {
        self.known().formats.get(&(class.to_owned(), code.to_owned())).copied()
    }

    pub fn learn_format(&self, class: &str, code: &str, format: Format) {
        self.known().formats.insert((class.to_owned(), code.to_owned()), format);
    }

    pub fn escapes_once_more(&self, class: &str, code: &str) -> bool {
        self.known().escaped.contains(&(class.to_owned(), code.to_owned()))
    }

    pub fn learn_escaping_once_more(&self, class: &str, code: &str) {
        self.known().escaped.insert((class.to_owned(), code.to_owned()));
    }

    /// The highest known ticket id: later tickets have a higher one.
    pub fn highest_ticket(&self) -> u64 {
        self.known().highest_ticket
    }

    pub fn met_ticket(&self, id: u64) {
        let mut known = self.known();
        known.highest_ticket = known.highest_ticket.max(id);
    }

    /// A linked ticket vanished: after a restore, ids are given out again, and the highest known one proves nothing.
    pub fn ids_may_start_over(&self) {
        self.known().highest_ticket = 0;
    }

    /// A pass has read this `last_update`. iTop's times are whole seconds, and a second change may hide in the same
    /// one: so the value counts as seen only if it was read a while after it first appeared. If the time went back,
    /// returns the one seen before, which stays.
    pub fn saw(&self, ticket: u64, last_update: &str, now_ms: i64, settle_ms: i64, overlap: i64) -> Option<String> {
        let settle_ms = settle_ms + self.unseen_for_ms();
        let mut known = self.known();
        match known.seen.get_mut(&ticket) {
            Some(seen) if seen.last_update == last_update => {
                seen.settled |= now_ms - seen.first_met_ms >= settle_ms;
            }
            Some(seen) if is_back(&seen.last_update, last_update, overlap) => return Some(seen.last_update.clone()),
            _ => {
                let seen = Seen { last_update: last_update.to_owned(), first_met_ms: now_ms, settled: false };
                known.seen.insert(ticket, seen);
            }
        }
        None
    }

    /// The side was restored from a backup: earlier reads are no measure any more.
    pub fn forget_all_seen(&self) {
        let mut known = self.known();
        known.seen.clear();
        // Ids are given out again, and the highest known one proves nothing.
        known.highest_ticket = 0;
    }

    /// Set if it asked for fewer calls and has not answered since.
    pub(crate) fn throttled(&self) -> Option<Throttled> {
        self.known().throttled.clone()
    }

    pub(crate) fn sweeps(&self) -> Sweeps {
        self.known().sweeps
    }

    /// Records the last sweep (`None`: skipped) and the time of the next.
    pub(crate) fn swept(&self, at_ms: Option<i64>, next_ms: i64) {
        let sweeps = &mut self.known().sweeps;
        *sweeps = Sweeps { last_ms: at_ms.or(sweeps.last_ms), next_ms: Some(next_ms) };
    }

    pub(crate) fn set_throttled(&self, throttled: Option<Throttled>) {
        self.known().throttled = throttled;
    }

    /// Counts a call with iTop's own answer.
    pub(crate) fn count_answer(&self) {
        let mut known = self.known();
        known.answers = known.answers.wrapping_add(1);
    }

    /// Records a failure to load an object's contents. At most `most_ms` counts between two tries.
    pub(crate) fn could_not_read(&self, what: Loaded, id: u64, now_ms: i64, most_ms: i64) -> Unreadable {
        let mut known = self.known();
        let answers_before = known.answers;
        let fresh = Unreadable { since_ms: now_ms, last_ms: now_ms, waited_ms: 0, times: 1, answers_before };
        let known = known.unreadable.entry((what, id)).or_insert(fresh);
        if known.answers_before != answers_before {
            // The first failure may have begun an outage: that time does not count.
            if known.times == 1 {
                (known.since_ms, known.last_ms) = (now_ms, now_ms);
            }
            known.waited_ms += (now_ms - known.last_ms).clamp(0, most_ms);
            known.last_ms = now_ms;
            (known.times, known.answers_before) = (known.times.saturating_add(1), answers_before);
        }
        *known
    }

    pub(crate) fn could_read(&self, what: Loaded, id: u64) {
        self.known().unreadable.remove(&(what, id));
    }

    /// Whether a pass has seen this `last_update`, and it has settled.
    pub fn has_seen(&self, ticket: u64, last_update: &str) -> bool {
        let is_it = |seen: &Seen| seen.settled && seen.last_update == last_update;
        // An unreadable date may be any.
        !last_update.is_empty() && self.known().seen.get(&ticket).is_some_and(is_it)
    }

    /// The last known `last_update` of this ticket.
    pub(crate) fn last_seen(&self, ticket: u64) -> Option<String> {
        self.known().seen.get(&ticket).map(|seen| seen.last_update.clone())
    }

    /// Earlier dates were read in another format.
    pub(crate) fn forget_seen_dates(&self) {
        self.known().seen.clear();
    }

    /// A sweep has read this `last_update` and marked the ticket.
    pub fn met(&self, ticket: u64, last_update: &str, now_ms: i64) {
        let mut known = self.known();
        if known.seen.get(&ticket).is_none_or(|seen| seen.last_update != last_update) {
            let seen = Seen { last_update: last_update.to_owned(), first_met_ms: now_ms, settled: false };
            known.seen.insert(ticket, seen);
        }
    }

    /// A pass asked for the ticket, and it does not fit: the change that a sweep saw counts as seen.
    pub fn note_unfit(&self, ticket: u64, now_ms: i64, settle_ms: i64) {
        let settle_ms = settle_ms + self.unseen_for_ms();
        if let Some(seen) = self.known().seen.get_mut(&ticket) {
            seen.settled |= now_ms - seen.first_met_ms >= settle_ms;
        }
    }

    /// A ticket's state at the start of the connection needs no look.
    pub fn stood_before(&self, ticket: u64, last_update: &str) {
        let seen = Seen { last_update: last_update.to_owned(), first_met_ms: 0, settled: true };
        self.known().seen.insert(ticket, seen);
    }

    /// Loads a witness of an earlier process, before anything else is seen.
    pub fn stood_at(&self, ticket: u64, last_update: &str, now_ms: i64) {
        let seen = Seen { last_update: last_update.to_owned(), first_met_ms: now_ms, settled: false };
        self.known().seen.entry(ticket).or_insert(seen);
    }

    /// The tickets with their known `last_update`, within a sweep's overlap.
    pub fn seen(&self) -> BTreeMap<u64, String> {
        self.known().seen.iter().map(|(ticket, seen)| (*ticket, seen.last_update.clone())).collect()
    }

    pub fn forget_seen(&self, gone: &BTreeMap<u64, String>) {
        self.known().seen.retain(|ticket, _| !gone.contains_key(ticket));
    }

    pub fn has_met_attachment(&self, id: u64) -> bool {
        self.known().attachments.contains(&id)
    }

    /// A sweep has seen these attachments and marked their tickets where needed.
    pub fn met_attachments(&self, ids: impl IntoIterator<Item = u64>) {
        self.known().attachments.extend(ids);
    }

    /// Forgets attachments with a lower id, beyond a sweep's overlap.
    pub fn forget_attachments_below(&self, id: u64) {
        let mut known = self.known();
        known.attachments = known.attachments.split_off(&id);
    }

    /// Forgets tickets with an earlier `last_update`, beyond a sweep's overlap.
    pub fn forget_seen_before(&self, last_update: &str) {
        self.known().seen.retain(|_, seen| seen.last_update.as_str() >= last_update);
    }
}
