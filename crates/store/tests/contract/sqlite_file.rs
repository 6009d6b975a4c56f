//! What a SQLite file must do besides the contract: locks, modes, schemas, crashes, broken files.

use std::fs;
use std::sync::Arc;

use itop_bridge_core::link::Conflict;
use itop_bridge_store::{LinkState, Next, SqliteStore, Store, StoreError};
use rusqlite::Connection;

use crate::backends::Folder;
use crate::fixtures::*;

fn unavailable<T>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(words)) => words,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was answered Ok"),
    }
}

#[test]
fn one_serve_has_the_store_and_the_command_line_writes_beside_it() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut serve = SqliteStore::open_exclusive(&path).unwrap();
    let second = SqliteStore::open_exclusive(&path);
    assert!(matches!(second, Err(StoreError::Locked(which)) if which.ends_with("store.db")));
    let mut verb = SqliteStore::open(&path).unwrap();
    verb.mark_dirty(&[hint(7, 0)], 0).unwrap();
    assert_eq!(due(&mut serve, 0), [7]);
    drop(serve);
    SqliteStore::open_exclusive(&path).unwrap();
}

#[test]
fn a_store_that_is_opened_to_read_shows_all_and_takes_no_write() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    assert!(SqliteStore::open_to_read(&path).is_err());
    assert!(!path.exists(), "a verb that shows makes no store");
    let mut serve = SqliteStore::open_exclusive(&path).unwrap();
    serve.adopt_server_id("7f3a").unwrap();
    let mut shows = SqliteStore::open_to_read(&path).unwrap();
    serve.mark_dirty(&[hint(7, 0)], 0).unwrap();
    shows.adopt_server_id("7f3a").unwrap();
    assert!(matches!(shows.adopt_server_id("0000"), Err(StoreError::OtherServer { .. })));
    assert_eq!(shows.queue(None, 10, 0).unwrap().len(), 1);
    assert!(unavailable(shows.mark_dirty(&[hint(8, 0)], 0)).contains("cannot be written"));
    assert_eq!(due(&mut serve, 0), [7]);
}

#[test]
fn what_was_answered_survives_a_kill() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let claim = work_on(&mut store, 7, 0);
    let id = store.insert_link(&claim.lease, &pair(7, 70), &[did(1, "linked")]).unwrap();
    store.mark_dirty(&[hint(8, 0)], 0).unwrap();
    // What a killed process leaves: the files as they stand, with no connection closed.
    for suffix in ["", "-wal"] {
        let name = format!("store.db{suffix}");
        fs::copy(folder.path(&name), folder.path(&name.replace("store", "left"))).unwrap();
    }
    let mut left = SqliteStore::open(folder.path("left.db")).unwrap();
    assert_eq!(left.link(id).unwrap().unwrap().link, pair(7, 70));
    assert_eq!(left.activity(id, 10).unwrap(), [did(1, "linked")]);
    assert_eq!(due(&mut left, LEASE_MS), [7, 8]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mut store = SqliteStore::open_exclusive(folder.path("store.db")).unwrap();
    store.probe().unwrap();
    store.backup_to(folder.path("copy.db")).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock", "store.db.open.lock", "copy.db"] {
        let mode = fs::metadata(folder.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    drop(SqliteStore::open(&path).unwrap());
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (99, 'later', '2030-01-01T00:00:00Z', '0')";
    Connection::open(&path).unwrap().execute(newer, []).unwrap();
    let refused = SqliteStore::open(&path);
    assert!(matches!(refused, Err(StoreError::Newer { found: 99, known }) if known < 99));
}

/// What version 1 of the schema held is found by the present one. The link's body is in the present
/// form: which forms can be read is `itop-bridge-core`'s to say.
#[test]
fn a_store_of_schema_1_is_brought_up_to_date() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let db = Connection::open(&path).unwrap();
    let version_1 = include_str!("../../migrations/V1__queue_links_sweep.sql");
    let migration = refinery::Migration::unapplied("V1__queue_links_sweep", version_1).unwrap();
    refinery::Runner::new(&[migration]).run(&mut { db }).unwrap();
    let db = Connection::open(&path).unwrap();
    let body = serde_json::to_string(&pair(7, 70)).unwrap();
    db.execute_batch(&include_str!("schema_1_sample.sql").replace("@LINK@", &body)).unwrap();
    drop(db);

    let mut store = SqliteStore::open(&path).unwrap();
    store.adopt_server_id("7f3a").unwrap();
    let claim = claim_one(&mut store, 100);
    assert_eq!((claim.attempts, claim.failing_since_ms, claim.lease.token), (2, Some(40), 13));
    assert_eq!(claim.look, attachments(&[5]));
    let (id, link) = claim.link.unwrap();
    assert_eq!((id, &link), (3, &pair(7, 70)));
    assert_eq!(store.activity(3, 10).unwrap(), [did(60, "created R-000070")]);
}

