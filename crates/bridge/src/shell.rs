//! Commands that people copy into a shell.

use std::borrow::Cow;
use std::path::Path;

/// The word, quoted so that a shell reads it as one word.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-:@%+=,".contains(&byte) || !byte.is_ascii();
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

/// The same for a path.
pub fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_as_it_is_where_a_shell_reads_it_so() {
        for (word, shown) in [
            ("/etc/itop-bridge/a-b_c.toml", "/etc/itop-bridge/a-b_c.toml"),
            ("/srv/my bridge/b.toml", "'/srv/my bridge/b.toml'"),
            ("it's", r"'it'\''s'"),
            ("$HOME/a;b", "'$HOME/a;b'"),
            ("~/b.toml", "'~/b.toml'"),
            ("", "''"),
            ("/srv/brücke.toml", "/srv/brücke.toml"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
