//! How iTop says no: a code, a message, and one of two shapes of answer.

use serde_json::{Value as Json, json};

/// A refused operation, in iTop's own words. It had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct Refusal {
    pub code: i64,
    pub message: String,
    /// A refusal by the service itself carries `objects: null`; an exception does not.
    pub with_objects: bool,
}

impl Refusal {
    /// A PHP exception: code 100, or its own.
    pub fn exception(code: i64, message: impl std::fmt::Display) -> Self {
        Self { code, message: format!("Error: {message}"), with_objects: false }
    }

    /// An exception without a code of its own.
    pub fn error(message: impl std::fmt::Display) -> Self {
        Self::exception(100, message)
    }

    /// The service declines: missing rights (1), an invalid stimulus (100).
    pub fn declined(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), with_objects: true }
    }

    pub fn rights(action: &str, class: &str) -> Self {
        let message = format!("The current user does not have enough permissions for {action} data of class {class}");
        Self::declined(1, message)
    }

    /// The same, said about one attribute.
    pub fn about(self, code: &str) -> Self {
        let message = self.message.strip_prefix("Error: ").unwrap_or(&self.message);
        Self { message: format!("Error: {code}: {message}"), ..self }
    }

    pub fn to_json(&self) -> Json {
        if self.with_objects {
            json!({"code": self.code, "message": self.message, "objects": null})
        } else {
            json!({"code": self.code, "message": self.message})
        }
    }
}
