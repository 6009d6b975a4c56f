//! What both sides show of a pair.

use itop_bridge_core::{Side, Sight, Ticket};

/// What both sides showed when the pass began.
#[derive(Debug, Clone)]
pub struct Sights {
    pub external: Sight,
    pub internal: Sight,
    /// The external log's first entry, read only while there is no link.
    pub first_entry: Option<String>,
    /// Why there is no external ticket, where it has no link and none was read.
    pub unread: &'static str,
}

impl Sights {
    pub fn of(&self, side: Side) -> &Sight {
        match side {
            Side::External => &self.external,
            Side::Internal => &self.internal,
        }
    }

    pub fn ticket(&self, side: Side) -> Option<&Ticket> {
        match self.of(side) {
            Sight::Here(ticket) => Some(ticket),
            Sight::Gone | Sight::Unborn => None,
        }
    }

    pub fn ticket_mut(&mut self, side: Side) -> Option<&mut Ticket> {
        let sight = match side {
            Side::External => &mut self.external,
            Side::Internal => &mut self.internal,
        };
        match sight {
            Sight::Here(ticket) => Some(ticket),
            Sight::Gone | Sight::Unborn => None,
        }
    }
}
