//! `setup`: from two iTops without a webhook to two that talk, and what it does with what it finds there.

use std::collections::BTreeSet;

use itop_bridge::checks::State;
use itop_bridge::cli::Outcome;
use itop_bridge_testkit::world::*;
use itop_sim::{Delivery, Effect, Fault, On, Payloads, Receiver, Sim, Trigger, Wire};

each_version![
    a_ticket_flows_both_ways_by_hooks_that_setup_made,
    a_second_run_has_nothing_to_do,
    a_class_that_an_itop_lacks_is_named_and_the_others_are_made,
    what_drifted_is_mended_and_check_says_so_before,
    what_a_person_made_is_left_and_not_doubled,
    all_that_the_specification_prints_is_recognised,
    remove_takes_what_setup_made_and_nothing_else,
    a_wrong_administrator_is_told_what_to_do,
];

any_version![
    that_nothing_answers_where_the_webhooks_go_is_said_in_the_end,
    a_run_that_broke_off_is_completed_by_the_next,
    a_dry_run_writes_nothing,
    keys_are_rotated_by_a_second_run,
    what_it_made_for_another_side_is_not_taken_from_that_side,
];

const SIDES: [&str; 2] = ["acme", "elitery"];

/// Two iTops without a trigger.
async fn fresh(versions: Versions) -> World {
    let world = Setup::between(versions).acme("only = \"title NOT LIKE 'x%'\"").start().await;
    world.acme().clear_triggers();
    world.internal.clear_triggers();
    world
}

async fn setup(world: &World, arguments: &[&str]) -> Result<(Outcome, String), String> {
    world.setup(arguments, "admin", "admin").await
}

async fn set_up(world: &World) {
    for side in SIDES {
        let (outcome, said) = setup(world, &["--side", side]).await.unwrap();
        assert!(
            outcome == Outcome::Fine && said.contains("it has all the webhooks that it needs from setup"),
            "{said}"
        );
    }
}

fn sim<'a>(world: &'a World, side: &str) -> &'a Sim {
    if side == "acme" { world.acme() } else { &world.internal }
}

fn writes(sim: &Sim) -> usize {
    sim.calls().iter().filter(|call| call.is_write()).count()
}