/// Undoes the later steps that cannot be made twice.
fn back_to_schema(version: u32) -> String {
    format!("ALTER TABLE activity DROP COLUMN event; DELETE FROM refinery_schema_history WHERE version > {version}")
}

/// What differed already when two tickets became a pair is counted no more.
#[test]
fn conflicts_of_schema_3_are_counted_anew() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let mut link = pair(7, 70);
    for is_older in [true, false] {
        link.open.conflicts.push(Conflict { about: "title".into(), text: "differs".into(), is_older, kind: None });
    }
    let claim = work_on(&mut store, 7, 0);
    store.insert_link(&claim.lease, &link, &[]).unwrap();
    drop(store);
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!("UPDATE links SET conflicts = 2; {}", back_to_schema(3))).unwrap();
    drop(db);
    assert_eq!(SqliteStore::open(&path).unwrap().tally("acme").unwrap().conflicts, 1);
}

/// Pairs that had ended before their texts were dropped in time are dropped from then on.
#[test]
fn a_pair_that_ended_under_schema_4_is_shrunk_in_its_time() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let claim = work_on(&mut store, 7, 0);
    let id = store.insert_link(&claim.lease, &pair(7, 70), &[]).unwrap();
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    drop(store);
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!("UPDATE links SET closed_since_ms = NULL; {}", back_to_schema(4))).unwrap();
    drop(db);
    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.link(id).unwrap().unwrap().closed_since_ms, Some(5));
    assert_eq!(store.shrink_closed("acme", 6, 1_000).unwrap(), 1);
}

/// Another version may know more events than this one.
#[test]
fn an_event_that_is_not_known_is_told_by_its_sentence() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let claim = work_on(&mut store, 7, 0);
    let id = store.insert_link(&claim.lease, &pair(7, 70), &[did(5, "painted blue")]).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute(r#"UPDATE activity SET event = '{"event":"painted","colour":"blue"}'"#, []).unwrap();
    assert_eq!(store.activity(id, 10).unwrap(), [did(5, "painted blue")]);
}

/// A start that dies between a step of the schema and its line in the history must not leave a
/// database that no later start can open.
#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TABLE refinery_schema_history \
             (version INT4 PRIMARY KEY, name TEXT, applied_on TEXT, checksum TEXT); \
             CREATE TRIGGER no BEFORE INSERT ON refinery_schema_history BEGIN SELECT RAISE(FAIL, 'no'); END",
        )
        .unwrap();
    let words = unavailable(SqliteStore::open(&path));
    assert!(words.contains("from schema 0"), "{words}");
    other.execute_batch("DROP TRIGGER no").unwrap();
    SqliteStore::open(&path).unwrap().probe().unwrap();
}

#[test]
fn four_connections_may_open_a_new_file_at_once() {
    for _ in 0..20 {
        let folder = Folder::new();
        let path = folder.path("store.db");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| SqliteStore::open(&path).unwrap().probe().unwrap());
            }
        });
    }
}

#[test]
fn a_damaged_file_is_named_as_one() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    fs::write(&path, "this is no database, whatever its name says ".repeat(100)).unwrap();
    let refused = SqliteStore::open(&path);
    assert!(matches!(refused, Err(StoreError::NoStore(words)) if words.contains("no SQLite database")));
}

