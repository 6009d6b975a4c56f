//! Logs when an operator pauses or resumes a side by a verb beside `serve`. A halt is logged where it begins.

use itop_bridge_store::{Instance, Result, Stop};

use crate::Shared;

/// Each side's name, and its halt or pause, if any.
type Stops = Vec<OfSide>;
type OfSide = (String, Option<Stop>);

pub(crate) async fn tell_of_stops(shared: &Shared, before: &mut Option<Stops>) -> Result<()> {
    let sides: Vec<(String, Instance)> =
        shared.itops().map(|itop| (itop.name.clone(), itop.instance.clone())).collect();
    let read = move |store: &mut dyn itop_bridge_store::Store| {
        sides.into_iter().map(|(name, of)| Ok((name, store.stopped(&of)?))).collect::<Result<Stops>>()
    };
    let now = shared.store.call(read).await?;
    for (side, what) in before.iter().flat_map(|before| changes(before, &now)) {
        tracing::info!(%side, "{what}");
    }
    *before = Some(now);
    Ok(())
}

fn changes(before: &Stops, now: &Stops) -> Vec<(String, &'static str)> {
    let change = |((name, was), (_, is)): (&OfSide, &OfSide)| {
        let what = match (was, is) {
            (None, Some(Stop::Paused)) => "paused by an operator; webhooks are taken, and wait",
            (Some(_), None) => "resumed",
            _ => return None,
        };
        Some((name.clone(), what))
    };
    before.iter().zip(now).filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_and_a_resume_are_told_once_and_a_halt_tells_itself() {
        let of = |acme: Option<Stop>, elitery: Option<Stop>| -> Stops {
            vec![("acme".to_owned(), acme), ("elitery".to_owned(), elitery)]
        };
        let told = |before: Stops, now: Stops| -> Vec<String> {
            changes(&before, &now).iter().map(|(side, what)| format!("{side}: {what}")).collect()
        };
        let paused = "acme: paused by an operator; webhooks are taken, and wait";
        assert_eq!(told(of(None, None), of(Some(Stop::Paused), None)), [paused]);
        assert_eq!(told(of(Some(Stop::Paused), None), of(Some(Stop::Paused), None)), [""; 0]);
        assert_eq!(
            told(of(Some(Stop::Paused), Some(Stop::TicketsGone { gone: 3, linked: 4 })), of(None, None)),
            ["acme: resumed", "elitery: resumed"]
        );
        assert_eq!(told(of(None, None), of(None, Some(Stop::TicketsGone { gone: 3, linked: 4 }))), [""; 0]);
    }
}
