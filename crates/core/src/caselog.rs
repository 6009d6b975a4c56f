//! Case logs: which entries of one side's log have been delivered to the other side.
//!
//! iTop gives an entry no id, and loses one when two people save at the same moment. So an entry is identified by its
//! content, and deliveries are remembered entry by entry: neither a lost entry nor a late one shifts the rest.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::link::CopyState;
use crate::mark::FileKind;
use crate::parents::{Kept, KeptBack, ParentKey, Waiting};
use crate::ticket::Side;
use reworded::Places;

mod reworded;

/// The longest time between dating an entry and the end of its save: by then an entry lost to a race is gone, and the
/// entry that replaced it is there.
pub const ENTRY_SETTLES_MS: i64 = 10_000;

/// One of a ticket's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogName {
    Private,
    Public,
}

impl LogName {
    pub const ALL: [LogName; 2] = [LogName::Private, LogName::Public];

    /// The attribute that holds this log.
    pub fn attribute(self) -> &'static str {
        match self {
            LogName::Private => "private_log",
            LogName::Public => "public_log",
        }
    }

    /// The word used in marks and in file names.
    pub fn word(self) -> &'static str {
        match self {
            LogName::Private => "private",
            LogName::Public => "public",
        }
    }
}

/// The identity of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryKey {
    /// The entry's time, as iTop prints it: it moves when the server's time zone is changed.
    pub date: String,
    pub user_id: u64,
    /// A hash of its `message_html`, with image addresses reduced to their id.
    pub hash: String,
    /// The index among entries equal in all of the above, from 0.
    pub nth: u32,
    /// A hash of the author's name; not part of the comparison of keys. Absent in keys that an older version stored,
    /// and in those of a log whose files name nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Until then a save that began before the entry was read may still make iTop lose it. `None` once the entry was
    /// seen after that. Not part of the comparison of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_until_ms: Option<i64>,
}

impl EntryKey {
    fn says(&self) -> (u64, &str) {
        (self.user_id, &self.hash)
    }

    pub(crate) fn says_the_same(&self, other: &EntryKey) -> bool {
        self.says() == other.says()
    }

    fn is_of_the_same_moment(&self, other: &EntryKey) -> bool {
        self.moment() == other.moment()
    }

    /// The author and the second: the entries that share them keep their order.
    pub(crate) fn moment(&self) -> (u64, &str) {
        (self.user_id, &self.date)
    }

    /// Whether iTop shows another author's name than before.
    fn has_another_author_than(&self, before: &EntryKey) -> bool {
        self.author.as_ref().zip(before.author.as_ref()).is_some_and(|(is, was)| is != was)
    }

    /// This key, first read at `read_at_ms`.
    pub(crate) fn seen_at(&self, read_at_ms: i64) -> EntryKey {
        EntryKey { fresh_until_ms: Some(read_at_ms.saturating_add(ENTRY_SETTLES_MS)), ..self.clone() }
    }

    /// Takes the values of the entry as read again, and keeps how long it counts as fresh.
    fn becomes(&mut self, now: &EntryKey) {
        *self = EntryKey { fresh_until_ms: self.fresh_until_ms, ..now.clone() };
    }

    fn compared(&self) -> (&str, u64, &str, u32) {
        (&self.date, self.user_id, &self.hash, self.nth)
    }
}

impl PartialEq for EntryKey {
    fn eq(&self, other: &EntryKey) -> bool {
        self.compared() == other.compared()
    }
}

impl Eq for EntryKey {}

impl Hash for EntryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.compared().hash(state);
    }
}

