//! Who and where never crosses: no request to one iTop, read or write, holds a name or an id of the other's
//! organisations, callers, teams, agents and services. The authors of log entries, named in the files of a
//! log, are the one exception.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use itop_bridge_testkit::world::*;
use itop_sim::{Account, Call, Sim};

use crate::status::{end, status};

each_version![nobody_and_nothing_of_one_side_is_named_to_the_other];

/// The people and places of one side. Both have the same sample data: each uses its own part of it.
struct House {
    org: u64,
    caller: u64,
    team: u64,
    agent: u64,
    service: u64,
    subcategory: u64,
    /// The account and the name of who writes log entries.
    author: (&'static str, &'static str),
    names: [&'static str; 8],
}

const CUSTOMER: House = House {
    org: 2,
    caller: 10,
    team: 38,
    agent: 12,
    service: 1,
    subcategory: 2,
    author: ("agatha", "Agatha Christie"),
    names: ["IT Department", "Hugo", "Victor", "Hardware support", "Agatha", "Christie", "Computers", "Repair"],
};

const PROVIDER: House = House {
    org: 3,
    caller: 6,
    team: 37,
    agent: 9,
    service: 2,
    subcategory: 4,
    author: ("jules", "Jules Verne"),
    names: ["Demo", "Monet", "Claude", "Helpdesk", "Jules", "Verne", "Software", "Installation"],
};

impl House {
    fn ids_of(&self, code: &str) -> Vec<u64> {
        match code.trim_start_matches("item_") {
            "org_id" => vec![self.org],
            "caller_id" | "agent_id" | "supervisor_id" | "manager_id" | "approver_id" => vec![self.caller, self.agent],
            "team_id" | "supervisor_group_id" | "manager_group_id" => vec![self.team],
            "service_id" => vec![self.service],
            "servicesubcategory_id" => vec![self.subcategory],
            _ => vec![],
        }
    }

    /// What a person of this house fills in with each stimulus.
    async fn go(&self, sim: &Sim, ticket: u64, stimuli: &[&str]) {
        for stimulus in stimuli {
            let form = match *stimulus {
                "ev_assign" if sim.ticket(ticket).unwrap().class.ends_with("Change") => json!({
                    "team_id": self.team, "agent_id": self.agent, "supervisor_group_id": self.team,
                    "supervisor_id": self.agent, "manager_group_id": self.team, "manager_id": self.agent,
                }),
                "ev_assign" => json!({ "team_id": self.team, "agent_id": self.agent }),
                "ev_pending" => json!({ "pending_reason": "waits for a part" }),
                "ev_resolve" => json!({
                    "resolution_code": "hardware_repair", "solution": "a new fuser", "service_id": self.service,
                    "servicesubcategory_id": self.subcategory,
                }),
                "ev_plan" => json!({
                    "start_date": "2026-12-01 08:00:00", "end_date": "2026-12-01 18:00:00", "impact": "half an hour",
                    "outage": "yes", "fallback": "put the old one back",
                }),
                "ev_approve" => json!({ "approval_date": "2026-11-24 11:00:00", "approval_comment": "go on then" }),
                _ => json!({}),
            };
            sim.stimulus(ticket, stimulus, form).await.unwrap_or_else(|error| panic!("{stimulus}: {error:?}"));
        }
    }

