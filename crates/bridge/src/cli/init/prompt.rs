//! How a person is asked. The questions know nothing of a terminal, so that they run without one.

/// The person wants to go back (Esc), and answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("left with Esc; nothing was written")]
pub struct Back;

/// Who is asked. Each question may end with [`Back`].
pub trait Prompt {
    /// A line of text; `default` stands there already, to be taken or corrected.
    fn text(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<String>;

    /// A line that is not shown.
    fn secret(&mut self, question: &str) -> anyhow::Result<String>;

    /// The place of the chosen one.
    fn choose(&mut self, question: &str, choices: &[String]) -> anyhow::Result<usize>;

    fn agree(&mut self, question: &str, default: bool) -> anyhow::Result<bool>;

    fn say(&mut self, text: &str) -> anyhow::Result<()>;
}

/// A line is not longer where it can be broken between words: every terminal has so many columns.
const WIDTH: usize = 80;

/// The terminal of the process.
pub struct Terminal;

impl Prompt for Terminal {
    fn text(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<String> {
        let text = inquire::Text::new(question);
        match default {
            Some(default) => answer(text.with_initial_value(default).prompt()),
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
        Ok(std::io::Write::write_all(&mut std::io::stderr(), format!("{}\n", wrapped(text)).as_bytes())?)
    }
}

fn answer<T>(answer: Result<T, inquire::InquireError>) -> anyhow::Result<T> {
    answer.map_err(|error| match error {
        inquire::InquireError::OperationCanceled => Back.into(),
        inquire::InquireError::OperationInterrupted => anyhow::anyhow!("left with Ctrl-C; nothing was written"),
        error => error.into(),
    })
}

fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words() {
        let (word, long) = ("sixteen-letters1", "x".repeat(90));
        let line = [word; 4].join(" ");
        assert_eq!(wrapped(&[word; 9].join(" ")), format!("{line}\n{line}\n{word}"));
        assert_eq!(wrapped(&format!("see {long} there")), format!("see\n{long}\nthere"));
        assert_eq!(wrapped("asking acme…"), "asking acme…");
    }
}
