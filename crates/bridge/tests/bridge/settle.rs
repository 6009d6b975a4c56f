//! A write may land until `settle_seconds` (300) after its last byte was sent. A call over a slow line
//! takes longer than that, a process may die within it, and a read may take long to come back: in none of
//! these does anything cross twice, or stay wrong.

use std::time::Duration;

use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Sim};

any_version![
    what_was_sent_slowly_settles_from_its_end,
    what_a_dead_process_sent_slowly_settles_from_the_next_start,
    a_read_sent_before_a_copy_settled_proves_nothing,
    what_was_too_large_and_lands_all_the_same_does_not_stay,
];

/// On this line a body of 60 kB takes 400 s: more than the settling. No text is much longer.
const SLOW: u64 = 1_200;

const LONG: usize = 60_000;

async fn slow_world(versions: Versions, bits_per_second: u64) -> World {
    let defaults = "org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\"";
    let setup = Setup { internal_defaults: defaults.into(), ..Setup::between(versions) };
    let world = Setup { line_bits_per_second: Some(bits_per_second), ..setup }.start().await;
    // The first sweep takes its time here too.
    world.pass_seconds(300).await;
    world
}

fn long_text(letter: &str) -> String {
    format!("<p>{}</p>", letter.repeat(LONG))
}

/// Something that a person does outside, and the write inside that follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Ticket,
    File,
    Rewrite,
    Field,
}

const ALL: [What; 4] = [What::Ticket, What::File, What::Rewrite, What::Field];

impl What {
    fn is_written_by(self, call: &Call) -> bool {
        let file = call.class == "Attachment";
        match self {
            What::Ticket => call.operation == "core/create" && !file,
            What::File => call.operation == "core/create" && file,
            What::Rewrite => call.operation == "core/update" && file,
            What::Field => call.operation == "core/update" && !file,
        }
    }

    /// A ticket, and its file where it is to be rewritten.
    async fn before(self, world: &World) -> (u64, u64) {
        let acme = world.acme();
        if self == What::Ticket {
            return (0, 0);
        }
        let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        let file = if self == What::Rewrite { attach(acme, id, b"first").await } else { 0 };
        world.settle().await;
        (id, file)
    }

    async fn done_outside(self, world: &World, (id, file): (u64, u64)) -> u64 {
        let acme = world.acme();
        match self {
            What::Ticket => {
                let fields = json!({ "org_id": sample::DEMO, "title": "long", "description": long_text("a") });
                return acme.create_ticket("UserRequest", fields).await.unwrap();
            }
            What::File => drop(attach(acme, id, &[b'a'; LONG]).await),
            What::Rewrite => acme.replace_attachment(file, &[b'a'; LONG]).await.unwrap(),
            What::Field => acme.update(id, json!({ "description": long_text("a") })).await.unwrap(),
        }
        id
    }

    /// Outside it changes again, while the first write may still land.
    async fn changed_again(self, world: &World, (id, file): (u64, u64)) {
        match self {
            What::Rewrite => world.acme().replace_attachment(file, b"second").await.unwrap(),
            What::Field => world.acme().update(id, json!({ "description": "<p>second</p>" })).await.unwrap(),
            What::Ticket | What::File => {}
        }
    }

    async fn assert_crossed_once(self, world: &World, id: u64) {
        assert_eq!(world.internal.tickets("Ticket").len(), 1, "{self:?}");
        let copy = world.copy_of(id).await;
        let files: Vec<_> = world.internal.attachments(copy.id);
        match self {
            What::Ticket => assert_eq!(copy.field("description").len(), LONG + 7),
            What::File => assert_eq!(files.iter().map(|file| file.data.len()).collect::<Vec<_>>(), [LONG]),
            What::Rewrite => {
                assert_eq!(files.iter().map(|file| file.data.to_vec()).collect::<Vec<_>>(), [b"second".to_vec()]);
            }
            What::Field => assert_eq!(copy.field("description"), "<p>second</p>"),
        }
        assert!(!world.did(id, "was overwritten").await, "{self:?}: {:#?}", world.activity(id).await);
    }
}

