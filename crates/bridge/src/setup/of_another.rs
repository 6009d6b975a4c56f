//! Webhooks that `setup` made for another side of the configuration. They are never taken for this side's.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{Installed, Wanted};

/// An object that `setup` made in this iTop for another side of the configuration: the two sides are one iTop, at two
/// addresses, or their keys were exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfAnother {
    pub side: String,
    pub action: String,
}

impl fmt::Display for OfAnother {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OfAnother { side, action } = self;
        write!(out, "the action \"{action}\", which setup made there, carries a key of {side}")
    }
}

impl OfAnother {
    /// The fix, for the side whose iTop was read.
    pub fn fix(&self, side: &str) -> String {
        let other = &self.side;
        format!(
            "each iTop is one side of the bridge: if {side} and {other} are one iTop, take one of the two sections out of the \
             configuration; if they are two, their keys were exchanged: exchange `api_keys` back"
        )
    }

    /// The first such object, if there is one.
    pub fn among(installed: &Installed, wanted: &Wanted) -> Option<OfAnother> {
        let made = installed.actions.iter().filter(|action| wanted.owns(&action.name));
        let mut keys = made.flat_map(|action| action.keys().map(move |key| (action, key)));
        keys.find_map(|(action, key)| {
            let has = |keys: &[SecretString]| keys.iter().any(|known| known.expose_secret() == key);
            let (side, _) = wanted.others.iter().find(|(_, keys)| has(keys) && !has(&wanted.keys))?;
            Some(OfAnother { side: side.clone(), action: action.name.clone() })
        })
    }
}
