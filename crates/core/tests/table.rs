//! The decision as a table. A row says what was agreed, what each side shows, and all that the plan then
//! holds: what a row does not expect must not be there. A bug found in the field becomes a row.

mod fixtures;

use fixtures::*;
use itop_bridge_core::link::{Conflict, StatusPath};
use itop_bridge_core::plan::{Halt, HaltKind};
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits, StatusToInternal};
use itop_bridge_core::{Link, Plan, Policy, Sight, reconcile};

/// One row.
struct Case {
    name: &'static str,
    policy: Policy,
    link: Link,
    external: Sight,
    internal: Sight,
    expected: Seen,
}

/// A plan in words.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    writes: Vec<String>,
    notes: Vec<String>,
    conflicts: Vec<String>,
    halt: Option<HaltKind>,
    end: Option<HaltKind>,
    look_again_at_ms: Option<i64>,
}

fn case(name: &'static str, link: Link, external: impl Into<Sight>, internal: impl Into<Sight>) -> Case {
    let (external, internal) = (external.into(), internal.into());
    Case { name, policy: policy(), link, external, internal, expected: Seen::default() }
}

impl Case {
    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Case {
        change(&mut self.policy);
        self
    }

    fn writes<const N: usize>(mut self, writes: [&str; N]) -> Case {
        self.expected.writes = writes.map(str::to_owned).to_vec();
        self
    }

    fn notes<const N: usize>(mut self, notes: [&str; N]) -> Case {
        self.expected.notes = notes.map(str::to_owned).to_vec();
        self
    }

    fn conflict(mut self, text: &str) -> Case {
        self.expected.conflicts.push(text.to_owned());
        self
    }

    fn halts(mut self, kind: HaltKind) -> Case {
        self.expected.halt = Some(kind);
        self
    }

    fn ends(mut self, kind: HaltKind) -> Case {
        self.expected.end = Some(kind);
        self
    }

    fn looks_again_at(mut self, ms: i64) -> Case {
        self.expected.look_again_at_ms = Some(ms);
        self
    }

    /// Nothing is written, noted, shown or waited for.
    fn does_nothing(self) -> Case {
        self
    }

    fn failure(&self) -> Option<String> {
        let plan = reconcile(&self.policy, &self.link, &self.external, &self.internal);
        let seen = seen(&plan);
        (seen != self.expected)
            .then(|| format!("{}\n    expected {:?}\n    but got  {seen:?}", self.name, self.expected))
    }
}

fn seen(plan: &Plan) -> Seen {
    Seen {
        writes: plan.writes.iter().map(|step| write_in_words(&step.write)).collect(),
        notes: plan.notes.iter().map(note_in_words).collect(),
        conflicts: plan.conflicts.iter().map(|conflict| format!("{}: {}", conflict.about, conflict.text)).collect(),
        halt: plan.halt.as_ref().map(|halt| halt.kind),
        end: plan.end.as_ref().map(|end| end.kind),
        look_again_at_ms: plan.look_again_at_ms,
    }
}

#[test]
fn every_row_holds() {
    let rows: Vec<Case> =
        [creation(), fields(), late_fields(), status(), walks(), late_stimuli(), files(), missing_files(), halts()]
            .into_iter()
            .flatten()
            .collect();
    let failures: Vec<String> = rows.iter().filter_map(Case::failure).collect();
    assert!(failures.is_empty(), "{} of {} rows fail:\n\n{}", failures.len(), rows.len(), failures.join("\n\n"));
    assert!(rows.len() >= 70, "{} rows", rows.len());
}

