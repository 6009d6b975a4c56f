//! How much of a text an iTop takes. Its checks count characters, its columns hold bytes, and `utf8mb3` tables lack the
//! characters beyond the basic plane. The usual limits are known; those of a changed data model or an old database are
//! learnt from the first refusal and kept in the store.

use std::collections::BTreeMap;

use itop_bridge_store::{Instance, Store, StoreError};
use itop_bridge_text::room::{Room, What};
use serde::{Deserialize, Serialize};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

/// The name of the store's cursor for the learnt limits.
const CURSOR: &str = "room";

/// Learning it again costs one refused call.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// The learnt limits of a side's attributes, by class and code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearntRoom(BTreeMap<String, Learnt>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Learnt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chars: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    basic_plane_only: bool,
    /// When the limit was last hit.
    at_ms: i64,
}

impl LearntRoom {
    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<LearntRoom, StoreError> {
        // A limit stored by an older or newer version is learnt again.
        Ok(store.cursor(of, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    pub fn of(&self, class: &str, code: &str) -> Room {
        let learnt = self.0.get(&name(class, code)).copied().unwrap_or_default();
        let usual = Room::default();
        Room {
            chars: learnt.chars.unwrap_or(usual.chars),
            bytes: learnt.bytes.unwrap_or(usual.bytes),
            basic_plane_only: learnt.basic_plane_only,
        }
    }

    fn learn(&mut self, class: &str, code: &str, what: What, now_ms: i64) {
        let learnt = self.0.entry(name(class, code)).or_default();
        learnt.at_ms = now_ms;
        match what {
            What::Chars(limit) => learnt.chars = Some(limit),
            What::Bytes(limit) => learnt.bytes = Some(limit),
            What::BasicPlaneOnly => learnt.basic_plane_only = true,
        }
    }

    /// A limit may have been raised or a database converted since: old limits are dropped and tried again.
    fn forget_before(&mut self, ms: i64) {
        self.0.retain(|_, learnt| learnt.at_ms >= ms);
    }

    /// The attributes that hold less than usual, for the operator.
    pub fn smaller(&self) -> Vec<String> {
        let told = self.0.iter().filter_map(|(name, learnt)| match (learnt.chars, learnt.bytes) {
            (None, None) => None,
            (Some(chars), _) => Some(format!("{name} takes {chars} characters")),
            (None, Some(bytes)) => Some(format!("{name} takes no more than about {bytes} bytes")),
        });
        told.collect()
    }

    /// The attributes that hold only the basic plane.
    pub fn without_wide_characters(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, learnt)| learnt.basic_plane_only).map(|(name, _)| name.as_str()).collect()
    }
}

fn name(class: &str, code: &str) -> String {
    format!("{class}.{code}")
}

pub(crate) async fn learn_room(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    code: &str,
    what: What,
) -> std::result::Result<(), Failure> {
    let now = shared.now_ms();
    let learnt = {
        let mut room = itop.learnt_room();
        room.learn(class, code, what, now);
        room.clone()
    };
    let side = &itop.name;
    match what {
        What::Chars(limit) => {
            tracing::warn!(itop = %side, class, code, limit, "this attribute takes fewer characters than is usual; longer texts are cut, and cross whole as files");
        }
        What::Bytes(limit) => {
            tracing::warn!(itop = %side, class, code, limit, "this attribute takes fewer bytes than is usual; longer texts are cut, and cross whole as files");
        }
        What::BasicPlaneOnly => {
            tracing::warn!(itop = %side, class, code, "this iTop's database (utf8mb3) does not have every character, such as emoji; they become `?` there");
        }
    }
    let (instance, text) = (itop.instance.clone(), serde_json::to_string(&learnt).unwrap_or_default());
    Ok(shared.store.call(move |store| store.set_cursor(&instance, CURSOR, &text)).await?)
}

/// Loads the limits that an earlier process learnt.
pub(crate) async fn remember_room(shared: &Shared) -> std::result::Result<(), Failure> {
    for itop in shared.itops() {
        let instance = itop.instance.clone();
        let kept = shared.store.call(move |store| LearntRoom::kept(store, &instance)).await?;
        *itop.learnt_room() = kept;
    }
    forget_old_room(shared);
    Ok(())
}

pub(crate) fn forget_old_room(shared: &Shared) {
    let before = shared.now_ms() - KEPT_MS;
    for itop in shared.itops() {
        itop.learnt_room().forget_before(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_is_read_again() {
        let mut learnt = LearntRoom::default();
        learnt.learn("UserRequest", "description", What::Chars(300), 7);
        learnt.learn("UserRequest", "title", What::BasicPlaneOnly, 8);
        let read: LearntRoom = serde_json::from_str(&serde_json::to_string(&learnt).unwrap()).unwrap();
        assert_eq!(
            (read.of("UserRequest", "description").chars, read.of("Incident", "description").chars),
            (300, 65_535)
        );
        assert_eq!((read.without_wide_characters(), read.smaller().len()), (vec!["UserRequest.title"], 1));
        learnt.forget_before(8);
        assert_eq!((learnt.without_wide_characters().len(), learnt.smaller().len()), (1, 0));
    }
}
