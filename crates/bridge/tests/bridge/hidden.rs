//! A ticket that the account may not see for a while answers like a deleted one. When it is there again, the pair goes
//! on by itself, and what people did meanwhile crosses.

use itop_bridge_core::Side;
use itop_bridge_store::{Instance, LinkState};
use itop_bridge_testkit::world::*;
use itop_sim::{FirstIds, Sim};

use crate::listen::Log;
use crate::setup::admin;
use crate::status::go;
use crate::watch::told;

any_version![
    a_ticket_that_is_moved_away_and_back_goes_on_with_what_changed_meanwhile,
    a_ticket_that_comes_back_unheard_is_found,
    files_that_are_hidden_with_their_ticket_are_not_taken_for_deleted,
    a_pair_that_an_operator_resumed_while_its_ticket_was_hidden_stays_ended,
    another_ticket_in_the_place_of_a_hidden_one_ends_no_halt,
    a_ticket_that_is_hidden_twice_halts_twice,
    a_side_whose_tickets_are_all_there_again_goes_on_by_itself,
    a_ticket_that_is_hidden_before_it_is_carried_crosses_once_it_may_be_seen,
    a_ticket_that_does_not_fit_is_asked_for_once_more_and_never_again,
    what_is_hidden_without_its_ticket_is_kept_in_step_again_once_it_is_seen,
    a_report_that_is_hidden_without_its_ticket_is_written_again_once_it_is_seen,
];

const PAIR: &str = "acme:R-000001";
const HALTED: &str = "itop_bridge_halted_links{external=\"acme\"}";

/// A pair, one of whose tickets will not be seen for a while.
struct Hidden {
    world: World,
    side: Side,
    outside: u64,
    inside: u64,
}

impl Hidden {
    async fn new(versions: Versions, side: Side) -> Hidden {
        let world = Setup::between(versions).start().await;
        let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(outside).await.id;
        let hidden = Hidden { world, side, outside, inside };
        hidden.sim().see_only(Some(&[sample::DEMO]));
        hidden
    }

    fn sim(&self) -> &Sim {
        sim(&self.world, self.side)
    }

    fn ticket(&self, side: Side) -> u64 {
        if side == Side::External { self.outside } else { self.inside }
    }

    async fn moves_to(&self, organization: u64) {
        self.sim().change_org(self.ticket(self.side), organization).await.unwrap();
        // No hook of the provider's tells of it, and the sweep does not show what is hidden: the audit finds that.
        self.world.pass_seconds(2 * 3600).await;
        self.world.settle().await;
    }

    async fn is_hidden(&self) {
        self.moves_to(sample::IT).await;
        self.halts().await;
    }

    async fn halts(&self) {
        let halt = self.world.link(self.outside).await.link.course.halt;
        assert!(halt.as_ref().is_some_and(|halt| halt.kind.vanished() == Some(self.side)), "{halt:?}");
        self.world.pass_seconds(60).await;
        assert_eq!(self.world.metric(HALTED).await, 1.0);
    }

    async fn goes_on(&self) {
        assert_eq!(self.world.link(self.outside).await.link.why_halted(), None);
        assert_eq!(self.world.metric(HALTED).await, 0.0);
        let says = format!("the {} ticket ", self.side.word());
        let did = self.world.activity(self.outside).await;
        let again = did.iter().filter(|line| line.text.contains("is there again: the pair goes on"));
        assert!(again.clone().all(|line| line.text.starts_with(&says)) && again.count() == 1, "{did:#?}");
        assert!(did.iter().any(|line| line.text.starts_with("halted: ") && line.text.contains("no longer there")));
    }

    /// A file with this name of either side's, and its copy's data.
    async fn attach(&self, side: Side, name: &str) -> u64 {
        let sim = sim(&self.world, side);
        sim.attach(self.ticket(side), name, "text/plain", name.as_bytes()).await.unwrap()
    }

    fn names(&self, side: Side) -> Vec<String> {
        let files = sim(&self.world, side).attachments(self.ticket(side)).into_iter();
        files.filter(|file| !file.temp_id.contains(":status:")).map(|file| file.filename).collect()
    }
}

fn sim(world: &World, side: Side) -> &Sim {
    if side == Side::External { world.acme() } else { &world.internal }
}

