//! The size at which an iTop refuses a call. No iTop tells its limits: the first file that is too large does.

use itop_bridge_store::{Instance, Result, Store};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

/// The store's name of what was met.
const CURSOR: &str = "refused_bytes";

/// A call that was refused for its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedSize {
    /// Of the smallest that the process met.
    pub bytes: u64,
    /// When that process last met one, ms since the epoch.
    pub at_ms: i64,
}

impl RefusedSize {
    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<Option<RefusedSize>> {
        Ok(store.cursor(of, CURSOR)?.as_deref().and_then(RefusedSize::from_text))
    }

    fn as_text(self) -> String {
        format!("{} {}", self.bytes, self.at_ms)
    }

    fn from_text(text: &str) -> Option<RefusedSize> {
        let (bytes, at_ms) = text.split_once(' ')?;
        Some(RefusedSize { bytes: bytes.parse().ok()?, at_ms: at_ms.parse().ok()? })
    }
}

impl Shared {
    /// A write was refused for its size: `check` shows it. A limit that was raised meanwhile is not met again, and
    /// the next process forgets the lower one with the first refusal of its own.
    pub(crate) async fn note_refused_size(&self, itop: &Itop) -> std::result::Result<(), Failure> {
        // None where it was the answer that was too large.
        let Some(bytes) = itop.client.refused_bytes() else { return Ok(()) };
        let (instance, refused) = (itop.instance.clone(), RefusedSize { bytes, at_ms: self.now_ms() });
        Ok(self.store.call(move |store| store.set_cursor(&instance, CURSOR, &refused.as_text())).await?)
    }
}
