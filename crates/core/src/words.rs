//! Keeps from the other iTop what concerns only one: links to its objects, and the address of its console.
//!
//! iTop makes a link of `[[Class:id]]`, `[[Class:name]]` and `[[Class:id|label]]` in any text when it *shows* the
//! text, and each iTop looks the object up among its own. In the other iTop such a link leads to another object, or
//! names a ticket that does not concern its people. So a link crosses as its words, and a console address as words
//! that describe it. A reference that a person wrote as plain words stays word for word.

use std::ops::Range;

use crate::link::TicketKey;

const OTHER_TICKET: &str = "(link to another ticket)";
const OTHER_OBJECT: &str = "(link to another object)";
const THIS_TICKET: &str = "this ticket";
const CONSOLE: &str = "(link into the other iTop)";
const RESOLVED_WITH_PARENT: &str = "Automatically resolved with its parent";

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
    /// A plain text with links and console addresses replaced by words, and without secrets of images.
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

/// The addresses of an iTop: the configured one, and those that it uses for itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    roots: Vec<Root>,
}

/// An address reduced for comparison: in lower case, without scheme, account and default port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Root {
    host: String,
    /// Without a final slash.
    path: String,
}

impl Console {
    /// The most addresses kept for one iTop.
    const MOST_ROOTS: usize = 4;

    pub fn at(url: &str) -> Console {
        Console { roots: vec![Root::at(url)] }
    }

    /// Adds an address that the iTop uses for itself, unless it is the other's. Returns whether it is new.
    pub fn learn_address(&mut self, url: &str, other: &Console) -> bool {
        let root = Root::at(url);
        let is_new = !root.host.is_empty()
            && !self.roots.contains(&root)
            && !other.roots.contains(&root)
            && self.roots.len() < Self::MOST_ROOTS;
        if is_new {
            self.roots.push(root);
        }
        is_new
    }

    /// Whether one of the roots occurs anywhere in the address: a link may be wrapped in another one.
    fn holds(&self, address: &str) -> bool {
        address.match_indices("//").any(|(at, _)| self.begins(without_account(&address[at + 2..])))
    }

    fn begins(&self, rest: &str) -> bool {
        self.roots.iter().any(|root| root.begins(rest))
    }
}

impl Root {
    fn at(url: &str) -> Root {
        let url = plainly(url);
        let (host, path) = host_and_path(after_scheme(&url).unwrap_or(&url));
        Root { host: host.to_owned(), path: path.trim_end_matches('/').to_owned() }
    }

    fn begins(&self, rest: &str) -> bool {
        let (host, path) = host_and_path(rest);
        let path = without_detours(path);
        let after = path.strip_prefix(&self.path);
        let ends_there = |after: &str| after.is_empty() || after.starts_with(['/', '?', '#', '&']);
        !host.is_empty() && host == self.host && after.is_some_and(ends_there)
    }
}

