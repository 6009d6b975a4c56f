//! The laws of the decision, on a model of two iTops: people act on both sides, passes run in between,
//! and writes are refused, lose their answer, or land late. Then all heals, and the laws must hold.
//!
//! A failure prints the shortest history that breaks a law, and the seed that runs it again.

mod arbitrary;
mod fixtures;
mod model;

use arbitrary::{any_link, any_policy, any_side, any_sight, status_to_external};
use fixtures::policy;
use itop_bridge_core::link::Late;
use itop_bridge_core::plan::{Note, Stimulus};
use itop_bridge_core::policy::{StatusToExternal, StatusToInternal};
use itop_bridge_core::{Lifecycles, Link, Plan, Policy, Reading, Side, reconcile};
use model::states::{calm_state, distance, rank, stimulate, walk_of};
use model::{Act, Fate, World};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const CLASSES: [&str; 5] = ["EmergencyChange", "Incident", "NormalChange", "RoutineChange", "UserRequest"];

/// `PROPTEST_CASES` asks for more, `PROPTEST_RNG_SEED` for others.
fn config(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let config = ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() };
    ProptestConfig { cases: config.cases.max(cases), ..config }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn the_laws_hold_after_any_history(
        class in proptest::sample::select(&CLASSES[..]),
        status_to_external in status_to_external(),
        history in prop::collection::vec(act(), 1..40),
    ) {
        let mut world = World::new(class, status_to_external);
        for act in &history {
            // Ownership and "no duplicates" are checked at each write.
            world.act(act);
        }
        world.heal();
        world.assert_converged();
        world.assert_idempotent();
    }
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn any_input_gives_a_plan(
        policy in any_policy(),
        link in any_link(),
        external in any_sight(),
        internal in any_sight(),
    ) {
        let plan = reconcile(&policy, &link, &external, &internal);
        prop_assert_eq!(&plan, &reconcile(&policy, &link, &external, &internal));
        prop_assert!(plan.halt.is_none() || plan.writes_nothing());
        prop_assert!(plan.end.is_none() || plan.writes_nothing());
        // What a plan notes can be remembered, and what it remembers gives a plan again.
        let mut link = link;
        plan.notes.iter().for_each(|note| link.remember(note));
        reconcile(&policy, &link, &external, &internal);
    }
}

/// The texts of a pair that was closed long ago are only compared: of fingerprints follows the same plan.
#[test]
fn a_shrunk_pair_is_decided_on_as_before() {
    let policy = policy();
    let text = "<p>it does not print &amp; smells</p>".repeat(5);
    let again_escaped = text.replace("&amp;", "&amp;amp;");
    let says = [text.as_str(), again_escaped.as_str(), "<p>other</p>"];
    let whole = fixtures::agreed_description(&text);
    let mut shrunk = whole.clone();
    assert!(shrunk.shrink());
    assert!(serde_json::to_string(&shrunk).unwrap().len() + text.len() < serde_json::to_string(&whole).unwrap().len());
    for (outside, inside) in says.iter().flat_map(|outside| says.map(|inside| (*outside, inside))) {
        let external = Reading::from(fixtures::ext().description(outside));
        let internal = Reading::from(fixtures::int().description(inside));
        let plans = [&whole, &shrunk].map(|link| reconcile(&policy, link, &external, &internal));
        assert_eq!(plans[0], plans[1], "{outside} {inside}");
        assert_eq!(plans[0].writes_nothing(), outside != says[2] || inside == says[2], "{outside} {inside}");
    }
}

#[test]
fn a_pair_of_which_something_is_open_is_not_shrunk() {
    let text = "<p>it does not print</p>".repeat(9);
    let mut link = fixtures::agreed_description(&text);
    link.may_land(Late::Field { code: "title".to_owned(), value: "B".to_owned() }, 9);
    let before = link.clone();
    assert!(!link.shrink());
    assert_eq!(link, before);
}

