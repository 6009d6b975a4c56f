//! The webhooks of a side: each connection, action and trigger of the table that `setup` makes (`setup::Wanted`),
//! judged by the objects in that iTop, which only an administrator may read; without such an account, by the webhooks
//! that came.

use itop_client::{Error, ErrorClass};

use super::{Finding, Remembered, State, Verdict, listed, public_url};
use crate::app::MakeTransport;
use crate::config::{Config, SideConfig};
use crate::setup::{Admin, AdminError, Comparison, Judged, OfAnother, Wanted, admin, compare};

const WEBHOOKS: &str = "webhooks";

/// The side whose webhooks are checked, and the means to read them.
pub(super) struct Asked<'a> {
    pub config: &'a Config,
    pub side: &'a SideConfig,
    /// An administrator's account in this very iTop.
    pub account: Option<&'a Admin>,
    /// Whether an iTop answers at the side's address.
    pub is_reached: bool,
}

impl Asked<'_> {
    /// One line per webhook with an administrator's account; without, one per kind, by the webhooks that came.
    pub async fn judge(&self, transport: MakeTransport<'_>, remembered: Option<&Remembered>) -> Vec<Finding> {
        let Asked { config, side, account, is_reached } = *self;
        let Some(wanted) = Wanted::of(config, &side.name) else { return Vec::new() };
        let came = || remembered.map(|known| known.arrived(config, &side.name)).unwrap_or_default();
        let mut lines = match account {
            _ if !is_reached => by_what_came(Verdict::not_checked(), side, came()),
            None => unseen(side, came()),
            Some(account) => match read(&wanted, side, account, transport).await {
                Ok(Ok(comparison)) => verdicts(&comparison, side),
                Ok(Err(of_another)) => {
                    let verdict = Verdict::fault(of_another.to_string(), of_another.fix(&side.name));
                    vec![verdict.at(&side.name, WEBHOOKS)]
                }
                Err(error) => {
                    let came = if has_no_webhooks(&error) { Vec::new() } else { came() };
                    by_what_came(not_read(&error, account, side), side, came)
                }
            },
        };
        lines.extend(remembered.map(|known| known.reaches(config, &side.name).at(&side.name, public_url::LINE)));
        if !is_reached {
            // No webhook can come here: the side's own fault is the one to fix.
            let is_open = |line: &&mut Finding| line.state != State::Ok;
            lines
                .iter_mut()
                .filter(is_open)
                .for_each(|line| *line = Verdict::not_checked().at(&side.name, &line.check));
        }
        lines
    }
}

async fn read(
    wanted: &Wanted,
    side: &SideConfig,
    account: &Admin,
    transport: MakeTransport<'_>,
) -> Result<Result<Comparison, OfAnother>, AdminError> {
    let client = account.client(side, transport)?;
    let installed = account.read(&client, side, wanted).await?;
    Ok(OfAnother::among(&installed, wanted).map_or_else(|| Ok(compare(wanted, &installed)), Err))
}

/// Without an administrator the webhooks cannot be read. Only the kinds that came, and when, are known.
fn unseen(side: &SideConfig, came: Vec<(String, Verdict)>) -> Vec<Finding> {
    let verdict = Verdict {
        detail: "not checked: only an administrator may read them".to_owned(),
        fix: Some(format!(
            "to have each looked at, put an administrator's account of {} into {} and {}, and run `itop-bridge check --admin {}`",
            side.name,
            admin::USER,
            admin::PASSWORD,
            side.name
        )),
        state: State::Unknown,
    };
    by_what_came(verdict, side, came)
}

fn by_what_came(not_read: Verdict, side: &SideConfig, came: Vec<(String, Verdict)>) -> Vec<Finding> {
    let came = came.into_iter().map(|(check, verdict)| verdict.at(&side.name, &check));
    std::iter::once(not_read.at(&side.name, WEBHOOKS)).chain(came).collect()
}

fn has_no_webhooks(error: &AdminError) -> bool {
    matches!(error.error(), Some(Error { class: ErrorClass::UnknownClass { .. }, .. }))
}

/// A fault if the account is to blame: the requested check could not be made.
fn not_read(error: &AdminError, account: &Admin, side: &SideConfig) -> Verdict {
    if has_no_webhooks(error) {
        let fix = "install the extension combodo-webhook-integration in this iTop";
        return Verdict::fault("this iTop has no webhooks", fix);
    }
    let user = format!("user \"{}\" of {}", account.user, admin::USER);
    let detail = match error.error() {
        Some(Error { class: ErrorClass::Login, message, .. }) => {
            format!("not checked: {} does not let {user} in: {message}", side.name)
        }
        Some(Error { class: ErrorClass::Rights { .. }, .. }) => {
            format!("not checked: {user} is no administrator of {}", side.name)
        }
        _ => return Verdict { detail: format!("not checked: {}", error.what()), ..Verdict::not_checked() },
    };
    Verdict::fault(detail, error.fix().unwrap_or_default())
}

fn verdicts(comparison: &Comparison, side: &SideConfig) -> Vec<Finding> {
    let line = |judged: &Judged| verdict(judged, side).at(&side.name, &format!("webhook {}", judged.name));
    let note = |note: &String| {
        let verdict = Verdict { state: State::Note, detail: note.clone(), fix: None };
        verdict.at(&side.name, WEBHOOKS)
    };
    comparison.judged.iter().map(line).chain(comparison.notes.iter().map(note)).collect()
}

fn verdict(judged: &Judged, side: &SideConfig) -> Verdict {
    if judged.is_well() {
        let count = |n: usize, how: &str| (n > 0).then(|| format!("{n} {how}"));
        let counts = [count(judged.made, "made by setup"), count(judged.by_hand.len(), "made by hand")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        return Verdict::ok(listed(&counts.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let wrong: Vec<&str> = judged.wrong.iter().chain(&judged.faults).map(String::as_str).collect();
    let setup = format!("run `itop-bridge setup --side {}`", side.name);
    let fix = match (judged.wrong.is_empty(), judged.faults.is_empty()) {
        (false, true) => setup,
        (true, _) => format!("correct it in that iTop, or delete it there and {setup}"),
        (false, false) => format!("correct the hand-made part in that iTop, and {setup}"),
    };
    Verdict::fault(wrong.join("; "), fix)
}
