//! How a story is told: the pair, the people, the crashes, and what is demanded after each moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use itop_bridge_core::Lifecycles;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Effect, Fault, Sim};

use crate::back::apply::OUTSIDE;
use crate::back::{files_outside, reports, text_of, told};
use crate::status::{bridged, go, status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Report,
    Apply,
    Off,
}

/// A pair on which both sides agree, and what happens to it then, moment by moment.
pub struct Story {
    class: &'static str,
    /// The stimuli that both sides have behind them.
    agreed: &'static str,
    moments: Vec<Moment>,
}

/// What people do before the bridge has looked again, and what stands once it has.
#[derive(Default)]
struct Moment {
    customer: &'static str,
    provider: &'static str,
    who_cuts_in: Option<Who>,
    /// What whoever moved does next, once a write of the bridge's is on its way.
    next: &'static str,
    /// The states outside and inside by mode; a moment that a mode does not name cannot come there.
    ends: Vec<(Mode, &'static str, &'static str)>,
    told: &'static str,
    notice: &'static str,
    conflict: &'static str,
    says: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Customer,
    Provider,
}

pub fn agreed(class: &'static str, stimuli: &'static str) -> Story {
    Story { class, agreed: stimuli, moments: Vec::new() }
}

impl Story {
    pub fn customer(self, stimuli: &'static str) -> Story {
        self.both(stimuli, "")
    }

    pub fn provider(self, stimuli: &'static str) -> Story {
        self.both("", stimuli)
    }

    pub fn both(mut self, customer: &'static str, provider: &'static str) -> Story {
        self.moments.push(Moment { customer, provider, ..Moment::default() });
        self
    }

    fn last(&mut self) -> &mut Moment {
        self.moments.last_mut().expect("somebody does something first")
    }

    /// The other side's person moves when the bridge has read the tickets and has not written yet.
    pub fn before_the_bridge_writes(mut self, stimuli: &'static str) -> Story {
        let moment = self.last();
        if moment.customer.is_empty() {
            (moment.customer, moment.who_cuts_in) = (stimuli, Some(Who::Customer));
        } else {
            (moment.provider, moment.who_cuts_in) = (stimuli, Some(Who::Provider));
        }
        self
    }

    /// Whoever moved moves again when the bridge has begun to write.
    pub fn while_the_bridge_writes(mut self, stimuli: &'static str) -> Story {
        self.last().next = stimuli;
        self
    }

    fn ends(mut self, mode: Mode, outside: &'static str, inside: &'static str) -> Story {
        self.last().ends.push((mode, outside, inside));
        self
    }

    pub fn report(self, outside: &'static str, inside: &'static str) -> Story {
        self.ends(Mode::Report, outside, inside)
    }

    pub fn apply(self, outside: &'static str, inside: &'static str) -> Story {
        self.ends(Mode::Apply, outside, inside)
    }

    pub fn off(self, outside: &'static str, inside: &'static str) -> Story {
        self.ends(Mode::Off, outside, inside)
    }

    pub fn in_all(self, outside: &'static str, inside: &'static str) -> Story {
        self.report(outside, inside).apply(outside, inside).off(outside, inside)
    }

    pub fn told(mut self, states: &'static str) -> Story {
        self.last().told = states;
        self
    }

    pub fn notice(mut self, lines: &'static str) -> Story {
        self.last().notice = lines;
        self
    }

    pub fn conflict(mut self, words: &'static str) -> Story {
        self.last().conflict = words;
        self
    }

    /// What the activity log says.
    pub fn says(mut self, words: &'static str) -> Story {
        self.last().says = words;
        self
    }
}

/// Each story in each mode: as it is with each version, and cut by crashes with any.
macro_rules! in_each_mode {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            super::in_each_mode!(@ $story, report, Report);
            super::in_each_mode!(@ $story, apply, Apply);
            super::in_each_mode!(@ $story, off, Off);
        }
    )+};
    (@ $story:ident, $name:ident, $mode:ident) => {
        mod $name {
            use itop_bridge_testkit::world::{Versions, any_version, each_version};

            use super::super::$story as story;
            use super::super::stage::{Mode, cut_by_crashes, is_told};

            each_version![as_it_is];
            any_version![cut_by_a_crash_at_each_write];

            async fn as_it_is(versions: Versions) {
                is_told(&story(), Mode::$mode, versions).await;
            }

            async fn cut_by_a_crash_at_each_write(versions: Versions) {
                cut_by_crashes(&story(), Mode::$mode, versions).await;
            }
        }
    };
}
pub(super) use in_each_mode;

