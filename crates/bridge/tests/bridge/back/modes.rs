//! The three modes of `status_to_external` in one table: what people on both sides do with a pair, and where
//! that ends in each mode. Every story is told twice: as it is, and cut by a crash at each of the bridge's
//! writes. After each moment the states of both sides, every file on either, the conflicts and the number of
//! stimuli are as the table says, and one more pass writes nothing.

mod stage;

use stage::{Story, agreed, in_each_mode};

in_each_mode![
    the_customer_goes_two_steps,
    the_provider_goes_two_steps,
    both_sides_move_at_once,
    both_sides_move_to_one_state_at_once,
    the_provider_moves_on_between_read_and_stimulus,
    the_provider_moves_to_the_same_state_between_read_and_stimulus,
    the_provider_moves_further_between_read_and_stimulus,
    the_customer_moves_on_between_read_and_stimulus,
    the_customer_moves_to_the_same_state_between_read_and_stimulus,
    the_customer_moves_further_between_read_and_stimulus,
    the_customer_goes_back_while_the_bridge_writes,
    the_provider_goes_back_while_the_bridge_writes,
    the_customer_goes_on_while_the_bridge_writes,
    the_provider_goes_on_while_the_bridge_writes,
    the_customer_catches_up_after_the_provider_resolved,
    the_customer_catches_up_after_the_provider_closed,
    the_customer_re_opens,
    the_provider_re_opens,
    the_customer_closes_what_the_provider_re_opens,
    the_customer_re_opens_what_the_provider_closed,
    the_provider_closes_between_the_read_and_the_re_opening,
    the_customer_re_opens_between_the_read_and_the_closing,
    the_customer_refuses_an_approval,
    the_provider_refuses_an_approval,
    the_customer_refuses_what_the_provider_approved,
    the_customer_approves_what_the_provider_refused,
    the_customer_rejects_what_the_provider_has_assigned,
];

// `report`, `apply` and `off` say where a moment ends: the state outside, the state inside. `told` are the
// states that the report names since the story began, newest first.

fn the_customer_goes_two_steps() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .customer("ev_reopen ev_pending")
        .in_all("pending", "pending")
        .told("pending")
}

fn the_provider_goes_two_steps() -> Story {
    agreed("UserRequest", "")
        .provider("ev_assign ev_pending")
        .report("new", "pending")
        .apply("pending", "pending")
        .off("new", "pending")
        .told("pending")
        .provider("ev_assign ev_resolve")
        .report("new", "resolved")
        .apply("resolved", "resolved")
        .off("new", "resolved")
        .told("resolved pending")
        .provider("ev_close")
        .report("new", "closed")
        .apply("closed", "closed")
        .off("new", "closed")
        .told("closed resolved pending")
}

fn both_sides_move_at_once() -> Story {
    agreed("UserRequest", "ev_assign")
        .both("ev_resolve", "ev_pending")
        .in_all("resolved", "resolved")
        .told("resolved pending")
        .says(
            "status went from assigned to resolved in the external iTop, which wins over pending in the internal iTop",
        )
}

fn both_sides_move_to_one_state_at_once() -> Story {
    agreed("UserRequest", "ev_assign").both("ev_resolve", "ev_resolve").in_all("resolved", "resolved").told("resolved")
}

fn the_provider_moves_on_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .customer("ev_resolve")
        .before_the_bridge_writes("ev_pending")
        .in_all("resolved", "resolved")
        .told("resolved pending")
}

fn the_provider_moves_to_the_same_state_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .customer("ev_resolve")
        .before_the_bridge_writes("ev_resolve")
        .in_all("resolved", "resolved")
        .told("resolved")
}

fn the_provider_moves_further_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .customer("ev_pending")
        .before_the_bridge_writes("ev_resolve")
        .report("pending", "resolved")
        .apply("resolved", "resolved")
        .off("pending", "resolved")
        .told("resolved")
}

fn the_customer_moves_on_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .provider("ev_resolve")
        .before_the_bridge_writes("ev_pending")
        .report("pending", "resolved")
        .apply("resolved", "resolved")
        .off("pending", "resolved")
        .told("resolved")
}

