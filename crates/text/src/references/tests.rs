use itop_bridge_core::TicketKey;
use itop_bridge_core::words::Console;

use super::*;

fn told_here(html: &str) -> String {
    let (from, to) = (Console::at("https://acme.example/itop"), Console::at("https://provider.example"));
    let ticket = TicketKey { class: "UserRequest".into(), id: 7, reference: "R-000012".into() };
    let journey = Journey { from: &from, to: &to, ticket: &ticket };
    let told = told_in_html(html, &journey);
    assert_eq!(told_in_html(&told, &journey), told, "once more changes it: {html}");
    told
}

#[test]
fn links_and_mentions_become_their_words() {
    let mention = r#"<a data-role="object-mention" data-object-class="Person" data-object-id="3" href="https://acme.example/itop/pages/UI.php?operation=details&amp;class=Person&amp;id=3">@Anna</a>"#;
    let console = "https://acme.example/itop/pages/UI.php?operation=details&amp;class=UserRequest&amp;id=9";
    let rows = [
        ("<p>see [[UserRequest:1]] and [[Person:1|Agatha]]</p>", "<p>see (link to another ticket) and Agatha</p>"),
        (&format!("<p>ask {mention}!</p>"), "<p>ask @Anna!</p>"),
        (&format!("<p>see <a href=\"{console}\">the <b>other</b> one</a></p>"), "<p>see the <b>other</b> one</p>"),
        (&format!("<p>see <a href=\"{console}\">R-000009</a></p>"), "<p>see (link to another ticket)</p>"),
        (&format!("<p>see <a href=\"{console}\">{console}</a></p>"), "<p>see (link into the other iTop)</p>"),
        (&format!("<p>see {console}, please</p>"), "<p>see (link into the other iTop), please</p>"),
        (
            &format!("<a href=\"{console}\">R-000009 of [[Person:1|Agatha]]</a>, [[Person:1|Agatha]]"),
            "(link to another ticket), Agatha",
        ),
        (r#"<a href="UI.php?operation=details&amp;class=Team&amp;id=9">us</a>"#, "us"),
        (r#"<a href="/pages/exec.php/object/edit/UserRequest/5?exec_module=x">this</a>"#, "this"),
        (r#"<a href="&#104;ttps://acme.example/itop/&#112;ages/x">this</a>"#, "this"),
        (
            "<p>Automatically resolved from [[UserRequest:6|R-000009]]</p>",
            "<p>Automatically resolved with its parent</p>",
        ),
        ("<p>[[UserRequest:5|a &lt;b&gt; &amp; c]]</p>", "<p>a &lt;b&gt; &amp; c</p>"),
    ];
    for (html, expected) in rows {
        assert_eq!(told_here(html), expected, "{html}");
    }
}

#[test]
fn a_link_that_is_broken_over_tags_is_one_all_the_same() {
    let other = "(link to another ticket)";
    let rows = [
        ("<p>[[User<b>Request:5</b>]]</p>", format!("<p>{other}<b></b></p>")),
        ("<p>[<i>[</i>UserRequest:<b>5|R-000009]</b>]</p>", format!("<p>{other}<i></i><b></b></p>")),
        ("<p>[[UserRequest<!-- x -->:5]]</p>", format!("<p>{other}</p>")),
        ("<p>&#91;&#x5b;UserRequest&colon;5&rsqb;]</p>", format!("<p>{other}</p>")),
        ("<p>[[User\nRequest:5]]</p>", format!("<p>{other}</p>")),
        (
            "<p>https://acme.example/<b>itop/pages</b>/UI.php?id=5 now</p>",
            "<p>(link into the other iTop)<b></b> now</p>".to_owned(),
        ),
    ];
    for (html, expected) in rows {
        assert_eq!(told_here(html), expected, "{html}");
    }
}

#[test]
fn no_attribute_tells_what_the_words_do_not() {
    let rows = [
        (
            r#"<img src="data:image/png;base64,AA//AA" alt="[[UserRequest:5|x]]">"#,
            r#"<img src="data:image/png;base64,AA//AA" alt="x">"#,
        ),
        (r#"<p data-object-id="5" data-role="x" style="color:red">x</p>"#, r#"<p style="color:red">x</p>"#),
        (r#"<p style="background:url(https://acme.example/itop/x.png)">x</p>"#, "<p>x</p>"),
        (
            r#"<a href="https://x.example/" title="at https://acme.example/itop/">x</a>"#,
            r#"<a href="https://x.example/" title="at (link into the other iTop)">x</a>"#,
        ),
        (
            r#"<a href="https://x.example/?q=[[UserRequest:5]]">x</a>"#,
            r#"<a href="https://x.example/?q=%5B%5BUserRequest:5%5D%5D">x</a>"#,
        ),
    ];
    for (html, expected) in rows {
        assert_eq!(told_here(html), expected, "{html}");
    }
}

#[test]
fn everything_else_stays_word_for_word() {
    for html in [
        "<p>a &lt; b &amp; c, see R-000009 and <a href=\"https://x.example/?a=1&amp;b=[2]\" target=\"_blank\">here</a></p>",
        "<figure class=\"image\"><img src=\"https://acme.example/itop/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=ab\" data-img-id=\"5\" data-img-secret=\"ab\"></figure>",
        "<pre>if [[ $x == \"a:b\" ]]; then\n[[:space:]]</pre>",
        "<p>[[</p><p>UserRequest:5]]</p>",
        "<a href=\"https://provider.example/pages/UI.php?operation=details&amp;class=UserRequest&amp;id=77\">yours</a>",
        "<a href=\"mailto:anna@acme.example\">Anna</a><a href=\"#top\">up</a>",
    ] {
        assert_eq!(told_here(html), html);
    }
}

#[test]
fn no_tag_comes_out_of_pieces_that_were_none() {
    let console = "href=\"https://acme.example/itop/pages/UI.php\"";
    for html in [
        format!("<<a {console}>img src=x></a>"),
        "<[[UserRequest:5|img src=x]]>".into(),
        format!("<b><<a {console}>/b></a>"),
    ] {
        let told = told_here(&html);
        assert!(!told.contains("<img") && told.matches("<b>").count() <= 1, "{html} became {told}");
    }
}
