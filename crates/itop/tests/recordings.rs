//! Everything that two real iTops answered, through the client: the right value, or the right
//! class of error and effect.
//!
//! A recording is a fact. A case that stands in the recordings and not in the table fails the
//! test, so that new recordings are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use itop_client::*;
use serde_json::{Map, Value, json};

#[derive(Debug)]
enum Expected {
    /// The number of all hits; none given where the two recordings differ.
    Found(Option<u64>),
    Written,
    Moved,
    Deleted(u64),
    Operations(usize),
    Json,
    Image(&'static str),
    /// Without effect.
    Fails(ErrorClass),
    /// With iTop's own answer, which does not say whether it had one.
    FailsPerhapsDone(ErrorClass),
}

fn table() -> Vec<(&'static str, Expected)> {
    use ErrorClass::{Login as LoginRefused, NotAnImage, Refused, Stale};
    use Expected::*;
    vec![
        ("find team", Found(Some(1))),
        ("find person by email", Found(Some(1))),
        ("find service", Found(Some(1))),
        ("list operations", Operations(7)),
        ("check credentials: good", Json),
        ("check credentials: bad", Json),
        ("wrong password", Fails(LoginRefused)),
        ("json_data is not JSON", Fails(Refused)),
        ("json_data is empty", Fails(Refused)),
        ("unknown operation", Fails(Refused)),
        ("unknown class", Fails(unknown_class("Nope"))),
        ("unknown attribute in output_fields", Fails(unknown_attribute("nope"))),
        ("object not found", Found(Some(0))),
        ("OQL that finds nothing", Found(Some(0))),
        ("OQL syntax error", Fails(Refused)),
        ("class the account may not read", Fails(rights("CMDBChangeOp"))),
        ("class User is closed to agents", Fails(rights("User"))),
        ("own person through a placeholder", Found(Some(1))),
        ("create: unknown attribute", Fails(unknown_attribute("nope"))),
        ("create: org missing", Fails(Refused)),
        ("create: org does not exist", Fails(Refused)),
        ("create: bad enum value", Fails(Refused)),
        ("create: title over 255", Fails(Refused)),
        ("create: comment missing", Fails(Refused)),
        ("create: caller of another organisation is accepted", Written),
        ("create: no caller is accepted", Written),
        ("create UserRequest, all fields back", Written),
        ("get, chosen fields", Fails(unknown_attribute("caller_id->email"))),
        ("get, unknown external field of a caller", Fails(unknown_attribute("caller_id_email"))),
        ("get through the superclass Ticket: common fields only", Found(Some(1))),
        ("get through the superclass Ticket: status is refused", Fails(unknown_attribute("status"))),
        ("get through the superclass Ticket with *+: fields of the final class", Found(Some(1))),
        ("update: title", Written),
        ("update: HTML is sanitised", Written),
        ("update: plain text into an HTML field", Written),
        ("update: nothing changes", Written),
        ("update: priority is recomputed, not written", Written),
        ("get: limit and page (message counts all)", Found(None)),
        ("get: paging by id", Found(Some(3))),
        ("get: several by IN", Found(Some(2))),
        ("get: changed since", Found(Some(1))),
        ("private_log: a string appends", Written),
        ("private_log: add_item appends", Written),
        ("private_log: add_item with author and date as a plain agent", Written),
        ("private_log: items REPLACES the log", Written),
        ("private_log: items again", Written),
        ("public_log: add_item", Written),
        ("attachment: create", Written),
        ("attachment: create with temp_id (it stays and can be queried)", Written),
        ("attachment: empty file", Written),
        ("attachment: name with a path", Written),
        ("attachment: on a ticket that does not exist", Written),
        ("attachment: list without contents", Found(Some(4))),
        ("attachment: get with contents", Found(Some(1))),
        ("attachment: find by temp_id", Found(Some(5))),
        ("attachment: created since", Found(Some(1))),
        ("attachment: own ones through a placeholder", Found(Some(4))),
        ("attachment: update its contents", Written),
        ("attachment: contents without filename", Written),
        ("attachment: does not move the ticket's last_update", Found(Some(1))),
        ("attachment: delete", Deleted(1)),
        ("attachment: delete again", Deleted(0)),
        ("inline image: create (administrator)", Written),
        ("inline image: an agent may not read it", Fails(rights("InlineImage"))),
        ("inline image: its URL needs no login", Image("image/png")),
        ("inline image: wrong secret", Fails(NotAnImage)),
        ("lifecycle: a fresh UserRequest", Written),
        ("stimulus not valid in this state", Fails(Stale)),
        ("unknown stimulus", Fails(Stale)),
        ("lifecycle: another", Written),
        ("assign without team and agent", Moved),
        ("assign", Moved),
        ("pending without a reason", Fails(Refused)),
        ("pending", Moved),
        ("resolve from pending is not a transition", Fails(Stale)),
        ("pending to assigned", Moved),
        ("resolve without its fields", Fails(Refused)),
        ("resolve", Moved),
        ("reopen", Moved),
        ("resolve again", Moved),
        ("close", Moved),
        ("closed: update of a field", Written),
        ("closed: private log", Written),
        ("closed: reopen", Fails(Stale)),
        ("lifecycle: for escalation", Written),
        ("internal stimulus by REST", Moved),
        ("status written with core/update skips the lifecycle", Written),
        ("status written with core/update: unknown value", Fails(Refused)),
        ("lifecycle: for approval", Written),
        ("wait for approval", Moved),
        ("approve", Moved),
        ("create Incident", Written),
        ("incident: assign", Moved),
        ("create NormalChange: the account lacks the profile", Fails(rights("NormalChange"))),
        ("create NormalChange", Written),
        ("change: ev_validate", Fails(Refused)),
        ("change: ev_assign", Fails(Stale)),
        ("change: ev_plan", Fails(Stale)),
        ("change: ev_approve", Fails(Stale)),
        ("change: ev_implement", Fails(Stale)),
        ("change: ev_monitor", Fails(Stale)),
        ("change: ev_finish", Fails(Stale)),
        ("ticket: an agent may not delete it", Fails(rights("UserRequest"))),
        ("ticket: an administrator may", Deleted(1)),
        ("ticket: get after its deletion", Found(Some(0))),
        ("history of own creations (administrator)", Found(Some(1))),
        ("mark: create with a first private_log entry", Written),
        ("mark: find by private_log LIKE", Found(Some(1))),
        ("mark: find by private_log LIKE, through the superclass", Found(Some(1))),
        ("mark: attachment with a long temp_id", Written),
        ("mark: find by temp_id LIKE", Found(Some(1))),
        ("mark: highest id by bisection", Found(Some(0))),
        ("parent: private log entry", Written),
        ("child: iTop has copied the parent's entry", Found(Some(1))),
        ("edge: emoji in title and description", Written),
        ("edge: title of 255 characters, two bytes each", Written),
        ("edge: control characters in a title", Written),
        ("edge: blanks around a title", Written),
        ("edge: empty title", Fails(Refused)),
        ("edge: empty description", Fails(Refused)),
        ("edge: impact as a number", Written),
        (
            "edge: file name of 300 characters (the message holds the whole query, data and all)",
            FailsPerhapsDone(Refused),
        ),
        ("edge: file name empty", Written),
        ("edge: file name with NUL, slash and backslash", Written),
        ("edge: contents that are no base64 (stored as an empty file)", Written),
        ("edge: temp_id of 255 characters", Written),
        ("edge: temp_id of 256 characters", Fails(Refused)),
        ("modules (administrator)", Found(Some(3))),
        ("modules: an agent may not read them", Fails(rights("ModuleInstallation"))),
        ("provision: remote connection", Written),
        ("provision: action created (Content-type)", Written),
        ("provision: trigger created (Content-type)", Written),
        ("provision: action created (Content-Type)", Written),
        ("provision: trigger created (Content-Type)", Written),
        ("provision: action created (charset)", Written),
        ("provision: trigger created (charset)", Written),
        ("provision: action updated", Written),
        ("provision: trigger updated", Written),
        ("provision: action private log", Written),
        ("provision: trigger private log", Written),
        ("provision: action attachment create", Written),
        ("provision: trigger attachment create", Written),
        ("provision: action attachment update", Written),
        ("provision: trigger attachment update", Written),
        ("provision: action attachment delete", Written),
        ("provision: trigger attachment delete", Written),
        ("provision: action state assigned", Written),
        ("provision: trigger state assigned", Written),
        ("provision: action state pending", Written),
        ("provision: trigger state pending", Written),
        ("provision: action state resolved", Written),
        ("provision: trigger state resolved", Written),
        ("provision: action ticket delete", Written),
        ("provision: trigger ticket delete", Written),
        ("provision: action filtered", Written),
        ("provision: trigger filtered", Written),
        ("provision: action unknown placeholder", Written),
        ("provision: trigger unknown placeholder", Written),
        ("provision: actions as they stand", Found(Some(14))),
        ("provision: triggers as they stand", Found(Some(14))),
        ("provision: an agent may not read triggers", Fails(rights("Trigger"))),
        ("provision: an action is changed", Written),
        ("EventWebhook log (administrator)", Found(Some(13))),
        ("provision: a trigger is deleted", Deleted(1)),
    ]
}

fn rights(class: &str) -> ErrorClass {
    ErrorClass::Rights { class: Some(class.to_owned()) }
}

fn unknown_attribute(attribute: &str) -> ErrorClass {
    ErrorClass::UnknownAttribute { attribute: attribute.to_owned() }
}

fn unknown_class(class: &str) -> ErrorClass {
    ErrorClass::UnknownClass { class: class.to_owned() }
}

#[tokio::test]
async fn every_answer_of_itop_3_2_0() {
    check_recording("3.2.0").await;
}

#[tokio::test]
async fn every_answer_of_itop_3_1_2() {
    check_recording("3.1.2").await;
}

/// What `setup` asks: what iTop carried out is read whole, and each refusal has its class.
#[tokio::test]
async fn every_answer_to_setup() {
    let refused = setup_refusals();
    for version in ["3.1.2", "3.2.0"] {
        let mut left: BTreeSet<&str> = refused
            .iter()
            .filter(|(_, only, _)| only.is_none_or(|only| only == version))
            .map(|(case, ..)| *case)
            .collect();
        for case in recorded(version, "setup.jsonl") {
            let name = case["case"].as_str().unwrap();
            let replay = Arc::new(Replay::of(&case));
            let outcome = perform(&client(replay.clone()), &case["request"]).await;
            let expected = match case["response"]["code"].as_i64() {
                Some(0) => carried_out(&case),
                _ => {
                    assert!(left.remove(name), "{version}: {name} is not in the table");
                    let (.., class) = refused.iter().find(|(case, ..)| *case == name).unwrap();
                    Expected::Fails(class.clone())
                }
            };
            check_outcome(&format!("{version}: {name}"), &expected, outcome, &case);
            check_request(name, &replay, &case["request"]);
        }
        assert!(left.is_empty(), "{version} does not have {left:?}");
    }
}

#[tokio::test]
async fn every_value_that_was_refused_is_told_with_its_attribute() {
    use ValueFault::*;
    let too_long = |found, limit| TooLong { found, limit };
    let expected = [
        ("create: description of 70000 characters", "description", too_long(70_007, 65_535)),
        ("create: description of 30000 Chinese characters", "description", TooManyBytes),
        ("create: description of a data: image of 90000 characters", "description", too_long(90_049, 65_535)),
        ("update: description of 70000 characters, and a title", "description", too_long(70_007, 65_535)),
        ("stimulus: solution of 70000 characters", "solution", too_long(70_007, 65_535)),
        ("stimulus: pending_reason of 70000 characters", "pending_reason", too_long(70_000, 65_535)),
        ("create: bad enum value", "impact", NotAllowed),
        ("create: title over 255", "title", too_long(256, 255)),
        ("create: a title with an emoji", "title", Characters),
        ("create: a description with an emoji", "description", Characters),
        ("update: start_date that is no date", "start_date", NotAllowed),
    ];
    for version in ["3.1.2", "3.2.0"] {
        let cases = recorded(version, "field.jsonl");
        for (name, attribute, fault) in &expected {
            let named: Vec<&Value> = cases.iter().filter(|case| case["case"] == *name).collect();
            assert!(!named.is_empty(), "{version}: {name}");
            for case in named {
                let error = perform(&client(Arc::new(Replay::of(case))), &case["request"]).await.expect_err(name);
                let [bad] = error.bad_values() else { panic!("{version}: {name}: {error:?}") };
                let fault = match (fault, bad.fault) {
                    // 3.1's solution is plain text: nothing is put around it.
                    (TooLong { .. }, TooLong { found: 70_000, limit }) => too_long(70_000, limit),
                    _ => *fault,
                };
                // The recorder has cut what names the column.
                let attribute = Some(*attribute).filter(|_| fault != TooManyBytes);
                assert_eq!((bad.attribute.as_deref(), bad.fault), (attribute, fault), "{version}: {name}");
                assert!(!error.to_string().contains('字'), "no data of a query: {error}");
            }
        }
    }
}

fn carried_out(case: &Value) -> Expected {
    match case["request"]["operation"].as_str().unwrap() {
        "core/get" => Expected::Found(None),
        "core/delete" => {
            let message = case["response"]["message"].as_str().unwrap();
            let count = message.strip_prefix("Deleted: ").and_then(|rest| rest.split(' ').next());
            Expected::Deleted(count.unwrap().parse().unwrap())
        }
        _ => Expected::Written,
    }
}

/// Case, the version where it is one only, class.
fn setup_refusals() -> Vec<(&'static str, Option<&'static str>, ErrorClass)> {
    use ErrorClass::{Gone, Login as LoginRefused, Refused};
    let both = |case, class| (case, None, class);
    vec![
        both("setup: an agent creates RemoteApplicationType", rights("RemoteApplicationType")),
        both("setup: an agent creates RemoteApplicationConnection", rights("RemoteApplicationConnection")),
        both("setup: an agent reads ActionWebhook", rights("ActionWebhook")),
        both("setup: an agent creates ActionWebhook", rights("ActionWebhook")),
        both("setup: an agent reads TriggerOnObjectCreate", rights("TriggerOnObjectCreate")),
        both("setup: an agent creates TriggerOnObjectCreate", rights("TriggerOnObjectCreate")),
        both("setup: an agent reads TriggerOnStateEnter", rights("TriggerOnStateEnter")),
        both("setup: an agent creates TriggerOnStateEnter", rights("TriggerOnStateEnter")),
        both("setup: connection without name", Refused),
        both("setup: connection without remoteapplicationtype_id", Refused),
        both("setup: connection without url", Refused),
        both("setup: connection with an unknown type", Refused),
        both("setup: connection with an unknown environment", Refused),
        both("setup: connection with an unknown attribute", unknown_attribute("nope")),
        both("setup: action without name", Refused),
        both("setup: action without remoteapplicationconnection_id", Refused),
        both("setup: action with an unknown status", Refused),
        both("setup: action with an unknown method", Refused),
        both("setup: action with an unknown connection", Refused),
        both("setup: action with an unknown attribute", unknown_attribute("nope")),
        ("setup: action with an attribute of 3.2", Some("3.1.2"), unknown_attribute("asynchronous")),
        ("setup: action whose payload is no JSON", Some("3.2.0"), Refused),
        both("setup: trigger without description", Refused),
        both("setup: trigger without state", Refused),
        both("setup: trigger with an unknown class", Refused),
        both("setup: trigger with an unknown attribute", unknown_attribute("nope")),
        ("setup: trigger with an attribute of 3.2", Some("3.1.2"), unknown_attribute("subscription_policy")),
        both("setup: trigger with an unknown action", Refused),
        both("setup: trigger with a filter of another class", Refused),
        both("setup: update trigger with an unknown attribute", Refused),
        both("setup: update trigger whose attributes come before its class", Refused),
        both("setup: action by an agent", rights("ActionWebhook")),
        both("setup: trigger that is gone", Gone),
        both("setup: agent deletes a trigger", rights("TriggerOnStateEnter")),
        both("setup: trigger with a filter that is no OQL", Refused),
        both("setup: trigger with a filter on an unknown attribute", Refused),
        both("setup: wrong password", LoginRefused),
    ]
}

async fn check_recording(version: &str) {
    let mut expected: BTreeMap<&str, Expected> = table().into_iter().collect();
    for case in recorded_cases(version) {
        let name = case["case"].as_str().unwrap();
        let expected = expected.remove(name).unwrap_or_else(|| panic!("{version}: {name} is not in the table"));
        let replay = Arc::new(Replay::of(&case));
        let client = client(replay.clone());
        let outcome = perform(&client, &case["request"]).await;
        check_outcome(&format!("{version}: {name}"), &expected, outcome, &case);
        check_request(name, &replay, &case["request"]);
    }
    let left: BTreeSet<&str> = expected.into_keys().collect();
    assert!(left.is_empty(), "{version} does not have {left:?}");
}

fn recorded_cases(version: &str) -> Vec<Value> {
    recorded(version, "rest.jsonl")
}

fn recorded(version: &str, file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contract").join(version).join(file);
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Answers what was recorded and keeps the `json_data` that was asked.
struct Replay {
    status: u16,
    body: Bytes,
    json_data: Mutex<Option<Value>>,
}

impl Replay {
    fn of(case: &Value) -> Replay {
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

fn client(transport: Arc<dyn Transport>) -> Client {
    let login = Login::Password { user: "bridge".into(), password: "pw".into() };
    Client::new(ClientConfig::new("https://itop.test", login), transport).unwrap()
}

#[derive(Debug)]
enum Outcome {
    Found(Found),
    Written(Written),
    Stimulated(Option<Written>),
    Deleted(Deleted),
    Operations(Operations),
    Json(Value),
    Image(Image),
}

/// Makes the recorded request by the typed call for it.
async fn perform(client: &Client, request: &Value) -> Result<Outcome, Error> {
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
fn loose_number(value: &Value) -> Option<u32> {
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

fn check_outcome(name: &str, expected: &Expected, outcome: Result<Outcome, Error>, case: &Value) {
    use Expected::*;
    match (expected, outcome) {
        (Found(total), Ok(Outcome::Found(found))) => {
            assert_eq!(found.total, total.unwrap_or(found.total), "{name}");
            check_objects(name, &found.objects, case);
        }
        (Written, Ok(Outcome::Written(written))) => check_objects(name, &[written.object], case),
        (Moved, Ok(Outcome::Stimulated(Some(written)))) => check_objects(name, &[written.object], case),
        (Deleted(count), Ok(Outcome::Deleted(deleted))) => assert_eq!(deleted.count, *count, "{name}"),
        (Operations(count), Ok(Outcome::Operations(operations))) => {
            assert_eq!((operations.version.as_str(), operations.names.len()), ("1.3", *count), "{name}");
        }
        (Json, Ok(Outcome::Json(json))) => assert_eq!(json, case["response"], "{name}"),
        (Image(mime), Ok(Outcome::Image(image))) => assert_eq!(image.mime, *mime, "{name}"),
        (Fails(class), Err(error)) => {
            assert_eq!((refused_for_whatever(&error), error.effect), (class.clone(), Effect::None), "{name}: {error}");
        }
        (FailsPerhapsDone(class), Err(error)) => {
            let effect = Effect::Unknown { answered: true };
            assert_eq!((refused_for_whatever(&error), error.effect), (class.clone(), effect), "{name}: {error}");
        }
        (expected, outcome) => panic!("{name}: {expected:?} was expected, and came {outcome:?}"),
    }
}

/// Which value is to blame has tests of its own.
fn refused_for_whatever(error: &Error) -> ErrorClass {
    if error.bad_values().is_empty() { error.class.clone() } else { ErrorClass::Refused }
}

/// All recorded objects with all their fields, nothing lost and nothing changed.
fn check_objects(name: &str, objects: &[Object], case: &Value) {
    let read: BTreeMap<String, Value> = objects.iter().map(as_recorded).collect();
    let recorded = case["response"]["objects"].as_object().cloned().unwrap_or_default();
    let recorded: BTreeMap<String, Value> =
        recorded.into_iter().map(|(key, object)| (key, object["fields"].clone())).collect();
    assert_eq!(read, recorded, "{name}");
}

fn as_recorded(object: &Object) -> (String, Value) {
    let fields = object.fields.iter().map(|(attribute, value)| (attribute.clone(), json_value(value)));
    (format!("{}::{}", object.class, object.id), Value::Object(fields.collect()))
}

fn json_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Json(value) => value.clone(),
        FieldValue::Contents(contents) => json!({
            "data": contents.data.as_str(),
            "filename": contents.filename,
            "mimetype": contents.mimetype,
            "downloads_count": contents.downloads_count,
        }),
    }
}

/// The client asks word for word what was recorded.
fn check_request(name: &str, replay: &Replay, recorded: &Value) {
    let mut recorded = recorded.clone();
    if recorded.as_str().is_some() || recorded.is_null() {
        return; // no JSON, or no REST
    }
    if name == "create: comment missing" {
        recorded["comment"] = "".into(); // the client never leaves it out
    }
    for parameter in ["limit", "page"] {
        if let Some(number) = loose_number(&recorded[parameter]) {
            recorded[parameter] = number.into();
        }
    }
    assert_eq!(replay.json_data.lock().unwrap().as_ref(), Some(&recorded), "{name}");
}

#[tokio::test]
async fn the_types_of_a_ticket() {
    let case = recorded_cases("3.2.0").into_iter().find(|case| case["case"] == "public_log: add_item").unwrap();
    let client = client(Arc::new(Replay::of(&case)));
    let Ok(Outcome::Written(written)) = perform(&client, &case["request"]).await else { panic!() };
    let entry = &written.object.log("public_log").unwrap()[0];
    assert_eq!((entry.user_login.as_str(), entry.user_id), ("Ticket Bridge", 2));
    assert_eq!((entry.message.as_str(), entry.message_html.as_str()), ("to the customer", "<p>to the customer</p>"));
    assert_eq!(entry.date, "2026-11-24 12:12:54");
}

#[tokio::test]
async fn the_types_of_an_attachment() {
    let case =
        recorded_cases("3.2.0").into_iter().find(|case| case["case"] == "attachment: get with contents").unwrap();
    let client = client(Arc::new(Replay::of(&case)));
    let Ok(Outcome::Found(found)) = perform(&client, &case["request"]).await else { panic!() };
    let attachment = &found.objects[0];
    assert_eq!((attachment.number("id"), attachment.text("id")), (Some(59), Some("59")));
    let contents = attachment.contents("contents").unwrap();
    assert_eq!((contents.data.as_str(), contents.data.decoded_len()), ("aGVsbG8gZmlsZQ==", 10));
    assert_eq!((contents.filename.as_str(), contents.downloads_count), ("note é \"q\".txt", Some(0)));
}
