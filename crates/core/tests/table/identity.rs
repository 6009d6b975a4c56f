//! Whether a ticket is still the one that was linked, when it shows another time of creation.

use itop_bridge_core::Side;
use itop_bridge_core::plan::HaltKind;

use crate::fixtures::*;
use crate::{Case, case};

const MADE: &str = "2026-11-24 10:00:00";
const EARLIER: &str = "2026-11-24 08:30:00";
const LATER: &str = "2026-11-25 09:00:00";

fn linked() -> itop_bridge_core::Link {
    link().made(MADE, MADE)
}

fn outside(start: &str) -> Show {
    ext().with("start_date", start)
}

fn inside(start: &str) -> Show {
    int().with("start_date", start)
}

pub fn corrected() -> Vec<Case> {
    let by_both = ["made external at 2026-11-24 08:30:00"];
    vec![
        case("a start corrected outside is the same ticket's", linked(), outside(EARLIER), inside(MADE)).notes(by_both),
        case("one corrected to later too", linked(), outside(LATER), inside(MADE))
            .notes(["made external at 2026-11-25 09:00:00"]),
        case("a start corrected inside", linked(), outside(MADE), inside(EARLIER))
            .notes(["made internal at 2026-11-24 08:30:00"]),
        case("together with the title", linked(), outside(EARLIER).title("B"), inside(MADE))
            .writes([r#"update title="[R-1] B""#])
            .notes(by_both),
        case(
            "with all its words, where the mark stands inside",
            linked(),
            outside(MADE),
            inside(LATER).title("X").description("<p>x</p>").log([marked_entry("7f3a")]),
        )
        .notes(["made internal at 2026-11-25 09:00:00"]),
        case(
            "with all its words, where a file of the pair's stands",
            linked().logged(Side::Internal, [55]),
            outside(LATER).title("B").description("<p>e</p>").files([log_file(55, Side::Internal, 1, said("told"))]),
            inside(MADE),
        )
        .writes([r#"update title="[R-1] B" description=html"<p>e</p>""#])
        .notes(["made external at 2026-11-25 09:00:00"]),
        case(
            "with all its words, where an entry that was delivered stands",
            linked().delivered(Side::External, [said("hello")]),
            outside(LATER).title("B").description("<p>e</p>").log([said("hello")]),
            inside(MADE),
        )
        .policy(private_logs)
        .writes([r#"update title="[R-1] B" description=html"<p>e</p>""#])
        .notes(["made external at 2026-11-25 09:00:00"]),
        case(
            "a restored iTop shows the start before the correction",
            linked().with(|link| link.ancestor.external.was_made(EARLIER)),
            outside(MADE).title("B").description("<p>e</p>"),
            inside(MADE),
        )
        .writes([r#"update title="[R-1] B" description=html"<p>e</p>""#]),
        case(
            "before the first create is answered, what was read for it tells",
            without_counterpart().made(MADE, "").with(|link| {
                let read = [("title", "A"), ("description", "<p>d</p>")];
                link.in_flight.creation = Some(itop_bridge_core::link::Creation {
                    until_ms: 0,
                    highest_before: 0,
                    since_ms: 0,
                    fields: read.map(|(code, value)| (code.to_owned(), value.to_owned())).into(),
                    tries: 1,
                    ..Default::default()
                });
            }),
            outside(LATER),
            itop_bridge_core::Reading::NotCreated,
        )
        .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#]),
        case(
            "a format without seconds corrects nothing",
            link().made("2026-11-24 10:00:53", MADE),
            outside(MADE),
            inside(MADE),
        )
        .does_nothing(),
    ]
}

pub fn given_again() -> Vec<Case> {
    vec![
        case(
            "neither word is the linked ticket's",
            linked(),
            outside(LATER).title("B").description("<p>e</p>"),
            inside(MADE),
        )
        .halts(HaltKind::ExternalReferenceChanged),
        case("one word alone is chance where the start is later", linked(), outside(LATER).title("B"), inside(MADE))
            .halts(HaltKind::ExternalReferenceChanged),
        case(
            "an earlier start alone is no witness",
            linked(),
            outside(EARLIER).title("B").description("<p>e</p>"),
            inside(MADE),
        )
        .halts(HaltKind::ExternalReferenceChanged),
        case(
            "the same words without the pair's file are a monitoring's next alarm",
            linked().logged(Side::Internal, [55]),
            outside(LATER).files([]),
            inside(MADE),
        )
        .halts(HaltKind::ExternalReferenceChanged),
        case(
            "a mark of another pair inside",
            linked().copied(70, 170, "x"),
            outside(MADE),
            inside(LATER).log([marked_entry("beef")]).files([]),
        )
        .halts(HaltKind::InternalReferenceChanged),
    ]
}
