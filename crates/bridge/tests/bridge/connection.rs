//! When the connection began, and what is older than it: such a ticket stays where it is until somebody
//! hands it over, and a ticket whose creation was announced is never taken for one.

use itop_bridge_testkit::world::*;
use itop_sim::Release;

any_version![
    a_file_on_an_older_ticket_does_not_carry_it_out,
    what_stood_before_the_connection_is_not_even_read,
    a_restart_carries_out_no_older_ticket,
    an_older_ticket_that_changes_stays_until_backfill,
    an_older_ticket_that_is_handed_over_without_a_hook_is_found_after_a_restart,
    what_hooks_announced_before_the_first_answer_is_not_older_than_the_connection,
    a_create_hook_that_comes_after_the_connection_has_begun_counts,
];

const HANDED_OVER: &str = "only = \"team_id_friendlyname = 'Helpdesk'\"";

const CROSS_WHEN_CHANGED: &str = "only = \"team_id_friendlyname = 'Helpdesk'\"\nsync.older = \"cross_when_changed\"";

/// A sweep and what it leads to.
async fn swept(world: &World) {
    world.pass_seconds(700).await;
    world.settle().await;
}

fn of_helpdesk(title: &str) -> serde_json::Value {
    let mut fields = ticket(title);
    fields["team_id"] = json!(sample::HELPDESK);
    fields
}

/// Tickets with a file each that fit, and that are there before the bridge first starts.
async fn with_older_tickets(versions: Versions, count: usize, lines: &str) -> (World, Vec<u64>) {
    let mut world = Setup::between(versions).acme(lines).start().await;
    world.crash().await;
    let mut old = Vec::new();
    for number in 0..count {
        let id = world.acme().create_ticket("UserRequest", of_helpdesk(&format!("old {number}"))).await.unwrap();
        world.acme().attach(id, "old.txt", "text/plain", b"old").await.unwrap();
        old.push(id);
    }
    world.pass_seconds(600).await;
    world.start_anew().await;
    (world, old)
}

async fn restart(world: &mut World) {
    world.crash().await;
    world.boot();
}

fn nothing_crossed(world: &World, after: &str) {
    let titles: Vec<String> =
        world.internal.tickets("Ticket").iter().map(|ticket| ticket.field("title").to_owned()).collect();
    assert!(titles.is_empty(), "{after}: {titles:?}");
}

