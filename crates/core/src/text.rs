//! Comparing and cutting users' text.

/// iTop's limit of a title and of a file name, in characters (seen on 3.1.2 and 3.2.0).
pub const MAX_CHARS: usize = 255;

/// iTop refuses an empty description ("Null not allowed"), though the other iTop may hold one.
pub const NO_DESCRIPTION: &str = "(no description)";

/// Bytes as hexadecimal digits, two per byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `1 step`, `2 steps`; the plural is given, since it is not always an `s`.
pub fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Whether a value that iTop answered begins with a tag. The value of an HTML attribute always does (3.1.2 and 3.2.0
/// put a paragraph around bare words); a plain text may do so too.
pub fn begins_with_tag(value: &str) -> bool {
    let mut characters = value.trim_start().chars();
    characters.next() == Some('<') && characters.next().is_some_and(|next| next.is_ascii_alphabetic() || next == '/')
}

/// The tags that iTop's sanitiser keeps in any version (3.1.2 and 3.2.0); all others are removed.
const TAGS: [&str; 54] = [
    "a",
    "b",
    "big",
    "blockquote",
    "body",
    "br",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "del",
    "div",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "html",
    "i",
    "img",
    "ins",
    "kbd",
    "legend",
    "li",
    "mark",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "h5",
    "h6",
];

/// Whether the value can be iTop's answer for an HTML attribute: it begins with a tag and, as iTop sanitises all
/// HTML, each `<` begins a kept tag, and each `&` between tags an entity. A plain text may look the same.
pub fn could_be_html(value: &str) -> bool {
    if !begins_with_tag(value) {
        return false;
    }
    let mut rest = value;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let Some(length) = kept_tag(tag).filter(|_| only_entities(text)) else { return false };
        rest = &tag[length..];
    }
    only_entities(rest)
}

/// The length of the tag at the beginning, if iTop keeps that tag.
fn kept_tag(text: &str) -> Option<usize> {
    let name = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let start = text.len() - name.len();
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let ends = name[end..].chars().next().is_some_and(|next| next.is_whitespace() || matches!(next, '/' | '>'));
    if !ends || !TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&name[..end])) {
        return None;
    }
    let mut quote = None;
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < start + end) {
        match (quote, character) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, '<') => return None,
            _ => {}
        }
    }
    None
}

