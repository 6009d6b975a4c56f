//! A TOML document that is read key by key and records every mistake with its place.
//!
//! A getter that finds a mistake records it and returns `None`, and reading goes on, so that one run shows all of
//! them. A key that was never requested by the end of its [`Section`] is unknown.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Origin, Origins, Problem};
use crate::shell;

/// A misspelt key is at least this similar to the intended one.
const SIMILAR: f64 = 0.66;

pub(super) struct Document<'d> {
    text: &'d str,
    file: &'d str,
    env: &'d dyn Fn(&str) -> Option<String>,
    read: &'d dyn Fn(&Path) -> std::io::Result<String>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    /// Missing secrets: a variable that is not set, a file that cannot be read.
    absent: RefCell<Vec<Problem>>,
    /// The readable parts of each side, even if the rest of it is wrong.
    sides: RefCell<Vec<KnownSide>>,
    holds_secret: Cell<bool>,
    origins: RefCell<Origins>,
}

/// Values that must differ between sides, as far as they were read.
pub(super) struct KnownSide {
    pub name: String,
    /// Its section, dotted.
    pub path: String,
    pub line: usize,
    pub url: Option<String>,
    pub api_keys: Vec<SecretString>,
}

/// All mistakes found in a file.
pub(super) struct Findings {
    /// In the order of their lines.
    pub problems: Vec<Problem>,
    /// Missing secrets, in the order of their lines.
    pub absent: Vec<Problem>,
    pub warnings: Vec<String>,
}

impl<'d> Document<'d> {
    pub fn new(
        text: &'d str,
        file: &'d str,
        env: &'d dyn Fn(&str) -> Option<String>,
        read: &'d dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Document<'d> {
        let (problems, warnings, origins) = Default::default();
        let (absent, sides, holds_secret) = (RefCell::default(), RefCell::default(), Cell::new(false));
        Document { text, file, env, read, problems, warnings, absent, sides, holds_secret, origins }
    }

    /// The parsed table. Mistakes of syntax are recorded, and nothing else is reported for such a file.
    pub fn parse(&self) -> Option<Spanned<DeTable<'d>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let line = error.span().map_or(0, |span| self.line(&span));
            self.note(line, "", format!("this is not TOML: {}", error.message().replace('\n', ", ")));
        }
        errors.is_empty().then_some(table)
    }

    pub fn root<'s>(&'s self, table: &'s Spanned<DeTable<'d>>) -> Section<'s> {
        Section::new(self, table.get_ref(), String::new(), 1)
    }

    pub fn warn(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    /// The origin of each key that was read, by its dotted name.
    pub fn origins(&self) -> Origins {
        self.origins.borrow().clone()
    }

    pub fn keep_side(&self, side: KnownSide) {
        self.sides.borrow_mut().push(side);
    }

    /// The sides that were read, in that order.
    pub fn sides(&self) -> std::cell::Ref<'_, Vec<KnownSide>> {
        self.sides.borrow()
    }

    pub fn into_findings(self) -> Findings {
        if self.holds_secret.get() {
            self.warn_if_open_to_all(Path::new(self.file));
        }
        let in_order = |mut problems: Vec<Problem>| {
            problems.sort_by_key(|problem| problem.line);
            problems
        };
        Findings {
            problems: in_order(self.problems.into_inner()),
            absent: in_order(self.absent.into_inner()),
            warnings: self.warnings.into_inner(),
        }
    }

    pub fn note(&self, line: usize, key: &str, text: String) {
        self.problems.borrow_mut().push(self.problem(line, key, text));
    }

    fn problem(&self, line: usize, key: &str, text: String) -> Problem {
        Problem { file: self.file.to_owned(), line, key: key.to_owned(), text }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// A path written in the file, relative to the file's folder.
    pub fn path(&self, written: &str) -> PathBuf {
        Path::new(self.file).parent().unwrap_or(Path::new("")).join(written)
    }

    fn warn_if_open_to_all(&self, path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let open = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
            if open {
                let command = format!("chmod 600 {}", shell::quoted_path(path));
                let path = path.display();
                self.warn(format!("{path} holds a secret and every user of this machine can read it: {command}"));
            }
        }
    }
}

/// A table and the keys requested from it.
pub(super) struct Section<'s> {
    document: &'s Document<'s>,
    table: &'s DeTable<'s>,
    /// Dotted; empty for the root.
    path: String,
    line: usize,
    asked: RefCell<Vec<&'static str>>,
}

