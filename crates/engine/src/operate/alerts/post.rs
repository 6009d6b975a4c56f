//! The post itself.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use itop_client::{Body, MaxAnswerBytes, Progress};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Alerts, Line};
use crate::Shared;

/// At most this much of an answer is read.
const ANSWER_BYTES: u64 = 1 << 20;

const POST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn post(shared: &Shared, alerts: &Alerts, lines: &[Line<'_>]) -> std::result::Result<(), String> {
    let text = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    let each: Vec<_> = lines
        .iter()
        .map(|line| json!({ "event": line.event, "subject": line.subject.to_string(), "text": line.text }))
        .collect();
    let body = json!({ "text": text, "bridge": shared.server, "alerts": each }).to_string();
    let mut request = http::Request::new(Body::empty());
    *request.method_mut() = http::Method::POST;
    let url = alerts.webhook_url.expose_secret();
    *request.uri_mut() = url.parse().map_err(|_| "[alerts].webhook_url is no URL".to_owned())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    request.extensions_mut().insert(MaxAnswerBytes(ANSWER_BYTES));
    request.body_mut().push(Bytes::from(body));
    let progress = Progress::new();
    let answer = tokio::time::timeout(POST_TIMEOUT, alerts.transport.send(request, &progress)).await;
    match answer {
        Err(_) => Err("[alerts].webhook_url did not answer".to_owned()),
        // The error's text may contain the address, which is a secret.
        Ok(Err(error)) => Err(format!("[alerts].webhook_url: {}", error.to_string().replace(url, "…"))),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("[alerts].webhook_url answered HTTP {}", answer.status())),
    }
}
