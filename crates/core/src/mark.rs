//! Marks: every object that the bridge creates carries one, so that the iTops themselves say what exists. A ticket's
//! mark ends the first entry of its private log; a file's mark is its `temp_id`.

use serde::{Deserialize, Serialize};

use crate::ticket::{MadeBy, Side};

const WORD: &str = "itop-bridge:";

/// The words before the external ticket's reference in the first log entry.
const COPY_OF: &str = "This ticket is a copy of ";

/// `[itop-bridge:<server>:<external>:<Class>:<ticket id>]`, in the internal ticket's first log entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TicketMark {
    /// `server.id` of the bridge that made the copy.
    pub server: String,
    pub external: String,
    pub class: String,
    /// The external ticket's id.
    pub ticket: u64,
}

impl TicketMark {
    /// The mark without brackets, as in the query `private_log LIKE '%…%'`.
    pub fn token(&self) -> String {
        let Self { server, external, class, ticket } = self;
        format!("{WORD}{server}:{external}:{class}:{ticket}")
    }

    /// The first log entry's text, readable by people, ending in the mark.
    pub fn entry(&self, external_reference: &str) -> String {
        format!("{COPY_OF}{external_reference} in {}, kept in step by itop-bridge. [{}]", self.external, self.token())
    }

    /// The external ticket's reference in such an entry.
    pub fn reference_in(entry: &str) -> Option<&str> {
        let (_, rest) = entry.split_once(COPY_OF)?;
        rest.split_whitespace().next()
    }

    /// The mark in a log entry's text, of this bridge or any other. The whole bracketed token is read, so that ticket
    /// 8 is not found in the mark of ticket 88.
    pub fn find(text: &str) -> Option<TicketMark> {
        text.match_indices("[itop-bridge:").find_map(|(at, _)| {
            let rest = &text[at + 1 + WORD.len()..];
            let token = &rest[..rest.find(']')?];
            let mut parts = token.split(':');
            let mark = TicketMark {
                server: parts.next()?.to_owned(),
                external: parts.next()?.to_owned(),
                class: parts.next()?.to_owned(),
                ticket: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(mark)
        })
    }
}

/// The kind of file that the bridge made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A copy of an attachment; the mark's key is the original's id.
    File,
    /// New entries of a case log; the key names the log and the last entry carried
    /// ([`crate::caselog::BatchKey`]).
    Log,
    /// An inline image of a log entry, or one that does not fit into a field; the key is the image's id.
    Image,
    /// The whole of a text that does not fit into a field; the key is the attribute's code.
    Text,
    /// Tells the external ticket the provider's states; one per pair.
    Status,
    /// Tells the provider's agents of a move that the internal ticket cannot follow; one per pair.
    Notice,
}

impl FileKind {
    fn word(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Log => "log",
            FileKind::Image => "image",
            FileKind::Text => "text",
            FileKind::Status => "status",
            FileKind::Notice => "notice",
        }
    }

    fn of_word(word: &str) -> Option<FileKind> {
        const ALL: [FileKind; 6] =
            [FileKind::File, FileKind::Log, FileKind::Image, FileKind::Text, FileKind::Status, FileKind::Notice];
        ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// `itop-bridge:<server>:<external>:<Class>:<ticket id>:<side it came from>:<kind>:<key>`, in an
/// attachment's `temp_id` (iTop takes at most 255 characters there).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    pub ticket: TicketMark,
    pub from: Side,
    pub kind: FileKind,
    pub key: String,
}

impl FileMark {
    /// Whether this mark names the given file of its pair.
    pub fn is(&self, from: Side, kind: FileKind, key: &str) -> bool {
        self.from == from && self.kind == kind && self.key == key
    }

    pub fn temp_id(&self) -> String {
        format!("{}:{}:{}:{}", self.ticket.token(), self.from.word(), self.kind.word(), self.key)
    }

    /// Reads a `temp_id`, if it is a mark made for `ticket`. A file with another bridge's or another pair's mark is
    /// an ordinary file here.
    pub fn read(temp_id: &str, ticket: &TicketMark) -> Option<FileMark> {
        FileMark::find(temp_id).filter(|mark| mark.ticket == *ticket)
    }

