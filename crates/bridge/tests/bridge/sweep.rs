//! The sweep and the audit: what they mark is not lost, what is gone at once halts a side once, and they
//! hold up no stop.

use std::time::Duration;

use itop_bridge_core::{Link, TicketKey};
use itop_bridge_store::{Instance, LinkState, SqliteStore, Store, StoreHandle};
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault, Sim};

any_version![
    what_the_store_refuses_is_marked_by_the_next_sweep,
    one_resume_accepts_all_that_is_gone_of_a_side_with_many_links,
    one_resume_accepts_what_is_gone_inside_of_every_external,
    pairs_that_have_ended_halt_no_side,
    a_stop_waits_for_no_sweep_and_no_audit,
];

// ---- marks -----------------------------------------------------------------------------------

/// A database in a file, so that a test gets at it; the folder goes with it.
struct Database(std::path::PathBuf);

impl Database {
    fn new(name: &str) -> Database {
        let folder = std::env::temp_dir().join(format!("itop-bridge-sweep-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Database(folder)
    }

    fn store(&self) -> StoreHandle {
        StoreHandle::inline(SqliteStore::open(self.0.join("store.db")).unwrap())
    }

    /// No mark can be made, or every one again.
    fn takes_marks(&self, takes: bool) {
        let sql = match takes {
            false => "CREATE TRIGGER full BEFORE INSERT ON dirty BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
            true => "DROP TRIGGER full",
        };
        rusqlite::Connection::open(self.0.join("store.db")).unwrap().execute_batch(sql).unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn what_the_store_refuses_is_marked_by_the_next_sweep(versions: Versions) {
    let database = Database::new(&format!("{versions:?}"));
    // No audit comes to the sweep's help.
    let mut world = Setup::between(versions).sync("audit_seconds = 604800").start().await;
    world.crash().await;
    world.store = database.store();
    world.boot();
    world.pass_seconds(5).await;
    world.acme().drop_hooks(true);
    let id = world.acme().create_ticket("UserRequest", ticket("unheard")).await.unwrap();
    database.takes_marks(false);
    world.pass_seconds(310).await;
    database.takes_marks(true);
    world.pass_seconds(310).await;
    world.settle().await;
    let copy = world.copy_of(id).await.id;

    world.acme().attach(id, "unheard.txt", "text/plain", b"unheard").await.unwrap();
    database.takes_marks(false);
    world.pass_seconds(310).await;
    database.takes_marks(true);
    world.pass_seconds(310).await;
    world.settle().await;
    assert_eq!(world.internal.attachments(copy).len(), 1);
    world.one_more_pass_writes_nothing().await;
}

// ---- what is gone at once --------------------------------------------------------------------

/// Links whose external tickets were never there. Inside each has its ticket, which no sweep looks back to.
async fn links_to_nothing(world: &mut World, count: u64) {
    world.crash().await;
    let mut pairs = Vec::new();
    for number in 1..=count {
        let id = world.internal.create_ticket("UserRequest", ticket("inside")).await.unwrap();
        let key = |id: u64, reference: String| TicketKey { class: "UserRequest".into(), id, reference };
        let external = key(number, format!("R-{number:06}"));
        let internal = Some(key(id, world.internal.ticket(id).unwrap().field("ref").to_owned()));
        pairs.push(Link { internal, ..Link::without_counterpart(external) });
    }
    world.pass_seconds(2 * 3600).await;
    world.internal.create_ticket("UserRequest", ticket("born inside")).await.unwrap();
    world.start_anew().await;
    world.crash().await;
    let put = move |store: &mut dyn Store| pairs.iter().try_for_each(|pair| insert(store, pair));
    world.store.call(put).await.unwrap();
}

fn insert(store: &mut dyn Store, pair: &Link) -> Result<(), itop_bridge_store::StoreError> {
    use itop_bridge_store::{About, DirtyMark, Look, Next, TicketOf};
    let of = TicketOf { external: "acme".into(), ticket: pair.external.id };
    let mark = DirtyMark { about: About::External { of, class: None }, look: Look::default(), due_ms: 0 };
    store.mark_dirty(&[mark], 0)?;
    let claim = store.claim("acme", 1, 0, 1)?.remove(0);
    store.insert_link(&claim.lease, pair, &[])?;
    store.finish(&claim, &Next::Done, 0)
}

async fn resume(world: &World, instance: &Instance) {
    let instance = instance.clone();
    world.store.call(move |store| store.set_stopped(&instance, None)).await.unwrap();
}

/// Every link, whatever their number, has halted for itself.
async fn every_link_has_halted(world: &World, count: usize) {
    let (mut halted, mut after) = (0, 0);
    loop {
        let page = world.store.call(move |store| store.links(None, after, 200, None)).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        halted += page.iter().filter(|stored| stored.link.course.halt.is_some()).count();
    }
    assert_eq!(halted, count);
}

/// Over an audit, whichever moment it is made at.
async fn audited(world: &World) {
    world.pass_seconds(2 * 3600 + 60).await;
}

async fn one_resume_accepts_all_that_is_gone_of_a_side_with_many_links(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let acme = Instance::External("acme".into());
    links_to_nothing(&mut world, 250).await;
    world.boot();
    audited(&world).await;
    let reason = world.stopped(acme.clone()).await.expect("the side has halted");
    assert!(reason.contains("250 of 250"), "{reason}");
    resume(&world, &acme).await;
    audited(&world).await;
    assert_eq!(world.stopped(acme).await, None, "it was accepted");
    world.settle().await;
    every_link_has_halted(&world, 250).await;
    world.one_more_pass_writes_nothing().await;
}

async fn one_resume_accepts_what_is_gone_inside_of_every_external(versions: Versions) {
    let world =
        Setup { externals: vec![versions.external, versions.external], ..Setup::between(versions) }.start().await;
    for sim in &world.externals {
        for number in 0..6 {
            sim.create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap();
        }
    }
    world.pass_seconds(700).await;
    world.settle().await;
    for inside in world.internal.tickets("UserRequest") {
        world.internal.erase("UserRequest", inside.id);
    }
    audited(&world).await;
    let reason = world.stopped(Instance::Internal).await.expect("the side has halted");
    assert!(reason.contains("12 of 12"), "{reason}");
    resume(&world, &Instance::Internal).await;
    audited(&world).await;
    assert_eq!(world.stopped(Instance::Internal).await, None, "it was accepted");
    world.settle().await;
    every_link_has_halted(&world, 12).await;
    world.one_more_pass_writes_nothing().await;
}

async fn pairs_that_have_ended_halt_no_side(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    links_to_nothing(&mut world, 6).await;
    for stored in world.links().await {
        let did = itop_bridge_store::Activity::in_words(0, "unlinked");
        let end =
            move |store: &mut dyn Store| store.amend_link(stored.id, &|_, state| *state = LinkState::Ended, &did, 0);
        world.store.call(end).await.unwrap();
    }
    world.boot();
    audited(&world).await;
    assert_eq!(world.stopped(Instance::External("acme".into())).await, None);
    assert!(world.links().await.iter().all(|stored| stored.link.course.halt.is_none()));
    world.one_more_pass_writes_nothing().await;
}

// ---- the end of the process ------------------------------------------------------------------

fn hang_when(sim: &Sim, asks_for: &'static str) {
    sim.fail_with(move |call| (call.output_fields == asks_for).then_some(Fault::Hang(Effect::None)));
}

/// Until such a call is on its way.
async fn until_called(world: &World, sim: &Sim, asks_for: &str) {
    for _ in 0..3 * 3600 {
        if sim.calls().iter().any(|call| call.output_fields == asks_for) {
            return;
        }
        world.pass_seconds(1).await;
    }
    panic!("nobody asked for {asks_for}");
}

async fn a_stop_waits_for_no_sweep_and_no_audit(versions: Versions) {
    // Of either side's sweep, of the one of attachments, and of the audit.
    for (inside, asks_for) in [
        (false, "id,finalclass,last_update"),
        (true, "id,finalclass,last_update"),
        (false, "id,item_class,item_id,temp_id"),
        (true, "id,item_class,item_id,temp_id"),
        (false, "id,ref"),
        (true, "id,ref"),
    ] {
        let mut world = Setup::between(versions).start().await;
        world.acme().create_ticket("UserRequest", ticket("a ticket")).await.unwrap();
        world.settle().await;
        let sim = if inside { world.internal.clone() } else { world.acme().clone() };
        world.clear_calls();
        hang_when(&sim, asks_for);
        until_called(&world, &sim, asks_for).await;
        let stopping = tokio::time::Instant::now();
        world.stop().await;
        assert!(stopping.elapsed() < Duration::from_secs(10), "{asks_for}: {:?}", stopping.elapsed());
        sim.heal();
        world.boot();
        world.one_more_pass_writes_nothing().await;
    }
}
