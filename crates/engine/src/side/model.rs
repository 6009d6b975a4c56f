//! The facts about one side's data model that show only in its answers: which attributes a class lacks, which texts are
//! HTML, and which are escaped once more when they are read.

use std::collections::{BTreeSet, HashMap};

/// The format of a text attribute; it differs between iTop's versions (`solution` is plain in 3.1 and HTML in 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    Html,
}

#[derive(Debug, Default)]
pub(crate) struct LearntModel {
    /// By class.
    missing: HashMap<String, BTreeSet<String>>,
    /// By class and attribute.
    formats: HashMap<(String, String), Format>,
    /// Attributes, by class and code, whose text is answered with every `&` escaped once more.
    escaped: BTreeSet<(String, String)>,
}

impl LearntModel {
    /// The attributes that the class is not known to lack.
    pub fn present(&self, class: &str, attributes: &BTreeSet<String>) -> BTreeSet<String> {
        match self.missing.get(class) {
            Some(missing) => attributes.difference(missing).cloned().collect(),
            None => attributes.clone(),
        }
    }

    pub fn has(&self, class: &str, code: &str) -> bool {
        !self.missing.get(class).is_some_and(|missing| missing.contains(code))
    }

    /// Returns whether this is news.
    pub fn lacks(&mut self, class: &str, code: &str) -> bool {
        self.missing.entry(class.to_owned()).or_default().insert(code.to_owned())
    }

    pub fn format(&self, class: &str, code: &str) -> Option<Format> {
        self.formats.get(&(class.to_owned(), code.to_owned())).copied()
    }

    pub fn learn_format(&mut self, class: &str, code: &str, format: Format) {
        self.formats.insert((class.to_owned(), code.to_owned()), format);
    }

    pub fn escapes_once_more(&self, class: &str, code: &str) -> bool {
        self.escaped.contains(&(class.to_owned(), code.to_owned()))
    }

    pub fn learn_escaping_once_more(&mut self, class: &str, code: &str) {
        self.escaped.insert((class.to_owned(), code.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_a_class_lacks_is_left_out_of_that_class_alone() {
        let asked: BTreeSet<String> = ["title", "urgency"].map(str::to_owned).into();
        let mut model = LearntModel::default();
        assert_eq!(model.present("NormalChange", &asked), asked);
        assert!(model.lacks("NormalChange", "urgency"));
        assert!(!model.lacks("NormalChange", "urgency"), "no news");
        assert_eq!(model.present("NormalChange", &asked), ["title".to_owned()].into());
        assert_eq!(model.present("Incident", &asked), asked);
        assert!(!model.has("NormalChange", "urgency") && model.has("Incident", "urgency"));
    }

    #[test]
    fn a_format_and_an_escaping_hold_for_one_attribute_of_one_class() {
        let mut model = LearntModel::default();
        model.learn_format("Incident", "solution", Format::Plain);
        model.learn_format("Incident", "solution", Format::Html);
        assert_eq!(model.format("Incident", "solution"), Some(Format::Html), "the last one");
        assert_eq!(model.format("UserRequest", "solution"), None);
        model.learn_escaping_once_more("Incident", "description");
        assert!(model.escapes_once_more("Incident", "description"));
        assert!(!model.escapes_once_more("Incident", "solution"));
    }
}
