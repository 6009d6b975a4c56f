//! Counts, as people read them.

pub use itop_bridge_core::text::counted;
