//! A request's way in: its form fields, who logs in, the record of the call, its execution.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::Value as Json;

use crate::account::Account;
use crate::call::Call;
use crate::change::{Change, Event};
use crate::form;
use crate::refusal::Refusal;
use crate::rest::Outcome;
use crate::sim::State;
use crate::value::Value;

/// A request, taken apart. Its `json_data` is parsed once: a file makes it large.
pub(crate) struct Asked {
    /// The call's number in the record.
    pub number: usize,
    pub login: Option<String>,
    /// `None` when the parameter is missing, null when it is no JSON.
    pub json: Option<Json>,
}

impl State {
    pub fn call_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.number == number)
    }

    /// Records a call before anything can go wrong with it.
    pub fn receive(&mut self, request: &Request<Bytes>) -> Asked {
        let whole = request.body().len() <= self.config.limits.post_max_bytes;
        // PHP drops every field of a body that is too long.
        let mut fields = if whole { form::fields(request.headers(), request.body()) } else { BTreeMap::new() };
        for (name, value) in form::query(request.uri().query().unwrap_or("")) {
            fields.entry(name).or_insert(value);
        }
        let login = self.log_in(request.headers(), &fields);
        let text = fields.remove("json_data").filter(|text| !text.is_empty());
        let json = text.as_deref().map(|text| serde_json::from_str::<Json>(text).unwrap_or_default());
        let number = self.note(request, "");
        let call = self.call_mut(number).expect("just recorded");
        call.account.clone_from(&login);
        call.describe(json.as_ref().unwrap_or(&Json::Null));
        call.json = text.unwrap_or_default();
        Asked { number, login, json }
    }

    pub fn note(&mut self, request: &Request<Bytes>, operation: &str) -> usize {
        let number = self.next_call;
        self.next_call += 1;
        self.calls.push(Call {
            number,
            at: self.now(),
            account: None,
            operation: operation.into(),
            class: String::new(),
            key: Json::Null,
            output_fields: String::new(),
            json: String::new(),
            bytes_in: request.body().len(),
            bytes_out: 0,
            code: None,
            wrote: false,
        });
        number
    }

    fn log_in(&self, headers: &HeaderMap, fields: &BTreeMap<String, String>) -> Option<String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(token) = header("auth-token") {
            let account = self.accounts.iter().find(|account| account.token.as_deref() == Some(token));
            return account.map(|account| account.login.clone());
        }
        let (user, password) = match fields.get("login_mode").map(String::as_str) {
            Some("basic") => basic(header("authorization")?)?,
            _ => (fields.get("auth_user")?.clone(), fields.get("auth_pwd")?.clone()),
        };
        let fits = |account: &&Account| account.login == user && account.password == password;
        self.accounts.iter().find(fits).map(|account| account.login.clone())
    }

    pub fn execute(&mut self, asked: &Asked) -> Outcome {
        let refuse = |code, message: &str| Outcome::refused(&Refusal::exception(code, message));
        let Some(login) = &asked.login else { return refuse(1, "Invalid login") };
        if !self.account(login).may_use_rest {
            return refuse(
                1,
                "This user is not authorized to use the web services. (The profile REST Services User is required to \
                 access the REST web services)",
            );
        }
        match &asked.json {
            None => refuse(3, "Missing parameter 'json_data'"),
            Some(Json::Null) => refuse(4, "Parameter json_data is not a valid JSON structure"),
            Some(json) => self.service(login).run(json),
        }
    }

    /// Whether it writes to a ticket whose files are larger together than PHP's memory.
    pub fn exhausts_memory(&self, asked: &Asked) -> bool {
        let (Some(limit), Some(json)) = (self.config.limits.files_memory_bytes, &asked.json) else { return false };
        if !matches!(json["operation"].as_str(), Some("core/update" | "core/apply_stimulus")) {
            return false;
        }
        let Some(id) = json["key"].as_u64() else { return false };
        let Some(ticket) = self.world.find("Ticket", id).filter(|_| json["class"] != "Attachment") else {
            return false;
        };
        let files = self.world.attachments_of(&ticket.class, id);
        let size = |file: &u64| match self.world.find("Attachment", *file)?.get("contents") {
            Value::File(file) => Some(file.data.len()),
            _ => None,
        };
        files.iter().filter_map(size).sum::<usize>() > limit
    }

    /// Takes back what the call appended to case logs: the other writer's log has won.
    pub fn lose_entries(&mut self, outcome: &Outcome) {
        for Event { change, object } in &outcome.events {
            let Some(mut stored) = self.world.find(&object.class, object.id).cloned() else { continue };
            for (code, value) in &object.values {
                let Value::Log(entries) = value else { continue };
                let appended = match change {
                    Change::Updated(codes) => codes.contains(code),
                    _ => *change == Change::Created,
                };
                if let (true, Some((_, before))) = (appended, entries.split_last()) {
                    stored.set(code, Value::Log(before.to_vec()));
                }
            }
            self.world.put(stored);
        }
    }
}

/// A password with a colon is cut, as PHP's own reading does.
fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let mut parts = text.split(':');
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}