    /// The mark in a `temp_id`, of any bridge and any pair.
    pub fn find(temp_id: &str) -> Option<FileMark> {
        let mut parts = temp_id.strip_prefix(WORD)?.splitn(7, ':');
        let (server, external, class) = (parts.next()?.to_owned(), parts.next()?.to_owned(), parts.next()?.to_owned());
        let ticket = TicketMark { server, external, class, ticket: parts.next()?.parse().ok()? };
        let word = parts.next()?;
        let from = Side::BOTH.into_iter().find(|side| side.word() == word)?;
        let kind = FileKind::of_word(parts.next()?)?;
        Some(FileMark { ticket, from, kind, key: parts.next()?.to_owned() })
    }
}

/// Whether any bridge made the attachment with this `temp_id`.
pub fn is_made_by_a_bridge(temp_id: &str) -> bool {
    temp_id.starts_with(WORD)
}

impl MadeBy {
    /// The maker of the attachment with this `temp_id`, seen from the pair of `ticket`.
    pub fn of(temp_id: &str, ticket: &TicketMark) -> MadeBy {
        match FileMark::read(temp_id, ticket) {
            Some(mark) => MadeBy::ThisPair(mark),
            None if is_made_by_a_bridge(temp_id) => MadeBy::OtherPair,
            None => MadeBy::Person,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(ticket: u64) -> TicketMark {
        TicketMark { server: "7f3a".into(), external: "acme".into(), class: "UserRequest".into(), ticket }
    }

    #[test]
    fn a_ticket_mark_is_found_again_in_the_entry_that_holds_it() {
        assert_eq!(TicketMark::find(&mark(88).entry("R-000088")), Some(mark(88)));
    }

    #[test]
    fn a_ticket_mark_is_compared_as_a_whole_token() {
        assert_ne!(TicketMark::find(&mark(88).entry("R-1")), Some(mark(8)));
        assert_eq!(TicketMark::find("[itop-bridge:7f3a:acme:UserRequest]"), None);
        assert_eq!(TicketMark::find("[itop-bridge:7f3a:acme:UserRequest:8:9]"), None);
        assert_eq!(TicketMark::find("itop-bridge:7f3a:acme:UserRequest:8"), None);
    }

    #[test]
    fn a_later_whole_mark_is_found_behind_a_broken_one() {
        let text = format!("[itop-bridge:quoted] and {}", mark(5).entry("R-5"));
        assert_eq!(TicketMark::find(&text), Some(mark(5)));
    }

    #[test]
    fn the_entry_with_the_mark_says_how_the_external_ticket_is_called() {
        assert_eq!(TicketMark::reference_in(&mark(88).entry("R-000088")), Some("R-000088"));
        assert_eq!(TicketMark::reference_in("[itop-bridge:7f3a:acme:UserRequest:88]"), None);
    }

    #[test]
    fn a_file_mark_is_read_back_only_for_its_own_pair() {
        let file = FileMark { ticket: mark(88), from: Side::External, kind: FileKind::File, key: "70".into() };
        assert_eq!(FileMark::read(&file.temp_id(), &mark(88)), Some(file.clone()));
        assert_eq!(FileMark::read(&file.temp_id(), &mark(8)), None);
        assert_eq!(FileMark::read("itop-bridge:7f3a:acme:UserRequest:88:moon:file:1", &mark(88)), None);
        assert_eq!(FileMark::read("", &mark(88)), None);
    }

    #[test]
    fn what_any_bridge_made_is_no_persons_file() {
        let file = FileMark { ticket: mark(88), from: Side::Internal, kind: FileKind::Log, key: "private:3:ab".into() };
        assert_eq!(MadeBy::of(&file.temp_id(), &mark(88)), MadeBy::ThisPair(file.clone()));
        assert_eq!(MadeBy::of(&file.temp_id(), &mark(8)), MadeBy::OtherPair);
        assert_eq!(MadeBy::of("itop-bridge:beef:acme:UserRequest:88:external:file:1", &mark(88)), MadeBy::OtherPair);
        assert_eq!(MadeBy::of("itop-bridge:7f3a:acme:UserRequest:88:moon:file:1", &mark(88)), MadeBy::OtherPair);
        assert_eq!(MadeBy::of("", &mark(88)), MadeBy::Person);
        assert_eq!(MadeBy::of("draft_123", &mark(88)), MadeBy::Person);
    }
}
