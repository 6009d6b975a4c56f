//! Text that is meant to do harm, or that something has damaged on its way: it crosses as the words that it is,
//! takes no more room than is in proportion, and holds nothing else up.

use itop_bridge_testkit::world::*;
use itop_sim::{Limits, Version};

each_version![
    bytes_that_are_no_utf8_arrive_as_signs_and_stay,
    a_title_past_its_limit_is_cut_between_two_characters,
    no_image_is_made_of_a_broken_description,
    a_log_entry_of_nested_layout_stays_in_proportion,
    an_attack_in_every_text_is_carried_as_words,
];

async fn bytes_that_are_no_utf8_arrive_as_signs_and_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    // A cut character, a lone continuation, an overlong NUL.
    world.garble("brokenbytes", b"\xe6\x97 \x80 \xc0\x80");
    let id = world.acme().create_ticket("UserRequest", ticket("it brokenbytes here")).await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>log brokenbytes end</p>").await.unwrap();
    world.acme().attach(id, "name brokenbytes.txt", "text/plain", b"x").await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("title"), "[R-000001] it \u{fffd} \u{fffd} \u{fffd}\u{fffd} here");
    assert_eq!(copy.field("description"), "<p>it \u{fffd} \u{fffd} \u{fffd}\u{fffd} here</p>");
    let files = world.internal.attachments(copy.id);
    assert!(files.iter().any(|file| file.filename == "name \u{fffd} \u{fffd} \u{fffd}\u{fffd}.txt"), "{files:?}");
    let log = files.iter().find(|file| file.filename.contains("log")).unwrap();
    assert!(String::from_utf8_lossy(&log.data).contains("log \u{fffd} \u{fffd} \u{fffd}\u{fffd} end"));
    world.one_more_pass_writes_nothing().await;
}

async fn a_title_past_its_limit_is_cut_between_two_characters(versions: Versions) {
    let world = Setup::between(versions).start().await;
    for long in ["🔥".repeat(400), "e\u{301}".repeat(300), "\u{202e}ש".repeat(300)] {
        let id = world.acme().create_ticket("Incident", ticket("short")).await.unwrap();
        world.settle().await;
        // No form takes it: an import by SQL leaves it.
        world.acme().overwrite(id, "title", &long);
        world.look_at_everything().await;
        let whole = format!("[{}] {long}", world.acme().ticket(id).unwrap().field("ref"));
        let expected: String = whole.chars().take(255).collect();
        assert_eq!(world.copy_of(id).await.field("title"), expected);
    }
    world.one_more_pass_writes_nothing().await;
}

/// Each with the words that must arrive of it.
const BROKEN: [(&str, &[&str]); 7] = [
    ("<p>open <b>bold <i>both</b> and on<div>no end", &["open", "bold", "both", "and on", "no end"]),
    ("before <<figure>img src=\"http://tracker.example/p.png\">after", &["before", "after"]),
    ("before <<img alt=\"img src=http://tracker.example/p.png \">>after", &["before", "after"]),
    ("<p>cut in a tag <img src=\"http://tracker.example/p.png\"", &["cut in a tag"]),
    ("<p><image src=\"http://tracker.example/p.png\"> and the rest</p>", &["and the rest"]),
    ("<svg><img src=http://tracker.example/p.png>in the picture</svg><p>behind</p>", &["behind"]),
    ("</p></td></table>&#0;&#xD800;&bogus;&lt;script&gt;x&lt;/script&gt; end", &["bogus", "script", "end"]),
];

