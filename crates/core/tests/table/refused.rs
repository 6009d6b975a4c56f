//! Texts that a stimulus was to carry and that were refused.

use itop_bridge_core::{Policy, Side};

use crate::fixtures::*;
use crate::{Case, case};

const REFUSED: &str = "pending_reason: elitery does not take this value: No such words; it is written when it changes in the external iTop, and tried again meanwhile";
const TEXT: [&str; 3] = ["pending_reason", "parts", "(not taken)"];

fn pending() -> itop_bridge_core::Link {
    agreed("pending", "pending")
}

fn with_the_reason(policy: &mut Policy) {
    policy.fields.push("pending_reason".into());
}

pub fn refused() -> Vec<Case> {
    let outside = || ext().status("pending").with("pending_reason", "parts");
    let inside = || int().status("pending").with("pending_reason", "<p>(not taken)</p>");
    vec![
        case(
            "a text that was refused is a conflict until its time",
            pending().refused_text(Side::Internal, TEXT, NOW + 1),
            outside(),
            inside(),
        )
        .conflict(REFUSED),
        case("it is written again in its time", pending().refused_text(Side::Internal, TEXT, NOW), outside(), inside())
            .writes([r#"write pending_reason="parts""#])
            .conflict(REFUSED),
        case(
            "another text is written at once",
            pending().refused_text(Side::Internal, TEXT, NOW + 1),
            outside().with("pending_reason", "a person"),
            inside(),
        )
        .writes([r#"write pending_reason="a person""#]),
        case(
            "what a person wrote there since stays",
            pending().refused_text(Side::Internal, TEXT, NOW),
            outside(),
            inside().with("pending_reason", "theirs"),
        )
        .notes(["pending_reason no longer refused"]),
        case(
            "nothing is said any more where the other ticket says nothing",
            pending().refused_text(Side::Internal, TEXT, NOW),
            outside().with("pending_reason", ""),
            inside(),
        )
        .notes(["pending_reason no longer refused"]),
        case(
            "a text of the inside that the outside refused follows there",
            pending().refused_text(Side::External, TEXT, NOW),
            outside().with("pending_reason", "(not taken)"),
            int().status("pending").with("pending_reason", "parts"),
        )
        .writes([r#"write pending_reason="parts" (to outside)"#])
        .conflict(&REFUSED.replace("elitery", "acme").replace("external iTop", "internal iTop")),
        case(
            "what is kept up to date as a field follows as a field",
            pending().refused_text(Side::Internal, TEXT, NOW),
            outside(),
            inside(),
        )
        .policy(with_the_reason)
        .writes([r#"update pending_reason="parts""#]),
    ]
}
