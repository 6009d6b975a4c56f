//! What a verb beside `serve` says of a configuration that was changed since it started, and what the log says of webhooks
//! that bring nothing.

use itop_bridge_testkit::site::{EXTERNAL_KEY, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_was_changed_is_told_until_the_restart() {
    let site = Site::new(crate::PROGRAM, "changed").await;
    let said = site.said(&["check"]).await;
    assert!(!said.contains("itop-bridge serve:"), "it never ran: {said}");
    let bridge = site.serve().await;
    let process = bridge.child.id();
    site.ticket("UserRequest", "Printer").await;
    site.every_ticket_has_one_copy().await;
    let line = site.check("itop-bridge serve:").await;
    let start = format!("ok      itop-bridge serve: `serve` (process {process}, since ");
    assert!(line.starts_with(&start) && line.ends_with("runs with this configuration"), "{line}");
    assert!(!site.said(&["plan", "1"]).await.contains("older configuration"));

    site.rewrite("only = \"all\"", "only = \"title NOT LIKE 'x%'\"");
    site.rewrite("\"sk_internal\"", "\"sk_internal_of_now\", \"sk_internal\"");
    let told = "runs with an older configuration: [external.acme] differs (only); [internal] differs (api_keys)";
    let line = site.check("itop-bridge serve:").await;
    assert!(line.starts_with("note ") && line.contains(told) && line.contains("Fix: restart it"), "{line}");
    for verb in [&["plan", "1"][..], &["status"]] {
        let said = site.said(verb).await;
        assert!(said.contains(told) && said.contains("restart it"), "{verb:?}: {said}");
    }
    let said = site.said(&["setup", "--side", "acme", "--dry-run"]).await;
    assert!(said.contains(&format!("{told}. Fix: restart it")), "acme's own key is taken: {said}");
    let said = site.said(&["setup", "--side", "elitery"]).await;
    assert!(
        said.starts_with("error: the `serve` at ") && said.contains("refuses the first key of [internal]"),
        "{said}"
    );
    assert!(said.contains(told), "{said}");

    assert!(bridge.terminate().await.success());
    let line = site.check("itop-bridge serve:").await;
    assert!(line.contains("`serve` does not run on this store") && line.contains("Fix: start it"), "{line}");
    let bridge = site.serve().await;
    assert!(site.check("itop-bridge serve:").await.ends_with("runs with this configuration"));

    // What does not cross has its line, and its why.
    site.ticket("UserRequest", "xerox").await;
    site.until("it is told", |site| {
        site.log().contains("nothing: it does not fit `only`, is gone, or the account may not see it")
    })
    .await;
    assert_eq!(site.hook("/api/v1/update-ticket", EXTERNAL_KEY, r#"{"id":"999"}"#).await.0, 202);
    site.until("it is told", |site| site.log().contains("nothing: there is no ticket with this id")).await;
    // A wrong key is told at its first use, and not at each.
    for _ in 0..3 {
        let (status, _) = site.hook("/api/v1/update-ticket", "sk_wrong_0123456789", r#"{"id":"1"}"#).await;
        assert_eq!(status, 401);
    }
    site.until("it is told", |site| site.log().contains("a webhook is refused for its key")).await;
    let log = site.log();
    assert_eq!(log.matches("a webhook is refused for its key").count(), 1, "{log}");
    assert!(log.contains("\"from\":\"127.0.0.1\",\"route\":\"/api/v1/update-ticket\""), "{log}");
    assert!(!log.contains("sk_wrong") && !log.contains("\"lane\"") && !log.contains("refinery"), "{log}");
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
}
