//! The report of the provider's states to the external ticket, and the notice of a move outside that the
//! inside cannot follow.

use itop_bridge_core::Side;
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::link::CopyState;
use itop_bridge_core::policy::{StatusToExternal, StatusToInternal};

use crate::fixtures::*;
use crate::{Case, case};

const STANDS: Option<CopyState> = Some(CopyState::Stands(500));

pub fn reports() -> Vec<Case> {
    let rows = [lines(), reasons(), solutions(), of_an_earlier_version(), the_file()];
    let mut rows: Vec<Case> = rows.into_iter().flatten().collect();
    for row in &mut rows {
        row.policy.status_to_external = StatusToExternal::Report;
    }
    rows.extend(without_a_report());
    rows.extend(no_longer_kept());
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
        .notes(["report: new at 2026-03-01 09:00:00"]),
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
            .notes(["report: closed seen < assigned, stands"]),
        row(
            "a state that comes again is another line",
            stands("assigned").reported(&["pending", "assigned"]),
            at("assigned"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen < pending < assigned, stands"]),
        case(
            "a time that an earlier line showed is not told of a later one",
            link().reported_at("assigned", "2026-03-01 09:00:00", &["pending"]),
            ext(),
            int().with("assignment_date", "2026-03-01 09:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen < pending < assigned at 2026-03-01 09:00:00, stands"]),
        case(
            "a time before what was told last is not told: the ticket keeps that of its first assignment",
            link().reported_at("pending", "2026-03-01 10:00:00", &[]),
            ext(),
            int().with("assignment_date", "2026-03-01 09:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen < pending at 2026-03-01 10:00:00, stands"]),
        case("an escalation is a line", link().reported(&["assigned"]), ext(), int().status("escalated_ttr"))
            .writes(["rewrite the report 500"])
            .notes(["report: escalated_ttr seen < assigned, stands"]),
        case(
            "the solution is told when it is resolved",
            stands("resolved").reported(&["assigned"]),
            ext().status("resolved"),
            int().status("resolved").with("solution", "rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved seen (rebooted) < assigned, stands"]),
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
            .notes(["report: pending seen < assigned, stands"]),
        row("a class without a lifecycle has no state to tell", link(), (ext(), int().status("")))
            .policy(|policy| policy.internal_lifecycle = None)
            .does_nothing(),
    ]
}

/// Why the ticket is pending.
fn reasons() -> Vec<Case> {
    let pending = |reason: &str| int().status("pending").with("pending_reason", reason);
    let says = |reason: &str| {
        agreed("assigned", "pending").reported_line(|line| line.reason = Some(reason.to_owned()), "pending")
    };
    let brought =
        || agreed("pending", "pending").reported_line(|line| line.reason_of_ours = Some("ours".into()), "pending");
    let is_outside = |reason: &str| ext().status("pending").with("pending_reason", reason);
    vec![
        case("the reason is told with the state", link().reported(&["assigned"]), ext(), pending("parts"))
            .writes(["rewrite the report 500"])
            .notes(["status assigned and pending", "report: pending seen since \"parts\" < assigned, stands"]),
        case("a blank one is none", link().reported(&["assigned"]), ext(), pending(" \n "))
            .writes(["rewrite the report 500"])
            .notes(["status assigned and pending", "report: pending seen < assigned, stands"]),
        case("it is told once", says("parts"), ext(), pending("parts")).does_nothing(),
        case(
            "one that is worded anew while the ticket waits is told in its place",
            says("parts"),
            ext(),
            pending("more parts"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: pending seen since \"more parts\", stands"]),
        case("one that is emptied is told no more", says("parts"), ext(), pending(""))
            .writes(["rewrite the report 500"])
            .notes(["report: pending seen, stands"]),
        case(
            "that of an earlier time is not told of another state",
            link().reported(&["new"]),
            ext(),
            int().with("pending_reason", "parts"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen < new, stands"]),
        case("and an earlier line keeps its own", says("parts"), ext(), int().with("pending_reason", "else"))
            .writes(["rewrite the report 500"])
            .notes(["status assigned and assigned", "report: assigned seen < pending seen since \"parts\", stands"]),
        case(
            "what the bridge wrote as it followed the customer is no agent's word",
            agreed("pending", "pending").reported(&["assigned"]),
            is_outside("ours"),
            pending("ours"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: pending seen < assigned, stands"]),
        case(
            "nor where that stimulus was not answered",
            link().reported(&["assigned"]).late_status("pending", NOW),
            is_outside("ours"),
            pending("ours"),
        )
        .writes(["rewrite the report 500"])
        .notes(["status pending and pending", "report: pending seen < assigned, stands", "settled: pending"]),
        case("it stays untold while it stands", brought(), is_outside("ours"), pending("ours")).does_nothing(),
        case("also once the customer goes on", brought(), ext(), pending("ours"))
            .writes(["walk to assigned: pending ev_assign(agent_id=8 own, org_id=3 own, team_id=5 own) assigned"]),
        case("what an agent writes over it is told", brought(), is_outside("ours"), pending("parts"))
            .writes(["rewrite the report 500"])
            .notes(["report: pending seen since \"parts\", stands"]),
        case("the customer's words that arrive later are not", brought(), is_outside("theirs"), pending("theirs"))
            .notes(["report: pending seen, stands"]),
        case(
            "an agent who moves it at the same time is heard",
            link().reported(&["assigned"]),
            is_outside("ours"),
            pending("parts"),
        )
        .writes(["rewrite the report 500"])
        .notes(["status pending and pending", "report: pending seen since \"parts\" < assigned, stands"]),
        case(
            "a change has none",
            agreed("assigned", "assigned").reported(&["new"]),
            ext(),
            int().with("pending_reason", "parts").with("solution", "done"),
        )
        .policy(|policy| policy.internal_lifecycle = lifecycle("NormalChange"))
        .writes(["rewrite the report 500"])
        .notes(["report: assigned seen < new, stands"]),
    ]
}

/// The solution, in one place.
fn solutions() -> Vec<Case> {
    let closed = |solution: &str| int().status("closed").with("solution", solution);
    let ended = |says: &[(&str, &str)]| agreed("closed", "closed").solved(says);
    vec![
        case(
            "it is not told again when the ticket is closed",
            ended(&[("resolved", "rebooted")]),
            ext().status("closed"),
            closed("rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: closed seen < resolved (rebooted), stands"]),
        case(
            "one that comes with the closing is told there",
            ended(&[("resolved", "")]),
            ext().status("closed"),
            closed("rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: closed seen (rebooted) < resolved, stands"]),
        case(
            "one that is written anew is told where the first stood",
            ended(&[("closed", ""), ("resolved", "rebooted")]),
            ext().status("closed"),
            closed("replaced"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: closed < resolved (replaced), stands"]),
        case(
            "one that is taken back is told no more",
            ended(&[("closed", ""), ("resolved", "rebooted")]),
            ext().status("closed"),
            closed(""),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: closed < resolved, stands"]),
        case(
            "of a ticket that is resolved once more the same is told with the newest",
            agreed("resolved", "resolved").solved(&[("assigned", ""), ("resolved", "rebooted")]),
            ext().status("resolved"),
            int().status("resolved").with("solution", "rebooted"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved seen (rebooted) < assigned < resolved, stands"]),
        case(
            "another is told beside the first",
            agreed("resolved", "resolved").solved(&[("assigned", ""), ("resolved", "rebooted")]),
            ext().status("resolved"),
            int().status("resolved").with("solution", "replaced"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved seen (replaced) < assigned < resolved (rebooted), stands"]),
    ]
}

/// The lines of a store of before have no time at which they were seen, no reason, and the solution twice. They are
/// written anew when there is another state to tell, and not before.
fn of_an_earlier_version() -> Vec<Case> {
    let twice = || agreed("closed", "closed").solved(&[("closed", "rebooted"), ("resolved", "rebooted")]);
    vec![
        case(
            "a reason is not added to a line that is told",
            agreed("assigned", "pending").reported(&["pending", "new"]),
            ext(),
            int().status("pending").with("pending_reason", "parts").with("start_date", "2026-03-01 09:00:00"),
        )
        .notes(["made internal at 2026-03-01 09:00:00"]),
        case(
            "a solution that stands twice is left",
            twice(),
            ext().status("closed"),
            int().status("closed").with("solution", "rebooted"),
        )
        .does_nothing(),
        case("until it changes", twice(), ext().status("closed"), int().status("closed").with("solution", "replaced"))
            .writes(["rewrite the report 500"])
            .notes(["report: closed < resolved (replaced), stands"]),
        case(
            "the next state brings the time of the first",
            agreed("assigned", "assigned").reported(&["new"]),
            ext(),
            int().with("start_date", "2026-03-01 09:00:00").with("assignment_date", "2026-03-01 10:00:00"),
        )
        .writes(["rewrite the report 500"])
        .notes([
            "made internal at 2026-03-01 09:00:00",
            "report: assigned at 2026-03-01 10:00:00 < new at 2026-03-01 09:00:00, stands",
        ]),
    ]
}

/// `status_to_external` no longer says that the report is kept.
fn no_longer_kept() -> Vec<Case> {
    let over = || {
        link().with(|link| {
            let lines = vec![Line::last(NOW), Line::of("new")];
            let (holds, state) = (Some(lines.clone()), STANDS);
            link.keep_document(Document { lines, holds, state, ..Document::new(DocumentKind::Report) });
        })
    };
    let off = |row: Case| row.policy(|policy| policy.status_to_external = StatusToExternal::Off);
    let report = |row: Case| row.policy(|policy| policy.status_to_external = StatusToExternal::Report);
    let says = |state| link().documented(DocumentKind::Report, &["new"], &["new"], state);
    let doubt = |until_ms| says(Some(CopyState::InDoubt { until_ms }));
    vec![
        off(case("a report that says the state is left alone", link().reported(&["assigned"]), ext(), int()))
            .does_nothing(),
        off(case("one that would grow stale says that it ends", link().reported(&["new"]), ext(), int()))
            .writes(["rewrite the report 500"])
            .notes(["report: over seen < new, stands"]),
        off(case("that is said once", over(), ext(), int().status("assigned"))).does_nothing(),
        off(case("none is made for it", says(None), ext(), int())).does_nothing(),
        off(case("nor where a person removed it", says(Some(CopyState::RemovedByPerson)), ext().files([]), int()))
            .does_nothing(),
        off(case(
            "one that seemed to be removed, and is there, says it",
            says(Some(CopyState::RemovedByPerson)),
            ext().files([crate::fixtures::report(500)]),
            int(),
        ))
        .writes(["rewrite the report 500"])
        .notes(["report: over seen < new, stands"]),
        off(case("nor where it is found removed", says(STANDS), ext().files([]), int()))
            .notes(["report: new, removed"]),
        off(case("nor where it never arrived", doubt(NOW), ext().files([]), int())).notes(["report: over seen < new"]),
        off(case(
            "one in doubt that arrives says it",
            doubt(NOW + 500),
            ext().files([crate::fixtures::report(500)]),
            int(),
        ))
        .writes(["rewrite the report 500"])
        .notes(["report: over seen < new, stands"]),
        report(case("one that is kept again tells the state", over(), ext(), int()))
            .writes(["rewrite the report 500"])
            .notes(["report: assigned seen < new, stands"]),
    ]
}

/// What becomes of the file.
fn the_file() -> Vec<Case> {
    let says = |state| link().documented(DocumentKind::Report, &["assigned"], &[], state);
    let doubt = |until_ms| says(Some(CopyState::InDoubt { until_ms }));
    let removed = |says: &[&str]| link().documented(DocumentKind::Report, says, says, Some(CopyState::RemovedByPerson));
    let again = |at: i64| link().reported(&["assigned"]).with(|link| link.files.documents[0].again_at_ms = Some(at));
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
        .notes(["report: escalated_ttr seen < assigned, in doubt"])
        .looks_again_at(NOW + 500),
        case("a report that the store does not know is found by its mark", link(), ext().files([report(500)]), int())
            .writes(["rewrite the report 500"])
            .notes(["report: assigned seen, stands"]),
        case("a notice is no report", link(), ext().files([notice(500)]), int())
            .writes(["write the report"])
            .notes(["report: assigned seen"]),
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
        .notes(["report: escalated_ttr seen < assigned, removed"]),
        case("it stays removed while nothing is new", removed(&["assigned"]), ext().files([]), int()).does_nothing(),
        case("a new line makes another", removed(&["new"]), ext().files([]), int())
            .writes(["write the report"])
            .notes(["report: assigned seen < new, removed"]),
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
            "of two, the later was made while the earlier was hidden, and stays the report",
            link().documented(DocumentKind::Report, &["assigned"], &["assigned"], Some(CopyState::Stands(600))),
            ext().files([report(500), report(600)]),
            int(),
        )
        .does_nothing(),
        case(
            "a report that seemed to be removed, and is there, is written into",
            agreed("resolved", "resolved").documented(
                DocumentKind::Report,
                &["resolved"],
                &["resolved"],
                Some(CopyState::RemovedByPerson),
            ),
            ext().status("resolved").files([report(500)]),
            int().status("resolved"),
        )
        .writes(["rewrite the report 500"])
        .notes(["report: resolved, stands"]),
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
            .notes(["report: escalated_ttr seen < assigned, stands"])
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
        format!(
            "R-1 went to {state} in the external iTop; the internal ticket stands at closed and no stimulus leads there"
        )
    };
    // As an earlier version stored it.
    let before = |words: &str| words.replace("in the external iTop", "outside");
    let reopened = |link| case("", link, ext().with("last_update", "2026-03-01 10:00:00"), int().status("closed"));
    let named = |mut case: Case, name: &str| {
        case.name = name.to_owned();
        case.conflict(&format!("status: {}", to("assigned")))
    };
    let closed = || agreed("closed", "closed");
    let says = |state| {
        closed().conflicting_over(&before(&to("assigned"))).documented(DocumentKind::Notice, &["assigned"], &[], state)
    };
    let rejected = |inside: &str| {
        format!(
            "R-1 went to rejected in the external iTop; the internal ticket stands at {inside} and no stimulus leads there"
        )
    };
    vec![
        named(reopened(closed()), "a re-opening that the closed inside cannot follow makes a notice there, with its time")
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened at 2026-03-01 10:00:00"]),
        named(reopened(closed().conflicting_over(&before(&to("assigned"))).noticed(&["assigned"])), "it is told once").does_nothing(),
        named(reopened(closed().cannot_follow(Side::External, "assigned").noticed(&["assigned"])), "it is told once, whatever the conflict's words").does_nothing(),
        named(reopened(closed().cannot_follow(Side::Internal, "assigned")), "the other side's move is another conflict")
            .writes(["write the notice"])
            .notes(["notice: assigned re-opened at 2026-03-01 10:00:00"]),
        named(reopened(closed().noticed(&["assigned"])), "a second re-opening, after the first ended, is told again")
            .writes(["rewrite the notice 500"])
            .notes(["notice: assigned re-opened at 2026-03-01 10:00:00 < assigned, stands"]),
        named(reopened(says(None)), "a notice that was refused is written at the next look").writes(["write the notice"]),
        case("a refusal is told once, wherever the inside goes meanwhile", agreed("waiting_for_approval", "assigned").conflicting_over(&before(&rejected("assigned"))).noticed(&["rejected"]), ext().status("rejected"), int().status("pending"))
            .conflict(&format!("status: {}", rejected("pending"))),
        case("a refusal is told once, whatever the conflict's words", agreed("waiting_for_approval", "assigned").cannot_follow(Side::External, "rejected").noticed(&["rejected"]), ext().status("rejected"), int().status("pending"))
            .conflict(&format!("status: {}", rejected("pending"))),
        case("a refusal that follows another move is told", agreed("new", "assigned").cannot_follow(Side::External, "waiting_for_approval"), ext().status("rejected"), int())
            .writes(["write the notice"])
            .notes(["notice: rejected"])
            .conflict(&format!("status: {}", rejected("assigned"))),
        case("a refusal that follows another conflict is told", agreed("new", "assigned").conflicting_over("R-1 went to waiting_for_approval outside; the internal ticket stands at assigned and no stimulus leads there"), ext().status("rejected"), int())
            .writes(["write the notice"])
            .notes(["notice: rejected"])
            .conflict(&format!("status: {}", rejected("assigned"))),
        case("where the inside cannot follow a move that is neither, no notice is made", agreed("new", "new"), ext().status("waiting_for_approval"), int().status("new"))
            .policy(|policy| policy.internal_lifecycle = lifecycle("Incident"))
            .conflict("status: R-1 went to waiting_for_approval in the external iTop; the internal ticket stands at new and no stimulus leads there"),
        case("a re-opening that is followed needs no notice", agreed("resolved", "resolved"), ext(), int().status("resolved"))
            .writes(["walk to assigned: resolved ev_reopen(agent_id=8 own, org_id=3 own, team_id=5 own) assigned"]),
        case("a notice in doubt is looked for after the re-opening ended", link().documented(DocumentKind::Notice, &["assigned"], &[], Some(CopyState::InDoubt { until_ms: NOW + 9 })), ext(), int().files([]))
            .looks_again_at(NOW + 9),
    ]
}
