//! `links rebuild`: after the loss of the store every pair and every copy is found again by the marks, nothing is
//! written twice, and then changes flow as before.

use itop_bridge::cli::Outcome;
use itop_bridge::cli::links::rebuild::Rebuild;
use itop_bridge_core::link::CopyState;
use itop_bridge_core::{Side, TicketMark};
use itop_bridge_store::{Instance, LinkState, Stored};
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Fault, Sim};

use crate::anew::{self, Lost, lost};
use crate::status::{bridged, go, status};

each_version![
    a_lost_store_is_rebuilt_and_nothing_is_written_again,
    a_lost_store_is_rebuilt_where_the_outside_is_driven,
    without_a_tickets_own_mark_the_files_or_the_report_name_the_pair,
];

any_version![
    after_a_rebuild_a_file_that_changed_in_place_is_rewritten,
    what_differs_is_shown_and_left_until_it_changes_outside,
    what_happened_while_the_store_was_lost_follows,
    beside_a_lost_store_no_verb_denies_the_copies,
    of_two_tickets_with_one_mark_the_lower_is_linked,
    marks_that_fit_no_more_are_left_and_said,
    marks_of_another_bridge_are_no_marks,
    a_dry_run_stores_nothing,
    a_rebuild_beside_a_running_bridge_leaves_what_is_known,
    a_side_that_is_down_stops_the_rebuild_before_anything_is_stored,
    a_rebuild_that_stopped_half_way_goes_on,
    of_two_copies_with_one_mark_the_later_is_the_present_counterparts,
    words_that_an_earlier_counterpart_delivered_count_as_delivered,
    a_bridge_without_its_store_stands_still_until_the_pairs_are_found,
    a_bridge_without_its_store_goes_on_where_an_operator_says_so,
    another_externals_new_pairs_hide_no_lost_ones,
];

fn text_of(file: &Attachment) -> String {
    String::from_utf8(file.data.to_vec()).expect("a text file")
}

/// The names of a ticket's files.
fn names(sim: &Sim, ticket: u64) -> Vec<String> {
    sim.attachments(ticket).into_iter().map(|file| file.filename).collect()
}

fn marked(sim: &Sim, ticket: u64, mark: &str) -> Vec<Attachment> {
    sim.attachments(ticket).into_iter().filter(|file| file.temp_id.contains(mark)).collect()
}

/// Copies by side and original, delivered entries by side, and how many documents.
type Known = (Vec<(Side, u64, CopyState)>, Vec<(Side, usize)>, usize);

/// What must be the same in a link that was found again.
fn known(stored: &Stored) -> Known {
    let link = &stored.link;
    let mut copies: Vec<_> =
        link.files.copies.iter().map(|copy| (copy.from, copy.original, copy.state.clone())).collect();
    copies.sort_by_key(|(from, original, _)| (*from, *original));
    let mut logs: Vec<_> = link.logs.iter().map(|log| (log.from, log.delivered.len())).collect();
    logs.sort();
    (copies, logs, link.files.documents.len())
}

/// A pair with all that crosses: a picture, files and log entries of both sides, a report, and a notice.
async fn story(world: &World) -> (u64, u64) {
    let (acme, inside) = (world.acme(), &world.internal);
    let (id, copy) = bridged(world, "UserRequest", &["ev_assign"]).await;
    let image = acme.add_inline_image(id, "0a1b", "image/png", b"\x89PNG\r\n\x1a\nscreen").await.unwrap();
    let text = format!("<p>Look &amp; see: {}</p>", image.html);
    acme.update(id, json!({ "description": text, "urgency": "2" })).await.unwrap();
    for name in ["a.txt", "b.txt"] {
        acme.attach(id, name, "text/plain", name.as_bytes()).await.unwrap();
        inside.attach(copy, &format!("in {name}"), "text/plain", name.as_bytes()).await.unwrap();
    }
    for n in 0..2 {
        acme.add_log_entry(id, "private_log", &format!("<p>From outside {n}</p>")).await.unwrap();
        inside.add_log_entry(copy, "private_log", &format!("<p>From inside {n}</p>")).await.unwrap();
        world.settle().await;
    }
    let image = inside.add_inline_image(copy, "0c1d", "image/png", b"\x89PNG\r\n\x1a\nshelf").await.unwrap();
    inside.add_log_entry(copy, "private_log", &format!("<p>See {}</p>", image.html)).await.unwrap();
    world.settle().await;
    (id, copy)
}

