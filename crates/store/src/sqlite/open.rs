//! Opening a database: the file and its mode, the lock of `serve`, settings, migrations.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::{Result, StoreError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long a verb waits for another process that writes. The command line's transactions take milliseconds, so
/// waiting longer means that something is stuck.
const BUSY: Duration = Duration::from_secs(2);

/// The file itself, whatever link names it: opening it by another name must meet the same locks, and SQLite too puts
/// its -wal beside the file itself.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The database in a file, ready for use.
pub(super) fn file(path: &Path) -> Result<Connection> {
    let path = &real(path);
    // One process at a time: the change to WAL fails at once, whatever the busy time-out, where another process is
    // about to read, and the migrations of a new file must run once.
    let opening = lock_file(path, ".open.lock")?;
    fs4::FileExt::lock(&opening).map_err(|error| cannot_open(path, &error))?;
    // SQLite would create the file with the umask's mode; its -wal and -shm take the file's.
    match new_file(path) {
        Err(StoreError::Unavailable(_)) if path.exists() => {}
        made => made?,
    }
    is_ours(path)?;
    let db = Connection::open(path)?;
    // SQLite falls back to reading where it may not write.
    if db.is_readonly("main")? {
        return Err(StoreError::Unavailable("this user may not write the file, or its disk is read-only".to_owned()));
    }
    prepare(db)
}

/// Refuses a file that is not our store before anything is written to it: SQLite itself would change the header of
/// another program's database, and the migrations would add our tables to it.
fn is_ours(path: &Path) -> Result<()> {
    let Some(db) = look(path)? else { return Ok(()) };
    let (found, known) = (version(&db)?, known_version());
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let others = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'refinery_schema_history' LIMIT 1";
    match db.query_row(others, [], |row| row.get::<_, String>(0)).optional()? {
        Some(table) if found == 0 => {
            Err(StoreError::NoStore(format!("it is another program's database (it has a table {table:?})")))
        }
        _ => Ok(()),
    }
}

/// Removes other users' access to a store, which a backup restored by hand may grant: the files that SQLite creates
/// beside it take its mode. If that fails, the file belongs to another user, who has to do it.
pub(super) fn close_to_others(path: &Path) {
    #[cfg(unix)]
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::set_permissions(name, std::os::unix::fs::PermissionsExt::from_mode(0o600));
    }
}

/// Reads every page, so that damage is found before the work begins, and not by the ticket that meets it. This takes
/// about a second per gigabyte that the system has in memory.
pub(super) fn read_whole(path: &Path) -> Result<()> {
    let Some(db) = look(path)? else { return Ok(()) };
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found?.as_str() {
        "ok" => Ok(()),
        found => Err(StoreError::Damaged(found.lines().collect::<Vec<_>>().join(" "))),
    }
}

/// An existing, non-empty database, opened so that nothing can be changed, not even by closing it.
fn look(path: &Path) -> Result<Option<Connection>> {
    let Ok(found) = path.metadata() else { return Ok(None) };
    if !found.is_file() {
        return Err(StoreError::NoStore("it is no file".to_owned()));
    }
    if found.len() == 0 {
        return Ok(None);
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(())).optional()?;
    Ok(Some(db))
}

/// The database in a file, opened only for reading.
pub(super) fn to_read(path: &Path) -> Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    let (found, known) = (version(&db)?, known_version());
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(db),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { found, known }),
        std::cmp::Ordering::Less => Err(StoreError::Unavailable(format!(
            "the database has schema {found}, this program knows {known}: start `serve` once, which brings it up to date"
        ))),
    }
}

/// Creates an empty file that only its owner may read: a store holds the text of customers' tickets.
pub(super) fn new_file(path: &Path) -> Result<()> {
    options().create_new(true).open(path).map(|_| ()).map_err(|error| cannot_open(path, &error))
}

/// The lock of `serve`, for as long as the file is held.
pub(super) fn serve_lock(path: &Path) -> Result<File> {
    let file = lock_file(path, SERVE_LOCK)?;
    let mut tries = 1;
    loop {
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => return Ok(file),
            Err(fs4::TryLockError::WouldBlock) if tries < LOCK_TRIES => wait_a_moment(),
            Err(fs4::TryLockError::WouldBlock) => return Err(StoreError::Locked(path.display().to_string())),
            Err(fs4::TryLockError::Error(error)) => return Err(cannot_open(path, &error)),
        }
        tries += 1;
    }
}

/// A verb that checks whether `serve` runs holds the lock for less than this.
#[allow(
    clippy::disallowed_methods,
    reason = "another process is waited for, at the start of `serve`, before any runtime"
)]
fn wait_a_moment() {
    std::thread::sleep(LOCK_WAIT);
}

const SERVE_LOCK: &str = ".lock";
const LOCK_TRIES: u32 = 5;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// Whether a `serve` holds its lock. Creates no file, and releases the lock at once.
pub(super) fn is_served(path: &Path) -> Result<bool> {
    let mut name = path.as_os_str().to_owned();
    name.push(SERVE_LOCK);
    let file = match OpenOptions::new().read(true).open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(cannot_open(Path::new(&name), &error)),
    };
    match fs4::FileExt::try_lock_shared(&file) {
        Ok(()) => Ok(false),
        Err(fs4::TryLockError::WouldBlock) => Ok(true),
        Err(fs4::TryLockError::Error(error)) => Err(cannot_open(path, &error)),
    }
}

/// A file beside the database. Never the database itself: closing it would release SQLite's own locks in this
/// process.
fn lock_file(path: &Path, suffix: &str) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let name = PathBuf::from(name);
    options().create(true).truncate(false).open(&name).map_err(|error| cannot_open(&name, &error))
}

pub(super) fn prepare(mut db: Connection) -> Result<Connection> {
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(64);
    // Otherwise a statement is compiled again whenever its time parameter differs: three quarters of the work of an
    // idle bridge.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    migrate(&mut db)?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<()> {
    // Grouped, because refinery would otherwise commit a step and its line in the history separately: a crash between
    // the two would leave a database that no start can open.
    let runner = embedded::migrations::runner().set_grouped(true);
    let known = known_version();
    // A plain BEGIN reads first, and fails if a running `serve` writes before it does.
    db.set_transaction_behavior(TransactionBehavior::Immediate);
    let found = version(db)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found < known {
        runner.run(db).map_err(|error| {
            // The rest is the whole SQL of the step.
            let what = error.to_string().lines().next().unwrap_or_default().to_owned();
            StoreError::Unavailable(format!("the database cannot be brought from schema {found} to {known}: {what}"))
        })?;
    }
    Ok(())
}

/// The schema that this program writes.
fn known_version() -> i64 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(|step| i64::from(step.version())).max().unwrap_or(0)
}

/// The schema's version; 0 is an empty database.
fn version(db: &Connection) -> Result<i64> {
    let history = db
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'", [], |_| {
            Ok(())
        })
        .optional()?;
    if history.is_none() {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) FROM refinery_schema_history";
    Ok(db.query_row(newest, [], |row| row.get(0))?)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn cannot_open(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{} cannot be opened: {error}", path.display()))
}
