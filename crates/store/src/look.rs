//! The scope of a pass: gathered from hints, rechecks and operators.

use std::collections::BTreeSet;

use itop_bridge_core::Side;
use serde::{Deserialize, Serialize};

/// The data that a pass has to read. Merged by union.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// List the ticket's attachments, not only read the ticket itself.
    pub files: bool,
    /// Read the ticket itself. A hint that names only known attachments does not need it.
    pub ticket: bool,
    /// External attachments that hints named: read with their contents.
    pub external_attachments: BTreeSet<u64>,
    /// External attachments that a hint has named since the last pass: a recheck names them too, and is no news.
    #[serde(default)]
    pub announced: BTreeSet<u64>,
    /// Internal attachments that hints named.
    pub internal_attachments: BTreeSet<u64>,
    /// Internal attachments that a hint has named since the last pass.
    #[serde(default)]
    pub internal_announced: BTreeSet<u64>,
    /// How many rechecks there were since the last real hint of an external attachment.
    pub second_looks: u32,
    /// The same for internal attachments.
    #[serde(default)]
    pub internal_second_looks: u32,
    /// A webhook said that the ticket was created: whatever its id, it is not older than the connection.
    #[serde(default)]
    pub created: bool,
    /// A webhook of the ticket itself, not of one of its files, said that it changed.
    #[serde(default)]
    pub changed: bool,
    /// The last pass could not write everything: the contents of the attachments are read again, at a recheck too.
    #[serde(default)]
    pub unwritten: bool,
    /// An operator backfills the ticket, however old it is. Tickets that webhooks report go first.
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

    /// Forgets which attachments hints have named: they were seen.
    pub fn nothing_is_announced(&mut self) {
        self.announced.clear();
        self.internal_announced.clear();
    }

    /// The union. A fresh hint of an attachment restarts that side's count of rechecks.
    pub fn merge(&mut self, other: &Look) {
        // A hint that names no attachment says nothing new about those that are being rechecked.
        let least = |ours: (bool, u32), theirs: (bool, u32)| match (ours.0, theirs.0) {
            (true, false) => ours.1,
            (false, true) => theirs.1,
            _ => ours.1.min(theirs.1),
        };
        let external = |look: &Look| (!look.external_attachments.is_empty(), look.second_looks);
        let internal = |look: &Look| (!look.internal_attachments.is_empty(), look.internal_second_looks);
        self.second_looks = least(external(self), external(other));
        self.internal_second_looks = least(internal(self), internal(other));
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

    /// How many rechecks one side's named attachments have had.
    pub fn second_looks(&self, side: Side) -> u32 {
        match side {
            Side::External => self.second_looks,
            Side::Internal => self.internal_second_looks,
        }
    }

    /// One side's attachments that a hint has named since the last pass.
    pub fn announced(&self, side: Side) -> &BTreeSet<u64> {
        match side {
            Side::External => &self.announced,
            Side::Internal => &self.internal_announced,
        }
    }
}
