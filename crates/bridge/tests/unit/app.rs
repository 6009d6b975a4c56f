//! The bridge as a whole process would run it: how it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use itop_bridge::app::{App, Seams};
use itop_bridge::config::{Config, SideConfig};
use itop_bridge_engine::Broken;
use itop_bridge_engine::clock::SystemClock;
use itop_bridge_engine::random::SystemRandom;
use itop_bridge_engine::timing::Timing;
use itop_bridge_store::{SqliteStore, StoreHandle};
use itop_bridge_testkit::binary::free_port;
use itop_client::{Body, Progress, Transport, TransportError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to an iTop that never answers, or in which there is a mistake.
enum Way {
    Silent,
    Panics,
}

impl Transport for Way {
    fn send<'a>(
        &'a self,
        _: http::Request<Body>,
        _: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            match self {
                Way::Silent => std::future::pending().await,
                Way::Panics => panic!("a mistake in the bridge"),
            }
        })
    }
}

struct Running {
    address: std::net::SocketAddr,
    store: StoreHandle,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), Broken>>,
}

async fn start(way: fn() -> Way) -> Running {
    let text = "[server]\nid = \"7f3a\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://bridge\"\n\
                [store]\nurl = \"sqlite:unused.db\"\n\
                [internal]\nname = \"elitery\"\nurl = \"http://elitery\"\nuser = \"bridge\"\npassword = \"x\"\n\
                api_keys = [\"sk_internal\"]\n\
                [external.acme]\nurl = \"http://acme\"\nuser = \"bridge\"\npassword = \"x\"\n\
                api_keys = [\"sk_acme\"]\nonly = \"all\"\n";
    let config = Config::parse(text, "test.toml", &|_| None).unwrap_or_else(|error| panic!("{error}"));
    let store = StoreHandle::thread(SqliteStore::open_in_memory().unwrap());
    let seams = Seams {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        timing: Timing { shutdown_ms: 100, ..Timing::default() },
        post: None,
        dry_run: false,
    };
    let transport = move |_: &SideConfig| Ok(Arc::new(way()) as Arc<dyn Transport>);
    let app = App::new(&config, seams, &transport).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", free_port())).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(app.run(listener, stopped));
    Running { address, store, stop, task }
}

async fn ended(running: &mut Running) -> Result<(), Broken> {
    let ended = tokio::time::timeout(Duration::from_secs(60), &mut running.task).await;
    let outcome = ended.expect("it ends by itself").expect("it does not panic itself");
    assert!(TcpStream::connect(running.address).await.is_err(), "no webhook is taken any more");
    outcome
}

#[tokio::test]
async fn a_panic_of_one_part_ends_the_whole_bridge_with_an_error() {
    let mut running = start(|| Way::Panics).await;
    let broken = ended(&mut running).await.expect_err("a part broke").to_string();
    assert!(broken.contains("a mistake in the bridge"), "{broken}");
    running.store.call(|store| store.probe()).await.expect("the store is still open, to be closed properly");
}

#[tokio::test]
async fn a_store_that_is_gone_ends_the_whole_bridge_with_an_error() {
    let mut running = start(|| Way::Silent).await;
    let _ = running.store.call(|_| -> itop_bridge_store::Result<()> { panic!("a mistake in the store") }).await;
    let broken = ended(&mut running).await.expect_err("the store's thread broke").to_string();
    assert!(broken.contains("stored"), "{broken}");
}

#[tokio::test]
async fn a_stop_ends_the_bridge_well() {
    let mut running = start(|| Way::Silent).await;
    running.stop.send(true).unwrap();
    ended(&mut running).await.expect("nothing broke");
}
