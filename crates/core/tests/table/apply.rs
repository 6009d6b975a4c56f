//! The status from inside to outside, where the policy says `apply`.

use itop_bridge_core::Policy;
use itop_bridge_core::policy::{StatusToExternal, StatusToInternal};

use crate::fixtures::*;
use crate::{Case, case};

const TO_RESOLVED: &str = "walk the external to resolved: assigned ev_resolve() resolved";

fn apply(policy: &mut Policy) {
    policy.status_to_external = StatusToExternal::Apply;
}

/// A change's policy, in which the outside is driven.
fn apply_to_changes(policy: &mut Policy) {
    changes_policy(policy, "NormalChange");
    apply(policy);
}

pub fn outward() -> Vec<Case> {
    let cases = [moves(), words(), both_moved(), walks(), unreachable(), off()];
    cases.into_iter().flatten().collect()
}

fn moves() -> Vec<Case> {
    vec![
        case("resolved inside resolves outside", link(), ext(), int().status("resolved"))
            .policy(apply)
            .writes([TO_RESOLVED]),
        case("re-opened inside re-opens outside", agreed("resolved", "resolved"), ext().status("resolved"), int())
            .policy(apply)
            .writes(["walk the external to assigned: resolved ev_reopen(agent_id=19 default, team_id=15 default) assigned"]),
        case("a refusal inside refuses outside", agreed("plannedscheduled", "plannedscheduled"), ext().status("plannedscheduled"), int().status("notapproved").with("reason", "no money"))
            .policy(apply_to_changes)
            .writes(["walk the external to notapproved: plannedscheduled ev_notapprove(agent_id=19 default, reason=no money source) notapproved"]),
        case("the outside goes by the shortest path", agreed("new", "new"), ext().status("new"), int().status("closed").with("user_comment", "done"))
            .policy(apply)
            .writes(["walk the external to closed: new ev_assign(agent_id=19 default, team_id=15 default) assigned, assigned ev_resolve() resolved, resolved ev_close(user_comment=done source) closed"]),
        case("an escalation inside moves nothing outside", link(), ext(), int().status("escalated_ttr"))
            .policy(apply)
            .does_nothing(),
        case("assigned and escalated inside before anyone looked: assigned outside", agreed("new", "new"), ext().status("new"), int().status("escalated_ttr"))
            .policy(apply)
            .writes(["walk the external to assigned: new ev_assign(agent_id=19 default, team_id=15 default) assigned"]),
        case("an escalated external is walked from where it stands", link(), ext().status("escalated_ttr"), int().status("resolved"))
            .policy(apply)
            .writes(["walk the external to resolved: escalated_ttr ev_resolve() resolved"]),
        case("what the inside shows at its birth is no move", agreed("", ""), ext().status("new"), int())
            .policy(apply)
            .notes(["status new and assigned"]),
    ]
}

/// What goes with a stimulus to the outside.
fn words() -> Vec<Case> {
    let theirs = || ext().status("new").with("team_id", "33").with("agent_id", "44").with("org_id", "55");
    vec![
        case("the external's own team, agent and organisation are sent back, never the internal's", agreed("new", "new"), theirs(), int())
            .policy(apply)
            .writes(["walk the external to assigned: new ev_assign(agent_id=44 own, org_id=55 own, team_id=33 own) assigned"]),
        case("the external side's defaults fill what is empty", agreed("new", "new"), theirs().with("team_id", "0").with("agent_id", ""), int())
            .policy(apply)
            .writes(["walk the external to assigned: new ev_assign(agent_id=19 default, org_id=55 own, team_id=15 default) assigned"]),
        case("without defaults nothing stands in for them: the internal's people never go outside", agreed("new", "new"), ext().status("new"), int())
            .policy(|policy| {
                apply(policy);
                policy.external_defaults.clear();
            })
            .writes(["walk the external to assigned: new ev_assign() assigned"]),
        case("solution and resolution code go along", link(), ext(), int().status("resolved").with("solution", "rebooted").with("resolution_code", "assistance").with("service_id", "4"))
            .policy(apply)
            .writes(["walk the external to resolved: assigned ev_resolve(resolution_code=assistance source, solution=rebooted source) resolved"]),
        case("the provider's solution replaces the customer's", link(), ext().with("solution", "theirs"), int().status("resolved").with("solution", "ours"))
            .policy(apply)
            .writes(["walk the external to resolved: assigned ev_resolve(solution=ours source) resolved"]),
        case("the pending reason goes along", link(), ext(), int().status("pending").with("pending_reason", "parts"))
            .policy(apply)
            .writes(["walk the external to pending: assigned ev_pending(agent_id=19 default, pending_reason=parts source, team_id=15 default) pending"]),
        case("a default reason outside only where the inside gives none", link(), ext(), int().status("pending"))
            .policy(|policy| {
                apply(policy);
                policy.external_defaults.insert("pending_reason".into(), "the provider waits".into());
            })
            .writes(["walk the external to pending: assigned ev_pending(agent_id=19 default, pending_reason=the provider waits default, team_id=15 default) pending"]),
        case("title and impact never go outside, though the stimulus asks for them", agreed("assigned", "assigned").with(|l| l.field_agreed("impact", "", "3")), ext().with("impact", ""), int().status("plannedscheduled").title("mine").with("impact", "3"))
            .policy(apply_to_changes)
            .writes(["walk the external to plannedscheduled: assigned ev_plan(agent_id=19 default) plannedscheduled"]),
    ]
}