fn act() -> impl Strategy<Value = Act> {
    let field = proptest::sample::select(&["title", "description", "impact", "urgency"][..]);
    let words = proptest::sample::select(&["ok", "done", "pic 1"][..]);
    let pick = any::<prop::sample::Index>;
    let on = any_side;
    prop_oneof![
        3 => field.clone().prop_map(Act::EditOutside),
        2 => field.clone().prop_map(Act::EditInside),
        1 => field.prop_map(Act::EditBothAlike),
        7 => (on(), pick()).prop_map(|(on, pick)| Act::Move(on, pick)),
        3 => on().prop_map(Act::AddFile),
        1 => (on(), pick()).prop_map(|(on, pick)| Act::ChangeFile(on, pick)),
        4 => (on(), pick()).prop_map(|(on, pick)| Act::DeleteFile(on, pick)),
        4 => (on(), 1..3u64, words).prop_map(|(on, user, words)| Act::Say(on, user, words)),
        2 => (on(), pick(), 1..5usize).prop_map(|(on, pick, count)| Act::Lose(on, pick, count)),
        1 => on().prop_map(Act::ComeBack),
        2 => (on(), pick()).prop_map(|(on, pick)| Act::Reword(on, pick)),
        1 => (on(), -1..=1i64).prop_map(|(on, hours)| Act::ChangeZone(on, hours)),
        5 => proptest::sample::select(&[1_000, 12_000, 160_000, 301_000][..]).prop_map(Act::Wait),
        9 => (any::<bool>(), any::<bool>(), prop::collection::vec(fate(), 0..8))
            .prop_map(|(files, contents, fates)| Act::Pass { files, contents, fates }),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::Refused),
        1 => Just(Fate::LostOnTheWay),
        1 => Just(Fate::AnswerLost),
        2 => (1..model::SETTLE_MS).prop_map(Fate::Late),
    ]
}

/// For every class, every agreed pair of states and every pair that can stand after it, in each mode: one side
/// is led to where the other stands, or the move is absorbed, or a conflict is shown, as the design says, said
/// here again. And what was led there leads nowhere else.
#[test]
fn every_pair_of_states_is_led_absorbed_or_shown() {
    let mut walked = [0, 0];
    for (class, mode) in CLASSES.into_iter().flat_map(|class| MODES.map(|mode| (class, mode))) {
        let lifecycle = Lifecycles::built_in().of(class).unwrap().clone();
        let mut policy = policy();
        (policy.status_to_internal, policy.status_to_external) = mode;
        policy.external_lifecycle = Some(lifecycle.clone());
        policy.internal_lifecycle = Some(lifecycle.clone());
        let states: Vec<&str> = lifecycle.states.iter().map(String::as_str).collect();
        let calm = states.iter().copied().filter(|state| !state.starts_with("escalated"));
        let stands_after = |known: &str| -> Vec<&str> {
            states.iter().copied().filter(|state| distance(&lifecycle, known, state, true).is_some()).collect()
        };
        for (outside_before, inside_before) in calm.clone().flat_map(|a| calm.clone().map(move |b| (a, b))) {
            for outside in stands_after(outside_before) {
                for inside in stands_after(inside_before) {
                    let case = format!("{class} {mode:?}: {outside_before}/{inside_before}, then {outside}/{inside}");
                    let link = fixtures::agreed(outside_before, inside_before);
                    let pair = Pair { policy: &policy, stand: [outside, inside], case: &case };
                    match pair.check(link) {
                        Some(Side::External) => walked[0] += 1,
                        Some(Side::Internal) => walked[1] += 1,
                        None => {}
                    }
                }
            }
        }
    }
    assert!(walked.iter().all(|walks| *walks > 1000), "{walked:?} walks");
}

const MODES: [(StatusToInternal, StatusToExternal); 6] = [
    (StatusToInternal::Apply, StatusToExternal::Off),
    (StatusToInternal::Apply, StatusToExternal::Report),
    (StatusToInternal::Apply, StatusToExternal::Apply),
    (StatusToInternal::Off, StatusToExternal::Apply),
    (StatusToInternal::Off, StatusToExternal::Report),
    (StatusToInternal::Off, StatusToExternal::Off),
];

struct Pair<'a> {
    policy: &'a Policy,
    /// Outside, inside.
    stand: [&'a str; 2],
    case: &'a str,
}

/// Which side is led, by the design.
#[derive(PartialEq, Debug)]
enum Expected {
    Led(Side),
    /// Each is where it may be.
    Agreed,
    /// Neither direction applies a status.
    Unwatched,
}

