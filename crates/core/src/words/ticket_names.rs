//! Words that name a ticket: its class, or its reference.

/// Whether the class is one of tickets, judged by the names in iTop's own model, with any prefix or suffix. A class
/// that is named in another language is not recognised; then the ticket's name must show it.
pub(super) fn is_ticket_class(class: &str) -> bool {
    const WORDS: [&str; 7] = ["request", "incident", "problem", "change", "ticket", "workorder", "knownerror"];
    let class = squeezed(class);
    WORDS.iter().any(|word| class.contains(word))
}

/// The letters and digits alone, in lower case.
pub(super) fn squeezed(words: &str) -> String {
    words.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a word looks like a ticket's reference: `R-000009`, `INC-2024-0001`, `INC0001234`, `#12`.
pub(super) fn names_a_ticket(words: &str) -> bool {
    let mut found = words.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '#')));
    found.any(|word| {
        let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = word.len() - name.len();
        let letters = name.trim_end_matches(['-', '_', '#']);
        let is_joined = letters.len() < name.len();
        digits >= 6 || (digits >= 4 && is_joined) || (digits >= 1 && name.ends_with('#'))
    })
}

/// A laxer check for texts that stand for a ticket anyway, whatever its references look like.
pub(super) fn ends_in_a_number(words: &str) -> bool {
    words.split_whitespace().any(|word| word.bytes().rev().take_while(u8::is_ascii_digit).count() >= 3)
}
