//! Parts that something before an iTop keeps from it.

use itop_bridge_core::caselog::BatchKey;
use itop_bridge_core::link::{LeftOut, Part, sent};
use itop_bridge_core::{FileKind, Link, LogName, Reading, Side};

use crate::fixtures::*;
use crate::{Case, case};

pub fn held() -> Vec<Case> {
    let field = |code: &str| Part::Field { code: code.into() };
    let a_text =
        || Part::Text(LeftOut { on: Side::Internal, code: "solution".into(), value: "with all the words".into() });
    let a_file = |original| Part::File { from: Side::External, original };
    let changed = || ext().title("B").description("<p>new</p>");
    let description = || field("description");
    let of_new = sent("<p>new</p>");
    vec![
        case(
            "a field that is held is left out, and the others cross",
            link().held(description(), &of_new, NOW + 1),
            changed(),
            int(),
        )
        .writes([r#"update title="[R-1] B""#]),
        case("when its time comes it is sent again", link().held(description(), &of_new, NOW), changed(), int())
            .writes([r#"update title="[R-1] B" description=html"<p>new</p>""#]),
        case(
            "other words are sent at once",
            link().held(description(), &sent("<p>newer</p>"), NOW + 1),
            changed(),
            int(),
        )
        .writes([r#"update title="[R-1] B" description=html"<p>new</p>""#]),
        case(
            "nothing but a held field is nothing to write",
            link().held(description(), &of_new, NOW + 1),
            ext().description("<p>new</p>"),
            int(),
        )
        .does_nothing(),
        case("a field that went back is held no more", link().held(description(), &of_new, NOW + 1), ext(), int())
            .notes([r#"no longer held: Field { code: "description" }"#]),
        case(
            "one that may still land is",
            link().late_field("description", "<p>new</p>", NOW + 5).held(description(), &of_new, NOW + 1),
            ext(),
            int(),
        )
        .looks_again_at(NOW + 5),
        case(
            "a creation that is held waits",
            without_counterpart().held(Part::Creation, "", NOW + 1),
            ext(),
            Reading::NotCreated,
        )
        .does_nothing(),
        case(
            "a file that is held waits, and another is copied",
            link().held(a_file(7), "", NOW + 1),
            ext().files([file(7), file(8)]),
            int().files([]),
        )
        .writes(["copy 8"]),
        case("a file that went is held no more", link().held(a_file(7), "", NOW + 1), ext().files([]), int().files([]))
            .notes(["no longer held: File { from: External, original: 7 }"]),
        case(
            "where the files were not listed, nothing is known of it",
            link().held(a_file(7), "", NOW + 1),
            ext(),
            int(),
        )
        .does_nothing(),
        case(
            "a walk that is held waits",
            link().held(Part::Status { on: Side::Internal }, "resolved", NOW + 1),
            ext().status("resolved"),
            int(),
        )
        .does_nothing(),
        case(
            "a text that a stimulus was to carry is held until it is seen where it belongs",
            link().held(a_text(), "", NOW + 1),
            ext(),
            int(),
        )
        .does_nothing(),
        case(
            "so is one that is to be written once more as HTML",
            link().held(Part::AsHtml { on: Side::Internal, code: "solution".into() }, "", NOW),
            ext(),
            int(),
        )
        .does_nothing(),
        case(
            "entries that are held do not keep a later one",
            aside(&said("a")).held(entries(&said("a")), "", NOW + 1),
            ext().log([said("a"), said("b").at("10:05")]),
            int().files([]),
        )
        .policy(private_logs)
        .writes(["send b of the external private log"]),
        case(
            "when their time comes they are sent again, beside it",
            aside(&said("a")).held(entries(&said("a")), "", NOW),
            ext().log([said("a"), said("b").at("10:05")]),
            int().files([]),
        )
        .policy(private_logs)
        .writes([
            &format!("send {} again of the external private log", key(&said("a"))),
            "send b of the external private log",
        ]),
        case(
            "what arrived after all is over",
            aside(&said("a")).held(entries(&said("a")), "", NOW + 1),
            ext().log([said("a")]),
            int().files([log_file(20, Side::External, 1, said("a"))]),
        )
        .policy(private_logs)
        .notes([
            &format!("{} arrived as 20 of the external private log", key(&said("a"))),
            &format!("aside {} over of the external private log", key(&said("a"))),
        ])
        .looks_again_at(NOW),
    ]
}

/// The key of a batch that carries this first entry alone.
fn key(said: &Said) -> String {
    BatchKey::of(LogName::Private, 1, &said.0.key).to_key()
}

fn entries(said: &Said) -> Part {
    Part::Entries { from: Side::External, log: LogName::Private, key: key(said) }
}

/// A batch with this entry was set aside.
fn aside(said: &Said) -> Link {
    let link = link().sending(Side::External, std::slice::from_ref(said), &[(FileKind::Log, &key(said), None)]);
    link.log(Side::External, |log| log.set_aside())
}
