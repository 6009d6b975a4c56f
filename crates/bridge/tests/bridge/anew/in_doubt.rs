//! What was sent for a counterpart that is gone lands late: before the new one is made, or where it would be
//! long there. It is the old one's, and nothing crosses twice, is taken for something else, or is lost.

use std::time::Duration;

use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Call, Effect, Fault};

use super::{PNG, kinds};

any_version![
    what_lands_outside_is_the_old_ones,
    what_lands_inside_is_there_once,
    an_old_report_that_lands_late_is_not_what_the_report_says,
    what_a_dead_process_sent_is_the_old_ones_too,
    a_new_counterpart_with_an_old_id_is_found_by_its_mark,
    what_may_still_land_is_told_to_the_operator,
    an_id_that_a_halted_pair_holds_makes_no_second_ticket,
];

const PAIR: &str = "acme:R-000001";

/// After the client has given it up: while the pair is halted, and after the operator's word.
const LANDS_AFTER_S: [u64; 2] = [90, 320];

/// When the operator wants another counterpart.
const RESUMED_AT_S: u64 = 120;

fn lands_after(seconds: u64) -> Fault {
    Fault::LandLate(Duration::from_secs(seconds))
}

/// Makes an attachment with such a mark.
fn makes(mark: &'static str) -> impl Fn(&Call) -> bool + Send + 'static {
    move |call| call.operation == "core/create" && call.class == "Attachment" && call.json.contains(mark)
}

async fn new_ticket(world: &World) -> u64 {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.pass_seconds(10).await;
    id
}

fn inside(world: &World) -> u64 {
    let tickets = world.internal.tickets("UserRequest");
    let [ticket] = &tickets[..] else { panic!("one internal ticket, not {tickets:?}") };
    ticket.id
}

/// A file, a picture and an entry of the inside.
async fn tell(world: &World, file: &str) -> u64 {
    let copy = inside(world);
    let original = world.internal.attach(copy, file, "text/plain", file.as_bytes()).await.unwrap();
    world.pass_seconds(5).await;
    let image = world.internal.add_inline_image(copy, "5ec2e7", "image/png", PNG).await.unwrap();
    let html = format!("<p>we look into it {}</p>", image.html);
    world.internal.add_log_entry(copy, "private_log", &html).await.unwrap();
    original
}

/// The inside is as a backup was: the counterpart and all that hung on it are gone, ids are given out again.
struct Backup(itop_sim::FirstIds);

impl Backup {
    fn of(world: &World) -> Backup {
        Backup(world.internal.next_ids())
    }

    async fn restored(self, world: &World, outside: u64) {
        let now = world.internal.next_ids();
        assert!(world.internal.erase("UserRequest", inside(world)));
        for id in self.0.attachment..now.attachment {
            world.internal.erase("Attachment", id);
        }
        for id in self.0.inline_image..now.inline_image {
            world.internal.erase("InlineImage", id);
        }
        // Its references go on, so that it shows whose the report is.
        world.internal.set_next_ids(itop_sim::FirstIds { reference: now.reference, ..self.0 });
        world.acme().update(outside, json!({ "title": "Still on fire" })).await.unwrap();
        world.pass_seconds(10).await;
        assert_eq!(world.link(outside).await.link.course.halt.expect("halted").kind, HaltKind::InternalVanished);
    }
}

/// Until the operator's word at [`RESUMED_AT_S`], and until the new counterpart stands.
async fn made_anew(world: &World, since_ms: i64) {
    let gone_s = (world.now_ms() - since_ms) as u64 / 1000;
    world.pass_seconds(RESUMED_AT_S.saturating_sub(gone_s)).await;
    world.resume(PAIR, true).await.unwrap();
    world.settle().await;
}

/// All that was sent for the old one has landed.
async fn all_landed(world: &World) {
    world.pass_seconds(400).await;
    world.settle().await;
}

fn of_kind<'f>(files: &'f [Attachment], kind: &str) -> Vec<&'f Attachment> {
    files.iter().filter(|file| kinds(std::slice::from_ref(file)) == [kind]).collect()
}

