//! What an attribute holds, and an object as a bag of such values.

use std::collections::BTreeMap;

use bytes::Bytes;

/// One entry of a case log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unix seconds: iTop prints it in the server's zone at each read.
    pub at: i64,
    pub user_id: u64,
    /// A display name, whatever REST calls it.
    pub user_login: String,
    /// Sanitised markup, or plain text when `plain`.
    pub text: String,
    pub plain: bool,
}

/// A file: an attachment's or an inline image's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    pub data: Bytes,
    pub mimetype: String,
    pub filename: String,
    pub downloads: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Text(String),
    Number(u64),
    /// The id of another object; 0 is none.
    Key(u64),
    /// Unix seconds.
    Date(i64),
    Log(Vec<Entry>),
    File(Document),
    /// Links to write, each with the other object's id and its place in the order. Never stored.
    Links(Vec<(u64, u64)>),
}

impl Value {
    /// As OQL and iTop's null check see it.
    pub fn is_null(&self) -> bool {
        match self {
            Value::Null | Value::Key(0) => true,
            Value::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    pub fn key(&self) -> u64 {
        match self {
            Value::Key(id) | Value::Number(id) => *id,
            _ => 0,
        }
    }

    pub fn text(&self) -> &str {
        if let Value::Text(text) = self { text } else { "" }
    }

    pub fn log(&self) -> &[Entry] {
        if let Value::Log(entries) = self { entries } else { &[] }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub class: String,
    pub id: u64,
    pub values: BTreeMap<String, Value>,
}

impl Object {
    pub fn get(&self, code: &str) -> &Value {
        self.values.get(code).unwrap_or(&Value::Null)
    }

    pub fn set(&mut self, code: &str, value: Value) {
        self.values.insert(code.into(), value);
    }

    /// The codes whose values differ from `before`'s.
    pub fn changed_since(&self, before: &Object) -> Vec<String> {
        self.values.keys().filter(|code| self.get(code) != before.get(code)).cloned().collect()
    }
}