/// A call as an administrator, who is a person here.
pub async fn admin(sim: &Sim, request: serde_json::Value) -> serde_json::Value {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("auth_user", "admin")
        .append_pair("auth_pwd", "admin")
        .append_pair("json_data", &request.to_string())
        .finish();
    let request = http::Request::post(format!("{}/webservices/rest.php?version=1.3", sim.base_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(bytes::Bytes::from(body));
    match sim.handle(request.unwrap()).await {
        Wire::Answer(answer) => serde_json::from_slice(answer.body()).unwrap(),
        other => panic!("no answer: {other:?}"),
    }
}

async fn find(sim: &Sim, class: &str, attribute: &str, name: &str) -> u64 {
    let key = format!("SELECT {class} WHERE {attribute} = '{name}'");
    let request = json!({"operation": "core/get", "class": class, "key": key, "output_fields": "id"});
    let answer = admin(sim, request).await;
    let found = answer["objects"].as_object().unwrap_or_else(|| panic!("no {class} {name}: {answer}"));
    found.values().next().unwrap()["key"].as_str().unwrap().parse().unwrap()
}

async fn change(sim: &Sim, class: &str, id: u64, fields: serde_json::Value) {
    let request =
        json!({"operation": "core/update", "class": class, "key": id, "comment": "a person", "fields": fields});
    let answer = admin(sim, request).await;
    assert_eq!(answer["code"], 0, "{answer}");
}

fn paths(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.path.as_str()).collect()
}

async fn a_ticket_flows_both_ways_by_hooks_that_setup_made(versions: Versions) {
    let world = fresh(versions).await;
    set_up(&world).await;
    let ticket =
        world.acme().create_ticket("UserRequest", json!({"title": "a \"quote\"", "description": "d", "org_id": 3}));
    let id = ticket.await.unwrap();
    assert_eq!(paths(&world.acme().deliveries()), ["/api/v1/create-ticket"]);
    world.pass_seconds(3).await;
    let copy = world.copy_of(id).await;
    world.internal.clear_deliveries();
    world.internal.stimulus(copy.id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.internal.add_log_entry(copy.id, "private_log", "seen inside").await.unwrap();
    let deliveries = world.internal.deliveries();
    let told = paths(&deliveries);
    assert!(told.contains(&"/api/v1/ticket-state-change"), "{told:?}");
    assert!(told.contains(&"/api/v1/ticket-update-private-log"), "{told:?}");
    world.pass_seconds(3).await;
    let files: Vec<String> = world.acme().attachments(id).into_iter().map(|file| file.filename).collect();
    assert!(files.iter().any(|name| name.contains("assigned")), "the state is told: {files:?}");
    assert_eq!(files.len(), 2, "and the entry: {files:?}");

    world.acme().clear_deliveries();
    let kept = world.acme().create_ticket("UserRequest", json!({"title": "x stays", "description": "d", "org_id": 3}));
    kept.await.unwrap();
    assert!(world.acme().deliveries().is_empty(), "`only` is the creation trigger's filter");
    world.one_more_pass_writes_nothing().await;
}

async fn a_second_run_has_nothing_to_do(versions: Versions) {
    let world = fresh(versions).await;
    set_up(&world).await;
    world.clear_calls();
    for side in SIDES {
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!((outcome, said), (Outcome::Fine, format!("Nothing to do in {side}.\n")), "the bridge answers");
        assert_eq!(writes(sim(&world, side)), 0);
        let findings = world.check_webhooks(side).await;
        assert!(findings.len() > 5 && findings.iter().all(|finding| finding.state == State::Ok), "{findings:#?}");
    }
    world.one_more_pass_writes_nothing().await;
}

async fn that_nothing_answers_where_the_webhooks_go_is_said_in_the_end(versions: Versions) {
    let mut world = fresh(versions).await;
    world.stop().await;
    world.crash().await;
    for side in SIDES {
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        let note = "note    nothing answers at http://bridge from here (no connection: connection refused). Fix: start \
                    `itop-bridge serve`; if it runs, ";
        assert_eq!(outcome, Outcome::Fine);
        assert!(said.lines().last().unwrap().starts_with(note), "{said}");
        for other in ["--dry-run", "--remove"] {
            let (_, said) = setup(&world, &["--side", side, other]).await.unwrap();
            assert!(!said.contains("nothing answers"), "{said}");
        }
    }
    world.boot();
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_run_that_broke_off_is_completed_by_the_next(versions: Versions) {
    let world = fresh(versions).await;
    for side in SIDES {
        let sim = sim(&world, side);
        // The first run ends at the seventh write, the second at the first one that lands and is not answered.
        let mut seen = 0;
        let seventh = move |call: &itop_sim::Call| {
            seen += usize::from(call.is_write());
            (call.is_write() && seen == 7).then_some(Fault::Refuse)
        };
        sim.fail_with(seventh);
        let error = setup(&world, &["--side", side]).await.unwrap_err();
        assert!(error.contains("6 of ") && error.contains("then this was not: make "), "{error}");
        assert!(error.contains("running setup again") || error.contains("run setup again"), "{error}");
        sim.heal();
        sim.fail_next_write(Fault::Cut { after_bytes: 0, effect: Effect::Committed });
        setup(&world, &["--side", side]).await.unwrap_err();
        sim.heal();
        let (outcome, _) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!(outcome, Outcome::Fine);
        let (_, said) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!(said, format!("Nothing to do in {side}.\n"), "nothing is there twice");
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_class_that_an_itop_lacks_is_named_and_the_others_are_made(versions: Versions) {
    let classes = "classes = { UserRequest = \"UserRequest\", ServiceTicket = \"ServiceTicket\" }";
    let world = Setup::between(versions).sync(classes).start().await;
    world.acme().clear_triggers();
    world.internal.clear_triggers();
    let note = "note    this iTop has no class ServiceTicket, so no webhook is made for it: take it out of `classes` of \
                [sync], or install the module that brings it and run setup again\n";
    for side in SIDES {
        let (outcome, said) = setup(&world, &["--side", side, "--dry-run"]).await.unwrap();
        assert!(outcome == Outcome::Fine && said.starts_with(note), "{said}");
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        assert!(
            outcome == Outcome::Fine && said.contains("it has all the webhooks that it needs from setup"),
            "{said}"
        );
        assert_eq!(said.matches("ServiceTicket").count(), 1, "{said}");
        let (_, said) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!(said, format!("{note}Nothing to do in {side}.\n"));
        let findings = world.check_webhooks(side).await;
        let noted =
            |finding: &itop_bridge::checks::Finding| finding.detail.starts_with("this iTop has no class ServiceTicket");
        assert!(findings.iter().all(|finding| finding.state == State::Ok || noted(finding)), "{findings:#?}");
        assert!(findings.iter().any(noted));
    }
    world.one_more_pass_writes_nothing().await;
}

async fn what_drifted_is_mended_and_check_says_so_before(versions: Versions) {
    let world = fresh(versions).await;
    set_up(&world).await;
    for side in SIDES {
        let sim = sim(&world, side);
        let action = find(sim, "ActionWebhook", "name", "itop-bridge 7f3a: attachment update").await;
        change(sim, "ActionWebhook", action, json!({"status": "disabled", "path": "/x", "headers": "X: y"})).await;
        let name = "itop-bridge 7f3a: attachment create, Attachment";
        let trigger = find(sim, "TriggerOnObjectCreate", "description", name).await;
        let fields = json!({"filter": "SELECT Attachment", "context": "GUI:Portal", "action_list": []});
        change(sim, "TriggerOnObjectCreate", trigger, fields).await;
        let connection = find(sim, "RemoteApplicationConnection", "name", "itop-bridge 7f3a").await;
        change(sim, "RemoteApplicationConnection", connection, json!({"url": "http://elsewhere"})).await;

        let faults: Vec<String> =
            world.check_webhooks(side).await.into_iter().filter(|f| f.state == State::Fault).map(|f| f.check).collect();
        assert_eq!(faults, ["webhook connection", "webhook attachment create", "webhook attachment update"]);
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!(outcome, Outcome::Fine);
        let mended = said.lines().filter(|line| line.starts_with("done    correct ")).count();
        assert_eq!(mended, 3, "{said}");
        assert!(said.contains("its URL is http://elsewhere, not http://bridge"), "{said}");
        assert!(said.contains("its status is \"disabled\", not \"enabled\""), "{said}");
        assert!(world.check_webhooks(side).await.iter().all(|finding| finding.state == State::Ok));
    }
    world.one_more_pass_writes_nothing().await;
}

async fn create(sim: &Sim, class: &str, fields: serde_json::Value) -> u64 {
    let request = json!({"operation": "core/create", "class": class, "comment": "a person", "fields": fields});
    let answer = admin(sim, request).await;
    let objects = answer["objects"].as_object().unwrap_or_else(|| panic!("{answer}"));
    objects.values().next().unwrap()["key"].as_str().unwrap().parse().unwrap()
}

async fn connection_by_hand(sim: &Sim) -> u64 {
    let kind = json!({"name": "Other / Generic"});
    let fields = json!({"name": "our bridge", "url": "http://bridge/", "remoteapplicationtype_id": kind});
    create(sim, "RemoteApplicationConnection", fields).await
}

/// A connection, an action and a trigger with other names than `setup` gives.
async fn by_hand(sim: &Sim, headers: &str) {
    let create = async |class: &str, fields: serde_json::Value| create(sim, class, fields).await;
    let connection = connection_by_hand(sim).await;
    let payload = r#"{ "event":"attachment.update", "source":"any", "attachment_id":"$this->id$", "item_class":"$this->item_class$", "item_id":"$this->item_id$"}"#;
    let fields = json!({"name": "files", "status": "enabled", "method": "post", "path": "/api/v1/update-attachment",
        "remoteapplicationconnection_id": connection, "headers": headers, "payload": payload});
    let action = create("ActionWebhook", fields).await;
    let fields =
        json!({"description": "a file goes", "target_class": "Attachment", "action_list": [{"action_id": action}]});
    create("TriggerOnObjectDelete", fields).await;
}

async fn what_a_person_made_is_left_and_not_doubled(versions: Versions) {
    let world = fresh(versions).await;
    by_hand(world.acme(), &format!("Content-type: application/json\nX-API-Key: {EXTERNAL_KEY}")).await;
    by_hand(&world.internal, "Content-type: application/json\nX-API-Key: another-key-than-this-sides").await;
    for side in SIDES {
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        let recognised = "by hand attachment delete: trigger \"a file goes\" with action \"files\"";
        assert!(said.contains(recognised), "{said}");
        assert!(!said.contains("make TriggerOnObjectDelete"), "{said}");
        let fault = "fault   attachment delete: made by hand, action \"files\": no header X-API-Key has a key";
        let wrong = side == "elitery";
        assert_eq!((outcome == Outcome::FaultFound, said.contains(fault)), (wrong, wrong), "{said}");
    }
    world.acme().clear_deliveries();
    let ticket = world.acme().create_ticket("UserRequest", json!({"title": "t", "description": "d", "org_id": 3}));
    let id = ticket.await.unwrap();
    let file = world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.settle().await;
    world.acme().clear_deliveries();
    world.acme().delete_attachment(file).await;
    assert_eq!(world.acme().deliveries().len(), 1, "one webhook a deletion");
    world.one_more_pass_writes_nothing().await;
}

/// The webhooks of a side as the specification prints them, each an action and a trigger on every ticket, made in iTop
/// by a person. "Pending" stands there twice.
async fn as_printed(sim: &Sim, side: &str) -> usize {
    let key = if side == "acme" { EXTERNAL_KEY } else { INTERNAL_KEY };
    let receiver = Receiver { url: "http://bridge".into(), key: key.into(), payloads: Payloads::AsPrinted };
    let mut triggers = if side == "acme" { receiver.external() } else { receiver.internal("elitery") };
    let again = triggers.iter().find(|trigger| trigger.description == "ticket pending").cloned();
    triggers.extend(again.map(|pending| Trigger { description: "Pending".into(), ..pending }));
    let connection = connection_by_hand(sim).await;
    for trigger in &triggers {
        let action = &trigger.actions[0];
        let name = &trigger.description;
        let fields = json!({"name": name, "status": "enabled", "method": "post", "path": action.path,
            "remoteapplicationconnection_id": connection, "headers": action.headers, "payload": action.payload});
        let action = create(sim, "ActionWebhook", fields).await;
        let mut fields =
            json!({"description": name, "target_class": trigger.class, "action_list": [{"action_id": action}]});
        let class = match &trigger.on {
            On::Create => "TriggerOnObjectCreate",
            On::Update => "TriggerOnObjectUpdate",
            On::Delete => "TriggerOnObjectDelete",
            On::StateEnter(state) => {
                fields["state"] = json!(state);
                "TriggerOnStateEnter"
            }
        };
        if let Some(codes) = &trigger.target_attcodes {
            fields["target_attcodes"] = json!(codes.join(","));
        }
        create(sim, class, fields).await;
    }
    triggers.len()
}

async fn all_that_the_specification_prints_is_recognised(versions: Versions) {
    let world = fresh(versions).await;
    assert_eq!(as_printed(world.acme(), "acme").await, 4);
    assert_eq!(as_printed(&world.internal, "elitery").await, 15);
    // What the specification does not print is all that is made.
    let more = [
        vec!["attachment create"],
        vec!["attachment create", "ticket implemented", "ticket monitored", "ticket new", "ticket plannedscheduled"],
    ];
    for (side, more) in SIDES.into_iter().zip(more) {
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        assert_eq!(outcome, Outcome::Fine, "{said}");
        let made = said.lines().filter_map(|line| line.strip_prefix("done    make Trigger")?.split_once("7f3a: "));
        let made: BTreeSet<&str> = made.filter_map(|(_, name)| name.split(',').next()).collect();
        assert_eq!(made.into_iter().collect::<Vec<_>>(), more, "{said}");
        let noted = said.contains("note    the payload of the action \"ticket created\" carries title, description, ");
        assert_eq!(noted, side == "acme", "{said}");
        let (outcome, said) = setup(&world, &["--side", side]).await.unwrap();
        assert!(outcome == Outcome::Fine && said.ends_with(&format!("Nothing to do in {side}.\n")), "{said}");
        let findings = world.check_webhooks(side).await;
        assert!(findings.iter().all(|finding| finding.state != State::Fault), "{findings:#?}");
    }
    let fields = json!({"title": "Printer", "description": "d", "org_id": 3});
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    assert_eq!(paths(&world.acme().deliveries()), ["/api/v1/create-ticket"], "one webhook, not two");
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    world.internal.clear_deliveries();
    world.internal.stimulus(copy, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    let deliveries = world.internal.deliveries();
    assert_eq!(paths(&deliveries).iter().filter(|path| path.ends_with("state-change")).count(), 1);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn remove_takes_what_setup_made_and_nothing_else(versions: Versions) {
    let world = fresh(versions).await;
    for side in SIDES {
        by_hand(sim(&world, side), &format!("Content-type: application/json\nX-API-Key: {EXTERNAL_KEY}")).await;
        setup(&world, &["--side", side]).await.unwrap();
        let (outcome, said) = setup(&world, &["--side", side, "--remove"]).await.unwrap();
        assert!(outcome == Outcome::Fine && said.contains("were removed from"), "{said}");
        find(sim(&world, side), "TriggerOnObjectDelete", "description", "a file goes").await;
        find(sim(&world, side), "ActionWebhook", "name", "files").await;
        let (_, said) = setup(&world, &["--side", side, "--remove"]).await.unwrap();
        assert_eq!(said, format!("{side} has nothing that setup made.\n"));
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_dry_run_writes_nothing(versions: Versions) {
    let world = fresh(versions).await;
    for side in SIDES {
        world.clear_calls();
        let (_, said) = setup(&world, &["--side", side, "--dry-run"]).await.unwrap();
        assert!(said.contains("would   make ActionWebhook") && said.contains("Nothing was changed."), "{said}");
        assert_eq!(writes(sim(&world, side)), 0);
    }
    set_up(&world).await;
    world.clear_calls();
    for side in SIDES {
        let (_, said) = setup(&world, &["--side", side, "--remove", "--dry-run"]).await.unwrap();
        assert!(said.contains("would be removed from"), "{said}");
        assert_eq!(writes(sim(&world, side)), 0);
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_wrong_administrator_is_told_what_to_do(versions: Versions) {
    let world = fresh(versions).await;
    for side in SIDES {
        let wrong = world.setup(&["--side", side], "admin", "a-wrong-one").await.unwrap_err();
        assert!(wrong.contains("Invalid login") && wrong.contains("correct ITOP_BRIDGE_ADMIN_USER"), "{wrong}");
        assert!(!wrong.contains("a-wrong-one"), "{wrong}");
        let agent = world.setup(&["--side", side], "bridge", "Bridge.1234").await.unwrap_err();
        assert!(agent.contains("is no administrator") && agent.contains("\"Administrator\""), "{agent}");
        sim(&world, side).read_only(true);
        let read_only = setup(&world, &["--side", side]).await.unwrap_err();
        assert!(read_only.contains("read-only mode"), "{read_only}");
        sim(&world, side).down(true);
        let down = setup(&world, &["--side", side]).await.unwrap_err();
        assert!(down.starts_with(&format!("{side} (http://{side})")) && down.contains("run setup again"), "{down}");
        sim(&world, side).heal();
    }
    let nobody = setup(&world, &["--side", "nobody"]).await.unwrap_err();
    assert!(nobody.contains("The configuration has acme and elitery"), "{nobody}");
    world.one_more_pass_writes_nothing().await;
}

async fn keys_are_rotated_by_a_second_run(versions: Versions) {
    let mut world = fresh(versions).await;
    set_up(&world).await;
    world.put_before_the_keys("sk_new_0123456789abcdef");
    for side in SIDES {
        let before = writes(sim(&world, side));
        let said = setup(&world, &["--side", side]).await.unwrap_err();
        assert!(said.contains("refuses the first key of [") && said.contains("restart `serve`"), "{said}");
        assert_eq!(writes(sim(&world, side)), before, "a webhook with this key would fail for ever");
    }
    world.crash().await;
    world.boot();
    for side in SIDES {
        let (_, said) = setup(&world, &["--side", side]).await.unwrap();
        assert!(said.contains("its headers carry an older key of this side"), "{said}");
        assert!(
            said.lines().filter(|line| line.starts_with("done")).all(|line| line.contains("correct ActionWebhook"))
        );
    }
    world.one_more_pass_writes_nothing().await;
}

/// The second customer's address is another spelling of the first's.
async fn what_it_made_for_another_side_is_not_taken_from_that_side(versions: Versions) {
    let two = Setup { externals: vec![versions.external, versions.external], ..Setup::between(versions) };
    let mut world = two.start().await;
    world.acme().clear_triggers();
    world.internal.clear_triggers();
    set_up(&world).await;
    world.give_the_address_of_acme("beta");
    let before = writes(world.acme());
    let of_another = "carries a key of acme";
    for arguments in [&["--side", "beta"][..], &["--side", "beta", "--remove"]] {
        let said = setup(&world, arguments).await.unwrap_err();
        assert!(
            said.contains(of_another) && said.contains("Nothing was changed. Fix: each iTop is one side"),
            "{said}"
        );
    }
    assert_eq!(writes(world.acme()), before);
    let findings = world.check_webhooks("beta").await;
    let faults: Vec<_> = findings.iter().filter(|finding| finding.state == State::Fault).collect();
    assert!(matches!(faults[..], [fault] if fault.detail.contains(of_another)), "{findings:#?}");
    let (_, said) = setup(&world, &["--side", "acme"]).await.unwrap();
    assert_eq!(said, "Nothing to do in acme.\n");
    world.one_more_pass_writes_nothing().await;
}
