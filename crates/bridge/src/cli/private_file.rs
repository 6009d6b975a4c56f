//! Files for their owner alone.

use std::io::Write as _;
use std::path::Path;

/// Writes a file that is not there yet, whole and on the disk, whatever the umask. What was begun and failed is taken
/// away again.
pub(super) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The error of the write is the one to tell.
        let _ = std::fs::remove_file(path);
    }
    written
}
