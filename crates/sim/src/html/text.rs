//! HTML as plain text: blocks become lines, runs of blanks one.

use super::Node;
use super::parse::parse;

pub fn to_text(html: &str) -> String {
    let mut out = String::new();
    write_all(&parse(html), &mut out);
    out.trim().to_owned()
}

fn write_all(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => write_text(text, out),
            Node::Element { tag, .. } if tag == "br" => out.push('\n'),
            Node::Element { tag, .. } if matches!(tag.as_str(), "script" | "style") => {}
            Node::Element { tag, children, .. } => {
                break_before(tag, out);
                write_all(children, out);
                break_before(tag, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    for word in text.split_inclusive(char::is_whitespace) {
        let blank = word.ends_with(char::is_whitespace);
        out.push_str(word.trim_end());
        if blank && !out.ends_with([' ', '\n']) && !out.is_empty() {
            out.push(' ');
        }
    }
}

/// Ends the line before and after a block; a paragraph leaves an empty line.
fn break_before(tag: &str, out: &mut String) {
    let lines = match tag {
        "p" | "h1" | "h2" | "h3" | "h4" | "ul" | "ol" | "table" | "blockquote" | "pre" => 2,
        "div" | "li" | "tr" | "figure" => 1,
        _ => return,
    };
    out.truncate(out.trim_end_matches(' ').len());
    let present = out.len() - out.trim_end_matches('\n').len();
    if !out.is_empty() {
        out.extend(std::iter::repeat_n('\n', lines.max(present) - present));
    }
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn blanks_collapse_and_blocks_become_lines() {
        assert_eq!(to_text("<p>plain\nsecond  line <b>bold</b></p>"), "plain second line bold");
        assert_eq!(to_text("<p>one</p><p>two<br>three</p>"), "one\n\ntwo\nthree");
    }
}
