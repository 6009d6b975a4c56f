//! A webhook's body.

use itop_bridge_text::payload::{Payload, class, id};
use serde_json::json;

/// Whatever a body holds, only what it says is found in it, and what stands behind the ids does not change them.
pub fn payload(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let read = Payload::read(body);
    for value in values(&read) {
        let is_used = id(Some(value)).is_some() || class(Some(value)).is_some();
        // In JSON a character can be written as an escape; elsewhere what is found stands there.
        assert!(!is_used || text.contains('\\') || text.contains(value), "{value:?} does not stand in {text:?}");
        assert!(!is_used || value.len() <= text.len(), "{value:?} is longer than {text:?}");
        if let Some(id) = id(Some(value)) {
            assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{value:?} was read as {id}");
            assert_eq!(value.trim_start_matches('0').parse().unwrap_or(0), id);
        }
        if let Some(class) = class(Some(value)) {
            assert!(!class.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '$')), "{class:?}");
        }
    }
    assert_eq!(Payload::read(written(&read).as_bytes()), read, "what was written is read back");
    let pasted = format!("{{\"class\":\"UserRequest\",\"id\":\"98\",\"title\":\"{text}\"}}");
    let pasted = Payload::read(pasted.as_bytes());
    assert_eq!((pasted.id.as_deref(), pasted.class.as_deref()), (Some("98"), Some("UserRequest")));
}

fn values(payload: &Payload) -> impl Iterator<Item = &str> {
    let Payload { class, id, item_class, item_id, attachment_id } = payload;
    [class, id, item_class, item_id, attachment_id].into_iter().flatten().map(String::as_str)
}

fn written(payload: &Payload) -> String {
    let Payload { class, id, item_class, item_id, attachment_id } = payload;
    let fields = [
        ("class", class),
        ("id", id),
        ("item_class", item_class),
        ("item_id", item_id),
        ("attachment_id", attachment_id),
    ];
    let fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))));
    serde_json::Value::Object(fields.collect()).to_string()
}
