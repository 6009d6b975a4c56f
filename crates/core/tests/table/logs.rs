//! Case logs: new entries cross as files.

use itop_bridge_core::caselog::ENTRY_SETTLES_MS;
use itop_bridge_core::link::CopyState;
use itop_bridge_core::{FileKind, Link, LogName, Side};

use crate::fixtures::*;
use crate::{Case, case};

const OUTSIDE: Side = Side::External;
const INSIDE: Side = Side::Internal;

pub fn new_entries() -> Vec<Case> {
    let [a, b] = [said("a"), said("b").at("10:05")];
    let rows = vec![
        case("the first look sends all entries", link(), ext().log([a.clone(), b.clone()]), int())
            .writes(["send a+b of the external private log"]),
        case(
            "from inside too, but for the entry that the bridge wrote",
            link(),
            ext(),
            int().log([marked_entry("7f3a"), a.clone(), b.clone()]),
        )
        .writes(["send a+b of the internal private log"])
        .notes(["own entry of the internal private log"]),
        case("the bridge's entry alone is nothing to send", link(), ext(), int().log([marked_entry("7f3a")]))
            .notes(["own entry of the internal private log"]),
        case("another bridge's entry is an entry like any other", link(), ext(), int().log([marked_entry("beef")]))
            .writes(["send copy of R-1 of the internal private log"]),
        case(
            "a person who quotes the bridge's entry later is heard",
            link(),
            ext(),
            int().log([marked_entry("7f3a"), marked_entry("7f3a").at("10:09")]),
        )
        .writes(["send copy of R-1 of the internal private log"])
        .notes(["own entry of the internal private log"]),
        case("both logs at once", link(), ext().log([a.clone()]), int().log([b.clone()]))
            .writes(["send a of the external private log", "send b of the internal private log"]),
        case(
            "what was delivered is not sent again",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([a.clone()]),
            int(),
        )
        .does_nothing(),
        case(
            "a new entry is sent alone",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([a.clone(), b.clone()]),
            int(),
        )
        .writes(["send b of the external private log"]),
        case(
            "an entry that came late stands before what was delivered, and is new",
            link().delivered(OUTSIDE, [b.clone()]),
            ext().log([a.clone(), b.clone()]),
            int(),
        )
        .writes(["send a of the external private log"]),
        case(
            "two equal entries in one second are two",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([a.clone(), a.clone().again(1)]),
            int(),
        )
        .writes(["send a of the external private log"]),
        case(
            "the same words of two people in one second are two",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([a.clone(), a.clone().by(8)]),
            int(),
        )
        .writes(["send a of the external private log"]),
        case(
            "what one side was given does not count for the other",
            link().delivered(OUTSIDE, [a.clone()]),
            ext().log([a.clone()]),
            int().log([a.clone()]),
        )
        .writes(["send a of the internal private log"]),
        case(
            "a file that carried it and that a person deleted is noted, and sent no more",
            link().delivered(OUTSIDE, [a.clone()]).logged(OUTSIDE, [600, 601]),
            ext().log([a.clone()]),
            int().files([log_file(601, OUTSIDE, 1, a.clone())]),
        )
        .notes(["[600] removed of the external private log"]),
        case(
            "also where the log itself was not read",
            link().delivered(OUTSIDE, [a.clone()]).logged(OUTSIDE, [600]),
            ext(),
            int().files([]),
        )
        .notes(["[600] removed of the external private log"]),
        case(
            "but not where the files were not listed",
            link().delivered(OUTSIDE, [a.clone()]).logged(OUTSIDE, [600]),
            ext().log([a.clone()]),
            int(),
        )
        .does_nothing(),
        case("a log that was not read says nothing", link().delivered(OUTSIDE, [a.clone()]), ext(), int())
            .does_nothing(),
        case(
            "a public log stays at home unless the policy names it",
            link(),
            ext().log_named(LogName::Public, [a.clone()]),
            int(),
        )
        .does_nothing(),
    ];
    let mut rows: Vec<Case> = rows.into_iter().map(|row| row.policy(private_logs)).collect();
    rows.extend([
        case(
            "a public log crosses where the policy names it",
            link(),
            ext().log_named(LogName::Public, [a.clone()]).log([b.clone()]),
            int().log_named(LogName::Public, [b.clone()]),
        )
        .policy(|policy| policy.logs = vec![(OUTSIDE, LogName::Public)])
        .writes(["send a of the external public log"]),
        case(
            "in a public log a mark is a person's words",
            link(),
            ext(),
            int().log_named(LogName::Public, [marked_entry("7f3a")]),
        )
        .policy(|policy| policy.logs = vec![(INSIDE, LogName::Public)])
        .writes(["send copy of R-1 of the internal public log"]),
        case("off both ways, no log crosses", link(), ext().log([a]), int().log([b])).does_nothing(),
    ]);
    rows
}

