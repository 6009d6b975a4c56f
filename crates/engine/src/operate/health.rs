//! The present state of the bridge, for the metrics and the alerts.

use itop_bridge_store::{Result, Stop, Tally, Uncarried};

use crate::side::breaker::Down;
use crate::side::itop::Itop;
use crate::{Issue, Shared};

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideStanding {
    pub name: String,
    pub down: Option<Down>,
    /// Whether it has answered a call since the process began.
    pub answers: bool,
    /// The pause by an operator, or the halt.
    pub stopped: Option<Stop>,
}

/// One external's tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStanding {
    pub external: String,
    pub tally: Tally,
    /// Each bridged class, with the number of its waiting tickets without a counterpart.
    pub uncarried: Vec<(String, u64)>,
    /// When a pass last succeeded in this process.
    pub through_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Standing {
    pub sides: Vec<SideStanding>,
    pub lanes: Vec<LaneStanding>,
    pub suspended: Vec<Issue>,
}

pub(crate) async fn standing(shared: &Shared) -> Result<Standing> {
    let itops: Vec<&Itop> = shared.itops().collect();
    let instances: Vec<_> = itops.iter().map(|itop| itop.instance.clone()).collect();
    let externals: Vec<String> = shared.lanes.iter().map(|lane| lane.name.clone()).collect();
    let read = shared.store.call(move |store| {
        let stopped = instances.iter().map(|instance| store.stopped(instance)).collect::<Result<Vec<_>>>()?;
        let tally = |external: &String| Ok((store.tally(external)?, store.uncarried(external)?));
        let tallies = externals.iter().map(tally).collect::<Result<Vec<_>>>()?;
        Ok((stopped, tallies))
    });
    let (stopped, tallies) = read.await?;
    let side = |(itop, stopped): (&&Itop, Option<Stop>)| {
        let breaker = itop.breaker();
        let (down, answers) = (breaker.down().cloned(), breaker.answered_ms().is_some());
        SideStanding { name: itop.name.clone(), down, answers, stopped }
    };
    let lane = |(lane, (tally, waiting)): (&std::sync::Arc<crate::Lane>, (Tally, Vec<Uncarried>))| LaneStanding {
        external: lane.name.clone(),
        tally,
        uncarried: by_class(lane.settings.sync.classes.keys(), &waiting),
        through_ms: shared.metrics.last_through_ms(&lane.name),
    };
    Ok(Standing {
        sides: itops.iter().zip(stopped).map(side).collect(),
        lanes: shared.lanes.iter().zip(tallies).map(lane).collect(),
        suspended: shared.suspensions().issues(),
    })
}

/// A class without waiting tickets is reported as 0: a gauge keeps its last value.
fn by_class<'a>(classes: impl Iterator<Item = &'a String>, waiting: &[Uncarried]) -> Vec<(String, u64)> {
    let of = |class: &String| waiting.iter().find(|waiting| waiting.class == *class).map_or(0, |found| found.tickets);
    classes.map(|class| (class.clone(), of(class))).collect()
}