async fn a_ticket_that_is_moved_away_and_back_goes_on_with_what_changed_meanwhile(versions: Versions) {
    for side in Side::BOTH {
        let log = Log::kept();
        let hidden = Hidden::new(versions, side).await;
        let world = &hidden.world;
        let mut files = Vec::new();
        for from in Side::BOTH {
            for name in ["deleted", "replaced"] {
                files.push((from, name, hidden.attach(from, &format!("{name} {}.txt", from.place())).await));
            }
        }
        world.settle().await;
        hidden.is_hidden().await;
        let alerts = told(world);
        assert!(alerts.len() == 1 && alerts[0].0 == "halted", "{alerts:?}");
        assert_eq!(log.lines("halted: ").len(), 1);

        // Of all this nothing crosses meanwhile.
        world.clear_calls();
        world.acme().update(hidden.outside, json!({ "title": "Printer in flames", "urgency": "1" })).await.unwrap();
        let assign = json!({ "team_id": sample::HELPDESK, "agent_id": 9 });
        world.acme().stimulus(hidden.outside, "ev_assign", assign).await.unwrap();
        for from in Side::BOTH {
            let sim = sim(world, from);
            let entry = format!("<p>said {}</p>", from.place());
            sim.add_log_entry(hidden.ticket(from), "private_log", &entry).await.unwrap();
            hidden.attach(from, &format!("added {}.txt", from.place())).await;
        }
        for (from, name, file) in &files {
            match *name {
                "deleted" => sim(world, *from).delete_attachment(*file).await,
                _ => sim(world, *from).replace_attachment(*file, b"another version").await.unwrap(),
            }
        }
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        assert_eq!(world.acme().writes() + world.internal.writes(), 0);

        hidden.moves_to(sample::DEMO).await;
        world.settle().await;
        hidden.goes_on().await;
        assert_eq!(log.lines("is there again: the pair goes on").len(), 1);
        let copy = world.copy_of(hidden.outside).await;
        assert_eq!((copy.id, copy.field("title")), (hidden.inside, "[R-000001] Printer in flames"));
        assert_eq!((copy.status(), copy.field("urgency")), ("assigned", "1"));
        for from in Side::BOTH {
            let (on, place) = (from.other(), from.place());
            let names = hidden.names(on);
            assert!(names.contains(&format!("added {place}.txt")), "{names:?}");
            assert!(!names.contains(&format!("deleted {place}.txt")), "{names:?}");
            let all = sim(world, on).attachments(hidden.ticket(on));
            let replaced = all.iter().find(|file| file.filename == format!("replaced {place}.txt"));
            assert_eq!(replaced.expect("its copy").data, b"another version"[..]);
            let said = all.iter().filter(|file| file.temp_id.contains(":log:"));
            assert_eq!(said.count(), 1, "{names:?}");
        }
        world.pass_seconds(60).await;
        world.one_more_pass_writes_nothing().await;
    }
}

/// By the sweep where it was moved; by the audit where the right was given back, which changes nothing in the ticket.
async fn a_ticket_that_comes_back_unheard_is_found(versions: Versions) {
    for (side, moves) in
        [(Side::External, true), (Side::Internal, true), (Side::External, false), (Side::Internal, false)]
    {
        let hidden = Hidden::new(versions, side).await;
        let world = &hidden.world;
        for sim in [world.acme(), &world.internal] {
            sim.drop_hooks(true);
        }
        if moves {
            hidden.sim().change_org(hidden.ticket(side), sample::IT).await.unwrap();
        } else {
            hidden.sim().see_only(Some(&[sample::IT]));
        }
        world.pass_seconds(2 * 3600).await;
        hidden.halts().await;
        if moves {
            hidden.sim().change_org(hidden.ticket(side), sample::DEMO).await.unwrap();
            world.pass_seconds(700).await;
        } else {
            hidden.sim().see_only(None);
            world.pass_seconds(2 * 3600).await;
        }
        world.settle().await;
        hidden.goes_on().await;
        world.one_more_pass_writes_nothing().await;
    }
}

