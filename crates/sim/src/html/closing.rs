//! Which element ends which, in libxml2: measured with PHP 8.2 and libxml 2.9.14 by parsing
//! every pair of the tags that iTop keeps.

/// An open element and the starts that end it.
const ENDED_BY: [(&str, &[&str]); 26] = [
    ("a", &["a", "table", "td", "th", "fieldset"]),
    (
        "p",
        &[
            "p",
            "blockquote",
            "div",
            "ul",
            "ol",
            "li",
            "h1",
            "h2",
            "h3",
            "h4",
            "table",
            "tbody",
            "tr",
            "td",
            "th",
            "fieldset",
            "pre",
            "center",
            "colgroup",
            "hr",
            "col",
            "dl",
            "dt",
            "dd",
            "address",
            "form",
        ],
    ),
    ("span", &["td", "th"]),
    ("b", &["p", "td", "th", "center"]),
    ("i", &["p", "td", "th", "center"]),
    ("u", &["p", "td", "th"]),
    ("ul", &["ol", "pre", "address", "form"]),
    ("ol", &["ul", "form"]),
    ("li", &["li"]),
    ("h1", &["p", "li", "table", "fieldset", "form"]),
    ("h2", &["p", "li", "table", "fieldset", "form"]),
    ("h3", &["p", "li", "table", "fieldset", "form"]),
    ("h4", &["p", "li", "table", "fieldset", "form"]),
    ("thead", &["tbody"]),
    ("tbody", &["tbody"]),
    ("tr", &["tbody", "tr"]),
    ("td", &["tbody", "tr", "td", "th"]),
    ("th", &["tbody", "tr", "td", "th"]),
    ("legend", &["fieldset"]),
    ("font", &["td", "th", "center"]),
    ("big", &["p"]),
    ("small", &["p"]),
    ("tt", &["p"]),
    ("s", &["p"]),
    ("pre", &["ul", "li", "table", "fieldset", "dl", "dt", "dd", "form"]),
    ("colgroup", &["thead", "tbody", "tr", "colgroup"]),
];

/// Whether the start of `new` ends the innermost open element `open`.
pub(super) fn ends(new: &str, open: &str) -> bool {
    ENDED_BY.iter().any(|(tag, starts)| *tag == open && starts.contains(&new))
}

/// A misplaced end tag closes only what weighs no more than itself.
pub(super) fn weight(tag: &str) -> u32 {
    match tag {
        "div" => 150,
        "td" | "th" => 160,
        "tr" => 170,
        "thead" | "tbody" | "tfoot" => 180,
        "table" => 190,
        _ => 100,
    }
}
