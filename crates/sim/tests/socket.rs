//! The simulator over real sockets, both ways: its REST service and its webhooks.

mod recording;

use std::sync::{Arc, Mutex};

use itop_sim::{Effect, Fault, Sim, SimConfig, SocketSender, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// All bytes that come back for a REST call; the connection is asked to close.
async fn exchange(address: &str, json_data: &str) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("auth_user", "bridge")
        .append_pair("auth_pwd", "Bridge.1234")
        .append_pair("json_data", json_data)
        .finish();
    let head = format!(
        "POST /webservices/rest.php?version=1.3 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that closes at once may reset the connection.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    String::from_utf8_lossy(&got).into_owned()
}

async fn listening(sim: &Sim) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(sim.clone().serve(listener));
    address
}

#[tokio::test]
async fn answers_cuts_and_refusals_show_on_the_socket() {
    let sim = Sim::new(SimConfig::new(Version::V3_2, "http://itop"));
    let address = listening(&sim).await;
    let list = json!({"operation": "list_operations"}).to_string();
    let whole = exchange(&address, &list).await;
    assert!(whole.starts_with("HTTP/1.1 200 OK") && whole.ends_with("}]}"), "{whole}");
    sim.fail_next(Fault::Cut { after_bytes: 12, effect: Effect::Committed });
    let cut = exchange(&address, &list).await;
    assert!(cut.contains("{\"code\":0,\"m") && !cut.contains("message"), "{cut}");
    sim.fail_next(Fault::Refuse);
    assert_eq!(exchange(&address, &list).await, "");
    sim.down(true);
    assert_eq!(exchange(&address, &list).await, "");
    sim.heal();
    assert!(exchange(&address, &list).await.ends_with("}]}"));
}

#[tokio::test]
async fn a_hook_goes_out_over_a_socket_as_typed() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", receiver.local_addr().unwrap());
    let got = Arc::new(Mutex::new(String::new()));
    let note = Arc::clone(&got);
    tokio::spawn(async move {
        let (mut stream, _) = receiver.accept().await.unwrap();
        let mut buffer = vec![0; 4096];
        let mut text = String::new();
        while !text.ends_with('}') {
            let length = stream.read(&mut buffer).await.unwrap();
            text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        *note.lock().unwrap() = text;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let sim = Sim::new(SimConfig::new(Version::V3_2, "http://itop"));
    sim.connect_hooks(SocketSender);
    sim.install_external_hooks(&url, "secret");
    sim.create_ticket("UserRequest", json!({"org_id": 3, "title": "t", "description": "d"})).await.unwrap();
    let got = got.lock().unwrap().clone();
    assert!(got.starts_with("POST /api/v1/create-ticket HTTP/1.1\r\n"), "{got}");
    assert!(got.to_lowercase().contains("x-api-key: secret"), "{got}");
    assert_eq!(sim.deliveries()[0].outcome, itop_sim::Outcome::Answered(202));
}
