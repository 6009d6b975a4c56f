//! The issue that an alert is about. It stays equal while the issue lasts, also over a restart: the store keeps its
//! text, which the post carries too.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use itop_bridge_core::plan::HaltKind;
use itop_bridge_store::TicketOf;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Down {
        side: String,
    },
    Halted {
        link: i64,
        what: HaltedWhat,
    },
    /// The files of a pair are more than PHP's memory takes.
    Heavy {
        link: i64,
    },
    /// More tickets than are named one by one.
    Many {
        what: ManyWhat,
        external: String,
    },
    Parked(TicketOf),
    Silent {
        external: String,
    },
    Stopped {
        side: String,
    },
    /// By the words of its cause.
    Suspended {
        cause: String,
    },
    /// Written by another version.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HaltedWhat {
    Pair(HaltKind),
    Log,
    /// Another version's words: an earlier one kept the sentence in place of the kind.
    Unknown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ManyWhat {
    Parked,
    Halted,
}

impl Subject {
    /// Whether an alert about `told` was about this too.
    pub fn is_told_by(&self, told: &Subject) -> bool {
        match (self, told) {
            (Subject::Halted { link, .. }, Subject::Halted { link: of, what: HaltedWhat::Unknown(_) }) => link == of,
            _ => self == told,
        }
    }

    /// The sentence when a side is back, or tickets get through again; a ticket's own recovery shows in iTop.
    pub fn said_when_over(&self) -> Option<String> {
        match self {
            Subject::Down { side } => Some(format!("{side} is back.")),
            Subject::Stopped { side } => Some(format!("{side} goes on.")),
            Subject::Silent { external } => Some(format!("Tickets of {external} get through again.")),
            _ => None,
        }
    }
}

impl HaltedWhat {
    pub fn of(kind: Option<HaltKind>) -> HaltedWhat {
        kind.map_or(HaltedWhat::Log, HaltedWhat::Pair)
    }
}

impl ManyWhat {
    pub fn word(self) -> &'static str {
        match self {
            ManyWhat::Parked => "parked",
            ManyWhat::Halted => "halted",
        }
    }
}

const LOG: &str = "log";

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Down { side } => write!(out, "down {side}"),
            Subject::Halted { link, what: HaltedWhat::Pair(kind) } => {
                write!(
                    out,
                    "halted {link} {}",
                    serde_json::to_value(kind).unwrap_or_default().as_str().unwrap_or_default()
                )
            }
            Subject::Halted { link, what: HaltedWhat::Log } => write!(out, "halted {link} {LOG}"),
            Subject::Halted { link, what: HaltedWhat::Unknown(words) } => write!(out, "halted {link} {words}"),
            Subject::Heavy { link } => write!(out, "heavy {link}"),
            Subject::Many { what, external } => write!(out, "many {} {external}", what.word()),
            Subject::Parked(of) => write!(out, "parked {}:{}", of.external, of.ticket),
            Subject::Silent { external } => write!(out, "silent {external}"),
            Subject::Stopped { side } => write!(out, "stopped {side}"),
            Subject::Suspended { cause } => write!(out, "suspended {cause}"),
            Subject::Unknown(text) => out.write_str(text),
        }
    }
}

impl FromStr for Subject {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Subject, Infallible> {
        Ok(read(text).unwrap_or_else(|| Subject::Unknown(text.to_owned())))
    }
}

fn read(text: &str) -> Option<Subject> {
    let (kind, of) = text.split_once(' ')?;
    let name = of.to_owned();
    Some(match kind {
        "down" => Subject::Down { side: name },
        "halted" => {
            let (link, what) = of.split_once(' ')?;
            let kind = serde_json::from_value(what.into()).ok();
            let what = match (what, kind) {
                (LOG, _) => HaltedWhat::Log,
                (_, Some(kind)) => HaltedWhat::Pair(kind),
                (words, None) => HaltedWhat::Unknown(words.to_owned()),
            };
            Subject::Halted { link: link.parse().ok()?, what }
        }
        "heavy" => Subject::Heavy { link: of.parse().ok()? },
        "many" => {
            let (what, external) = of.split_once(' ')?;
            let what = [ManyWhat::Parked, ManyWhat::Halted].into_iter().find(|many| many.word() == what)?;
            Subject::Many { what, external: external.to_owned() }
        }
        "parked" => {
            let (external, ticket) = of.split_once(':')?;
            Subject::Parked(TicketOf { external: external.to_owned(), ticket: ticket.parse().ok()? })
        }
        "silent" => Subject::Silent { external: name },
        "stopped" => Subject::Stopped { side: name },
        "suspended" => Subject::Suspended { cause: name },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_was_kept() {
        let acme = || "acme".to_owned();
        for (subject, text) in [
            (Subject::Down { side: acme() }, "down acme"),
            (
                Subject::Halted { link: 5, what: HaltedWhat::Pair(HaltKind::ExternalVanished) },
                "halted 5 external_vanished",
            ),
            (Subject::Halted { link: 5, what: HaltedWhat::Log }, "halted 5 log"),
            (Subject::Heavy { link: 7 }, "heavy 7"),
            (Subject::Many { what: ManyWhat::Parked, external: acme() }, "many parked acme"),
            (Subject::Parked(TicketOf { external: acme(), ticket: 9 }), "parked acme:9"),
            (Subject::Silent { external: acme() }, "silent acme"),
            (Subject::Stopped { side: acme() }, "stopped acme"),
            (Subject::Suspended { cause: "class Incident of acme".to_owned() }, "suspended class Incident of acme"),
            (Subject::Unknown("of a later version".to_owned()), "of a later version"),
        ] {
            assert_eq!(subject.to_string(), text);
            assert_eq!(text.parse(), Ok(subject));
        }
    }

    #[test]
    fn a_halt_that_an_earlier_version_told_is_not_told_again() {
        let kept = "halted 5 the external ticket R-000123 is no longer there";
        let Ok(told) = kept.parse::<Subject>();
        assert_eq!(told.to_string(), kept, "its row must be found when the halt is over");
        let halted = |link| Subject::Halted { link, what: HaltedWhat::Pair(HaltKind::ExternalVanished) };
        assert!(halted(5).is_told_by(&told) && !halted(6).is_told_by(&told));
        assert!(!halted(5).is_told_by(&Subject::Halted { link: 5, what: HaltedWhat::Log }), "another halt");
    }
}
