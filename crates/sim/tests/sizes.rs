//! What an iTop does not take: texts that are too long, characters that its tables cannot hold, values that it does
//! not know, and in which words it says so.

mod recording;

use itop_sim::{Check, FirstIds, Language, Sim, Version};
use recording::{Clock, call, create, id_of, lines, ok, sim};
use serde_json::{Value as Json, json};

fn new(version: Version) -> Sim {
    sim(version, &Clock::at(1_795_518_000), FirstIds::default())
}

/// The recorded message of a case.
fn recorded(version: Version, case: &str, setting: &str) -> String {
    let fits = |line: &&Json| line["case"] == case && line["setting"] == setting;
    let line = lines(version, "field.jsonl").into_iter().find(|line| fits(&line));
    line.unwrap_or_else(|| panic!("{case}"))["response"]["message"].as_str().expect("a message").to_owned()
}

fn request(title: &str, description: &str) -> Json {
    let fields = json!({"org_id": {"name": "Demo"}, "caller_id": 6, "title": title, "description": description});
    create("UserRequest", fields)
}

fn update(id: u64, fields: Json) -> Json {
    json!({"operation": "core/update", "class": "UserRequest", "key": id, "comment": "contract recording",
           "output_fields": "id,title", "fields": fields})
}

#[tokio::test]
async fn a_text_of_70000_characters_is_refused_in_the_recorded_words() {
    for version in [Version::V3_1, Version::V3_2] {
        let sim = new(version);
        let long = "x".repeat(70_000);
        let answer = call(&sim, "bridge", &request("field", &format!("<p>{long}</p>"))).await;
        assert_eq!(answer["message"], recorded(version, "create: description of 70000 characters", "default"));
        let id = id_of(&ok(&sim, "bridge", request("field", "<p>x</p>")).await);
        let answer = call(&sim, "bridge", &update(id, json!({"title": "both", "description": long}))).await;
        assert!(answer["message"].as_str().unwrap().contains("(found 70007, limited to 65535)"), "{answer}");
        assert_eq!(sim.ticket(id).unwrap().field("title"), "field", "nothing of the call is written");
        ok(&sim, "bridge", update(id, json!({"private_log": long}))).await;
        sim.with_account("bridge", |account| account.language = Language::French);
        let answer = call(&sim, "bridge", &request(&"x".repeat(256), "<p>x</p>")).await;
        let setting = "the account's language is FR FR";
        assert_eq!(answer["message"], recorded(version, "create: title over 255", setting));
    }
}

#[tokio::test]
async fn a_column_holds_bytes_and_an_update_says_so_under_the_code_100() {
    for version in [Version::V3_1, Version::V3_2] {
        let sim = new(version);
        let text = |characters: usize| format!("<p>{}</p>", "字".repeat(characters));
        ok(&sim, "bridge", request("field", &text(21_000))).await;
        let answer = call(&sim, "bridge", &request("field", &text(30_000))).await;
        assert_eq!(answer["code"], 1406);
        let said = answer["message"].as_str().unwrap();
        assert!(said.contains("字字") && said.ends_with("Data too long for column 'description' at row 1"));
        let answer = call(&sim, "bridge", &update(1, json!({"title": "both", "description": text(30_000)}))).await;
        let said = answer["message"].as_str().unwrap();
        assert_eq!((&answer["code"], sim.ticket(1).unwrap().field("title")), (&json!(100), "field"));
        assert!(said.contains("mysql_errno = 1406") && said.ends_with("'description' at row 1}"), "{}", said.len());
    }
}

#[tokio::test]
async fn tables_in_utf8mb3_refuse_an_emoji_wherever_it_stands() {
    let sim = new(Version::V3_2);
    sim.three_byte_characters(true);
    let answer = call(&sim, "bridge", &request("fire 🔥", "<p>x</p>")).await;
    assert_eq!(answer["code"], 1366);
    let recorded = recorded(Version::V3_2, "create: a title with an emoji", "ticket table in utf8mb3");
    let reason = "mysql_error = Incorrect string value: '\\xF0\\x9F\\x94\\xA5' for column ";
    assert!(recorded.contains(reason) && answer["message"].as_str().unwrap().contains(reason), "{answer}");
    assert_eq!(call(&sim, "bridge", &request("fire", "<p>&#128293;</p>")).await["code"], 1366, "iTop decodes it");
    let file = json!({"item_class": "UserRequest", "item_id": 1, "contents": {"data": "eA==", "filename": "🔥.txt", "mimetype": "text/plain"}});
    assert_eq!(call(&sim, "bridge", &create("Attachment", file)).await["code"], 1366);
    ok(&sim, "bridge", request("字 é", "<p>x</p>")).await;
}

#[tokio::test]
async fn a_value_that_is_not_allowed_and_a_check_of_their_own_are_told_together() {
    let sim = new(Version::V3_2);
    let says = "A title must not shout".to_owned();
    sim.add_check(Check { class: "UserRequest".into(), code: "title".into(), forbids: "!!".into(), says });
    let id = id_of(&ok(&sim, "bridge", request("field", "<p>x</p>")).await);
    let answer = call(&sim, "bridge", &update(id, json!({"title": "fire!!", "impact": "4"}))).await;
    let bad = "Unexpected value for attribute 'Impact' (impact) : Value not allowed [4]";
    let says = "A title must not shout";
    let expected = format!("Error: {bad}, {says}: issues = {{0=>{bad}; 1=>{says}}}, class = UserRequest, id = {id}");
    assert_eq!(answer["message"], expected);
    sim.allow_value("impact", "4");
    ok(&sim, "bridge", update(id, json!({"impact": "4"}))).await;
}
