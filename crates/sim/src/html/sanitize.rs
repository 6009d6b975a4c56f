//! The lists of tags, attributes and styles that iTop keeps, and the printing.

use super::parse::parse;
use super::{Node, is_void};
use crate::config::Version;

/// Tags of both versions that may carry a `style`, and from 3.2 on a `class`.
const STYLED: [&str; 23] = [
    "a",
    "p",
    "blockquote",
    "span",
    "div",
    "img",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "nav",
    "section",
    "code",
    "table",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "hr",
];
const STYLED_FORM: [&str; 3] = ["fieldset", "legend", "font"];
const CLASSED_3_2: [&str; 6] = ["b", "i", "u", "em", "strong", "pre"];
const BARE: [&str; 14] =
    ["br", "big", "small", "tt", "kbd", "samp", "var", "del", "s", "ins", "cite", "q", "center", "pre"];
/// Unknown to 3.1, where they go with all that is in them.
const ONLY_3_2: [&str; 5] = ["figure", "figcaption", "mark", "colgroup", "col"];

const STYLES: [&str; 19] = [
    "background-color",
    "border",
    "border-collapse",
    "bordercolor",
    "cellpadding",
    "cellspacing",
    "color",
    "float",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "height",
    "margin",
    "padding",
    "text-align",
    "vertical-align",
    "width",
    "white-space",
];

/// What iTop stores for blanks and stray end tags alone: a document without a body is printed
/// as a whole.
const NO_BODY: &str = concat!(
    "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.0 Transitional//EN\" ",
    "\"http://www.w3.org/TR/REC-html40/loose.dtd\">\n<?xml encoding=\"UTF-8\"?>\n"
);

pub struct Sanitizer<'a> {
    pub version: Version,
    /// This iTop's own address: its inline images are recognised and marked.
    pub base_url: &'a str,
}

impl Sanitizer<'_> {
    pub fn sanitize(&self, html: &str) -> String {
        let nodes = parse(html);
        if nodes.is_empty() && !html.is_empty() {
            return NO_BODY.into();
        }
        let mut out = String::with_capacity(html.len());
        self.print_all(&nodes, &mut out);
        out
    }

    fn print_all(&self, nodes: &[Node], out: &mut String) {
        for node in nodes {
            self.print(node, out);
        }
    }

    fn print(&self, node: &Node, out: &mut String) {
        match node {
            Node::Text(text) => escape(text, false, out),
            Node::Element { tag, .. } if !self.keeps(tag) => {}
            Node::Element { tag, attributes, children } => {
                out.push('<');
                out.push_str(tag);
                for (name, value) in self.kept(tag, attributes) {
                    print_attribute(&name, &value, out);
                }
                out.push('>');
                // libxml leaves out the end of an empty item.
                let omits_end = is_void(tag) || (tag == "li" && children.is_empty());
                if !omits_end {
                    self.print_all(children, out);
                    out.push_str(&format!("</{tag}>"));
                }
            }
        }
    }

    fn keeps(&self, tag: &str) -> bool {
        let both =
            STYLED.contains(&tag) || STYLED_FORM.contains(&tag) || CLASSED_3_2.contains(&tag) || BARE.contains(&tag);
        both || (self.version == Version::V3_2 && ONLY_3_2.contains(&tag))
    }

    fn kept(&self, tag: &str, attributes: &[(String, String)]) -> Vec<(String, String)> {
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in attributes {
            let known = self.allows(tag, name) && valid(name, value) && !kept.iter().any(|(seen, _)| seen == name);
            let value = if name == "style" { clean_style(value, self.version) } else { value.clone() };
            if known && !(name == "style" && value.is_empty()) {
                kept.push((name.clone(), value));
            }
        }
        if tag == "img" {
            kept.extend(self.inline_image_marks(&kept));
        }
        kept
    }

    fn allows(&self, tag: &str, name: &str) -> bool {
        let new = self.version == Version::V3_2;
        let styled = STYLED.contains(&tag) || STYLED_FORM.contains(&tag);
        match (tag, name) {
            ("col" | "figure", "style") => new,
            (_, "style") => styled,
            ("code", "class") => true,
            ("col" | "colgroup", "class") => false,
            (_, "class") => new && (styled || CLASSED_3_2.contains(&tag) || ONLY_3_2.contains(&tag)),
            ("a", "href" | "name" | "target" | "title" | "data-role" | "data-object-class" | "data-object-id") => true,
            ("img", "src" | "alt" | "title") => true,
            ("img", "width" | "height") => new,
            ("ol", "reversed" | "start" | "type") | ("li", "value") => true,
            ("table", "width" | "summary" | "align" | "border" | "cellpadding" | "cellspacing") => true,
            ("tr" | "td" | "th", "colspan" | "rowspan") => true,
            ("font", "face" | "color" | "size") => true,
            _ => false,
        }
    }

    /// `data-img-id` and `data-img-secret` of an inline image of this very iTop.
    fn inline_image_marks(&self, attributes: &[(String, String)]) -> Vec<(String, String)> {
        const PATH: &str = "/pages/ajax.document.php?operation=download_inlineimage&id=";
        let src = attributes.iter().find(|(name, _)| name == "src").map_or("", |(_, value)| value.as_str());
        let Some((id, secret)) = src
            .strip_prefix(self.base_url)
            .and_then(|path| path.strip_prefix(PATH))
            .and_then(|query| query.split_once("&s="))
        else {
            return Vec::new();
        };
        vec![("data-img-id".into(), id.into()), ("data-img-secret".into(), secret.into())]
    }
}

