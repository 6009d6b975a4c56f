//! The laws of the decision, on a model of two iTops: people act on both sides, passes run in between,
//! and writes are refused, lose their answer, or land late. Then all heals, and the laws must hold.
//!
//! A failure prints the shortest history that breaks a law, and the seed that runs it again.

mod fixtures;
mod model;

use fixtures::{Build, content, link, policy};
use itop_bridge_core::link::{Conflict, Copy, CopyState, Late, LateWrite, StatusPath};
use itop_bridge_core::plan::{Halt, HaltKind};
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits, StatusToInternal, Waits};
use itop_bridge_core::{File, FileKind, FileMark, Lifecycles, Link, Policy, Side, Sight, Ticket, reconcile};
use model::{Act, Fate, World};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const CLASSES: [&str; 5] = ["EmergencyChange", "Incident", "NormalChange", "RoutineChange", "UserRequest"];

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let config = ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() };
    ProptestConfig { cases: config.cases.max(cases), ..config }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_laws_hold_after_any_history(
        class in proptest::sample::select(&CLASSES[..]),
        history in prop::collection::vec(act(), 1..40),
    ) {
        let mut world = World::new(class);
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

fn act() -> impl Strategy<Value = Act> {
    let field = proptest::sample::select(&["title", "description", "impact", "urgency"][..]);
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        3 => field.clone().prop_map(Act::EditOutside),
        2 => field.clone().prop_map(Act::EditInside),
        1 => field.prop_map(Act::EditBothAlike),
        4 => pick().prop_map(Act::MoveOutside),
        3 => pick().prop_map(Act::MoveInside),
        2 => Just(Act::AddFileOutside),
        1 => Just(Act::AddFileInside),
        1 => pick().prop_map(Act::ChangeFile),
        2 => pick().prop_map(Act::DeleteOriginal),
        1 => pick().prop_map(Act::DeleteInside),
        4 => proptest::sample::select(&[1_000, 12_000, 160_000, 301_000][..]).prop_map(Act::Wait),
        8 => (any::<bool>(), any::<bool>(), prop::collection::vec(fate(), 0..6))
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

/// For every class, every agreed pair of states and every pair that can stand after it, the plan leads to
/// the external's state, or absorbs the move, or shows a conflict: as the design says, said here again.
#[test]
fn every_pair_of_states_is_led_absorbed_or_shown() {
    let mut walked = 0;
    for class in CLASSES {
        let lifecycle = Lifecycles::built_in().of(class).unwrap().clone();
        let mut policy = policy();
        policy.external_lifecycle = Some(lifecycle.clone());
        policy.internal_lifecycle = Some(lifecycle.clone());
        let states: Vec<&str> = lifecycle.states.iter().map(String::as_str).collect();
        let calm = states.iter().copied().filter(|state| !state.starts_with("escalated"));
        let stands_after = |known: &str| -> Vec<&str> {
            states.iter().copied().filter(|state| model::distance(&lifecycle, known, state, true).is_some()).collect()
        };
        for (outside_before, inside_before) in calm.clone().flat_map(|a| calm.clone().map(move |b| (a, b))) {
            for outside in stands_after(outside_before) {
                for inside in stands_after(inside_before) {
                    let case = format!("{class}: {outside_before}/{inside_before}, then {outside}/{inside}");
                    let link = fixtures::agreed(outside_before, inside_before);
                    walked += check_pair(&policy, link, outside, inside, &case);
                }
            }
        }
    }
    assert!(walked > 1000, "{walked} walks");
}

fn check_pair(policy: &Policy, mut link: Link, outside: &str, inside: &str, case: &str) -> usize {
    let lifecycle = policy.internal_lifecycle.as_ref().unwrap();
    let wanted = calm_state(&link.ancestor.external.status, outside).to_owned();
    let present = calm_state(&link.ancestor.internal.status, inside).to_owned();
    let before = link.ancestor.external.status.clone();
    let moved = wanted != before;
    let reopened = rank(&wanted, lifecycle.knows("resolved")) < rank(&before, lifecycle.knows("resolved"));
    let inside_is_ahead = rank(&present, lifecycle.knows("resolved")) > rank(&wanted, lifecycle.knows("resolved"));
    let refused = ["rejected", "notapproved"].contains(&wanted.as_str());
    let absorbed = inside_is_ahead && !reopened && !refused;
    let steps = model::distance(lifecycle, inside, &wanted, false);

    let show = |state: &str| Sight::from(fixtures::int().status(state));
    let external = Sight::from(fixtures::ext().status(outside));
    let plan = reconcile(policy, &link, &external, &show(inside));
    let walk = plan.writes.iter().find_map(model::walk_of);
    let mut stands = inside.to_owned();
    if wanted == present || !moved || absorbed {
        assert!(walk.is_none() && plan.conflicts.is_empty(), "{case}: nothing is to be done: {plan:?}");
        plan.notes.iter().for_each(|note| link.remember(note));
        assert_eq!(
            (link.ancestor.external.status.as_str(), link.ancestor.internal.status.as_str()),
            (&*wanted, &*present),
            "{case}"
        );
    } else if let Some(steps) = steps {
        let (to, walk) = walk.unwrap_or_else(|| panic!("{case}: a walk leads to {wanted}: {plan:?}"));
        assert_eq!((to, walk.len()), (wanted.as_str(), steps), "{case}: the shortest walk");
        link.path = Some(StatusPath { wanted: to.to_owned(), states: walk.iter().map(|s| s.to.clone()).collect() });
        for stimulus in walk {
            stands =
                model::stimulate(lifecycle, &stands, &stimulus.code).unwrap_or_else(|| panic!("{case}: {stimulus:?}"));
            link.state_answered(&stands);
        }
        assert_eq!(stands, wanted, "{case}");
        assert_eq!(link.ancestor.external.status, wanted, "{case}");
    } else {
        assert!(walk.is_none() && plan.conflicts.len() == 1, "{case}: no way leads to {wanted}: {plan:?}");
    }
    let again = reconcile(policy, &link, &external, &show(&stands));
    assert!(again.writes_nothing() && again.notes.is_empty(), "{case}: one more plan: {again:?}");
    assert_eq!(again.conflicts, plan.conflicts, "{case}");
    usize::from(stands != inside)
}

/// An escalation is no move: only assigned tickets miss their time to resolve, new and approved ones their
/// time to own. Which of the two it was is not guessed.
fn calm_state<'a>(known: &'a str, state: &'a str) -> &'a str {
    match state {
        "escalated_ttr" => "assigned",
        "escalated_tto" => known,
        _ => state,
    }
}

fn rank(state: &str, is_request: bool) -> usize {
    let rows: &[&[&str]] = if is_request {
        &[
            &["new", "waiting_for_approval", "approved", "rejected"],
            &["assigned", "pending"],
            &["resolved"],
            &["closed"],
        ]
    } else {
        &[
            &["new"],
            &["validated", "rejected"],
            &["assigned"],
            &["plannedscheduled"],
            &["approved", "notapproved"],
            &["implemented"],
            &["monitored"],
            &["closed"],
        ]
    };
    rows.iter().position(|row| row.contains(&state)).unwrap()
}

// Arbitrary input: whatever a store, a configuration or an iTop could hold.

fn word() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "",
        "R-1",
        "U-9",
        "title",
        "description",
        "impact",
        "status",
        "assigned",
        "escalated_ttr",
        "resolved",
        "closed",
        "&amp;amp;",
        "{ref} {title}",
    ];
    prop_oneof![4 => proptest::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0), 0..1_000_000i64, any::<i64>()]
}

