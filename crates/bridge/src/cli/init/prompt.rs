//! How a person is asked. The questions know nothing of a terminal, so that they run without one.

/// The person wants to go back (Esc), and answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("left with Esc; nothing was written")]
pub struct Back;

/// Who is asked. Each question may end with [`Back`].
pub trait Prompt {
    /// A line of text. What is `offered` is the answer where nothing was typed.
    fn text(&mut self, question: &str, offered: Option<&str>) -> anyhow::Result<String>;

    /// A line that is not shown.
    fn secret(&mut self, question: &str) -> anyhow::Result<String>;

    /// The place of the chosen one; the cursor begins at `offered`.
    fn choose(&mut self, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize>;

    fn agree(&mut self, question: &str, offered: bool) -> anyhow::Result<bool>;

    fn say(&mut self, text: &str) -> anyhow::Result<()>;
}
