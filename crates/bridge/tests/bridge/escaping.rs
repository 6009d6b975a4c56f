//! iTop 3.1 escapes HTML once more when it is read. What one text says about that holds for its own
//! attribute alone.

use itop_bridge_testkit::world::*;
use itop_sim::Version;

/// The descriptions inside, of tickets of these titles and descriptions, created one after the other.
async fn descriptions_inside(version: Version, tickets: &[(&str, &str)]) -> Vec<String> {
    let world = Setup::with_external(version).start().await;
    let mut inside = Vec::new();
    for (title, description) in tickets {
        let mut fields = ticket(title);
        fields["description"] = json!(description);
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("title"), format!("[R-{id:06}] {title}"));
        inside.push(copy.field("description").to_owned());
    }
    world.one_more_pass_writes_nothing().await;
    inside
}

#[tokio::test(start_paused = true)]
async fn a_title_like_html_teaches_nothing_about_descriptions() {
    for version in BOTH {
        for title in ["<p>R&D</p>", "<b>a & b</b>", "<p>a &lt; b</p>", "<p>a &amp;lt; b</p>", "&amp;lt;"] {
            let inside = descriptions_inside(version, &[(title, "<p>plain</p>"), ("second", "<p>a &lt; b</p>")]).await;
            assert_eq!(inside[1], "<p>a &lt; b</p>", "after the title {title}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_learnt_is_not_forgotten_over_a_title() {
    for version in BOTH {
        let tickets = [
            ("first", "<p>a &lt; b</p>"),
            ("<p>R&D</p>", "<p>c &amp; d</p>"),
            ("<p>R&D</p>", "<p>e &gt; f</p>"),
            ("last", "<p>write &amp;lt; for &lt;</p>"),
        ];
        let inside = descriptions_inside(version, &tickets).await;
        let expected: Vec<&str> = tickets.iter().map(|(_, description)| *description).collect();
        assert_eq!(inside, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_about_entities_is_not_mistaken_for_one_that_is_escaped_once_more() {
    for version in BOTH {
        // Of the entities that are answered, only the deepest tells.
        for first in ["<p>write &amp;lt;</p>", "<p>a &lt; b, written &amp;lt;</p>", "<p>&amp;amp;lt; &amp;lt;</p>"] {
            let inside = descriptions_inside(version, &[("first", first), ("second", "<p>a &lt; b</p>")]).await;
            assert_eq!(inside, [first, "<p>a &lt; b</p>"]);
        }
    }
}
