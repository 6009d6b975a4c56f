//! What stops a link, and what ends it.

use itop_bridge_core::Reading;
use itop_bridge_core::link::{Conflict, StatusPath};
use itop_bridge_core::plan::{Halt, HaltKind};

use crate::fixtures::*;
use crate::{Case, case};

pub fn halts() -> Vec<Case> {
    let of = |kind| Halt { kind, text: "gone".into() };
    let halt = || of(HaltKind::InternalVanished);
    let conflict = || Conflict::new("status", "unreachable");
    vec![
        case("the external ticket vanished", link(), Reading::Gone, int()).halts(HaltKind::ExternalVanished),
        case("the internal ticket vanished", link(), ext().title("B"), Reading::Gone).halts(HaltKind::InternalVanished),
        case("both vanished", link(), Reading::Gone, Reading::Gone).halts(HaltKind::ExternalVanished),
        case(
            "a ticket that vanished deletes no copy",
            link().copied(70, 170, "x").missing_since(70, 0),
            Reading::Gone,
            int().files([copy(170, 70)]),
        )
        .halts(HaltKind::ExternalVanished),
        case("the external id carries another reference", link(), ext().reference("R-2"), int())
            .halts(HaltKind::ExternalReferenceChanged),
        case("the internal id carries another reference", link(), ext(), int().reference("U-8"))
            .halts(HaltKind::InternalReferenceChanged),
        case(
            "the external id and reference were given out again: it was made at another time",
            link().made("2026-11-24 10:00:00", ""),
            ext().with("start_date", "2026-11-25 09:00:00").title("another ticket"),
            int(),
        )
        .halts(HaltKind::ExternalReferenceChanged),
        case(
            "the internal id and reference were given out again: nothing is written over another ticket",
            link().made("", "2026-11-24 10:00:00"),
            ext().title("B"),
            int().with("start_date", "2026-11-25 09:00:00").title("another ticket"),
        )
        .halts(HaltKind::InternalReferenceChanged),
        case(
            "a resumed link whose external id and reference are another ticket's ends: the two are never joined",
            link().made("2026-11-24 10:00:00", "").resumed(),
            ext().with("start_date", "2026-11-25 09:00:00").title("B"),
            int(),
        )
        .ends(HaltKind::ExternalReferenceChanged),
        case(
            "when a ticket was made is remembered once",
            link().made("2026-11-24 10:00:00", ""),
            ext().with("start_date", "2026-11-24 10:00:00"),
            int().with("start_date", "2026-11-24 10:00:09"),
        )
        .notes(["made internal at 2026-11-24 10:00:09"]),
        case(
            "a change's start is planned and moved: it was not made then",
            link().made("2026-11-24 10:00:00", "").with(|link| link.ancestor.external.status = "new".into()),
            ext().status("new").with("start_date", "2026-12-01 09:00:00").with("creation_date", "2026-11-24 10:00:00"),
            int(),
        )
        .policy(|policy| changes_policy(policy, "NormalChange"))
        .does_nothing(),
        case("another reference before a counterpart was made", without_counterpart(), ext().reference("R-2"), Reading::NotCreated)
            .halts(HaltKind::ExternalReferenceChanged),
        case(
            "a halted link stays halted, though all is well",
            link().with(|l| l.course.halt = Some(of(HaltKind::FilesGone))),
            ext().title("B"),
            int(),
        )
        .halts(HaltKind::FilesGone),
        case(
            "a ticket that vanished and is there again goes on, and what changed meanwhile crosses",
            link().with(|l| l.course.halt = Some(halt())),
            ext().title("B"),
            int(),
        )
        .writes([r#"update title="[R-1] B""#])
        .notes(["the internal ticket is there again"]),
        case(
            "the external one too, before a counterpart was made",
            without_counterpart().with(|l| l.course.halt = Some(of(HaltKind::ExternalVanished))),
            ext(),
            Reading::NotCreated,
        )
        .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#])
        .notes(["the external ticket is there again"]),
        case("while it is not there, nothing", link().with(|l| l.course.halt = Some(halt())), ext().title("B"), Reading::Gone)
            .halts(HaltKind::InternalVanished),
        case(
            "nor while the other one is gone",
            link().with(|l| l.course.halt = Some(halt())),
            Reading::Gone,
            int(),
        )
        .halts(HaltKind::InternalVanished),
        case(
            "one of another reference is another ticket",
            link().with(|l| l.course.halt = Some(halt())),
            ext().title("B"),
            int().reference("U-8"),
        )
        .halts(HaltKind::InternalVanished),
        case(
            "and so is one that was made at another time",
            link().made("", "2026-11-24 10:00:00").with(|l| l.course.halt = Some(halt())),
            ext().title("B"),
            int().with("start_date", "2026-11-25 09:00:00"),
        )
        .halts(HaltKind::InternalVanished),
        case("a halt keeps the conflicts on show", link().with(|l| l.open.conflicts.push(conflict())), Reading::Gone, int())
            .halts(HaltKind::ExternalVanished)
            .conflict("status: unreachable"),
        case("a resumed link whose external ticket is still gone ends", link().resumed(), Reading::Gone, int())
            .ends(HaltKind::ExternalVanished),
        case("a resumed link whose internal ticket is still gone ends", link().resumed(), ext(), Reading::Gone)
            .ends(HaltKind::InternalVanished),
        case("a resumed link with another internal ticket ends", link().resumed(), ext(), int().reference("U-8"))
            .ends(HaltKind::InternalReferenceChanged),
        case("a resumed link goes on with the external's new reference", link().resumed(), ext().reference("R-2"), int())
            .writes([r#"update title="[R-2] A""#])
            .notes(["the external ticket is R-2"]),
        case(
            "a resumed link without a counterpart goes on with the external's new reference",
            without_counterpart().resumed(),
            ext().reference("R-2"),
            Reading::NotCreated,
        )
        .writes([r#"create UserRequest title="[R-2] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#])
        .notes(["the external ticket is R-2"]),
        case("who accepts a reference accepts nothing else", link().resumed(), ext().reference("R-2"), Reading::Gone)
            .halts(HaltKind::InternalVanished)
            .notes(["the external ticket is R-2"]),
        case("a resumed link whose tickets are back goes on", link().resumed(), ext().title("B"), int())
            .writes([r#"update title="[R-1] B""#])
            .notes(["the resume is over"]),
        case("an internal ticket that was not read: nothing", link(), ext().title("B"), Reading::NotCreated).does_nothing(),
        case("an external ticket that was not read: nothing", link(), Reading::NotCreated, int()).does_nothing(),
        case(
            "a path alone changes nothing for a link that is in step",
            link().with(|l| {
                l.in_flight.path = Some(StatusPath {
                    on: itop_bridge_core::Side::Internal,
                    wanted: String::new(),
                    states: Vec::new(),
                });
            }),
            ext(),
            int(),
        )
        .notes(["status assigned and assigned"]),
        case("a conflict ends with what it was about", link().with(|l| l.open.conflicts.push(conflict())), ext(), int())
            .does_nothing(),
    ]
}
