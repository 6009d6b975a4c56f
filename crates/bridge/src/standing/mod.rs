//! How things stand: a side, a ticket; why, and what comes next. One answer, which every verb, `check` and the alerts
//! ask for and then put in words (`sentences`): so all say the same at the same moment. There are no sentences here.

mod sides;
mod ticket;

pub use sides::{SideStands, Sides};
pub use ticket::{Failing, Is, KeptBack, Refused, Standing, Ticket, Waits, Word};
