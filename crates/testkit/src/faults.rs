//! The faults, and how long they last.

use std::time::Duration;

use itop_sim::{Effect, Fault, Limits, Release, Sim};

use crate::history::{Draw, Place, Scene};
use crate::people::Deed;
use crate::world::sample;

#[derive(Debug, Clone)]
pub enum Trouble {
    /// This many of the next calls to that side, or of its writes only, fail.
    Calls {
        to: Place,
        only_writes: bool,
        times: usize,
        fault: Fault,
    },
    Mode {
        of: Place,
        mode: Mode,
        on: bool,
    },
    Hooks {
        from: Place,
        weather: Weather,
    },
    /// Webhooks work normally again; held ones are delivered in this order, or never.
    HooksCome {
        from: Place,
        order: Order,
    },
    /// The process dies at once.
    Crash,
    /// The process dies between one of its next commits and the one after.
    DiesAfterCommits(u64),
    /// The process starts again over the committed store.
    Boot,
    /// A second process works over the same store, with its own clock, until the first dies.
    JoinIn {
        ahead_ms: i64,
    },
    /// One of two processes dies, and the other goes on.
    OneDies,
    ClockJumps {
        ms: i64,
    },
    /// The store's disk is full.
    DiskFull(bool),
    /// For this many seconds something in front of that iTop blocks the calls that write such a word.
    Firewall {
        of: Place,
        word: String,
        fault: Fault,
        seconds: i64,
    },
    /// That side asks for fewer calls, of any kind.
    Throttle {
        of: Place,
        retry_after: Option<&'static str>,
        seconds: i64,
    },
    /// Whether two files of one ticket exceed PHP's memory there.
    LittleMemory {
        of: Place,
        on: bool,
    },
    /// Somebody clones that iTop and works in the clone: its webhooks come here too.
    CloneWorks {
        of: Place,
        deeds: Vec<(Deed, u64)>,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Mode {
    Down,
    Maintenance,
    ReadOnly,
    /// Every call takes 20 s.
    Slow,
    /// The account sees only the tickets of one organisation: the others seem not to exist.
    SeesOnly(u64),
}

#[derive(Debug, Clone, Copy)]
pub enum Weather {
    Dropped,
    Doubled,
    Held,
}

#[derive(Debug, Clone, Copy)]
pub enum Order {
    AsFired,
    Reversed,
    Forgotten,
}

/// The end of a trouble, this many ms after its beginning.
type End = Option<(u64, Trouble)>;

impl Trouble {
    pub fn of(draw: &Draw, scene: &Scene) -> (Trouble, End) {
        let side = draw.one_of(scene.places());
        match draw.below(29) {
            0..9 => (Trouble::calls(draw, scene, side), None),
            9..12 => Trouble::mode(draw, scene, side),
            12..15 => Trouble::hooks(draw, side),
            15..17 if scene.clock_jumps => {
                let ms = draw.one_of(&[-3_600_000, -70_000, -3_000, 1_500, 130_000, 400_000, 3_600_000]);
                (Trouble::ClockJumps { ms }, None)
            }
            17 if scene.clock_jumps => Trouble::join_in(draw, scene),
            20 => Trouble::join_in(draw, scene),
            21 => (Trouble::CloneWorks { of: side, deeds: deeds_in_a_clone(draw) }, None),
            24 => (Trouble::DiskFull(true), Some((500 + draw.below(200_000), Trouble::DiskFull(false)))),
            25..27 => (Trouble::firewall(draw, side), None),
            27 => {
                let retry_after = draw.one_of(&[None, Some("7"), Some("45"), Some("soon")]);
                (Trouble::Throttle { of: side, retry_after, seconds: draw.one_of(&[3, 20, 120]) }, None)
            }
            28 => {
                let ends = (1_000 + draw.below(240_000), Trouble::LittleMemory { of: side, on: false });
                (Trouble::LittleMemory { of: side, on: true }, Some(ends))
            }
            22..24 => {
                let after_ms = draw.one_of(&[500, 5_000, 90_000]);
                (Trouble::DiesAfterCommits(draw.below(25)), Some((after_ms, Trouble::Boot)))
            }
            _ => (Trouble::Crash, Some((draw.one_of(&[0, 100, 5_000, 90_000]), Trouble::Boot))),
        }
    }

    fn firewall(draw: &Draw, of: Place) -> Trouble {
        let effect = draw.one_of(&[Effect::None, Effect::None, Effect::Committed]);
        let fault = match draw.below(4) {
            0 => Fault::throttled(None),
            kind => Fault::Proxy {
                status: [403, 302, 500][usize::try_from(kind - 1).expect("small")],
                header: None,
                effect,
            },
        };
        // The prefix of ten consecutive words of those that people write.
        let word = format!("w000{}", draw.below(4));
        Trouble::Firewall { of, word, fault, seconds: draw.one_of(&[5, 60, 400]) }
    }

    fn join_in(draw: &Draw, scene: &Scene) -> (Trouble, End) {
        // Then the other's work in progress looks abandoned.
        let ahead_ms = if scene.clock_jumps { draw.one_of(&[0, 130_000, 400_000]) } else { 0 };
        let one_dies = draw.one_in(2).then(|| (draw.below(20_000), Trouble::OneDies));
        (Trouble::JoinIn { ahead_ms }, one_dies)
    }

    fn calls(draw: &Draw, scene: &Scene, to: Place) -> Trouble {
        let fault = fault(draw, scene);
        let only_writes = draw.below(4) > 0;
        Trouble::Calls { to, only_writes, times: draw.one_of(&[1, 1, 1, 2, 5]), fault }
    }

    fn mode(draw: &Draw, scene: &Scene, of: Place) -> (Trouble, End) {
        let mode = match draw.below(5) {
            // An account that cannot see its own new ticket creates it again, which nobody can tell from a ticket
            // whose create never took effect. So only tickets that people move to another organisation are hidden in
            // the internal.
            4 if of == Place::Elitery => Mode::SeesOnly(sample::DEMO),
            4 => Mode::SeesOnly(draw.one_of(&[sample::DEMO, sample::IT])),
            0 => Mode::Down,
            1 => Mode::Maintenance,
            2 if !scene.clock_jumps => Mode::Slow,
            _ => Mode::ReadOnly,
        };
        let ends = (1_000 + draw.below(240_000), Trouble::Mode { of, mode, on: false });
        (Trouble::Mode { of, mode, on: true }, Some(ends))
    }

    fn hooks(draw: &Draw, from: Place) -> (Trouble, End) {
        let weather = draw.one_of(&[Weather::Dropped, Weather::Doubled, Weather::Held, Weather::Held]);
        let order = draw.one_of(&[Order::AsFired, Order::Reversed, Order::Forgotten]);
        (Trouble::Hooks { from, weather }, Some((500 + draw.below(200_000), Trouble::HooksCome { from, order })))
    }
}

fn deeds_in_a_clone(draw: &Draw) -> Vec<(Deed, u64)> {
    let deeds = [
        Deed::Create("UserRequest"),
        Deed::Edit("title"),
        Deed::Attach,
        Deed::Say,
        Deed::Move,
        Deed::DeleteFile,
        Deed::DeleteTicket,
    ];
    (0..1 + draw.below(4)).map(|_| (draw.one_of(&deeds), draw.number())).collect()
}

fn fault(draw: &Draw, scene: &Scene) -> Fault {
    let effect = draw.one_of(&[Effect::None, Effect::Committed]);
    match draw.below(10) {
        0 => Fault::Refuse,
        1 => Fault::Status(draw.one_of(&[500, 502, 503]), effect),
        2 => Fault::Page("<html><body>Please log in</body></html>".into(), effect),
        3 => Fault::Warning("Warning: Undefined variable $x in y.php on line 7\n".into()),
        4 => Fault::Cut { after_bytes: usize::try_from(draw.below(60)).expect("small"), effect },
        5 | 6 => Fault::Hang(effect),
        7 => Fault::Deadlock,
        // `settle_seconds` is 300.
        _ if !scene.clock_jumps => Fault::LandLate(Duration::from_secs(1 + draw.below(270))),
        _ => Fault::Hang(Effect::Committed),
    }
}

/// Turns a mode of a side on or off.
pub fn set(sim: &Sim, mode: Mode, on: bool) {
    match mode {
        Mode::Down => sim.down(on),
        Mode::Maintenance => sim.maintenance(on),
        Mode::ReadOnly => sim.read_only(on),
        Mode::SeesOnly(organization) => sim.see_only(on.then_some(&[organization][..])),
        Mode::Slow => sim.set_latency(if on { Duration::from_secs(20) } else { USUAL_LATENCY }),
    }
}

const USUAL_LATENCY: Duration = Duration::from_millis(80);

pub fn set_weather(sim: &Sim, weather: Weather) {
    match weather {
        Weather::Dropped => sim.drop_hooks(true),
        Weather::Doubled => sim.duplicate_hooks(1),
        Weather::Held => sim.hold_hooks(true),
    }
}

pub async fn hooks_come(sim: &Sim, order: Order) {
    sim.drop_hooks(false);
    match order {
        Order::AsFired => sim.release_hooks(Release::InOrder).await,
        Order::Reversed => sim.release_hooks(Release::Reversed).await,
        Order::Forgotten => sim.forget_held_hooks(),
    }
}

pub fn fail(sim: &Sim, times: usize, fault: &Fault, only_writes: bool) {
    sim.fail_when(times, fault.clone(), move |call| !only_writes || call.is_write());
}

pub fn bar(sim: &Sim, word: &str, fault: &Fault, seconds: i64) {
    let (word, fault, until) = (word.to_owned(), fault.clone(), sim.now() + seconds);
    sim.fail_with(move |call| (call.at < until && call.says(&word)).then(|| fault.clone()));
}

pub fn throttle(sim: &Sim, retry_after: Option<&'static str>, seconds: i64) {
    let until = sim.now() + seconds;
    sim.fail_with(move |call| (call.at < until).then(|| Fault::throttled(retry_after)));
}

pub fn take_memory(sim: &Sim, on: bool) {
    sim.set_limits(Limits { files_memory_bytes: on.then_some(8), ..Limits::default() });
}

/// Ends all faults; held webhooks are lost.
pub fn heal(sim: &Sim) {
    sim.heal();
    take_memory(sim, false);
    sim.see_only(None);
    sim.set_latency(USUAL_LATENCY);
    sim.forget_held_hooks();
}