#[test]
fn a_damaged_record_fails_its_own_verb_only() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let id = linked(&mut store, &pair(7, 70));
    Connection::open(&path).unwrap().execute("UPDATE links SET body = '{'", []).unwrap();
    let words = unavailable(store.link(id));
    assert!(words.contains("cannot be read"), "{words}");
    store.mark_dirty(&[hint(8, 0)], 0).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let words = unavailable(SqliteStore::open(folder.path("missing/store.db")));
    assert!(words.contains("missing/store.db"), "{words}");
    let words = unavailable(SqliteStore::open_exclusive(folder.path("missing/store.db")));
    assert!(words.contains("missing/store.db.lock"), "{words}");
}

#[test]
fn another_process_that_writes_too_long_is_named_and_nothing_is_half_done() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let words = unavailable(store.mark_dirty(&[hint(7, 0)], 0));
    assert!(words.contains("busy"), "{words}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(queue(&mut store, 0), []);
    store.mark_dirty(&[hint(7, 0)], 0).unwrap();
}

/// Codes that a test cannot bring about as root: the words an operator gets for them.
#[test]
fn what_the_disk_refuses_is_said_in_clear_words() {
    let words = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        match StoreError::from(error) {
            StoreError::Unavailable(words) if code != rusqlite::ffi::SQLITE_CORRUPT => words,
            damaged @ StoreError::Damaged(_) if code == rusqlite::ffi::SQLITE_CORRUPT => damaged.to_string(),
            other => panic!("another error: {other}"),
        }
    };
    for (code, said) in [
        (rusqlite::ffi::SQLITE_FULL, "the disk is full"),
        (rusqlite::ffi::SQLITE_READONLY, "cannot be written"),
        (rusqlite::ffi::SQLITE_CORRUPT, "damaged"),
        (rusqlite::ffi::SQLITE_IOERR_FSYNC, "the disk answers with an error"),
    ] {
        assert!(words(code).contains(said), "{}", words(code));
    }
}

#[test]
fn a_verb_that_fails_half_way_leaves_nothing_and_the_store_goes_on() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON dirty WHEN new.ticket = 13 \
             BEGIN SELECT RAISE(FAIL, 'thirteen'); END",
        )
        .unwrap();
    assert!(unavailable(store.mark_dirty(&[hint(7, 0), hint(13, 0)], 0)).contains("thirteen"));
    assert_eq!(queue(&mut store, 0), []);
    store.mark_dirty(&[hint(7, 0)], 0).unwrap();
}

#[test]
fn a_backup_is_a_store_and_overwrites_nothing() {
    let folder = Folder::new();
    let mut serve = SqliteStore::open_exclusive(folder.path("store.db")).unwrap();
    serve.mark_dirty(&[hint(7, 0)], 0).unwrap();
    let verb = SqliteStore::open(folder.path("store.db")).unwrap();
    verb.backup_to(folder.path("copy.db")).unwrap();
    assert!(unavailable(verb.backup_to(folder.path("copy.db"))).contains("copy.db"));
    assert_eq!(due(&mut SqliteStore::open(folder.path("copy.db")).unwrap(), 0), [7]);
}

#[test]
fn only_transactions_that_changed_something_count_as_commits() {
    let commits = Arc::new(Counted::default());
    let mut store = SqliteStore::open_in_memory().unwrap().behind(commits.clone());
    store.mark_dirty(&[hint(7, 0), hint(8, 0)], 0).unwrap();
    assert_eq!(commits.made(), 1);
    assert_eq!(store.claim("nobody", 10, 0, LEASE_MS).unwrap(), []);
    store.mark_dirty(&[internal_hint(70)], 0).unwrap();
    assert_eq!(commits.made(), 1, "nothing to commit");
    let claim = store.claim("acme", 1, 0, LEASE_MS).unwrap().remove(0);
    store.finish(&claim, &Next::Done, 0).unwrap();
    assert_eq!(commits.made(), 3);
    store.probe().unwrap();
    assert_eq!(commits.made(), 4, "a probe shows that the disk takes something");
}
