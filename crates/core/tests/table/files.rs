//! Files from outside to inside.

use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits};

use crate::fixtures::*;
use crate::{Case, case};

pub fn files() -> Vec<Case> {
    let x = || link().copied(70, 170, "x");
    let doubt = |until| link().in_doubt(70, until);
    let due = || x().original_due(70);
    vec![
        case("a file added outside is copied", link(), ext().files([file(70)]), int().files([])).writes(["copy 70"]),
        case("two files are copied in order", link(), ext().files([file(70), file(71)]), int().files([]))
            .writes(["copy 70", "copy 71"]),
        case("a copied file is left alone", x(), ext().files([file(70)]), int().files([copy(170, 70)])).does_nothing(),
        case(
            "a copy that the store does not know is adopted by its mark",
            link(),
            ext().files([file(70)]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70"]),
        case(
            "an adopted copy takes the original's next content as its own",
            link().copied_unseen(70, 170),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70)]),
        )
        .notes(["70 holds what was copied"]),
        case(
            "a copy in doubt is found by its mark",
            doubt(NOW + 500),
            ext().files([file(70)]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70, which is due"]),
        case(
            "a copy in doubt whose original has changed since is found and rewritten",
            doubt(NOW + 500),
            ext().files([file(70).holding("y")]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70, which is due"])
        .writes(["rewrite 170 from 70"]),
        case(
            "a copy in doubt that holds the original's content is adopted",
            doubt(NOW + 500),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70"]),
        case(
            "an original that is due was read and holds what was copied",
            due(),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70)]),
        )
        .notes(["70 holds what was copied"]),
        case("an original that is due waits to be read", due(), ext().files([file(70)]), int().files([copy(170, 70)])),
        case(
            "an original that is due was read and has changed",
            due(),
            ext().files([file(70).holding("y")]),
            int().files([copy(170, 70)]),
        )
        .writes(["rewrite 170 from 70"]),
        case(
            "a copy that a person deleted while its original was due stays deleted",
            due(),
            ext().files([file(70).holding("y")]),
            int().files([]),
        )
        .notes(["the copy of 70 was removed by a person"]),
        case(
            "a copy in doubt is not sent again before it has settled",
            doubt(NOW + 500),
            ext().files([file(70)]),
            int().files([]),
        )
        .looks_again_at(NOW + 500),
        case(
            "a copy long in doubt is looked for now and then",
            doubt(NOW + 300_000),
            ext().files([file(70)]),
            int().files([]),
        )
        .looks_again_at(NOW + DOUBT_LOOK),
        case(
            "a copy in doubt is sent again once it has settled without a trace",
            doubt(NOW),
            ext().files([file(70)]),
            int().files([]),
        )
        .writes(["copy 70"]),
        case(
            "a copy in doubt is not sent again unless the internal files were listed",
            doubt(NOW),
            ext().files([file(70)]),
            int(),
        )
        .looks_again_at(NOW),
        case(
            "a file changed outside is rewritten in place",
            x(),
            ext().files([file(70).holding("y")]),
            int().files([copy(170, 70)]),
        )
        .writes(["rewrite 170 from 70"]),
        case(
            "a file renamed outside is rewritten in place",
            x(),
            ext().files([file(70).holding("x").named("b.txt")]),
            int().files([copy(170, 70)]),
        )
        .writes(["rewrite 170 from 70"]),
        case(
            "a download touches a file and changes nothing",
            x(),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70)]),
        )
        .does_nothing(),
        case(
            "a person's change of a copy stays",
            x(),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70).holding("mine")]),
        )
        .does_nothing(),
        case("a copy that a person removed is remembered", x(), ext().files([file(70)]), int().files([]))
            .notes(["the copy of 70 was removed by a person"]),
        case(
            "a copy that seemed to be removed, and is there, is kept in step again",
            link().removed(70),
            ext().files([file(70).holding("x")]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70"]),
        case(
            "… with what changed meanwhile",
            link().removed(70),
            ext().files([file(70).holding("y")]),
            int().files([copy(170, 70)]),
        )
        .writes(["rewrite 170 from 70"])
        .notes(["adopt 170 as the copy of 70, which is due"]),
        case(
            "… also where its original went meanwhile: the next plan judges it",
            link().removed(70).missing_since(70, NOW - 200_000),
            ext().files([]),
            int().files([copy(170, 70)]),
        )
        .notes(["adopt 170 as the copy of 70"])
        .looks_again_at(NOW),
        case(
            "a copy that a person removed stays removed",
            link().removed(70),
            ext().files([file(70).holding("y")]),
            int().files([]),
        )
        .does_nothing(),
        case(
            "a copy whose id now carries another file is not rewritten: it is gone",
            x(),
            ext().files([file(70).holding("y")]),
            int().files([file(170)]),
        )
        .writes(["copy 170 (to outside)"])
        .notes(["the copy of 70 was removed by a person"]),
        case(
            "what another bridge copied here is nobody's original",
            link(),
            ext().files([file(70).of_another_bridge()]),
            int().files([]),
        )
        .does_nothing(),
        case(
            "an own mark outside is a copy and not copied back",
            link(),
            ext().files([mark_from_inside(70, 5)]),
            int().files([]),
        )
        .does_nothing(),
        case(
            "a late rewrite landed over a newer one",
            x().late_file(70, "old", NOW),
            ext().files([file(70)]),
            int().files([copy(170, 70).holding("old")]),
        )
        .writes(["rewrite 170 from 70"])
        .notes(["owed: file 70", "settled: file 70"]),
        case(
            "where that rewrite was refused, it is still owed",
            x().owing_file(70, "old"),
            ext().files([file(70)]),
            int().files([copy(170, 70)]),
        )
        .writes(["rewrite 170 from 70"]),
        case(
            "a person wrote over the late rewrite: nothing is owed any more",
            x().owing_file(70, "old"),
            ext().files([file(70)]),
            int().files([copy(170, 70).holding("mine")]),
        )
        .notes(["no longer owed: file 70"]),
        case(
            "a late rewrite that never landed is forgotten",
            x().late_file(70, "old", NOW),
            ext().files([file(70)]),
            int().files([copy(170, 70).holding("x")]),
        )
        .notes(["settled: file 70"]),
        case(
            "a settled rewrite is judged only by the copy's contents",
            x().late_file(70, "old", NOW),
            ext().files([file(70)]),
            int().files([copy(170, 70)]),
        )
        .looks_again_at(NOW),
        case(
            "a settled rewrite is not forgotten while the external files were not listed",
            x().late_file(70, "old", NOW),
            ext(),
            int().files([copy(170, 70).holding("old")]),
        )
        .looks_again_at(NOW),
        case(
            "a rewrite that may still land is waited for",
            x().late_file(70, "old", NOW + 7),
            ext().files([file(70)]),
            int().files([copy(170, 70).holding("old")]),
        )
        .looks_again_at(NOW + 7),
        case(
            "a settled rewrite of a copy that is gone needs no contents",
            link().removed(70).late_file(70, "old", NOW),
            ext().files([file(70)]),
            int().files([]),
        )
        .notes(["settled: file 70"]),
    ]
}

