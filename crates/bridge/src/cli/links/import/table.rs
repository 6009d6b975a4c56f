//! The original program's table of pairs, as CSV: `external_ticket_id`, `elitery_ticket_id` and `ticket_class` under
//! these names in the first line, in any order; other columns are ignored.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1; the first line holds the names.
    pub number: usize,
    pub external: u64,
    pub internal: u64,
    pub class: String,
}

/// Reads the whole table, or fails with the faulty line's number.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Line>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let (mut at_byte, mut number) = (0, 1);
    let mut rows = reader.records().map(|row| {
        let row = row.context("the file is no CSV")?;
        // A row begins after the preceding row's line break, and after empty lines.
        let begins = row.position().map_or(0, |position| position.byte() as usize);
        let begins =
            text[begins..].find(|letter| letter != '\r' && letter != '\n').map_or(text.len(), |more| begins + more);
        number += text[at_byte..begins].matches('\n').count();
        at_byte = begins;
        anyhow::Ok((number, row))
    });
    let (first, names) = rows.next().context("the file is empty")??;
    let column = |name: &str| {
        let found = names.iter().position(|column| column.trim() == name);
        found.with_context(|| {
            format!("{}: there is no column {name}; the names external_ticket_id, elitery_ticket_id and ticket_class stand in the first line", at(first))
        })
    };
    let (external, internal, class) =
        (column("external_ticket_id")?, column("elitery_ticket_id")?, column("ticket_class")?);
    let mut lines = Vec::new();
    for row in rows {
        let (number, row) = row?;
        if row.len() == 1 && row[0].trim().is_empty() {
            continue;
        }
        if row.iter().any(|field| holds_rows(field, names.len())) || ends_in_a_quote(text, &row) {
            bail!("{}: a quote is not closed", at(number));
        }
        if row.len() != names.len() {
            bail!("{}: {} fields instead of {}", at(number), row.len(), names.len());
        }
        let id = |column: usize| {
            let text = row[column].trim();
            let id = text.parse::<u64>().ok().filter(|id| *id > 0);
            id.with_context(|| format!("{}: {} is {text:?} and no ticket's id", at(number), names[column].trim()))
        };
        let class = row[class].trim();
        if class.is_empty() {
            bail!("{}: ticket_class is empty", at(number));
        }
        lines.push(Line { number, external: id(external)?, internal: id(internal)?, class: class.to_owned() });
    }
    once(&lines, "external", |line| line.external)?;
    once(&lines, "internal", |line| line.internal)?;
    Ok(lines)
}

/// A field with line breaks is a comment. One whose lines have the table's commas has swallowed rows: the reader goes on
/// to the next quote, or to the end of the file.
fn holds_rows(field: &str, columns: usize) -> bool {
    field.lines().skip(1).any(|line| line.matches(',').count() + 1 >= columns)
}

/// Whether the file ends within a field in quotes, the last of this row.
fn ends_in_a_quote(text: &str, row: &csv::StringRecord) -> bool {
    let last = row.iter().next_back().unwrap_or_default();
    !last.is_empty() && text.trim_end_matches(['\r', '\n']).ends_with(&format!("\"{last}"))
}

pub(super) fn at(number: usize) -> String {
    format!("line {number}")
}

/// A ticket has one counterpart.
fn once(lines: &[Line], side: &str, id: impl Fn(&Line) -> u64) -> anyhow::Result<()> {
    let mut met = BTreeMap::new();
    for line in lines {
        if let Some(before) = met.insert(id(line), line.number) {
            bail!("{}: the {side} ticket {} stands in line {before} already", at(line.number), id(line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "external_ticket_id,elitery_ticket_id,ticket_class";

    #[track_caller]
    fn refused(text: &str, why: &str) {
        assert_eq!(format!("{:#}", read(text).unwrap_err()), why, "{text}");
    }

    #[test]
    fn the_table_is_read_whatever_the_order_of_its_columns_and_what_stands_beside_them() {
        let text = "\u{feff}id,ticket_class,\"elitery_ticket_id\",external_ticket_id,last_sync_at\r\n\
                    1,UserRequest,77,12,\"2025-01-01, \"\"noon\"\"\"\r\n\r\n2,\"Incident\",78,13,\r\n";
        let line = |number, external, internal, class: &str| Line { number, external, internal, class: class.into() };
        assert_eq!(read(text).unwrap(), [line(2, 12, 77, "UserRequest"), line(4, 13, 78, "Incident")]);
        assert_eq!(read(NAMES).unwrap(), []);
    }

    #[test]
    fn a_field_in_quotes_may_hold_line_breaks() {
        let text =
            format!("{NAMES},comment\n1,2,UserRequest,\"one\ntwo, \"\"three\"\"\"\n  \n3,4,Incident,a 19\" monitor\n");
        let read: Vec<(usize, u64)> = read(&text).unwrap().iter().map(|line| (line.number, line.external)).collect();
        assert_eq!(read, [(2, 1), (5, 3)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        refused("", "the file is empty");
        refused(
            "external_ticket_id,ticket_class\n1,UserRequest",
            "line 1: there is no column elitery_ticket_id; the names external_ticket_id, elitery_ticket_id and ticket_class stand in the first line",
        );
        refused(&format!("{NAMES}\n1,2,UserRequest\n3,4"), "line 3: 2 fields instead of 3");
        refused(&format!("{NAMES}\n1,two,UserRequest"), "line 2: elitery_ticket_id is \"two\" and no ticket's id");
        refused(&format!("{NAMES}\n0,2,UserRequest"), "line 2: external_ticket_id is \"0\" and no ticket's id");
        refused(&format!("{NAMES}\n1,2,"), "line 2: ticket_class is empty");
        refused(&format!("{NAMES}\n1,2,\"UserRequest"), "line 2: a quote is not closed");
        let swallowed = format!("{NAMES},comment\n1,2,UserRequest,\"foo\n3,4,Incident,x\n5,6,Incident,bar\"\n");
        refused(&swallowed, "line 2: a quote is not closed");
        refused(
            &format!("{NAMES}\n1,2,UserRequest\n1,3,UserRequest"),
            "line 3: the external ticket 1 stands in line 2 already",
        );
        refused(
            &format!("{NAMES}\n1,2,UserRequest\n3,2,UserRequest"),
            "line 3: the internal ticket 2 stands in line 2 already",
        );
    }
}
