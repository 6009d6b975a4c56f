//! The requirements of a working bridge: one table of checks, for the commands `check` and `setup`.
//!
//! The table is made from the configuration alone: each side has the same kinds of requirements, each with the name
//! of its line. Then each is judged by asking that iTop. A side whose log-in fails has the same lines, and they say
//! "not checked".
//!
//! # Guarantees
//! - Nothing is written into an iTop. The right to write is tested with a write that iTop must refuse for another
//!   reason, which it checks later (`checks/rights.rs`).
//! - No finding contains a secret.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::join_all;
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::policy::{AttachmentDeletes, StatusToInternal};
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::wording::count::counted;
use itop_client::{Client, Error, ErrorClass, Memory, Query};
use serde::Serialize;

use crate::app::{self, MakeTransport};
use crate::config::{Condition, Config, ExternalConfig, Only, SideConfig, SyncConfig};
use crate::setup::Admin;

mod defaults;
mod duplicates;
mod learnt;
mod own;
mod public_url;
mod reach;
mod remembered;
mod rights;
mod server;
mod stimuli;
mod uncarried;
mod webhooks;

use defaults::DefaultOf;
use rights::{ClassRights, Right};
use uncarried::Waiting;

pub use own::{fix, own};
pub use public_url::{KeyTaken, is_loopback, key_is_taken, public_url};
pub use reach::no_itop;
pub use remembered::Remembered;

/// One line of `check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The side's name in the configuration; [`OWN`] for the bridge itself.
    pub side: String,
    /// The requirement, such as `login` or `class UserRequest`.
    pub check: String,
    pub state: State,
    pub detail: String,
    /// The fix, in one sentence; none where nothing is to be done.
    pub fix: Option<String>,
}

/// The side of findings about the bridge itself.
pub const OWN: &str = "itop-bridge";

/// The detail of a check that was skipped because an earlier line of its side is a fault.
pub const NOT_CHECKED: &str = "not checked";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, in a way that somebody should know of.
    Note,
    Fault,
    /// It could not be judged.
    Unknown,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Note => "note",
            State::Fault => "fault",
            State::Unknown => "unknown",
        }
    }
}

/// One line, for places without room for a table.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<7} {} {}: {}", self.state.word(), self.side, self.check, self.detail)?;
        match &self.fix {
            Some(fix) => write!(out, ". Fix: {fix}."),
            None => Ok(()),
        }
    }
}

/// A finding without its side and check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    state: State,
    detail: String,
    fix: Option<String>,
}

impl Verdict {
    fn ok(detail: impl Into<String>) -> Verdict {
        Verdict { state: State::Ok, detail: detail.into(), fix: None }
    }

