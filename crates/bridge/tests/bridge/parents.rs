//! iTop copies what somebody writes on a parent into its children. What was written on a ticket that is no part of a
//! pair does not cross by way of them; what somebody writes on the child itself does.

use std::time::Duration;

use itop_bridge::cli::Outcome;
use itop_bridge::cli::resume::Resume;
use itop_bridge_core::{LogName, Side};
use itop_bridge_testkit::world::*;
use itop_sim::{Right, Sim};

each_version![
    what_is_written_on_a_parent_of_the_houses_own_stays_there,
    what_is_written_as_plain_text_on_a_parent_stays_there_too,
    what_stands_in_the_child_before_it_stands_in_the_parent_stays_too,
    what_was_reworded_before_anybody_looked_is_kept_back,
    equal_words_that_somebody_wrote_on_several_children_cross,
    what_came_down_from_a_parents_parent_stays,
];

any_version![
    a_parent_of_one_customers_tells_another_nothing,
    an_entry_said_just_after_one_of_a_new_parent_waits_for_an_operator,
    it_stays_however_long_the_other_children_take,
    it_stays_in_the_last_of_many_children_too,
    the_other_children_are_read_once_for_an_entry_of_the_tickets_own,
    a_parent_that_was_taken_away_before_anybody_looked_counts,
    a_parent_that_cannot_be_read_keeps_new_entries_back_until_it_can,
    a_parent_that_is_hidden_and_then_taken_away_keeps_back_what_came_by_then,
    an_operator_lets_cross_what_is_kept_back,
    an_operator_keeps_what_is_kept_back_where_it_is,
    a_parents_parent_that_cannot_be_read_keeps_new_entries_back_until_it_can,
    who_wants_them_gets_all_entries_at_once,
    after_the_store_was_lost_copies_are_told_apart_again,
];

const PAIR: &str = "acme:R-000001";

/// A pair, one of whose tickets has a parent that is no part of any.
struct Family {
    world: World,
    side: Side,
    outside: u64,
    inside: u64,
    parent: u64,
}

impl Family {
    async fn new(versions: Versions, side: Side) -> Family {
        Family::of("UserRequest", Setup::between(versions), side).await
    }

    async fn of(parents_class: &str, setup: Setup, side: Side) -> Family {
        let world = setup.acme("only = \"title NOT LIKE 'Ours%'\"").start().await;
        let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(outside).await.id;
        let parent = sim(&world, side).create_ticket(parents_class, ticket("Ours: fire")).await.unwrap();
        let family = Family { world, side, outside, inside, parent };
        family.has_parent(parents_class, parent).await;
        family.world.settle().await;
        family
    }

    fn sim(&self) -> &Sim {
        sim(&self.world, self.side)
    }

    fn child(&self) -> u64 {
        if self.side == Side::External { self.outside } else { self.inside }
    }

    async fn has_parent(&self, class: &str, parent: u64) {
        let code = if class == "Incident" { "parent_incident_id" } else { "parent_request_id" };
        self.sim().update(self.child(), json!({ code: parent })).await.unwrap();
        if self.side == Side::Internal {
            // No hook of the provider's tells of it: the sweep does.
            self.world.pass_seconds(700).await;
        }
        self.world.settle().await;
    }

    /// Another child of that parent, which is no part of a pair.
    async fn child_of(&self, parent: u64) -> u64 {
        let fields = json!({ "org_id": sample::DEMO, "title": "Ours: another", "description": "d", "parent_request_id": parent });
        self.sim().create_ticket("UserRequest", fields).await.unwrap()
    }

    /// A person's save, which returns when all hooks are answered.
    fn begins_to_write(&self, ticket: u64, words: &str) -> tokio::task::JoinHandle<()> {
        let (sim, html) = (self.sim().clone(), format!("<p>{words}</p>"));
        tokio::spawn(async move { sim.add_log_entry(ticket, "private_log", &html).await.unwrap() })
    }

    async fn write(&self, ticket: u64, words: &str) {
        self.sim().add_log_entry(ticket, "private_log", &format!("<p>{words}</p>")).await.unwrap();
    }

    /// What the other side was told of the log.
    fn told(&self) -> String {
        let (sim, ticket) = match self.side {
            Side::External => (&self.world.internal, self.inside),
            Side::Internal => (self.world.acme(), self.outside),
        };
        log_files(sim, ticket)
    }

