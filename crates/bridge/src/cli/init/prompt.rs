//! The interface for asking a person. The questions know nothing of a terminal, so that they run without one.

/// The person wants to go back (Esc), and answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("left with Esc; nothing was written")]
pub struct Back;

/// The person who is asked. Each question may end with [`Back`].
pub trait Prompt {
    /// A line of text. `offered` is the answer if nothing is typed; `refused`, the last answer, can be corrected.
    fn text(&mut self, question: &str, offered: Option<&str>, refused: Option<&str>) -> anyhow::Result<String>;

    /// A hidden line.
    fn secret(&mut self, question: &str) -> anyhow::Result<String>;

    /// The index of the choice; the cursor begins at `offered`.
    fn choose(&mut self, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize>;

    fn agree(&mut self, question: &str, offered: bool) -> anyhow::Result<bool>;

    fn say(&mut self, text: &str) -> anyhow::Result<()>;
}
