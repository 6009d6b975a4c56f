//! The objects to read: by id, by several ids, or by OQL.

use std::fmt::Write as _;

/// A choice of objects of a class, and their maximum number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub key: Key,
    /// At most this many objects. iTop has no ORDER BY: page by `id > last`.
    pub limit: Option<u32>,
    /// With `limit`: which page, from 1.
    pub page: Option<u32>,
    /// Set for a read of contents: the largest size expected, for all files of the answer together, in bytes before
    /// base64.
    pub contents_up_to: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Id(u64),
    Ids(Vec<u64>),
    /// A whole OQL query. Text put into it goes through [`oql_quote`].
    Oql(String),
}

impl Query {
    pub fn id(id: u64) -> Query {
        Query::new(Key::Id(id))
    }

    /// One call for all of them: twenty cost iTop as much as one. For an empty list no call is made.
    pub fn ids(ids: &[u64]) -> Query {
        Query::new(Key::Ids(ids.to_vec()))
    }

    pub fn oql(oql: impl Into<String>) -> Query {
        Query::new(Key::Oql(oql.into()))
    }

    #[must_use]
    pub fn limit(self, limit: u32) -> Query {
        Query { limit: Some(limit), ..self }
    }

    #[must_use]
    pub fn page(self, page: u32) -> Query {
        Query { page: Some(page), ..self }
    }

    /// The answer will contain contents of up to `file_bytes`; the call waits for that room in
    /// [`Memory`](crate::Memory). A larger answer is given up and is the error
    /// [`TooLarge`](crate::ErrorClass::TooLarge).
    #[must_use]
    pub fn contents_up_to(self, file_bytes: u64) -> Query {
        Query { contents_up_to: Some(file_bytes), ..self }
    }

    fn new(key: Key) -> Query {
        Query { key, limit: None, page: None, contents_up_to: None }
    }
}

impl Key {
    /// The key in iTop's form: a number is an id, text is OQL. `None` if there is nothing to ask.
    pub(crate) fn to_json(&self, class: &str) -> Option<serde_json::Value> {
        match self {
            Key::Id(id) => Some((*id).into()),
            Key::Ids(ids) if ids.is_empty() => None,
            Key::Ids(ids) => Some(ids_oql(class, ids).into()),
            Key::Oql(oql) => Some(oql.as_str().into()),
        }
    }
}

fn ids_oql(class: &str, ids: &[u64]) -> String {
    let mut oql = format!("SELECT {class} WHERE id IN (");
    for (position, id) in ids.iter().enumerate() {
        let comma = if position > 0 { "," } else { "" };
        let _ = write!(oql, "{comma}{id}"); // writing to a String cannot fail
    }
    oql.push(')');
    oql
}

/// Whether OQL takes the text unquoted as a class name (`name` in `core/oql/oql-lexer.plex`).
pub(crate) fn is_class_name(class: &str) -> bool {
    let mut bytes = class.bytes();
    bytes.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// `text` as an OQL string, quotes included.
///
/// iTop's lexer takes `'…'` in which only `\'` and `\\` may follow a backslash, and unescapes it with PHP's
/// `stripslashes` (`strval` in `core/oql/oql-lexer.plex`, `str_value` in `oql-parser.y`). The wildcards of LIKE, `%`
/// and `_`, stay as they are.
pub fn oql_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// iTop's parsing: the length of the string literal at the start of `oql`, and its value.
    fn lex_string(oql: &str) -> Option<(usize, String)> {
        let mut characters = oql.char_indices();
        let mut value = String::new();
        if characters.next()?.1 != '\'' {
            return None;
        }
        while let Some((position, character)) = characters.next() {
            match character {
                '\'' => return Some((position + 1, value)),
                '\\' => match characters.next()?.1 {
                    escaped @ ('\'' | '\\') => value.push(escaped),
                    _ => return None,
                },
                plain => value.push(plain),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_quoted_text_is_one_string_of_that_text(
            text in r#"([\\'"%a-c:`é]|\PC){0,12}"#,
            rest in r"( OR 1=1|'|\\){0,2}",
        ) {
            let quoted = oql_quote(&text);
            let (length, value) = lex_string(&format!("{quoted} {rest}")).unwrap();
            prop_assert_eq!(length, quoted.len());
            prop_assert_eq!(value, text);
        }
    }

    #[test]
    fn keys_as_itop_takes_them() {
        assert_eq!(Key::Id(7).to_json("Ticket"), Some(7.into()));
        assert_eq!(Key::Ids(vec![]).to_json("Ticket"), None);
        let several = Key::Ids(vec![88, 89]).to_json("Ticket");
        assert_eq!(several, Some("SELECT Ticket WHERE id IN (88,89)".into()));
        assert!(is_class_name("UserRequest"));
        assert!(!is_class_name("Ticket WHERE 1"));
        assert!(!is_class_name(""));
    }
}
