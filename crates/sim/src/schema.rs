//! The classes and attributes, read from `schema.txt` for a version of iTop.
//!
//! A class line is `class NAME [: SUPERCLASS] FRIENDLY [abstract]`; FRIENDLY says what its
//! objects are called (`name`, `ref`, `login`, `description`, `person`: first name and name, `attachment`,
//! `link`: its class).
//! Kinds of attributes:
//! `text` (one line, 255 characters), `lines` (plain text), `html`, `solution` (plain text in
//! 3.1, HTML in 3.2), `choice:…`, `state`, `key:CLASS`, `via:KEY.ATTRIBUTE` (read only),
//! `date`, `number`, `item` (a key without a class), `log`, `file`, `links` (answered empty),
//! `set:CLASS.KEY` (the objects that point here), `codes` (attribute codes of the `target_class`), `complement`
//! (names the `target_class`), `timer` (answers 0), `nothing` (answers null), `operational` (derived from the state).
//! Flags: `required` (null is refused), `default=…` (blanks as `~`), `label=…` (blanks as `_`), `since=3.2` and
//! `until=3.1`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::config::Version;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text,
    Lines,
    Html,
    Choice(Vec<String>),
    State,
    Key(String),
    Via {
        key: String,
        attribute: String,
    },
    Date,
    Number,
    Item,
    Log,
    File,
    Links,
    /// The objects of a class whose key points at this one.
    Set {
        class: String,
        key: String,
    },
    /// Codes of attributes of the object's `target_class`.
    Codes,
    Complement,
    Timer,
    Nothing,
    Operational,
    FinalClass,
    FriendlyName,
    /// The friendly name of what a key points at.
    KeyName(String),
    /// `…_obsolescence_flag` of a key: empty for everything the simulator knows.
    KeyObsolete,
    /// `…_finalclass_recall` of a key.
    KeyClass(String),
}

#[derive(Debug, Clone)]
pub struct Attribute {
    pub code: String,
    pub label: String,
    pub kind: Kind,
    pub required: bool,
    pub default: String,
}

impl Attribute {
    fn new(code: &str, kind: Kind) -> Self {
        Self { code: code.into(), label: code.into(), kind, required: false, default: String::new() }
    }

    /// Whether a caller may set it.
    pub fn is_stored(&self) -> bool {
        use Kind::*;
        matches!(
            self.kind,
            Text | Lines
                | Html
                | Choice(_)
                | State
                | Key(_)
                | Date
                | Number
                | Item
                | Log
                | File
                | Links
                | Set { .. }
                | Codes
        )
    }

    /// The most characters that it takes. A case log takes more than a long text.
    pub fn max_chars(&self) -> Option<usize> {
        match self.kind {
            Kind::Text => Some(255),
            Kind::Lines | Kind::Html => Some(65_535),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Friendly {
    Name,
    Ref,
    Login,
    Person,
    Attachment,
    Description,
    /// The class itself.
    Link,
}

#[derive(Debug)]
pub struct Class {
    pub name: String,
    pub parent: Option<String>,
    pub is_abstract: bool,
    pub friendly: Friendly,
    /// Own and inherited ones, in iTop's order.
    pub attributes: Vec<Attribute>,
}

impl Class {
    pub fn attribute(&self, code: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.code == code)
    }
}

#[derive(Debug)]
pub struct Schema {
    classes: BTreeMap<String, Class>,
}

impl Schema {
    /// The data model of a version; parsed once.
    pub fn of(version: Version) -> &'static Schema {
        static V3_1: OnceLock<Schema> = OnceLock::new();
        static V3_2: OnceLock<Schema> = OnceLock::new();
        let cell = match version {
            Version::V3_1 => &V3_1,
            Version::V3_2 => &V3_2,
        };
        cell.get_or_init(|| parse(include_str!("schema.txt"), version))
    }

    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    /// Whether `name` is `ancestor` or descends from it.
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        self.line(name).any(|class| class.name == ancestor)
    }

    /// The topmost class: objects of one root share their ids.
    pub fn root<'a>(&'a self, name: &'a str) -> &'a str {
        self.line(name).last().map_or(name, |class| &class.name)
    }

    /// A class and its superclasses, upwards.
    fn line<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Class> {
        std::iter::successors(self.class(name), |class| class.parent.as_deref().and_then(|parent| self.class(parent)))
    }

    fn has_subclasses(&self, name: &str) -> bool {
        self.classes.values().any(|class| class.parent.as_deref() == Some(name))
    }
}

fn parse(text: &str, version: Version) -> Schema {
    let mut schema = Schema { classes: BTreeMap::new() };
    let mut current: Option<Class> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("class ") {
            schema.classes.extend(current.take().map(|class| (class.name.clone(), class)));
            current = Some(parse_head(head, &schema));
        } else if let Some(class) = &mut current {
            class.attributes.extend(parse_attribute(line, version));
        }
    }
    schema.classes.extend(current.map(|class| (class.name.clone(), class)));
    drop_team_email(&mut schema, version);
    add_derived(&mut schema);
    schema
}

