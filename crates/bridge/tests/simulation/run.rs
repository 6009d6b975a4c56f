//! One history, run from its beginning to its judgement.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use itop_bridge::cli::resume::Resume;
use itop_bridge_engine::clock::Clock as _;
use itop_bridge_store::{Instance, LinkState, Stored};
use itop_bridge_testkit::faults::{self, Trouble};
use itop_bridge_testkit::history::{History, Place, Scene, What};
use itop_bridge_testkit::laws;
use itop_bridge_testkit::people::{self, Ground, Memory, Spoken, sim_at};
use itop_bridge_testkit::world::{Setup, World};
use itop_sim::{Backup, Sim};
use serde_json::json;

/// What a run showed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that happened, byte for byte the same for the same history.
    pub trace: Vec<String>,
    /// Empty when all laws hold.
    pub breaches: Vec<String>,
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics are breaches of the run in hand, not lines of the terminal.
pub fn collect_panics() {
    std::panic::set_hook(Box::new(|panic| PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()))));
}

pub fn run(history: &History) -> Outcome {
    PANICS.with_borrow_mut(Vec::clear);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without drivers asks the system for nothing");
    let mut outcome = Outcome::default();
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(live(history, &mut outcome))));
    PANICS.with_borrow_mut(|panics| outcome.breaches.append(panics));
    if ended.is_err() && outcome.breaches.is_empty() {
        outcome.breaches.push("it panicked without a word".into());
    }
    outcome
}

