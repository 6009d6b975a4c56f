//! Attachments cross from the outside in, with renames, changes and deletions; and nothing that the
//! bridge did not make is ever touched.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{Link, Side};
use itop_bridge_engine::RefusedSize;
use itop_bridge_engine::clock::Clock as _;
use itop_bridge_store::{Activity, Instance, LinkState};
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Call, Effect, Fault, FirstIds, HookSender, Limits, NotDelivered, On, Sim, Wire};

each_version![
    a_file_of_the_console_and_one_by_rest_are_copied,
    a_renamed_file_is_renamed,
    a_file_changed_in_place_is_changed,
    a_file_deleted_outside_is_deleted,
    drafts_are_nobodys_files,
    a_copy_that_a_person_deleted_stays_deleted,
    a_copy_deleted_without_a_word_is_learnt_of_once,
    a_persons_file_inside_outlives_the_originals,
    two_files_of_one_name_are_two,
    an_empty_file_is_copied_empty,
    odd_names_arrive,
    a_persons_download_and_a_new_organisation_write_nothing,
    a_large_file_that_changed_is_downloaded_once,
    what_the_target_refuses_for_its_size_becomes_words,
    what_a_proxy_refuses_for_its_size_becomes_words,
    what_a_proxy_refused_is_looked_at_once_it_has_settled,
    what_is_over_the_limit_becomes_words,
    contents_that_are_not_whole_become_words,
    a_deletion_announced_before_it_happens_is_carried_out,
    what_no_hook_told_is_found,
    a_vanished_ticket_takes_no_copy_with_it,
    a_deletion_that_another_action_holds_takes_no_copy_with_it,
    a_deletion_that_is_held_at_each_file_takes_no_copy_with_it,
    a_copy_whose_answer_is_lost_is_made_once,
    a_rewrite_that_lands_late_does_not_stay,
    a_change_of_a_file_whose_copy_is_in_doubt_outlives_a_failed_pass,
    a_copy_that_was_found_late_and_is_deleted_stays_deleted,
    a_late_rewrite_of_a_copy_that_was_found_late_does_not_stay,
    a_copy_that_the_store_forgot_is_known_by_its_mark,
    an_id_inside_that_is_used_again_is_a_persons_file,
];

any_version![
    a_large_file_crosses_a_slow_line_and_delays_nobody,
    many_large_files_delay_no_small_ticket,
    files_share_a_bounded_memory,
    a_file_and_a_description_with_an_image_share_that_memory,
    with_deletes_off_an_audit_minds_a_deleted_original_once,
    a_deletion_is_not_missed_beside_other_work,
    files_of_tickets_that_stay_outside_are_asked_about_once,
    a_vanished_counterpart_is_made_anew_if_an_operator_wants_it,
    an_id_that_is_used_again_halts,
    a_crash_between_intent_and_answer_makes_one_copy,
    many_files_gone_at_once_halt,
    a_side_that_looks_empty_is_not_believed,
    a_side_resumed_although_tickets_are_gone_halts_these_alone,
];

const MIB: usize = 1 << 20;

/// A ticket of acme's with these files, all copied.
async fn ticket_with_files(world: &World, files: &[&str]) -> (u64, Vec<u64>) {
    let ticket = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let mut ids = Vec::new();
    for name in files {
        ids.push(world.acme().attach(ticket, name, "text/plain", name.as_bytes()).await.unwrap());
    }
    world.settle().await;
    assert_eq!(names_inside(world, ticket).await, files);
    (ticket, ids)
}

/// The files of a ticket's counterpart.
async fn inside(world: &World, ticket: u64) -> Vec<Attachment> {
    world.internal.attachments(world.copy_of(ticket).await.id)
}

async fn names_inside(world: &World, ticket: u64) -> Vec<String> {
    inside(world, ticket).await.into_iter().map(|file| file.filename).collect()
}

/// A call of somebody else's program, as an administrator.
pub async fn by_rest(sim: &Sim, json: serde_json::Value) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("auth_user", "admin")
        .append_pair("auth_pwd", "admin")
        .append_pair("json_data", &json.to_string())
        .finish();
    let request = http::Request::post("/webservices/rest.php?version=1.3")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body));
    let Wire::Answer(answer) = sim.handle(request.unwrap()).await else { panic!("no answer") };
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer["code"], 0, "{answer}");
}

pub fn creates_a_file(call: &Call) -> bool {
    call.operation == "core/create" && call.class == "Attachment"
}

pub fn rewrites_a_file(call: &Call) -> bool {
    call.operation == "core/update" && call.class == "Attachment"
}

pub fn reads_contents(call: &Call) -> bool {
    call.operation == "core/get" && call.output_fields.contains("contents")
}

async fn a_file_of_the_console_and_one_by_rest_are_copied(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["console.txt"]).await;
    by_rest(
        world.acme(),
        json!({
            "operation": "core/create", "class": "Attachment", "comment": "a program", "output_fields": "id",
            "fields": {
                "item_class": "UserRequest", "item_id": ticket, "item_org_id": sample::DEMO,
                "contents": { "data": "AAEC", "filename": "rest.bin", "mimetype": "application/octet-stream" },
            },
        }),
    )
    .await;
    world.settle().await;
    let copies = inside(&world, ticket).await;
    let [console, rest] = &copies[..] else { panic!("{copies:?}") };
    assert_eq!(
        (&*console.filename, &*console.mimetype, &*console.data),
        ("console.txt", "text/plain", &b"console.txt"[..])
    );
    assert_eq!(
        (&*rest.filename, &*rest.mimetype, &*rest.data),
        ("rest.bin", "application/octet-stream", &[0, 1, 2][..])
    );
    assert_eq!(console.temp_id, format!("itop-bridge:7f3a:acme:UserRequest:{ticket}:external:file:{}", files[0]));
    let organisation = world.copy_of(ticket).await.field("org_id").to_owned();
    assert_eq!(console.item_org_id.to_string(), organisation);
    world.one_more_pass_writes_nothing().await;
}