    fn note(detail: impl Into<String>, fix: impl Into<String>) -> Verdict {
        Verdict { state: State::Note, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn fault(detail: impl Into<String>, fix: impl Into<String>) -> Verdict {
        Verdict { state: State::Fault, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn not_checked() -> Verdict {
        Verdict { state: State::Unknown, detail: NOT_CHECKED.to_owned(), fix: None }
    }

    /// The query itself failed.
    fn unclear(error: &Error) -> Verdict {
        let detail = match &error.class {
            ErrorClass::Rights { class: Some(class) } => format!("not checked: the account may not read {class}"),
            ErrorClass::UnknownClass { class } => format!("not checked: this iTop has no class {class}"),
            _ => format!("not checked: {error}"),
        };
        Verdict { state: State::Unknown, detail, fix: None }
    }

    /// iTop's texts reach a terminal here, so control characters are replaced.
    fn at(self, side: &str, check: &str) -> Finding {
        let clean = |text: String| text.replace(|c: char| c.is_control(), " ");
        Finding {
            side: side.to_owned(),
            check: check.to_owned(),
            state: self.state,
            detail: clean(self.detail),
            fix: self.fix.map(clean),
        }
    }
}

/// An administrator's account and the side it belongs to: no other iTop is shown it.
#[derive(Debug, Clone, Copy)]
pub struct AdminOf<'a> {
    pub side: &'a str,
    pub account: &'a Admin,
}

/// All findings: the bridge itself, then each side, all sides at once. `admin`: the account that may read the
/// webhooks of its side.
pub async fn run(
    config: &Config,
    admin: Option<AdminOf<'_>>,
    transport: MakeTransport<'_>,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let mut findings = own(config);
    findings.push(public_url(config, transport).await);
    let remembered = Remembered::of(config, clock.now_ms());
    findings.extend(remembered.iter().flat_map(|known| known.of_the_bridge(config)));
    let memory = Memory::default();
    let tables = tables(config, remembered.as_ref());
    let engine = duplicates::engine(config, transport);
    let contradicted = own::contradicted(config);
    let judged = join_all(tables.iter().map(|table| async {
        if contradicted.contains(&table.side.name) {
            let why = "not asked: this name or address stood for another iTop, which would be shown a password that is not its own";
            let verdict = Verdict { state: State::Unknown, detail: why.to_owned(), fix: None };
            return vec![verdict.at(&table.side.name, reach::ADDRESS)];
        }
        let mut findings = table.judge(transport, &memory, clock).await;
        let side = &table.side.name;
        let is_ok = |check: &str| findings.iter().any(|finding| finding.check == check && finding.state == State::Ok);
        let (is_reached, is_open) = (is_ok(reach::ADDRESS), is_ok(reach::REST));
        if let Some(known) = &remembered {
            let refused = known.refused_bytes(config, table.side).filter(|_| is_open);
            let takes = match refused {
                Some(bytes) => table.takes(bytes, transport, &memory).await,
                None => None,
            };
            let standing = known.standing(config, table.side, &table.section, takes);
            findings.extend(standing.into_iter().map(|(check, verdict)| verdict.at(side, &check)));
        }
        if let Some(engine) = &engine {
            let verdict = match is_open {
                true => duplicates::judge(engine, config, side).await,
                false => Verdict::not_checked(),
            };
            findings.push(verdict.at(side, duplicates::LINE));
        }
        let account = admin.filter(|admin| admin.side == *side).map(|admin| admin.account);
        let asked = webhooks::Asked { config, side: table.side, account, is_reached };
        findings.extend(asked.judge(transport, remembered.as_ref()).await);
        findings
    }))
    .await;
    findings.extend(judged.into_iter().flatten());
    findings
}

/// The findings of one side; none when no side has that name.
pub async fn side(config: &Config, name: &str, transport: MakeTransport<'_>, clock: &dyn Clock) -> Vec<Finding> {
    match tables(config, None).into_iter().find(|table| table.side.name == name) {
        Some(table) => table.judge(transport, &Memory::default(), clock).await,
        None => Vec::new(),
    }
}

/// The findings about the webhooks of one side.
pub async fn webhooks(
    config: &Config,
    name: &str,
    account: Option<&Admin>,
    transport: MakeTransport<'_>,
) -> Vec<Finding> {
    match tables(config, None).into_iter().find(|table| table.side.name == name) {
        Some(table) => {
            let asked = webhooks::Asked { config, side: table.side, account, is_reached: true };
            asked.judge(transport, None).await
        }
        None => Vec::new(),
    }
}

/// The requirements of one side.
struct Table<'a> {
    side: &'a SideConfig,
    /// The side's section in the configuration: `[internal]`.
    section: String,
    parts: Vec<Part>,
}

/// Requirements of one kind, one line each.
enum Part {
    Rights(Vec<ClassRights>),
    /// The fields kept up to date, and the classes; at least one class must have each field.
    Fields {
        codes: Vec<String>,
        classes: Vec<String>,
    },
    Defaults(Vec<DefaultOf>),
    Only {
        class: String,
        condition: Option<Condition>,
        section: String,
    },
    /// The tickets that wait without a counterpart, as far as the store knows.
    Uncarried {
        waiting: Vec<Waiting>,
        only: Only,
        now_ms: i64,
    },
    /// The tickets older than the connection, once it has begun.
    Older {
        sync: SyncConfig,
        up_to: Option<u64>,
    },
    /// Judged from the configuration alone.
    Told {
        check: String,
        verdict: Verdict,
    },
}

fn tables<'a>(config: &'a Config, remembered: Option<&Remembered>) -> Vec<Table<'a>> {
    let external = |of: &'a ExternalConfig| external(of, remembered);
    std::iter::once(internal(config)).chain(config.externals.iter().map(external)).collect()
}

fn internal(config: &Config) -> Table<'_> {
    let externals = &config.externals;
    let classes: BTreeSet<&String> = externals.iter().flat_map(|external| external.sync.classes.values()).collect();
    let deletes = externals.iter().any(|external| external.sync.attachment_deletes == AttachmentDeletes::Owner);
    let mut rights = vec![ClassRights::new("Ticket", &[Right::Read])];
    rights.extend(classes.iter().map(|class| ClassRights::new(class.as_str(), of_counterparts(externals, class))));
    rights.push(attachments(deletes));
    let codes: BTreeSet<&String> = externals.iter().flat_map(|external| &external.sync.fields).collect();
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    let mut parts = vec![
        Part::Rights(rights),
        Part::Fields { codes: codes.into_iter().cloned().collect(), classes: classes.clone() },
        Part::Defaults(DefaultOf::internal(config, &classes)),
    ];
    parts.extend(no_organisation(externals));
    parts.extend(stimuli::internal(externals));
    Table { side: &config.internal, section: "[internal]".to_owned(), parts }
}

