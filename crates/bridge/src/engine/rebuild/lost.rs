//! A store that knows no pair, beside tickets that bear this bridge's marks: it was lost, and whoever carried on with
//! an empty one would make everything a second time. The external stands still until its pairs are found again.

use super::{Candidate, Lane, Shared};
use crate::engine::failure::Failure;
use crate::store::{Instance, Store};

/// The verb that ends such a standstill, as the reason names it.
pub const FOUND_AGAIN: &str = "`itop-bridge links rebuild`";

/// The cursor with the reason for which the external stood still.
const LOST: &str = "lost_store";

impl Shared {
    /// Whether this is a store that was lost. Whoever resumed the external nevertheless has accepted that.
    pub(super) async fn is_a_lost_store(&self, lane: &Lane) -> Result<bool, Failure> {
        let instance = lane.external.instance.clone();
        let (asked, name) = (instance.clone(), lane.name.clone());
        // The first create may have been on its way when the last process died.
        let knows = move |store: &mut dyn Store| {
            Ok(store.cursor(&asked, LOST)?.is_some() || !store.pairs(Some(&name), 0, 1, None)?.is_empty())
        };
        if self.store.call(knows).await? {
            return Ok(false);
        }
        let marked = self.tickets_marked_after(0, &lane.name).await?;
        let Some(first) = marked.first() else { return Ok(false) };
        let reason = self.reason(lane, marked.len(), first);
        tracing::error!(itop = %lane.name, reason, "halted: nothing is written until `links rebuild`, or `resume`");
        self.store.call(move |store| store.halt(&instance, &reason, &[(LOST, &reason)])).await?;
        Ok(true)
    }

    fn reason(&self, lane: &Lane, marked: usize, first: &Candidate) -> String {
        let inside = &self.internal.name;
        let tickets = if marked == 1 { "1 ticket is".to_owned() } else { format!("{marked} tickets are") };
        let reference = first.reference.clone().unwrap_or_else(|| first.mark.ticket.to_string());
        format!(
            "{tickets} marked in {inside} as this bridge's copies (the first, of id {}, as {}:{reference}'s), and the store knows no pair: was it lost? {FOUND_AGAIN} finds them again",
            first.internal, lane.name
        )
    }

    /// The pairs were looked for and are found: what stood still over that goes on.
    pub(super) async fn is_found_again(&self, lane: &Lane) -> Result<(), Failure> {
        let instance = lane.external.instance.clone();
        let go_on = move |store: &mut dyn Store| goes_on(store, &instance);
        Ok(self.store.call(go_on).await?)
    }
}

fn goes_on(store: &mut dyn Store, external: &Instance) -> crate::store::Result<()> {
    let reason = store.cursor(external, LOST)?;
    if reason.is_some() && store.stopped(external)? == reason {
        store.set_stopped(external, None)?;
    }
    Ok(())
}
