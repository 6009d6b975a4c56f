//! The effects of an operator's `resume`.

use itop_bridge_core::plan::HaltKind;

/// The effect of `resume` on a pair that has halted, if the cause persists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterResume {
    /// The pair ends. `or_anew`: `--create` makes a new internal ticket instead.
    Ends {
        or_anew: bool,
    },
    GoesOnWithTheNewReference,
    DeletesTheCopies,
    /// The log counts as delivered, except for entries dated after the halt.
    TakesTheLogAsDelivered,
}

impl AfterResume {
    /// `None`: only a log has halted.
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