fn state() -> impl Strategy<Value = String> {
    const STATES: &[&str] = &[
        "new",
        "assigned",
        "pending",
        "resolved",
        "closed",
        "escalated_tto",
        "escalated_ttr",
        "escalated_x",
        "rejected",
        "approved",
        "monitored",
        "",
    ];
    prop_oneof![9 => proptest::sample::select(STATES).prop_map(str::to_owned), 1 => word()]
}

fn attributes() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    prop::collection::btree_map(word(), word(), 0..6)
}

fn any_lifecycle() -> impl Strategy<Value = Option<itop_bridge_core::Lifecycle>> {
    prop::option::of(proptest::sample::select(&CLASSES[..])).prop_map(|class| class.and_then(fixtures::lifecycle))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let waits = (time(), time(), time()).prop_map(|(a, b, c)| Waits {
        file_missing_ms: a,
        last_file_missing_ms: b,
        doubt_look_ms: c,
    });
    let halt = (any::<f64>(), 0..9usize).prop_map(|(share, min)| HaltLimits { share, min });
    let words = (word(), prop::collection::vec(word(), 0..5), attributes());
    (words, any::<[bool; 2]>(), any_lifecycle(), any_lifecycle(), halt, waits).prop_map(
        |((title, fields, internal_defaults), [apply, owner], external_lifecycle, internal_lifecycle, halt, waits)| {
            Policy {
                title,
                fields,
                internal_defaults,
                status_to_internal: if apply { StatusToInternal::Apply } else { StatusToInternal::Off },
                attachment_deletes: if owner { AttachmentDeletes::Owner } else { AttachmentDeletes::Never },
                external_lifecycle,
                internal_lifecycle,
                halt,
                waits,
                ..policy()
            }
        },
    )
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::External), Just(Side::Internal)]
}

