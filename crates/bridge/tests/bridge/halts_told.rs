//! Every halt is told: in the log, in the metrics and by an alert, each once. Nothing is written while it stands,
//! whatever people do, and it ends by `resume` alone.

use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;
use itop_sim::{Backup, FirstIds, Sim};

use crate::listen::Log;
use crate::watch::told;

/// A test each, with any version: which halts are told is the bridge's own affair.
macro_rules! every_halt_is_told_and_ends_by_resume_alone {
    ($($name:ident: $accident:expr;)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            for &versions in any_pair(stringify!($name)) {
                println!("{versions:?}");
                is_told_and_ends_by_resume_alone($accident, versions).await;
            }
        }
    )+};
}

every_halt_is_told_and_ends_by_resume_alone! {
    an_external_ticket_vanished: Vanished(Side::External);
    an_internal_ticket_vanished: Vanished(Side::Internal);
    an_external_id_carries_another_reference: AnotherReference(Side::External);
    an_internal_id_carries_another_reference: AnotherReference(Side::Internal);
    files_of_one_ticket_are_gone_outside: FilesOfOne(Side::External);
    files_of_one_ticket_are_gone_inside: FilesOfOne(Side::Internal);
    entries_of_one_log_are_gone_outside: EntriesOfOne(Side::External);
    entries_of_one_log_are_gone_inside: EntriesOfOne(Side::Internal);
    all_tickets_are_gone_outside: AllTickets(Side::External);
    all_tickets_are_gone_inside: AllTickets(Side::Internal);
    all_files_are_gone_outside: AllFiles(Side::External);
    all_files_are_gone_inside: AllFiles(Side::Internal);
    the_external_went_back: WentBack(Side::External);
    the_internal_went_back: WentBack(Side::Internal);
}

/// What makes the bridge halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accident {
    Vanished(Side),
    /// A backup without the ticket was restored, and its id went to another.
    AnotherReference(Side),
    FilesOfOne(Side),
    EntriesOfOne(Side),
    AllTickets(Side),
    AllFiles(Side),
    WentBack(Side),
}

use Accident::{AllFiles, AllTickets, AnotherReference, EntriesOfOne, FilesOfOne, Vanished, WentBack};

impl Accident {
    fn side(self) -> Side {
        match self {
            Vanished(side) | AnotherReference(side) | FilesOfOne(side) | EntriesOfOne(side) => side,
            AllTickets(side) | AllFiles(side) | WentBack(side) => side,
        }
    }

    fn is_of_a_side(self) -> bool {
        matches!(self, AllTickets(_) | AllFiles(_) | WentBack(_))
    }

    /// What an operator resumes.
    fn who(self) -> &'static str {
        match self.side() {
            _ if !self.is_of_a_side() => "acme:R-000001",
            Side::External => "acme",
            Side::Internal => "elitery",
        }
    }

    fn gauge(self) -> String {
        if !self.is_of_a_side() {
            return "itop_bridge_halted_links{external=\"acme\"}".into();
        }
        format!("itop_bridge_side_stopped{{side=\"{}\"}}", self.who())
    }

    /// What its alert and its line in the log say of why.
    fn why(self) -> &'static str {
        match self {
            Vanished(_) => "is no longer there",
            AnotherReference(_) => "and is now R-",
            FilesOfOne(_) => "5 of the 7 attachments of",
            EntriesOfOne(_) => "3 of 4 entries of the private log of",
            AllTickets(_) => "6 of 6 linked tickets are gone",
            AllFiles(_) => "files of linked tickets are gone at once, on 6 tickets",
            WentBack(_) => "was this iTop restored from a backup",
        }
    }
}

/// Six pairs with a file of each side's; the first with more, and with entries in its logs where these are lost.
struct Stage {
    world: World,
    side: Side,
    /// The two tickets of each pair.
    pairs: Vec<(u64, u64)>,
}

