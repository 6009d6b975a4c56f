//! The solution that iTop gives a ticket which it resolves together with its parent: it names the parent.

use super::notation::{Link, links};
use super::ticket_names::{is_ticket_class, names_a_ticket};

pub(super) const RESOLVED_WITH_PARENT: &str = "Automatically resolved with its parent";

/// The beginning and end of the solution that iTop gives a ticket resolved with its parent, around a link to that
/// parent: from its dictionaries, and as hard-coded in older models (3.1.2 and 3.2.0).
const RESOLVED_FROM: [(&str, &str); 16] = [
    ("Automatically resolved from", ""),
    ("Automatically resolved by incident:", ""),
    ("Automatically resolved by request:", ""),
    ("Automatisch afgerond door", ""),
    ("Automatisch durch", "gelöst"),
    ("Automáticamente resuelto de", ""),
    ("Resolvido automaticamente de", ""),
    ("Risolti automaticamente da", ""),
    ("Résolu via", ""),
    ("Vyřešeno automaticky na základě", ""),
    ("Automatycznie rozwiązane z", ""),
    ("Автоматическое решение из", ""),
    ("", "-ból automatikusan megoldva"),
    ("", "'den otomatik olarak çözüldü,"),
    ("从", "自动解决"),
    ("由", "自动解决"),
];

/// Whether the text is iTop's own sentence about a resolved parent, and nothing else.
pub fn resolved_with_parent(text: &str) -> bool {
    let text = text.trim();
    RESOLVED_FROM.iter().any(|(before, after)| {
        let around = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).map(str::trim);
        around.filter(|link| link.len() < text.len()).is_some_and(|link| {
            let of_a_ticket = |link: &Link<'_>| {
                is_ticket_class(link.class) || names_a_ticket(link.name) || link.label.is_some_and(names_a_ticket)
            };
            matches!(&links(link)[..], [one] if one.at == (0..link.len()) && of_a_ticket(one))
        })
    })
}
