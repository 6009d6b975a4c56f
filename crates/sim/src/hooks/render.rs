//! From an action's payload template to the body that is sent, in both versions' ways.

use serde_json::Value as Json;

use crate::config::Version;
use crate::rest::php_json;
use crate::schema::{Kind, Schema};
use crate::value::Object;
use crate::world::World;

/// The header lines of an action, as typed: name and value.
pub(super) fn header_lines(headers: &str) -> Vec<(String, String)> {
    headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// The body, or `None` where iTop drops the hook: its document would be no JSON.
///
/// Only a header that reads exactly `Content-type: application/json` makes iTop think of JSON
/// at all; with any other spelling the values are pasted raw.
pub(super) fn body(world: &World, payload: &str, headers: &[(String, String)], object: &Object) -> Option<String> {
    let thinks_of_json = headers.iter().any(|(name, value)| name == "Content-type" && value == "application/json");
    match (thinks_of_json, world.version) {
        (false, _) => Some(fill(world, payload, object, |value| value)),
        (true, Version::V3_1) => {
            let body = fill(world, payload, object, |value| value);
            serde_json::from_str::<Json>(&body).is_ok().then_some(body)
        }
        (true, Version::V3_2) => {
            let body = fill(world, payload, object, |value| {
                let quoted = Json::String(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            });
            let json: Json = serde_json::from_str(&body).ok()?;
            String::from_utf8(php_json(&json)).ok()
        }
    }
}

/// Replaces `$this->…$`; what is no attribute stays as it is.
fn fill(world: &World, payload: &str, object: &Object, escape: impl Fn(String) -> String) -> String {
    let mut out = String::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(start) = rest.find("$this->") {
        out.push_str(&rest[..start]);
        let inner = &rest[start + "$this->".len()..];
        let value = inner.find('$').and_then(|end| Some((value(world, object, &inner[..end])?, end)));
        match value {
            Some((value, end)) => {
                out.push_str(&escape(value));
                rest = &inner[end + 1..];
            }
            None => {
                out.push_str("$this->");
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A null is written as `undefined`; `None` is no attribute.
fn value(world: &World, object: &Object, path: &str) -> Option<String> {
    if path == "id" {
        return Some(object.id.to_string());
    }
    // A class without a tree has no attribute `finalclass`, but its objects know it.
    if path == "finalclass" {
        return Some(object.class.clone());
    }
    let class = world.class(&object.class);
    let found = match path.split_once("->") {
        None => world.read(object, class.attribute(path)?),
        Some((key, code)) => {
            let Kind::Key(target) = &class.attribute(key)?.kind else { return None };
            Schema::of(world.version).class(target)?.attribute(code)?;
            world.read_via(object, key, code)
        }
    };
    Some(found.unwrap_or_else(|| "undefined".into()))
}
