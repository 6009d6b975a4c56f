//! Attribute values, read or to be written, and the JSON of a request made from them.

use serde_json::{Map, Value};

use crate::contents::Contents;
use crate::transport::Body;

/// One attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    Json(Value),
    /// A document's contents, kept apart so that its data is checked before it is sent, and never copied into other
    /// JSON.
    Contents(Contents),
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> FieldValue {
        FieldValue::Json(text.into())
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> FieldValue {
        FieldValue::Json(text.into())
    }
}

impl From<u64> for FieldValue {
    fn from(number: u64) -> FieldValue {
        FieldValue::Json(number.into())
    }
}

impl From<Value> for FieldValue {
    fn from(value: Value) -> FieldValue {
        FieldValue::Json(value)
    }
}

impl From<Contents> for FieldValue {
    fn from(contents: Contents) -> FieldValue {
        FieldValue::Contents(contents)
    }
}

/// The attributes that a write sets, in the order in which iTop must set them: it judges some by others, such as a
/// trigger's `target_attcodes` by the `target_class` set before it (seen on 3.1.2 and 3.2.0).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    values: Vec<(String, FieldValue)>,
}

impl Fields {
    pub fn new() -> Fields {
        Fields::default()
    }

    /// The same fields and one more: for building them in one expression.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<FieldValue>) -> Fields {
        self.set(attribute, value);
        self
    }

    pub fn set(&mut self, attribute: impl Into<String>, value: impl Into<FieldValue>) {
        let (attribute, value) = (attribute.into(), value.into());
        match self.values.iter_mut().find(|(known, _)| *known == attribute) {
            Some((_, present)) => *present = value,
            None => self.values.push((attribute, value)),
        }
    }

    pub fn get(&self, attribute: &str) -> Option<&FieldValue> {
        self.values.iter().find(|(known, _)| known == attribute).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.values.iter().map(|(attribute, value)| (attribute.as_str(), value))
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Length of all base64 text among the values, in bytes.
    pub(crate) fn contents_len(&self) -> u64 {
        self.contents().map(|(_, contents)| contents.data.len() as u64).sum()
    }

    /// The first attribute whose contents are not whole base64.
    pub(crate) fn broken_contents(&self) -> Option<&str> {
        self.contents().find(|(_, contents)| !contents.data.is_whole()).map(|(attribute, _)| attribute)
    }

    fn contents(&self) -> impl Iterator<Item = (&str, &Contents)> {
        self.iter().filter_map(|(attribute, value)| match value {
            FieldValue::Contents(contents) => Some((attribute, contents)),
            FieldValue::Json(_) => None,
        })
    }
}

impl<A: Into<String>, V: Into<FieldValue>> FromIterator<(A, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (A, V)>>(pairs: I) -> Fields {
        let mut fields = Fields::new();
        for (attribute, value) in pairs {
            fields.set(attribute, value);
        }
        fields
    }
}

/// Appends a request's JSON to `body`: `parameters`, and `fields` if the operation has them. Contents are separate
/// pieces; base64 needs no escaping in JSON.
pub(crate) fn push_json(body: &mut Body, parameters: Map<String, Value>, fields: Option<&Fields>) {
    let mut text = Value::Object(parameters).to_string();
    let Some(fields) = fields else {
        body.push(text);
        return;
    };
    text.pop(); // the closing brace: `operation` is always there, so a comma follows
    text.push_str(",\"fields\":{");
    for (position, (attribute, value)) in fields.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(&Value::from(attribute).to_string());
        text.push(':');
        match value {
            FieldValue::Json(value) => text.push_str(&value.to_string()),
            FieldValue::Contents(contents) => push_contents(body, &mut text, contents),
        }
    }
    text.push_str("}}");
    body.push(text);
}

fn push_contents(body: &mut Body, text: &mut String, contents: &Contents) {
    text.push_str("{\"data\":\"");
    body.push(std::mem::take(text));
    body.push(contents.data.as_bytes().clone());
    text.push_str("\",\"filename\":");
    text.push_str(&Value::from(contents.filename.as_str()).to_string());
    text.push_str(",\"mimetype\":");
    text.push_str(&Value::from(contents.mimetype.as_str()).to_string());
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_sent_in_the_order_in_which_they_were_set() {
        let mut fields = Fields::new().with("target_class", "Incident").with("action_list", 1).with("description", "d");
        fields.set("target_class", "UserRequest");
        let mut body = Body::empty();
        push_json(&mut body, Map::from_iter([("operation".into(), "core/create".into())]), Some(&fields));
        let sent =
            r#"{"operation":"core/create","fields":{"target_class":"UserRequest","action_list":1,"description":"d"}}"#;
        assert_eq!(String::from_utf8(body.to_bytes().to_vec()).unwrap(), sent);
    }

    #[test]
    fn contents_are_sent_as_the_bytes_they_are() {
        let contents = Contents::new("eA==".into(), "a \"q\".txt", "text/plain");
        let fields = Fields::new().with("contents", contents.clone()).with("item_id", 88);
        let mut parameters = Map::new();
        parameters.insert("operation".into(), "core/create".into());
        let mut body = Body::empty();
        push_json(&mut body, parameters, Some(&fields));

        let sent: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
        let data = json!({"data": "eA==", "filename": "a \"q\".txt", "mimetype": "text/plain"});
        let fields = json!({"contents": data, "item_id": 88});
        assert_eq!(sent, json!({"operation": "core/create", "fields": fields}));
        assert_eq!(body.pieces()[1].as_ptr(), contents.data.as_bytes().as_ptr());
    }
}
