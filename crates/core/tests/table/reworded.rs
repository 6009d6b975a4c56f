//! Case logs in which somebody changed words in place: an anonymiser, a moderator.

use itop_bridge_core::link::CopyState;
use itop_bridge_core::{FileKind, Side};

use crate::fixtures::*;
use crate::{Case, case};

const OUTSIDE: Side = Side::External;
const INSIDE: Side = Side::Internal;

pub fn entries() -> Vec<Case> {
    let [a, b, c] = [said("a").long(9), said("b").at("10:05").long(9), said("c").at("10:07").long(9)];
    let z = |said: &Said, words: &str| said.clone().reworded(words);
    let given = || link().delivered(OUTSIDE, [a.clone(), b.clone(), c.clone()]);
    let text = |state| (FileKind::Log, "private:1:a:20260301100000-7", state);
    let rows = vec![
        case(
            "an entry with other words of the same length is the same entry",
            given(),
            ext().log([a.clone(), z(&b, "x"), c.clone()]),
            int(),
        )
        .notes(["b reworded to x of the private log outside"]),
        case(
            "all entries of a log reworded at once halt nothing",
            given(),
            ext().log([z(&a, "x"), z(&b, "y"), z(&c, "z")]),
            int(),
        )
        .notes(["a reworded to x, b reworded to y, c reworded to z of the private log outside"]),
        case(
            "more than a third gone still halts, whatever else was reworded",
            link().delivered(OUTSIDE, (0..4).map(|n| said(["a", "b", "c", "d"][n]).at(&format!("10:0{n}")).long(9))),
            ext().log([said("x").at("10:03").long(9)]),
            int(),
        )
        .notes(["halt after 2026-03-01 10:03:00 of the private log outside"])
        .conflict("private_log outside: 3 of 4 entries of the private log of R-1 are gone at once; nothing more of it is sent until you resume the link"),
        case(
            "a new entry beside a reworded one crosses",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), b.clone()]),
            int(),
        )
        .writes(["send b of the private log outside"])
        .notes(["a reworded to x of the private log outside"]),
        case(
            "words of another length are another entry",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x").long(10)]),
            int(),
        )
        .writes(["send x of the private log outside"])
        .notes(["a vanished of the private log outside"]),
        case(
            "where an older version did not remember the length, author, date and place say it",
            link().delivered(OUTSIDE, [said("a")]),
            ext().log([z(&a, "x")]),
            int(),
        )
        .notes(["a reworded to x of the private log outside"]),
        case(
            "other words of another person in the same second are another entry",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x").by(8)]),
            int(),
        )
        .writes(["send x of the private log outside"])
        .notes(["a vanished of the private log outside"]),
        case(
            "of two of one second the one that was lost is not the one that came after the other",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([z(&a, "b"), z(&a, "x")]),
            int(),
        )
        .writes(["send x of the private log outside"])
        .notes(["a vanished of the private log outside"]),
        case(
            "of two of one second the second was reworded",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([a.clone(), z(&a, "x")]),
            int(),
        )
        .notes(["b reworded to x of the private log outside"]),
        case(
            "one that is dated back stands at the end: it is a new one",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]),
            ext().log([b.clone(), z(&a, "x")]),
            int(),
        )
        .writes(["send x of the private log outside"])
        .notes(["a vanished of the private log outside"]),
        case(
            "a change of the server's zone is no rewording, though an entry's date becomes another's",
            link().delivered(OUTSIDE, [a.clone().at("10:00"), b.clone().at("11:00")]),
            ext().log([a.clone().at("11:00"), b.clone().at("12:00")]),
            int(),
        )
        .notes([
            "a moved to 2026-03-01 11:00:00 of the private log outside",
            "b moved to 2026-03-01 12:00:00 of the private log outside",
        ]),
        case(
            "one that vanished and comes back with other words is no new one",
            link().delivered(OUTSIDE, [b.clone()]).lost(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), b.clone()]),
            int(),
        )
        .notes(["a reworded to x of the private log outside"]),
        case(
            "an entry on its way that was reworded goes out with its old words",
            link().sending(OUTSIDE, std::slice::from_ref(&a), &[text(None)]),
            ext().log([z(&a, "x")]),
            int(),
        )
        .writes(["send the batch of the private log outside"])
        .notes(["a reworded to x of the private log outside"]),
        case(
            "a file in doubt with its old words is found by its mark",
            link().sending(OUTSIDE, std::slice::from_ref(&a), &[text(Some(CopyState::InDoubt { until_ms: NOW + 9 }))]),
            ext().log([z(&a, "x")]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "a reworded to x of the private log outside",
            "private:1:a:20260301100000-7 arrived as 600 of the private log outside",
            "batch over of the private log outside",
        ]),
        case(
            "an entry that was reworded before anybody sent it crosses as it stands",
            link(),
            ext().log([z(&a, "x")]),
            int(),
        )
        .writes(["send x of the private log outside"]),
        case(
            "a mark that the store does not know finds its entry by its moment",
            link(),
            ext().log([z(&a, "x"), z(&b, "y"), c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the private log outside"])
        .notes(["x+y found in 600 of the private log outside"]),
        case(
            "an older mark, which says none, finds it by its number",
            link(),
            ext().log([z(&a, "x"), z(&b, "y"), c.clone()]),
            int().files([made(600, OUTSIDE, FileKind::Log, "private:2:b")]),
        )
        .writes(["send c of the private log outside"])
        .notes(["x+y found in 600 of the private log outside"]),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

/// The entry with the mark, whose words somebody changed.
pub fn the_bridges_own() -> Vec<Case> {
    let own = || marked_entry("7f3a").at("10:00");
    let reworded = || said("***").at("10:00");
    let remembered = || link().log(INSIDE, |log| log.own_entry = Some(own().0.key));
    let rows = vec![
        case("which entry it is, is remembered", link(), ext(), int().log([own()]))
            .notes(["own entry of the private log inside"]),
        case("reworded it still stays inside", remembered(), ext(), int().log([reworded(), said("a").at("10:05")]))
            .writes(["send a of the private log inside"])
            .notes(["own entry of the private log inside"]),
        case(
            "where nothing is remembered of it, it is of the moment at which the ticket was made",
            link().made("", "2026-03-01 10:00:00"),
            ext(),
            int().log([reworded()]),
        )
        .notes(["own entry of the private log inside"]),
        case(
            "an entry of another moment is a person's",
            link().made("", "2026-03-01 09:00:00"),
            ext(),
            int().log([reworded()]),
        )
        .writes(["send *** of the private log inside"]),
        case(
            "and so is one of that moment that was sent, as where an operator linked two tickets",
            link().made("", "2026-03-01 10:00:00").delivered(INSIDE, [reworded()]),
            ext(),
            int().log([reworded()]),
        )
        .does_nothing(),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}
