//! One HTTP request in, one end of it out: the call, its hooks, and what a fault makes of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value as Json, json};

use crate::fault::{Effect, Fault};
use crate::form;
use crate::intake::Asked;
use crate::reply;
use crate::rest::{Outcome, php_json};
use crate::rules::SqlError;
use crate::sim::Sim;
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
            self.inline_image(&request)
        } else {
            Wire::Answer(reply::page(StatusCode::NOT_FOUND, "<html><body>Not Found</body></html>"))
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
            return Wire::Answer(reply::maintenance());
        }
        match fault {
            None if self.with(|state| state.exhausts_memory(&asked)) => self.run_out_of_memory(&asked).await,
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
                Wire::Answer(reply::page(status, "<html><body><h1>Something went wrong</h1></body></html>"))
            }
            Fault::Proxy { status, header, .. } => Wire::Answer(reply::of_proxy(status, header)),
            Fault::Page(html, _) => Wire::Answer(reply::page(StatusCode::OK, &html)),
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
            Fault::Deadlock => {
                let refusal = SqlError::deadlock().of_request(asked.json.as_ref().unwrap_or(&Json::Null));
                Wire::Answer(self.answered(&asked, php_json(&refusal.to_json())))
            }
            Fault::LoseLogEntries => Wire::Answer(self.answered(&asked, body)),
        }
    }

    /// The call itself, with its hooks: what it leaves is committed before they go out.
    async fn run(&self, asked: &Asked, loses_entries: bool) -> Vec<u8> {
        let outcome = self.carry_out(asked, loses_entries);
        self.follow(outcome).await
    }

    /// What comes after the write: hooks, and deletions with theirs.
    async fn follow(&self, outcome: Outcome) -> Vec<u8> {
        self.fire_all(&outcome.events).await;
        self.delete_all(outcome.doomed).await;
        php_json(&outcome.answer)
    }

    fn carry_out(&self, asked: &Asked, loses_entries: bool) -> Outcome {
        self.with(|state| {
            let outcome = state.execute(asked);
            if loses_entries {
                state.lose_entries(&outcome);
            }
            if let Some(call) = state.call_mut(asked.number) {
                call.code = Some(outcome.code);
                call.wrote = outcome.wrote;
            }
            outcome
        })
    }

    /// PHP ends when the write is done: no hook is sent. What is refused, is refused before that.
    async fn run_out_of_memory(&self, asked: &Asked) -> Wire {
        let outcome = self.carry_out(asked, false);
        if outcome.wrote {
            return Wire::Answer(reply::out_of_memory());
        }
        let body = self.follow(outcome).await;
        Wire::Answer(self.answered(asked, body))
    }

    fn answered(&self, asked: &Asked, body: Vec<u8>) -> Response<Bytes> {
        self.with(|state| {
            if let Some(call) = state.call_mut(asked.number) {
                call.bytes_out = body.len();
            }
            reply::service(body, state.now())
        })
    }

    /// Needs no log-in; a wrong secret is a page, with status 200.
    fn inline_image(&self, request: &Request<Bytes>) -> Wire {
        let query = form::query(request.uri().query().unwrap_or(""));
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let (answer, fault) = self.with(|state| {
            let id = get("id").parse().ok();
            let number = state.note(request, "pages/ajax.document.php");
            let call = state.call_mut(number).expect("just recorded");
            (call.class, call.key) = ("InlineImage".to_owned(), json!(id));
            let fault = state.faults.choose(state.calls.last().expect("just recorded"));
            let image = id.and_then(|id| state.world.find("InlineImage", id));
            let answer = match image.map(|image| (image.get("secret").text(), image.get("contents"))) {
                Some((secret, Value::File(file)))
                    if secret == get("s") && get("operation") == "download_inlineimage" =>
                {
                    let mut answer = Response::new(file.data.clone());
                    if let Ok(kind) = HeaderValue::from_str(&file.mimetype) {
                        answer.headers_mut().insert("content-type", kind);
                    }
                    answer
                }
                _ => reply::page(StatusCode::OK, reply::WRONG_SECRET),
            };
            (answer, fault)
        });
        match fault {
            None => Wire::Answer(answer),
            Some(fault) => no_image(answer, fault),
        }
    }
}

/// What a fault makes of a download. It has no effect that could land late, and iTop's own words are a page.
fn no_image(image: Response<Bytes>, fault: Fault) -> Wire {
    let page = |status, html: &str| Wire::Answer(reply::page(status, html));
    match fault {
        Fault::Refuse => Wire::Refused,
        Fault::Status(status, _) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            page(status, "<html><body><h1>Something went wrong</h1></body></html>")
        }
        Fault::Proxy { status, header, .. } => Wire::Answer(reply::of_proxy(status, header)),
        Fault::Page(html, _) => page(StatusCode::OK, &html),
        Fault::Answer { message, .. } => page(StatusCode::OK, &format!("<p>{message}</p>")),
        Fault::Deadlock => {
            let said = SqlError::deadlock().of_insert("InlineImage").message;
            page(StatusCode::OK, &format!("<p>{said}</p>"))
        }
        Fault::Warning(text) => Wire::Answer(image.map(|bytes| Bytes::from([text.as_bytes(), &bytes].concat()))),
        Fault::Cut { after_bytes, .. } => Wire::Cut(image.into_body().into_iter().take(after_bytes).collect()),
        Fault::Hang(_) | Fault::LandLate(_) => Wire::Hang,
        Fault::LoseLogEntries => Wire::Answer(image),
    }
}
