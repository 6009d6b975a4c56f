//! The names of tickets on the command line: `acme:R-000123`, `elitery:R-000077`, a link's number, or a plain
//! `R-000123` if only one ticket has that reference.

use anyhow::bail;
use itop_bridge_store::{Instance, MAX_ROWS, Store, Stored, TicketOf};

use super::ask;
use crate::config::Config;

/// An argument that names a side or a ticket: half of one is wrong usage.
pub(super) fn side_or_ticket(name: &str) -> Result<String, String> {
    let halves = name.split_once(':');
    if name.is_empty() || halves.is_some_and(|(side, reference)| side.is_empty() || reference.is_empty()) {
        return Err(
            "write SIDE:REFERENCE, such as acme:R-000123, a link's number, or the name of a side, such as acme"
                .to_owned(),
        );
    }
    Ok(name.to_owned())
}

/// An argument that names a ticket.
pub(super) fn ticket(name: &str) -> Result<String, String> {
    // A side's name alone names no ticket.
    let is_ticket = name.contains(':') || is_reference(name);
    side_or_ticket(name).ok().filter(|_| is_ticket).ok_or_else(|| {
        "write SIDE:REFERENCE, such as acme:R-000123 or elitery:R-000077, R-000123 alone if only one ticket has that reference, or a link's number, such as 12".to_owned()
    })
}

/// The form of iTop's references: any prefix, then digits.
fn is_reference(name: &str) -> bool {
    name.ends_with(|last: char| last.is_ascii_digit())
}

/// The side with this name.
pub(super) fn side(config: &Config, name: &str) -> Option<Instance> {
    if name == config.internal.name {
        return Some(Instance::Internal);
    }
    config.externals.iter().any(|external| external.name() == name).then(|| Instance::External(name.to_owned()))
}

/// A pair's name for people.
pub(super) fn pair_name(config: &Config, stored: &Stored) -> String {
    let internal = stored.link.internal.as_ref().map(|key| format!(" with {}:{}", config.internal.name, key.reference));
    format!("{}:{}{}", stored.external_name, stored.link.external.reference, internal.unwrap_or_default())
}

/// The external ticket of a pair, as the queue's key.
pub(super) fn of(stored: &Stored) -> TicketOf {
    TicketOf { external: stored.external_name.clone(), ticket: stored.link.external.id }
}

/// The object that a name stands for.
pub(super) enum Named {
    Pair(Box<Stored>),
    /// An external ticket without a pair, by its reference or, as the log calls it while it has no pair, by its id.
    Unlinked {
        external: String,
        reference: String,
    },
}

/// The pair that a ticket belongs to.
pub(super) fn find(store: &mut dyn Store, config: &Config, name: &str) -> anyhow::Result<Stored> {
    match find_any(store, config, name)? {
        Named::Pair(stored) => Ok(*stored),
        Named::Unlinked { external, reference } => bail!(
            "no pair has the ticket {reference} of {external}; `itop-bridge links show {external}:{reference}` says why"
        ),
    }
}

/// The pair that a ticket belongs to, or the external ticket that has none.
pub(super) fn find_any(store: &mut dyn Store, config: &Config, name: &str) -> anyhow::Result<Named> {
    if let Ok(number) = name.parse::<i64>() {
        return match store.link(number)? {
            Some(stored) => Ok(Named::Pair(Box::new(stored))),
            None => bail!("there is no link number {number}; `itop-bridge links list` shows all"),
        };
    }
    let Some((side, reference)) = name.split_once(':') else {
        if !is_reference(name) {
            bail!(
                "{name:?} names neither a side nor a ticket: write SIDE:REFERENCE, such as acme:R-000123, or a link's number{}",
                sides(config)
            );
        }
        return plain(store, config, name);
    };
    let internal = side == config.internal.name;
    let is_configured = internal || config.externals.iter().any(|external| external.name() == side);
    // The pairs of a customer that has left are kept, as ended.
    if !is_configured && store.links(Some(side), 0, 1, None)?.is_empty() {
        bail!("there is no side {side:?}{}", sides(config));
    }
    let (external, id) = ((!internal).then_some(side), reference.parse::<u64>().ok());
    let mut after = 0;
    loop {
        let page = store.links(external, after, MAX_ROWS, None)?;
        let Some(last) = page.last() else {
            if internal || !is_configured {
                bail!("no pair has the ticket {reference} of {side}");
            }
            return Ok(Named::Unlinked { external: side.to_owned(), reference: reference.to_owned() });
        };
        after = last.id;
        let found = page.into_iter().find(|stored| {
            let key = if internal { stored.link.internal.as_ref() } else { Some(&stored.link.external) };
            // Before its reference is known, a waiting ticket is called by its id.
            key.is_some_and(|key| key.reference == reference || id == Some(key.id))
        });
        if let Some(stored) = found {
            return Ok(Named::Pair(Box::new(stored)));
        }
    }
}

