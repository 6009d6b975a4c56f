//! Broken calls and broken deliveries, in paused time: none of these waits on a real clock.

mod recording;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use itop_sim::{
    Effect, Fault, HookSender, Limits, NotDelivered, Outcome, Release, Right, Sim, SimConfig, Version, Wire,
};
use recording::{BASE_URL, call, call_text, create, id_of, ok};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

fn sim() -> Sim {
    Sim::new(SimConfig::new(Version::V3_2, BASE_URL))
}

fn ticket() -> Json {
    create("UserRequest", json!({"org_id": 3, "title": "t", "description": "d"}))
}

fn request(json_data: &Json) -> Request<Bytes> {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"auth_user\"\r\n\r\nbridge\r\n\
         --b\r\nContent-Disposition: form-data; name=\"auth_pwd\"\r\n\r\nBridge.1234\r\n\
         --b\r\nContent-Disposition: form-data; name=\"json_data\"\r\n\r\n{json_data}\r\n--b--\r\n"
    );
    Request::post(format!("{BASE_URL}/webservices/rest.php?version=1.3"))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Bytes::from(body))
        .unwrap()
}

async fn create_with(sim: &Sim, fault: Fault) -> Wire {
    sim.fail_next_write(fault);
    sim.handle(request(&ticket())).await
}

fn tickets(sim: &Sim) -> usize {
    sim.tickets("Ticket").len()
}