fn external<'a>(external: &'a ExternalConfig, remembered: Option<&Remembered>) -> Table<'a> {
    let sync = &external.sync;
    let section = format!("[external.{}]", external.name());
    let driven = sync.status_to_external == StatusToExternal::Apply;
    let wanted: &[Right] = if driven { &[Right::Read, Right::Update, Right::Stimulus] } else { &[Right::Read] };
    let mut rights = vec![ClassRights::new("Ticket", &[Right::Read])];
    rights.extend(sync.classes.keys().map(|class| ClassRights::new(class, wanted)));
    rights.push(attachments(sync.attachment_deletes == AttachmentDeletes::Owner));
    let classes: Vec<String> = sync.classes.keys().cloned().collect();
    let defaults = DefaultOf::external(external, &format!("{section}.defaults"), &classes);
    let mut parts = vec![
        Part::Rights(rights),
        Part::Fields { codes: sync.fields.clone(), classes: classes.clone() },
        Part::Defaults(defaults),
    ];
    parts.extend(classes.iter().map(|class| Part::Only {
        class: class.clone(),
        condition: external.only.of(class).cloned(),
        section: section.clone(),
    }));
    let up_to = remembered.and_then(|known| known.connection_began_after(external.name()));
    parts.push(Part::Older { sync: sync.clone(), up_to });
    if let Some((known, waiting)) = remembered.and_then(|known| Some((known, known.uncarried(external.name())?))) {
        let bridged = |waiting: &&Waiting| sync.classes.contains_key(waiting.class());
        let (waiting, only) = (waiting.iter().filter(bridged).cloned().collect(), external.only.clone());
        parts.push(Part::Uncarried { waiting, only, now_ms: known.now_ms() });
    }
    if driven {
        parts.extend(stimuli::external(external));
    }
    Table { side: &external.side, section, parts }
}

/// The rights that the bridge needs on an internal class.
fn of_counterparts(externals: &[ExternalConfig], class: &str) -> &'static [Right] {
    let moves = |external: &ExternalConfig| {
        external.sync.status_to_internal == StatusToInternal::Apply
            && external.sync.classes.values().any(|internal| internal == class)
    };
    let all = &[Right::Read, Right::Create, Right::Update, Right::Stimulus];
    if externals.iter().any(moves) { all } else { &all[..3] }
}

fn attachments(deletes: bool) -> ClassRights {
    let all = [Right::Read, Right::Create, Right::Update, Right::Delete];
    ClassRights::new("Attachment", if deletes { &all } else { &all[..3] })
}

/// iTop refuses a ticket without an organisation; every other key to a person or team may stay empty.
fn no_organisation(externals: &[ExternalConfig]) -> Option<Part> {
    let without: Vec<&str> =
        externals.iter().filter(|e| !e.internal_defaults.contains_key("org_id")).map(|e| e.name()).collect();
    if without.is_empty() {
        return None;
    }
    let whose = without.join(", ");
    let verdict = Verdict::fault(
        format!("there is none for the tickets of {whose}, and iTop takes no ticket without an organisation"),
        format!("write `org` in {}", place_of_internal(&without, externals.len())),
    );
    Some(Part::Told { check: "default org_id".to_owned(), verdict })
}

