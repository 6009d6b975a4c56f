//! Sweeps and audits: they mark tickets, and never write to an iTop.

pub(crate) mod audit;
pub(crate) mod sweep;