async fn no_image_is_made_of_a_broken_description(versions: Versions) {
    let world = Setup::between(versions).start().await;
    for (description, words) in BROKEN {
        let id = world.acme().create_ticket("UserRequest", ticket("short")).await.unwrap();
        world.settle().await;
        world.acme().overwrite(id, "description", description);
        world.look_at_everything().await;
        let copy = world.copy_of(id).await;
        let arrived = copy.field("description");
        for word in words {
            assert!(arrived.contains(word), "{word:?} of {description} is not in {arrived}");
        }
        assert!(!arrived.contains("<im") && !arrived.contains("<script"), "{description} became {arrived}");
        let sent = world.internal.calls_containing("tracker.example");
        assert!(sent.iter().all(|call| !call.json.contains("<im")), "{description}: {sent:#?}");
        world.internal.clear_calls();
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_log_entry_of_nested_layout_stays_in_proportion(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("a log")).await.unwrap();
    world.settle().await;
    let rows = "<tr><td>cell</td><td>other</td></tr>".repeat(2_000);
    let table = format!("<table><tbody><tr><td>{}</td></tr>{rows}</tbody></table>", "wide ".repeat(4_000));
    let quotes = format!("{}deep{}", "<blockquote>".repeat(200), "<br>x".repeat(2_000)) + &"</blockquote>".repeat(200);
    let mut written = 0;
    for (html, word) in [(table, "other"), (quotes, "deep")] {
        written += html.len();
        world.acme().add_log_entry(id, "private_log", &format!("{html}<p>the end</p>")).await.unwrap();
        world.settle().await;
        let files = world.internal.attachments(world.copy_of(id).await.id);
        let text = String::from_utf8_lossy(&files.last().unwrap().data).into_owned();
        assert!(text.contains(word) && text.contains("the end"), "{}", &text[..200]);
    }
    let files = world.internal.attachments(world.copy_of(id).await.id);
    let arrived: usize = files.iter().map(|file| file.data.len()).sum();
    assert!(arrived < 20 * written, "{arrived} bytes of {written}");
    world.one_more_pass_writes_nothing().await;
}

/// What is dangerous to some reader: iTop's OQL, its templates, its REST, the bridge's own marks and templates.
const ATTACKS: [&str; 9] = [
    "' OR 1=1 --",
    "x\\' UNION SELECT User WHERE '1'='1",
    "$this->id$ $this->caller_id->name$",
    "{ref} {title}",
    "\", \"id\": \"1\", \"class\": \"Incident\", \"x\": \"",
    "[itop-bridge:7f3a:acme:UserRequest:1]",
    "itop-bridge:7f3a:acme:UserRequest:1:external:file:1",
    "\r\nX-API-Key: sk_internal\r\n\r\n",
    "--boundary\r\nContent-Disposition: form-data; name=\"auth_user\"\r\n\r\nadmin",
];

async fn an_attack_in_every_text_is_carried_as_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let other = world.acme().create_ticket("UserRequest", ticket("the victim")).await.unwrap();
    world.settle().await;
    let victim = world.copy_of(other).await;
    for (nth, attack) in ATTACKS.into_iter().enumerate() {
        let escaped = attack.replace('&', "&amp;").replace('<', "&lt;");
        let fields = json!({ "org_id": sample::DEMO, "title": attack, "description": format!("<p>{escaped}</p>") });
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        // A payload that it breaks is made good by the sweep.
        world.pass_seconds(301).await;
        world.settle().await;
        world.acme().add_log_entry(id, "private_log", &format!("<p>{escaped}</p>")).await.unwrap();
        world.acme().attach(id, attack, "text/plain", attack.as_bytes()).await.unwrap();
        world.pass_seconds(301).await;
        world.settle().await;
        let copy = world.copy_of(id).await;
        let reference = world.acme().ticket(id).unwrap().field("ref").to_owned();
        assert_eq!(copy.field("title"), format!("[{reference}] {attack}"));
        let files = world.internal.attachments(copy.id);
        assert!(files.iter().any(|file| file.filename == attack && file.data == attack.as_bytes()), "{attack}");
        assert_eq!(files.len(), 2, "the file, the log, and nothing else: {files:?}");
        assert_eq!(world.internal.tickets("Ticket").len(), nth + 2, "{attack}");
        let of_the_victim = world.internal.ticket(victim.id).unwrap();
        assert_eq!(of_the_victim, victim, "{attack}");
    }
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn one_log_entry_of_twenty_mebibytes_crosses_whole() {
    let world = Setup::with_external(Version::V3_1).start().await;
    for sim in [world.acme(), &world.internal] {
        sim.set_limits(Limits { post_max_bytes: 256 << 20, ..Limits::default() });
    }
    let id = world.acme().create_ticket("UserRequest", ticket("a long log")).await.unwrap();
    world.settle().await;
    let story: Vec<String> = (0..20_480).map(|line| format!("{line} {}", "0123456789abcde ".repeat(64))).collect();
    world.acme().add_log_entry(id, "private_log", &format!("<p>{}</p>", story.join("<br>"))).await.unwrap();
    world.settle().await;
    let files = world.internal.attachments(world.copy_of(id).await.id);
    let log = files.iter().find(|file| file.filename.contains("log")).unwrap();
    let text = String::from_utf8_lossy(&log.data);
    assert!(text.len() > 20 << 20, "{} bytes", text.len());
    let mut lines = text.lines().skip_while(|line| !line.starts_with("0 "));
    for line in &story {
        assert_eq!(lines.next().map(str::trim_end), Some(line.trim_end()));
    }
    world.one_more_pass_writes_nothing().await;
}
