//! The external status moves the internal ticket.
