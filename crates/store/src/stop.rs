//! Why a side is stopped. The store keeps the typed reason; the sentences that an earlier version stored are read
//! too.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The command that finds lost pairs again, as people type it.
pub const LINKS_REBUILD: &str = "`itop-bridge links rebuild`";

/// The sentence that an earlier version stored for a pause.
const PAUSED: &str = "an operator paused it";

/// Why a side is stopped until an operator resumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "snake_case")]
pub enum Stop {
    /// An operator paused it.
    Paused,
    /// Too many of the linked tickets went at once, or had another reference.
    TicketsGone { gone: usize, linked: usize },
    /// Too many files of the linked tickets went at once.
    FilesGone { gone: usize, known: usize, tickets: usize },
    /// A linked ticket shows an earlier last change than before: the iTop was restored from a backup. Both are times
    /// of the server's own clock.
    Restored { reference: String, before: String, now: String },
    /// The store knows no pair of this external, but tickets in the internal iTop have its marks. The first of them
    /// has the id `first`, and is marked as the copy of `of`. This stop ends by itself once the pairs are found.
    PairsLost { marked: usize, internal: String, first: u64, of: String },
    /// A halt that an earlier version stored as a sentence.
    Earlier { text: String },
}

impl Stop {
    /// The stored form.
    pub fn stored(&self) -> String {
        match self {
            // As every version writes and reads it.
            Stop::Paused => PAUSED.to_owned(),
            halt => serde_json::to_string(halt).unwrap_or_default(),
        }
    }

    /// Reads the stored form.
    pub fn read(stored: &str) -> Stop {
        match serde_json::from_str(stored) {
            Ok(stop) => stop,
            Err(_) if stored == PAUSED => Stop::Paused,
            Err(_) => Stop::Earlier { text: stored.to_owned() },
        }
    }

    /// Whether it ends by itself once the pairs of a lost store are found.
    pub fn is_over_lost_pairs(&self) -> bool {
        match self {
            Stop::PairsLost { .. } => true,
            Stop::Earlier { text } => text.contains(LINKS_REBUILD),
            _ => false,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Paused => write!(out, "{PAUSED}"),
            Stop::TicketsGone { gone, linked } => write!(
                out,
                "{gone} of {linked} linked tickets are gone or changed their reference at once: was this iTop restored, emptied or cloned?"
            ),
            Stop::FilesGone { gone, known, tickets } => write!(
                out,
                "{gone} of {known} files of linked tickets are gone at once, on {tickets} tickets: were they deleted, or may the bridge's account no longer see them?"
            ),
            Stop::Restored { reference, before, now } => write!(
                out,
                "its ticket {reference} was last changed at {before}, and shows {now} now: was this iTop restored from a backup, or its clock set back?"
            ),
            Stop::PairsLost { marked, internal, first, of } => {
                let are = if *marked == 1 { "1 ticket is".to_owned() } else { format!("{marked} tickets are") };
                write!(
                    out,
                    "{are} marked in {internal} as this bridge's copies (the first, of id {first}, as {of}'s), and the store knows no pair: was it lost? {LINKS_REBUILD} finds them again"
                )
            }
            Stop::Earlier { text } => write!(out, "{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_was_stored_and_what_an_earlier_version_wrote_is_read() {
        let lost = Stop::PairsLost { marked: 2, internal: "elitery".into(), first: 7, of: "acme:R-000001".into() };
        for stop in [
            Stop::Paused,
            Stop::TicketsGone { gone: 3, linked: 4 },
            Stop::FilesGone { gone: 5, known: 6, tickets: 3 },
            Stop::Restored {
                reference: "R-1".into(),
                before: "2026-11-24 12:00:00".into(),
                now: "2026-11-23 12:00:00".into(),
            },
            lost.clone(),
        ] {
            assert_eq!(Stop::read(&stop.stored()), stop);
            let words = stop.to_string();
            let earlier = Stop::read(&words);
            assert_eq!((earlier.to_string(), earlier.is_over_lost_pairs()), (words, stop == lost));
        }
        assert_eq!(Stop::read("an operator paused it"), Stop::Paused);
    }
}