impl PartialOrd for EntryKey {
    fn partial_cmp(&self, other: &EntryKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryKey {
    fn cmp(&self, other: &EntryKey) -> Ordering {
        self.compared().cmp(&other.compared())
    }
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: EntryKey,
    /// The author's name, as iTop shows it.
    pub author: String,
    pub html: String,
}

/// One log of one side of a pair: what has been delivered of it to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// The side that the log is read on.
    pub from: Side,
    pub log: LogName,
    pub delivered: Vec<EntryKey>,
    /// Entries that disappeared after they were delivered or put into a batch: one that reappears unchanged is not
    /// new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished: Vec<EntryKey>,
    /// The entries being sent: fixed before the first call, and sent unchanged after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Batches that something in front of the other iTop rejected: each is retried by itself, and later entries do
    /// not wait for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<LogHalt>,
    /// The attachments that carried the delivered entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<u64>,
    /// The entries that each of these attachments carried, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<LogFile>,
    /// Entries whose words were changed in place after they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reworded: Vec<Reworded>,
    /// Reworded entries that were never sent: a parent's entry is recognised by the words that it first had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsent_reworded: Vec<Reworded>,
    /// Entries that iTop copied from a parent and that stay on their side. They are also listed in `delivered`: they
    /// are handled, and never sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// New entries that may be copies from a parent that cannot be read: kept back until it can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<KeptBack>,
    /// New entries that may be copies from a parent that is still being saved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// Entries of unknown origin that an operator lets cross, until they have crossed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<EntryKey>,
    /// The entry that the bridge wrote when it created the internal ticket, as it stands now: recognised even if
    /// somebody changed the words that hold its mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_entry: Option<EntryKey>,
    /// Attachments of this log that a person deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<u64>,
    /// An operator resumed this log after a halt: entries dated up to then count as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<String>,
}

impl LogState {
    pub fn new(from: Side, log: LogName) -> LogState {
        LogState {
            from,
            log,
            delivered: Vec::new(),
            vanished: Vec::new(),
            batch: None,
            aside: Vec::new(),
            halt: None,
            files: Vec::new(),
            carried: Vec::new(),
            reworded: Vec::new(),
            unsent_reworded: Vec::new(),
            kept: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            own: Vec::new(),
            own_entry: None,
            removed: Vec::new(),
            resumed_after: None,
        }
    }

    /// Whether an entry of the batch shares its author and second with a delivered one: once both are delivered, a look
    /// remembers their order.
    pub fn batch_shares_a_second(&self) -> bool {
        let entries = self.batch.iter().flat_map(|batch| &batch.entries);
        entries.into_iter().any(|key| self.delivered.iter().any(|known| known.is_of_the_same_moment(key)))
    }

    /// The batch's files arrived, or their fate is known: its entries count as delivered, except those that have
    /// disappeared meanwhile, which stay in `vanished`.
    pub fn finish_batch(&mut self) {
        let batch = self.batch.take();
        self.are_over(batch);
    }

    /// The batch will not be sent any more: its entries are new again.
    pub fn give_up_batch(&mut self) {
        let batch = self.batch.take();
        self.are_given_up(batch);
    }

    /// An operator lets the entries that are kept back cross.
    pub(crate) fn let_cross(&mut self) {
        self.own.extend(std::mem::take(&mut self.held).into_iter().map(|held| held.key));
    }

    /// An operator keeps the entries that are kept back on their side, for good.
    pub(crate) fn keep_back_for_good(&mut self) {
        for KeptBack { key, of, .. } in std::mem::take(&mut self.held) {
            self.kept.extend(of.into_iter().next().map(|parent| Kept { key: key.clone(), parent, reference: None }));
            self.delivered.push(key);
        }
    }

    /// The tickets from which entries of still unknown origin may have been copied.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &ParentKey> {
        self.held.iter().map(|held| &held.of).chain(self.waiting.iter().map(|waiting| &waiting.of)).flatten()
    }

