//! The messages of iTop and its database about values that they refuse. The words around an attribute follow the
//! account's language; its code in parentheses and the text after it do not (recorded on 3.1.2 and 3.2.0).

/// One fault of a value that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// The attribute's code, or its column, if the message names it: an installation's own check need not.
    pub attribute: Option<String>,
    pub fault: ValueFault,
    /// iTop's own words for it.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// More characters than the attribute allows, as iTop counts them after it has cleaned the text.
    TooLong { found: usize, limit: usize },
    /// More bytes than the column holds.
    TooManyBytes,
    /// Characters that the table's character set does not have.
    Characters,
    /// Anything else: a value that does not exist, or an installation's own check.
    NotAllowed,
}

/// `…: issues = {0=>…; 1=>…}, class = UserRequest, id = 7`: each issue separately.
pub(crate) fn of_checks(text: &str) -> Vec<BadValue> {
    let listed = text.rsplit_once(": issues = {0=>").and_then(|(_, rest)| rest.rsplit_once("}, class = "));
    let Some((mut rest, _)) = listed else {
        return vec![of_issue(text.split_once(": issues = ").map_or(text, |(head, _)| head))];
    };
    let mut issues = Vec::new();
    for next in 1.. {
        match rest.split_once(&format!("; {next}=>")) {
            Some((issue, more)) => {
                issues.push(of_issue(issue));
                rest = more;
            }
            None => break,
        }
    }
    issues.push(of_issue(rest));
    issues
}

/// `Unexpected value for attribute 'Title' (title) : String too long (found 256, limited to 255)`.
fn of_issue(issue: &str) -> BadValue {
    let named = issue.split_once(") : ").and_then(|(before, words)| {
        let (label, code) = before.rsplit_once("' (")?;
        (label.contains('\'') && is_code(code)).then(|| (code.to_owned(), words))
    });
    let (attribute, words) = match named {
        Some((code, words)) => (Some(code), words),
        None => (None, issue),
    };
    let fault = match attribute.as_ref().and_then(|_| too_long(words)) {
        Some((found, limit)) => ValueFault::TooLong { found, limit },
        None => ValueFault::NotAllowed,
    };
    BadValue { attribute, fault, words: words.to_owned() }
}

