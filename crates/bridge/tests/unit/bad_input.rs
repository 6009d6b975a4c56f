//! What a person can get wrong with the verbs, told by the binary: a side that nobody has, a side that is down, a store
//! of a newer version. Each ends with 1, says what to do, and leaves nothing half-written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use itop_bridge_store::{SqliteStore, Store};

/// A configuration whose iTops do not answer, and its store.
struct Site {
    folder: PathBuf,
}

const TEXT: &str = "[server]\nid = \"7f3a\"\npublic_url = \"http://127.0.0.1:3\"\n[store]\nurl = \"sqlite:bridge.db\"\n\
                    [internal]\nname = \"elitery\"\nurl = \"http://127.0.0.1:1\"\nuser = \"b\"\npassword = \"canary\"\n\
                    api_keys = [\"sk_internal\"]\ndefaults = { org = \"Demo\", caller = 6 }\n\
                    [external.acme]\nurl = \"http://127.0.0.1:2\"\nuser = \"b\"\npassword = \"canary\"\n\
                    api_keys = [\"sk_external\"]\nonly = \"all\"\n";

impl Site {
    fn new(name: &str) -> Site {
        let folder = std::env::temp_dir().join(format!("itop-bridge-bad-input-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("itop-bridge.toml"), TEXT).unwrap();
        std::fs::write(
            folder.join("pairs.csv"),
            "external_ticket_id,elitery_ticket_id,ticket_class\n1,1001,UserRequest\n",
        )
        .unwrap();
        let site = Site { folder };
        SqliteStore::open(site.store()).unwrap().adopt_server_id("7f3a").unwrap();
        site
    }

    fn store(&self) -> PathBuf {
        self.folder.join("bridge.db")
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop-bridge"));
        command
            .current_dir(&self.folder)
            .env("ITOP_BRIDGE_ADMIN_USER", "admin")
            .env("ITOP_BRIDGE_ADMIN_PASSWORD", "canary")
            .args(arguments);
        command
    }

    /// What it said on standard error; on standard output it says nothing.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        // `serve` logs first.
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && !said.contains("panicked"), "{arguments:?}: {said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{arguments:?}");
        // A verb that is run once does not speak as the service.
        assert!(arguments[0] == "serve" || said.starts_with("error: "), "{arguments:?}: {said}");
        assert!(!said.contains("canary"), "a secret: {said}");
        said
    }