fn both_moved() -> Vec<Case> {
    let people = "agent_id=8 own, org_id=3 own, team_id=5 own";
    vec![
        case("both moved to the same state", link(), ext().status("resolved"), int().status("resolved"))
            .policy(apply)
            .notes(["status resolved and resolved"]),
        case("both moved: the external wins", link(), ext().status("resolved"), int().status("pending"))
            .policy(apply)
            .writes([&format!(
                "walk to resolved: pending ev_assign({people}) assigned, assigned ev_resolve(service_id=2 default) resolved"
            )]),
        case("a customer who catches up while the provider stands still is let be", agreed("new", "resolved"), ext(), int().status("resolved"))
            .policy(apply)
            .notes(["status assigned and resolved"]),
        case("a customer who catches up while the provider moved on is taken along", agreed("new", "new"), ext(), int().status("resolved"))
            .policy(apply)
            .writes([TO_RESOLVED]),
        case("a re-opening outside wins over the provider's closing", agreed("resolved", "resolved"), ext(), int().status("closed"))
            .policy(apply)
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened"])
            .conflict("status: R-1 went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there"),
    ]
}

fn walks() -> Vec<Case> {
    let half_way = |inside: &str| agreed("assigned", inside).walking_out("resolved", ["assigned", "resolved"]);
    vec![
        case("the walk outside is continued after a crash between two stimuli", half_way("pending"), ext(), int().status("resolved"))
            .policy(apply)
            .writes([TO_RESOLVED]),
        case("the end of the walk outside is seen after a crash", half_way("pending"), ext().status("resolved"), int().status("resolved"))
            .policy(apply)
            .notes(["status resolved and resolved"]),
        case("the inside went back while the walk outside was half done: so does the outside", half_way("pending"), ext(), int().status("pending"))
            .policy(apply)
            .writes(["walk the external to pending: assigned ev_pending(agent_id=19 default, team_id=15 default) pending"]),
        case("a customer who moves aside on the way is taken along", half_way("assigned"), ext().status("pending"), int().status("resolved"))
            .policy(apply)
            .writes(["walk the external to resolved: pending ev_assign(agent_id=19 default, team_id=15 default) assigned, assigned ev_resolve() resolved"]),
        case("a customer who re-opens between two stimuli wins", agreed("resolved", "resolved").walking_out("closed", ["resolved", "closed"]), ext(), int().status("closed"))
            .policy(apply)
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened"])
            .conflict("status: R-1 went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there"),
        case("where the outside stands half way on the bridge's own walk, nothing drives the inside there", half_way("resolved"), ext(), int().status("resolved"))
            .policy(apply)
            .writes([TO_RESOLVED]),
        case("the policy no longer drives the outside: where its walk broke off, it stays", half_way("pending"), ext(), int().status("resolved"))
            .notes(["status assigned and resolved"]),
    ]
}

