//! A budget of bytes for file contents, shared by all clients of a process.
//!
//! A call that reads or writes contents waits until its size fits into the budget. A caller that holds contents from
//! the read until it has written them elsewhere reserves once for the whole copy ([`Memory::reserve`]) and makes its
//! calls [`within`](crate::Client::within) that reservation.
//!
//! *Caveat:* a task must hold at most one reservation while it waits for another call with contents that is not
//! within it, else two such tasks can wait for each other.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget is counted in units of 1 KiB, since a semaphore's permits are requested as `u32`.
const UNIT_BYTES: u64 = 1024;

/// Peak of a read as a multiple of the base64 text's length: PHP writes each `/` as `\/`, so that
/// the answer can be twice the text, and one exact copy without the backslashes is made of it.
pub(crate) const READ_PEAK: u64 = 3;

/// A clone is the same budget.
#[derive(Clone)]
pub struct Memory {
    units: Arc<Semaphore>,
    total_units: u32,
}

/// A part of the budget; given back when the last clone is dropped.
#[derive(Clone)]
pub struct Reservation {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Memory {
    pub fn new(total_bytes: u64) -> Memory {
        let total_units = to_units(total_bytes).max(1);
        Memory { units: Arc::new(Semaphore::new(total_units as usize)), total_units }
    }

    /// Waits for `bytes`. A request larger than the whole budget gets the whole budget: it must get through at some
    /// time, alone.
    pub async fn reserve(&self, bytes: u64) -> Reservation {
        let units = to_units(bytes).min(self.total_units);
        let permit =
            Arc::clone(&self.units).acquire_many_owned(units).await.expect("the budget's semaphore is never closed");
        Reservation { _permit: Arc::new(permit) }
    }

    /// The memory for a task that reads a file of `file_bytes` and holds it until it is written.
    pub fn needed_to_copy(file_bytes: u64) -> u64 {
        READ_PEAK * crate::base64_len(file_bytes)
    }

    pub fn free_bytes(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT_BYTES
    }
}

fn to_units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES))
        .unwrap_or(u32::MAX)
        .min(Semaphore::MAX_PERMITS.min(u32::MAX as usize) as u32)
}

/// 256 MiB: one copy of a file of 32 MiB and some small ones at the same time.
impl Default for Memory {
    fn default() -> Memory {
        Memory::new(256 << 20)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes free)", self.free_bytes())
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reservation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_full_budget_waits_and_a_giant_gets_all_of_it() {
        let memory = Memory::new(10 * UNIT_BYTES);
        let small = memory.reserve(UNIT_BYTES).await;
        assert_eq!(memory.free_bytes(), 9 * UNIT_BYTES);
        assert!(memory.reserve(u64::MAX).now_or_never().is_none());
        drop(small);
        let _giant = memory.reserve(u64::MAX).await;
        assert_eq!(memory.free_bytes(), 0);
    }
}
