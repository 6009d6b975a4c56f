//! One HTTP request in, one end of it out: log-in, faults, the call itself, its hooks.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value as Json, json};

use crate::call::Call;
use crate::change::{Change, Event};
use crate::fault::{Effect, Fault};
use crate::form;
use crate::refusal::Refusal;
use crate::rest::{Outcome, php_json};
use crate::sim::{Sim, State};
use crate::value::Value;

/// How a request ended for its client.
#[derive(Debug)]
pub enum Wire {
    Answer(Response<Bytes>),
    /// The connection was never made.
    Refused,
    /// The connection ended after these bytes of the body of an answer with status 200.
    Cut(Vec<u8>),
    /// No answer will come: the client times out.
    Hang,
}

/// A request, taken apart. Its `json_data` is parsed once: a file makes it large.
struct Asked {
    /// The call's number in the record.
    number: usize,
    login: Option<String>,
    /// `None` when the parameter is missing, null when it is no JSON.
    json: Option<Json>,
}

impl Sim {
    /// Serves one request. What it changes is changed even when the caller stops waiting:
    /// a real iTop does not notice a client that gives up.
    pub async fn handle(&self, request: Request<Bytes>) -> Wire {
        let sim = self.clone();
        let work = tokio::spawn(async move { sim.serve_one(request).await });
        match work.await {
            Ok(wire) => wire,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    async fn serve_one(&self, request: Request<Bytes>) -> Wire {
        if self.with(|state| state.down) {
            return Wire::Refused;
        }
        self.spend(self.with(|state| state.config.latency), request.body().len()).await;
        let path = request.uri().path().to_owned();
        let wire = if path.ends_with("/webservices/rest.php") {
            self.rest(&request).await
        } else if path.ends_with("/pages/ajax.document.php") {
            Wire::Answer(self.inline_image(&request))
        } else {
            Wire::Answer(page(StatusCode::NOT_FOUND, "<html><body>Not Found</body></html>"))
        };
        if let Wire::Answer(answer) = &wire {
            self.spend(Duration::ZERO, answer.body().len()).await;
        }
        wire
    }

    /// Lets the time pass that these bytes take on the line.
    async fn spend(&self, fixed: Duration, bytes: usize) {
        let speed = self.with(|state| state.config.line_bits_per_second);
        let on_the_line = speed.map_or(0.0, |bits| bytes as f64 * 8.0 / bits.max(1) as f64);
        let time = fixed + Duration::from_secs_f64(on_the_line);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    async fn rest(&self, request: &Request<Bytes>) -> Wire {
        let (asked, fault) = self.with(|state| {
            let asked = state.receive(request);
            let call = state.calls.last().expect("just recorded");
            let fault = state.faults.choose(call);
            (asked, fault)
        });
        if self.with(|state| state.maintenance) {
            return Wire::Answer(maintenance());
        }
        match fault {
            None => {
                let body = self.run(&asked, false).await;
                Wire::Answer(self.answered(&asked, body))
            }
            Some(fault) => self.spoilt(asked, fault).await,
        }
    }

    /// Runs the call as far as the fault lets it, and spoils what comes back.
    async fn spoilt(&self, asked: Asked, fault: Fault) -> Wire {
        let loses_entries = fault == Fault::LoseLogEntries;
        let body = if fault.lets_run() { self.run(&asked, loses_entries).await } else { Vec::new() };
        match fault {
            Fault::Refuse => Wire::Refused,
            Fault::Status(status, _) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                Wire::Answer(page(status, "<html><body><h1>Something went wrong</h1></body></html>"))
            }
            Fault::Page(html, _) => Wire::Answer(page(StatusCode::OK, &html)),
            Fault::Warning(text) => Wire::Answer(self.answered(&asked, [text.into_bytes(), body].concat())),
            Fault::Cut { after_bytes, effect } => {
                // Without an effect there is no answer to cut: the connection just ends.
                let whole = if effect == Effect::Committed { body } else { Vec::new() };
                Wire::Cut(whole.into_iter().take(after_bytes).collect())
            }
            Fault::Hang(_) => Wire::Hang,
            Fault::LandLate(after) => {
                let sim = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    sim.run(&asked, false).await;
                });
                Wire::Hang
            }
            Fault::Answer { code, message } => {
                Wire::Answer(self.answered(&asked, php_json(&json!({"code": code, "message": message}))))
            }
            Fault::LoseLogEntries => Wire::Answer(self.answered(&asked, body)),
        }
    }

