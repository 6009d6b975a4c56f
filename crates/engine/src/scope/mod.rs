//! Which tickets the bridge carries, and by which policy.

pub(crate) mod connection;
pub(crate) mod name_in_marks;
pub(crate) mod only;
pub(crate) mod policies;
