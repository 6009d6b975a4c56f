//! The routes, called in the process, with a store that the test plays.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use itop_bridge::config::Config;
use itop_bridge::http::{HttpState, Inbox, NewKeys, Owner, router};
use itop_bridge_engine::clock::VirtualClock;
use itop_bridge_engine::timing::Timing;
use itop_bridge_store::{About, DirtyMark, Look, Marked, StoreError, TicketOf};
use itop_bridge_text::payload;
use serde_json::{Value, json};
use tower::ServiceExt;

const NOW_MS: i64 = 1_700_000_000_000;
const INTERNAL_KEY: &str = "sk_internal_0123456789";
const ACME_KEY: &str = "sk_acme_0123456789abcd";
const OTHER_KEY: &str = "sk_other_0123456789abc";

#[derive(Clone, Copy)]
enum Mood {
    Commits,
    Ignores,
    Fails,
    Hangs,
    Panics,
}

struct PlayedInbox {
    mood: Mood,
    marks: Mutex<Vec<DirtyMark>>,
    /// The sections whose keys were read again, and how many were new.
    read: Mutex<Vec<(String, usize)>>,
}

impl PlayedInbox {
    async fn commit(&self) -> Result<(), StoreError> {
        match self.mood {
            Mood::Commits | Mood::Ignores => Ok(()),
            Mood::Fails => Err(StoreError::Unavailable("disk full".to_owned())),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("a fault of the program"),
        }
    }
}

#[async_trait]
impl Inbox for PlayedInbox {
    async fn mark_dirty(&self, marks: Vec<DirtyMark>, now_ms: i64) -> Result<Vec<Marked>, StoreError> {
        assert!((NOW_MS..NOW_MS + 60_000).contains(&now_ms));
        self.commit().await?;
        let marked = match self.mood {
            Mood::Ignores => Marked::Ignored("no link"),
            _ => Marked::Accepted,
        };
        let answer = vec![marked; marks.len()];
        self.marks.lock().unwrap().extend(marks);
        Ok(answer)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.commit().await
    }

    async fn keys_were_read(&self, (section, keys): NewKeys) -> Result<(), StoreError> {
        self.commit().await?;
        self.read.lock().unwrap().push((section, keys.len()));
        Ok(())
    }
}

struct Bridge {
    state: Arc<HttpState>,
    inbox: Arc<PlayedInbox>,
}

/// The answer's status and JSON.
type Answer = (u16, Value);

impl Bridge {
    fn of(externals: &[(&str, &str)], mood: Mood) -> Bridge {
        let mut text = format!(
            "[server]\nid = \"t\"\n[internal]\nname = \"elitery\"\nurl = \"http://i.example\"\ntoken = \"t\"\napi_keys = [\"{INTERNAL_KEY}\"]\n"
        );
        for (name, key) in externals {
            text += &format!(
                "[external.{name}]\nurl = \"http://{name}.example\"\ntoken = \"t\"\napi_keys = [\"{key}\"]\nonly = \"all\"\n"
            );
        }
        text += "[external.acme.sync]\nclasses = { UserRequest = \"Incident\" }\n";
        Bridge::by(&text, mood)
    }

    fn by(text: &str, mood: Mood) -> Bridge {
        let config = Config::parse(text, "bridge.toml", &|_| None).unwrap();
        let inbox = Arc::new(PlayedInbox { mood, marks: Mutex::default(), read: Mutex::default() });
        let clock = Arc::new(VirtualClock::starting_at(NOW_MS));
        let state = Arc::new(HttpState::new(&config, inbox.clone(), clock, Timing::default(), Arc::default()));
        Bridge { state, inbox }
    }

    /// Two externals, of which acme bridges UserRequest, into Incident, and other every class.
    fn new() -> Bridge {
        Bridge::of(&[("acme", ACME_KEY), ("other", OTHER_KEY)], Mood::Commits)
    }

    /// One external that shares its key with the internal side.
    fn shared() -> Bridge {
        Bridge::of(&[("acme", INTERNAL_KEY)], Mood::Commits)
    }

    fn in_mood(mood: Mood) -> Bridge {
        Bridge::of(&[("acme", ACME_KEY)], mood)
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(self.state.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).expect("every answer is JSON"))
    }

    async fn post(&self, route: &str, key: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(format!("/api/v1/{route}")).header("X-API-Key", key);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn get(&self, route: &str, key: &str) -> Answer {
        self.send(Request::get(route).header("X-API-Key", key).body(Body::empty()).unwrap()).await
    }

    fn marks(&self) -> Vec<DirtyMark> {
        std::mem::take(&mut self.inbox.marks.lock().unwrap())
    }
}

