//! A parent that is resolved resolves its children (`ResolveChildTickets` of iTop's ITIL model).

use serde_json::json;

use super::Service;
use crate::change::Event;
use crate::config::Version;
use crate::lifecycle::Lifecycle;
use crate::value::{Object, Value};

impl Service<'_> {
    /// Each child of a ticket that was just resolved is resolved with it, and says so in its solution.
    pub(super) fn resolve_children(&mut self, parent: &Object) -> Vec<Event> {
        let links: &[(&str, &str)] = match parent.class.as_str() {
            "UserRequest" => &[("UserRequest", "parent_request_id")],
            "Incident" => &[("UserRequest", "parent_incident_id"), ("Incident", "parent_incident_id")],
            _ => return Vec::new(),
        };
        let is_open = |child: &&Object| !matches!(child.get("status").text(), "resolved" | "closed");
        let children = links.iter().flat_map(|(class, key)| {
            let of_parent = self.world.all(class).filter(|child| child.get(key).key() == parent.id);
            of_parent.filter(is_open).filter(|child| child.id != parent.id)
        });
        let children: Vec<Object> = children.cloned().collect();
        let mut events = Vec::new();
        for child in children {
            let child = self.told_by_parent(child, parent);
            // One whose state knows no such transition stays as it is.
            if let Ok((_, more)) = self.stimulate(child, "ev_autoresolve", &json!({})) {
                events.extend(more);
            }
        }
        events
    }

    /// What the transition asks for is the parent's, where the child has none.
    fn told_by_parent(&self, mut child: Object, parent: &Object) -> Object {
        let state = child.get("status").text().to_owned();
        let transition = Lifecycle::of(&child.class).and_then(|cycle| cycle.transition(&state, "ev_autoresolve"));
        let mandatory = transition.into_iter().flat_map(|transition| &transition.mandatory);
        for code in mandatory.filter(|code| !matches!(code.as_str(), "team_id" | "agent_id")) {
            if child.get(code).is_null() {
                child.set(code, parent.get(code).clone());
            }
        }
        if child.get("team_id").key() == 0 || child.get("agent_id").key() == 0 {
            for code in ["team_id", "agent_id"] {
                child.set(code, parent.get(code).clone());
            }
        }
        let (class, id, reference) = (&parent.class, parent.id, parent.get("ref").text());
        let solution = match self.world.version {
            Version::V3_1 => format!("Automatically resolved from [[{class}:{reference}]]"),
            Version::V3_2 => format!("<p>Automatically resolved from [[{class}:{id}|{reference}]]</p>"),
        };
        child.set("solution", Value::Text(solution));
        child
    }
}
