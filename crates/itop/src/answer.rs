//! Finds iTop's own words in the bytes of an answer.
//!
//! A real server puts PHP warnings in front of the JSON, a fatal error's text behind it, or a proxy's page in its
//! place. A *part* of an answer, such as one object of an answer cut in the middle, must never be taken for the
//! whole.
//!
//! Contents are read without a second copy of the answer: the JSON is borrowed, and the one copy made of each value
//! is the value returned.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::contents::Contents;
use crate::fields::FieldValue;
use crate::object::{Object, loose_u64};

/// How many `{` are tried as the beginning of the answer.
const MAX_BEGINNINGS: usize = 256;

/// The bytes of an answer as text. Invalid UTF-8 becomes U+FFFD.
pub(crate) fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// iTop's own JSON.
pub(crate) struct Answer<'a> {
    pub code: i64,
    pub message: String,
    /// The text in front of the JSON: empty, or PHP's warnings.
    pub junk_before: &'a str,
    objects: Option<&'a RawValue>,
    json: &'a str,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    code: Value,
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow, default)]
    objects: Option<&'a RawValue>,
    /// An *object* of an answer has these; the answer itself does not.
    #[serde(borrow, default)]
    class: Option<&'a RawValue>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
}

/// Whether `text` is iTop's message during an update: `{"data":[{"code":100,"message":…}]}` (3.x),
/// `{"code":100,"message":…}`, or the bare message (`application/maintenancemsg.php`).
pub(crate) fn is_maintenance(text: &str) -> bool {
    const MESSAGE: &str = "This application is currently under maintenance.";
    let Ok(json) = serde_json::from_str::<Value>(text) else {
        return text.trim() == MESSAGE;
    };
    let said = json.pointer("/data/0").unwrap_or(&json);
    said["code"] == 100 && said["message"] == MESSAGE
}

/// Why a text is not an answer of iTop's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    NotJson,
    /// It begins like an answer and ends in the middle.
    Cut,
}

impl<'a> Answer<'a> {
    /// Finds the answer in `text`, with any junk before and after it.
    pub(crate) fn find(text: &'a str) -> Result<Answer<'a>, NoAnswer> {
        let mut from = 0;
        for _ in 0..MAX_BEGINNINGS {
            let Some(found) = text[from..].find('{') else { break };
            let start = from + found;
            match first_value(&text[start..]) {
                Ok(raw) => match Answer::read(raw, &text[..start]) {
                    Some(answer) => return Ok(answer),
                    // JSON from another source. Nothing inside it is an answer of iTop's either.
                    None => from = start + raw.get().len(),
                },
                // Cut: the rest can only be parts of it, and a part must not pass for the answer.
                Err(error) if error.is_eof() => return Err(NoAnswer::Cut),
                Err(_) => from = start + 1,
            }
        }
        Err(NoAnswer::NotJson)
    }

    fn read(raw: &'a RawValue, before: &'a str) -> Option<Answer<'a>> {
        let envelope: Envelope<'a> = serde_json::from_str(raw.get()).ok()?;
        if envelope.class.is_some() || envelope.key.is_some() {
            return None;
        }
        Some(Answer {
            code: loose_i64(&envelope.code)?,
            message: loose_text(envelope.message),
            junk_before: before.trim(),
            objects: envelope.objects,
            json: raw.get(),
        })
    }

    /// The objects, sorted by class and id. `null`, `[]` and a missing value mean none.
    pub(crate) fn objects(&self) -> Result<Vec<Object>, BadObject> {
        let Some(raw) = self.objects.filter(|raw| is_map(raw)) else {
            return Ok(Vec::new());
        };
        let raw: BTreeMap<String, RawObject<'_>> = read(raw)?;
        let mut objects = Vec::with_capacity(raw.len());
        for (name, object) in raw {
            objects.push(object.into_object(&name)?);
        }
        objects.sort_by(|a, b| (&a.class, a.id).cmp(&(&b.class, b.id)));
        Ok(objects)
    }

    /// The whole answer as JSON.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::from_str(self.json).unwrap_or_default()
    }

    /// N of a message `Found: N` or `Deleted: N plus …`.
    pub(crate) fn count(&self, word: &str) -> Option<u64> {
        let rest = self.message.strip_prefix(word)?.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// The fault of one object in an otherwise good answer.
#[derive(Debug)]
pub(crate) struct BadObject {
    pub message: String,
}

#[derive(Deserialize)]
struct RawObject<'a> {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    class: Option<String>,
    #[serde(default)]
    key: Value,
    #[serde(borrow, default)]
    fields: Option<&'a RawValue>,
}

impl RawObject<'_> {
    /// `name` is its key in the map of objects, `Class::id`.
    fn into_object(self, name: &str) -> Result<Object, BadObject> {
        let code = loose_i64(&self.code).unwrap_or(0);
        if code != 0 {
            let message = self.message.as_str().unwrap_or_default();
            return Err(BadObject { message: format!("{name}: {message} (code {code})") });
        }
        let (named_class, named_id) = name.split_once("::").unwrap_or((name, ""));
        let id = loose_u64(&self.key).or_else(|| named_id.parse().ok());
        let id = id.ok_or_else(|| BadObject { message: format!("object without id: {name}") })?;
        Ok(Object {
            class: self.class.unwrap_or_else(|| named_class.to_owned()),
            id,
            fields: self.fields.map(read_fields).transpose()?.unwrap_or_default(),
        })
    }
}

