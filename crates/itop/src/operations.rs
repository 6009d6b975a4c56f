//! The operations, each as a typed call.

use serde_json::{Map, Value};

use crate::answer::{self, Answer};
use crate::client::{Call, Client, Clocked, ServerTold};
use crate::contents::base64_len;
use crate::error::{Asked, Effect, Error, ErrorClass, Operation};
use crate::fields::{Fields, push_json};
use crate::image::{Image, image_type};
use crate::memory::READ_PEAK;
use crate::object::Object;
use crate::query::{Key, Query, is_class_name};
use crate::transport::Body;

/// Room for the part of an answer besides its contents, in bytes.
const ANSWER_BESIDE_CONTENTS: u64 = 1 << 20;

/// The objects found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The number of all hits, including those past `limit`.
    pub total: u64,
    /// Sorted by class and id.
    pub objects: Vec<Object>,
    /// The web server's time of the answer (HTTP `Date`), in UTC.
    pub date: Option<String>,
}

/// The object after a write, according to iTop: only the requested attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub object: Object,
    /// The HTTP header `Date` of the answer, as it came.
    pub date: Option<String>,
}

/// How many of the requested objects were deleted; 0 if there were none. Objects that iTop deletes with them are not
/// counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub count: u64,
    pub date: Option<String>,
}

/// The operations that this iTop's REST offers to this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Version of the protocol, not of iTop.
    pub version: String,
    pub names: Vec<String>,
    pub from: ServerTold,
}

/// The caller's part of a write.
#[derive(Clone, Copy, Debug)]
struct Write<'a> {
    fields: &'a Fields,
    comment: &'a str,
    output: &'a [&'a str],
}

impl Client {
    /// Reads `fields` of the objects of `class` that `query` names. Finding no object is not an error.
    ///
    /// `fields` are plain attribute codes; `["*"]` is all of `class`, `["*+"]` all of each object's final class. An
    /// empty list means the id alone.
    pub async fn get(&self, class: &str, query: &Query, fields: &[&str]) -> Result<Found, Error> {
        let asked = self.asked(Operation::Get, class, query_id(query))?;
        let Some(key) = query.key.to_json(class) else {
            return Ok(Found::default());
        };
        let mut parameters = parameters(&asked);
        parameters.insert("key".into(), key);
        parameters.insert("output_fields".into(), output_fields(fields));
        if let Some(limit) = query.limit {
            parameters.insert("limit".into(), limit.into());
            parameters.insert("page".into(), query.page.unwrap_or(1).into());
        }
        let mut call = self.rest_call(asked, parameters, None);
        if let Some(file_bytes) = query.contents_up_to {
            let base64 = base64_len(file_bytes);
            // Each `/` of the base64 can have come as `\/`.
            call.max_answer_bytes = base64.saturating_mul(2).saturating_add(ANSWER_BESIDE_CONTENTS);
            call.charge_bytes = base64.saturating_mul(READ_PEAK).max(1);
        }
        self.rest(call, |answer, from| {
            let objects = objects(answer)?;
            let total = answer.count("Found:").unwrap_or(objects.len() as u64);
            Ok(Found { total, objects, date: from.date })
        })
        .await
    }

    /// Creates an object of the final class `class`. `output` names the attributes to return.
    pub async fn create(&self, class: &str, fields: &Fields, comment: &str, output: &[&str]) -> Result<Written, Error> {
        let asked = self.asked(Operation::Create, class, None)?;
        let parameters = parameters(&asked);
        self.write(asked, parameters, Write { fields, comment, output }, required).await
    }

    /// Changes an object. An unchanged value costs nothing and moves no `last_update`.
    pub async fn update(
        &self,
        class: &str,
        id: u64,
        fields: &Fields,
        comment: &str,
        output: &[&str],
    ) -> Result<Written, Error> {
        let asked = self.asked(Operation::Update, class, Some(id))?;
        let parameters = parameters(&asked);
        self.write(asked, parameters, Write { fields, comment, output }, required).await
    }

    /// Sets `fields` and applies a stimulus, in one call. `None`: iTop answered ok and did not apply it. Even with an
    /// object, the state must be read back: ok does not mean moved.
    pub async fn apply_stimulus(
        &self,
        class: &str,
        id: u64,
        stimulus: &str,
        fields: &Fields,
        comment: &str,
        output: &[&str],
    ) -> Result<Option<Written>, Error> {
        let asked = self.asked(Operation::ApplyStimulus, class, Some(id))?;
        let mut parameters = parameters(&asked);
        parameters.insert("stimulus".into(), stimulus.into());
        self.write(asked, parameters, Write { fields, comment, output }, Ok).await
    }