async fn a_renamed_file_is_renamed(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let before = inside(&world, ticket).await;
    world.acme().rename_attachment(files[0], "better.txt").await.unwrap();
    world.settle().await;
    let after = inside(&world, ticket).await;
    assert_eq!(after[0], Attachment { filename: "better.txt".into(), ..before[0].clone() });
    assert_eq!(after[1..], before[1..]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_changed_in_place_is_changed(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt"]).await;
    let before = inside(&world, ticket).await;
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.settle().await;
    let after = inside(&world, ticket).await;
    assert_eq!(after, [Attachment { data: Bytes::from_static(b"second"), ..before[0].clone() }]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_deleted_outside_is_deleted(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.acme().delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt"]);
    // The last one too, after a longer wait.
    world.acme().delete_attachment(files[1]).await;
    world.settle().await;
    assert!(inside(&world, ticket).await.is_empty());
    world.one_more_pass_writes_nothing().await;
}

async fn drafts_are_nobodys_files(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    let kept = world.acme().attach_draft(ticket, "kept.txt", "text/plain", b"kept").await.unwrap();
    let cancelled = world.acme().attach_draft(ticket, "cancelled.txt", "text/plain", b"no").await.unwrap();
    world.pass_seconds(700).await;
    assert!(world.internal.all_attachments().is_empty(), "a draft was copied");
    world.acme().delete_attachment(cancelled).await;
    world.acme().save_draft(kept, ticket).await.unwrap();
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["kept.txt"]);
    assert_eq!(world.internal.all_attachments().len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_that_a_person_deleted_stays_deleted(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let unwanted = inside(&world, ticket).await[0].id;
    world.internal.delete_attachment(unwanted).await;
    world.settle().await;
    let original = world.acme().attachment(files[0]).unwrap();
    // Neither a change of the original nor a sweep nor an audit brings it back.
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.pass_seconds(3 * 3600).await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt"]);
    assert_eq!(world.acme().attachment(files[0]).unwrap().filename, original.filename);
    assert!(files.iter().all(|file| world.acme().attachment(*file).is_some()));
    world.acme().delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_deleted_without_a_word_is_learnt_of_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &["a.txt"]).await;
    let copy = inside(&world, ticket).await[0].id;
    world.internal.erase("Attachment", copy);
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert!(world.did(ticket, "deleted by a person").await);
    // The next audits have nothing to ask the ticket's pass about.
    world.clear_calls();
    world.pass_seconds(2 * 3600).await;
    assert_eq!(world.acme().calls_containing("SELECT UserRequest").len(), 0);
    world.one_more_pass_writes_nothing().await;
}

async fn a_persons_file_inside_outlives_the_originals(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let copy = world.copy_of(ticket).await.id;
    let own = world.internal.attach(copy, "a.txt", "text/plain", b"the agent's own").await.unwrap();
    for file in files {
        world.acme().delete_attachment(file).await;
    }
    world.settle().await;
    let left = inside(&world, ticket).await;
    assert_eq!(left.iter().map(|file| file.id).collect::<Vec<_>>(), [own]);
    // It is a file of the agent's, and stands outside as a copy of its own.
    let outside = files_outside(&world, ticket);
    assert_eq!(outside.iter().map(|file| &file.data[..]).collect::<Vec<_>>(), [b"the agent's own"]);
    world.one_more_pass_writes_nothing().await;
}

/// All but the report.
fn files_outside(world: &World, ticket: u64) -> Vec<itop_sim::Attachment> {
    let files = world.acme().attachments(ticket).into_iter();
    files.filter(|file| !file.temp_id.contains(":internal:status:")).collect()
}

async fn two_files_of_one_name_are_two(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["same.txt", "same.txt"]).await;
    world.acme().replace_attachment(files[1], b"the second").await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_eq!(copies.iter().map(|file| &file.data[..]).collect::<Vec<_>>(), [&b"same.txt"[..], b"the second"]);
    world.acme().delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(inside(&world, ticket).await, copies[1..]);
    world.one_more_pass_writes_nothing().await;
}

async fn an_empty_file_is_copied_empty(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    world.acme().attach(ticket, "empty.txt", "text/plain", b"").await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_eq!(copies.iter().map(|file| (&*file.filename, file.data.len())).collect::<Vec<_>>(), [("empty.txt", 0)]);
    world.one_more_pass_writes_nothing().await;
}

async fn odd_names_arrive(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    let expected = attach_with_odd_names(world.acme(), ticket).await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, expected);
    world.one_more_pass_writes_nothing().await;
}

/// Answers what the copies are to be called.
pub async fn attach_with_odd_names(sim: &Sim, ticket: u64) -> Vec<String> {
    let long = format!("{}.pdf", "ä".repeat(251));
    let names = [
        "../../etc/passwd",
        "nul\0inside.txt",
        "🔥 fire \"quoted\".png",
        "",
        "back\\slash and\nline.txt",
        &long,
        "CON",
        "aux.txt",
        "dots at the end...",
        "..",
        "one name",
        "one name",
        "\u{202e}gpj.exe",
        "<img src=x onerror=y>.html",
    ];
    for name in names {
        sim.attach(ticket, name, "text/plain", name.as_bytes()).await.unwrap();
    }
    // Longer than this iTop takes: only a hole in its checks could leave one.
    let too_long = format!("{}.pdf", "🔥".repeat(296));
    let answer = contents_answer(ticket, "eA==", &too_long);
    let file = sim.attach_draft(ticket, "long", "text/plain", b"x").await.unwrap();
    sim.fail_with(move |call| {
        let hit = reads_contents(call) && call.json.contains(&file.to_string());
        hit.then(|| Fault::Page(answer.replace("ID", &file.to_string()), Effect::None))
    });
    sim.save_draft(file, ticket).await.unwrap();
    names.iter().map(|name| (*name).to_owned()).chain([format!("{}.pdf", "🔥".repeat(251))]).collect()
}

/// iTop's answer to a read of an attachment `ID` with these contents.
pub fn contents_answer(ticket: u64, data: &str, name: &str) -> String {
    let contents = json!({ "data": data, "mimetype": "text/plain", "filename": name, "downloads_count": 0 });
    let fields = json!({ "id": "ID", "item_id": ticket.to_string(), "contents": contents });
    json!({ "code": 0, "message": "Found: 1", "objects": {
        "Attachment::ID": { "code": 0, "message": "", "class": "Attachment", "key": "ID", "fields": fields },
    } })
    .to_string()
}

async fn a_persons_download_and_a_new_organisation_write_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.clear_calls();
    world.acme().download_attachment(files[0]).await.unwrap();
    world.settle().await;
    world.acme().change_org(ticket, sample::IT).await.unwrap();
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    world.one_more_pass_writes_nothing().await;
}

/// The words that stand in for a file that was not copied.
fn assert_words(copy: &Attachment, ticket_reference: &str, says: &[&str]) {
    assert_words_of("acme", copy, ticket_reference, says);
}

/// The same of a file of that side's.
pub fn assert_words_of(side: &str, copy: &Attachment, ticket_reference: &str, says: &[&str]) {
    let words = String::from_utf8(copy.data.to_vec()).unwrap();
    assert_eq!(copy.mimetype, "text/plain");
    for part in says.iter().chain(&[ticket_reference, side]) {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
    assert!(!words.contains("http"), "{words}");
}

async fn a_large_file_crosses_a_slow_line_and_delays_nobody(versions: Versions) {
    let setup = Setup { line_bits_per_second: Some(2_000_000), ..Setup::between(versions) };
    let world = setup.start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    world.clear_calls();
    let data = vec![0; 20 * MIB];
    let file = world.acme().attach(ticket, "large.bin", "application/octet-stream", &data).await.unwrap();
    // It takes nearly two minutes each way.
    world.pass_seconds(60).await;
    let started = world.clock.now_ms();
    let other = world.acme().create_ticket("UserRequest", itop_bridge_testkit::world::ticket("Another")).await.unwrap();
    while world.link_of("acme", other).await.is_none_or(|stored| stored.link.internal.is_none()) {
        world.pass_seconds(1).await;
    }
    assert!(world.clock.now_ms() - started <= 5_000, "the other ticket waited");
    while inside(&world, ticket).await.is_empty() {
        assert!(world.queue().await.iter().any(|row| row.of.ticket == ticket && row.leased), "the lease ran out");
        world.pass_seconds(5).await;
    }
    // A person's download meanwhile reads it once more, and no more than that.
    world.acme().download_attachment(file).await.unwrap();
    world.settle().await;
    let reads: Vec<i64> =
        world.acme().calls().iter().filter(|call| reads_contents(call)).map(|call| call.at - started / 1000).collect();
    assert_eq!(reads.len(), 2, "{reads:?}");
    assert_eq!(world.internal.calls().iter().filter(|call| creates_a_file(call)).count(), 1);
    assert_eq!(inside(&world, ticket).await[0].data, data);
    world.one_more_pass_writes_nothing().await;
}

async fn a_large_file_that_changed_is_downloaded_once(versions: Versions) {
    let setup = Setup { line_bits_per_second: Some(2_000_000), ..Setup::between(versions) };
    let world = setup.start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.bin"]).await;
    world.clear_calls();
    let data = vec![1; 10 * MIB];
    world.acme().replace_attachment(files[0], &data).await.unwrap();
    world.settle().await;
    assert_eq!(world.acme().calls().iter().filter(|call| reads_contents(call)).count(), 1);
    assert_eq!(world.internal.calls().iter().filter(|call| rewrites_a_file(call)).count(), 1);
    assert_eq!(inside(&world, ticket).await[0].data, data);
    world.one_more_pass_writes_nothing().await;
}

async fn many_large_files_delay_no_small_ticket(versions: Versions) {
    let setup = Setup { line_bits_per_second: Some(2_000_000), ..Setup::between(versions) };
    let world = setup.start().await;
    let mut tickets = Vec::new();
    for _ in 0..8 {
        tickets.push(ticket_with_files(&world, &[]).await.0);
    }
    let data = vec![0; 5 * MIB];
    for ticket in &tickets {
        world.acme().attach(*ticket, "large.bin", "application/octet-stream", &data).await.unwrap();
        world.pass_seconds(1).await;
    }
    let started = world.clock.now_ms();
    let small = world.acme().create_ticket("UserRequest", itop_bridge_testkit::world::ticket("Small")).await.unwrap();
    while world.link_of("acme", small).await.is_none_or(|stored| stored.link.internal.is_none()) {
        assert!(world.clock.now_ms() - started <= 5_000, "the small ticket waits");
        world.pass_seconds(1).await;
    }
    world.settle().await;
    for ticket in tickets {
        assert_eq!(inside(&world, ticket).await[0].data, data);
    }
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn files_of_a_slow_external_delay_no_file_of_another() {
    let world = Setup::two_externals().start().await;
    for sim in &world.externals {
        for number in 0..8 {
            sim.create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap();
        }
    }
    world.settle().await;
    world.beta().set_latency(Duration::from_secs(25));
    for ticket in 1..=8 {
        world.beta().attach(ticket, "a.txt", "text/plain", b"a").await.unwrap();
    }
    // All of beta's files are asked for by now.
    world.pass_seconds(100).await;
    for ticket in 1..=8 {
        world.acme().attach(ticket, "b.txt", "text/plain", b"b").await.unwrap();
        world.pass_seconds(5).await;
        assert_eq!(names_inside(&world, ticket).await, ["b.txt"], "it waits for beta's files");
    }
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn files_share_a_bounded_memory(versions: Versions) {
    // A copy of a file of 100 MiB takes 400 of the 512 MiB: so one is under way at a time, whatever its size.
    let world = Setup::between(versions).sync("max_attachment_mib = 100").start().await;
    let mut tickets = Vec::new();
    for number in 0..5 {
        tickets.push(world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap());
    }
    world.settle().await;
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for sim in [world.acme(), &world.internal] {
        let log = log.clone();
        sim.fail_with(move |call| {
            if reads_contents(call) || creates_a_file(call) {
                log.lock().unwrap().push(call.operation.clone());
            }
            None
        });
    }
    for ticket in &tickets {
        world.acme().attach(*ticket, "a.txt", "text/plain", b"a").await.unwrap();
    }
    world.settle().await;
    let expected = ["core/get", "core/create"].repeat(5);
    assert_eq!(log.lock().unwrap()[..10], expected, "a second file was read before the first was written");
    for ticket in tickets {
        assert_eq!(names_inside(&world, ticket).await, ["a.txt"]);
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_and_a_description_with_an_image_share_that_memory(versions: Versions) {
    let world = Setup::between(versions).sync("max_attachment_mib = 200").start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt"]).await;
    let image = world.acme().add_inline_image(ticket, "abc123", "image/png", PNG).await.unwrap();
    world.acme().hold_hooks(true);
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.acme().update(ticket, json!({ "description": format!("<p>see {}</p>", image.html) })).await.unwrap();
    world.acme().release_hooks(itop_sim::Release::InOrder).await;
    world.acme().hold_hooks(false);
    world.settle().await;
    assert!(world.copy_of(ticket).await.field("description").contains("data:image/png"));
    assert_eq!(&inside(&world, ticket).await[0].data[..], b"second");
    world.one_more_pass_writes_nothing().await;
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123456789";

async fn what_the_target_refuses_for_its_size_becomes_words(versions: Versions) {
    let limits = [
        Limits { post_max_bytes: 2 * MIB, ..Limits::default() },
        Limits { attachment_max_bytes: Some(MIB), ..Limits::default() },
        Limits { attachment_gone_away_bytes: Some(MIB), ..Limits::default() },
    ];
    for limits in limits {
        let world = Setup::between(versions).start().await;
        let (ticket, files) = ticket_with_files(&world, &["grows.txt"]).await;
        world.internal.set_limits(limits);
        world.acme().attach(ticket, "large.bin", "application/octet-stream", &vec![7; 2 * MIB]).await.unwrap();
        world.settle().await;
        let copies = inside(&world, ticket).await;
        assert_words(&copies[1], "R-000001", &["large.bin", "2097152 bytes"]);
        assert_eq!(world.issues(), [""; 0]);
        let refused = world.store.call(|store| RefusedSize::kept(store, &Instance::Internal)).await.unwrap();
        assert!(refused.is_some_and(|refused| refused.bytes > 2 * MIB as u64), "{refused:?}");
        // A file that grows too large, and comes to itself again.
        world.acme().replace_attachment(files[0], &vec![8; 3 * MIB]).await.unwrap();
        world.settle().await;
        assert_words(&inside(&world, ticket).await[0], "R-000001", &["grows.txt", "3145728 bytes"]);
        world.acme().replace_attachment(files[0], b"small").await.unwrap();
        world.settle().await;
        let copies = inside(&world, ticket).await;
        assert_eq!((&*copies[0].filename, &copies[0].data[..]), ("grows.txt", &b"small"[..]));
        assert_eq!(copies.len(), 2);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_a_proxy_refuses_for_its_size_becomes_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["grows.txt"]).await;
    world.internal.fail_with(|call| (call.bytes_in > MIB).then_some(Fault::Status(413, Effect::None)));
    world.acme().replace_attachment(files[0], &vec![7; MIB]).await.unwrap();
    world.acme().attach(ticket, "large.bin", "application/octet-stream", &vec![7; MIB]).await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_eq!(copies.len(), 2, "{copies:#?}");
    assert_words(&copies[0], "R-000001", &["grows.txt", "1048576 bytes"]);
    assert_words(&copies[1], "R-000001", &["large.bin", "1048576 bytes"]);
    // For `check`.
    let refused = world.store.call(|store| RefusedSize::kept(store, &Instance::Internal)).await.unwrap().unwrap();
    assert!((MIB as u64..2 * MIB as u64).contains(&refused.bytes) && refused.at_ms <= world.now_ms(), "{refused:?}");
    let outside = Instance::External("acme".into());
    assert_eq!(world.store.call(move |store| RefusedSize::kept(store, &outside)).await.unwrap(), None);
    world.one_more_pass_writes_nothing().await;
}

async fn what_a_proxy_refused_is_looked_at_once_it_has_settled(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["grows.txt"]).await;
    world.internal.fail_with(|call| (call.bytes_in > MIB).then_some(Fault::Status(413, Effect::None)));
    world.acme().replace_attachment(files[0], &vec![7; MIB]).await.unwrap();
    world.pass_seconds(5).await;
    assert_words(&inside(&world, ticket).await[0], "R-000001", &["grows.txt", "1048576 bytes"]);
    // The proxy may have passed it on all the same.
    assert_eq!(world.link(ticket).await.link.in_flight.late.len(), 1);
    world.settle().await;
    assert_eq!(world.link(ticket).await.link.in_flight.late, []);
    world.one_more_pass_writes_nothing().await;
}

async fn with_deletes_off_an_audit_minds_a_deleted_original_once(versions: Versions) {
    let world = Setup::between(versions).sync("attachment_deletes = \"never\"").start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    for file in files {
        world.acme().delete_attachment(file).await;
    }
    // The sweeps have had their second look too.
    world.pass_seconds(700).await;
    world.settle().await;
    // Two audits more.
    world.clear_calls();
    world.pass_seconds(2 * 3700).await;
    let passes = world.acme().calls().into_iter().filter(|call| call.class == "UserRequest").count();
    assert_eq!(passes, 0, "the ticket is looked at for nothing");
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_over_the_limit_becomes_words(versions: Versions) {
    let world = Setup::between(versions).sync("max_attachment_mib = 1").start().await;
    let (ticket, _) = ticket_with_files(&world, &["small.txt"]).await;
    world.acme().attach(ticket, "over.bin", "application/octet-stream", &vec![7; MIB + 1]).await.unwrap();
    // So large that its contents, and with them its name, are not even read.
    let file =
        world.acme().attach(ticket, "far over.bin", "application/octet-stream", &vec![7; 8 * MIB]).await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_words(&copies[1], "R-000001", &["over.bin", "1048577 bytes"]);
    assert_words(&copies[2], "R-000001", &["1048576 bytes"]);
    world.acme().download_attachment(file).await.unwrap();
    world.settle().await;
    assert_eq!(inside(&world, ticket).await, copies);
    world.acme().replace_attachment(file, b"small").await.unwrap();
    world.settle().await;
    let small = &inside(&world, ticket).await[2];
    assert_eq!((&*small.filename, &small.data[..]), ("far over.bin", &b"small"[..]));
    world.one_more_pass_writes_nothing().await;
}

async fn contents_that_are_not_whole_become_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    let cut = contents_answer(ticket, "aGVsbG8gZmls*", "cut.txt");
    let file = world.acme().next_ids().attachment;
    let answer = cut.replace("ID", &file.to_string());
    world.acme().fail_with(move |call| reads_contents(call).then(|| Fault::Page(answer.clone(), Effect::None)));
    world.acme().attach(ticket, "cut.txt", "text/plain", b"hello file").await.unwrap();
    world.settle().await;
    assert_words(&inside(&world, ticket).await[0], "R-000001", &["cut.txt", "not whole"]);
    world.one_more_pass_writes_nothing().await;
    // The next look has it whole.
    world.acme().heal();
    world.acme().download_attachment(file).await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_eq!((copies.len(), &*copies[0].filename, &copies[0].data[..]), (1, "cut.txt", &b"hello file"[..]));
    world.one_more_pass_writes_nothing().await;
}

/// The bridge's hook is answered, and then another action of the same save takes its time.
pub struct HeldByAnother {
    pub router: ToRouter,
    pub seconds: u64,
}

#[async_trait]
impl HookSender for HeldByAnother {
    async fn send(&self, request: http::Request<Bytes>) -> Result<u16, NotDelivered> {
        let answer = self.router.send(request).await;
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        answer
    }
}

async fn a_deletion_announced_before_it_happens_is_carried_out(versions: Versions) {
    for seconds in [1, 20] {
        let world = Setup::between(versions).start().await;
        let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
        world.acme().connect_hooks(HeldByAnother { router: ToRouter(world.router()), seconds });
        world.acme().delete_attachment(files[0]).await;
        // Long before a sweep or an audit.
        world.pass_seconds(50).await;
        assert_eq!(names_inside(&world, ticket).await, ["b.txt"], "held for {seconds} s");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_deletion_is_not_missed_beside_other_work(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    // A write that is not answered is looked at again when it has settled: beside the second looks.
    world.internal.fail_next_write(Fault::Hang(Effect::Committed));
    world.acme().update(ticket, json!({ "title": "Printer in flames" })).await.unwrap();
    world.pass_seconds(40).await;
    world.acme().connect_hooks(HeldByAnother { router: ToRouter(world.router()), seconds: 1 });
    world.acme().delete_attachment(files[0]).await;
    world.pass_seconds(60).await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn what_no_hook_told_is_found(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.acme().drop_hooks(true);
    // The sweep finds what was added …
    world.acme().attach(ticket, "c.txt", "text/plain", b"c.txt").await.unwrap();
    world.pass_seconds(310).await;
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt", "c.txt"]);
    // … and the audit what went.
    world.acme().delete_attachment(files[0]).await;
    world.pass_seconds(3700).await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt", "c.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn files_of_tickets_that_stay_outside_are_asked_about_once(versions: Versions) {
    let world = Setup::between(versions).acme("only = { Incident = \"all\" }").start().await;
    let ticket = world.acme().create_ticket("UserRequest", ticket("Stays in the house")).await.unwrap();
    world.acme().attach(ticket, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(700).await;
    world.clear_calls();
    // Long after the ticket itself is out of the sweep's sight.
    world.pass_seconds(2 * 3600).await;
    world.clear_calls();
    world.pass_seconds(3600).await;
    assert_eq!(world.acme().calls_containing("SELECT UserRequest").len(), 0);
    world.one_more_pass_writes_nothing().await;
}

async fn a_vanished_ticket_takes_no_copy_with_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &["a.txt", "b.txt", "c.txt"]).await;
    world.acme().delete_ticket(ticket).await.unwrap();
    world.settle().await;
    assert_halted(&world, ticket, HaltKind::ExternalVanished).await;
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt", "c.txt"]);
    world.one_more_pass_writes_nothing().await;
    // An operator accepts it: the pair is over, and nothing is written.
    world.resume("acme:R-000001", false).await.unwrap();
    world.settle().await;
    let stored = world.link(ticket).await;
    assert_eq!(stored.state, LinkState::Ended);
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt", "c.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_deletion_that_another_action_holds_takes_no_copy_with_it(versions: Versions) {
    for files in [&["a.txt"][..], &["a.txt", "b.txt", "c.txt"]] {
        let world = Setup::between(versions).start().await;
        let (ticket, _) = ticket_with_files(&world, files).await;
        world.acme().hold_deletion(Duration::from_secs(120));
        world.acme().delete_ticket(ticket).await.unwrap();
        world.settle().await;
        assert_halted(&world, ticket, HaltKind::ExternalVanished).await;
        assert_eq!(names_inside(&world, ticket).await, files);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_deletion_that_is_held_at_each_file_takes_no_copy_with_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let files = &["a.txt", "b.txt", "c.txt"];
    let (ticket, _) = ticket_with_files(&world, files).await;
    // Another action of the customer's, after the bridge's, answers late each time.
    world.acme().with_triggers(|triggers| {
        let ours = triggers.iter().find(|trigger| trigger.class == "Attachment" && trigger.on == On::Delete);
        let mut slow = ours.expect("the bridge hears of deletions").clone();
        slow.description = "zz another action".into();
        slow.actions[0].path = SLOW_RECEIVER.into();
        triggers.push(slow);
    });
    world.acme().delete_ticket(ticket).await.unwrap();
    world.settle().await;
    assert_halted(&world, ticket, HaltKind::ExternalVanished).await;
    assert_eq!(names_inside(&world, ticket).await, files);
    world.one_more_pass_writes_nothing().await;
}

async fn assert_halted(world: &World, ticket: u64, kind: HaltKind) {
    let halt = world.link(ticket).await.link.course.halt.expect("the link has halted");
    assert_eq!(halt.kind, kind, "{}", halt.text);
    assert!(world.did(ticket, "halted").await);
}

pub async fn amend(world: &World, ticket: u64, change: impl Fn(&mut Link, &mut LinkState) + Send + 'static) {
    let id = world.link(ticket).await.id;
    let now = world.clock.now_ms();
    let did = Activity::in_words(now, "an operator");
    world.store.call(move |store| store.amend_link(id, &change, &did, now)).await.unwrap();
}

async fn a_vanished_counterpart_is_made_anew_if_an_operator_wants_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let first = world.copy_of(ticket).await.id;
    world.internal.delete_ticket(first).await.unwrap();
    world.acme().update(ticket, json!({ "title": "Still on fire" })).await.unwrap();
    world.settle().await;
    assert_halted(&world, ticket, HaltKind::InternalVanished).await;
    world.one_more_pass_writes_nothing().await;
    world.resume("acme:R-000001", true).await.unwrap();
    world.settle().await;
    let second = world.copy_of(ticket).await;
    assert_ne!(second.id, first);
    assert_eq!(second.field("title"), "[R-000001] Still on fire");
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn an_id_that_is_used_again_halts(versions: Versions) {
    for side in [Side::External, Side::Internal] {
        let world = Setup::between(versions).start().await;
        let (ticket, _) = ticket_with_files(&world, &["a.txt"]).await;
        let copy = world.copy_of(ticket).await.id;
        let (sim, id) = if side == Side::External { (world.acme(), ticket) } else { (&world.internal, copy) };
        // A backup without the ticket was restored, and the id went to another.
        sim.erase("UserRequest", id);
        sim.set_next_ids(FirstIds { ticket: id, ..sim.next_ids() });
        sim.drop_hooks(true);
        let other = itop_bridge_testkit::world::ticket("Another ticket");
        assert_eq!(sim.create_ticket("UserRequest", other).await.unwrap(), id);
        world.pass_seconds(310).await;
        let kind = match side {
            Side::External => HaltKind::ExternalReferenceChanged,
            Side::Internal => HaltKind::InternalReferenceChanged,
        };
        assert_halted(&world, ticket, kind).await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt"]);
        world.one_more_pass_writes_nothing().await;
    }
}

/// Each end of a write that is not its answer.
pub fn lost_answers() -> [Fault; 9] {
    [
        Fault::Cut { after_bytes: 5, effect: Effect::Committed },
        Fault::Cut { after_bytes: 0, effect: Effect::None },
        Fault::Hang(Effect::Committed),
        Fault::Hang(Effect::None),
        Fault::Status(500, Effect::Committed),
        Fault::Status(502, Effect::None),
        Fault::LandLate(Duration::from_secs(40)),
        Fault::LandLate(Duration::from_secs(290)),
        Fault::error("An exception after the write"),
    ]
}

async fn a_copy_whose_answer_is_lost_is_made_once(versions: Versions) {
    for fault in lost_answers() {
        let world = Setup::between(versions).start().await;
        let (ticket, _) = ticket_with_files(&world, &["a.txt"]).await;
        world.internal.fail_when(1, fault.clone(), creates_a_file);
        world.acme().attach(ticket, "b.txt", "text/plain", b"b.txt").await.unwrap();
        world.settle().await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"], "{fault:?}");
        // What lands after it was given up, lands.
        world.pass_seconds(400).await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"], "{fault:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_crash_between_intent_and_answer_makes_one_copy(versions: Versions) {
    let late = [Fault::LandLate(Duration::ZERO), Fault::LandLate(Duration::from_secs(200)), Fault::Hang(Effect::None)];
    for fault in late {
        let mut world = Setup::between(versions).start().await;
        let (ticket, _) = ticket_with_files(&world, &["a.txt"]).await;
        world.internal.fail_when(1, fault.clone(), creates_a_file);
        world.acme().attach(ticket, "b.txt", "text/plain", b"b.txt").await.unwrap();
        while !world.internal.calls().iter().any(|call| creates_a_file(call) && call.json.contains("b.txt")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.crash().await;
        world.boot();
        world.settle().await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"], "{fault:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_rewrite_that_lands_late_does_not_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt"]).await;
    let late = Fault::LandLate(Duration::from_secs(100));
    world.internal.fail_when(1, late, rewrites_a_file);
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.pass_seconds(5).await;
    world.acme().replace_attachment(files[0], b"third").await.unwrap();
    world.pass_seconds(60).await;
    assert_eq!(&inside(&world, ticket).await[0].data[..], b"third");
    world.pass_seconds(45).await;
    assert_eq!(&inside(&world, ticket).await[0].data[..], b"second", "it landed");
    world.settle().await;
    assert_eq!(&inside(&world, ticket).await[0].data[..], b"third");
    world.one_more_pass_writes_nothing().await;
}

/// The hint of the change is used up while the copy is in doubt. The pass that finds the copy reads the original, and
/// fails, or dies, before the file's turn.
async fn a_change_of_a_file_whose_copy_is_in_doubt_outlives_a_failed_pass(versions: Versions) {
    let is_update = |call: &Call| call.operation == "core/update" && call.class == "UserRequest";
    for dies in [false, true] {
        let mut world = Setup::between(versions).start().await;
        let (ticket, _) = ticket_with_a_late_copy(&world).await;
        world.pass_seconds(60).await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt"], "the copy is in doubt");
        world.internal.fail_when(1_000, Fault::Cut { after_bytes: 0, effect: Effect::None }, is_update);
        world.acme().update(ticket, json!({ "title": "of the update before the file's turn" })).await.unwrap();
        let before = world.acme().calls().len();
        while !world.acme().calls()[before..].iter().any(reads_contents) {
            world.pass_seconds(1).await;
        }
        assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"], "the copy has landed");
        if dies {
            world.crash().await;
            world.boot();
        }
        world.internal.heal();
        world.settle().await;
        assert_eq!(names_inside(&world, ticket).await, ["a.txt", "better.txt"], "dies: {dies}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// A ticket with `a.txt`, and `b.txt` whose copy landed long after its call and is called `better.txt` meanwhile.
async fn ticket_with_a_late_copy(world: &World) -> (u64, u64) {
    let (ticket, _) = ticket_with_files(world, &["a.txt"]).await;
    world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(100)), creates_a_file);
    let file = world.acme().attach(ticket, "b.txt", "text/plain", b"b.txt").await.unwrap();
    world.pass_seconds(5).await;
    world.acme().rename_attachment(file, "better.txt").await.unwrap();
    (ticket, file)
}

async fn a_copy_that_was_found_late_and_is_deleted_stays_deleted(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _) = ticket_with_a_late_copy(&world).await;
    world.internal.fail_when(1_000, Fault::Cut { after_bytes: 0, effect: Effect::None }, rewrites_a_file);
    while !world.internal.calls().iter().any(rewrites_a_file) {
        world.pass_seconds(1).await;
    }
    let copy = inside(&world, ticket).await.into_iter().find(|file| file.filename == "b.txt").unwrap();
    world.internal.delete_attachment(copy.id).await;
    world.pass_seconds(400).await;
    world.internal.heal();
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["a.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_late_rewrite_of_a_copy_that_was_found_late_does_not_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, file) = ticket_with_a_late_copy(&world).await;
    world.internal.fail_when(1, Fault::Hang(Effect::Committed), rewrites_a_file);
    while !world.internal.calls().iter().any(rewrites_a_file) {
        world.pass_seconds(1).await;
    }
    world.internal.down(true);
    world.pass_seconds(400).await;
    world.acme().rename_attachment(file, "b.txt").await.unwrap();
    world.pass_seconds(60).await;
    world.internal.heal();
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "better.txt"], "the rewrite without an answer has landed");
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_that_the_store_forgot_is_known_by_its_mark(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    amend(&world, ticket, |link, _| {
        link.files.copies.remove(0);
    })
    .await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["a.txt", "b.txt"]);
    assert!(world.did(ticket, "found the copy").await);
    // What the adopted copy holds is learnt at the next look at the file; then changes cross again.
    world.acme().download_attachment(files[0]).await.unwrap();
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
    world.acme().rename_attachment(files[0], "better.txt").await.unwrap();
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["better.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

/// An internal iTop restored from a backup that lacks the copy: its id goes to a person's file.
async fn an_id_inside_that_is_used_again_is_a_persons_file(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let internal = world.copy_of(ticket).await.id;
    let lost = inside(&world, ticket).await;
    for copy in &lost {
        world.internal.erase("Attachment", copy.id);
    }
    world.internal.set_next_ids(FirstIds { attachment: lost[0].id, ..world.internal.next_ids() });
    for _ in &lost {
        world.internal.attach(internal, "an agent's.txt", "text/plain", b"precious").await.unwrap();
    }
    let precious = inside(&world, ticket).await;
    assert_eq!(precious[0].id, lost[0].id);
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.settle().await;
    world.acme().delete_attachment(files[1]).await;
    world.settle().await;
    assert_eq!(inside(&world, ticket).await, precious);
    world.one_more_pass_writes_nothing().await;
}

async fn many_files_gone_at_once_halt(versions: Versions) {
    let names: Vec<String> = (0..8).map(|number| format!("{number}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // In one moment, and one after the other by somebody who clicks.
    for seconds_between in [0, 2] {
        let world = Setup::between(versions).start().await;
        let (ticket, files) = ticket_with_files(&world, &names).await;
        for file in &files[..5] {
            world.acme().delete_attachment(*file).await;
            world.pass_seconds(seconds_between).await;
        }
        world.settle().await;
        assert_eq!(names_inside(&world, ticket).await, names);
        assert_halted(&world, ticket, HaltKind::FilesGone).await;
        world.one_more_pass_writes_nothing().await;
        world.resume("acme:R-000001", false).await.unwrap();
        world.settle().await;
        assert_eq!(names_inside(&world, ticket).await, names[5..]);
        assert!(!world.link(ticket).await.link.course.resumed, "the next accident halts again");
        world.one_more_pass_writes_nothing().await;
    }
}

/// Twelve linked tickets of acme's.
async fn twelve_tickets(world: &World) -> Vec<u64> {
    let mut tickets = Vec::new();
    for number in 0..12 {
        tickets.push(world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap());
    }
    // The sweeps have had their second look at them too.
    world.pass_seconds(700).await;
    world.settle().await;
    tickets
}

async fn a_side_that_looks_empty_is_not_believed(versions: Versions) {
    for side in [Side::External, Side::Internal] {
        let world = Setup::between(versions).start().await;
        let tickets = twelve_tickets(&world).await;
        let inside: Vec<u64> = world.internal.tickets("UserRequest").iter().map(|ticket| ticket.id).collect();
        let (sim, gone, instance) = match side {
            Side::External => (world.acme(), &tickets[..5], Instance::External("acme".into())),
            Side::Internal => (&world.internal, &inside[..5], Instance::Internal),
        };
        let backup = sim.back_up();
        for id in gone {
            sim.erase("UserRequest", *id);
        }
        world.pass_seconds(3700).await;
        let reason = world.stopped(instance.clone()).await.expect("the side has halted");
        assert!(reason.contains("5 of 12"), "{reason}");
        assert!(world.links().await.iter().all(|stored| stored.link.course.halt.is_none()));
        // Whatever happens meanwhile, nothing is written.
        world.clear_calls();
        let last = *tickets.last().unwrap();
        world.acme().update(last, json!({ "title": "Changed meanwhile" })).await.unwrap();
        world.pass_seconds(4000).await;
        assert_eq!(world.acme().writes() + world.internal.writes(), 0);
        // The right backup is put in place, and an operator resumes.
        for id in gone {
            sim.bring_back(&backup, "UserRequest", *id);
        }
        let name = if side == Side::External { "acme" } else { "elitery" };
        assert!(world.resume(name, false).await.unwrap().contains(&reason));
        world.pass_seconds(8000).await;
        world.settle().await;
        assert_eq!(world.copy_of(last).await.field("title"), format!("[R-{last:06}] Changed meanwhile"));
        assert!(world.links().await.iter().all(|stored| stored.link.course.halt.is_none()));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_side_resumed_although_tickets_are_gone_halts_these_alone(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let tickets = twelve_tickets(&world).await;
    for id in &tickets[..5] {
        world.acme().erase("UserRequest", *id);
    }
    world.pass_seconds(3700).await;
    let acme = Instance::External("acme".into());
    assert!(world.stopped(acme.clone()).await.is_some());
    world.resume("acme", false).await.unwrap();
    world.pass_seconds(2 * 3700).await;
    assert_eq!(world.stopped(acme).await, None);
    for id in &tickets[..5] {
        assert_halted(&world, *id, HaltKind::ExternalVanished).await;
    }
    assert!(world.link(tickets[5]).await.link.course.halt.is_none());
    world.one_more_pass_writes_nothing().await;
}
