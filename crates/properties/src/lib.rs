//! What must hold of anything that comes in from outside, one function an entrance: each takes any bytes and
//! panics where its law does not hold. `fuzz/` looks for bytes that break one; the test of this crate replays
//! what was found and what real iTops sent.

mod answer;
mod case_log;
mod html_laws;
mod payload_laws;

pub use answer::answer;
pub use case_log::case_log;
pub use html_laws::html;
pub use payload_laws::payload;

/// A law, by the name of its fuzz target and of the folder with its corpus.
pub type Law = (&'static str, fn(&[u8]));

/// All of them.
pub const LAWS: [Law; 4] =
    [("answer", answer), ("case_log", case_log), ("html", html_laws::html), ("payload", payload)];
