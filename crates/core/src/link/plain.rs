//! Texts that were sent as plain text to attributes that may hold HTML.

use serde::{Deserialize, Serialize};

use super::Enclosure;
use super::late::internal;
use crate::ticket::Side;

/// A text as it was sent, without knowing whether the attribute holds HTML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlainText {
    /// The side whose ticket was moved.
    #[serde(default = "internal")]
    pub on: Side,
    pub code: String,
    pub value: String,
    /// The text to write if the attribute holds HTML: the source's own markup, where it had some. `None` where an
    /// older version sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The files that belong to the text in that case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encloses: Vec<Enclosure>,
}
