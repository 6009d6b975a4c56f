//! The worker of each external, and the prober of each side.

pub(crate) mod probe;
pub(crate) mod read_both;
pub(crate) mod worker;