    /// Deletes an object, and the objects that iTop deletes with it.
    pub async fn delete(&self, class: &str, id: u64, comment: &str) -> Result<Deleted, Error> {
        let asked = self.asked(Operation::Delete, class, Some(id))?;
        let mut parameters = parameters(&asked);
        parameters.insert("comment".into(), comment.into());
        let call = self.rest_call(asked, parameters, None);
        self.rest(call, |answer, from| {
            let count = answer.count("Deleted:").ok_or("ok, without a count of what is deleted")?;
            Ok(Deleted { count, date: from.date })
        })
        .await
    }

    /// Logs in and asks for the operations: the cheapest call that proves URL and account.
    pub async fn check_login(&self) -> Result<Operations, Error> {
        let asked = Asked { operation: Operation::ListOperations, class: String::new(), id: None };
        let parameters = parameters(&asked);
        self.rest(self.rest_call(asked, parameters, None), |answer, from| {
            let json = answer.to_value();
            let operations = json["operations"].as_array().map_or(&[][..], Vec::as_slice);
            let names = operations.iter().filter_map(|one| one["verb"].as_str());
            Ok(Operations {
                version: json["version"].as_str().unwrap_or_default().to_owned(),
                names: names.map(str::to_owned).collect(),
                from,
            })
        })
        .await
    }

    /// Whether this iTop accepts a request of this many bytes: the cheapest call, padded with blanks. An error of the
    /// class [`ErrorClass::TooLarge`] says no.
    pub async fn check_size(&self, bytes: u64) -> Result<(), Error> {
        // Proves the log-in first: then a request that PHP dropped can be told from one with a wrong password.
        self.check_login().await?;
        let asked = Asked { operation: Operation::ListOperations, class: String::new(), id: None };
        let mut body = Body::empty();
        push_json(&mut body, parameters(&asked), None);
        let blanks = usize::try_from(bytes).unwrap_or(usize::MAX);
        body.push(vec![b' '; blanks]);
        let (request, max_answer_bytes) = (self.rest_request(body), self.max_answer_bytes());
        let call = Call { asked, request, charge_bytes: bytes, max_answer_bytes, secret: None };
        self.rest(call, |_answer, _from| Ok(())).await
    }

    /// An operation that this crate has no type for, and its whole answer. It counts as a write.
    pub async fn call(&self, operation: &str, mut json: Map<String, Value>) -> Result<Value, Error> {
        let operation_name = operation.to_owned();
        json.insert("operation".into(), operation.into());
        let operation = Operation::Other(operation_name);
        let asked = Asked { operation, class: String::new(), id: None };
        self.rest(self.rest_call(asked, json, None), |answer, _from| Ok(answer.to_value())).await
    }

    /// Downloads an inline image of at most `max_bytes`, by the id and secret in the text that shows it. Sends no
    /// log-in: the secret is enough. iTop answers a wrong one, and any error of its own, with HTTP 200 and a page, so
    /// the bytes decide: iTop's words about an unknown id or secret are final, and any other page may be temporary.
    pub async fn inline_image(&self, id: u64, secret: &str, max_bytes: u64) -> Result<Image, Error> {
        let operation = Operation::InlineImage;
        let asked = Asked { operation, class: "InlineImage".to_owned(), id: Some(id) };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if secret.is_empty() || !secret.bytes().all(is_hex) {
            return Err(not_an_image(asked, None, "its secret is none of iTop's"));
        }
        let path = "/pages/ajax.document.php?operation=download_inlineimage";
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = self.uri(&format!("{path}&id={id}&s={secret}"));
        let call = Call {
            asked: asked.clone(),
            request,
            charge_bytes: max_bytes.max(1),
            max_answer_bytes: max_bytes,
            secret: Some(secret.to_owned()),
        };
        let mut clocked = Clocked::default();
        let image = match Box::pin(self.send(call, &mut clocked)).await {
            Ok((received, sent, _memory)) => match image_type(&received.body) {
                Some(mime) => Ok(Image { mime, bytes: received.body }),
                None if is_some_page(&received.body) => Err(self.page_in_place_of_an_image(sent, &received.body)),
                None => Err(not_an_image(asked.clone(), Some(200), "not an image")),
            },
            Err(error) => Err(error),
        };
        self.observe(&asked, &clocked, image.as_ref().err());
        image
    }

