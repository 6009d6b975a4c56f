//! The size at which an iTop refuses a call. No iTop tells its limits: the first file that is too large shows them.

use itop_bridge_store::{Instance, Result, Store};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

/// The name of the store's cursor for it.
const CURSOR: &str = "refused_bytes";

/// A call that was refused for its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedSize {
    /// The size of the smallest refused call of the process.
    pub bytes: u64,
    /// When that process last had a call refused for its size, ms since the epoch.
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

/// Records that a write was refused for its size, for `check`. After a limit was raised it is not hit again, and
/// the next process replaces the lower value at its own first refusal.
pub(crate) async fn note_refused_size(shared: &Shared, itop: &Itop) -> std::result::Result<(), Failure> {
    // None if the answer was too large, not the call.
    let Some(bytes) = itop.client.refused_bytes() else { return Ok(()) };
    let (instance, refused) = (itop.instance.clone(), RefusedSize { bytes, at_ms: shared.now_ms() });
    Ok(shared.store.call(move |store| store.set_cursor(&instance, CURSOR, &refused.as_text())).await?)
}
