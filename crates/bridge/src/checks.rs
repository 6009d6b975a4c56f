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

use std::fmt;

use futures_util::future::join_all;
use itop_bridge_engine::clock::Clock;
use itop_client::{Error, ErrorClass, Memory};
use serde::Serialize;

use crate::app::MakeTransport;
use crate::config::Config;
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
mod table;
mod uncarried;
mod webhooks;

use table::tables;

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
