//! Everything that arrives as text from outside: HTML, log entries, dates, webhooks' payloads; and how much text fits
//! at its destination. Nothing here does IO.

pub mod date_format;
pub mod fit;
pub mod html;
pub mod log_entries;
pub mod payload;
pub mod references;
pub mod room;
