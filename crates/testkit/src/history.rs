//! The events of a run: a scene, and events at their times, all drawn from a seed. An event picks its object by a
//! number, so any other event can be left out.

use itop_bridge_engine::random::{Random as _, SeededRandom};
use itop_sim::Version;

use crate::faults::Trouble;
use crate::people::Deed;

/// A side: one of up to two customers, or the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Acme,
    Beta,
    Elitery,
}

/// The configuration and the day.
#[derive(Debug, Clone)]
pub struct Scene {
    pub external: Version,
    pub internal: Version,
    pub has_beta: bool,
    /// `status_to_external = "apply"` instead of `report`.
    pub applies: bool,
    /// The run begins this many minutes after (if negative, before) summer time ends in Europe/Paris, the zone of the
    /// provider's server.
    pub begins_after_summers_end: Option<i64>,
    /// The clock jumps; otherwise writes may land late. Together they would break what the design assumes of iTop.
    pub clock_jumps: bool,
    /// How many of ten events are troubles.
    pub troubles: u64,
    /// One iTop is restored from a backup once all faults have ended, and an operator resumes it. People's work there
    /// since the backup is lost, so less can be demanded of this run.
    pub restored: Option<Place>,
    /// One iTop looks empty for a while once all faults have ended. None of its data is lost.
    pub emptied: Option<Place>,
}

#[derive(Debug, Clone)]
pub enum What {
    Person {
        at: Place,
        deed: Deed,
        pick: u64,
    },
    Trouble(Trouble),
    /// The iTop that will be restored is backed up.
    BackUp,
    /// From now on that iTop prints dates in this format.
    PrintsDatesAs {
        of: Place,
        format: &'static str,
    },
}

#[derive(Debug, Clone)]
pub struct Event {
    pub at_ms: u64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    pub scene: Scene,
    pub events: Vec<Event>,
    /// People's deeds after a restored iTop is resumed: it assigns the ids of lost objects again.
    pub afterwards: Vec<(Place, Deed, u64)>,
}

/// Draws numbers from a seed.
pub struct Draw(SeededRandom);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(SeededRandom::new(seed))
    }

    pub fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Less than `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("an index")]
    }
}

impl History {
    pub fn of(seed: u64) -> History {
        // The generator's state is a counter: neighbouring seeds would share most of their draws.
        let draw = Draw::new(Draw::new(seed).number());
        let scene = Scene::of(&draw);
        let mut events = Vec::new();
        let mut at_ms = 0;
        for number in 0..8 + draw.below(22) {
            at_ms += gap_ms(&draw, &scene);
            if number < 2 || draw.below(10) >= scene.troubles {
                let at = person_at(&draw, &scene);
                let deed = if number == 0 { Deed::Create("UserRequest") } else { Deed::of(&draw) };
                let at = if number == 0 { Place::Acme } else { at };
                let pick = draw.number();
                events.push(Event { at_ms, what: What::Person { at, deed, pick } });
                // People continue what they have begun.
                while draw.one_in(4) {
                    at_ms += draw.below(1_500);
                    events.push(Event { at_ms, what: What::Person { at, deed, pick } });
                }
            } else {
                let (begins, ends) = Trouble::of(&draw, &scene);
                events.push(Event { at_ms, what: What::Trouble(begins) });
                let ends = ends.map(|(after_ms, end)| Event { at_ms: at_ms + after_ms, what: What::Trouble(end) });
                events.extend(ends);
            }
        }
        if scene.restored.is_some() {
            events.push(Event { at_ms: draw.below(at_ms + 1), what: What::BackUp });
        }
        // Drawn separately, so that a seed's other draws stay as they were.
        of_dates(&Draw::new(Draw::new(!seed).number()), &scene, at_ms, &mut events);
        events.sort_by_key(|event| event.at_ms);
        let many = if scene.restored.is_some() { 3 + draw.below(6) } else { 0 };
        let afterwards = (0..many).map(|_| (person_at(&draw, &scene), Deed::of(&draw), draw.number())).collect();
        History { seed, scene, events, afterwards }
    }
}

/// Formats that iTops print dates in: with and without seconds, and two that only iTop itself can tell apart.
const FORMATS: [&str; 5] = ["Y-m-d H:i:s", "d/m/Y H:i:s", "m/d/Y h:i:s A", "d.m.Y H:i", "m.d.Y H:i"];

/// In every other run some iTop prints dates in its own format, or changes to another; in every third people correct
/// a ticket's start.
fn of_dates(draw: &Draw, scene: &Scene, until_ms: u64, events: &mut Vec<Event>) {
    if draw.one_in(2) {
        for _ in 0..1 + draw.below(3) {
            let what = What::PrintsDatesAs { of: draw.one_of(scene.places()), format: draw.one_of(&FORMATS) };
            let at_ms = if draw.one_in(2) { 0 } else { draw.below(until_ms + 1) };
            events.push(Event { at_ms, what });
        }
    }
    if draw.one_in(3) {
        for _ in 0..1 + draw.below(3) {
            let what = What::Person { at: draw.one_of(scene.places()), deed: Deed::CorrectStart, pick: draw.number() };
            events.push(Event { at_ms: draw.below(until_ms + 1), what });
        }
    }
}

/// The possible time zones of a customer's server; the provider's is in Paris.
const ZONES: [&str; 4] = ["Europe/Paris", "Europe/Paris", "Asia/Jakarta", "America/New_York"];

impl Scene {
    fn of(draw: &Draw) -> Scene {
        let versions = [Version::V3_1, Version::V3_2];
        Scene {
            external: draw.one_of(&versions),
            internal: draw.one_of(&versions),
            has_beta: draw.one_in(4),
            applies: draw.one_in(3),
            begins_after_summers_end: draw.one_in(5).then(|| draw.one_of(&[-60, -20, -5, -1, 5, 40, 60])),
            clock_jumps: draw.one_in(5),
            troubles: 2 + draw.below(4),
            restored: draw.one_in(10).then(|| draw.one_of(&[Place::Acme, Place::Elitery])),
            emptied: draw.one_in(10).then(|| draw.one_of(&[Place::Acme, Place::Elitery])),
        }
    }

    /// The time zone of acme's server, by the seed.
    pub fn external_zone(seed: u64) -> &'static str {
        Draw::new(Draw::new(seed ^ 0x5eed).number()).one_of(&ZONES)
    }

    pub fn places(&self) -> &'static [Place] {
        if self.has_beta { &[Place::Acme, Place::Beta, Place::Elitery] } else { &[Place::Acme, Place::Elitery] }
    }
}

fn person_at(draw: &Draw, scene: &Scene) -> Place {
    match draw.below(10) {
        0..4 => Place::Acme,
        4..6 if scene.has_beta => Place::Beta,
        4..6 => Place::Acme,
        _ => Place::Elitery,
    }
}

/// The gap before the next deed: none, within one pass of the bridge, or until after it is at rest.
fn gap_ms(draw: &Draw, scene: &Scene) -> u64 {
    match draw.below(20) {
        // Some events fall on either side of the repeated hour.
        0..3 if scene.begins_after_summers_end.is_some() => draw.below(3_600_000),
        0..5 => 0,
        5..10 => draw.below(400),
        10..15 => draw.below(3_000),
        15..19 => draw.below(60_000),
        _ => draw.below(400_000),
    }
}
