//! What the provider's agent says for the customer is in the report: why a ticket is pending, and the solution, each
//! once, with a time for each state, and with nobody's name. A report that stands is written anew when there is
//! something new to say, and not because another version of the bridge writes reports in another way.

use itop_bridge_core::document::Document;
use itop_bridge_testkit::world::*;

use super::{lines, report, reports, text_of, told};
use crate::files::amend;
use crate::status::{bridged, end, form, go};

each_version![
    the_reason_is_told_with_its_state_and_follows_the_agents_words,
    a_start_that_the_bridge_fills_is_no_time_of_the_first_state,
    a_reason_is_told_as_plain_words_and_forges_no_line,
    what_the_customer_said_or_a_default_is_not_told_back,
    what_is_left_of_an_earlier_time_is_not_told,
    the_solution_is_told_in_one_place,
    a_plan_shows_what_the_report_will_say,
    a_report_that_is_kept_no_longer_says_so_once,
];

any_version![a_report_of_an_earlier_version_is_left_until_its_state_changes];

const WAITING: &str = "waiting for parts from Jakarta";

fn pending_since(reason: &str) -> serde_json::Value {
    let mut fields = form("UserRequest", "ev_pending");
    fields["pending_reason"] = reason.into();
    fields
}

/// The provider's agent sets the ticket to pending and says why.
async fn pends(world: &World, copy: u64, reason: &str) {
    world.internal.stimulus(copy, "ev_pending", pending_since(reason)).await.unwrap();
    world.settle().await;
}

/// The agent writes another text; no webhook tells of that, and the next sweep finds it.
async fn says(world: &World, copy: u64, code: &str, text: &str) {
    world.internal.update(copy, json!({ code: text })).await.unwrap();
    world.pass_seconds(310).await;
    world.settle().await;
}

/// The lines without their times.
fn words(world: &World, id: u64) -> Vec<String> {
    let state = |line: String| match line.strip_prefix("  ") {
        Some(_) => line,
        None => line.split("  ").next().unwrap_or_default().to_owned(),
    };
    lines(world, id).into_iter().map(state).collect()
}

async fn the_reason_is_told_with_its_state_and_follows_the_agents_words(versions: Versions) {
    for class in ["UserRequest", "Incident"] {
        let world = Setup::between(versions).without_a_start_date().start().await;
        let (id, copy) = bridged(&world, class, &["ev_assign"]).await;
        world.internal.act_as("jules");
        pends(&world, copy, WAITING).await;
        let inside = world.internal.ticket(copy).unwrap();
        let at = |code: &str| format!("{} +01:00", inside.field(code));
        assert_eq!(
            lines(&world, id),
            [
                format!("pending  {}", at("last_pending_date")),
                format!("  {WAITING}"),
                format!("assigned  {}", at("assignment_date")),
                format!("new  {}", at("start_date")),
            ],
            "{class}"
        );
        // It is still the same state, and this is what the agent says now.
        says(&world, copy, "pending_reason", "they are at the customs\nuntil Friday").await;
        assert_eq!(
            words(&world, id),
            ["pending", "  they are at the customs", "  until Friday", "assigned", "new"],
            "{class}"
        );
        world.one_more_pass_writes_nothing().await;
        says(&world, copy, "pending_reason", "").await;
        assert_eq!(words(&world, id), ["pending", "assigned", "new"], "{class}");
        says(&world, copy, "pending_reason", WAITING).await;
        // What was said of that time stays with it, and is not said of the next.
        go(&world.internal, copy, &["ev_assign"]).await;
        world.settle().await;
        says(&world, copy, "pending_reason", "a note for next time").await;
        let waiting = format!("  {WAITING}");
        assert_eq!(words(&world, id), ["assigned", "pending", &waiting, "assigned", "new"], "{class}");
        world.pass_seconds(60).await;
        pends(&world, copy, "for the keys").await;
        assert_eq!(words(&world, id)[..4], ["pending", "  for the keys", "assigned", "pending"], "{class}");
        let text = text_of(&report(&world, id));
        for hidden in ["Jules", "Verne", "Helpdesk", "Picasso", "Demo", "note for next time"] {
            assert!(!text.contains(hidden), "{hidden} is in {text}");
        }
        end(world).await;
    }
}

async fn a_start_that_the_bridge_fills_is_no_time_of_the_first_state(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("start_date"), "2026-11-25 12:00:00", "a default: tomorrow");
    let said = lines(&world, id);
    assert!(said[0].starts_with("new  seen 2026-11-24 "), "{said:?}");
    end(world).await;
}

