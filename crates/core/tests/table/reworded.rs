//! Case logs in which somebody changed words in place: an anonymiser, a moderator.

use itop_bridge_core::caselog::ENTRY_SETTLES_MS;
use itop_bridge_core::caselog::LogState;
use itop_bridge_core::link::CopyState;
use itop_bridge_core::parents::Kept;
use itop_bridge_core::{FileKind, Link, Side};

use crate::fixtures::*;
use crate::{Case, case};

const OUTSIDE: Side = Side::External;
const INSIDE: Side = Side::Internal;

pub fn entries() -> Vec<Case> {
    let [a, b, c] = [said("a"), said("b").at("10:05"), said("c").at("10:07")];
    let z = |said: &Said, words: &str| said.clone().reworded(words);
    let given = || link().delivered(OUTSIDE, [a.clone(), b.clone(), c.clone()]);
    let text = |state| (FileKind::Log, "private:1:a:20260301100000-7", state);
    let rows = vec![
        case(
            "an entry with other words is the same entry",
            given(),
            ext().log([a.clone(), z(&b, "x"), c.clone()]),
            int(),
        )
        .notes(["b reworded to x of the external private log"]),
        case(
            "all entries of a log reworded at once halt nothing",
            given(),
            ext().log([z(&a, "x"), z(&b, "y"), z(&c, "z")]),
            int(),
        )
        .notes(["a reworded to x, b reworded to y, c reworded to z of the external private log"]),
        case(
            "more than a third gone still halts, whatever else was reworded",
            link().delivered(OUTSIDE, (0..4).map(|n| said(["a", "b", "c", "d"][n]).at(&format!("10:0{n}")))),
            ext().log([said("x").at("10:03")]),
            int(),
        )
        .notes(["halt after 2026-03-01 10:03:00 of the external private log"])
        .conflict("private_log in the external iTop: 3 of 4 entries of the private log of R-1 are gone at once; nothing more of it is sent until you resume the link"),
        case(
            "a new entry beside a reworded one crosses",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), b.clone()]),
            int(),
        )
        .writes(["send b of the external private log"])
        .notes(["a reworded to x of the external private log"]),
        case(
            "other words of another person in the same second are another entry",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x").by(8)]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["a vanished of the external private log"]),
        case(
            "of two of one second the one that was lost is not the one that came after the other",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([z(&a, "b"), z(&a, "x")]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["a vanished of the external private log"]),
        case(
            "of two of one second the second was reworded",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([a.clone(), z(&a, "x")]),
            int(),
        )
        .notes(["b reworded to x of the external private log"]),
        case(
            "of three of one second the first is lost and the last was reworded",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b"), z(&a, "c")]),
            ext().log([z(&a, "b"), z(&a, "x")]),
            int(),
        )
        .notes(["a vanished of the external private log", "c reworded to x of the external private log"]),
        case(
            "of two of one second the first was delivered last, as it was reworded at once: the log's order counts",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([z(&a, "b"), a.clone()]),
            int(),
        )
        .notes(["b+a in this order of the external private log"]),
        case(
            "of two of one second one stands, with other words: the place is the first one's",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b")]),
            ext().log([z(&a, "x")]),
            int(),
        )
        .notes(["b vanished of the external private log", "a reworded to x of the external private log"]),
        case(
            "of two unknown ones in place of one nobody can tell which is new: both are sent",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), z(&a, "y")]),
            int(),
        )
        .writes(["send x+y of the external private log"])
        .notes(["a vanished of the external private log"]),
        case(
            "of two that say the same in one second the first was reworded",
            link().delivered(OUTSIDE, [a.clone(), a.clone().again(1)]),
            ext().log([z(&a, "x"), a.clone()]),
            int(),
        )
        .notes(["a reworded to x of the external private log"]),
        case(
            "all of one second reworded to the same words",
            link().delivered(OUTSIDE, [a.clone(), z(&a, "b"), z(&a, "c")]),
            ext().log([z(&a, "x"), z(&a, "x").again(1), z(&a, "x").again(2)]),
            int(),
        )
        .notes(["a reworded to x, b reworded to x, c reworded to x of the external private log"]),
        case(
            "in an hour that repeats the log is in the order in which it was known",
            link().delivered(OUTSIDE, [b.clone(), a.clone()]),
            ext().log([z(&b, "y"), z(&a, "x")]),
            int(),
        )
        .notes(["b reworded to y, a reworded to x of the external private log"]),
        case(
            "a new entry of the hour's second time says nothing of the order before it",
            link().delivered(OUTSIDE, [b.clone()]),
            ext().log([z(&b, "y"), a.clone()]),
            int(),
        )
        .writes(["send a of the external private log"])
        .notes(["b reworded to y of the external private log"]),
        case(
            "after a restore people wrote again: later dates are other entries",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]),
            ext().log([a.clone(), z(&c, "x")]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["b vanished of the external private log"]),
        case(
            "one that is dated back stands at the end: it is a new one",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]),
            ext().log([b.clone(), z(&a, "x")]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["a vanished of the external private log"]),
        case(
            "a change of the server's zone is no rewording, though an entry's date becomes another's",
            link().delivered(OUTSIDE, [a.clone().at("10:00"), b.clone().at("11:00")]),
            ext().log([a.clone().at("11:00"), b.clone().at("12:00")]),
            int(),
        )
        .notes([
            "a moved to 2026-03-01 11:00:00 of the external private log",
            "b moved to 2026-03-01 12:00:00 of the external private log",
        ]).looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "the old words that are said once more are a new entry",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), a.clone().at("10:05")]),
            int(),
        )
        .writes(["send a of the external private log"])
        .notes(["a reworded to x of the external private log"]),
        case(
            "one that vanished and comes back with other words is no new one",
            link().delivered(OUTSIDE, [b.clone()]).lost(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "x"), b.clone()]),
            int(),
        )
        .notes(["a reworded to x of the external private log"]),
        case(
            "an entry on its way that was reworded goes out with its old words",
            link().sending(OUTSIDE, std::slice::from_ref(&a), &[text(None)]),
            ext().log([z(&a, "x")]),
            int(),
        )
        .writes(["send the batch of the external private log"])
        .notes(["a reworded to x of the external private log"]),
        case(
            "a file in doubt with its old words is found by its mark",
            link().sending(OUTSIDE, std::slice::from_ref(&a), &[text(Some(CopyState::InDoubt { until_ms: NOW + 9 }))]),
            ext().log([z(&a, "x")]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "a reworded to x of the external private log",
            "private:1:a:20260301100000-7 arrived as 600 of the external private log",
            "batch over of the external private log",
        ]),
        case(
            "an entry that was reworded before anybody sent it crosses as it stands",
            link(),
            ext().log([z(&a, "x")]),
            int(),
        )
        .writes(["send x of the external private log"]),
        case(
            "a mark that the store does not know finds its entry by its moment",
            link(),
            ext().log([z(&a, "x"), z(&b, "y"), c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["x+y found in 600 of the external private log"]),
        case(
            "an older mark, which says none, finds it by its number",
            link(),
            ext().log([z(&a, "x"), z(&b, "y"), c.clone()]),
            int().files([made(600, OUTSIDE, FileKind::Log, "private:2:b")]),
        )
        .writes(["send c of the external private log"])
        .notes(["x+y found in 600 of the external private log"]),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

/// iTop loses an entry where two people save at once, and in its place another one of that author and second may stand.
pub fn lost_or_reworded() -> Vec<Case> {
    let [a, b] = [said("a").fresh(NOW + 9), said("b").at("10:05").fresh(NOW + 9)];
    let settled = [said("a").fresh(NOW), said("b").at("10:05").fresh(NOW)];
    let z = |said: &Said, words: &str| said.clone().reworded(words);
    let rows = vec![
        case(
            "seconds after its first look the last one may have been lost to a new one, which is sent",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([z(&a, "a longer text")]),
            int(),
        )
        .writes(["send a longer text of the external private log"])
        .notes(["a vanished of the external private log"]),
        case(
            "and so may one that is on its way",
            link().sending(OUTSIDE, std::slice::from_ref(&a), &[(FileKind::Log, "private:1:a:20260301100000-7", None)]),
            ext().log([z(&a, "x")]),
            int(),
        )
        .writes(["send the batch of the external private log"])
        .looks_again_at(NOW),
        case("and one that was seen to be lost", link().lost(OUTSIDE, [a.clone()]), ext().log([z(&a, "x")]), int())
            .writes(["send x of the external private log"]),
        case(
            "that a known one stands after it proves nothing: it may have been written again",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]),
            ext().log([z(&a, "x"), b.clone()]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["a vanished of the external private log"])
        .looks_again_at(NOW + 9),
        case(
            "what stands then is looked at once more",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]),
            ext().log([a.clone(), b.clone()]),
            int(),
        )
        .looks_again_at(NOW + 9),
        case(
            "and cannot be lost to a new one any more",
            link().delivered(OUTSIDE, settled.clone()),
            ext().log(settled.clone()),
            int(),
        )
        .notes(["a+b settled of the external private log"]),
        case(
            "what was not seen since is not settled, however long ago it came",
            link().delivered(OUTSIDE, settled.clone()),
            ext().log([settled[0].clone(), z(&settled[1], "x")]),
            int(),
        )
        .writes(["send x of the external private log"])
        .notes(["b vanished of the external private log", "a settled of the external private log"]),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

/// Entries of which nothing was sent.
pub fn unsent() -> Vec<Case> {
    let a = said("a");
    let x = || said("x");
    let of_a = std::slice::from_ref(&a);
    let child = || link().with(|link| link.parents.push((INSIDE, parent(40))));
    let readable = |said: &[Said]| elder(40, "R-40", false, said);
    let kept = || {
        let kept = Kept { key: said("a").0.key, parent: parent(40), reference: Some("R-40".into()) };
        child().delivered(INSIDE, [said("a")]).log(INSIDE, |log| log.kept.push(kept))
    };
    let aside = || {
        let text = (FileKind::Log, "private:1:a:20260301100000-7", Some(CopyState::Stands(600)));
        link().sending(INSIDE, of_a, &[text]).log(INSIDE, LogState::set_aside)
    };
    let rows = vec![
        case("one that stays inside stays there", kept(), ext(), int().log([x()]).child_of([40]).family([readable(of_a)], []))
            .notes(["a reworded to x of the internal private log"]),
        case(
            "one that is kept back is the parent's by its first words",
            child().keeps_back(INSIDE, &[&a], 40),
            ext(),
            int().log([x()]).child_of([40]).family([readable(of_a)], []),
        )
        .notes([
            "a reworded to x of the internal private log",
            "x kept as R-40's of the internal private log",
            "held [], waiting [] of the internal private log",
        ]),
        case(
            "or by those that both have now",
            child().keeps_back(INSIDE, &[&a], 40),
            ext(),
            int().log([x()]).child_of([40]).family([readable(&[x()])], []),
        )
        .notes([
            "a reworded to x of the internal private log",
            "x kept as R-40's of the internal private log",
            "held [], waiting [] of the internal private log",
        ]),
        case(
            "as long as nobody knows it is kept back, though the parent is one no more",
            link().keeps_back(INSIDE, &[&a], 40),
            ext(),
            int().log([x()]).family([], [40]),
        )
        .notes(["a reworded to x of the internal private log"])
        .conflict("private_log in the internal iTop: 1 new entry is kept back: they may be copies from the former parent UserRequest 40 (no right), which cannot be read; they cross when it can, or with parent_entries = \"send\""),
        case(
            "one that waits does not wait anew, and crosses with the words that it has",
            child().waits(INSIDE, &[(a.clone(), NOW)]),
            ext(),
            int().log([x()]).child_of([40]).family([readable(&[])], []).kin([]),
        )
        .writes(["send x of the internal private log"])
        .notes(["a reworded to x of the internal private log", "held [], waiting [] of the internal private log"]),
        case(
            "one that an operator lets cross crosses",
            child().keeps_back(INSIDE, &[&a], 40).with(Link::resume),
            ext(),
            int().log([x()]).child_of([40]).family([], [40]),
        )
        .writes(["send x of the internal private log"])
        .notes(["a reworded to x of the internal private log"]),
        case("one that was set aside arrives with its old words", aside(), ext(), int().log([x()])).notes([
            "a reworded to x of the internal private log",
            "aside private:1:a:20260301100000-7 over of the internal private log",
        ])
        .looks_again_at(NOW),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

/// Files name the authors of their entries.
pub fn authors() -> Vec<Case> {
    let named = |name: &str| said("a").signed(name);
    let was = || link().delivered(OUTSIDE, [named("Jules")]);
    let rows = vec![
        case("another name of the author is told", was(), ext().log([named("***")]), int())
            .notes(["a of another author of the external private log"]),
        case("other words and another name are told together", was(), ext().log([named("***").reworded("x")]), int())
            .notes(["a reworded to x of the external private log"]),
        case("the same name is nothing to tell", was(), ext().log([named("Jules")]), int()).does_nothing(),
        case(
            "files that named nobody, and older versions, left no name",
            link().delivered(OUTSIDE, [said("a")]),
            ext().log([named("***")]),
            int(),
        )
        .does_nothing(),
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
            .notes(["own entry of the internal private log"]),
        case("reworded it still stays inside", remembered(), ext(), int().log([reworded(), said("a").at("10:05")]))
            .writes(["send a of the internal private log"])
            .notes(["own entry of the internal private log"]),
        case(
            "where nothing is remembered of it, it is of the moment at which the ticket was made",
            link().made("", "2026-03-01 10:00:00"),
            ext(),
            int().log([reworded()]),
        )
        .notes(["own entry of the internal private log"]),
        case(
            "an entry of another moment is a person's",
            link().made("", "2026-03-01 09:00:00"),
            ext(),
            int().log([reworded()]),
        )
        .writes(["send *** of the internal private log"]),
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