/// Changes cross again, both ways, and each once.
async fn changes_flow_again(world: &World, id: u64, copy: u64) {
    let (acme, inside) = (world.acme(), &world.internal);
    acme.update(id, json!({ "title": "Printer still on fire" })).await.unwrap();
    acme.attach(id, "c.txt", "text/plain", b"c").await.unwrap();
    inside.attach(copy, "in c.txt", "text/plain", b"c").await.unwrap();
    acme.add_log_entry(id, "private_log", "<p>And again</p>").await.unwrap();
    inside.add_log_entry(copy, "private_log", "<p>On our way</p>").await.unwrap();
    let gone = acme.attachments(id).into_iter().find(|file| file.filename == "a.txt").unwrap().id;
    acme.delete_attachment(gone).await;
    world.settle().await;
    assert!(inside.ticket(copy).unwrap().field("title").contains("Printer still on fire"));
    let (outside, within) = (names(acme, id), names(inside, copy));
    let count = |all: &[String], name: &str| all.iter().filter(|one| *one == name).count();
    for (all, name, times) in [
        (&outside, "a.txt", 0),
        (&outside, "b.txt", 1),
        (&outside, "c.txt", 1),
        (&outside, "in a.txt", 1),
        (&outside, "in c.txt", 1),
        (&within, "a.txt", 0),
        (&within, "b.txt", 1),
        (&within, "c.txt", 1),
        (&within, "in c.txt", 1),
    ] {
        assert_eq!(count(all, name), times, "{name} in {all:?}");
    }
    let last = |files: Vec<Attachment>| files.last().map(text_of).unwrap_or_default();
    let told = last(marked(inside, copy, ":external:log:"));
    assert!(told.contains("And again") && !told.contains("From outside"), "{told}");
    let told = last(marked(acme, id, ":internal:log:"));
    assert!(told.contains("On our way") && !told.contains("From inside"), "{told}");
}

async fn a_lost_store_is_rebuilt_and_nothing_is_written_again(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = story(&world).await;
    // The provider resolves and closes, and the customer re-opens, which only a notice tells inside.
    go(&world.internal, copy, &["ev_resolve", "ev_close"]).await;
    world.settle().await;
    for stimulus in ["ev_resolve", "ev_reopen"] {
        go(world.acme(), id, &[stimulus]).await;
        world.settle().await;
    }
    let before = world.link(id).await;
    assert_eq!(before.link.files.documents.len(), 2);
    let said = world.loses_and_rebuilds().await;
    let line = format!("1     acme:R-{id:06}  elitery:R-{copy:06}  its mark  4");
    assert!(said.contains(&line) && said.contains("pairs found again: 1; known before: 0\n"), "{said}");
    assert!(
        said.contains(&format!("acme: carried up to ticket {id}; tickets up to id {id} are older than the connection")),
        "{said}"
    );
    assert!(!said.contains("the next pass writes"), "{said}");
    assert_eq!(known(&world.link(id).await), known(&before));
    assert_eq!(world.since().await, Some(id.to_string()));
    world.nothing_is_written().await;
    changes_flow_again(&world, id, copy).await;
    // The notice keeps what it said, and the report too, once there is news.
    for stimulus in ["ev_resolve", "ev_reopen"] {
        go(world.acme(), id, &[stimulus]).await;
        world.settle().await;
    }
    let [notice] = &marked(&world.internal, copy, ":notice:")[..] else { panic!("one notice") };
    assert_eq!(text_of(notice).matches("re-opened: assigned").count(), 2, "{}", text_of(notice));
    world.ends_well().await;
}

