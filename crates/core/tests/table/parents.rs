//! Case logs of a ticket that has a parent: iTop copies the parent's entries into its children.

use itop_bridge_core::caselog::ENTRY_SETTLES_MS;
use itop_bridge_core::parents::Kept;
use itop_bridge_core::policy::ParentEntries;
use itop_bridge_core::{Link, Side};

use crate::fixtures::*;
use crate::{Case, case};

const INSIDE: Side = Side::Internal;

fn kept_back(entries: &str, of: &str) -> String {
    format!(
        "private_log in the internal iTop: {entries} kept back: they may be copies from the {of} (no right), which cannot be read; they cross when it can, or with parent_entries = \"send\""
    )
}

const MAY_BE_REWORDED: &str = "private_log in the internal iTop: 1 new entry is kept back: the parent UserRequest 40 has an entry of the same author and moment in other words: somebody may have reworded it, or its copy; they cross with parent_entries = \"send\"";

pub fn entries() -> Vec<Case> {
    let [a, b] = [said("a"), said("b").at("10:05")];
    let of_a = std::slice::from_ref(&a);
    let child = || link().with(|link| link.parents.push((INSIDE, parent(40))));
    let not_paired = |said: &[Said]| elder(40, "R-40", false, said);
    let rows = vec![
        case("before anything is decided the parents are read", child(), ext(), int().log([a.clone()]).child_of([40]))
            .reads_parents(INSIDE),
        case("without new entries nobody asks", child().delivered(INSIDE, [a.clone()]), ext(), int().log([a.clone()]).child_of([40]))
            .does_nothing(),
        case("a parent that is new is remembered", link(), ext(), int().log([]).child_of([40]))
            .notes(["parents internal: [40]"]),
        case("and one that is none any more is forgotten", child(), ext(), int().log([]))
            .notes(["parents internal: []"]),
        case(
            "what was copied from a parent that is no part of a pair stays, and is handled",
            child(),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes(["a kept as R-40's of the internal private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "the copy may be dated a little later",
            child(),
            ext(),
            int().log([a.clone().at("10:01")]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes(["a kept as R-40's of the internal private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "equal words of long after are the ticket's own: they wait until the parent must be saved",
            child(),
            ext(),
            int().log([a.clone().at("12:00")]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes([&format!("held [], waiting [a until {}] of the internal private log", NOW + PARENT)])
        .looks_again_at(NOW + PARENT),
        case(
            "of two equal ones, one is the parent's",
            child(),
            ext(),
            int().log([a.clone(), a.clone().again(1)]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes([
            "a kept as R-40's of the internal private log".to_owned(),
            format!("held [], waiting [a until {}] of the internal private log", NOW + PARENT),
        ])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "another person's equal words are the ticket's own",
            child().waits(INSIDE, &[(a.clone().by(8), NOW)]),
            ext(),
            int().log([a.clone().by(8)]).child_of([40]).family([not_paired(of_a)], []).kin([a.clone()]),
        )
        .writes(["send a of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "what the parent's log does not show in time is the ticket's own",
            child().waits(INSIDE, &[(a.clone(), NOW), (b.clone(), NOW + 9)]),
            ext(),
            int().log([a.clone(), b.clone()]).child_of([40]).family([not_paired(&[])], []).kin([]),
        )
        .writes(["send a of the internal private log"])
        .notes([&format!("held [], waiting [b until {}] of the internal private log", NOW + 9)])
        .looks_again_at(NOW + 9),
        case(
            "before that is believed the other tickets below are read",
            child().waits(INSIDE, &[(a.clone(), NOW)]),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(&[])], []),
        )
        .reads_kin(INSIDE),
        case(
            "one of these that got the same meanwhile says that the parent is still to be saved",
            child().waits(INSIDE, &[(a.clone(), NOW)]),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(&[])], []).kin([a.clone().at("10:02")]),
        )
        .notes([&format!("held [], waiting [a until {} by 1] of the internal private log", NOW + 60_000 + PARENT)])
        .looks_again_at(NOW + 60_000 + PARENT),
        case(
            "each further one says so again",
            child().waits(INSIDE, &[(a.clone(), NOW)]).log(INSIDE, |log| log.waiting[0].equals = 1),
            ext(),
            int()
                .log([a.clone()])
                .child_of([40])
                .family([not_paired(&[])], [])
                .kin([a.clone().at("10:02"), a.clone().at("10:04")]),
        )
        .notes([&format!("held [], waiting [a until {} by 2] of the internal private log", NOW + 60_000 + PARENT)])
        .looks_again_at(NOW + 60_000 + PARENT),
        case(
            "until none comes any more: somebody wrote the same on several",
            child().waits(INSIDE, &[(a.clone(), NOW)]).log(INSIDE, |log| log.waiting[0].equals = 1),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(&[])], []).kin([a.clone().at("10:02")]),
        )
        .writes(["send a of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "equal words of before say nothing",
            child().waits(INSIDE, &[(a.clone(), NOW)]),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(&[])], []).kin([a.clone().at("08:30")]),
        )
        .writes(["send a of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "the last of many copies is dated long after the parent's entry, and soon after another copy",
            child().waits(INSIDE, &[(a.clone().at("10:19"), NOW)]),
            ext(),
            int()
                .log([a.clone().at("10:19")])
                .child_of([40])
                .family([not_paired(of_a)], [])
                .kin(["10:17", "10:13", "10:15"].map(|at| a.clone().at(at))),
        )
        .notes(["a kept as R-40's of the internal private log", "held [], waiting [] of the internal private log"]),
        case(
            "but not soon after it is no copy",
            child().waits(INSIDE, &[(a.clone().at("10:19"), NOW)]).log(INSIDE, |log| log.waiting[0].equals = 1),
            ext(),
            int().log([a.clone().at("10:19")]).child_of([40]).family([not_paired(of_a)], []).kin([a.clone().at("10:13")]),
        )
        .writes(["send a of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "one whose original may have been reworded first waits as any",
            child(),
            ext(),
            int().log([b.clone().at("10:00")]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes([&format!("held [], waiting [b until {}] of the internal private log", NOW + PARENT)])
        .looks_again_at(NOW + PARENT),
        case(
            "and is then kept back: of that author's entry in the parent nothing else came down",
            child().waits(INSIDE, &[(b.clone().at("10:00"), NOW)]),
            ext(),
            int().log([b.clone().at("10:00")]).child_of([40]).family([not_paired(of_a)], []).kin([]),
        )
        .notes(["held [b], waiting [] of the internal private log"])
        .conflict(MAY_BE_REWORDED),
        case(
            "for good, without another wait",
            child()
                .keeps_back(INSIDE, &[&b.clone().at("10:00")], 40)
                .log(INSIDE, |log| log.held[0].doubt = Some(parent(40))),
            ext(),
            int().log([b.clone().at("10:00")]).child_of([40]).family([not_paired(of_a)], []),
        )
        .conflict(MAY_BE_REWORDED),
        case(
            "also where the parent's entry is gone by now",
            child().keeps_back(INSIDE, &[&b], 40).log(INSIDE, |log| log.held[0].doubt = Some(parent(40))),
            ext(),
            int().log([b.clone()]).child_of([40]).family([not_paired(&[])], []),
        )
        .conflict(MAY_BE_REWORDED),
        case(
            "what the parent says in the same words is no other entry's original",
            child().waits(INSIDE, &[(b.clone().at("10:00"), NOW)]),
            ext(),
            int().log([a.clone(), b.clone().at("10:00")]).child_of([40]).family([not_paired(of_a)], []).kin([]),
        )
        .writes(["send b of the internal private log"])
        .notes(["a kept as R-40's of the internal private log", "held [], waiting [] of the internal private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "nor is one whose copy is known and was reworded",
            child().waits(INSIDE, &[(b.clone().at("10:00"), NOW)]).delivered(INSIDE, [a.clone()]).log(INSIDE, |log| {
                log.kept.push(Kept { key: a.0.key.clone(), parent: parent(40), reference: Some("R-40".into()) });
            }),
            ext(),
            int()
                .log([a.clone(), b.clone().at("10:00")])
                .child_of([40])
                .family([not_paired(&[said("moderated")])], [])
                .kin([]),
        )
        .writes(["send b of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "what it shows while an entry waits is not",
            child().waits(INSIDE, &[(a.clone(), NOW + 9)]),
            ext(),
            int().log([a.clone()]).child_of([40]).family([not_paired(of_a)], []),
        )
        .notes(["a kept as R-40's of the internal private log", "held [], waiting [] of the internal private log"]),
        case(
            "a parent that is itself paired keeps nothing back",
            child(),
            ext(),
            int().log([a.clone()]).child_of([40]).family([elder(40, "R-40", true, of_a)], []),
        )
        .writes(["send a of the internal private log"]),
        case(
            "but its own parent does",
            child(),
            ext(),
            int()
                .log([a.clone()])
                .child_of([40])
                .family([below(elder(40, "R-40", true, of_a), [41]), elder(41, "R-41", false, of_a)], []),
        )
        .notes(["a kept as R-41's of the internal private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "a parent that was taken away since counts",
            child(),
            ext(),
            int().log([a.clone()]).family([not_paired(of_a)], []),
        )
        .notes(["a kept as R-40's of the internal private log", "parents internal: []"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "also while an entry waits for it",
            child(),
            ext(),
            int().log([a.clone()]).family([not_paired(&[])], []),
        )
        .notes([
            format!("held [], waiting [a until {}] of the internal private log", NOW + PARENT),
            "parents internal: []".to_owned(),
        ])
        .looks_again_at(NOW + PARENT),
        case(
            "what waits is not a later parent's",
            child().waits(INSIDE, &[(a.clone(), NOW + 9)]),
            ext(),
            int().log([a.clone()]).child_of([41]).family([not_paired(&[])], [41]),
        )
        .notes(["parents internal: [41]"])
        .looks_again_at(NOW + 9),
        case(
            "while the log has halted nothing is sorted out, and a parent that was taken away is remembered",
            child().halted_log(INSIDE, "10:00"),
            ext(),
            int().log([a.clone()]),
        )
        .conflict("private_log in the internal iTop: gone"),
        case(
            "a parent that cannot be read keeps everything back, and that is shown",
            child(),
            ext(),
            int().log([a.clone(), b.clone()]).child_of([40]).family([], [40]),
        )
        .notes(["held [a+b], waiting [] of the internal private log"])
        .conflict(
            "private_log in the internal iTop: 2 new entries are kept back: they may be copies from the parent UserRequest 40 (no right), which cannot be read; they cross when it can, or with parent_entries = \"send\"",
        )
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "so does one of a parent that is itself paired",
            child(),
            ext(),
            int().log([a.clone()]).child_of([40]).family([below(elder(40, "R-40", true, &[]), [41])], [41]),
        )
        .notes(["held [a], waiting [] of the internal private log"])
        .conflict(&kept_back("1 new entry is", "parent's parent UserRequest 41"))
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "also once it is that one's parent no more",
            child().keeps_back(INSIDE, &[&a], 41),
            ext(),
            int().log([a.clone()]).child_of([40]).family([elder(40, "R-40", true, &[])], [41]),
        )
        .conflict(&kept_back("1 new entry is", "former parent UserRequest 41")),
        case(
            "when it can be read they are sorted out",
            child().keeps_back(INSIDE, &[&a, &b], 40),
            ext(),
            int().log([a.clone(), b.clone()]).child_of([40]).family([elder(40, "R-40", true, &[])], []),
        )
        .writes(["send a+b of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "one that was taken away and cannot be read keeps back what had come by then",
            child(),
            ext(),
            int().log([a.clone()]).family([], [40]),
        )
        .notes(["held [a], waiting [] of the internal private log", "parents internal: []"])
        .conflict(&kept_back("1 new entry is", "former parent UserRequest 40"))
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "and what comes later crosses",
            link().keeps_back(INSIDE, &[&a], 40),
            ext(),
            int().log([a.clone(), b.clone()]).family([], [40]),
        )
        .writes(["send b of the internal private log"])
        .conflict(&kept_back("1 new entry is", "former parent UserRequest 40")),
        case(
            "when it can be read it tells",
            link().keeps_back(INSIDE, &[&a, &b], 40),
            ext(),
            int().log([a.clone(), b.clone()]).family([not_paired(of_a)], []),
        )
        .notes([
            "a kept as R-40's of the internal private log".to_owned(),
            format!("held [], waiting [b until {}] of the internal private log", NOW + PARENT),
        ])
        .looks_again_at(NOW + PARENT),
        case(
            "an operator lets them cross",
            child().keeps_back(INSIDE, &[&a], 40).with(Link::resume),
            ext(),
            int().log([a.clone(), b.clone()]).child_of([40]).family([], [40]),
        )
        .writes(["send a of the internal private log"])
        .notes(["held [b], waiting [], own [a] of the internal private log"])
        .conflict(&kept_back("1 new entry is", "parent UserRequest 40"))
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "but not by ending a halt, and then they are not taken as delivered either",
            child().keeps_back(INSIDE, &[&a], 40).halted_log(INSIDE, "10:00").with(Link::resume),
            ext(),
            int().log([a.clone()]).child_of([40]).family([], [40]),
        )
        .notes(["resume is over of the internal private log"])
        .conflict(&kept_back("1 new entry is", "parent UserRequest 40")),
        case(
            "what he let cross and is gone is forgotten",
            child().log(INSIDE, |log| log.own = vec![a.0.key.clone()]),
            ext(),
            int().log([]).child_of([40]),
        )
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "who wants them gets all",
            child().keeps_back(INSIDE, &[&a], 40),
            ext(),
            int().log([a.clone()]).child_of([40]),
        )
        .policy(|policy| policy.parent_entries = ParentEntries::Send)
        .writes(["send a of the internal private log"])
        .notes(["held [], waiting [] of the internal private log"]),
        case(
            "the same outside",
            link().with(|link| link.parents.push((Side::External, parent(40)))),
            ext().log([a.clone()]).child_of([40]).family([not_paired(of_a)], []),
            int(),
        )
        .notes(["a kept as R-40's of the external private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}