fn too_long(words: &str) -> Option<(usize, usize)> {
    let (_, numbers) = words.strip_suffix(')')?.rsplit_once(" (found ")?;
    let (found, limit) = numbers.split_once(", limited to ")?;
    Some((found.parse().ok()?, limit.parse().ok()?))
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// MySQL's number: iTop's own code, or the number in the message of an exception that iTop caught itself, as in an
/// update (seen on 3.1.2 and 3.2.0).
pub(crate) fn sql_number(code: i64, text: &str) -> i64 {
    let named = || {
        let (_, rest) = text.rsplit_once("mysql_errno = ")?;
        rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    };
    match code {
        100 if text.starts_with("Failed to issue SQL query") => named().unwrap_or(code),
        _ => code,
    }
}

/// The database's message about a value.
pub(crate) fn of_sql(number: i64, text: &str) -> Option<BadValue> {
    let fault = match number {
        1406 => ValueFault::TooManyBytes,
        1366 if text.contains("Incorrect string value") => ValueFault::Characters,
        // Out of range, truncated, not a date.
        1264 | 1265 | 1292 | 1366 => ValueFault::NotAllowed,
        // A trigger of the installation's own, a CHECK of MySQL's, one of MariaDB's.
        1644 | 3819 | 4025 => {
            let said = reason(number, text).map(|said| format!(": {said}")).unwrap_or_default();
            let words = format!("the database does not take the value{said} (SQL error {number})");
            return Some(BadValue { attribute: None, fault: ValueFault::NotAllowed, words });
        }
        _ => return None,
    };
    let attribute = column(text);
    let of = attribute.as_ref().map_or_else(String::new, |column| format!(" for {column}"));
    let words = match fault {
        ValueFault::TooManyBytes => format!("the database has no room for that many bytes{of} (SQL error 1406)"),
        ValueFault::Characters => {
            format!("the database does not have every character that was sent{of} (SQL error 1366)")
        }
        _ => format!("the database does not take the value{of} (SQL error {number})"),
    };
    Some(BadValue { attribute, fault, words })
}

/// The database's own words: the query before them contains a person's text. An update's answer has all of it twice.
fn reason(number: i64, text: &str) -> Option<String> {
    const MOST: usize = 200;
    let (before, reason) = text.rsplit_once(&format!("mysql_errno = {number}, mysql_error = "))?;
    let reason = if before.contains("issues = {0=>") { reason.strip_suffix('}').unwrap_or(reason) } else { reason };
    Some(reason.trim().chars().take(MOST).collect())
}

/// ``for column `itop`.`ticket`.`title` at row 1`` (MariaDB), `for column 'title' at row 1` (MySQL).
fn column(text: &str) -> Option<String> {
    let (_, reason) = text.rsplit_once("mysql_error = ")?;
    let (_, column) = reason.rsplit_once(" for column ")?;
    let (column, _) = column.split_once(" at row ")?;
    let column = column.rsplit('.').next()?.trim_matches(['`', '\'']);
    is_code(column).then(|| column.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(attribute: &str, fault: ValueFault, words: &str) -> BadValue {
        BadValue { attribute: Some(attribute.into()), fault, words: words.into() }
    }

    #[test]
    fn a_text_that_is_too_long_is_told_with_its_limit_in_any_language() {
        for start in ["Unexpected value for attribute 'Description'", "Valeur de l'attribut incorrecte 'Description'"] {
            let issue = format!("{start} (description) : String too long (found 70007, limited to 65535)");
            let text = format!("{issue}: issues = {{0=>{issue}}}, class = UserRequest, id = -1");
            let words = "String too long (found 70007, limited to 65535)";
            let fault = ValueFault::TooLong { found: 70_007, limit: 65_535 };
            assert_eq!(of_checks(&text), [bad("description", fault, words)]);
        }
    }

    #[test]
    fn every_issue_is_told_and_a_value_that_looks_like_one_is_none() {
        let issues = [
            "Unexpected value for attribute 'Title' (title) : String too long (found 300, limited to 255)",
            "Unexpected value for attribute 'Urgency' (urgency) : Value not allowed [[9' (title) : x]",
            "A title must not shout (found 2, limited to 1)",
        ];
        let text = format!(
            "{}: issues = {{0=>{}; 1=>{}; 2=>{}}}, class = UserRequest, id = 16",
            issues.join(", "),
            issues[0],
            issues[1],
            issues[2]
        );
        let own = BadValue { attribute: None, fault: ValueFault::NotAllowed, words: issues[2].into() };
        let expected = [
            bad("title", ValueFault::TooLong { found: 300, limit: 255 }, "String too long (found 300, limited to 255)"),
            bad("urgency", ValueFault::NotAllowed, "Value not allowed [[9' (title) : x]"),
            own,
        ];
        assert_eq!(of_checks(&text), expected);
    }

    #[test]
    fn an_error_of_the_database_names_its_column_whoever_caught_it() {
        let said = "Failed to issue SQL query: query = UPDATE `ticket` SET `title` = 'mysql_errno = 7', mysql_errno = 1406, mysql_error = Data too long for column 'description' at row 1";
        let caught = format!("{said}: id = 16, class = UserRequest, issues = {{0=>{said}}}");
        for (code, text) in [(1406, said), (100, caught.as_str())] {
            let number = sql_number(code, text);
            let found = of_sql(number, text).expect("a bad value");
            assert_eq!((number, found.fault), (1406, ValueFault::TooManyBytes));
            assert_eq!(found.attribute.as_deref(), Some("description"));
        }
        let said = "Failed to issue SQL query: query = UPDATE `ticket` SET `title` = 'mysql_error = x', mysql_errno = 1644, mysql_error = A title must not shout";
        let caught = format!("{said}: id = 16, class = UserRequest, issues = {{0=>{said}}}");
        for (code, text) in [(1644, said), (100, caught.as_str())] {
            let found = of_sql(sql_number(code, text), text).expect("a bad value");
            let words = "the database does not take the value: A title must not shout (SQL error 1644)";
            let expected = BadValue { attribute: None, fault: ValueFault::NotAllowed, words: words.into() };
            assert_eq!(found, expected);
        }
        let emoji = "mysql_errno = 1366, mysql_error = Incorrect string value: '\\xF0\\x9F\\x94\\xA5' for column `itop32b`.`ticket`.`title` at row 1";
        let found = of_sql(1366, emoji).expect("a bad value");
        assert_eq!((found.attribute.as_deref(), found.fault), (Some("title"), ValueFault::Characters));
    }
}