async fn a_lost_store_is_rebuilt_where_the_outside_is_driven(versions: Versions) {
    let mut world = Setup::between(versions)
        .acme("only = \"all\"\ndefaults = { team = \"Helpdesk\", agent = 9, service = \"Software\" }")
        .sync("status_to_external = \"apply\"\npublic_log_to_internal = \"attachment\"\npublic_log_to_external = \"attachment\"")
        .start()
        .await;
    let (id, copy) = story(&world).await;
    world.internal.add_log_entry(copy, "public_log", "<p>For all to see</p>").await.unwrap();
    go(&world.internal, copy, &["ev_pending"]).await;
    world.settle().await;
    assert_eq!(status(world.acme(), id), "pending");
    let before = world.link(id).await;
    world.loses_and_rebuilds().await;
    let found = world.link(id).await;
    assert_eq!(known(&found), known(&before));
    assert_eq!(found.link.ancestor, before.link.ancestor);
    world.nothing_is_written().await;
    changes_flow_again(&world, id, copy).await;
    go(&world.internal, copy, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    assert_eq!(status(world.acme(), id), "resolved");
    go(world.acme(), id, &["ev_reopen"]).await;
    world.settle().await;
    assert_eq!(status(&world.internal, copy), "assigned");
    world.ends_well().await;
}

async fn after_a_rebuild_a_file_that_changed_in_place_is_rewritten(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = story(&world).await;
    world.loses_and_rebuilds().await;
    world.nothing_is_written().await;
    world.loses_and_rebuilds().await;
    let file = world.acme().attachments(id).into_iter().find(|file| file.filename == "a.txt").unwrap().id;
    let theirs = world.internal.attachments(copy).into_iter().find(|file| file.filename == "in a.txt").unwrap().id;
    world.acme().replace_attachment(file, b"changed").await.unwrap();
    world.internal.rename_attachment(theirs, "in a second.txt").await.unwrap();
    world.settle().await;
    let held = world.internal.attachments(copy).into_iter().find(|file| file.filename == "a.txt").unwrap();
    assert_eq!(&*held.data, b"changed");
    assert!(names(world.acme(), id).contains(&"in a second.txt".to_owned()));
    world.ends_well().await;
}

async fn what_differs_is_shown_and_left_until_it_changes_outside(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.crash().await;
    world.internal.update(copy, json!({ "title": "An agent's words", "urgency": "3" })).await.unwrap();
    go(world.acme(), id, &["ev_resolve"]).await;
    let said = world.loses_and_rebuilds().await;
    for about in ["status", "title", "urgency"] {
        assert!(said.contains(&format!("acme:R-{id:06}: left as it is: {about}: ")), "{said}");
    }
    world.nothing_is_written().await;
    let about = |stored: Stored| stored.link.open.conflicts.into_iter().map(|one| one.about).collect::<Vec<_>>();
    assert_eq!(about(world.link(id).await), ["status", "title", "urgency"]);
    world.acme().update(id, json!({ "title": "The customer's words" })).await.unwrap();
    go(world.acme(), id, &["ev_close"]).await;
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap();
    assert_eq!((inside.field("title"), inside.status()), (&*format!("[R-{id:06}] The customer's words"), "closed"));
    assert_eq!(inside.field("urgency"), "3", "nobody changed it outside");
    assert_eq!(about(world.link(id).await), ["urgency"]);
    world.ends_well().await;
}

/// Before `serve` has halted over it, and after.
async fn beside_a_lost_store_no_verb_denies_the_copies(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    for title in ["Printer", "Network"] {
        world.acme().create_ticket("UserRequest", ticket(title)).await.unwrap();
    }
    world.settle().await;
    world.lose_the_store().await;
    let lost = "2 tickets are marked in elitery as this bridge's copies (the first, of id 1001, as acme:R-000001's), and \
                the store knows no pair: was it lost? `itop-bridge links rebuild` finds them again";
    for has_halted in [false, true] {
        for way in ["--dry-run", "--yes", "--yes --match title"] {
            let refused = world.backfill(&format!("--side acme --since 2026-01-01 {way}")).await.unwrap_err();
            assert_eq!(refused, format!("nothing was marked: {lost}"));
        }
        assert_eq!(world.queue().await, []);
        if has_halted {
            let stopped = world.store.call(|store| store.stopped(&Instance::External("acme".into()))).await.unwrap();
            assert_eq!(stopped.map(|stop| stop.to_string()).as_deref(), Some(lost), "one reason in every place");
            let (outcome, said) = world.plan("acme:1").await.unwrap();
            assert_eq!(outcome, Outcome::FaultFound);
            assert_eq!(
                said,
                format!(
                    "acme:R-000001: the store does not know whether it has a ticket in elitery\n\nacme is halted: \
                     {lost}; without them it goes on by `itop-bridge resume acme`.\n\nA pass writes nothing until then.\n"
                )
            );
        }
        world.boot();
        world.pass_seconds(600).await;
    }
    world.crash().await;
    world.rebuild(false).await.unwrap();
    world.boot();
    let (_, said) = world.backfill("--side acme --since 2026-01-01 --dry-run").await.unwrap();
    assert!(said.contains("left as they are, since they have a pair: 2 tickets"), "{said}");
    world.settle().await;
    assert_eq!(world.internal.tickets("Ticket").len(), 2);
    world.ends_well().await;
}

async fn what_happened_while_the_store_was_lost_follows(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = story(&world).await;
    world.crash().await;
    world.acme().attach(id, "late.txt", "text/plain", b"late").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>Meanwhile</p>").await.unwrap();
    go(&world.internal, copy, &["ev_pending"]).await;
    let newer = world.acme().create_ticket("UserRequest", ticket("A newer one")).await.unwrap();
    let said = world.loses_and_rebuilds().await;
    for due in [
        "a file was added in the external iTop",
        "the private log has new entries in the external iTop",
        "the internal status is reported on the external ticket",
    ] {
        assert!(said.contains(&format!("acme:R-{id:06}: the next pass writes, since {due}\n")), "{due} in {said}");
    }
    assert!(said.contains("newer tickets, which passes look at next: 1\n"), "{said}");
    world.settle().await;
    assert_eq!(names(&world.internal, copy).iter().filter(|name| *name == "late.txt").count(), 1);
    let [.., last] = &marked(&world.internal, copy, ":external:log:")[..] else { panic!("a log file") };
    assert!(text_of(last).contains("Meanwhile") && !text_of(last).contains("From outside"), "{}", text_of(last));
    let [report] = &marked(world.acme(), id, ":status:")[..] else { panic!("one report") };
    let lines: Vec<String> = text_of(report).lines().map(str::to_owned).collect();
    let begins = |at: usize, word: &str| lines.get(at).is_some_and(|line| line.starts_with(word));
    assert!(
        begins(2, "pending") && begins(3, "  a spare part") && begins(4, "assigned") && begins(5, "new"),
        "{lines:#?}"
    );
    assert_eq!(world.link(newer).await.state, LinkState::Live);
    assert_eq!(world.internal.tickets("UserRequest").len(), 2);
    world.ends_well().await;
}

async fn without_a_tickets_own_mark_the_files_or_the_report_name_the_pair(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (first, inside) = bridged(&world, "UserRequest", &[]).await;
    world.acme().attach(first, "a.txt", "text/plain", b"a").await.unwrap();
    let (second, other) = bridged(&world, "Incident", &[]).await;
    world.settle().await;
    for copy in [inside, other] {
        assert_eq!(world.internal.lose_log_entries(copy, "private_log", "itop-bridge:"), 1);
    }
    let said = world.loses_and_rebuilds().await;
    for (id, copy, by) in [(first, inside, "its files' marks"), (second, other, "the report of the status")] {
        let line = said.lines().find(|line| line.contains(&format!(":R-{id:06} "))).unwrap_or_default();
        let is_said = (line.contains(&format!("elitery:R-{copy:06}"))
            || line.contains(&format!("elitery:I-{copy:06}")))
            && line.contains(by);
        let reference = world.acme().ticket(id).unwrap().field("ref").to_owned();
        assert!(is_said || said.contains(&reference), "{by} in {said}");
        assert_eq!(world.link(id).await.link.internal.unwrap().id, copy);
    }
    world.nothing_is_written().await;
}

async fn of_two_tickets_with_one_mark_the_lower_is_linked(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let twin = inside_with_mark(&world, &mark("7f3a", id), id).await;
    world.lose_the_store().await;
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    let line = format!(
        "left alone: ticket {twin} of elitery, the copy of UserRequest {id} of acme: ticket {copy} carries the same mark and is its counterpart; close this one\n"
    );
    assert!(said.contains(&line), "{said}");
    assert_eq!(world.link(id).await.link.internal.unwrap().id, copy);
    // And so it is said each time.
    let (_, again) = world.rebuild(false).await.unwrap();
    assert!(again.contains(&line) && again.contains("pairs found again: 0; known before: 1\n"), "{again}");
    world.boot();
    world.ends_well().await;
}

fn mark(server: &str, ticket: u64) -> TicketMark {
    TicketMark { server: server.into(), external: "acme".into(), class: "UserRequest".into(), ticket }
}

/// An internal ticket whose log begins with a mark.
async fn inside_with_mark(world: &World, mark: &TicketMark, of: u64) -> u64 {
    let mut fields = ticket("A copy");
    fields["private_log"] = json!(mark.entry(&format!("R-{of:06}")));
    world.internal.create_ticket("UserRequest", fields).await.unwrap()
}

async fn marks_that_fit_no_more_are_left_and_said(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (gone, _) = bridged(&world, "UserRequest", &[]).await;
    let (cloned, _) = bridged(&world, "UserRequest", &[]).await;
    world.crash().await;
    world.acme().delete_ticket(gone).await.unwrap();
    world.acme().overwrite(cloned, "ref", "R-000099");
    inside_with_mark(&world, &TicketMark { external: "former".into(), ..mark("7f3a", 5) }, 5).await;
    inside_with_mark(&world, &TicketMark { class: "Change".into(), ..mark("7f3a", 6) }, 6).await;
    world.lose_the_store().await;
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    for why in [
        &format!("ticket {gone} of acme is gone, or of another class\n"),
        &format!(
            "it is the copy of R-{cloned:06}, and ticket {cloned} of acme is R-000099: was that iTop restored or cloned?"
        ),
        "its mark names former, which the configuration does not have; where that customer is called otherwise now, \
         write `name_in_marks = \"former\"` in its section\n",
        "the class Change of acme is not bridged\n",
    ] {
        assert!(said.contains(why), "{why} in {said}");
    }
    assert!(world.links().await.is_empty());
    world.clear_calls();
    world.boot();
    world.pass_seconds(3 * 3600).await;
    assert!(world.writes().is_empty(), "{:#?}", world.writes());
    world.ends_without_one_more_pass("acme stands still, since its marks stand and the store knows no pair");
}

async fn marks_of_another_bridge_are_no_marks(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Of nobody")).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    let other = inside_with_mark(&world, &mark("beef", id), id).await;
    assert!(other > copy);
    let said = world.loses_and_rebuilds().await;
    assert!(said.contains("pairs found again: 1; known before: 0\n"), "{said}");
    assert_eq!(world.link(id).await.link.internal.unwrap().id, copy);
    world.nothing_is_written().await;
}

async fn a_dry_run_stores_nothing(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = story(&world).await;
    world.lose_the_store().await;
    let (outcome, said) = world.rebuild(true).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert_eq!(
        said,
        format!(
            " LINK  EXTERNAL       INTERNAL          FOUND BY  FILES\n -     acme:R-{id:06}  elitery:R-{copy:06}  its mark  4\n\n\
             pairs found again: 1; known before: 0\nacme: carried up to ticket {id}; tickets up to id {id} \
             are older than the connection, unless a webhook announced them, and stay where they are until `itop-bridge backfill`\nNothing was stored: this was a dry run.\n"
        )
    );
    assert!(world.links().await.is_empty() && world.queue().await.is_empty());
    assert_eq!(world.since().await, None);
    let (_, said) = world.rebuild_as(Rebuild { dry_run: true, json: true }).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["pairs"][0]["external"], format!("acme:R-{id:06}"));
    assert_eq!((&said["known"], &said["since"]["acme"]), (&json!(0), &json!(id)));
    world.rebuild(false).await.unwrap();
    world.clear_calls();
    world.boot();
    world.nothing_is_written().await;
}