#[tokio::test(start_paused = true)]
async fn each_fault_ends_as_named_and_has_the_effect_named() {
    let sim = sim();
    assert!(matches!(create_with(&sim, Fault::Refuse).await, Wire::Refused));
    assert!(matches!(create_with(&sim, Fault::Hang(Effect::None)).await, Wire::Hang));
    let Wire::Answer(answer) = create_with(&sim, Fault::Status(502, Effect::None)).await else { panic!() };
    assert_eq!(answer.status(), 502);
    assert_eq!(tickets(&sim), 0);

    assert!(matches!(create_with(&sim, Fault::Hang(Effect::Committed)).await, Wire::Hang));
    assert_eq!(tickets(&sim), 1);
    let fault = Fault::Cut { after_bytes: 10, effect: Effect::Committed };
    let Wire::Cut(part) = create_with(&sim, fault).await else { panic!() };
    assert_eq!(part, b"{\"code\":0,");
    assert_eq!(tickets(&sim), 2);
    let Wire::Answer(answer) = create_with(&sim, Fault::Status(500, Effect::Committed)).await else { panic!() };
    assert_eq!((answer.status().as_u16(), tickets(&sim)), (500, 3));
    let page = Fault::Page("<html>log in</html>".into(), Effect::None);
    let Wire::Answer(answer) = create_with(&sim, page).await else { panic!() };
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"<html>log in</html>"[..]));

    let Wire::Answer(answer) = create_with(&sim, Fault::Warning("Warning: x in y.php\n".into())).await else {
        panic!()
    };
    assert!(answer.body().starts_with(b"Warning: x in y.php\n{\"code\":0"));
    assert_eq!(tickets(&sim), 4);
    sim.fail_next(Fault::Deadlock);
    let answer = call(&sim, "bridge", &ticket()).await;
    let said = answer["message"].as_str().unwrap();
    assert!(answer["code"] == 1213 && said.contains("mysql_errno = 1213, mysql_error = Deadlock found"), "{answer}");
    assert_eq!((tickets(&sim), sim.writes()), (4, 9));
    assert_eq!(sim.calls().iter().filter(|call| call.wrote).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_lands_after_its_client_has_gone() {
    let sim = sim();
    assert!(matches!(create_with(&sim, Fault::LandLate(Duration::from_secs(9))).await, Wire::Hang));
    sleep(Duration::from_millis(8_999)).await;
    assert_eq!(tickets(&sim), 0);
    sleep(Duration::from_millis(2)).await;
    assert_eq!(tickets(&sim), 1);
    // The effect is dated when it happens, not when it was asked for.
    assert_eq!(sim.tickets("Ticket")[0].field("start_date"), "2026-11-24 12:00:09");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_does_not_stop_itop() {
    let sim = sim();
    sim.set_latency(Duration::from_secs(2));
    let gave_up = tokio::time::timeout(Duration::from_secs(1), sim.handle(request(&ticket()))).await;
    assert!(gave_up.is_err());
    assert_eq!(tickets(&sim), 0);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(tickets(&sim), 1);
}

#[tokio::test(start_paused = true)]
async fn faults_hit_the_calls_they_are_meant_for() {
    let sim = sim();
    let get = json!({"operation": "core/get", "class": "UserRequest", "key": 1, "output_fields": "id"});
    sim.fail_next_write(Fault::error("w"));
    sim.fail_nth(3, Fault::error("third"));
    ok(&sim, "bridge", get.clone()).await;
    assert_eq!(call(&sim, "bridge", &ticket()).await["message"], "w");
    sim.fail_when(2, Fault::error("attachments"), |call| call.class == "Attachment");
    ok(&sim, "bridge", ticket()).await;
    // The write was taken by another rule before the third call was counted.
    assert_eq!(call(&sim, "bridge", &get).await["message"], "third");
    let files = json!({"operation": "core/get", "class": "Attachment", "key": 1, "output_fields": "id"});
    assert_eq!(call(&sim, "bridge", &files).await["code"], 100);
    sim.heal();
    ok(&sim, "bridge", files).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_append_is_answered_ok_and_not_there() {
    let sim = sim();
    let id = id_of(&ok(&sim, "bridge", ticket()).await);
    let append = |text: &str| {
        json!({"operation": "core/update", "class": "UserRequest", "key": id, "comment": "c",
            "output_fields": "private_log", "fields": {"private_log": text}})
    };
    ok(&sim, "bridge", append("stays")).await;
    sim.fail_next_write(Fault::LoseLogEntries);
    let answer = ok(&sim, "bridge", append("goes")).await;
    assert!(answer.to_string().contains("goes"));
    let log = sim.ticket(id).unwrap().log("private_log").to_vec();
    assert_eq!(log.iter().map(|entry| entry.html.as_str()).collect::<Vec<_>>(), ["<p>stays</p>"]);
}

#[tokio::test(start_paused = true)]
async fn modes_of_the_whole_server() {
    let sim = sim();
    sim.down(true);
    assert!(matches!(sim.handle(request(&ticket())).await, Wire::Refused));
    sim.heal();
    sim.maintenance(true);
    let Wire::Answer(answer) = sim.handle(request(&ticket())).await else { panic!() };
    let json: Json = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((answer.status().as_u16(), &json["data"][0]["code"], &json["code"]), (503, &json!(100), &Json::Null));
    sim.heal();
    sim.read_only(true);
    let refused = call(&sim, "bridge", &ticket()).await;
    assert_eq!(
        refused["message"],
        "The current user does not have enough permissions for creating data of class UserRequest"
    );
    sim.heal();
    sim.deny("UserRequest");
    assert_eq!(call(&sim, "bridge", &ticket()).await, refused);
    sim.allow("NormalChange");
    ok(&sim, "bridge", create("NormalChange", json!({"org_id": 3, "title": "t", "description": "d"}))).await;
    sim.set_right("bridge", "Team", Right::Read, false);
    let teams = json!({"operation": "core/get", "class": "Team", "key": "SELECT Team"});
    assert_eq!(call(&sim, "bridge", &teams).await["code"], 1);
}

#[tokio::test(start_paused = true)]
async fn sizes_and_speed() {
    let sim = sim();
    sim.set_limits(Limits { post_max_bytes: 1000, attachment_max_bytes: Some(3), ..Limits::default() });
    let long = create("UserRequest", json!({"org_id": 3, "title": "t", "description": "d".repeat(1000)}));
    assert_eq!(call(&sim, "bridge", &long).await, json!({"code": 1, "message": "Error: Invalid login"}));
    let file = |data: &str| {
        let contents = json!({"data": data, "filename": "f", "mimetype": "text/plain"});
        create("Attachment", json!({"item_class": "UserRequest", "item_id": 1, "contents": contents}))
    };
    ok(&sim, "bridge", file("YWJj")).await;
    assert_eq!(call(&sim, "bridge", &file("YWJjZA==")).await["code"], 1153);

    let mut config = SimConfig::new(Version::V3_2, BASE_URL);
    config.latency = Duration::from_millis(80);
    config.line_bits_per_second = Some(8000);
    let slow = Sim::new(config);
    let start = Instant::now();
    ok(&slow, "bridge", ticket()).await;
    let call = slow.calls().remove(0);
    let bytes = u64::try_from(call.bytes_in + call.bytes_out).unwrap();
    let expected = Duration::from_millis(80 + bytes);
    assert!(start.elapsed().abs_diff(expected) < Duration::from_millis(3), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn all_ways_to_log_in() {
    let sim = sim();
    let wrong = json!({"code": 1, "message": "Error: Invalid login"});
    let list = json!({"operation": "list_operations"}).to_string();
    assert_eq!(call_text(&sim, "bridge", "x", &list).await, wrong);
    assert!(
        call_text(&sim, "jules", "Jules.1234", &list).await["message"].as_str().unwrap().contains("REST Services User")
    );
    let with = async |name: &str, value: &str, query: &str| {
        let request = Request::post(format!("{BASE_URL}/webservices/rest.php?version=1.3{query}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Bytes::from("json_data=%7B%22operation%22:%22list_operations%22%7D"))
            .unwrap();
        let Wire::Answer(answer) = sim.handle(request).await else { panic!() };
        serde_json::from_slice::<Json>(answer.body()).unwrap()["code"].clone()
    };
    assert_eq!(with("auth-token", "bridge-token", "").await, 0);
    assert_eq!(with("auth-token", "other", "").await, 1);
    // "bridge:Bridge.1234"
    let basic = "Basic YnJpZGdlOkJyaWRnZS4xMjM0";
    assert_eq!(with("authorization", basic, "&login_mode=basic").await, 0);
    assert_eq!(with("authorization", basic, "").await, 1);
}

/// Notes what arrives, and takes its time.
#[derive(Clone)]
struct Receiver {
    got: Arc<Mutex<Vec<String>>>,
    delay: Duration,
}

impl Receiver {
    fn connect(sim: &Sim, delay: Duration) -> Self {
        let receiver = Self { got: Arc::default(), delay };
        sim.connect_hooks(receiver.clone());
        sim.install_external_hooks("http://bridge", "key");
        receiver
    }

    fn got(&self) -> Vec<String> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

#[async_trait]
impl HookSender for Receiver {
    async fn send(&self, request: Request<Bytes>) -> Result<u16, NotDelivered> {
        sleep(self.delay).await;
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(request.headers()["x-api-key"], "key");
        self.got.lock().unwrap().push(format!("{} {}", request.uri().path(), body["id"].as_str().unwrap_or_default()));
        Ok(503)
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_waits_for_each_hook_up_to_itops_patience() {
    let sim = sim();
    let receiver = Receiver::connect(&sim, Duration::from_secs(20));
    let start = Instant::now();
    ok(&sim, "bridge", ticket()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert_eq!(receiver.got(), ["/api/v1/create-ticket 1"]);
    // The status is nothing to iTop: no second try.
    assert_eq!(sim.deliveries()[0].outcome, Outcome::Answered(503));

    let receiver = Receiver { got: Arc::default(), delay: Duration::from_secs(1000) };
    sim.connect_hooks(receiver.clone());
    let start = Instant::now();
    sim.update(1, json!({"title": "other"})).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(125));
    assert_eq!(sim.deliveries()[1].outcome, Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn hooks_are_lost_doubled_held_and_reordered() {
    let sim = sim();
    let receiver = Receiver::connect(&sim, Duration::ZERO);
    sim.drop_hooks(true);
    ok(&sim, "bridge", ticket()).await;
    assert!(receiver.got().is_empty());
    sim.duplicate_hooks(2);
    ok(&sim, "bridge", ticket()).await;
    assert_eq!(receiver.got(), ["/api/v1/create-ticket 2"; 3]);
    sim.hold_hooks(true);
    for _ in 0..3 {
        ok(&sim, "bridge", ticket()).await;
    }
    assert!(receiver.got().is_empty() && sim.held_hooks() == 3);
    // Clearing the log takes nothing from what is held.
    sim.clear_deliveries();
    sim.release_hooks(Release::These(vec![1])).await;
    assert_eq!(receiver.got(), ["/api/v1/create-ticket 4"]);
    sim.release_hooks(Release::Reversed).await;
    assert_eq!(receiver.got(), ["/api/v1/create-ticket 5", "/api/v1/create-ticket 3"]);
    sim.hold_hooks(false);
    ok(&sim, "bridge", ticket()).await;
    assert_eq!(receiver.got(), ["/api/v1/create-ticket 6"]);
}

#[tokio::test(start_paused = true)]
async fn another_action_holds_a_deletion_while_rest_shows_the_bare_ticket() {
    let sim = sim();
    let id = sim.create_ticket("UserRequest", json!({"org_id": 3, "title": "t", "description": "d"})).await.unwrap();
    sim.attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    sim.hold_deletion(Duration::from_secs(120));
    let deleting = tokio::spawn({
        let sim = sim.clone();
        async move { sim.delete_ticket(id).await }
    });
    sleep(Duration::from_secs(119)).await;
    assert!(sim.attachments(id).is_empty() && sim.ticket(id).is_some());
    deleting.await.unwrap().unwrap();
    assert!(sim.ticket(id).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_download_of_a_picture_can_break_too() {
    let sim = sim();
    let id = id_of(&ok(&sim, "bridge", ticket()).await);
    let image = sim.add_inline_image(id, "abc123", "image/png", b"\x89PNG").await.unwrap();
    let download = || {
        let path = "pages/ajax.document.php?operation=download_inlineimage";
        let uri = format!("{BASE_URL}/{path}&id={}&s={}", image.id, image.secret);
        sim.handle(Request::get(uri).body(Bytes::new()).unwrap())
    };
    let of_it = move |call: &itop_sim::Call| call.class == "InlineImage" && call.key == json!(image.id);
    sim.fail_when(1, Fault::Status(500, Effect::None), of_it);
    let Wire::Answer(answer) = download().await else { panic!("a page") };
    assert_eq!(answer.status(), 500);
    sim.fail_next(Fault::Cut { after_bytes: 2, effect: Effect::Committed });
    let Wire::Cut(bytes) = download().await else { panic!("half of it") };
    assert_eq!(bytes, b"\x89P");
    sim.fail_next(Fault::Hang(Effect::None));
    assert!(matches!(download().await, Wire::Hang));
    let Wire::Answer(answer) = download().await else { panic!("the picture") };
    assert_eq!(&answer.body()[..], b"\x89PNG");
}
