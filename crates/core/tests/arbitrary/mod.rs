//! Arbitrary input: whatever a store, a configuration or an iTop could hold.

use itop_bridge_core::caselog::{Batch, BatchContent, BatchFile, BatchKey, Entry, EntryKey, LogHalt, LogState};
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::link::{Conflict, Copy, CopyState, Edit, Late, LateWrite, StatusPath};
use itop_bridge_core::plan::{Halt, HaltKind};
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits, StatusToExternal, StatusToInternal, Waits};
use itop_bridge_core::{File, FileKind, FileMark, Link, LogName, MadeBy, Policy, Reading, Side, Ticket};
use proptest::prelude::*;

use crate::CLASSES;
use crate::fixtures::{self, Build, content, link, policy};

pub fn status_to_external() -> impl Strategy<Value = StatusToExternal> {
    prop_oneof![Just(StatusToExternal::Report), Just(StatusToExternal::Apply), Just(StatusToExternal::Off)]
}

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

pub fn any_policy() -> impl Strategy<Value = Policy> {
    let waits = (time(), time(), time()).prop_map(|(a, b, c)| Waits {
        file_missing_ms: a,
        last_file_missing_ms: b,
        parent_ms: c,
        doubt_look_ms: c,
    });
    let halt = (any::<f64>(), 0..9usize).prop_map(|(share, min)| HaltLimits { share, min });
    let words = (word(), prop::collection::vec(word(), 0..5), attributes());
    let logs = prop::collection::vec((any_side(), any_log()), 0..4);
    let crossing = (any::<[bool; 2]>(), status_to_external(), logs);
    (words, crossing, any_lifecycle(), any_lifecycle(), halt, waits).prop_map(
        |(
            (title, fields, defaults),
            (flags, status_to_external, logs),
            external_lifecycle,
            internal_lifecycle,
            halt,
            waits,
        )| {
            let [apply, owner] = flags;
            Policy {
                title,
                fields,
                external_defaults: defaults.clone(),
                internal_defaults: defaults,
                status_to_external,
                logs,
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

pub fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::External), Just(Side::Internal)]
}

fn any_log() -> impl Strategy<Value = LogName> {
    proptest::sample::select(&LogName::ALL[..])
}

fn any_copy_state() -> impl Strategy<Value = CopyState> {
    prop_oneof![
        (0..9u64).prop_map(CopyState::Stands),
        Just(CopyState::RemovedByPerson),
        time().prop_map(|until_ms| CopyState::InDoubt { until_ms }),
    ]
}

fn any_copy() -> impl Strategy<Value = Copy> {
    (any_side(), 0..9u64, word(), any_copy_state(), prop::option::of(time())).prop_map(
        |(from, original, hash, state, since)| Copy {
            from,
            original,
            content: content(&hash),
            state,
            missing_since_ms: since,
            substituted: false,
            taken_over: false,
            original_due: false,
        },
    )
}

fn any_key() -> impl Strategy<Value = EntryKey> {
    const DATES: &[&str] = &["", "2026-03-01 10:00:00", "2026-03-01 11:00:00", "0000-00-00 00:00:00"];
    let hash = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), word()];
    (proptest::sample::select(DATES), 0..2u64, hash, 0..2u32).prop_map(|(date, user_id, hash, nth)| EntryKey {
        date: date.to_owned(),
        user_id,
        hash,
        nth,
        author: None,
        fresh_until_ms: None,
    })
}

fn any_keys() -> impl Strategy<Value = Vec<EntryKey>> {
    prop::collection::vec(any_key(), 0..6)
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let html = prop_oneof![3 => word(), 1 => Just(fixtures::ticket_mark("7f3a").entry("R-1"))];
    (any_key(), html).prop_map(|(key, html)| Entry { key, author: String::new(), html })
}

fn any_kind() -> impl Strategy<Value = FileKind> {
    const KINDS: &[FileKind] = &[FileKind::File, FileKind::Log, FileKind::Image, FileKind::Status, FileKind::Notice];
    proptest::sample::select(KINDS)
}

/// The key of a file's mark.
fn any_mark_key() -> impl Strategy<Value = String> {
    let of_log = (any_log(), 0..9usize, any_key()).prop_map(|(log, at, key)| BatchKey::of(log, at, &key).to_key());
    prop_oneof![2 => (0..9u64).prop_map(|id| id.to_string()), 2 => of_log, 1 => word()]
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let file = (any_kind(), any_mark_key(), prop::option::of(any_copy_state())).prop_map(|(kind, key, state)| {
        BatchFile { kind, key, name: String::new(), holds: BatchContent::Text(String::new()), state }
    });
    (any_keys(), prop::collection::vec(file, 0..3)).prop_map(|(entries, files)| Batch { entries, files })
}

fn any_log_state() -> impl Strategy<Value = LogState> {
    let halt = (word(), word()).prop_map(|(text, newest)| LogHalt { text, newest });
    let halt = prop_oneof![4 => Just(None), 1 => halt.prop_map(Some)];
    let files = prop::collection::vec(0..9u64, 0..3);
    (
        (any_side(), any_log()),
        (any_keys(), any_keys()),
        prop::option::of(any_batch()),
        (halt, files, prop::option::of(word())),
    )
        .prop_map(|((from, log), (delivered, vanished), batch, (halt, files, resumed_after))| LogState {
            delivered,
            vanished,
            batch,
            halt,
            files,
            resumed_after,
            ..LogState::new(from, log)
        })
}

