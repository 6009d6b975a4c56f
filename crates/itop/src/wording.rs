//! The table of iTop's messages: the class of failure of each, and the part of it that a person may see.
//!
//! iTop says everything with HTTP 200 and a `code` that is nearly always 1 or 100; only the text distinguishes. The
//! texts are those of `webservices/rest.php`, `core/restservices.class.inc.php` and
//! `application/applicationextension.inc.php` (3.2.0), and of the recordings.
//!
//! A text counts as *no effect* only if iTop's code prints it before it writes. Everything else, unknown messages
//! included, may have come after the write: a trigger, an action or an extension can fail once the object is stored.

use crate::bad_value::{self, BadValue, ValueFault};
use crate::error::{Asked, Effect, ErrorClass, Operation};

/// Longest message, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// MySQL's numbers for an absent, overloaded or undecided server: too many connections, lock wait, deadlock,
/// read-only, cannot connect, gone away, lost.
const TRANSIENT_SQL: [i64; 9] = [1040, 1205, 1213, 1290, 1836, 2002, 2003, SQL_GONE_AWAY, 2013];

/// `MySQL server has gone away`: it is absent, or dropped the connection over a packet that was too large.
pub(crate) const SQL_GONE_AWAY: i64 = 2006;

/// MySQL's `Got a packet bigger than 'max_allowed_packet' bytes`.
const SQL_PACKET_TOO_LARGE: i64 = 1153;

/// The meaning of an answer with a `code` other than 0 for the call `asked`.
pub(crate) fn judge(asked: &Asked, code: i64, message: &str) -> (ErrorClass, Effect) {
    let text = message.strip_prefix("Error: ").unwrap_or(message);
    if let Some(class) = before_the_write(asked, code, text) {
        return (class, Effect::None);
    }
    let number = bad_value::sql_number(code, text);
    let class = match number {
        _ if TRANSIENT_SQL.contains(&number) => ErrorClass::Transient,
        SQL_PACKET_TOO_LARGE => ErrorClass::TooLarge,
        // If the message names a column of the object, everything was rolled back; but an object of a trigger may
        // have such an error after the write.
        _ if asked.operation.writes() => {
            bad_value::of_sql(number, text).map_or(ErrorClass::Refused, |value| ErrorClass::BadValues(vec![value]))
        }
        _ => ErrorClass::Refused,
    };
    let effect = match asked.operation.writes() {
        true => Effect::Unknown { answered: true },
        false => Effect::None,
    };
    (class, effect)
}

/// The class of a message that iTop prints before it writes anything; `None` for every other text.
fn before_the_write(asked: &Asked, code: i64, text: &str) -> Option<ErrorClass> {
    match code {
        1 => unauthorized(text),
        3 | 4 | 11 => protocol(text).then_some(ErrorClass::Refused),
        5 | 6 => text.starts_with("Missing parameter 'auth_").then_some(ErrorClass::Login),
        100 => exception(asked, text),
        _ => None,
    }
}

fn unauthorized(text: &str) -> Option<ErrorClass> {
    let login = [
        "Invalid login",
        "Portal user is not allowed",
        "This user is not authorized to use the web services",
        "Unknown authentication error",
    ];
    if login.iter().any(|start| text.starts_with(start)) {
        return Some(ErrorClass::Login);
    }
    if text.starts_with("The current user does not have enough permissions for ") {
        let class = text.split_once(" data of class ").map(|(_, class)| class.trim().to_owned());
        return Some(ErrorClass::Rights { class });
    }
    // From the deletion plan, which is made before the first deletion.
    text.starts_with("Deletion not allowed on some objects").then_some(ErrorClass::Rights { class: None })
}

fn protocol(text: &str) -> bool {
    text.starts_with("Missing parameter 'json_data'")
        || text.starts_with("Parameter json_data is not a valid JSON structure")
        || text.starts_with("Unknown verb '")
}