    async fn is_kept(&self, words: &str) {
        self.world.pass_seconds(700).await;
        self.world.settle().await;
        assert!(!self.told().contains(words), "{}", self.told());
        let reference = self.sim().ticket(self.parent).unwrap().field("ref").to_owned();
        let why = format!("iTop copied it from the parent {reference}, which is no part of a pair of this customer's");
        let did = format!("1 entry of the private log {} did not cross: {why}", self.side.place());
        assert!(self.world.did(self.outside, &did).await, "{:#?}", self.world.activity(self.outside).await);
        let shown = self.world.show(PAIR).await;
        assert!(shown.contains(&format!("stays {}: {why}", self.side.place())), "{shown}");
    }
}

fn sim(world: &World, side: Side) -> &Sim {
    if side == Side::External { world.acme() } else { &world.internal }
}

fn log_files(sim: &Sim, ticket: u64) -> String {
    let files = sim.attachments(ticket).into_iter().filter(|file| file.temp_id.contains(":log:"));
    files.map(|file| String::from_utf8(file.data.to_vec()).unwrap()).collect::<Vec<_>>().join("\n")
}

async fn what_is_written_on_a_parent_of_the_houses_own_stays_there(versions: Versions) {
    for side in Side::BOTH {
        let mut family = Family::new(versions, side).await;
        family.write(family.parent, "customers are on fire").await;
        family.world.settle().await;
        assert!(family.told().is_empty(), "{}", family.told());
        family.is_kept("on fire").await;

        // It is handled: nothing sends it later.
        family.world.crash().await;
        family.world.boot();
        family.sim().update(family.child(), json!({ "parent_request_id": 0 })).await.unwrap();
        family.world.pass_seconds(700).await;
        family.write(family.child(), "the ticket's own").await;
        family.world.settle().await;
        assert!(family.told().contains("the ticket's own") && !family.told().contains("on fire"), "{}", family.told());

        // With a parent an entry of its own crosses a little later.
        family.has_parent("UserRequest", family.parent).await;
        family.write(family.child(), "another one").await;
        family.world.pass_seconds(100).await;
        assert!(!family.told().contains("another one"));
        let shown = family.world.show(PAIR).await;
        assert!(shown.contains("unless a parent turns out to hold it too"), "{shown}");
        family.world.settle().await;
        assert!(family.told().contains("another one") && !family.told().contains("on fire"));
        let kept = family.world.link(family.outside).await.link;
        assert_eq!(kept.log(side, LogName::Private).unwrap().kept.len(), 1);
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_parent_of_one_customers_tells_another_nothing(versions: Versions) {
    let setup = Setup { externals: vec![versions.external, versions.internal], ..Setup::between(versions) };
    let world = setup.start().await;
    let mut copies = Vec::new();
    for (sim, name) in [(world.acme(), "acme"), (world.beta(), "beta")] {
        let id = sim.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        copies.push((id, world.link_of(name, id).await.unwrap().link.internal.unwrap().id));
    }
    let [(of_acme, parent), (of_beta, child)] = copies[..] else { panic!("{copies:?}") };
    world.internal.update(child, json!({ "parent_request_id": parent })).await.unwrap();
    world.pass_seconds(700).await;
    world.internal.add_log_entry(parent, "private_log", "<p>for acme alone</p>").await.unwrap();
    world.pass_seconds(700).await;
    world.settle().await;
    assert!(log_files(world.acme(), of_acme).contains("for acme alone"));
    assert!(log_files(world.beta(), of_beta).is_empty());
    world.one_more_pass_writes_nothing().await;
}

/// As a program writes it: iTop turns it into HTML in the children.
async fn what_is_written_as_plain_text_on_a_parent_stays_there_too(versions: Versions) {
    for side in Side::BOTH {
        let family = Family::new(versions, side).await;
        for words in ["customers are on fire", "a < b & \"c\"\n'on fire'"] {
            let item = json!({ "private_log": { "add_item": { "message": words, "format": "text" } } });
            family.sim().update(family.parent, item).await.unwrap();
        }
        family.world.pass_seconds(700).await;
        family.world.settle().await;
        assert!(family.told().is_empty(), "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn what_was_reworded_before_anybody_looked_is_kept_back(versions: Versions) {
    for (side, where_it_was_reworded) in Side::BOTH.into_iter().flat_map(|side| [(side, true), (side, false)]) {
        let mut family = Family::new(versions, side).await;
        family.world.crash().await;
        family.write(family.parent, "customers are on fire").await;
        let reworded = if where_it_was_reworded { family.parent } else { family.child() };
        assert_eq!(family.sim().reword_log_entries(reworded, "private_log", "on fire", "well"), 1);
        family.world.boot();
        family.world.pass_seconds(700).await;
        family.write(family.child(), "the ticket's own").await;
        family.world.pass_seconds(2 * 3600).await;
        family.world.settle().await;
        assert!(!family.told().contains("customers are"), "{}", family.told());
        assert_eq!(family.told().matches("the ticket's own").count(), 1, "{}", family.told());
        let conflicts = family.world.link(family.outside).await.link.open.conflicts;
        let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
        let says = format!(
            "1 new entry is kept back: the parent UserRequest {} has an entry of the same author",
            family.parent
        );
        assert!(conflict.text.starts_with(&says), "{conflict}");
        family.world.one_more_pass_writes_nothing().await;

        let said = family.world.resume(PAIR, false).await.unwrap();
        assert!(said.contains("they cross now"), "{said}");
        family.world.settle().await;
        assert_eq!(family.told().matches("customers are").count(), 1, "{}", family.told());
        assert_eq!(family.world.link(family.outside).await.link.open.conflicts, []);
        family.world.one_more_pass_writes_nothing().await;
    }
}

/// What a parent said before it was one has no copy in the child, as a reworded one has none.
async fn an_entry_said_just_after_one_of_a_new_parent_waits_for_an_operator(versions: Versions) {
    for side in Side::BOTH {
        let mut family = Family::new(versions, side).await;
        let other = sim(&family.world, side).create_ticket("UserRequest", ticket("Ours: smoke")).await.unwrap();
        family.world.settle().await;
        family.world.crash().await;
        family.write(other, "other customers are on fire").await;
        family.write(family.child(), "the ticket's own").await;
        family.sim().update(family.child(), json!({ "parent_request_id": other })).await.unwrap();
        family.world.boot();
        family.world.pass_seconds(700).await;
        family.world.settle().await;
        assert_eq!(family.told(), "", "it may be a copy that somebody reworded");
        let conflicts = family.world.link(family.outside).await.link.open.conflicts;
        assert!(conflicts.len() == 1 && conflicts[0].text.contains("is kept back"), "{conflicts:?}");

        family.world.resume(PAIR, false).await.unwrap();
        family.world.settle().await;
        assert_eq!(family.told().matches("the ticket's own").count(), 1, "{}", family.told());
        assert!(!family.told().contains("customers are"), "{}", family.told());
        assert_eq!(family.world.link(family.outside).await.link.open.conflicts, []);
        family.world.one_more_pass_writes_nothing().await;
    }
}

/// iTop saves the children, each with its hooks, before the parent: a pass sees the copy alone.
async fn what_stands_in_the_child_before_it_stands_in_the_parent_stays_too(versions: Versions) {
    for side in Side::BOTH {
        for dies in [false, true] {
            let mut family = Family::new(versions, side).await;
            family.sim().hold_parent(Duration::from_secs(100));
            let parent = family.parent;
            let writes = family.begins_to_write(parent, "customers are on fire");
            family.world.pass_seconds(50).await;
            assert_eq!(
                family.sim().ticket(family.child()).unwrap().log("private_log").last().unwrap().html,
                "<p>customers are on fire</p>"
            );
            assert!(family.sim().ticket(parent).unwrap().log("private_log").is_empty());
            if dies {
                family.world.crash().await;
                family.world.boot();
            }
            writes.await.unwrap();
            family.is_kept("on fire").await;
            family.world.one_more_pass_writes_nothing().await;
        }
    }
}

/// A hook of each child can hold the parent's save, and a child may have children of its own.
async fn it_stays_however_long_the_other_children_take(versions: Versions) {
    for side in Side::BOTH {
        for dies in [false, true] {
            let mut family = Family::new(versions, side).await;
            let other = family.child_of(family.parent).await;
            for _ in 0..3 {
                family.child_of(other).await;
            }
            family.sim().hold_children(Duration::from_secs(125));
            let writes = family.begins_to_write(family.parent, "customers are on fire");
            family.world.pass_seconds(300).await;
            if dies {
                family.world.crash().await;
                family.world.boot();
            }
            writes.await.unwrap();
            family.is_kept("on fire").await;
            family.world.one_more_pass_writes_nothing().await;
        }
    }
}

/// By then the parent's own entry is dated long before.
async fn it_stays_in_the_last_of_many_children_too(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).acme("only = \"title NOT LIKE 'Ours%'\"").start().await;
        let parent = sim(&world, side).create_ticket("UserRequest", ticket("Ours: fire")).await.unwrap();
        let mut family = Family { world, side, outside: 0, inside: 0, parent };
        for _ in 0..9 {
            // iTop saves them in the order of their ids.
            family.child_of(parent).await;
        }
        family.outside = family.world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        family.world.settle().await;
        family.inside = family.world.copy_of(family.outside).await.id;
        family.has_parent("UserRequest", parent).await;
        family.sim().hold_children(Duration::from_secs(125));
        family.begins_to_write(parent, "customers are on fire").await.unwrap();
        family.world.pass_seconds(700).await;
        assert!(!family.told().contains("on fire"), "{}", family.told());
        let kept = family.world.link(family.outside).await.link;
        assert_eq!(kept.log(side, LogName::Private).unwrap().kept.len(), 1);
        family.world.one_more_pass_writes_nothing().await;
    }
}

/// As iTop's "modify all" does.
async fn equal_words_that_somebody_wrote_on_several_children_cross(versions: Versions) {
    for side in Side::BOTH {
        let family = Family::new(versions, side).await;
        let other = family.child_of(family.parent).await;
        for ticket in [family.child(), other] {
            family.write(ticket, "a technician is on the way").await;
        }
        family.world.pass_seconds(700).await;
        assert_eq!(family.told().matches("on the way").count(), 1, "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn the_other_children_are_read_once_for_an_entry_of_the_tickets_own(versions: Versions) {
    for side in Side::BOTH {
        let family = Family::new(versions, side).await;
        let calls_for = async |words: &str, seconds: u64| {
            family.sim().clear_calls();
            family.write(family.child(), words).await;
            family.world.pass_seconds(seconds).await;
            assert!(family.told().contains(words), "{}", family.told());
            family.sim().calls_containing("parent_request_id IN").len()
        };
        assert_eq!(calls_for("an only child's", 200).await, 1);
        family.child_of(family.parent).await;
        // Once more for what stands below the other child.
        assert_eq!(calls_for("one of two children's", 200).await, 2);
        family.sim().update(family.child(), json!({ "parent_request_id": 0 })).await.unwrap();
        family.world.pass_seconds(700).await;
        assert_eq!(calls_for("nobody's child's", 5).await, 0);
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_parent_that_was_taken_away_before_anybody_looked_counts(versions: Versions) {
    for side in Side::BOTH {
        let mut family = Family::new(versions, side).await;
        family.world.crash().await;
        family.write(family.parent, "customers are on fire").await;
        family.sim().update(family.child(), json!({ "parent_request_id": 0 })).await.unwrap();
        family.world.boot();
        family.is_kept("on fire").await;
        assert_eq!(family.world.link(family.outside).await.link.parents, []);
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_parent_that_cannot_be_read_keeps_new_entries_back_until_it_can(versions: Versions) {
    for side in Side::BOTH {
        let family = Family::of("Incident", Setup::between(versions), side).await;
        family.sim().set_right("bridge", "Incident", Right::Read, false);
        family.write(family.parent, "customers are on fire").await;
        family.write(family.child(), "the ticket's own").await;
        family.world.pass_seconds(2 * 3600).await;
        assert!(family.told().is_empty(), "{}", family.told());
        let conflicts = family.world.link(family.outside).await.link.open.conflicts;
        let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
        let says = format!("they may be copies from the parent Incident {} (", family.parent);
        assert!(
            conflict.text.starts_with("2 new entries are kept back: ") && conflict.text.contains(&says),
            "{conflict}"
        );
        // Outside the parent itself waits for the right: a hook told of it.
        let waits = family.world.issues();
        assert_eq!(waits.len(), usize::from(side == Side::External), "{waits:?}");
        // All else of the ticket goes on.
        family.world.acme().update(family.outside, json!({ "title": "In flames" })).await.unwrap();
        family.world.pass_seconds(60).await;
        assert_eq!(family.world.copy_of(family.outside).await.field("title"), "[R-000001] In flames");

        family.sim().set_right("bridge", "Incident", Right::Read, true);
        family.world.pass_seconds(2 * 3600).await;
        family.is_kept("on fire").await;
        assert!(family.told().contains("the ticket's own"), "{}", family.told());
        assert!(family.world.link(family.outside).await.link.open.conflicts.is_empty());
        family.world.one_more_pass_writes_nothing().await;
    }
}

/// A pair with an entry of its own and one of a parent's, of which nobody can tell: it was hidden, and taken away.
async fn hidden_and_taken_away(versions: Versions, side: Side) -> Family {
    let family = Family::new(versions, side).await;
    family.sim().change_org(family.parent, sample::IT).await.unwrap();
    family.sim().see_only(Some(&[sample::DEMO]));
    family.write(family.parent, "customers are on fire").await;
    family.write(family.child(), "the ticket's own").await;
    family.world.pass_seconds(700).await;
    family.sim().update(family.child(), json!({ "parent_request_id": 0 })).await.unwrap();
    family.write(family.child(), "said in the same minute").await;
    family.world.pass_seconds(700).await;
    family.world.settle().await;
    assert!(!family.told().contains("on fire") && !family.told().contains("own"), "{}", family.told());
    family.write(family.child(), "of later").await;
    family.world.pass_seconds(700).await;
    family.world.settle().await;
    assert!(family.told().contains("of later"), "{}", family.told());
    let conflicts = family.world.link(family.outside).await.link.open.conflicts;
    let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
    let says =
        format!("new entries are kept back: they may be copies from the former parent UserRequest {} (", family.parent);
    assert!(conflict.text.contains(&says), "{conflict}");
    let shown = family.world.show(PAIR).await;
    assert!(shown.matches("is kept back: see the conflict above").count() >= 2, "{shown}");
    family.world.one_more_pass_writes_nothing().await;
    family
}

async fn a_parent_that_is_hidden_and_then_taken_away_keeps_back_what_came_by_then(versions: Versions) {
    for side in Side::BOTH {
        let family = hidden_and_taken_away(versions, side).await;
        family.sim().see_only(None);
        family.world.pass_seconds(2 * 3600).await;
        family.is_kept("on fire").await;
        assert_eq!(family.told().matches("the ticket's own").count(), 1, "{}", family.told());
        assert!(family.world.link(family.outside).await.link.open.conflicts.is_empty());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn an_operator_lets_cross_what_is_kept_back(versions: Versions) {
    for side in Side::BOTH {
        let mut family = hidden_and_taken_away(versions, side).await;
        let said = family.world.resume(PAIR, false).await.unwrap();
        assert!(said.contains("they cross now"), "{said}");
        family.world.crash().await;
        family.world.boot();
        family.world.settle().await;
        for words in ["the ticket's own", "on fire"] {
            assert_eq!(family.told().matches(words).count(), 1, "{}", family.told());
        }
        let link = family.world.link(family.outside).await.link;
        assert!(link.open.conflicts.is_empty(), "{link:#?}");
        let said = family.world.resume(PAIR, false).await.unwrap();
        assert!(said.contains("is not halted. Nothing was changed."), "{said}");
        family.world.one_more_pass_writes_nothing().await;

        let mut family = hidden_and_taken_away(versions, side).await;
        family.world.crash().await;
        family.world.configure(&Setup::between(versions).sync("parent_entries = \"send\""));
        family.world.boot();
        family.world.look_at_everything().await;
        assert_eq!(family.told().matches("the ticket's own").count(), 1, "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn an_operator_keeps_what_is_kept_back_where_it_is(versions: Versions) {
    for side in Side::BOTH {
        let family = hidden_and_taken_away(versions, side).await;
        let shown = family.world.show(PAIR).await;
        let step =
            "`itop-bridge resume acme:R-000001` lets them cross, and `itop-bridge resume acme:R-000001 --keep` keeps";
        assert!(shown.contains(step), "{shown}");
        let before = family.told();
        let keep = Resume { what: PAIR.into(), create: false, keep: true, yes: false };
        let said = family.world.resumes(keep).await.unwrap();
        assert!(said.contains("they stay where they are, for good"), "{said}");
        family.world.settle().await;
        let link = family.world.link(family.outside).await.link;
        assert!(link.open.conflicts.is_empty(), "{link:#?}");
        assert_eq!(family.told(), before);
        let shown = family.world.show(PAIR).await;
        assert!(shown.matches("which was the parent then, and nobody has let it cross").count() >= 2, "{shown}");
        // What the ticket says from now on crosses.
        family.write(family.child(), "said after that").await;
        family.world.pass_seconds(700).await;
        assert_eq!(family.told().matches("said after that").count(), 1, "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn what_came_down_from_a_parents_parent_stays(versions: Versions) {
    for side in Side::BOTH {
        let family = Family::new(versions, side).await;
        let grandchild = family.world.acme().create_ticket("UserRequest", ticket("Scanner on fire")).await.unwrap();
        family.world.settle().await;
        let copy = family.world.copy_of(grandchild).await.id;
        let below = if side == Side::External { grandchild } else { copy };
        family.sim().update(below, json!({ "parent_request_id": family.child() })).await.unwrap();
        family.world.pass_seconds(700).await;
        family.write(family.parent, "customers are on fire").await;
        family.world.pass_seconds(700).await;
        family.write(family.child(), "for both").await;
        family.is_kept("on fire").await;
        let (sim, ticket) =
            if side == Side::External { (&family.world.internal, copy) } else { (family.world.acme(), grandchild) };
        // What stands in a parent that is paired crosses with it, and with its children.
        assert_eq!(family.told().matches("for both").count(), 1, "{}", family.told());
        let told = log_files(sim, ticket);
        assert!(told.matches("for both").count() == 1 && !told.contains("on fire"), "{told}");
        family.world.one_more_pass_writes_nothing().await;
    }
}

/// It is no parent of the ticket's own, but what is written there comes down by way of one.
async fn a_parents_parent_that_cannot_be_read_keeps_new_entries_back_until_it_can(versions: Versions) {
    for side in Side::BOTH {
        for leaves in [false, true] {
            let family = Family::new(versions, side).await;
            let grandchild = family.world.acme().create_ticket("UserRequest", ticket("Scanner on fire")).await.unwrap();
            family.world.settle().await;
            let copy = family.world.copy_of(grandchild).await.id;
            let below = if side == Side::External { grandchild } else { copy };
            family.sim().update(below, json!({ "parent_request_id": family.child() })).await.unwrap();
            family.world.pass_seconds(700).await;
            family.sim().change_org(family.parent, sample::IT).await.unwrap();
            family.sim().see_only(Some(&[sample::DEMO]));
            family.write(family.parent, "customers are on fire").await;
            family.write(below, "the ticket's own").await;
            family.world.pass_seconds(700).await;
            if leaves {
                family.sim().update(family.child(), json!({ "parent_request_id": 0 })).await.unwrap();
                family.world.pass_seconds(2 * 3600).await;
            }
            let told = || match side {
                Side::External => log_files(&family.world.internal, copy),
                Side::Internal => log_files(family.world.acme(), grandchild),
            };
            assert_eq!((family.told(), told()), (String::new(), String::new()));
            let conflicts = family.world.link(grandchild).await.link.open.conflicts;
            let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
            let whose = if leaves { "former parent" } else { "parent's parent" };
            let says = format!("they may be copies from the {whose} UserRequest {} (", family.parent);
            assert!(conflict.text.contains(&says), "{conflict}");

            family.sim().see_only(None);
            family.world.pass_seconds(2 * 3600).await;
            family.is_kept("on fire").await;
            assert!(told().matches("the ticket's own").count() == 1 && !told().contains("on fire"), "{}", told());
            assert!(family.world.link(grandchild).await.link.open.conflicts.is_empty());
            family.world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn who_wants_them_gets_all_entries_at_once(versions: Versions) {
    for side in Side::BOTH {
        let setup = Setup::between(versions).sync("parent_entries = \"send\"");
        let family = Family::of("UserRequest", setup, side).await;
        family.write(family.parent, "customers are on fire").await;
        family.write(family.child(), "the ticket's own").await;
        family.world.pass_seconds(5).await;
        assert!(family.told().contains("on fire") && family.told().contains("the ticket's own"), "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}

async fn after_the_store_was_lost_copies_are_told_apart_again(versions: Versions) {
    for side in Side::BOTH {
        let mut family = Family::new(versions, side).await;
        family.write(family.child(), "the ticket's own").await;
        family.world.settle().await;
        family.write(family.parent, "customers are on fire").await;
        family.is_kept("on fire").await;
        family.world.lose_the_store().await;
        let (outcome, said) = family.world.rebuild(false).await.unwrap();
        assert_eq!(outcome, Outcome::Fine, "{said}");
        family.world.boot();
        family.is_kept("on fire").await;
        assert_eq!(family.told().matches("the ticket's own").count(), 1, "{}", family.told());
        family.world.one_more_pass_writes_nothing().await;
    }
}
