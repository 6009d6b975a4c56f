//! The process's terminal. Lines, including yes or no, are edited by rustyline, with the keys of a shell (Ctrl-U,
//! Ctrl-W, Ctrl-A); lists are inquire's.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::Completer;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{
    Behavior, Cmd, ColorMode, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler, Helper,
    KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::prompt::{Back, Prompt};

/// Longer lines are broken between words: every terminal has this many columns.
const WIDTH: usize = 80;

/// Milliseconds after which an Esc is the key itself, and not the beginning of an arrow key's sequence.
const ESC_ALONE_MS: u16 = 50;

/// Terminals on which rustyline does not edit a line, and so cannot hide it.
const WITHOUT_EDITING: [&str; 3] = ["dumb", "cons25", "emacs"];

/// The keys of a list. They lack some of a shell's: inquire takes a letter with Ctrl for the letter.
const LIST_KEYS: &str =
    "↑ ↓ move, Enter chooses, letters narrow the list, Backspace takes one back, Esc a question back";

/// The terminal of the process.
pub struct Terminal;

impl Prompt for Terminal {
    fn text(&mut self, question: &str, offered: Option<&str>, refused: Option<&str>) -> anyhow::Result<String> {
        let prompt = match offered {
            Some(offered) => format!("? {question} [{offered}] "),
            None => format!("? {question} "),
        };
        let typed = Line::new(false)?.read(&prompt, refused.or(offered))?;
        Ok(if typed.is_empty() { offered.unwrap_or_default().to_owned() } else { typed })
    }

    fn secret(&mut self, question: &str) -> anyhow::Result<String> {
        let terminal = std::env::var("TERM").unwrap_or_default();
        if WITHOUT_EDITING.iter().any(|known| known.eq_ignore_ascii_case(&terminal)) {
            let question = inquire::Password::new(question).without_confirmation();
            return answer(question.with_display_mode(inquire::PasswordDisplayMode::Masked).prompt());
        }
        Line::new(true)?.read(&format!("? {question} "), None)
    }

    fn choose(&mut self, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize> {
        let select = inquire::Select::new(question, choices.to_vec()).with_starting_cursor(offered);
        let select = select.with_help_message(LIST_KEYS);
        Ok(answer(select.raw_prompt())?.index)
    }

    fn agree(&mut self, question: &str, offered: bool) -> anyhow::Result<bool> {
        let prompt = format!("? {question} ({}) ", if offered { "Y/n" } else { "y/N" });
        loop {
            match Line::new(false)?.read(&prompt, None)?.trim().to_lowercase().as_str() {
                "" => return Ok(offered),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("write y or n")?,
            }
        }
    }

    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(std::io::Write::write_all(&mut std::io::stderr(), format!("{}\n", wrapped(text)).as_bytes())?)
    }
}

fn answer<T>(answer: Result<T, inquire::InquireError>) -> anyhow::Result<T> {
    answer.map_err(|error| match error {
        inquire::InquireError::OperationCanceled => Back.into(),
        inquire::InquireError::OperationInterrupted => left(),
        error => error.into(),
    })
}

fn left() -> anyhow::Error {
    anyhow::anyhow!("left with Ctrl-C; nothing was written")
}

/// One edited line. Each question gets a new one: text deleted from a password must not come back in the next answer.
struct Line {
    editor: Editor<Mask, MemHistory>,
    is_back: Arc<AtomicBool>,
}

impl Line {
    fn new(is_secret: bool) -> anyhow::Result<Line> {
        // Standard output is for the command's result. Without bracketed paste, a pasted line break ends the line
        // like a typed one.
        let config = Config::builder().behavior(Behavior::PreferTerm).bracketed_paste(false).build();
        let mut editor = Editor::with_history(config, MemHistory::new())?;
        editor.set_keyseq_timeout(Some(ESC_ALONE_MS));
        editor.set_auto_add_history(false);
        if is_secret {
            // Without colours rustyline would not call the mask.
            editor.set_color_mode(ColorMode::Forced);
        }
        editor.set_helper(Some(Mask { is_secret }));
        let is_back = Arc::new(AtomicBool::new(false));
        let esc = Event::from(KeyEvent(KeyCode::Esc, Modifiers::NONE));
        editor.bind_sequence(esc, EventHandler::Conditional(Box::new(Esc(is_back.clone()))));
        Ok(Line { editor, is_back })
    }

    /// The arrow up brings in `correctable`.
    fn read(&mut self, prompt: &str, correctable: Option<&str>) -> anyhow::Result<String> {
        if let Some(correctable) = correctable {
            self.editor.add_history_entry(correctable)?;
        }
        match self.editor.readline(prompt) {
            Ok(line) => Ok(line),
            Err(ReadlineError::Interrupted) if self.is_back.load(Ordering::Relaxed) => Err(Back.into()),
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => Err(left()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Ends the line, and records that Esc ended it.
struct Esc(Arc<AtomicBool>);

impl ConditionalEventHandler for Esc {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::Interrupt)
    }
}

/// Shows a star per character of a secret.
struct Mask {
    is_secret: bool,
}

impl Highlighter for Mask {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.is_secret { Cow::Owned("*".repeat(line.chars().count())) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.is_secret && !matches!(kind, CmdKind::MoveCursor)
    }
}

impl Completer for Mask {
    type Candidate = String;
}

impl Hinter for Mask {
    type Hint = String;
}

impl Validator for Mask {}

impl Helper for Mask {}

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