impl Stage {
    async fn new(versions: Versions, accident: Accident) -> Stage {
        let side = accident.side();
        let world = Setup::between(versions).start().await;
        let mut pairs = Vec::new();
        for number in 1..=6 {
            let outside = world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap();
            world.settle().await;
            pairs.push((outside, world.copy_of(outside).await.id));
        }
        let stage = Stage { world, side, pairs };
        stage.people_attach().await;
        if matches!(accident, EntriesOfOne(_)) {
            stage.people_write().await;
        }
        stage.world.pass_seconds(700).await;
        stage.world.settle().await;
        stage
    }

    async fn people_attach(&self) {
        for (number, (outside, inside)) in self.pairs.iter().enumerate() {
            for file in 0..if number == 0 { 7 } else { 1 } {
                let name = format!("{file}.txt");
                self.world.acme().attach(*outside, &name, "text/plain", name.as_bytes()).await.unwrap();
                self.world.internal.attach(*inside, &name, "text/plain", name.as_bytes()).await.unwrap();
            }
        }
    }

    /// Four entries in each of the first pair's logs.
    async fn people_write(&self) {
        for number in 1..=4 {
            for side in Side::BOTH {
                let words = format!("<p>before {number} {}</p>", side.place());
                sim(&self.world, side).add_log_entry(self.first(side), "private_log", &words).await.unwrap();
            }
            self.world.pass_seconds(2).await;
        }
    }

    fn first(&self, side: Side) -> u64 {
        let (outside, inside) = self.pairs[0];
        if side == Side::External { outside } else { inside }
    }

    fn sim(&self) -> &Sim {
        sim(&self.world, self.side)
    }

    fn own_files(&self, ticket: u64) -> Vec<u64> {
        let files = self.sim().attachments(ticket).into_iter();
        files.filter(|file| file.temp_id.is_empty()).map(|file| file.id).collect()
    }

    async fn happens(&self, accident: Accident) {
        let (sim, first) = (self.sim(), self.first(self.side));
        match accident {
            Vanished(_) => sim.delete_ticket(first).await.unwrap(),
            AnotherReference(_) => {
                sim.erase("UserRequest", first);
                let next = sim.next_ids();
                sim.set_next_ids(FirstIds { ticket: first, ..next });
                sim.create_ticket("UserRequest", ticket("Another ticket")).await.unwrap();
                sim.set_next_ids(FirstIds { reference: next.reference + 1, ..next });
            }
            FilesOfOne(_) => {
                for file in self.own_files(first).into_iter().take(5) {
                    sim.delete_attachment(file).await;
                }
            }
            EntriesOfOne(_) => {
                for number in 1..=3 {
                    assert_eq!(sim.lose_log_entries(first, "private_log", &format!("before {number} ")), 1);
                }
                // Nothing else tells that a log is to be looked at.
                sim.add_log_entry(first, "private_log", "<p>after</p>").await.unwrap();
            }
            AllTickets(_) => self.pairs.iter().for_each(|(outside, inside)| {
                assert!(sim.erase("UserRequest", if self.side == Side::External { *outside } else { *inside }));
            }),
            AllFiles(_) => sim.all_attachments().iter().for_each(|file| assert!(sim.erase("Attachment", file.id))),
            WentBack(_) => {
                let backup = sim.back_up();
                self.world.pass_seconds(3 * 3600).await;
                sim.update(first, json!({ "impact": "3" })).await.unwrap();
                self.world.pass_seconds(700).await;
                sim.restore(&backup);
            }
        }
    }

    /// What an operator mends before he goes on with a side: all that is gone is there again.
    fn is_mended(&self, backup: &Backup) {
        let sim = self.sim();
        for id in 0..2_000 {
            if backup.has("UserRequest", id) && sim.ticket(id).is_none() {
                sim.bring_back(backup, "UserRequest", id);
            }
            if backup.has("Attachment", id) && sim.attachment(id).is_none() {
                sim.bring_back(backup, "Attachment", id);
            }
        }
    }

