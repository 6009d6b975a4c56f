//! Which iTop each name stands for. An external's name is the key of everything that the store knows, and it is part
//! of the marks in both iTops: with another name, or another iTop under the name, the bridge would create everything
//! a second time, or write one customer's tickets into another's. So the store remembers each side's address, and if
//! the configuration contradicts it, nothing is written.
//!
//! [`compare`] decides, for `serve`, `check` and every command that writes; it changes nothing. [`remember`] is for
//! `serve`, once nothing contradicts.

use std::collections::BTreeMap;
use std::fmt;

use itop_bridge_engine::NAME_IN_MARKS;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_store::{External, Instance, MAX_ROWS, Result, Store};

use crate::config::{Config, identity, known_identity};

/// The store's names for the facts that it remembers about a side.
const ADDRESS: &str = "address";
/// `external remove` has ended all the external's pairs.
const REMOVED: &str = "removed";

/// A contradiction between the store and the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// The configuration lacks an external that has live pairs or waiting tickets.
    Missing { name: String, live: u64, waiting: u64 },
    /// An external has the address of one that the configuration lacks.
    Renamed { old: String, new: String, name_in_marks: String, is_written: bool, removed: bool },
    /// Two sides have exchanged their addresses.
    Exchanged { one: String, other: String },
    /// A side has the address by which the store knows another one.
    Taken { side: String, owner: String },
    /// The marks of an external carry another name than the configuration says.
    InMarks { name: String, stored: String, written: String },
    /// A new external has the name that another external's marks carry.
    NameInUse { name: String, owner: String },
    /// A removed external is back, as another iTop.
    CameBackAnother { name: String },
    /// Neither the configuration nor the store has an external.
    None,
}

/// How the configuration relates to the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    pub contradictions: Vec<Contradiction>,
    /// Sides at an address that the store knows for no side: their iTop has moved, or so the operator says.
    pub moved: Vec<Moved>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub side: String,
    pub was: String,
}

/// One side as the store knows it.
struct Known {
    address: Option<String>,
    /// None where `serve` has not stored it yet, for example after an import of pairs.
    name_in_marks: Option<String>,
    removed: bool,
    counts: External,
}

/// The sides as the store remembers them.
struct Remembered {
    internal: Option<String>,
    externals: BTreeMap<String, Known>,
}

impl Remembered {
    fn read(store: &mut dyn Store) -> Result<Remembered> {
        let mut externals = BTreeMap::new();
        for counts in store.externals()? {
            let of = Instance::External(counts.name.clone());
            let name_in_marks = store.cursor(&of, NAME_IN_MARKS)?;
            let (address, removed) = (address(store, &of)?, store.cursor(&of, REMOVED)?.is_some());
            externals.insert(counts.name.clone(), Known { address, name_in_marks, removed, counts });
        }
        Ok(Remembered { internal: address(store, &Instance::Internal)?, externals })
    }

    /// The name of the side that the store knows at an address.
    fn owner<'a>(&'a self, side: &'a str, address: &str, internal: &'a str) -> Option<&'a str> {
        if self.address(side, internal) == Some(address) {
            return Some(side);
        }
        let is_there = |known: &Option<String>| known.as_deref() == Some(address);
        if is_there(&self.internal) {
            return Some(internal);
        }
        self.externals.iter().find(|(_, known)| is_there(&known.address)).map(|(name, _)| name.as_str())
    }

    fn address(&self, side: &str, internal: &str) -> Option<&str> {
        match side == internal {
            true => self.internal.as_deref(),
            false => self.externals.get(side)?.address.as_deref(),
        }
    }
}

fn address(store: &mut dyn Store, of: &Instance) -> Result<Option<String>> {
    Ok(store.cursor(of, ADDRESS)?.as_deref().map(known_identity))
}