impl Table<'_> {
    async fn judge(&self, transport: MakeTransport<'_>, memory: &Memory, clock: &dyn Clock) -> Vec<Finding> {
        let client = transport(self.side).and_then(|transport| app::client(self.side, memory, transport, None, false));
        let (reached, told) = match &client {
            Ok(client) => {
                let answer = client.check_login().await;
                let verdicts = reach::verdicts(answer.as_ref(), self.side, &self.section);
                (verdicts, answer.ok().map(|operations| (operations.from, clock.now_ms())))
            }
            Err(error) => (reach::no_client(error), None),
        };
        let open = reached.iter().all(|(_, verdict)| verdict.state == State::Ok);
        let client = client.as_ref().ok().filter(|_| open);
        let server = match (client, &told) {
            (Some(client), Some((told, now_ms))) => {
                server::judge(client, told, *now_ms, self.side, &self.section).await
            }
            _ => vec![Verdict::not_checked(); server::LINES.len()],
        };
        let server = server::LINES.into_iter().zip(server);
        let asked = join_all(self.parts.iter().map(|part| self.part(part, client))).await;
        let reached = reached.into_iter().chain(server).map(|(check, verdict)| verdict.at(&self.side.name, check));
        let asked = asked.into_iter().flatten().map(|(check, verdict)| verdict.at(&self.side.name, &check));
        reached.chain(asked).collect()
    }

    /// Whether that server accepts a call of this size now; none if it did not answer.
    async fn takes(&self, bytes: u64, transport: MakeTransport<'_>, memory: &Memory) -> Option<bool> {
        let client = transport(self.side).and_then(|transport| app::client(self.side, memory, transport, None, false));
        match client.ok()?.check_size(bytes).await {
            Ok(()) => Some(true),
            Err(error) if error.class == ErrorClass::TooLarge => Some(false),
            Err(_) => None,
        }
    }

    /// The lines of a part, judged if there is a client.
    async fn part(&self, part: &Part, client: Option<&Client>) -> Vec<(String, Verdict)> {
        let names = part.names();
        let verdicts = match (part, client) {
            (Part::Told { verdict, .. }, _) => vec![verdict.clone()],
            (_, None) => vec![Verdict::not_checked(); names.len()],
            (Part::Rights(classes), Some(client)) => rights::judge(client, classes, self.side).await,
            (Part::Fields { codes, classes }, Some(client)) => vec![fields(client, codes, classes).await],
            (Part::Defaults(defaults), Some(client)) => {
                join_all(defaults.iter().map(|default| default.judge(client))).await
            }
            (Part::Only { class, condition, section }, Some(client)) => {
                vec![only(client, class, condition.as_ref(), section).await]
            }
            (Part::Older { sync, up_to }, Some(client)) => vec![older(client, sync, *up_to).await],
            (Part::Uncarried { waiting, only, now_ms }, Some(client)) => {
                vec![uncarried::judge(client, waiting, only, *now_ms).await]
            }
        };
        names.into_iter().zip(verdicts).collect()
    }
}

impl Part {
    fn names(&self) -> Vec<String> {
        match self {
            Part::Rights(classes) => classes.iter().map(|rights| format!("class {}", rights.class)).collect(),
            Part::Fields { .. } => vec!["fields".to_owned()],
            Part::Defaults(defaults) => defaults.iter().map(|default| default.check.clone()).collect(),
            Part::Only { class, .. } => vec![format!("only {class}")],
            Part::Older { .. } => vec!["older tickets".to_owned()],
            Part::Uncarried { .. } => vec!["new tickets".to_owned()],
            Part::Told { check, .. } => vec![check.clone()],
        }
    }
}

/// The treatment of tickets older than the connection, and their number.
async fn older(client: &Client, sync: &SyncConfig, up_to: Option<u64>) -> Verdict {
    let words = sync.older_tickets(up_to);
    let (None, Some(up_to)) = (sync.since, up_to) else {
        return Verdict::ok(match (sync.since, up_to) {
            (None, None) => format!("the connection has not begun: {words}"),
            _ => words,
        });
    };
    match client.get("Ticket", &Query::oql(format!("SELECT Ticket WHERE id <= {up_to}")).limit(1), &["id"]).await {
        Ok(found) => {
            let those = counted(found.total as usize, "such ticket stands", "such tickets stand");
            Verdict::ok(format!("the connection has begun: {words}; {those} there, of all classes"))
        }
        Err(error) => Verdict::unclear(&error),
    }
}

/// A field that some class lacks is skipped; a field that every class lacks is a typo.
async fn fields(client: &Client, codes: &[String], classes: &[String]) -> Verdict {
    let have = join_all(codes.iter().map(|code| has_attribute(client, classes, code))).await;
    let (mut nowhere, mut unclear) = (Vec::new(), None);
    for (code, have) in codes.iter().zip(have) {
        match have {
            Ok(true) => {}
            Ok(false) => nowhere.push(code.as_str()),
            Err(error) => unclear = Some(error),
        }
    }
    match (nowhere.as_slice(), unclear) {
        ([], None) => Verdict::ok(codes.join(", ")),
        ([], Some(error)) => Verdict::unclear(&error),
        (nowhere, _) => Verdict::fault(
            format!("no bridged class has {}", nowhere.join(", ")),
            "correct the attribute's code in [sync].fields, or take it out",
        ),
    }
}

