//! References of any kind, as a customer's iTop may form them: what is asked of the other iTop by LIKE finds the
//! tickets whose titles name one, and no other.

use itop_bridge_testkit::world::*;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::{inside, older};

const DRY: &str = "--side acme --since 2026-11-24 --match title --dry-run --json";

fn now<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn titles_that_name_a_reference_are_found_whatever_it_is_made_of(
        signs in prop::collection::vec(r#"([%_'"\\`:;.# /-]|[A-C]|\\%|\\\\|' OR 1=1){1,10}"#, 2),
    ) {
        // Neither is a part of the other.
        let references = [format!("1Z{}Z1", signs[0]), format!("2Z{}Z2", signs[1])];
        now(each_is_found_by_its_reference(&references));
    }
}

async fn each_is_found_by_its_reference(references: &[String; 2]) {
    let mut world = older(PAIRS[1], &["One", "Two"]).await;
    let mut expected = Vec::new();
    for (reference, id) in references.iter().zip(1..) {
        world.acme().overwrite(id, "ref", reference);
        let counterpart = inside(&world, &format!("[{reference}] as somebody carried it")).await;
        expected.push((json!(reference), json!(counterpart)));
        // What its signs would find, if they were read as wildcards, or as nothing.
        for other in ["x", "xy", ""].map(|other| reference.replace(['%', '_', '\\', '\'', '"', '`'], other)) {
            if other != *reference {
                inside(&world, &format!("[{other}] nobody's")).await;
            }
        }
    }
    world.settle().await;
    let (_, said) = world.backfill(DRY).await.unwrap();
    let shown: Json = serde_json::from_str(&said).unwrap();
    let pairs = shown["pairs"].as_array().unwrap().iter();
    let found: Vec<_> =
        pairs.map(|pair| (pair["ticket"]["reference"].clone(), pair["counterpart"]["id"].clone())).collect();
    assert_eq!(found, expected, "{said}");
    assert_eq!(shown["unclear"], json!([]), "{said}");
    world.ends_without_one_more_pass("nothing was linked");
}
