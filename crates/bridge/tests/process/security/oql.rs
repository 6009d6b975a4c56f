//! Text of any kind as a value in OQL, through the simulator's own reading of OQL: it comes out as exactly that
//! value, and finds exactly the row that holds it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use itop_client::{Body, Client, ClientConfig, Found, Login, Progress, Query, Transport, TransportError, oql_quote};
use itop_sim::{Sim, SimConfig, Version, Wire};
use proptest::prelude::*;
use serde_json::json;

struct ToSim(Sim);

impl Transport for ToSim {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        let request = request.map(|body| body.to_bytes());
        async move {
            match self.0.handle(request).await {
                Wire::Answer(answer) => Ok(answer),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn asked(client: &Client, condition: &str) -> Found {
    let query = Query::oql(format!("SELECT UserRequest WHERE {condition}"));
    client.get("UserRequest", &query, &["id", "title"]).await.unwrap_or_else(|error| panic!("{condition}: {error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_one_value_and_finds_its_own_row(
        text in r#"([\\'"`%_:()=a-c0-9\x00-\x1f]| OR 1=1| UNION SELECT |--|\PC){1,15}"#,
    ) {
        now(async {
            let sim = Sim::new(SimConfig::new(Version::V3_2, "http://itop"));
            let login = Login::Password { user: "bridge".into(), password: "Bridge.1234".into() };
            let client = Client::new(ClientConfig::new("http://itop", login), Arc::new(ToSim(sim.clone()))).unwrap();
            let create = async |title: &str| {
                let fields = json!({ "org_id": 3, "title": title, "description": "<p>d</p>" });
                sim.create_ticket("UserRequest", fields).await.unwrap()
            };
            let own = create(&text).await;
            // What its signs would find, if they were read as OQL or as wildcards.
            create("another ticket").await;
            create(&format!("{text}-")).await;
            create(&(text.replace(['\'', '\\', '%', '_'], "z") + " z")).await;

            let found = asked(&client, &format!("title = {}", oql_quote(&text))).await;
            let ids: Vec<u64> = found.objects.iter().map(|object| object.id).collect();
            assert_eq!(ids, [own], "{text:?}");
            assert_eq!(found.objects[0].text("title"), Some(&*text));
            let other = asked(&client, &format!("title != {} AND id = {own}", oql_quote(&text))).await;
            assert_eq!(other.objects.len(), 0, "{text:?}");
        });
    }
}
