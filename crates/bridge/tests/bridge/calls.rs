//! What each kind of change costs in calls: a call costs iTop 80 ms, whatever it does.

use itop_bridge_testkit::world::*;
use itop_sim::Call;

each_version![each_change_makes_just_the_calls_that_it_needs, twenty_dirty_tickets_are_read_in_one_call_a_side];

/// The calls since the last look, a line each: side, operation, class, and what was asked for.
fn calls(world: &World) -> Vec<String> {
    let mut calls: Vec<(i64, &str, Call)> = Vec::new();
    for (side, sim) in [("acme", world.acme()), ("elitery", &world.internal)] {
        calls.extend(sim.calls().into_iter().map(|call| (call.at, side, call)));
    }
    calls.sort_by_key(|(at, _, call)| (*at, call.is_write()));
    world.clear_calls();
    for (_, side, call) in &calls {
        let chosen = call.operation != "core/get" || !call.output_fields.contains('*');
        assert!(chosen, "{side} was asked for everything: {}", call.json);
    }
    let line = |side: &str, call: &Call| {
        let contents = if call.output_fields.contains("contents") { " with contents" } else { "" };
        format!("{side} {} {}{contents}", call.operation.trim_start_matches("core/"), call.class)
    };
    calls.iter().map(|(_, side, call)| line(side, call)).collect()
}

/// Waits for the passes and their second looks, far from any sweep or audit.
async fn costs(world: &World, what: &str, expected: &[&str]) {
    world.settle().await;
    let mut made = calls(world);
    let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    made.sort();
    expected.sort();
    assert_eq!(made, expected, "{what}");
}

const BOTH_TICKETS: [&str; 2] = ["acme get UserRequest", "elitery get UserRequest"];

/// Two looks, 2 s and 30 s after a hint of an attachment, whether it still stands.
const SECOND_LOOKS: [&str; 2] = ["acme get Attachment"; 2];

async fn each_change_makes_just_the_calls_that_it_needs(versions: Versions) {
    // Sweeps and audits are left out of the table.
    let world = Setup::between(versions).sync("sweep_seconds = 86400\naudit_seconds = 86400").start().await;
    let acme = world.acme();
    // The first ticket teaches what is kept from then on: ids of defaults, attributes, formats.
    let first = acme.create_ticket("UserRequest", ticket("The first")).await.unwrap();
    acme.stimulus(first, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO })).await.unwrap();
    let solved = json!({ "service_id": sample::SOFTWARE, "solution": "water", "resolution_code": "assistance" });
    acme.stimulus(first, "ev_resolve", solved.clone()).await.unwrap();
    world.settle().await;
    world.clear_calls();

    let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let made = ["acme get UserRequest", "acme get Attachment", "elitery create UserRequest", "acme create Attachment"];
    costs(&world, "create, and its report", &made).await;

    acme.update(id, json!({ "title": "Printer in flames" })).await.unwrap();
    costs(&world, "field", &[&BOTH_TICKETS[..], &["elitery update UserRequest"]].concat()).await;

    acme.update(id, json!({ "servicesubcategory_id": 4 })).await.unwrap();
    costs(&world, "a field that does not cross", &BOTH_TICKETS).await;

    acme.stimulus(id, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO })).await.unwrap();
    // The state-change hook of the counterpart comes back as an echo.
    let told = ["acme update Attachment"];
    let one = [&BOTH_TICKETS[..], &["elitery apply_stimulus UserRequest"], &BOTH_TICKETS, &told].concat();
    costs(&world, "one stimulus", &one).await;

    let file = acme.attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    let listed = ["acme get Attachment", "elitery get Attachment"];
    let copied = ["acme get Attachment with contents", "elitery create Attachment"];
    costs(&world, "file", &[&BOTH_TICKETS[..], &listed, &copied, &SECOND_LOOKS].concat()).await;

    acme.download_attachment(file).await.unwrap();
    let looked = ["acme get Attachment with contents"];
    costs(&world, "a download", &[&looked[..], &SECOND_LOOKS].concat()).await;

    acme.rename_attachment(file, "b.txt").await.unwrap();
    // Looked at, and what was read is sent.
    let rewritten = ["elitery update Attachment"];
    costs(&world, "a file change", &[&looked[..], &BOTH_TICKETS, &listed, &rewritten, &SECOND_LOOKS].concat()).await;

    acme.delete_attachment(file).await;
    let missed = [&looked[..], &BOTH_TICKETS, &["acme get Attachment"]].concat();
    // And once, whether that iTop was restored from a backup, and whether the ticket can still be seen: nobody deleted
    // the file then.
    let asked = ["acme get Ticket", "acme get UserRequest"];
    let deleted = [&BOTH_TICKETS[..], &listed, &asked, &["elitery delete Attachment"]].concat();
    costs(&world, "a deletion", &[&missed[..], &deleted].concat()).await;

    world.internal.update(world.copy_of(id).await.id, json!({ "impact": "1" })).await.unwrap();
    costs(&world, "a field changed inside", &[]).await;

    let second = acme.create_ticket("UserRequest", ticket("Solved at once")).await.unwrap();
    acme.stimulus(second, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO })).await.unwrap();
    acme.stimulus(second, "ev_resolve", solved).await.unwrap();
    let walked = ["elitery apply_stimulus UserRequest"; 2];
    costs(&world, "two stimuli", &[&made[..], &walked, &BOTH_TICKETS, &told].concat()).await;
    world.one_more_pass_writes_nothing().await;
}

async fn twenty_dirty_tickets_are_read_in_one_call_a_side(versions: Versions) {
    let world = Setup::between(versions).sync("sweep_seconds = 86400\naudit_seconds = 86400").start().await;
    let mut tickets = Vec::new();
    for number in 0..20 {
        tickets.push(world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap());
    }
    world.settle().await;
    world.clear_calls();
    for id in tickets {
        world.acme().update(id, json!({ "servicesubcategory_id": 4 })).await.unwrap();
    }
    costs(&world, "twenty tickets", &BOTH_TICKETS).await;
    world.one_more_pass_writes_nothing().await;
}
