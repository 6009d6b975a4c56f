//! What a test looks at: objects as they are stored, and the calls that were made.

use bytes::Bytes;

use crate::call::Call;
use crate::sim::Sim;
use crate::value::{Object, Value};
use crate::world::World;

/// A ticket, read without a call. Fields are as stored: 3.1's escaping on reading is REST's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub class: String,
    pub id: u64,
    fields: std::collections::BTreeMap<String, String>,
    logs: std::collections::BTreeMap<String, Vec<LogEntry>>,
}

/// An entry of a case log as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Unix seconds.
    pub at: i64,
    pub user_id: u64,
    pub user_login: String,
    pub html: String,
}

impl Ticket {
    /// Any attribute as text: keys as ids, dates as iTop prints them, empty when null or unknown.
    pub fn field(&self, code: &str) -> &str {
        self.fields.get(code).map_or("", String::as_str)
    }

    pub fn status(&self) -> &str {
        self.field("status")
    }

    /// The entries of a log, oldest first.
    pub fn log(&self, code: &str) -> &[LogEntry] {
        self.logs.get(code).map_or(&[], Vec::as_slice)
    }

    fn of(world: &World, object: &Object) -> Self {
        let attributes = &world.class(&object.class).attributes;
        let fields = attributes
            .iter()
            .map(|attribute| (attribute.code.clone(), world.read(object, attribute).unwrap_or_default()));
        let logs = object.values.iter().filter(|(_, value)| matches!(value, Value::Log(_)));
        Self {
            class: object.class.clone(),
            id: object.id,
            fields: fields.collect(),
            logs: logs.map(|(code, value)| (code.clone(), value.log().iter().map(LogEntry::of).collect())).collect(),
        }
    }
}

impl LogEntry {
    fn of(entry: &crate::value::Entry) -> Self {
        Self { at: entry.at, user_id: entry.user_id, user_login: entry.user_login.clone(), html: entry.text.clone() }
    }
}

/// An attachment, read without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub id: u64,
    pub item_class: String,
    /// 0 for a draft.
    pub item_id: u64,
    pub item_org_id: u64,
    pub temp_id: String,
    pub user_id: u64,
    pub filename: String,
    pub mimetype: String,
    pub data: Bytes,
    pub downloads: u64,
}

impl Attachment {
    fn of(object: &Object) -> Self {
        let file = match object.get("contents") {
            Value::File(file) => file.clone(),
            _ => crate::value::Document::default(),
        };
        Self {
            id: object.id,
            item_class: object.get("item_class").text().into(),
            item_id: object.get("item_id").key(),
            item_org_id: object.get("item_org_id").key(),
            temp_id: object.get("temp_id").text().into(),
            user_id: object.get("user_id").key(),
            filename: file.filename,
            mimetype: file.mimetype,
            data: file.data,
            downloads: file.downloads,
        }
    }
}

impl Sim {
    /// All tickets of a class and of those below it, ascending by id; `Ticket` is all.
    pub fn tickets(&self, class: &str) -> Vec<Ticket> {
        self.with(|state| state.world.all(class).map(|object| Ticket::of(&state.world, object)).collect())
    }

    pub fn ticket(&self, id: u64) -> Option<Ticket> {
        self.with(|state| state.world.find("Ticket", id).map(|object| Ticket::of(&state.world, object)))
    }

    /// The attachments of a ticket, ascending by id.
    pub fn attachments(&self, ticket: u64) -> Vec<Attachment> {
        self.all_attachments().into_iter().filter(|file| file.item_id == ticket).collect()
    }

    /// Drafts and orphans too.
    pub fn all_attachments(&self) -> Vec<Attachment> {
        self.with(|state| state.world.all("Attachment").map(Attachment::of).collect())
    }

    pub fn attachment(&self, id: u64) -> Option<Attachment> {
        self.with(|state| state.world.find("Attachment", id).map(Attachment::of))
    }

    /// Every call since the last `clear_calls`, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|state| state.calls.clone())
    }

    /// How many calls asked for a write, carried out or not. "One more pass writes nothing"
    /// means that this stays 0.
    pub fn writes(&self) -> usize {
        self.with(|state| state.calls.iter().filter(|call| call.is_write()).count())
    }

    pub fn clear_calls(&self) {
        self.with(|state| state.calls.clear());
    }

    /// The calls whose `json_data` contains a text, as sent or as JSON would escape it.
    pub fn calls_containing(&self, text: &str) -> Vec<Call> {
        let contains = |call: &&Call| call.json.contains(text) || call.request().to_string().contains(text);
        self.with(|state| state.calls.iter().filter(contains).cloned().collect())
    }

    /// Stores a text as it is, without a check, a rule or a hook: what an import by SQL left, and no
    /// form would take.
    pub fn overwrite(&self, ticket: u64, code: &str, text: &str) {
        self.with(|state| {
            if let Some(mut object) = state.world.find("Ticket", ticket).cloned() {
                object.set(code, Value::Text(text.into()));
                state.world.put(object);
            }
        });
    }

    /// Takes those entries out of a log whose markup contains the text, without a hook: what is left when
    /// two people saved at the same moment and the slower one was lost. Answers how many went.
    pub fn lose_log_entries(&self, ticket: u64, log: &str, text: &str) -> usize {
        self.with(|state| {
            let Some(mut object) = state.world.find("Ticket", ticket).cloned() else { return 0 };
            let before = object.get(log).log().to_vec();
            let left: Vec<_> = before.iter().filter(|entry| !entry.text.contains(text)).cloned().collect();
            let gone = before.len() - left.len();
            object.set(log, Value::Log(left));
            state.world.put(object);
            gone
        })
    }

    /// Puts other words into the entries of a log, in place, as an anonymiser does it in the database: date and author
    /// stay, no hook fires, and `last_update` stays. Answers how many entries held them.
    ///
    /// iTop keeps the positions of the entries: one that changes the text alone needs words of one length, one that
    /// writes the positions too does not.
    pub fn reword_log_entries(&self, ticket: u64, log: &str, words: &str, others: &str) -> usize {
        self.change_log_entries(ticket, log, |entry| {
            let holds = entry.text.contains(words);
            entry.text = entry.text.replace(words, others);
            holds
        })
    }

    /// Gives the author of entries another name, in the database and in the same way. The account's id stays, and so
    /// does the name of the account.
    pub fn rename_log_author(&self, ticket: u64, log: &str, name: &str, other: &str) -> usize {
        self.change_log_entries(ticket, log, |entry| {
            let is_it = entry.user_login == name;
            if is_it {
                other.clone_into(&mut entry.user_login);
            }
            is_it
        })
    }

    fn change_log_entries(&self, ticket: u64, log: &str, change: impl Fn(&mut crate::value::Entry) -> bool) -> usize {
        self.with(|state| {
            let Some(mut object) = state.world.find("Ticket", ticket).cloned() else { return 0 };
            let mut entries = object.get(log).log().to_vec();
            let changed = entries.iter_mut().map(change).filter(|changed| *changed).count();
            object.set(log, Value::Log(entries));
            state.world.put(object);
            changed
        })
    }

    /// Deletes without a hook or a rule: a restored backup lacks it.
    pub fn erase(&self, class: &str, id: u64) -> bool {
        self.with(|state| state.world.remove(class, id).is_some())
    }
}