fn parse_head(head: &str, schema: &Schema) -> Class {
    let words: Vec<&str> = head.split_whitespace().collect();
    let parent = words.iter().position(|word| *word == ":").map(|colon| words[colon + 1].to_owned());
    let inherited = parent.as_deref().and_then(|parent| schema.class(parent)).map(|class| class.attributes.clone());
    let has = |word: &str| words[1..].contains(&word);
    let friendly = match () {
        () if has("ref") => Friendly::Ref,
        () if has("person") => Friendly::Person,
        () if has("login") => Friendly::Login,
        () if has("attachment") => Friendly::Attachment,
        () if has("description") => Friendly::Description,
        () if has("link") => Friendly::Link,
        () => Friendly::Name,
    };
    Class {
        name: words[0].into(),
        parent,
        is_abstract: has("abstract"),
        friendly,
        attributes: inherited.unwrap_or_default(),
    }
}

/// Nothing where this version has no such attribute.
fn parse_attribute(line: &str, version: Version) -> Option<Attribute> {
    let mut words = line.split_whitespace();
    let code = words.next().unwrap_or_default();
    let mut attribute = Attribute::new(code, parse_kind(words.next().unwrap_or_default(), version));
    for flag in words {
        match flag.split_once('=') {
            Some(("default", value)) => attribute.default = value.replace('~', " "),
            Some(("since", "3.2")) if version == Version::V3_1 => return None,
            Some(("until", "3.1")) if version == Version::V3_2 => return None,
            Some(("since" | "until", _)) => {}
            Some(("label", value)) => attribute.label = value.replace('_', " "),
            _ => attribute.required = true,
        }
    }
    Some(attribute)
}

fn parse_kind(word: &str, version: Version) -> Kind {
    let (kind, of) = word.split_once(':').unwrap_or((word, ""));
    match kind {
        "text" => Kind::Text,
        "lines" => Kind::Lines,
        "html" => Kind::Html,
        "solution" if version == Version::V3_1 => Kind::Lines,
        "solution" => Kind::Html,
        "choice" => Kind::Choice(of.split(',').map(str::to_owned).collect()),
        "state" => Kind::State,
        "key" => Kind::Key(of.into()),
        "via" => {
            let (key, attribute) = of.split_once('.').unwrap_or((of, "name"));
            Kind::Via { key: key.into(), attribute: attribute.into() }
        }
        "date" => Kind::Date,
        "number" => Kind::Number,
        "item" => Kind::Item,
        "log" => Kind::Log,
        "file" => Kind::File,
        "links" => Kind::Links,
        "set" => {
            let (class, key) = of.split_once('.').unwrap_or((of, ""));
            Kind::Set { class: class.into(), key: key.into() }
        }
        "codes" => Kind::Codes,
        "complement" => Kind::Complement,
        "timer" => Kind::Timer,
        "operational" => Kind::Operational,
        "nothing" => Kind::Nothing,
        other => panic!("schema.txt: unknown kind {other}"),
    }
}

/// 3.1 does not show a team's address in tickets.
fn drop_team_email(schema: &mut Schema, version: Version) {
    if version == Version::V3_1 {
        for class in schema.classes.values_mut() {
            class.attributes.retain(|attribute| attribute.code != "team_email");
        }
    }
}

/// What iTop derives for every class: its final class, its name, and the names of what its keys
/// point at.
fn add_derived(schema: &mut Schema) {
    let derived: Vec<(String, Vec<Attribute>)> =
        schema.classes.values().map(|class| (class.name.clone(), derived_of(class, schema))).collect();
    for (name, attributes) in derived {
        if let Some(class) = schema.classes.get_mut(&name) {
            class.attributes.extend(attributes);
        }
    }
}

fn derived_of(class: &Class, schema: &Schema) -> Vec<Attribute> {
    let mut derived = Vec::new();
    // A class without a tree has no final class to tell.
    if class.parent.is_some() || schema.has_subclasses(&class.name) {
        derived.push(Attribute::new("finalclass", Kind::FinalClass));
    }
    derived.push(Attribute::new("friendlyname", Kind::FriendlyName));
    for attribute in &class.attributes {
        let Kind::Key(target) = &attribute.kind else { continue };
        let code = &attribute.code;
        derived.push(Attribute::new(&format!("{code}_friendlyname"), Kind::KeyName(code.clone())));
        if matches!(target.as_str(), "Organization" | "Person" | "Team" | "Contact") {
            derived.push(Attribute::new(&format!("{code}_obsolescence_flag"), Kind::KeyObsolete));
        }
        if matches!(target.as_str(), "Change" | "Action" | "Trigger" | "RemoteApplicationConnection") {
            derived.push(Attribute::new(&format!("{code}_finalclass_recall"), Kind::KeyClass(code.clone())));
        }
    }
    derived
}
