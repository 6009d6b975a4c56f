//! Two bridges of two houses that share an iTop. Each keeps its own pair in step, and what the other made
//! is nobody's: no file, log, report or ticket of the other's is carried on, and nothing comes back.
//!
//! Their sides have the same names and their accounts the same login: only `server.id` tells them apart.

use itop_bridge_testkit::world::*;
use itop_sim::Sim;

use crate::listen::Log;
use crate::status::{go, status};

any_version![
    two_providers_of_one_customer_do_not_see_each_other,
    two_customers_of_one_provider_do_not_see_each_other,
    a_providers_copy_does_not_go_on_to_its_own_provider,
];

/// Until neither of the bridges has work, however often one gives the other some.
async fn both_settle(first: &World, second: &World) {
    for _ in 0..20 {
        first.settle().await;
        second.settle().await;
        if first.queue().await.is_empty() {
            return;
        }
    }
    panic!("the two bridges keep each other at work");
}

/// Sweeps and audits of both find nothing, and one more pass of each writes nothing.
async fn end(first: World, second: World) {
    both_settle(&first, &second).await;
    for world in [&first, &second] {
        world.clear_calls();
    }
    first.pass_seconds(4000).await;
    both_settle(&first, &second).await;
    for sim in [first.acme(), &first.internal, second.acme(), &second.internal] {
        assert_eq!(sim.writes(), 0, "they write to {}", sim.base_url());
    }
    for (one, other) in [(&first, &second), (&second, &first)] {
        one.one_more_pass_writes_nothing().await;
        both_settle(one, other).await;
        for sim in [other.acme(), &other.internal] {
            assert_eq!(sim.writes(), 0, "the pass of one made the other write to {}", sim.base_url());
        }
    }
}

/// A person of that side adds a file and an entry, both with this word.
async fn works_on(sim: &Sim, ticket: u64, word: &str) {
    sim.attach(ticket, &format!("{word}.txt"), "text/plain", word.as_bytes()).await.unwrap();
    sim.add_log_entry(ticket, "private_log", &format!("<p>{word} says</p>")).await.unwrap();
}

/// Which of these words' files, and of their log files, a ticket has, and how many: (files, log files).
fn files_of(sim: &Sim, ticket: u64, word: &str) -> (usize, usize) {
    let files = sim.attachments(ticket);
    let named = files.iter().filter(|file| file.filename == format!("{word}.txt")).count();
    let says = format!("{word} says");
    let told = files.iter().filter(|file| String::from_utf8_lossy(&file.data).contains(&says)).count();
    (named, told)
}

/// The names of the reports on a ticket.
fn reports(sim: &Sim, ticket: u64) -> Vec<String> {
    let files = sim.attachments(ticket).into_iter();
    files.filter(|file| file.temp_id.ends_with(":internal:status:report")).map(|file| file.filename).collect()
}

async fn two_providers_of_one_customer_do_not_see_each_other(versions: Versions) {
    let first = Setup::between(versions).start().await;
    let second = Setup::between(versions).beside(&first).acme_is(first.acme()).start().await;
    let acme = first.acme().clone();
    let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    both_settle(&first, &second).await;
    let (one, other) = (first.copy_of(id).await.id, second.copy_of(id).await.id);
    works_on(&acme, id, "customer").await;
    both_settle(&first, &second).await;
    works_on(&first.internal, one, "fire brigade").await;
    go(&first.internal, one, &["ev_assign", "ev_pending"]).await;
    both_settle(&first, &second).await;
    works_on(&second.internal, other, "plumber").await;
    go(&second.internal, other, &["ev_assign"]).await;
    both_settle(&first, &second).await;

    // The customer has all of it, once.
    assert_eq!(files_of(&acme, id, "customer"), (1, 0));
    assert_eq!(files_of(&acme, id, "fire brigade"), (1, 1));
    assert_eq!(files_of(&acme, id, "plumber"), (1, 1));
    let reports_of = |world: &World, copy: u64| {
        let reference = world.internal.ticket(copy).unwrap().field("ref").to_owned();
        format!("elitery {reference} {}.txt", status(&world.internal, copy))
    };
    assert_eq!(reports(&acme, id), [reports_of(&first, one), reports_of(&second, other)]);
    // Each provider has the customer's and its own, and nothing of the other's.
    for (world, copy, own, theirs) in
        [(&first, one, "fire brigade", "plumber"), (&second, other, "plumber", "fire brigade")]
    {
        assert_eq!(world.internal.tickets("Ticket").len(), 1);
        assert_eq!(files_of(&world.internal, copy, "customer"), (1, 1));
        assert_eq!(files_of(&world.internal, copy, own), (1, 0));
        assert_eq!(files_of(&world.internal, copy, theirs), (0, 0));
        assert!(world.internal.calls_containing(theirs).is_empty(), "{theirs} crossed");
        assert_eq!(world.internal.attachments(copy).len(), 3, "the customer's file and log, and the own file");
    }
    // What the customer does with one provider's copy is no business of the other's.
    let copies = acme.attachments(id).into_iter().filter(|file| file.filename == "plumber.txt");
    for copy in copies {
        acme.rename_attachment(copy.id, "the plumber's.txt").await.unwrap();
    }
    both_settle(&first, &second).await;
    assert_eq!((first.internal.attachments(one).len(), second.internal.attachments(other).len()), (3, 3));
    // Both follow the customer.
    go(&acme, id, &["ev_assign", "ev_resolve"]).await;
    both_settle(&first, &second).await;
    assert_eq!(status(&first.internal, one), "resolved");
    assert_eq!(status(&second.internal, other), "resolved");
    end(first, second).await;
}

