//! Webhooks in any order, doubled or lost: the same story ends in the same state.

use std::collections::BTreeMap;

use itop_bridge_engine::random::{Random as _, SeededRandom};
use itop_bridge_testkit::world::*;
use itop_sim::{Release, Sim, Ticket};

each_version![a_change_in_the_hour_that_repeats_is_found];

any_version![
    held_hooks_in_any_order_end_in_the_same_state,
    hooks_doubled_fifty_times_end_in_the_same_state,
    a_story_without_a_single_hook_ends_in_the_same_state,
];

/// What becomes of hooks while the story is told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hooks {
    Fair,
    Reversed,
    Shuffled(u64),
    Doubled,
    Lost,
}

/// Two tickets of two classes, with field changes, states, and files that are renamed and deleted. What
/// it comes to on both sides, apart from ids that a bridge may give in any order.
async fn told(versions: Versions, hooks: Hooks) -> BTreeMap<String, String> {
    let world = Setup::between(versions).start().await;
    let sims = [world.acme(), &world.internal];
    match hooks {
        Hooks::Fair => {}
        Hooks::Reversed | Hooks::Shuffled(_) => sims.iter().for_each(|sim| sim.hold_hooks(true)),
        Hooks::Doubled => sims.iter().for_each(|sim| sim.duplicate_hooks(50)),
        Hooks::Lost => sims.iter().for_each(|sim| sim.drop_hooks(true)),
    }
    let acme = world.acme();
    let request = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let incident = acme.create_ticket("Incident", ticket("No network")).await.unwrap();
    let mut files = Vec::new();
    for name in ["kept.txt", "renamed.txt", "deleted.txt"] {
        files.push(acme.attach(request, name, "text/plain", name.as_bytes()).await.unwrap());
    }
    let_the_bridge_work(&world, hooks, 1).await;
    acme.update(request, json!({ "title": "Printer in flames", "urgency": "1" })).await.unwrap();
    acme.update(incident, json!({ "description": "<p>Nothing <b>at all</b></p>", "impact": "1" })).await.unwrap();
    acme.stimulus(request, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO }))
        .await
        .unwrap();
    if hooks != Hooks::Lost {
        // A change in place without a hook is the one stated exception.
        acme.rename_attachment(files[1], "better.txt").await.unwrap();
    }
    acme.delete_attachment(files[2]).await;
    let solved = json!({ "service_id": sample::SOFTWARE, "solution": "water", "resolution_code": "assistance" });
    acme.stimulus(request, "ev_resolve", solved).await.unwrap();
    let_the_bridge_work(&world, hooks, 2).await;
    world.one_more_pass_writes_nothing().await;
    sims.iter().flat_map(|sim| state_of(sim)).collect()
}

async fn let_the_bridge_work(world: &World, hooks: Hooks, part: u64) {
    match hooks {
        Hooks::Fair | Hooks::Doubled => {}
        Hooks::Lost => world.pass_seconds(3 * 3600).await,
        Hooks::Reversed | Hooks::Shuffled(_) => {
            // The bridge's own writes fire hooks as well: until none is held.
            while world.acme().held_hooks() + world.internal.held_hooks() > 0 {
                for sim in [world.acme(), &world.internal] {
                    sim.release_hooks(order(hooks, part, sim.held_hooks())).await;
                }
                world.settle().await;
            }
        }
    }
    world.settle().await;
}

fn order(hooks: Hooks, part: u64, held: usize) -> Release {
    let Hooks::Shuffled(seed) = hooks else { return Release::Reversed };
    let random = SeededRandom::new(seed.wrapping_mul(31).wrapping_add(part));
    let mut positions: Vec<usize> = (0..held).collect();
    for at in (1..held).rev() {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        positions.swap(at, (u64::from_le_bytes(bytes) % (at as u64 + 1)) as usize);
    }
    Release::These(positions)
}

/// A line a ticket and a line a file.
fn state_of(sim: &Sim) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for ticket in sim.tickets("Ticket") {
        let name = format!("{} {}", sim.base_url(), ticket.field("title"));
        let fields = ["finalclass", "status", "description", "impact", "urgency", "solution", "resolution_code"];
        let values: Vec<&str> = fields.iter().map(|code| ticket.field(code)).collect();
        lines.push((name.clone(), format!("{values:?} with {} log entries", entries(&ticket))));
        for file in sim.attachments(ticket.id) {
            // The report tells times, which differ from run to run.
            let is_report = file.temp_id.contains(":internal:status:");
            let data = if is_report { Default::default() } else { file.data.clone() };
            let line = format!("{} {data:?} {}", file.mimetype, file.item_org_id);
            lines.push((format!("{name}: {}", file.filename), line));
        }
    }
    lines
}

fn entries(ticket: &Ticket) -> usize {
    ticket.log("private_log").len()
}

async fn held_hooks_in_any_order_end_in_the_same_state(versions: Versions) {
    let expected = told(versions, Hooks::Fair).await;
    assert_eq!(expected.len(), 10, "{expected:#?}");
    assert_eq!(told(versions, Hooks::Reversed).await, expected);
    for seed in 1..=10 {
        println!("seed {seed}");
        assert_eq!(told(versions, Hooks::Shuffled(seed)).await, expected, "seed {seed}");
    }
}

async fn hooks_doubled_fifty_times_end_in_the_same_state(versions: Versions) {
    assert_eq!(told(versions, Hooks::Doubled).await, told(versions, Hooks::Fair).await);
}

async fn a_story_without_a_single_hook_ends_in_the_same_state(versions: Versions) {
    let renamed = |state: BTreeMap<String, String>| {
        state.into_iter().map(|(name, line)| (name.replace("better.txt", "renamed.txt"), line)).collect()
    };
    let expected: BTreeMap<String, String> = renamed(told(versions, Hooks::Fair).await);
    assert_eq!(renamed(told(versions, Hooks::Lost).await), expected);
}

/// 2026-10-25 00:30:00 UTC: half past two in Paris, for the first time.
const BEFORE_THE_HOUR_REPEATS_MS: i64 = 1_792_888_200_000;

async fn a_change_in_the_hour_that_repeats_is_found(versions: Versions) {
    let world = Setup { start_ms: BEFORE_THE_HOUR_REPEATS_MS, ..Setup::between(versions) }.start().await;
    let acme = world.acme();
    let early = acme.create_ticket("UserRequest", ticket("Early")).await.unwrap();
    world.settle().await;
    // The last minute of summer time: the cursor stands on the latest time that this hour has.
    world.pass_seconds(29 * 60).await;
    let late = acme.create_ticket("UserRequest", ticket("Late")).await.unwrap();
    assert!(acme.ticket(late).unwrap().field("last_update").starts_with("2026-10-25 02:59"));
    world.pass_seconds(20 * 60).await;
    acme.drop_hooks(true);
    acme.update(early, json!({ "title": "Changed in the hour that repeats" })).await.unwrap();
    assert!(acme.ticket(early).unwrap().field("last_update").starts_with("2026-10-25 02:19"));
    world.pass_seconds(310).await;
    assert!(world.copy_of(early).await.field("title").contains("Changed in the hour that repeats"));
    world.one_more_pass_writes_nothing().await;
}
