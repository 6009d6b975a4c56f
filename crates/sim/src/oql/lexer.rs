//! OQL text to tokens.

use super::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Number(i64),
    Placeholder(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 12] = ["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ",", ".", "-"];

pub(super) fn tokens(oql: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    let mut rest = oql.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' | '"' => text(rest, first).ok_or_else(|| unexpected(oql, rest))?,
            ':' => placeholder(rest),
            '0'..='9' => number(rest),
            '`' => quoted_word(rest).ok_or_else(|| unexpected(oql, rest))?,
            _ if is_word(first) => word(rest),
            _ => symbol(rest).ok_or_else(|| unexpected(oql, rest))?,
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// iTop's words: the line, and the one character that fits nowhere.
fn unexpected(oql: &str, rest: &str) -> Fault {
    let line = 1 + oql[..oql.len() - rest.len()].matches('\n').count();
    let character = rest.chars().next().unwrap_or(' ');
    Fault { exception: "Exception", message: format!("Unexpected input at line {line}: {character}") }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// A quoted string: only the quote itself and the backslash are escaped.
fn text(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut out = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                (_, escaped) if escaped == quote || escaped == '\\' => out.push(escaped),
                // A backslash before anything else is no OQL.
                _ => return None,
            },
            _ if character == quote => return Some((Token::Text(out), at + quote.len_utf8())),
            _ => out.push(character),
        }
    }
    None
}

fn placeholder(rest: &str) -> (Token, usize) {
    let mut length = 1;
    while let Some(character) = rest[length..].chars().next() {
        if is_word(character) {
            length += 1;
        } else if rest[length..].starts_with("->") {
            length += 2;
        } else {
            break;
        }
    }
    (Token::Placeholder(rest[1..length].into()), length)
}

fn number(rest: &str) -> (Token, usize) {
    let length = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    (Token::Number(rest[..length].parse().unwrap_or(i64::MAX)), length)
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
    (Token::Word(rest[..length].into()), length)
}

fn quoted_word(rest: &str) -> Option<(Token, usize)> {
    let end = rest[1..].find('`')?;
    Some((Token::Word(rest[1..=end].into()), end + 2))
}

fn symbol(rest: &str) -> Option<(Token, usize)> {
    let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol))?;
    Some((Token::Symbol(symbol), symbol.len()))
}
