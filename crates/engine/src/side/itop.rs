//! One iTop as the engine sees it: its client, and the facts learnt about it while working.
//!
//! Learnt facts (attributes that a class lacks, whether an attribute is plain text or HTML, whether it is escaped once
//! more when read, the highest ticket id) are kept in memory: after a restart, learning them again costs a call, and
//! never an error. The zone of its times, its date format and the room of its attributes are in the store too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use itop_bridge_core::Side;
use itop_bridge_core::words::Console;
use itop_bridge_store::Instance;
use itop_bridge_text::date_format::DateFormat;
use itop_bridge_text::room::Room;
use itop_client::{Client, Error, ErrorClass, Memory, Reservation, Written};
use tokio::sync::{Notify, OnceCell};

use crate::side::breaker::Breaker;
use crate::side::dates::Dates;
use crate::side::halting::Halts;
use crate::side::instants::{Listed, Offsets};
use crate::side::login::LoginSource;
use crate::side::model::LearntModel;
use crate::side::room::LearntRoom;
use crate::side::seen::SeenLately;
use crate::side::throttle::Throttled;
use crate::side::unreadable::Unreadables;
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
    /// The client gives a call up after this long without a byte; a lease must outlive it.
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
    seen: Mutex<SeenLately>,
    model: Mutex<LearntModel>,
    room: Mutex<LearntRoom>,
    unreadables: Mutex<Unreadables>,
    /// The highest known ticket id.
    highest_ticket: AtomicU64,
    /// The offset of the server's times from UTC.
    offset: Mutex<Option<Learnt>>,
    throttled: Mutex<Option<Throttled>>,
    sweeps: Mutex<Sweeps>,
    breaker: Mutex<Breaker>,
    pub(crate) halts: Halts,
    /// Set once the witnesses that an earlier process stored were loaded.
    pub(crate) knows_witnesses: OnceCell<()>,
    /// Wakes the prober when the breaker wants a probe.
    pub(crate) trouble: Notify,
}

/// When the side was last swept, and the next sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sweeps {
    pub last_ms: Option<i64>,
    pub next_ms: Option<i64>,
}

impl Sweeps {
    /// A sweep ended, and succeeded if there is a time.
    pub fn swept(&mut self, at_ms: Option<i64>, next_ms: i64) {
        *self = Sweeps { last_ms: at_ms.or(self.last_ms), next_ms: Some(next_ms) };
    }
}

impl Itop {
    pub fn new(name: String, instance: Instance, client: Client, settle_ms: i64, timeout_ms: i64) -> Itop {
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
            seen: Mutex::default(),
            model: Mutex::default(),
            room: Mutex::default(),
            unreadables: Mutex::default(),
            highest_ticket: AtomicU64::new(0),
            offset: Mutex::default(),
            throttled: Mutex::default(),
            sweeps: Mutex::default(),
            breaker: Mutex::default(),
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

    /// Prints a time of this iTop for people of the other side: with its zone, if that is configured or learnt.
    pub fn print_time(&self, date: &str) -> String {
        zone::print(date, self.time_zone.as_ref(), self.offset().as_ref())
    }

    /// Prints a moment of the bridge's clock as this iTop's people would write it.
    pub fn print_moment(&self, ms: i64) -> String {
        zone::print_moment(ms, self.time_zone.as_ref(), self.offset().as_ref())
    }

    /// Learns the offset from an answered create; `created` names the attribute with iTop's own time of it. Returns the
    /// offset if it is news.
    pub(crate) fn learn_offset(&self, written: &Written, created: &str) -> Option<Learnt> {
        let (created, date) = (written.object.text(created)?, written.date.as_deref()?);
        let newer = Learnt::from(created, date)?;
        let mut known = self.offset();
        let before = known.take();
        let learnt = Learnt::then(before.clone(), newer);
        *known = Some(learnt.clone());
        (before.as_ref() != Some(&learnt)).then_some(learnt)
    }

    /// How much of a text the attribute takes.
    pub fn room(&self, class: &str, code: &str) -> Room {
        self.learnt_room().of(class, code)
    }

    pub(in crate::side) fn learnt_room(&self) -> MutexGuard<'_, LearntRoom> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remember_offset(&self, learnt: Learnt) {
        self.offset().get_or_insert(learnt);
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

    /// A clone of the client; its calls take their memory from this reservation, if there is one.
    pub(in crate::side) fn client_within(&self, memory: Option<&Reservation>) -> Client {
        memory.map_or_else(|| self.client.clone(), |memory| self.client.within(memory))
    }

    pub fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, SeenLately> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, LearntModel> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unreadables(&self) -> MutexGuard<'_, Unreadables> {
        self.unreadables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Set while it has asked for fewer calls and not answered since.
    pub(crate) fn throttled(&self) -> MutexGuard<'_, Option<Throttled>> {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sweeps(&self) -> MutexGuard<'_, Sweeps> {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self) -> MutexGuard<'_, Option<Learnt>> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the error names an attribute that was sent or requested and that the class lacks; it is left out from
    /// then on. Concurrent calls all see it as learnt.
    pub(crate) fn learn_missing(&self, class: &str, error: &Error, sent: &[&str]) -> bool {
        match &error.class {
            ErrorClass::UnknownAttribute { attribute } if sent.contains(&attribute.as_str()) => {
                if self.model().lacks(class, attribute) {
                    tracing::info!(itop = %self.name, class, attribute, "this class does not have the attribute; it is left out");
                }
                true
            }
            _ => false,
        }
    }

    /// The highest known ticket id: later tickets have a higher one.
    pub fn highest_ticket(&self) -> u64 {
        self.highest_ticket.load(Ordering::Relaxed)
    }

    pub fn met_ticket(&self, id: u64) {
        self.highest_ticket.fetch_max(id, Ordering::Relaxed);
    }

    /// A linked ticket vanished: after a restore, ids are given out again, and the highest known one proves nothing.
    pub fn ids_may_start_over(&self) {
        self.highest_ticket.store(0, Ordering::Relaxed);
    }

    /// The side was restored from a backup.
    pub(crate) fn forget_all_seen(&self) {
        self.seen().forget_tickets();
        self.ids_may_start_over();
    }
}
