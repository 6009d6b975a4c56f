//! The addresses that a plain text contains: where each begins and ends.

use std::ops::Range;

/// The ranges that may be an address: a whole word, or its part from a scheme on.
pub(super) fn addresses(text: &str) -> Vec<Range<usize>> {
    let ends_word =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '«' | '»' | '“' | '”' | '„' | '[' | ']');
    let mut found = Vec::new();
    let (mut start, mut index_ends) = (0, 0);
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        if !ends_word(character) || at < index_ends {
            continue;
        }
        if character == '['
            && text[start..at].contains('?')
            && let Some(length) = index_of_a_parameter(&text[at..])
        {
            index_ends = at + length;
            continue;
        }
        found.extend(address_in(text, start..at));
        start = at + character.len_utf8();
    }
    found
}

fn address_in(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let lower = text[word.clone()].to_ascii_lowercase();
    let scheme = ["http:", "https:", "//", "http%3a", "https%3a"].iter().filter_map(|scheme| lower.find(scheme)).min();
    let bare = lower.trim_start_matches(['(', '\'', '{']);
    let at = match scheme {
        Some(at) => at,
        None if lower.contains(".php") || bare.trim_start_matches('/').starts_with("?operation=") => {
            lower.len() - bare.len()
        }
        None => return None,
    };
    let address = text[word.start + at..word.end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '}']);
    let start = word.start + at;
    (!address.is_empty()).then(|| start..start + address.len())
}

/// The length of `[menu]` where a query continues after it: `?c[menu]=Overview` (a console's own links).
fn index_of_a_parameter(text: &str) -> Option<usize> {
    let name = text.strip_prefix('[')?;
    let end = name.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
    let length = end + 2;
    (name[end..].starts_with("]=") || name[end..].starts_with("][")).then_some(length)
}

/// The end of a console address that was broken at the end of a line: the next word continues its query.
pub(super) fn end_of_broken(text: &str, end: usize) -> usize {
    const NAMES: [&str; 8] = ["operation=", "class=", "id=", "c[", "exec_", "auth_", "s=", "format="];
    let mut end = end;
    loop {
        let rest = &text[end..];
        // Punctuation that may end a sentence was left out of the address.
        let trimmed = rest.trim_start_matches('?');
        let tail = trimmed.trim_start();
        let space = &trimmed[..trimmed.len() - tail.len()];
        let length = tail.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ')')).unwrap_or(tail.len());
        let word = &tail[..length];
        let lower = word.trim_start_matches(['?', '&']).to_ascii_lowercase();
        let is_of_a_query = NAMES.iter().any(|name| lower.starts_with(name)) || lower.contains("&id=");
        // A word with a path is an address of its own.
        if space.is_empty() || space.contains("\n\n") || lower.contains('/') || !is_of_a_query {
            return end;
        }
        let word = word.trim_end_matches(['.', ',', ';', ':', '!']);
        end = text.len() - tail.len() + word.len();
    }
}
