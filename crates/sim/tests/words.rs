//! The recorded cases about words that mean something in iTop: links, mentions, and what a parent's resolution
//! writes into its children.

mod recording;

use itop_sim::{FirstIds, Version};
use recording::{Clock, call, create, lines, ok};
use serde_json::{Value as Json, json};

fn case(version: Version, name: &str) -> Json {
    let line = lines(version, "field.jsonl").into_iter().find(|line| line["case"] == name);
    line.unwrap_or_else(|| panic!("{name} is recorded"))
}

fn text_of(line: &Json, code: &str) -> String {
    let objects = line["response"]["objects"].as_object().expect("objects");
    objects.values().next().expect("one")["fields"][code].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn links_and_mentions_stand_as_recorded() {
    for version in [Version::V3_1, Version::V3_2] {
        for name in ["description with wiki links", "description with a mention"] {
            let recorded = text_of(&case(version, name), "description");
            // 3.1 answers with every `&` escaped once more than it was written.
            let written = recorded.replace("&amp;amp;", "&amp;");
            let sim = recording::sim(version, &Clock::default(), FirstIds::default());
            let fields = json!({"org_id": {"name": "Demo"}, "title": "field", "description": written});
            let id = recording::id_of(&ok(&sim, "bridge", create("UserRequest", fields)).await);
            let get =
                json!({"operation": "core/get", "class": "UserRequest", "key": id, "output_fields": "description"});
            let answer = ok(&sim, "bridge", get).await;
            assert_eq!(text_of(&json!({ "response": answer }), "description"), recorded, "{version:?}: {name}");
        }
    }
}

#[tokio::test]
async fn a_parent_resolves_its_children_as_recorded() {
    for version in [Version::V3_1, Version::V3_2] {
        let first = FirstIds { ticket: 6, reference: 9, ..FirstIds::default() };
        let sim = recording::sim(version, &Clock::at(1_795_978_846), first);
        for title in ["parent", "child"] {
            let fields = json!({"org_id": {"name": "Demo"}, "title": title, "description": "d", "service_id": 2});
            ok(&sim, "bridge", create("UserRequest", fields)).await;
        }
        let names = ["a child gets its parent", "the parent is resolved", "… and the child with it"];
        let assign = json!({"operation": "core/apply_stimulus", "class": "UserRequest", "key": 6, "comment": "c",
            "stimulus": "ev_assign", "output_fields": "id", "fields": {"team_id": 37, "agent_id": 9}});
        for name in names {
            let line = case(version, name);
            if name == "the parent is resolved" {
                ok(&sim, "bridge", assign.clone()).await;
            }
            let mut answer = call(&sim, "bridge", &line["request"]).await;
            let mut recorded = line["response"].clone();
            for json in [&mut answer, &mut recorded] {
                if let Some(fields) = json.pointer_mut("/objects/UserRequest::7/fields") {
                    fields.as_object_mut().expect("fields").remove("resolution_date");
                }
            }
            assert_eq!(answer, recorded, "{version:?}: {name}");
        }
    }
}
