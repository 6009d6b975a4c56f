//! The laws, checked once all faults have ended and the queue is empty. Each breach is a sentence.

use std::collections::BTreeMap;

use itop_bridge_core::mark::{FileKind, FileMark, is_made_by_a_bridge};
use itop_bridge_core::{Lifecycles, Side};
use itop_bridge_store::{LinkState, Stored};
use itop_sim::{Attachment, Sim, Ticket};

use crate::history::{Place, Scene};
use crate::people::{Ground, Memory, Outside, SECRET_ID, Spoken, UNKNOWN_INSIDE, mark_of, name, sim_at, told};

/// A customer's ticket, its copy and the bridge's link of the two.
struct Pair {
    outside: Ticket,
    inside: Ticket,
    place: Place,
    stored: Stored,
}

impl Pair {
    fn key(&self) -> Outside {
        (self.place, self.outside.id)
    }

    /// The prefix of the marks of its files.
    fn token(&self) -> String {
        format!("itop-bridge:7f3a:{}:{}:{}", name(self.place), self.outside.class, self.outside.id)
    }
}

struct Judge<'a, G> {
    world: &'a G,
    memory: &'a Memory,
    scene: &'a Scene,
    breaches: Vec<String>,
}

pub async fn breaches<G: Ground>(world: &G, memory: &Memory, scene: &Scene) -> Vec<String> {
    let mut judge = Judge { world, memory, scene, breaches: Vec::new() };
    let links = world.links().await;
    judge.nothing_of_the_provider_goes_out();
    judge.no_text_is_written_outside();
    judge.no_link_crosses();
    judge.what_was_said_on_a_ticket_of_the_providers_own_stays();
    if scene.restored.is_some() {
        judge.nothing_is_there_twice(&links);
        judge.no_entry_is_there_twice();
        judge.what_stands_was_carried(&links);
        return judge.breaches;
    }
    judge.a_deleted_ticket_takes_no_copy_with_it();
    for pair in judge.pairs(links) {
        judge.fields_converge(&pair);
        judge.status_follows(&pair);
        judge.one_report(&pair);
        judge.files_converge(&pair);
        judge.entries_cross_once(&pair);
    }
    judge.breaches
}

