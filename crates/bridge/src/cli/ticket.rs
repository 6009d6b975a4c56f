//! How people name a ticket on the command line: `acme:R-000123`, `elitery:R-000077`, or a link's
//! number.

use anyhow::bail;

use crate::config::Config;
use crate::store::{MAX_ROWS, Store, Stored};

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

/// The pair that a ticket belongs to.
pub(super) fn find(store: &mut dyn Store, config: &Config, name: &str) -> anyhow::Result<Stored> {
    if let Ok(number) = name.parse::<i64>() {
        return match store.link(number)? {
            Some(stored) => Ok(stored),
            None => bail!("there is no link number {number}"),
        };
    }
    let Some((side, reference)) = name.split_once(':') else {
        bail!(
            "{name:?} names neither a side nor a ticket: write SIDE:REFERENCE, such as acme:R-000123, or a link's number{}",
            sides(config)
        );
    };
    let internal = side == config.internal.name;
    if !internal && !config.externals.iter().any(|external| external.name() == side) {
        bail!("there is no side {side:?}{}", sides(config));
    }
    let external = (!internal).then_some(side);
    let mut after = 0;
    loop {
        let page = store.links(external, after, MAX_ROWS, None)?;
        let Some(last) = page.last() else {
            bail!("no pair has the ticket {reference} of {side}");
        };
        after = last.id;
        let found = page.into_iter().find(|stored| {
            let key = if internal { stored.link.internal.as_ref() } else { Some(&stored.link.external) };
            key.is_some_and(|key| key.reference == reference)
        });
        if let Some(stored) = found {
            return Ok(stored);
        }
    }
}

fn sides(config: &Config) -> String {
    let externals: Vec<&str> = config.externals.iter().map(|external| external.name()).collect();
    format!(". The configuration has {} and {}", externals.join(", "), config.internal.name)
}
