//! The simulator's handle and its state. The lock is held for one step of computing, never
//! across a wait: while hooks are on their way, REST answers, as on a real iTop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::account::{Account, Right};
use crate::call::Call;
use crate::change::{Change, Event};
use crate::config::{FirstIds, Limits, SimConfig, Version, Zone};
use crate::fault::Faults;
use crate::hooks::{Hooks, Weather};
use crate::rest::Service;
use crate::rules::Check;
use crate::sample;
use crate::world::World;

/// An iTop's database at one moment.
#[derive(Debug, Clone)]
pub struct Backup(World);

impl Backup {
    pub fn has(&self, class: &str, id: u64) -> bool {
        self.0.find(class, id).is_some()
    }
}

/// One simulated iTop. Clones share it.
#[derive(Clone)]
pub struct Sim {
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub config: SimConfig,
    pub world: World,
    pub accounts: Vec<Account>,
    /// The login of the person who works in the console.
    pub person: String,
    pub hooks: Hooks,
    pub faults: Faults,
    pub calls: Vec<Call>,
    pub next_call: usize,
    pub down: bool,
    pub maintenance: bool,
    pub read_only: bool,
    /// How long another action holds the deletion of a ticket, after its attachments have gone.
    pub hold_deletion: Duration,
    /// How long another action holds the save of a ticket, after its children have been saved.
    pub hold_parent: Duration,
    pub hold_children: Duration,
}

impl State {
    pub fn now(&self) -> i64 {
        self.config.clock.now()
    }

    /// # Panics
    /// On an unknown login: a test's own mistake.
    pub fn account(&self, login: &str) -> &Account {
        let found = self.accounts.iter().find(|account| account.login == login);
        found.unwrap_or_else(|| panic!("no account {login}"))
    }

    pub fn service(&mut self, login: &str) -> Service<'_> {
        let now = self.now();
        let account = self.accounts.iter().find(|account| account.login == login);
        let account = account.unwrap_or_else(|| panic!("no account {login}"));
        Service {
            account,
            accounts: &self.accounts,
            world: &mut self.world,
            now,
            read_only: self.read_only,
            limits: self.config.limits,
            date_format: self.config.date_formats.of(account.language.code()),
        }
    }
}

