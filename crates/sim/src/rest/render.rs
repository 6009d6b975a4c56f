//! Objects to JSON answers, and JSON to bytes as PHP writes it.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::ser::Formatter;
use serde_json::{Map, Serializer, Value as Json, json};

use crate::config::Version;
use crate::dates;
use crate::html::to_text;
use crate::refusal::Refusal;
use crate::schema::{Attribute, Class, Kind};
use crate::value::{Entry, Object, Value};
use crate::world::World;

/// What `output_fields` asked for.
pub enum Fields {
    /// `*+`: all of each object's final class.
    AllOfFinalClass,
    These(Vec<String>),
}

impl Fields {
    pub fn parse(list: &str, class: &Class) -> Result<Self, Refusal> {
        match list {
            "*+" => return Ok(Self::AllOfFinalClass),
            "*" => {
                return Ok(Self::These(class.attributes.iter().map(|attribute| attribute.code.clone()).collect()));
            }
            _ => {}
        }
        let codes = list.split(',').map(str::trim).map(|code| {
            if code == "id" || class.attribute(code).is_some() {
                Ok(code.to_owned())
            } else {
                Err(Refusal::error(format!("output_fields: invalid attribute code '{code}'")))
            }
        });
        Ok(Self::These(codes.collect::<Result<_, _>>()?))
    }
}

/// What is printed, and in which form.
pub struct Printer<'a> {
    pub world: &'a World,
    pub date_format: &'a str,
}

/// The answer with its `objects`: each with a message and whether it was made by this very call.
pub fn objects_answer<'a>(
    printer: &Printer<'_>,
    objects: impl IntoIterator<Item = (&'a Object, &'a str, bool)>,
    fields: &Fields,
    message: Option<String>,
) -> Json {
    let mut map = Map::new();
    for (object, message, fresh) in objects {
        let shown = json!({
            "code": 0,
            "message": message,
            "class": object.class,
            "key": object.id.to_string(),
            "fields": render(printer, object, fields, fresh),
        });
        map.insert(format!("{}::{}", object.class, object.id), shown);
    }
    let objects = if map.is_empty() { Json::Null } else { Json::Object(map) };
    json!({"code": 0, "message": message, "objects": objects})
}

fn render(printer: &Printer<'_>, object: &Object, fields: &Fields, fresh: bool) -> Json {
    let class = printer.world.class(&object.class);
    let mut shown = Map::new();
    match fields {
        Fields::AllOfFinalClass => {
            for attribute in &class.attributes {
                shown.insert(attribute.code.clone(), render_value(printer, object, attribute, fresh));
            }
        }
        Fields::These(codes) => {
            for code in codes {
                let value = match class.attribute(code) {
                    Some(attribute) => render_value(printer, object, attribute, fresh),
                    // Only the id is no attribute; `parse` has refused everything else.
                    None => object.id.to_string().into(),
                };
                shown.insert(code.clone(), value);
            }
        }
    }
    Json::Object(shown)
}

fn render_value(printer: &Printer<'_>, object: &Object, attribute: &Attribute, fresh: bool) -> Json {
    let world = printer.world;
    let text = || Json::from(world.read(object, attribute).unwrap_or_default());
    let value = object.get(&attribute.code);
    match &attribute.kind {
        Kind::Log => json!({"entries": value.log().iter().map(|entry| render_entry(world, entry)).collect::<Vec<_>>()}),
        Kind::File => render_file(value),
        Kind::Links => json!([]),
        Kind::Set { class, key } => {
            world.pointing_at(class, key, object).into_iter().map(|other| render_member(printer, other, key)).collect()
        }
        Kind::Date => {
            let iso = world.read(object, attribute);
            iso.map_or_else(String::new, |iso| dates::print(&iso, printer.date_format)).into()
        }
        Kind::Timer => json!(0),
        Kind::Nothing => Json::Null,
        Kind::KeyObsolete => json!(""),
        // Of an object just made, an empty key still shows the class it would point at.
        Kind::KeyClass(key) if fresh && value_of_key(object, key) == 0 => {
            match world.class(&object.class).attribute(key).map(|attribute| &attribute.kind) {
                Some(Kind::Key(target)) => target.clone().into(),
                _ => text(),
            }
        }
        // 3.1 answers with the value prepared for a form: every `&` escaped once more than it
        // is stored, so what is read and written back grows each time.
        Kind::Html if world.version == Version::V3_1 => value.text().replace('&', "&amp;").into(),
        Kind::Lines => with_class_labels(world, value.text()).into(),
        _ => text(),
    }
}

