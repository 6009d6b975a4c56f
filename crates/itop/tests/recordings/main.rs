//! Everything that two real iTops answered, through the client: the right value, or the right class of error and
//! effect.
//!
//! A recording is a fact. A case that stands in the recordings and not in the table fails the test, so that new
//! recordings are looked at.

mod expected;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use expected::{Expected, setup_refusals, table};
use itop_client::*;
use replay::{Outcome, Replay, client, loose_number, perform};
use serde_json::{Value, json};

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