async fn attach(sim: &Sim, ticket: u64, data: &[u8]) -> u64 {
    sim.attach(ticket, "a.bin", "application/octet-stream", data).await.unwrap()
}

/// Waits until the simulator has the whole of the write.
async fn sent(world: &World, what: What) {
    for _ in 0..36_000 {
        if world.internal.calls().iter().any(|call| what.is_written_by(call)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what:?} was never written: {:#?}", world.queue().await);
}

async fn what_was_sent_slowly_settles_from_its_end(versions: Versions) {
    for what in ALL {
        let world = slow_world(versions, SLOW).await;
        let before = what.before(&world).await;
        world.clear_calls();
        world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(290)), move |call| what.is_written_by(call));
        let id = what.done_outside(&world, before).await;
        sent(&world, what).await;
        // The client has given it up; it lands all the same.
        world.pass_seconds(60).await;
        what.changed_again(&world, before).await;
        world.pass_seconds(300).await;
        world.settle().await;
        what.assert_crossed_once(&world, id).await;
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_a_dead_process_sent_slowly_settles_from_the_next_start(versions: Versions) {
    for what in ALL {
        let mut world = slow_world(versions, SLOW).await;
        let before = what.before(&world).await;
        world.clear_calls();
        world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(250)), move |call| what.is_written_by(call));
        let id = what.done_outside(&world, before).await;
        sent(&world, what).await;
        world.crash().await;
        world.boot();
        what.changed_again(&world, before).await;
        world.pass_seconds(400).await;
        world.settle().await;
        what.assert_crossed_once(&world, id).await;
        world.one_more_pass_writes_nothing().await;
    }
}

/// The list of files and the ticket are asked for together. The list is short and is there at once; the
/// ticket comes when the copy has landed, after the list, and would have settled.
async fn a_read_sent_before_a_copy_settled_proves_nothing(versions: Versions) {
    let world = slow_world(versions, 3_000).await;
    let fields =
        json!({ "org_id": sample::DEMO, "title": "x", "description": format!("<p>{}</p>", "x".repeat(15_000)) });
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    world.clear_calls();
    world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(310)), |call| What::File.is_written_by(call));
    attach(world.acme(), id, b"a").await;
    sent(&world, What::File).await;
    world.pass_seconds(300).await;
    world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    assert_eq!(world.internal.attachments(copy).len(), 1);
    world.one_more_pass_writes_nothing().await;
}

/// A proxy refused it for its size, and had passed it on for all that; meanwhile the text without the picture stands.
async fn what_was_too_large_and_lands_all_the_same_does_not_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 40_000]].concat();
    let image = world.acme().add_inline_image(id, "5ec2e7", "image/png", &picture).await.unwrap();
    let too_large = Fault::Status(413, Effect::None);
    world.internal.fail_with(move |call| (call.bytes_in > 30_000).then(|| too_large.clone()));
    world.clear_calls();
    let description = format!("<p>before {} after</p>", image.html);
    world.acme().update(id, json!({ "description": description })).await.unwrap();
    world.pass_seconds(30).await;
    let words = "<p>before [picture: see the file \"R-000001 image 1.png\"] after</p>";
    assert_eq!(world.copy_of(id).await.field("description"), words);
    let first = world.internal.calls().into_iter().find(|call| What::Field.is_written_by(call)).unwrap();
    let sent = first.request()["fields"]["description"].as_str().unwrap().to_owned();
    assert!(sent.contains("data:image/png"), "the first was sent with the picture");
    world.pass_seconds(60).await;
    world.internal.overwrite(world.copy_of(id).await.id, "description", &sent);
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("description"), words);
    world.one_more_pass_writes_nothing().await;
}
