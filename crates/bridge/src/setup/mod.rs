//! The webhooks of a side: the wanted ones, the installed ones, and the steps from one to the other.
//!
//! One table ([`Wanted`]) lists the webhooks that must exist. [`compare`] judges an iTop against it, for `check` and
//! for `setup`; [`apply`] carries out the steps that fix it; [`page`] prints the table for a person who does it by
//! hand.
//!
//! # Invariants of absence
//! - [`wanted`], [`compare()`] and [`page`] have no IO; [`installed`] writes nothing.
//! - The administrator's account is never stored, and no text contains it.

pub mod admin;
pub mod apply;
mod by_hand;
pub mod compare;
pub mod installed;
mod of_another;
pub mod page;
pub mod wanted;

pub use admin::{Admin, AdminError};
pub use compare::{Comparison, Judged, Step, compare};
pub use installed::Installed;
pub use of_another::OfAnother;
pub use wanted::Wanted;