fn unreachable() -> Vec<Case> {
    let before = "U-9 went to assigned inside; the external ticket stands at closed and no stimulus leads there";
    let to_assigned =
        "U-9 went to assigned in the internal iTop; the external ticket stands at closed and no stimulus leads there";
    let went =
        |link| case("a re-opening inside that the outside cannot follow is shown", link, ext().status("closed"), int());
    vec![
        went(agreed("closed", "resolved")).policy(apply).conflict(&format!("status: {to_assigned}")),
        went(agreed("closed", "resolved").conflicting_over(before)).policy(apply).conflict(&format!("status: {to_assigned}")),
        case("a refusal inside that the outside cannot follow makes no notice: its people made it", agreed("assigned", "waiting_for_approval"), ext(), int().status("rejected"))
            .policy(apply)
            .conflict("status: U-9 went to rejected in the internal iTop; the external ticket stands at assigned and no stimulus leads there"),
        case("it ends when the inside comes back to where the outside stands", agreed("closed", "resolved").conflicting_over(before), ext().status("closed"), int().status("closed"))
            .policy(apply)
            .notes(["status closed and closed"]),
        case("a state that the external class does not have is shown", agreed("new", "new"), ext().status("new"), int().status("waiting_for_approval"))
            .policy(|policy| {
                apply(policy);
                policy.external_lifecycle = lifecycle("Incident");
            })
            .conflict("status: U-9 went to waiting_for_approval in the internal iTop; the external ticket stands at new and no stimulus leads there"),
    ]
}

fn off() -> Vec<Case> {
    let only_outward = |policy: &mut Policy| {
        apply(policy);
        policy.status_to_internal = StatusToInternal::Off;
    };
    vec![
        case("inward off: a move inside still drives the outside", link(), ext(), int().status("resolved"))
            .policy(only_outward)
            .writes([TO_RESOLVED]),
        case("inward off: a move outside drives nothing", link(), ext().status("resolved"), int())
            .policy(only_outward)
            .notes(["status resolved and assigned"]),
        case("inward off: both moved, and the only way is outward", link(), ext().status("pending"), int().status("resolved"))
            .policy(only_outward)
            .writes(["walk the external to resolved: pending ev_assign(agent_id=19 default, team_id=15 default) assigned, assigned ev_resolve() resolved"]),
        case(
            "inward off meanwhile: a late stimulus inside is no move of the provider's",
            link().late_status("resolved", NOW),
            ext(),
            int().status("resolved"),
        )
        .policy(only_outward)
        .notes(["status assigned and resolved", "settled: resolved"]),
        case("outward off: a move inside drives nothing", link(), ext(), int().status("resolved"))
            .notes(["status assigned and resolved"]),
        case("both off: nothing is written or remembered", link(), ext().status("pending"), int().status("resolved"))
            .policy(|policy| policy.status_to_internal = StatusToInternal::Off)
            .does_nothing(),
    ]
}

pub fn late_stimuli() -> Vec<Case> {
    let reopen = "walk the external to assigned: resolved ev_reopen(agent_id=19 default, team_id=15 default) assigned";
    vec![
        case(
            "a late stimulus moved the outside away: the inside's status is restored there",
            link().late_status_out("resolved", NOW),
            ext().status("resolved"),
            int(),
        )
        .policy(apply)
        .writes([reopen])
        .notes(["owed: status", "settled: resolved"]),
        case(
            "where that walk was refused, it is still owed outside",
            link().owing_status_out("resolved"),
            ext().status("resolved"),
            int(),
        )
        .policy(apply)
        .writes([reopen]),
        case(
            "a late stimulus outside that may still land is never taken for the customer's move",
            link().late_status_out("resolved", NOW + 1),
            ext().status("resolved"),
            int(),
        )
        .policy(apply)
        .looks_again_at(NOW + 1),
        case("a late stimulus outside never landed", link().late_status_out("resolved", NOW), ext(), int())
            .policy(apply)
            .notes(["settled: resolved"]),
        case(
            "it is judged by when the outside was read",
            link().late_status_out("resolved", NOW),
            ext().read_at(NOW - 1),
            int(),
        )
        .policy(apply)
        .looks_again_at(NOW),
        case(
            "an unanswered stimulus outside landed, and the inside still stands there",
            link().late_status_out("resolved", NOW + 1),
            ext().status("resolved"),
            int().status("resolved"),
        )
        .policy(apply)
        .notes(["status resolved and resolved"])
        .looks_again_at(NOW + 1),
        case(
            "an unanswered stimulus outside landed, and the inside moved on",
            link().late_status_out("resolved", NOW + 1),
            ext().status("resolved"),
            int().status("closed"),
        )
        .policy(apply)
        .writes(["walk the external to closed: resolved ev_close() closed"])
        .looks_again_at(NOW + 1),
        case(
            "a late stimulus closed the outside: shown, since no way leads back",
            link().owing_status_out("closed"),
            ext().status("closed"),
            int(),
        )
        .policy(apply)
        .conflict(
            "status: U-9 went to assigned in the internal iTop; the external ticket stands at closed and no stimulus leads there",
        ),
    ]
}