/// Code 100 is any PHP exception without a code.
fn exception(asked: &Asked, text: &str) -> Option<ErrorClass> {
    if let Some(class) = quoted_between(text, "class: '", "' is not a valid class") {
        return Some(ErrorClass::UnknownClass { class });
    }
    if let Some(attribute) = quoted_between(text, "output_fields: invalid attribute code '", "'") {
        return Some(ErrorClass::UnknownAttribute { attribute });
    }
    if asked.operation == Operation::ApplyStimulus && text.starts_with("Invalid stimulus: '") {
        return Some(ErrorClass::Stale);
    }
    if is_bad_value_of_the_object(asked, text) {
        return Some(ErrorClass::BadValues(bad_value::of_checks(text)));
    }
    if lacks_attributes(asked, text)
        || text.starts_with("Missing parameter '")
        || text.starts_with("Query failed to execute")
    {
        return Some(ErrorClass::Refused);
    }
    if is_the_object_itself(asked, text) {
        return Some(ErrorClass::Gone);
    }
    bad_input(text)
}

fn lacks_attributes(asked: &Asked, text: &str) -> bool {
    asked.operation == Operation::ApplyStimulus
        && text.starts_with("Missing mandatory attribute(s) for applying the stimulus: ")
}

/// `Unexpected value for attribute 'Title' (title) : …: issues = {…}, class = UserRequest, id = 7`.
///
/// iTop checks an object before it stores it, so this means no effect, if it names the object of this call. A trigger
/// that stores some *other* object fails with the same words, after the write. A new object's id is -1.
fn is_bad_value_of_the_object(asked: &Asked, text: &str) -> bool {
    // A class may have its own checks: `The filter query must return …: issues = {…}, class = …`.
    if !text.starts_with("Unexpected value for attribute '") && !text.contains(": issues = {0=>") {
        return false;
    }
    let named = match (&asked.operation, asked.id) {
        (Operation::Create, _) => format!(", class = {}, id = -1", asked.class),
        (_, Some(id)) => format!(", class = {}, id = {id}", asked.class),
        (_, None) => return false,
    };
    text.ends_with(&named)
}

/// `Invalid object UserRequest::99`. With an attribute in front (`org_id: Invalid object …`) it is about the
/// attribute's target.
fn is_the_object_itself(asked: &Asked, text: &str) -> bool {
    let named = text.strip_prefix("Invalid object ").and_then(|rest| rest.split_once("::"));
    matches!((named, asked.id), (Some((class, id)), Some(asked_id))
        if class == asked.class && id.parse() == Ok(asked_id))
}

/// `org_id: No item found with criteria: …`: a value that iTop could not read, reported before it creates or changes
/// any object. Link sets nest: `contacts_list: contact_id: Unknown attribute`.
fn bad_input(text: &str) -> Option<ErrorClass> {
    let mut attributes = Vec::new();
    let mut rest = text;
    while let Some((attribute, tail)) = rest.split_once(": ")
        && is_attribute_code(attribute)
    {
        attributes.push(attribute);
        rest = tail;
    }
    let attribute = *attributes.last()?;
    if rest == "Unknown attribute" {
        return Some(ErrorClass::UnknownAttribute { attribute: attribute.to_owned() });
    }
    let starts = [
        "No item found with criteria: ",
        "No item found for query: ",
        "Several items found (",
        "Wrong format for key",
        "Wrong format for date ",
        "Invalid object ",
        "The attribute(s) ",
        "A link set must be defined by an array of objects",
        "A tag set must be defined by an array of tag codes",
    ];
    starts.iter().any(|start| rest.starts_with(start)).then(|| {
        // The outermost attribute: it is the one that was sent.
        let attribute = attributes.first().map(|attribute| (*attribute).to_owned());
        ErrorClass::BadValues(vec![BadValue { attribute, fault: ValueFault::NotAllowed, words: rest.to_owned() }])
    })
}

fn is_attribute_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

fn quoted_between(text: &str, start: &str, end: &str) -> Option<String> {
    let rest = text.strip_prefix(start)?;
    rest.split_once(end).map(|(quoted, _)| quoted.to_owned())
}