    /// A person of this house does all that can cross.
    async fn works_on(&self, world: &World, sim: &Sim, ticket: u64) {
        sim.act_as(self.author.0);
        let file = sim.attach(ticket, "a.txt", "text/plain", b"a").await.unwrap();
        let image = sim.add_inline_image(ticket, "5ec2e7", "image/png", b"\x89PNG\r\n\x1a\n").await.unwrap();
        let entry = format!("<p>as it looks: {}</p>", image.html);
        sim.add_log_entry(ticket, "private_log", &entry).await.unwrap();
        if !sim.ticket(ticket).unwrap().class.ends_with("Change") {
            sim.add_log_entry(ticket, "public_log", "<p>soon</p>").await.unwrap();
        }
        world.settle().await;
        sim.rename_attachment(file, "b.txt").await.unwrap();
        world.settle().await;
        sim.delete_attachment(file).await;
        sim.update(ticket, json!({ "title": "Printer in flames", "team_id": self.team })).await.unwrap();
        world.settle().await;
    }
}

/// The words of a request, with those of the file in it; but for the authors of log entries in its file.
fn words(call: &Call) -> String {
    let request = call.request();
    let data = request["fields"]["contents"]["data"].as_str().unwrap_or_default();
    let text = String::from_utf8_lossy(&STANDARD.decode(data).expect("whole contents")).into_owned();
    let of_a_log = request["fields"]["temp_id"].as_str().is_some_and(|mark| mark.contains(":log:"));
    let shown = text.lines().filter(|line| !(of_a_log && line.starts_with("--- ")));
    format!("{} {}", call.json, shown.collect::<Vec<_>>().join("\n"))
}

/// Each `…_id` in a request with the number that stands beside it, in JSON or OQL.
fn ids_named(words: &str) -> Vec<(&str, u64)> {
    let mut found = Vec::new();
    for (at, _) in words.match_indices("_id") {
        let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
        let begin = words[..at].rfind(|c| !is_code(c)).map_or(0, |last| last + 1);
        let rest = words[at + 3..].trim_start_matches(['\\', '"', ' ', ':', '=', '\'']);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if let Ok(id) = digits.parse() {
            found.push((&words[begin..at + 3], id));
        }
    }
    found
}

fn assert_nothing_named_of(house: &House, sim: &Sim) {
    let calls = sim.calls();
    assert!(calls.iter().any(Call::is_write) && calls.iter().any(|call| call.operation == "core/get"));
    for call in &calls {
        let words = words(call);
        for name in house.names {
            assert!(!words.contains(name), "{name:?} is in {words}");
        }
        for (code, id) in ids_named(&words) {
            assert!(!house.ids_of(code).contains(&id), "{code} {id} is in {words}");
        }
        let code = match call.class.as_str() {
            "Organization" => "org_id",
            "Person" => "caller_id",
            "Team" => "team_id",
            "Service" => "service_id",
            "ServiceSubcategory" => "servicesubcategory_id",
            _ => continue,
        };
        for id in house.ids_of(code) {
            let asked = call.key == id
                || call.key.as_str() == Some(&*id.to_string())
                || words.contains(&format!("WHERE id = {id}\""));
            assert!(!asked, "{code} {id} is asked for in {words}");
        }
    }
    let names_an_author = |call: &Call| {
        let data = call.request()["fields"]["contents"]["data"].as_str().unwrap_or_default().to_owned();
        String::from_utf8_lossy(&STANDARD.decode(data).unwrap()).contains(house.author.1)
    };
    assert!(calls.iter().any(names_an_author), "no log file came that names its author");
}

async fn nobody_and_nothing_of_one_side_is_named_to_the_other(versions: Versions) {
    for mode in ["report", "apply"] {
        let acme = "only = \"all\"\ndefaults = { team = \"Hardware support\", agent = 12, service = 1, \
                    servicesubcategory = \"Repair\", impact = \"see there\", outage = \"no\", fallback = \"undo\", \
                    supervisor_group_id = 38, supervisor_id = 12, manager_group_id = 38, manager_id = 12, \
                    start_date = \"2026-11-25 12:00:00\", end_date = \"2026-11-26 12:00:00\" }";
        let sync = format!(
            "status_to_external = \"{mode}\"\npublic_log_to_internal = \"attachment\"\n\
             public_log_to_external = \"attachment\""
        );
        let internal_defaults = DEFAULTS.replace("= 38", "= 37").replace("= 10", "= 9").replace("= 11", "= 9");
        let setup = Setup { internal_defaults, ..Setup::between(versions) };
        let world = setup.acme(acme).sync(&sync).start().await;
        world.acme().add_account(Account::new("agatha", "x", 50, CUSTOMER.agent, CUSTOMER.author.1));
        for (class, moves) in [
            ("UserRequest", &["ev_assign", "ev_pending", "ev_assign", "ev_resolve", "ev_close"][..]),
            ("EmergencyChange", &["ev_assign", "ev_plan", "ev_approve"]),
        ] {
            for inside_moves in [true, false] {
                let mut fields = ticket("Printer on fire");
                for (code, value) in [
                    ("org_id", CUSTOMER.org),
                    ("caller_id", CUSTOMER.caller),
                    ("team_id", CUSTOMER.team),
                    ("agent_id", CUSTOMER.agent),
                ] {
                    fields[code] = json!(value);
                }
                let id = world.acme().create_ticket(class, fields).await.unwrap();
                world.settle().await;
                let copy = world.copy_of(id).await.id;
                CUSTOMER.works_on(&world, world.acme(), id).await;
                PROVIDER.works_on(&world, &world.internal, copy).await;
                for stimulus in moves {
                    match inside_moves {
                        true => PROVIDER.go(&world.internal, copy, &[stimulus]).await,
                        false => CUSTOMER.go(world.acme(), id, &[stimulus]).await,
                    }
                    world.settle().await;
                }
                let [outside, inside] = [status(world.acme(), id), status(&world.internal, copy)];
                assert_ne!(inside, "new");
                assert_eq!(outside, if inside_moves && mode == "report" { "new".to_owned() } else { inside });
            }
        }
        world.pass_seconds(4000).await;
        world.settle().await;
        assert_nothing_named_of(&PROVIDER, world.acme());
        assert_nothing_named_of(&CUSTOMER, &world.internal);
        end(world).await;
    }
}