/// A reference without its side. If several paired tickets have it, the error names each.
fn plain(store: &mut dyn Store, config: &Config, reference: &str) -> anyhow::Result<Named> {
    let mut called = called(store, config, reference)?;
    match called.len() {
        1 => Ok(Named::Pair(Box::new(called.remove(0).1))),
        0 => {
            let externals: Vec<&str> = config.externals.iter().map(|external| external.name()).collect();
            match externals.as_slice() {
                [external] => Ok(Named::Unlinked { external: (*external).to_owned(), reference: reference.to_owned() }),
                several => {
                    let names: Vec<String> = several.iter().map(|external| format!("{external}:{reference}")).collect();
                    bail!("no pair has a ticket {reference}; name its side: {}", names.join(" or "))
                }
            }
        }
        _ => {
            let names: Vec<String> = called.iter().map(|(name, pair)| of_pair(config, name, pair)).collect();
            bail!("several tickets are called {reference}; write one of {}", names.join(", "))
        }
    }
}

fn of_pair(config: &Config, name: &str, pair: &Stored) -> String {
    format!("{name} (link {}: {})", pair.id, pair_name(config, pair))
}

/// The pairs with a ticket of this reference, each under that ticket's name; a pair whose two tickets both have it is
/// listed once.
fn called(store: &mut dyn Store, config: &Config, reference: &str) -> anyhow::Result<Vec<(String, Stored)>> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.links(None, after, MAX_ROWS, None)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        for stored in page {
            let is = |key: &itop_bridge_core::TicketKey| key.reference == reference;
            if is(&stored.link.external) {
                found.push((format!("{}:{reference}", stored.external_name), stored));
            } else if stored.link.internal.as_ref().is_some_and(is) {
                found.push((format!("{}:{reference}", config.internal.name), stored));
            }
        }
    }
}

/// The name as given; if several tickets match it, a person at a terminal is asked to choose.
pub(super) fn settled(store: &mut dyn Store, config: &Config, name: &str) -> anyhow::Result<String> {
    let is_plain = !name.contains(':') && name.parse::<i64>().is_err() && is_reference(name);
    if !is_plain || !ask::is_somebody_there() {
        return Ok(name.to_owned());
    }
    let called = called(store, config, name)?;
    if called.len() < 2 {
        return Ok(name.to_owned());
    }
    eprintln!("several tickets are called {name}:");
    for (at, (name, pair)) in called.iter().enumerate() {
        eprintln!("  {}  {}", at + 1, of_pair(config, name, pair));
    }
    let answer = ask::answer(&format!("Which one? [1-{}]", called.len()))?;
    let chosen = answer.parse::<usize>().ok().and_then(|number| called.get(number.checked_sub(1)?));
    match chosen {
        Some((name, _)) => Ok(name.clone()),
        None => bail!("none was chosen; nothing was changed"),
    }
}

pub(super) fn sides(config: &Config) -> String {
    let externals: Vec<&str> = config.externals.iter().map(|external| external.name()).collect();
    match externals.is_empty() {
        true => format!(". The configuration has {} alone", config.internal.name),
        false => format!(". The configuration has {} and {}", externals.join(", "), config.internal.name),
    }
}