async fn two_customers_of_one_provider_do_not_see_each_other(versions: Versions) {
    let first = Setup::between(versions).start().await;
    let second = Setup::between(versions).beside(&first).internal_is(&first.internal).start().await;
    let inside = first.internal.clone();
    // The tickets of the two customers have the same id and the same reference.
    let id = first.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    assert_eq!(second.acme().create_ticket("UserRequest", ticket("Cellar under water")).await.unwrap(), id);
    both_settle(&first, &second).await;
    let (one, other) = (first.copy_of(id).await, second.copy_of(id).await);
    assert_eq!(one.field("title"), "[R-000001] Printer on fire");
    assert_eq!(other.field("title"), "[R-000001] Cellar under water");
    for (world, copy, customer, agent) in
        [(&first, one.id, "baker", "fire brigade"), (&second, other.id, "miller", "plumber")]
    {
        works_on(world.acme(), id, customer).await;
        both_settle(&first, &second).await;
        works_on(&inside, copy, agent).await;
        go(&inside, copy, &["ev_assign"]).await;
        both_settle(&first, &second).await;
    }
    assert_eq!(inside.tickets("Ticket").len(), 2);
    for (world, copy, own, theirs) in [
        (&first, one.id, ["baker", "fire brigade"], ["miller", "plumber"]),
        (&second, other.id, ["miller", "plumber"], ["baker", "fire brigade"]),
    ] {
        let [customer, agent] = own;
        assert_eq!(files_of(&inside, copy, customer), (1, 1));
        assert_eq!(files_of(&inside, copy, agent), (1, 0));
        assert_eq!(files_of(world.acme(), id, agent), (1, 1));
        assert_eq!((inside.attachments(copy).len(), world.acme().attachments(id).len()), (3, 4));
        assert_eq!(reports(world.acme(), id).len(), 1);
        for word in theirs {
            assert!(world.acme().calls_containing(word).is_empty(), "{word} crossed");
        }
        assert_eq!(status(world.acme(), id), "new");
    }
    end(first, second).await;
}

/// The provider is itself the customer of a third house.
async fn a_providers_copy_does_not_go_on_to_its_own_provider(versions: Versions) {
    let log = Log::kept();
    let first = Setup::between(versions).start().await;
    let provider = first.internal.clone();
    let second = Setup::between(versions).beside(&first).acme_is(&provider).start().await;
    let id = first.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    both_settle(&first, &second).await;
    let copy = first.copy_of(id).await.id;
    works_on(first.acme(), id, "customer").await;
    works_on(&provider, copy, "agent").await;
    go(&provider, copy, &["ev_assign"]).await;
    both_settle(&first, &second).await;
    assert!(second.internal.tickets("Ticket").is_empty() && second.links().await.is_empty(), "a copy went on");
    let said = log.lines("not carried to the internal iTop");
    assert!(said.len() == 1 && said[0].contains("acme:R-001001"), "{said:?}");

    // A ticket of the provider's own goes to the third house, and not to the customer.
    let own = provider.create_ticket("UserRequest", ticket("Our own printer")).await.unwrap();
    both_settle(&first, &second).await;
    let third = second.copy_of(own).await.id;
    works_on(&second.internal, third, "third house").await;
    works_on(&provider, own, "agent of ours").await;
    both_settle(&first, &second).await;
    assert_eq!((first.acme().tickets("Ticket").len(), second.internal.tickets("Ticket").len()), (1, 1));
    assert_eq!(files_of(&provider, own, "third house"), (1, 1));
    assert_eq!(files_of(&second.internal, third, "agent of ours"), (1, 1));
    assert_eq!(files_of(first.acme(), id, "agent"), (1, 1));
    assert_eq!(files_of(&provider, copy, "customer"), (1, 1));
    for word in ["third house", "agent of ours", "Our own printer"] {
        assert!(first.acme().calls_containing(word).is_empty(), "{word} crossed to the customer");
    }
    for word in ["Printer on fire", "customer says"] {
        assert!(second.internal.calls_containing(word).is_empty(), "{word} crossed to the third house");
    }
    end(first, second).await;
}
