//! The answer to a REST call.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use itop_client::{
    Body, Client, ClientConfig, Effect, Error, FieldValue, Fields, Found, Login, Object, Progress, Query, Transport,
    TransportError,
};
use serde_json::{Value, json};

/// Long enough not to be met by chance, short enough to be written by a fuzzer.
const PASSWORD: &str = "s3cr3t-w0rd";

/// The longest message that a person is shown, in bytes: 300 characters, and what stands around them.
const MAX_SHOWN: usize = 4 * 300 + 512;

/// Any bytes can be the answer to any call. Nothing of the account shows, a write counts as without effect only
/// where iTop said so, no part of an answer passes for the whole, and what was read is read again.
pub fn answer(bytes: &[u8]) {
    let found = get(200, bytes);
    match &found {
        Ok(found) => {
            holds_no_more_than_was_sent(found, bytes);
            is_read_again(found);
            no_part_passes_for_the_whole(bytes);
        }
        Err(error) => is_fit_to_be_shown(error),
    }
    const OTHERS: [u16; 5] = [302, 403, 413, 500, 503];
    writes_are_not_believed_undone(200, bytes);
    writes_are_not_believed_undone(OTHERS[bytes.len() % OTHERS.len()], bytes);
}

fn writes_are_not_believed_undone(status: u16, bytes: &[u8]) {
    let client = client(status, bytes);
    let fields = Fields::new().with("title", "t");
    let ends = [
        now(client.create("UserRequest", &fields, "a law", &["id"])).err(),
        now(client.update("UserRequest", 7, &fields, "a law", &["id"])).err(),
        now(client.apply_stimulus("UserRequest", 7, "ev_assign", &fields, "a law", &["id"])).err(),
        now(client.delete("Attachment", 7, "a law")).err(),
    ];
    for error in ends.into_iter().flatten() {
        is_fit_to_be_shown(&error);
        let itop_said_so = error.code.is_some_and(|code| code != 0);
        assert!(error.effect != Effect::None || itop_said_so, "without effect, says nobody: {error:?}");
    }
}

fn is_fit_to_be_shown(error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(error.message.len() <= MAX_SHOWN, "{} bytes: {error}", error.message.len());
}

fn holds_no_more_than_was_sent(found: &Found, bytes: &[u8]) {
    let held: usize = found.objects.iter().map(|object| object.class.len() + fields_len(object)).sum();
    // A byte that is no UTF-8 becomes a character of three; a number is held as text of at most 24 more.
    assert!(held <= 30 * bytes.len(), "{held} of {}", bytes.len());
}

fn fields_len(object: &Object) -> usize {
    let len = |value: &FieldValue| match value {
        FieldValue::Json(json) => json.to_string().len(),
        FieldValue::Contents(contents) => contents.data.len() + contents.filename.len() + contents.mimetype.len(),
    };
    object.fields.iter().map(|(code, value)| code.len() + len(value)).sum()
}

/// A document of one JSON object, cut anywhere, is no answer.
fn no_part_passes_for_the_whole(bytes: &[u8]) {
    let whole = serde_json::from_slice::<Value>(bytes).is_ok_and(|json| json.is_object());
    let document = bytes.trim_ascii();
    if !whole || document.is_empty() {
        return;
    }
    for end in [document.len() / 3, document.len() / 2, document.len() - 1] {
        assert!(get(200, &document[..end]).is_err(), "cut at {end}");
    }
}

fn is_read_again(found: &Found) {
    // Once more, since JSON has several ways to write one value, and a file's contents are known by theirs.
    let Ok(once) = get(200, written(&found.objects).as_bytes()) else { panic!("what was read is no answer") };
    let twice = get(200, written(&once.objects).as_bytes()).expect("an answer");
    assert_eq!(once.objects.len(), found.objects.len());
    for (first, again) in once.objects.iter().zip(&twice.objects) {
        assert_eq!((&first.class, first.id), (&again.class, again.id));
        for code in first.fields.keys() {
            assert_eq!(first.text(code), again.text(code), "{code}");
            assert_eq!(first.log(code), again.log(code), "{code}");
            assert_eq!(first.contents(code), again.contents(code), "{code}");
        }
    }
}

/// As iTop would answer these objects.
fn written(objects: &[Object]) -> String {
    let object = |object: &Object| {
        let fields = object.fields.iter().map(|(code, value)| (code.clone(), json_of(value))).collect();
        let fields = Value::Object(fields);
        json!({ "code": 0, "message": "", "class": object.class, "key": object.id, "fields": fields })
    };
    let named = objects.iter().enumerate().map(|(at, it)| (format!("{at:09}::{}", it.id), object(it)));
    let objects = Value::Object(named.collect());
    json!({ "code": 0, "message": "Found", "objects": objects }).to_string()
}

fn json_of(value: &FieldValue) -> Value {
    match value {
        FieldValue::Json(json) => json.clone(),
        FieldValue::Contents(contents) => json!({
            "data": contents.data.as_str(),
            "filename": contents.filename,
            "mimetype": contents.mimetype,
            "downloads_count": contents.downloads_count,
        }),
    }
}

fn get(status: u16, bytes: &[u8]) -> Result<Found, Error> {
    now(client(status, bytes).get("UserRequest", &Query::id(7), &["id"]))
}

fn client(status: u16, bytes: &[u8]) -> Client {
    let login = Login::Password { user: "bridge".into(), password: PASSWORD.into() };
    let answers = Arc::new(Answers { status, body: Bytes::copy_from_slice(bytes) });
    Client::new(ClientConfig::new("https://itop.test", login), answers).expect("a client")
}

/// Answers each call with the same bytes, at once.
struct Answers {
    status: u16,
    body: Bytes,
}

impl Transport for Answers {
    fn send<'a>(
        &'a self,
        _request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        let answer = http::Response::builder().status(self.status).body(self.body.clone());
        async move { Ok(answer.expect("an answer")) }.boxed()
    }
}

/// The end of a call whose transport answers at once.
fn now<T>(call: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(call))
}
