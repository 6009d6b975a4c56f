//! The attachments that a pass holds: memory for one file at a time, and the contents read so far, so that nothing is
//! downloaded twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_core::{FileContent, Side};
use itop_bridge_store::Claim;
use itop_client::{Memory, Reservation};
use tokio::sync::OwnedSemaphorePermit;

use crate::side::call::ReadContents;
use crate::side::failure::Failure;
use crate::side::lease::wait_under_lease;
use crate::{Lane, Shared};

/// A batch's place among those under way; freed when the last clone is dropped.
pub type Place = Arc<OwnedSemaphorePermit>;

pub struct FileBudget {
    /// Given up at the first file: files may take minutes, and the lane's other tickets must not wait for them.
    place: Option<Place>,
    memory: Option<Reservation>,
    /// The last original that was read and is yet to be sent.
    pub contents: Option<(Side, u64, ReadContents)>,
    /// The fingerprints of the originals that were read.
    pub read: BTreeMap<(Side, u64), FileContent>,
    /// The files made from inline images of logs, by the log's side and the mark's key: the list was read before and
    /// does not show them.
    pub images: BTreeMap<(Side, String), u64>,
}

impl FileBudget {
    pub fn nothing(place: Place) -> FileBudget {
        FileBudget { place: Some(place), memory: None, contents: None, read: BTreeMap::new(), images: BTreeMap::new() }
    }

    /// This pass's memory for one file, from the lane's share. It is reserved once and kept to the end of the pass: a
    /// pass that holds some never waits for more.
    pub async fn reserve(&mut self, shared: &Shared, lane: &Lane, claim: &mut Claim) -> Result<Reservation, Failure> {
        let memory = match &self.memory {
            Some(memory) => memory,
            None => {
                self.place = None;
                let bytes = Memory::needed_to_copy(lane.settings.sync.max_attachment_bytes);
                let reserve = lane.external.memory().reserve(bytes);
                self.memory.insert(wait_under_lease(shared, claim, reserve).await?)
            }
        };
        Ok(memory.clone())
    }

    /// The memory that was reserved, if any.
    pub fn memory(&self) -> Option<&Reservation> {
        self.memory.as_ref()
    }

    /// Remembers an original's fingerprint, and keeps its data if the copy differs.
    pub fn took(&mut self, side: Side, original: u64, read: ReadContents, copied: &FileContent) {
        let content = read.fingerprint();
        if content != *copied {
            self.contents = Some((side, original, read));
        }
        self.read.insert((side, original), content);
    }
}
