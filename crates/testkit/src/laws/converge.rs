//! Convergence: the fields and the status of a pair agree, and the one report tells what stands.

use itop_bridge_core::Lifecycles;
use itop_sim::Attachment;

use super::{Judge, Pair};
use crate::history::Place;
use crate::people::{Ground, UNKNOWN_TO_INTERNAL, sim_at, told};

impl<G: Ground> Judge<'_, G> {
    pub(super) fn fields_converge(&mut self, pair: &Pair) {
        let is_change = pair.external.class.ends_with("Change");
        for code in ["title", "description", "urgency"].into_iter().filter(|code| !(is_change && *code == "urgency")) {
            let (external, internal) = (pair.external.field(code), pair.internal.field(code));
            let wanted = match code {
                "title" => format!("[{}] {external}", pair.external.field("ref")),
                _ => told(external),
            };
            let edit = self.memory.internal_edits.get(&(pair.internal.id, code));
            // There are three urgencies, so a value may recur by chance.
            let may_stay = edit.is_some_and(|edit| edit.value == internal && (!edit.is_outdated || code == "urgency"));
            let must_stay = edit.is_some_and(|edit| edit.over_agreement);
            let crossed = match code {
                "description" => self.description_crossed(pair, &told(external), internal),
                "urgency" if external == UNKNOWN_TO_INTERNAL => {
                    pair.stored.link.open.conflicts.iter().any(|conflict| conflict.about == "urgency")
                }
                _ => internal == wanted,
            };
            self.demand(may_stay || crossed, || {
                format!(
                    "convergence: {code} of {:?}: {external:?} in the external, {internal:?} in the internal",
                    pair.key()
                )
            });
            self.demand(may_stay || !must_stay, || {
                format!("ownership: {code} of {:?}: {edit:?} in the internal became {internal:?}", pair.key())
            });
        }
    }

    /// An image crosses in the text, or as a file that the text names; a text that is too long is cut, and its file
    /// has all of it.
    fn description_crossed(&self, pair: &Pair, external: &str, internal: &str) -> bool {
        let stands = |kind: &str, key: &str, holds: &dyn Fn(&Attachment) -> bool| {
            let mark = format!("{}:external:{kind}:{key}", pair.token());
            let files = self.marked(sim_at(self.world, Place::Elitery), &mark);
            let removed = self.removed(&mark) && files.is_empty();
            removed || files.len() == 1 && files[0].item_id == pair.internal.id && holds(&files[0])
        };
        if internal.contains("[cut here: ") {
            let words = external.trim_start_matches("<p>").trim_end_matches("</p>");
            return stands("text", "description", &|file| String::from_utf8_lossy(&file.data).contains(words));
        }
        let Some((word, image)) = external.split_once("<img ") else { return internal == external };
        let id = image.split_once("&amp;id=").and_then(|(_, rest)| rest.split_once("&amp;s=")).map_or("", |(id, _)| id);
        let named = internal.contains(&format!(" image {id}.png\"]"));
        let shown = internal.contains("<img src=\"data:image/png;base64,");
        internal.starts_with(word) && (shown || named && stands("image", id, &|file| file.data.len() == 5_000))
    }

    pub(super) fn status_follows(&mut self, pair: &Pair) {
        let (external, internal) = (pair.external.status(), pair.internal.status());
        let conflict = pair.stored.link.open.conflicts.iter().any(|conflict| conflict.about == "status");
        let lifecycles = Lifecycles::built_in();
        let lifecycle = lifecycles.of(&pair.external.class).expect("a class of the lifecycle");
        let moved_in_internal = self.memory.moved_by_people.contains(&(Place::Elitery, pair.internal.id));
        let caught_up = moved_in_internal && lifecycle.rank(internal) > lifecycle.rank(external);
        let is_free = moved_in_internal && !self.scene.applies;
        self.demand(conflict || external == internal || caught_up || is_free, || {
            format!(
                "convergence: the status of {:?}: {external} in the external, {internal} in the internal",
                pair.key()
            )
        });
        if !self.scene.applies {
            let moved = self.memory.moved_by_people.contains(&pair.key());
            self.demand(moved || external == lifecycle.initial, || {
                format!("ownership: {:?} was driven to {external}", pair.key())
            });
        }
    }

    pub(super) fn one_report(&mut self, pair: &Pair) {
        let mark = format!("{}:internal:status:report", pair.token());
        let reports = self.marked(sim_at(self.world, pair.place), &mark);
        let removed = self.removed(&mark);
        let most = usize::from(!self.scene.applies);
        self.demand(reports.len() == most || removed && reports.is_empty(), || {
            format!("report: {} of {:?}", reports.len(), pair.key())
        });
        self.are_on(&reports, &pair.external);
        let state = format!(" {}.txt", pair.internal.status());
        for report in reports.iter().filter(|_| !removed) {
            self.demand(report.filename.ends_with(&state), || {
                format!("report: {} of {:?}, which is{state}", report.filename, pair.key())
            });
            self.says_what_agents_said(pair, report);
        }
    }

    /// The report gives the reason why the ticket is pending, unless the bridge brought that text in; and the
    /// solution, in one place.
    fn says_what_agents_said(&mut self, pair: &Pair, report: &Attachment) {
        let text = String::from_utf8_lossy(&report.data);
        let (reason, solution) =
            (pair.internal.field("pending_reason"), itop_bridge_text::html::log_text(pair.internal.field("solution")));
        let is_an_agents = pair.internal.status() == "pending"
            && !reason.is_empty()
            && reason != pair.external.field("pending_reason")
            && self.memory.moved_by_people.contains(&(Place::Elitery, pair.internal.id))
            && !self.memory.moved_by_people.contains(&pair.key());
        self.demand(!is_an_agents || text.contains(&format!("\n  {reason}\n")), || {
            format!("report: {:?} is pending, since {reason:?}, and it says {text:?}", pair.key())
        });
        let is_end = matches!(pair.internal.status(), "resolved" | "closed");
        let told = text.matches(&format!("\n  {}\n", solution.trim())).count();
        self.demand(!is_end || solution.trim().is_empty() || told == 1, || {
            format!("report: the solution {solution:?} of {:?} is told {told} times in {text:?}", pair.key())
        });
    }
}
