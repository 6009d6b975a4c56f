//! Pairs backfilled tickets with counterparts that exist already, made by hand or by another program: internal tickets
//! whose title names the external one.
//!
//! Nothing is written to an iTop. A ticket that is linked, was unlinked, or carries the mark of another ticket is no
//! counterpart here, and neither is another customer's ticket: references of two customers' iTops are often equal. If
//! titles leave the pairing open, nothing is paired.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use itop_bridge_core::TicketMark;
use itop_bridge_core::event::{AdoptedBy, Event};
use itop_bridge_store::{Activity, StoreError};
use itop_client::{Object, Query, oql_quote};
use serde::Serialize;

use super::Older;
use crate::adopt::rebuild::{Stopped, Tell, list_all};
use crate::adopt::{PairOf, ReadyPair};
use crate::scope::connection::connection_so_far;
use crate::scope::only::made_since;
use crate::scope::policies::policy_without_defaults;
use crate::settings::DefaultValue;
use crate::side::failure::Failure;
use crate::side::{call, read};
use crate::{Engine, Lane, Shared};

/// References searched in one call.
const TOGETHER: usize = 50;

/// Internal tickets listed or read together.
const PAGE: usize = 200;

/// Pairs read and stored together: stored ones stay when the run is stopped.
const ADOPTED: usize = 100;

/// The references of external tickets in an internal ticket's title, by its id.
type Outside = HashMap<u64, Vec<String>>;

/// The findings from titles about a request's tickets.
#[derive(Debug, Default)]
pub(super) struct ByTitle {
    pub pairs: Vec<TitlePair>,
    pub unclear: Vec<Unclear>,
    /// Tickets that no title names.
    pub rest: Vec<Older>,
}

/// A ticket, and the one internal ticket whose title names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TitlePair {
    pub ticket: Older,
    pub counterpart: Titled,
}

/// A ticket that is left alone, since titles do not identify its counterpart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unclear {
    pub ticket: Older,
    pub candidates: Vec<Titled>,
    /// The other tickets named in the title of the only candidate.
    pub rivals: Vec<String>,
    /// The ticket is newer than the connection: unless it is linked, `serve` makes a copy of it.
    pub newer: bool,
}

/// An internal ticket whose title names an external one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Titled {
    pub id: u64,
    pub class: String,
    pub reference: String,
    pub title: String,
    pub organisation: String,
    #[serde(skip)]
    org_id: u64,
}

/// The outcome for one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TitleAdopted {
    /// The external ticket's reference.
    pub reference: String,
    pub counterpart: String,
    /// The link's number, or why there is none.
    pub link: Option<i64>,
    pub why_not: Option<String>,
    /// Differences that stay until the external value changes.
    pub conflicts: Vec<String>,
}

impl Engine {
    /// Stores these pairs as they are. If this is dropped midway, stored pairs remain.
    pub async fn adopt_by_title(
        &self,
        external: &str,
        pairs: &[TitlePair],
        tell: Tell<'_>,
    ) -> Result<Vec<TitleAdopted>, Stopped> {
        let mut adopted = Vec::new();
        tell(0, pairs.len());
        for page in pairs.chunks(ADOPTED) {
            let named: Vec<PairOf> = page.iter().map(|pair| pair.of(external)).collect();
            let read = self.read_to_adopt(&named, &|_, _| {}).await.map_err(|why| Stopped(why.to_string()))?;
            for (pair, ready) in page.iter().zip(read) {
                let stored = match ready {
                    Ok(ready) => store_pair(&self.shared, ready).await?,
                    Err(why) => Err(why.to_string()),
                };
                adopted.push(pair.adopted(stored));
            }
            tell(adopted.len(), pairs.len());
        }
        Ok(adopted)
    }
}

impl TitlePair {
    fn of(&self, external: &str) -> PairOf {
        PairOf {
            external: external.to_owned(),
            class: self.ticket.class.clone(),
            ticket: self.ticket.id,
            internal_class: self.counterpart.class.clone(),
            internal: self.counterpart.id,
        }
    }

    fn adopted(&self, stored: Result<(i64, Vec<String>), String>) -> TitleAdopted {
        let (link, conflicts, why_not) = match stored {
            Ok((link, conflicts)) => (Some(link), conflicts, None),
            Err(why) => (None, Vec::new(), Some(why)),
        };
        let (reference, counterpart) = (self.ticket.reference.clone(), self.counterpart.reference.clone());
        TitleAdopted { reference, counterpart, link, why_not, conflicts }
    }
}