    /// The store knows no ticket, and no side stands still.
    fn is_untouched(&self) {
        let mut store = SqliteStore::open_to_read(self.store()).unwrap();
        assert_eq!(store.links(None, 0, 9, None).unwrap(), []);
        assert_eq!(store.queue(None, 9, 0).unwrap(), []);
        for instance in [itop_bridge_store::Instance::Internal, itop_bridge_store::Instance::External("acme".into())] {
            assert_eq!(store.stopped(&instance).unwrap(), None);
            assert_eq!(store.cursor(&instance, "backfill").unwrap(), None);
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const SINCE: [&str; 2] = ["--since", "2026-01-01"];

#[test]
fn a_side_that_nobody_has_is_named_with_those_that_there_are() {
    let site = Site::new("side");
    let backfill = ["backfill", "--side", "nobody", SINCE[0], SINCE[1], "--match", "title", "--yes"];
    for verb in [
        &backfill[..],
        &["setup", "--side", "nobody"],
        &["setup", "--side", "nobody", "--print"],
        &["pause", "nobody"],
        &["resume", "nobody"],
        &["resume", "nobody:R-000001"],
        &["retry", "nobody:R-000001"],
        &["plan", "nobody:R-000001"],
        &["links", "show", "nobody:R-000001"],
        &["links", "unlink", "nobody:R-000001"],
        &["links", "link", "nobody:R-000001", "elitery:R-001001"],
    ] {
        let said = site.refused(verb);
        assert!(said.contains("\"nobody\"") && said.contains("acme and elitery"), "{verb:?}: {said}");
        site.is_untouched();
    }
    let said = site.refused(&["links", "import", "pairs.csv", "--external", "nobody"]);
    assert!(said.contains("there is no external \"nobody\". The configuration has acme"), "{said}");
    site.is_untouched();
}

#[test]
fn without_a_configuration_the_verb_that_writes_one_is_named() {
    let site = Site::new("none");
    std::fs::remove_file(site.folder.join("itop-bridge.toml")).unwrap();
    for verb in [&["check"][..], &["serve"], &["links", "list"]] {
        let said = site.refused(verb);
        assert!(said.contains("itop-bridge.toml") && said.contains("`itop-bridge init` asks"), "{verb:?}: {said}");
    }
}

#[test]
fn a_side_that_is_down_is_named_and_nothing_is_stored() {
    let site = Site::new("down");
    let backfill = |more: &[&'static str]| [&["backfill", "--side", "acme"][..], &SINCE, more].concat();
    for (verb, side) in [
        (backfill(&["--match", "title", "--yes"]), "elitery"),
        (backfill(&["--match", "title", "--dry-run"]), "elitery"),
        (backfill(&["--yes"]), "elitery"),
        (vec!["setup", "--side", "acme"], "acme"),
        (vec!["setup", "--side", "elitery", "--remove"], "elitery"),
        (vec!["links", "link", "acme:R-000001", "elitery:R-001001"], "acme"),
        (vec!["links", "rebuild"], "elitery"),
        (vec!["links", "import", "pairs.csv"], "acme"),
        (vec!["plan", "acme:R-000001"], "acme"),
    ] {
        let said = site.refused(&verb);
        assert!(said.contains(side) && said.contains("nothing listens at this address and port"), "{verb:?}: {said}");
        site.is_untouched();
    }
}

fn made_newer(store: &Path) -> Vec<u8> {
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (99, 'of tomorrow', '2027-01-01T00:00:00Z', '1')";
    let db = rusqlite::Connection::open(store).unwrap();
    db.execute(newer, []).unwrap();
    // All into the file itself.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    std::fs::read(store).unwrap()
}

#[test]
fn a_store_of_a_newer_version_is_left_as_it_is() {
    let site = Site::new("newer");
    let before = made_newer(&site.store());
    let backfill = |more: &[&'static str]| [&["backfill", "--side", "acme"][..], &SINCE, more].concat();
    for verb in [
        backfill(&["--match", "title", "--yes"]),
        backfill(&["--dry-run"]),
        vec!["serve"],
        vec!["plan", "acme:R-000001"],
        vec!["links", "list"],
        vec!["links", "show", "1"],
        vec!["links", "link", "acme:R-000001", "elitery:R-001001"],
        vec!["links", "unlink", "1"],
        vec!["links", "rebuild"],
        vec!["links", "rebuild", "--dry-run"],
        vec!["links", "import", "pairs.csv"],
        vec!["retry"],
        vec!["pause", "acme"],
        vec!["resume", "acme"],
        vec!["backup", "copy.db"],
    ] {
        let said = site.refused(&verb);
        assert!(said.contains("written by a newer version of itop-bridge (schema 99, "), "{verb:?}: {said}");
        assert!(said.contains("Fix: run the version of itop-bridge that wrote it, or a newer one"), "{verb:?}: {said}");
        assert!(std::fs::read(site.store()).unwrap() == before, "{verb:?} has written");
    }
    assert!(!site.folder.join("copy.db").exists());
    let output = site.call(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let store = findings.iter().find(|finding| finding["check"] == "store").unwrap();
    assert_eq!(store["state"], "fault");
    assert!(store["detail"].as_str().unwrap().contains("newer version"), "{store}");
    assert_eq!(store["fix"], "run the version of itop-bridge that wrote it, or a newer one");
    assert!(std::fs::read(site.store()).unwrap() == before, "check has written");
}

/// The service has its secrets from an environment and files that a verb beside it has not.
#[test]
fn a_verb_asks_only_for_the_secrets_that_it_uses() {
    let site = Site::new("secrets");
    let text = TEXT
        .replace(
            "url = \"http://127.0.0.1:1\"\nuser = \"b\"\npassword = \"canary\"",
            "url = \"http://127.0.0.1:1\"\nuser = \"b\"\npassword = \"${PASSWORD_INSIDE}\"",
        )
        .replace("\"sk_internal\"", "\"${KEY_INSIDE}\"")
        .replace("password = \"canary\"", "password_file = \"no-such-file\"");
    assert!(text.contains("PASSWORD_INSIDE") && text.contains("no-such-file"));
    std::fs::write(site.folder.join("itop-bridge.toml"), text).unwrap();
    for verb in [
        &["links", "list"][..],
        &["retry"],
        &["pause", "acme"],
        &["resume", "acme"],
        &["backup", "copy.db"],
        &["config", "show"],
        &["setup", "--side", "elitery", "--print"],
    ] {
        let output = site.call(verb);
        assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = String::from_utf8(site.call(&["config", "show"]).stdout).unwrap();
    assert!(shown.contains("not here: the environment variable PASSWORD_INSIDE is not set"), "{shown}");
    let inside = "internal.password: the environment variable PASSWORD_INSIDE is not set";
    let outside = "external.acme.password_file: cannot read the file ";
    let keys = "internal.api_keys: the environment variable KEY_INSIDE is not set";
    for (verb, lacks, has) in [
        (&["plan", "acme:1"][..], &[inside, outside][..], &[keys][..]),
        (&["links", "link", "acme:R-000001", "elitery:R-001001"], &[inside, outside], &[keys]),
        (&["links", "rebuild"], &[inside, outside], &[keys]),
        (&["links", "import", "pairs.csv"], &[inside, outside], &[keys]),
        (&["backfill", "--side", "acme", "--since", "2026-01-01", "--dry-run"], &[inside, outside], &[keys]),
        (&["retry", "acme:R-000001"], &[outside], &[inside, keys]),
        (&["plan", "acme:R-000001"], &[outside], &[inside, keys]),
        (&["setup", "--side", "elitery", "--dry-run"], &[keys], &[inside, outside]),
        (&["check"], &[inside, outside, keys], &[]),
        (&["serve"], &[inside, outside, keys], &[]),
    ] {
        let output = site.call(verb);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(lacks.iter().all(|lack| said.contains(lack)), "{verb:?}: {said}");
        assert!(!has.iter().any(|has| said.contains(has)), "{verb:?} does not use that: {said}");
        assert!(said.contains("`sudo systemd-run --pipe --quiet --wait -p User=itop-bridge "), "{verb:?}: {said}");
    }
}
