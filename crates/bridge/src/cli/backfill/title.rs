//! `backfill --match title`: shows and adopts the pairs that titles reveal.

use std::io::Write;

use anyhow::bail;
use itop_bridge_engine::wording;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::{BackfillRequest, Engine, Requested, TitleAdopted, TitlePair, Titled, Unclear};
use serde_json::{Value, json};

use super::{lines, one_line, signalled, table, tickets};
use crate::cli::progress;
use crate::config::{Config, OlderTickets};

/// Prints the pairs found and the tickets left unclear.
pub(super) fn say(
    request: &BackfillRequest,
    requested: &Requested,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (external, internal) = (&request.external, &config.internal.name);
    let of_lane = config.externals.iter().find(|known| known.name() == external);
    let older = of_lane.map_or(OlderTickets::Stay, |external| external.sync.older);
    if !requested.pairs.is_empty() {
        writeln!(out, "named in the title of a ticket of {internal}, each with its counterpart:")?;
        writeln!(out, "{}\n", pairs_table(external, internal, &requested.pairs))?;
    }
    for unclear in &requested.unclear {
        writeln!(out, "{}", left_alone(external, internal, unclear, older))?;
    }
    if !requested.unclear.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// The number of each kind.
pub(super) fn counts(requested: &Requested) -> [(usize, &'static str); 3] {
    let newer = requested.unclear.iter().filter(|unclear| unclear.newer).count();
    [
        (requested.pairs.len(), "named in one title, whose ticket is the counterpart"),
        (requested.unclear.len() - newer, "left alone, since the titles do not identify the counterpart"),
        (newer, "newer than the connection, copied by `serve` unless they are linked first"),
    ]
}

/// Adopts pairs until Ctrl-C.
pub(super) async fn adopt(
    engine: &Engine,
    request: &BackfillRequest,
    pairs: &[TitlePair],
    bar: &progress::Bar,
) -> anyhow::Result<Vec<TitleAdopted>> {
    let tell = |done, all| bar.tell(done, all);
    let adopted = tokio::select! {
        adopted = engine.adopt_by_title(&request.external, pairs, &tell) => Some(adopted),
        () = signalled() => None,
    };
    bar.end();
    match adopted {
        None => bail!("stopped; the adopted pairs stay, and the same command goes on from there"),
        Some(Err(why)) => bail!("not all pairs were adopted, and nothing was marked; the same command goes on: {why}"),
        Some(Ok(adopted)) => Ok(adopted),
    }
}

pub(super) fn say_adopted(
    request: &BackfillRequest,
    adopted: &[TitleAdopted],
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for TitleAdopted { reference, counterpart, why_not, conflicts, .. } in adopted {
        let pair = format!("{}:{reference} with {}:{counterpart}", request.external, config.internal.name);
        if let Some(why) = why_not {
            writeln!(out, "not adopted: {pair}: {why}")?;
        }
        for conflict in conflicts {
            writeln!(out, "{pair}: left as it is: {conflict}")?;
        }
    }
    let taken = adopted.iter().filter(|pair| pair.link.is_some()).count();
    writeln!(out, "Adopted: {}, as they stand.", self::pairs(taken))?;
    Ok(())
}

pub(super) fn pairs(count: usize) -> String {
    counted(count, "pair", "pairs")
}

/// The question asked before anything is stored.
pub(super) fn question(requested: &Requested) -> String {
    match (requested.pairs.len(), requested.tickets.len()) {
        (0, marked) => format!("Mark {}?", tickets(marked)),
        (adopted, 0) => format!("Adopt {}?", pairs(adopted)),
        (adopted, marked) => format!("Adopt {} and mark {}?", pairs(adopted), tickets(marked)),
    }
}

pub(super) fn as_json(requested: &Requested, adopted: &[TitleAdopted]) -> Value {
    json!({ "pairs": requested.pairs, "unclear": requested.unclear, "adopted": adopted })
}

fn pairs_table(external: &str, internal: &str, pairs: &[TitlePair]) -> String {
    let mut table = table(["TICKET", "COUNTERPART", "ORGANISATION", "ITS TITLE"]);
    for TitlePair { ticket, counterpart } in pairs {
        let Titled { reference, title, organisation, .. } = counterpart;
        table.add_row([
            format!("{external}:{}", ticket.reference),
            format!("{internal}:{reference}"),
            one_line(organisation),
            one_line(title),
        ]);
    }
    lines(table)
}

/// Why the ticket is neither adopted nor marked, and what happens to it.
fn left_alone(external: &str, internal: &str, unclear: &Unclear, older: OlderTickets) -> String {
    let Unclear { ticket, candidates, rivals, newer } = unclear;
    let name = format!("{external}:{}", ticket.reference);
    let listed: Vec<String> = candidates.iter().map(|one| format!("{internal}:{}", one.reference)).collect();
    let what = match (listed.as_slice(), rivals.is_empty()) {
        ([only], false) => {
            let others: Vec<String> = rivals.iter().map(|reference| format!("{external}:{reference}")).collect();
            format!("the title of {only} names {} too", others.join(", "))
        }
        _ => format!("several titles name it: {}", listed.join(", ")),
    };
    let link = format!("`itop-bridge links link {name} {}`", if listed.len() == 1 { &listed[0] } else { "TICKET" });
    if *newer {
        return format!(
            "newer than the connection: {name}: {what}. `serve` makes a copy of it; if one of these is its counterpart, link it first, while `serve` is stopped or {external} is paused: {link}"
        );
    }
    let until = match older {
        OlderTickets::Stay => "Until then it stays where it is, also when it is changed",
        OlderTickets::CrossWhenChanged => "When it is changed before that, `serve` makes a copy of it (`older`)",
    };
    let how = match rivals.is_empty() {
        true => format!("{link} makes a pair with the right one"),
        false => format!("if these two belong together, {link} makes them a pair"),
    };
    format!(
        "left alone: {name}: {what}. {}; if it has no counterpart, take its reference out of the titles and run this again. {until}",
        wording::capital(&how)
    )
}