fn valid(name: &str, value: &str) -> bool {
    let starts = |schemes: &[&str]| {
        let lower = value.get(..10).unwrap_or(value).to_ascii_lowercase();
        schemes.iter().any(|scheme| lower.starts_with(scheme))
    };
    match name {
        "src" => starts(&["http:", "https:", "data:"]),
        "href" => starts(&["http:", "https:", "ftp:", "mailto:", "tel:", "$", "%24"]),
        _ => true,
    }
}

fn clean_style(style: &str, version: Version) -> String {
    let kept = style.split(';').map(str::trim).filter(|item| {
        let name = item.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        let new = version == Version::V3_2 && name == "aspect-ratio";
        new || STYLES.contains(&name.as_str())
    });
    kept.collect::<Vec<_>>().join(";")
}

/// As libxml prints it: addresses in ASCII, and the quotes that need no escaping.
fn print_attribute(name: &str, value: &str, out: &mut String) {
    let value = if matches!(name, "href" | "src" | "name") { ascii_address(value) } else { value.to_owned() };
    let quote = if value.contains('"') && !value.contains('\'') { '\'' } else { '"' };
    out.push_str(&format!(" {name}={quote}"));
    escape(&value, quote == '"', out);
    out.push(quote);
}

fn ascii_address(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.trim_ascii_start().bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '"' if quotes => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, html: &str, expected: &str) {
        let sanitizer = Sanitizer { version, base_url: "http://itop" };
        assert_eq!(sanitizer.sanitize(html), expected);
    }

    #[test]
    fn keeps_what_is_listed_and_drops_the_rest_with_its_contents() {
        check(Version::V3_2, "<p onclick='x()'>a<script>b</script><o-x>c</o-x></p>", "<p>a</p>");
        check(Version::V3_1, r#"<p class="x">a</p>"#, "<p>a</p>");
        check(Version::V3_2, r#"<p class="x">a</p>"#, r#"<p class="x">a</p>"#);
        check(Version::V3_1, r#"<figure><img src="data:x"></figure>b"#, "b");
        check(Version::V3_1, r#"<img src="data:x">"#, r#"<img src="data:x">"#);
    }

    #[test]
    fn text_in_front_opens_a_paragraph_and_an_unknown_tag_takes_what_follows_with_it() {
        check(Version::V3_2, "a <angle and c", "<p>a </p>");
        check(Version::V3_2, "<style>p {}</style>a", "<p>a</p>");
        check(Version::V3_2, "a<p>b</p>c", "<p>a</p><p>b</p>c");
        check(Version::V3_2, "a < b & c", "<p>a &lt; b &amp; c</p>");
    }

    #[test]
    fn an_own_inline_image_is_marked_and_a_foreign_one_is_not() {
        let image = |host: &str| {
            format!(
                "<img src=\"http://{host}/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=ab\""
            )
        };
        check(
            Version::V3_2,
            &format!("{}>", image("itop")),
            &format!("{} data-img-id=\"5\" data-img-secret=\"ab\">", image("itop")),
        );
        check(Version::V3_2, &format!("{}>", image("else")), &format!("{}>", image("else")));
    }

    /// Random markup, parsed and printed as libxml does; `testdata/html.php` made the file.
    #[test]
    fn markup_is_parsed_and_printed_as_libxml_does() {
        let lines = include_str!("../../testdata/html.jsonl").lines();
        for line in lines {
            let (html, expected): (String, String) = serde_json::from_str(line).unwrap();
            check(Version::V3_2, &html, &expected);
        }
    }
}
