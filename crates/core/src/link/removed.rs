//! Files of the bridge that somebody deleted, perhaps with the whole ticket: iTop deletes a ticket's files first, one
//! by one, and the bridge may read it in between. If a backup brings the ticket back, nobody deleted these files.

use serde::{Deserialize, Serialize};

use super::{CopyState, Enclosure, Link};
use crate::mark::FileKind;
use crate::ticket::Side;

/// The longest time by which a ticket's files may appear to go before it: the hourly audit finds that the ticket is
/// gone, and may have to wait for its iTop.
const BEFORE_ITS_TICKET_MS: i64 = 2 * 3_600_000;

/// A file that a person deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub on: Side,
    pub kind: FileKind,
    /// As in its mark.
    pub key: String,
    pub at_ms: i64,
    /// The ticket that the file was attached to went soon after.
    pub with_its_ticket: bool,
}

impl Link {
    /// Records when files began to count as deleted by a person.
    pub fn takes_down_removed(&mut self, now_ms: i64) {
        let are = self.removed_files();
        self.files.removed.retain(|known| are.iter().any(|file| known.is(file)));
        for file in are {
            if !self.files.removed.iter().any(|known| known.is(&file)) {
                let (on, kind, key) = file;
                self.files.removed.push(Removed { on, kind, key, at_ms: now_ms, with_its_ticket: false });
            }
        }
    }

    /// The ticket on that side is gone, and those of its files that went shortly before went with it.
    pub fn lost_its_ticket(&mut self, side: Side, now_ms: i64) {
        let lately = |removed: &&mut Removed| removed.at_ms.saturating_add(BEFORE_ITS_TICKET_MS) >= now_ms;
        let removed = self.files.removed.iter_mut().filter(|removed| removed.on == side);
        removed.filter(lately).for_each(|removed| removed.with_its_ticket = true);
    }

    /// A backup brought the ticket on that side back: the files that went with it were deleted by nobody.
    pub(crate) fn forget_what_went_with_its_ticket(&mut self, side: Side) {
        let (gone, others) = std::mem::take(&mut self.files.removed)
            .into_iter()
            .partition(|removed| removed.on == side && removed.with_its_ticket);
        self.files.removed = others;
        let gone: Vec<Removed> = gone;
        let went = |kind: FileKind, key: &str| gone.iter().any(|removed| (removed.kind, &*removed.key) == (kind, key));
        self.files.copies.retain(|copy| {
            copy.from == side
                || copy.state != CopyState::RemovedByPerson
                || !went(FileKind::File, &copy.original.to_string())
        });
        for document in self.files.documents.iter_mut().filter(|document| went(document.kind.file_kind(), "")) {
            document.state.take_if(|state| *state == CopyState::RemovedByPerson);
        }
        let here = |enclosure: &&mut Enclosure| enclosure.from != side && went(enclosure.kind(), &enclosure.key());
        for enclosure in self.files.enclosures.iter_mut().filter(here) {
            enclosure.state.take_if(|state| *state == CopyState::RemovedByPerson);
        }
    }

    /// The files that count as deleted by a person: the side, and kind and key as in their marks.
    fn removed_files(&self) -> Vec<(Side, FileKind, String)> {
        let copies = self
            .files
            .copies
            .iter()
            .map(|copy| (copy.from.other(), FileKind::File, copy.original.to_string(), Some(&copy.state)));
        let documents =
            self.files.documents.iter().map(|document| {
                (document.kind.on(), document.kind.file_kind(), String::new(), document.state.as_ref())
            });
        let enclosures = self
            .files
            .enclosures
            .iter()
            .map(|enclosure| (enclosure.from.other(), enclosure.kind(), enclosure.key(), enclosure.state.as_ref()));
        let all = copies.chain(documents).chain(enclosures);
        let removed = all.filter(|(.., state)| *state == Some(&CopyState::RemovedByPerson));
        removed.map(|(on, kind, key, _)| (on, kind, key)).collect()
    }
}

impl Removed {
    fn is(&self, (on, kind, key): &(Side, FileKind, String)) -> bool {
        (self.on, self.kind, &self.key) == (*on, *kind, key)
    }
}
