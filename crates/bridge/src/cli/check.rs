//! `check`: every requirement of the bridge and of both sides, one line each.

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::bail;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use itop_bridge_engine::clock::SystemClock;
use itop_bridge_engine::wording::count::counted;

use super::{Outcome, block_on, print_json, ticket};
use crate::app;
use crate::checks::{self, AdminOf, Finding, State};
use crate::config::Config;
use crate::setup::{Admin, admin};

/// The width of the table if the shell does not report the terminal's.
const WIDTH: u16 = 120;

/// Check the bridge, its store and each iTop: address, certificate, clock, account, rights, defaults, waiting
/// tickets, marks that exist twice, webhooks.
///
/// Each line has a requirement, its state (ok, note, fault, unknown) and the fix. Nothing is written into an
/// iTop. Ends with 1 if there is a fault.
///
/// Of the webhooks, `check` sees only which ones have reached `serve`. With --admin SIDE it also reads each webhook in that
/// side's iTop. For that it takes an administrator's account from ITOP_BRIDGE_ADMIN_USER and ITOP_BRIDGE_ADMIN_PASSWORD,
/// and shows it to no other iTop.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge check\n  itop-bridge check --admin acme\n  itop-bridge check --json | jq '.[] | select(.state == \"fault\")'"
)]
pub(super) struct Check {
    /// Print an array of {side, check, state, detail, fix}.
    #[arg(long)]
    json: bool,
    /// The side that the administrator's account belongs to: the internal's name, or an external's.
    #[arg(long, value_name = "SIDE")]
    admin: Option<String>,
}

pub(super) fn run(check: &Check, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    let account = account(check, &config)?;
    let admin = account.as_ref().map(|(side, account)| AdminOf { side, account });
    let findings = block_on(checks::run(&config, admin, &app::http_transport, &SystemClock))?;
    if check.json {
        print_json(&findings, out)?;
    } else if std::io::stdout().is_terminal() {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let shown = for_people(&findings, &config.internal.name);
        writeln!(out, "{}\n\n{}", table(&shown, columns.unwrap_or(WIDTH)), summary(&findings))?;
    } else {
        for finding in for_people(&findings, &config.internal.name) {
            writeln!(out, "{finding}")?;
        }
        writeln!(out, "{}", summary(&findings))?;
    }
    let faulty = findings.iter().any(|finding| finding.state == State::Fault);
    Ok(if faulty { Outcome::FaultFound } else { Outcome::Fine })
}

/// The administrator's account and its side.
fn account(check: &Check, config: &Config) -> anyhow::Result<Option<(String, Admin)>> {
    let Some(side) = &check.admin else { return Ok(None) };
    if ticket::side(config, side).is_none() {
        bail!("there is no side {side:?}{}", ticket::sides(config));
    }
    match Admin::from(&|name| std::env::var(name).ok()) {
        Some(account) => Ok(Some((side.clone(), account))),
        None => bail!("put an administrator's account of {side} into {} and {}", admin::USER, admin::PASSWORD),
    }
}

/// The findings with each side's role, and the unchecked lines of each side combined into one.
fn for_people(findings: &[Finding], internal: &str) -> Vec<Finding> {
    let mut shown: Vec<Finding> = Vec::new();
    for of_side in findings.chunk_by(|a, b| a.side == b.side) {
        let side = match of_side[0].side.as_str() {
            checks::OWN => checks::OWN.to_owned(),
            side if side == internal => format!("{side} (internal)"),
            side => format!("{side} (external)"),
        };
        let (unasked, asked): (Vec<_>, Vec<_>) = of_side.iter().partition(|finding| is_unasked(finding));
        shown.extend(asked.into_iter().map(|finding| Finding { side: side.clone(), ..finding.clone() }));
        shown.extend((!unasked.is_empty()).then(|| Finding {
            side,
            check: "the rest".to_owned(),
            state: State::Unknown,
            detail: format!(
                "{} not checked, because of the fault above",
                counted(unasked.len(), "requirement was", "requirements were")
            ),
            fix: None,
        }));
    }
    shown
}

fn is_unasked(finding: &Finding) -> bool {
    finding.state == State::Unknown && finding.detail == checks::NOT_CHECKED
}

fn table(findings: &[Finding], width: u16) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(["SIDE", "CHECK", "STATE", "FINDING, AND THE FIX"]);
    let mut side = "";
    for finding in findings {
        let shown = if finding.side == side { "" } else { &finding.side };
        side = &finding.side;
        let fix = finding.fix.as_ref().map(|fix| format!("\n→ {fix}")).unwrap_or_default();
        table.add_row([shown, &finding.check, finding.state.word(), &format!("{}{fix}", finding.detail)]);
    }
    table.trim_fmt()
}

fn summary(findings: &[Finding]) -> String {
    let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    let words = [(State::Fault, "fault"), (State::Note, "note"), (State::Unknown, "not checked"), (State::Ok, "ok")];
    let shown = words.into_iter().map(|(state, word)| (count(state), word)).filter(|(count, _)| *count > 0);
    let plural = |count: usize, word: &str| if count > 1 && matches!(word, "fault" | "note") { "s" } else { "" };
    shown.map(|(count, word)| format!("{count} {word}{}", plural(count, word))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(side: &str, check: &str, state: State, fix: Option<&str>) -> Finding {
        let detail = "a thing was found".to_owned();
        Finding { side: side.into(), check: check.into(), state, detail, fix: fix.map(str::to_owned) }
    }

    #[test]
    fn a_terminal_gets_a_table_with_each_side_named_once() {
        let findings = [
            finding("elitery", "address", State::Ok, None),
            finding("elitery", "default team_id", State::Fault, Some("fix it here")),
            finding("acme", "address", State::Ok, None),
        ];
        let lines = [
            " SIDE     CHECK            STATE  FINDING, AND THE FIX",
            " elitery  address          ok     a thing was found",
            "          default team_id  fault  a thing was found",
            "                                  → fix it here",
            " acme     address          ok     a thing was found",
        ];
        assert_eq!(table(&findings, 100), lines.join("\n"));
        assert_eq!(summary(&findings), "1 fault, 2 ok");
    }

    #[test]
    fn people_are_told_each_sides_role_and_how_much_was_not_checked() {
        let not_checked = |check: &str| Finding {
            detail: checks::NOT_CHECKED.into(),
            ..finding("acme", check, State::Unknown, None)
        };
        let findings = [
            finding(checks::OWN, "store", State::Ok, None),
            finding("elitery", "address", State::Ok, None),
            finding("acme", "address", State::Fault, None),
            not_checked("login"),
            not_checked("REST"),
            finding("acme", "only UserRequest", State::Note, None),
        ];
        let lines: Vec<String> = for_people(&findings, "elitery").iter().map(Finding::to_string).collect();
        let expected = [
            "ok      itop-bridge store: a thing was found",
            "ok      elitery (internal) address: a thing was found",
            "fault   acme (external) address: a thing was found",
            "note    acme (external) only UserRequest: a thing was found",
            "unknown acme (external) the rest: 2 requirements were not checked, because of the fault above",
        ];
        assert_eq!(lines, expected);
    }
}
