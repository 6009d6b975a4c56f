//! `links import`: the pairs of the original program are adopted as they stand, and nothing is written.

use std::path::PathBuf;

use itop_bridge::cli::Outcome;
use itop_bridge::cli::links::import::Import;
use itop_bridge_testkit::world::*;
use itop_sim::{Fault, Sim};

use crate::status::go;

any_version![
    the_original_programs_pairs_are_adopted_and_nothing_is_written,
    one_wrong_line_adopts_none_and_says_all_that_is_wrong,
    lines_that_are_no_pair_are_skipped_where_that_is_wanted,
    an_import_is_run_again_and_a_dry_run_stores_nothing,
    a_pair_that_was_unlinked_stays_so,
    with_several_externals_the_file_s_is_named,
];

const HOUR: u64 = 3600;
const NAMES: &str = "id,external_ticket_id,elitery_ticket_id,ticket_class,is_stop_sync\n";

/// The verb, for a table with these lines.
fn of(name: &str, versions: Versions, lines: &str) -> Import {
    let name =
        format!("itop-bridge-import-{}-{name}-{:?}-{:?}.csv", std::process::id(), versions.external, versions.internal);
    let file: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&file, format!("{NAMES}{lines}")).expect("a file");
    Import { file, external: None, skip: false, dry_run: false, json: false }
}

fn names(sim: &Sim, ticket: u64) -> Vec<String> {
    let mut names: Vec<String> = sim.attachments(ticket).into_iter().map(|file| file.filename).collect();
    names.sort();
    names
}

/// A world in which nothing is carried by itself.
fn setup(versions: Versions) -> Setup {
    Setup::between(versions).acme("only = \"title LIKE 'Carried%'\"")
}

/// A pair as the original program left it: the same words, the same files, both logs the same.
async fn old_pair(world: &World, class: &str) -> (u64, u64) {
    let mut ids = Vec::new();
    for sim in [world.acme(), &world.internal] {
        let id = sim.create_ticket(class, ticket("Printer on fire")).await.unwrap();
        for name in ["a.txt", "b.txt"] {
            sim.attach(id, name, "text/plain", name.as_bytes()).await.unwrap();
        }
        sim.add_log_entry(id, "private_log", "<p>Copied by the original program</p>").await.unwrap();
        ids.push(id);
    }
    world.settle().await;
    (ids[0], ids[1])
}

