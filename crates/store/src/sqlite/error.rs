//! SQLite's errors as errors of the store.

use crate::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::from(&error)
    }
}

impl From<&rusqlite::Error> for StoreError {
    fn from(error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::*;
        let what = match error.sqlite_error_code() {
            Some(DiskFull) => "the disk is full",
            Some(ReadOnly | PermissionDenied) => "the database file cannot be written",
            Some(DatabaseCorrupt) => return StoreError::Damaged(error.to_string()),
            Some(NotADatabase) => {
                let what = "it is no SQLite database, or its first page is overwritten";
                return StoreError::NoStore(what.to_owned());
            }
            Some(DatabaseBusy | DatabaseLocked) => "another process keeps the database busy",
            Some(CannotOpen) => "the database file cannot be opened",
            Some(SystemIoFailure) => "the disk answers with an error",
            _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
                "a record in the database cannot be read"
            }
            _ => "the database refuses",
        };
        StoreError::Unavailable(format!("{what} ({error})"))
    }
}
