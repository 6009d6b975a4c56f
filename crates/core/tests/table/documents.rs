//! The report of the provider's states to the external ticket, and the notice of a move outside that the
//! inside cannot follow.

use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::link::CopyState;
use itop_bridge_core::policy::{StatusToExternal, StatusToInternal};

use crate::fixtures::*;
use crate::{Case, case};

const STANDS: Option<CopyState> = Some(CopyState::Stands(500));

pub fn reports() -> Vec<Case> {
    let mut rows: Vec<Case> = [lines(), the_file()].into_iter().flatten().collect();
    for row in &mut rows {
        row.policy.status_to_external = StatusToExternal::Report;
    }
    rows.extend(without_a_report());
    rows
}

/// What it says.
fn lines() -> Vec<Case> {
    // Moved along on both sides, so that the report alone is at stake.
    let stands = |state: &str| agreed(state, state);
    let at = |state: &str| (ext().status(state), int().status(state));
    let row = |name: &str, link, (ext, int): (Show, Show)| case(name, link, ext, int);
    vec![
        case(
            "a report is made with the link",
            agreed("new", "new").made("", "2026-03-01 09:00:00"),
            ext().status("new"),
            int().status("new").with("start_date", "2026-03-01 09:00:00"),
        )
        .writes(["write the report"])
        .notes(["report: new"]),
        row("a report that says the state is left alone", link().reported(&["assigned"]), at("assigned"))
            .does_nothing(),
        case(
            "a state that was seen adds a line, with iTop's own time of it",
            link().reported(&["assigned"]),
            ext(),
            int().status("pending").with("last_pending_date", "2026-03-01 10:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes(["status assigned and pending", "report: pending at 2026-03-01 10:00:00 < assigned, stands"]),
        row("a state passed through unseen is not invented", stands("closed").reported(&["assigned"]), at("closed"))
            .writes(["rewrite the report 500"])
            .notes(["report: closed < assigned, stands"]),
        row(
            "a state that comes again is another line",
            stands("assigned").reported(&["pending", "assigned"]),
            at("assigned"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned < pending < assigned, stands"]),
        case(
            "a time that an earlier line showed is not told of a later one",
            link().reported_at("assigned", "2026-03-01 09:00:00", &["pending"]),
            ext(),
            int().with("assignment_date", "2026-03-01 09:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned < pending < assigned at 2026-03-01 09:00:00, stands"]),
        case(
            "a time before what was told last is not told: the ticket keeps that of its first assignment",
            link().reported_at("pending", "2026-03-01 10:00:00", &[]),
            ext(),
            int().with("assignment_date", "2026-03-01 09:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned < pending at 2026-03-01 10:00:00, stands"]),
        case("an escalation is a line", link().reported(&["assigned"]), ext(), int().status("escalated_ttr"))
            .writes(["rewrite the report 500"])
            .notes(["report: escalated_ttr < assigned, stands"]),
        case(
            "the solution is told when it is resolved",
            stands("resolved").reported(&["assigned"]),
            ext().status("resolved"),
            int().status("resolved").with("solution", "rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved (rebooted) < assigned, stands"]),
        case(
            "a solution that changes rewrites its line",
            stands("resolved").reported(&["resolved"]),
            ext().status("resolved"),
            int().status("resolved").with("solution", "rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved (rebooted), stands"]),
        case(
            "a solution before the end is not told",
            link().reported(&["assigned"]),
            ext(),
            int().with("solution", "perhaps"),
        )
        .does_nothing(),
        row(
            "a move outside that drives the inside is told once the inside has moved",
            link().reported(&["assigned"]),
            (ext().status("pending"), int()),
        )
        .writes(["walk to pending: assigned ev_pending(agent_id=8 own, org_id=3 own, team_id=5 own) pending"]),
        row("the report needs no driving inward", link().reported(&["assigned"]), (ext(), int().status("pending")))
            .policy(|policy| policy.status_to_internal = StatusToInternal::Off)
            .writes(["rewrite the report 500"])
            .notes(["report: pending < assigned, stands"]),
        row("a class without a lifecycle has no state to tell", link(), (ext(), int().status("")))
            .policy(|policy| policy.internal_lifecycle = None)
            .does_nothing(),
    ]
}

/// What becomes of the file.
fn the_file() -> Vec<Case> {
    let says = |state| link().documented(DocumentKind::Report, &["assigned"], &[], state);
    let doubt = |until_ms| says(Some(CopyState::InDoubt { until_ms }));
    let removed = |says: &[&str]| link().documented(DocumentKind::Report, says, says, Some(CopyState::RemovedByPerson));
    let again = |at: i64| link().reported(&["assigned"]).with(|link| link.documents[0].again_at_ms = Some(at));
    vec![
        case("a report that was refused is written at the next look", says(None), ext(), int())
            .writes(["write the report"]),
        case(
            "a rewrite that was refused is written at the next look",
            link().documented(DocumentKind::Report, &["assigned", "new"], &["new"], STANDS),
            ext(),
            int(),
        )
        .writes(["rewrite the report 500"]),
        case("a report in doubt is not written again before it has settled", doubt(NOW + 500), ext().files([]), int())
            .looks_again_at(NOW + 500),
        case("a report long in doubt is looked for now and then", doubt(NOW + 300_000), ext().files([]), int())
            .looks_again_at(NOW + DOUBT_LOOK),
        case(
            "a report in doubt is found by its mark and written anew, since what it holds is not known",
            doubt(NOW + 500),
            ext().files([report(500)]),
            int(),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned, stands"]),
        case("a report in doubt is made again once it has settled without a trace", doubt(NOW), ext().files([]), int())
            .writes(["write the report"])
            .notes(["report: assigned"]),
        case("but not unless the external's files were listed", doubt(NOW), ext(), int()).looks_again_at(NOW),
        case(
            "a report in doubt says what is seen meanwhile",
            doubt(NOW + 500),
            ext().files([]),
            int().status("escalated_ttr"),
        )
        .notes(["report: escalated_ttr < assigned, in doubt"])
        .looks_again_at(NOW + 500),
        case("a report that the store does not know is found by its mark", link(), ext().files([report(500)]), int())
            .writes(["rewrite the report 500"])
            .notes(["report: assigned, stands"]),
        case("a notice is no report", link(), ext().files([notice(500)]), int())
            .writes(["write the report"])
            .notes(["report: assigned"]),
        case("a report that a person removed is remembered so", link().reported(&["assigned"]), ext().files([]), int())
            .notes(["report: assigned, removed"]),
        case(
            "one that was found and removed before it was written anew was a person's to remove",
            says(STANDS),
            ext().files([]),
            int(),
        )
        .notes(["report: assigned, removed"]),
        case(
            "a state that comes with its removal makes another",
            says(STANDS),
            ext().files([]),
            int().status("escalated_ttr"),
        )
        .writes(["write the report"])
        .notes(["report: escalated_ttr < assigned, removed"]),
        case("it stays removed while nothing is new", removed(&["assigned"]), ext().files([]), int()).does_nothing(),
        case("a new line makes another", removed(&["new"]), ext().files([]), int())
            .writes(["write the report"])
            .notes(["report: assigned < new, removed"]),
        case(
            "a solution that changes does not",
            agreed("resolved", "resolved").documented(
                DocumentKind::Report,
                &["resolved"],
                &["resolved"],
                Some(CopyState::RemovedByPerson),
            ),
            ext().status("resolved").files([]),
            int().status("resolved").with("solution", "rebooted"),
        )
        .notes(["report: resolved (rebooted), removed"]),
        case(
            "a person renames or changes the report: it is left so until a new line",
            link().reported(&["assigned"]),
            ext().files([report(500).holding("mine")]),
            int(),
        )
        .does_nothing(),
        case("a rewrite without an answer may land late: the report is looked at again", again(NOW + 7), ext(), int())
            .looks_again_at(NOW + 7),
        case("once that has settled it is written once more", again(NOW), ext(), int())
            .writes(["rewrite the report 500"]),
        case("a new line does not wait for it", again(NOW + 7), ext(), int().status("escalated_ttr"))
            .writes(["rewrite the report 500"])
            .notes(["report: escalated_ttr < assigned, stands"])
            .looks_again_at(NOW + 7),
    ]
}

fn without_a_report() -> Vec<Case> {
    [StatusToExternal::Off, StatusToExternal::Apply]
        .map(|way| {
            case(&format!("{way:?} makes no report"), link(), ext().files([]), int())
                .policy(|policy| policy.status_to_external = way)
                .does_nothing()
        })
        .into()
}

pub fn notices() -> Vec<Case> {
    let to = |state: &str| {
        format!("R-1 went to {state} outside; the internal ticket stands at closed and no stimulus leads there")
    };
    let reopened = |link| case("", link, ext().with("last_update", "2026-03-01 10:00:00"), int().status("closed"));
    let named = |mut case: Case, name: &str| {
        case.name = name.to_owned();
        case.conflict(&format!("status: {}", to("assigned")))
    };
    let closed = || agreed("closed", "closed");
    let says =
        |state| closed().conflicting_over(&to("assigned")).documented(DocumentKind::Notice, &["assigned"], &[], state);
    let rejected = |inside: &str| {
        format!("R-1 went to rejected outside; the internal ticket stands at {inside} and no stimulus leads there")
    };
    vec![
        named(reopened(closed()), "a re-opening that the closed inside cannot follow makes a notice there, with its time")
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened at 2026-03-01 10:00:00"]),
        named(reopened(closed().conflicting_over(&to("assigned")).noticed(&["assigned"])), "it is told once").does_nothing(),
        named(reopened(closed().noticed(&["assigned"])), "a second re-opening, after the first ended, is told again")
            .writes(["rewrite the notice 500"])
            .notes(["notice: assigned re-opened at 2026-03-01 10:00:00 < assigned, stands"]),
        named(reopened(says(None)), "a notice that was refused is written at the next look").writes(["write the notice"]),
        case("a refusal is told once, wherever the inside goes meanwhile", agreed("waiting_for_approval", "assigned").conflicting_over(&rejected("assigned")).noticed(&["rejected"]), ext().status("rejected"), int().status("pending"))
            .conflict(&format!("status: {}", rejected("pending"))),
        case("a refusal that follows another conflict is told", agreed("new", "assigned").conflicting_over("R-1 went to waiting_for_approval outside; the internal ticket stands at assigned and no stimulus leads there"), ext().status("rejected"), int())
            .writes(["write the notice"])
            .notes(["notice: rejected"])
            .conflict(&format!("status: {}", rejected("assigned"))),
        case("where the inside cannot follow a move that is neither, no notice is made", agreed("new", "new"), ext().status("waiting_for_approval"), int().status("new"))
            .policy(|policy| policy.internal_lifecycle = lifecycle("Incident"))
            .conflict("status: R-1 went to waiting_for_approval outside; the internal ticket stands at new and no stimulus leads there"),
        case("a re-opening that is followed needs no notice", agreed("resolved", "resolved"), ext(), int().status("resolved"))
            .writes(["walk to assigned: resolved ev_reopen(agent_id=8 own, org_id=3 own, team_id=5 own) assigned"]),
        case("a notice in doubt is looked for after the re-opening ended", link().documented(DocumentKind::Notice, &["assigned"], &[], Some(CopyState::InDoubt { until_ms: NOW + 9 })), ext(), int().files([]))
            .looks_again_at(NOW + 9),
    ]
}
