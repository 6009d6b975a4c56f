//! All objects of one iTop, and what can be asked of them. No rule of iTop's about *changing*
//! them stands here (see `change`), and nothing of REST.

use std::collections::BTreeMap;

use crate::config::{FirstIds, Version, Zone};
use crate::rules::Rules;
use crate::schema::{Attribute, Class, Friendly, Kind, Schema};
use crate::value::{Object, Value};

#[derive(Debug, Clone)]
pub struct World {
    pub version: Version,
    pub zone: Zone,
    pub base_url: String,
    pub next: FirstIds,
    pub rules: Rules,
    /// By root class, then id: a `Person` and a `Team` share the ids of `Contact`.
    objects: BTreeMap<String, BTreeMap<u64, Object>>,
    /// By root class: the highest id that was ever given, as a database counts.
    highest: BTreeMap<String, u64>,
}

impl World {
    pub fn new(version: Version, zone: Zone, base_url: &str, next: FirstIds) -> Self {
        Self {
            version,
            zone,
            base_url: base_url.into(),
            next,
            rules: Rules::default(),
            objects: BTreeMap::new(),
            highest: BTreeMap::new(),
        }
    }

    /// The dates of attributes are text in the database: they read as before.
    pub fn move_to_zone(&mut self, zone: Zone) {
        let before = std::mem::replace(&mut self.zone, zone);
        let values =
            self.objects.values_mut().flat_map(BTreeMap::values_mut).flat_map(|object| object.values.values_mut());
        for value in values {
            if let Value::Date(at) = value {
                *at = self.zone.read(&before.print(*at)).unwrap_or(*at);
            }
        }
    }

    pub fn schema(&self) -> &'static Schema {
        Schema::of(self.version)
    }

    /// # Panics
    /// On a class that the schema does not have.
    pub fn class(&self, name: &str) -> &'static Class {
        self.schema().class(name).unwrap_or_else(|| panic!("no class {name} in the simulator"))
    }

    pub fn put(&mut self, object: Object) {
        let root = self.schema().root(&object.class).to_owned();
        let highest = self.highest.entry(root.clone()).or_default();
        *highest = object.id.max(*highest);
        self.objects.entry(root).or_default().insert(object.id, object);
    }

    pub fn remove(&mut self, class: &str, id: u64) -> Option<Object> {
        self.objects.get_mut(self.schema().root(class))?.remove(&id)
    }

    /// The object of that class, or of a class below it.
    pub fn find(&self, class: &str, id: u64) -> Option<&Object> {
        let object = self.objects.get(self.schema().root(class))?.get(&id)?;
        self.schema().is_a(&object.class, class).then_some(object)
    }

    /// All objects of a class and of those below it, ascending by id.
    pub fn all<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects
            .get(self.schema().root(class))
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(move |object| self.schema().is_a(&object.class, class))
    }

    /// In iTop's default order: by name, that is by `temp_id`.
    pub fn attachments_of(&self, class: &str, id: u64) -> Vec<u64> {
        let mut files: Vec<&Object> = self
            .all("Attachment")
            .filter(|file| file.get("item_class").text() == class && file.get("item_id").key() == id)
            .collect();
        files.sort_by_cached_key(|file| self.friendly_name(file).to_lowercase());
        files.into_iter().map(|file| file.id).collect()
    }

    pub fn next_id(&mut self, class: &str) -> u64 {
        let counter = match self.schema().root(class) {
            "Ticket" => &mut self.next.ticket,
            "Attachment" => &mut self.next.attachment,
            "InlineImage" => &mut self.next.inline_image,
            root => return self.highest.get(root).map_or(1, |id| id + 1),
        };
        *counter += 1;
        *counter - 1
    }

    /// The ids of this class go on from here.
    pub fn set_next_id(&mut self, class: &str, id: u64) {
        let root = self.schema().root(class).to_owned();
        self.highest.insert(root, id - 1);
    }

    /// The objects of a class whose key points at this one, in iTop's order.
    pub fn pointing_at<'a>(&'a self, class: &'a str, key: &str, object: &Object) -> Vec<&'a Object> {
        let Some(Kind::Key(target)) = self.class(class).attribute(key).map(|attribute| &attribute.kind) else {
            return Vec::new();
        };
        if !self.schema().is_a(&object.class, target) {
            return Vec::new();
        }
        let mut found: Vec<&Object> = self.all(class).filter(|other| other.get(key).key() == object.id).collect();
        found.sort_by_cached_key(|other| (self.friendly_name(other).to_lowercase(), other.id));
        found
    }

    /// What iTop calls an object.
    pub fn friendly_name(&self, object: &Object) -> String {
        let text = |code: &str| object.get(code).text().to_owned();
        match self.class(&object.class).friendly {
            Friendly::Name => text("name"),
            Friendly::Ref => text("ref"),
            Friendly::Login => text("login"),
            Friendly::Person => format!("{} {}", text("first_name"), text("name")),
            Friendly::Description => text("description"),
            Friendly::Link => object.class.clone(),
            Friendly::Attachment => format!("{} {}", text("item_class"), text("temp_id")),
        }
    }

    /// The value of any attribute as plain text, `None` when null: for conditions and placeholders.
    pub fn read(&self, object: &Object, attribute: &Attribute) -> Option<String> {
        let own = object.get(&attribute.code);
        match &attribute.kind {
            Kind::Key(_) | Kind::Item | Kind::Number => match own {
                Value::Null => None,
                value => Some(value.key().to_string()),
            },
            Kind::Via { key, attribute } => self.read_via(object, key, attribute),
            Kind::KeyName(key) => self.pointed(object, key).map(|target| self.friendly_name(target)),
            Kind::KeyClass(key) => self.pointed(object, key).map(|target| target.class.clone()),
            Kind::FinalClass => Some(object.class.clone()),
            Kind::FriendlyName => Some(self.friendly_name(object)),
            Kind::Operational => Some(operational(object.get("status").text()).into()),
            Kind::Timer => Some("0".into()),
            Kind::KeyObsolete => Some("0".into()),
            Kind::Date => match own {
                Value::Date(at) => Some(self.zone.print(*at)),
                _ => None,
            },
            Kind::Log => Some(own.log().iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>().join("\n")),
            Kind::File | Kind::Links | Kind::Set { .. } | Kind::Nothing => None,
            Kind::Complement => Some(format!("class restriction: {}", object.get("target_class").text())),
            Kind::Text | Kind::Lines | Kind::Html | Kind::Choice(_) | Kind::State | Kind::Codes => match own {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            },
        }
    }

    /// An attribute of what a key points at.
    pub fn read_via(&self, object: &Object, key: &str, code: &str) -> Option<String> {
        let target = self.pointed(object, key)?;
        match self.class(&target.class).attribute(code) {
            Some(attribute) => self.read(target, attribute),
            None if code == "id" => Some(target.id.to_string()),
            None => None,
        }
    }

    fn pointed(&self, object: &Object, key: &str) -> Option<&Object> {
        let Kind::Key(target) = &self.class(&object.class).attribute(key)?.kind else { return None };
        self.find(target, object.get(key).key())
    }
}

/// iTop's coarse state, derived from the fine one.
pub fn operational(status: &str) -> &'static str {
    match status {
        "resolved" | "implemented" | "monitored" => "resolved",
        "closed" => "closed",
        _ => "ongoing",
    }
}