impl Sim {
    /// A fresh iTop with sample data and the accounts `admin`/`admin`, `bridge`/`Bridge.1234`
    /// (*REST Services User* and *Support Agent*; token `bridge-token`) and `jules` (a person
    /// at the console).
    pub fn new(config: SimConfig) -> Self {
        let mut world = World::new(config.version, Zone::parse(&config.time_zone), &config.base_url, config.first_ids);
        sample::fill(&mut world);
        let mut admin = Account::new("admin", "admin", 1, 1, "My first name My last name");
        admin.is_admin = true;
        let mut bridge = Account::new("bridge", "Bridge.1234", 2, 40, "Ticket Bridge");
        bridge.token = Some("bridge-token".into());
        let mut jules = Account::new("jules", "Jules.1234", 3, 9, "Jules Verne");
        jules.may_use_rest = false;
        let state = State {
            config,
            world,
            accounts: vec![admin, bridge, jules],
            person: "jules".into(),
            hooks: Hooks::default(),
            faults: Faults::default(),
            calls: Vec::new(),
            next_call: 0,
            down: false,
            maintenance: false,
            read_only: false,
            hold_deletion: Duration::ZERO,
            hold_parent: Duration::ZERO,
            hold_children: Duration::ZERO,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// One step on the state. A test that panicked inside leaves a state still worth reading.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn version(&self) -> Version {
        self.with(|state| state.world.version)
    }

    /// What this iTop calls itself (`app_root_url`), where that is not the address by which others reach it.
    pub fn call_itself(&self, url: &str) {
        self.with(|state| state.world.base_url = url.to_owned());
    }

    pub fn base_url(&self) -> String {
        self.with(|state| state.config.base_url.clone())
    }

    /// The server's clock, Unix seconds.
    pub fn now(&self) -> i64 {
        self.with(|state| state.now())
    }

    /// The same as iTop prints it.
    pub fn now_text(&self) -> String {
        self.with(|state| state.world.zone.print(state.now()))
    }

    /// Where ids go on: a restored or cloned iTop uses ids again.
    pub fn set_next_ids(&self, next: FirstIds) {
        self.with(|state| state.world.next = next);
    }

    /// The same for a class that `FirstIds` does not name.
    pub fn set_next_id(&self, class: &str, id: u64) {
        self.with(|state| state.world.set_next_id(class, id));
    }

    pub fn next_ids(&self) -> FirstIds {
        self.with(|state| state.world.next)
    }

    /// The server's zone is another from now on. iTop stores the dates of its attributes without a zone: they
    /// read as before, and only the entries of logs, stored as moments, move.
    pub fn set_time_zone(&self, name: &str) {
        self.with(|state| state.world.move_to_zone(Zone::parse(name)));
    }

    /// `date_and_time_format` is another from now on, in PHP's placeholders: `d/m/Y H:i:s`.
    pub fn set_date_format(&self, format: &str) {
        self.with(|state| state.config.date_formats.set_default(format));
    }

    /// The same for accounts of one language, such as `FR FR`.
    pub fn set_date_format_of(&self, language: &str, format: &str) {
        self.with(|state| state.config.date_formats.set(language, format));
    }

    /// The database as it is now.
    pub fn back_up(&self) -> Backup {
        Backup(self.with(|state| state.world.clone()))
    }

    /// The database as it was then: what was made since is gone without a word, and its ids and references are
    /// given out again.
    pub fn restore(&self, backup: &Backup) {
        self.with(|state| state.world.clone_from(&backup.0));
    }

    /// Another iTop over a copy of this one's database, as somebody makes one to try things out: its actions call
    /// whom this one's do.
    pub fn cloned(&self) -> Sim {
        let (config, world, hooks) =
            self.with(|state| (state.config.clone(), state.world.clone(), state.hooks.connected_alike()));
        let clone = Sim::new(config);
        clone.with(|state| (state.world, state.hooks) = (world, hooks));
        clone
    }

    /// One object as it was then, without a hook or a rule.
    ///
    /// # Panics
    /// Where the backup lacks it: a test's own mistake.
    pub fn bring_back(&self, backup: &Backup, class: &str, id: u64) {
        let object = backup.0.find(class, id).unwrap_or_else(|| panic!("no {class} {id} in the backup")).clone();
        self.with(|state| state.world.put(object));
    }

    pub fn set_limits(&self, limits: Limits) {
        self.with(|state| state.config.limits = limits);
    }

    pub fn set_latency(&self, latency: Duration) {
        self.with(|state| state.config.latency = latency);
    }

    /// Its database is in `utf8mb3`, as old ones are: characters beyond the basic plane are an SQL error.
    pub fn three_byte_characters(&self, on: bool) {
        self.with(|state| state.world.rules.three_byte_characters = on);
    }

    /// An extension has added a value to an enumeration.
    pub fn allow_value(&self, code: &str, value: &str) {
        self.with(|state| state.world.rules.choices.insert((code.into(), value.into())));
    }

    pub fn allows_value(&self, code: &str, value: &str) -> bool {
        self.with(|state| state.world.rules.allows(code, value))
    }

    /// A changed data model gives a text fewer characters.
    pub fn limit_text(&self, code: &str, max_chars: usize) {
        self.with(|state| state.world.rules.max_chars.insert(code.into(), max_chars));
    }

    /// A check of this installation's own.
    pub fn add_check(&self, check: Check) {
        self.with(|state| state.world.rules.checks.push(check));
    }

    /// A check of its database's own: a trigger that signals an error.
    pub fn add_database_check(&self, check: Check) {
        self.with(|state| state.world.rules.database_checks.push(check));
    }

    pub fn clear_checks(&self) {
        self.with(|state| (state.world.rules.checks, state.world.rules.database_checks) = (Vec::new(), Vec::new()));
    }

    /// Nobody listens: connections are refused.
    pub fn down(&self, down: bool) {
        self.with(|state| state.down = down);
    }

    /// HTTP 503 and another JSON shape.
    pub fn maintenance(&self, on: bool) {
        self.with(|state| state.maintenance = on);
    }

    /// `access_mode` below full: every write is refused as if rights were missing.
    pub fn read_only(&self, on: bool) {
        self.with(|state| state.read_only = on);
    }

    /// Another action holds each deletion of a ticket for so long, when its attachments have
    /// gone already and REST still shows the ticket.
    pub fn hold_deletion(&self, hold: Duration) {
        self.with(|state| state.hold_deletion = hold);
    }

    /// Another action holds each save of a ticket with children for so long: what iTop copied into these stands there,
    /// and not yet in the ticket.
    pub fn hold_parent(&self, hold: Duration) {
        self.with(|state| state.hold_parent = hold);
    }

    /// A hook holds each save of a child for so long, when what iTop copied into it stands there: one child after the
    /// other, and then the parent.
    pub fn hold_children(&self, hold: Duration) {
        self.with(|state| state.hold_children = hold);
    }

    /// The account `bridge` may no longer create or change objects of this class.
    pub fn deny(&self, class: &str) {
        self.set_right("bridge", class, Right::Write, false);
    }

    /// The account `bridge` may create and change objects of this class, whatever its profile.
    pub fn allow(&self, class: &str) {
        self.set_right("bridge", class, Right::Write, true);
    }

    /// The account `bridge` may see tickets and files of these organisations alone; of all with `None`.
    pub fn see_only(&self, organizations: Option<&[u64]>) {
        let seen = organizations.map(|seen| seen.iter().copied().collect());
        self.with_account("bridge", |account| account.organizations = seen);
    }

    pub fn set_right(&self, login: &str, class: &str, right: Right, allowed: bool) {
        self.with_account(
            login,
            |account| {
                if allowed { account.allow(class, right) } else { account.deny(class, right) }
            },
        );
    }

    pub fn add_account(&self, account: Account) {
        self.with(|state| state.accounts.push(account));
    }

    /// Changes an account: its password, its token.
    ///
    /// # Panics
    /// On an unknown login.
    pub fn with_account(&self, login: &str, change: impl FnOnce(&mut Account)) {
        self.with(|state| {
            let found = state.accounts.iter_mut().find(|account| account.login == login);
            change(found.unwrap_or_else(|| panic!("no account {login}")));
        });
    }

    pub(crate) async fn fire_all(&self, events: &[Event]) {
        for event in events {
            self.fire(event).await;
        }
    }

    /// Deletes objects one by one. A ticket's attachments go first; each object's hooks are
    /// answered while REST still shows it.
    pub(crate) async fn delete_all(&self, doomed: Vec<(String, u64)>) {
        for (class, id) in doomed {
            let (files, hold) = self.with(|state| {
                let is_ticket = state.world.schema().is_a(&class, "Ticket");
                let hold = if is_ticket { state.hold_deletion } else { Duration::ZERO };
                (state.world.attachments_of(&class, id), hold)
            });
            for file in files {
                self.delete_one("Attachment", file, Duration::ZERO).await;
            }
            self.delete_one(&class, id, hold).await;
        }
    }

    async fn delete_one(&self, class: &str, id: u64, hold: Duration) {
        let Some(object) = self.with(|state| state.world.find(class, id).cloned()) else { return };
        self.fire(&Event { change: Change::Deleted, object }).await;
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        self.with(|state| state.world.remove(class, id));
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.with(|state| state.hooks.weather = weather);
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