async fn files_that_are_hidden_with_their_ticket_are_not_taken_for_deleted(versions: Versions) {
    for side in Side::BOTH {
        let hidden = Hidden::new(versions, side).await;
        for from in Side::BOTH {
            for number in 0..3 {
                hidden.attach(from, &format!("{number} {}.txt", from.place())).await;
            }
        }
        hidden.world.settle().await;
        let before = Side::BOTH.map(|side| hidden.names(side));
        hidden.is_hidden().await;
        hidden.world.pass_seconds(2 * 3600).await;
        hidden.moves_to(sample::DEMO).await;
        hidden.world.pass_seconds(2 * 3600).await;
        assert_eq!(Side::BOTH.map(|side| hidden.names(side)), before);
        hidden.goes_on().await;
        hidden.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_pair_that_an_operator_resumed_while_its_ticket_was_hidden_stays_ended(versions: Versions) {
    for side in Side::BOTH {
        let hidden = Hidden::new(versions, side).await;
        hidden.is_hidden().await;
        hidden.world.resume(PAIR, false).await.unwrap();
        hidden.world.settle().await;
        assert_eq!(hidden.world.link(hidden.outside).await.state, LinkState::Ended);
        hidden.moves_to(sample::DEMO).await;
        hidden.world.acme().update(hidden.outside, json!({ "title": "Nobody's" })).await.unwrap();
        hidden.world.pass_seconds(2 * 3600).await;
        hidden.world.settle().await;
        assert_eq!(hidden.world.link(hidden.outside).await.state, LinkState::Ended);
        assert_eq!(hidden.world.internal.tickets("Ticket").len(), 1);
        hidden.world.one_more_pass_writes_nothing().await;
    }
}

async fn another_ticket_in_the_place_of_a_hidden_one_ends_no_halt(versions: Versions) {
    for side in Side::BOTH {
        let hidden = Hidden::new(versions, side).await;
        hidden.is_hidden().await;
        let (sim, id) = (hidden.sim(), hidden.ticket(side));
        sim.erase("UserRequest", id);
        let next = sim.next_ids();
        sim.set_next_ids(FirstIds { ticket: id, ..next });
        sim.create_ticket("UserRequest", ticket("Another ticket")).await.unwrap();
        sim.set_next_ids(FirstIds { reference: next.reference + 1, ..next });
        hidden.world.pass_seconds(2 * 3600).await;
        hidden.world.settle().await;
        hidden.halts().await;
        hidden.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_ticket_that_is_hidden_twice_halts_twice(versions: Versions) {
    for side in Side::BOTH {
        let hidden = Hidden::new(versions, side).await;
        hidden.is_hidden().await;
        hidden.moves_to(sample::DEMO).await;
        hidden.goes_on().await;
        hidden.is_hidden().await;
        hidden.moves_to(sample::DEMO).await;
        assert_eq!(hidden.world.link(hidden.outside).await.link.why_halted(), None);
        hidden.world.one_more_pass_writes_nothing().await;
    }
}

/// A right that was taken away and given back. Nothing was written meanwhile, so nothing is to be accepted.
async fn a_side_whose_tickets_are_all_there_again_goes_on_by_itself(versions: Versions) {
    for (side, name) in [(Side::External, "acme"), (Side::Internal, "elitery")] {
        let world = Setup::between(versions).start().await;
        let mut pairs = Vec::new();
        for number in 1..=6 {
            let outside = world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap();
            world.settle().await;
            pairs.push((outside, world.copy_of(outside).await.id));
        }
        let instance = if side == Side::External { Instance::External("acme".into()) } else { Instance::Internal };
        let stopped = || world.stopped(instance.clone());
        world.pass_seconds(700).await;
        sim(&world, side).see_only(Some(&[sample::IT]));
        world.pass_seconds(2 * 3600).await;
        let why = stopped().await;
        assert!(why.as_ref().is_some_and(|why| why.contains("6 of 6 linked tickets are gone")), "{why:?}");
        // One of them is moved: it is there again, and the others are not.
        let one = if side == Side::External { pairs[0].0 } else { pairs[0].1 };
        sim(&world, side).change_org(one, sample::IT).await.unwrap();
        world.acme().update(pairs[1].0, json!({ "title": "Meanwhile" })).await.unwrap();
        world.clear_calls();
        world.pass_seconds(3 * 3600).await;
        assert!(stopped().await.is_some());
        assert_eq!(world.acme().writes() + world.internal.writes(), 0);
        sim(&world, side).see_only(None);
        world.pass_seconds(2 * 3600).await;
        assert_eq!(stopped().await, None);
        world.settle().await;
        assert_eq!(world.copy_of(pairs[1].0).await.field("title"), "[R-000002] Meanwhile");
        let over = ("over".to_owned(), format!("{name} goes on."));
        assert!(told(&world).contains(&over));
        // And once more.
        sim(&world, side).see_only(Some(&[sample::HELPDESK]));
        world.pass_seconds(2 * 3600).await;
        assert!(stopped().await.is_some());
        sim(&world, side).see_only(None);
        world.pass_seconds(2 * 3600).await;
        assert_eq!(stopped().await, None);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_ticket_that_is_hidden_before_it_is_carried_crosses_once_it_may_be_seen(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let acme = world.acme();
    acme.see_only(Some(&[sample::IT]));
    let hidden = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    // One waits for the provider when it is hidden, and one is deleted meanwhile.
    acme.see_only(None);
    world.internal.read_only(true);
    let waits = acme.create_ticket("UserRequest", ticket("Server on ice")).await.unwrap();
    world.pass_seconds(60).await;
    acme.see_only(Some(&[sample::IT]));
    let deleted = acme.create_ticket("UserRequest", ticket("Nothing at all")).await.unwrap();
    world.pass_seconds(3600).await;
    acme.delete_ticket(deleted).await.unwrap();
    world.internal.read_only(false);
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert!(world.link_of("acme", waits).await.is_none_or(|stored| stored.link.internal.is_none()));

    acme.see_only(None);
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    for ticket in [hidden, waits] {
        assert_eq!(world.copy_of(ticket).await.field("status"), "new");
    }
    assert!(world.link_of("acme", deleted).await.is_none());
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_that_does_not_fit_is_asked_for_once_more_and_never_again(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"title LIKE '%fire%'\"").start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Server on ice")).await.unwrap();
    world.pass_seconds(3 * 3600).await;
    world.clear_calls();
    world.pass_seconds(4 * 3600).await;
    let about_it = format!("IN ({id})");
    let asked: Vec<String> = world.acme().calls().iter().map(|call| call.key.to_string()).collect();
    assert!(asked.iter().all(|key| !key.contains(&about_it)), "{asked:#?}");
    world.ends_without_one_more_pass("nothing is linked");
}

/// A file whose organisation is not its ticket's, as when the ticket moved while the file was made.
async fn of_another_organization(sim: &Sim, file: u64, organization: u64) {
    let fields = json!({ "item_org_id": organization });
    let change = json!({"operation": "core/update", "class": "Attachment", "key": file, "comment": "a person", "fields": fields});
    let answer = admin(sim, change).await;
    assert_eq!(answer["code"], 0, "{answer}");
}

/// The account sees the ticket, and not what the bridge made there: that looks as if a person had deleted it.
async fn what_is_hidden_without_its_ticket_is_kept_in_step_again_once_it_is_seen(versions: Versions) {
    for side in Side::BOTH {
        let hidden = Hidden::new(versions, side).await;
        let (world, sim) = (&hidden.world, hidden.sim());
        let mut originals = Vec::new();
        for name in ["changed.txt", "deleted.txt", "kept.txt"] {
            originals.push(hidden.attach(side.other(), name).await);
        }
        world.settle().await;
        let copies: Vec<u64> = sim.attachments(hidden.ticket(side)).iter().map(|file| file.id).collect();
        for copy in &copies {
            of_another_organization(sim, *copy, sample::IT).await;
        }
        // The audit lists the files.
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        let copies_of = |link: &itop_bridge_core::Link| {
            let copies = link.files.copies.iter().filter(|copy| copy.from == side.other());
            copies.map(|copy| copy.state.standing().is_some()).collect::<Vec<bool>>()
        };
        assert_eq!(copies_of(&world.link(hidden.outside).await.link), [false; 3], "{side:?}");
        // What changes now changes without them.
        let source = if side == Side::External { &world.internal } else { world.acme() };
        source.replace_attachment(originals[0], b"later").await.unwrap();
        world.settle().await;
        sim.see_only(None);
        if side == Side::Internal {
            source.delete_attachment(originals[1]).await;
        } else {
            world.pass_seconds(2 * 3600).await;
            world.settle().await;
            assert_eq!(copies_of(&world.link(hidden.outside).await.link), [true; 3], "{side:?}");
            source.delete_attachment(originals[1]).await;
        }
        world.pass_seconds(200).await;
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        let mut names = hidden.names(side);
        names.sort();
        assert_eq!(names, ["changed.txt", "kept.txt"], "{side:?}");
        let changed = sim.attachments(hidden.ticket(side)).into_iter().find(|file| file.filename == "changed.txt");
        assert_eq!(changed.unwrap().data.as_ref(), b"later", "{side:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// The report too: a later state is written into it, and makes no second one.
async fn a_report_that_is_hidden_without_its_ticket_is_written_again_once_it_is_seen(versions: Versions) {
    let hidden = Hidden::new(versions, Side::External).await;
    let (world, sim) = (&hidden.world, hidden.sim());
    go(&world.internal, hidden.inside, &["ev_assign"]).await;
    world.settle().await;
    let reports = || sim.attachments(hidden.outside).into_iter().filter(|file| file.temp_id.contains(":status:"));
    let report = reports().next().expect("a report").id;
    of_another_organization(sim, report, sample::IT).await;
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    sim.see_only(None);
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    go(&world.internal, hidden.inside, &["ev_resolve"]).await;
    world.settle().await;
    let after: Vec<_> = reports().collect();
    assert!(after.len() == 1 && after[0].id == report, "{after:?}");
    assert!(String::from_utf8_lossy(&after[0].data).contains("resolved"));
    world.one_more_pass_writes_nothing().await;
}
