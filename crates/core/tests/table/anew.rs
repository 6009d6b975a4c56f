//! Another counterpart in place of one that is gone: what the old one left outside, and what may still land.

use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::link::{CopyState, Sending};
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{FileKind, Link, Reading, Side};

use crate::fixtures::*;
use crate::{Case, case};

const INSIDE: Side = Side::Internal;
const CREATES: &str = r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#;

fn doubt(until_ms: i64) -> Option<CopyState> {
    Some(CopyState::InDoubt { until_ms })
}

/// Nothing is made before what was sent for the old one has settled.
pub fn in_doubt() -> Vec<Case> {
    let waits = |what: &str, link: Link| {
        let name = format!("{what} may still land: the new counterpart waits");
        case(&name, link.made_anew(), ext().files([]), Reading::NotCreated).looks_again_at(NOW + 500)
    };
    let batch = |kind, key| link().sending(INSIDE, &[said("a")], &[(kind, key, doubt(NOW + 500))]);
    let report = |state| link().documented(DocumentKind::Report, &["assigned"], &["assigned"], state);
    vec![
        case("nothing is in doubt: it is made at once", link().made_anew(), ext().files([]), Reading::NotCreated)
            .writes([CREATES]),
        case("but not before the external's files were listed", link().made_anew(), ext(), Reading::NotCreated)
            .looks_again_at(NOW),
        waits("a copy inside", link().in_doubt(70, NOW + 500)),
        waits("a text of a log", batch(FileKind::Log, "private:1:a")),
        waits("a picture of a log", batch(FileKind::Image, "5")),
        waits("a report", report(doubt(NOW + 500))),
        waits("a notice", link().documented(DocumentKind::Notice, &["assigned"], &[], doubt(NOW + 500))),
        waits(
            "a rewritten report",
            report(Some(CopyState::Stands(500))).with(|link| link.files.documents[0].again_at_ms = Some(NOW + 500)),
        ),
        waits("a field", link().late_field("title", "[R-1] B", NOW + 500)),
        waits("a stimulus outside", link().late_status_out("resolved", NOW + 500)),
        waits("a rewritten copy", link().late_file(70, "y", NOW + 500)),
        case(
            "what a dead process was sending may land until so long after the next start",
            link()
                .with(|link| link.in_flight.sending = Some(sending()))
                .made_anew()
                .with(|link| link.may_land_until(NOW + 500)),
            ext().files([]),
            Reading::NotCreated,
        )
        .looks_again_at(NOW + 500),
        case(
            "and no sooner for what was in doubt beside it, and settles before",
            link()
                .in_doubt(70, sending().until_ms + 100)
                .with(|link| link.in_flight.sending = Some(sending()))
                .made_anew()
                .with(|link| link.may_land_until(NOW + 500)),
            ext().files([]),
            Reading::NotCreated,
        )
        .looks_again_at(NOW + 500),
        case(
            "the last of them counts",
            link().in_doubt(70, NOW).in_doubt(71, NOW + 900).made_anew(),
            ext().files([]),
            Reading::NotCreated,
        )
        .looks_again_at(NOW + 900),
        case(
            "a second word of the operator's does not shorten the wait",
            link().in_doubt(70, NOW + 500).made_anew().made_anew(),
            ext().files([]),
            Reading::NotCreated,
        )
        .looks_again_at(NOW + 500),
        case(
            "what has settled is waited for no longer",
            link().in_doubt(70, NOW).made_anew(),
            ext().files([]),
            Reading::NotCreated,
        )
        .writes([CREATES]),
        case(
            "an external ticket that is gone halts all the same",
            link().in_doubt(70, NOW + 500).made_anew(),
            Reading::Gone,
            Reading::NotCreated,
        )
        .halts(HaltKind::ExternalVanished),
    ]
}

/// What bears the pair's marks outside when the new counterpart begins is the old one's.
pub fn left_behind() -> Vec<Case> {
    let both = [file_of_log(), mark_from_inside(171, 71)];
    let old = || link().copied_out(70, 170, "x").logged(INSIDE, [180]);
    let begun = || old().made_anew().born().with(|link| link.course.anew_from_ms = None);
    vec![
        case("what landed after all is left behind", link().made_anew(), ext().files(both), Reading::NotCreated)
            .writes([CREATES])
            .notes(["left behind: [180, 171]"]),
        case(
            "the report is not: there is one a pair",
            link().made_anew(),
            ext().files([report(500)]),
            Reading::NotCreated,
        )
        .writes([CREATES]),
        case("nor is a person's file", link().made_anew(), ext().files([file(60)]), Reading::NotCreated)
            .writes([CREATES]),
        case(
            "what is known to be left is not noted again",
            old().made_anew(),
            left(&old().made_anew(), [mark_from_inside(170, 70)]),
            Reading::NotCreated,
        )
        .writes([CREATES]),
        case("once the new one stands, it begins", link().made_anew().born(), ext().files([]), int().files([]))
            .notes(["left behind: []"]),
        case(
            "a create without an answer was found: what it may send waits for what landed",
            link().made_anew().born(),
            ext().files([mark_from_inside(170, 70)]),
            int().files([file(70)]),
        )
        .writes(["copy 70 (to outside)"])
        .notes(["left behind: [170]"]),
        case(
            "an id that is given out again is another file",
            begun(),
            left(&begun(), [mark_from_inside(170, 70)]),
            int().files([file(70)]),
        )
        .writes(["copy 70 (to outside)"]),
        case(
            "the same words are another entry",
            begun(),
            left(&begun(), [log_file(180, INSIDE, 1, said("a"))]),
            int().log([marked_entry("7f3a"), said("a")]),
        )
        .policy(private_logs)
        .writes(["send a of the internal private log"])
        .notes(["own entry of the internal private log"]),
        case(
            "a file that stands is the new one's all the same",
            begun().copied_out(70, 190, "x"),
            left(&begun(), [mark_from_inside(170, 70), mark_from_inside(190, 70)]),
            int().files([file(70)]),
        )
        .does_nothing(),
        case(
            "where it is not known what was left behind, of two copies with one mark the later is the new one's",
            link(),
            ext().files([mark_from_inside(170, 70), mark_from_inside(190, 70)]),
            int().files([file(70)]),
        )
        .notes(["adopt 190 as the copy of 70"]),
        case(
            "the report that stands is rewritten with what the new one says",
            begun(),
            left(&begun(), [report(500)]),
            int(),
        )
        .policy(|policy| policy.status_to_external = StatusToExternal::Report)
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen, stands"]),
    ]
}

fn sending() -> Sending {
    Sending { to: Side::External, since_ms: NOW - 500, until_ms: NOW - 200 }
}

fn file_of_log() -> Listed {
    log_file(180, INSIDE, 1, said("a"))
}

/// The external ticket with these files, as a pass reads them for this link.
fn left<const N: usize>(link: &Link, files: [Listed; N]) -> Show {
    let mut show = ext().files(files);
    link.recognize_files(Side::External, &ticket_mark("7f3a"), show.0.files.as_deref_mut().unwrap_or_default());
    show
}
