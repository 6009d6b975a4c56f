//! A claimed ticket's way back into the queue: when it is done, when it waits, and when it is tried again.

pub(crate) mod finish;
pub(crate) mod retry;
