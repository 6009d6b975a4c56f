//! The unanswered writes, and what happens to each until it can no longer land.

use super::{CopyState, Late, Link, Part};
use crate::ticket::Side;

/// A part of the ticket with an unanswered write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// `None` where only the time is known, as for a call that is being sent.
    pub part: Option<Part>,
    /// The write may be carried out until then.
    pub until_ms: i64,
    /// Sending it twice does no harm, so it is tried again meanwhile. Otherwise its effect is looked for, and it is
    /// not sent again before that time.
    pub is_tried_meanwhile: bool,
}

impl Link {
    /// The unanswered writes that may still land, the first to settle first. Several of one part count as the last.
    pub fn unanswered(&self, now_ms: i64) -> Vec<Unanswered> {
        let mut all: Vec<Unanswered> = Vec::new();
        for one in self.intents().filter(|one| one.until_ms > now_ms) {
            let is_same =
                |known: &&mut Unanswered| known.part == one.part && known.is_tried_meanwhile == one.is_tried_meanwhile;
            match all.iter_mut().find(is_same) {
                Some(known) => known.until_ms = known.until_ms.max(one.until_ms),
                None => all.push(one),
            }
        }
        let all_until_ms = self.settles_at_ms().filter(|until_ms| *until_ms > now_ms);
        // Calls for an earlier counterpart are reported as such.
        if let (true, Some(until_ms), None) = (all.is_empty(), all_until_ms, self.course.anew_from_ms) {
            all.push(Unanswered { part: None, until_ms, is_tried_meanwhile: false });
        }
        all.sort_by_key(|one| one.until_ms);
        all
    }

    /// Until when this part is not sent again, because an earlier try may still land.
    pub fn not_sent_before_ms(&self, part: &Part) -> Option<i64> {
        let waits = self.intents().filter(|one| !one.is_tried_meanwhile && one.part.as_ref() == Some(part));
        waits.map(|one| one.until_ms).max()
    }

    fn intents(&self) -> impl Iterator<Item = Unanswered> {
        let creation = self.in_flight.creation.iter().map(|creation| once(Part::Creation, creation.until_ms));
        let late = self.in_flight.late.iter().map(|late| {
            let part = match &late.what {
                Late::Field { code, .. } => Part::Field { code: code.clone() },
                Late::Status { on, .. } => Part::Status { on: *on },
                Late::File { from, original, .. } => Part::File { from: *from, original: *original },
            };
            again(part, late.until_ms)
        });
        let copies = self.files.copies.iter().filter_map(|copy| {
            let part = Part::File { from: copy.from, original: copy.original };
            Some(once(part, in_doubt(Some(&copy.state))?))
        });
        let entries = self.logs.iter().flat_map(|log| log.batches().map(move |batch| (log, batch)));
        let entries = entries.filter_map(|(log, batch)| {
            let until_ms = batch.files.iter().filter_map(|file| in_doubt(file.state.as_ref())).max()?;
            let key = batch.key().unwrap_or_default().to_owned();
            Some(once(Part::Entries { from: log.from, log: log.log, key }, until_ms))
        });
        let documents = self.files.documents.iter().flat_map(|document| {
            let part = || Part::Document { kind: document.kind };
            let made = in_doubt(document.state.as_ref()).map(|until_ms| once(part(), until_ms));
            made.into_iter().chain(document.again_at_ms.map(|until_ms| again(part(), until_ms)))
        });
        let enclosures = self.files.enclosures.iter().flat_map(|file| {
            let part = || Part::Enclosure { from: file.from, kind: file.kind(), key: file.key() };
            let made = in_doubt(file.state.as_ref()).map(|until_ms| once(part(), until_ms));
            made.into_iter().chain(file.again_at_ms.map(|until_ms| again(part(), until_ms)))
        });
        creation.chain(late).chain(copies).chain(entries).chain(documents).chain(enclosures)
    }

    /// The side that a part is written to.
    pub fn side_of(part: &Part) -> Side {
        match part {
            Part::Creation | Part::Field { .. } => Side::Internal,
            Part::Status { on } | Part::AsHtml { on, .. } => *on,
            Part::Text(left_out) => left_out.on,
            Part::File { from, .. } | Part::Enclosure { from, .. } | Part::Entries { from, .. } => from.other(),
            Part::Document { kind } => kind.on(),
        }
    }
}

fn once(part: Part, until_ms: i64) -> Unanswered {
    Unanswered { part: Some(part), until_ms, is_tried_meanwhile: false }
}

fn again(part: Part, until_ms: i64) -> Unanswered {
    Unanswered { part: Some(part), until_ms, is_tried_meanwhile: true }
}

fn in_doubt(state: Option<&CopyState>) -> Option<i64> {
    match state {
        Some(CopyState::InDoubt { until_ms }) => Some(*until_ms),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Copy, Creation, LateWrite, TicketKey};
    use crate::ticket::FileContent;

    #[test]
    fn what_may_still_land_is_named_and_whether_it_is_tried_meanwhile() {
        let mut link =
            Link::without_counterpart(TicketKey { class: "UserRequest".into(), id: 1, reference: "R-1".into() });
        assert_eq!(link.unanswered(0), []);
        for (value, until_ms) in [("x", 20), ("y", 15)] {
            let what = Late::Field { code: "title".into(), value: value.into() };
            link.in_flight.late.push(LateWrite { what, until_ms });
        }
        let content = FileContent { name: "a".into(), mimetype: "b".into(), hash: String::new() };
        link.files.copies.push(Copy {
            from: Side::External,
            original: 7,
            state: CopyState::InDoubt { until_ms: 10 },
            content,
            substituted: false,
            missing_since_ms: None,
            taken_over: false,
            original_due: false,
        });
        let file = Part::File { from: Side::External, original: 7 };
        let title = Part::Field { code: "title".into() };
        assert_eq!(link.unanswered(0), [once(file.clone(), 10), again(title.clone(), 20)]);
        assert_eq!(link.unanswered(10), [again(title.clone(), 20)]);
        assert_eq!((link.not_sent_before_ms(&file), link.not_sent_before_ms(&title)), (Some(10), None));
        link.in_flight.creation = Some(Creation { until_ms: 30, ..Creation::default() });
        assert_eq!(link.unanswered(20), [once(Part::Creation, 30)]);
    }
}
