//! What is made of a new ticket, and how its fields cross.

use itop_bridge_core::Reading;

use crate::fixtures::*;
use crate::{Case, case};

pub fn creation() -> Vec<Case> {
    let defaults = r#"org_id="3" service_id="2" team_id="5""#;
    vec![
        case("a ticket without a counterpart gets one, with the internal side's defaults", without_counterpart(), ext(), Reading::NotCreated)
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("an empty description is created as words", without_counterpart(), ext().with("description", " "), Reading::NotCreated)
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description="(no description)" impact="1" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("title and description are created even where they are not kept up to date", without_counterpart(), ext(), Reading::NotCreated)
            .policy(|policy| policy.fields = vec!["urgency".into()])
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("a default does not replace what the external ticket says", without_counterpart(), ext(), Reading::NotCreated)
            .policy(|policy| {
                policy.internal_defaults = [("impact".to_owned(), "3".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2""#]),
        case("a default fills what the external ticket left empty", without_counterpart(), ext().with("impact", ""), Reading::NotCreated)
            .policy(|policy| {
                policy.internal_defaults = [("impact".to_owned(), "3".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2" impact="3""#]),
        case("a default for a later stimulus waits for that stimulus", without_counterpart(), ext(), Reading::NotCreated)
            .policy(|policy| {
                policy.internal_defaults = [("pending_reason".to_owned(), "waiting".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2""#]),
        case("a field that the external class lacks is not created", without_counterpart(), ext().without("impact"), Reading::NotCreated)
            .policy(|policy| policy.internal_defaults.clear())
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2""#]),
        case("a long title is cut so that the whole has 255 characters", without_counterpart(), ext().title(&"x".repeat(300)), Reading::NotCreated)
            .policy(|policy| {
                policy.internal_defaults.clear();
                policy.fields = vec!["title".into()];
            })
            .writes([&format!(
                r#"create UserRequest title="[R-1] {}" description=html"<p>d</p>""#,
                "x".repeat(249)
            )]),
    ]
}

const REFUSED: &str = "impact: elitery does not take this value: Value not allowed [4]; it is written when it changes in the external iTop, and tried again meanwhile";

pub fn fields() -> Vec<Case> {
    let long = "x".repeat(300);
    let cut = format!("[R-1] {}", "x".repeat(249));
    vec![
        case("nothing changed", link(), ext(), int()).does_nothing(),
        case("a title changed outside is written inside", link(), ext().title("B"), int())
            .writes([r#"update title="[R-1] B""#]),
        case("several changes are one write", link(), ext().title("B").with("impact", "3"), int())
            .writes([r#"update title="[R-1] B" impact="3""#]),
        case(
            "a description changed outside is written as HTML of the other side",
            link(),
            ext().description("<p>e</p>"),
            int(),
        )
        .writes([r#"update description=html"<p>e</p>""#]),
        case(
            "a value that was refused is a conflict, and the others are written",
            link().refused("impact", "4", NOW + 1),
            ext().title("B").with("impact", "4"),
            int(),
        )
        .writes([r#"update title="[R-1] B""#])
        .conflict(REFUSED),
        case(
            "another value is tried at once",
            link().refused("impact", "4", NOW + 1),
            ext().with("impact", "3"),
            int(),
        )
        .writes([r#"update impact="3""#]),
        case(
            "the same value is tried again in its time",
            link().refused("impact", "4", NOW),
            ext().with("impact", "4"),
            int(),
        )
        .writes([r#"update impact="4""#]),
        case(
            "a refusal is over where the outside is as agreed again",
            link().refused("impact", "4", NOW + 1),
            ext(),
            int(),
        )
        .notes(["impact no longer refused"]),
        case(
            "a refusal is over where the inside says the same by itself",
            link().refused("impact", "4", NOW),
            ext().with("impact", "4"),
            int().with("impact", "4"),
        )
        .notes([r#"impact agreed on "4" and "4""#]),
        case("a person's edit inside stays", link(), ext(), int().title("mine")).does_nothing(),
        case("a person's edit of another field inside stays", link(), ext().title("B"), int().with("impact", "3"))
            .writes([r#"update title="[R-1] B""#]),
        case("an edit inside that is overwritten is recorded", link(), ext().title("B"), int().title("mine"))
            .writes([r#"update title="[R-1] B" (lost "mine")"#]),
        case("both sides were changed to the same", link(), ext().title("B"), int().title("[R-1] B"))
            .notes(["title agreed on \"B\" and \"[R-1] B\""]),
        case(
            "both descriptions were changed to the same: no edit is lost",
            link(),
            ext().description("<p>e</p>"),
            int().description("<p>e</p>"),
        )
        .notes(["description agreed on \"<p>e</p>\" and \"<p>e</p>\""]),
        case(
            "both were changed to the same but for a repeated amp",
            link(),
            ext().description("a &amp;amp; b"),
            int().description("a &amp; b"),
        )
        .notes(["description agreed on \"a &amp;amp; b\" and \"a &amp; b\""]),
        case(
            "one more amp outside is no change",
            agreed_description("a &amp; b"),
            ext().description("a &amp;amp;amp; b"),
            int().description("x"),
        )
        .does_nothing(),
        case(
            "one more amp inside is no person's edit",
            agreed_description("a &amp; b"),
            ext().description("c"),
            int().description("a &amp;amp; b"),
        )
        .writes([r#"update description=html"c""#]),
        case(
            "an amp in a title does count",
            link().with(|l| l.field_agreed("title", "a &amp; b", "[R-1] a &amp; b")),
            ext().title("a &amp;amp; b"),
            int().title("[R-1] a &amp; b"),
        )
        .writes([r#"update title="[R-1] a &amp;amp; b""#]),
        case(
            "a field that the internal class lacks is skipped",
            link(),
            ext().with("impact", "3").title("B"),
            int().without("impact"),
        )
        .writes([r#"update title="[R-1] B""#]),
        case(
            "a field that the external class lacks is skipped",
            link(),
            ext().without("impact"),
            int().with("impact", "3"),
        )
        .does_nothing(),
        case("a field that is not kept up to date is left alone", link(), ext().title("B"), int())
            .policy(|policy| policy.fields = vec!["impact".into()])
            .does_nothing(),
        case(
            "a field without an ancestor is taken from outside, and nobody's edit is lost",
            link().with(|l| {
                l.ancestor.external.fields.remove("impact");
                l.ancestor.internal.fields.remove("impact");
            }),
            ext().with("impact", "3"),
            int(),
        )
        .writes([r#"update impact="3""#]),
        case("a description emptied outside is written as words", link(), ext().description(""), int())
            .writes([r#"update description="(no description)""#]),
        case(
            "a description that is empty on both sides",
            agreed_description(""),
            ext().description(""),
            int().description("(no description)"),
        )
        .does_nothing(),
        case("a field emptied outside empties its counterpart", link(), ext().with("impact", ""), int())
            .writes([r#"update impact="""#]),
        case(
            "a field that never said anything outside takes nothing back inside",
            link().with(|l| {
                l.ancestor.external.fields.remove("impact");
                l.ancestor.internal.fields.remove("impact");
            }),
            ext().with("impact", ""),
            int(),
        )
        .does_nothing(),
        case(
            "any text that begins with a tag is taken for HTML of the other side",
            link(),
            ext().with("impact", "<p>new</p>"),
            int(),
        )
        .writes([r#"update impact=html"<p>new</p>""#]),
        case("a link in a title is told in words", link(), ext().title("see [[UserRequest:5|R-5000]]"), int())
            .writes([r#"update title="[R-1] see (link to another ticket)""#]),
        case(
            "a link in a title becomes words before the title is cut",
            link(),
            ext().title(&format!("{} [[UserRequest:4711|R-4711]]", "x".repeat(240))),
            int(),
        )
        .writes([&format!(r#"update title="[R-1] {} (link to""#, "x".repeat(240))]),
        case(
            "an address of the customer's console in a title is told in words",
            link(),
            ext().title("see https://itop.customer.example/itop/pages/UI.php?id=5"),
            int(),
        )
        .writes([r#"update title="[R-1] see (link into the other iTop)""#]),
        case("a title that begins with a tag is text all the same", link(), ext().title("<b>B"), int())
            .writes([r#"update title="[R-1] <b>B""#]),
        case(
            "one more amp in the HTML of any field is no change",
            link().with(|l| l.field_agreed("impact", "<p>a &amp; b</p>", "<p>a &amp; b</p>")),
            ext().with("impact", "<p>a &amp;amp; b</p>"),
            int().with("impact", "x"),
        )
        .does_nothing(),
        case("a long title is compared in its cut form", link(), ext().title(&long), int().title(&cut))
            .notes([&format!("title agreed on {long:?} and {cut:?}")]),
        case("a title that holds {ref} stays a person's text", link(), ext().title("see {ref}"), int())
            .writes([r#"update title="[R-1] see {ref}""#]),
        case(
            "what iTop made of a value is not a change",
            link().with(|l| l.field_agreed("title", "A ", "[R-1] A")),
            ext().title("A "),
            int(),
        )
        .does_nothing(),
    ]
}

pub fn late_fields() -> Vec<Case> {
    let given_up = |until| link().late_field("title", "[R-1] old", until);
    let owed = || link().owing_field("title", "[R-1] old");
    vec![
        case(
            "a late title has landed over a newer one: the newer is written again",
            given_up(NOW),
            ext(),
            int().title("[R-1] old"),
        )
        .writes([r#"update title="[R-1] A" (perhaps lost "[R-1] old")"#])
        .notes(["owed: title", "settled: title"]),
        case("where that write was refused, it is still owed", owed(), ext(), int().title("[R-1] old"))
            .writes([r#"update title="[R-1] A" (perhaps lost "[R-1] old")"#]),
        case("an owed title is perhaps no person's edit", owed(), ext().title("B"), int().title("[R-1] old"))
            .writes([r#"update title="[R-1] B" (perhaps lost "[R-1] old")"#]),
        case("a person wrote over the late title: nothing is owed any more", owed(), ext(), int().title("mine"))
            .notes(["no longer owed: title"]),
        case(
            "a late title that landed is what the external says now",
            given_up(NOW),
            ext().title("old"),
            int().title("[R-1] old"),
        )
        .notes(["title agreed on \"old\" and \"[R-1] old\"", "settled: title"]),
        case("a late title that never landed is forgotten", given_up(NOW), ext(), int()).notes(["settled: title"]),
        case("a late title that may still land is waited for", given_up(NOW + 1), ext(), int().title("[R-1] old"))
            .looks_again_at(NOW + 1),
        case("a late title that has not settled holds nothing back", given_up(NOW + 1), ext().title("B"), int())
            .writes([r#"update title="[R-1] B""#])
            .looks_again_at(NOW + 1),
        case(
            "whether a late title has landed or a person wrote the same, nothing tells",
            given_up(NOW + 1),
            ext().title("B"),
            int().title("[R-1] old"),
        )
        .writes([r#"update title="[R-1] B" (perhaps lost "[R-1] old")"#])
        .looks_again_at(NOW + 1),
        case(
            "a person's edit beside a late title is a person's",
            given_up(NOW + 1),
            ext().title("B"),
            int().title("mine"),
        )
        .writes([r#"update title="[R-1] B" (lost "mine")"#])
        .looks_again_at(NOW + 1),
        case(
            "an update without an answer has overwritten a person's edit: that is recorded",
            given_up(NOW + 1).edit_at_stake("title", "mine"),
            ext().title("old"),
            int().title("[R-1] old"),
        )
        .notes(["the edit \"mine\" was overwritten", "title agreed on \"old\" and \"[R-1] old\""])
        .looks_again_at(NOW + 1),
        case(
            "an edit that still stands is at stake while the update may land",
            given_up(NOW + 1).edit_at_stake("title", "mine"),
            ext().title("old"),
            int().title("mine"),
        )
        .writes([r#"update title="[R-1] old" (lost "mine")"#])
        .looks_again_at(NOW + 1),
        case(
            "and no longer once the update is over",
            link().edit_at_stake("title", "mine"),
            ext(),
            int().title("mine"),
        )
        .notes(["the edit \"mine\" is no longer at stake"]),
        case(
            "nor once the update has settled: nothing is due afterwards",
            given_up(NOW).edit_at_stake("title", "mine"),
            ext(),
            int().title("mine"),
        )
        .notes(["the edit \"mine\" is no longer at stake", "settled: title"]),
        case(
            "an edit that is seen while an earlier update may land over it is at stake",
            given_up(NOW + 1),
            ext(),
            int().title("mine"),
        )
        .notes(["the edit \"mine\" is at stake"])
        .looks_again_at(NOW + 1),
        case("and is noted once", given_up(NOW + 1).edit_at_stake("title", "mine"), ext(), int().title("mine"))
            .looks_again_at(NOW + 1),
        case(
            "where that update lands over it, it is recorded, and the newer title is written again",
            given_up(NOW).edit_at_stake("title", "mine"),
            ext(),
            int().title("[R-1] old"),
        )
        .writes([r#"update title="[R-1] A" (perhaps lost "[R-1] old")"#])
        .notes(["the edit \"mine\" was overwritten", "owed: title", "settled: title"]),
        case(
            "an edit beside an update of another field is not at stake",
            link().late_field("impact", "3", NOW + 1),
            ext(),
            int().title("mine"),
        )
        .looks_again_at(NOW + 1),
        case(
            "a late description that iTop stored in another form is nobody's edit",
            link().late_field("description", "<p>e</p>", NOW + 1),
            ext().description("<p>e</p>"),
            int().description("<div><p>e</p></div>"),
        )
        .writes([r#"update description=html"<p>e</p>""#])
        .looks_again_at(NOW + 1),
        case(
            "a person has changed an edit at stake: it is nobody's loss",
            given_up(NOW + 1).edit_at_stake("title", "mine"),
            ext(),
            int().title("mine, too"),
        )
        .notes(["the edit \"mine\" is no longer at stake", "the edit \"mine, too\" is at stake"])
        .looks_again_at(NOW + 1),
        case(
            "of two late titles the earlier is waited for",
            given_up(NOW + 9).late_field("title", "[R-1] C", NOW + 5),
            ext(),
            int(),
        )
        .looks_again_at(NOW + 5),
    ]
}
