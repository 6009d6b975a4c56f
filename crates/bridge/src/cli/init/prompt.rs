//! How a person is asked. The questions know nothing of a terminal, so that they run without one.

/// The person wants to go back (Esc), and answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("left with Esc; nothing was written")]
pub struct Back;

/// Who is asked. Each question may end with [`Back`].
pub trait Prompt {
    /// A line of text; `default` is what an empty one means.
    fn text(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<String>;

    /// A line that is not shown.
    fn secret(&mut self, question: &str) -> anyhow::Result<String>;

    /// The place of the chosen one.
    fn choose(&mut self, question: &str, choices: &[String]) -> anyhow::Result<usize>;

    fn agree(&mut self, question: &str, default: bool) -> anyhow::Result<bool>;

    fn say(&mut self, text: &str) -> anyhow::Result<()>;
}

/// The terminal of the process.
pub struct Terminal;

impl Prompt for Terminal {
    fn text(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<String> {
        let text = inquire::Text::new(question);
        match default {
            Some(default) => answer(text.with_default(default).prompt()),
            None => answer(text.prompt()),
        }
    }

    fn secret(&mut self, question: &str) -> anyhow::Result<String> {
        let question = inquire::Password::new(question).without_confirmation();
        answer(question.with_display_mode(inquire::PasswordDisplayMode::Masked).prompt())
    }

    fn choose(&mut self, question: &str, choices: &[String]) -> anyhow::Result<usize> {
        Ok(answer(inquire::Select::new(question, choices.to_vec()).raw_prompt())?.index)
    }

    fn agree(&mut self, question: &str, default: bool) -> anyhow::Result<bool> {
        answer(inquire::Confirm::new(question).with_default(default).prompt())
    }

    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes())?)
    }
}

fn answer<T>(answer: Result<T, inquire::InquireError>) -> anyhow::Result<T> {
    answer.map_err(|error| match error {
        inquire::InquireError::OperationCanceled => Back.into(),
        error => error.into(),
    })
}
