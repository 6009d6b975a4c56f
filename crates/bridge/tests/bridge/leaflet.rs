//! The leaflet for agents and callers says what the bridge does: one story makes each file that the bridge names
//! itself, and the leaflet, in both languages, names these files and no other.

use std::collections::BTreeSet;

use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Sim};

use crate::status::{bridged, end, go};

each_version![
    the_leaflet_names_each_file_that_the_bridge_makes_and_no_other,
    the_leaflet_shows_the_report_and_the_marked_entry_as_they_are,
];

const LEAFLETS: [(&str, &str); 2] = [
    ("leaflet.md", include_str!("../../../../docs/guide/leaflet.md")),
    ("leaflet.id.md", include_str!("../../../../docs/guide/leaflet.id.md")),
];

const MIB: usize = 1 << 20;

/// A name or a text without what differs from one ticket to the next.
fn pattern(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        match character.is_ascii_digit() {
            true if pattern.ends_with('0') => {}
            true => pattern.push('0'),
            false => pattern.push(character),
        }
    }
    pattern
}

fn patterns<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(pattern).collect()
}

/// What the leaflet prints as the name of a file.
fn named(leaflet: &str) -> BTreeSet<String> {
    let spans = leaflet.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    patterns(spans.filter(|span| span.ends_with(".txt") || span.ends_with(".png")))
}

/// The files of a ticket that the bridge made.
fn made(sim: &Sim, ticket: u64) -> Vec<Attachment> {
    sim.attachments(ticket).into_iter().filter(|file| file.temp_id.starts_with("itop-bridge:")).collect()
}

fn png(bytes: usize) -> Vec<u8> {
    let mut data = b"\x89PNG\r\n\x1a\n".to_vec();
    data.resize(bytes, 7);
    data
}

async fn the_leaflet_names_each_file_that_the_bridge_makes_and_no_other(versions: Versions) {
    let world = Setup::between(versions).sync("max_attachment_mib = 1").start().await;
    let mut files = Vec::new();

    // All but the notice, on one ticket.
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    for (sim, ticket) in [(world.acme(), id), (&world.internal, copy)] {
        sim.attach(ticket, "photo.jpg", "image/jpeg", b"small").await.unwrap();
        sim.attach(ticket, "scan.pdf", "application/pdf", &vec![7; MIB + 1]).await.unwrap();
        let shown = sim.add_inline_image(ticket, "5ec2e1", "image/png", &png(100)).await.unwrap();
        let lost = sim.add_inline_image(ticket, "5ec2e2", "image/png", &png(100)).await.unwrap();
        let entry = format!("<p>{} and {}</p>", shown.html, lost.html.replace("5ec2e2", "badbad"));
        sim.add_log_entry(ticket, "private_log", &entry).await.unwrap();
    }
    let large = world.acme().add_inline_image(id, "5ec2e3", "image/png", &png(200_000)).await.unwrap();
    let long = format!("<p>{}</p><p>{}</p>", large.html, "one two three ".repeat(6_000));
    // No console takes as much; an import does.
    world.acme().overwrite(id, "description", &long);
    world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
    go(&world.internal, copy, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    files.extend(made(world.acme(), id));
    files.extend(made(&world.internal, copy));

    // The notice, of which the ticket above has none.
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_resolve"]).await;
    go(&world.internal, copy, &["ev_close"]).await;
    world.settle().await;
    go(world.acme(), id, &["ev_reopen"]).await;
    world.settle().await;
    files.extend(made(&world.internal, copy));

    let kinds: BTreeSet<&str> = files.iter().filter_map(|file| file.temp_id.split(':').nth(6)).collect();
    assert_eq!(kinds, BTreeSet::from(["file", "image", "log", "notice", "status", "text"]), "a kind is missing");
    let copied = ["photo.jpg"];
    let names = files.iter().map(|file| file.filename.as_str()).filter(|name| !copied.contains(name));
    let names = patterns(names);
    for (leaflet, text) in LEAFLETS {
        assert_eq!(named(text), names, "{leaflet} names other files than the bridge makes");
    }
    end(world).await;
}

async fn the_leaflet_shows_the_report_and_the_marked_entry_as_they_are(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    go(&world.internal, copy, &["ev_assign"]).await;
    world.settle().await;
    let solution = json!({ "resolution_code": "hardware_repair", "solution": "Lamp replaced",
                           "service_id": sample::SOFTWARE, "servicesubcategory_id": 4 });
    world.internal.stimulus(copy, "ev_resolve", solution).await.unwrap();
    world.settle().await;
    let report = made(world.acme(), id).into_iter().find(|file| file.temp_id.ends_with(":report")).expect("a report");
    let report = String::from_utf8(report.data.to_vec()).expect("a text");
    let inside = world.internal.ticket(copy).unwrap();
    let entry = &inside.log("private_log")[0].html;
    let (entry, _) = entry.split_once("[itop-bridge:").expect("the mark");
    let entry = entry.trim_start_matches("<p>").trim();
    for (leaflet, text) in LEAFLETS {
        let text = pattern(text);
        assert!(
            text.contains(&format!("```text\n{}```", pattern(&report))),
            "{leaflet} shows another report:\n{report}"
        );
        assert!(text.contains(&pattern(entry)), "{leaflet} does not have {entry:?}");
    }
    end(world).await;
}
