//! Links in iTop's own notation, such as `[[UserRequest:5|R-000009]]`, and where a text contains them.

use std::ops::Range;

/// A link in iTop's own notation.
#[derive(Debug)]
pub(super) struct Link<'t> {
    pub at: Range<usize>,
    pub class: &'t str,
    pub name: &'t str,
    pub label: Option<&'t str>,
}

/// iTop's pattern is `\[\[(.+):(.+)(\|(.+))?\]\]`, each part as short as possible, within one line; a match is a link
/// only if its class exists (3.1.2 and 3.2.0). The other iTop's classes, and their names in its language, are not
/// known here: only text that could not be a class name is excluded.
pub(super) fn links(text: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut line_starts = 0;
    for line in text.split_inclusive('\n') {
        if let Some(last) = line.rfind("]]") {
            links.extend(links_until(text, line_starts, line_starts + last + 2));
        }
        line_starts += line.len();
    }
    links
}

/// The links in a part of a line that ends with a link's last brackets, if there are any.
fn links_until(text: &str, mut from: usize, end: usize) -> Vec<Link<'_>> {
    let text = &text[..end];
    let mut links = Vec::new();
    while let Some(start) = text[from..].find("[[").map(|at| from + at) {
        match link_at(text, start) {
            Some(link) => {
                from = link.at.end;
                links.push(link);
            }
            None => from = start + 1,
        }
    }
    links
}

fn link_at(text: &str, start: usize) -> Option<Link<'_>> {
    const MOST_OF_A_NAME: usize = 100;
    let inner = start + 2;
    let class_len = text[inner..].bytes().take(MOST_OF_A_NAME).position(|byte| matches!(byte, b':' | b'[' | b']'))?;
    let (class, rest) = text[inner..].split_at(class_len);
    let rest = rest.strip_prefix(':')?;
    if !could_be_class(class.trim()) {
        return None;
    }
    let first = rest.chars().next()?.len_utf8();
    let end = first + rest[first..].find("]]")?;
    let (name, label) = match rest[..end].split_once('|') {
        Some((name, label)) if !name.is_empty() && !label.trim().is_empty() => (name, Some(label.trim())),
        _ => (&rest[..end], None),
    };
    let at = start..inner + class_len + 1 + end + 2;
    Some(Link { at, class: class.trim(), name: name.trim(), label })
}

fn could_be_class(class: &str) -> bool {
    class.starts_with(char::is_alphabetic)
        && class.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_-'’./()&".contains(c))
}
