//! The attachments that a pass holds: memory for one file at a time, and the contents read so far, so that nothing is
//! downloaded twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_core::{FileContent, Side};
use itop_bridge_store::Claim;
use itop_client::{Client, Memory, Reservation};
use tokio::sync::OwnedSemaphorePermit;

use crate::pass::lease::keep_lease;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read::ReadContents;
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

    /// A client whose calls share this pass's memory, from the lane's share. The memory is reserved once and kept to
    /// the end of the pass: a pass that holds some never waits for more.
    pub async fn client(
        &mut self,
        shared: &Shared,
        lane: &Lane,
        itop: &Itop,
        claim: &mut Claim,
    ) -> Result<Client, Failure> {
        let memory = match &self.memory {
            Some(memory) => memory,
            None => {
                self.place = None;
                let bytes = Memory::needed_to_copy(lane.settings.sync.max_attachment_bytes);
                let reserve = lane.external.client.memory().reserve(bytes);
                self.memory.insert(keep_lease(shared, claim, reserve).await?)
            }
        };
        Ok(itop.client.within(memory))
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
