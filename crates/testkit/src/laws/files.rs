//! Files and log entries: each crosses once, its copy stands where it belongs, and nothing comes from nowhere.

use itop_bridge_core::mark::{FileKind, FileMark};
use itop_sim::{Attachment, Sim, Ticket};

use super::{Judge, Pair};
use crate::history::Place;
use crate::people::{Ground, sim_at};

impl<G: Ground> Judge<'_, G> {
    pub(super) fn files_converge(&mut self, pair: &Pair) {
        for (from, to, side, ticket, other) in [
            (pair.place, Place::Elitery, "external", pair.external.id, &pair.internal),
            (Place::Elitery, pair.place, "internal", pair.internal.id, &pair.external),
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

    pub(super) fn are_on(&mut self, files: &[Attachment], ticket: &Ticket) {
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

    pub(super) fn entries_cross_once(&mut self, pair: &Pair) {
        for (from, to, side, ticket, other) in [
            (pair.place, Place::Elitery, "external", &pair.external, &pair.internal),
            (Place::Elitery, pair.place, "internal", &pair.internal, &pair.external),
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
        for (ticket, most) in [(&pair.external, 0), (&pair.internal, 1)] {
            let own = ticket.log("private_log").iter().filter(|entry| entry.user_login == "bridge").count();
            self.demand(own <= most, || format!("logs: {own} entries of the bridge in {:?}", ticket.field("ref")));
        }
    }
}