async fn the_original_programs_pairs_are_adopted_and_nothing_is_written(versions: Versions) {
    let mut world = setup(versions).start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let (other, its_copy) = old_pair(&world, "Incident").await;
    world.acme().attach(id, "late.txt", "text/plain", b"late").await.unwrap();
    go(&world.internal, copy, &["ev_assign"]).await;
    world.settle().await;
    world.clear_calls();
    let lines = format!("1,{id},{copy},UserRequest,0\n2,{other},{its_copy},Incident,0\n");
    let (outcome, said) = world.import(&of("adopt", versions, &lines)).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    let differs = "title: it differed when the two became a pair; it is left so until it changes in the external iTop";
    assert_eq!(
        said,
        format!(
            " LINK  EXTERNAL       INTERNAL          FILES ON BOTH  ON ONE ALONE\n \
             1     acme:R-000001  elitery:R-001001  2              1\n \
             2     acme:I-000002  elitery:I-001002  2              0\n\n\
             acme:R-000001: left as it is: {differs}\nacme:I-000002: left as it is: {differs}\n\
             pairs adopted: 2; linked before: 0\n"
        )
    );
    world.settle().await;
    world.pass_seconds(3 * HOUR).await;
    world.look_at_everything().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "neither adopting nor the passes write");
    world.one_more_pass_writes_nothing().await;
    world.acme().update(id, json!({ "title": "Still on fire" })).await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>New</p>").await.unwrap();
    world.internal.attach(copy, "answer.txt", "text/plain", b"answer").await.unwrap();
    go(&world.internal, copy, &["ev_resolve"]).await;
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] Still on fire");
    assert_eq!(names(world.acme(), id), ["a.txt", "answer.txt", "b.txt", "elitery R-001001 resolved.txt", "late.txt"]);
    let inside = names(&world.internal, copy);
    assert!(inside[0].starts_with("R-000001 private log "), "{inside:?}");
    assert_eq!(inside[1..], ["a.txt", "answer.txt", "b.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn one_wrong_line_adopts_none_and_says_all_that_is_wrong(versions: Versions) {
    let mut world = setup(versions).start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let (other, its_copy) = old_pair(&world, "UserRequest").await;
    world.acme().create_ticket("UserRequest", ticket("Carried")).await.unwrap();
    world.settle().await;
    let before = world.links().await;
    let lines = format!(
        "1,{id},{copy},UserRequest,0\n2,99,{its_copy},UserRequest,0\n3,{other},9999,UserRequest,0\n4,3,1009,UserRequest,0\n5,8,9,Problem,0\n"
    );
    let refused = world.import(&of("wrong", versions, &lines)).await.unwrap_err();
    assert_eq!(
        refused,
        "FILE: nothing was adopted. Correct these lines, or leave them out with --skip:\n\
         line 3: ticket 99 of acme is gone, or of another class\n\
         line 4: ticket 9999 of elitery is gone, or of another class\n\
         line 5: the external ticket is linked already: link 1\n\
         line 6: Problem is no class that is bridged for acme"
    );
    let malformed = world.import(&of("malformed", versions, "1,1,1001,UserRequest\n")).await.unwrap_err();
    assert_eq!(malformed, "FILE; nothing was adopted: line 2: 4 fields instead of 5");
    let missing = Import { file: "/no/such/file.csv".into(), ..of("missing", versions, "") };
    let missing = world.import(&missing).await.unwrap_err();
    assert!(missing.starts_with("cannot read FILE: "), "{missing}");
    for down in [world.acme().clone(), world.internal.clone()] {
        down.fail_with(|_| Some(Fault::Refuse));
        let lines = format!("1,{id},{copy},UserRequest,0\n");
        let refused = world.import(&of("down", versions, &lines)).await.unwrap_err();
        let name = if down.base_url().contains("acme") { "acme" } else { "elitery" };
        assert!(refused.starts_with(&format!("nothing was adopted: {name}: ")), "{refused}");
        down.heal();
    }
    assert_eq!(world.links().await, before);
    world.one_more_pass_writes_nothing().await;
}

async fn lines_that_are_no_pair_are_skipped_where_that_is_wanted(versions: Versions) {
    let mut world = setup(versions).start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let lines = format!("1,99,1099,UserRequest,0\n2,{id},{copy},UserRequest,0\n");
    let (outcome, said) = world.import(&Import { skip: true, ..of("skip", versions, &lines) }).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    assert!(said.contains("left out: line 2: ticket 99 of acme is gone, or of another class\n"), "{said}");
    assert!(said.ends_with("pairs adopted: 1; linked before: 0\n"), "{said}");
    assert_eq!(world.link(id).await.link.internal.unwrap().id, copy);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn an_import_is_run_again_and_a_dry_run_stores_nothing(versions: Versions) {
    let mut world = setup(versions).start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let verb = of("again", versions, &format!("1,{id},{copy},UserRequest,0\n"));
    let dry = Import { dry_run: true, ..of("again", versions, &format!("1,{id},{copy},UserRequest,0\n")) };
    let (_, said) = world.import(&dry).await.unwrap();
    let end = "pairs that would be adopted: 1; linked before: 0\nNothing was stored: this was a dry run.\n";
    assert!(said.ends_with(end), "{said}");
    let json = Import { json: true, ..dry };
    let (_, said) = world.import(&json).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["pairs"][0]["internal"], "elitery:R-001001");
    assert_eq!((&said["pairs"][0]["number"], &said["known"]), (&json!(null), &json!(0)));
    assert!(world.links().await.is_empty() && world.queue().await.is_empty());
    world.import(&verb).await.unwrap();
    let (outcome, said) = world.import(&verb).await.unwrap();
    assert_eq!((outcome, &*said), (Outcome::Fine, "pairs adopted: 0; linked before: 1\n"));
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

/// The tombstone holds against the table too, with the same ticket inside or another.
async fn a_pair_that_was_unlinked_stays_so(versions: Versions) {
    let mut world = setup(versions).start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let (other, its_copy) = old_pair(&world, "UserRequest").await;
    world.import(&of("ended", versions, &format!("1,{id},{copy},UserRequest,0\n"))).await.unwrap();
    world.end_pair(id).await;
    let before = world.links().await;
    let why = "its link 1 has ended; `itop-bridge links link` makes it anew";
    for lines in [
        format!("1,{id},{copy},UserRequest,0\n"),
        format!("1,{id},{its_copy},UserRequest,0\n"),
        format!("1,{other},{copy},UserRequest,0\n"),
    ] {
        let refused = world.import(&of("ended", versions, &lines)).await.unwrap_err();
        assert!(refused.ends_with(&format!("\nline 2: {why}")), "{refused}");
    }
    let lines = format!("1,{id},{copy},UserRequest,0\n2,{other},{its_copy},UserRequest,0\n");
    let (outcome, said) = world.import(&Import { skip: true, ..of("ended", versions, &lines) }).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    assert!(said.contains(&format!("left out: line 2: {why}\npairs adopted: 1; linked before: 0\n")), "{said}");
    assert_eq!(world.links().await[..1], before[..]);
    world.acme().update(id, json!({ "title": "Carried?" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "Printer on fire");
    world.one_more_pass_writes_nothing().await;
}

async fn with_several_externals_the_file_s_is_named(versions: Versions) {
    let two = Setup { externals: vec![versions.external, versions.external], ..setup(versions) };
    let mut world = two.start().await;
    let (id, copy) = old_pair(&world, "UserRequest").await;
    let lines = format!("1,{id},{copy},UserRequest,0\n");
    let refused = world.import(&of("several", versions, &lines)).await.unwrap_err();
    assert_eq!(refused, "there are several externals; name one with --external: acme, beta");
    let nobody = Import { external: Some("nobody".into()), ..of("several", versions, &lines) };
    let refused = world.import(&nobody).await.unwrap_err();
    assert_eq!(refused, "there is no external \"nobody\". The configuration has acme, beta");
    let acme = Import { external: Some("acme".into()), ..nobody };
    world.import(&acme).await.unwrap();
    assert_eq!(world.link(id).await.link.internal.unwrap().id, copy);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}
