//! Dates that cross: the same instant on two clocks.

use crate::fixtures::*;
use crate::{Case, case};

const JAKARTA: &str = "2026-12-01 08:00:00";
const PARIS: &str = "2026-12-01 02:00:00";

pub fn fields() -> Vec<Case> {
    let bridged = |link: itop_bridge_core::Link| link.with(|link| link.field_agreed("end_date", JAKARTA, PARIS));
    let with_end = |case: Case| case.policy(|policy| policy.fields.push("end_date".into()));
    vec![
        with_end(case(
            "a date is written as the other clock shows that instant",
            link(),
            ext().date("end_date", JAKARTA, PARIS),
            int().with("end_date", ""),
        ))
        .writes([r#"update end_date="2026-12-01 02:00:00""#]),
        with_end(case(
            "the same instant on both clocks is agreed on",
            link(),
            ext().date("end_date", JAKARTA, PARIS),
            int().with("end_date", PARIS),
        ))
        .notes([r#"end_date agreed on "2026-12-01 08:00:00" and "2026-12-01 02:00:00""#]),
        with_end(case(
            "a date that stands is left alone, whatever the zones are now",
            bridged(link()),
            ext().date("end_date", JAKARTA, "2026-12-01 09:00:00"),
            int().with("end_date", PARIS),
        ))
        .does_nothing(),
        with_end(case(
            "a date whose zone is not known waits, and all else crosses",
            link(),
            ext().date_unknown_abroad("end_date", JAKARTA).title("B"),
            int().with("end_date", ""),
        ))
        .writes([r#"update title="[R-1] B""#])
        .conflict("end_date: the zone is not known"),
        with_end(case(
            "a date that stands waits for nothing",
            bridged(link()),
            ext().date_unknown_abroad("end_date", JAKARTA),
            int().with("end_date", PARIS),
        ))
        .does_nothing(),
        with_end(case(
            "a date that cannot be read outside is not emptied inside",
            bridged(link()),
            ext().date_unread("end_date").title("B"),
            int().with("end_date", PARIS),
        ))
        .writes([r#"update title="[R-1] B""#])
        .conflict("end_date: the format is not known"),
        with_end(case(
            "a date that cannot be read inside is not written again",
            bridged(link()),
            ext().date("end_date", "2026-12-02 08:00:00", "2026-12-02 02:00:00"),
            int().date_unread("end_date"),
        ))
        .writes([])
        .conflict("end_date: the format is not known"),
        with_end(case(
            "a counterpart is made without the date that waits",
            without_counterpart(),
            ext().date_unknown_abroad("end_date", JAKARTA),
            itop_bridge_core::Reading::NotCreated,
        ))
        .writes([r#"create UserRequest title="[R-1] A" description=html"<p>d</p>" impact="1" urgency="2" agent_id="9" caller_id="6" org_id="3" service_id="2" team_id="5""#]),
    ]
}

pub fn stimuli() -> Vec<Case> {
    let validated = || {
        link().with(|link| {
            link.ancestor.external.status = "new".into();
            link.ancestor.internal.status = "new".into();
        })
    };
    let validate = |case: Case| case.policy(|policy| changes_policy(policy, "NormalChange"));
    vec![
        validate(case(
            "a stimulus tells a date by the other clock",
            validated(),
            ext().status("validated").date("acceptance_date", JAKARTA, PARIS).with("acceptance_comment", "yes"),
            int().status("new"),
        ))
        .writes(["walk to validated: new ev_validate(acceptance_comment=yes source, acceptance_date=2026-12-01 02:00:00 source, caller_id=6 own, team_id=5 own) validated"]),
        validate(case(
            "a walk waits for a date that it has to tell",
            validated(),
            ext().status("validated").date_unknown_abroad("acceptance_date", JAKARTA).title("B"),
            int().status("new"),
        ))
        .writes([r#"update title="[R-1] B""#])
        .conflict("status: the zone is not known"),
    ]
}
