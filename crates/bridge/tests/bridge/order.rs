//! The order, the number and the loss of webhooks do not matter.