impl<'s> Section<'s> {
    fn new(document: &'s Document<'s>, table: &'s DeTable<'s>, path: String, line: usize) -> Section<'s> {
        Section { document, table, path, line, asked: RefCell::default() }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn get(&self, key: &'static str) -> Option<Found<'s>> {
        self.asked.borrow_mut().push(key);
        self.found(key)
    }

    /// Like [`Section::get`], for a required key; `hint` says what to write.
    pub fn need(&self, key: &'static str, hint: &str) -> Option<Found<'s>> {
        let found = self.get(key);
        if found.is_none() {
            self.missing(key, hint);
        }
        found
    }

    pub fn missing(&self, key: &str, hint: &str) {
        self.wrong(format!("`{key}` is missing: {hint}"));
    }

    /// Records the values read for a side.
    pub fn keep_side(&self, name: &str, url: Option<String>, api_keys: Vec<SecretString>) {
        let (path, line) = (self.path.clone(), self.line);
        self.document.keep_side(KnownSide { name: name.to_owned(), path, line, url, api_keys });
    }

    /// A mistake of the section as a whole.
    pub fn wrong(&self, text: String) {
        self.document.note(self.line, &self.path, text);
    }

    /// Every entry, for tables whose keys are the operator's own names.
    pub fn entries(&self) -> Vec<(&'s str, Found<'s>)> {
        let names = self.table.keys().map(|key| key.get_ref().as_ref());
        names.filter_map(|name| Some((name, self.found(name)?))).collect()
    }

    fn found(&self, key: &str) -> Option<Found<'s>> {
        let (written, value) = self.table.get_key_value(key)?;
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        };
        let line = self.document.line(&written.span());
        let origin = Origin { file: self.document.file.to_owned(), line, ..Origin::default() };
        self.document.origins.borrow_mut().entry(path.clone()).or_insert(origin);
        Some(Found { document: self.document, value: value.get_ref(), path, line })
    }

    /// Reports every key that was never requested, with the nearest known one.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, found) in self.entries() {
            if asked.contains(&key) {
                continue;
            }
            let mut known: Vec<_> = asked.iter().map(|known| (strsim::jaro_winkler(key, known), *known)).collect();
            known.sort_by(|a, b| b.0.total_cmp(&a.0));
            found.wrong(match known.first() {
                Some((similar, nearest)) if *similar >= SIMILAR => {
                    format!("unknown key; did you mean `{nearest}`?")
                }
                _ => format!("unknown key; the known ones are {}", asked.join(", ")),
            });
        }
    }
}

/// A value and its place.
pub(super) struct Found<'s> {
    document: &'s Document<'s>,
    value: &'s DeValue<'s>,
    path: String,
    line: usize,
}

impl<'s> Found<'s> {
    pub fn document(&self) -> &'s Document<'s> {
        self.document
    }

    pub fn wrong(&self, text: String) {
        self.document.note(self.line, &self.path, text);
    }

    fn wrong_type(&self, wanted: &str) {
        self.wrong(format!("must be {wanted}, but is {}", kind(self.value)));
    }

    /// Adds to the known origin of the value.
    fn came_from(&self, add: impl FnOnce(&mut Origin)) {
        add(self.document.origins.borrow_mut().entry(self.path.clone()).or_default());
    }

    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A string that is not empty, with environment variables substituted.
    pub fn text(&self) -> Option<String> {
        let Some(written) = self.value.as_str() else {
            self.wrong_type("a string");
            return None;
        };
        self.came_from(|origin| add_new(&mut origin.variables, variables(written)));
        match interpolate(written, self.document.env) {
            Ok(text) if text.trim().is_empty() => {
                self.wrong("must not be empty".to_owned());
                None
            }
            Ok(text) => Some(text),
            Err(text) => {
                self.wrong(text);
                None
            }
        }
    }

