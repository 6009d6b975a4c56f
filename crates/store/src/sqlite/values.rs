//! Values as SQLite stores them in a column.

use rusqlite::types::Type;

use crate::{MAX_ROWS, Result, StoreError};

/// A limit as SQL takes it, never above [`MAX_ROWS`].
pub(super) fn bounded(limit: usize) -> i64 {
    limit.min(MAX_ROWS) as i64
}

/// An iTop id as stored in a column. Every `u64` has its own value, so that an id that no iTop has, from a forged
/// hint, is a missing ticket and not an error.
pub(super) fn column(id: u64) -> i64 {
    id.cast_signed()
}

pub(super) fn from_column(id: i64) -> u64 {
    id.cast_unsigned()
}

/// A value as JSON for a column.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Unavailable(format!("a record cannot be written as JSON: {error}")))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}
