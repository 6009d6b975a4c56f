//! What happened to a pair, for its activity log: typed, with one English sentence each. Programs decide by the type;
//! the sentence is for people.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::caselog::LogName;
use crate::document::DocumentKind;
use crate::plan::HaltKind;
use crate::text::counted;
use crate::ticket::Side;

/// A line of a pair's activity log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A pass wrote something into an iTop, or found what an earlier one wrote.
    Wrote {
        what: Written,
        why: String,
    },
    /// The pair was made from two tickets that stood already.
    Adopted {
        by: AdoptedBy,
    },
    Halted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<HaltKind>,
        /// The log that has halted, if not the whole pair.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<(Side, LogName)>,
        text: String,
    },
    Ended {
        kind: HaltKind,
        text: String,
    },
    UnlinkedByOperator,
    EndedWithExternal {
        external: String,
    },
    ResumedByOperator {
        /// A new counterpart is made in place of the lost one.
        anew: bool,
        why: String,
    },
    /// Log entries that may come from a parent cross after all.
    EntriesLetCross {
        entries: usize,
    },
    /// Log entries that may come from a parent stay on their side.
    EntriesKeptForGood {
        entries: usize,
    },
    RetriedByOperator {
        parts: String,
    },
    /// One side was restored from a backup.
    ComparedAfterRestore {
        instance: String,
    },
    /// A ticket that had vanished is there again.
    ThereAgain {
        side: Side,
        reference: String,
    },
    /// The counterpart that was to be replaced is there again.
    CounterpartStandsAgain {
        reference: String,
    },
    Conflict {
        /// The attribute whose value was refused, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        text: String,
    },
    /// Something in front of an iTop refuses a part of the ticket.
    KeptBack {
        to: Side,
        status: u16,
        text: String,
    },
    EditOverwritten {
        code: String,
        value: String,
        /// An update of the bridge's own may have written it.
        may_be_ours: bool,
    },
    StartCorrected {
        reference: String,
        before: String,
        now: String,
    },
    ReferenceChanged {
        before: String,
        now: String,
    },
    CopyFound {
        attachment: u64,
    },
    /// A person deleted a copy; the next three are a person's deletions too.
    CopyDeleted {
        attachment: u64,
    },
    FileDeleted {
        name: String,
    },
    DocumentDeleted {
        kind: DocumentKind,
    },
    LogFilesDeleted {
        files: usize,
        from: Side,
        log: LogName,
    },
    /// These entries stay on their side, since a parent's entries may be among them; `why` says more.
    EntriesKept {
        entries: usize,
        from: Side,
        log: LogName,
        why: String,
    },
    EntriesReworded {
        entries: usize,
        from: Side,
        log: LogName,
        only_authors: bool,
        /// Where the old words can still be read.
        stand: String,
    },
    PictureNotRead {
        image: u64,
        /// Its description stands in its place.
        is_described: bool,
        why: String,
    },
    NoRoom {
        code: String,
        instance: String,
        what: NoRoom,
    },
    FileNameLostCharacters {
        name: String,
        instance: String,
    },
    /// The ticket's files together exceed PHP's memory.
    Heavy {
        on: Side,
        text: String,
    },
    HeavyEnded {
        instance: String,
    },
    CreatedTwice {
        linked: String,
        other: String,
    },
    /// The counterpart of an ended pair was linked with another ticket.
    CounterpartGiven {
        counterpart: String,
        /// `NAME:REFERENCE`.
        to: String,
    },
    /// The pair was closed for long: its texts and earlier activity are no longer kept.
    Shrunk,
}

/// What a pass wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Written {
    Counterpart,
    /// An earlier create, whose answer was lost, had made it.
    CounterpartFound,
    Fields {
        codes: Vec<String>,
    },
    State {
        stimulus: String,
        to: String,
        instance: String,
    },
    File {
        name: String,
        instance: String,
    },
    /// The report or the notice.
    Document {
        kind: DocumentKind,
        name: String,
        instance: String,
    },
    CopyDeleted {
        attachment: u64,
        instance: String,
    },
    Entries {
        log: LogName,
        instance: String,
    },
    /// A text that was sent plain, a second time as HTML.
    TextAsHtml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptedBy {
    Operator,
    /// The table of the original program.
    Table,
    /// The internal ticket's title names the external one.
    Title,
    Mark,
    FileMarks,
    Report,
}

/// What an attribute has no room for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoRoom {
    Pictures(usize),
    WholeText,
    /// The database lacks some characters.
    Characters,
}

impl Event {
    /// Whether the event tells that the pair was made of tickets that the bridge had not paired before.
    pub fn is_adoption(&self) -> bool {
        matches!(self, Event::Adopted { by: AdoptedBy::Operator | AdoptedBy::Table | AdoptedBy::Title })
    }

