//! Prints the story: numbered steps, their effects, and their cost.

use std::io::Write;

use super::stage::{ACME, CALL_MS, Cost, ELITERY, Stage};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

pub(super) struct Narrator<'o> {
    out: &'o mut dyn Write,
    colours: bool,
    steps: usize,
}

type Said = std::io::Result<()>;

impl<'o> Narrator<'o> {
    pub fn new(out: &'o mut dyn Write, colours: bool) -> Narrator<'o> {
        Narrator { out, colours, steps: 0 }
    }

    pub fn opening(&mut self, stage: &Stage) -> Said {
        self.heading("itop-bridge demo")?;
        self.line(&format!("{ACME:<8} iTop 3.1  {}  a customer's (external), simulated", stage.acme.base_url()))?;
        self.line(&format!(
            "{ELITERY:<8} iTop 3.2  {}  the provider's (internal), simulated",
            stage.elitery.base_url()
        ))?;
        self.line(&format!("bridge   the real one  {}  on {}", stage.bridge_url, stage.store_file.display()))?;
        self.line(&format!(
            "A call takes {CALL_MS} ms of the simulated iTops, as it does of real ones. The waits are shortened:"
        ))?;
        self.line(&format!(
            "a sweep every {} s (300 s), a deleted file gone after {} s (10 s; 150 s for the last one).",
            stage.sweep_ms / 1_000,
            stage.timing.file_missing_ms as f64 / 1_000.0,
        ))
    }

    pub fn heading(&mut self, text: &str) -> Said {
        let text = self.painted(BOLD, text);
        writeln!(self.out, "\n{text}")
    }

    /// The next action of a person.
    pub fn step(&mut self, text: &str) -> Said {
        self.steps += 1;
        let text = self.painted(BOLD, &format!("{:>2}. {text}", self.steps));
        writeln!(self.out, "\n{text}")
    }

    pub fn line(&mut self, text: &str) -> Said {
        writeln!(self.out, "    {text}")
    }

    /// The time until the effect showed, and all calls until the queue was empty.
    pub fn cost(&mut self, cost: &Cost) -> Said {
        let sweep = if cost.sweeps > 0 { "; a sweep came by" } else { "" };
        let text = format!(
            "{} ms, {}, {} ({ACME} {}, {ELITERY} {}), {}{sweep}",
            cost.ms,
            counted(cost.hooks, "webhook"),
            counted(cost.acme + cost.elitery, "call"),
            cost.acme,
            cost.elitery,
            counted(cost.writes, "write"),
        );
        let text = self.painted(DIM, &text);
        self.line(&text)
    }

    /// A line of the proof: whether it holds, and the subject of the comparison.
    pub fn verdict(&mut self, holds: bool, text: &str) -> Said {
        let word = if holds { self.painted(GREEN, "same    ") } else { self.painted(RED, "DIFFERS ") };
        self.line(&format!("{word} {text}"))
    }

    pub fn conclusion(&mut self, proven: bool, text: &str) -> Said {
        let text = self.painted(if proven { GREEN } else { RED }, text);
        writeln!(self.out, "\n{text}")
    }

    /// A command to copy: printed without indentation.
    pub fn command(&mut self, text: &str) -> Said {
        writeln!(self.out, "{text}")
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
