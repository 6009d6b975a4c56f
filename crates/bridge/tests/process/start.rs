//! What `serve` refuses to start with: it names the file, what is wrong and what to do, and leaves the file as
//! it is.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use itop_bridge_store::SqliteStore;
use itop_bridge_testkit::site::{Site, free_port, is_root, refused};
use tokio::net::TcpListener;

/// A store that has worked, with nothing left beside it, and large enough to have a middle.
async fn worked(name: &str) -> Site {
    let site = Site::new(crate::PROGRAM, name).await;
    let bridge = site.serve().await;
    for n in 0..40 {
        site.ticket("UserRequest", &format!("{n} {}", "long ".repeat(40))).await;
    }
    site.every_ticket_has_one_copy().await;
    assert!(bridge.terminate().await.success());
    std::fs::remove_file(site.folder.join("log")).unwrap();
    site
}

/// The start is refused with these words, the file is named, and stays as it is.
async fn refuses(site: &Site, words: &[&str]) {
    let path = site.store();
    let before = std::fs::read(&path).ok();
    let log = refused(site).await;
    assert!(log.contains(&*path.to_string_lossy()), "the file is named: {log}");
    for words in words {
        assert!(log.contains(words), "{words:?} is missing in {log}");
    }
    assert!(std::fs::read(&path).ok() == before, "the file was changed");
    let _ = std::fs::remove_file(site.folder.join("log"));
}

