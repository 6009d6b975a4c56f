//! One side's iTop was restored from a backup, and an operator has gone on with it.

use itop_bridge_core::link::CopyState;
use itop_bridge_core::parents::Kept;
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{FileKind, Link, Policy, Side};

use crate::fixtures::*;
use crate::{Case, case};

pub fn restored() -> Vec<Case> {
    let [a, b, c] = [said("a"), said("b").at("10:05"), said("c").at("10:07")];
    let inside = |link: Link| link.with(|link| link.mark_restored(Side::Internal));
    let outside = |link: Link| link.with(|link| link.mark_restored(Side::External));
    let forgotten = "what was lost is forgotten";
    vec![
        case("nothing was lost", inside(link()), ext().files([]), int().files([])).notes([forgotten]),
        case("a copy that is lost is made again", inside(link().copied(70, 170, "x")), ext().files([file(70)]), int().files([]))
            .writes(["copy 70"])
            .notes([forgotten]),
        case(
            "an id that is given out again is another file: the copy is made again",
            inside(link().copied(70, 170, "x")),
            ext().files([file(70)]),
            int().files([file(170)]),
        )
        .writes(["copy 70", "copy 170 (to outside)"])
        .notes([forgotten]),
        case(
            "a copy that stands stays, and what it holds is compared when it is read",
            inside(link().copied(70, 170, "x")),
            ext().files([file(70)]),
            int().files([copy(170, 70)]),
        )
        .notes([forgotten]),
        case(
            "an original that is lost takes no copy with it, however long it is missing",
            outside(link().copied(70, 170, "x").missing_since(70, 0)),
            ext().files([]),
            int().files([copy(170, 70)]),
        )
        .notes([forgotten]),
        case(
            "the id of a lost original is given out again: the new file gets a copy of its own, the old copy stays",
            outside(link().copied(70, 170, "x")),
            ext().files([file(70).holding("y").named("b.txt")]),
            int().files([copy(170, 70)]),
        )
        .writes(["copy 70"])
        .notes([forgotten]),
        case(
            "an original that came back with older contents: the newer copy stays",
            outside(link().copied(70, 170, "new")),
            ext().files([file(70).holding("old")]),
            int().files([copy(170, 70)]),
        )
        .notes([forgotten]),
        case(
            "a copy that came back with older contents is written again",
            inside(link().copied(70, 170, "new")),
            ext().files([file(70).holding("new")]),
            int().files([copy(170, 70).holding("old")]),
        )
        .writes(["rewrite 170 from 70"])
        .notes([forgotten]),
        case(
            "a copy that a person removed is back, and followed again",
            inside(link().removed(70)),
            ext().files([file(70).holding("new")]),
            int().files([copy(170, 70).holding("x")]),
        )
        .writes(["rewrite 170 from 70"])
        .notes([forgotten]),
        case(
            "a report that a person removed is back: there is one",
            outside(link().reported(&["assigned"]).with(|link| link.files.documents[0].state = Some(CopyState::RemovedByPerson))),
            ext().files([report(500)]),
            int().files([]),
        )
        .policy(reports)
        .writes(["rewrite the report 500"])
        .notes([forgotten]),
        case(
            "a copy that a person removed stays removed",
            inside(link().removed(70)),
            ext().files([file(70)]),
            int().files([]),
        )
        .notes([forgotten]),
        case(
            "one that went with its ticket is made again: nobody deleted it by itself",
            inside(link().removed(70).with(|link| {
                link.takes_down_removed(NOW - 5);
                link.lost_its_ticket(Side::Internal, NOW);
            })),
            ext().files([file(70)]),
            int().files([]),
        )
        .writes(["copy 70"])
        .notes([forgotten]),
        case(
            "one that a person removed long before the ticket went stays removed",
            inside(link().removed(70).with(|link| {
                link.takes_down_removed(NOW);
                link.lost_its_ticket(Side::Internal, NOW + 3 * 3_600_000);
            })),
            ext().files([file(70)]),
            int().files([]),
        )
        .notes([forgotten]),
        case("both sides' files are listed first", inside(link().copied(70, 170, "x")), ext().files([file(70)]), int())
            .looks_again_at(NOW),
        case(
            "what was sent without an answer settles first",
            inside(link().late_field("title", "B", NOW + 1)),
            ext().files([]),
            int().files([]),
        )
        .looks_again_at(NOW + 1),
        case(
            "entries whose file is lost are sent again, and no others",
            inside(link().delivered(Side::External, [a.clone(), b.clone()]).logged(Side::External, [300, 301])),
            ext().files([]).log([a.clone(), b.clone()]),
            int().files([log_file(300, Side::External, 1, a.clone())]),
        )
        .policy(private_logs)
        .writes(["send b of the external private log"])
        .notes([forgotten]),
        case(
            "what a file that stands carried is not sent again where its last entry is gone",
            inside(link().delivered(Side::External, [a.clone(), c.clone()]).logged(Side::External, [300, 301])),
            ext().files([]).log([a.clone(), c.clone()]),
            int().files([log_file(300, Side::External, 2, b.clone())]),
        )
        .policy(private_logs)
        .writes(["send c of the external private log"])
        .notes([forgotten]),
        case(
            "what stays on its side is not sent for a file that is lost",
            inside(link().delivered(Side::External, [a.clone(), b.clone()]).logged(Side::External, [300]).log(
                Side::External,
                |log| log.kept.push(Kept { key: b.0.key.clone(), parent: parent(40), reference: None }),
            )),
            ext().files([]).log([a.clone(), b.clone()]),
            int().files([]),
        )
        .policy(private_logs)
        .writes(["send a of the external private log"])
        .notes([forgotten]),
        case(
            "all of them where no file is left",
            inside(link().delivered(Side::External, [a.clone(), b.clone()]).logged(Side::External, [300])),
            ext().files([]).log([a.clone(), b.clone()]),
            int().files([]),
        )
        .policy(private_logs)
        .writes(["send a+b of the external private log"])
        .notes([forgotten]),
        case(
            "what was taken as delivered without a file is not sent",
            inside(link().delivered(Side::External, [a.clone(), b.clone()])),
            ext().files([]).log([a.clone(), b.clone()]),
            int().files([]),
        )
        .policy(private_logs)
        .notes([forgotten]),
        case(
            "entries that the restored side lost do not halt its log",
            outside(link().delivered(Side::External, [said("1"), said("2"), said("3"), a.clone()])),
            ext().files([]).log([a.clone()]),
            int().files([]),
        )
        .policy(private_logs)
        .notes([forgotten]),
        case(
            "neither do entries that it lost while they were on their way",
            outside(link().sending(
                Side::External,
                &[said("1"), said("2"), said("3")],
                &[(FileKind::Log, "private:3:3:20260301100000-7", Some(CopyState::InDoubt { until_ms: NOW }))],
            )),
            ext().files([]).log([]),
            int().files([log_file(300, Side::External, 3, said("3"))]),
        )
        .policy(private_logs)
        .notes([
            forgotten,
            "private:3:3:20260301100000-7 arrived as 300 of the external private log",
            "batch over of the external private log",
        ]),
        case("fields and states stand as they are, and what differs is shown", inside(agreed("resolved", "resolved")), ext().files([]).status("resolved"), int().files([]).title("[R-1] older").status("assigned"))
            .notes([forgotten])
            .conflict("title: it differed when its iTop had been restored; it is left so until it changes in the external iTop")
            .conflict("status: it was resolved in the external iTop and assigned in the internal iTop when its iTop had been restored; it is left so until it moves in the external iTop"),
        case(
            "what the customer changed while the restored inside stood still is carried",
            inside(link()),
            ext().files([]).title("B").status("resolved"),
            int().files([]),
        )
        .writes([r#"update title="[R-1] B""#, "walk to resolved: assigned ev_resolve(service_id=2 default) resolved"])
        .notes([forgotten]),
        case(
            "where both were restored, both are compared",
            outside(inside(link().copied(70, 170, "x").copied(71, 171, "x"))),
            ext().files([file(70)]),
            int().files([copy(171, 71)]),
        )
        .writes(["copy 70"])
        .notes([forgotten]),
        case(
            "a report that is lost is written again",
            outside(link().reported(&["assigned"])),
            ext().files([]),
            int().files([]),
        )
        .policy(reports)
        .writes(["write the report"])
        .notes([forgotten]),
    ]
}

fn reports(policy: &mut Policy) {
    policy.status_to_external = StatusToExternal::Report;
}
