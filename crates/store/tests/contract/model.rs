//! The queue against a naive model of it, over random verbs. The model keeps every hint by itself
//! and merges nothing: what a row must say is computed from all of them at each question.

use std::collections::BTreeMap;

use itop_bridge_store::*;
use proptest::prelude::*;

use crate::fixtures::*;

const TICKETS: u64 = 3;

#[derive(Debug, Clone)]
enum Verb {
    Mark {
        ticket: u64,
        look: Look,
        due_in_ms: i64,
    },
    Claim {
        limit: usize,
        lease_ms: i64,
    },
    /// Renews the lease of an earlier claim, lost or not.
    Renew {
        which: prop::sample::Index,
        for_ms: i64,
    },
    /// Ends the pass of an earlier claim, lost or not.
    Finish {
        which: prop::sample::Index,
        next: NextKind,
    },
    RetryParked {
        ticket: Option<u64>,
    },
    Wait {
        ms: i64,
    },
}

#[derive(Debug, Clone)]
enum NextKind {
    Done,
    Look { look: Look, due_in_ms: i64 },
    Wait { due_in_ms: i64 },
    Retry { due_in_ms: i64, parked: bool },
}

#[derive(Debug, Clone)]
struct Hint {
    look: Look,
    due_ms: i64,
    since_ms: i64,
    /// Came since the row was last claimed.
    fresh: bool,
}

#[derive(Debug, Default)]
struct ModelRow {
    hints: Vec<Hint>,
    lease: Option<(i64, i64)>,
    attempts: u32,
    failing_since_ms: Option<i64>,
    error: Option<String>,
    parked: bool,
}

impl ModelRow {
    /// What a worker has taken keeps its own due time in the row; else all hints count.
    fn due_ms(&self) -> i64 {
        self.shown().map(|hint| hint.due_ms).min().unwrap()
    }

    fn since_ms(&self) -> i64 {
        self.shown().map(|hint| hint.since_ms).min().unwrap()
    }

    fn shown(&self) -> impl Iterator<Item = &Hint> {
        self.hints.iter().filter(|hint| self.lease.is_none() || !hint.fresh)
    }

    fn look(&self) -> Look {
        let union = |pick: fn(&Hint) -> Vec<u64>| self.hints.iter().flat_map(pick).collect();
        Look {
            files: self.hints.iter().any(|hint| hint.look.files),
            ticket: self.hints.iter().any(|hint| hint.look.ticket),
            external_attachments: union(|hint| hint.look.external_attachments.iter().copied().collect()),
            announced: union(|hint| hint.look.announced.iter().copied().collect()),
            internal_attachments: union(|hint| hint.look.internal_attachments.iter().copied().collect()),
            internal_announced: union(|hint| hint.look.internal_announced.iter().copied().collect()),
            second_looks: self
                .second_looks(|hint| (!hint.look.external_attachments.is_empty(), hint.look.second_looks)),
            internal_second_looks: self
                .second_looks(|hint| (!hint.look.internal_attachments.is_empty(), hint.look.internal_second_looks)),
            created: self.hints.iter().any(|hint| hint.look.created),
            changed: self.hints.iter().any(|hint| hint.look.changed),
            unwritten: false,
            backfilled: false,
        }
    }

    /// Those hints count that name attachments to be looked at again; where none does, all.
    fn second_looks(&self, of: fn(&Hint) -> (bool, u32)) -> u32 {
        let naming = self.hints.iter().map(of).filter(|(names, _)| *names).map(|(_, looks)| looks).min();
        naming.unwrap_or_else(|| self.hints.iter().map(|hint| of(hint).1).min().unwrap())
    }

    fn is_leased(&self, now_ms: i64) -> bool {
        self.lease.is_some_and(|(_, until_ms)| until_ms > now_ms)
    }
}

/// The store under test, the model of it, and every claim that was ever given.
struct Pair {
    store: SqliteStore,
    rows: BTreeMap<u64, ModelRow>,
    claims: Vec<Claim>,
    now_ms: i64,
}

impl Pair {
    fn run(&mut self, verb: Verb) {
        match verb {
            Verb::Wait { ms } => self.now_ms += ms,
            Verb::Mark { ticket, look, due_in_ms } => self.mark(ticket, look, due_in_ms),
            Verb::Claim { limit, lease_ms } => self.claim(limit, lease_ms),
            Verb::Renew { which, for_ms } => self.renew(which, for_ms),
            Verb::Finish { which, next } => self.finish(which, next),
            Verb::RetryParked { ticket } => self.retry_parked(ticket),
        }
    }