impl<G: Ground> Judge<'_, G> {
    fn demand(&mut self, holds: bool, breach: impl FnOnce() -> String) {
        if !holds {
            self.breaches.push(breach());
        }
    }

    /// Checks that each ticket has one copy; returns the pairs of which both tickets exist.
    fn pairs(&mut self, links: Vec<Stored>) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut links: BTreeMap<(String, u64), Stored> =
            links.into_iter().map(|stored| ((stored.external_name.clone(), stored.link.external.id), stored)).collect();
        for &(place, id) in self.memory.born.keys().filter(|(place, _)| *place != Place::Elitery) {
            let is_copy =
                |ticket: &Ticket| mark_of(ticket).is_some_and(|mark| (mark.external, mark.ticket) == (name(place), id));
            let mut copies: Vec<Ticket> =
                sim_at(self.world, Place::Elitery).tickets("Ticket").into_iter().filter(is_copy).collect();
            let gone = |place, id| self.memory.deleted_tickets.contains(&(place, id));
            let stands_still = |stored: &Stored| stored.link.halt.is_some() || stored.state != LinkState::Live;
            self.demand(copies.len() <= 1, || format!("no duplicates: {} copies of {place:?} {id}", copies.len()));
            let stored = links.remove(&(name(place), id));
            let inside_known = stored.as_ref().and_then(|stored| stored.link.internal.as_ref()).map(|key| key.id);
            if gone(place, id) || inside_known.is_some_and(|id| gone(Place::Elitery, id)) {
                let halts = inside_known.is_none() || stored.as_ref().is_some_and(stands_still);
                self.demand(halts, || format!("halt: {place:?} {id} goes on without one of its tickets"));
                continue;
            }
            let Some(stored) = stored else {
                self.breaches.push(format!("no loss: {place:?} {id} has no link"));
                continue;
            };
            let halt = stored.link.halt.as_ref().map(|halt| halt.text.clone());
            let halt = halt.or_else(|| stored.link.halted_logs().next().map(|(_, halt)| format!("log: {halt:?}")));
            // If everything else that identifies it has changed too, a corrected ticket cannot be told from another
            // one; nor can one that was corrected while hidden: the bridge halts rather than guess.
            let is_corrected = |place, id| self.memory.corrected.contains(&(place, id));
            let doubts = ["is another ticket now", "is no longer there"];
            let is_in_doubt = halt.as_ref().is_some_and(|halt| doubts.iter().any(|doubt| halt.contains(doubt)))
                && (is_corrected(place, id) || inside_known.is_some_and(|id| is_corrected(Place::Elitery, id)));
            if is_in_doubt {
                continue;
            }
            if let Some(halt) = halt {
                self.breaches.push(format!("halted without a reason: {place:?} {id}: {halt}"));
                continue;
            }
            let (Some(inside), Some(outside)) = (copies.pop(), sim_at(self.world, place).ticket(id)) else {
                self.breaches.push(format!("no loss: {place:?} {id} has no copy"));
                continue;
            };
            pairs.push(Pair { outside, inside, place, stored });
        }
        pairs
    }

    fn nothing_of_the_provider_goes_out(&mut self) {
        for place in [Place::Acme, Place::Beta] {
            if place == Place::Beta && !self.scene.has_beta {
                continue;
            }
            for ticket in sim_at(self.world, place).tickets("Ticket") {
                self.demand(self.memory.born.contains_key(&(place, ticket.id)), || {
                    format!("ownership: the bridge made {} at {place:?}", ticket.field("ref"))
                });
            }
        }
    }

    /// In an external the bridge creates only files; if it drives the status, it also writes what a stimulus asks
    /// for.
    fn no_text_is_written_outside(&mut self) {
        for place in self.scene.places().iter().filter(|place| **place != Place::Elitery) {
            let calls = sim_at(self.world, *place).calls().into_iter();
            let writes = calls.filter(|call| call.is_write() && call.class != "Attachment");
            for write in writes {
                let json = &write.json;
                let driven = self.scene.applies && write.operation != "core/create";
                let texts = ["title", "description", "private_log", "public_log"].map(|code| format!("\"{code}\":"));
                let says_more = texts.iter().any(|code| json.contains(code.as_str()));
                self.demand(driven && !says_more, || format!("ownership: at {place:?} the bridge wrote {json}"));
            }
        }
    }

    /// No iTop's links reach another, in a field or in a file.
    fn no_link_crosses(&mut self) {
        for place in self.scene.places() {
            let sim = sim_at(self.world, *place);
            let calls = sim.calls_containing(SECRET_ID);
            let write = calls.into_iter().find(|call| call.is_write());
            self.demand(write.is_none(), || format!("words: {place:?} was told of a link: {write:?}"));
            let made = sim.all_attachments().into_iter().filter(|file| is_made_by_a_bridge(&file.temp_id));
            let file = made.into_iter().find(|file| String::from_utf8_lossy(&file.data).contains(SECRET_ID));
            self.demand(file.is_none(), || format!("words: {place:?} was told of a link in {file:?}"));
        }
    }

    /// This holds wherever iTop copied the entry. If iTop has lost the entry itself, its copy cannot be told from an
    /// entry of the child's own.
    fn what_was_said_on_a_ticket_of_the_providers_own_stays(&mut self) {
        let stands = |spoken: &&Spoken| {
            let ticket = sim_at(self.world, spoken.at).ticket(spoken.ticket);
            ticket.is_some_and(|ticket| ticket.log("private_log").iter().any(|entry| entry.html.contains(&spoken.word)))
        };
        let said: Vec<&Spoken> = self.memory.spoken.iter().filter(|spoken| spoken.stays).filter(stands).collect();
        for spoken in said {
            let outside = self.scene.places().iter().filter(|place| **place != Place::Elitery);
            let files = outside.flat_map(|place| sim_at(self.world, *place).all_attachments());
            let times: usize = files.map(|file| spoken.times_in(&String::from_utf8_lossy(&file.data))).sum();
            self.demand(times == 0, || {
                format!("ownership: {} was said on {} of the provider's own, and went out", spoken.word, spoken.ticket)
            });
        }
    }

    /// A person's entry crosses once, even if the file that carried it was lost.
    fn no_entry_is_there_twice(&mut self) {
        for spoken in &self.memory.spoken {
            let Spoken { at, ticket, word, .. } = spoken;
            let others = self.scene.places().iter().filter(|place| *place != at);
            let times: usize = others
                .flat_map(|place| files_of_tickets(sim_at(self.world, *place)))
                .filter(|file| file.temp_id.contains(":log:"))
                .map(|file| spoken.times_in(&String::from_utf8_lossy(&file.data)))
                .sum();
            self.demand(times <= spoken.most(), || {
                format!("no duplicates: {word} of {at:?} {ticket} crossed {times} times")
            });
        }
    }

    fn a_deleted_ticket_takes_no_copy_with_it(&mut self) {
        for left in &self.memory.left_standing {
            let went_too = self.memory.deleted_tickets.contains(&(left.on, left.ticket));
            let stands = sim_at(self.world, left.on).attachment(left.file).is_some();
            self.demand(went_too || stands, || format!("ownership: {left:?} went with a ticket that somebody deleted"));
        }
    }

    /// The laws that remain if a restored backup lost people's deeds.
    ///
    /// A copy whose original the backup lacks stays, and so do files made for a counterpart that is gone: the
    /// original's id may be another file's by now.
    fn nothing_is_there_twice(&mut self, links: &[Stored]) {
        let left_behind = links.iter().flat_map(|stored| stored.link.left_behind.clone());
        let left_behind = left_behind.map(|file| (Side::External, file));
        let orphaned = links.iter().flat_map(|stored| stored.link.orphaned.clone());
        let stays: Vec<(Side, u64)> = orphaned.chain(left_behind).collect();
        for place in self.scene.places() {
            let side = if *place == Place::Elitery { Side::Internal } else { Side::External };
            let files = files_of_tickets(sim_at(self.world, *place)).into_iter();
            let files = files.filter(|file| !stays.contains(&(side, file.id)));
            let mut marks: Vec<String> = files.map(|file| file.temp_id).collect();
            marks.retain(|mark| mark.starts_with("itop-bridge:") && !mark.contains(":log:"));
            marks.sort();
            let twice = marks.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].clone());
            self.demand(twice.is_none(), || format!("no duplicates: {twice:?} at {place:?}"));
        }
        let tickets = sim_at(self.world, Place::Elitery).tickets("Ticket");
        let mut marks: Vec<String> =
            tickets.iter().filter_map(mark_of).map(|mark| format!("{}:{}", mark.external, mark.ticket)).collect();
        marks.sort();
        let twice = marks.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].clone());
        self.demand(twice.is_none(), || format!("no duplicates: two copies of {twice:?}"));
    }

    /// For every pair that goes on: each existing file has its copy, unless a person removed that.
    fn what_stands_was_carried(&mut self, links: &[Stored]) {
        let goes_on = |stored: &&Stored| stored.state == LinkState::Live && stored.link.halt.is_none();
        for stored in links.iter().filter(goes_on) {
            let place = if stored.external_name == name(Place::Acme) { Place::Acme } else { Place::Beta };
            let Some(internal) = &stored.link.internal else { continue };
            let ways = [
                (place, stored.link.external.id, Place::Elitery, "external"),
                (Place::Elitery, internal.id, place, "internal"),
            ];
            let token =
                format!("itop-bridge:7f3a:{}:{}:{}", name(place), stored.link.external.class, stored.link.external.id);
            for (from, ticket, to, side) in ways {
                for file in sim_at(self.world, from).attachments(ticket) {
                    let mark = format!("{token}:{side}:file:{}", file.id);
                    let copies = self.marked(sim_at(self.world, to), &mark).len();
                    let is_carried = !file.temp_id.is_empty() || copies > 0 || self.removed(&mark);
                    self.demand(is_carried, || {
                        format!("no loss: the file {} of {from:?} {ticket} has no copy", file.id)
                    });
                }
            }
        }
    }

    fn fields_converge(&mut self, pair: &Pair) {
        let is_change = pair.outside.class.ends_with("Change");
        for code in ["title", "description", "urgency"].into_iter().filter(|code| !(is_change && *code == "urgency")) {
            let (outside, inside) = (pair.outside.field(code), pair.inside.field(code));
            let wanted = match code {
                "title" => format!("[{}] {outside}", pair.outside.field("ref")),
                _ => told(outside),
            };
            let edit = self.memory.edits_inside.get(&(pair.inside.id, code));
            // There are three urgencies, so a value may recur by chance.
            let may_stay = edit.is_some_and(|edit| edit.value == inside && (!edit.is_outdated || code == "urgency"));
            let must_stay = edit.is_some_and(|edit| edit.over_agreement);
            let crossed = match code {
                "description" => self.description_crossed(pair, &told(outside), inside),
                "urgency" if outside == UNKNOWN_INSIDE => {
                    pair.stored.link.conflicts.iter().any(|conflict| conflict.about == "urgency")
                }
                _ => inside == wanted,
            };
            self.demand(may_stay || crossed, || {
                format!("convergence: {code} of {:?}: {outside:?} outside, {inside:?} inside", pair.key())
            });
            self.demand(may_stay || !must_stay, || {
                format!("ownership: {code} of {:?}: {edit:?} inside became {inside:?}", pair.key())
            });
        }
    }

    /// An image crosses in the text, or as a file that the text names; a text that is too long is cut, and its file
    /// has all of it.
    fn description_crossed(&self, pair: &Pair, outside: &str, inside: &str) -> bool {
        let stands = |kind: &str, key: &str, holds: &dyn Fn(&Attachment) -> bool| {
            let mark = format!("{}:external:{kind}:{key}", pair.token());
            let files = self.marked(sim_at(self.world, Place::Elitery), &mark);
            let removed = self.removed(&mark) && files.is_empty();
            removed || files.len() == 1 && files[0].item_id == pair.inside.id && holds(&files[0])
        };
        if inside.contains("[cut here: ") {
            let words = outside.trim_start_matches("<p>").trim_end_matches("</p>");
            return stands("text", "description", &|file| String::from_utf8_lossy(&file.data).contains(words));
        }
        let Some((word, image)) = outside.split_once("<img ") else { return inside == outside };
        let id = image.split_once("&amp;id=").and_then(|(_, rest)| rest.split_once("&amp;s=")).map_or("", |(id, _)| id);
        let named = inside.contains(&format!(" image {id}.png\"]"));
        let shown = inside.contains("<img src=\"data:image/png;base64,");
        inside.starts_with(word) && (shown || named && stands("image", id, &|file| file.data.len() == 5_000))
    }

    fn status_follows(&mut self, pair: &Pair) {
        let (outside, inside) = (pair.outside.status(), pair.inside.status());
        let conflict = pair.stored.link.conflicts.iter().any(|conflict| conflict.about == "status");
        let lifecycles = Lifecycles::built_in();
        let lifecycle = lifecycles.of(&pair.outside.class).expect("a class of the lifecycle");
        let moved_inside = self.memory.moved_by_people.contains(&(Place::Elitery, pair.inside.id));
        let caught_up = moved_inside && lifecycle.rank(inside) > lifecycle.rank(outside);
        let is_free = moved_inside && !self.scene.applies;
        self.demand(conflict || outside == inside || caught_up || is_free, || {
            format!("convergence: the status of {:?}: {outside} outside, {inside} inside", pair.key())
        });
        if !self.scene.applies {
            let moved = self.memory.moved_by_people.contains(&pair.key());
            self.demand(moved || outside == lifecycle.initial, || {
                format!("ownership: {:?} was driven to {outside}", pair.key())
            });
        }
    }

    fn marked(&self, on: &Sim, mark: &str) -> Vec<Attachment> {
        on.all_attachments().into_iter().filter(|file| file.temp_id == mark).collect()
    }

    fn removed(&self, mark: &str) -> bool {
        self.memory.removed_marks.iter().any(|removed| removed == mark)
    }

    fn one_report(&mut self, pair: &Pair) {
        let mark = format!("{}:internal:status:report", pair.token());
        let reports = self.marked(sim_at(self.world, pair.place), &mark);
        let removed = self.removed(&mark);
        let most = usize::from(!self.scene.applies);
        self.demand(reports.len() == most || removed && reports.is_empty(), || {
            format!("report: {} of {:?}", reports.len(), pair.key())
        });
        self.are_on(&reports, &pair.outside);
        let state = format!(" {}.txt", pair.inside.status());
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
            (pair.inside.field("pending_reason"), itop_bridge_text::html::log_text(pair.inside.field("solution")));
        let is_an_agents = pair.inside.status() == "pending"
            && !reason.is_empty()
            && reason != pair.outside.field("pending_reason")
            && self.memory.moved_by_people.contains(&(Place::Elitery, pair.inside.id))
            && !self.memory.moved_by_people.contains(&pair.key());
        self.demand(!is_an_agents || text.contains(&format!("\n  {reason}\n")), || {
            format!("report: {:?} is pending, since {reason:?}, and it says {text:?}", pair.key())
        });
        let is_end = matches!(pair.inside.status(), "resolved" | "closed");
        let told = text.matches(&format!("\n  {}\n", solution.trim())).count();
        self.demand(!is_end || solution.trim().is_empty() || told == 1, || {
            format!("report: the solution {solution:?} of {:?} is told {told} times in {text:?}", pair.key())
        });
    }

    fn files_converge(&mut self, pair: &Pair) {
        for (from, to, side, ticket, other) in [
            (pair.place, Place::Elitery, "external", pair.outside.id, &pair.inside),
            (Place::Elitery, pair.place, "internal", pair.inside.id, &pair.outside),
        ] {
            self.no_file_is_made_of_nothing(other, sim_at(self.world, to), from);
            let given = self.memory.given.iter().filter(|((at, _), given)| (*at, given.ticket) == (from, ticket));
            for ((_, id), given) in given {
                let mark = format!("{}:{side}:file:{id}", pair.token());
                let copies = self.marked(sim_at(self.world, to), &mark);
                let deleted = self.memory.deleted_files.contains(&(from, *id));
                let original = sim_at(self.world, from).attachment(*id);
                self.demand(deleted || original.is_some(), || {
                    format!("ownership: the bridge deleted the file {id} of {from:?} {ticket}")
                });
                self.are_on(&copies, other);
                let removed = self.removed(&mark);
                let right = match copies.len() {
                    0 => deleted || removed,
                    1 => !deleted,
                    _ => false,
                };
                self.demand(right, || {
                    let is = if deleted { "deleted" } else { "standing" };
                    format!("files: {} copies of the {is} file {id} of {from:?} {ticket}", copies.len())
                });
                for copy in copies.iter().filter(|_| !deleted) {
                    let (name, data) = given.versions.last().expect("it was given once");
                    let right = *name == copy.filename && *data == copy.data;
                    self.demand(right, || format!("files: {id} of {from:?} {ticket} has an old copy: {copy:?}"));
                }
            }
        }
    }

    fn are_on(&mut self, files: &[Attachment], ticket: &Ticket) {
        for file in files {
            self.demand((&file.item_class, file.item_id) == (&ticket.class, ticket.id), || {
                format!("files: {} is on {} {}, not on {}", file.temp_id, file.item_class, file.item_id, ticket.id)
            });
        }
    }

    /// Each copy on this ticket has an original that a person added.
    fn no_file_is_made_of_nothing(&mut self, ticket: &Ticket, on: &Sim, from: Place) {
        let marks = on.attachments(ticket.id).into_iter().filter_map(|file| FileMark::find(&file.temp_id));
        for mark in marks.filter(|mark| mark.kind == FileKind::File) {
            let given = mark.key.parse().is_ok_and(|id: u64| self.memory.given.contains_key(&(from, id)));
            self.demand(given, || format!("files: {} has no original at {from:?}", mark.temp_id()));
        }
    }

    fn entries_cross_once(&mut self, pair: &Pair) {
        for (from, to, side, ticket, other) in [
            (pair.place, Place::Elitery, "external", &pair.outside, &pair.inside),
            (Place::Elitery, pair.place, "internal", &pair.inside, &pair.outside),
        ] {
            let marks = format!("{}:{side}:log:", pair.token());
            let files = sim_at(self.world, to).all_attachments().into_iter();
            let files: Vec<Attachment> = files.filter(|file| file.temp_id.starts_with(&marks)).collect();
            self.are_on(&files, other);
            let files: Vec<String> =
                files.iter().map(|file| String::from_utf8_lossy(&file.data).into_owned()).collect();
            let removed = self.memory.removed_marks.iter().any(|mark| mark.starts_with(&marks));
            let said = self.memory.spoken.iter().filter(|said| (said.at, said.ticket) == (from, ticket.id));
            for spoken in said {
                let word = &spoken.word;
                let times: usize = files.iter().map(|file| spoken.times_in(file)).sum();
                let stands = ticket.log("private_log").iter().any(|entry| entry.html.contains(word.as_str()));
                let is_kept = self.memory.kept_by_an_operator.contains(word);
                let least = usize::from(stands && !removed && !is_kept);
                self.demand((least..=spoken.most()).contains(&times), || {
                    format!("logs: {word} of {from:?} {} crossed {times} times (stands: {stands})", ticket.id)
                });
            }
        }
        self.no_entry_comes_back(pair);
    }

    /// The bridge writes nothing into a log except the mark, when the ticket is created.
    fn no_entry_comes_back(&mut self, pair: &Pair) {
        for (ticket, most) in [(&pair.outside, 0), (&pair.inside, 1)] {
            let own = ticket.log("private_log").iter().filter(|entry| entry.user_login == "bridge").count();
            self.demand(own <= most, || format!("logs: {own} entries of the bridge in {:?}", ticket.field("ref")));
        }
    }
}

/// A file made while its ticket was being deleted is left without a ticket: nobody sees it.
fn files_of_tickets(sim: &Sim) -> Vec<Attachment> {
    let mut files = sim.all_attachments();
    files.retain(|file| sim.ticket(file.item_id).is_some());
    files
}