fn sql(path: &Path, statements: &str) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(statements).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_broken_is_refused_whichever_way() {
    let site = worked("broken").await;
    let whole = std::fs::read(site.store()).unwrap();
    assert!(whole.len() > 100_000, "{} bytes", whole.len());
    let put = |bytes: &[u8]| std::fs::write(site.store(), bytes).unwrap();

    let mut header = whole.clone();
    header[..16].copy_from_slice(&[b'x'; 16]);
    put(&header);
    refuses(&site, &["no SQLite database", "name another file"]).await;

    put(&[b'x'; 8192]);
    refuses(&site, &["no SQLite database", "name another file"]).await;

    let mut middle = whole.clone();
    let at = whole.len() / 2 / 4096 * 4096;
    middle[at..at + 4096].fill(0xa5);
    put(&middle);
    refuses(&site, &["the file is damaged", "put a backup in its place", "links rebuild"]).await;

    for left in [whole.len() / 2, whole.len() - 4096, 5000] {
        put(&whole[..left]);
        refuses(&site, &["the file is damaged", "put a backup in its place"]).await;
    }

    put(&whole);
    assert!(site.serve().await.terminate().await.success(), "and a whole one works on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_version_is_refused() {
    let site = worked("newer").await;
    sql(
        &site.store(),
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (99, 'later', '2030-01-01T00:00:00Z', '0')",
    );
    refuses(&site, &["newer version of itop-bridge", "schema 99"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_another_programs_database_are_refused() {
    let site = Site::new(crate::PROGRAM, "other").await;
    std::fs::create_dir(site.store()).unwrap();
    refuses(&site, &["it is no file", "[store].url"]).await;
    std::fs::remove_dir(site.store()).unwrap();

    sql(&site.store(), "CREATE TABLE invoices (id INTEGER PRIMARY KEY, total REAL)");
    refuses(&site, &["another program's database", "invoices", "[store].url"]).await;
}

/// Root may write whatever the mode says, so the process is then started as another user.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_not_be_written_is_refused() {
    let site = worked("read-only").await;
    let binary = site.folder.join("itop-bridge");
    std::fs::copy(crate::PROGRAM, &binary).unwrap();
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (path, mode) in [(site.folder.clone(), 0o777), (binary.clone(), 0o755), (site.config(), 0o644)] {
        set(&path, mode);
    }
    for lock in ["bridge.db.lock", "bridge.db.open.lock"] {
        set(&site.folder.join(lock), 0o666);
    }
    set(&site.store(), 0o444);
    let before = std::fs::read(site.store()).unwrap();
    let mut command = Command::new(&binary);
    command.args(["--config", site.config().to_str().unwrap(), "serve"]);
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    let mut bridge = site.spawn_as(command);
    assert_eq!(bridge.ended().await.code(), Some(1), "{}", site.log());
    let log = site.log();
    assert!(log.contains("bridge.db") && log.contains("may not write the file"), "{log}");
    assert!(log.contains("give the user that runs `serve` the right to write"), "{log}");
    assert!(std::fs::read(site.store()).unwrap() == before, "the file was changed");
}

/// By whatever name it is opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_bridge_on_a_store_is_refused_through_links_too() {
    let site = Site::new(crate::PROGRAM, "links").await;
    let bridge = site.serve().await;

    let other = site.folder.join("other");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(site.store(), other.join("link.db")).unwrap();
    let through_store = site.folder.join("through-store.toml");
    let free = free_port();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text =
        text.replace("sqlite:bridge.db", "sqlite:other/link.db").replace(&site.port.to_string(), &free.to_string());
    std::fs::write(&through_store, text).unwrap();
    let through_config = site.folder.join("through-config.toml");
    std::os::unix::fs::symlink(site.config(), &through_config).unwrap();

    for config in [&through_store, &through_config] {
        let _ = std::fs::remove_file(site.folder.join("log"));
        let mut command = Command::new(crate::PROGRAM);
        command.arg("--config").arg(config).arg("serve");
        let mut second = site.spawn_as(command);
        assert_eq!(second.ended().await.code(), Some(1), "{config:?}: {}", site.log());
        let log = site.log();
        assert!(log.contains("another itop-bridge holds the store"), "{config:?}: {log}");
    }
    assert!(bridge.terminate().await.success());
    SqliteStore::open_exclusive(site.store()).expect("it is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bridges_on_one_store_are_refused() {
    let site = Site::new(crate::PROGRAM, "two").await;
    let bridge = site.serve().await;
    let log = refused(&site).await;
    let store = site.store();
    assert_eq!(log.matches(&*store.to_string_lossy()).count(), 1, "the file is named once: {log}");
    assert!(log.contains("another itop-bridge holds the store") && log.contains("fuser -v"), "{log}");
    assert!(bridge.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_server_id_is_refused() {
    let site = Site::new(crate::PROGRAM, "server-id").await;
    assert!(site.serve().await.terminate().await.success());
    let text = std::fs::read_to_string(site.config()).unwrap().replace("id = \"7f3a\"", "id = \"beef\"");
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("7f3a") && log.contains("beef"), "{log}");
    assert!(log.contains("put the store's own id back into [server].id"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_folder_that_does_not_exist_is_refused() {
    let site = Site::new(crate::PROGRAM, "folder").await;
    let text = std::fs::read_to_string(site.config()).unwrap().replace("sqlite:bridge.db", "sqlite:none/bridge.db");
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("there is no folder") && log.contains("correct [store].url"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_and_an_address_of_another_machine_are_told_apart() {
    let site = Site::new(crate::PROGRAM, "port").await;
    let taken = TcpListener::bind(("127.0.0.1", site.port)).await.unwrap();
    let log = refused(&site).await;
    assert!(log.contains(&format!("sport = :{}", site.port)), "{log}");
    drop(taken);
    let text =
        std::fs::read_to_string(site.config()).unwrap().replacen("listen = \"127.0.0.1", "listen = \"192.0.2.1", 1);
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("This machine has no such address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_only_serve_refuses_to_start_and_says_why() {
    let site = Site::new(crate::PROGRAM, "only").await;
    site.configure("user = \"bridge\"\npassword = \"Bridge.1234\"");
    let log = refused(&site).await;
    assert!(log.contains("itop-bridge.toml") && log.contains("only") && log.contains("\"all\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_key_is_named_with_its_line_and_the_nearest_known_key() {
    let site = Site::new(crate::PROGRAM, "typo").await;
    site.configure("user = \"bridge\"\npasword = \"Bridge.1234\"\nonly = \"all\"");
    let log = refused(&site).await;
    let line =
        std::fs::read_to_string(site.config()).unwrap().lines().position(|line| line.starts_with("pasword")).unwrap()
            + 1;
    assert!(log.contains(&format!("itop-bridge.toml:{line}")), "{log}");
    assert!(log.contains("pasword") && log.contains("password"), "{log}");
}
