//! Duplicate marks on a side, left by a crash or by a person who restored or cloned a ticket.

use itop_bridge_engine::{Duplicate, Engine, Stopped};
use itop_bridge_store::{SqliteStore, Store as _};

use super::Verdict;
use crate::app::{self, MakeTransport};
use crate::config::Config;

pub(super) const LINE: &str = "duplicates";

/// How many are listed.
const NAMED: usize = 3;

/// An engine over the store, which knows the duplicate to keep; none where there is no store, or it does not open.
pub(super) fn engine(config: &Config, transport: MakeTransport<'_>) -> Option<Engine> {
    let path = &config.store.path;
    let mut store = path.exists().then(|| SqliteStore::open_to_read(path).ok()).flatten()?;
    store.adopt_server_id(&config.server.id).ok()?;
    Some(app::to_look(config, store, transport).ok()?.engine)
}

pub(super) async fn judge(engine: &Engine, config: &Config, side: &str) -> Verdict {
    match read(engine, config, side).await {
        Err(why) => Verdict { detail: format!("not checked: {why}"), ..Verdict::not_checked() },
        Ok(found) => verdict(&found),
    }
}

/// Duplicate tickets and files.
struct Found {
    tickets: Vec<Duplicate>,
    files: Vec<Duplicate>,
}

async fn read(engine: &Engine, config: &Config, side: &str) -> Result<Found, Stopped> {
    let is_internal = side == config.internal.name;
    let tickets = if is_internal { engine.duplicate_tickets().await? } else { Vec::new() };
    let files = engine.duplicate_files((!is_internal).then_some(side)).await?;
    Ok(Found { tickets, files })
}

fn verdict(found: &Found) -> Verdict {
    let Found { tickets, files } = found;
    let all: Vec<String> = tickets.iter().chain(files).map(words).collect();
    if all.is_empty() {
        return Verdict::ok("no mark exists twice");
    }
    let more = if all.len() > NAMED { format!("; and {} more", all.len() - NAMED) } else { String::new() };
    let named: Vec<String> = all.into_iter().take(NAMED).collect();
    let unkept = tickets.iter().any(|one| one.kept.is_none());
    let fixes = [
        (unkept, "run `itop-bridge links rebuild`, which takes one of them"),
        (!tickets.is_empty(), "close the ticket that is no counterpart"),
        (!files.is_empty(), "delete in that iTop the file that is not kept"),
    ];
    let fixes: Vec<&str> = fixes.into_iter().filter(|(is_due, _)| *is_due).map(|(_, fix)| fix).collect();
    Verdict::note(format!("{}{more}", named.join("; ")), fixes.join(", and "))
}

fn words(one: &Duplicate) -> String {
    let Duplicate { mark, kept, others } = one;
    let of = format!("{} {} of {}", mark.class, mark.ticket, mark.external);
    let (carry, its) = if others.len() == 1 { ("carries", "its") } else { ("carry", "their") };
    match kept {
        Some(kept) => {
            format!("{} {carry} a mark of {of}, and the bridge keeps {kept} under {its} mark", others.join(", "))
        }
        None => format!("{} carry one mark, of {of}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use itop_bridge_core::TicketMark;

    use super::*;

    fn one(ticket: u64, kept: Option<&str>, others: &[&str]) -> Duplicate {
        let mark = TicketMark { server: "7f3a".into(), external: "acme".into(), class: "UserRequest".into(), ticket };
        let others = others.iter().map(|&name| name.to_owned()).collect();
        Duplicate { mark, kept: kept.map(str::to_owned), others }
    }

    #[test]
    fn what_stands_twice_is_said_with_its_mend() {
        let line = |tickets: Vec<Duplicate>, files: Vec<Duplicate>| {
            verdict(&Found { tickets, files }).at("elitery", LINE).to_string()
        };
        assert_eq!(line(vec![], vec![]), "ok      elitery duplicates: no mark exists twice");
        let twin = one(1, Some("R-001001"), &["R-001005"]);
        assert_eq!(
            line(vec![twin.clone()], vec![]),
            "note    elitery duplicates: R-001005 carries a mark of UserRequest 1 of acme, and the bridge keeps R-001001 \
             under its mark. Fix: close the ticket that is no counterpart."
        );
        let file = one(1, Some("attachment 7 of ticket 1001"), &["attachment 8 of ticket 1001"]);
        assert_eq!(
            line(vec![one(2, None, &["R-001006", "R-001007"])], vec![file.clone()]),
            "note    elitery duplicates: R-001006, R-001007 carry one mark, of UserRequest 2 of acme; attachment 8 of ticket \
             1001 carries a mark of UserRequest 1 of acme, and the bridge keeps attachment 7 of ticket 1001 under \
             its mark. Fix: run `itop-bridge links rebuild`, which takes one of them, and close the ticket that is no \
             counterpart, and delete in that iTop the file that is not kept."
        );
        let many = line(vec![twin; 2], vec![file; 3]);
        assert!(many.contains("; and 2 more. Fix:"), "{many}");
    }
}
