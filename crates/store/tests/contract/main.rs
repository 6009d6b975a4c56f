//! The store: one suite of its contract, stamped on every backend; what a file must do besides; the
//! handle; and the queue against a naive model of it.

mod backends;
mod conformance;
mod fixtures;
mod handle;
mod model;
mod sqlite_file;

use backends::{Memory, ReopenedFile};

conformance::stamp!(sqlite_in_memory, Memory);
conformance::stamp!(sqlite_file_reopened_before_each_verb, ReopenedFile);
