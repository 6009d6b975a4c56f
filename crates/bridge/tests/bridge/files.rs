//! Attachments cross, with renames, changes and deletions.