/// Whether one of the classes has the attribute: iTop judges the requested attributes before it looks for an object.
/// An error means that the question stayed open.
async fn has_attribute(client: &Client, classes: &[String], code: &str) -> Result<bool, Error> {
    let mut open = None;
    for class in classes {
        match client.get(class, &Query::id(0), &[code]).await {
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.class, ErrorClass::UnknownAttribute { .. }) => {}
            Err(error) if matches!(error.class, ErrorClass::UnknownClass { .. }) => {}
            Err(error) => open = Some(error),
        }
    }
    open.map_or(Ok(false), Err)
}

/// The condition as the engine sends it, and how many tickets match it.
async fn only(client: &Client, class: &str, condition: Option<&Condition>, section: &str) -> Verdict {
    let oql = match condition {
        None => {
            let fix = format!("add {class} to `only` of {section}, or take the class out of [sync].classes");
            return Verdict::note("`only` does not name this class: none of its tickets leaves", fix);
        }
        Some(Condition::All) => format!("SELECT {class}"),
        Some(Condition::Oql(condition)) => format!("SELECT {class} WHERE ({condition})"),
    };
    match client.get(class, &Query::oql(oql).limit(1), &["id"]).await {
        Ok(found) if condition == Some(&Condition::All) => Verdict::ok(format!("every ticket; {} now", found.total)),
        Ok(found) if found.total == 0 => fits_none(client, class, condition, section).await,
        Ok(found) => Verdict::ok(format!("fits {} now", counted(found.total as usize, "ticket", "tickets"))),
        Err(error) if error.class == ErrorClass::Refused => {
            let fix = format!("correct `only` of {section}: it is the part after WHERE; try it in iTop's Run queries");
            Verdict::fault(reason(&error.message), fix)
        }
        Err(error) => Verdict::unclear(&error),
    }
}

/// A name that is spelt differently in that iTop is no error there: the condition just never holds.
async fn fits_none(client: &Client, class: &str, condition: Option<&Condition>, section: &str) -> Verdict {
    let all = match client.get(class, &Query::oql(format!("SELECT {class}")).limit(1), &["id"]).await {
        Ok(all) => all.total as usize,
        Err(error) => return Verdict::unclear(&error),
    };
    if all == 0 {
        return Verdict::ok(format!("the account sees no {class} yet, so there is nothing that could fit"));
    }
    let names_team = matches!(condition, Some(Condition::Oql(oql)) if oql.contains("team_name"));
    let team = match names_team {
        true => " On iTop 3.1 `team_name` is the team's email address: write `team_id_friendlyname`.",
        false => "",
    };
    Verdict::note(
        format!(
            "fits none of the {}, nothing crosses",
            counted(
                all,
                "ticket that stands there: if the next ones are like it",
                "tickets that stand there: if the next ones are like them"
            )
        ),
        format!(
            "if some of these should have fitted, correct `only` of {section}: most often a name is written otherwise in that iTop. Try it in its Run queries.{team}"
        )
        .trim_end_matches('.')
        .to_owned(),
    )
}

/// iTop's reason, without the query and the list of accepted alternatives.
fn reason(message: &str) -> String {
    let reason = message.strip_prefix("Query failed to execute: ").unwrap_or(message);
    let reason = reason.split(", expecting {").next().unwrap_or(reason);
    reason.split(": SELECT ").next().unwrap_or(reason).to_owned()
}

/// Groups values that differ between externals: each distinct value with its externals.
fn by_external<T: PartialEq>(values: Vec<(&str, T)>) -> Vec<(Vec<&str>, T)> {
    let mut groups: Vec<(Vec<&str>, T)> = Vec::new();
    for (name, value) in values {
        match groups.iter_mut().find(|(_, known)| *known == value) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], value)),
        }
    }
    groups
}

/// The end of a group's line name: empty where all externals agree.
fn ending(names: &[&str], externals: usize) -> String {
    match names.len() == externals {
        true => String::new(),
        false => format!(" ({})", names.join(", ")),
    }
}

/// The place of a default for the internal tickets of these externals, chosen so that other customers' defaults do
/// not change.
fn place_of_internal(names: &[&str], externals: usize) -> String {
    if names.len() == externals {
        return "[internal].defaults".to_owned();
    }
    let own: Vec<String> = names.iter().map(|name| format!("[external.{name}].internal_defaults")).collect();
    listed(&own.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    joined(words, "and")
}

fn joined(words: &[&str], last_word: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} {last_word} {last}", some.join(", ")),
    }
}
