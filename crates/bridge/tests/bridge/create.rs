//! A ticket created outside makes one internal ticket.

use itop_sim::Version;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn a_ticket_created_outside_makes_one_internal_ticket() {
    let world = Setup::outside(Version::V3_1).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("title"), "[R-000001] Printer on fire");
    world.one_more_pass_writes_nothing().await;
}
