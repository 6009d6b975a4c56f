//! The handle: group commit, order, limits, and that it wakes whoever waits for dirty tickets.

use std::sync::{Arc, mpsc};

use futures_util::future::join_all;
use itop_bridge_store::*;

use crate::backends::{Folder, NeverIdle};
use crate::fixtures::*;

/// Keeps a thread's writer busy until the returned sender is dropped, so that requests gather.
async fn hold_writer(handle: &StoreHandle) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (began, begun) = tokio::sync::oneshot::channel();
    let held = handle.clone();
    tokio::spawn(async move {
        let hold = move |_: &mut dyn Store| {
            began.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        };
        held.call(hold).await
    });
    begun.await.unwrap();
    release
}

async fn all_marked(handle: &StoreHandle, requests: Vec<Vec<DirtyMark>>) -> Vec<Result<Vec<Marked>>> {
    let release = hold_writer(handle).await;
    let mut waiting = Box::pin(join_all(requests.into_iter().map(|marks| handle.mark_dirty(marks, 0))));
    // One poll, so that all requests stand in the queue.
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(release);
    waiting.await
}

#[tokio::test]
async fn fifty_waiting_hints_share_one_commit() {
    let folder = Folder::new();
    let commits = Arc::new(Counted::default());
    let store = SqliteStore::open_exclusive(folder.path("store.db")).unwrap().behind(commits.clone());
    let handle = StoreHandle::thread(store);
    let answers = all_marked(&handle, (0..50).map(|ticket| vec![hint(ticket, 0)]).collect()).await;
    assert!(answers.iter().all(|answer| matches!(answer.as_deref(), Ok([Marked::Accepted]))));
    assert_eq!(commits.made(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_hints_in_a_rush_take_few_commits() {
    let folder = Folder::new();
    let commits = Arc::new(Counted::default());
    let store = SqliteStore::open_exclusive(folder.path("store.db")).unwrap().behind(commits.clone());
    let handle = StoreHandle::thread(store);
    let tasks = (0..500).map(|ticket| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.mark_dirty(vec![hint(ticket, 0)], 0).await.unwrap() })
    });
    join_all(tasks.collect::<Vec<_>>()).await.into_iter().for_each(|task| drop(task.unwrap()));
    let commits = commits.made();
    println!("500 hints took {commits} commits");
    assert!(commits < 250, "{commits}");
}

#[tokio::test]
async fn a_group_never_exceeds_a_transaction_and_each_request_gets_its_own_answer() {
    let commits = Arc::new(Counted::default());
    let store = SqliteStore::open_in_memory().unwrap().behind(commits.clone());
    let handle = StoreHandle::thread(store);
    let request = |n: u64| (0..150).map(|i| if i == 3 { internal_hint(n) } else { hint(n, 0) }).collect();
    let answers = all_marked(&handle, (0..3).map(request).collect()).await;
    assert_eq!(commits.made(), 3);
    for answer in answers {
        let marked = answer.unwrap();
        assert_eq!(marked.len(), 150);
        let ignored: Vec<_> = marked.iter().enumerate().filter(|(_, one)| **one != Marked::Accepted).collect();
        assert!(matches!(ignored[..], [(3, Marked::Ignored(_))]), "{ignored:?}");
    }
}

#[tokio::test]
async fn a_bad_request_does_not_fail_its_neighbours() {
    let handle = StoreHandle::thread(SqliteStore::open_in_memory().unwrap());
    let too_many: Vec<_> = (0..201).map(|ticket| hint(ticket, 0)).collect();
    let requests = vec![vec![hint(1, 0)], too_many, vec![hint(2, 0)]];
    let answers = all_marked(&handle, requests).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(matches!(answers[1], Err(StoreError::TooMany { rows: 201 })));

    let folder = Folder::new();
    let path = folder.path("store.db");
    let store = SqliteStore::open(&path).unwrap();
    let refuse = "CREATE TRIGGER bad BEFORE INSERT ON dirty WHEN new.ticket = 13 \
                  BEGIN SELECT RAISE(ABORT, 'thirteen'); END";
    rusqlite::Connection::open(&path).unwrap().execute_batch(refuse).unwrap();
    let handle = StoreHandle::thread(store);
    let answers = all_marked(&handle, (10..16).map(|ticket| vec![hint(ticket, 0)]).collect()).await;
    let failed: Vec<_> = answers.iter().map(|answer| answer.is_err()).collect();
    assert_eq!(failed, [false, false, false, true, false, false]);
    let rows = handle.call(|store| store.queue(None, 10, 0)).await.unwrap();
    assert_eq!(rows.len(), 5);
}

/// A store that can commit nothing fails everyone, with its own words and without a try for each.
#[tokio::test]
async fn a_store_that_cannot_commit_fails_all_at_once() {
    let folder = Folder::new();
    let path = folder.path("store.db");
    let store = SqliteStore::open(&path).unwrap();
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON dirty BEGIN SELECT RAISE(ABORT, 'no'); END; \
                  CREATE TRIGGER no2 BEFORE UPDATE ON counters BEGIN SELECT RAISE(ABORT, 'sorry'); END";
    rusqlite::Connection::open(&path).unwrap().execute_batch(refuse).unwrap();
    let handle = StoreHandle::thread(store);
    let dirtied = handle.dirtied();
    let answers = all_marked(&handle, (0..20).map(|ticket| vec![hint(ticket, 0)]).collect()).await;
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Unavailable(words)) if words.contains("sorry")));
    }
    assert!(!dirtied.has_changed());
}