    /// The batch being sent, and those that were set aside.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batch.iter().chain(&self.aside)
    }

    pub fn batches_mut(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.batch.iter_mut().chain(&mut self.aside)
    }

    /// Later entries no longer wait for the batch.
    pub fn set_aside(&mut self) {
        self.aside.extend(self.batch.take());
    }

    /// Removes and returns the set-aside batch with this key.
    pub fn take_aside(&mut self, key: &str) -> Option<Batch> {
        let at = self.aside.iter().position(|batch| batch.key() == Some(key))?;
        Some(self.aside.remove(at))
    }

    /// [`LogState::finish_batch`] for a batch that was set aside.
    pub fn finish_aside(&mut self, key: &str) {
        let batch = self.take_aside(key);
        self.are_over(batch);
    }

    pub fn give_up_aside(&mut self, key: &str) {
        let batch = self.take_aside(key);
        self.are_given_up(batch);
    }

    fn are_over(&mut self, batch: Option<Batch>) {
        let entries = self.keep_files_of(batch).into_iter();
        let (vanished, delivered) = (&self.vanished, &mut self.delivered);
        delivered.extend(entries.filter(|key| !vanished.contains(key)));
    }

    fn are_given_up(&mut self, batch: Option<Batch>) {
        let entries = self.keep_files_of(batch);
        self.vanished.retain(|key| !entries.contains(key));
    }

    /// Vanished entries stand in the log again, unchanged.
    pub fn record_back(&mut self, keys: &[EntryKey]) {
        self.vanished.retain(|key| !keys.contains(key));
        let on_its_way = |key: &&EntryKey| self.batches().any(|batch| batch.entries.contains(key));
        let delivered: Vec<EntryKey> = keys.iter().filter(|key| !on_its_way(key)).cloned().collect();
        self.delivered.extend(delivered);
    }

    fn keep_files_of(&mut self, batch: Option<Batch>) -> Vec<EntryKey> {
        let Some(batch) = batch else { return Vec::new() };
        self.own.retain(|key| !batch.entries.contains(key));
        for file in &batch.files {
            let Some(id) = file.state.as_ref().and_then(CopyState::standing) else { continue };
            self.files.push(id);
            if file.kind == FileKind::Log {
                let entries = batch.entries.iter().map(|key| self.as_sent(key).clone()).collect();
                self.carried.push(LogFile { id, name: file.name.clone(), entries });
            }
        }
        batch.entries
    }

    /// The key that the entry had when it was sent.
    fn as_sent<'k>(&'k self, now: &'k EntryKey) -> &'k EntryKey {
        self.reworded.iter().find(|reworded| reworded.now == *now).map_or(now, |reworded| &reworded.was)
    }

    /// Entries that count as delivered or are being sent, in the order in which they came.
    fn known(&self) -> impl Iterator<Item = &EntryKey> {
        self.delivered.iter().chain(self.batches().flat_map(|batch| &batch.entries))
    }

    /// Entries not yet decided on, or allowed to cross but not sent yet.
    fn pending(&self) -> impl Iterator<Item = &EntryKey> {
        let held = self.held.iter().map(|held| &held.key);
        held.chain(self.waiting.iter().map(|waiting| &waiting.key)).chain(&self.own)
    }

    /// The entry has other words now, or its author another name. The copy that was sent keeps the old ones.
    pub(crate) fn record_reworded(&mut self, before: &EntryKey, now: &EntryKey) {
        self.record_back_as(before, now);
        self.has_key(before, now);
        let is_unsent = self.was_never_sent(now);
        let records = if is_unsent { &mut self.unsent_reworded } else { &mut self.reworded };
        let known = records.iter().position(|reworded| reworded.now == *before);
        let was = known.map_or_else(|| before.clone(), |at| records.remove(at).was);
        // Somebody may have put the old words back.
        if was != *now || now.has_another_author_than(&was) {
            records.push(Reworded { was, now: now.clone() });
        }
    }

    /// The entry may have vanished and be there again.
    fn record_back_as(&mut self, before: &EntryKey, now: &EntryKey) {
        if self.vanished.contains(before) {
            self.vanished.retain(|key| key != before);
            let is_on_its_way = self.batches().any(|batch| batch.entries.contains(before));
            self.delivered.extend((!is_on_its_way).then(|| now.clone()));
        }
    }

    fn was_never_sent(&self, key: &EntryKey) -> bool {
        let is_on_its_way = || self.batches().any(|batch| batch.entries.contains(key));
        self.kept.iter().any(|kept| kept.key == *key)
            || (self.pending().any(|pending| pending == key) && !is_on_its_way())
    }

    /// The entry as it was first seen, if it was never sent.
    pub(crate) fn first_words_of<'k>(&'k self, now: &'k EntryKey) -> &'k EntryKey {
        self.unsent_reworded.iter().find(|reworded| reworded.now == *now).map_or(now, |reworded| &reworded.was)
    }

    /// Forgets the first words of entries that crossed or disappeared: they are of no more use.
    pub(crate) fn forget_first_words(&mut self) {
        let records = std::mem::take(&mut self.unsent_reworded);
        self.unsent_reworded = records.into_iter().filter(|reworded| self.was_never_sent(&reworded.now)).collect();
    }

    /// The same entry under another date, or one that was lost and written again: not all saves of that second may
    /// have ended yet, so the entry counts as fresh as `now` says.
    pub(crate) fn record_moved(&mut self, before: &EntryKey, now: &EntryKey) {
        self.record_back_as(before, now);
        self.all_keys().filter(|key| *key == before).for_each(|key| key.clone_from(now));
        let carried = self.carried.iter_mut().flat_map(|file| &mut file.entries);
        let reworded = self.reworded.iter_mut().chain(&mut self.unsent_reworded).map(|reworded| &mut reworded.now);
        carried.chain(reworded).filter(|key| *key == before).for_each(|key| key.becomes(now));
    }

    fn has_key(&mut self, before: &EntryKey, now: &EntryKey) {
        self.all_keys().filter(|key| *key == before).for_each(|key| key.becomes(now));
    }

    /// These entries were seen after any save that could replace them had ended.
    pub(crate) fn record_settled(&mut self, keys: &[EntryKey]) {
        self.all_keys().filter(|key| keys.contains(key)).for_each(|key| key.fresh_until_ms = None);
    }

    /// The delivered entries of each author and second whose remembered order differs from the log's, in the log's
    /// order. An entry that was reworded while it was fresh is delivered last, wherever it stands.
    pub(crate) fn out_of_order(&self, present: &[EntryKey]) -> Vec<Vec<EntryKey>> {
        let places: BTreeMap<&EntryKey, usize> = present.iter().enumerate().map(|(at, key)| (key, at)).collect();
        let mut moments: BTreeMap<(u64, &str), Vec<usize>> = BTreeMap::new();
        for key in &self.delivered {
            moments.entry(key.moment()).or_default().extend(places.get(key));
        }
        let unsorted = moments.into_values().filter(|places| !places.is_sorted());
        let sorted = unsorted.map(|mut places| {
            places.sort_unstable();
            places.into_iter().map(|at| present[at].clone()).collect()
        });
        sorted.collect()
    }

    /// Reorders these delivered entries to the order in which they stand in the log.
    pub(crate) fn record_order(&mut self, keys: &[EntryKey]) {
        let known = |key: &EntryKey| self.delivered.iter().find(|known| *known == key).cloned();
        let ordered: Vec<EntryKey> = keys.iter().filter_map(known).collect();
        let places = self.delivered.iter_mut().filter(|known| keys.contains(known));
        places.zip(ordered).for_each(|(place, key)| *place = key);
    }

    fn all_keys(&mut self) -> impl Iterator<Item = &mut EntryKey> {
        let on_its_way = self.batch.iter_mut().chain(&mut self.aside).flat_map(|batch| &mut batch.entries);
        let kept = self.kept.iter_mut().map(|kept| &mut kept.key);
        let held = self.held.iter_mut().map(|held| &mut held.key);
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.key);
        self.delivered.iter_mut().chain(on_its_way).chain(kept).chain(held).chain(waiting).chain(&mut self.own)
    }

    /// The known entries that stand in the log and may still be lost to another save, each with the end of that time.
    pub(crate) fn fresh<'a>(&'a self, present: &'a [EntryKey]) -> impl Iterator<Item = (&'a EntryKey, i64)> {
        let there: BTreeSet<&EntryKey> = present.iter().collect();
        let known = self.known().chain(self.pending()).filter(move |key| there.contains(key));
        known.filter_map(|key| Some((key, key.fresh_until_ms?)))
    }

    /// Whether the log holds an unremembered entry of the same author and second: if `key` disappeared, that entry
    /// would look like it.
    pub(crate) fn may_be_mistaken(&self, key: &EntryKey, new: &[EntryKey]) -> bool {
        new.iter().any(|new| new.is_of_the_same_moment(key) && !self.pending().any(|pending| pending == new))
    }

    /// Where the old words of reworded entries stand on the other side. Files that a person deleted are left out.
    pub fn old_words(&self) -> Vec<OldWords<'_>> {
        self.reworded.iter().filter_map(|reworded| self.old_words_of(reworded)).collect()
    }

    fn old_words_of<'a>(&'a self, Reworded { was, now }: &'a Reworded) -> Option<OldWords<'a>> {
        let is_on_its_way = || self.batches().any(|batch| batch.entries.contains(now));
        let stand = match self.carried.iter().find(|file| file.entries.contains(was)) {
            Some(file) if self.removed.contains(&file.id) => return None,
            Some(file) => Stand::In(file),
            None if is_on_its_way() => Stand::OnTheirWay,
            None => Stand::InOneOf(self.files_of_unknown_entries()),
        };
        Some(OldWords { date: &now.date, only_the_author: was.hash == now.hash, stand })
    }

    fn files_of_unknown_entries(&self) -> Vec<u64> {
        let is_known = |id: &u64| self.carried.iter().any(|file| file.id == *id);
        self.files.iter().filter(|id| !is_known(id)).copied().collect()
    }
}

