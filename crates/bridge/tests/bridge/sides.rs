//! Names and iTops: an external that is renamed, removed or exchanged with another is never taken for a new one, and
//! never for another. It is contradicted before anything is written; `external rename` and `external remove` are for
//! those who mean it.

use std::collections::BTreeSet;

use itop_bridge::cli::Outcome;
use itop_bridge::cli::external::{ExternalVerb, remove::Remove};
use itop_bridge::sides::{Compared, Contradiction};
use itop_bridge_store::{LinkState, TicketOf};
use itop_bridge_testkit::world::*;

any_version![
    a_renamed_external_goes_on_under_its_new_name_and_is_found_again_by_its_marks,
    a_crash_while_it_is_renamed_leaves_all_of_it_or_nothing,
    a_removed_external_is_missed_until_its_pairs_have_ended,
    a_removed_external_that_is_back_begins_anew_beside_its_ended_pairs,
    the_last_external_leaves,
    what_waits_of_a_missing_external_is_missed_too,
];

const IN_MARKS: &str = "only = \"all\"\nname_in_marks = \"acme\"";

fn two(versions: Versions) -> Setup {
    Setup { externals: vec![versions.external, versions.external], ..Setup::between(versions) }
}

/// Two customers with a pair each, of which the store knows the addresses; the bridge is down.
async fn two_customers(versions: Versions) -> World {
    let mut world = two(versions).start().await;
    world.crash().await;
    world.begins().await;
    world.acme().create_ticket("UserRequest", ticket("of acme")).await.unwrap();
    world.beta().create_ticket("Incident", ticket("of beta")).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_titles().len(), 2);
    world.stop().await;
    world.crash().await;
    world
}