/// iTop's message as people may see it: without the data of an SQL query, without secrets, short.
pub(crate) fn for_people(message: &str, secrets: &[&str]) -> String {
    let text = message.strip_prefix("Error: ").unwrap_or(message);
    let text = without_query_data(text);
    cut(&without_secrets(&text, secrets))
}

/// A page without JSON, as a line of text: PHP's fatal errors come in such pages.
pub(crate) fn page_for_people(page: &str, secrets: &[&str]) -> String {
    let secretless = without_secrets(page, secrets);
    let mut text = String::new();
    let mut in_tag = false;
    // Far more than can be shown, so that a giant page costs nothing.
    for character in secretless.chars().take(64 * MAX_MESSAGE_CHARS) {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(character),
            _ => {}
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&words.join(" "))
}

/// An SQL error contains the whole query with every value in it (recorded: code 1406). This keeps the statement's
/// table and, if it contains no value itself, MySQL's reason.
fn without_query_data(text: &str) -> String {
    const QUERY: &str = "query = ";
    if let Some((before, _)) = text.split_once("Full response structure") {
        return before.trim_end_matches([' ', '.']).to_owned();
    }
    if !text.contains("mysql_err") && !text.contains("SQL query") {
        return oql_reason_first(text);
    }
    let (what, query) = text.split_once(QUERY).unwrap_or((text, ""));
    let what = what.split(": ").next().unwrap_or_default();
    let holds_value = |word: &str| word.contains(['\'', '"', '(']);
    let words = query.split_whitespace().take(3);
    let statement: Vec<&str> = words.take_while(|word| !holds_value(word)).collect();
    // The handler of an update's error puts the error into braces.
    let reason = query.rsplit_once("mysql_error = ").map_or("", |(_, reason)| reason.trim_end_matches('}'));
    match (statement.is_empty(), valueless_reason(reason)) {
        (false, Some(reason)) => format!("{what} ({} …): {reason}", statement.join(" ")),
        (false, None) => format!("{what} ({} …)", statement.join(" ")),
        (true, _) => what.to_owned(),
    }
}

/// Reasons of MySQL's that name a column or nothing, never a value.
fn valueless_reason(reason: &str) -> Option<&str> {
    let starts = [
        "Data too long for column '",
        "Out of range value for column '",
        "Unknown column '",
        "Deadlock found",
        "Lock wait timeout exceeded",
        "MySQL server has gone away",
        "Lost connection",
        "Got a packet bigger than",
        "Too many connections",
    ];
    starts.iter().any(|start| reason.starts_with(start)).then_some(reason)
}

/// `Query failed to execute: query = …, exception_class = …, exception_message = …`: the reason comes last and would
/// be cut off behind a long query.
fn oql_reason_first(text: &str) -> String {
    let parts = text
        .strip_prefix("Query failed to execute: query = ")
        .and_then(|rest| rest.split_once(", exception_class = "))
        .and_then(|(query, rest)| Some((query, rest.split_once("exception_message = ")?.1)));
    match parts {
        Some((query, reason)) => format!("Query failed to execute: {reason}: {query}"),
        None => text.to_owned(),
    }
}

