//! What an operator sees and hears of the bridge.

pub(crate) mod alerts;
pub(crate) mod health;
pub(crate) mod measure;
pub(crate) mod preview;
pub(crate) mod stops;
pub(crate) mod told;
