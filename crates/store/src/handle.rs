//! Runs the store's verbs: on one writer thread, or inline.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::dirtied::{Dirtied, Dirtying};
use super::{DirtyMark, MAX_ROWS, Marked, Result, Store, StoreError};

/// How many webhooks may wait for the writer. At a few thousand hints per second this is far more than can be
/// answered within their second, so beyond it the honest answer is 503.
const WAITING_MARKS: usize = 1024;

/// How many other verbs may wait; further callers wait for a place.
const WAITING_CALLS: usize = 64;

/// A cloneable, asynchronous handle to the store.
///
/// *Guarantees*: a verb answered with `Ok` is on disk. On the thread, all waiting [`mark_dirty`] requests share as
/// few commits as they fit into, and hints are never behind more than one other verb. *Caveat*: a request whose
/// future is dropped may be carried out all the same.
///
/// [`mark_dirty`]: StoreHandle::mark_dirty
#[derive(Clone)]
pub struct StoreHandle {
    way: Way,
    dirtied: Dirtying,
}

#[derive(Clone)]
enum Way {
    Inline(Arc<Mutex<Option<Box<dyn Store>>>>),
    Thread { marks: mpsc::Sender<MarkJob>, calls: mpsc::Sender<CallJob> },
}

struct MarkJob {
    marks: Vec<DirtyMark>,
    now_ms: i64,
    answer: oneshot::Sender<Result<Vec<Marked>>>,
}

type Verbs = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum CallJob {
    Run(Verbs),
    Close(oneshot::Sender<()>),
}

impl StoreHandle {
    /// Runs each verb where it is called, without a hand-over: for the simulation, where the order of everything
    /// follows from the seed, and for the command line.
    pub fn inline(store: impl Store + 'static) -> StoreHandle {
        let store: Box<dyn Store> = Box::new(store);
        StoreHandle::over(Way::Inline(Arc::new(Mutex::new(Some(store)))))
    }

    /// Moves the store to a thread of its own, which ends when the last handle is dropped.
    ///
    /// # Panics
    /// If the system cannot start a thread.
    pub fn thread(store: impl Store + 'static) -> StoreHandle {
        let (marks, waiting_marks) = mpsc::channel(WAITING_MARKS);
        let (calls, waiting_calls) = mpsc::channel(WAITING_CALLS);
        let executor = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers asks the system for nothing");
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || executor.block_on(write(Box::new(store), waiting_marks, waiting_calls)))
            .expect("the system gives the store its thread");
        StoreHandle::over(Way::Thread { marks, calls })
    }

    fn over(way: Way) -> StoreHandle {
        StoreHandle { way, dirtied: Dirtying::default() }
    }

    /// Runs verbs, waiting for a place in the writer's queue if necessary. Each verb is a transaction of its own;
    /// nothing comes between the verbs of one call.
    pub async fn call<R: Send + 'static>(
        &self,
        verbs: impl FnOnce(&mut dyn Store) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        match &self.way {
            Way::Inline(store) => inline(store, verbs),
            Way::Thread { calls, .. } => {
                let (answer, answered) = oneshot::channel();
                let run = move |store: &mut dyn Store| {
                    // Nobody listens if the caller was dropped; the verbs ran all the same.
                    let _ = answer.send(verbs(store));
                };
                calls.send(CallJob::Run(Box::new(run))).await.map_err(|_| closed())?;
                answered.await.map_err(|_| closed())?
            }
        }
    }

    /// [`Store::mark_dirty`], answered once it is on disk; [`StoreError::Unavailable`] at once when too many requests
    /// wait already.
    pub async fn mark_dirty(&self, marks: Vec<DirtyMark>, now_ms: i64) -> Result<Vec<Marked>> {
        let marked = match &self.way {
            Way::Inline(store) => inline(store, |store| store.mark_dirty(&marks, now_ms)),
            Way::Thread { marks: queue, .. } => {
                let (answer, answered) = oneshot::channel();
                queue.try_send(MarkJob { marks, now_ms, answer }).map_err(|full| match full {
                    mpsc::error::TrySendError::Full(_) => {
                        StoreError::Unavailable("too many hints wait to be written".to_owned())
                    }
                    mpsc::error::TrySendError::Closed(_) => closed(),
                })?;
                answered.await.map_err(|_| closed())?
            }
        }?;
        if marked.contains(&Marked::Accepted) {
            self.dirtied.tell();
        }
        Ok(marked)
    }

    /// Marks any number of tickets, in transactions of bounded size: a webhook must not wait behind a bulk change.
    /// Returns how many marks were accepted.
    pub async fn mark_all(&self, marks: Vec<DirtyMark>, now_ms: i64) -> Result<usize> {
        let mut accepted = 0;
        for chunk in marks.chunks(MAX_ROWS) {
            let answers = self.mark_dirty(chunk.to_vec(), now_ms).await?;
            accepted += answers.iter().filter(|answer| **answer == Marked::Accepted).count();
        }
        Ok(accepted)
    }

    /// Changes whenever [`StoreHandle::mark_dirty`] accepted a mark; a change between two waits is not lost. Writes
    /// by other processes are not noticed here.
    pub fn dirtied(&self) -> Dirtied {
        self.dirtied.listen()
    }

    /// Waits until the store is gone: it was closed, or its thread ended. Never returns for an inline store.
    pub async fn lost(&self) {
        match &self.way {
            Way::Inline(_) => std::future::pending().await,
            Way::Thread { calls, .. } => calls.closed().await,
        }
    }

    /// Closes the store, with its lock, after the calls that wait before it, so that the same store can be opened
    /// again. Every handle then answers [`StoreError::Unavailable`].
    pub async fn close(&self) {
        match &self.way {
            Way::Inline(store) => {
                store.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            Way::Thread { calls, .. } => {
                let (answer, answered) = oneshot::channel();
                // An error means that it is closed already.
                if calls.send(CallJob::Close(answer)).await.is_ok() {
                    let _ = answered.await;
                }
            }
        }
    }
}

