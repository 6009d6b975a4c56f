//! Sides that an operator paused or resumed, by a verb beside `serve`: the log says when. A halt tells itself where it
//! begins.

use itop_bridge_store::{Instance, Result};

use crate::{PAUSED, Shared};

/// Each side's name, and why it stands still.
pub(crate) type Stops = Vec<Stop>;
type Stop = (String, Option<String>);

impl Shared {
    pub(crate) async fn tell_of_stops(&self, before: &mut Option<Stops>) -> Result<()> {
        let sides: Vec<(String, Instance)> =
            self.itops().map(|itop| (itop.name.clone(), itop.instance.clone())).collect();
        let read = move |store: &mut dyn itop_bridge_store::Store| {
            sides.into_iter().map(|(name, of)| Ok((name, store.stopped(&of)?))).collect::<Result<Stops>>()
        };
        let now = self.store.call(read).await?;
        for (side, what) in before.iter().flat_map(|before| changes(before, &now)) {
            tracing::info!(%side, "{what}");
        }
        *before = Some(now);
        Ok(())
    }
}

fn changes(before: &Stops, now: &Stops) -> Vec<(String, &'static str)> {
    let change = |((name, was), (_, is)): (&Stop, &Stop)| {
        let what = match (was, is.as_deref()) {
            (None, Some(PAUSED)) => "paused by an operator; webhooks are taken, and wait",
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
        let of = |acme: Option<&str>, elitery: Option<&str>| -> Stops {
            vec![("acme".to_owned(), acme.map(str::to_owned)), ("elitery".to_owned(), elitery.map(str::to_owned))]
        };
        let told = |before: Stops, now: Stops| -> Vec<String> {
            changes(&before, &now).iter().map(|(side, what)| format!("{side}: {what}")).collect()
        };
        let paused = "acme: paused by an operator; webhooks are taken, and wait";
        assert_eq!(told(of(None, None), of(Some(PAUSED), None)), [paused]);
        assert_eq!(told(of(Some(PAUSED), None), of(Some(PAUSED), None)), [""; 0]);
        assert_eq!(told(of(Some(PAUSED), Some("gone")), of(None, None)), ["acme: resumed", "elitery: resumed"]);
        assert_eq!(told(of(None, None), of(None, Some("many tickets are gone"))), [""; 0]);
    }
}
