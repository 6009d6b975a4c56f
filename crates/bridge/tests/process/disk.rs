//! No room on the disk: webhooks are refused and told why, nothing is half taken, and the work goes on when there
//! is room again, in the same process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use itop_bridge_testkit::site::{Bridge, EXTERNAL_KEY, Site};
use serde_json::json;

/// Takes the room away, and gives it back.
trait Disk {
    fn fill(&self, bridge: &Bridge);
    fn free(&self, bridge: &Bridge);
    /// What the store then says.
    fn words(&self) -> &'static str;
    /// How often the log can tell it.
    fn lines_of_the_log(&self) -> usize;
}

/// The process may make no file larger than it is: for SQLite a write that fails. It needs no right, and its log
/// cannot be written either.
struct NoLargerFiles;

impl Disk for NoLargerFiles {
    fn fill(&self, bridge: &Bridge) {
        limit(bridge, "0:");
    }

    fn free(&self, bridge: &Bridge) {
        limit(bridge, "unlimited:");
    }

    fn words(&self) -> &'static str {
        "the disk answers with an error"
    }

    fn lines_of_the_log(&self) -> usize {
        0
    }
}

fn limit(bridge: &Bridge, limit: &str) {
    let pid = bridge.child.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}")]).status();
    assert!(done.expect("util-linux's prlimit").success());
}

/// A file system of its own, filled by another file: for who may mount.
struct SmallDisk<'a>(&'a Path);

impl Disk for SmallDisk<'_> {
    fn fill(&self, _: &Bridge) {
        // Until nothing more goes in, to the last byte.
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        for size in [65_536, 4_096, 1] {
            let piece = vec![b'x'; size];
            while std::io::Write::write_all(&mut file, &piece).is_ok() {}
        }
    }

    fn free(&self, _: &Bridge) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }

    fn words(&self) -> &'static str {
        "the disk is full"
    }

    fn lines_of_the_log(&self) -> usize {
        1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_write_is_told_and_the_work_goes_on_afterwards() {
    let site = Site::new(crate::PROGRAM, "no-write").await;
    // SIGXFSZ, by which the system would end a process that writes beyond its limit.
    let bridge = site.serves(|site| site.spawn_after("trap '' 25")).await;
    goes_on_after(&site, bridge, &NoLargerFiles).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_work_goes_on_when_there_is_room_again() {
    let site = Site::new(crate::PROGRAM, "full").await;
    let disk = site.folder.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::at(&disk) else {
        assert!(std::env::var_os("REQUIRE_TMPFS").is_none(), "this user may not mount");
        println!("not shown here: this user may not mount; the test beside it needs no right");
        return;
    };
    site.rewrite("sqlite:bridge.db", "sqlite:disk/bridge.db");
    let bridge = site.serve().await;
    goes_on_after(&site, bridge, &SmallDisk(&disk)).await;
}

async fn goes_on_after(site: &Site, mut bridge: Bridge, disk: &dyn Disk) {
    let first = site.ticket("UserRequest", "before").await;
    site.every_ticket_has_one_copy().await;

    // A pass is under way when the room goes.
    site.elitery.set_latency(Duration::from_millis(500));
    site.acme.update(first, json!({"title": "meanwhile"})).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    disk.fill(&bridge);
    let second = site.ticket("UserRequest", "without room").await;
    for _ in 0..20 {
        let body = format!(r#"{{"class":"UserRequest","id":"{second}"}}"#);
        let (status, answer) = site.hook("/api/v1/create-ticket", EXTERNAL_KEY, &body).await;
        assert_eq!(status, 503, "{answer}");
    }
    let ready = site.send("GET /readyz HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains(disk.words()), "{ready}");
    assert_eq!(site.get("/healthz").await, Some(200), "the process is well");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(bridge.child.try_wait().unwrap().is_none(), "it lives on: {}", site.log());
    assert!(!site.copies().iter().any(|title| title.contains("without room")), "nothing is half taken");
    assert_eq!(site.get("/readyz").await, Some(503));

    disk.free(&bridge);
    site.elitery.set_latency(Duration::ZERO);
    for _ in 0..100 {
        if site.get("/readyz").await == Some(200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(site.get("/readyz").await, Some(200), "without a restart: {}", site.log());
    site.ticket("UserRequest", "after").await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
    let log = site.log();
    let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    // Where the log lies on the disk too, it can say so only afterwards.
    let lines = disk.lines_of_the_log();
    assert_eq!(said("webhooks are refused until the store can commit"), lines, "once, not at each: {log}");
    assert!(said("no ticket can be taken up") <= lines, "once, not at each: {log}");
    assert_eq!(said("the store commits again"), 1, "{log}");
    assert!(bridge.terminate().await.success());
}

/// A small file system in memory, gone when the test ends.
struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    fn at(folder: &Path) -> Option<Mounted<'_>> {
        let mut mount = Command::new("mount");
        // With room for all that SQLite keeps in its log before it writes it into the file.
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder).stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Mounted(folder))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