    /// What people do meanwhile, wherever the tickets stand: all that a halt of the pair or of a side holds back.
    async fn people_go_on(&self, accident: Accident) {
        let is_of_a_log = matches!(accident, EntriesOfOne(_));
        for side in Side::BOTH {
            let (sim, first) = (sim(&self.world, side), self.first(side));
            if sim.ticket(first).is_none() || is_of_a_log && side != self.side {
                continue;
            }
            sim.add_log_entry(first, "private_log", "<p>meanwhile</p>").await.unwrap();
            // All but the log of a log's halt goes on.
            if !is_of_a_log {
                sim.update(first, json!({ "title": format!("Meanwhile {}", side.place()) })).await.unwrap();
                sim.attach(first, "meanwhile.txt", "text/plain", b"meanwhile").await.unwrap();
            }
        }
    }
}

fn sim(world: &World, side: Side) -> &Sim {
    if side == Side::External { world.acme() } else { &world.internal }
}

async fn is_told_and_ends_by_resume_alone(accident: Accident, versions: Versions) {
    let log = Log::kept();
    let mut stage = Stage::new(versions, accident).await;
    let gauge = accident.gauge();
    assert_eq!((stage.world.metric(&gauge).await, told(&stage.world)), (0.0, vec![]));
    let backup = stage.sim().back_up();
    stage.happens(accident).await;
    stage.world.pass_seconds(4_000).await;
    is_told(&stage.world, accident, &log).await;
    // Neither people nor time nor a restart ends it, and nothing is written.
    stage.world.clear_calls();
    stage.people_go_on(accident).await;
    stage.world.pass_seconds(4_000).await;
    stage.world.crash().await;
    stage.world.boot();
    stage.world.pass_seconds(4_000).await;
    assert_eq!(stage.world.acme().writes() + stage.world.internal.writes(), 0);
    assert_eq!((stage.world.metric(&gauge).await, told(&stage.world)), (1.0, vec![]));
    if matches!(accident, AllTickets(_) | AllFiles(_)) {
        stage.is_mended(&backup);
    }
    stage.world.resume(accident.who(), false).await.unwrap();
    stage.world.pass_seconds(4_000).await;
    goes_on(&stage.world, accident).await;
    assert_eq!(log.lines("halted: ").len(), 1, "{:#?}", log.lines("halted: "));
    // What its own line tells is told by no other.
    let twice: Vec<String> = log.lines("conflict").into_iter().filter(|line| line.contains(accident.why())).collect();
    assert_eq!(twice, [""; 0]);
    stage.world.one_more_pass_writes_nothing().await;
    stage.world.stop().await;
}

/// One line in the log, one alert, and the metric.
async fn is_told(world: &World, accident: Accident, log: &Log) {
    let (who, why) = (accident.who(), accident.why());
    let lines = log.lines("halted: ");
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    let subject = if accident.is_of_a_side() { format!("itop={who} ") } else { format!("ticket={who} ") };
    assert!(line.contains("ERROR") && line.contains(&subject) && line.contains(why), "{line}");
    assert!(line.contains(&format!("`itop-bridge resume {who}`")), "{line}");
    let told = told(world);
    let [(event, text)] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(event, if accident.is_of_a_side() { "side_halted" } else { "halted" });
    assert!(text.starts_with(&format!("{who} has halted: ")) && text.contains(why), "{text}");
    assert!(text.contains(&format!("`itop-bridge resume {who}`")), "{text}");
    assert_eq!(world.metric(&accident.gauge()).await, 1.0);
}

/// That a side goes on is posted once; that a ticket does is seen in iTop.
async fn goes_on(world: &World, accident: Accident) {
    assert_eq!(world.metric(&accident.gauge()).await, 0.0);
    let over = ("over".to_owned(), format!("{} goes on.", accident.who()));
    let expected = if accident.is_of_a_side() { vec![over] } else { vec![] };
    assert_eq!(told(world), expected);
}
