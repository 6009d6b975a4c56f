//! A forgiving HTML parser with the habits of libxml2 (2.9) that show in iTop's answers: text
//! before any element starts a `<p>`; a block ends an open `<p>`; a `<` in front of a letter is a
//! tag, whatever follows, and any other one is text.

use super::closing::{ends, weight};
use super::{Node, is_void};

pub(super) fn parse(html: &str) -> Vec<Node> {
    let mut tree = Tree { open: vec![Open::root()] };
    let mut rest = html.trim_ascii_start();
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            tree.text(rest);
            break;
        };
        tree.text(&rest[..start]);
        rest = markup(&rest[start..], &mut tree);
    }
    tree.finish()
}

/// Takes one tag, comment or declaration from the front of `rest`.
fn markup<'a>(rest: &'a str, tree: &mut Tree) -> &'a str {
    if let Some(comment) = rest.strip_prefix("<!--") {
        return comment.find("-->").map_or("", |end| &comment[end + 3..]);
    }
    if rest.starts_with("<!") || rest.starts_with("<?") {
        return rest.find('>').map_or("", |end| &rest[end + 1..]);
    }
    if let Some(closing) = rest.strip_prefix("</") {
        let end = closing.find('>').unwrap_or(closing.len());
        tree.close(closing[..end].trim().to_ascii_lowercase().as_str());
        return closing.get(end + 1..).unwrap_or("");
    }
    if !rest[1..].starts_with(|first: char| first.is_ascii_alphabetic()) {
        // No tag at all: the bracket stays as text.
        tree.text("&lt;");
        return &rest[1..];
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
    let name_len = rest[1..].find(|c: char| !is_name(c)).unwrap_or(rest.len() - 1);
    let tag = rest[1..=name_len].to_ascii_lowercase();
    let (attributes, after) = attributes(&rest[1 + name_len..]);
    tree.start(&tag, attributes);
    if tag == "script" || tag == "style" {
        let end = after.to_ascii_lowercase().find(&format!("</{tag}")).unwrap_or(after.len());
        return &after[end..];
    }
    after
}

/// Attributes up to the tag's `>`, and what follows it. Without a `>` all is lost.
fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        if rest.is_empty() {
            return (found, "");
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        rest = rest[name_end..].trim_start();
        let value = match rest.strip_prefix('=') {
            Some(after) => {
                let (value, after) = attribute_value(after.trim_start());
                rest = after;
                value
            }
            None => String::new(),
        };
        if name.is_empty() {
            // A stray '=': step over it.
            continue;
        }
        found.push((name, decode(&value)));
    }
}

fn attribute_value(rest: &str) -> (String, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            let end = inner.find(quote).unwrap_or(inner.len());
            return (inner[..end].into(), inner.get(end + 1..).unwrap_or(""));
        }
    }
    let end = rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len());
    (rest[..end].into(), &rest[end..])
}

/// Character references to characters; unknown ones stay.
pub(super) fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let decoded =
            rest[1..].find(';').filter(|end| *end <= 10).and_then(|end| Some((entity(&rest[1..=end])?, end + 2)));
        match decoded {
            Some((character, length)) => {
                out.push(character);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: &str = "\
    nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn \
    sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave \
    Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml \
    ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN \
    szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute \
    icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml \
    yacute thorn yuml";

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    if let Some(at) = LATIN_1.split_ascii_whitespace().position(|known| known == name) {
        return char::from_u32(0xa0 + u32::try_from(at).ok()?);
    }
    let others = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("euro", '€'),
        ("hellip", '…'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("rsquo", '’'),
        ("lsquo", '‘'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("bull", '•'),
    ];
    others.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

struct Open {
    tag: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
}

impl Open {
    fn root() -> Self {
        Self { tag: String::new(), attributes: Vec::new(), children: Vec::new() }
    }
}

/// The elements that are open, outermost first; the first is the fragment itself.
struct Tree {
    open: Vec<Open>,
}

impl Tree {
    fn text(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        let of_the_head = |node: &Node| matches!(node, Node::Element { tag, .. } if tag == "script" || tag == "style");
        let nothing_yet = self.open.len() == 1 && self.open[0].children.iter().all(of_the_head);
        if nothing_yet {
            // Blanks before the body are dropped; text there opens a paragraph.
            if raw.trim_ascii().is_empty() {
                return;
            }
            self.start("p", Vec::new());
        }
        self.push(Node::Text(decode(raw)));
    }

    fn start(&mut self, tag: &str, attributes: Vec<(String, String)>) {
        while self.open.len() > 1 && self.open.last().is_some_and(|open| ends(tag, &open.tag)) {
            self.pop();
        }
        match tag {
            "html" | "body" | "head" => {}
            _ if is_void(tag) => self.push(Node::Element { tag: tag.into(), attributes, children: Vec::new() }),
            _ => self.open.push(Open { tag: tag.into(), attributes, children: Vec::new() }),
        }
    }

    /// Closes the nearest open element of that name and what is open in it, unless something
    /// heavier stands between.
    fn close(&mut self, tag: &str) {
        let Some(depth) = self.open.iter().rposition(|open| open.tag == tag).filter(|depth| *depth > 0) else { return };
        if self.open[depth + 1..].iter().any(|between| weight(&between.tag) > weight(tag)) {
            return;
        }
        while self.open.len() > depth {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(Open { tag, attributes, children }) = self.open.pop() {
            self.push(Node::Element { tag, attributes, children });
        }
    }

    fn push(&mut self, node: Node) {
        if let Some(open) = self.open.last_mut() {
            open.children.push(node);
        }
    }

    fn finish(mut self) -> Vec<Node> {
        while self.open.len() > 1 {
            self.pop();
        }
        self.open.pop().map_or_else(Vec::new, |root| root.children)
    }
}