    /// Whether the event tells that the report was once made.
    pub fn is_of_a_report(&self) -> bool {
        match self {
            Event::Wrote { what: Written::Document { kind, .. }, .. } | Event::DocumentDeleted { kind } => {
                *kind == DocumentKind::Report
            }
            _ => false,
        }
    }
}

impl Display for Event {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Event::Wrote { what, why } => write!(out, "{what}: {why}"),
            Event::Adopted { by } => write!(out, "{by}"),
            Event::Halted { text, .. } => write!(out, "halted: {text}"),
            Event::Ended { text, .. } => write!(out, "ended: {text}"),
            Event::UnlinkedByOperator => write!(out, "unlinked by an operator"),
            Event::EndedWithExternal { external } => write!(out, "ended, since {external} was removed by an operator"),
            Event::ResumedByOperator { anew, why } => {
                write!(out, "resumed by an operator{}: {why}", if *anew { ", with a new counterpart" } else { "" })
            }
            Event::EntriesLetCross { entries } => {
                write!(out, "an operator lets {} kept back cross", kept_back(*entries))
            }
            Event::EntriesKeptForGood { entries } => {
                write!(out, "an operator keeps {} kept back where they are", kept_back(*entries))
            }
            Event::RetriedByOperator { parts } => write!(out, "an operator wants {parts} tried again"),
            Event::ComparedAfterRestore { instance } => {
                write!(out, "{instance} was restored from a backup: the pair is compared with the restored iTop")
            }
            Event::ThereAgain { side, reference } => {
                write!(out, "the {} ticket {reference} is there again: the pair goes on", side.word())
            }
            Event::CounterpartStandsAgain { reference } => {
                write!(out, "{reference} stands again: the pair goes on with it")
            }
            Event::Conflict { code: None, text } => write!(out, "conflict: {text}"),
            Event::Conflict { code: Some(code), text } => write!(out, "conflict: {code}: {text}"),
            Event::KeptBack { text, .. } => write!(out, "kept back: {text}"),
            Event::EditOverwritten { code, value, may_be_ours: false } => {
                write!(out, "an edit in the internal iTop was overwritten: {code} was {value:?}")
            }
            Event::EditOverwritten { code, value, may_be_ours: true } => write!(
                out,
                "written over: {code} was {value:?}, by an update of the bridge's that landed late or by a person who wrote the same"
            ),
            Event::StartCorrected { reference, before, now } => {
                write!(out, "the start of {reference} was corrected from {before} to {now}: it is the same ticket")
            }
            Event::ReferenceChanged { before, now } => write!(out, "{before} is {now} from now on"),
            Event::CopyFound { attachment } => write!(out, "found the copy of attachment {attachment} by its mark"),
            Event::CopyDeleted { attachment } => {
                write!(out, "the copy of attachment {attachment} was deleted by a person; it stays deleted")
            }
            Event::FileDeleted { name } => write!(out, "the file {name:?} was deleted by a person"),
            Event::DocumentDeleted { kind } => write!(out, "the {} was deleted by a person", kind.word()),
            Event::LogFilesDeleted { files, from, log } => {
                let files = counted(*files, "file", "files");
                write!(out, "{files} with the {} log {} deleted by a person", log.word(), from.place())
            }
            Event::EntriesKept { entries, from, log, why } => {
                let entries = counted(*entries, "entry", "entries");
                write!(out, "{entries} of the {} log {} did not cross: {why}", log.word(), from.place())
            }
            Event::EntriesReworded { entries, from, log, only_authors, stand } => {
                let (count, log, place) = (counted(*entries, "entry", "entries"), log.word(), from.place());
                let what = if *only_authors { "another author's name" } else { "other words" };
                write!(out, "{count} of the {log} log {place} got {what} after the bridge took them over; {stand}")
            }
            Event::PictureNotRead { image, is_described: true, why } => {
                write!(out, "inline image {image} could not be had and became its description: {why}")
            }
            Event::PictureNotRead { image, is_described: false, why } => {
                write!(out, "inline image {image} could not be had: {why}")
            }
            Event::NoRoom { code, instance, what } => match what {
                NoRoom::Pictures(pictures) => {
                    write!(out, "{code}: {instance} has no room for {pictures} of its pictures; they cross as files")
                }
                NoRoom::WholeText => {
                    write!(out, "{code}: {instance} has no room for all of it; it is cut, and crosses whole as a file")
                }
                NoRoom::Characters => {
                    write!(out, "{code}: characters that the database of {instance} does not have became `?`")
                }
            },
            Event::FileNameLostCharacters { name, instance } => write!(
                out,
                "the name of {name:?} has characters that the database of {instance} does not have; they became `?`"
            ),
            Event::Heavy { text, .. } => write!(out, "{text}"),
            Event::HeavyEnded { instance } => write!(out, "{instance} answers writes to this ticket again"),
            Event::CreatedTwice { linked, other } => {
                write!(out, "two internal tickets carry this mark: {linked} is linked, {other} is not; close it")
            }
            Event::CounterpartGiven { counterpart, to } => write!(out, "{counterpart} was linked with {to} instead"),
            Event::Shrunk => write!(out, "closed for long: its texts and what was done before are no longer kept"),
        }
    }
}

