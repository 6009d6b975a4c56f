//! The snapshot of a pair.

use itop_bridge_core::{Reading, Side, Ticket};

/// Both sides of a pair as the pass has read them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub external: Reading,
    pub internal: Reading,
    /// The external log's first entry, read only while there is no link.
    pub first_entry: Option<String>,
    /// Why no external ticket was read, if there is no link.
    pub unread: &'static str,
}

impl Snapshot {
    pub fn of(&self, side: Side) -> &Reading {
        match side {
            Side::External => &self.external,
            Side::Internal => &self.internal,
        }
    }

    pub fn ticket(&self, side: Side) -> Option<&Ticket> {
        match self.of(side) {
            Reading::Here(ticket) => Some(ticket),
            Reading::Gone | Reading::NotCreated => None,
        }
    }

    pub fn ticket_mut(&mut self, side: Side) -> Option<&mut Ticket> {
        let reading = match side {
            Side::External => &mut self.external,
            Side::Internal => &mut self.internal,
        };
        match reading {
            Reading::Here(ticket) => Some(ticket),
            Reading::Gone | Reading::NotCreated => None,
        }
    }
}