pub fn missing_files() -> Vec<Case> {
    let two = || link().copied(70, 170, "x").copied(71, 171, "x");
    let both = || int().files([copy(170, 70), copy(171, 71)]);
    let since = NOW - FILE_MISSING;
    let went = |ms: i64| link().copied(70, 170, "x").missing_since(70, ms);
    let one = || int().files([copy(170, 70)]);
    let many = |count: u64, gone_since: Option<i64>| {
        (0..count).fold(link().copied(70, 170, "x"), |link, n| {
            let link = link.copied(80 + n, 180 + n, "x");
            if let Some(ms) = gone_since { link.missing_since(80 + n, ms) } else { link }
        })
    };
    let all = |count: u64| int().files((0..count).map(|n| copy(180 + n, 80 + n)).chain([copy(170, 70)]));
    vec![
        case("an original is missing at the first look: nothing is deleted", two(), ext().files([file(71)]), both())
            .notes(["70 missing since 1000000"])
            .looks_again_at(NOW + FILE_MISSING),
        case(
            "an original is missing, but not long enough",
            two().missing_since(70, NOW - 1),
            ext().files([file(71)]),
            both(),
        )
        .looks_again_at(NOW - 1 + FILE_MISSING),
        case(
            "an original is still missing at the second look: its copy goes",
            two().missing_since(70, since),
            ext().files([file(71)]),
            both(),
        )
        .writes(["delete 170, the copy of 70"]),
        case(
            "an original is missing and another was just announced: the whole ticket may be going",
            two().missing_since(70, since),
            ext().files([file(71).announced()]),
            both(),
        )
        .notes(["70 missing since 1140000"])
        .looks_again_at(NOW + LAST_FILE_MISSING),
        case(
            "the other one stayed: the copy goes when that is known",
            two().missing_since(70, NOW - FILE_MISSING),
            ext().files([file(71)]),
            both(),
        )
        .writes(["delete 170, the copy of 70"]),
        case(
            "an original that reappears keeps its copy",
            two().missing_since(70, since),
            ext().files([file(70), file(71)]),
            both(),
        )
        .notes(["70 is back"]),
        case("the last original is missing at the first look", link().copied(70, 170, "x"), ext().files([]), one())
            .notes(["70 missing since 1000000"])
            .looks_again_at(NOW + LAST_FILE_MISSING),
        case(
            "the last original waits longer: the ticket itself may be about to go",
            went(since),
            ext().files([]),
            one(),
        )
        .looks_again_at(since + LAST_FILE_MISSING),
        case(
            "the last original's copy goes 150 s after it went",
            went(NOW - LAST_FILE_MISSING),
            ext().files([]),
            one(),
        )
        .writes(["delete 170, the copy of 70"]),
        case(
            "without originals all wait for the one that went last",
            two().missing_since(70, NOW - LAST_FILE_MISSING).missing_since(71, NOW - 3),
            ext().files([]),
            both(),
        )
        .looks_again_at(NOW - 3 + LAST_FILE_MISSING),
        case(
            "a copy of the other direction is no original that remains",
            went(since),
            ext().files([mark_from_inside(90, 5)]),
            one(),
        )
        .looks_again_at(since + LAST_FILE_MISSING),
        case(
            "deletes `never`: the copy stays and nothing is noted",
            two().missing_since(70, since),
            ext().files([file(71)]),
            both(),
        )
        .policy(|policy| policy.attachment_deletes = AttachmentDeletes::Never)
        .does_nothing(),
        case(
            "a copy whose id now carries another file is not deleted",
            two().missing_since(70, since),
            ext().files([file(71)]),
            int().files([file(170), copy(171, 71)]),
        )
        .writes(["copy 170 (to outside)"])
        .notes(["forget 70"]),
        case(
            "neither original nor copy is left: not forgotten at the first look",
            two(),
            ext().files([file(71)]),
            int().files([copy(171, 71)]),
        )
        .notes(["70 missing since 1000000"])
        .looks_again_at(NOW + FILE_MISSING),
        case(
            "neither original nor copy is left, at the second look",
            two().missing_since(70, since),
            ext().files([file(71)]),
            int().files([copy(171, 71)]),
        )
        .notes(["forget 70"]),
        case(
            "an original that reappears does not bring back the copy that a person removed",
            link().removed(70).missing_since(70, NOW - 1),
            ext().files([file(70)]),
            int().files([]),
        )
        .notes(["70 is back"]),
        case(
            "a copy in doubt whose original is gone may still land",
            link().in_doubt(70, NOW + 5),
            ext().files([]),
            int().files([]),
        )
        .looks_again_at(NOW + 5),
        case(
            "a copy in doubt whose original is gone has landed: it is adopted, to be deleted in its time",
            link().in_doubt(70, NOW + 5),
            ext().files([]),
            one(),
        )
        .notes(["adopt 170 as the copy of 70, which is due"])
        .looks_again_at(NOW),
        case(
            "a copy in doubt whose original is gone never landed",
            link().in_doubt(70, NOW),
            ext().files([]),
            int().files([]),
        )
        .notes(["forget 70"]),
        case("external files were not listed: nothing is missing", went(since), ext(), one()).does_nothing(),
        case("many originals gone at once halt the link", many(5, Some(since)), ext().files([file(70)]), all(5))
            .halts(HaltKind::FilesGone),
        case(
            "many originals that went one by one halt as well, before the first deletion",
            many(4, Some(NOW - 1)).copied(99, 199, "x").missing_since(99, since),
            ext().files([file(70)]),
            int().files((0..4).map(|n| copy(180 + n, 80 + n)).chain([copy(170, 70), copy(199, 99)])),
        )
        .halts(HaltKind::FilesGone),
        case(
            "many gone at the first look: it may be a ticket's deletion",
            many(5, None),
            ext().files([file(70)]),
            all(5),
        )
        .notes([80, 81, 82, 83, 84].map(|n| format!("{n} missing since 1000000")).each_ref().map(String::as_str))
        .looks_again_at(NOW + FILE_MISSING),
        case("four are too few to halt", many(4, Some(since)), ext().files([file(70)]), all(4)).writes([
            "delete 180, the copy of 80",
            "delete 181, the copy of 81",
            "delete 182, the copy of 82",
            "delete 183, the copy of 83",
        ]),
        case("a small share does not halt", many(5, Some(since)), ext().files([file(70)]), all(5))
            .policy(|policy| policy.halt = HaltLimits { share: 0.9, min: 5 })
            .writes([
                "delete 180, the copy of 80",
                "delete 181, the copy of 81",
                "delete 182, the copy of 82",
                "delete 183, the copy of 83",
                "delete 184, the copy of 84",
            ]),
        case(
            "who accepts a reference accepts no loss of files",
            many(5, Some(since)).resumed(),
            ext().reference("R-2").files([file(70)]),
            all(5),
        )
        .halts(HaltKind::FilesGone)
        .notes(["the external ticket is R-2"]),
        // Looked at again, so that the resume is over and the next accident halts.
        case("a resumed link deletes them", many(5, Some(since)).resumed(), ext().files([file(70)]), all(5))
            .writes([
                "delete 180, the copy of 80",
                "delete 181, the copy of 81",
                "delete 182, the copy of 82",
                "delete 183, the copy of 83",
                "delete 184, the copy of 84",
            ])
            .looks_again_at(NOW),
        case(
            "a resumed link whose files are back is an ordinary one again",
            link().copied(70, 170, "x").resumed(),
            ext().files([file(70)]),
            one(),
        )
        .notes(["the resume is over"]),
        case(
            "the resume is not over while files that are gone were not looked for",
            many(5, Some(since)).resumed(),
            ext(),
            int(),
        )
        .does_nothing(),
    ]
}
