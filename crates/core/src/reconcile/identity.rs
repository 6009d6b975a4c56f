//! Whether a ticket is still the one that was linked. A restored iTop assigns ids again, and references with them.
//!
//! The rule, and why it can neither halt a corrected ticket nor go on with another one:
//!
//! 1. Another reference means another ticket. iTop assigns it once and nobody edits it.
//! 2. A creation time that was ever known for this ticket means the same ticket. For requests and incidents that time
//!    is `start_date`, which on a new ticket is its own creation: the clock has gone on since the linked one was
//!    created. To meet a known time it would have to be corrected to that very second.
//! 3. Another time alone proves nothing, since people may correct `start_date`. Then evidence that only the linked
//!    ticket can show decides:
//!    - The mark in the first entry of the private log names this pair. The bridge writes it with the create call
//!      itself, for this pair and no other, and nothing else brings it onto another ticket.
//!    - A file that the bridge made for this pair, and knows by its id, is still attached to the ticket. A restore
//!      removes it together with the ticket.
//!    - A delivered entry of its log is still there: its author, its words and its second.
//! 4. If the pair has a mark or files that were looked for and none is left, it is another ticket: correcting a date
//!    removes neither.
//! 5. If there never were any, or only entries of its log are gone (which iTop loses at times), the agreed title and
//!    description decide: another ticket shares neither. If only one of them matches, the time must also have moved
//!    back, and no entry be gone. People correct a start to when it really began; a new ticket begins later than the
//!    one whose id it was given.

use crate::caselog::LogName;
use crate::link::{Link, is_as_agreed};
use crate::mark::TicketMark;
use crate::policy::Policy;
use crate::text;
use crate::ticket::{File, Side, Ticket};

/// Why this is not the ticket that was linked; `None` if it is.
pub fn is_another(policy: &Policy, link: &Link, side: Side, found: &Ticket) -> Option<String> {
    let linked = link.key(side)?;
    let (was, is) = (&linked.reference, &found.reference);
    let instance = match side {
        Side::External => policy.external.as_str(),
        Side::Internal => "the internal side",
    };
    let asks = "was this iTop restored from a backup, or cloned?";
    if was != is {
        return Some(format!("ticket id {} of {instance} was {was} and is now {is}: {asks}", found.id));
    }
    let made = is_in_doubt(policy, link, side, found)?;
    if is_known_again(policy, link, side, found, made) {
        return None;
    }
    let known = &link.ancestor.side(side).made;
    let it = format!("{is} (id {}) of {instance}", found.id);
    Some(format!("{it} is another ticket now: the linked one was made at {known}, this one at {made}: {asks}"))
}

/// Whether this is the linked ticket beyond doubt: by its creation time, or by evidence that only it can show. Its
/// words are not enough, since people type again what an iTop has lost.
pub fn is_surely_the_same(policy: &Policy, link: &Link, side: Side, found: &Ticket) -> bool {
    let is_it = link.key(side).is_some_and(|key| key.reference == found.reference);
    is_it
        && (is_in_doubt(policy, link, side, found).is_none()
            || witnesses(policy, link, side, found).contains(&Some(true)))
}

/// The creation time, where it was never known for the ticket: other evidence decides, and has to be read.
pub fn is_in_doubt<'a>(policy: &Policy, link: &Link, side: Side, found: &'a Ticket) -> Option<&'a str> {
    let ancestor = link.ancestor.side(side);
    let made = policy.made(side, found)?;
    let known = [&ancestor.made].into_iter().chain(&ancestor.made_before);
    (!ancestor.made.is_empty() && !known.into_iter().any(|known| is_same_moment(known, made))).then_some(made)
}

/// A date format without seconds prints none: such a time matches any second of its minute.
fn is_same_moment(one: &str, other: &str) -> bool {
    const MINUTES: usize = "2026-11-29 18:00".len();
    let lost_its_seconds = |text: &str| text.get(MINUTES..) == Some(":00");
    one == other
        || ((lost_its_seconds(one) || lost_its_seconds(other))
            && one.get(..MINUTES).is_some_and(|minute| other.get(..MINUTES) == Some(minute)))
}

fn is_known_again(policy: &Policy, link: &Link, side: Side, found: &Ticket, made: &str) -> bool {
    let witnesses = witnesses(policy, link, side, found);
    if witnesses.contains(&Some(true)) {
        return true;
    }
    let [mark, files, entries] = witnesses;
    if mark == Some(false) || files == Some(false) {
        return false;
    }
    // iTop itself loses entries, when two people save at once.
    words(link, side, found, made, entries == Some(false))
}

/// For the mark, the files and the entries: whether each is there; `None` if there is none, or it was not looked for.
fn witnesses(policy: &Policy, link: &Link, side: Side, found: &Ticket) -> [Option<bool>; 3] {
    [mark(policy, link, side, found), own_files(link, side, found), entries(link, side, found)]
}

fn mark(policy: &Policy, link: &Link, side: Side, found: &Ticket) -> Option<bool> {
    let first = found.logs.get(&LogName::Private).filter(|_| side == Side::Internal)?.first()?;
    Some(TicketMark::find(&first.html)? == policy.mark(link))
}

fn own_files(link: &Link, side: Side, found: &Ticket) -> Option<bool> {
    let files = found.files.as_ref()?;
    let stands = |id: u64| files.iter().any(|file: &File| file.id == id && file.mark().is_some());
    let mut known = link.marked_on(side).peekable();
    known.peek()?;
    Some(known.any(stands))
}

fn entries(link: &Link, side: Side, found: &Ticket) -> Option<bool> {
    let read = link.logs.iter().filter(|state| state.from == side && !state.delivered.is_empty());
    let mut read = read.filter_map(|state| Some((state, found.logs.get(&state.log)?))).peekable();
    read.peek()?;
    Some(read.any(|(state, log)| log.iter().any(|entry| state.delivered.contains(&entry.key))))
}

fn words(link: &Link, side: Side, found: &Ticket, made: &str, entries_are_gone: bool) -> bool {
    let ancestor = link.ancestor.side(side);
    // Before the first create is answered: the values read for it.
    let sent = |code: &str| link.in_flight.creation.as_ref().filter(|_| side == Side::External)?.fields.get(code);
    let known = |code: &str| ancestor.fields.get(code).or_else(|| sent(code));
    if known("title").is_none() && known("description").is_none() {
        // The ticket's words were never carried, so another ticket cannot be joined to them: there is no counterpart,
        // or it has other words in their place.
        let has_others = link.ancestor.internal.fields.contains_key("title");
        return link.internal.is_none() || has_others || made < ancestor.made.as_str();
    }
    let says = |code: &str| {
        let (Some(agreed), Some(now)) = (known(code), found.attributes.get(code)) else { return false };
        text::same_html(agreed, now) || is_as_agreed(agreed, now)
    };
    match (says("title"), says("description")) {
        (true, true) => true,
        (false, false) => false,
        (true, false) | (false, true) => made < ancestor.made.as_str() && !entries_are_gone,
    }
}
