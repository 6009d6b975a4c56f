//! People's edits of fields, and the texts, pictures and links that they write.

use itop_sim::{Sim, Ticket};
use serde_json::json;

use super::ground::{Ground, link_of_internal, mark_of, name, sim_at};
use super::memory::{InternalEdit, Memory};
use crate::history::Place;

pub(super) async fn edit<G: Ground>(
    world: &G,
    memory: &mut Memory,
    at: Place,
    one: &Ticket,
    code: &'static str,
    word: &str,
    pick: u64,
) {
    let value = match code {
        "description" if at != Place::Elitery => {
            described(sim_at(world, at), one.id, &format!("{word}{}", linked(pick)), pick).await
        }
        "description" => format!("<p>{word}{}</p>", linked(pick)),
        "urgency" if at != Place::Elitery && pick.is_multiple_of(5) => unknown_to_internal(sim_at(world, at)).into(),
        "urgency" => (1 + pick % 4).to_string(),
        _ => word.to_owned(),
    };
    let has_none = code == "urgency" && one.class.ends_with("Change");
    if has_none || value == one.field(code) {
        return;
    }
    let over_agreement = at == Place::Elitery && agreed(world, one, code).await;
    sim_at(world, at).update(one.id, json!({ code: value })).await.expect("a field");
    if at == Place::Elitery {
        memory.internal_edits.insert((one.id, code), InternalEdit { value, is_outdated: false, over_agreement });
        return;
    }
    // Whatever was agreed: this side wins now.
    for ticket in sim_at(world, Place::Elitery).tickets("Ticket") {
        let is_copy = mark_of(&ticket).is_some_and(|mark| (mark.external, mark.ticket) == (name(at), one.id));
        if let (true, Some(edit)) = (is_copy, memory.internal_edits.get_mut(&(ticket.id, code))) {
            (edit.over_agreement, edit.is_outdated) = (false, true);
        }
    }
}

/// Most write a word, some write much, and some paste an image.
async fn described(sim: &Sim, ticket: u64, word: &str, pick: u64) -> String {
    let bytes = match pick % 8 {
        0 => return format!("<p>{}</p>", vec![word; 600].join(" ")),
        1 => 600,
        2 => 5_000,
        _ => return format!("<p>{word}</p>"),
    };
    let mut data = b"\x89PNG\r\n\x1a\n".to_vec();
    data.resize(bytes, 7);
    let image = sim.add_inline_image(ticket, "5ec2e7", "image/png", &data).await.expect("a picture");
    format!("<p>{word} {}</p>", image.html)
}

/// A value that the customer's iTop may know and the provider's does not.
pub const UNKNOWN_TO_INTERNAL: &str = "9";

fn unknown_to_internal(sim: &Sim) -> &'static str {
    if sim.allows_value("urgency", UNKNOWN_TO_INTERNAL) { UNKNOWN_TO_INTERNAL } else { "1" }
}

/// Whether the bridge has nothing more to write to this internal field.
async fn agreed<G: Ground>(world: &G, one: &Ticket, code: &str) -> bool {
    let Some(stored) = link_of_internal(world, one.id).await else { return false };
    let link = stored.link;
    let place = if stored.external_name == name(Place::Acme) { Place::Acme } else { Place::Beta };
    let Some(external) = sim_at(world, place).ticket(link.external.id) else { return false };
    let known = link.ancestor.external.fields.get(code);
    let nothing_under_way =
        link.in_flight.sending.is_none() && link.in_flight.late.is_empty() && link.in_flight.owed.is_empty();
    nothing_under_way && known.is_some_and(|known| known == external.field(code))
}

/// The id of a ticket that must not be revealed to any other iTop.
pub const SECRET_ID: &str = "471147";

/// Links that people write after their words, which mean something in their own iTop only, and their form in the
/// other.
pub const LINKS: [(&str, &str); 3] = [
    (" [[UserRequest:471147]]", " (link to another ticket)"),
    (" [[Person:471147|Agatha]]", " Agatha"),
    (" <a href=\"http://itop.example/pages/UI.php?id=471147\">there</a>", " there"),
];

pub(super) fn linked(pick: u64) -> &'static str {
    let at = usize::try_from(pick / 4 % 8).expect("small");
    LINKS.get(at).map_or("", |(written, _)| written)
}

/// A text in the form that the other iTop receives.
pub fn told(text: &str) -> String {
    LINKS.iter().fold(text.to_owned(), |text, (written, told)| text.replace(written, told))
}
