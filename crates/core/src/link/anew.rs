//! Replacing a counterpart that is gone: what is forgotten, and what stays known.

use super::{CopyState, Link, kept_on};
use crate::mark::{FileKind, FileMark, TicketMark};
use crate::ticket::{File, MadeBy, Side};

impl Link {
    /// An operator ends a halt and wants a new internal ticket: nothing of the old one is remembered except which
    /// external files were made for it, and until when calls sent for it may land. The report is not one of these
    /// files: there is one per pair, and the present one is found by its mark and rewritten with the new ticket's
    /// name and states.
    pub fn make_anew(&mut self) {
        let reports: Vec<u64> =
            kept_on(Side::External, &[], &self.files.documents, &[]).filter_map(CopyState::standing).collect();
        let left_behind = self.made_on(Side::External).filter(|id| !reports.contains(id)).collect();
        let anew_from_ms = Some(self.settles_at_ms().unwrap_or_default());
        let sending = self.in_flight.sending.take();
        let mut before = Box::new(std::mem::replace(self, Link::without_counterpart(self.external.clone())));
        (before.course.halt, before.course.before_anew) = (None, None);
        self.ancestor.external.made.clone_from(&before.ancestor.external.made);
        (self.course.anew_from_ms, self.in_flight.sending, self.course.before_anew) =
            (anew_from_ms, sending, Some(before));
        self.leave_behind(left_behind);
    }

    /// Whether both have the same internal ticket, as far as is known: ids are assigned again, so the creation time
    /// counts too.
    pub fn has_the_internal_ticket_of(&self, other: &Link) -> bool {
        let made = [self, other].map(|link| &link.ancestor.internal.made);
        let is_known = made.iter().all(|made| !made.is_empty());
        self.internal == other.internal && !(is_known && made[0] != made[1])
    }

    /// The counterpart is lost, or may be: the internal iTop was restored from a backup, and the pair has not been
    /// compared with what stands there yet. Another ticket may have the id by now.
    pub fn may_have_lost_its_counterpart(&self) -> bool {
        let is_lost = self.course.halt.as_ref().is_some_and(|halt| halt.kind.is_of_a_lost_counterpart());
        is_lost || self.course.restored.contains(&Side::Internal)
    }

    pub(super) fn leave_behind(&mut self, files: Vec<u64>) {
        self.files.left_behind.extend(files);
        self.files.left_behind.sort_unstable();
        self.files.left_behind.dedup();
    }

    /// The moment after which no unanswered call can land any more; `None` if all were answered.
    pub fn settles_at_ms(&self) -> Option<i64> {
        let creation = self.in_flight.creation.iter().map(|creation| creation.until_ms);
        let late = self.in_flight.late.iter().map(|late| late.until_ms);
        let in_doubt = |state: &CopyState| match state {
            CopyState::InDoubt { until_ms } => Some(*until_ms),
            _ => None,
        };
        let made = Side::BOTH.into_iter().flat_map(|side| self.file_states_on(side)).filter_map(in_doubt);
        let enclosures = self.files.enclosures.iter().filter_map(|enclosure| enclosure.again_at_ms);
        let rewritten = self.files.documents.iter().filter_map(|document| document.again_at_ms).chain(enclosures);
        let sending = self.in_flight.sending.iter().map(|sending| sending.until_ms);
        let all = creation.chain(late).chain(made).chain(rewritten).chain(sending).chain(self.course.anew_from_ms);
        all.max()
    }

    /// Whether a file was made for an earlier counterpart, or its original was lost by an iTop: its mark counts no
    /// more.
    pub fn is_nobodys(&self, side: Side, file: u64) -> bool {
        let is_left = side == Side::External && self.files.left_behind.contains(&file);
        is_left || self.files.orphaned.contains(&(side, file))
    }

    /// Discards the marks of files that were made for an earlier counterpart or a lost original, and gives files that
    /// were taken over with the pair the marks that they would have.
    pub fn recognize_files(&self, side: Side, ticket: &TicketMark, files: &mut [File]) {
        let nobodys = files.iter_mut().filter(|file| self.is_nobodys(side, file.id));
        nobodys.for_each(|file| file.made_by = MadeBy::OtherPair);
        for copy in self.files.copies.iter().filter(|copy| copy.taken_over && copy.from == side.other()) {
            let is_it = |file: &&mut File| file.is_original() && Some(file.id) == copy.state.standing();
            if let Some(file) = files.iter_mut().find(is_it) {
                let (ticket, key) = (ticket.clone(), copy.original.to_string());
                file.made_by = MadeBy::ThisPair(FileMark { ticket, from: copy.from, kind: FileKind::File, key });
            }
        }
    }
}