impl Display for Written {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Written::Counterpart => write!(out, "created"),
            Written::CounterpartFound => write!(out, "found what an earlier create made"),
            Written::Fields { codes } => write!(out, "{}", codes.join(", ")),
            Written::State { stimulus, to, instance } => write!(out, "{stimulus} to {to} in {instance}"),
            Written::File { name, instance } | Written::Document { name, instance, .. } => {
                write!(out, "file {name:?} to {instance}")
            }
            Written::CopyDeleted { attachment, instance } => {
                write!(out, "deleted the copy of attachment {attachment} in {instance}")
            }
            Written::Entries { log, instance } => write!(out, "{} log entries to {instance}", log.word()),
            Written::TextAsHtml => write!(out, "text as HTML"),
        }
    }
}

impl Display for AdoptedBy {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            AdoptedBy::Operator => "linked by an operator",
            AdoptedBy::Table => "adopted from the original program's table",
            AdoptedBy::Title => "adopted: the internal ticket's title names the external one",
            AdoptedBy::Mark => "found again by its mark",
            AdoptedBy::FileMarks => "found again by its files' marks",
            AdoptedBy::Report => "found again by the report of the status",
        })
    }
}

fn kept_back(entries: usize) -> String {
    counted(entries, "log entry that was", "log entries that were")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored form of events: another version reads them.
    #[test]
    fn events_are_stored_under_their_names() {
        let wrote = |what| Event::Wrote { what, why: "changed".into() };
        for (event, json) in [
            (
                wrote(Written::Fields { codes: vec!["title".into(), "impact".into()] }),
                r#"{"event":"wrote","what":{"what":"fields","codes":["title","impact"]},"why":"changed"}"#,
            ),
            (wrote(Written::Counterpart), r#"{"event":"wrote","what":{"what":"counterpart"},"why":"changed"}"#),
            (Event::Adopted { by: AdoptedBy::FileMarks }, r#"{"event":"adopted","by":"file_marks"}"#),
            (
                Event::NoRoom { code: "solution".into(), instance: "acme".into(), what: NoRoom::Pictures(2) },
                r#"{"event":"no_room","code":"solution","instance":"acme","what":{"pictures":2}}"#,
            ),
            (
                Event::Halted { kind: None, log: Some((Side::External, LogName::Private)), text: "gone".into() },
                r#"{"event":"halted","log":["external","private"],"text":"gone"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
        }
    }

    #[test]
    fn a_sentence_says_what_happened_to_whom() {
        for (event, sentence) in [
            (
                Event::EditOverwritten { code: "title".into(), value: "a \"b\"".into(), may_be_ours: false },
                r#"an edit in the internal iTop was overwritten: title was "a \"b\"""#,
            ),
            (Event::EntriesLetCross { entries: 1 }, "an operator lets 1 log entry that was kept back cross"),
            (
                Event::EntriesKept { entries: 2, from: Side::Internal, log: LogName::Public, why: "W".into() },
                "2 entries of the public log in the internal iTop did not cross: W",
            ),
        ] {
            assert_eq!(event.to_string(), sentence);
        }
    }

    #[test]
    fn a_report_was_made_if_it_was_written_or_deleted() {
        let document = |kind| Written::Document { kind, name: "n".into(), instance: "acme".into() };
        let wrote = |what| Event::Wrote { what, why: String::new() };
        assert!(wrote(document(DocumentKind::Report)).is_of_a_report());
        assert!(Event::DocumentDeleted { kind: DocumentKind::Report }.is_of_a_report());
        assert!(!wrote(document(DocumentKind::Notice)).is_of_a_report());
        assert!(!Event::FileDeleted { name: "n".into() }.is_of_a_report());
        assert!(Event::Adopted { by: AdoptedBy::Title }.is_adoption());
        assert!(!Event::Adopted { by: AdoptedBy::Mark }.is_adoption(), "the pair had a report before");
        assert!(!wrote(Written::Counterpart).is_adoption());
    }
}