async fn a_reason_is_told_as_plain_words_and_forges_no_line(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    let console = world.internal.base_url();
    let lines_of_it = [
        "as [[UserRequest:4711|R-004711]]",
        "closed  2026-01-01 10:00:00 +01:00",
        &format!("see {console}/pages/UI.php?operation=details&id=4711"),
        "<img data-img-id=\"6\" data-img-secret=\"a47c9e\">",
        "\u{1b}[2Jred\u{7}\u{2028}resolved  today",
    ];
    pends(&world, copy, &format!("{}\r\n\r\n{}", lines_of_it.join("\n"), "long ".repeat(12_000))).await;
    assert_eq!(told(&world, id), ["pending", "assigned", "new"]);
    let text = text_of(&report(&world, id));
    for hidden in ["4711", "pages/UI.php", "a47c9e", "\u{1b}", "\u{7}", "\r"] {
        assert!(!text.contains(hidden), "{hidden:?} is in {}", &text[..1_000]);
    }
    for shown in ["  as (link to another ticket)\n", "  closed  2026-01-01", "  [2Jred\n  resolved  today\n"] {
        assert!(text.contains(shown), "{shown:?} is not in {}", &text[..1_000]);
    }
    assert_eq!(text.matches("long").count(), 12_000, "all of it");
    end(world).await;
}

