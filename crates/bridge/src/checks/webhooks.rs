//! The webhooks of a side: each connection, action and trigger of the table that `setup` makes
//! (`setup::Wanted`), judged by what stands in that iTop, which only an administrator may read; without one,
//! by those that came.

use itop_client::ErrorClass;

use super::{Finding, Remembered, State, Verdict, listed};
use crate::app::MakeTransport;
use crate::config::{Config, SideConfig};
use crate::setup::{Admin, AdminError, Comparison, Judged, Wanted, admin, compare};

const WEBHOOKS: &str = "webhooks";

/// The lines of one side: one a webhook with an administrator's account, one a kind without, by those that
/// came.
pub(super) async fn judge(
    config: &Config,
    side: &SideConfig,
    account: Option<&Admin>,
    transport: MakeTransport<'_>,
    remembered: Option<&Remembered>,
) -> Vec<Finding> {
    let Some(wanted) = Wanted::of(config, &side.name) else { return Vec::new() };
    let came = |known: &Remembered| known.arrived(config, &side.name);
    let came = || remembered.map(came).unwrap_or_default();
    let mut lines = match account {
        None => unseen(side, came()),
        Some(account) => match read(&wanted, side, account, transport).await {
            Ok(comparison) => verdicts(&comparison, side),
            Err(error) => {
                let not_read = not_read(&error, account, side);
                let came = if not_read.state == State::Unknown { came() } else { Vec::new() };
                by_what_came(not_read, side, came)
            }
        },
    };
    lines.extend(remembered.map(|known| known.public_url(config, &side.name).at(&side.name, "public_url")));
    lines
}

async fn read(
    wanted: &Wanted,
    side: &SideConfig,
    account: &Admin,
    transport: MakeTransport<'_>,
) -> Result<Comparison, AdminError> {
    let client = account.client(side, transport)?;
    let installed = account.read(&client, side).await?;
    Ok(compare(wanted, &installed))
}

/// Without an administrator nothing of them can be read. What is known then is which kinds came, and when.
fn unseen(side: &SideConfig, came: Vec<(String, Verdict)>) -> Vec<Finding> {
    let verdict = Verdict {
        detail: "not checked: only an administrator may read them".to_owned(),
        mend: Some(format!(
            "to have each looked at, put an administrator's account of {} into {} and {}",
            side.name,
            admin::USER,
            admin::PASSWORD
        )),
        state: State::Unknown,
    };
    by_what_came(verdict, side, came)
}

fn by_what_came(not_read: Verdict, side: &SideConfig, came: Vec<(String, Verdict)>) -> Vec<Finding> {
    let came = came.into_iter().map(|(check, verdict)| verdict.at(&side.name, &check));
    std::iter::once(not_read.at(&side.name, WEBHOOKS)).chain(came).collect()
}

/// One account for several iTops: that it is none of this one's is no fault of this side.
fn not_read(error: &AdminError, account: &Admin, side: &SideConfig) -> Verdict {
    let class = error.error().map(|error| &error.class);
    let detail = match class {
        Some(ErrorClass::Login | ErrorClass::Rights { .. }) => {
            format!("not checked: user \"{}\" of {} is no administrator of {}", account.user, admin::USER, side.name)
        }
        Some(ErrorClass::UnknownClass { .. }) => {
            return Verdict::fault(
                "this iTop has no webhooks",
                "install the extension combodo-webhook-integration in this iTop",
            );
        }
        _ => format!("not checked: {error}"),
    };
    Verdict { detail, ..Verdict::not_checked() }
}

fn verdicts(comparison: &Comparison, side: &SideConfig) -> Vec<Finding> {
    let line = |judged: &Judged| verdict(judged, side).at(&side.name, &format!("webhook {}", judged.name));
    let note = |note: &String| {
        let verdict = Verdict { state: State::Note, detail: note.clone(), mend: None };
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
    let mend = match (judged.wrong.is_empty(), judged.faults.is_empty()) {
        (false, true) => setup,
        (true, _) => format!("mend it in that iTop, or delete it there and {setup}"),
        (false, false) => format!("mend in that iTop what was made by hand, and {setup}"),
    };
    Verdict::fault(wrong.join("; "), mend)
}
