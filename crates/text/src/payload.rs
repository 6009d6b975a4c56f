//! A webhook's payload: only ids and classes are read.
//!
//! Many payloads are not JSON: iTop pastes a title or a description into the text raw when the action's header is not
//! spelt exactly `Content-type: application/json` (seen on 3.1.2 and 3.2.0). Such a text is searched.
//!
//! Pasted text can also forge: a title `x", "id": "5` leaves well-formed JSON with two ids. In iTop's payloads the
//! ids come before the title, so the *first* of several always counts, in JSON and in a search. All that a forger can
//! still gain is one pass over another ticket of his own iTop.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// iTop's placeholder in a payload for an attribute without a value.
pub const NULL: &str = "undefined";

/// The values as they came, not yet checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    pub class: Option<String>,
    pub id: Option<String>,
    pub item_class: Option<String>,
    pub item_id: Option<String>,
    pub attachment_id: Option<String>,
}

const KEYS: [&str; 5] = ["class", "id", "item_class", "item_id", "attachment_id"];

impl Payload {
    /// Reads JSON, and searches any other text.
    pub fn read(body: &[u8]) -> Payload {
        let text = String::from_utf8_lossy(body);
        match serde_json::from_str(&text) {
            Ok(payload) => payload,
            Err(_) => Payload::search(&text),
        }
    }

    fn search(text: &str) -> Payload {
        let mut payload = Payload::default();
        for key in KEYS {
            let Some(value) = search(text, key) else { continue };
            payload.keep_first(key, value);
        }
        payload
    }

    fn keep_first(&mut self, key: &str, value: String) {
        let place = match key {
            "class" => &mut self.class,
            "id" => &mut self.id,
            "item_class" => &mut self.item_class,
            "item_id" => &mut self.item_id,
            "attachment_id" => &mut self.attachment_id,
            _ => return,
        };
        place.get_or_insert(value);
    }
}

/// An id: ASCII digits and nothing else, because iTop runs a non-numeric key as a query.
pub fn id(value: Option<&str>) -> Option<u64> {
    let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|id| i64::try_from(*id).is_ok())
}

/// A class's name; `None` if the placeholder was not filled in.
pub fn class(value: Option<&str>) -> Option<&str> {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    value.filter(|value| !value.is_empty() && *value != NULL && value.bytes().all(fit))
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        deserializer.deserialize_map(FirstOfEach)
    }
}

/// A map in which the first of equal keys counts; serde_json's own would keep the last.
struct FirstOfEach;

impl<'de> Visitor<'de> for FirstOfEach {
    type Value = Payload;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        while let Some(key) = map.next_key::<String>()? {
            if !KEYS.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match map.next_value::<serde_json::Value>()? {
                serde_json::Value::String(value) => payload.keep_first(&key, value),
                serde_json::Value::Number(value) => payload.keep_first(&key, value.to_string()),
                // Present but not an id: it still is the first.
                _ => payload.keep_first(&key, String::new()),
            }
        }
        Ok(payload)
    }
}

/// The value of `key` in a broken document: its first occurrence where a key can stand, after `{` or `,`; failing
/// that, its first occurrence anywhere. Properly escaped text is never taken for a key: its quotes have backslashes.
fn search(text: &str, key: &str) -> Option<String> {
    let quoted = format!("\"{key}\"");
    let mut elsewhere = None;
    for (at, _) in text.match_indices(&quoted) {
        let Some(value) = value_after(&text[at + quoted.len()..]) else { continue };
        if text[..at].trim_end().ends_with(['{', ',']) {
            return Some(value);
        }
        elsewhere.get_or_insert(value);
    }
    elsewhere
}

/// The string or number after a colon.
fn value_after(rest: &str) -> Option<String> {
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    if let Some(string) = rest.strip_prefix('"') {
        return string.split_once('"').map(|(value, _)| value.to_owned());
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Payload {
        Payload::read(body.as_bytes())
    }

    #[test]
    fn an_id_is_digits_and_nothing_else() {
        for (value, read) in [
            ("98", Some(98)),
            ("007", Some(7)),
            ("0", Some(0)),
            ("9223372036854775807", Some(9_223_372_036_854_775_807)),
            ("9223372036854775808", None),
            ("", None),
            (" 98", None),
            ("-1", None),
            ("+1", None),
            ("1 OR 1=1", None),
            ("٣", None),
            ("1.0", None),
            ("$this->id$", None),
            ("undefined", None),
        ] {
            assert_eq!(id(Some(value)), read, "{value}");
        }
        assert_eq!(id(None), None);
    }

    #[test]
    fn a_class_is_a_word() {
        assert_eq!(class(Some("UserRequest")), Some("UserRequest"));
        for none in ["", "undefined", "$this->finalclass$", "User Request", "Urgência"] {
            assert_eq!(class(Some(none)), None, "{none}");
        }
    }

    #[test]
    fn json_may_hold_numbers_and_other_things() {
        let payload = read(r#"{"id": 98, "class": "Incident", "item_id": null, "x": {"id": 1}, "attachment_id": [2]}"#);
        assert_eq!(payload.id.as_deref(), Some("98"));
        assert_eq!(payload.class.as_deref(), Some("Incident"));
        assert_eq!(id(payload.item_id.as_deref()), None);
        assert_eq!(id(payload.attachment_id.as_deref()), None);
        assert_eq!(read(r#"[1, 2]"#), Payload::default());
        assert_eq!(read(""), Payload::default());
    }

    #[test]
    fn the_first_of_two_ids_counts() {
        let forged_json = r#"{"class":"UserRequest","id":"98","title":"x", "id": "5"}"#;
        assert_eq!(read(forged_json).id.as_deref(), Some("98"));
        let forged_text =
            r#"{"class":"UserRequest","id":"98","title":"a "b", "class": "Incident", "id": "5", "x": ""}"#;
        assert_eq!(read(forged_text).id.as_deref(), Some("98"));
        assert_eq!(read(forged_text).class.as_deref(), Some("UserRequest"));
    }

    #[test]
    fn text_of_a_title_before_the_id_is_no_key() {
        for title in [r#"say "id": "5" to me"#, r#""id":5"#, r#"a " b and \"id\": \"5\""#] {
            let body = format!(r#"{{"title":"{title}","id":"98","class":"UserRequest"}}"#);
            assert_eq!(read(&body).id.as_deref(), Some("98"), "{body}");
        }
    }

    #[test]
    fn a_document_without_commas_is_still_searched() {
        assert_eq!(read(r#"{"class":"UserRequest" "id": 98"#).id.as_deref(), Some("98"));
    }

    #[test]
    fn keys_that_end_alike_are_not_confused() {
        let payload = read(r#"{"item_id":"98","attachment_id":"7","broken": " "" }"#);
        assert_eq!((payload.id, payload.item_id.as_deref()), (None, Some("98")));
        assert_eq!(payload.attachment_id.as_deref(), Some("7"));
    }

    #[test]
    fn bytes_that_are_no_utf8_do_not_hide_the_id() {
        assert_eq!(Payload::read(b"{\"id\":\"98\",\"title\":\"\xff\"}").id.as_deref(), Some("98"));
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_after_the_id_does_not_change_it(title in ".*") {
            let body = format!("{{\"class\":\"UserRequest\",\"id\":\"98\",\"title\":\"{title}\"}}");
            let payload = read(&body);
            prop_assert_eq!(payload.id.as_deref(), Some("98"));
            prop_assert_eq!(payload.class.as_deref(), Some("UserRequest"));
        }
    }
}