async fn a_file_on_an_older_ticket_does_not_carry_it_out(versions: Versions) {
    let (mut world, old) = with_older_tickets(versions, 2, CROSS_WHEN_CHANGED).await;
    let acme = world.acme();
    let file = acme.attach(old[0], "new.txt", "text/plain", b"new").await.unwrap();
    swept(&world).await;
    nothing_crossed(&world, "a new file");
    acme.rename_attachment(file, "newer.txt").await.unwrap();
    acme.download_attachment(file).await.unwrap();
    swept(&world).await;
    nothing_crossed(&world, "a file that changed");
    acme.delete_attachment(file).await;
    acme.drop_hooks(true);
    acme.attach(old[1], "unheard.txt", "text/plain", b"new").await.unwrap();
    swept(&world).await;
    nothing_crossed(&world, "a file that the sweep found");
    restart(&mut world).await;
    swept(&world).await;
    nothing_crossed(&world, "a restart");

    world.acme().drop_hooks(false);
    world.acme().update(old[0], json!({ "impact": "2" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(old[0]).await;
    assert_eq!(world.internal.attachments(copy.id).len(), 1, "handed over, it comes with its file");
    assert_eq!(world.internal.tickets("Ticket").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn what_stood_before_the_connection_is_not_even_read(versions: Versions) {
    let (world, _) = with_older_tickets(versions, 3, CROSS_WHEN_CHANGED).await;
    swept(&world).await;
    let reads: Vec<String> =
        world.acme().calls().iter().filter(|call| call.class == "UserRequest").map(|call| call.json.clone()).collect();
    assert!(reads.is_empty(), "{reads:#?}");
    nothing_crossed(&world, "two sweeps");
    world.one_more_pass_writes_nothing().await;
}

async fn a_restart_carries_out_no_older_ticket(versions: Versions) {
    let (mut world, old) = with_older_tickets(versions, 2, CROSS_WHEN_CHANGED).await;
    // What the sweep looks back over, it meets anew.
    restart(&mut world).await;
    swept(&world).await;
    nothing_crossed(&world, "a restart");
    world.acme().update(old[1], json!({ "impact": "2" })).await.unwrap();
    restart(&mut world).await;
    swept(&world).await;
    assert_eq!(world.copy_of(old[1]).await.field("impact"), "2");
    assert_eq!(world.internal.tickets("Ticket").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

/// Whether hooks tell of the change or the sweep finds it, now or after a restart.
async fn an_older_ticket_that_changes_stays_until_backfill(versions: Versions) {
    let (mut world, old) = with_older_tickets(versions, 3, HANDED_OVER).await;
    world.acme().update(old[0], json!({ "impact": "2" })).await.unwrap();
    world.acme().drop_hooks(true);
    world.acme().update(old[1], json!({ "impact": "2" })).await.unwrap();
    swept(&world).await;
    nothing_crossed(&world, "a change");
    world.acme().drop_hooks(false);
    restart(&mut world).await;
    swept(&world).await;
    world.acme().update(old[2], json!({ "title": "changed" })).await.unwrap();
    swept(&world).await;
    nothing_crossed(&world, "a change after a restart");
    let why = "it is older than the connection, and stays where it is until `itop-bridge backfill` or `itop-bridge links link`";
    for id in &old {
        let plan = world.plan(&format!("acme:{id}")).await.unwrap().1;
        assert!(plan.contains(why), "{plan}");
    }
    world.backfill("--side acme --since 2026-01-01 --yes").await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.tickets("Ticket").len(), 3);
    world.one_more_pass_writes_nothing().await;
}

async fn an_older_ticket_that_is_handed_over_without_a_hook_is_found_after_a_restart(versions: Versions) {
    let (mut world, old) = with_older_tickets(versions, 3, CROSS_WHEN_CHANGED).await;
    world.crash().await;
    world.acme().update(old[1], json!({ "impact": "2" })).await.unwrap();
    world.pass_seconds(60).await;
    world.boot();
    swept(&world).await;
    assert_eq!(world.copy_of(old[1]).await.field("impact"), "2");
    assert_eq!(world.internal.tickets("Ticket").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn what_hooks_announced_before_the_first_answer_is_not_older_than_the_connection(versions: Versions) {
    for restarted in [false, true] {
        let mut world = Setup::between(versions).start().await;
        world.crash().await;
        let old = world.acme().create_ticket("UserRequest", ticket("old")).await.unwrap();
        // The first start cannot reach the customer's iTop, but its hooks come.
        world.acme().down(true);
        world.start_anew().await;
        let heard = world.acme().create_ticket("UserRequest", ticket("heard")).await.unwrap();
        world.acme().drop_hooks(true);
        let unheard = world.acme().create_ticket("Incident", ticket("unheard")).await.unwrap();
        world.acme().drop_hooks(false);
        world.acme().create_ticket("Incident", ticket("heard too")).await.unwrap();
        world.pass_seconds(1800).await;
        if restarted {
            restart(&mut world).await;
            world.pass_seconds(60).await;
        }
        nothing_crossed(&world, "no answer");
        world.acme().down(false);
        swept(&world).await;
        assert_eq!(world.internal.tickets("Ticket").len(), 3);
        assert!(world.link_of("acme", old).await.is_none());
        for (id, title) in [(heard, "[R-000002] heard"), (unheard, "[I-000003] unheard")] {
            assert_eq!(world.copy_of(id).await.field("title"), title);
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_create_hook_that_comes_after_the_connection_has_begun_counts(versions: Versions) {
    for restarted in [false, true] {
        let mut world = Setup::between(versions).start().await;
        world.crash().await;
        world.acme().create_ticket("UserRequest", ticket("old")).await.unwrap();
        world.acme().hold_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("in the same moment")).await.unwrap();
        world.start_anew().await;
        // iTop does not answer the pass, so that the hook waits in the queue.
        world.acme().down(true);
        world.acme().release_hooks(Release::InOrder).await;
        world.pass_seconds(60).await;
        if restarted {
            restart(&mut world).await;
        }
        world.acme().down(false);
        world.acme().hold_hooks(false);
        swept(&world).await;
        assert_eq!(world.copy_of(id).await.field("title"), "[R-000002] in the same moment");
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}
