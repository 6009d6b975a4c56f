//! The record of one REST call, for tests to look at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Counted from 0 since the simulator began; `clear_calls` does not restart it.
    pub number: usize,
    /// When it arrived, in Unix seconds of the server's clock.
    pub at: i64,
    /// The login that was accepted; `None` before log-in and after a failed one.
    pub account: Option<String>,
    /// `core/get`; the path for what is no REST call; empty without `json_data`.
    pub operation: String,
    pub class: String,
    pub key: Json,
    pub output_fields: String,
    /// The whole `json_data`.
    pub json: String,
    pub bytes_in: usize,
    pub bytes_out: usize,
    /// iTop's own code; `None` while nothing has been answered, and never for a fault's answer.
    pub code: Option<i64>,
    /// Whether a write was carried out, whatever became of its answer.
    pub wrote: bool,
}

impl Call {
    /// Takes over what a `json_data` says of itself.
    pub(crate) fn describe(&mut self, json: &Json) {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        self.operation = text("operation");
        self.class = text("class");
        self.output_fields = text("output_fields");
        self.key = json.get("key").cloned().unwrap_or_default();
    }

    /// Whether it asks for a write, carried out or not.
    pub fn is_write(&self) -> bool {
        crate::rest::is_write(&self.operation)
    }

    /// Whether a word stands in what it writes, as whatever reads the body on its way would find it: in a field, or
    /// in the text of a file.
    pub fn says(&self, word: &str) -> bool {
        fn holds(json: &Json, word: &str) -> bool {
            match json {
                Json::String(text) => text.contains(word),
                Json::Array(items) => items.iter().any(|item| holds(item, word)),
                Json::Object(fields) => fields.iter().any(|(name, value)| match value {
                    Json::String(base64) if name == "data" => {
                        STANDARD.decode(base64).is_ok_and(|data| String::from_utf8_lossy(&data).contains(word))
                    }
                    value => holds(value, word),
                }),
                _ => false,
            }
        }
        holds(&self.request()["fields"], word)
    }

    /// The parsed `json_data`, or null.
    pub fn request(&self) -> Json {
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}