fn the_customer_moves_to_the_same_state_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .provider("ev_resolve")
        .before_the_bridge_writes("ev_resolve")
        .in_all("resolved", "resolved")
        .told("resolved")
}

fn the_customer_moves_further_between_read_and_stimulus() -> Story {
    agreed("UserRequest", "ev_assign")
        .provider("ev_pending")
        .before_the_bridge_writes("ev_resolve")
        .in_all("resolved", "resolved")
        .told("resolved pending")
}

/// Where the bridge has brought the other side by then is no person's move.
fn the_customer_goes_back_while_the_bridge_writes() -> Story {
    agreed("UserRequest", "ev_assign")
        .customer("ev_pending")
        .while_the_bridge_writes("ev_assign")
        .in_all("assigned", "assigned")
        .told("assigned pending")
}

fn the_provider_goes_back_while_the_bridge_writes() -> Story {
    agreed("UserRequest", "ev_assign")
        .provider("ev_pending")
        .while_the_bridge_writes("ev_assign")
        .in_all("assigned", "assigned")
        .told("assigned pending")
}

fn the_customer_goes_on_while_the_bridge_writes() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .customer("ev_reopen ev_pending")
        .while_the_bridge_writes("ev_assign")
        .in_all("assigned", "assigned")
        .told("assigned pending")
}

fn the_provider_goes_on_while_the_bridge_writes() -> Story {
    agreed("UserRequest", "")
        .provider("ev_assign ev_pending")
        .while_the_bridge_writes("ev_assign ev_resolve")
        .report("new", "resolved")
        .apply("resolved", "resolved")
        .off("new", "resolved")
        .told("resolved pending")
}

/// Nothing that the customer does on the way there re-opens what is resolved; what it does from there counts.
fn the_customer_catches_up_after_the_provider_resolved() -> Story {
    agreed("UserRequest", "")
        .both("ev_assign", "ev_assign ev_resolve")
        .report("assigned", "resolved")
        .apply("resolved", "resolved")
        .off("assigned", "resolved")
        .told("resolved")
        .customer("ev_pending")
        .report("pending", "resolved")
        .off("pending", "resolved")
        .told("resolved")
        .customer("ev_assign")
        .report("assigned", "resolved")
        .off("assigned", "resolved")
        .told("resolved")
        .customer("ev_resolve")
        .report("resolved", "resolved")
        .off("resolved", "resolved")
        .told("resolved")
        .customer("ev_reopen")
        .in_all("assigned", "assigned")
        .told("assigned resolved")
}

fn the_customer_catches_up_after_the_provider_closed() -> Story {
    agreed("UserRequest", "ev_assign")
        .both("ev_pending", "ev_resolve ev_close")
        .report("pending", "closed")
        .apply("closed", "closed")
        .off("pending", "closed")
        .told("closed")
        .customer("ev_assign ev_resolve")
        .report("resolved", "closed")
        .off("resolved", "closed")
        .told("closed")
        .customer("ev_close")
        .report("closed", "closed")
        .off("closed", "closed")
        .told("closed")
}

fn the_customer_re_opens() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .customer("ev_reopen")
        .in_all("assigned", "assigned")
        .told("assigned")
        .customer("ev_resolve")
        .in_all("resolved", "resolved")
        .told("resolved assigned")
        .customer("ev_reopen ev_timeout")
        .in_all("escalated_ttr", "assigned")
        .told("assigned resolved assigned")
        .customer("ev_resolve ev_close")
        .in_all("closed", "closed")
        .told("closed assigned resolved assigned")
}

fn the_provider_re_opens() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .provider("ev_reopen")
        .report("resolved", "assigned")
        .apply("assigned", "assigned")
        .off("resolved", "assigned")
        .told("assigned")
        .provider("ev_resolve")
        .in_all("resolved", "resolved")
        .told("resolved assigned")
}

fn the_customer_closes_what_the_provider_re_opens() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .both("ev_close", "ev_reopen")
        .in_all("closed", "closed")
        .told("closed assigned")
}

