//! Attachments of the internal ticket that are odd: by their name, their size, their contents, or the way in which
//! they come and go. The other way round, `files` has the same stories.

use itop_bridge_core::plan::HaltKind;
use itop_bridge_engine::RefusedSize;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Effect, Fault, FirstIds, Limits, On};

use super::files::ticket_with_files;
use super::{files_outside, names_outside};
use crate::files::{HeldByAnother, amend, assert_words_of, attach_with_odd_names, contents_answer, reads_contents};

each_version![
    odd_names_arrive_outside,
    what_the_outside_refuses_for_its_size_becomes_words,
    what_a_proxy_before_the_outside_refuses_becomes_words,
    what_is_over_the_limit_inside_becomes_words,
    contents_that_are_not_whole_inside_become_words,
    a_deletion_inside_announced_before_it_happens_is_carried_out,
    a_counterparts_deletion_that_is_held_at_each_file_takes_no_copy_with_it,
    a_copy_outside_deleted_without_a_word_is_learnt_of_once,
    a_copy_outside_that_the_store_forgot_is_known_by_its_mark,
    an_id_outside_that_is_used_again_is_a_customers_file,
];

const MIB: usize = 1 << 20;
const BYTES: &str = "application/octet-stream";

/// The words that stand in for a file that was not copied.
fn assert_words(copy: &Attachment, inside: &str, says: &[&str]) {
    assert_words_of("elitery", copy, inside, says);
}

fn reference(world: &World, copy: u64) -> String {
    world.internal.ticket(copy).unwrap().field("ref").to_owned()
}

async fn odd_names_arrive_outside(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    let expected = attach_with_odd_names(&world.internal, copy).await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), expected);
    world.one_more_pass_writes_nothing().await;
}

async fn what_the_outside_refuses_for_its_size_becomes_words(versions: Versions) {
    let limits = [
        Limits { post_max_bytes: 2 * MIB, ..Limits::default() },
        Limits { attachment_max_bytes: Some(MIB), ..Limits::default() },
    ];
    for limits in limits {
        let world = Setup::between(versions).start().await;
        let (ticket, copy, files) = ticket_with_files(&world, &["grows.txt"]).await;
        let inside = reference(&world, copy);
        world.acme().set_limits(limits);
        world.internal.attach(copy, "large.bin", BYTES, &vec![7; 2 * MIB]).await.unwrap();
        world.settle().await;
        assert_words(&files_outside(&world, ticket)[1], &inside, &["large.bin", "2097152 bytes"]);
        // A file that grows too large, and comes to itself again.
        world.internal.replace_attachment(files[0], &vec![8; 3 * MIB]).await.unwrap();
        world.settle().await;
        assert_words(&files_outside(&world, ticket)[0], &inside, &["grows.txt", "3145728 bytes"]);
        world.internal.replace_attachment(files[0], b"small").await.unwrap();
        world.settle().await;
        let copies = files_outside(&world, ticket);
        assert_eq!((&*copies[0].filename, &copies[0].data[..]), ("grows.txt", &b"small"[..]));
        assert_eq!(copies.len(), 2);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_a_proxy_before_the_outside_refuses_becomes_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, files) = ticket_with_files(&world, &["grows.txt"]).await;
    let inside = reference(&world, copy);
    world.acme().fail_with(|call| (call.bytes_in > MIB).then_some(Fault::Status(413, Effect::None)));
    world.internal.replace_attachment(files[0], &vec![7; MIB]).await.unwrap();
    world.internal.attach(copy, "large.bin", BYTES, &vec![7; MIB]).await.unwrap();
    world.settle().await;
    let copies = files_outside(&world, ticket);
    assert_eq!(copies.len(), 2, "{copies:#?}");
    assert_words(&copies[0], &inside, &["grows.txt", "1048576 bytes"]);
    assert_words(&copies[1], &inside, &["large.bin", "1048576 bytes"]);
    // For `check`: it is this side that refuses.
    let kept = |of: Instance| world.store.call(move |store| RefusedSize::kept(store, &of));
    assert!(kept(Instance::External("acme".into())).await.unwrap().is_some());
    assert_eq!(kept(Instance::Internal).await.unwrap(), None);
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_over_the_limit_inside_becomes_words(versions: Versions) {
    let world = Setup::between(versions).sync("max_attachment_mib = 1").start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &["small.txt"]).await;
    let inside = reference(&world, copy);
    world.internal.attach(copy, "over.bin", BYTES, &vec![7; MIB + 1]).await.unwrap();
    // So large that its contents, and with them its name, are not even read.
    let file = world.internal.attach(copy, "far over.bin", BYTES, &vec![7; 8 * MIB]).await.unwrap();
    world.settle().await;
    let copies = files_outside(&world, ticket);
    assert_words(&copies[1], &inside, &["over.bin", "1048577 bytes"]);
    assert_words(&copies[2], &inside, &["1048576 bytes"]);
    world.internal.replace_attachment(file, b"small").await.unwrap();
    world.settle().await;
    let small = &files_outside(&world, ticket)[2];
    assert_eq!((&*small.filename, &small.data[..]), ("far over.bin", &b"small"[..]));
    world.one_more_pass_writes_nothing().await;
}