async fn a_rebuild_beside_a_running_bridge_leaves_what_is_known(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, _) = story(&world).await;
    let (before, since) = (world.link(id).await.link, world.since().await);
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert!(said.contains("pairs found again: 0; known before: 1\n"), "{said}");
    assert_eq!((world.link(id).await.link, world.since().await), (before, since));
    world.ends_well().await;
}

async fn a_side_that_is_down_stops_the_rebuild_before_anything_is_stored(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    story(&world).await;
    for down in [world.acme().clone(), world.internal.clone()] {
        world.lose_the_store().await;
        down.fail_with(|_| Some(Fault::Refuse));
        let refused = world.rebuild(false).await.unwrap_err();
        let name = if down.base_url().contains("acme") { "acme" } else { "elitery" };
        assert!(
            refused.starts_with(&format!(
                "the search stopped; the stored pairs are complete, and the next run goes on: {name}: "
            )),
            "{refused}"
        );
        assert!(world.links().await.is_empty() && world.queue().await.is_empty());
        down.heal();
    }
    world.loses_and_rebuilds().await;
    world.nothing_is_written().await;
}

async fn a_rebuild_that_stopped_half_way_goes_on(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    story(&world).await;
    bridged(&world, "Incident", &[]).await;
    world.lose_the_store().await;
    // The second class's tickets cannot be read.
    world.acme().fail_with(|call| call.json.contains("SELECT UserRequest").then_some(Fault::Refuse));
    world.rebuild(false).await.unwrap_err();
    assert_eq!(world.links().await.len(), 1);
    world.acme().heal();
    let (_, said) = world.rebuild(false).await.unwrap();
    assert!(said.contains("pairs found again: 1; known before: 1\n"), "{said}");
    world.clear_calls();
    world.boot();
    world.nothing_is_written().await;
}

