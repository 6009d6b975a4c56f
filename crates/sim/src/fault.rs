//! What can go wrong with a call, and when. A fault is chosen before the call runs.

use std::time::Duration;

use crate::call::Call;

/// Whether the call's effect happens before its answer is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The call does nothing.
    None,
    /// The call is carried out, hooks and all.
    Committed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No connection is made: surely without effect.
    Refuse,
    /// Another HTTP status, with a proxy's HTML page.
    Status(u16, Effect),
    /// What stands before iTop answers in its place: a firewall's 403, a redirect to its page, 429. The header is
    /// its `Location` or its `Retry-After`.
    Proxy { status: u16, header: Option<(&'static str, String)>, effect: Effect },
    /// A page instead of JSON, with status 200: a captive proxy, a PHP fatal error.
    Page(String, Effect),
    /// Text that PHP prints in front of a good answer.
    Warning(String),
    /// The connection ends after this many bytes of the answer's body.
    Cut { after_bytes: usize, effect: Effect },
    /// No answer ever comes.
    Hang(Effect),
    /// No answer comes, and the effect happens so much later, whoever has gone meanwhile.
    LandLate(Duration),
    /// iTop's own answer with a code and a message, without effect.
    Answer { code: i64, message: String },
    /// Another transaction is in the way, and the database rolls this call back: without effect, and told in the words
    /// of that call's operation.
    Deadlock,
    /// Answered ok, but what the call appended to case logs is lost to another writer that was
    /// faster: measured on real iTops.
    LoseLogEntries,
}

impl Fault {
    /// Code 100 with a text: any PHP exception.
    pub fn error(message: &str) -> Self {
        Self::Answer { code: 100, message: message.into() }
    }

    /// A firewall keeps the call from iTop.
    pub fn barred(status: u16) -> Self {
        let location = ("location", "https://firewall.example/blocked?incident=77".to_owned());
        let header = (300..400).contains(&status).then_some(location);
        Self::Proxy { status, header, effect: Effect::None }
    }

    /// Too many calls: come back after so many seconds, or at a date.
    pub fn throttled(retry_after: Option<&str>) -> Self {
        let header = retry_after.map(|after| ("retry-after", after.to_owned()));
        Self::Proxy { status: 429, header, effect: Effect::None }
    }

    /// Whether the operation itself runs at once.
    pub fn lets_run(&self) -> bool {
        match self {
            Self::Status(_, effect)
            | Self::Proxy { effect, .. }
            | Self::Page(_, effect)
            | Self::Cut { effect, .. }
            | Self::Hang(effect) => *effect == Effect::Committed,
            Self::Warning(_) | Self::LoseLogEntries => true,
            Self::Refuse | Self::LandLate(_) | Self::Answer { .. } | Self::Deadlock => false,
        }
    }
}

type Chooser = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

/// The faults to come: each rule is asked in turn, the first that answers decides.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Chooser>,
}

impl Faults {
    pub fn push(&mut self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.rules.push(Box::new(rule));
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    pub fn choose(&mut self, call: &Call) -> Option<Fault> {
        self.rules.iter_mut().find_map(|rule| rule(call))
    }
}