fn any_copy() -> impl Strategy<Value = Copy> {
    let state = prop_oneof![
        (0..9u64).prop_map(CopyState::Stands),
        Just(CopyState::RemovedByPerson),
        time().prop_map(|until_ms| CopyState::InDoubt { until_ms }),
    ];
    (any_side(), 0..9u64, word(), state, prop::option::of(time())).prop_map(|(from, original, hash, state, since)| {
        Copy { from, original, content: content(&hash), state, missing_since_ms: since, substituted: false }
    })
}

fn any_late() -> impl Strategy<Value = Late> {
    prop_oneof![
        (word(), word()).prop_map(|(code, value)| Late::Field { code, value }),
        state().prop_map(|to| Late::Status { to }),
        (0..9u64, word()).prop_map(|(original, hash)| Late::File { original, content: content(&hash) }),
    ]
}

fn any_link() -> impl Strategy<Value = Link> {
    let late = (any_late(), time()).prop_map(|(what, until_ms)| LateWrite { what, until_ms });
    let path =
        (state(), prop::collection::vec(state(), 0..3)).prop_map(|(wanted, states)| StatusPath { wanted, states });
    (
        (any::<[bool; 3]>(), state(), state(), attributes(), attributes()),
        prop::collection::vec(any_copy(), 0..8),
        prop::collection::vec(late, 0..4),
        prop::collection::vec(any_late(), 0..3),
        prop::option::of(path),
    )
        .prop_map(|((flags, outside, inside, theirs, ours), copies, late, owed, path)| {
            let [born, halted, resumed] = flags;
            link().with(|link| {
                if !born {
                    link.internal = None;
                }
                link.halt = (halted && resumed).then(|| Halt { kind: HaltKind::FilesGone, text: String::new() });
                link.resumed = resumed;
                link.ancestor.external.status = outside;
                link.ancestor.internal.status = inside;
                link.ancestor.external.fields = theirs;
                link.ancestor.internal.fields = ours;
                link.conflicts.push(Conflict { about: "status".into(), text: String::new() });
                (link.copies, link.late, link.owed, link.path) = (copies, late, owed, path);
            })
        })
}

fn any_file() -> impl Strategy<Value = File> {
    let mark = (any_side(), prop_oneof![(0..9u64).prop_map(|id| id.to_string()), word()])
        .prop_map(|(from, key)| FileMark { ticket: fixtures::ticket_mark("7f3a"), from, kind: FileKind::File, key });
    let file = (0..9u64, prop::option::of(mark), prop::option::of(word()), any::<bool>());
    file.prop_map(|(id, mark, hash, announced)| File { id, mark, content: hash.map(|hash| content(&hash)), announced })
}

fn any_sight() -> impl Strategy<Value = Sight> {
    let reference = prop_oneof![4 => Just("R-1".to_owned()), 4 => Just("U-9".to_owned()), 1 => word()];
    let files = prop::option::of(prop::collection::vec(any_file(), 0..8));
    let ticket = (reference, state(), attributes(), files, time()).prop_map(
        |(reference, status, attributes, files, read_at_ms)| {
            Sight::Here(Ticket { class: "UserRequest".into(), id: 1, reference, status, attributes, files, read_at_ms })
        },
    );
    prop_oneof![18 => ticket, 1 => Just(Sight::Gone), 1 => Just(Sight::Unborn)]
}