    fn mark(&mut self, ticket: u64, look: Look, due_in_ms: i64) {
        let due_ms = self.now_ms + due_in_ms;
        let mark = DirtyMark { look: look.clone(), ..hint(ticket, due_ms) };
        assert_eq!(self.store.mark_dirty(&[mark], self.now_ms).unwrap(), [Marked::Accepted]);
        let row = self.rows.entry(ticket).or_default();
        row.hints.push(Hint { look, due_ms, since_ms: self.now_ms, fresh: true });
        row.parked = false;
    }

    fn claim(&mut self, limit: usize, lease_ms: i64) {
        let now_ms = self.now_ms;
        let mut due: Vec<(i64, u64)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.due_ms() <= now_ms && !row.is_leased(now_ms))
            .map(|(ticket, row)| (row.due_ms(), *ticket))
            .collect();
        due.sort();
        due.truncate(limit);
        let claims = self.store.claim("acme", limit, now_ms, lease_ms).unwrap();
        assert_eq!(
            claims.iter().map(|claim| claim.lease.of.ticket).collect::<Vec<_>>(),
            due.iter().map(|(_, ticket)| *ticket).collect::<Vec<_>>()
        );
        for claim in claims {
            let row = self.rows.get_mut(&claim.lease.of.ticket).unwrap();
            let newest = self.claims.last().map_or(0, |earlier| earlier.lease.token);
            assert!(claim.lease.token > newest, "tokens grow");
            assert_eq!(claim.look, row.look());
            assert_eq!(claim.dirty_since_ms, row.hints.iter().map(|hint| hint.since_ms).min().unwrap());
            assert_eq!((claim.attempts, claim.failing_since_ms), (row.attempts, row.failing_since_ms));
            assert_eq!(claim.error, row.error);
            row.hints.iter_mut().for_each(|hint| hint.fresh = false);
            row.lease = Some((claim.lease.token, claim.lease.until_ms));
            self.claims.push(claim);
        }
    }

    /// An earlier claim, and whether its lease is still the row's own.
    fn earlier(&self, which: prop::sample::Index) -> Option<(Claim, bool)> {
        let claim = which.get(self.claims.get(..).filter(|claims| !claims.is_empty())?).clone();
        let row = self.rows.get(&claim.lease.of.ticket);
        let owns = row.and_then(|row| row.lease).is_some_and(|(token, _)| token == claim.lease.token);
        Some((claim, owns))
    }

    fn renew(&mut self, which: prop::sample::Index, for_ms: i64) {
        let Some((claim, owns)) = self.earlier(which) else { return };
        let until_ms = self.now_ms + for_ms;
        let renewed = self.store.renew(&claim.lease, until_ms);
        assert_eq!(renewed.is_ok(), owns, "{renewed:?}");
        if owns {
            self.rows.get_mut(&claim.lease.of.ticket).unwrap().lease = Some((claim.lease.token, until_ms));
        }
    }

    fn finish(&mut self, which: prop::sample::Index, kind: NextKind) {
        let Some((claim, owns)) = self.earlier(which) else { return };
        let now_ms = self.now_ms;
        let next = match kind {
            NextKind::Done => Next::Done,
            NextKind::Look { look, due_in_ms } => Next::Look { due_ms: now_ms + due_in_ms, look },
            NextKind::Wait { due_in_ms } => waits(now_ms + due_in_ms),
            NextKind::Retry { due_in_ms, parked } => failed(now_ms + due_in_ms, parked),
        };
        let finished = self.store.finish(&claim, &next, now_ms);
        if !owns {
            assert!(matches!(finished, Err(StoreError::LeaseLost)));
            return;
        }
        finished.unwrap();
        let ticket = claim.lease.of.ticket;
        let mut row = self.rows.remove(&ticket).unwrap();
        row.lease = None;
        if let Next::Retry { due_ms, error, parked, .. } = next {
            row.parked = parked && !row.hints.iter().any(|hint| hint.fresh);
            row.hints.iter_mut().filter(|hint| !hint.fresh).for_each(|hint| hint.due_ms = due_ms);
            row.attempts += 1;
            row.failing_since_ms = row.failing_since_ms.or(Some(now_ms));
            row.error = Some(error);
        } else if let Next::Wait { due_ms, reason } = next {
            row.hints.iter_mut().filter(|hint| !hint.fresh).for_each(|hint| hint.due_ms = due_ms);
            row.error = row.error.or(Some(reason));
        } else {
            row.hints.retain(|hint| hint.fresh);
            if let Next::Look { due_ms, look } = next {
                row.hints.push(Hint { look, due_ms, since_ms: now_ms, fresh: false });
            }
            row = ModelRow { hints: row.hints, ..ModelRow::default() };
        }
        if !row.hints.is_empty() {
            self.rows.insert(ticket, row);
        }
    }

    fn retry_parked(&mut self, ticket: Option<u64>) {
        let now_ms = self.now_ms;
        let mut retried = 0;
        for (_, row) in self.rows.iter_mut().filter(|(id, row)| row.parked && ticket.is_none_or(|one| one == **id)) {
            row.parked = false;
            row.hints.iter_mut().for_each(|hint| hint.due_ms = hint.due_ms.min(now_ms));
            retried += 1;
        }
        let of = ticket.map(acme);
        assert_eq!(self.store.retry_parked(of.as_ref(), now_ms).unwrap(), retried);
    }

    fn compare(&mut self) {
        let now_ms = self.now_ms;
        let mut expected: Vec<QueueRow> = self
            .rows
            .iter()
            .map(|(ticket, row)| QueueRow {
                of: acme(*ticket),
                class: None,
                due_ms: row.due_ms(),
                dirty_since_ms: row.since_ms(),
                attempts: row.attempts,
                error: row.error.clone(),
                parked: row.parked,
                leased: row.is_leased(now_ms),
            })
            .collect();
        expected.sort_by_key(|row| (row.dirty_since_ms, row.of.ticket));
        assert_eq!(queue(&mut self.store, now_ms), expected);
        let next_due = self.rows.values().map(|row| match row.lease {
            Some((_, until_ms)) if until_ms > now_ms => row.due_ms().max(until_ms),
            _ => row.due_ms(),
        });
        assert_eq!(self.store.next_due("acme", now_ms).unwrap(), next_due.min());
    }
}