pub async fn is_told(story: &Story, mode: Mode, versions: Versions) {
    let pair = Pair::of(story, mode, versions).await;
    for moment in &story.moments {
        let Some((outside, inside)) = moment.ends_in(mode) else { continue };
        pair.world.clear_calls();
        let from = pair.play(moment).await;
        pair.until_written().await;
        pair.play_next(moment).await;
        pair.world.settle().await;
        pair.assert_stands(moment, outside, inside, "").await;
        pair.assert_nothing_ping_pongs(moment, from);
        assert!(pair.world.did(pair.id, moment.says).await, "{:?}", pair.world.activity(pair.id).await);
        pair.assert_told(moment);
        pair.world.one_more_pass_writes_nothing().await;
    }
    let mut world = pair.world;
    world.stop().await;
}

/// The process dies while a write is on its way: before iTop has carried it out, and after.
pub async fn cut_by_crashes(story: &Story, mode: Mode, versions: Versions) {
    for effect in [Effect::None, Effect::Committed] {
        for nth in 1.. {
            let mut pair = Pair::of(story, mode, versions).await;
            let writes = pair.hang_at_write(nth, effect);
            for (at, moment) in story.moments.iter().enumerate() {
                let Some((outside, inside)) = moment.ends_in(mode) else { continue };
                let before = writes.load(Ordering::Relaxed);
                pair.play(moment).await;
                pair.world.pass_seconds(10).await;
                pair.play_next(moment).await;
                if before < nth && writes.load(Ordering::Relaxed) >= nth {
                    pair.crash().await;
                }
                pair.world.settle().await;
                let case = format!("moment {at}, {effect:?} of write {nth}");
                pair.assert_stands(moment, outside, inside, &case).await;
            }
            pair.world.one_more_pass_writes_nothing().await;
            pair.world.stop().await;
            if writes.load(Ordering::Relaxed) < nth {
                break;
            }
        }
    }
}

impl Moment {
    fn ends_in(&self, mode: Mode) -> Option<(&'static str, &'static str)> {
        let found = self.ends.iter().find(|(of, ..)| *of == mode);
        found.map(|(_, outside, inside)| (*outside, *inside))
    }
}

struct Pair {
    world: World,
    mode: Mode,
    class: &'static str,
    id: u64,
    copy: u64,
    /// The report, and how many states it named when the story began.
    report: Option<(u64, usize)>,
}

impl Pair {
    async fn of(story: &Story, mode: Mode, versions: Versions) -> Pair {
        let word = match mode {
            Mode::Report => "report",
            Mode::Apply => "apply",
            Mode::Off => "off",
        };
        let sync = format!("status_to_external = \"{word}\"");
        let world = Setup::between(versions).acme(OUTSIDE).sync(&sync).start().await;
        let (id, copy) = bridged(&world, story.class, &stimuli(story.agreed)).await;
        let report = reports(&world, id).first().map(|report| (report.id, told(&world, id).len()));
        assert_eq!(report.is_some(), mode == Mode::Report);
        Pair { world, mode, class: story.class, id, copy, report }
    }

    /// People move; answers the states that they leave, outside and inside.
    async fn play(&self, moment: &Moment) -> (String, String) {
        let (outside, inside) = (self.world.acme(), &self.world.internal);
        let (customer, provider) = (stimuli(moment.customer), stimuli(moment.provider));
        match moment.who_cuts_in {
            None => {
                go(outside, self.id, &customer).await;
                go(inside, self.copy, &provider).await;
            }
            Some(Who::Customer) => {
                go(inside, self.copy, &provider).await;
                self.until_read(outside).await;
                go(outside, self.id, &customer).await;
            }
            Some(Who::Provider) => {
                go(outside, self.id, &customer).await;
                self.until_read(inside).await;
                go(inside, self.copy, &provider).await;
            }
        }
        self.states()
    }

    async fn play_next(&self, moment: &Moment) {
        match moment.customer {
            "" => go(&self.world.internal, self.copy, &stimuli(moment.next)).await,
            _ => go(self.world.acme(), self.id, &stimuli(moment.next)).await,
        }
    }

    /// Waits until the bridge has begun to write, if it has something to write.
    async fn until_written(&self) {
        let writes = || self.world.acme().writes() + self.world.internal.writes();
        while writes() == 0 && !self.world.queue().await.is_empty() {
            self.world.pass_milliseconds(5).await;
        }
    }

    /// Waits until a pass has read the ticket: its write is still on the way.
    async fn until_read(&self, sim: &Sim) {
        while !sim.calls().iter().any(|call| call.operation == "core/get" && call.class == self.class) {
            self.world.pass_milliseconds(5).await;
        }
    }

