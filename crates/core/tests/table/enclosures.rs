//! Files that carry what a field has no room for.

use itop_bridge_core::link::{CopyState, Enclosure};
use itop_bridge_core::{FileKind, Link, Side};

use crate::fixtures::*;
use crate::{Case, case};

const STANDS: Option<CopyState> = Some(CopyState::Stands(500));
const IN_DOUBT: Option<CopyState> = Some(CopyState::InDoubt { until_ms: NOW + 1 });
const SETTLED: Option<CopyState> = Some(CopyState::InDoubt { until_ms: NOW });

fn with(enclosure: Enclosure, state: Option<CopyState>, is_written: bool) -> Link {
    let mut enclosure = enclosure;
    if is_written {
        enclosure.is_written(500);
    }
    enclosure.state = state;
    link().with(|link| link.files.enclosures.push(enclosure))
}

fn picture(state: Option<CopyState>) -> Link {
    with(Enclosure::image(Side::External, "description", 5, "0f", "R-1 image 5.png"), state, true)
}

fn whole_text(state: Option<CopyState>, is_written: bool) -> Link {
    with(Enclosure::text(Side::External, "description", "all of it".into(), "R-1 description.txt"), state, is_written)
}

fn listed(files: impl IntoIterator<Item = Listed>) -> Show {
    int().files(files)
}

fn image_file() -> Listed {
    made(500, Side::External, FileKind::Image, "5")
}

fn text_file() -> Listed {
    made(500, Side::External, FileKind::Text, "description")
}

pub fn enclosures() -> Vec<Case> {
    let from_inside = Enclosure::text(Side::Internal, "solution", "all of it".into(), "U-9 solution.txt");
    vec![
        case("a picture that is owed is sent", picture(None), ext(), int()).writes(["enclose image 5"]),
        case("one that stands is left alone", picture(STANDS), ext(), listed([image_file()])).does_nothing(),
        case("a picture that a log has made is the same file", picture(None), ext(), listed([image_file()]))
            .notes(["5 R-1 image 5.png is Some(Stands(500))"]),
        case("one that a person deleted stays deleted", picture(STANDS), ext(), listed([]))
            .notes(["5 R-1 image 5.png is Some(RemovedByPerson)"]),
        case(
            "one that seemed to be deleted, and is there, stands",
            picture(Some(CopyState::RemovedByPerson)),
            ext(),
            listed([image_file()]),
        )
        .notes(["5 R-1 image 5.png is Some(Stands(500))"]),
        case("… and is known to be", picture(Some(CopyState::RemovedByPerson)), ext(), listed([])).does_nothing(),
        case("one in doubt is waited for", picture(IN_DOUBT), ext(), listed([])).looks_again_at(NOW + 1),
        case("one that never arrived is sent again", picture(SETTLED), ext(), listed([]))
            .writes(["enclose image 5"])
            .notes(["5 R-1 image 5.png is None"]),
        case("a whole text that is owed is sent", whole_text(None, false), ext(), int())
            .writes(["enclose text description"]),
        case("one that says something else is rewritten in place", whole_text(STANDS, false), ext(), int())
            .writes(["rewrite 500, enclosing text description"]),
        case("one that says all is left alone", whole_text(STANDS, true), ext(), listed([text_file()])).does_nothing(),
        case("one in doubt that is found may say anything", whole_text(IN_DOUBT, true), ext(), listed([text_file()]))
            .writes(["rewrite 500, enclosing text description"])
            .notes(["description R-1 description.txt is Some(Stands(500))"]),
        case(
            "one whose text is not known is not emptied when it is there again",
            with(Enclosure::found(Side::External, "description", 500), Some(CopyState::RemovedByPerson), true),
            ext(),
            listed([text_file()]),
        )
        .notes(["description  is Some(Stands(500))"]),
        case(
            "where a person deleted an earlier one, only another text makes another",
            whole_text(Some(CopyState::RemovedByPerson), true),
            ext(),
            listed([]),
        )
        .does_nothing(),
        case("… and does", whole_text(Some(CopyState::RemovedByPerson), false), ext(), listed([]))
            .writes(["enclose text description"]),
        case("one that the store does not know is taken in by its mark", link(), ext(), listed([text_file()]))
            .notes(["description  is Some(Stands(500))"]),
        case("a solution from inside goes out", with(from_inside, None, false), ext(), int())
            .writes(["enclose text solution (to outside)"]),
    ]
}