/// In lower case, without characters that a browser skips, and with escapes undone: `%2F` and `&amp;`.
fn plainly(address: &str) -> String {
    let mut plain: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    plain = plain.replace('\\', "/");
    for _ in 0..3 {
        let shorter = percent_decoded(&plain).replace("&amp;", "&");
        if shorter == plain {
            break;
        }
        plain = shorter;
    }
    plain.to_lowercase()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = &rest[if byte.is_some() { 3 } else { 1 }..];
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Host and path of `http://…` and of `//…`.
fn after_scheme(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https:").or_else(|| address.strip_prefix("http:")).unwrap_or(address);
    let host = rest.trim_start_matches('/');
    (rest.len() - host.len() >= 2).then(|| without_account(host))
}

fn without_account(rest: &str) -> &str {
    rest[..end_of_host(rest)].rfind('@').map_or(rest, |at| &rest[at + 1..])
}

fn host_and_path(rest: &str) -> (&str, &str) {
    let (host, path) = rest.split_at(end_of_host(rest));
    (host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(host), path)
}

fn end_of_host(rest: &str) -> usize {
    rest.find(['/', '?', '#', '&']).unwrap_or(rest.len())
}

/// A path as a server reads it: `//` and `/./` are one slash, and `/x/../` drops `x`.
fn without_detours(path: &str) -> String {
    let (path, query) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    let mut parts: Vec<&str> = Vec::new();
    let mut pieces = path.split('/').peekable();
    while let Some(piece) = pieces.next() {
        let is_end = pieces.peek().is_none() || parts.is_empty();
        match piece {
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            "" | "." | ".." if !is_end => {}
            _ => parts.push(piece),
        }
    }
    parts.join("/") + query
}

/// The pages of iTop's console, of its portal, and of its interfaces for machines (3.1.2 and 3.2.0).
const PAGES: [&str; 29] = [
    "pages/ui.php",
    "pages/exec.php",
    "pages/ajax.",
    "pages/universalsearch.php",
    "pages/run_query.php",
    "pages/preferences.php",
    "pages/tagadmin.php",
    "pages/schema.php",
    "pages/notifications.php",
    "pages/logoff.php",
    "pages/opensearch.xml",
    "pages/navigator.php",
    "pages/csvimport.php",
    "pages/audit.php",
    "pages/graphviz.php",
    "pages/oauth.landing.php",
    "webservices/export",
    "webservices/import.php",
    "webservices/rest.php",
    "webservices/cron.php",
    "webservices/status.php",
    "webservices/soapserver.php",
    "webservices/itop",
    "webservices/createfrommail.php",
    "webservices/backoffice.dataloader.php",
    "synchro/replica.php",
    "synchro/synchro_",
    "synchro/priv_sync_chunk.php",
    "toolkit/ajax.toolkit.php",
];

fn has_console_path(address: &str) -> bool {
    let address = &without_detours(address);
    let stands_apart = |page: &str| {
        let mut found = address.match_indices(page);
        found.any(|(at, _)| at == 0 || !address[..at].ends_with(|before: char| before.is_alphanumeric()))
    };
    let is_relative = ["ui.php", "exec.php?exec_module", "?operation=", "/?operation=", "?exec_module="];
    PAGES.iter().any(|page| stands_apart(page)) || is_relative.iter().any(|start| address.starts_with(start))
}

/// Whether the query is one that only a console answers (iTop's own root leads there too), or holds a credential of
/// iTop's API, which must not be passed on.
fn asks_a_console(address: &str) -> bool {
    let Some((page, query)) = address.split_once('?') else { return false };
    let asks = |name: &str| query.split('&').any(|pair| pair.starts_with(name));
    let is_root = page.ends_with('/') || page.ends_with("/index.php");
    (is_root && asks("operation=") && asks("class="))
        || asks("exec_module=itop-")
        || asks("auth_pwd=")
        || asks("auth_token=")
}

/// The end of a console address that was broken at the end of a line: the next word continues its query.
fn end_of_broken(text: &str, end: usize) -> usize {
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

/// A link in iTop's own notation.
#[derive(Debug)]
struct Link<'t> {
    at: Range<usize>,
    class: &'t str,
    name: &'t str,
    label: Option<&'t str>,
}

/// iTop's pattern is `\[\[(.+):(.+)(\|(.+))?\]\]`, each part as short as possible, within one line; a match is a link
/// only if its class exists (3.1.2 and 3.2.0). The other iTop's classes, and their names in its language, are not
/// known here: only text that could not be a class name is excluded.
fn links(text: &str) -> Vec<Link<'_>> {
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

/// Judged by the classes of iTop's own model, with any prefix or suffix; in other languages the name must show it.
fn is_ticket_class(class: &str) -> bool {
    const WORDS: [&str; 7] = ["request", "incident", "problem", "change", "ticket", "workorder", "knownerror"];
    let class = squeezed(class);
    WORDS.iter().any(|word| class.contains(word))
}

fn squeezed(words: &str) -> String {
    words.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a word looks like a ticket's reference: `R-000009`, `INC-2024-0001`, `INC0001234`, `#12`.
pub fn names_a_ticket(words: &str) -> bool {
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
fn ends_in_a_number(words: &str) -> bool {
    words.split_whitespace().any(|word| word.bytes().rev().take_while(u8::is_ascii_digit).count() >= 3)
}

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

/// The ranges that may be an address: a whole word, or its part from a scheme on.
fn addresses(text: &str) -> Vec<Range<usize>> {
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

/// The length of `[menu]` where a query continues after it: `?c[menu]=Overview` (a console's own links).
fn index_of_a_parameter(text: &str) -> Option<usize> {
    let name = text.strip_prefix('[')?;
    let end = name.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
    let length = end + 2;
    (name[end..].starts_with("]=") || name[end..].starts_with("][")).then_some(length)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let (from, to) = (Console::at("https://acme.example/itop/"), Console::at("http://provider.example:8080"));
        let ticket = TicketKey { class: "UserRequest".into(), id: 7, reference: "R-000012".into() };
        Journey { from: &from, to: &to, ticket: &ticket }.words_of(text)
    }

    #[test]
    fn a_link_becomes_its_words_and_no_other_ticket_is_named() {
        let rows = [
            ("see [[UserRequest:5]] now", "see (link to another ticket) now"),
            ("see [[User Request:R-000009]]", "see (link to another ticket)"),
            ("see [[UserRequest:5|R-000009]]", "see (link to another ticket)"),
            ("see [[Ticket : 5 | as in R-000009]]", "see (link to another ticket)"),
            ("see [[UserRequest:5|INC0012]]", "see (link to another ticket)"),
            ("see [[UserRequest:5 | the printer]]", "see the printer"),
            ("see [[Demande utilisateur:R-000009]]", "see (link to another ticket)"),
            ("see [[Vorfall:4711]]", "see (link to another object)"),
            ("ask [[Person:3]]", "ask (link to another object)"),
            ("ask [[Person:1|Agatha]] & [[Person:Anna Gavalda]]", "ask Agatha & Person:Anna Gavalda"),
            (
                "on [[Server:db1.tnut.com]] and [[Server:123|Production server]]",
                "on Server:db1.tnut.com and Production server",
            ),
            ("this is [[UserRequest:7]], [[UserRequest:R-000012]]", "this is this ticket, this ticket"),
            ("[[UserRequest:5 of them]]", "(link to another ticket)"),
            (
                "[[UserRequest:5|]] [[UserRequest:|x]] [[UserRequest:5||x]]",
                "(link to another ticket) (link to another ticket) |x",
            ),
            ("[[[UserRequest:5]]]", "[(link to another ticket)]"),
            ("[[Person:1|[[UserRequest:5]]]]", "(link to another ticket)"),
            ("[[Person:1|a]] [[ ]] [[b:1|c]]", "a [[ ]] c"),
        ];
        for (text, expected) in rows {
            let told_once = told(text);
            assert_eq!(told_once, expected, "{text}");
            assert_eq!(told(&told_once), told_once, "{text}");
        }
    }

    #[test]
    fn an_address_of_a_console_goes_with_the_brackets_in_its_query() {
        let at = "https://acme.example/itop/pages/UI.php";
        for query in [
            "?c[menu]=X&operation=details&class=UserRequest&id=41",
            "?operation=details&class=UserRequest&id=41&c[menu]=X",
            "?operation=search&c[menu]=Search%3AUserRequest&filter=%5B%22SELECT...ref%3D%27R-000041%27",
            "?a[b][c]=1&id=41",
        ] {
            let words = told(&format!("see {at}{query} now"));
            let is_whole = words.starts_with("see (") && words.ends_with(") now");
            assert!(is_whole && !words.contains("41") && !words.contains('['), "{query}: {words}");
        }
        assert_eq!(told("if a?[x]=1 [or] b"), "if a?[x]=1 [or] b");
    }

    #[test]
    fn what_is_no_link_stays_word_for_word() {
        for text in [
            "see R-000009 and UserRequest:5",
            "if [[ $x == \"a:b\" ]]; then",
            "if [[ -f c:x ]]",
            "at [[10:42:01]]",
            "[[:space:]]*[[:alpha:]]+",
            "a[b[0]] : c",
            "[[UserRequest]] [[UserRequest:",
            "[[UserRequest:\n5]]",
            "[UserRequest:5]",
            "https://wiki.example/pages/viewpage.action?pageId=5",
            "https://other.example/itop/wiki, see it (https://other.example).",
            "http://provider.example:8080/pages/UI.php?operation=details&class=UserRequest&id=77",
            "mailto:help@acme.example and acme.example",
            "https://acme.example/wiki",
            "C:\\pages\\readme.txt // a comment, 1//2",
            "https://shop.example//a/./b?operation=buy&id=5",
            "https://blog.example/webservices/overview.html",
            "https://wiki.example/pages/view?operation=details&class=UserRequest&id=5",
        ] {
            assert_eq!(told(text), text);
        }
    }

    #[test]
    fn an_address_of_the_console_becomes_words() {
        for address in [
            "https://acme.example/itop/pages/UI.php?operation=details&class=UserRequest&id=9",
            "http://ACME.example:443/itop",
            "https://acme.example/itop/webservices/export.php?x",
            "https://someone@acme.example/itop/",
            "//acme.example/itop/pages/x",
            "https://itop.internal.acme/pages/UI.php?operation=details&class=Person&id=3",
            "https://other.example/pages/exec.php/object/edit/UserRequest/5?exec_module=itop-portal-base",
            "https://other.example/x/pages/ajax.document.php?operation=download_inlineimage&id=5&s=abc",
            "pages/UI.php?operation=details&class=UserRequest&id=9",
            "../pages/UI.php?operation=details&amp;class=UserRequest&amp;id=9",
            "UI.php?operation=details&class=UserRequest&id=9",
            "https://safe.example/?url=https%3A%2F%2Facme.example%2Fitop%2Fpages%2FUI.php&data=1",
            "https://safe.example/?url=https%253A%252F%252Facme.example%252Fitop",
            "http://other.example//pages//UI.php?operation=details&class=UserRequest&id=2002",
            "http://other.example/pages/./UI.php?operation=details&class=UserRequest&id=2002",
            "http://other.example/x/../pages/y/../UI.php?operation=details&class=UserRequest&id=2002",
            "http://acme.example//itop/./x",
            "http://other.example/?operation=details&class=UserRequest&id=2015",
            "/?operation=details&class=UserRequest&id=2015",
            "http://other.example/webservices/export-v2.php?query=3&auth_user=x&auth_pwd=xyz",
            "http://other.example/synchro/synchro_import.php?auth_pwd=xyz",
            "http://other.example/toolkit/ajax.toolkit.php?operation=check",
            "http://other.example/pages/tagadmin.php?class=UserRequest",
            "http://other.example/pages/schema.php?operation=details_class",
            "http://other.example/pages/notifications.php",
            "http://other.example/pages/logoff.php",
            "http://other.example/pages/opensearch.xml.php",
            "http://other.example/pages/navigator.php?class=Server&id=7",
        ] {
            assert_eq!(told(&format!("see ({address}).")), "see ((link into the other iTop)).", "{address}");
            assert_eq!(told(address), "(link into the other iTop)", "{address}");
        }
    }

    #[test]
    fn an_itop_is_known_by_what_it_calls_itself() {
        let (mut from, to) = (Console::at("https://acme.example/itop"), Console::at("http://provider.example:8080"));
        assert!(
            !from.learn_address("http://provider.example:8080/", &to)
                && !from.learn_address("https://acme.example/itop/", &to)
        );
        assert!(from.learn_address("http://10.0.0.7/own", &to) && !from.learn_address("http://10.0.0.7/own", &to));
        let ticket = TicketKey { class: "UserRequest".into(), id: 7, reference: "R-000012".into() };
        let told = |text: &str| Journey { from: &from, to: &to, ticket: &ticket }.words_of(text);
        assert_eq!(told("at http://10.0.0.7/own/env-production/x.html"), "at (link into the other iTop)");
        assert_eq!(told("at http://10.0.0.7/wiki"), "at http://10.0.0.7/wiki");
    }

    #[test]
    fn an_address_that_is_broken_over_lines_leaves_no_tail() {
        let rows = [
            (
                "see http://other.example/pages/UI.php?operation=details&\nclass=UserRequest&id=2028 please",
                "see (link into the other iTop) please",
            ),
            (
                "see http://other.example/pages/UI.php?operation=details\r\n&class=UserReq\nuest&id=2028.\nid=5",
                "see (link into the other iTop).\nid=5",
            ),
            ("https://acme.example/itop/pages/UI.php?\n  c[menu]=x, and", "(link into the other iTop), and"),
            (
                "http://a.example/pages/UI.php?operation=x http://b.example/?operation=details&class=x&id=5",
                "(link into the other iTop) (link into the other iTop)",
            ),
            ("https://acme.example/itop\n\nclass=x", "(link into the other iTop)\n\nclass=x"),
            (
                "https://wiki.example/x?a=1&\nclass=UserRequest&id=5",
                "https://wiki.example/x?a=1&\nclass=UserRequest&id=5",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn a_tag_of_a_picture_that_stands_in_plain_text_loses_its_secret() {
        assert_eq!(
            told("<img data-img-id=\"6\" data-img-secret=\"a47c9e\">"),
            "<img data-img-id=\"6\" data-img-secret=>"
        );
        assert_eq!(told("DATA-IMG-SECRET='0f' and data-img-secret=0f."), "DATA-IMG-SECRET= and data-img-secret=.");
        assert_eq!(told("what is data-img-secret?"), "what is data-img-secret?");
    }

    #[test]
    fn a_resolution_with_the_parent_is_told_without_the_parent() {
        for text in [
            "Automatically resolved from [[User Request:R-000009]]",
            " Automatically resolved from [[UserRequest:6|R-000009]]\n",
            "Automatically resolved by incident:[[Incident:I-000009]]",
            "Résolu via [[Demande utilisateur:R-000009]]",
            "Automatisch durch [[Störung:I-000009]] gelöst",
            "从 [[UserRequest:6|R-000009]] 自动解决",
        ] {
            assert_eq!(told(text), "Automatically resolved with its parent", "{text}");
        }
        assert_eq!(
            told("Automatically resolved from [[UserRequest:6|R-000009]], as agreed"),
            "Automatically resolved from (link to another ticket), as agreed"
        );
        assert_eq!(told("[[UserRequest:6|R-000009]]"), "(link to another ticket)");
    }

    #[test]
    fn a_reference_is_told_from_other_words() {
        for reference in ["R-000009", "see R-000009!", "INC-2024-0001", "INC0001234", "#12", "CHG_0042", "000009"] {
            assert!(names_a_ticket(reference), "{reference}");
        }
        for words in ["the printer", "db1", "Windows 2019", "covid-19", "A4", "3 of 4", "", "#"] {
            assert!(!names_a_ticket(words), "{words}");
        }
    }
}
