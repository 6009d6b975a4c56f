//! A ticket as one side showed it at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::caselog::{Entry, LogName};
use crate::link::TicketKey;
use crate::mark::FileMark;
use crate::parents::{Family, ParentKey};

/// One of the two iTops of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The customer's iTop, where bridged tickets originate.
    External,
    /// The service provider's iTop.
    Internal,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::External, Side::Internal];

    /// The values of this side (the source) and of the other (the target), in this order.
    pub fn source_and_target<T>(self, external: T, internal: T) -> (T, T) {
        match self {
            Side::External => (external, internal),
            Side::Internal => (internal, external),
        }
    }

    pub fn other(self) -> Side {
        match self {
            Side::External => Side::Internal,
            Side::Internal => Side::External,
        }
    }

    /// The place of something on this side, in texts for people.
    pub fn place(self) -> &'static str {
        match self {
            Side::External => "in the external iTop",
            Side::Internal => "in the internal iTop",
        }
    }

    /// The side's name in marks and messages.
    pub fn word(self) -> &'static str {
        match self {
            Side::External => "external",
            Side::Internal => "internal",
        }
    }
}

/// One side's view of a ticket.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every reading is of a ticket that is here")]
pub enum Reading {
    Here(Ticket),
    /// The side answered, and the ticket is not there.
    Gone,
    /// The ticket was never created on this side.
    NotCreated,
}

/// A ticket as it was read, with the requested attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    pub class: String,
    pub id: u64,
    /// iTop's own reference, such as `R-000123`.
    pub reference: String,
    pub status: String,
    /// Attribute code to value as iTop answered it. An absent code was not read, or the class does not have it.
    pub attributes: BTreeMap<String, String>,
    /// The crossing dates, converted to the other server's clock. A date that is not named here crosses unchanged.
    pub abroad: BTreeMap<String, Abroad>,
    /// The ticket's attachments; `None` when this read did not list them.
    pub files: Option<Vec<File>>,
    /// Its case logs, oldest entry first; an absent log was not read.
    pub logs: BTreeMap<LogName, Vec<Entry>>,
    /// The tickets that it names as its parents, from whose logs iTop copies entries into its own.
    pub parents: Vec<ParentKey>,
    /// Its parents and theirs; `None` when they were not read.
    pub family: Option<Box<Family>>,
    /// When the read was made, in ms since the epoch.
    pub read_at_ms: i64,
}

impl Ticket {
    pub fn key(&self) -> TicketKey {
        TicketKey { class: self.class.clone(), id: self.id, reference: self.reference.clone() }
    }

    /// The attribute's value where it was read and is not empty. iTop writes an unset external key as `"0"`, an unset
    /// date as `""`.
    pub fn filled(&self, code: &str) -> Option<&str> {
        let value = self.attributes.get(code)?.as_str();
        let empty = value.is_empty() || (is_external_key(code) && value == "0");
        (!empty).then_some(value)
    }

    /// The date on the other server's clock, where it is converted and known.
    pub fn abroad_at(&self, code: &str) -> Option<&str> {
        match self.abroad.get(code)? {
            Abroad::At(there) => Some(there),
            Abroad::Unknown(_) => None,
        }
    }

    /// Why the date on the other server's clock is unknown.
    pub fn unknown_abroad(&self, code: &str) -> Option<&str> {
        match self.abroad.get(code)? {
            Abroad::At(_) => None,
            Abroad::Unknown(why) => Some(why),
        }
    }
}

/// A date on the other server's clock. iTop prints and takes local times without a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abroad {
    At(String),
    /// The time zone of one of the servers is not known, for the reason given. Such a date waits.
    Unknown(String),
}

/// An external key (`team_id`, `agent_id`, …) names a person, a team, an organisation or a service, and none of these
/// crosses from one iTop to the other.
pub fn is_external_key(code: &str) -> bool {
    code.ends_with("_id")
}

/// An attachment as a listing shows it; its content only if that was read too.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub id: u64,
    pub made_by: MadeBy,
    pub content: Option<FileContent>,
    /// A hint has just named it, and it was copied before: iTop announces a deletion before it happens, so the file
    /// may be about to go.
    pub announced: bool,
}

impl File {
    /// The mark that this bridge gave it for this pair.
    pub fn mark(&self) -> Option<&FileMark> {
        match &self.made_by {
            MadeBy::ThisPair(mark) => Some(mark),
            MadeBy::Person | MadeBy::OtherPair => None,
        }
    }

    /// A person's file. A file made by a bridge, this or another, is no original and crosses no further.
    pub fn is_original(&self) -> bool {
        self.made_by == MadeBy::Person
    }
}

/// The maker of an attachment, by its `temp_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeBy {
    Person,
    /// This bridge, for this pair.
    ThisPair(FileMark),
    /// Another bridge, or this one for another pair: not to be touched.
    OtherPair,
}

/// Identifies one content of an attachment, without the data itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// A hash of the data.
    pub hash: String,
    pub name: String,
    pub mimetype: String,
}
