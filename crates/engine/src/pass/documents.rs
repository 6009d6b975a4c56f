//! Writes the report and the notice: one file each, rewritten in place.

use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::link::CopyState;
use itop_bridge_core::{Link, Side, Ticket};

use crate::pass::attach::{attach, replace, text_contents};
use crate::pass::crossing::told_in_a_file;
use crate::pass::ending::ticket_stands;
use crate::pass::logs::MAX_TEXT_BYTES;
use crate::pass::work::Work;
use crate::side::failure::{Failure, Kind};

/// The first words of a report.
const REPORT_OF: &str = "The status of ";

const REOPENED: &str = "re-opened: ";

/// The line that ends a report, before its time.
const NOT_KEPT: &str = "This file is no longer kept up to date";

/// Replaces the oldest lines.
const TOO_LONG: &str = "(What was before is left out: the file would be too large.)\n";

/// Creates the document, or rewrites it in place.
pub(crate) async fn write_document(
    work: &mut Work<'_>,
    kind: DocumentKind,
    copy: Option<u64>,
    target: &Ticket,
    reason: &str,
) -> Result<(), Failure> {
    let Some(document) = work.link.document(kind).cloned() else { return Ok(()) };
    let name = name_of(work, &document);
    let contents = text_contents(&words_of(work, &document), &name);
    let itop = work.shared.itop(work.lane, kind.on());
    let outcome = match copy {
        None => {
            let intend = |link: &mut Link, until_ms| {
                change(link, kind, |document| document.state = Some(CopyState::InDoubt { until_ms }));
            };
            // There is one per pair, so the kind alone identifies it.
            let key = kind.word().to_owned();
            let made = attach(work, kind.from(), kind.file_kind(), key, contents, target, intend).await?;
            made.map(|written| written.object.id)
        }
        Some(id) => {
            let intend = |link: &mut Link, until_ms| {
                change(link, kind, |document| document.again_at_ms = Some(until_ms));
            };
            replace(work, kind.from(), id, contents, intend).await?.map(|()| id)
        }
    };
    match outcome {
        Ok(id) => {
            let again_at_ms = still_to_settle(work, &document);
            let holds = Some(document.lines.clone());
            let state = Some(CopyState::Stands(id));
            work.link.keep_document(Document { holds, state, again_at_ms, ..document });
            work.wrote(Written::Document { kind, name, instance: work.instance(kind.on()) }, reason);
            work.save().await
        }
        Err(error) => {
            let failure = Failure::of(itop, &error);
            if failure.kind == Kind::Gone && copy.is_some() {
                if ticket_stands(work, kind.on()).await? {
                    return record_document_gone(work, document).await;
                }
                work.link.keep_document(document);
                work.save().await?;
                return Err(Failure { kind: Kind::Stale, ..failure });
            }
            if error.had_no_effect() {
                work.link.keep_document(document);
            } else {
                // This call is over; an earlier one may still take effect later.
                let earlier = document.again_at_ms;
                change(&mut work.link, kind, |document| document.again_at_ms = document.again_at_ms.max(earlier));
            }
            work.save().await?;
            Err(failure)
        }
    }
}

/// A deletion by a person is no failure. The next plan tells whether there is something new to report.
async fn record_document_gone(work: &mut Work<'_>, mut document: Document) -> Result<(), Failure> {
    document.removed_by_person();
    work.did(Event::DocumentDeleted { kind: document.kind });
    work.link.keep_document(document);
    work.look_again(work.shared.now_ms());
    work.save().await
}

/// An earlier rewrite without an answer may still take effect over this one.
fn still_to_settle(work: &Work<'_>, before: &Document) -> Option<i64> {
    before.again_at_ms.filter(|at| *at > work.shared.now_ms())
}

fn name_of(work: &Work<'_>, document: &Document) -> String {
    let newest = document.lines.first();
    let state = newest.map_or("", |line| line.state.as_str());
    match document.kind {
        DocumentKind::Report => {
            let reference = work.link.internal.as_ref().map_or("", |key| &key.reference);
            let what = if document.is_over() { "earlier status" } else { state };
            format!("{} {reference} {what}.txt", work.shared.internal.name)
        }
        DocumentKind::Notice => {
            let what = if newest.is_some_and(|line| line.reopened) { "re-opened" } else { state };
            format!("{} {what}.txt", work.link.external.reference)
        }
    }
}

fn words_of(work: &Work<'_>, document: &Document) -> String {
    let side = document.kind.from();
    let reference = work.link.key(side).map_or("", |key| &key.reference);
    let itop = &work.shared.itop(work.lane, side).name;
    let mut words = match document.kind {
        DocumentKind::Report => format!("{REPORT_OF}{reference} ({itop}), newest first\n\n"),
        DocumentKind::Notice => format!(
            "{reference} ({itop}) was moved in a way that this ticket cannot follow. Look at it there, and open a new ticket or ask the customer to.\n\n"
        ),
    };
    for line in &document.lines {
        let line = words_of_line(work, side, line);
        if words.len() + line.len() > MAX_TEXT_BYTES {
            words.push_str(TOO_LONG);
            break;
        }
        words.push_str(&line);
    }
    words
}

/// The state and its time, with the agent's texts indented below.
fn words_of_line(work: &Work<'_>, side: Side, line: &Line) -> String {
    if let Some(words) = &line.words {
        return words.clone();
    }
    let itop = work.shared.itop(work.lane, side);
    let seen = line.seen_ms.map(|seen_ms| itop.print_moment(seen_ms));
    if line.is_last {
        let since = seen.map_or_else(String::new, |seen| format!(", since {seen}"));
        return format!("{NOT_KEPT}{since}. What was told before:\n\n");
    }
    let date = line.date.as_ref().map(|date| itop.print_time(date));
    let when = date.or(seen.map(|seen| format!("seen {seen}")));
    let when = when.map_or_else(String::new, |when| format!("  {when}"));
    let what = if line.reopened { format!("{REOPENED}{}", line.state) } else { line.state.clone() };
    let texts = [&line.reason, &line.solution].into_iter().flatten();
    let texts: String = texts.map(|text| set_in(&told_in_a_file(work, side, text))).collect();
    format!("{what}{when}\n{texts}")
}

/// Indents a text so that no line can pass for a state's, and removes characters that move a cursor.
fn set_in(text: &str) -> String {
    let is_end = |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = text.split(is_end).map(|line| line.replace('\t', " ").replace(char::is_control, ""));
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("  {}\n", line.trim_end())).collect()
}

/// Reads an existing document: its whole body is kept, word for word, as the words of its newest line.
pub(crate) fn read_back(text: &str) -> Option<Line> {
    let (_, words) = text.split_once("\n\n")?;
    let kept = Some(words.to_owned());
    if words.starts_with(NOT_KEPT) {
        return Some(Line { is_last: true, words: kept, ..Line::of("") });
    }
    let newest = words.lines().next()?.split("  ").next()?;
    let (reopened, state) = match newest.strip_prefix(REOPENED) {
        Some(state) => (true, state),
        None => (false, newest),
    };
    let is_state = !state.is_empty() && state.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    is_state.then(|| Line { reopened, words: kept, ..Line::of(state) })
}

/// The internal ticket's reference in a report.
pub(crate) fn reference_in_report(text: &str) -> Option<&str> {
    text.strip_prefix(REPORT_OF)?.split_whitespace().next()
}

fn change(link: &mut Link, kind: DocumentKind, change: impl FnOnce(&mut Document)) {
    if let Some(mut document) = link.document(kind).cloned() {
        change(&mut document);
        link.keep_document(document);
    }
}
