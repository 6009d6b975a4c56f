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
        ("https://wiki.example/x?a=1&\nclass=UserRequest&id=5", "https://wiki.example/x?a=1&\nclass=UserRequest&id=5"),
    ];
    for (text, expected) in rows {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn a_tag_of_a_picture_that_stands_in_plain_text_loses_its_secret() {
    assert_eq!(told("<img data-img-id=\"6\" data-img-secret=\"a47c9e\">"), "<img data-img-id=\"6\" data-img-secret=>");
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
