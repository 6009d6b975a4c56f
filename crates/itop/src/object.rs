//! Objects in the answers of iTop's REST, with accessors for the types it mixes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contents::Contents;
use crate::fields::FieldValue;

/// One object of an answer, with the requested attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The final class, even if a superclass was requested.
    pub class: String,
    pub id: u64,
    pub fields: BTreeMap<String, FieldValue>,
}

impl Object {
    pub fn get(&self, attribute: &str) -> Option<&FieldValue> {
        self.fields.get(attribute)
    }

    /// The attribute as JSON; `None` for contents, and if the answer lacks it.
    pub fn json(&self, attribute: &str) -> Option<&Value> {
        match self.fields.get(attribute)? {
            FieldValue::Json(value) => Some(value),
            FieldValue::Contents(_) => None,
        }
    }

    /// The attribute, if it is text. iTop gives nearly everything as text, dates and numbers too; an empty attribute
    /// is the empty text, seldom null.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.json(attribute)?.as_str()
    }

    /// The attribute as a number, which iTop gives as `"12"` or as `12`.
    pub fn number(&self, attribute: &str) -> Option<u64> {
        loose_u64(self.json(attribute)?)
    }

    /// The entries of a case log, oldest first. `None` if the attribute is not a case log.
    pub fn log(&self, attribute: &str) -> Option<Vec<LogEntry>> {
        let entries = self.json(attribute)?.get("entries")?.as_array()?;
        Some(entries.iter().map(LogEntry::read).collect())
    }

    pub fn contents(&self, attribute: &str) -> Option<&Contents> {
        match self.fields.get(attribute)? {
            FieldValue::Contents(contents) => Some(contents),
            FieldValue::Json(_) => None,
        }
    }
}

/// One entry of a case log. It has no id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// `YYYY-MM-DD HH:MM:SS` in the server's time zone.
    pub date: String,
    /// The author's *display name*, whatever the attribute is called.
    pub user_login: String,
    /// 0 when iTop names none.
    pub user_id: u64,
    /// Plain text.
    pub message: String,
    pub message_html: String,
}

impl LogEntry {
    fn read(entry: &Value) -> LogEntry {
        let text = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        LogEntry {
            date: text("date"),
            user_login: text("user_login"),
            user_id: entry.get("user_id").and_then(loose_u64).unwrap_or_default(),
            message: text("message"),
            message_html: text("message_html"),
        }
    }
}

pub(crate) fn loose_u64(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}