/// From closed nothing leads back: the provider's agents are told by a file.
fn the_customer_re_opens_what_the_provider_closed() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .both("ev_reopen", "ev_close")
        .in_all("assigned", "closed")
        .told("closed")
        .notice("re-opened: assigned")
        .conflict(
            "went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        )
        .customer("ev_pending")
        .in_all("pending", "closed")
        .told("closed")
        .notice("re-opened: assigned")
        .conflict(
            "went to pending in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        )
        .customer("ev_assign ev_resolve")
        .report("resolved", "closed")
        .apply("closed", "closed")
        .off("resolved", "closed")
        .told("closed")
        .notice("re-opened: assigned")
        // Where the outside follows it is closed by now, and nobody can re-open it.
        .customer("ev_reopen")
        .report("assigned", "closed")
        .off("assigned", "closed")
        .told("closed")
        .notice("re-opened: assigned, re-opened: assigned")
        .conflict(
            "went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        )
        .customer("ev_resolve ev_close")
        .report("closed", "closed")
        .off("closed", "closed")
        .told("closed")
        .notice("re-opened: assigned, re-opened: assigned")
}

fn the_provider_closes_between_the_read_and_the_re_opening() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .customer("ev_reopen")
        .before_the_bridge_writes("ev_close")
        .in_all("assigned", "closed")
        .told("closed")
        .notice("re-opened: assigned")
        .conflict(
            "went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        )
}

fn the_customer_re_opens_between_the_read_and_the_closing() -> Story {
    agreed("UserRequest", "ev_assign ev_resolve")
        .provider("ev_close")
        .before_the_bridge_writes("ev_reopen")
        .in_all("assigned", "closed")
        .told("closed")
        .notice("re-opened: assigned")
        .conflict(
            "went to assigned in the external iTop; the internal ticket stands at closed and no stimulus leads there",
        )
}

fn the_customer_refuses_an_approval() -> Story {
    agreed("UserRequest", "ev_wait_for_approval")
        .customer("ev_reject")
        .in_all("rejected", "rejected")
        .told("rejected")
        .customer("ev_reopen")
        .in_all("new", "new")
        .told("new rejected")
}

fn the_provider_refuses_an_approval() -> Story {
    agreed("EmergencyChange", "ev_assign ev_plan")
        .provider("ev_notapprove")
        .report("plannedscheduled", "notapproved")
        .apply("notapproved", "notapproved")
        .off("plannedscheduled", "notapproved")
        .told("notapproved")
        .provider("ev_replan ev_approve")
        .report("plannedscheduled", "approved")
        .apply("approved", "approved")
        .off("plannedscheduled", "approved")
        .told("approved notapproved")
}

/// From approved nothing leads to a refusal, and a refusal is never taken for catching up.
fn the_customer_refuses_what_the_provider_approved() -> Story {
    agreed("EmergencyChange", "ev_assign ev_plan")
        .both("ev_notapprove", "ev_approve")
        .in_all("notapproved", "approved")
        .told("approved")
        .notice("notapproved")
        .conflict("went to notapproved in the external iTop; the internal ticket stands at approved and no stimulus leads there")
        .customer("ev_replan ev_approve")
        .in_all("approved", "approved")
        .told("approved")
        .notice("notapproved")
}

fn the_customer_approves_what_the_provider_refused() -> Story {
    agreed("EmergencyChange", "ev_assign ev_plan")
        .both("ev_approve", "ev_notapprove")
        .in_all("approved", "approved")
        .told("approved notapproved")
}

fn the_customer_rejects_what_the_provider_has_assigned() -> Story {
    agreed("NormalChange", "")
        .both("ev_reject", "ev_validate ev_assign")
        .in_all("rejected", "assigned")
        .told("assigned")
        .notice("rejected")
        .conflict(
            "went to rejected in the external iTop; the internal ticket stands at assigned and no stimulus leads there",
        )
        // Where it stood before, it only has to catch up.
        .customer("ev_reopen")
        .report("new", "assigned")
        .apply("assigned", "assigned")
        .off("new", "assigned")
        .told("assigned")
        .notice("rejected")
}
