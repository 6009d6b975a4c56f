//! The status from outside to inside.

use itop_bridge_core::Side;
use itop_bridge_core::policy::StatusToInternal;

use crate::fixtures::*;
use crate::{Case, case};

pub fn status() -> Vec<Case> {
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
            .writes(["write the notice"])
            .notes(["notice: rejected"])
            .conflict("status: R-1 went to rejected in the external iTop; the internal ticket stands at assigned and no stimulus leads there"),
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
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened"])
            .conflict("status: R-1 went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there"),
        case("an unreachable status holds nothing else back", agreed("resolved", "closed"), ext().title("B").files([file(70)]), int().status("closed").files([]))
            .writes([r#"update title="[R-1] B""#, "copy 70", "write the notice"])
            .notes(["notice: assigned re-opened"])
            .conflict("status: R-1 went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there"),
        case("a conflict ends when the external moves to where the inside stands", agreed("resolved", "closed").conflicting(), ext().status("closed"), int().status("closed"))
            .notes(["status closed and closed"]),
        case("a state that the counterpart's class does not have is a conflict", agreed("new", "new"), ext().status("waiting_for_approval"), int().status("new"))
            .policy(|policy| policy.internal_lifecycle = lifecycle("Incident"))
            .conflict("status: R-1 went to waiting_for_approval in the external iTop; the internal ticket stands at new and no stimulus leads there"),
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

pub fn walks() -> Vec<Case> {
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
            .conflict("status: R-1 went to waiting_for_approval in the external iTop; the internal ticket stands at assigned and no stimulus leads there"),
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
        case("a second walk was refused where the first had broken off: the ticket still stands there by the bridge alone", agreed("new", "waiting_for_approval").walking("rejected", ["waiting_for_approval", "rejected"]).with(|link| link.set_out(Side::Internal, "new", ["rejected".into(), "new".into()])), ext().status("new"), int().status("waiting_for_approval"))
            .writes(["walk to new: waiting_for_approval ev_reject(caller_id=6 own, org_id=3 own) rejected, rejected ev_reopen(caller_id=6 own, org_id=3 own) new"]),
    ]
}

pub fn late_stimuli() -> Vec<Case> {
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
            "status: R-1 went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        ),
        case(
            "a late assignment was escalated meanwhile",
            agreed("new", "new").late_status("assigned", NOW),
            ext().status("assigned"),
            int().status("escalated_ttr"),
        )
        .notes(["status assigned and assigned", "settled: assigned"]),
        case(
            "a late approval and an escalation: it was approved, and nobody moved it",
            agreed("approved", "waiting_for_approval").late_status("approved", NOW),
            ext().status("approved"),
            int().status("escalated_tto"),
        )
        .notes(["status approved and approved", "settled: approved"]),
        case(
            "a late approval does not reach a ticket that is new again, which then escalates",
            agreed("waiting_for_approval", "new")
                .walking("approved", ["new", "waiting_for_approval", "approved"])
                .late_status("approved", NOW),
            ext().status("approved"),
            int().status("escalated_tto"),
        )
        .notes(["settled: approved"])
        .conflict(
            "status: R-1 went to approved in the external iTop; the internal ticket stands at escalated_tto and no stimulus leads there",
        ),
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