fn external(name: &str, ticket: u64, class: Option<&str>, look: Look) -> DirtyMark {
    let of = TicketOf { external: name.to_owned(), ticket };
    let about = About::External { of, class: class.map(str::to_owned) };
    DirtyMark { about, look, due_ms: NOW_MS + 150 }
}

fn internal(ticket: u64, look: Look) -> DirtyMark {
    DirtyMark { about: About::Internal { ticket }, look, due_ms: NOW_MS + 150 }
}

fn external_file(id: u64) -> Look {
    let named = BTreeSet::from([id]);
    Look { external_attachments: named.clone(), announced: named, ..Look::default() }
}

fn said(route: &str) -> Look {
    let created = route == "create-ticket";
    Look { created, changed: !created, ..Look::ticket() }
}

fn internal_file(id: u64) -> Look {
    let named = BTreeSet::from([id]);
    Look { internal_attachments: named.clone(), internal_announced: named, ..Look::default() }
}

fn error(answer: &Answer) -> (u16, &str) {
    assert!(answer.1["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");
    (answer.0, answer.1["error"].as_str().unwrap())
}

const TICKET: &str = r#"{"class":"UserRequest","id":"98"}"#;
const FILE: &str = r#"{"event":"attachment.update","source":"external","attachment_id":"70","item_class":"UserRequest","item_id":"98"}"#;

#[tokio::test(start_paused = true)]
async fn ticket_hooks_of_an_external_mark_its_ticket() {
    let bridge = Bridge::new();
    for route in ["create-ticket", "update-ticket", "update-private-log"] {
        assert_eq!(bridge.post(route, ACME_KEY, TICKET).await, (202, json!({"accepted": true, "ticket": 98})));
        assert_eq!(bridge.marks(), [external("acme", 98, Some("UserRequest"), said(route))], "{route}");
        assert_eq!(error(&bridge.post(route, INTERNAL_KEY, TICKET).await), (403, "wrong_side"), "{route}");
        assert_eq!(bridge.marks(), []);
    }
    bridge.post("update-ticket", OTHER_KEY, r#"{"id": 7}"#).await;
    assert_eq!(bridge.marks(), [external("other", 7, None, said("update-ticket"))]);
}

#[tokio::test(start_paused = true)]
async fn ticket_hooks_of_the_internal_side_mark_its_ticket() {
    let bridge = Bridge::new();
    for route in ["ticket-state-change", "ticket-update-private-log"] {
        let answer = bridge.post(route, INTERNAL_KEY, r#"{"event":"ticket assigned","id":"77"}"#).await;
        assert_eq!(answer, (202, json!({"accepted": true, "ticket": 77})));
        assert_eq!(bridge.marks(), [internal(77, Look::ticket())], "{route}");
        assert_eq!(error(&bridge.post(route, ACME_KEY, TICKET).await), (403, "wrong_side"), "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn attachment_hooks_go_by_the_key_and_not_by_their_source() {
    let bridge = Bridge::new();
    let of_incident = FILE.replace("UserRequest", "Incident");
    for route in ["create-attachment", "update-attachment", "delete-attachment"] {
        bridge.post(route, ACME_KEY, FILE).await;
        assert_eq!(bridge.marks(), [external("acme", 98, Some("UserRequest"), external_file(70))], "{route}");
        bridge.post(route, INTERNAL_KEY, of_incident.clone()).await;
        assert_eq!(bridge.marks(), [internal(98, internal_file(70))], "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_key_lets_the_routes_decide() {
    let bridge = Bridge::shared();
    bridge.post("update-ticket", INTERNAL_KEY, TICKET).await;
    assert_eq!(bridge.marks(), [external("acme", 98, Some("UserRequest"), said("update-ticket"))]);
    bridge.post("ticket-state-change", INTERNAL_KEY, TICKET.replace("UserRequest", "Incident")).await;
    assert_eq!(bridge.marks(), [internal(98, Look::ticket())]);

    let without_class = r#"{"attachment_id":"70","item_id":"98"}"#;
    bridge.post("update-attachment", INTERNAL_KEY, without_class).await;
    assert_eq!(bridge.marks(), [external("acme", 98, None, external_file(70)), internal(98, internal_file(70))]);
    bridge.post("update-attachment", INTERNAL_KEY, FILE).await;
    assert_eq!(
        bridge.marks(),
        [external("acme", 98, Some("UserRequest"), external_file(70))],
        "the class fits one side"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_ticket_of_ours_is_ignored_and_never_stored() {
    let bridge = Bridge::new();
    for (route, key, body, reason) in [
        ("update-attachment", ACME_KEY, FILE.replace("\"98\"", "\"0\""), "draft"),
        ("update-attachment", ACME_KEY, FILE.replace("UserRequest", "Server"), "this class is not bridged"),
        ("update-attachment", ACME_KEY, FILE.replace("UserRequest", "Incident"), "this class is not bridged"),
        ("update-attachment", INTERNAL_KEY, FILE.replace("UserRequest", "Server"), "this class is not bridged"),
        ("update-ticket", ACME_KEY, TICKET.replace("UserRequest", "Incident"), "this class is not bridged"),
    ] {
        let answer = bridge.post(route, key, body.clone()).await;
        assert_eq!(answer, (202, json!({"accepted": false, "ignored": reason})), "{body}");
        assert_eq!(bridge.marks(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn the_stores_reason_for_ignoring_is_passed_on() {
    let bridge = Bridge::in_mood(Mood::Ignores);
    let answer = bridge.post("ticket-state-change", INTERNAL_KEY, TICKET).await;
    assert_eq!(answer, (202, json!({"accepted": false, "ignored": "this class is not bridged"})));
    let answer = bridge.post("ticket-state-change", INTERNAL_KEY, r#"{"id":"98"}"#).await;
    assert_eq!(answer, (202, json!({"accepted": false, "ignored": "no link"})));
}

#[tokio::test(start_paused = true)]
async fn only_a_payload_without_an_id_is_refused() {
    let bridge = Bridge::new();
    for body in [
        "",
        "null",
        "[1]",
        "{}",
        r#"{"id":"1 OR 1=1"}"#,
        r#"{"id":"$this->id$"}"#,
        r#"{"id":"undefined"}"#,
        r#"{"id":-1}"#,
        r#"{"id":null}"#,
        r#"{"item_id":"98"}"#,
        r#"{"id":"99999999999999999999"}"#,
    ] {
        assert_eq!(error(&bridge.post("update-ticket", ACME_KEY, body).await), (400, "no_id"), "{body}");
    }
    for (body, said) in [
        ("", "not JSON"),
        ("<xml/>", "not JSON"),
        ("{}", "`id` must be the ticket's number"),
        (r#"{"id":"$this->id$"}"#, "did not fill in the placeholder"),
        (r#"{"id":"$this->id$","title":"a "quote""}"#, "did not fill in the placeholder"),
        (r#"{"id":"undefined"}"#, "did not fill in the placeholder"),
    ] {
        let answer = bridge.post("update-ticket", ACME_KEY, body).await;
        assert!(answer.1["message"].as_str().unwrap().contains(said), "{body}: {answer:?}");
    }
    for body in [TICKET.replace("UserRequest", "undefined"), TICKET.replace("UserRequest", "$this->finalclass$")] {
        assert_eq!(
            bridge.post("update-ticket", ACME_KEY, body).await.0,
            202,
            "a class is not needed for a known ticket"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_asked_for_before_anything_is_read() {
    let bridge = Bridge::new();
    let routes = ["create-ticket", "ticket-state-change", "update-attachment"];
    for route in routes {
        let bare = Request::post(format!("/api/v1/{route}")).body(Body::from("no JSON")).unwrap();
        assert_eq!(error(&bridge.send(bare).await), (401, "missing_api_key"));
        assert_eq!(error(&bridge.post(route, "", TICKET).await), (401, "missing_api_key"));
        assert_eq!(error(&bridge.post(route, "sk_wrong", "x".repeat(2_000_000)).await), (401, "invalid_api_key"));
    }
    for prefix in [&ACME_KEY[..10], &format!("{ACME_KEY}x")] {
        assert_eq!(error(&bridge.post("update-ticket", prefix, TICKET).await), (401, "invalid_api_key"));
    }
}

/// Whatever is wrong with a key, its beginning, its length or all of it: the answer is the same.
#[tokio::test(start_paused = true)]
async fn an_answer_says_nothing_of_how_near_a_wrong_key_is() {
    let wrong = |at: usize| {
        let mut key = ACME_KEY.as_bytes().to_vec();
        key[at] ^= 1;
        String::from_utf8(key).unwrap()
    };
    let nearest = (0..ACME_KEY.len()).map(wrong);
    let beginnings = (1..ACME_KEY.len()).map(|length| ACME_KEY[..length].to_owned());
    let longer = [1, 10, 5_000].map(|more| format!("{ACME_KEY}{}", "0".repeat(more)));
    let mut answers = BTreeSet::new();
    for key in nearest.chain(beginnings).chain(longer) {
        // A bridge that has seen no other wrong key.
        let bridge = Bridge::new();
        let request = Request::post("/api/v1/update-ticket").header("X-API-Key", &key);
        let response = router(bridge.state.clone()).oneshot(request.body(Body::from(TICKET)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        answers.insert(format!("{} {:?} {body:?}", head.status, head.headers));
        assert!(bridge.state.keys.uses().iter().all(|key| key.last_ms.is_none()));
        assert_eq!(bridge.marks(), []);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test(start_paused = true)]
async fn who_sends_wrong_keys_without_end_is_told_when_to_come_again() {
    let bridge = Bridge::new();
    for _ in 0..20 {
        assert_eq!(error(&bridge.post("update-ticket", "sk_wrong", TICKET).await), (401, "invalid_api_key"));
    }
    assert_eq!(error(&bridge.post("update-ticket", "sk_wrong", TICKET).await), (429, "too_many_wrong_keys"));
    assert_eq!(error(&bridge.get("/api/v1/test", "").await), (429, "too_many_wrong_keys"));
    assert_eq!(bridge.post("update-ticket", ACME_KEY, TICKET).await.0, 202, "a right key is always let in");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(error(&bridge.get("/api/v1/test", "sk_wrong").await), (401, "invalid_api_key"));
}

#[tokio::test(start_paused = true)]
async fn a_key_may_come_as_a_bearer_token() {
    let bridge = Bridge::new();
    for scheme in ["Bearer", "bearer"] {
        let request = Request::post("/api/v1/update-ticket").header("Authorization", format!("{scheme} {ACME_KEY}"));
        assert_eq!(bridge.send(request.body(Body::from(TICKET)).unwrap()).await.0, 202);
    }
    // An empty key is none, and hides no right one.
    for empty in ["", " "] {
        let request = Request::get("/api/v1/test").header("X-API-Key", empty);
        let request = request.header("Authorization", format!("Bearer {ACME_KEY}"));
        assert_eq!(bridge.send(request.body(Body::empty()).unwrap()).await.0, 200, "{empty:?}");
    }
    let basic = Request::get("/api/v1/test").header("Authorization", format!("Basic {ACME_KEY}"));
    assert_eq!(error(&bridge.send(basic.body(Body::empty()).unwrap()).await), (401, "missing_api_key"));
}

#[tokio::test(start_paused = true)]
async fn the_test_route_says_whose_key_it_is() {
    let bridge = Bridge::new();
    let (status, answer) = bridge.get("/api/v1/test", ACME_KEY).await;
    assert_eq!((status, &answer["side"], &answer["name"]), (200, &json!("external"), &json!("acme")));
    assert_eq!(bridge.get("/api/v1/test", INTERNAL_KEY).await.1["side"], "internal");
    assert_eq!(error(&bridge.get("/api/v1/test", "sk_wrong").await), (401, "invalid_api_key"));
    assert_eq!(Bridge::shared().get("/api/v1/test", INTERNAL_KEY).await.1["side"], "both");
}

#[tokio::test(start_paused = true)]
async fn a_keys_last_use_is_remembered() {
    let bridge = Bridge::new();
    assert!(bridge.state.keys.uses().iter().all(|key| key.last_ms.is_none()));
    bridge.post("update-ticket", OTHER_KEY, TICKET).await;
    let used: Vec<_> = bridge.state.keys.uses().into_iter().filter(|key| key.last_ms.is_some()).collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].owner, Owner::External { name: "other".to_owned() });
    assert_eq!(used[0].last_ms, Some(NOW_MS));
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_refused_whether_or_not_it_is_announced() {
    let bridge = Bridge::new();
    assert_eq!(error(&bridge.post("update-ticket", ACME_KEY, "x".repeat(1024 * 1024 + 1)).await), (413, "too_large"));
    let announced =
        Request::post("/api/v1/update-ticket").header("X-API-Key", ACME_KEY).header("Content-Length", 2_000_000);
    assert_eq!(error(&bridge.send(announced.body(Body::empty()).unwrap()).await), (413, "too_large"));
    let just_fits = format!("{}{}", TICKET, " ".repeat(1024 * 1024 - TICKET.len()));
    assert_eq!(bridge.post("update-ticket", ACME_KEY, just_fits).await.0, 202);
}

#[tokio::test(start_paused = true)]
async fn wrong_routes_and_methods_are_answered_in_json() {
    let bridge = Bridge::new();
    assert_eq!(error(&bridge.get("/api/v1/no-such", ACME_KEY).await), (404, "not_found"));
    assert_eq!(error(&bridge.get("/api/v1/update-ticket", ACME_KEY).await), (405, "method_not_allowed"));
    let post = Request::builder().method(Method::POST).uri("/healthz").body(Body::empty()).unwrap();
    assert_eq!(error(&bridge.send(post).await), (405, "method_not_allowed"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_told_to_the_caller() {
    let bridge = Bridge::in_mood(Mood::Fails);
    assert_eq!(error(&bridge.post("update-ticket", ACME_KEY, TICKET).await), (503, "store_unavailable"));
    let unready = bridge.get("/readyz", "").await;
    assert_eq!(error(&unready), (503, "store_unavailable"));
    assert_eq!(unready.1["message"], "the store cannot commit: disk full", "it says why");
    assert_eq!(bridge.get("/healthz", "").await, (200, json!({"status": "ok"})));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_nobody_for_more_than_a_second() {
    let bridge = Bridge::in_mood(Mood::Hangs);
    let start = tokio::time::Instant::now();
    assert_eq!(error(&bridge.post("update-ticket", ACME_KEY, TICKET).await), (503, "store_unavailable"));
    assert!(start.elapsed().as_millis() <= 1_001, "{:?}", start.elapsed());
    assert_eq!(error(&bridge.get("/readyz", "").await), (503, "store_unavailable"));
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_program_is_answered_too() {
    let bridge = Bridge::in_mood(Mood::Panics);
    assert_eq!(error(&bridge.post("update-ticket", ACME_KEY, TICKET).await), (500, "internal_error"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_works_is_ready() {
    assert_eq!(Bridge::new().get("/readyz", "").await, (200, json!({"status": "ready"})));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let bridge = Bridge::new();
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = bridge.post("update-ticket", ACME_KEY, Body::from_stream(never)).await;
    assert_eq!(error(&answer), (408, "too_slow"));
    let cut = futures_util::stream::iter([Ok(b"{\"id\":".to_vec()), Err(std::io::Error::other("cut"))]);
    let answer = bridge.post("update-ticket", ACME_KEY, Body::from_stream(cut)).await;
    assert_eq!(error(&answer), (400, "cut_off"));
}

/// Every delivery that real iTops made, to the route that it was made to.
#[tokio::test(start_paused = true)]
async fn every_recorded_delivery_of_both_versions_is_understood() {
    for version in ["3.1.2", "3.2.0"] {
        let file = format!("{}/../../contract/{version}/webhooks.jsonl", env!("CARGO_MANIFEST_DIR"));
        let recorded = std::fs::read_to_string(&file).unwrap();
        assert!(recorded.lines().count() > 20);
        for (line, delivery) in recorded.lines().enumerate() {
            let delivery: Value = serde_json::from_str(delivery).unwrap();
            understand(
                delivery["path"].as_str().unwrap(),
                delivery["body"].as_str().unwrap(),
                &format!("{file}:{}", line + 1),
            )
            .await;
        }
    }
}

async fn understand(path: &str, body: &str, place: &str) {
    let bridge = Bridge::shared();
    let request = Request::post(path).header("X-API-Key", INTERNAL_KEY).body(Body::from(body.to_owned())).unwrap();
    let answer = bridge.send(request).await;
    let id = |key| after(body, key);
    let route = path.split(['/', '?']).nth(3).unwrap();
    if body.contains("$this->no_such$") {
        assert_eq!(error(&answer), (400, "no_id"), "{place}");
        return;
    }
    let class = Some("UserRequest");
    let expected = match route {
        "create-ticket" | "update-ticket" => external("acme", id("id"), class, said(route)),
        "ticket-state-change" | "ticket-update-private-log" => internal(id("id"), Look::ticket()),
        "update-attachment" if id("item_id") == 0 => {
            assert_eq!(answer.1["ignored"], "draft", "{place}");
            return;
        }
        "update-attachment" => external("acme", id("item_id"), class, external_file(id("attachment_id"))),
        other => panic!("{other} was never recorded"),
    };
    assert_eq!(StatusCode::from_u16(answer.0).unwrap(), StatusCode::ACCEPTED, "{place}");
    assert_eq!(bridge.marks(), [expected], "{place}");
    assert!(
        payload::id(payload::Payload::read(body.as_bytes()).attachment_id.as_deref()).is_none()
            || route == "update-attachment"
    );
}

/// The number after `"key":` in the recordings, whose ids come before any text of a person.
fn after(body: &str, key: &str) -> u64 {
    let rest = body.split_once(&format!("\"{key}\":")).unwrap().1.trim_start().trim_start_matches('"');
    rest.split_once('"').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn the_api_description_names_every_route_and_what_it_answers() {
    let bridge = Bridge::new();
    let (status, document) = bridge.get("/openapi.json", ACME_KEY).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 13, "8 webhooks, test, healthz, readyz, metrics, openapi.json");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let described = operation["responses"].as_object().unwrap();
            // The metrics are the engine's; all other routes are asked, well and badly.
            if path == "/metrics" {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for (key, body) in [(ACME_KEY, r#"{"id": 7, "item_id": 7}"#), (INTERNAL_KEY, "{}"), ("sk_wrong", "")] {
                let request = Request::builder().method(&method).uri(path).header("X-API-Key", key);
                let (status, answer) = bridge.send(request.body(Body::from(body)).unwrap()).await;
                assert!(described.contains_key(&status.to_string()), "{method} {path} answers {status}: {answer}");
                let described = described[&status.to_string()]["description"].as_str().unwrap();
                if let Some(word) = answer["error"].as_str() {
                    assert!(described.contains(&format!("`{word}`")), "{method} {path}: {word} in {described}");
                }
            }
        }
    }
    for reference in document.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_put_into_its_file_since_is_taken_and_the_one_before_too() {
    let file = std::env::temp_dir().join(format!("itop-bridge-key-{}", std::process::id()));
    std::fs::write(&file, "sk_of_before_0123456789\n").unwrap();
    let text = format!(
        "[server]\nid = \"t\"\n[internal]\nname = \"elitery\"\nurl = \"http://i.example\"\ntoken = \"t\"\n\
         api_keys = [\"{INTERNAL_KEY}\"]\n[external.acme]\nurl = \"http://acme.example\"\ntoken = \"t\"\n\
         api_key_files = [\"{}\"]\nonly = \"all\"\n",
        file.display()
    );
    let bridge = Bridge::by(&text, Mood::Commits);
    assert_eq!(bridge.post("update-ticket", "sk_of_before_0123456789", TICKET).await.0, 202);
    std::fs::write(&file, "sk_of_now_9876543210\n").unwrap();
    for key in ["sk_of_now_9876543210", "sk_of_before_0123456789", "sk_of_now_9876543210"] {
        assert_eq!(bridge.post("update-ticket", key, TICKET).await.0, 202, "{key}");
    }
    assert_eq!(*bridge.inbox.read.lock().unwrap(), [("external.acme".to_owned(), 1)], "it is read once");
    assert_eq!(bridge.get("/api/v1/test", "sk_of_now_9876543210").await.1["name"], "acme");
    // A key of the other side stays that side's, whatever file it stands in.
    std::fs::write(&file, format!("{INTERNAL_KEY}\n")).unwrap();
    assert_eq!(error(&bridge.post("update-ticket", "sk_none", TICKET).await), (401, "invalid_api_key"));
    assert_eq!(error(&bridge.post("update-ticket", INTERNAL_KEY, TICKET).await), (403, "wrong_side"));
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn webhooks_that_are_refused_for_their_key_are_counted_by_route() {
    let bridge = Bridge::new();
    for key in ["sk_none", "sk_none_too", INTERNAL_KEY] {
        bridge.post("update-ticket", key, TICKET).await;
    }
    bridge.post("create-ticket", "", TICKET).await;
    // Neither a question whose key it is nor a webhook with a wrong body is one.
    bridge.get("/api/v1/test", "sk_none").await;
    bridge.post("update-ticket", ACME_KEY, "{}").await;
    let refused = bridge.state.metrics.take_refused();
    let told: Vec<_> = refused.iter().map(|(route, of)| (route.as_str(), of.count, of.last_why.as_str())).collect();
    assert_eq!(told, [("create-ticket", 1, "missing_api_key"), ("update-ticket", 3, "wrong_side")]);
    assert!(bridge.state.metrics.take_refused().is_empty(), "taken once");
}