async fn what_lands_outside_is_the_old_ones(versions: Versions) {
    let all = [":internal:status:", ":internal:file:", ":internal:image:", ":internal:log:"];
    for (mark, lands_s) in all.into_iter().flat_map(|mark| LANDS_AFTER_S.map(|lands_s| (mark, lands_s))) {
        let told = format!("{mark} after {lands_s} s");
        let world = Setup::between(versions).start().await;
        let (backup, since_ms) = (Backup::of(&world), world.now_ms());
        world.acme().fail_when(1, lands_after(lands_s), makes(mark));
        let outside = new_ticket(&world).await;
        let old_original = tell(&world, "old.txt").await;
        world.pass_seconds(50).await;
        backup.restored(&world, outside).await;
        made_anew(&world, since_ms).await;
        let original = tell(&world, "new.txt").await;
        assert_eq!(original, old_original, "ids are given out again");
        world.settle().await;
        all_landed(&world).await;
        let files = world.acme().attachments(outside);
        let [report] = &of_kind(&files, "status")[..] else { panic!("{told}: one report, not {files:?}") };
        let reference = world.copy_of(outside).await.field("ref").to_owned();
        assert!(String::from_utf8_lossy(&report.data).contains(&reference), "{told}: {report:?}");
        let mut names: Vec<&str> = of_kind(&files, "file").iter().map(|file| &*file.filename).collect();
        names.sort_unstable();
        assert_eq!(names, ["new.txt", "old.txt"], "{told}");
        assert_eq!(of_kind(&files, "image").len(), 2, "{told}: {files:?}");
        // The old one's text waited for its picture, and went with its ticket.
        let logs = if mark.contains("image") { 1 } else { 2 };
        assert_eq!(of_kind(&files, "log").len(), logs, "{told}: {files:?}");
        world.one_more_pass_writes_nothing().await;
        // The old one's files follow nobody, and the new one's follow it.
        world.internal.delete_attachment(original).await;
        world.internal.update(inside(&world), json!({ "urgency": "2" })).await.unwrap();
        world.settle().await;
        let left = world.acme().attachments(outside);
        let names: Vec<&str> = of_kind(&left, "file").iter().map(|file| &*file.filename).collect();
        assert_eq!((names, left.len()), (vec!["old.txt"], files.len() - 1), "{told}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_lands_inside_is_there_once(versions: Versions) {
    let title = |call: &Call| call.operation == "core/update" && call.class == "UserRequest";
    for (what, lands_s) in ["file", "log", "title"].into_iter().flat_map(|what| LANDS_AFTER_S.map(|s| (what, s))) {
        let told = format!("{what} after {lands_s} s");
        let world = Setup::between(versions).start().await;
        let (backup, since_ms) = (Backup::of(&world), world.now_ms());
        match what {
            "file" => world.internal.fail_when(1, lands_after(lands_s), makes(":external:file:")),
            "log" => world.internal.fail_when(1, lands_after(lands_s), makes(":external:log:")),
            _ => world.internal.fail_when(1, lands_after(lands_s), title),
        }
        let outside = new_ticket(&world).await;
        let old = inside(&world);
        let original = world.acme().attach(outside, "a.txt", "text/plain", b"a").await.unwrap();
        world.acme().add_log_entry(outside, "private_log", "<p>please hurry</p>").await.unwrap();
        world.acme().update(outside, json!({ "title": "On fire again" })).await.unwrap();
        world.pass_seconds(50).await;
        backup.restored(&world, outside).await;
        made_anew(&world, since_ms).await;
        all_landed(&world).await;
        assert_eq!(inside(&world), old, "ids are given out again");
        let files = world.internal.attachments(old);
        let mut all = kinds(&files);
        all.sort_unstable();
        assert_eq!(all, ["file", "log"], "{told}: {files:?}");
        let copy = world.copy_of(outside).await;
        assert_eq!(copy.field("title"), "[R-000001] Still on fire", "{told}");
        // A first look at a copy that was found learns what it holds.
        world.look_at_everything().await;
        world.one_more_pass_writes_nothing().await;
        // Each is known as what it is.
        world.acme().replace_attachment(original, b"b").await.unwrap();
        world.settle().await;
        let files = world.internal.attachments(old);
        let [file] = &of_kind(&files, "file")[..] else { panic!("{told}: one file, not {files:?}") };
        assert_eq!(&file.data[..], b"b", "{told}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// The report stands and is rewritten in place: an old text may land over the new counterpart's.
async fn an_old_report_that_lands_late_is_not_what_the_report_says(versions: Versions) {
    for lands_s in LANDS_AFTER_S {
        let world = Setup::between(versions).start().await;
        let (backup, since_ms) = (Backup::of(&world), world.now_ms());
        let outside = new_ticket(&world).await;
        let rewrites = |call: &Call| call.operation == "core/update" && call.class == "Attachment";
        world.acme().fail_when(1, lands_after(lands_s), rewrites);
        let fields = json!({ "team_id": sample::HELPDESK, "agent_id": 9 });
        world.internal.stimulus(inside(&world), "ev_assign", fields).await.unwrap();
        world.pass_seconds(50).await;
        backup.restored(&world, outside).await;
        made_anew(&world, since_ms).await;
        all_landed(&world).await;
        let files = world.acme().attachments(outside);
        let [report] = &files[..] else { panic!("one report, not {files:?}") };
        let (text, reference) =
            (String::from_utf8_lossy(&report.data), world.copy_of(outside).await.field("ref").to_owned());
        assert!(report.filename.contains(&format!("{reference} new")), "{}", report.filename);
        assert!(text.contains(&reference) && !text.contains("assigned"), "{text}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_a_dead_process_sent_is_the_old_ones_too(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (backup, since_ms) = (Backup::of(&world), world.now_ms());
    let outside = new_ticket(&world).await;
    world.acme().fail_when(1, lands_after(300), makes(":internal:file:"));
    let copy = inside(&world);
    world.internal.attach(copy, "old.txt", "text/plain", b"old").await.unwrap();
    world.pass_seconds(5).await;
    world.crash().await;
    // Its lease runs out.
    world.boot();
    world.pass_seconds(120).await;
    backup.restored(&world, outside).await;
    made_anew(&world, since_ms).await;
    world.internal.attach(inside(&world), "new.txt", "text/plain", b"new").await.unwrap();
    world.settle().await;
    all_landed(&world).await;
    let files = world.acme().attachments(outside);
    let mut names: Vec<&str> = of_kind(&files, "file").iter().map(|file| &*file.filename).collect();
    names.sort_unstable();
    assert_eq!(names, ["new.txt", "old.txt"]);
    world.one_more_pass_writes_nothing().await;
}

/// The inside gives ids out again that are lower than what the bridge has met there.
async fn a_new_counterpart_with_an_old_id_is_found_by_its_mark(versions: Versions) {
    let creates = |call: &Call| call.operation == "core/create" && call.class == "UserRequest";
    for fault in
        [Fault::Hang(Effect::Committed), Fault::Cut { after_bytes: 9, effect: Effect::Committed }, lands_after(200)]
    {
        let mut world = Setup::between(versions).start().await;
        let (backup, since_ms) = (Backup::of(&world), world.now_ms());
        let outside = new_ticket(&world).await;
        tell(&world, "old.txt").await;
        world.settle().await;
        backup.restored(&world, outside).await;
        world.crash().await;
        world.boot();
        world.pass_seconds(130).await;
        world.internal.fail_when(1, fault, creates);
        made_anew(&world, since_ms).await;
        tell(&world, "new.txt").await;
        world.settle().await;
        all_landed(&world).await;
        inside(&world);
        let files = world.acme().attachments(outside);
        let names: Vec<&str> = of_kind(&files, "file").iter().map(|file| &*file.filename).collect();
        assert_eq!(names, ["old.txt", "new.txt"], "{files:?}");
        assert_eq!((of_kind(&files, "log").len(), of_kind(&files, "status").len()), (2, 1), "{files:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_may_still_land_is_told_to_the_operator(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let backup = Backup::of(&world);
    let outside = new_ticket(&world).await;
    world.acme().fail_when(1, lands_after(290), makes(":internal:file:"));
    world.internal.attach(inside(&world), "old.txt", "text/plain", b"old").await.unwrap();
    world.pass_seconds(40).await;
    backup.restored(&world, outside).await;
    let said = world.resume(PAIR, true).await.unwrap();
    assert!(said.contains("may still land; the new ticket is made after 2026-11-24 11:05:4"), "{said}");
    world.pass_seconds(60).await;
    assert!(world.internal.tickets("UserRequest").is_empty(), "nothing is made before");
    world.settle().await;
    inside(&world);
    assert_eq!(kinds(&world.acme().attachments(outside)), ["status", "file"]);
    world.one_more_pass_writes_nothing().await;
}

async fn an_id_that_a_halted_pair_holds_makes_no_second_ticket(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let backup = world.internal.next_ids();
    let one = new_ticket(&world).await;
    let two = new_ticket(&world).await;
    world.settle().await;
    let now = world.internal.next_ids();
    for ticket in world.internal.tickets("UserRequest") {
        assert!(world.internal.erase("UserRequest", ticket.id));
    }
    for id in backup.attachment..now.attachment {
        world.internal.erase("Attachment", id);
    }
    world.internal.set_next_ids(itop_sim::FirstIds { reference: now.reference, ..backup });
    for id in [one, two] {
        world.acme().update(id, json!({ "title": "Still on fire" })).await.unwrap();
    }
    world.pass_seconds(10).await;
    for id in [one, two] {
        assert!(world.link(id).await.link.course.halt.is_some());
    }
    world.resume("acme:R-000002", true).await.unwrap();
    world.pass_seconds(2000).await;
    let ids: Vec<u64> = world.internal.tickets("UserRequest").iter().map(|ticket| ticket.id).collect();
    assert_eq!(ids, [backup.ticket], "the first new id is the one that the other pair had");
    let stored = world.link(two).await;
    assert_eq!((stored.link.internal.map(|key| key.id), stored.link.course.halt), (Some(backup.ticket), None));
    assert!(world.link(one).await.link.course.halt.is_some(), "the other one still waits for an operator");
    world.one_more_pass_writes_nothing().await;
}