#[tokio::test]
async fn when_too_many_wait_a_hint_is_refused_at_once() {
    let handle = StoreHandle::thread(SqliteStore::open_in_memory().unwrap());
    let answers = all_marked(&handle, (0..1100).map(|ticket| vec![hint(ticket, 0)]).collect()).await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(refused, 1100 - 1024);
    assert!(matches!(answers.last(), Some(Err(StoreError::Unavailable(words))) if words.contains("too many")));
}

#[tokio::test]
async fn a_hint_waits_behind_one_call_at_most() {
    let handle = StoreHandle::thread(SqliteStore::open_in_memory().unwrap());
    let release = hold_writer(&handle).await;
    let saw_hint = Arc::new(std::sync::Mutex::new(Vec::new()));
    let calls = (0..5).map(|_| {
        let saw_hint = Arc::clone(&saw_hint);
        handle.call(move |store| {
            saw_hint.lock().unwrap().push(!store.queue(None, 1, 0)?.is_empty());
            Ok(())
        })
    });
    let mut calls = Box::pin(join_all(calls));
    assert!(futures_util::poll!(&mut calls).is_pending());
    let mut hint = Box::pin(handle.mark_dirty(vec![hint(7, 0)], 0));
    assert!(futures_util::poll!(&mut hint).is_pending());
    drop(release);
    hint.await.unwrap();
    calls.await;
    assert_eq!(*saw_hint.lock().unwrap(), [true; 5], "the hint went first");
}

#[tokio::test]
async fn hints_that_never_stop_coming_do_not_starve_a_call() {
    let handle = NeverIdle::on_a_thread();
    handle.mark_dirty(vec![hint(7, 0)], 0).await.unwrap();
    let call = handle.call(|store| store.probe());
    let turn = tokio::time::timeout(std::time::Duration::from_secs(20), call).await;
    turn.expect("the call has its turn").unwrap();
    handle.close().await;
}

#[tokio::test]
async fn more_calls_than_have_a_place_wait_for_one() {
    let handle = StoreHandle::thread(SqliteStore::open_in_memory().unwrap());
    let release = hold_writer(&handle).await;
    let mut calls = Box::pin(join_all((0..200).map(|_| handle.call(|store| store.probe()))));
    assert!(futures_util::poll!(&mut calls).is_pending());
    drop(release);
    assert!(calls.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn what_was_marked_wakes_whoever_waits() {
    for handle in both_ways() {
        let mut dirtied = handle.dirtied();
        handle.mark_dirty(vec![internal_hint(70)], 0).await.unwrap();
        assert!(!dirtied.has_changed(), "ignored");
        handle.mark_dirty(vec![hint(7, 0)], 0).await.unwrap();
        dirtied.changed().await;
        handle.call(|store| store.claim("acme", 1, 0, LEASE_MS)).await.unwrap();
        assert!(!dirtied.has_changed(), "a lane's own verbs do not wake it");
    }
}

#[tokio::test]
async fn verbs_answer_through_either_way() {
    for handle in both_ways() {
        assert_eq!(handle.mark_dirty(vec![hint(7, 0)], 0).await.unwrap(), [Marked::Accepted]);
        let of = acme(7);
        let claims = handle.call(|store| store.claim("acme", 1, 0, LEASE_MS)).await.unwrap();
        assert_eq!(claims[0].lease.of, of);
        let lost = handle.call(move |store| store.renew(&stale(&claims[0].lease), 0)).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)));
    }
}

#[tokio::test]
async fn a_closed_store_can_be_opened_again() {
    let folder = Folder::new();
    let ways: [fn(SqliteStore) -> StoreHandle; 2] = [StoreHandle::inline, StoreHandle::thread];
    for way in ways {
        let handle = way(SqliteStore::open_exclusive(folder.path("store.db")).unwrap());
        handle.mark_dirty(vec![hint(7, 0)], 0).await.unwrap();
        handle.close().await;
        handle.close().await;
        let closed = handle.call(|store| store.probe()).await;
        assert!(matches!(closed, Err(StoreError::Unavailable(words)) if words.contains("closed")));
        assert!(handle.mark_dirty(vec![hint(7, 0)], 0).await.is_err());
    }
    SqliteStore::open_exclusive(folder.path("store.db")).unwrap();
}

/// The simulation's runtime: one thread, virtual time. A hand-over to another thread would let the
/// clock run on while it lasts.
#[tokio::test(start_paused = true)]
async fn inline_verbs_take_no_virtual_time() {
    let handle = StoreHandle::inline(SqliteStore::open_in_memory().unwrap());
    let began = tokio::time::Instant::now();
    let sleeper = tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(1)));
    for ticket in 0..100 {
        handle.mark_dirty(vec![hint(ticket, 0)], 0).await.unwrap();
        handle.call(|store| store.probe()).await.unwrap();
    }
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    assert!(!sleeper.is_finished());
}

fn both_ways() -> [StoreHandle; 2] {
    let store = || SqliteStore::open_in_memory().unwrap();
    [StoreHandle::inline(store()), StoreHandle::thread(store())]
}
