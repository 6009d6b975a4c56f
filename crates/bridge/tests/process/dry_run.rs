//! `serve --dry-run` as a process: killed, started again, stopped, and followed by a `serve` that writes.

use itop_bridge_testkit::site::{Bridge, Site};

async fn dry(site: &Site) -> Bridge {
    site.serves(|site| site.spawn_as(site.command(&["serve", "--dry-run"]))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_may_be_killed_and_its_store_becomes_the_real_one() {
    let site = Site::new(crate::PROGRAM, "dry_run").await;
    let bridge = dry(&site).await;
    let first = site.ticket("UserRequest", "Printer on fire").await;
    site.until("the first is planned", |site| site.log().contains("make a UserRequest")).await;
    bridge.kill();

    let bridge = dry(&site).await;
    let second = site.ticket("Incident", "Server on ice").await;
    site.until("the second is planned", |site| site.log().contains("make an Incident")).await;
    let said = site.verb(&["status"]).await;
    assert!(said.contains("serve: runs as a dry run, and writes nothing"), "{said}");
    let said = site.verb(&["plan", &format!("acme:{first}")]).await;
    for part in ["`serve` is a dry run", "elitery: make a UserRequest", "Then, once it is made:", "attach the report"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert!(bridge.terminate().await.success());
    let log = site.log();
    let last = log.lines().rfind(|line| line.contains("the dry run is over")).expect("a summary");
    assert!(last.contains("2 tickets: would make 1 Incident, 1 UserRequest in the internal iTop"), "{last}");
    assert_eq!(site.copies(), [""; 0]);

    let bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    assert_eq!(site.copies().len(), 2, "of {first} and {second}");
    let said = site.verb(&["status"]).await;
    assert!(said.contains("serve: runs\n"), "{said}");
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
}