async fn what_the_customer_said_or_a_default_is_not_told_back(versions: Versions) {
    let world = Setup::between(versions).start().await;
    // The customer's own words, and none, for which the provider has a default.
    for is_said in [true, false] {
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        match is_said {
            true => go(world.acme(), id, &["ev_pending"]).await,
            false => world.acme().update(id, json!({ "status": "pending" })).await.unwrap(),
        }
        world.settle().await;
        let inside = world.internal.ticket(copy).unwrap();
        assert!(inside.status() == "pending" && !inside.field("pending_reason").is_empty());
        assert_eq!(words(&world, id), ["pending", "assigned", "new"], "{is_said}");
        // What an agent adds is theirs.
        says(&world, copy, "pending_reason", WAITING).await;
        assert_eq!(words(&world, id), ["pending", &format!("  {WAITING}"), "assigned", "new"], "{is_said}");
        go(world.acme(), id, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(told(&world, id), ["assigned", "pending", "assigned", "new"], "{is_said}");
    }
    end(world).await;
}

async fn what_is_left_of_an_earlier_time_is_not_told(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    pends(&world, copy, WAITING).await;
    go(&world.internal, copy, &["ev_assign"]).await;
    world.settle().await;
    // The customer's ticket waits now, and inside the old words still stand.
    world.acme().update(id, json!({ "status": "pending" })).await.unwrap();
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap();
    assert_eq!((inside.status(), inside.field("pending_reason")), ("pending", WAITING));
    assert_eq!(words(&world, id)[..4], ["pending", "assigned", "pending", &format!("  {WAITING}")]);
    end(world).await;
}

async fn the_solution_is_told_in_one_place(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    for stimulus in ["ev_resolve", "ev_close"] {
        go(&world.internal, copy, &[stimulus]).await;
        world.settle().await;
    }
    assert_eq!(words(&world, id), ["closed", "resolved", "  replaced the fuser", "assigned", "new"]);
    says(&world, copy, "solution", "replaced the printer").await;
    assert_eq!(words(&world, id), ["closed", "resolved", "  replaced the printer", "assigned", "new"]);
    end(world).await;
}

async fn a_plan_shows_what_the_report_will_say(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.pause("acme").await.unwrap();
    world.internal.stimulus(copy, "ev_pending", pending_since(WAITING)).await.unwrap();
    let at = world.internal.ticket(copy).unwrap().field("last_pending_date").to_owned();
    let (_, said) = world.plan("acme:R-000001").await.unwrap();
    let lines = format!("\n  + pending {at}\n  + pending_reason: {WAITING}\n");
    assert!(said.contains(&lines) && !said.contains("+ assigned"), "{said}");
    world.resume("acme", false).await.unwrap();
    world.settle().await;
    assert_eq!(words(&world, id)[..2], ["pending", &format!("  {WAITING}")]);
    end(world).await;
}

/// What a store of the version before holds of a report, as it was written there.
fn of_the_version_before(id: u64, lines: &str) -> Document {
    let stored = format!(r#"{{"kind":"report","lines":{lines},"holds":{lines},"state":{{"stands":{id}}}}}"#);
    serde_json::from_str(&stored).expect("a report of an earlier version")
}

async fn a_report_of_an_earlier_version_is_left_until_its_state_changes(versions: Versions) {
    let mut world = Setup::between(versions).without_a_start_date().start().await;
    let (waits, waiting) = bridged(&world, "UserRequest", &[]).await;
    let (ends, ended) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    go(&world.internal, waiting, &["ev_assign", "ev_pending"]).await;
    go(&world.internal, ended, &["ev_resolve", "ev_close"]).await;
    world.settle().await;
    world.crash().await;
    let [at, since] =
        ["last_pending_date", "start_date"].map(|code| world.internal.ticket(waiting).unwrap().field(code).to_owned());
    let solution = serde_json::to_string(world.internal.ticket(ended).unwrap().field("solution")).unwrap();
    let line = |state: &str, date: &str, solution: &str| {
        format!(r#"{{"state":"{state}","date":{date},"solution":{solution},"reopened":false}}"#)
    };
    for (id, lines) in [
        (waits, format!("[{},{}]", line("pending", &format!("{at:?}"), "null"), line("new", "null", "null"))),
        (ends, format!("[{},{}]", line("closed", "null", &solution), line("resolved", "null", &solution))),
    ] {
        let file = report(&world, id).id;
        world.acme().replace_attachment(file, b"as the version before wrote it").await.unwrap();
        amend(&world, id, move |link, _| link.keep_document(of_the_version_before(file, &lines))).await;
    }
    world.boot();
    world.clear_calls();
    for (id, copy) in [(waits, waiting), (ends, ended)] {
        world.acme().download_attachment(report(&world, id).id).await.unwrap();
        world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    }
    world.look_at_everything().await;
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    for id in [waits, ends] {
        assert_eq!(text_of(&report(&world, id)), "as the version before wrote it");
    }
    world.one_more_pass_writes_nothing().await;
    // The next state brings all that is known to its form, and invents nothing: the reason of that time was not kept.
    go(&world.internal, waiting, &["ev_assign"]).await;
    world.settle().await;
    let said = lines(&world, waits);
    assert!(said[0].starts_with("assigned  "), "{said:?}");
    assert_eq!(said[1..], [format!("pending  {at} +01:00"), format!("new  {since} +01:00")]);
    end(world).await;
}

async fn a_report_that_is_kept_no_longer_says_so_once(versions: Versions) {
    for mode in ["off", "apply"] {
        let mut world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        let (file, other) = (report(&world, id).id, bridged(&world, "UserRequest", &["ev_assign"]).await.0);
        world.acme().delete_attachment(report(&world, other).id).await;
        world.settle().await;
        world.crash().await;
        let setup = || Setup::between(versions).acme("only = \"all\"\ndefaults = { team = \"Helpdesk\", agent = 9 }");
        world.configure(&setup().sync(&format!("status_to_external = \"{mode}\"")));
        world.boot();
        // What it says is still so.
        world.one_more_pass_writes_nothing().await;
        assert_eq!(report(&world, id).filename, "elitery R-001001 assigned.txt", "{mode}");
        for one in [copy, world.copy_of(other).await.id] {
            go(&world.internal, one, &["ev_pending"]).await;
        }
        world.settle().await;
        let over = report(&world, id);
        assert_eq!((over.id, &*over.filename), (file, "elitery R-001001 earlier status.txt"), "{mode}");
        let said = lines(&world, id);
        assert!(said[0].starts_with("This file is no longer kept up to date, since 2026-11-24 "), "{mode}: {said:?}");
        assert!(said[2].starts_with("assigned  ") && !text_of(&over).contains("pending"), "{mode}: {said:?}");
        assert!(reports(&world, other).is_empty(), "{mode}: a person had deleted it");
        world.one_more_pass_writes_nothing().await;
        go(&world.internal, copy, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(lines(&world, id), said, "{mode}");
        // Kept again, it goes on: what was between is not invented.
        world.crash().await;
        world.configure(&setup());
        world.boot();
        world.acme().update(id, json!({ "title": "Still on fire" })).await.unwrap();
        world.settle().await;
        assert_eq!(told(&world, id), ["assigned", "new"], "{mode}");
        assert_eq!(report(&world, id).filename, "elitery R-001001 assigned.txt", "{mode}");
        end(world).await;
    }
}
