//! Two iTops on sockets of their own, and a folder for one bridge: the built binary.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use itop_sim::{Sim, SocketSender, Version};
pub use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use itop_bridge_testkit::binary::free_port;
pub use itop_bridge_testkit::binary::{Bridge, itop};

pub struct Site {
    pub folder: PathBuf,
    pub acme: Sim,
    pub elitery: Sim,
    pub acme_url: String,
    pub elitery_url: String,
    pub port: u16,
    /// For each verb and for `serve`.
    pub env: Vec<(&'static str, String)>,
}

impl Site {
    pub async fn new(name: &str) -> Site {
        let folder = std::env::temp_dir().join(format!("itop-bridge-security-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (acme, acme_url) = itop(Version::V3_1, 1).await;
        let (elitery, elitery_url) = itop(Version::V3_2, 1001).await;
        let port = free_port();
        Site { folder, acme, elitery, acme_url, elitery_url, port, env: Vec::new() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Writes the configuration: the head of each section, and these lines for it.
    pub fn configure(&self, internal: &str, acme: &str, rest: &str) {
        let Site { acme_url, elitery_url, port, .. } = self;
        let text = format!(
            "[server]\nid = \"7f3a\"\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{}\"\n\
             [store]\nurl = \"sqlite:bridge.db\"\n\
             [internal]\nname = \"elitery\"\nurl = \"{elitery_url}\"\n{internal}\ntimeout_seconds = 2\n\
             settle_seconds = 4\n\
             defaults = {{ org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\" }}\n\
             [external.acme]\nurl = \"{acme_url}\"\ntimeout_seconds = 2\nonly = \"all\"\n{acme}\n{rest}\n",
            self.url()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("itop-bridge.toml")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::PROGRAM);
        command.current_dir(&self.folder).args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// A bridge that answers, and whose first sweeps are done.
    pub async fn serve(&self) -> Bridge {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let calls = self.acme.calls().len();
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut bridge = Bridge { child };
        for _ in 0..1200 {
            assert!(bridge.child.try_wait().unwrap().is_none(), "the bridge ended: {}", self.log());
            let ready = self.get("/readyz", "").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
            if ready && self.acme.calls()[calls..].iter().any(|call| call.class == "Attachment") {
                self.acme.connect_hooks(SocketSender);
                self.elitery.connect_hooks(SocketSender);
                return bridge;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the bridge never became ready: {}", self.log());
    }

    /// Calls a verb, as an operator does; answers how it ended and all that it said.
    pub async fn verb(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    pub async fn get(&self, path: &str, head: &str) -> Option<String> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n{head}\r\n")).await
    }

    pub async fn post(&self, path: &str, head: &str, body: &str) -> Option<String> {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n{head}content-length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    async fn send(&self, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    pub async fn ticket(&self, title: &str, description: &str) -> u64 {
        let fields = json!({"org_id": 3, "caller_id": 6, "title": title, "description": description});
        self.acme.create_ticket("UserRequest", fields).await.unwrap()
    }

    pub fn copies(&self) -> Vec<itop_sim::Ticket> {
        self.elitery.tickets("Ticket")
    }

    /// Waits until this holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Site) -> bool) {
        for _ in 0..2400 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = self.log();
        panic!("never: {what}\n{}", &log[log.len().saturating_sub(8_000)..]);
    }

    /// Two quiet seconds, in which nothing was written; the sweeps of `sweep_seconds = 5` lie among them.
    pub async fn one_more_pass_writes_nothing(&self) {
        tokio::time::sleep(Duration::from_secs(7)).await;
        self.acme.clear_calls();
        self.elitery.clear_calls();
        for ticket in self.acme.tickets("Ticket") {
            let body = format!(r#"{{"class":"{}","id":"{}"}}"#, ticket.class, ticket.id);
            let answer = self.post("/api/v1/update-ticket", &self.key(), &body).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        }
        self.until("a pass", |site| site.acme.calls().iter().any(|call| call.operation == "core/get")).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((self.acme.writes(), self.elitery.writes()), (0, 0));
    }

    /// The header with acme's key.
    fn key(&self) -> String {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let (_, of_acme) = text.split_once("[external.acme]").unwrap();
        let (_, keys) = of_acme.split_once("api_keys = [").unwrap();
        let key = keys.trim_start_matches(['"', '\'']).split(['"', '\'']).next().unwrap();
        format!("x-api-key: {key}\r\n")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
