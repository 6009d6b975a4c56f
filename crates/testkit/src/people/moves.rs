//! People's stimuli: from any state, with every field that the form asks for.

use itop_bridge_core::Lifecycles;
use itop_sim::{Sim, Ticket};
use serde_json::{Value as Json, json};

use super::picked;
use crate::world::sample;

/// Applies a stimulus that the present state permits, with every field that its form asks for. Returns whether iTop
/// accepted it.
pub(super) async fn go(sim: &Sim, one: &Ticket, pick: u64, word: &str) -> bool {
    let lifecycles = Lifecycles::built_in();
    let Some(lifecycle) = lifecycles.of(&one.class) else { return false };
    let by_people = |stimulus: &str| lifecycle.stimuli.get(stimulus).is_some_and(|kind| kind == "StimulusUserAction");
    let from_here = lifecycle.transitions.iter().filter(|t| t.from == one.status() && by_people(&t.stimulus));
    let Some(transition) = picked(from_here.collect(), pick) else { return false };
    let fields: serde_json::Map<String, Json> =
        transition.asked().filter_map(|code| Some((code.to_owned(), answer(&one.class, code, word)?))).collect();
    sim.stimulus(one.id, &transition.stimulus, Json::Object(fields)).await.is_ok()
}

/// The value that a person fills into a form; none if the ticket's own value will do.
fn answer(class: &str, code: &str, word: &str) -> Option<Json> {
    Some(match code {
        "team_id" | "supervisor_group_id" | "manager_group_id" => json!(sample::HELPDESK),
        "agent_id" | "supervisor_id" | "manager_id" => json!(9),
        "approver_id" => json!(sample::HUGO),
        "service_id" => json!(sample::SOFTWARE),
        "servicesubcategory_id" => json!(4),
        "resolution_code" => json!("hardware_repair"),
        "user_satisfaction" => json!("2"),
        "outage" => json!("yes"),
        "start_date" => json!("2026-12-01 08:00:00"),
        "end_date" => json!("2026-12-01 18:00:00"),
        _ if code.ends_with("_date") => json!("2026-11-24 10:00:00"),
        "impact" if !class.ends_with("Change") => return None,
        "title" | "description" => return None,
        _ if code.ends_with("_id") => return None,
        _ => json!(word),
    })
}
