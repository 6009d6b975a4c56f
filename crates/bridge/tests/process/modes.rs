//! What the bridge writes, its owner alone may read, whatever the umask says.

use std::process::Command;

use itop_bridge_testkit::site::{Site, mode};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_serve_and_backup_write_is_their_owners_alone() {
    let site = Site::new(crate::PROGRAM, "modes").await;
    let there = files(&site);
    let bridge = site.serves(|site| site.spawn_after("umask 0")).await;
    site.ticket("UserRequest", "private").await;
    site.every_ticket_has_one_copy().await;
    let copy = site.folder.join("copy.db");
    assert!(shell(&format!(
        "umask 0; exec {} --config {} backup {}",
        crate::PROGRAM,
        site.config().display(),
        copy.display()
    )));
    let written: Vec<String> = files(&site).into_iter().filter(|name| !there.contains(name) && name != "log").collect();
    for wanted in ["bridge.db", "bridge.db-wal", "bridge.db-shm", "bridge.db.lock", "bridge.db.open.lock", "copy.db"] {
        assert!(written.iter().any(|name| name == wanted), "{wanted} was written: {written:?}");
    }
    for name in &written {
        assert_eq!(mode(&site.folder.join(name)), 0o600, "{name}");
    }
    assert!(bridge.terminate().await.success());
    for name in files(&site).iter().filter(|name| !there.contains(name) && *name != "log") {
        assert_eq!(mode(&site.folder.join(name)), 0o600, "{name}");
    }
}

/// A store that was put back by hand may be open to all; what SQLite makes beside it takes its mode.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_others_may_read_is_closed_to_them_at_the_start() {
    let site = Site::new(crate::PROGRAM, "open-store").await;
    assert!(site.serve().await.terminate().await.success());
    for name in ["bridge.db", "bridge.db.lock", "bridge.db.open.lock"] {
        let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        std::fs::set_permissions(site.folder.join(name), open).unwrap();
    }
    let bridge = site.serves(|site| site.spawn_after("umask 0")).await;
    for name in ["bridge.db", "bridge.db-wal", "bridge.db-shm"] {
        assert_eq!(mode(&site.folder.join(name)), 0o600, "{name}");
    }
    assert!(bridge.terminate().await.success());
}

fn shell(line: &str) -> bool {
    Command::new("sh").args(["-c", line]).stdout(std::process::Stdio::null()).status().unwrap().success()
}

fn files(site: &Site) -> Vec<String> {
    let entries = std::fs::read_dir(&site.folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_init_writes_is_its_owners_alone() {
    let site = Site::new(crate::PROGRAM, "modes-of-init").await;
    let fresh = site.folder.join("fresh");
    std::fs::create_dir(&fresh).unwrap();
    std::fs::write(site.folder.join("password"), "Bridge.1234\n").unwrap();
    let password = site.folder.join("password");
    let (elitery, acme) = (site.elitery.base_url(), site.acme.base_url());
    let line = format!(
        "umask 0; exec {} --config {}/itop-bridge.toml init --internal-name elitery --internal-url {elitery} \
         --internal-user bridge --internal-password-file {password} --external-name acme --external-url {acme} \
         --external-user bridge --external-password-file {password} --org Demo --team Helpdesk \
         --agent 'Jules Verne' --only all",
        crate::PROGRAM,
        fresh.display(),
        password = password.display(),
    );
    assert!(tokio::task::spawn_blocking(move || shell(&line)).await.unwrap());
    let written: Vec<_> = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(written.iter().any(|path| path.ends_with("itop-bridge.toml")), "{written:?}");
    for path in &written {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
}
