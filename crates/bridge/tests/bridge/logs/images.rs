//! One inline image is one file, however often and in whichever log it is shown.

use itop_bridge_testkit::world::*;
use itop_sim::{Call, Fault, InlineImage};

use super::{BOTH_WAYS, PNG, PRIVATE, PUBLIC, Way, count, linked, start};
use crate::files::lost_answers;

each_version![
    an_image_in_two_portions_of_a_log_is_one_file,
    an_image_twice_in_one_entry_is_one_file,
    an_image_in_both_logs_is_one_file_whatever_becomes_of_its_create,
];

async fn an_image_in_two_portions_of_a_log_is_one_file(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let image = inline_image(&way).await;
        for word in ["alpha", "beta"] {
            let much = "x".repeat(600_000);
            way.write(&format!("<p>{word} {}</p><p>{much}</p>", image.html)).await;
        }
        world.settle().await;
        assert_eq!(way.texts().len(), 2, "it goes out in two portions");
        assert_eq!(way.files("image").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_image_twice_in_one_entry_is_one_file(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let image = inline_image(&way).await;
        // A reply quotes it with the secret of an earlier time.
        let quoted = image.html.replace("5ec2e7", "0de5ec");
        way.write(&format!("<p>{0} and {0} and {quoted}</p>", image.html)).await;
        world.settle().await;
        assert_eq!(way.files("image").len(), 1);
        assert_eq!(count(&way.all_text(), &format!("[image {}]", image.id)), 3);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_image_in_both_logs_is_one_file_whatever_becomes_of_its_create(versions: Versions) {
    let faults = lost_answers().into_iter().chain([Fault::Refuse]).map(Some);
    for fault in [None].into_iter().chain(faults) {
        for from in BOTH_WAYS {
            let on = "public_log_to_internal = \"attachment\"\npublic_log_to_external = \"attachment\"";
            let world = Setup::between(versions).sync(on).start().await;
            let way = linked(&world, from).await;
            let image = inline_image(&way).await;
            if let Some(fault) = &fault {
                way.target.fail_when(1, fault.clone(), creates_an_image);
            }
            for log in [PRIVATE, PUBLIC] {
                let html = format!("<p>the {log} shows {}</p>", image.html);
                way.source.add_log_entry(way.source_ticket, log, &html).await.unwrap();
            }
            world.settle().await;
            world.pass_seconds(400).await;
            assert_eq!(way.files("image").len(), 1, "{fault:?}");
            let texts = way.texts();
            assert_eq!(texts.len(), 2, "{fault:?}: {texts:?}");
            for log in [PRIVATE, PUBLIC] {
                assert_eq!(count(&way.all_text(), &format!("the {log} shows [image")), 1, "{fault:?}: {texts:?}");
            }
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn inline_image(way: &Way) -> InlineImage {
    way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", PNG).await.unwrap()
}

fn creates_an_image(call: &Call) -> bool {
    call.operation == "core/create" && call.class == "Attachment" && call.json.contains(":image:")
}