    /// The nth write to either side gets no answer. Answers the count of writes.
    fn hang_at_write(&self, nth: usize, effect: Effect) -> Arc<AtomicUsize> {
        let writes = Arc::new(AtomicUsize::new(0));
        for sim in [self.world.acme(), &self.world.internal] {
            let writes = writes.clone();
            sim.fail_with(move |call| {
                let is_it = call.is_write() && writes.fetch_add(1, Ordering::Relaxed) + 1 == nth;
                is_it.then_some(Fault::Hang(effect))
            });
        }
        writes
    }

    async fn crash(&mut self) {
        self.world.crash().await;
        self.world.boot();
    }

    fn states(&self) -> (String, String) {
        (status(self.world.acme(), self.id), status(&self.world.internal, self.copy))
    }

    /// The states, the conflicts, and every file on either side.
    async fn assert_stands(&self, moment: &Moment, outside: &str, inside: &str, case: &str) {
        let mode = self.mode;
        assert_eq!(self.states(), (outside.to_owned(), inside.to_owned()), "{mode:?} {case}");
        let conflicts = self.world.link(self.id).await.link.open.conflicts;
        let words: Vec<&str> = conflicts.iter().map(|conflict| conflict.text.as_str()).collect();
        match moment.conflict {
            "" => assert!(words.is_empty(), "{mode:?} {case}: {words:?}"),
            expected => assert!(words.len() == 1 && words[0].contains(expected), "{mode:?} {case}: {words:?}"),
        }
        self.assert_report(inside, case);
        self.assert_notice(moment, case);
    }

    /// The one file outside, in its place since the link was made; the newest state is the one that stands.
    fn assert_report(&self, inside: &str, case: &str) {
        assert!(files_outside(&self.world, self.id).is_empty(), "{case}");
        let reports = reports(&self.world, self.id);
        let Some((made, _)) = self.report else { return assert!(reports.is_empty(), "{:?} {case}", self.mode) };
        let [report] = &reports[..] else { panic!("{case}: {reports:?}") };
        let reference = self.world.internal.ticket(self.copy).unwrap().field("ref").to_owned();
        assert_eq!((report.id, &report.filename), (made, &format!("elitery {reference} {inside}.txt")), "{case}");
        assert_eq!(told(&self.world, self.id)[0], inside, "{case}");
    }

    /// The one file inside, where there is something that the inside cannot follow.
    fn assert_notice(&self, moment: &Moment, case: &str) {
        let files = self.world.internal.attachments(self.copy);
        let lines: Vec<&str> = moment.notice.split(", ").filter(|line| !line.is_empty()).collect();
        let Some(newest) = lines.first() else { return assert!(files.is_empty(), "{case}: {files:?}") };
        let [notice] = &files[..] else { panic!("{:?} {case}: {files:?}", self.mode) };
        let reference = self.world.acme().ticket(self.id).unwrap().field("ref").to_owned();
        let what = newest.split(':').next().unwrap_or_default();
        assert_eq!(notice.filename, format!("{reference} {what}.txt"), "{case}");
        assert_eq!(lines_of(notice), lines, "{:?} {case}", self.mode);
    }

    /// The bridge sends the shortest way from where people left the pair, and nothing after it. One stimulus
    /// more may be refused, where a person came in between.
    fn assert_nothing_ping_pongs(&self, moment: &Moment, from: (String, String)) {
        if !moment.next.is_empty() {
            return;
        }
        let to = self.states();
        let cut_in = |who: Who| usize::from(moment.who_cuts_in == Some(who));
        for (sim, from, to, more) in [
            (self.world.acme(), from.0, to.0, cut_in(Who::Customer)),
            (&self.world.internal, from.1, to.1, cut_in(Who::Provider)),
        ] {
            let lifecycles = Lifecycles::built_in();
            let way = lifecycles.of(self.class).unwrap().path(&from, &to).expect("the bridge went there").len();
            let sent = sim.calls().iter().filter(|call| call.operation == "core/apply_stimulus").count();
            assert!((way..=way + more).contains(&sent), "{sent} stimuli from {from} to {to}: {:?}", self.mode);
        }
    }

    /// Every state that the report names since the story began.
    fn assert_told(&self, moment: &Moment) {
        let Some((_, before)) = self.report else { return };
        let all = told(&self.world, self.id);
        assert_eq!(all[..all.len() - before], stimuli(moment.told));
    }
}

/// The words of a moment, or of the states of a report.
fn stimuli(words: &'static str) -> Vec<&'static str> {
    words.split_whitespace().collect()
}

/// What a document says, without the times.
fn lines_of(document: &Attachment) -> Vec<String> {
    let text = text_of(document);
    let (_, lines) = text.split_once("\n\n").expect("a head and lines");
    lines.lines().map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
}