impl Pair<'_> {
    /// The side that was walked, if any.
    fn check(&self, mut link: Link) -> Option<Side> {
        let case = self.case;
        let calm = self.calm(&link);
        let expected = self.expected(&link);
        let plan = self.plan(&link, self.stand);
        let walks: Vec<_> = plan.writes.iter().filter_map(walk_of).collect();
        let mut stand = self.stand.map(str::to_owned);
        let way = match expected {
            Expected::Led(on) => {
                let lifecycle = self.policy.lifecycle(on).unwrap();
                distance(lifecycle, &stand[at(on)], &calm[at(on.other())], false).map(|steps| (on, steps))
            }
            Expected::Agreed | Expected::Unwatched => None,
        };
        if let Some((on, steps)) = way {
            let [(walked, wanted, walk)] = walks.as_slice() else { panic!("{case}: one walk: {plan:?}") };
            let wanted_here = calm[at(on.other())].as_str();
            assert_eq!((*walked, *wanted, walk.len()), (on, wanted_here, steps), "{case}: the shortest walk");
            self.walk(&mut link, &mut stand[at(on)], (on, wanted, walk));
            assert_eq!(stand[at(on)], *wanted, "{case}");
            assert_eq!(link.ancestor.side(on.other()).status, *wanted, "{case}: agreed on both sides");
        } else {
            assert!(walks.is_empty(), "{case}: no walk: {plan:?}");
            assert_eq!(plan.conflicts.len(), usize::from(matches!(expected, Expected::Led(_))), "{case}: {plan:?}");
            if expected == Expected::Agreed {
                plan.notes.iter().for_each(|note| link.remember(note));
                let agreed = [Side::External, Side::Internal].map(|side| link.ancestor.side(side).status.clone());
                assert_eq!(agreed, calm, "{case}");
            }
        }
        let again = self.plan(&link, [&stand[0], &stand[1]]);
        let moves = again.writes.iter().filter_map(walk_of).count();
        let notes = again.notes.iter().filter(|note| matches!(note, Note::Status { .. })).count();
        assert_eq!((moves, notes), (0, 0), "{case}: one more plan: {again:?}");
        assert_eq!(again.conflicts, plan.conflicts, "{case}");
        way.map(|(on, _)| on)
    }

    fn expected(&self, link: &Link) -> Expected {
        let inward = self.policy.status_to_internal == StatusToInternal::Apply;
        let outward = self.policy.status_to_external == StatusToExternal::Apply;
        let [outside, inside] = self.calm(link);
        let before = [Side::External, Side::Internal].map(|side| link.ancestor.side(side).status.clone());
        let [outside_moved, inside_moved] = [outside != before[0], inside != before[1]];
        let is_request = self.policy.lifecycle(Side::Internal).unwrap().knows("resolved");
        let rank = |state: &str| rank(state, is_request);
        let refused = ["rejected", "notapproved"].contains(&outside.as_str());
        let absorbed = rank(&inside) > rank(&outside) && rank(&outside) >= rank(&before[0]) && !refused;
        if !inward && !outward {
            Expected::Unwatched
        } else if outside == inside {
            Expected::Agreed
        } else if inward && outside_moved && !absorbed {
            Expected::Led(Side::Internal)
        } else if outward && inside_moved {
            Expected::Led(Side::External)
        } else {
            Expected::Agreed
        }
    }

    fn calm(&self, link: &Link) -> [String; 2] {
        [Side::External, Side::Internal]
            .map(|side| calm_state(&link.ancestor.side(side).status, self.stand[at(side)]).to_owned())
    }

    fn plan(&self, link: &Link, [outside, inside]: [&str; 2]) -> Plan {
        let external = Reading::from(fixtures::ext().status(outside));
        reconcile(self.policy, link, &external, &Reading::from(fixtures::int().status(inside)))
    }

    fn walk(&self, link: &mut Link, stands: &mut String, (on, wanted, walk): (Side, &str, &[Stimulus])) {
        link.set_out(on, wanted, walk.iter().map(|stimulus| stimulus.to.clone()));
        for stimulus in walk {
            let lifecycle = self.policy.lifecycle(on).unwrap();
            *stands = stimulate(lifecycle, stands, &stimulus.code)
                .unwrap_or_else(|| panic!("{}: {stimulus:?} from {stands}", self.case));
            link.state_answered(on, stands);
        }
    }
}

fn at(side: Side) -> usize {
    match side {
        Side::External => 0,
        Side::Internal => 1,
    }
}