/// The link's number and the differences; the inner error: somebody else has linked one of the two meanwhile.
async fn store_pair(shared: &Shared, ready: ReadyPair) -> Result<Result<(i64, Vec<String>), String>, Failure> {
    let ReadyPair { external, link, conflicts, .. } = ready;
    let now = shared.now_ms();
    let did = Activity::of(now, Event::Adopted { by: AdoptedBy::Title });
    match shared.store.call(move |store| store.adopt_link(&external, &link, false, &[did], now)).await {
        Ok(number) => Ok(Ok((number, conflicts))),
        Err(error @ StoreError::AlreadyLinked { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Finds the counterparts of tickets without a link.
pub(super) async fn match_by_title(shared: &Shared, lane: &Lane, tickets: Vec<Older>) -> Result<ByTitle, Failure> {
    let mut by_class: BTreeMap<&str, Vec<&Older>> = BTreeMap::new();
    for ticket in &tickets {
        by_class.entry(&ticket.class).or_default().push(ticket);
    }
    let mut candidates: HashMap<u64, Vec<Titled>> = HashMap::new();
    let mut outside = Outside::new();
    for (class, of_class) in by_class {
        let internal_class = policy_without_defaults(shared, lane, class)?.internal_class.clone();
        for some in of_class.chunks(TOGETHER) {
            let mut titled = titles_that_name(shared, &internal_class, some).await?;
            titled.retain(|titled| !is_anothers(shared, lane, titled));
            let marks = marks_of_free(shared, &internal_class, &titled).await?;
            // A mark is certain, whatever the title says.
            let unmarked: Vec<&Titled> = titled.iter().filter(|titled| marks.get(&titled.id) == Some(&None)).collect();
            outside.extend(outside_named(shared, lane, &unmarked, &tickets).await?);
            for ticket in some {
                let own = lane.mark(&shared.server, class, ticket.id);
                candidates.insert(ticket.id, candidates_of(ticket, &titled, &marks, &own));
            }
        }
    }
    let mut found = decide(tickets, &mut candidates, &outside);
    let ids: Vec<(&str, u64)> = found.unclear.iter().map(|one| (one.ticket.class.as_str(), one.ticket.id)).collect();
    let newer = newer_than_the_connection(shared, lane, &ids).await?;
    found.unclear.iter_mut().for_each(|one| one.newer = newer.contains(&one.ticket.id));
    Ok(found)
}

/// The tickets that a sweep gives to passes without an operator.
async fn newer_than_the_connection(
    shared: &Shared,
    lane: &Lane,
    tickets: &[(&str, u64)],
) -> Result<BTreeSet<u64>, Failure> {
    let Some(since) = lane.settings.sync.since else {
        let begun = connection_so_far(shared, lane).await?;
        let is_newer = |id: &u64| begun.as_ref().is_some_and(|begun| *id > begun.ticket);
        return Ok(tickets.iter().map(|(_, id)| *id).filter(is_newer).collect());
    };
    let mut newer = BTreeSet::new();
    for of_class in tickets.chunk_by(|a, b| a.0 == b.0) {
        for some in of_class.chunks(PAGE) {
            let ids = some.iter().map(|(_, id)| id.to_string()).collect::<Vec<_>>().join(",");
            let condition = format!("id IN ({ids}) AND {}", made_since(lane, some[0].0, since));
            let found = list_all(shared, &lane.external, some[0].0, &condition, &["id"], PAGE).await?;
            newer.extend(found.iter().map(|object| object.id));
        }
    }
    Ok(newer)
}

/// Whether the configuration assigns the internal ticket's organisation to another customer.
fn is_anothers(shared: &Shared, lane: &Lane, titled: &Titled) -> bool {
    let stands_for = |lane: &Lane| match lane.settings.internal_defaults.get("org_id") {
        Some(DefaultValue::Number(id)) => *id == titled.org_id,
        // As iTop's database compares them.
        Some(DefaultValue::Text(name)) => name.to_lowercase() == titled.organisation.to_lowercase(),
        None => false,
    };
    !stands_for(lane) && shared.lanes.iter().any(|lane| stands_for(lane))
}

/// Internal tickets whose title contains one of these references, or a text that LIKE takes for one.
async fn titles_that_name(shared: &Shared, class: &str, tickets: &[&Older]) -> Result<Vec<Titled>, Failure> {
    let named = tickets.iter().filter(|ticket| !ticket.reference.is_empty());
    let likes: Vec<String> =
        named.map(|ticket| format!("title LIKE {}", oql_quote(&pattern(&ticket.reference)))).collect();
    if likes.is_empty() {
        return Ok(Vec::new());
    }
    let condition = format!("({})", likes.join(" OR "));
    let fields = ["id", "ref", "title", "org_id", "org_name"];
    let query = Query::oql(format!("SELECT {class} WHERE {condition}")).limit(PAGE as u32);
    let found = call::get(shared, &shared.internal, class, &query, &fields).await?;
    let objects = match found.total > PAGE as u64 {
        true => list_all(shared, &shared.internal, class, &condition, &fields, PAGE).await?,
        false => found.objects,
    };
    // The class may have subclasses.
    Ok(objects.iter().filter(|object| object.class == class).map(titled).collect())
}

/// The external tickets that these titles name, including those that the request leaves out or that have a pair.
async fn outside_named(
    shared: &Shared,
    lane: &Lane,
    titled: &[&Titled],
    requested: &[Older],
) -> Result<Outside, Failure> {
    let known = requested.iter().map(|ticket| ticket.reference.clone());
    let mut there: HashMap<String, String> = known.map(|known| (known.to_lowercase(), known)).collect();
    let words: BTreeSet<String> = titled.iter().flat_map(|titled| references(&titled.title)).collect();
    let unknown: Vec<String> = words.into_iter().filter(|word| !there.contains_key(word)).collect();
    for some in unknown.chunks(TOGETHER) {
        let quoted: Vec<String> = some.iter().map(|word| oql_quote(word)).collect();
        let query = Query::oql(format!("SELECT Ticket WHERE ref IN ({})", quoted.join(",")));
        let found = call::get(shared, &lane.external, "Ticket", &query, &["id", "ref"]).await?;
        let found = found.objects.iter().filter_map(|object| object.text("ref"));
        there.extend(found.map(|reference| (reference.to_lowercase(), reference.to_owned())));
    }
    let named = |titled: &&Titled| {
        let words = references(&titled.title);
        (titled.id, words.iter().filter_map(|word| there.get(word)).cloned().collect())
    };
    Ok(titled.iter().map(named).collect())
}

/// Those that the store does not know, each with the mark at the start of its log.
async fn marks_of_free(
    shared: &Shared,
    class: &str,
    titled: &[Titled],
) -> Result<HashMap<u64, Option<TicketMark>>, Failure> {
    let ids: Vec<u64> = titled.iter().map(|titled| titled.id).collect();
    let free = shared.store.call(move |store| {
        let mut free = Vec::new();
        for id in ids {
            if store.link_of_internal(id)?.is_none() {
                free.push(id);
            }
        }
        Ok(free)
    });
    let free: Vec<u64> = free.await?;
    let mut marks = HashMap::new();
    for page in free.chunks(PAGE) {
        let found = call::get(shared, &shared.internal, class, &Query::ids(page), &["id", "private_log"]).await?;
        marks.extend(found.objects.iter().map(|object| (object.id, read::first_mark(object))));
    }
    Ok(marks)
}

/// The possible counterparts of the ticket. If any carries its mark, only those.
fn candidates_of(
    ticket: &Older,
    titled: &[Titled],
    marks: &HashMap<u64, Option<TicketMark>>,
    own: &TicketMark,
) -> Vec<Titled> {
    let named = titled.iter().filter(|titled| names(&titled.title, &ticket.reference));
    let named: Vec<(&Titled, Option<&TicketMark>)> =
        named.filter_map(|titled| Some((titled, marks.get(&titled.id)?.as_ref()))).collect();
    let marked: Vec<Titled> =
        named.iter().filter(|(_, mark)| *mark == Some(own)).map(|(titled, _)| (*titled).clone()).collect();
    if !marked.is_empty() {
        return marked;
    }
    named.into_iter().filter(|(_, mark)| mark.is_none()).map(|(titled, _)| titled.clone()).collect()
}

/// The words of a title that look like references, in lower case: letters, a dash, digits.
fn references(title: &str) -> BTreeSet<String> {
    let is_part = |one: char| one.is_alphanumeric() || one == '_' || one == '-';
    let is_reference = |word: &&str| {
        word.rsplit_once('-').is_some_and(|(letters, number)| {
            !letters.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let words = title.split(|one: char| !is_part(one)).filter(is_reference);
    words.map(str::to_lowercase).collect()
}

fn decide(tickets: Vec<Older>, candidates: &mut HashMap<u64, Vec<Titled>>, outside: &Outside) -> ByTitle {
    let mut named_by: HashMap<u64, Vec<String>> = HashMap::new();
    for ticket in &tickets {
        for candidate in candidates.get(&ticket.id).into_iter().flatten() {
            named_by.entry(candidate.id).or_default().push(ticket.reference.clone());
        }
    }
    let mut found = ByTitle::default();
    for ticket in tickets {
        let mut candidates = candidates.remove(&ticket.id).unwrap_or_default();
        let rivals = |candidate: &Titled| {
            let all = named_by.get(&candidate.id).into_iter().chain(outside.get(&candidate.id)).flatten();
            let mut all: Vec<String> = all.filter(|reference| **reference != ticket.reference).cloned().collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        match candidates.as_slice() {
            [] => found.rest.push(ticket),
            [only] if rivals(only).is_empty() => {
                let counterpart = candidates.remove(0);
                found.pairs.push(TitlePair { ticket, counterpart });
            }
            [only] => {
                let rivals = rivals(only);
                found.unclear.push(Unclear { ticket, candidates, rivals, newer: false });
            }
            _ => found.unclear.push(Unclear { ticket, candidates, rivals: Vec::new(), newer: false }),
        }
    }
    found
}

/// A LIKE pattern that finds the reference anywhere. `_` replaces characters that LIKE or OQL may read otherwise: found
/// titles are compared word for word.
fn pattern(reference: &str) -> String {
    let any = |character: char| if character.is_alphanumeric() || character == '-' { character } else { '_' };
    format!("%{}%", reference.chars().map(any).collect::<String>())
}

/// Whether the title contains the reference as a word: R-000012 is not in R-0000123.
fn names(title: &str, reference: &str) -> bool {
    let (title, reference) = (title.to_lowercase(), reference.to_lowercase());
    if reference.is_empty() {
        return false;
    }
    let of_word = |character: Option<char>| character.is_some_and(|one| one.is_alphanumeric() || one == '_');
    title.match_indices(&reference).any(|(at, found)| {
        !of_word(title[..at].chars().next_back()) && !of_word(title[at + found.len()..].chars().next())
    })
}

fn titled(object: &Object) -> Titled {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    Titled {
        id: object.id,
        class: object.class.clone(),
        reference: text("ref"),
        title: text("title"),
        organisation: text("org_name"),
        org_id: object.number("org_id").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_a_reference_as_a_word_of_its_own() {
        for title in ["[R-000012] Printer", "R-000012", "re: r-000012, again", "see (R-000012)", "éR R-000012/2"] {
            assert!(names(title, "R-000012"), "{title}");
        }
        for title in ["R-0000123", "R-00001", "XR-000012", "R-000012a", "R_000012", "", "éR-000012", "_R-000012"] {
            assert!(!names(title, "R-000012"), "{title}");
        }
        assert!(names("R-0000123 and R-000012", "R-000012"));
        assert!(!names("anything", ""));
    }

    #[test]
    fn what_looks_like_a_reference_is_taken_out_of_a_title() {
        let found = |title: &str| references(title).into_iter().collect::<Vec<_>>();
        assert_eq!(found("[R-000012] see (i-000003), c-7: R-000012"), ["c-7", "i-000003", "r-000012"]);
        assert_eq!(found("O'R-1 ACME-R-000002/2026-01 and -5, R-, R_1, x-1y"), ["2026-01", "acme-r-000002", "r-1"]);
        assert_eq!(found(""), [""; 0]);
    }

    #[test]
    fn what_like_may_read_otherwise_stands_for_any_character() {
        assert_eq!(pattern("R-000012"), "%R-000012%");
        assert_eq!(pattern("100%_\\'"), "%100____%");
    }
}