/// An attachment with the text of some entries, and the keys that they had when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    pub id: u64,
    pub name: String,
    pub entries: Vec<EntryKey>,
}

/// An entry whose words or author's name changed: as it was sent, and as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reworded {
    pub was: EntryKey,
    pub now: EntryKey,
}

/// Where the old words of a reworded entry stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldWords<'a> {
    /// The entry's date.
    pub date: &'a str,
    /// The words are unchanged; only the author's name differs.
    pub only_the_author: bool,
    pub stand: Stand<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand<'a> {
    In(&'a LogFile),
    /// A file with the old words is being sent: it was fixed before the change.
    OnTheirWay,
    /// One of these files, whose entries were not recorded.
    InOneOf(Vec<u64>),
}

/// Too many entries disappeared from a log at once. Nothing more of it is sent until an operator resumes the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHalt {
    pub text: String,
    /// The date of the newest entry at that time, as iTop prints it: entries dated after it are new.
    pub newest: String,
}

/// Entries being sent as files: one with the text, and one per inline image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub entries: Vec<EntryKey>,
    /// In sending order; the text is last, so that all entries up to its mark are there.
    pub files: Vec<BatchFile>,
}

impl Batch {
    /// The key of the text file.
    pub fn key(&self) -> Option<&str> {
        self.files.iter().find(|file| file.kind == FileKind::Log).map(|file| file.key.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    pub kind: FileKind,
    /// The mark's key.
    pub key: String,
    pub name: String,
    pub holds: BatchContent,
    /// `None` before it was sent.
    pub state: Option<CopyState>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchContent {
    Text(String),
    /// An inline image of the side that the log is on.
    Image {
        id: u64,
        secret: String,
    },
}

/// The key of a log file's mark: the number, the hash and the moment of the last entry that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchKey {
    pub log: LogName,
    /// The entry's place in the log when it was read, from 1.
    pub number: usize,
    pub hash: String,
    /// The entry's date and author. Absent in marks of older versions.
    pub moment: Option<String>,
}

impl BatchKey {
    pub fn of(log: LogName, number: usize, entry: &EntryKey) -> BatchKey {
        BatchKey { log, number, hash: entry.hash.clone(), moment: Some(moment_of(entry)) }
    }

    pub fn to_key(&self) -> String {
        let moment = self.moment.as_ref().map_or_else(String::new, |moment| format!(":{moment}"));
        format!("{}:{}:{}{moment}", self.log.word(), self.number, self.hash)
    }

    pub fn read(key: &str) -> Option<BatchKey> {
        let mut parts = key.split(':');
        let word = parts.next()?;
        let log = LogName::ALL.into_iter().find(|log| log.word() == word)?;
        let (number, hash) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        let key = BatchKey { log, number, hash, moment: parts.next().map(str::to_owned) };
        parts.next().is_none().then_some(key)
    }

    /// The place of the entry that this key names, tried in this order: the entry with this hash nearest to its old
    /// place, since earlier entries may have disappeared; if none (the entry may have been reworded), the one of this
    /// moment; if none, the last entry before it, which this file or the file before it also carries. If the mark has
    /// no moment, the entry with its number.
    pub fn place_in(&self, entries: &[Entry]) -> Option<usize> {
        let nearest = |is_it: &dyn Fn(&EntryKey) -> bool| {
            let fit = entries.iter().enumerate().filter(|(_, entry)| is_it(&entry.key));
            fit.map(|(at, _)| at).min_by_key(|at| (at + 1).abs_diff(self.number))
        };
        nearest(&|key| key.hash == self.hash).or_else(|| match &self.moment {
            Some(moment) => nearest(&|key| moment_of(key) == *moment).or_else(|| {
                let mut before = entries.iter().take(self.number.saturating_sub(1));
                before
                    .rposition(|entry| digits(&entry.key.date) <= digits(moment.split('-').next().unwrap_or_default()))
            }),
            None => self.number.checked_sub(1).filter(|at| *at < entries.len()),
        })
    }
}

/// The form used in a mark: `20261124120000-7`.
fn moment_of(entry: &EntryKey) -> String {
    format!("{}-{}", digits(&entry.date), entry.user_id)
}

fn digits(date: &str) -> String {
    date.chars().filter(char::is_ascii_digit).collect()
}

/// How a log as it stands differs from what was delivered of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Neither delivered nor being sent, in the log's order; includes entries that are kept back or waiting.
    pub new: Vec<EntryKey>,
    /// Delivered, and no longer there.
    pub gone: Vec<EntryKey>,
    /// In a batch, no longer there, and not yet remembered as vanished.
    pub gone_on_the_way: Vec<EntryKey>,
    /// Vanished earlier, and there again.
    pub back: Vec<EntryKey>,
    /// The same entry under another date.
    pub moved: Vec<(EntryKey, EntryKey)>,
    /// The same entry with other words, or another author's name.
    pub reworded: Vec<(EntryKey, EntryKey)>,
}

impl Difference {
    /// A vanished and an unknown entry with equal author and words are one entry whose date moved. [`reworded`]
    /// decides which are one entry that was reworded.
    pub fn of(state: &LogState, present: &[EntryKey]) -> Difference {
        let there: BTreeSet<&EntryKey> = present.iter().collect();
        let delivered: BTreeSet<&EntryKey> = state.delivered.iter().collect();
        let vanished: BTreeSet<&EntryKey> = state.vanished.iter().collect();
        let sent: BTreeSet<&EntryKey> = state.known().collect();
        let pending: BTreeSet<&EntryKey> = state.pending().filter(|key| !sent.contains(key)).collect();
        let mut met = BTreeSet::new();
        let known: Vec<&EntryKey> = state.known().chain(state.pending()).filter(|key| met.insert(*key)).collect();
        let mut gone: Vec<&EntryKey> = known.iter().copied().filter(|key| !there.contains(key)).collect();
        let mut difference = Difference::default();
        let mut unknown = Vec::new();
        let mut lost: Vec<&EntryKey> = state.vanished.iter().filter(|key| !there.contains(key)).collect();
        for key in present {
            if vanished.contains(key) && !delivered.contains(key) {
                difference.back.push(key.clone());
                continue;
            }
            if let Some(before) = met.get(key) {
                if key.has_another_author_than(before) {
                    difference.reworded.push(((*before).clone(), key.clone()));
                }
                continue;
            }
            // Another of the entries that were equal may have been reworded: then this entry's index has changed.
            let is_it = |lost: &&EntryKey| lost.says_the_same(key) && lost.date == key.date;
            match lost.iter().position(is_it) {
                Some(at) => difference.moved.push((lost.remove(at).clone(), key.clone())),
                None => unknown.push(key),
            }
        }
        if !unknown.is_empty() {
            let places = Places::of(&known, present);
            // An unknown entry with a missing entry's words is more likely that entry under another date; the others
            // cannot be.
            let said: BTreeSet<(u64, &str)> = gone.iter().map(|key| key.says()).collect();
            let (mut may_be_moved, mut others): (Vec<&EntryKey>, Vec<&EntryKey>) =
                unknown.into_iter().partition(|key| said.contains(&key.says()));
            difference.reworded.extend(places.take_reworded(&mut gone, &mut others));
            may_be_moved.retain(|key| {
                let Some(at) = gone.iter().position(|gone| gone.says_the_same(key)) else { return true };
                difference.moved.push((gone.remove(at).clone(), (*key).clone()));
                false
            });
            unknown = others.into_iter().chain(may_be_moved).collect();
            difference.reworded.extend(places.take_reworded(&mut gone, &mut unknown));
            let is_left = |key: &&EntryKey| !difference.reworded.iter().any(|(before, _)| before == *key);
            lost.retain(is_left);
            difference.reworded.extend(places.take_reworded(&mut lost, &mut unknown));
        }
        difference.new = difference.undecided(present, &unknown, &pending);
        let sent = gone.into_iter().filter(|key| !pending.contains(key));
        let (gone, on_the_way): (Vec<&EntryKey>, Vec<&EntryKey>) = sent.partition(|key| delivered.contains(key));
        difference.gone = gone.into_iter().cloned().collect();
        difference.gone_on_the_way = on_the_way.into_iter().filter(|key| !vanished.contains(key)).cloned().collect();
        difference
    }

    /// New entries, and known ones that were not decided on, in the log's order.
    fn undecided(&self, present: &[EntryKey], unknown: &[&EntryKey], pending: &BTreeSet<&EntryKey>) -> Vec<EntryKey> {
        let changed: BTreeMap<&EntryKey, &EntryKey> =
            self.moved.iter().chain(&self.reworded).map(|(before, now)| (now, before)).collect();
        let unknown: BTreeSet<&EntryKey> = unknown.iter().copied().collect();
        let as_known = |key: &EntryKey| {
            if unknown.contains(key) {
                return Some(key.clone());
            }
            let before = pending.get(changed.get(key).copied().unwrap_or(key))?;
            let mut known = (*before).clone();
            known.becomes(key);
            Some(known)
        };
        present.iter().filter_map(as_known).collect()
    }
}