fn without_secrets(text: &str, secrets: &[&str]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if clean.contains(secret) {
            clean = clean.replace(secret, "***");
        }
    }
    clean
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_MESSAGE_CHARS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_MESSAGE_CHARS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(id: u64) -> Asked {
        Asked { operation: Operation::Update, class: "UserRequest".into(), id: Some(id) }
    }

    fn effect_unknown() -> Effect {
        Effect::Unknown { answered: true }
    }

    fn bad(attribute: &str, words: &str) -> ErrorClass {
        let (attribute, words) = (Some(attribute.to_owned()), words.to_owned());
        ErrorClass::BadValues(vec![BadValue { attribute, fault: ValueFault::NotAllowed, words }])
    }

    #[test]
    fn the_same_words_about_another_object_may_come_after_the_write() {
        let about = |object: &str| {
            let text = "Error: Unexpected value for attribute 'Title' (title) : Null not allowed: issues = {…}";
            judge(&update(7), 100, &format!("{text}, {object}"))
        };
        let null = bad("title", "Null not allowed");
        assert_eq!(about("class = UserRequest, id = 7"), (null, Effect::None));
        for other in ["class = UserRequest, id = 8", "class = Incident, id = 7", "class = UserRequest, id = -1"] {
            assert_eq!(about(other), (ErrorClass::Refused, effect_unknown()), "{other}");
        }
    }

    #[test]
    fn gone_is_the_object_itself() {
        let gone = judge(&update(7), 100, "Error: Invalid object UserRequest::7");
        assert_eq!(gone, (ErrorClass::Gone, Effect::None));
        let pointed = judge(&update(7), 100, "Error: org_id: Invalid object Organization::7");
        assert_eq!(pointed, (bad("org_id", "Invalid object Organization::7"), Effect::None));
        let other = judge(&update(7), 100, "Error: Invalid object UserRequest::8");
        assert_eq!(other, (ErrorClass::Refused, effect_unknown()));
    }

    #[test]
    fn words_not_of_itop_prove_nothing() {
        for (code, text) in [
            (1, "Error: some action failed"),
            (3, "Error: thrice"),
            (100, "Error: an action said: Unknown attribute"),
            (100, "Error: Mail: could not send; Missing parameter 'x'"),
            (1062, "Error: Failed to issue SQL query: query = x"),
        ] {
            assert_eq!(judge(&update(7), code, text), (ErrorClass::Refused, effect_unknown()), "{text}");
        }
        // The form of an update's answer, which caught the error itself.
        let said = "Failed to issue SQL query: query = x, mysql_errno = 1213, mysql_error = Deadlock found";
        let caught = format!("Error: {said}: id = 7, class = UserRequest, issues = {{0=>{said}}}");
        assert_eq!(judge(&update(7), 100, &caught), (ErrorClass::Transient, effect_unknown()));
        let deadlock = judge(&update(7), 1213, "Error: Failed to issue SQL query: query = x");
        assert_eq!(deadlock, (ErrorClass::Transient, effect_unknown()));
    }

    #[test]
    fn nested_attributes_name_the_innermost() {
        let unknown = judge(&update(7), 100, "Error: contacts_list: nope: Unknown attribute");
        let attribute = "nope".to_owned();
        assert_eq!(unknown, (ErrorClass::UnknownAttribute { attribute }, Effect::None));
    }

    #[test]
    fn no_data_of_a_query_and_no_secret_is_shown() {
        let sql = "Error: Failed to issue SQL query: query = INSERT INTO `attachment` (`a`) VALUES ('CANARY'), mysql_errno = 1406, mysql_error = Data too long for column 'contents_filename' at row 1";
        assert_eq!(
            for_people(sql, &[]),
            "Failed to issue SQL query (INSERT INTO `attachment` …): Data too long for column 'contents_filename' at row 1"
        );
        let duplicate = "Error: Failed to issue SQL query: query = UPDATE `t` SET `x` = 'CANARY', mysql_errno = 1062, mysql_error = Duplicate entry 'CANARY' for key 'x'";
        assert_eq!(for_people(duplicate, &[]), "Failed to issue SQL query (UPDATE `t` SET …)");
        assert_eq!(for_people("bad pw-CANARY!", &["pw-CANARY"]), "bad ***!");
        let dump =
            "json encoding failed with message: Malformed UTF-8. Full response structure for debugging: 43414e415259";
        assert_eq!(for_people(dump, &[]), "json encoding failed with message: Malformed UTF-8");
        assert_eq!(for_people(&"é".repeat(400), &[]).chars().count(), 300);
        assert_eq!(page_for_people("<html><b>Fatal\nerror</b>: out of pw", &["pw"]), "Fatal error : out of ***");
    }
}
