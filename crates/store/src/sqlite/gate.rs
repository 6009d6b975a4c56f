//! The seam at which a test sees, and refuses, what a store commits.

use crate::Result;

/// Stands before each commit that changes something.
pub trait CommitGate: Send + Sync {
    /// Whether the transaction may commit; an error undoes it as a whole, as a full disk would.
    fn may_commit(&self) -> Result<()>;

    /// The transaction has been committed.
    fn committed(&self);
}
