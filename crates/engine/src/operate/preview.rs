//! Previews a pass: reads both sides and lets the core decide, but writes nothing, neither to an iTop nor to the store.

use itop_bridge_core::Link;
use itop_bridge_store::{Claim, Lease, Look, TicketOf};
use itop_client::oql_quote;

use crate::Engine;
use crate::adopt::rebuild::lost::has_pairs_to_find;
use crate::foresee::plan::{Contents, Preview, foresee};
use crate::foresee::why_not::{NoPlan, NotCarried, why_not, why_not_taken_up};
use crate::lane::read_both::read_both;
use crate::lane::worker::{NoClass, class_of};
use crate::scope::policies::{self, policy_without_defaults};
use crate::side::call;
use crate::side::dates::remember_date_formats;
use crate::side::failure::Failure;
use crate::side::read::ticket_where;
use crate::side::zone::remember_offsets;

/// A side could not be read, or the bridge knows too little; in iTop's words if there are any.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotTell(String);

impl From<Failure> for CannotTell {
    fn from(failure: Failure) -> CannotTell {
        CannotTell(failure.text)
    }
}

impl Engine {
    /// Finds an external ticket by its reference, with its class.
    pub async fn external_ticket(
        &self,
        external: &str,
        reference: &str,
    ) -> Result<Option<(TicketOf, String)>, CannotTell> {
        let itop = &self.shared.lane(external)?.external;
        let found = ticket_where(&self.shared, itop, &format!("ref = {}", oql_quote(reference))).await?;
        Ok(found.map(|(ticket, class)| (TicketOf { external: external.to_owned(), ticket }, class)))
    }

    /// Why the internal side does not answer now; `None` if it does.
    pub async fn why_internal_is_silent(&self) -> Option<String> {
        call::is_there(&self.shared.internal).await.err().map(|error| error.to_string())
    }

    /// Why a ticket without a pair is not carried; `None` if it is. Reads only the external.
    pub async fn why_not_carried(
        &self,
        of: &TicketOf,
        class: Option<String>,
    ) -> Result<Option<NotCarried>, CannotTell> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&of.external)?);
        remember_date_formats(shared).await?;
        let claim = everything(of, class, None);
        let class = class_of(shared, lane, &claim).await?.map_err(|none| no_class(of, &none))?;
        let policy = policy_without_defaults(shared, lane, &class)?;
        let read = read_both(shared, lane, &class, &policy, std::slice::from_ref(&claim)).await;
        let snapshot = read.into_iter().next().expect("one ticket was asked for")?;
        Ok(why_not_taken_up(shared, lane, &claim, &snapshot).await?)
    }

    /// Previews a full pass over this ticket, as if a hint had named each of its files.
    pub async fn preview(&self, of: &TicketOf, class: Option<String>) -> Result<Preview, CannotTell> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&of.external)?);
        remember_offsets(shared).await?;
        remember_date_formats(shared).await?;
        let key = of.clone();
        let stored = shared.store.call(move |store| store.link_of_external(&key)).await.map_err(Failure::from)?;
        let link = stored.map(|stored| (stored.id, stored.link));
        let claim = everything(of, class, link);
        let class = class_of(shared, lane, &claim).await?.map_err(|none| no_class(of, &none))?;
        let policy = policies::policy(shared, lane, &class).await?;
        let read = read_both(shared, lane, &class, &policy, std::slice::from_ref(&claim)).await;
        let snapshot = read.into_iter().next().expect("one ticket was asked for")?;
        // If the internal side does not answer, that is reported; whether its pairs are lost stays open.
        let lost = match claim.link.is_none() {
            true => has_pairs_to_find(shared, lane).await.unwrap_or_default(),
            false => None,
        };
        let why_not = match lost {
            Some(lost) => Some(NoPlan::Lost(lost)),
            None => why_not(shared, lane, &claim, &snapshot).await?,
        };
        Ok(foresee(shared, lane, &policy, &claim, snapshot, (why_not, Contents::All)).await?)
    }
}

fn no_class(of: &TicketOf, none: &NoClass) -> CannotTell {
    CannotTell(match none {
        NoClass::Gone => format!("{} has no ticket with the id {}", of.external, of.ticket),
        none => format!("{}:{}: {none}", of.external, of.ticket),
    })
}

/// The claim that a worker would make, without a lease.
fn everything(of: &TicketOf, class: Option<String>, link: Option<(i64, Link)>) -> Claim {
    Claim {
        lease: Lease { of: of.clone(), token: 0, until_ms: 0 },
        generation: 0,
        class,
        look: Look::everything(),
        dirty_since_ms: 0,
        attempts: 0,
        failing_since_ms: None,
        error: None,
        parked: false,
        link,
    }
}
