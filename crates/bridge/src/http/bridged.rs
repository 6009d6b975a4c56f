//! The bridged classes, so that hooks of other objects never reach the store.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;

pub struct Bridged {
    /// Maps an external's name to its classes.
    externals: BTreeMap<String, BTreeSet<String>>,
    /// The classes of counterparts, for all externals together: an internal hook does not say which external its
    /// ticket belongs to.
    internal: BTreeSet<String>,
}

impl Bridged {
    pub fn new(config: &Config) -> Bridged {
        let mut bridged = Bridged { externals: BTreeMap::new(), internal: BTreeSet::new() };
        for external in &config.externals {
            let classes = &external.sync.classes;
            bridged.externals.insert(external.name().to_owned(), classes.keys().cloned().collect());
            bridged.internal.extend(classes.values().cloned());
        }
        bridged
    }

    pub fn external(&self, name: &str, class: &str) -> bool {
        self.externals.get(name).is_some_and(|classes| classes.contains(class))
    }

    pub fn internal(&self, class: &str) -> bool {
        self.internal.contains(class)
    }
}