fn only_entities(text: &str) -> bool {
    text.split('&').skip(1).all(|after| {
        let name = after.split_once(';').map_or("", |(name, _)| name);
        let digits = name.strip_prefix('#');
        let word = digits.map_or(name, |digits| digits.strip_prefix(['x', 'X']).unwrap_or(digits));
        !word.is_empty() && word.len() < 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The words before the file's name in the text that replaces an image.
pub const SEE_THE_FILE: &str = ": see the file \"";

/// The beginning of the last line of a cut text; the name of the file with the whole text follows.
pub const CUT_HERE: &str = "[cut here: the whole text is in the file \"";

/// Two HTML values are equal when they differ only in repeated `amp;` after `&`: iTop 3.1 on PHP 8.2 escapes once
/// more at every save (seen on 3.1.2), whoever saves and whichever field.
pub fn same_html(a: &str, b: &str) -> bool {
    a == b || unescaped_amps(a) == unescaped_amps(b)
}

pub(crate) fn unescaped_amps(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        while let Some(shorter) = rest.strip_prefix("amp;") {
            rest = shorter;
        }
    }
    out.push_str(rest);
    out
}

/// Whether two HTML values have the same words, whatever markup iTop's sanitising removed.
pub fn same_words(a: &str, b: &str) -> bool {
    words(a) == words(b)
}

/// Whether two values have the same words, each in its own iTop's form: HTML or plain text.
pub fn same_words_in_any_form(a: &str, b: &str) -> bool {
    let solid = |value: &str| shown(value).split_whitespace().collect::<String>();
    solid(a) == solid(b)
}

/// Whether two log entries have the same words, whatever their markup and spaces. Two entries without words do not:
/// nobody could tell which images they show.
pub(crate) fn says_the_same_beside_pictures(a: &str, b: &str) -> bool {
    let entities = [("&#039;", "'"), ("&apos;", "'")];
    let solid = |html: &str| {
        let text = decoded(&without_tags(html));
        let text = entities.into_iter().fold(text, |text, (entity, character)| text.replace(entity, character));
        text.split_whitespace().collect::<String>()
    };
    let (a, b) = (solid(a), solid(b));
    a == b && !a.is_empty()
}

/// The visible text of a value, HTML or plain, without markup.
pub(crate) fn shown(value: &str) -> String {
    if !could_be_html(value) {
        return value.to_owned();
    }
    decoded(&without_tags(value))
}

fn decoded(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Whether the target says as much of the source as fits: words that name a file stand for an image, or for the rest
/// of the text.
pub fn says_what_fits(source: &str, target: &str) -> bool {
    let solid = |text: &str| text.split_whitespace().collect::<String>();
    let (source, mut target) = (words(source), words(target));
    let (see, cut) = (solid(SEE_THE_FILE), solid(CUT_HERE));
    while let Some(at) = target.find(&see)
        && let Some(begin) = target[..at].rfind('[')
        && let Some(end) = target[at..].find("\"]")
    {
        target.replace_range(begin..at + end + 2, "");
    }
    match target.split_once(&cut) {
        Some((begun, _)) => source.starts_with(begun),
        None => source == target,
    }
}

fn words(html: &str) -> String {
    without_tags(html).split_whitespace().collect()
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    for (n, part) in html.split('<').enumerate() {
        let text = if n == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) };
        out.push_str(text);
    }
    unescaped_amps(&out).replace("&nbsp;", " ")
}

/// The title by its template, `{title}` cut so that the whole has at most 255 characters.
pub fn title(template: &str, reference: &str, title: &str) -> String {
    let around = template.replace("{ref}", reference).replace("{title}", "").chars().count();
    let room = MAX_CHARS.saturating_sub(around);
    let cut: String = title.chars().take(room).collect();
    // The reference goes in first: a title that holds "{ref}" is a person's text and stays as it is.
    let whole: String = template.replace("{ref}", reference).replace("{title}", &cut);
    whole.chars().take(MAX_CHARS).collect()
}

/// A file name of at most 255 characters, with its extension kept.
pub fn file_name(name: &str) -> String {
    if name.chars().count() <= MAX_CHARS {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name[dot..].chars().count() <= 20 => name.split_at(dot),
        _ => (name, ""),
    };
    let room = MAX_CHARS - extension.chars().count();
    stem.chars().take(room).chain(extension.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_amps_are_the_only_difference_that_does_not_count() {
        assert!(same_html("<p>a &amp; b</p>", "<p>a &amp;amp;amp; b</p>"));
        assert!(same_html("x & y", "x &amp; y"));
        assert!(!same_html("a &amp; b", "a &lt; b"));
        assert!(!same_html("amp;amp;", "amp;"));
        assert!(!same_html("<p>a</p>", "<p>a</p> "));
    }

    #[test]
    fn words_are_what_is_left_without_markup() {
        assert!(same_words("<p class=\"x\">a &amp;&nbsp;<mark>b</mark></p>", "<p>a &amp;amp; b</p>\n"));
        assert!(!same_words("<p>a</p>", "<p>b</p>"));
        assert!(!same_words("a &lt; b", "a b"));
    }

    #[test]
    fn the_same_words_may_stand_as_html_and_as_plain_text() {
        assert!(same_words_in_any_form("a < b & c\nd", "<p>a &lt; b &amp; c<br>d</p>"));
        assert!(same_words_in_any_form("<p>a &amp;amp; b</p>", "<div>a &amp; b</div>"));
        assert!(!same_words_in_any_form("a < b", "<p>a </p>"));
        assert!(begins_with_tag(" <p>x") && !begins_with_tag("< 5 and > 3") && !begins_with_tag("x"));
    }

    #[test]
    fn what_itop_would_not_have_kept_so_is_no_html() {
        for html in [
            "<p>a <b>bold</b> &amp; 5 &lt; 6 &#39;&#x41;</p>\n",
            "<figure class=\"image\"><img src=\"https://x/?a=1&b=2\" alt=\"a > b\"></figure>",
            "<BR>",
            "<p>see <a href=\"https://x/?a=1&amp;b=2\">it</a></p> and so",
        ] {
            assert!(could_be_html(html), "{html}");
        }
        for text in [
            "<config><server>db01</server> down</config>",
            "<p>a <b>bold</b> & <script>x</script> 5 < 6</p>",
            "<p>a < b</p>",
            "<p>a & b</p>",
            "<p>a &amp b</p>",
            "<p>a</p",
            "<p",
            "<pre-set>x</pre-set>",
            "plain <b>bold</b>",
            "",
        ] {
            assert!(!could_be_html(text), "{text}");
        }
    }

    #[test]
    fn what_crossed_as_files_is_no_difference() {
        let source = "<p>see <img src=\"x\"> and <img src=\"y\"></p><p>the end</p>";
        let pictured = "<p>see [picture: see the file \"R-1 image 5.png\"] and [it: see the file \"R-1 image 6.png\"]</p><p>the end</p>";
        let cut = "<p>see [picture: see the file \"R-1 image 5.png\"]</p>\n<p>[cut here: the whole text is in the file \"R-1 description.txt\"]</p>";
        assert!(says_what_fits(source, pictured) && says_what_fits(source, cut));
        assert!(!says_what_fits(source, &pictured.replace("the end", "no end")));
        assert!(!says_what_fits(source, &cut.replace("<p>see", "<p>look")));
        assert!(!says_what_fits("a", "a : see the file \"x\"]"));
    }

    #[test]
    fn a_title_has_at_most_255_characters_and_keeps_its_reference() {
        let long = "é".repeat(300);
        let whole = title("[{ref}] {title}", "R-000123", &long);
        assert_eq!(whole.chars().count(), 255);
        assert!(whole.starts_with("[R-000123] éé"));
        assert_eq!(title("[{ref}] {title}", "R-1", "a {ref} b"), "[R-1] a {ref} b");
    }

    #[test]
    fn a_file_name_is_cut_before_its_extension() {
        let cut = file_name(&format!("{}.log", "日".repeat(300)));
        assert_eq!(cut.chars().count(), 255);
        assert!(cut.ends_with("日.log"));
        assert_eq!(file_name("../a.txt"), "../a.txt");
        assert_eq!(file_name(&".".repeat(400)).chars().count(), 255);
    }
}
