//! What the operator's verbs print, word for word: one day of a bridge, as a terminal would show it.

use std::fmt::Write as _;

use itop_bridge::cli::Outcome;
use itop_bridge::cli::links::LinksVerb;
use itop_bridge_testkit::world::*;
use itop_sim::{Fault, Version};

use crate::status::go;

const HOUR: u64 = 3600;
const PAIR: &str = "acme:R-000001";

/// The terminal: each command, what it printed, and how it ended where that is not 0.
#[derive(Default)]
struct Terminal(String);

impl Terminal {
    fn shows(&mut self, command: &str, said: Said) {
        let (words, end) = match said {
            Ok((Outcome::Fine, words)) => (words, ""),
            Ok((Outcome::FaultFound, words)) => (words, "[ends with 1]\n"),
            Err(error) => (format!("error: {error}\n"), "[ends with 1]\n"),
        };
        // A table pads its last column.
        let words: String = words.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        writeln!(self.0, "$ itop-bridge {command}\n{words}{end}").unwrap();
    }

    async fn setup(&mut self, world: &World, arguments: &str) {
        let words: Vec<&str> = arguments.split(' ').collect();
        self.shows(&format!("setup {arguments}"), world.setup(&words, "admin", "admin").await);
    }

    async fn list(&mut self, world: &World) {
        self.shows("links list", world.links_verb(listed(false)).await);
    }

    async fn show(&mut self, world: &World, ticket: &str) {
        let verb = LinksVerb::Show { ticket: ticket.into(), json: false };
        self.shows(&format!("links show {ticket}"), world.links_verb(verb).await);
    }

    async fn plan(&mut self, world: &World, ticket: &str) {
        self.shows(&format!("plan {ticket}"), world.plan(ticket).await);
    }

    async fn pause(&mut self, world: &World, name: &str) {
        self.shows(&format!("pause {name}"), world.pause(name).await);
    }

    async fn resume(&mut self, world: &World, what: &str) {
        let said = world.resume(what, false).await;
        self.shows(&format!("resume {what}"), said.map(|words| (Outcome::Fine, words)));
    }

    async fn retry(&mut self, world: &World, ticket: Option<&str>) {
        let command = ticket.map_or("retry".to_owned(), |ticket| format!("retry {ticket}"));
        self.shows(&command, world.retry(ticket).await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_verbs_print_what_the_snapshot_holds() {
    let classes = "classes = { UserRequest = \"UserRequest\", Incident = \"Incident\" }";
    let world = Setup::with_external(Version::V3_1).sync(classes).start().await;
    let mut terminal = Terminal::default();
    set_up(&world, &mut terminal).await;
    a_ticket_crosses(&world, &mut terminal).await;
    a_side_stands_still(&world, &mut terminal).await;
    a_ticket_is_parked(&world, &mut terminal).await;
    a_pair_halts(&world, &mut terminal).await;
    world.one_more_pass_writes_nothing().await;
    // Each refused create has taken a number: how many there were is chance.
    let second = format!(" {:<4}  acme:I-000002", world.link(2).await.id);
    let printed = terminal.0.replace(&second, " N     acme:I-000002");
    let held = include_str!("../unit/print/verbs.txt");
    if printed != held {
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("verbs.txt");
        std::fs::write(&file, &printed).unwrap();
        let line = printed.lines().zip(held.lines()).take_while(|(one, other)| one == other).count() + 1;
        panic!("tests/unit/print/verbs.txt differs from line {line} on; what was printed stands in {}", file.display());
    }
}

async fn set_up(world: &World, terminal: &mut Terminal) {
    terminal.list(world).await;
    world.acme().clear_triggers();
    world.internal.clear_triggers();
    terminal.setup(world, "--side acme --dry-run").await;
    terminal.setup(world, "--side acme").await;
    terminal.setup(world, "--side elitery").await;
    terminal.setup(world, "--side elitery").await;
    terminal.setup(world, "--side nobody").await;
}

async fn a_ticket_crosses(world: &World, terminal: &mut Terminal) {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.acme().attach(id, "smoke.txt", "text/plain", b"smoke").await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    go(&world.internal, copy, &["ev_assign"]).await;
    world.internal.add_log_entry(copy, "private_log", "<p>On our way</p>").await.unwrap();
    world.settle().await;
    terminal.list(world).await;
    terminal.show(world, PAIR).await;
    terminal.plan(world, PAIR).await;
}

async fn a_side_stands_still(world: &World, terminal: &mut Terminal) {
    terminal.pause(world, "acme").await;
    terminal.pause(world, "acme").await;
    world.acme().update(1, json!({"title": "Printer still on fire"})).await.unwrap();
    world.acme().add_log_entry(1, "private_log", "<p>It is the <b>big</b> one</p>").await.unwrap();
    world.pass_seconds(60).await;
    terminal.list(world).await;
    terminal.plan(world, "elitery:R-001001").await;
    terminal.resume(world, "acme").await;
    terminal.resume(world, "acme").await;
    world.settle().await;
    terminal.plan(world, "1").await;
}

async fn a_ticket_is_parked(world: &World, terminal: &mut Terminal) {
    world.internal.fail_with(|call| {
        let text = "Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]";
        call.is_write().then(|| Fault::error(text))
    });
    world.acme().create_ticket("Incident", ticket("No network")).await.unwrap();
    world.pass_seconds(HOUR + 600).await;
    terminal.list(world).await;
    terminal.show(world, "acme:I-000002").await;
    world.internal.heal();
    terminal.retry(world, Some(PAIR)).await;
    terminal.retry(world, None).await;
    terminal.retry(world, None).await;
    world.settle().await;
}

async fn a_pair_halts(world: &World, terminal: &mut Terminal) {
    let copy = world.copy_of(1).await.id;
    assert!(world.internal.erase("UserRequest", copy));
    world.acme().update(1, json!({"title": "Is anybody there?"})).await.unwrap();
    world.settle().await;
    terminal.list(world).await;
    terminal.plan(world, PAIR).await;
    terminal.retry(world, Some(PAIR)).await;
    terminal.resume(world, PAIR).await;
    world.settle().await;
    terminal.list(world).await;
    terminal.resume(world, PAIR).await;
    terminal.show(world, PAIR).await;
}