async fn contents_that_are_not_whole_inside_become_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, copy, _) = ticket_with_files(&world, &[]).await;
    let file = world.internal.next_ids().attachment;
    let answer = contents_answer(copy, "aGVsbG8gZmls*", "cut.txt").replace("ID", &file.to_string());
    world.internal.fail_with(move |call| reads_contents(call).then(|| Fault::Page(answer.clone(), Effect::None)));
    world.internal.attach(copy, "cut.txt", "text/plain", b"hello file").await.unwrap();
    world.settle().await;
    let inside = reference(&world, copy);
    assert_words(&files_outside(&world, ticket)[0], &inside, &["cut.txt", "not whole"]);
    world.one_more_pass_writes_nothing().await;
    // The next look has it whole.
    world.internal.heal();
    world.internal.download_attachment(file).await.unwrap();
    world.settle().await;
    let copies = files_outside(&world, ticket);
    assert_eq!((copies.len(), &*copies[0].filename, &copies[0].data[..]), (1, "cut.txt", &b"hello file"[..]));
    world.one_more_pass_writes_nothing().await;
}

async fn a_deletion_inside_announced_before_it_happens_is_carried_out(versions: Versions) {
    for seconds in [1, 20] {
        let world = Setup::between(versions).start().await;
        let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
        world.internal.connect_hooks(HeldByAnother { router: ToRouter(world.router()), seconds });
        world.internal.delete_attachment(files[0]).await;
        // Long before a sweep or an audit.
        world.pass_seconds(50).await;
        assert_eq!(names_outside(&world, ticket), ["b.txt"], "held for {seconds} s");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_counterparts_deletion_that_is_held_at_each_file_takes_no_copy_with_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let files = ["a.txt", "b.txt", "c.txt"];
    let (ticket, copy, _) = ticket_with_files(&world, &files).await;
    // Another action of the provider's, after the bridge's, answers late each time.
    world.internal.with_triggers(|triggers| {
        let ours = triggers.iter().find(|trigger| trigger.class == "Attachment" && trigger.on == On::Delete);
        let mut slow = ours.expect("the bridge hears of deletions").clone();
        slow.description = "zz another action".into();
        slow.actions[0].path = SLOW_RECEIVER.into();
        triggers.push(slow);
    });
    world.internal.delete_ticket(copy).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(ticket).await.link.course.halt.expect("halted").kind, HaltKind::InternalVanished);
    assert_eq!(names_outside(&world, ticket), files);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_outside_deleted_without_a_word_is_learnt_of_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, _) = ticket_with_files(&world, &["a.txt"]).await;
    let copy = files_outside(&world, ticket)[0].id;
    world.acme().erase("Attachment", copy);
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert!(world.did(ticket, "deleted by a person").await);
    assert!(names_outside(&world, ticket).is_empty());
    // The next audits have nothing to ask the ticket's pass about.
    world.clear_calls();
    world.pass_seconds(2 * 3600).await;
    assert_eq!(world.acme().calls_containing("SELECT UserRequest").len(), 0);
    world.one_more_pass_writes_nothing().await;
}

async fn a_copy_outside_that_the_store_forgot_is_known_by_its_mark(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    amend(&world, ticket, |link, _| {
        link.files.copies.remove(0);
    })
    .await;
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["a.txt", "b.txt"]);
    assert!(world.did(ticket, "found the copy").await);
    // What the adopted copy holds is learnt at the next look at the file; then changes cross again.
    world.internal.download_attachment(files[0]).await.unwrap();
    world.settle().await;
    world.internal.rename_attachment(files[0], "better.txt").await.unwrap();
    world.settle().await;
    assert_eq!(names_outside(&world, ticket), ["better.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

/// A customer's iTop restored from a backup that lacks the copies: their ids go to a customer's files.
async fn an_id_outside_that_is_used_again_is_a_customers_file(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (ticket, _, files) = ticket_with_files(&world, &["a.txt", "b.txt"]).await;
    let lost = files_outside(&world, ticket);
    for copy in &lost {
        world.acme().erase("Attachment", copy.id);
    }
    world.acme().set_next_ids(FirstIds { attachment: lost[0].id, ..world.acme().next_ids() });
    for _ in &lost {
        world.acme().attach(ticket, "a customer's.txt", "text/plain", b"precious").await.unwrap();
    }
    let precious = files_outside(&world, ticket);
    assert_eq!(
        precious.iter().map(|file| file.id).collect::<Vec<_>>(),
        lost.iter().map(|file| file.id).collect::<Vec<_>>()
    );
    world.internal.replace_attachment(files[0], b"second").await.unwrap();
    world.settle().await;
    world.internal.delete_attachment(files[1]).await;
    world.pass_seconds(400).await;
    world.settle().await;
    assert_eq!(files_outside(&world, ticket), precious);
    world.one_more_pass_writes_nothing().await;
}
