//! The recordings of `date_and_time_format`: what REST prints, takes and compares in each setting.

mod recording;

use itop_sim::{FirstIds, Sim, Version};
use recording::{Clock, call, create, ok};
use serde_json::{Value as Json, json};

/// The recorded server's zone.
const ZONE: &str = "Europe/Paris";

/// A date that stands in an answer, whatever its format: the time of day is what tells when it was made.
fn moment(line: &Json) -> i64 {
    let text = line["response"].to_string();
    let seconds = text.match_indices("18:0").filter_map(|(at, _)| seconds(text.get(at..at + 8)?, 0));
    let half = text.match_indices("06:0").filter(|(at, _)| text[at + 8..].starts_with(" PM"));
    let half = half.filter_map(|(at, _)| seconds_of_half(&text, at));
    seconds.chain(half).max().unwrap_or_default()
}

fn seconds_of_half(text: &str, at: usize) -> Option<i64> {
    seconds(text.get(at..at + 8)?, 12 * 3600)
}

/// 2026-11-29 at this time of day in Paris, in Unix seconds.
fn seconds(time: &str, more: i64) -> Option<i64> {
    const MIDNIGHT: i64 = 1_795_906_800;
    let parts: Vec<i64> = time.split(':').map_while(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    Some(MIDNIGHT + more + hours * 3600 + minutes * 60 + seconds)
}

/// The recorded lines about dates, each with the setting that it was made in.
fn lines(version: Version) -> Vec<Json> {
    let is_of_dates = |line: &Json| {
        let (case, setting) = (line["case"].as_str().unwrap(), line["setting"].as_str().unwrap());
        case.starts_with("update: start_date") || setting.starts_with("date_and_time_format")
    };
    recording::lines(version, "field.jsonl").into_iter().filter(is_of_dates).collect()
}

async fn replay(version: Version) {
    let clock = Clock::default();
    let sim = recording::sim(version, &clock, FirstIds::default());
    sim.set_time_zone(ZONE);
    let lines = lines(version);
    assert!(lines.len() > 10, "{} lines", lines.len());
    for (n, line) in lines.iter().enumerate() {
        let moment = moment(line);
        let format = line["setting"].as_str().unwrap().strip_prefix("date_and_time_format ");
        sim.set_date_format(format.unwrap_or("Y-m-d H:i:s"));
        let request = &line["request"];
        let is_first = |id: u64| sim.ticket(id).is_none();
        if let Some(id) = line["response"]["objects"].as_object().and_then(|objects| objects.keys().next()) {
            let (class, id) = id.split_once("::").unwrap();
            let id: u64 = id.parse().unwrap();
            clock.advance_to(moment);
            if class == "UserRequest" && is_first(id) && request["operation"] != "core/create" {
                made_before(&sim, id).await;
            } else if class == "Attachment" {
                sim.set_next_ids(FirstIds { attachment: id, ..sim.next_ids() });
            }
        }
        let answer = call(&sim, "bridge", request).await;
        let recorded = with_our_name(&line["response"]);
        assert_eq!(with_our_name(&answer), recorded, "line {n}: {}", line["case"]);
    }
}

/// The bridge's account is called otherwise in the recordings.
fn with_our_name(answer: &Json) -> Json {
    serde_json::from_str(&answer.to_string().replace("Ticket Bridge", "Bridge Bot")).unwrap()
}

async fn made_before(sim: &Sim, id: u64) {
    sim.set_next_ids(FirstIds { ticket: id, ..sim.next_ids() });
    let fields = json!({"org_id": {"name": "Demo"}, "title": "t", "description": "d", "private_log": "<p>words</p>"});
    ok(sim, "bridge", create("UserRequest", fields)).await;
}

#[tokio::test]
async fn itop_3_1_prints_and_takes_dates_as_recorded() {
    replay(Version::V3_1).await;
}

#[tokio::test]
async fn itop_3_2_prints_and_takes_dates_as_recorded() {
    replay(Version::V3_2).await;
}

/// Seen on 3.1.2 and 3.2.0: a number is a Unix time, which iTop stores as its own local time of that season.
#[tokio::test]
async fn a_number_is_taken_as_a_unix_time() {
    let sim = recording::sim(Version::V3_2, &Clock::at(1_795_906_800), FirstIds::default());
    sim.set_time_zone(ZONE);
    made_before(&sim, 1).await;
    for (sent, stored) in [(1_782_900_000, "2026-07-01 12:00:00"), (1_767_225_600, "2026-01-01 01:00:00")] {
        let update = json!({"operation": "core/update", "class": "UserRequest", "key": 1, "comment": "c",
            "output_fields": "start_date", "fields": {"start_date": sent}});
        assert_eq!(ok(&sim, "bridge", update).await["objects"]["UserRequest::1"]["fields"]["start_date"], stored);
    }
}

/// The account's language may have a format of its own, and case logs and OQL have none.
#[tokio::test]
async fn a_format_may_be_one_languages() {
    let sim = recording::sim(Version::V3_1, &Clock::at(1_795_906_800), FirstIds::default());
    sim.set_time_zone(ZONE);
    sim.set_date_format_of("FR FR", "d.m.Y H:i");
    made_before(&sim, 1).await;
    let get = json!({"operation": "core/get", "class": "UserRequest", "output_fields": "start_date,private_log",
        "key": "SELECT UserRequest WHERE start_date = '2026-11-29 00:00:00'"});
    let shown = |answer: Json| answer["objects"]["UserRequest::1"]["fields"].clone();
    assert_eq!(shown(ok(&sim, "bridge", get.clone()).await)["start_date"], "2026-11-29 00:00:00");
    sim.with_account("bridge", |account| account.language = itop_sim::Language::French);
    let shown = shown(ok(&sim, "bridge", get).await);
    assert_eq!(shown["start_date"], "29.11.2026 00:00");
    assert_eq!(shown["private_log"]["entries"][0]["date"], "2026-11-29 00:00:00");
}