/// A plain text names the class of a link by its label, as it would in a form: `[[User Request:6 | label]]`.
fn with_class_labels(world: &World, text: &str) -> String {
    let mut pieces = text.split("[[");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str("[[");
        let link = piece.split_once("]]").and_then(|(link, rest)| Some((link.split_once(':')?, rest)));
        match link.filter(|((class, _), _)| world.schema().class(class.trim()).is_some()) {
            None => out.push_str(piece),
            Some(((class, name), rest)) => {
                let name = match name.split_once('|') {
                    Some((name, label)) => format!("{} | {}", name.trim(), label.trim()),
                    None => name.trim().to_owned(),
                };
                out.push_str(&format!("{}:{name}]]{rest}", label_of(class.trim())));
            }
        }
    }
    out
}

/// `UserRequest` is called "User Request".
fn label_of(class: &str) -> String {
    let mut label = String::new();
    for character in class.chars() {
        if character.is_ascii_uppercase() && !label.is_empty() {
            label.push(' ');
        }
        label.push(character);
    }
    label
}

fn value_of_key(object: &Object, key: &str) -> u64 {
    object.get(key).key()
}

/// An object in the list of what it points at: without that key, and without what is derived from it.
fn render_member(printer: &Printer<'_>, object: &Object, key: &str) -> Json {
    let mut shown = Map::new();
    for attribute in &printer.world.class(&object.class).attributes {
        let derived = match &attribute.kind {
            Kind::Via { key: via, .. } | Kind::KeyName(via) | Kind::KeyClass(via) => via == key,
            _ => attribute.code == key,
        };
        if !derived {
            shown.insert(attribute.code.clone(), render_value(printer, object, attribute, false));
        }
    }
    Json::Object(shown)
}

fn render_entry(world: &World, entry: &Entry) -> Json {
    let (message, html) = if entry.plain {
        let escaped = entry.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        (entry.text.clone(), escaped.replace('\n', "<br/>"))
    } else {
        (to_text(&entry.text), entry.text.clone())
    };
    json!({
        "date": world.zone.print(entry.at),
        "user_login": entry.user_login,
        "user_id": entry.user_id.to_string(),
        "message": message,
        "message_html": html,
    })
}

fn render_file(value: &Value) -> Json {
    let Value::File(file) = value else { return Json::Null };
    json!({
        "data": STANDARD.encode(&file.data),
        "mimetype": file.mimetype,
        "filename": file.filename,
        "downloads_count": file.downloads,
    })
}

/// PHP's `json_encode`: no blanks, `/` escaped, nothing but ASCII.
pub fn php_json(json: &Json) -> Vec<u8> {
    use serde::Serialize;
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Php);
    json.serialize(&mut serializer).expect("a JSON value serialises into memory");
    out
}

struct Php;

impl Formatter for Php {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // A file's base64: nothing to escape but slashes, and long.
        if fragment.is_ascii() {
            for (n, part) in fragment.split('/').enumerate() {
                writer.write_all(if n == 0 { b"" } else { b"\\/" })?;
                writer.write_all(part.as_bytes())?;
            }
            return Ok(());
        }
        let mut plain_from = 0;
        for (at, character) in fragment.char_indices() {
            if character.is_ascii() && character != '/' {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain_from..at])?;
            if character == '/' {
                writer.write_all(b"\\/")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            plain_from = at + character.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }
}
