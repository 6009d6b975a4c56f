//! JSON fields to values: what REST accepts for each kind of attribute, and the sanitising on
//! the way in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value as Json;

use super::{Service, number_of};
use crate::account::Account;
use crate::dates::ISO;
use crate::html::Sanitizer;
use crate::refusal::Refusal;
use crate::schema::{Attribute, Kind};
use crate::value::{Document, Entry, Object, Value};

impl Service<'_> {
    /// Sets the fields on a draft, in the order in which they were sent.
    pub(super) fn fill(&self, draft: &mut Object, fields: &Json) -> Result<(), Refusal> {
        for (code, json) in fields.as_object().into_iter().flatten() {
            let attribute = self.world.class(&draft.class).attribute(code);
            let attribute = attribute.ok_or_else(|| Refusal::error("Unknown attribute").about(code))?;
            if !attribute.is_stored() {
                return Err(Refusal::error("Attempting to set the value of a read-only attribute").about(code));
            }
            let value = match &attribute.kind {
                Kind::Links => continue,
                // Only a trigger's list is written; the others follow from it.
                Kind::Set { key, .. } if key != "trigger_id" => continue,
                Kind::Set { .. } => self.make_actions(json),
                Kind::Codes => self.make_codes(draft, json),
                _ => self.make(attribute, draft.get(code), json),
            };
            let value = value.map_err(|refusal| refusal.about(code))?;
            draft.set(code, value);
        }
        Ok(())
    }

    fn make(&self, attribute: &Attribute, present: &Value, json: &Json) -> Result<Value, Refusal> {
        match &attribute.kind {
            Kind::Key(target) => self.make_key(target, json),
            Kind::Item => Ok(Value::Key(id_of(json))),
            Kind::Number if json.is_null() => Ok(Value::Null),
            Kind::Number => Ok(Value::Number(id_of(json))),
            Kind::Date => self.make_date(attribute, json),
            Kind::Log => self.make_log(present.log(), json),
            Kind::File => Ok(make_file(json)),
            Kind::Html => Ok(Value::Text(self.sanitizer().sanitize(&plain(json)))),
            _ => Ok(Value::Text(plain(json))),
        }
    }

    /// The actions that are to hang on a trigger, in place of those that do.
    fn make_actions(&self, json: &Json) -> Result<Value, Refusal> {
        let links = json.as_array().into_iter().flatten().map(|item| {
            let action = self.make_key("Action", &item["action_id"]).map_err(|refusal| refusal.about("action_id"))?;
            Ok((action.key(), id_of(&item["order"])))
        });
        Ok(Value::Links(links.collect::<Result<_, Refusal>>()?))
    }

    /// Judged by the class that the draft has when it is their turn.
    fn make_codes(&self, draft: &Object, json: &Json) -> Result<Value, Refusal> {
        let (text, class) = (plain(json), draft.get("target_class").text());
        let codes: Vec<&str> = text.split(',').map(str::trim).filter(|code| !code.is_empty()).collect();
        let known = self.world.schema().class(class);
        let is_known = |code: &&&str| known.is_some_and(|known| known.attribute(code).is_some());
        let unknown: Vec<&str> = codes.iter().filter(|code| !is_known(code)).copied().collect();
        if !unknown.is_empty() {
            let list = unknown.join(", ");
            return Err(Refusal::error(format!("The attribute(s) {list} are invalid for class {class}")));
        }
        Ok(Value::Text(codes.join(", ")))
    }

    fn make_key(&self, target: &str, json: &Json) -> Result<Value, Refusal> {
        if json.is_null() || json == "" || number_of(json) == Some(0) {
            return Ok(Value::Key(0));
        }
        Ok(Value::Key(self.find_one(target, json)?.id))
    }

    fn make_date(&self, attribute: &Attribute, json: &Json) -> Result<Value, Refusal> {
        let text = plain(json);
        if text.is_empty() {
            return Ok(Value::Null);
        }
        if let Ok(unix_seconds) = text.parse() {
            return Ok(Value::Date(unix_seconds));
        }
        let wrong = || {
            let code = &attribute.code;
            Refusal::error(format!("Wrong format for date attribute {code}, expecting \"{ISO}\" and got \"{text}\""))
        };
        self.world.zone.read(&text).map(Value::Date).ok_or_else(wrong)
    }

    fn read_date(&self, text: &str) -> Result<i64, Refusal> {
        let wrong = || Refusal::error(format!("Wrong format for date '{text}', expecting Y-m-d H:i:s"));
        self.world.zone.read(text).ok_or_else(wrong)
    }

    /// A string or `add_item` appends; `items` replaces the whole log.
    fn make_log(&self, present: &[Entry], json: &Json) -> Result<Value, Refusal> {
        if let Some(text) = json.as_str() {
            let item = serde_json::json!({"message": text});
            let appended = if text.is_empty() { None } else { Some(self.make_entry(&item)?) };
            return Ok(Value::Log(present.iter().cloned().chain(appended).collect()));
        }
        if let Some(item) = json.get("add_item").filter(|item| !item.is_null()) {
            if item.get("message").is_none_or(Json::is_null) {
                return Err(Refusal::error("Missing mandatory entry: 'message'"));
            }
            let entry = self.make_entry(item)?;
            return Ok(Value::Log(present.iter().cloned().chain([entry]).collect()));
        }
        let items = json.get("items").and_then(Json::as_array);
        let items = items.ok_or_else(|| Refusal::error("Missing 'items' elements"))?;
        Ok(Value::Log(items.iter().map(|item| self.make_entry(item)).collect::<Result<_, _>>()?))
    }

    /// The author counts for administrators only; the date for everyone (recorded with an
    /// agent's account).
    fn make_entry(&self, item: &Json) -> Result<Entry, Refusal> {
        let (user_id, user_login) = match item.get("user_id").and_then(number_of) {
            None => (self.account.user_id, self.account.display_name.clone()),
            Some(_) if !self.account.is_admin => {
                return Err(Refusal::exception(1, "Only administrators can set the user id"));
            }
            Some(id) => (id_of(&Json::from(id)), self.name_of_user(id, item)),
        };
        let at = match item.get("date").and_then(Json::as_str) {
            Some(date) => self.read_date(date)?,
            None => self.now,
        };
        let plain_text = item.get("format").is_some_and(|format| format == "text");
        let message = plain(item.get("message").unwrap_or(&Json::Null));
        let text = if plain_text { message } else { self.sanitizer().sanitize(&message) };
        Ok(Entry { at, user_id, user_login, text, plain: plain_text })
    }

    fn name_of_user(&self, id: i64, item: &Json) -> String {
        let known = self.accounts.iter().find(|account| i64::try_from(account.user_id) == Ok(id));
        known.map_or_else(|| plain(&item["user_login"]), |account: &Account| account.display_name.clone())
    }

    fn sanitizer(&self) -> Sanitizer<'_> {
        Sanitizer { version: self.world.version, base_url: &self.world.base_url }
    }

    /// The database's own refusals of a file: a name too long for its column, a packet too large.
    pub(super) fn check_file(&self, draft: &Object) -> Result<(), Refusal> {
        let Value::File(file) = draft.get("contents") else { return Ok(()) };
        if file.filename.chars().count() > 255 {
            return Err(self.column_overflow(draft, file));
        }
        if self.limits.attachment_gone_away_bytes.is_some_and(|max| file.data.len() > max) {
            let text = "MySQL server has gone away";
            return Err(Refusal::exception(
                2006,
                format!("{text}: query = ROLLBACK, mysql_errno = 2006, mysql_error = {text}"),
            ));
        }
        if self.limits.attachment_max_bytes.is_some_and(|max| file.data.len() > max) {
            let text = "Got a packet bigger than 'max_allowed_packet' bytes";
            return Err(Refusal::exception(
                1153,
                format!("Failed to issue SQL query: mysql_errno = 1153, mysql_error = {text}"),
            ));
        }
        Ok(())
    }

    /// iTop prints the whole query, data and all.
    fn column_overflow(&self, draft: &Object, file: &Document) -> Refusal {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let now = quoted(&self.world.zone.print(self.now));
        let mut columns: Vec<(&str, String)> = vec![
            ("expire", now.clone()),
            ("temp_id", quoted(draft.get("temp_id").text())),
            ("item_class", quoted(draft.get("item_class").text())),
            ("item_id", draft.get("item_id").key().to_string()),
            ("item_org_id", draft.get("item_org_id").key().to_string()),
            ("contents_data", quoted(&String::from_utf8_lossy(&file.data))),
            ("contents_mimetype", quoted(&file.mimetype)),
            ("contents_filename", quoted(&file.filename)),
            ("contents_downloads_count", file.downloads.to_string()),
            ("creation_date", now),
            ("user_id", self.account.user_id.to_string()),
        ];
        if self.world.version == crate::config::Version::V3_2 {
            columns.push(("contact_id", self.account.contact_id.to_string()));
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| format!("`{name}`")).collect();
        let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
        Refusal::exception(
            1406,
            format!(
                "Failed to issue SQL query: query = INSERT INTO `attachment` ({}) VALUES ({}), mysql_errno = 1406, \
                 mysql_error = Data too long for column 'contents_filename' at row 1",
                names.join(","),
                values.join(", ")
            ),
        )
    }
}

/// PHP's reading of a scalar as text.
fn plain(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Null | Json::Bool(false) => String::new(),
        Json::Bool(true) => "1".into(),
        other => other.to_string(),
    }
}

fn id_of(json: &Json) -> u64 {
    number_of(json).and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn make_file(json: &Json) -> Value {
    let text = |name: &str| json.get(name).map(plain).unwrap_or_default();
    match json.get("data").and_then(Json::as_str) {
        None => Value::Null,
        Some(data) => Value::File(Document {
            data: decode(data),
            mimetype: text("mimetype"),
            filename: text("filename"),
            downloads: json.get("downloads_count").map_or(0, id_of),
        }),
    }
}

/// PHP's `base64_decode`, which skips what is no base64 instead of refusing it.
fn decode(data: &str) -> Bytes {
    if let Ok(decoded) = STANDARD.decode(data) {
        return decoded.into();
    }
    let mut kept: Vec<u8> = data.bytes().filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).collect();
    if kept.len() % 4 == 1 {
        kept.pop();
    }
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    lenient.decode(kept).unwrap_or_default().into()
}
