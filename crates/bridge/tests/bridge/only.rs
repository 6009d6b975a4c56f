//! Which tickets leave the house, and which do not.

use itop_bridge::config::Config;
use itop_bridge_testkit::world::*;
use itop_sim::Version;

const HANDED_OVER: &str = "only = \"team_id_friendlyname = 'Helpdesk'\"";

/// Time for a sweep, an audit and whatever they lead to.
async fn swept_and_audited(world: &World) {
    world.pass_seconds(2 * 3600 + 600).await;
    world.settle().await;
}

async fn nothing_crossed(world: &World, what: &str) {
    swept_and_audited(world).await;
    assert!(world.internal.tickets("Ticket").is_empty(), "{what} was carried out");
    assert!(world.links().await.is_empty(), "{what} was linked");
    assert_eq!(world.internal.writes(), 0, "{what} was sent");
}

/// Everything that a person does to a ticket, each with its hooks.
async fn every_hook(world: &World, id: u64) {
    let acme = world.acme();
    acme.update(id, json!({ "impact": "2" })).await.unwrap();
    world.pass_seconds(10).await;
    let file = acme.attach(id, "secret.txt", "text/plain", b"not yours").await.unwrap();
    world.pass_seconds(10).await;
    acme.rename_attachment(file, "secret2.txt").await.unwrap();
    acme.download_attachment(file).await.unwrap();
    acme.add_log_entry(id, "private_log", "<p>not yours</p>").await.unwrap();
    world.pass_seconds(10).await;
    acme.delete_attachment(file).await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_does_not_fit_is_not_carried_out_by_anything() {
    for version in BOTH {
        let world = Setup::with_external(version).acme(HANDED_OVER).start().await;
        for class in ["UserRequest", "Incident", "NormalChange"] {
            let mut fields = ticket("internal affairs");
            fields["team_id"] = json!(sample::HARDWARE);
            let id = world.acme().create_ticket(class, fields).await.unwrap();
            every_hook(&world, id).await;
        }
        nothing_crossed(&world, "a ticket that does not fit").await;
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_does_not_fit_is_not_carried_out_by_the_sweep_alone() {
    for version in BOTH {
        let world = Setup::with_external(version).acme(HANDED_OVER).start().await;
        world.acme().drop_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("internal affairs")).await.unwrap();
        every_hook(&world, id).await;
        world.acme().attach(id, "stays.txt", "text/plain", b"not yours").await.unwrap();
        nothing_crossed(&world, "a ticket that does not fit").await;
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_fits_later_is_carried_out_then_with_its_files() {
    for version in BOTH {
        for hook_comes in [true, false] {
            let world = Setup::with_external(version).acme(HANDED_OVER).start().await;
            let id = world.acme().create_ticket("UserRequest", ticket("handed over")).await.unwrap();
            world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
            world.pass_seconds(400).await;
            assert!(world.internal.tickets("Ticket").is_empty());
            world.acme().drop_hooks(!hook_comes);
            world.acme().update(id, json!({ "team_id": sample::HELPDESK })).await.unwrap();
            world.pass_seconds(if hook_comes { 5 } else { 301 }).await;
            world.settle().await;
            let copy = world.copy_of(id).await;
            assert_eq!(world.internal.attachments(copy.id).len(), 1);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// Two older tickets that do not fit yet; the first is handed over, the second is only changed.
async fn hand_one_over(version: Version, lines: &str) -> (World, u64) {
    let mut world = Setup::with_external(version).acme(lines).start().await;
    let old = world.acme().create_ticket("Incident", ticket("older than the connection")).await.unwrap();
    let other = world.acme().create_ticket("Incident", ticket("older, and stays")).await.unwrap();
    world.start_anew().await;
    swept_and_audited(&world).await;
    assert!(world.internal.tickets("Ticket").is_empty());
    world.acme().update(old, json!({ "team_id": sample::HELPDESK })).await.unwrap();
    world.acme().update(other, json!({ "impact": "2" })).await.unwrap();
    world.settle().await;
    (world, old)
}

#[tokio::test(start_paused = true)]
async fn with_a_condition_too_an_older_ticket_stays_when_it_is_changed() {
    for version in BOTH {
        let (world, old) = hand_one_over(version, HANDED_OVER).await;
        every_hook(&world, old).await;
        nothing_crossed(&world, "an older ticket that fits by now").await;
        let said = world.plan(&format!("acme:{old}")).await.unwrap().1;
        assert!(said.contains("it is older than the connection, and stays where it is until"), "{said}");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_that_is_written_an_older_ticket_is_carried_out_when_it_is_handed_over() {
    for version in BOTH {
        let lines = format!("{HANDED_OVER}\nsync.older = \"cross_when_changed\"");
        let (world, old) = hand_one_over(version, &lines).await;
        assert_eq!(world.copy_of(old).await.class, "Incident");
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_that_is_written_all_older_tickets_cross_when_they_are_changed() {
    for version in BOTH {
        let mut world =
            Setup::with_external(version).acme("only = \"all\"\nsync.older = \"cross_when_changed\"").start().await;
        world.acme().drop_hooks(true);
        let old = world.acme().create_ticket("UserRequest", ticket("touched")).await.unwrap();
        let other = world.acme().create_ticket("UserRequest", ticket("let be")).await.unwrap();
        world.acme().drop_hooks(false);
        world.start_anew().await;
        world.acme().attach(other, "new.txt", "text/plain", b"not enough").await.unwrap();
        nothing_crossed(&world, "an older ticket").await;
        world.acme().update(old, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(old).await.field("impact"), "2");
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_all_a_ticket_older_than_the_connection_is_not_carried_out_by_anything() {
    for version in BOTH {
        let mut world = Setup::with_external(version).start().await;
        world.acme().drop_hooks(true);
        let mut old = Vec::new();
        for n in 0..3 {
            old.push(world.acme().create_ticket("UserRequest", ticket(&format!("old {n}"))).await.unwrap());
        }
        world.acme().drop_hooks(false);
        world.start_anew().await;
        for id in old {
            every_hook(&world, id).await;
            world.acme().attach(id, "stays.txt", "text/plain", b"not yours").await.unwrap();
        }
        nothing_crossed(&world, "an older ticket").await;
        let new = world.acme().create_ticket("UserRequest", ticket("new")).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(new).await.field("title"), "[R-000004] new");
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_only_does_not_name_stays_outside() {
    for version in BOTH {
        let only = "only = { UserRequest = \"team_id_friendlyname = 'Helpdesk'\", Incident = \"all\" }";
        let world = Setup::with_external(version).acme(only).start().await;
        let create = async |class: &str, team: u64| {
            let mut fields = ticket(class);
            fields["team_id"] = json!(team);
            let id = world.acme().create_ticket(class, fields).await.unwrap();
            every_hook(&world, id).await;
            id
        };
        let fits = create("UserRequest", sample::HELPDESK).await;
        create("UserRequest", sample::HARDWARE).await;
        let incident = create("Incident", sample::HARDWARE).await;
        create("RoutineChange", sample::HELPDESK).await;
        swept_and_audited(&world).await;
        let linked: Vec<u64> = world.links().await.iter().map(|stored| stored.link.external.id).collect();
        assert_eq!(linked, [fits, incident]);
        assert_eq!(world.internal.tickets("Ticket").len(), 2);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_condition_with_or_lets_nothing_else_out() {
    for version in BOTH {
        // Without brackets around it, `id IN (…) AND start_date >= … AND a OR b` would let every b out.
        let only = "only = \"team_id_friendlyname = 'Helpdesk' OR title LIKE 'to us%'\"\nsync.since = \"2026-11-24\"";
        let mut world = Setup::with_external(version).acme(only).start().await;
        let create = async |title: &str, start: &str| {
            let mut fields = ticket(title);
            fields["start_date"] = json!(start);
            world.acme().create_ticket("UserRequest", fields).await.unwrap()
        };
        world.acme().drop_hooks(true);
        let to_us = create("to us, please", "2026-11-24 10:00:00").await;
        create("not to you", "2026-11-24 10:00:00").await;
        create("to us, but long ago", "2026-11-23 10:00:00").await;
        world.acme().drop_hooks(false);
        world.start_anew().await;
        for id in [3, 2, 1] {
            world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
            world.settle().await;
        }
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        assert!(world.copy_of(to_us).await.field("title").ends_with("to us, please"));
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_linked_ticket_stays_linked_when_it_no_longer_fits() {
    for version in BOTH {
        let mut world = Setup::with_external(version).acme(HANDED_OVER).start().await;
        let mut fields = ticket("handed over");
        fields["team_id"] = json!(sample::HELPDESK);
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.settle().await;
        world.acme().update(id, json!({ "team_id": sample::HARDWARE })).await.unwrap();
        world.settle().await;
        world.acme().update(id, json!({ "title": "still ours" })).await.unwrap();
        world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] still ours");
        world.crash().await;
        world.boot();
        world.acme().drop_hooks(true);
        world.acme().update(id, json!({ "impact": "3" })).await.unwrap();
        swept_and_audited(&world).await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("impact"), "3");
        assert_eq!(world.internal.attachments(copy.id).len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

#[test]
fn without_only_the_configuration_is_refused_and_says_why() {
    let text = "[server]\nid = \"7f3a\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://bridge\"\n\
                [store]\nurl = \"sqlite:unused.db\"\n\
                [internal]\nname = \"elitery\"\nurl = \"http://elitery\"\nuser = \"bridge\"\npassword = \"x\"\n\
                api_keys = [\"sk_internal\"]\n\
                [external.acme]\nurl = \"http://acme\"\nuser = \"bridge\"\npassword = \"x\"\napi_keys = [\"sk_acme\"]\n";
    let said = Config::parse(text, "test.toml", &|_| None).unwrap_err().to_string();
    for word in ["external.acme", "`only`", "only = \"all\"", "team_id_friendlyname"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let with = text.replace("[external.acme]\n", "[external.acme]\nonly = \"all\"\n");
    Config::parse(&with, "test.toml", &|_| None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_any_bridge_is_never_copied_on() {
    for version in BOTH {
        for mark in ["itop-bridge:7f3a:acme:UserRequest:1", "itop-bridge:0000:other-firm:Incident:99"] {
            let world = Setup::with_external(version).start().await;
            let mut fields = ticket("somebody's copy");
            fields["private_log"] = json!(format!("<p>This ticket is a copy. [{mark}]</p>"));
            let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
            every_hook(&world, id).await;
            nothing_crossed(&world, "a copy").await;
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_in_a_later_entry_does_not_matter() {
    for version in BOTH {
        let world = Setup::with_external(version).start().await;
        world.acme().drop_hooks(true);
        let mut fields = ticket("an original");
        fields["private_log"] = json!("<p>Please look.</p>");
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        let quoted = "<p>See [itop-bridge:7f3a:acme:UserRequest:1]</p>";
        world.acme().add_log_entry(id, "private_log", quoted).await.unwrap();
        world.pass_seconds(301).await;
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] an original");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn tickets_born_inside_never_cross() {
    for version in BOTH {
        let world = Setup::with_external(version).start().await;
        // A linked ticket, so that the bridge has work at all.
        let linked = world.acme().create_ticket("UserRequest", ticket("from outside")).await.unwrap();
        world.settle().await;
        world.clear_calls();
        for class in ["UserRequest", "Incident", "NormalChange"] {
            let id = world.internal.create_ticket(class, ticket("born inside")).await.unwrap();
            world.internal.update(id, json!({ "title": "born inside, changed" })).await.unwrap();
            world.internal.attach(id, "inside.txt", "text/plain", b"ours").await.unwrap();
            world.internal.add_log_entry(id, "private_log", "<p>ours</p>").await.unwrap();
            if !class.ends_with("Change") {
                let to = json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO });
                world.internal.stimulus(id, "ev_assign", to).await.unwrap();
            }
        }
        swept_and_audited(&world).await;
        assert_eq!(world.acme().tickets("Ticket").len(), 1);
        assert_eq!(world.links().await.len(), 1);
        assert_eq!((world.acme().writes(), world.internal.writes()), (0, 0));
        assert_eq!(world.link(linked).await.link.external.id, linked);
        world.one_more_pass_writes_nothing().await;
    }
}
