//! Identifies the caller by its key.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use axum::http::{HeaderMap, header};
use itop_bridge_core::Side;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answer::Refusal;
use crate::config::{Config, SideConfig, first_line, is_sendable};

/// The owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Internal {
        name: String,
    },
    External {
        name: String,
    },
    /// With one external, both sides may share a key: then the route decides.
    Both {
        external: String,
    },
}

impl Owner {
    /// The external that the key may speak for.
    pub fn external(&self) -> Option<&str> {
        match self {
            Owner::External { name } | Owner::Both { external: name } => Some(name),
            Owner::Internal { .. } => None,
        }
    }

    pub fn is_internal(&self) -> bool {
        matches!(self, Owner::Internal { .. } | Owner::Both { .. })
    }

    /// The owner after a second side has claimed the same key.
    fn and(self, other: Owner) -> Owner {
        match (self, other) {
            (Owner::Internal { .. }, Owner::External { name }) | (Owner::External { name }, Owner::Internal { .. }) => {
                Owner::Both { external: name }
            }
            (first, _) => first,
        }
    }
}

/// The last use of a key since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub owner: Owner,
    pub last_ms: Option<i64>,
}

/// The keys of all sides. Only their hashes are kept: they have equal length, so that the time of a comparison
/// reveals nothing about the key, not even its length, and no dump of this table's memory contains one.
pub struct KeyTable {
    entries: RwLock<Vec<Entry>>,
    files: Vec<KeyFile>,
    /// When the files were last reread.
    read_ms: AtomicI64,
}

/// A file that keys were read from.
struct KeyFile {
    owner: Owner,
    /// Its side's section, dotted.
    section: String,
    path: PathBuf,
}

/// A side's section and the keys that one of its files now holds.
pub type NewKeys = (String, Vec<SecretString>);

/// However many wrong keys come, the files are reread at most once in this time.
const READ_EACH_MS: i64 = 1_000;

struct Entry {
    hash: [u8; 32],
    owner: Owner,
    /// 0: never.
    last_ms: AtomicI64,
}

impl KeyTable {
    pub fn new(config: &Config) -> KeyTable {
        let mut table = KeyTable { entries: RwLock::default(), files: Vec::new(), read_ms: AtomicI64::new(i64::MIN) };
        table.add_side(config, &config.internal, Owner::Internal { name: config.internal.name.clone() });
        for external in &config.externals {
            table.add_side(config, &external.side, Owner::External { name: external.name().to_owned() });
        }
        table
    }

    fn add_side(&mut self, config: &Config, side: &SideConfig, owner: Owner) {
        self.add(&side.api_keys, &owner);
        let section = config.section(&side.name);
        let origin = config.origins.get(&format!("{section}.api_key_files"));
        for path in origin.into_iter().flat_map(|origin| &origin.read) {
            self.files.push(KeyFile { owner: owner.clone(), section: section.clone(), path: path.clone() });
        }
    }

    fn add(&self, keys: &[SecretString], owner: &Owner) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let hash = hash(key.expose_secret().as_bytes());
            match entries.iter_mut().find(|entry| entry.hash == hash) {
                Some(known) => known.owner = known.owner.clone().and(owner.clone()),
                None => entries.push(Entry { hash, owner: owner.clone(), last_ms: AtomicI64::new(0) }),
            }
        }
    }

    fn entries(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key was refused, but may have been written into a file since. Adds the keys that the files now hold and
    /// returns the new ones. A key removed from a file stays valid until the next start.
    pub(super) fn read_files_again(&self, now_ms: i64) -> Vec<NewKeys> {
        let read_ms = self.read_ms.load(Ordering::Relaxed);
        let is_early = (read_ms..read_ms.saturating_add(READ_EACH_MS)).contains(&now_ms);
        if self.files.is_empty() || is_early {
            return Vec::new();
        }
        self.read_ms.store(now_ms, Ordering::Relaxed);
        let mut new = Vec::new();
        for file in &self.files {
            let Ok(text) = std::fs::read_to_string(&file.path) else { continue };
            let Some(key) = first_line(&text).filter(|key| is_sendable(key)) else { continue };
            let of_key = hash(key.as_bytes());
            // A key that another side already has stays that side's.
            if self.entries().iter().any(|entry| entry.hash == of_key) {
                continue;
            }
            let keys = vec![SecretString::from(key.to_owned())];
            self.add(&keys, &file.owner);
            tracing::info!(file = %file.path.display(), "a key file holds another key now, which is accepted too");
            new.push((file.section.clone(), keys));
        }
        new
    }

    /// The owner of the request's key, or why it is refused.
    pub(super) fn owner(&self, headers: &HeaderMap, now_ms: i64) -> Result<Owner, Refusal> {
        let key = key_of(headers).ok_or(Refusal::MissingApiKey)?;
        let hash = hash(key);
        let entries = self.entries();
        // All entries are compared even after a match: the time must not reveal how much of the key is right.
        let mut found = None;
        for entry in &*entries {
            if bool::from(entry.hash.ct_eq(&hash)) {
                found = Some(entry);
            }
        }
        let entry = found.ok_or(Refusal::InvalidApiKey)?;
        entry.last_ms.store(now_ms, Ordering::Relaxed);
        Ok(entry.owner.clone())
    }

    /// Every key's last use, in the order of the configuration.
    pub fn uses(&self) -> Vec<KeyUse> {
        let last = |entry: &Entry| Some(entry.last_ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0);
        self.entries().iter().map(|entry| KeyUse { owner: entry.owner.clone(), last_ms: last(entry) }).collect()
    }
}

/// Refuses a key on the other side's route.
pub(super) fn fits(owner: &Owner, route: Side) -> Result<(), Refusal> {
    let fits = match route {
        Side::External => owner.external().is_some(),
        Side::Internal => owner.is_internal(),
    };
    if fits { Ok(()) } else { Err(Refusal::WrongSide(route)) }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// An empty header counts as none: a proxy may add one, or a client whose variable is not set.
fn key_of(headers: &HeaderMap) -> Option<&[u8]> {
    let said = |key: &&[u8]| !key.is_empty();
    let plain = headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()).filter(said);
    let bearer = || {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, key) = value.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(key)
    };
    plain.or_else(|| bearer().map(<[u8]>::trim_ascii).filter(said))
}
