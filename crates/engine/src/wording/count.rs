//! Counts, as people read them.

/// `1 step`, `2 steps`; the plural is given, since it is not always an `s`.
pub fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