    /// The call itself, with its hooks: what it leaves is committed before they go out.
    async fn run(&self, asked: &Asked, loses_entries: bool) -> Vec<u8> {
        let outcome = self.with(|state| {
            let outcome = state.execute(asked);
            if loses_entries {
                state.lose_entries(&outcome);
            }
            if let Some(call) = state.call_mut(asked.number) {
                call.code = Some(outcome.code);
                call.wrote = outcome.wrote;
            }
            outcome
        });
        self.fire_all(&outcome.events).await;
        self.delete_all(outcome.doomed).await;
        php_json(&outcome.answer)
    }

    fn answered(&self, asked: &Asked, body: Vec<u8>) -> Response<Bytes> {
        self.with(|state| {
            if let Some(call) = state.call_mut(asked.number) {
                call.bytes_out = body.len();
            }
            let mut answer = Response::new(Bytes::from(body));
            let headers = answer.headers_mut();
            headers.insert("content-type", http::HeaderValue::from_static("application/json"));
            headers.insert("access-control-allow-origin", http::HeaderValue::from_static("*"));
            if let Ok(date) = http::HeaderValue::from_str(&http_date(state.now())) {
                headers.insert("date", date);
            }
            answer
        })
    }

    /// Needs no log-in; a wrong secret is a page, with status 200.
    fn inline_image(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let query = form::query(request.uri().query().unwrap_or(""));
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        self.with(|state| {
            state.note(request, "pages/ajax.document.php");
            let image = get("id").parse().ok().and_then(|id| state.world.find("InlineImage", id));
            match image.map(|image| (image.get("secret").text(), image.get("contents"))) {
                Some((secret, Value::File(file)))
                    if secret == get("s") && get("operation") == "download_inlineimage" =>
                {
                    let mut answer = Response::new(file.data.clone());
                    if let Ok(kind) = http::HeaderValue::from_str(&file.mimetype) {
                        answer.headers_mut().insert("content-type", kind);
                    }
                    answer
                }
                _ => page(StatusCode::OK, WRONG_SECRET),
            }
        })
    }
}

/// As long as the page that was recorded.
const WRONG_SECRET: &str =
    "<p>Error: the requested document cannot be shown to you, as its secret is not one this server has given.</p>";

impl State {
    fn call_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.number == number)
    }

    /// Records a call before anything can go wrong with it.
    fn receive(&mut self, request: &Request<Bytes>) -> Asked {
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

    fn note(&mut self, request: &Request<Bytes>, operation: &str) -> usize {
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
        let fits = |account: &&crate::account::Account| account.login == user && account.password == password;
        self.accounts.iter().find(fits).map(|account| account.login.clone())
    }

    fn execute(&mut self, asked: &Asked) -> Outcome {
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

    /// Takes back what the call appended to case logs: the other writer's log has won.
    fn lose_entries(&mut self, outcome: &Outcome) {
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

fn page(status: StatusCode, html: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::copy_from_slice(html.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html;charset=UTF-8"));
    answer
}

fn maintenance() -> Response<Bytes> {
    let text = "This application is currently under maintenance.";
    let json = json!({"data": [{"code": 100, "message": text}], "scripts": []});
    let mut answer = Response::new(Bytes::from(php_json(&json)));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    answer
}

/// The time of the answer in UTC, as HTTP prints it: true whatever the server's zone.
fn http_date(unix_seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(unix_seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