async fn a_renamed_external_goes_on_under_its_new_name_and_is_found_again_by_its_marks(versions: Versions) {
    let mut world = two_customers(versions).await;
    world.configure(&Setup { names: ["acme2", "beta"], ..two(versions) });
    assert_eq!(
        world.told().await,
        [[
            "[external.acme2] has the address that the store knows as acme's, and the configuration has no [external.acme]: acme's pairs and marks are not acme2's",
            "rename the section back to [external.acme]; if the new name is right, write `name_in_marks = \"acme\"` under [external.acme2] and run `itop-bridge external rename acme acme2`"
        ]]
    );
    let refused = world.rename("acme", "acme2").await.unwrap_err();
    assert!(refused.contains("write `name_in_marks = \"acme\"` under [external.acme2] first"), "{refused}");
    world.configure(&Setup { names: ["acme2", "beta"], ..two(versions).acme(IN_MARKS) });
    assert!(world.told().await[0][1].ends_with("run `itop-bridge external rename acme acme2`"));
    let (_, said) = world.rename("acme", "acme2").await.unwrap();
    assert!(said.starts_with("acme is called acme2 now, with its live pairs (1). The marks"), "{said}");
    let again = world.rename("acme", "acme2").await.unwrap();
    assert_eq!(again, (Outcome::Fine, "acme is called acme2 already. Nothing was changed.\n".to_owned()));

    world.begins().await;
    world.acme().update(1, json!({ "title": "renamed" })).await.unwrap();
    world.acme().attach(1, "a.txt", "text/plain", b"a").await.unwrap();
    let new = world.acme().create_ticket("UserRequest", ticket("opened later")).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_titles().len(), 3);
    let link = world.link_of("acme2", new).await.expect("a pair").link;
    let copy = world.internal.ticket(link.internal.unwrap().id).unwrap();
    let mark = format!("[itop-bridge:7f3a:acme:UserRequest:{new}]");
    assert!(copy.log("private_log")[0].html.contains(&mark), "{}", copy.log("private_log")[0].html);
    world.one_more_pass_writes_nothing().await;

    world.lose_the_store().await;
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::Fine, "{said}");
    assert!(said.contains("pairs found again: 3;") && said.contains("acme2: carried up to ticket 2"), "{said}");
    world.begins().await;
    world.acme().update(1, json!({ "title": "and once more" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_titles().len(), 3);
    assert!(world.internal_titles().contains("[R-000001] and once more"), "{:?}", world.internal_titles());
    world.look_at_everything().await;
    world.one_more_pass_writes_nothing().await;

    // Its old name is not to be had, nor is the other name in its marks.
    world.stop().await;
    world.configure(&Setup { names: ["acme2", "beta"], ..two(versions) });
    let fix = "write `name_in_marks = \"acme\"` under [external.acme2]";
    assert_eq!(world.told().await[0][1], fix);
}

async fn a_crash_while_it_is_renamed_leaves_all_of_it_or_nothing(versions: Versions) {
    for commits in 0..4 {
        let mut world = two_customers(versions).await;
        world.configure(&Setup { names: ["acme2", "beta"], ..two(versions).acme(IN_MARKS) });
        world.commits.only(commits);
        let done = world.rename("acme", "acme2").await.is_ok();
        world.commits.without_end();
        let names: BTreeSet<String> = world.links().await.into_iter().map(|stored| stored.external_name).collect();
        let name = if done { "acme2" } else { "acme" };
        assert_eq!(names, BTreeSet::from([name.to_owned(), "beta".to_owned()]), "after {commits} commits");
        assert_eq!(world.contradictions().await.is_empty(), done, "after {commits} commits");
        world.rename("acme", "acme2").await.unwrap();
        world.begins().await;
        world.acme().update(1, json!({ "title": "renamed" })).await.unwrap();
        world.settle().await;
        assert!(world.internal_titles().contains("[R-000001] renamed"));
        assert_eq!(world.internal_titles().len(), 2);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn names_and_addresses_that_were_exchanged_are_contradicted_whoever_has_them() {
    let versions = PAIRS[3];
    let mut world = two_customers(versions).await;
    let exchanged = |one: &str, other: &str| Contradiction::Exchanged { one: one.into(), other: other.into() };
    for setup in [
        Setup { names: ["beta", "acme"], ..two(versions) },
        Setup { hosts: ["beta", "acme", "elitery"], ..two(versions) },
    ] {
        world.configure(&setup);
        assert_eq!(world.contradictions().await, [exchanged("acme", "beta")]);
    }
    world.configure(&Setup { hosts: ["elitery", "beta", "acme"], ..two(versions) });
    assert_eq!(world.contradictions().await, [exchanged("acme", "elitery")]);
    assert!(world.told().await[0][0].starts_with("acme and elitery have each other's address"));
    let (outcome, status) = world.status().await;
    assert!(
        outcome == Outcome::FaultFound && status.contains("  acme and elitery have each other's address"),
        "{status}"
    );
    // Three in a ring.
    world.configure(&Setup { hosts: ["beta", "elitery", "acme"], ..two(versions) });
    assert_eq!(world.contradictions().await.len(), 3);
    // Two names exchanged between the internal and a customer.
    world.configure(&Setup { names: ["elitery", "beta"], internal_name: "acme", ..two(versions) });
    let found = world.contradictions().await;
    assert!(!found.is_empty(), "the internal has acme's name");
    // The provider gets another name, and that is all.
    world.configure(&Setup { internal_name: "provider", ..two(versions) });
    assert_eq!(world.compared().await, Compared::default());
    // One takes the address of another that has moved.
    world.configure(&Setup { hosts: ["beta", "gamma", "elitery"], ..two(versions) });
    assert_eq!(world.contradictions().await, [Contradiction::Taken { side: "acme".into(), owner: "beta".into() }]);
    // An iTop moves where nobody was.
    world.configure(&Setup { hosts: ["gamma", "beta", "elitery"], ..two(versions) });
    let compared = world.compared().await;
    assert_eq!((compared.contradictions.len(), compared.moved.len()), (0, 1));
    world.configure(&two(versions));
    world.begins().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_removed_external_is_missed_until_its_pairs_have_ended(versions: Versions) {
    let mut world = two_customers(versions).await;
    let refused = world.remove("acme").await.unwrap_err();
    assert!(refused.contains("`itop-bridge setup --side acme --remove`"), "{refused}");
    world.configure(&Setup { left_out: &["acme"], ..two(versions) });
    let missing = Contradiction::Missing { name: "acme".into(), live: 1, waiting: 0 };
    assert_eq!(world.contradictions().await, [missing]);
    let fix =
        "put [external.acme] back; if that customer has left, stop `serve` and run `itop-bridge external remove acme`";
    assert_eq!(world.told().await[0][1], fix);
    let asked = ExternalVerb::Remove(Remove { name: "acme".into(), yes: false });
    let (_, said) = world.external(asked, false).await.unwrap();
    assert!(said.ends_with("Nothing was changed.\n"), "{said}");
    assert_eq!(world.contradictions().await.len(), 1);

    // A crash on the way: the same command goes on.
    world.commits.only(1);
    world.remove("acme").await.unwrap_err();
    world.commits.without_end();
    let (_, said) = world.remove("acme").await.unwrap();
    assert!(said.contains("acme is removed.\nStart `serve`."), "{said}");
    assert_eq!(world.link_of("acme", 1).await.unwrap().state, LinkState::Ended);
    world.begins().await;
    world.acme().update(1, json!({ "title": "nobody listens" })).await.unwrap();
    world.beta().update(1, json!({ "title": "beta goes on" })).await.unwrap();
    world.settle().await;
    assert_eq!(
        world.internal_titles(),
        BTreeSet::from(["[I-000001] beta goes on".into(), "[R-000001] of acme".into()])
    );
    assert!(world.remove("gamma").await.unwrap_err().contains("It knows acme, beta"));
    world.one_more_pass_writes_nothing().await;
}

async fn a_removed_external_that_is_back_begins_anew_beside_its_ended_pairs(versions: Versions) {
    let mut world = two_customers(versions).await;
    world.configure(&Setup { left_out: &["acme"], ..two(versions) });
    world.remove("acme").await.unwrap();
    world.begins().await;
    world.stop().await;
    world.acme().create_ticket("UserRequest", ticket("while it was away")).await.unwrap();

    // Under another name its tickets would get second copies; and its name is no other customer's.
    world.configure(&Setup { names: ["acme2", "beta"], ..two(versions) });
    assert_eq!(
        world.told().await[0][1],
        "rename [external.acme2] back to [external.acme]: under another name its tickets would get second copies"
    );
    world.configure(&Setup { hosts: ["gamma", "beta", "elitery"], ..two(versions) });
    assert_eq!(world.contradictions().await, [Contradiction::CameBackAnother { name: "acme".into() }]);

    world.configure(&two(versions));
    world.begins().await;
    world.pass_seconds(5).await;
    world.acme().update(1, json!({ "title": "stays ended" })).await.unwrap();
    world.acme().create_ticket("UserRequest", ticket("and back")).await.unwrap();
    world.settle().await;
    let inside = ["[I-000001] of beta", "[R-000001] of acme", "[R-000003] and back"];
    assert_eq!(world.internal_titles(), BTreeSet::from(inside.map(str::to_owned)));
    world.one_more_pass_writes_nothing().await;
}

async fn the_last_external_leaves(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    world.crash().await;
    world.configure(&Setup { left_out: &["acme"], ..Setup::between(versions) });
    // The connection has begun, and nothing has crossed: only the store says that there was a customer.
    assert_eq!(world.contradictions().await, []);
    world.configure(&Setup::between(versions));
    world.begins().await;
    let id = world.acme().create_ticket("UserRequest", ticket("the last")).await.unwrap();
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
    world.configure(&Setup { left_out: &["acme"], ..Setup::between(versions) });
    assert_eq!(world.contradictions().await, [Contradiction::Missing { name: "acme".into(), live: 1, waiting: 0 }]);
    let (_, said) = world.remove("acme").await.unwrap();
    assert!(said.ends_with("The configuration has no external any more, and `serve` has nothing to do.\n"), "{said}");
    world.clear_calls();
    world.begins().await;
    world.acme().update(id, json!({ "title": "nobody listens" })).await.unwrap();
    world.pass_seconds(2 * 3600).await;
    assert_eq!((world.acme().calls().len(), world.internal.writes()), (0, 0));
    assert_eq!(world.link(id).await.state, LinkState::Ended);
    world.stop().await;
    world.start_anew().await;
    assert_eq!(world.contradictions().await, [Contradiction::None]);
}

async fn what_waits_of_a_missing_external_is_missed_too(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    world.internal.down(true);
    let id = world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(60).await;
    world.crash().await;
    world.configure(&Setup { left_out: &["acme"], ..Setup::between(versions) });
    let waits = Contradiction::Missing { name: "acme".into(), live: 0, waiting: 1 };
    assert_eq!(world.contradictions().await, [waits]);
    assert!(world.told().await[0][0].ends_with("the store has 1 ticket that waits of it"), "{:?}", world.told().await);
    // A new name for it would begin anew, and what waits would be older than that.
    world.configure(&Setup { names: ["acme2", "beta"], ..Setup::between(versions).acme(IN_MARKS) });
    world.rename("acme", "acme2").await.unwrap();
    world.internal.down(false);
    world.begins().await;
    world.settle().await;
    let of = TicketOf { external: "acme2".into(), ticket: id };
    assert!(world.store.call(move |store| store.link_of_external(&of)).await.unwrap().is_some());
    world.one_more_pass_writes_nothing().await;
}