    async fn write<T>(
        &self,
        asked: Asked,
        mut parameters: Map<String, Value>,
        write: Write<'_>,
        accept: impl FnOnce(Option<Written>) -> Result<T, String>,
    ) -> Result<T, Error> {
        if let Some(attribute) = write.fields.broken_contents() {
            return Err(refused_here(asked, format!("{attribute} is no whole base64")));
        }
        parameters.insert("comment".into(), write.comment.into());
        parameters.insert("output_fields".into(), output_fields(write.output));
        let call = self.rest_call(asked.clone(), parameters, Some(write));
        self.rest(call, |answer, from| {
            let written = objects(answer)?.into_iter().find(|object| match asked.id {
                Some(id) => object.id == id,
                None => object.class == asked.class,
            });
            accept(written.map(|object| Written { object, date: from.date }))
        })
        .await
    }

    fn rest_call(&self, asked: Asked, json: Map<String, Value>, write: Option<Write<'_>>) -> Call {
        let mut body = Body::empty();
        push_json(&mut body, json, write.map(|write| write.fields));
        let sent = write.map_or(0, |write| write.fields.contents_len());
        let comes_back = write.is_some_and(|write| write.output.contains(&"contents"));
        let back = if comes_back { sent.saturating_mul(READ_PEAK) } else { 0 };
        let max_answer_bytes = self.max_answer_bytes().max(back.saturating_add(ANSWER_BESIDE_CONTENTS));
        Call { asked, request: self.rest_request(body), charge_bytes: sent + back, max_answer_bytes, secret: None }
    }

    /// Refuses an invalid class name: the name becomes part of OQL.
    fn asked(&self, operation: Operation, class: &str, id: Option<u64>) -> Result<Asked, Error> {
        let asked = Asked { operation, class: class.to_owned(), id };
        match is_class_name(class) {
            true => Ok(asked),
            false => Err(refused_here(asked, "not the name of a class".to_owned())),
        }
    }
}

fn query_id(query: &Query) -> Option<u64> {
    match query.key {
        Key::Id(id) => Some(id),
        Key::Ids(_) | Key::Oql(_) => None,
    }
}

fn parameters(asked: &Asked) -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("operation".into(), asked.operation.name().into());
    if !asked.class.is_empty() {
        parameters.insert("class".into(), asked.class.as_str().into());
    }
    if let Some(id) = asked.id {
        parameters.insert("key".into(), id.into());
    }
    parameters
}

/// Never left out: iTop would take that for `*` and send everything.
fn output_fields(attributes: &[&str]) -> Value {
    match attributes {
        [] => "id".into(),
        _ => attributes.join(",").into(),
    }
}

fn objects(answer: &Answer<'_>) -> Result<Vec<Object>, String> {
    answer.objects().map_err(|bad| bad.message)
}

fn required(written: Option<Written>) -> Result<Written, String> {
    written.ok_or_else(|| "ok, without the object".to_owned())
}

/// A call that the client refuses to send.
fn refused_here(asked: Asked, message: String) -> Error {
    Error {
        asked: Box::new(asked),
        class: ErrorClass::Refused,
        effect: Effect::None,
        http_status: None,
        code: None,
        message: format!("not sent: {message}"),
    }
}

/// Whether this is a page, or a PHP error, that does not say that the image does not exist. An SVG begins like a
/// page.
fn is_some_page(body: &[u8]) -> bool {
    let text = answer::as_text(body);
    let begins = |tag: &str| text.trim_start().get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    let is_page = ["<p>", "<!doctype html", "<html", "<head", "<body", "<br"].into_iter().any(begins);
    // PHP prints this before the answer if `display_errors` is on: the image may follow.
    let is_page = is_page || ["warning:", "notice:", "deprecated:", "fatal error:"].into_iter().any(begins);
    is_page && !text.contains(NO_SUCH_IMAGE)
}

/// Preceded by `Invalid id (7) for class 'InlineImage' - ` or `Invalid secret for class 'InlineImage' - `
/// (`core/ormdocument.class.inc.php`, 3.1.2 and 3.2.0). It is not translated.
const NO_SUCH_IMAGE: &str = "the object does not exist or you are not allowed to view it";

fn not_an_image(asked: Asked, http_status: Option<u16>, message: &str) -> Error {
    Error {
        asked: Box::new(asked),
        class: ErrorClass::NotAnImage,
        effect: Effect::None,
        http_status,
        code: None,
        message: message.to_owned(),
    }
}
