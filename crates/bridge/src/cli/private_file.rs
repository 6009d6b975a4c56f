//! Files that only their owner can read.

use std::io::Write as _;
use std::path::Path;

/// Writes a new file, completely and flushed to disk, whatever the umask. After a failure the incomplete file is
/// removed.
pub(super) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The error to report is the write's.
        let _ = std::fs::remove_file(path);
    }
    written
}