fn creation() -> Vec<Case> {
    let defaults = r#"org_id="3" service_id="2" team_id="5""#;
    vec![
        case("a ticket without a counterpart gets one, with the internal side's defaults", unborn(), ext(), Sight::Unborn)
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("an empty description is created as words", unborn(), ext().with("description", " "), Sight::Unborn)
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description="(no description)" impact="1" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("title and description are created even where they are not kept up to date", unborn(), ext(), Sight::Unborn)
            .policy(|policy| policy.fields = vec!["urgency".into()])
            .writes([&format!(
                r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2" agent_id="9" caller_id="6" {defaults}"#
            )]),
        case("a default does not replace what the external ticket says", unborn(), ext(), Sight::Unborn)
            .policy(|policy| {
                policy.internal_defaults = [("impact".to_owned(), "3".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2""#]),
        case("a default fills what the external ticket left empty", unborn(), ext().with("impact", ""), Sight::Unborn)
            .policy(|policy| {
                policy.internal_defaults = [("impact".to_owned(), "3".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2" impact="3""#]),
        case("a default for a later stimulus waits for that stimulus", unborn(), ext(), Sight::Unborn)
            .policy(|policy| {
                policy.internal_defaults = [("pending_reason".to_owned(), "waiting".to_owned())].into();
            })
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2""#]),
        case("a field that the external class lacks is not created", unborn(), ext().without("impact"), Sight::Unborn)
            .policy(|policy| policy.internal_defaults.clear())
            .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" urgency="2""#]),
        case("a long title is cut so that the whole has 255 characters", unborn(), ext().title(&"x".repeat(300)), Sight::Unborn)
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

fn fields() -> Vec<Case> {
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
        case("an impact emptied outside says nothing", link(), ext().with("impact", ""), int()).does_nothing(),
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

fn late_fields() -> Vec<Case> {
    let given_up = |until| link().late_field("title", "[R-1] old", until);
    let owed = || link().owing_field("title", "[R-1] old");
    vec![
        case(
            "a late title has landed over a newer one: the newer is written again",
            given_up(NOW),
            ext(),
            int().title("[R-1] old"),
        )
        .writes([r#"update title="[R-1] A""#])
        .notes(["owed: title", "settled: title"]),
        case("where that write was refused, it is still owed", owed(), ext(), int().title("[R-1] old"))
            .writes([r#"update title="[R-1] A""#]),
        case("an owed title is no person's edit", owed(), ext().title("B"), int().title("[R-1] old"))
            .writes([r#"update title="[R-1] B""#]),
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
            "a late title is never taken for a person's edit",
            given_up(NOW + 1),
            ext().title("B"),
            int().title("[R-1] old"),
        )
        .writes([r#"update title="[R-1] B""#])
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
            "of two late titles the earlier is waited for",
            given_up(NOW + 9).late_field("title", "[R-1] C", NOW + 5),
            ext(),
            int(),
        )
        .looks_again_at(NOW + 5),
    ]
}

fn status() -> Vec<Case> {
    let people = "agent_id=8 own, org_id=3 own, team_id=5 own";
    let resolving =
        |from: &str, attributes: &str| format!("walk to resolved: {from} ev_resolve({attributes}) resolved");
    vec![
        case("resolved outside resolves inside", link(), ext().status("resolved"), int())
            .writes([&resolving("assigned", "service_id=2 default")]),
        case("the source's solution and resolution code are taken", link(), ext().status("resolved").with("solution", "rebooted").with("resolution_code", "assistance"), int())
            .writes([&resolving("assigned", "resolution_code=assistance source, service_id=2 default, solution=rebooted source")]),
        case("without a solution outside, the target's own stays and is not sent", link(), ext().status("resolved"), int().with("solution", "mine"))
            .writes([&resolving("assigned", "service_id=2 default")]),
        case("a default solution only where neither has one", link(), ext().status("resolved"), int())
            .policy(|policy| drop(policy.internal_defaults.insert("solution".into(), "see outside".into())))
            .writes([&resolving("assigned", "service_id=2 default, solution=see outside default")]),
        case("a default solution does not replace the target's own", link(), ext().status("resolved"), int().with("solution", "mine"))
            .policy(|policy| drop(policy.internal_defaults.insert("solution".into(), "see outside".into())))
            .writes([&resolving("assigned", "service_id=2 default")]),
        case("own service and people are sent back, never the external's", link(), ext().status("resolved").with("service_id", "77"), int().with("service_id", "4").with("servicesubcategory_id", "12"))
            .writes(["walk to resolved: assigned ev_resolve(service_id=4 own, servicesubcategory_id=12 own) resolved"]),
        case("a default only where the target's own is empty", agreed("new", "new"), ext().status("assigned").with("agent_id", "77"), int().status("new").with("team_id", "0").with("agent_id", ""))
            .writes(["walk to assigned: new ev_assign(agent_id=9 default, org_id=3 own, team_id=5 default) assigned"]),
        case("pending needs its reason from the source", link(), ext().status("pending").with("pending_reason", "parts"), int())
            .writes(["walk to pending: assigned ev_pending(agent_id=8 own, org_id=3 own, pending_reason=parts source, team_id=5 own) pending"]),
        case("pending is left by assigning before it is resolved", agreed("pending", "pending"), ext().status("resolved"), int().status("pending"))
            .writes([&format!(
                "walk to resolved: pending ev_assign({people}) assigned, assigned ev_resolve(service_id=2 default) resolved"
            )]),
        case("new to closed goes by the shortest path", agreed("new", "new"), ext().status("closed").with("user_comment", "thanks"), int().status("new"))
            .writes([&format!(
                "walk to closed: new ev_assign({people}) assigned, assigned ev_resolve(service_id=2 default) resolved, resolved ev_close(user_comment=thanks source) closed"
            )]),
        case("a bridged field goes with the fields, not with the stimulus", agreed("assigned", "assigned"), ext().status("plannedscheduled"), int())
            .policy(|policy| changes_policy(policy, "NormalChange"))
            .writes(["walk to plannedscheduled: assigned ev_plan(agent_id=8 own, caller_id=6 own) plannedscheduled"]),
        case("no agreed status yet: the external's initial state is taken for it", agreed("", ""), ext().status("new"), int().status("new"))
            .notes(["status new and new"]),
        case("a ticket made in a later state moves on from the initial one", agreed("", "new"), ext(), int().status("new"))
            .writes([&format!("walk to assigned: new ev_assign({people}) assigned")]),
        case("the inside goes its own way", link(), ext(), int().status("pending")).notes(["status assigned and pending"]),
        case("both moved to the same state", link(), ext().status("resolved"), int().status("resolved"))
            .notes(["status resolved and resolved"]),
        case("the external wins when both moved", link(), ext().status("resolved"), int().status("pending"))
            .writes([&format!(
                "walk to resolved: pending ev_assign({people}) assigned, assigned ev_resolve(service_id=2 default) resolved"
            )]),
        case("a customer who catches up does not re-open", agreed("new", "resolved"), ext(), int().status("resolved"))
            .notes(["status assigned and resolved"]),
        case("a customer's pending is absorbed by a closed counterpart", agreed("assigned", "closed"), ext().status("pending"), int().status("closed"))
            .notes(["status pending and closed"]),
        case("a re-opening is not absorbed", agreed("resolved", "resolved"), ext(), int().status("resolved"))
            .writes([&format!("walk to assigned: resolved ev_reopen({people}) assigned")]),
        case("a refusal is never absorbed", agreed("waiting_for_approval", "waiting_for_approval"), ext().status("rejected"), int().status("assigned"))
            .conflict("status: R-1 went to rejected outside; the internal ticket stands at assigned and no stimulus leads there"),
        case("a refusal is followed where a path leads there", agreed("plannedscheduled", "plannedscheduled"), ext().status("notapproved"), int().status("plannedscheduled"))
            .policy(|policy| changes_policy(policy, "NormalChange"))
            .writes(["walk to notapproved: plannedscheduled ev_notapprove(agent_id=8 own, caller_id=6 own) notapproved"]),
        case("approved outside against not approved inside: one decision, one rank, no catching up", agreed("plannedscheduled", "notapproved"), ext().status("approved"), int().status("notapproved"))
            .policy(|policy| changes_policy(policy, "NormalChange"))
            .writes(["walk to approved: notapproved ev_replan(agent_id=8 own, caller_id=6 own) plannedscheduled, plannedscheduled ev_approve(agent_id=8 own, caller_id=6 own) approved"]),
        case("an escalation outside is no move", link(), ext().status("escalated_ttr"), int()).does_nothing(),
        case("an escalation of a new ticket outside is no move", agreed("new", "new"), ext().status("escalated_tto"), int().status("new")).does_nothing(),
        case("an escalation inside is no move", link(), ext(), int().status("escalated_ttr")).does_nothing(),
        case("an escalation outside does not undo the provider's pending", agreed("assigned", "pending"), ext().status("escalated_ttr"), int().status("pending")).does_nothing(),
        case("an escalation of an approved ticket is no move back to new", agreed("approved", "approved"), ext().status("escalated_tto"), int().status("approved")).does_nothing(),
        case("an escalated counterpart is walked from where it stands", link(), ext().status("resolved"), int().status("escalated_ttr"))
            .writes([&resolving("escalated_ttr", "service_id=2 default")]),
        case("new, then assigned and escalated outside before anyone looked", agreed("new", "new"), ext().status("escalated_ttr"), int().status("new"))
            .writes([&format!("walk to assigned: new ev_assign({people}) assigned")]),
        case("pending, then assigned and escalated outside before anyone looked", agreed("pending", "pending"), ext().status("escalated_ttr"), int().status("pending"))
            .writes([&format!("walk to assigned: pending ev_assign({people}) assigned")]),
        case("approved, or rejected and re-opened, and then escalated before anyone looked: nobody's approval is guessed", agreed("waiting_for_approval", "waiting_for_approval"), ext().status("escalated_tto"), int().status("waiting_for_approval"))
            .does_nothing(),
        case("re-opened and escalated inside, then resolved outside: it is not taken for resolved still", agreed("assigned", "resolved"), ext().status("resolved"), int().status("escalated_ttr"))
            .writes([&resolving("escalated_ttr", "service_id=2 default")]),
        case("closed has no way back", agreed("resolved", "closed"), ext(), int().status("closed"))
            .conflict("status: R-1 went to assigned outside; the internal ticket stands at closed and no stimulus leads there"),
        case("an unreachable status holds nothing else back", agreed("resolved", "closed"), ext().title("B").files([file(70)]), int().status("closed").files([]))
            .writes([r#"update title="[R-1] B""#, "copy 70"])
            .conflict("status: R-1 went to assigned outside; the internal ticket stands at closed and no stimulus leads there"),
        case("a conflict ends when the external moves to where the inside stands", agreed("resolved", "closed").conflicting(), ext().status("closed"), int().status("closed"))
            .notes(["status closed and closed"]),
        case("a state that the counterpart's class does not have is a conflict", agreed("new", "new"), ext().status("waiting_for_approval"), int().status("new"))
            .policy(|policy| policy.internal_lifecycle = lifecycle("Incident"))
            .conflict("status: R-1 went to waiting_for_approval outside; the internal ticket stands at new and no stimulus leads there"),
        case("status off writes and remembers nothing", link(), ext().status("resolved"), int().status("pending"))
            .policy(|policy| policy.status_to_internal = StatusToInternal::Off)
            .does_nothing(),
        case("a class without a lifecycle has no status to cross", link(), ext().status("resolved"), int())
            .policy(|policy| policy.external_lifecycle = None)
            .does_nothing(),
        case("status and fields cross in one plan", link(), ext().status("resolved").title("B"), int())
            .writes([r#"update title="[R-1] B""#, &resolving("assigned", "service_id=2 default")]),
    ]
}

fn walks() -> Vec<Case> {
    let people = "agent_id=8 own, org_id=3 own, team_id=5 own";
    let on_the_way =
        |external: &str, internal: &str| agreed(external, internal).walking("resolved", ["assigned", "resolved"]);
    vec![
        case("the bridge's own walk is continued after a crash", on_the_way("pending", "assigned"), ext().status("resolved"), int())
            .writes(["walk to resolved: assigned ev_resolve(service_id=2 default) resolved"]),
        case("the end of the own walk is seen after a crash", on_the_way("pending", "assigned"), ext().status("resolved"), int().status("resolved"))
            .notes(["status resolved and resolved"]),
        case("the external went back while the walk was half done: so does the inside", on_the_way("pending", "assigned"), ext().status("pending"), int())
            .writes([&format!("walk to pending: assigned ev_pending({people}) pending")]),
        case("the own walk's state is no provider's progress that could absorb", agreed("new", "assigned").walking("resolved", ["assigned", "resolved"]), ext().status("waiting_for_approval"), int())
            .conflict("status: R-1 went to waiting_for_approval outside; the internal ticket stands at assigned and no stimulus leads there"),
        case("a walk that was given up is over once the external went back", agreed("assigned", "assigned").walking("resolved", ["resolved"]), ext(), int())
            .notes(["status assigned and assigned"]),
        case("the provider resolved what the bridge's walk could not, and the external went back: that is the provider's move", agreed("assigned", "assigned").walking("resolved", ["resolved"]), ext(), int().status("resolved"))
            .notes(["status assigned and resolved"]),
        case("the provider went past a walk that was refused: catching up is absorbed", agreed("new", "new").walking("pending", ["assigned", "resolved"]), ext().status("pending"), int().status("resolved"))
            .notes(["status pending and resolved"]),
        case("a person moved the ticket off the walk: the external wins", on_the_way("assigned", "assigned"), ext().status("resolved"), int().status("pending"))
            .writes([&format!(
                "walk to resolved: pending ev_assign({people}) assigned, assigned ev_resolve(service_id=2 default) resolved"
            )]),
    ]
}

fn late_stimuli() -> Vec<Case> {
    let people = "agent_id=8 own, org_id=3 own, team_id=5 own";
    let reopen = format!("walk to assigned: resolved ev_reopen({people}) assigned");
    vec![
        case(
            "a late stimulus moved the ticket away: the external's status is restored, not absorbed",
            link().late_status("resolved", NOW),
            ext(),
            int().status("resolved"),
        )
        .writes([&reopen])
        .notes(["owed: status", "settled: resolved"]),
        case(
            "where that walk was refused, it is still owed",
            link().owing_status("resolved"),
            ext(),
            int().status("resolved"),
        )
        .writes([&reopen]),
        case(
            "a late stimulus that may still land is never taken for a person's move",
            link().late_status("resolved", NOW + 1),
            ext(),
            int().status("resolved"),
        )
        .looks_again_at(NOW + 1),
        case(
            "the external moves on after a late stimulus: that is no catching up",
            link().late_status("resolved", NOW + 1),
            ext().status("pending"),
            int().status("resolved"),
        )
        .writes([&format!(
            "walk to pending: resolved ev_reopen({people}) assigned, assigned ev_pending({people}) pending"
        )])
        .looks_again_at(NOW + 1),
        case(
            "a late stimulus led where the external stands",
            link().late_status("resolved", NOW),
            ext().status("resolved"),
            int().status("resolved"),
        )
        .notes(["status resolved and resolved", "settled: resolved"]),
        case("a late stimulus never landed", link().late_status("resolved", NOW), ext(), int())
            .notes(["settled: resolved"]),
        case(
            "a person's own move beside an unsettled stimulus",
            link().late_status("resolved", NOW + 1),
            ext(),
            int().status("pending"),
        )
        .notes(["status assigned and pending"])
        .looks_again_at(NOW + 1),
        case(
            "a late stimulus closed the ticket: shown, since no way leads back",
            link().owing_status("closed"),
            ext(),
            int().status("closed"),
        )
        .conflict(
            "status: R-1 went to assigned outside; the internal ticket stands at closed and no stimulus leads there",
        ),
        case(
            "a late assignment was escalated meanwhile",
            agreed("new", "new").late_status("assigned", NOW),
            ext().status("assigned"),
            int().status("escalated_ttr"),
        )
        .notes(["status assigned and assigned", "settled: assigned"]),
        case(
            "a late re-opening, sent to a rejected ticket, re-opened it when it was resolved",
            agreed("resolved", "resolved").late_status("new", NOW),
            ext().status("resolved"),
            int(),
        )
        .writes(["walk to resolved: assigned ev_resolve(service_id=2 default) resolved"])
        .notes(["owed: status", "settled: new"]),
        case("a person undid the late stimulus: nothing is owed", link().owing_status("resolved"), ext(), int())
            .notes(["status assigned and assigned"]),
    ]
}

fn files() -> Vec<Case> {
    let x = || link().copied(70, 170, "x");
    let doubt = |until| link().in_doubt(70, until);
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
        .notes(["adopt 170 as the copy of 70"]),
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
        .notes(["the copy of 70 was removed by a person"]),
        case(
            "another bridge's mark is an ordinary file here",
            link(),
            ext().files([file(70).of_another_bridge()]),
            int().files([]),
        )
        .writes(["copy 70"]),
        case(
            "an own mark outside is a copy and not copied back",
            link(),
            ext().files([mark_from_inside(70, 5)]),
            int().files([]),
        )
        .does_nothing(),
        case("a file inside does not cross", link(), ext().files([]), int().files([file(300)])).does_nothing(),
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

fn missing_files() -> Vec<Case> {
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
        .notes(["adopt 170 as the copy of 70"])
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

fn halts() -> Vec<Case> {
    let halt = || Halt { kind: HaltKind::InternalVanished, text: "gone".into() };
    let conflict = || Conflict { about: "status".into(), text: "unreachable".into() };
    vec![
        case("the external ticket vanished", link(), Sight::Gone, int()).halts(HaltKind::ExternalVanished),
        case("the internal ticket vanished", link(), ext().title("B"), Sight::Gone).halts(HaltKind::InternalVanished),
        case("both vanished", link(), Sight::Gone, Sight::Gone).halts(HaltKind::ExternalVanished),
        case(
            "a ticket that vanished deletes no copy",
            link().copied(70, 170, "x").missing_since(70, 0),
            Sight::Gone,
            int().files([copy(170, 70)]),
        )
        .halts(HaltKind::ExternalVanished),
        case("the external id carries another reference", link(), ext().reference("R-2"), int())
            .halts(HaltKind::ExternalReferenceChanged),
        case("the internal id carries another reference", link(), ext(), int().reference("U-8"))
            .halts(HaltKind::InternalReferenceChanged),
        case("another reference before a counterpart was made", unborn(), ext().reference("R-2"), Sight::Unborn)
            .halts(HaltKind::ExternalReferenceChanged),
        case(
            "a halted link stays halted, though all is well",
            link().with(|l| l.halt = Some(halt())),
            ext().title("B"),
            int(),
        )
        .halts(HaltKind::InternalVanished),
        case("a halt keeps the conflicts on show", link().with(|l| l.conflicts.push(conflict())), Sight::Gone, int())
            .halts(HaltKind::ExternalVanished)
            .conflict("status: unreachable"),
        case("a resumed link whose external ticket is still gone ends", link().resumed(), Sight::Gone, int())
            .ends(HaltKind::ExternalVanished),
        case("a resumed link whose internal ticket is still gone ends", link().resumed(), ext(), Sight::Gone)
            .ends(HaltKind::InternalVanished),
        case("a resumed link with another internal ticket ends", link().resumed(), ext(), int().reference("U-8"))
            .ends(HaltKind::InternalReferenceChanged),
        case("a resumed link goes on with the external's new reference", link().resumed(), ext().reference("R-2"), int())
            .writes([r#"update title="[R-2] A""#])
            .notes(["the external ticket is R-2"]),
        case(
            "a resumed link without a counterpart goes on with the external's new reference",
            unborn().resumed(),
            ext().reference("R-2"),
            Sight::Unborn,
        )
        .writes([r#"create UserRequest title="[R-2] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#])
        .notes(["the external ticket is R-2"]),
        case("who accepts a reference accepts nothing else", link().resumed(), ext().reference("R-2"), Sight::Gone)
            .halts(HaltKind::InternalVanished)
            .notes(["the external ticket is R-2"]),
        case("a resumed link whose tickets are back goes on", link().resumed(), ext().title("B"), int())
            .writes([r#"update title="[R-1] B""#])
            .notes(["the resume is over"]),
        case("an internal ticket that was not read: nothing", link(), ext().title("B"), Sight::Unborn).does_nothing(),
        case("an external ticket that was not read: nothing", link(), Sight::Unborn, int()).does_nothing(),
        case(
            "a path alone changes nothing for a link that is in step",
            link().with(|l| {
                l.path = Some(StatusPath { wanted: String::new(), states: Vec::new() });
            }),
            ext(),
            int(),
        )
        .notes(["status assigned and assigned"]),
        case("a conflict ends with what it was about", link().with(|l| l.conflicts.push(conflict())), ext(), int())
            .does_nothing(),
    ]
}
