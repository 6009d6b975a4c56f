//! What one installation takes beyond its data model, or refuses: its checks, its database, the language of its
//! messages.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::refusal::Refusal;
use crate::schema::{Class, Kind};
use crate::value::{Object, Value};

/// The most bytes that the column of a long text holds.
const MAX_TEXT_BYTES: usize = 65_535;

#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The tables are in `utf8mb3`, as those of old databases: characters beyond the basic plane are an SQL error.
    pub three_byte_characters: bool,
    /// Values that an extension added to an enumeration, by attribute.
    pub choices: BTreeSet<(String, String)>,
    pub checks: Vec<Check>,
    /// The same of the database's own: a trigger's `SIGNAL`.
    pub database_checks: Vec<Check>,
    /// Attributes that a changed data model gives fewer characters.
    pub max_chars: std::collections::BTreeMap<String, usize>,
}

/// A check of an installation's own (`DoCheckToWrite`): a text that must not stand in an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub class: String,
    pub code: String,
    pub forbids: String,
    /// What it says: all that the message holds of it.
    pub says: String,
}

impl Rules {
    pub fn allows(&self, code: &str, value: &str) -> bool {
        self.choices.contains(&(code.to_owned(), value.to_owned()))
    }

    /// What the installation's own checks say of a changed object.
    pub fn issues<'a>(
        &'a self,
        object: &'a Object,
        is_changed: &'a impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = String> + 'a {
        let meets = move |check: &&Check| {
            check.class == object.class
                && is_changed(&check.code)
                && object.get(&check.code).text().contains(&check.forbids)
        };
        self.checks.iter().filter(meets).map(|check| check.says.clone())
    }

    /// What the database says, where the checks let a value pass: characters were counted, and a column holds bytes.
    pub fn sql_error(&self, class: &Class, object: &Object, is_changed: impl Fn(&str) -> bool) -> Option<SqlError> {
        let texts = class.attributes.iter().filter(|attribute| is_changed(&attribute.code));
        let texts = texts.filter_map(|attribute| match (&attribute.kind, object.get(&attribute.code)) {
            (Kind::Text | Kind::Lines | Kind::Html, Value::Text(text)) => Some((attribute.code.clone(), text)),
            (Kind::File, Value::File(file)) => Some((format!("{}_filename", attribute.code), &file.filename)),
            _ => None,
        });
        let texts: Vec<(String, &String)> = texts.collect();
        let error = texts.iter().find_map(|(column, text)| {
            if text.len() > MAX_TEXT_BYTES {
                return Some((1406, format!("Data too long for column '{column}' at row 1")));
            }
            let wide = text.find(|character| character > '\u{ffff}').filter(|_| self.three_byte_characters)?;
            let bytes: String = text[wide..].bytes().take(4).map(|byte| format!("\\x{byte:02X}")).collect();
            let table = if class.name == "Attachment" { "attachment" } else { "ticket" };
            let column = format!("`itop`.`{table}`.`{column}`");
            Some((1366, format!("Incorrect string value: '{bytes}' for column {column} at row 1")))
        });
        let error = error.or_else(|| {
            let meets = |check: &&Check| {
                let is_it = |(column, text): &(String, &String)| *column == check.code && text.contains(&check.forbids);
                check.class == object.class && texts.iter().any(is_it)
            };
            self.database_checks.iter().find(meets).map(|check| (1644, check.says.clone()))
        });
        let (number, reason) = error?;
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let set: Vec<String> = texts.iter().map(|(column, text)| format!("`{column}` = '{}'", quoted(text))).collect();
        Some(SqlError { number, reason, set: set.join(", ") })
    }
}

/// An error of the database, which rolls back: nothing is written.
pub struct SqlError {
    number: i64,
    reason: String,
    set: String,
}

impl SqlError {
    pub fn deadlock() -> Self {
        let reason = "Deadlock found when trying to get lock; try restarting transaction".to_owned();
        Self { number: 1213, reason, set: String::new() }
    }

    /// As the call of this `json_data` answers it.
    pub fn of_request(self, request: &Json) -> Refusal {
        let class = request["class"].as_str().unwrap_or_default();
        match request["operation"].as_str() {
            Some("core/update" | "core/apply_stimulus") => self.of_update(class, request["key"].as_u64().unwrap_or(0)),
            _ => self.of_insert(class),
        }
    }

    /// As an insert answers it: under its own number, with the whole query and its data.
    pub fn of_insert(self, class: &str) -> Refusal {
        let SqlError { number, reason, set } = self;
        let query = format!("INSERT INTO `{}` SET {set}", class.to_lowercase());
        Refusal::exception(number, said(&query, number, &reason))
    }

    /// As an update answers it, and a stimulus: under the code 100, and all of it twice (seen on 3.1.2 and 3.2.0).
    pub fn of_update(self, class: &str, id: u64) -> Refusal {
        let SqlError { number, reason, set } = self;
        let query = format!("UPDATE `{}` SET {set} WHERE `id` = '{id}'", class.to_lowercase());
        let said = said(&query, number, &reason);
        Refusal::error(format!("{said}: id = {id}, class = {class}, issues = {{0=>{said}}}"))
    }
}

fn said(query: &str, number: i64, reason: &str) -> String {
    format!("Failed to issue SQL query: query = {query}, mysql_errno = {number}, mysql_error = {reason}")
}

/// In which language iTop speaks to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    French,
}

impl Language {
    /// As iTop names it.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "EN US",
            Language::French => "FR FR",
        }
    }

    /// A refusal as an account of this language reads it: only the words around an attribute are translated.
    pub fn says(self, refusal: Refusal) -> Refusal {
        match self {
            Language::English => refusal,
            Language::French => Refusal {
                message: refusal
                    .message
                    .replace("Unexpected value for attribute '", "Valeur de l'attribut incorrecte '")
                    .replace("'Title' (title)", "'Titre' (title)"),
                ..refusal
            },
        }
    }
}
