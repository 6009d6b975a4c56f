//! The addresses of an iTop, and the recognition of an address as one of an iTop's console.

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

    /// Whether one of the iTop's addresses occurs anywhere in this one: a link may be wrapped in another link.
    pub(super) fn holds(&self, address: &str) -> bool {
        address.match_indices("//").any(|(at, _)| self.begins(without_account(&address[at + 2..])))
    }

    /// Whether `rest`, an address without its scheme, begins with one of the iTop's addresses.
    pub(super) fn begins(&self, rest: &str) -> bool {
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

pub(super) fn has_console_path(address: &str) -> bool {
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
pub(super) fn asks_a_console(address: &str) -> bool {
    let Some((page, query)) = address.split_once('?') else { return false };
    let asks = |name: &str| query.split('&').any(|pair| pair.starts_with(name));
    let is_root = page.ends_with('/') || page.ends_with("/index.php");
    (is_root && asks("operation=") && asks("class="))
        || asks("exec_module=itop-")
        || asks("auth_pwd=")
        || asks("auth_token=")
}

/// The address in lower case, without the characters that a browser skips, and with `%2F` and `&amp;` decoded.
pub(super) fn plainly(address: &str) -> String {
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
pub(super) fn after_scheme(address: &str) -> Option<&str> {
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
