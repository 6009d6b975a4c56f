//! The progress of long work, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the spinner turns, which shows that work of unknown length has not stalled.
const TURN: Duration = Duration::from_millis(120);

/// A bar on standard error; nothing if that is not a terminal.
pub struct Bar {
    bar: ProgressBar,
    what: String,
}

impl Bar {
    /// A bar that counts `what`. Nothing is shown before there is something to report.
    pub fn new(what: &str) -> Bar {
        Bar { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()), what: what.to_owned() }
    }

    /// A bar that shows nothing.
    pub fn hidden() -> Bar {
        Bar { bar: ProgressBar::hidden(), what: String::new() }
    }

    /// Shows what is being searched for while the total is unknown.
    pub fn look(&self, what: &str) {
        if self.bar.is_finished() {
            self.bar.reset();
        }
        self.style("{spinner} {msg}");
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(TURN);
    }

    pub fn tell(&self, done: usize, all: usize) {
        if self.bar.is_finished() || self.bar.length().is_none() {
            self.bar.disable_steady_tick();
            self.bar.reset();
            self.style("{bar:30} {pos}/{len} {msg}  {per_sec}, {eta} left");
            self.bar.set_message(self.what.clone());
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
    }

    pub fn end(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_counted_while_nobody_knows_how_much_there_is() {
        let bar = Bar { bar: ProgressBar::hidden(), what: "marked".to_owned() };
        let shown = || (bar.bar.message(), bar.bar.length(), bar.bar.position());
        assert_eq!(shown(), (String::new(), None, 0));
        bar.look("looking for tickets… (Incident)");
        assert_eq!(shown(), ("looking for tickets… (Incident)".to_owned(), None, 0));
        bar.end();
        bar.tell(3, 4);
        assert_eq!(shown(), ("marked".to_owned(), Some(4), 3));
        assert!(!bar.bar.is_finished());
        bar.end();
    }
}
