//! Replaces by words, in a text that crosses, the references that only its own iTop understands: links to its objects
//! and addresses of its console.
//!
//! iTop makes a link of `[[Class:id]]`, `[[Class:name]]` and `[[Class:id|label]]` in any text when it *shows* the
//! text, and each iTop looks the object up among its own. In the other iTop such a link leads to another object, or
//! names a ticket that does not concern its people. So a link crosses as its words, and a console address as words
//! that describe it. A reference that a person wrote as plain words stays word for word.

mod addresses;
mod console;
mod notation;
mod parent_solution;
#[cfg(test)]
mod tests;
mod ticket_names;

use std::ops::Range;

use crate::link::TicketKey;
use addresses::{addresses, end_of_broken};
use console::{after_scheme, asks_a_console, has_console_path, plainly};
use notation::{Link, links};
use parent_solution::RESOLVED_WITH_PARENT;
use ticket_names::{ends_in_a_number, is_ticket_class, names_a_ticket, squeezed};

pub use console::Console;
pub use parent_solution::resolved_with_parent;

const OTHER_TICKET: &str = "(link to another ticket)";
const OTHER_OBJECT: &str = "(link to another object)";
const THIS_TICKET: &str = "this ticket";
const CONSOLE: &str = "(link into the other iTop)";

/// The source and the destination of a text.
#[derive(Debug, Clone, Copy)]
pub struct Journey<'a> {
    /// The iTop in which the text was written.
    pub from: &'a Console,
    /// The iTop into which it is written: links into this one stay valid.
    pub to: &'a Console,
    /// The ticket that the text belongs to.
    pub ticket: &'a TicketKey,
}

/// A range of a text, and the words that replace it in the other iTop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// In bytes.
    pub at: Range<usize>,
    pub words: String,
}

impl Journey<'_> {
    /// The plain text with links and console addresses replaced by words, and without the secrets of images.
    pub fn words_of(&self, text: &str) -> String {
        let told = self.without_links(text);
        let secrets = picture_secrets(&told).into_iter().map(|at| Replacement { at, words: String::new() });
        replaced(&told, &secrets.collect::<Vec<_>>())
    }

    fn without_links(&self, text: &str) -> String {
        // Words that replace a link may complete another one.
        const MOST_ROUNDS: usize = 8;
        if resolved_with_parent(text) {
            return RESOLVED_WITH_PARENT.to_owned();
        }
        let mut told = text.to_owned();
        for _ in 0..MOST_ROUNDS {
            let replacements = self.replacements(&told);
            if replacements.is_empty() {
                return told;
            }
            told = replaced(&told, &replacements);
        }
        without_brackets(&told)
    }

    /// The replacements for the text, in order.
    pub fn replacements(&self, text: &str) -> Vec<Replacement> {
        let links = links(text);
        let words = links.iter().map(|link| Replacement { at: link.at.clone(), words: self.words_of_link(link) });
        let mut all: Vec<Replacement> = words.collect();
        let mut from = 0;
        let is_apart = |at: &Range<usize>| links.iter().all(|link| link.at.end <= at.start || at.end <= link.at.start);
        for at in addresses(text) {
            if at.start >= from && is_apart(&at) && self.leads_into_console(&text[at.clone()]) {
                let whole = at.start..end_of_broken(text, at.end);
                let at = if is_apart(&whole) { whole } else { at };
                from = at.end;
                all.push(Replacement { at, words: CONSOLE.to_owned() });
            }
        }
        all.sort_by_key(|replacement| replacement.at.start);
        all
    }

    /// The words of an HTML link into the console, or of a mention: its own, unless they name another ticket.
    pub fn words_of_anchor<'w>(&self, words: &'w str) -> &'w str {
        let is_own = words.trim() == self.ticket.reference;
        if is_own || !(names_a_ticket(words) || ends_in_a_number(words)) { words } else { OTHER_TICKET }
    }

    fn words_of_link(&self, link: &Link<'_>) -> String {
        let of_a_ticket = is_ticket_class(link.class);
        if let Some(label) =
            link.label.filter(|label| !(names_a_ticket(label) || (of_a_ticket && ends_in_a_number(label))))
        {
            return label.to_owned();
        }
        let same_class = squeezed(link.class) == squeezed(&self.ticket.class);
        if same_class && (link.name == self.ticket.reference || link.name == self.ticket.id.to_string()) {
            return THIS_TICKET.to_owned();
        }
        if of_a_ticket || names_a_ticket(link.name) || link.label.is_some() {
            return OTHER_TICKET.to_owned();
        }
        // iTop reads `5 of them` as the id 5.
        if link.name.starts_with(|first: char| first.is_ascii_digit()) {
            return OTHER_OBJECT.to_owned();
        }
        format!("{}:{}", link.class, link.name)
    }

    /// Whether the address leads into the console of the source iTop, judged by its known addresses or by the paths
    /// of any console: iTop writes links with an address of its own, which need not be the one that the bridge uses.
    pub fn leads_into_console(&self, address: &str) -> bool {
        let address = plainly(address);
        if self.from.holds(&address) {
            return true;
        }
        let is_at_home_there = after_scheme(&address).is_some_and(|rest| self.to.begins(rest));
        !is_at_home_there && (has_console_path(&address) || asks_a_console(&address))
    }
}

/// The secrets of images whose tags stand in a plain text: a secret loads the image without a log-in.
fn picture_secrets(text: &str) -> Vec<Range<usize>> {
    const NAME: &str = "data-img-secret=";
    let lower = text.to_ascii_lowercase();
    let values = lower.match_indices(NAME).map(|(at, _)| {
        let start = at + NAME.len();
        let is_of_it = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'"' | b'\'');
        start..start + lower[start..].bytes().take_while(is_of_it).count()
    });
    values.filter(|at| lower[at.clone()].bytes().any(|byte| byte.is_ascii_hexdigit())).collect()
}

fn replaced(text: &str, replacements: &[Replacement]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for Replacement { at, words } in replacements {
        out.push_str(&text[from..at.start]);
        out.push_str(words);
        from = at.end;
    }
    out.push_str(&text[from..]);
    out
}

/// For a text that never settles: separates brackets that stand together.
fn without_brackets(text: &str) -> String {
    let mut out = text.to_owned();
    while out.contains("[[") {
        out = out.replace("[[", "[ [");
    }
    out
}
