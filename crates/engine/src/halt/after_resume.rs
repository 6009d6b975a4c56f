//! What an operator's `resume` will do.

use itop_bridge_core::plan::HaltKind;

/// What `resume` does to a pair that has halted so, where the cause still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterResume {
    /// The pair ends. `or_anew`: with `--create` a new internal ticket is made instead.
    Ends {
        or_anew: bool,
    },
    GoesOnWithTheNewReference,
    DeletesTheCopies,
    /// A log counts as delivered, but for what is dated after the halt.
    TakesTheLogAsDelivered,
}

impl AfterResume {
    /// `None`: a log alone has halted.
    pub fn of(halted: Option<HaltKind>) -> AfterResume {
        match halted {
            Some(HaltKind::InternalVanished | HaltKind::InternalReferenceChanged) => {
                AfterResume::Ends { or_anew: true }
            }
            Some(HaltKind::ExternalVanished) => AfterResume::Ends { or_anew: false },
            Some(HaltKind::ExternalReferenceChanged) => AfterResume::GoesOnWithTheNewReference,
            Some(HaltKind::FilesGone) => AfterResume::DeletesTheCopies,
            None => AfterResume::TakesTheLogAsDelivered,
        }
    }
}
