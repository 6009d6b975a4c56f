//! A store that was restored from a backup, before iTops that went on: what is there already is not sent again.

use itop_bridge_core::Link;
use itop_bridge_store::{Activity, LinkState, SqliteStore, StoreHandle};
use itop_bridge_testkit::world::*;

use super::{BOTH_WAYS, PNG, Way, count, linked};

any_version![a_store_of_any_moment_sends_nothing_of_a_log_again];

/// A database that keeps each version of its links that was ever committed.
struct History {
    folder: std::path::PathBuf,
    db: rusqlite::Connection,
}

impl History {
    fn new(name: &str) -> History {
        let folder = std::env::temp_dir().join(format!("itop-bridge-restored-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        drop(SqliteStore::open(folder.join("store.db")).expect("a store"));
        let db = rusqlite::Connection::open(folder.join("store.db")).unwrap();
        let keep = "CREATE TABLE versions (body TEXT);
                    CREATE TRIGGER keep AFTER UPDATE OF body ON links WHEN new.body <> old.body
                    BEGIN INSERT INTO versions VALUES (new.body); END;";
        db.execute_batch(keep).unwrap();
        History { folder, db }
    }

    fn store(&self) -> StoreHandle {
        StoreHandle::inline(SqliteStore::open(self.folder.join("store.db")).expect("a store"))
    }

    fn forget(&self) {
        self.db.execute("DELETE FROM versions", []).unwrap();
    }

    fn all(&self) -> Vec<Link> {
        let mut rows = self.db.prepare("SELECT body FROM versions ORDER BY rowid").unwrap();
        let bodies = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        bodies.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn a_store_of_any_moment_sends_nothing_of_a_log_again(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut moment, mut met_half_sent) = (0, false);
        loop {
            let history =
                History::new(&format!("{:?}-{:?}-{}-{moment}", versions.external, versions.internal, from.word()));
            let mut world = Setup::between(versions).start().await;
            world.start_over(history.store()).await;
            let way = linked(&world, from).await;
            history.forget();
            deliver_two(&world, &way).await;
            let then = history.all();
            if moment == then.len() {
                assert!(met_half_sent, "no version of the store holds a batch that was half sent");
                world.one_more_pass_writes_nothing().await;
                break;
            }
            let link = then[moment].clone();
            met_half_sent |= is_half_sent(&link);
            restore(&mut world, &way, link).await;
            way.write("<p>gamma</p>").await;
            world.settle().await;
            world.pass_seconds(700).await;
            world.settle().await;
            let text = way.all_text();
            assert_eq!(way.files("image").len(), 1, "{moment}");
            for word in ["alpha", "beta", "gamma"] {
                assert_eq!(count(&text, word), 1, "moment {moment}: {text}");
            }
            world.one_more_pass_writes_nothing().await;
            moment += 1;
        }
    }
}

/// A batch with an image, and one without.
async fn deliver_two(world: &World, way: &Way) {
    let image = way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", PNG).await.unwrap();
    way.write(&format!("<p>alpha, see {}</p>", image.html)).await;
    world.settle().await;
    way.write("<p>beta</p>").await;
    world.settle().await;
    assert_eq!((way.files("image").len(), way.texts().len()), (1, 2));
}

fn is_half_sent(link: &Link) -> bool {
    let batches = link.logs.iter().filter_map(|log| log.batch.as_ref());
    batches.into_iter().any(|batch| {
        let sent = batch.files.iter().filter(|file| file.state.is_some()).count();
        (1..batch.files.len()).contains(&sent)
    })
}

async fn restore(world: &mut World, way: &Way, link: Link) {
    world.crash().await;
    let id = world.link(way.external_ticket()).await.id;
    let did = Activity::in_words(world.now_ms(), "a backup was restored");
    let now = world.now_ms();
    let put_back = move |of: &mut Link, _: &mut LinkState| of.clone_from(&link);
    world.store.call(move |store| store.amend_link(id, &put_back, &did, now)).await.unwrap();
    world.boot();
}