pub fn batches() -> Vec<Case> {
    let [a, b, c] = [said("a"), said("b").at("10:05"), said("c").at("10:07")];
    let image = |state| (FileKind::Image, "4", state);
    let text = |state| (FileKind::Log, "private:1:a:20260301100000-7", state);
    let in_doubt = |until_ms| Some(CopyState::InDoubt { until_ms });
    let of_a = |files: &[(FileKind, &str, Option<CopyState>)]| link().sending(OUTSIDE, &[said("a")], files);
    let rows = vec![
        case(
            "a batch that was fixed goes out unchanged after a crash",
            of_a(&[text(None)]),
            ext().log([a.clone()]),
            int(),
        )
        .writes(["send the batch of the external private log"]),
        case(
            "what came meanwhile goes into the next one",
            of_a(&[text(None)]),
            ext().log([a.clone(), b.clone()]),
            int(),
        )
        .writes(["send the batch of the external private log"])
        .looks_again_at(NOW),
        case("a batch goes out although its entry vanished meanwhile", of_a(&[text(None)]), ext().log([]), int())
            .writes(["send the batch of the external private log"])
            .looks_again_at(NOW),
        case(
            "a batch is over whose entry vanished meanwhile: the next look remembers that it is gone",
            of_a(&[text(in_doubt(NOW + 9))]),
            ext().log([]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "private:1:a:20260301100000-7 arrived as 600 of the external private log",
            "batch over of the external private log",
        ])
        .looks_again_at(NOW),
        case(
            "an entry that vanished on its way and is back before the batch is over",
            of_a(&[text(in_doubt(NOW + 9))]).lost(OUTSIDE, [a.clone()]),
            ext().log([a.clone()]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "a back of the external private log",
            "private:1:a:20260301100000-7 arrived as 600 of the external private log",
            "batch over of the external private log",
        ])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "an entry on its way whose date moved meanwhile is no new one",
            of_a(&[text(None)]),
            ext().log([a.clone().at("11:00")]),
            int(),
        )
        .writes(["send the batch of the external private log"])
        .notes(["a moved to 2026-03-01 11:00:00 of the external private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "of a batch half sent the rest is sent",
            of_a(&[image(Some(CopyState::Stands(600))), text(None)]),
            ext().log([a.clone()]),
            int(),
        )
        .writes(["send the batch of the external private log"]),
        case(
            "a file in doubt is found by its mark: the batch is over",
            of_a(&[text(in_doubt(NOW + 9))]),
            ext().log([a.clone()]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "private:1:a:20260301100000-7 arrived as 600 of the external private log",
            "batch over of the external private log",
        ]),
        case(
            "a file whose sending a restored store forgot is found by its mark: the batch is over",
            of_a(&[image(Some(CopyState::Stands(600))), text(None)]),
            ext().log([a.clone()]),
            int().files([made(600, OUTSIDE, FileKind::Image, "4"), log_file(601, OUTSIDE, 1, a.clone())]),
        )
        .notes([
            "private:1:a:20260301100000-7 arrived as 601 of the external private log",
            "batch over of the external private log",
        ]),
        case(
            "an earlier file of equal words at the same place is not the one to be sent",
            of_a(&[text(None)]).logged(OUTSIDE, [600]),
            ext().log([a.clone()]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .writes(["send the batch of the external private log"]),
        case(
            "an image in doubt is found by its mark: the text follows",
            of_a(&[image(in_doubt(NOW + 9)), text(None)]),
            ext().log([a.clone()]),
            int().files([made(600, OUTSIDE, FileKind::Image, "4")]),
        )
        .writes(["send the batch of the external private log"])
        .notes(["4 arrived as 600 of the external private log"]),
        case(
            "a file in doubt is not sent again before it has settled",
            of_a(&[text(in_doubt(NOW + 500))]),
            ext().log([a.clone()]),
            int().files([]),
        )
        .looks_again_at(NOW + 500),
        case(
            "nor are the files after it",
            of_a(&[image(in_doubt(NOW + 500)), text(None)]),
            ext().log([a.clone(), b.clone()]),
            int().files([]),
        )
        .looks_again_at(NOW + 500),
        case(
            "a file long in doubt is looked for now and then",
            of_a(&[text(in_doubt(NOW + 300_000))]),
            ext().log([a.clone()]),
            int().files([]),
        )
        .looks_again_at(NOW + DOUBT_LOOK),
        case(
            "a file in doubt is sent again once it has settled without a trace",
            of_a(&[text(in_doubt(NOW))]),
            ext().log([a.clone()]),
            int().files([]),
        )
        .writes(["send the batch of the external private log"]),
        case(
            "but not unless the other side's files were listed",
            of_a(&[text(in_doubt(NOW))]),
            ext().log([a.clone()]),
            int(),
        )
        .looks_again_at(NOW),
        case(
            "the mark of the other direction is another file",
            of_a(&[text(in_doubt(NOW + 500))]),
            ext().log([a.clone()]),
            int().files([log_file(600, INSIDE, 1, a.clone())]),
        )
        .looks_again_at(NOW + 500),
        case(
            "the file of an earlier batch, whose equal words stood at the same place and went, is another file",
            of_a(&[text(in_doubt(NOW + 500))]).lost(OUTSIDE, [a.clone().by(8)]).logged(OUTSIDE, [600]),
            ext().log([a.clone()]),
            int().files([log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .looks_again_at(NOW + 500),
        case(
            "all files of a batch arrived: its entries are delivered",
            of_a(&[text(Some(CopyState::Stands(600)))]),
            ext().log([a.clone()]),
            int(),
        )
        .notes(["batch over of the external private log"]),
        case(
            "a batch is over, and more came: it is looked at again at once",
            of_a(&[text(Some(CopyState::Stands(600)))]),
            ext().log([a.clone(), b.clone()]),
            int(),
        )
        .notes(["batch over of the external private log"])
        .looks_again_at(NOW),
        case(
            "a mark that the store does not know says what is delivered",
            link(),
            ext().log([a.clone(), b.clone(), c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["a+b found in 600 of the external private log"]),
        case(
            "of several such marks the furthest counts",
            link(),
            ext().log([a.clone(), b.clone(), c.clone()]),
            int().files([log_file(601, OUTSIDE, 2, b.clone()), log_file(600, OUTSIDE, 1, a.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["a+b found in 601+600 of the external private log"]),
        case(
            "such a mark is found though entries before its own are gone",
            link(),
            ext().log([b.clone(), c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["b found in 600 of the external private log"]),
        case(
            "such a mark whose entry is gone says it of those before that",
            link(),
            ext().log([a.clone(), c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["a found in 600 of the external private log"]),
        case(
            "and of no more than stood before that",
            link(),
            ext().log([a.clone(), a.clone().again(1)]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send a of the external private log"])
        .notes(["a found in 600 of the external private log"]),
        case(
            "nor of what is dated after it",
            link(),
            ext().log([c.clone()]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send c of the external private log"])
        .notes(["nothing found in 600 of the external private log"]),
        case(
            "the other direction's mark says nothing of this log",
            link(),
            ext().log([a.clone()]),
            int().files([log_file(600, INSIDE, 1, a.clone())]),
        )
        .writes(["send a of the external private log"]),
        case(
            "a mark that the store knows is not asked again: an entry that came before its own is new",
            link().delivered(OUTSIDE, [b.clone()]).logged(OUTSIDE, [600]),
            ext().log([a.clone(), b.clone()]),
            int().files([log_file(600, OUTSIDE, 1, b.clone())]),
        )
        .writes(["send a of the external private log"]),
        case(
            "nor does it take a later equal word for its own, where entries before it went",
            link().delivered(OUTSIDE, [a.clone(), b.clone()]).logged(OUTSIDE, [600]),
            ext().log([b.clone(), b.clone().at("11:00")]),
            int().files([log_file(600, OUTSIDE, 2, b.clone())]),
        )
        .writes(["send b of the external private log"])
        .notes(["a vanished of the external private log"]),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

pub fn gone_entries() -> Vec<Case> {
    let words = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let log: Vec<Said> = words.iter().enumerate().map(|(n, word)| said(word).at(&format!("10:0{n}"))).collect();
    let of = |count: usize| log[..count].to_vec();
    let later = |count: usize, minutes: &str| -> Vec<Said> {
        words[..count].iter().enumerate().map(|(n, word)| said(word).at(&format!("{minutes}:0{n}"))).collect()
    };
    let given = |count: usize| link().delivered(OUTSIDE, of(count));
    let gone = |gone: usize, known: usize| {
        format!(
            "private_log in the external iTop: {gone} of {known} entries of the private log of R-1 are gone at once; nothing more of it is sent until you resume the link"
        )
    };
    let halted = |count: usize| given(count).halted_log(OUTSIDE, "10:05");
    let rows = vec![
        case("a vanished entry is noted and nothing is withdrawn", given(2), ext().log([log[1].clone()]), int())
            .notes(["a vanished of the external private log"]),
        case(
            "one that comes back just as it was is no new one",
            given(1).lost(OUTSIDE, [log[1].clone()]),
            ext().log(of(2)),
            int(),
        )
        .notes(["b back of the external private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "equal words and another date are one entry whose date moved",
            given(1),
            ext().log([log[0].clone().at("11:00")]),
            int(),
        )
        .notes(["a moved to 2026-03-01 11:00:00 of the external private log"])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "equal words of another person are another entry",
            given(1),
            ext().log([log[0].clone().at("11:00").by(8)]),
            int(),
        )
        .writes(["send a of the external private log"])
        .notes(["a vanished of the external private log"]),
        case("a change of the server's zone moves all and sends none", given(4), ext().log(later(4, "11")), int())
            .notes([
                "a moved to 2026-03-01 11:00:00 of the external private log",
                "b moved to 2026-03-01 11:01:00 of the external private log",
                "c moved to 2026-03-01 11:02:00 of the external private log",
                "d moved to 2026-03-01 11:03:00 of the external private log",
            ])
            .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "three of eight gone at once halt the log, and nothing new of it is sent",
            given(8),
            ext().log(log[3..].to_vec()),
            int(),
        )
        .notes(["halt after 2026-03-01 10:08:00 of the external private log"])
        .conflict(&gone(3, 8)),
        case("three of nine are not more than a third", given(9), ext().log(log[3..].to_vec()), int())
            .policy(|policy| policy.halt.share = 1.0 / 3.0)
            .notes(["a+b+c vanished of the external private log"]),
        case("two are too few to halt", given(2), ext().log([]), int())
            .notes(["a+b vanished of the external private log"]),
        case("a log that looks empty halts", given(3), ext().log([]), int())
            .notes(["halt after  of the external private log"])
            .conflict(&gone(3, 3)),
        case(
            "a halted log halts alone",
            given(3),
            ext().title("B").log([]),
            int().log([marked_entry("7f3a"), said("x")]),
        )
        .writes([r#"update title="[R-1] B""#, "send x of the internal private log"])
        .notes(["halt after  of the external private log", "own entry of the internal private log"])
        .conflict(&gone(3, 3)),
        case("a halted log stays halted, though all is back", halted(3), ext().log(of(4)), int())
            .conflict("private_log in the external iTop: gone"),
        case(
            "resumed, it takes as delivered what is not dated after the halt",
            halted(3).with(Link::resume),
            ext().log(log[3..7].to_vec()),
            int(),
        )
        .writes(["send g of the external private log"])
        .notes([
            "a+b+c vanished of the external private log",
            "d+e+f delivered of the external private log",
            "resume is over of the external private log",
        ])
        .looks_again_at(NOW + ENTRY_SETTLES_MS),
        case(
            "a log that halts lets its batch wait",
            given(3).sending(OUTSIDE, &[log[3].clone()], &[(FileKind::Log, "private:4:d:20260301100300-7", None)]),
            ext().log([log[3].clone()]),
            int(),
        )
        .notes(["halt after 2026-03-01 10:03:00 of the external private log"])
        .conflict(&gone(3, 3)),
    ];
    rows.into_iter().map(|row| row.policy(private_logs)).collect()
}

/// The operator switched the log off while its batch was on the way.
pub fn switched_off() -> Vec<Case> {
    let a = said("a");
    let image = |state| (FileKind::Image, "4", state);
    let text = |state| (FileKind::Log, "private:1:a:20260301100000-7", state);
    let in_doubt = |until_ms| Some(CopyState::InDoubt { until_ms });
    let of_a = |files: &[(FileKind, &str, Option<CopyState>)]| link().sending(OUTSIDE, &[said("a")], files);
    vec![
        case("what is in doubt is waited for", of_a(&[text(in_doubt(NOW + 500))]), ext(), int().files([]))
            .looks_again_at(NOW + 500),
        case(
            "a text that arrived ends the batch",
            of_a(&[text(in_doubt(NOW + 500))]),
            ext(),
            int().files([log_file(600, OUTSIDE, 1, a)]),
        )
        .notes([
            "private:1:a:20260301100000-7 arrived as 600 of the external private log",
            "batch over of the external private log",
        ]),
        case("what never arrived is not sent again", of_a(&[text(in_doubt(NOW))]), ext(), int().files([]))
            .notes(["batch given up of the external private log"]),
        case("nor is what was not sent", of_a(&[image(Some(CopyState::Stands(600))), text(None)]), ext(), int())
            .notes(["batch given up of the external private log"]),
        case(
            "an image that never arrived does not call back the text that did",
            of_a(&[image(None), text(Some(CopyState::Stands(600)))]),
            ext(),
            int(),
        )
        .notes(["batch over of the external private log"]),
    ]
}
