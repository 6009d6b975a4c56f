//! A customer that is renamed, or that leaves: what `serve` and `check` say, and the way out that they name.

use itop_bridge_testkit::site::{Site, refused};

/// What `check` says of the sides; the iTops are asked too.
async fn checked(site: &Site) -> String {
    site.check("itop-bridge sides: ").await
}

fn forget_the_log(site: &Site) {
    let _ = std::fs::remove_file(site.folder.join("log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_external_is_refused_until_the_store_is_told() {
    let site = Site::new(crate::PROGRAM, "renamed").await;
    let bridge = site.serve().await;
    site.until("the connection", |site| site.log().contains("the connection has begun")).await;
    site.ticket("UserRequest", "of acme").await;
    site.every_ticket_has_one_copy().await;
    let refused_verb = site.refused_verb(&["external", "rename", "acme", "acme2"]).await;
    assert!(refused_verb.contains("only one process works on a store"), "{refused_verb}");
    assert!(bridge.terminate().await.success());
    assert_eq!(
        checked(&site).await,
        "ok      itop-bridge sides: each name stands for the iTop that the store knows by it"
    );

    forget_the_log(&site);
    site.rewrite("[external.acme]", "[external.acme2]");
    let told = "[external.acme2] has the address that the store knows as acme's";
    let log = refused(&site).await;
    assert!(log.contains(told) && log.contains("`itop-bridge external rename acme acme2`"), "{log}");
    assert!(checked(&site).await.starts_with(&format!("fault   itop-bridge sides: {told}")));
    for verb in [
        &["plan", "acme2:R-000001"][..],
        &["backfill", "--side", "acme2", "--since", "2026-01-01", "--yes"],
        &["links", "rebuild"],
        &["setup", "--side", "acme2"],
    ] {
        let why = site.refused_verb(verb).await;
        assert!(why.contains(told), "{verb:?}: {why}");
    }
    assert!(site.verb(&["links", "list"]).await.contains("acme:R-000001"), "what the store knows is shown");

    site.rewrite("[external.acme2]", "[external.acme2]\nname_in_marks = \"acme\"");
    site.verb(&["external", "rename", "acme", "acme2"]).await;
    forget_the_log(&site);
    let _bridge = site.serve().await;
    site.acme.update(1, serde_json::json!({ "title": "under its new name" })).await.unwrap();
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_customer_leaves() {
    let site = Site::new(crate::PROGRAM, "leaves").await;
    let bridge = site.serve().await;
    site.ticket("UserRequest", "the last").await;
    site.every_ticket_has_one_copy().await;
    assert!(bridge.terminate().await.success());
    let text = std::fs::read_to_string(site.config()).unwrap();
    let (before, rest) = text.split_once("[external.acme]").unwrap();
    let after = &rest[rest.find("[sync]").unwrap()..];
    std::fs::write(site.config(), format!("{before}{after}")).unwrap();

    forget_the_log(&site);
    let told = "the configuration has no [external.acme], and the store has 1 live pair";
    let log = refused(&site).await;
    assert!(log.contains(told) && log.contains("`itop-bridge external remove acme`"), "{log}");
    assert!(checked(&site).await.starts_with(&format!("fault   itop-bridge sides: {told}")));
    let why = site.refused_verb(&["external", "remove", "gamma"]).await;
    assert!(why.contains("It knows acme"), "{why}");
    let said = site.verb(&["external", "remove", "acme", "--yes"]).await;
    assert!(said.contains("Ended: 1 pair. acme is removed."), "{said}");
    assert!(site.verb(&["links", "list"]).await.contains("ended"));
    let its = site.verb(&["links", "list", "--side", "acme"]).await;
    assert!(
        its.contains("acme:R-000001") && its.contains("ended"),
        "the pairs of a customer that left are shown: {its}"
    );
    let why = site.refused_verb(&["links", "list", "--side", "gamma"]).await;
    assert!(why.contains("there is no side \"gamma\""), "{why}");
    assert!(checked(&site).await.starts_with("ok "));

    forget_the_log(&site);
    let mut bridge = site.spawn();
    site.until("it says so", |site| site.log().contains("the configuration has no external: nothing crosses")).await;
    site.until("it serves", |site| site.log().contains("itop-bridge serves")).await;
    assert!(bridge.child.try_wait().unwrap().is_none());
    assert!(bridge.terminate().await.success());
    assert_eq!(site.copies().len(), 1);
}