    /// A string, parsed; `parse` says what is wrong.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        parse(&text).map_err(|wrong| self.wrong(wrong)).ok()
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(|text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            chosen
                .map(|(_, choice)| *choice)
                .ok_or_else(|| format!("must be {}, but is \"{text}\"", words.join(" or ")))
        })
    }

    /// A missing secret is recorded as such and becomes an empty one: see [`is_absent`].
    pub fn secret(&self) -> Option<SecretString> {
        self.secret_that(|_| Ok(()))
    }

    /// The same, for a secret that must satisfy `fits`.
    pub fn secret_that(&self, fits: impl FnOnce(&str) -> Result<(), String>) -> Option<SecretString> {
        let unset = self.value.as_str().map(variables).unwrap_or_default();
        let unset: Vec<String> = unset.into_iter().filter(|name| (self.document.env)(name).is_none()).collect();
        if !unset.is_empty() {
            self.came_from(|origin| add_new(&mut origin.variables, variables(self.value.as_str().unwrap_or_default())));
            let (is, names) = if unset.len() == 1 { ("is", "variable") } else { ("are", "variables") };
            return Some(self.absent(format!("the environment {names} {} {is} not set", unset.join(" and "))));
        }
        let secret = self.parsed(|text| fits(text).map(|()| text.to_owned()))?;
        if self.value.as_str().is_some_and(|written| !written.contains("${")) {
            self.document.holds_secret.set(true);
        }
        Some(SecretString::from(secret))
    }

    /// A path, made absolute from the configuration's folder.
    pub fn path(&self) -> Option<PathBuf> {
        self.text().map(|written| self.document.path(&written))
    }

    fn absent(&self, text: String) -> SecretString {
        self.document.absent.borrow_mut().push(self.document.problem(self.line, &self.path, text));
        SecretString::from(String::new())
    }

    /// The contents of the file that the string names.
    pub fn file(&self) -> Option<String> {
        self.try_file()?.map_err(|text| self.wrong(text)).ok()
    }

    fn try_file(&self) -> Option<Result<String, String>> {
        let path = self.path()?;
        self.came_from(|origin| add_new(&mut origin.read, vec![path.clone()]));
        let read = (self.document.read)(&path);
        Some(read.map_err(|error| format!("cannot read the file {}: {error}", path.display())))
    }

    /// The first line of the file that the string names.
    pub fn secret_file(&self) -> Option<SecretString> {
        let text = match self.try_file()? {
            Ok(text) => text,
            Err(why) => return Some(self.absent(why)),
        };
        let Some(secret) = first_line(&text) else {
            self.wrong("the file is empty; its first line must be the secret".to_owned());
            return None;
        };
        self.document.warn_if_open_to_all(&self.path()?);
        Some(SecretString::from(secret))
    }

    /// A whole number within limits.
    pub fn number(&self, limits: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", limits.start(), limits.end());
        let Some(written) = self.value.as_integer() else {
            self.wrong_type(&wanted);
            return None;
        };
        let number = u64::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number.filter(|number| limits.contains(number));
        if number.is_none() {
            self.wrong(format!("must be {wanted}, but is {written}"));
        }
        number
    }

    /// A fraction above 0, at most 1.
    pub fn share(&self) -> Option<f64> {
        let written = match self.value {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) => integer.as_str(),
            _ => "",
        };
        let share = written.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
        if share.is_none() {
            self.wrong("must be a number above 0 and at most 1, such as 0.33".to_owned());
        }
        share
    }

    pub fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false");
        }
        flag
    }

    /// A date: `"2026-01-01"`, or TOML's own without quotes.
    pub fn date(&self) -> Option<jiff::civil::Date> {
        let parse =
            |text: &str| text.parse().map_err(|_| format!("must be a date such as \"2026-01-01\", but is \"{text}\""));
        match self.value.as_datetime() {
            Some(date) => parse(&date.to_string()).map_err(|wrong| self.wrong(wrong)).ok(),
            None => self.parsed(parse),
        }
    }

    pub fn list(&self) -> Option<Vec<Found<'s>>> {
        let Some(items) = self.value.as_array() else {
            self.wrong_type("a list, such as [\"…\", \"…\"]");
            return None;
        };
        let found = |item: &'s Spanned<DeValue<'s>>| Found {
            document: self.document,
            value: item.get_ref(),
            path: self.path.clone(),
            line: self.document.line(&item.span()),
        };
        Some(items.iter().map(found).collect())
    }

    pub fn section(&self) -> Option<Section<'s>> {
        let Some(table) = self.value.as_table() else {
            self.wrong_type("a table");
            return None;
        };
        Some(Section::new(self.document, table, self.path.clone(), self.line))
    }

    /// Whether the value is a number; `defaults` take a number or a string.
    pub fn is_number(&self) -> bool {
        self.value.is_integer()
    }
}

/// Whether this stands for a missing secret: no other secret is empty.
pub(super) fn is_absent(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

/// The secret in a file: its first line.
pub fn first_line(text: &str) -> Option<&str> {
    text.lines().next().filter(|line| !line.trim().is_empty())
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Skips known elements: a value may be read twice, once only to be checked.
fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// The names of the environment variables in a string that may be malformed.
fn variables(written: &str) -> Vec<String> {
    let names = RefCell::new(Vec::new());
    // Mistakes are reported where the value is read.
    let _ = interpolate(written, &|name| {
        names.borrow_mut().push(name.to_owned());
        Some(String::new())
    });
    names.into_inner()
}

/// Substitutes environment variables. Their values are not interpolated again.
fn interpolate(written: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        let (name, after) = rest[at + 2..].split_once('}').ok_or("`${` has no `}` (write `$${` for a plain `${`)")?;
        out.push_str(&rest[..at]);
        out.push_str(&env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
