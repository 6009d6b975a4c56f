//! Opening a database: the file and its mode, the lock of `serve`, settings, migrations.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::store::{Result, StoreError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long a verb waits for another process that writes. The command line's transactions take
/// milliseconds, so waiting longer means that something is stuck.
const BUSY: Duration = Duration::from_secs(2);

pub(super) fn file(path: &Path) -> Result<Connection> {
    // SQLite would make the file with the umask's mode; its -wal and -shm take the file's.
    match new_file(path) {
        Err(StoreError::Unavailable(_)) if path.exists() => {}
        made => made?,
    }
    Ok(Connection::open(path)?)
}

/// Makes an empty file that only its owner may read: a store holds the text of customers' tickets.
pub(super) fn new_file(path: &Path) -> Result<()> {
    options().create_new(true).open(path).map(|_| ()).map_err(|error| cannot_open(path, &error))
}

pub(super) fn serve_lock(path: &Path) -> Result<File> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let file =
        options().create(true).truncate(false).open(&lock_path).map_err(|error| cannot_open(&lock_path, &error))?;
    match fs4::FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(fs4::TryLockError::WouldBlock) => Err(StoreError::Locked(path.display().to_string())),
        Err(fs4::TryLockError::Error(error)) => Err(cannot_open(&lock_path, &error)),
    }
}

pub(super) fn prepare(db: &mut Connection) -> Result<()> {
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(64);
    migrate(db)
}

fn migrate(db: &mut Connection) -> Result<()> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|step| i64::from(step.version())).max();
    let known = known.unwrap_or(0);
    // A plain BEGIN would read first and could then not get to write, beside another process that
    // opens the same new file.
    db.set_transaction_behavior(TransactionBehavior::Immediate);
    match version(db)? {
        found if found > known => Err(StoreError::Newer { found, known }),
        found if found == known => Ok(()),
        _ => match runner.run(db) {
            Ok(_) => Ok(()),
            // The other process was first.
            Err(_) if version(db)? == known => Ok(()),
            Err(error) => {
                Err(StoreError::Unavailable(format!("the database cannot be brought up to schema {known}: {error}")))
            }
        },
    }
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
