//! A recorded case, played again through the client.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use itop_client::*;
use serde_json::{Map, Value};

/// Answers what was recorded and keeps the `json_data` that was asked.
pub struct Replay {
    status: u16,
    body: Bytes,
    pub json_data: Mutex<Option<Value>>,
}

impl Replay {
    pub fn of(case: &Value) -> Replay {
        let response = &case["response"];
        let body = match response["content_type"].as_str() {
            None => response.to_string().into(),
            Some("image/png") => Bytes::from_static(b"\x89PNG\r\n\x1a\n and so on"),
            Some(_) => Bytes::from_static(b"<p>not found</p>"),
        };
        Replay { status: case["http"].as_u64().unwrap() as u16, body, json_data: Mutex::new(None) }
    }
}

impl Transport for Replay {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        *self.json_data.lock().unwrap() = json_data(&request.body().to_bytes());
        let mut response = http::Response::new(self.body.clone());
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap();
        async move { Ok(response) }.boxed()
    }
}

/// The form field `json_data` of a multipart body.
fn json_data(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).unwrap();
    let (_, rest) = text.split_once("name=\"json_data\"\r\n\r\n")?;
    let (json, _) = rest.split_once("\r\n--")?;
    Some(serde_json::from_str(json).unwrap())
}

pub fn client(transport: Arc<dyn Transport>) -> Client {
    let login = Login::Password { user: "bridge".into(), password: "pw".into() };
    Client::new(ClientConfig::new("https://itop.test", login), transport).unwrap()
}

#[derive(Debug)]
pub enum Outcome {
    Found(Found),
    Written(Written),
    Stimulated(Option<Written>),
    Deleted(Deleted),
    Operations(Operations),
    Json(Value),
    Image(Image),
}

/// Makes the recorded request by the typed call for it.
pub async fn perform(client: &Client, request: &Value) -> Result<Outcome, Error> {
    if let Some(url) = request.as_str().filter(|text| text.starts_with("GET ")) {
        let (_, parameters) = url.split_once("&id=").unwrap();
        let (id, secret) = parameters.split_once("&s=").unwrap();
        return client.inline_image(id.parse().unwrap(), secret, 1 << 20).await.map(Outcome::Image);
    }
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let class = text("class");
    let comment = text("comment");
    let output: Vec<&str> = text("output_fields").split(',').collect();
    let id = request["key"].as_u64().unwrap_or_default();
    match text("operation") {
        "core/get" => client.get(class, &query(request), &output).await.map(Outcome::Found),
        "core/create" => client.create(class, &fields(request), comment, &output).await.map(Outcome::Written),
        "core/update" => client.update(class, id, &fields(request), comment, &output).await.map(Outcome::Written),
        "core/apply_stimulus" => {
            let fields = fields(request);
            let written = client.apply_stimulus(class, id, text("stimulus"), &fields, comment, &output);
            written.await.map(Outcome::Stimulated)
        }
        "core/delete" => client.delete(class, id, comment).await.map(Outcome::Deleted),
        // What is no JSON stands for any call.
        "list_operations" | "" => client.check_login().await.map(Outcome::Operations),
        other => client.call(other, without_operation(request)).await.map(Outcome::Json),
    }
}

fn without_operation(request: &Value) -> Map<String, Value> {
    let mut parameters = request.as_object().unwrap().clone();
    parameters.remove("operation");
    parameters
}

fn query(request: &Value) -> Query {
    let mut query = match &request["key"] {
        Value::String(oql) => Query::oql(oql.as_str()),
        id => Query::id(id.as_u64().unwrap()),
    };
    query.limit = loose_number(&request["limit"]);
    query.page = loose_number(&request["page"]);
    query
}

/// The recorder wrote `limit` now as text, now as a number.
pub fn loose_number(value: &Value) -> Option<u32> {
    value.to_string().trim_matches('"').parse().ok()
}

/// Contents as contents, unless they are something that the client rightly refuses to send.
fn fields(request: &Value) -> Fields {
    let fields = request["fields"].as_object().unwrap();
    fields.iter().map(|(attribute, value)| (attribute.as_str(), field_value(value))).collect()
}

fn field_value(value: &Value) -> FieldValue {
    match (value["data"].as_str(), value["filename"].as_str(), value["mimetype"].as_str()) {
        (Some(data), Some(filename), Some(mimetype)) if is_whole_base64(data) => {
            Contents::new(data.into(), filename, mimetype).into()
        }
        _ => value.clone().into(),
    }
}
