//! Log entries whose words somebody changed in place, such as an anonymiser or a moderator: nothing is sent again, and
//! the record says where the old words can still be read.

use itop_bridge_core::caselog::{EntryKey, OldWords, Stand};
use itop_bridge_core::event::Event;
use itop_bridge_core::link::LogNote;
use itop_bridge_core::plan::Note;
use itop_bridge_core::{LogName, Side};

use crate::pass::work::Work;

/// Records that these entries have other words now, or their authors other names.
pub(crate) fn record_reworded(work: &mut Work<'_>, from: Side, log: LogName, entries: &[(EntryKey, EntryKey)]) {
    let mut after = work.link.clone();
    after.remember(&Note::Log { from, log, what: LogNote::Reworded(entries.to_vec()) });
    let now: Vec<&str> = entries.iter().map(|(_, now)| now.date.as_str()).collect();
    let state = after.log_mut(from, log);
    let all = state.old_words();
    let these: Vec<&OldWords<'_>> = all.iter().filter(|old| now.contains(&old.date)).collect();
    let target = work.link.key(from.other()).map_or("", |key| &key.reference);
    let side = &work.shared.itop(work.lane, from.other()).name;
    let stand = where_they_stand(&these, &format!("{side}:{target}"));
    let only_authors = entries.iter().all(|(before, now)| before.hash == now.hash);
    work.did(Event::EntriesReworded { entries: entries.len(), from, log, only_authors, stand });
}

/// Where people can still read the old words of these entries.
pub fn where_they_stand(old: &[&OldWords<'_>], target: &str) -> String {
    let mut places: Vec<String> = Vec::new();
    for words in old {
        let place = match &words.stand {
            Stand::In(file) => format!("\"{}\" (attachment {})", file.name, file.id),
            Stand::OnTheirWay => "a file that is being sent".to_owned(),
            Stand::InOneOf(files) if files.is_empty() => continue,
            Stand::InOneOf(files) => {
                let files: Vec<String> = files.iter().map(u64::to_string).collect();
                format!("one of the attachments {}", files.join(", "))
            }
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let ones = if old.iter().all(|words| words.only_the_author) && !old.is_empty() { "old name" } else { "old words" };
    match places.as_slice() {
        [] => format!("no file of {target} has the {ones} any more"),
        places => format!("{target} still has the {ones}, in {}", places.join(", ")),
    }
}