/// The contradictions between the configuration and the store.
pub fn compare(store: &mut dyn Store, config: &Config) -> Result<Compared> {
    let known = Remembered::read(store)?;
    let internal = config.internal.name.as_str();
    let sides: BTreeMap<&str, String> = config.sides().map(|side| (side.name.as_str(), identity(&side.url))).collect();
    let is_external = |name: &str| config.externals.iter().any(|external| external.name() == name);
    let mut compared = Compared::default();
    let mut renamed = Vec::new();
    for (&side, address) in &sides {
        match known.owner(side, address, internal) {
            Some(owner) if owner == side => {}
            Some(owner) => {
                let of_owner = sides.get(owner);
                let found = match known.externals.get(owner) {
                    Some(lost) if !is_external(owner) && side != internal => {
                        renamed.push(owner);
                        let written = config.externals.iter().find(|external| external.name() == side);
                        let is_written =
                            written.is_some_and(|new| Some(&new.name_in_marks) == lost.name_in_marks.as_ref());
                        let (old, new) = (owner.to_owned(), side.to_owned());
                        let name_in_marks = lost.name_in_marks.clone().unwrap_or_else(|| old.clone());
                        let removed = lost.removed;
                        Contradiction::Renamed { old, new, name_in_marks, is_written, removed }
                    }
                    _ if of_owner.is_some_and(|of_owner| known.address(side, internal) == Some(of_owner)) => {
                        // Reported once, for the first of the two.
                        if owner < side {
                            continue;
                        }
                        Contradiction::Exchanged { one: side.to_owned(), other: owner.to_owned() }
                    }
                    _ => Contradiction::Taken { side: side.to_owned(), owner: owner.to_owned() },
                };
                compared.contradictions.push(found);
            }
            None => {
                let was = known.address(side, internal);
                let is_removed = known.externals.get(side).is_some_and(|known| known.removed);
                match was {
                    Some(_) if is_removed => {
                        compared.contradictions.push(Contradiction::CameBackAnother { name: side.to_owned() });
                    }
                    Some(was) => compared.moved.push(Moved { side: side.to_owned(), was: was.to_owned() }),
                    None => {}
                }
            }
        }
    }
    for external in &config.externals {
        let (name, written) = (external.name(), &external.name_in_marks);
        let found = match known.externals.get(name) {
            Some(stored) => stored
                .name_in_marks
                .clone()
                .filter(|stored| stored != written)
                .map(|stored| Contradiction::InMarks { name: name.to_owned(), stored, written: written.clone() }),
            None => {
                let owner = known.externals.iter().find(|(owner, stored)| {
                    stored.name_in_marks.as_ref().unwrap_or(owner) == written && !renamed.contains(&owner.as_str())
                });
                // A live external that the configuration lacks is reported as missing.
                let is_in_use = |(owner, stored): &(&String, &Known)| is_external(owner) || stored.counts.live == 0;
                owner
                    .filter(is_in_use)
                    .map(|(owner, _)| Contradiction::NameInUse { name: name.to_owned(), owner: owner.clone() })
            }
        };
        compared.contradictions.extend(found);
    }
    for (name, lost) in known.externals.iter().filter(|(name, _)| !is_external(name)) {
        let (live, waiting) = (lost.counts.live, lost.counts.waiting);
        if (live > 0 || waiting > 0) && !renamed.contains(&name.as_str()) {
            compared.contradictions.push(Contradiction::Missing { name: name.clone(), live, waiting });
        }
    }
    if config.externals.is_empty() && known.externals.is_empty() {
        compared.contradictions.push(Contradiction::None);
    }
    Ok(compared)
}

/// Stores each side's address and the name in its marks.
pub fn remember(store: &mut dyn Store, config: &Config) -> Result<()> {
    let mut all = vec![(Instance::Internal, ADDRESS, identity(&config.internal.url))];
    for external in &config.externals {
        let of = Instance::External(external.name().to_owned());
        if store.cursor(&of, REMOVED)?.is_some() {
            store.drop_cursor(&of, REMOVED)?;
        }
        all.push((of.clone(), NAME_IN_MARKS, external.name_in_marks.clone()));
        all.push((of, ADDRESS, identity(&external.side.url)));
    }
    let mut new = Vec::new();
    for (of, name, value) in &all {
        if store.cursor(of, name)?.as_ref() != Some(value) {
            new.push((of.clone(), *name, value.as_str()));
        }
    }
    new.chunks(MAX_ROWS).try_for_each(|some| store.set_cursors(some))
}

/// The part of an external's record that outlives its removal: its identity, so that neither its name nor its iTop
/// returns as another's.
pub const KEPT_OF_A_REMOVED: [&str; 2] = [ADDRESS, NAME_IN_MARKS];

/// Marks the record of an external whose pairs have ended.
pub fn mark_removed(store: &mut dyn Store, name: &str) -> Result<()> {
    store.set_cursor(&Instance::External(name.to_owned()), REMOVED, "1")
}

