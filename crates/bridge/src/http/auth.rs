//! Who calls: the key says it.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderMap, header};
use itop_bridge_core::Side;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answer::Refusal;
use crate::config::Config;

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Internal {
        name: String,
    },
    External {
        name: String,
    },
    /// With one external both sides may share a key: then the routes decide.
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

    /// What a second side adds to a key's owner.
    fn and(self, other: Owner) -> Owner {
        match (self, other) {
            (Owner::Internal { .. }, Owner::External { name }) | (Owner::External { name }, Owner::Internal { .. }) => {
                Owner::Both { external: name }
            }
            (first, _) => first,
        }
    }
}

/// When a key was last used, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub owner: Owner,
    pub last_ms: Option<i64>,
}

/// The keys of all sides. Only their hashes are kept: they have one length, so that a comparison's
/// time says nothing of the key, its length included, and no dump of this table's memory holds one.
pub struct KeyTable(Vec<Entry>);

struct Entry {
    hash: [u8; 32],
    owner: Owner,
    /// 0: never.
    last_ms: AtomicI64,
}

impl KeyTable {
    pub fn new(config: &Config) -> KeyTable {
        let mut table = KeyTable(Vec::new());
        table.add(&config.internal.api_keys, &Owner::Internal { name: config.internal.name.clone() });
        for external in &config.externals {
            table.add(&external.side.api_keys, &Owner::External { name: external.name().to_owned() });
        }
        table
    }

    fn add(&mut self, keys: &[SecretString], owner: &Owner) {
        for key in keys {
            let hash = hash(key.expose_secret().as_bytes());
            match self.0.iter_mut().find(|entry| entry.hash == hash) {
                Some(known) => known.owner = known.owner.clone().and(owner.clone()),
                None => self.0.push(Entry { hash, owner: owner.clone(), last_ms: AtomicI64::new(0) }),
            }
        }
    }

    /// Whose key the request carries, or why it is refused.
    pub(super) fn owner(&self, headers: &HeaderMap, now_ms: i64) -> Result<&Owner, Refusal> {
        let key = key_of(headers).ok_or(Refusal::MissingApiKey)?;
        let hash = hash(key);
        // All entries are compared, found or not: the time must not say how far the key is right.
        let mut found = None;
        for entry in &self.0 {
            if bool::from(entry.hash.ct_eq(&hash)) {
                found = Some(entry);
            }
        }
        let entry = found.ok_or(Refusal::InvalidApiKey)?;
        entry.last_ms.store(now_ms, Ordering::Relaxed);
        Ok(&entry.owner)
    }

    /// Every key's last use, in the order of the configuration.
    pub fn uses(&self) -> Vec<KeyUse> {
        let last = |entry: &Entry| Some(entry.last_ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0);
        self.0.iter().map(|entry| KeyUse { owner: entry.owner.clone(), last_ms: last(entry) }).collect()
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