fn any_document() -> impl Strategy<Value = Document> {
    let texts =
        (prop::option::of(word()), prop::option::of(word()), prop::option::of(word()), prop::option::of(word()));
    let line = (state(), texts, prop::option::of(time()), any::<bool>(), any::<bool>()).prop_map(
        |(state, (date, solution, reason, reason_of_ours), seen_ms, reopened, is_last)| {
            let state = if is_last { String::new() } else { state };
            Line { date, seen_ms, solution, reason, reason_of_ours, reopened, is_last, ..Line::of(&state) }
        },
    );
    let lines = prop::collection::vec(line, 0..3).boxed();
    let kind = prop_oneof![Just(DocumentKind::Report), Just(DocumentKind::Notice)];
    (kind, lines.clone(), prop::option::of(lines), prop::option::of(any_copy_state()), prop::option::of(time()))
        .prop_map(|(kind, lines, holds, state, again_at_ms)| Document { kind, lines, holds, state, again_at_ms })
}

fn any_late() -> impl Strategy<Value = Late> {
    prop_oneof![
        (word(), word()).prop_map(|(code, value)| Late::Field { code, value }),
        (any_side(), state()).prop_map(|(on, to)| Late::Status { on, to }),
        (any_side(), 0..9u64, word()).prop_map(|(from, original, hash)| Late::File {
            from,
            original,
            content: content(&hash)
        }),
    ]
}

pub fn any_link() -> impl Strategy<Value = Link> {
    let late = (any_late(), time()).prop_map(|(what, until_ms)| LateWrite { what, until_ms });
    let path = (any_side(), state(), prop::collection::vec(state(), 0..3))
        .prop_map(|(on, wanted, states)| StatusPath { on, wanted, states });
    (
        (any::<[bool; 3]>(), state(), state(), attributes(), attributes()),
        prop::collection::vec(any_copy(), 0..8),
        prop::collection::vec(late, 0..4),
        (prop::collection::vec(any_late(), 0..3), prop::collection::vec((word(), word()), 0..2)),
        prop::option::of(path),
        (prop::collection::vec(any_log_state(), 0..4), prop::collection::vec(any_document(), 0..3)),
    )
        .prop_map(
            |((flags, outside, inside, theirs, ours), copies, late, (owed, edits), path, (logs, documents))| {
                let [born, halted, resumed] = flags;
                link().with(|link| {
                    if !born {
                        link.internal = None;
                    }
                    link.course.halt =
                        (halted && resumed).then(|| Halt { kind: HaltKind::FilesGone, text: String::new() });
                    link.course.resumed = resumed;
                    link.ancestor.external.status = outside;
                    link.ancestor.internal.status = inside;
                    link.ancestor.external.fields = theirs;
                    link.ancestor.internal.fields = ours;
                    link.open.conflicts.push(Conflict {
                        about: "status".into(),
                        text: String::new(),
                        is_older: false,
                        kind: None,
                    });
                    (link.files.copies, link.in_flight.late, link.in_flight.owed, link.in_flight.path) =
                        (copies, late, owed, path);
                    (link.logs, link.files.documents) = (logs, documents);
                    link.in_flight.contested_edits =
                        edits.into_iter().map(|(code, value)| Edit { code, value, may_be_ours: false }).collect();
                })
            },
        )
}

fn any_file() -> impl Strategy<Value = File> {
    let mark = (any_side(), any_kind(), any_mark_key()).prop_map(|(from, kind, key)| FileMark {
        ticket: fixtures::ticket_mark("7f3a"),
        from,
        kind,
        key,
    });
    let made_by =
        prop_oneof![2 => Just(MadeBy::Person), 4 => mark.prop_map(MadeBy::ThisPair), 1 => Just(MadeBy::OtherPair)];
    let file = (0..9u64, made_by, prop::option::of(word()), any::<bool>());
    file.prop_map(|(id, made_by, hash, announced)| File {
        id,
        made_by,
        content: hash.map(|hash| content(&hash)),
        announced,
    })
}

pub fn any_sight() -> impl Strategy<Value = Reading> {
    let reference = prop_oneof![4 => Just("R-1".to_owned()), 4 => Just("U-9".to_owned()), 1 => word()];
    let files = prop::option::of(prop::collection::vec(any_file(), 0..8));
    let logs = prop::collection::btree_map(any_log(), prop::collection::vec(any_entry(), 0..6), 0..3);
    let ticket = (reference, state(), attributes(), files, logs, time()).prop_map(
        |(reference, status, attributes, files, logs, read_at_ms)| {
            Reading::Here(Ticket {
                class: "UserRequest".into(),
                id: 1,
                reference,
                status,
                attributes,
                abroad: Default::default(),
                files,
                logs,
                parents: Vec::new(),
                family: None,
                read_at_ms,
            })
        },
    );
    prop_oneof![18 => ticket, 1 => Just(Reading::Gone), 1 => Just(Reading::NotCreated)]
}
