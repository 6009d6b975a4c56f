//! The errors of a store.

use crate::MAX_ROWS;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another worker has the ticket now; this one's result was not recorded.
    #[error("the lease on this ticket was lost to another worker")]
    LeaseLost,
    /// Disk full, read-only file, corrupt page: in the store's own words.
    #[error("the store cannot commit: {0}")]
    Unavailable(String),
    #[error("the store belongs to server id {found}, the configuration says {wanted}")]
    OtherServer { found: String, wanted: String },
    #[error("the store was written by a newer version of itop-bridge (schema {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("another itop-bridge holds the store {0}")]
    Locked(String),
    /// A folder, another program's database, or no database. It is left as it is.
    #[error("{0}")]
    NoStore(String),
    /// Pages cannot be read, or contradict each other. The file is left as it is.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The pair's keys are unique. Not transient: the same call fails again.
    #[error("{reference} is linked already: link {link}")]
    AlreadyLinked { reference: String, link: i64 },
    /// No link has this number, it is not the lease's ticket's, or it cannot be dropped because it has a counterpart.
    #[error("there is no link {0} that could be changed so")]
    NoLink(i64),
    #[error("something is stored of an external {0} already")]
    KnownExternal(String),
    /// A mistake of the caller, who has to ask in portions.
    #[error("{rows} rows in one call; a transaction takes {max}", max = MAX_ROWS)]
    TooMany { rows: usize },
}

pub type Result<T> = std::result::Result<T, StoreError>;
