//! Answers that are no JSON of the service's, and the headers of those that are.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::rest::php_json;

/// What iTop says of a secret that is not the image's, and of an id that is none.
pub const WRONG_SECRET: &str =
    "<p>Invalid secret for class 'InlineImage' - the object does not exist or you are not allowed to view it</p>
";

/// An answer of the service at a time.
pub fn service(body: Vec<u8>, unix_seconds: i64) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body));
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    if let Ok(date) = HeaderValue::from_str(&http_date(unix_seconds)) {
        headers.insert("date", date);
    }
    answer
}

pub fn page(status: StatusCode, html: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::copy_from_slice(html.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", HeaderValue::from_static("text/html;charset=UTF-8"));
    answer
}

/// A page that is none of iTop's, from whatever stands before it.
pub fn of_proxy(status: u16, header: Option<(&'static str, String)>) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let reason = status.canonical_reason().unwrap_or_default();
    let text = format!("<html><head><title>{reason}</title></head><body><h1>{reason}</h1><hr>gateway</body></html>");
    let mut answer = page(status, &text);
    if let Some((name, value)) = header
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// As recorded (`field.jsonl`): iTop's own words, without JSON.
pub fn out_of_memory() -> Response<Bytes> {
    let words =
        "Allowed memory size of 128M exhausted, contact your administrator to increase 'memory_limit' in php.ini";
    page(StatusCode::INTERNAL_SERVER_ERROR, &format!("<p>iTop: {words}</p>\n"))
}

pub fn maintenance() -> Response<Bytes> {
    let text = "This application is currently under maintenance.";
    let json = json!({"data": [{"code": 100, "message": text}], "scripts": []});
    let mut answer = Response::new(Bytes::from(php_json(&json)));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    answer
}

/// The time of the answer in UTC, as HTTP prints it: true whatever the server's zone.
fn http_date(unix_seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(unix_seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
