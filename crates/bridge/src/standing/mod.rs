//! The state of a side or a ticket, its reasons, and the next step. Every command, `check` and the alerts ask here
//! and word the answer with `sentences`, so that all agree at any moment. There are no sentences here.

mod sides;
mod ticket;

pub use sides::{SideStands, Sides};
pub use ticket::{Failing, Is, KeptBack, Refused, Standing, Ticket, Waits, Word};
