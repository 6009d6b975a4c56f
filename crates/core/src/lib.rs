//! The decision of itop-bridge: what must be written so that two iTop tickets agree again.
//!
//! Everything here is pure and total. [`reconcile`] is given what was last agreed (the [`Link`] with its ancestor)
//! and what each side shows now (two [`Reading`]s), and returns a [`Plan`]: typed writes with reasons, things to
//! remember, conflicts, and halts. There is no IO, clock, randomness or wire format here; the time at which a side
//! was read is part of its [`Reading`].

pub mod caselog;
pub mod document;
pub mod event;
pub mod lifecycle;
pub mod link;
pub mod mark;
pub mod parents;
pub mod plan;
pub mod policy;
mod reconcile;
mod shown;
pub mod text;
pub mod ticket;
pub mod words;

pub use caselog::LogName;
pub use lifecycle::{Lifecycle, Lifecycles};
pub use link::{Ancestor, Copy, Link, SideAncestor, TicketKey};
pub use mark::{FileKind, FileMark, TicketMark};
pub use plan::{Plan, Step, Write};
pub use policy::Policy;
pub use reconcile::{
    Adopted, crossing_entries, found_by_marks, is_another, is_in_doubt, part_of, reconcile, taken_over,
};
pub use ticket::{Abroad, File, FileContent, MadeBy, Reading, Side, Ticket};
