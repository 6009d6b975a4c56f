//! What iTop does to HTML when it is written: parse it as libxml does, keep only what is on its
//! lists, print it again. Text is derived from the result for a case log's `message`.

mod closing;
mod parse;
mod sanitize;
mod text;

pub use sanitize::Sanitizer;
pub use text::to_text;

/// A node of a parsed fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Element { tag: String, attributes: Vec<(String, String)>, children: Vec<Node> },
}

const VOID: [&str; 6] = ["br", "hr", "img", "col", "input", "meta"];

fn is_void(tag: &str) -> bool {
    VOID.contains(&tag)
}
