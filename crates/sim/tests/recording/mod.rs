//! The recordings of real iTops: their lines, and a simulator whose world looks like the one
//! they were made in, so that ids and dates need no normalising.

#![allow(dead_code)] // each test binary uses its own part

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::Request;
use itop_sim::{FirstIds, Sim, SimConfig, Version, WallClock, Wire};
use serde_json::{Value as Json, json};

pub const BASE_URL: &str = "http://itop";

/// A clock that a test sets.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn at(unix_seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(unix_seconds)))
    }

    /// Never backwards: an answer may show an older date.
    pub fn advance_to(&self, unix_seconds: i64) {
        self.0.fetch_max(unix_seconds, Ordering::SeqCst);
    }
}

/// The lines of `contract/<version>/<file>`.
pub fn lines(version: Version, file: &str) -> Vec<Json> {
    let folder = match version {
        Version::V3_1 => "3.1.2",
        Version::V3_2 => "3.2.0",
    };
    let path = format!("{}/../../contract/{folder}/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

pub fn sim(version: Version, clock: &Clock, first_ids: FirstIds) -> Sim {
    let mut config = SimConfig::new(version, BASE_URL);
    // The dates were recorded on a server in UTC's zone; only their order matters here.
    config.time_zone = "UTC".into();
    config.first_ids = first_ids;
    let clock = clock.clone();
    config.clock = WallClock::new(move || clock.0.load(Ordering::SeqCst));
    Sim::new(config)
}

/// A REST call with `json_data` as it stands; the answer's JSON.
pub async fn call_text(sim: &Sim, user: &str, password: &str, json_data: &str) -> Json {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("auth_user", user)
        .append_pair("auth_pwd", password)
        .append_pair("json_data", json_data)
        .finish();
    let request = Request::post(format!("{BASE_URL}/webservices/rest.php?version=1.3"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .unwrap();
    match sim.handle(request).await {
        Wire::Answer(answer) => {
            assert_eq!(answer.status(), 200);
            serde_json::from_slice(answer.body()).expect("the answer is JSON")
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// A call as the recording's account `who`.
pub async fn call(sim: &Sim, who: &str, request: &Json) -> Json {
    let json_data = request.as_str().map_or_else(|| request.to_string(), str::to_owned);
    let (user, password) = match who {
        "admin" => ("admin", "admin"),
        "wrong" => ("bridge", "wrong"),
        _ => ("bridge", "Bridge.1234"),
    };
    call_text(sim, user, password, &json_data).await
}

/// A call that must succeed.
pub async fn ok(sim: &Sim, who: &str, request: Json) -> Json {
    let answer = call(sim, who, &request).await;
    assert_eq!(answer["code"], 0, "{request} -> {answer}");
    answer
}

/// The id of the one object in an answer.
pub fn id_of(answer: &Json) -> u64 {
    let objects = answer["objects"].as_object().expect("objects");
    let key = objects.values().next().expect("one object")["key"].as_str().expect("a key");
    key.parse().expect("a number")
}

/// A core/create, as the recorder wrote it.
pub fn create(class: &str, fields: Json) -> Json {
    json!({"operation": "core/create", "class": class, "comment": "contract recording", "output_fields": "id", "fields": fields})
}

/// The latest date that stands in a text as `2026-11-24 …`, in Unix seconds of UTC.
pub fn latest_date(text: &str) -> Option<i64> {
    const DAY: &str = "2026-11-24 ";
    const MIDNIGHT: i64 = 1_795_478_400;
    let seconds = |time: &str| {
        let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
        Some(MIDNIGHT + parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
    };
    text.match_indices(DAY).filter_map(|(at, _)| seconds(text.get(at + DAY.len()..at + DAY.len() + 8)?)).max()
}