fn inline<R>(store: &Mutex<Option<Box<dyn Store>>>, verbs: impl FnOnce(&mut dyn Store) -> Result<R>) -> Result<R> {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    verbs(store.as_deref_mut().ok_or_else(closed)?)
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The writer alternates between all the waiting hints, in as few commits as they fit into, and one call. So a stream
/// of hints cannot starve the engine, nor the engine delay a hint by more than one call.
async fn write(mut store: Box<dyn Store>, mut marks: mpsc::Receiver<MarkJob>, mut calls: mpsc::Receiver<CallJob>) {
    let mut waiting = Vec::new();
    loop {
        let call = tokio::select! {
            biased;
            some = marks.recv_many(&mut waiting, WAITING_MARKS) => {
                if some == 0 {
                    return;
                }
                mark_in_groups(store.as_mut(), &mut waiting);
                calls.try_recv().ok()
            }
            Some(call) = calls.recv() => Some(call),
        };
        match call {
            None => {}
            Some(CallJob::Run(verbs)) => verbs(store.as_mut()),
            Some(CallJob::Close(answer)) => {
                drop(store);
                let _ = answer.send(());
                return;
            }
        }
    }
}

fn mark_in_groups(store: &mut dyn Store, waiting: &mut Vec<MarkJob>) {
    let mut group: Vec<MarkJob> = Vec::new();
    let mut rows = 0;
    for job in waiting.drain(..) {
        if rows + job.marks.len() > MAX_ROWS && !group.is_empty() {
            commit(store, std::mem::take(&mut group));
            rows = 0;
        }
        rows += job.marks.len();
        group.push(job);
    }
    commit(store, group);
}

/// Commits a group in one transaction, and answers each of its requests.
fn commit(store: &mut dyn Store, group: Vec<MarkJob>) {
    // The earliest time: a row then counts as dirty for a moment too long, never too short.
    let Some(now_ms) = group.iter().map(|job| job.now_ms).min() else { return };
    let all: Vec<DirtyMark> = group.iter().flat_map(|job| job.marks.iter().cloned()).collect();
    match store.mark_dirty(&all, now_ms) {
        Ok(marked) => {
            let mut marked = marked.into_iter();
            for job in group {
                let own = marked.by_ref().take(job.marks.len()).collect();
                let _ = job.answer.send(Ok(own));
            }
        }
        Err(error) if group.len() == 1 => answer_all(group, &error),
        Err(_) => one_by_one(store, group),
    }
}

/// One bad request must not fail its neighbours. But if the store cannot commit at all, all fail at once: each try
/// may take as long as the database waits for another process.
fn one_by_one(store: &mut dyn Store, group: Vec<MarkJob>) {
    if let Err(error) = store.probe() {
        return answer_all(group, &error);
    }
    for job in group {
        let _ = job.answer.send(store.mark_dirty(&job.marks, job.now_ms));
    }
}

fn answer_all(group: Vec<MarkJob>, error: &StoreError) {
    for job in group {
        let _ = job.answer.send(Err(error.clone()));
    }
}
