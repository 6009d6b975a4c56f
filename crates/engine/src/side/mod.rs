//! One iTop: its client, the facts learnt about it, and the reading of its answers.

pub(crate) mod breaker;
pub(crate) mod call;
pub(crate) mod dates;
pub(crate) mod escaping;
pub(crate) mod failure;
pub(crate) mod halting;
pub(crate) mod heard;
pub(crate) mod instants;
pub(crate) mod inventory;
pub(crate) mod itop;
pub(crate) mod lease;
pub(crate) mod login;
pub(crate) mod model;
pub(crate) mod read;
pub(crate) mod refused_size;
pub(crate) mod room;
pub(crate) mod seen;
pub(crate) mod send;
pub(crate) mod snapshot;
pub(crate) mod throttle;
pub(crate) mod unreadable;
pub(crate) mod zone;
