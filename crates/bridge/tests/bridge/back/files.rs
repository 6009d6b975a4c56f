//! Attachments of the internal ticket cross to the external one, with renames, changes and deletions.

use std::time::Duration;

use bytes::Bytes;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Effect, Fault};

use super::{files_outside, names_outside};
use crate::files::{by_rest, creates_a_file, lost_answers, rewrites_a_file};
use crate::status::go;

each_version![
    a_file_of_the_console_and_one_by_rest_are_copied_outside,
    a_file_renamed_inside_is_renamed_outside,
    a_file_changed_in_place_inside_is_changed_outside,
    a_file_deleted_inside_is_deleted_outside,
    a_customers_file_outlives_the_agents_originals,
    drafts_inside_are_nobodys_files,
    a_copy_that_a_customer_deleted_stays_deleted,
    two_files_of_one_name_are_two_outside,
    an_empty_file_is_copied_empty_outside,
    a_file_of_the_same_name_on_either_side_crosses_both_ways,
    a_file_that_came_from_outside_never_goes_back,
    another_bridges_copies_are_not_copied_on,
    an_agents_download_and_a_new_organisation_write_nothing,
    what_no_hook_told_inside_is_found,
    a_copy_outside_whose_answer_is_lost_is_made_once,
    a_rewrite_that_lands_late_outside_does_not_stay,
    with_deletes_never_the_copy_outside_stays,
    a_vanished_counterpart_takes_no_copy_with_it,
    a_ticket_born_inside_does_not_cross,
];

any_version![a_crash_between_intent_and_answer_makes_one_copy_outside, many_files_gone_inside_at_once_halt];

/// Acme's ticket with these files of an agent's on its counterpart, all copied: both tickets and the files inside.
pub async fn ticket_with_files(world: &World, files: &[&str]) -> (u64, u64, Vec<u64>) {
    let ticket = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(ticket).await.id;
    let mut ids = Vec::new();
    for name in files {
        ids.push(world.internal.attach(copy, name, "text/plain", name.as_bytes()).await.unwrap());
    }
    world.settle().await;
    assert_eq!(names_outside(world, ticket), files);
    (ticket, copy, ids)
}

async fn a_file_of_the_console_and_one_by_rest_are_copied_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, files) = ticket_with_files(&world, &["console.txt"]).await;
    by_rest(
        &world.internal,
        json!({
            "operation": "core/create", "class": "Attachment", "comment": "a program", "output_fields": "id",
            "fields": {
                "item_class": "UserRequest", "item_id": copy, "item_org_id": sample::DEMO,
                "contents": { "data": "AAEC", "filename": "rest.bin", "mimetype": "application/octet-stream" },
            },
        }),
    )
    .await;
    world.settle().await;
    let copies = files_outside(&world, ticket);
    let [console, rest] = &copies[..] else { panic!("{copies:?}") };
    assert_eq!(
        (&*console.filename, &*console.mimetype, &*console.data),
        ("console.txt", "text/plain", &b"console.txt"[..])
    );
    assert_eq!(
        (&*rest.filename, &*rest.mimetype, &*rest.data),
        ("rest.bin", "application/octet-stream", &[0, 1, 2][..])
    );
    assert_eq!(console.temp_id, format!("itop-bridge:7f3a:acme:UserRequest:{ticket}:internal:file:{}", files[0]));
    assert_eq!((&*console.item_class, console.item_org_id), ("UserRequest", sample::DEMO));
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_renamed_inside_is_renamed_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let before = files_outside(&world, ticket);
    world.internal.rename_attachment(files[0], "better.txt").await.unwrap();
    world.settle().await;
    let after = files_outside(&world, ticket);
    assert_eq!(after[0], Attachment { filename: "better.txt".into(), ..before[0].clone() });
    assert_eq!(after[1..], before[1..]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_changed_in_place_inside_is_changed_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt"]).await;
    let before = files_outside(&world, ticket);
    world.internal.replace_attachment(files[0], b"second").await.unwrap();
    world.settle().await;
    let after = files_outside(&world, ticket);
    assert_eq!(after, [Attachment { data: Bytes::from_static(b"second"), ..before[0].clone() }]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_deleted_inside_is_deleted_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.internal.delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["b.txt"]);
    // The last one too, after a longer wait.
    world.internal.delete_attachment(files[1]).await;
    world.settle().await;
    assert!(names_outside(&world, ticket).is_empty());
    world.one_more_pass_writes_nothing().await;
}

async fn a_customers_file_outlives_the_agents_originals(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let own = world.acme().attach(ticket, "a.txt", "text/plain", b"the customer's own").await.unwrap();
    world.settle().await;
    for file in files {
        world.internal.delete_attachment(file).await;
    }
    world.settle().await;
    let left = files_outside(&world, ticket);
    assert_eq!(left.iter().map(|file| file.id).collect::<Vec<_>>(), [own]);
    world.one_more_pass_writes_nothing().await;
}

