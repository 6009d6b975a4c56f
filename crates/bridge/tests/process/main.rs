//! The built binary over real sockets: what only a process, a file and a signal can show. Waits here are
//! for something to happen, with a generous end; none measures a time.

mod changed;
#[cfg(unix)]
mod demo;
mod disk;
mod dry_run;
mod guide;
mod kill;
mod limits;
mod modes;
mod security;
mod sides;
mod start;
mod stop;
mod verbs;

use itop_bridge_store::{SqliteStore, Store as _};
use itop_bridge_testkit::site::{EXTERNAL_KEY, Site};
use itop_sim::{Effect, Fault};
use serde_json::json;

/// The built binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_itop-bridge");

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs_work_beside_a_running_bridge() {
    let site = Site::new(crate::PROGRAM, "verbs").await;
    let _bridge = site.serve().await;
    let id = site.ticket("UserRequest", "before").await;
    site.every_ticket_has_one_copy().await;
    assert!(site.verb(&["pause", "acme"]).await.starts_with("acme is paused."));
    site.acme.update(id, json!({"title": "meanwhile"})).await.unwrap();
    let plan = site.verb(&["plan", "acme:R-000001"]).await;
    assert!(plan.contains("- title: [R-000001] before\n  + title: [R-000001] meanwhile\n"), "{plan}");
    assert!(site.verb(&["links", "list"]).await.contains("acme:R-000001"));
    let shown = site.verb(&["links", "show", "1"]).await;
    assert!(shown.contains("queue: ") && shown.contains("waits since"), "the hook was accepted, and waits: {shown}");
    assert_eq!(site.verb(&["retry"]).await, "No ticket is parked. Nothing was changed.\n");
    assert!(site.verb(&["resume", "acme"]).await.starts_with("acme is resumed."));
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert!(site.verb(&["plan", "1"]).await.contains("A pass writes nothing."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_crosses_over_real_sockets_and_a_pass_is_one_line_of_json() {
    let site = Site::new(crate::PROGRAM, "crosses").await;
    let bridge = site.serve().await;
    site.ticket("UserRequest", "over \"sockets\"").await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
    let lines: Vec<serde_json::Value> = site
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let created: Vec<_> =
        lines.iter().filter(|line| line["wrote"].as_str().is_some_and(|wrote| wrote.starts_with("created"))).collect();
    assert_eq!(created.len(), 1, "{lines:#?}");
    assert_eq!(created[0]["ticket"], "acme:R-000001");
    assert!(created[0]["ms"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_accepted_survives_kill_9() {
    let site = Site::new(crate::PROGRAM, "accepted").await;
    // The provider's iTop is away, so that the accepted hint must wait.
    let bridge = site.serve().await;
    site.elitery.down(true);
    site.acme.drop_hooks(true);
    let id = site.ticket("UserRequest", "accepted").await;
    let body = format!(r#"{{"event":"ticket.create","class":"UserRequest","id":"{id}"}}"#);
    let (status, answer) = site.hook("/api/v1/create-ticket", EXTERNAL_KEY, &body).await;
    assert_eq!(status, 202, "{answer}");
    bridge.kill();
    site.elitery.down(false);
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_answered_while_both_itops_are_silent() {
    let site = Site::new(crate::PROGRAM, "silent").await;
    let _bridge = site.serve().await;
    site.acme.fail_with(|_| Some(Fault::Hang(Effect::None)));
    site.elitery.fail_with(|_| Some(Fault::Hang(Effect::None)));
    for id in 1..=20 {
        let body = format!(r#"{{"class":"UserRequest","id":"{id}"}}"#);
        let (status, answer) = site.hook("/api/v1/update-ticket", EXTERNAL_KEY, &body).await;
        assert_eq!(status, 202, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_or_never_come_double_nothing() {
    let site = Site::new(crate::PROGRAM, "cut").await;
    let _bridge = site.serve().await;
    for (n, fault) in [
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
        Fault::Hang(Effect::Committed),
        Fault::Status(500, Effect::Committed),
        Fault::Refuse,
    ]
    .into_iter()
    .enumerate()
    {
        site.elitery.fail_next_write(fault);
        site.ticket("UserRequest", &format!("fault {n}")).await;
        site.every_ticket_has_one_copy().await;
    }
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_20_mb_crosses_whole() {
    let site = Site::new(crate::PROGRAM, "large").await;
    let _bridge = site.serve().await;
    let id = site.ticket("UserRequest", "a large log").await;
    let data: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    site.acme.attach(id, "large.log", "text/plain", &data).await.unwrap();
    site.until("the file is there", |site| !site.elitery.all_attachments().is_empty()).await;
    let copies = site.elitery.all_attachments();
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].filename.as_str(), copies[0].data.len()), ("large.log", data.len()));
    assert!(copies[0].data == data, "the copy differs");
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in_as_well_as_a_password() {
    let site = Site::new(crate::PROGRAM, "token").await;
    site.configure("token = \"bridge-token\"\nonly = \"all\"");
    let _bridge = site.serve().await;
    site.ticket("Incident", "by token").await;
    site.every_ticket_has_one_copy().await;
    let secret = site.log().contains("bridge-token") || site.log().contains("Bridge.1234");
    assert!(!secret, "a secret stands in the log");
    site.goes_on_without_writing().await;
}

/// Yesterday's store beside today's iTops: what happened since is found by the marks.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_beside_a_running_bridge_is_whole_and_doubles_nothing_when_it_is_put_back() {
    let site = Site::new(crate::PROGRAM, "backup").await;
    let bridge = site.serve().await;
    let first = site.ticket("UserRequest", "before the backup").await;
    site.acme.attach(first, "a.txt", "text/plain", b"a").await.unwrap();
    site.every_ticket_has_one_copy().await;
    let copy = site.folder.join("copy.db");
    let copied = site.verb(&["backup", copy.to_str().unwrap()]).await;
    assert!(copied.contains("copy.db: "), "{copied}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let pairs = SqliteStore::open_to_read(&copy).unwrap().links(None, 0, 10, None).unwrap();
    assert_eq!(pairs.iter().map(|stored| stored.link.external.id).collect::<Vec<_>>(), [first]);
    let refused = site.refused_verb(&["backup", copy.to_str().unwrap()]).await;
    assert!(refused.contains("exists already"), "{refused}");
    let nowhere = site.refused_verb(&["backup", "/no/such/folder/copy.db"]).await;
    assert!(
        nowhere.contains("no backup was made at /no/such/folder/copy.db: there is no folder /no/such/folder;"),
        "{nowhere}"
    );
    let parts = std::fs::read_dir(&site.folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part-"));
    assert_eq!(parts.count(), 0, "nothing half-written stays");

    let second = site.ticket("UserRequest", "after the backup").await;
    site.acme.attach(second, "b.txt", "text/plain", b"b").await.unwrap();
    site.acme.attach(first, "c.txt", "text/plain", b"c").await.unwrap();
    site.every_ticket_has_one_copy().await;
    site.until("the files are copied", |site| site.elitery_files() == ["a.txt", "b.txt", "c.txt"]).await;
    assert!(bridge.terminate().await.success());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(site.folder.join(format!("bridge.db{suffix}")));
    }
    std::fs::copy(&copy, site.folder.join("bridge.db")).unwrap();

    let bridge = site.serve().await;
    site.ticket("UserRequest", "after all that").await;
    site.acme.update(first, json!({"title": "and changed"})).await.unwrap();
    site.until("the change crosses", |site| site.copies().iter().any(|title| title.ends_with("and changed"))).await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert_eq!(site.elitery_files(), ["a.txt", "b.txt", "c.txt"], "nothing is copied twice");
    assert!(bridge.terminate().await.success());
}
