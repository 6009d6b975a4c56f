use std::collections::BTreeMap;

use super::log_entry::ONLY_THERE;
use super::picture_words::NOT_READ;
use super::*;

const INLINE: &str = r#"<p>see <img src="https://acme.example/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=abcdef0123" data-img-id="5" data-img-secret="abcdef0123" alt="a &quot;b&quot;"> here</p>"#;

fn image(id: u64, secret: &str) -> InlineImage {
    InlineImage { id, secret: secret.into() }
}

fn png() -> Embedded {
    Embedded { mimetype: "image/png".into(), base64: "iVBOR".into() }
}

#[test]
fn an_inline_image_is_known_by_its_attributes_or_by_its_source() {
    assert_eq!(inline_images(INLINE), [image(5, "abcdef0123")]);
    let bare = r#"<img src="/x/pages/ajax.document.php?operation=download_inlineimage&amp;amp;id=7&amp;amp;s=0f">"#;
    assert_eq!(inline_images(bare), [image(7, "0f")]);
}

#[test]
fn a_picture_that_is_part_of_a_log_entry_does_not_go_without_a_word() {
    let told = |alt: &str| log_text(&format!(r#"<p>see <img src="data:image/png;base64,iVBORw"{alt}> here</p>"#));
    assert_eq!(told("").trim(), format!("see {ONLY_THERE} here"));
    assert_eq!(told(r#" alt="the <b>lamp</b>""#).trim(), "see (the lamp) here");
}

#[test]
fn what_is_no_plain_id_and_secret_is_no_inline_image() {
    for tag in [
        r#"<img data-img-id="5 OR 1=1" data-img-secret="ab">"#,
        r#"<img data-img-id="5" data-img-secret="../etc">"#,
        r#"<img src="https://evil.example/?operation=download_inlineimage&id=5&s=ab">"#,
        r#"<img src="https://x/ajax.document.php?operation=download_document&id=5&s=ab">"#,
    ] {
        assert_eq!(inline_images(tag), [], "{tag}");
    }
}

#[test]
fn an_embedded_image_leaves_no_source_and_no_secret_of_the_other_side() {
    let html = embed(INLINE, &BTreeMap::from([(image(5, "abcdef0123"), png())]));
    assert!(html.contains(r#"src="data:image/png;base64,iVBOR""#), "{html}");
    assert!(!html.contains("acme.example") && !html.contains("abcdef0123"), "{html}");
}

#[test]
fn an_image_that_could_not_be_had_or_is_from_elsewhere_becomes_its_alt_text() {
    assert_eq!(embed(INLINE, &BTreeMap::new()), "<p>see a &quot;b&quot; here</p>");
    let rows = [
        (r#"<img src="https://x/y.png?a=1&amp;b" alt="<b>">"#, "&lt;b&gt; (https://x/y.png?a=1&amp;b)"),
        (r#"<img src="https://x/y.png">"#, "https://x/y.png"),
        (r#"<img srcset="https://x/y.png 2x">"#, ""),
        (r#"<img src="../x.png" alt="it">"#, "it"),
        (r#"<img src="https://x/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=zz">"#, NOT_READ),
        (r#"<img src="cid:1234">"#, NOT_READ),
    ];
    for (html, words) in rows {
        assert_eq!(embed(html, &BTreeMap::new()), words, "{html}");
    }
}

#[test]
fn no_image_comes_out_of_pieces_that_were_none() {
    for html in [
        "<<figure>img src=\"https://x/y.png\">",
        "<<img alt=\"img src=https://x/y.png \">>",
        "<<picture>img src='https://x/y.png' <source>>",
        "<i<figure>mg src=https://x/y.png>",
        "a <img src=\"https://x/y.png\"",
        "<image src=\"https://x/y.png\">",
        "<image data-img-id=\"5\" data-img-secret=\"abcdef0123\">",
    ] {
        let out = embed(html, &BTreeMap::new());
        assert!(!out.contains("<im") && !out.contains("abcdef0123"), "{html} became {out}");
        assert_eq!(embed(&out, &BTreeMap::new()), out, "{html}");
    }
}

#[test]
fn figures_are_unwrapped_and_links_and_data_images_stay_word_for_word() {
    let html = r#"<figure class="image"><img src="data:image/png;base64,AAAA"></figure><a href="https://acme.example/pages/UI.php?id=5&amp;x=1">https://acme.example</a>"#;
    let expected = r#"<img src="data:image/png;base64,AAAA"><a href="https://acme.example/pages/UI.php?id=5&amp;x=1">https://acme.example</a>"#;
    assert_eq!(embed(html, &BTreeMap::new()), expected);
}

#[test]
fn a_log_entry_names_its_images_and_is_known_by_their_ids() {
    assert_eq!(log_text(INLINE), "see [image 5] here");
    let elsewhere = INLINE.replace("acme.example", "acme.test").replace("abcdef0123", "0123abcdef");
    assert_eq!(without_image_addresses(INLINE), without_image_addresses(&elsewhere));
    assert_ne!(without_image_addresses(INLINE), without_image_addresses(&INLINE.replace("\"5\"", "\"6\"")));
}

#[test]
fn no_line_of_a_text_is_broken_however_long() {
    let (word, line) = ("x".repeat(30_000), "one two ".repeat(5_000) + "three");
    let wide = "語".repeat(20_000);
    for text in [&word, &line, &wide] {
        assert!(html_to_text(&format!("<p>{text}</p>")) == **text);
        assert!(html_to_text(&format!("<ul><li><b>{text}</b></li></ul>")).contains(&**text));
        assert!(html_to_text(&format!("<blockquote>{text}</blockquote>")).contains(&**text));
        assert!(html_to_text(&format!("<table><tr><td>{text}</td><td>{text}</td></tr></table>")).contains(&**text));
        assert!(html_to_text(&format!("<pre>{text}</pre>")).contains(&**text));
    }
}

#[test]
fn no_layout_makes_a_text_many_times_as_long() {
    let wide = format!("<tr><td>{}</td></tr>", "wide ".repeat(4_000));
    let table = format!("<table>{wide}{}</table>", "<tr><td>x</td></tr>".repeat(4_000));
    let quotes = "<blockquote>".repeat(4_000) + &"x<br>".repeat(4_000);
    let numbers = "<ol start=\"1000000000\"><li>".repeat(60) + &"x<br>".repeat(4_000);
    let deep = "<div>".repeat(100_000) + "x";
    for html in [table, quotes, numbers, deep] {
        let text = html_to_text(&html);
        assert!(text.contains('x') && text.len() <= 20 * html.len(), "{} of {}", text.len(), html.len());
    }
}

#[test]
fn a_long_text_keeps_its_words_lines_and_points() {
    let item = "<ul><li>a <b>bold</b> one</li><li>two &lt; three</li></ul><p>and</p><table><tr><td>x</td><td>y</td></tr></table>";
    let text = html_to_text(&item.repeat(1_000));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    assert_eq!(lines, ["* a bold one", "* two < three", "and", "x y"]);
}

#[test]
fn text_becomes_html_and_html_becomes_text() {
    assert_eq!(text_to_html("a <b> & c\nd\n\ne"), "<p>a &lt;b&gt; &amp; c<br>d</p>\n<p>e</p>");
    assert_eq!(html_to_text("<p>a &lt;b&gt; &amp; c<br>d</p>").trim(), "a <b> & c\nd");
}