/// PHP writes an object without fields as `[]`.
fn read_fields(raw: &RawValue) -> Result<BTreeMap<String, FieldValue>, BadObject> {
    if !is_map(raw) {
        return Ok(BTreeMap::new());
    }
    let raw: BTreeMap<String, &RawValue> = read(raw)?;
    raw.into_iter().map(|(attribute, raw)| Ok((attribute, read_value(raw)?))).collect()
}

fn read_value(raw: &RawValue) -> Result<FieldValue, BadObject> {
    if is_map(raw)
        && let Ok(contents) = serde_json::from_str::<RawContents<'_>>(raw.get())
        && let Some(data) = unescape_base64(contents.data.get())
    {
        return Ok(FieldValue::Contents(Contents {
            data: data.into(),
            filename: contents.filename.unwrap_or_default(),
            mimetype: contents.mimetype.unwrap_or_default(),
            downloads_count: loose_u64(&contents.downloads_count),
        }));
    }
    read(raw).map(FieldValue::Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContents<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    filename: Option<String>,
    mimetype: Option<String>,
    #[serde(default)]
    downloads_count: Value,
}

/// The base64 of a JSON string; `null` (an attribute without a file) is none. PHP writes `/` as `\/`; base64 contains
/// no other escape.
fn unescape_base64(json: &str) -> Option<String> {
    if json == "null" {
        return Some(String::new());
    }
    let escaped = json.strip_prefix('"')?.strip_suffix('"')?;
    let backslashes = escaped.bytes().filter(|&byte| byte == b'\\').count();
    let mut text = String::with_capacity(escaped.len() - backslashes);
    let mut pieces = escaped.split('\\');
    text.push_str(pieces.next()?);
    for piece in pieces {
        if !piece.starts_with('/') {
            return None;
        }
        text.push_str(piece);
    }
    Some(text)
}

/// The JSON value at the start of `text`, whatever follows it.
fn first_value(text: &str) -> Result<&RawValue, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.next().unwrap_or_else(|| Err(serde::de::Error::custom("no JSON")))
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, BadObject> {
    serde_json::from_str(raw.get()).map_err(|error| BadObject { message: format!("unreadable object: {error}") })
}

fn is_map(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn loose_i64(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// A message is text or null; anything else is shown as its JSON.
fn loose_text(raw: &RawValue) -> String {
    match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) | Err(_) => String::new(),
        Ok(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"code":0,"message":null,"objects":{"Ticket::7":{"code":0,"message":"created","class":"Ticket","key":"7","fields":{"id":"7"}}}}"#;

    #[test]
    fn found_behind_and_in_front_of_junk() {
        let text = format!("<br />\n<b>Warning</b>: {{x}} in a.php {{\n{CREATED}\nFatal {{");
        let answer = Answer::find(&text).ok().unwrap();
        assert_eq!(answer.code, 0);
        assert!(answer.junk_before.contains("Warning"));
        assert_eq!(answer.objects().unwrap()[0].id, 7);
        assert_eq!(answer.to_value()["code"], 0);
    }

    #[test]
    fn no_cut_of_an_answer_is_an_answer() {
        for end in 0..CREATED.len() {
            let cut = Answer::find(&CREATED[..end]).err().unwrap();
            assert_eq!(cut, if end == 0 { NoAnswer::NotJson } else { NoAnswer::Cut });
            let tail = Answer::find(&CREATED[end + 1..]).err();
            assert_eq!(tail, Some(NoAnswer::NotJson), "{}", &CREATED[end + 1..]);
        }
    }

    #[test]
    fn somebody_elses_json_is_no_answer_nor_is_what_it_holds() {
        let other = r#"{"errors":[{"code":0,"message":"created"}]}"#;
        assert_eq!(Answer::find(other).err(), Some(NoAnswer::NotJson));
        let both = format!("{other}{CREATED}");
        assert!(Answer::find(&both).is_ok());
    }

    #[test]
    fn maintenance_in_its_three_shapes() {
        let message = "This application is currently under maintenance.";
        let object = format!(r#"{{"code":100,"message":"{message}"}}"#);
        assert!(is_maintenance(&format!(r#"{{"data":[{object}],"scripts":[]}}"#)));
        assert!(is_maintenance(&object));
        assert!(is_maintenance(&format!("{message}\n")));
        assert!(!is_maintenance("<html>under maintenance"));
    }

    #[test]
    fn loose_types() {
        let text = r#"{"code":"100","message":{"a":1},"objects":[]}"#;
        let answer = Answer::find(text).ok().unwrap();
        assert_eq!((answer.code, answer.message.as_str()), (100, r#"{"a":1}"#));
        assert_eq!(answer.objects().unwrap(), []);
    }

    #[test]
    fn contents_lose_only_the_backslashes() {
        assert_eq!(unescape_base64(r#""\/\/8=""#).as_deref(), Some("//8="));
        assert_eq!(unescape_base64("null").as_deref(), Some(""));
        assert_eq!(unescape_base64(r#""a\u0041""#), None);
        assert_eq!(unescape_base64(r#""a\\\/""#), None);
    }
}