fn looks() -> impl Strategy<Value = Look> {
    let ids = || prop::collection::btree_set(1..5u64, 0..3);
    let hook = || (any::<bool>(), any::<bool>());
    (any::<[bool; 2]>(), ids(), ids(), ids(), ids(), 0..3u32, 0..3u32, hook()).prop_map(
        |(
            [files, ticket],
            external_attachments,
            announced,
            internal_attachments,
            internal_announced,
            looks,
            inside,
            hook,
        )| Look {
            files,
            ticket,
            external_attachments,
            announced,
            internal_attachments,
            internal_announced,
            second_looks: looks,
            internal_second_looks: inside,
            created: hook.0,
            changed: hook.1,
            // Its order is told by a test of its own.
            unwritten: false,
            backfilled: false,
        },
    )
}

fn verbs() -> impl Strategy<Value = Verb> {
    let tickets = || 1..=TICKETS;
    let next = prop_oneof![
        2 => Just(NextKind::Done),
        1 => (looks(), 0..100i64).prop_map(|(look, due_in_ms)| NextKind::Look { look, due_in_ms }),
        1 => (0..100i64).prop_map(|due_in_ms| NextKind::Wait { due_in_ms }),
        2 => (0..100i64, any::<bool>()).prop_map(|(due_in_ms, parked)| NextKind::Retry { due_in_ms, parked }),
    ];
    prop_oneof![
        4 => (tickets(), looks(), 0..50i64)
            .prop_map(|(ticket, look, due_in_ms)| Verb::Mark { ticket, look, due_in_ms }),
        4 => (1..4usize, 1..60i64).prop_map(|(limit, lease_ms)| Verb::Claim { limit, lease_ms }),
        1 => (any::<prop::sample::Index>(), 0..60i64)
            .prop_map(|(which, for_ms)| Verb::Renew { which, for_ms }),
        4 => (any::<prop::sample::Index>(), next).prop_map(|(which, next)| Verb::Finish { which, next }),
        1 => prop::option::of(tickets()).prop_map(|ticket| Verb::RetryParked { ticket }),
        3 => (1..60i64).prop_map(|ms| Verb::Wait { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_its_naive_model_does(verbs in prop::collection::vec(verbs(), 1..60)) {
        let store = SqliteStore::open_in_memory().unwrap();
        let mut pair = Pair { store, rows: BTreeMap::new(), claims: Vec::new(), now_ms: 1_000 };
        for verb in verbs {
            pair.run(verb);
            pair.compare();
        }
    }
}