async fn drafts_inside_are_nobodys_files(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    let kept = world.internal.attach_draft(copy, "kept.txt", "text/plain", b"kept").await.unwrap();
    let cancelled = world.internal.attach_draft(copy, "cancelled.txt", "text/plain", b"no").await.unwrap();
    world.pass_seconds(700).await;
    assert!(files_outside(&world, ticket).is_empty(), "a draft was copied");
    world.internal.delete_attachment(cancelled).await;
    world.internal.save_draft(kept, copy).await.unwrap();
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["kept.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_that_a_customer_deleted_stays_deleted(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let unwanted = files_outside(&world, ticket)[0].id;
    world.acme().delete_attachment(unwanted).await;
    world.settle().await;
    // Neither a change of the original nor a sweep nor an audit brings it back.
    world.internal.replace_attachment(files[0], b"second").await.unwrap();
    world.pass_seconds(3 * 3600).await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["b.txt"]);
    assert!(files.iter().all(|file| world.internal.attachment(*file).is_some()));
    assert!(world.did(ticket, "deleted by a person").await);
    world.internal.delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn two_files_of_one_name_are_two_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["same.txt", "same.txt"]).await;
    world.internal.replace_attachment(files[1], b"the second").await.unwrap();
    world.settle().await;
    let copies = files_outside(&world, ticket);
    assert_eq!(copies.iter().map(|file| &file.data[..]).collect::<Vec<_>>(), [&b"same.txt"[..], b"the second"]);
    world.internal.delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(files_outside(&world, ticket), copies[1..]);
    world.one_more_pass_writes_nothing().await;
}