/// A pair whose counterpart was made anew, with ids that were given out before: what the old one left outside is
/// known to the lost store alone.
async fn made_anew(versions: Versions) -> Lost {
    let lost = lost(versions).await;
    lost.world.resume("acme:R-000001", true).await.unwrap();
    lost.world.settle().await;
    lost
}

async fn of_two_copies_with_one_mark_the_later_is_the_present_counterparts(versions: Versions) {
    let Lost { mut world, outside, old_original, .. } = made_anew(versions).await;
    let (original, _) = anew::tell(&world, outside, "new.txt").await;
    assert_eq!(original, old_original, "ids are given out again");
    let before = world.acme().attachments(outside);
    world.loses_and_rebuilds().await;
    world.nothing_is_written().await;
    world.internal.replace_attachment(original, b"changed").await.unwrap();
    world.settle().await;
    let after = world.acme().attachments(outside);
    let changed: Vec<&Attachment> = after.iter().filter(|file| !before.contains(file)).collect();
    let [file] = &changed[..] else { panic!("one file was rewritten, not {changed:?}") };
    assert_eq!((&*file.filename, text_of(file)), ("new.txt", "changed".to_owned()));
    world.one_more_pass_writes_nothing().await;
}

async fn words_that_an_earlier_counterpart_delivered_count_as_delivered(versions: Versions) {
    let Lost { mut world, outside, old, .. } = made_anew(versions).await;
    let inside = world.copy_of(outside).await.id;
    world.lose_the_store().await;
    let text = old.iter().find(|file| file.temp_id.contains(":log:")).map(text_of).unwrap();
    assert!(text.contains("we look into it [image 301]"), "{text}");
    let image = world.internal.add_inline_image(inside, "5ec2e7", "image/png", b"\x89PNG\r\n\x1a\n").await.unwrap();
    for words in [&*format!("<p>we look into it {}</p>", image.html), "<p>we are there</p>"] {
        world.internal.add_log_entry(inside, "private_log", words).await.unwrap();
    }
    world.rebuild(false).await.unwrap();
    world.boot();
    world.settle().await;
    let logs = marked(world.acme(), outside, ":internal:log:");
    let [_, new] = &logs[..] else { panic!("one new file, not {logs:?}") };
    assert!(text_of(new).contains("we are there") && !text_of(new).contains("we look into it"), "{}", text_of(new));
    world.ends_well().await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_pairs_take_few_calls() {
    let mut world = Setup::between(PAIRS[1]).start().await;
    const ALL: u64 = 450;
    world.crash().await;
    for n in 1..=ALL {
        let id = world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {n}"))).await.unwrap();
        inside_with_mark(&world, &mark("7f3a", id), id).await;
        world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    }
    world.lose_the_store().await;
    world.clear_calls();
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert!(said.contains(&format!("pairs found again: {ALL}; known before: 0\n")), "{}", said.lines().last().unwrap());
    // Of each side's tickets and files first the highest id is found, in a few calls for any number; the rest is
    // read in pages of 200.
    let (inside, outside) = (world.internal.calls().len(), world.acme().calls().len());
    assert!(inside <= 20 && outside <= 80, "{inside} calls inside, {outside} outside");
    world.ends_without_one_more_pass("it would be of 450 pairs, and those of a few are told above");
}

/// Whoever started with an empty store, and connected old tickets once more, would make each a second time.
async fn a_bridge_without_its_store_stands_still_until_the_pairs_are_found(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (outside, inside) = bridged(&world, "UserRequest", &[]).await;
    world.start_anew().await;
    let reason = world.stopped(Instance::External("acme".into())).await.expect("it stands still");
    assert!(reason.starts_with(&format!("1 ticket is marked in elitery as this bridge's copies (the first, of id {inside}, as acme:R-{outside:06}'s)")), "{reason}");
    world.acme().update(outside, serde_json::json!({"title": "Changed meanwhile"})).await.unwrap();
    world.pass_seconds(600).await;
    assert_eq!(world.writes(), Vec::<String>::new());
    let (_, said) = world.rebuild(false).await.unwrap();
    assert!(said.contains("pairs found again: 1"), "{said}");
    assert_eq!(world.stopped(Instance::External("acme".into())).await, None);
    world.acme().update(outside, serde_json::json!({"title": "Changed after"})).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(outside).await.field("title"), format!("[R-{outside:06}] Changed after"));
    assert_eq!(world.internal.tickets("Ticket").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn a_bridge_without_its_store_goes_on_where_an_operator_says_so(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    bridged(&world, "UserRequest", &[]).await;
    world.start_anew().await;
    world.resume("acme", false).await.unwrap();
    let new = world.acme().create_ticket("UserRequest", ticket("New")).await.unwrap();
    world.settle().await;
    world.copy_of(new).await;
    // Nor does the next process ask once more.
    world.crash().await;
    world.boot();
    world.pass_seconds(300).await;
    assert_eq!(world.stopped(Instance::External("acme".into())).await, None);
    assert_eq!(world.internal.tickets("Ticket").len(), 2);
    world.one_more_pass_writes_nothing().await;
}

/// One external is away when the bridge starts without its store, and another makes pairs meanwhile.
async fn another_externals_new_pairs_hide_no_lost_ones(versions: Versions) {
    let mut setup = Setup::between(versions);
    setup.externals.push(versions.external);
    setup.beta = "only = \"all\"".to_owned();
    let mut world = setup.start().await;
    world.beta().create_ticket("UserRequest", ticket("Old")).await.unwrap();
    world.settle().await;
    world.beta().down(true);
    world.start_anew().await;
    world.acme().create_ticket("UserRequest", ticket("New")).await.unwrap();
    world.pass_seconds(300).await;
    assert_eq!(world.internal.tickets("Ticket").len(), 2, "acme goes on");
    world.crash().await;
    world.beta().down(false);
    world.boot();
    world.pass_seconds(300).await;
    let reason = world.stopped(Instance::External("beta".into())).await.expect("beta stands still");
    assert!(reason.contains("1 ticket is marked in elitery as this bridge's copies"), "{reason}");
    assert_eq!(world.stopped(Instance::External("acme".into())).await, None);
    let (_, said) = world.rebuild(false).await.unwrap();
    assert!(said.contains("pairs found again: 1; known before: 1"), "{said}");
    world.settle().await;
    assert_eq!(world.internal.tickets("Ticket").len(), 2);
    world.one_more_pass_writes_nothing().await;
}