/// An external's address and its name in marks, as the store remembers them.
pub fn remembered(store: &mut dyn Store, name: &str) -> Result<(Option<String>, String)> {
    let of = Instance::External(name.to_owned());
    let name_in_marks = store.cursor(&of, NAME_IN_MARKS)?.unwrap_or_else(|| name.to_owned());
    Ok((address(store, &of)?, name_in_marks))
}

impl Contradiction {
    /// Whether it means that data of this side would go to another one, or come from it.
    pub fn is_about(&self, name: &str) -> bool {
        match self {
            Contradiction::Missing { .. } | Contradiction::None => false,
            Contradiction::Exchanged { one, other } => one == name || other == name,
            Contradiction::Renamed { new: side, .. }
            | Contradiction::Taken { side, .. }
            | Contradiction::InMarks { name: side, .. }
            | Contradiction::NameInUse { name: side, .. }
            | Contradiction::CameBackAnother { name: side } => side == name,
        }
    }

    /// Whether the iTop of this side may be another one than before.
    pub fn is_of_another_itop(&self, name: &str) -> bool {
        use Contradiction::{CameBackAnother, Exchanged, Taken};
        matches!(self, Exchanged { .. } | Taken { .. } | CameBackAnother { .. }) && self.is_about(name)
    }

    /// The fix.
    pub fn fix(&self) -> String {
        match self {
            Contradiction::Missing { name, .. } => format!(
                "put [external.{name}] back; if that customer has left, stop `serve` and run `itop-bridge external remove {name}`"
            ),
            Contradiction::Renamed { old, new, removed: true, .. } => {
                format!(
                    "rename [external.{new}] back to [external.{old}]: under another name its tickets would get second copies"
                )
            }
            Contradiction::Renamed { old, new, name_in_marks, is_written, .. } => {
                let write = match is_written {
                    true => String::new(),
                    false => format!("write `name_in_marks = \"{name_in_marks}\"` under [external.{new}] and "),
                };
                format!(
                    "rename the section back to [external.{old}]; if the new name is right, {write}run `itop-bridge external rename {old} {new}`"
                )
            }
            Contradiction::Exchanged { one, other } => {
                format!("exchange the two names, or the two addresses, of {one} and {other} back")
            }
            Contradiction::Taken { side, owner } => format!(
                "correct `url` of {side}; if {owner}'s iTop has moved and {side}'s has taken its address, first start `serve` with the new address of {owner} alone"
            ),
            Contradiction::InMarks { name, stored, .. } => match stored == name {
                true => format!("take `name_in_marks` out of [external.{name}]"),
                false => format!("write `name_in_marks = \"{stored}\"` under [external.{name}]"),
            },
            Contradiction::NameInUse { name, .. } | Contradiction::CameBackAnother { name } => {
                format!("give [external.{name}] a name that no customer has had")
            }
            Contradiction::None => {
                "write an [external.NAME], a customer's iTop; `itop-bridge init` asks for it".to_owned()
            }
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::Missing { name, live, waiting } => {
                write!(out, "the configuration has no [external.{name}], and the store has ")?;
                let pairs = (*live > 0).then(|| counted(*live as usize, "live pair", "live pairs"));
                let tickets =
                    (*waiting > 0).then(|| counted(*waiting as usize, "ticket that waits", "tickets that wait"));
                let both: Vec<String> = pairs.into_iter().chain(tickets).collect();
                write!(out, "{} of it", both.join(" and "))
            }
            Contradiction::Renamed { old, new, .. } => write!(
                out,
                "[external.{new}] has the address that the store knows as {old}'s, and the configuration has no [external.{old}]: {old}'s pairs and marks are not {new}'s"
            ),
            Contradiction::Exchanged { one, other } => {
                write!(
                    out,
                    "{one} and {other} have each other's address: the bridge would write the tickets of each into the other"
                )
            }
            Contradiction::Taken { side, owner } => {
                write!(out, "{side} has the address that the store knows as {owner}'s")
            }
            Contradiction::InMarks { name, stored, written } => write!(
                out,
                "the marks of {name}'s tickets carry the name {stored}, and the configuration says {written}: their copies would not be known again"
            ),
            Contradiction::NameInUse { name, owner } => {
                write!(
                    out,
                    "the marks of {owner}'s tickets carry the name {name}: {name}'s could not be distinguished from them"
                )
            }
            Contradiction::CameBackAnother { name } => write!(
                out,
                "{name} was removed, and is at another address now: an iTop of another customer must not have its name, which stands in marks"
            ),
            Contradiction::None => out.write_str("the configuration has no external, and the store knows none"),
        }
    }
}
