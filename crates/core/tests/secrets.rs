//! Whoever has the secret of an inline image can load it without a log-in: a link is shown in errors and
//! logs without it, and stored with it.

use std::collections::BTreeMap;

use itop_bridge_core::caselog::{Batch, BatchContent, BatchFile, LogName};
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::link::{Creation, Edit, Enclosure, Held, LeftOut, Part, PlainText};
use itop_bridge_core::{FileKind, Link, Side, TicketKey};

const SECRET: &str = "5ec2e7f00d";

/// A text with pictures, in each way that iTop spells their tags.
fn pictures() -> String {
    let address = "https://acme.example/pages/ajax.document.php?operation=download_inlineimage";
    format!(
        "<p>see <img src=\"{address}&amp;id=5&amp;s={SECRET}\" data-img-id=\"5\" data-img-secret=\"{SECRET}\"> \
         and <img alt=\"x\" src='{address}&id=6&s={SECRET}'/> and <IMG ALT=\"5 > 4 < 5\" DATA-IMG-SECRET={SECRET} data-img-id=7>.</p>"
    )
}

fn link() -> Link {
    let mut link = Link::without_counterpart(TicketKey { class: "UserRequest".into(), id: 1, reference: "R-1".into() });
    link.field_agreed("description", &pictures(), &pictures());
    let fields = BTreeMap::from([("description".to_owned(), pictures())]);
    link.in_flight.creation =
        Some(Creation { until_ms: 1, highest_before: 2, since_ms: 1, fields, tries: 1, ..Creation::default() });
    link.in_flight.contested_edits.push(Edit { code: "description".to_owned(), value: pictures(), may_be_ours: false });
    let file = BatchFile {
        kind: FileKind::Image,
        key: "5".into(),
        name: "R-1 image 5".into(),
        holds: BatchContent::Image { id: 5, secret: SECRET.into() },
        state: None,
    };
    let encloses = vec![Enclosure::image(Side::External, "solution", 5, SECRET, "R-1 image 5.png")];
    let (on, code, value) = (Side::Internal, "solution".to_owned(), "see".to_owned());
    link.in_flight.plain.push(PlainText { on, code, value, html: None, encloses });
    let text = LeftOut { on: Side::Internal, code: "solution".to_owned(), value: pictures() };
    link.hold(Held {
        part: Part::Text(text),
        to: Side::Internal,
        status: 403,
        since_ms: 1,
        tries: 1,
        tried_ms: 1,
        not_before_ms: 2,
        asked_ms: 0,
        of: String::new(),
    });
    let line = Line { reason: Some(pictures()), solution: Some(pictures()), ..Line::of("pending") };
    link.keep_document(Document { lines: vec![line], ..Document::new(DocumentKind::Report) });
    link.log_mut(Side::External, LogName::Private).batch = Some(Batch { entries: Vec::new(), files: vec![file] });
    link
}

#[test]
fn a_link_is_shown_without_the_secret_of_any_picture() {
    let shown = format!("{:?} {:#?}", link(), link());
    assert!(!shown.contains(SECRET), "{shown}");
    // What else there is to see is still seen.
    for part in ["R-1 image 5", "id: 5", "<p>see ", " and ", ".</p>", "highest_before: 2"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

#[test]
fn a_link_is_stored_with_it() {
    let stored = serde_json::to_string(&link()).expect("a link is stored as JSON");
    assert_eq!(stored.matches(SECRET).count(), 7 * 4 + 2);
    let read: Link = serde_json::from_str(&stored).expect("what is stored is read");
    assert_eq!(read, link());
}
