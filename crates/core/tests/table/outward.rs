//! Files from inside to outside: every row of the other way holds here too, with the sides exchanged; and
//! what both ways together must not do.

use itop_bridge_core::link::Late;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{FileKind, Link, MadeBy, Reading, Side};

use crate::fixtures::*;
use crate::{Case, case};

/// The rows of files from outside to inside, the other way round.
pub fn mirrored() -> Vec<Case> {
    crate::files::files().into_iter().chain(crate::files::missing_files()).map(mirror).collect()
}

fn mirror(mut case: Case) -> Case {
    case.name = format!("{} (from inside to outside)", case.name);
    mirror_link(&mut case.link);
    if let (Reading::Here(external), Reading::Here(internal)) = (&mut case.external, &mut case.internal) {
        std::mem::swap(&mut external.files, &mut internal.files);
        for file in external.files.iter_mut().chain(&mut internal.files).flatten() {
            if let MadeBy::ThisPair(mark) = &mut file.made_by {
                mark.from = mark.from.other();
            }
        }
    }
    for write in &mut case.expected.writes {
        *write = match write.strip_suffix(" (to outside)") {
            Some(inward) => inward.to_owned(),
            None => format!("{write} (to outside)"),
        };
    }
    case
}

fn mirror_link(link: &mut Link) {
    for copy in &mut link.files.copies {
        copy.from = copy.from.other();
    }
    for late in link.in_flight.late.iter_mut().map(|late| &mut late.what).chain(&mut link.in_flight.owed) {
        if let Late::File { from, .. } = late {
            *from = from.other();
        }
    }
}

pub fn both_ways() -> Vec<Case> {
    let from_outside = |count: u64, since: Option<i64>| {
        (0..count).fold(link().copied(70, 170, "x"), |link, n| {
            let link = link.copied(80 + n, 180 + n, "x");
            if let Some(ms) = since { link.missing_since(80 + n, ms) } else { link }
        })
    };
    let their_copies = |count: u64| (0..count).map(|n| copy(180 + n, 80 + n)).chain([copy(170, 70)]);
    let one_from_inside = |link: Link| link.copied_out(300, 400, "y").copied_out(301, 401, "y");
    let long_ago = NOW - FILE_MISSING;
    vec![
        case("each side's own files cross", link(), ext().files([file(70)]), int().files([file(300)]))
            .writes(["copy 70", "copy 300 (to outside)"]),
        case("the same id on both sides is two files", link(), ext().files([file(70)]), int().files([file(70)]))
            .writes(["copy 70", "copy 70 (to outside)"]),
        case(
            "files of one side that were not listed are neither new nor gone",
            link(),
            ext(),
            int().files([file(300)]),
        )
        .writes(["copy 300 (to outside)"]),
        case(
            "a copy never goes back, also where the store does not know it",
            link(),
            ext().files([mark_from_inside(90, 5)]),
            int().files([copy(170, 70)]),
        )
        .does_nothing(),
        case(
            "nor does what else the bridge made",
            link(),
            ext().files([
                report(90),
                log_file(91, Side::Internal, 1, said("a")),
                made(92, Side::Internal, FileKind::Image, "4"),
            ]),
            int().files([notice(93), log_file(94, Side::External, 1, said("a"))]),
        )
        .does_nothing(),
        case(
            "many of one side gone at once halt the link, whatever the other side still has",
            one_from_inside(from_outside(5, Some(long_ago))),
            ext().files([file(70), mark_from_inside(400, 300), mark_from_inside(401, 301)]),
            int().files(their_copies(5).chain([file(300), file(301)])),
        )
        .halts(HaltKind::FilesGone),
        case(
            "a deletion inside is no reason to halt for what has just gone outside: the ticket there may be going",
            one_from_inside(from_outside(5, None)).missing_inside_since(300, long_ago),
            ext().files([file(70), mark_from_inside(400, 300), mark_from_inside(401, 301)]),
            int().files(their_copies(5).chain([file(301)])),
        )
        .writes(["delete 400, the copy of 300 (to outside)"])
        .notes([80, 81, 82, 83, 84].map(|n| format!("{n} missing since 1000000")).each_ref().map(String::as_str))
        .looks_again_at(NOW + FILE_MISSING),
        case(
            "files that are announced outside hold up no deletion of the other way",
            one_from_inside(link().copied(70, 170, "x")).missing_inside_since(300, long_ago),
            ext().files([file(70).announced(), mark_from_inside(400, 300), mark_from_inside(401, 301)]),
            int().files([copy(170, 70), file(301)]),
        )
        .writes(["delete 400, the copy of 300 (to outside)"]),
    ]
}
