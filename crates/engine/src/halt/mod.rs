//! A side halts rather than guess: much of it is gone, or it was restored from a backup.

pub(crate) mod losses;
pub(crate) mod went_back;