async fn an_empty_file_is_copied_empty_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    world.internal.attach(copy, "empty.txt", "text/plain", b"").await.unwrap();
    world.settle().await;
    let copies = files_outside(&world, ticket);
    assert_eq!(copies.iter().map(|file| (&*file.filename, file.data.len())).collect::<Vec<_>>(), [("empty.txt", 0)]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_of_the_same_name_on_either_side_crosses_both_ways(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    world.acme().attach(ticket, "photo.png", "image/png", b"the customer's").await.unwrap();
    world.internal.attach(copy, "photo.png", "image/png", b"the agent's").await.unwrap();
    world.settle().await;
    let contents = |files: Vec<Attachment>| {
        let mut contents: Vec<Bytes> = files.into_iter().map(|file| file.data).collect();
        contents.sort();
        contents
    };
    assert_eq!(contents(files_outside(&world, ticket)), [&b"the agent's"[..], b"the customer's"]);
    assert_eq!(contents(world.internal.attachments(copy)), [&b"the agent's"[..], b"the customer's"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_that_came_from_outside_never_goes_back(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    let original = world.acme().attach(ticket, "smoke.txt", "text/plain", b"smoke").await.unwrap();
    world.settle().await;
    // An agent looks at the copy, and even changes it.
    let inside = world.internal.attachments(copy)[0].id;
    world.internal.download_attachment(inside).await.unwrap();
    world.internal.rename_attachment(inside, "smoke seen.txt").await.unwrap();
    world.internal.replace_attachment(inside, b"smoke and fire").await.unwrap();
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    let outside = files_outside(&world, ticket);
    assert_eq!(outside.iter().map(|file| (file.id, &file.data[..])).collect::<Vec<_>>(), [(original, &b"smoke"[..])]);
    assert_eq!(world.internal.attachments(copy).len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn another_bridges_copies_are_not_copied_on(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    for (sim, item) in [(&world.internal, copy), (world.acme(), ticket)] {
        by_rest(
            sim,
            json!({
                "operation": "core/create", "class": "Attachment", "comment": "a bridge", "output_fields": "id",
                "fields": {
                    "item_class": "UserRequest", "item_id": item, "item_org_id": sample::DEMO,
                    "temp_id": "itop-bridge:beef:gamma:UserRequest:77:internal:file:5",
                    "contents": { "data": "AAEC", "filename": "theirs.bin", "mimetype": "application/octet-stream" },
                },
            }),
        )
        .await;
    }
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert_eq!((names_outside(&world, ticket).len(), world.internal.attachments(copy).len()), (1, 1));
    world.one_more_pass_writes_nothing().await;
}

async fn an_agents_download_and_a_new_organisation_write_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (_, copy, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.clear_calls();
    world.internal.download_attachment(files[0]).await.unwrap();
    world.settle().await;
    world.internal.change_org(copy, sample::IT).await.unwrap();
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    world.one_more_pass_writes_nothing().await;
}

async fn what_no_hook_told_inside_is_found(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.internal.drop_hooks(true);
    // The sweep finds what was added …
    world.internal.attach(copy, "c.txt", "text/plain", b"c.txt").await.unwrap();
    world.pass_seconds(310).await;
    assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt", "c.txt"]);
    // … and the audit what went.
    world.internal.delete_attachment(files[0]).await;
    world.pass_seconds(3700).await;
    assert_eq!(names_outside(&world, ticket), ["b.txt", "c.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_outside_whose_answer_is_lost_is_made_once(versions: Versions) {
    for fault in lost_answers() {
        let world = Setup::between(versions).start().await;
        let (ticket, copy, _) = ticket_with_files(&world, &["a.txt"]).await;
        world.acme().fail_when(1, fault.clone(), creates_a_file);
        world.internal.attach(copy, "b.txt", "text/plain", b"b.txt").await.unwrap();
        world.settle().await;
        assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt"], "{fault:?}");
        // What lands after it was given up, lands.
        world.pass_seconds(400).await;
        assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt"], "{fault:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_crash_between_intent_and_answer_makes_one_copy_outside(versions: Versions) {
    let late = [Fault::LandLate(Duration::ZERO), Fault::LandLate(Duration::from_secs(200)), Fault::Hang(Effect::None)];
    for fault in late {
        let mut world = Setup::between(versions).start().await;
        let (ticket, copy, _) = ticket_with_files(&world, &["a.txt"]).await;
        world.acme().fail_when(1, fault.clone(), creates_a_file);
        world.internal.attach(copy, "b.txt", "text/plain", b"b.txt").await.unwrap();
        while !world.acme().calls().iter().any(|call| creates_a_file(call) && call.json.contains("b.txt")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.crash().await;
        world.boot();
        world.settle().await;
        assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt"], "{fault:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_rewrite_that_lands_late_outside_does_not_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt"]).await;
    let late = Fault::LandLate(Duration::from_secs(100));
    world.acme().fail_when(1, late, rewrites_a_file);
    world.internal.replace_attachment(files[0], b"second").await.unwrap();
    world.pass_seconds(5).await;
    world.internal.replace_attachment(files[0], b"third").await.unwrap();
    world.pass_seconds(60).await;
    assert_eq!(&files_outside(&world, ticket)[0].data[..], b"third");
    world.pass_seconds(45).await;
    assert_eq!(&files_outside(&world, ticket)[0].data[..], b"second", "it landed");
    world.settle().await;
    assert_eq!(&files_outside(&world, ticket)[0].data[..], b"third");
    world.one_more_pass_writes_nothing().await;
}

async fn with_deletes_never_the_copy_outside_stays(versions: Versions) {
    let world = Setup::between(versions).sync("attachment_deletes = \"never\"").start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.internal.delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn many_files_gone_inside_at_once_halt(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let names: Vec<String> = (0..9).map(|n| format!("{n}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (ticket, copy, files) = ticket_with_files(&world, &names).await;
    for file in &files[..6] {
        world.internal.erase("Attachment", *file);
    }
    world.pass_seconds(2 * 3600).await;
    let halt = world.link(ticket).await.link.course.halt.expect("it is halted");
    assert_eq!(halt.kind, HaltKind::FilesGone);
    let reference = world.internal.ticket(copy).unwrap().field("ref").to_owned();
    assert!(halt.text.contains(&format!("6 of the 9 attachments of {reference}")), "{}", halt.text);
    assert_eq!(names_outside(&world, ticket), names);
    // An operator wants it so.
    world.resume(&format!("elitery:{reference}"), false).await.unwrap();
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), names[6..]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_vanished_counterpart_takes_no_copy_with_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &["a.txt", "b.txt", "c.txt"]).await;
    world.internal.delete_ticket(copy).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(ticket).await.link.course.halt.expect("it is halted").kind, HaltKind::InternalVanished);
    assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt", "c.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_born_inside_does_not_cross(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let fields =
        json!({ "org_id": sample::DEMO, "caller_id": sample::MONET, "title": "Our own", "description": "<p>own</p>" });
    let own = world.internal.create_ticket("UserRequest", fields).await.unwrap();
    world.internal.attach(own, "own.txt", "text/plain", b"own").await.unwrap();
    world.internal.add_log_entry(own, "private_log", "<p>between us</p>").await.unwrap();
    go(&world.internal, own, &["ev_assign", "ev_pending", "ev_assign", "ev_resolve", "ev_close"]).await;
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert!(world.links().await.is_empty());
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    assert!(world.acme().tickets("Ticket").is_empty() && world.acme().all_attachments().is_empty());
    world.one_more_pass_writes_nothing().await;
}