async fn live(history: &History, outcome: &mut Outcome) {
    let mut world = setup(&history.scene, Scene::external_zone(history.seed)).start().await;
    world.acme().set_time_zone(Scene::external_zone(history.seed));
    for place in history.scene.places().iter().filter(|place| **place != Place::Elitery) {
        sim_at(&world, *place).allow_value("urgency", people::UNKNOWN_TO_INTERNAL);
    }
    // Of what people write outside, some has no room inside.
    world.internal.limit_text("description", 2_000);
    let mut memory = Memory::default();
    memory.holds_deletions = true;
    let start = tokio::time::Instant::now();
    let mut runs = true;
    let mut backup = None;
    for event in &history.events {
        tokio::time::sleep_until(start + Duration::from_millis(event.at_ms)).await;
        outcome.trace.push(format!("{} {:?}", event.at_ms, event.what));
        match &event.what {
            What::Person { at, deed, pick } => people::act(&world, &mut memory, *at, *deed, *pick).await,
            What::Trouble(trouble) => happen(&mut world, &mut runs, trouble).await,
            What::PrintsDatesAs { of, format } => sim_at(&world, *of).set_date_format(format),
            What::BackUp => {
                if let Some(place) = history.scene.restored {
                    deletions_are_over(&world, place, &memory).await;
                    backup = Some((place, sim_at(&world, place).back_up()));
                }
            }
        }
    }
    heal(&mut world, &mut runs, &history.scene).await;
    if let Some((place, backup)) = backup {
        restore(&mut world, place, &backup).await;
        for (at, deed, pick) in &history.afterwards {
            people::act(&world, &mut memory, *at, *deed, *pick).await;
            tokio::time::sleep(Duration::from_millis(pick % 20_000)).await;
        }
        world.pass_seconds(2 * AUDIT_SECONDS).await;
    } else if let Some(place) = history.scene.emptied {
        empty_for_a_while(&world, place).await;
    }
    for instance in history.scene.places().iter().map(|place| instance_of(*place)) {
        if let Some(reason) = world.stopped(instance.clone()).await {
            outcome.breaches.push(format!("convergence: {instance:?} stands still: {reason}"));
        }
    }
    outcome.breaches.extend(decide_on_what_is_kept_back(&world, &mut memory).await);
    people::download_what_no_hook_told(&world, &memory).await;
    world.settle().await;
    if memory.spoken.iter().any(|spoken| !spoken.earlier.is_empty()) {
        // No hook tells of other words in an entry: the next look meets them, whatever it is for.
        world.look_at_everything().await;
    }
    outcome.trace.extend(what_was_called(&world, &history.scene));
    outcome.breaches.extend(laws::breaches(&world, &memory, &history.scene).await);
    outcome.trace.push(format!("{:#?}", world.links().await));
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

/// An operator looks at the entries that may be copies from a parent. Whoever wrote there knows: a ticket's own cross.
async fn decide_on_what_is_kept_back(world: &World, memory: &mut Memory) -> Vec<String> {
    let mut breaches = Vec::new();
    for stored in world.links().await {
        if stored.state != LinkState::Live || stored.link.course.halt.is_some() || stored.link.entries_kept_back() == 0
        {
            continue;
        }
        let is_a_child = stored.link.internal.as_ref().is_some_and(|key| memory.children.contains(&key.id));
        if !is_a_child {
            breaches.push(format!("logs: an entry of pair {} is kept back, and has no parent", stored.id));
        }
        let kept_back = people::kept_back(world, &stored);
        let is_in = |spoken: &&Spoken| kept_back.iter().any(|html| spoken.times_in(html) > 0);
        let (copies, own): (Vec<&Spoken>, Vec<&Spoken>) =
            memory.spoken.iter().filter(is_in).partition(|spoken| spoken.stays);
        let keep = !copies.is_empty();
        // One answer is given for all of them.
        let kept: Vec<String> = own.into_iter().filter(|_| keep).map(|spoken| spoken.word.clone()).collect();
        memory.kept_by_an_operator.extend(kept);
        let resume = Resume { what: stored.id.to_string(), create: false, keep, yes: true };
        world.resumes(resume).await.expect("entries are kept back");
    }
    world.settle().await;
    breaches
}

/// iTop deletes a ticket's files before the ticket, each in a transaction of its own: of a backup from between them
/// nobody can tell who took the files away.
async fn deletions_are_over(world: &World, of: Place, memory: &Memory) {
    const LONGEST_SECONDS: usize = 200;
    let stands = |(place, id): &(Place, u64)| *place == of && sim_at(world, of).ticket(*id).is_some();
    for _ in 0..LONGEST_SECONDS {
        if !memory.deleted_tickets.iter().any(stands) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn instance_of(place: Place) -> Instance {
    if place == Place::Elitery { Instance::Internal } else { Instance::External(people::name(place)) }
}

async fn happen(world: &mut World, runs: &mut bool, trouble: &Trouble) {
    match trouble {
        Trouble::Calls { to, only_writes, times, fault } => {
            faults::fail(sim_at(world, *to), *times, fault, *only_writes);
        }
        Trouble::Mode { of, mode, on } => faults::set(sim_at(world, *of), *mode, *on),
        Trouble::Hooks { from, weather } => faults::set_weather(sim_at(world, *from), *weather),
        Trouble::HooksCome { from, order } => faults::hooks_come(sim_at(world, *from), *order).await,
        Trouble::Crash => {
            world.crash().await;
            *runs = false;
        }
        Trouble::DiesAfterCommits(more) => world.commits.only(*more),
        Trouble::Boot => start_again(world, runs).await,
        Trouble::JoinIn { ahead_ms } if *runs => world.join_in(*ahead_ms),
        Trouble::JoinIn { .. } => {}
        Trouble::OneDies => world.one_dies().await,
        Trouble::ClockJumps { ms } => world.clock.jump(*ms),
        Trouble::DiskFull(full) => world.commits.refuse(*full),
        Trouble::Firewall { of, word, fault, seconds } => faults::bar(sim_at(world, *of), word, fault, *seconds),
        Trouble::Throttle { of, retry_after, seconds } => {
            faults::throttle(sim_at(world, *of), *retry_after, *seconds);
        }
        Trouble::LittleMemory { of, on } => faults::take_memory(sim_at(world, *of), *on),
        Trouble::CloneWorks { of, deeds } => {
            let clone = InAClone { of: *of, sim: sim_at(world, *of).cloned(), world };
            for (deed, pick) in deeds {
                people::act(&clone, &mut Memory::default(), *of, *deed, *pick).await;
            }
        }
    }
}

/// Whoever died at a commit is gone by now.
async fn start_again(world: &mut World, runs: &mut bool) {
    if world.commits.are_over() {
        world.crash().await;
        *runs = false;
    }
    world.commits.without_end();
    if !*runs {
        world.expire_leases().await;
        world.boot();
        *runs = true;
    }
}

/// An iTop in another one's place.
struct InAClone<'w> {
    of: Place,
    sim: Sim,
    world: &'w World,
}

impl Ground for InAClone<'_> {
    fn sim(&self, place: Place) -> &Sim {
        if place == self.of { &self.sim } else { self.world.sim(place) }
    }

    async fn links(&self) -> Vec<Stored> {
        World::links(self.world).await
    }
}

/// All is well again, and two audits go by: the first may still have been under way in trouble.
async fn heal(world: &mut World, runs: &mut bool, scene: &Scene) {
    for place in scene.places() {
        faults::heal(sim_at(world, *place));
    }
    world.commits.refuse(false);
    start_again(world, runs).await;
    let audits = 2 * AUDIT_SECONDS + 60;
    // What was due before the clock went back is due that much later.
    world.pass_seconds(if scene.clock_jumps { audits + 2 * 3_600 } else { audits }).await;
    world.settle().await;
}

/// Another database stands in the iTop's place until somebody sees it, and an operator goes on.
async fn empty_for_a_while(world: &World, place: Place) {
    let sim = sim_at(world, place);
    let halted = async || -> Vec<i64> {
        let halted = world.links().await.into_iter().filter(|stored| stored.link.course.halt.is_some());
        halted.map(|stored| stored.id).collect()
    };
    let (whole, before) = (sim.back_up(), halted().await);
    for file in sim.all_attachments() {
        sim.erase("Attachment", file.id);
    }
    for ticket in sim.tickets("Ticket") {
        sim.erase(&ticket.class, ticket.id);
    }
    world.pass_seconds(3 * AUDIT_SECONDS).await;
    sim.restore(&whole);
    let _ = world.resume(&people::name(place), false).await;
    for pair in halted().await.iter().filter(|pair| !before.contains(pair)) {
        let _ = world.resume(&pair.to_string(), false).await;
    }
    world.pass_seconds(3 * AUDIT_SECONDS).await;
    world.settle().await;
}

/// The iTop is put back to what it was, and an operator goes on with whatever halted over it.
async fn restore(world: &mut World, place: Place, backup: &Backup) {
    // A second process that joined in would remember what was: a store has one process but for leases' sake here.
    world.crash().await;
    world.boot();
    // A clock that jumps an hour back would look the same: that long ago it must be.
    world.pass_seconds(3 * 3_600).await;
    let sim = sim_at(world, place);
    let stood = |ticket: &itop_sim::Ticket| backup.has(&ticket.class, ticket.id);
    let Some(one) = sim.tickets("Ticket").into_iter().find(stood) else { return };
    // Of a backup after which nothing was changed, nothing would tell.
    sim.update(one.id, json!({"title": "changed since"})).await.expect("it stands");
    world.pass_seconds(2 * AUDIT_SECONDS).await;
    sim.restore(backup);
    world.pass_seconds(2 * AUDIT_SECONDS).await;
    let _ = world.resume(&people::name(place), false).await;
    world.pass_seconds(2 * AUDIT_SECONDS).await;
    for stored in world.links().await.iter().filter(|stored| stored.link.course.halt.is_some()) {
        let lost_inside = place == Place::Elitery;
        let _ = world.resume(&stored.id.to_string(), lost_inside).await;
    }
    world.pass_seconds(2 * AUDIT_SECONDS).await;
    world.settle().await;
}

const AUDIT_SECONDS: u64 = 900;

/// 2026-10-25 01:00 UTC.
const SUMMER_ENDS_MS: i64 = 1_792_890_000_000;

fn setup(scene: &Scene, zone_outside: &str) -> Setup {
    let mut setup = Setup::with_external(scene.external);
    if scene.has_beta {
        setup.externals.push(scene.internal);
    }
    setup.internal = scene.internal;
    let mode = if scene.applies { "apply" } else { "report" };
    setup.sync = format!("audit_seconds = {AUDIT_SECONDS}\nstatus_to_external = \"{mode}\"");
    for lines in [&mut setup.acme, &mut setup.beta] {
        *lines = format!("only = \"all\"\ndefaults = {{ {OUTSIDE_DEFAULTS} }}");
    }
    if let Some(minutes) = scene.begins_after_summers_end {
        setup.start_ms = SUMMER_ENDS_MS + minutes * 60_000;
        // What summer shows does not tell of the dates of winter, and these would wait.
        setup.acme.push_str(&format!("\ntime_zone = \"{zone_outside}\""));
        setup.beta.push_str("\ntime_zone = \"Europe/Paris\"");
        setup.internal_lines = "time_zone = \"Europe/Paris\"".into();
    }
    setup
}

/// What a customer's lifecycle asks for when it is driven.
const OUTSIDE_DEFAULTS: &str = "team = \"Helpdesk\", agent = 9, service = \"Software\", \
                                servicesubcategory = \"Installation\", supervisor_group_id = 37, supervisor_id = 9, \
                                manager_group_id = 37, manager_id = 9, impact = \"see there\", outage = \"no\", \
                                fallback = \"undo\", start_date = \"2026-11-25 12:00:00\", \
                                end_date = \"2026-11-26 12:00:00\", acceptance_comment = \"ok\", \
                                acceptance_date = \"2026-11-24 12:00:00\", approval_comment = \"ok\", \
                                approval_date = \"2026-11-24 12:00:00\", reason = \"see there\"";

/// Every call and every hook of the run.
fn what_was_called(world: &World, scene: &Scene) -> Vec<String> {
    let of = |place: &Place| {
        let sim: &Sim = sim_at(world, *place);
        let calls = sim.calls().into_iter().map(move |call| {
            format!("{place:?} {} {} {:?} {} {}", call.number, call.at, call.code, call.wrote, call.json)
        });
        let hooks = sim
            .deliveries()
            .into_iter()
            .map(move |hook| format!("{place:?} hook {} {} {} {:?}", hook.number, hook.at, hook.body, hook.outcome));
        calls.chain(hooks).collect::<Vec<_>>()
    };
    let now = world.clock.now_ms();
    scene.places().iter().flat_map(of).chain([format!("now {now}")]).collect()
}
