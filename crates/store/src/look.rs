//! What a claim asks a pass to look at: gathered from hints, second looks and operators.

use std::collections::BTreeSet;

use itop_bridge_core::Side;
use serde::{Deserialize, Serialize};

/// What a pass has to look at. Merged by union.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The attachments of the ticket are to be listed, not only the ticket itself read.
    pub files: bool,
    /// The ticket itself is to be read. A hint that names only known attachments does not need it.
    pub ticket: bool,
    /// External attachments that hints named: read with contents.
    pub external_attachments: BTreeSet<u64>,
    /// Those of them that a hint has named since the last pass: a second look names them too, and is no news.
    #[serde(default)]
    pub announced: BTreeSet<u64>,
    /// Internal attachments that hints named, …
    pub internal_attachments: BTreeSet<u64>,
    /// … and those of them that a hint has named since the last pass.
    #[serde(default)]
    pub internal_announced: BTreeSet<u64>,
    /// How many second looks have been made since the last real hint of an external attachment, …
    pub second_looks: u32,
    /// … and of an internal one.
    #[serde(default)]
    pub internal_second_looks: u32,
    /// A hook said that the ticket was created: whatever its id, it is not older than the connection.
    #[serde(default)]
    pub created: bool,
    /// A hook of the ticket itself, and not of one of its files, said that it changed.
    #[serde(default)]
    pub changed: bool,
    /// The last pass could not write all that it wanted: the contents of the attachments are read again,
    /// at a second look too.
    #[serde(default)]
    pub unwritten: bool,
    /// An operator brings the ticket under the bridge, however old it is. What hooks tell of goes first.
    #[serde(default)]
    pub backfilled: bool,
}

impl Look {
    pub fn ticket() -> Look {
        Look { ticket: true, ..Look::default() }
    }

    pub fn everything() -> Look {
        Look { ticket: true, files: true, ..Look::default() }
    }

    /// Names an attachment of that side, to be read with its contents.
    pub fn name(&mut self, side: Side, attachment: u64) {
        match side {
            Side::External => self.external_attachments.insert(attachment),
            Side::Internal => self.internal_attachments.insert(attachment),
        };
    }

    /// What hints have named was seen.
    pub fn nothing_is_announced(&mut self) {
        self.announced.clear();
        self.internal_announced.clear();
    }

    /// The union. A fresh hint of an attachment starts that side's second looks anew.
    pub fn merge(&mut self, other: &Look) {
        // A hint that names no attachment says nothing new of those that are looked at again.
        let least = |ours: (bool, u32), theirs: (bool, u32)| match (ours.0, theirs.0) {
            (true, false) => ours.1,
            (false, true) => theirs.1,
            _ => ours.1.min(theirs.1),
        };
        let outside = |look: &Look| (!look.external_attachments.is_empty(), look.second_looks);
        let inside = |look: &Look| (!look.internal_attachments.is_empty(), look.internal_second_looks);
        self.second_looks = least(outside(self), outside(other));
        self.internal_second_looks = least(inside(self), inside(other));
        self.files |= other.files;
        self.ticket |= other.ticket;
        self.external_attachments.extend(&other.external_attachments);
        self.announced.extend(&other.announced);
        self.internal_attachments.extend(&other.internal_attachments);
        self.internal_announced.extend(&other.internal_announced);
        self.created |= other.created;
        self.changed |= other.changed;
        self.unwritten |= other.unwritten;
        self.backfilled |= other.backfilled;
    }

    /// The attachments of one side that hints named.
    pub fn named(&self, side: Side) -> &BTreeSet<u64> {
        match side {
            Side::External => &self.external_attachments,
            Side::Internal => &self.internal_attachments,
        }
    }

    /// How many second looks these have had.
    pub fn second_looks(&self, side: Side) -> u32 {
        match side {
            Side::External => self.second_looks,
            Side::Internal => self.internal_second_looks,
        }
    }

    /// Those of them that a hint has named since the last pass.
    pub fn announced(&self, side: Side) -> &BTreeSet<u64> {
        match side {
            Side::External => &self.announced,
            Side::Internal => &self.internal_announced,
        }
    }
}
