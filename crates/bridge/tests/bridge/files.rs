//! Attachments cross from the outside in, with renames, changes and deletions; and nothing that the
//! bridge did not make is ever touched.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use itop_bridge::store::{Activity, Instance, LinkState};
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{Link, Side};
use itop_sim::{Attachment, Call, Effect, Fault, FirstIds, HookSender, Limits, NotDelivered, Sim, Version, Wire};

use crate::world::*;

outside_both_versions![
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
async fn by_rest(sim: &Sim, json: serde_json::Value) {
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

fn creates_a_file(call: &Call) -> bool {
    call.operation == "core/create" && call.class == "Attachment"
}

fn rewrites_a_file(call: &Call) -> bool {
    call.operation == "core/update" && call.class == "Attachment"
}

fn reads_contents(call: &Call) -> bool {
    call.operation == "core/get" && call.output_fields.contains("contents")
}

async fn a_file_of_the_console_and_one_by_rest_are_copied(version: Version) {
    let world = Setup::outside(version).start().await;
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
    assert_eq!((&*console.filename, &*console.mimetype, &*console.data), ("console.txt", "text/plain", &b"console.txt"[..]));
    assert_eq!((&*rest.filename, &*rest.mimetype, &*rest.data), ("rest.bin", "application/octet-stream", &[0, 1, 2][..]));
    assert_eq!(console.temp_id, format!("itop-bridge:7f3a:acme:UserRequest:{ticket}:external:file:{}", files[0]));
    let organisation = world.copy_of(ticket).await.field("org_id").to_owned();
    assert_eq!(console.item_org_id.to_string(), organisation);
    world.one_more_pass_writes_nothing().await;
}

async fn a_renamed_file_is_renamed(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let before = inside(&world, ticket).await;
    world.acme().rename_attachment(files[0], "better.txt").await.unwrap();
    world.settle().await;
    let after = inside(&world, ticket).await;
    assert_eq!(after[0], Attachment { filename: "better.txt".into(), ..before[0].clone() });
    assert_eq!(after[1..], before[1..]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_changed_in_place_is_changed(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt"]).await;
    let before = inside(&world, ticket).await;
    world.acme().replace_attachment(files[0], b"second").await.unwrap();
    world.settle().await;
    let after = inside(&world, ticket).await;
    assert_eq!(after, [Attachment { data: Bytes::from_static(b"second"), ..before[0].clone() }]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_deleted_outside_is_deleted(version: Version) {
    let world = Setup::outside(version).start().await;
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

async fn drafts_are_nobodys_files(version: Version) {
    let world = Setup::outside(version).start().await;
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

async fn a_copy_that_a_person_deleted_stays_deleted(version: Version) {
    let world = Setup::outside(version).start().await;
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
    assert_eq!(world.acme().attachments(ticket).len(), 2);
    world.acme().delete_attachment(files[0]).await;
    world.settle().await;
    assert_eq!(names_inside(&world, ticket).await, ["b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_deleted_without_a_word_is_learnt_of_once(version: Version) {
    let world = Setup::outside(version).start().await;
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

async fn a_persons_file_inside_outlives_the_originals(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let copy = world.copy_of(ticket).await.id;
    let own = world.internal.attach(copy, "a.txt", "text/plain", b"the agent's own").await.unwrap();
    for file in files {
        world.acme().delete_attachment(file).await;
    }
    world.settle().await;
    let left = inside(&world, ticket).await;
    assert_eq!(left.iter().map(|file| file.id).collect::<Vec<_>>(), [own]);
    assert!(world.acme().attachments(ticket).is_empty(), "an agent's file does not cross");
    world.one_more_pass_writes_nothing().await;
}

async fn two_files_of_one_name_are_two(version: Version) {
    let world = Setup::outside(version).start().await;
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

async fn an_empty_file_is_copied_empty(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    world.acme().attach(ticket, "empty.txt", "text/plain", b"").await.unwrap();
    world.settle().await;
    let copies = inside(&world, ticket).await;
    assert_eq!(copies.iter().map(|file| (&*file.filename, file.data.len())).collect::<Vec<_>>(), [("empty.txt", 0)]);
    world.one_more_pass_writes_nothing().await;
}

async fn odd_names_arrive(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, _) = ticket_with_files(&world, &[]).await;
    let long = format!("{}.pdf", "ä".repeat(251));
    let names = ["../../etc/passwd", "nul\0inside.txt", "🔥 fire \"quoted\".png", "", "back\\slash and\nline.txt", &long];
    for name in names {
        world.acme().attach(ticket, name, "text/plain", name.as_bytes()).await.unwrap();
    }
    // Longer than this iTop takes: only a hole in its checks could leave one.
    let too_long = format!("{}.pdf", "🔥".repeat(296));
    let answer = contents_answer(ticket, "eA==", &too_long);
    let file = world.acme().attach_draft(ticket, "long", "text/plain", b"x").await.unwrap();
    world.acme().fail_with(move |call| {
        let hit = reads_contents(call) && call.json.contains(&file.to_string());
        hit.then(|| Fault::Page(answer.replace("ID", &file.to_string()), Effect::None))
    });
    world.acme().save_draft(file, ticket).await.unwrap();
    world.settle().await;
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.push(format!("{}.pdf", "🔥".repeat(251)));
    assert_eq!(names_inside(&world, ticket).await, expected);
    world.one_more_pass_writes_nothing().await;
}

/// iTop's answer to a read of an attachment `ID` with these contents.
fn contents_answer(ticket: u64, data: &str, name: &str) -> String {
    let contents = json!({ "data": data, "mimetype": "text/plain", "filename": name, "downloads_count": 0 });
    let fields = json!({ "id": "ID", "item_id": ticket.to_string(), "contents": contents });
    json!({ "code": 0, "message": "Found: 1", "objects": {
        "Attachment::ID": { "code": 0, "message": "", "class": "Attachment", "key": "ID", "fields": fields },
    } })
    .to_string()
}

async fn a_persons_download_and_a_new_organisation_write_nothing(version: Version) {
    let world = Setup::outside(version).start().await;
    let (ticket, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    world.clear_calls();
    world.acme().download_attachment(files[0]).await.unwrap();
    world.settle().await;
    world.acme().change_org(ticket, sample::IT).await.unwrap();
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    world.one_more_pass_writes_nothing().await;
}
