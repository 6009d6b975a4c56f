//! Two iTops on their own sockets, and a folder for one bridge, which is the built binary.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use itop_sim::{Sim, SocketSender, Version};
use serde_json::json;

pub use crate::binary::{Bridge, free_port, itop};

pub const EXTERNAL_KEY: &str = "sk_external_acme";
pub const INTERNAL_KEY: &str = "sk_internal";

pub struct Site {
    pub folder: PathBuf,
    pub acme: Sim,
    pub elitery: Sim,
    acme_url: String,
    elitery_url: String,
    pub port: u16,
    /// The built binary.
    pub program: &'static str,
}

impl Site {
    pub async fn new(program: &'static str, name: &str) -> Site {
        let folder = std::env::temp_dir().join(format!("itop-bridge-process-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (acme, acme_url) = itop(Version::V3_1, 1).await;
        let (elitery, elitery_url) = itop(Version::V3_2, 1001).await;
        let port = free_port();
        let bridge = format!("http://127.0.0.1:{port}");
        acme.install_external_hooks(&bridge, EXTERNAL_KEY);
        elitery.install_internal_hooks(&bridge, INTERNAL_KEY);
        let site = Site { folder, acme, elitery, acme_url, elitery_url, port, program };
        site.configure("user = \"bridge\"\npassword = \"Bridge.1234\"\nonly = \"all\"");
        site
    }

    pub fn configure(&self, acme: &str) {
        let text = format!(
            "[server]\nid = \"7f3a\"\nlisten = \"127.0.0.1:{}\"\npublic_url = \"http://127.0.0.1:{}\"\n\
             [store]\nurl = \"sqlite:bridge.db\"\n\
             [internal]\nname = \"elitery\"\nurl = \"{}\"\nuser = \"bridge\"\npassword = \"Bridge.1234\"\n\
             api_keys = [\"{INTERNAL_KEY}\"]\ntimeout_seconds = 2\nsettle_seconds = 4\n\
             defaults = {{ org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\" }}\n\
             [external.acme]\nurl = \"{}\"\napi_keys = [\"{EXTERNAL_KEY}\"]\ntimeout_seconds = 2\n{acme}\n\
             [sync]\nsweep_seconds = 5\n",
            self.port, self.port, self.elitery_url, self.acme_url
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("itop-bridge.toml")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn spawn(&self) -> Bridge {
        self.spawn_as(self.command(&["serve"]))
    }

    /// The same, after a shell command whose effect the process inherits, such as `umask 0`.
    pub fn spawn_after(&self, shell: &str) -> Bridge {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}; exec \"$@\""), "sh", self.program]);
        command.args(["--config", self.config().to_str().unwrap(), "serve"]);
        self.spawn_as(command)
    }

    pub fn spawn_as(&self, mut command: Command) -> Bridge {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child =
            command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Bridge { child }
    }

    /// A bridge that answers and whose first sweeps are done.
    pub async fn serve(&self) -> Bridge {
        self.serves(|site| site.spawn()).await
    }

    /// The same, started in another way.
    pub async fn serves(&self, spawn: impl Fn(&Site) -> Bridge) -> Bridge {
        let calls = self.acme.calls().len();
        let mut bridge = spawn(self);
        for _ in 0..600 {
            assert!(bridge.child.try_wait().unwrap().is_none(), "the bridge ended: {}", self.log());
            let ready = self.get("/readyz").await.is_some_and(|status| status == 200);
            let swept = self.acme.calls()[calls..].iter().any(|call| call.class == "Attachment");
            if ready && swept {
                self.connect_hooks();
                return bridge;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the bridge never became ready: {}", self.log());
    }

    pub fn connect_hooks(&self) {
        self.acme.connect_hooks(SocketSender);
        self.elitery.connect_hooks(SocketSender);
    }

    pub fn store(&self) -> PathBuf {
        self.folder.join("bridge.db")
    }

    /// Changes the configuration's text.
    pub fn rewrite(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from:?} stands in {text}");
        std::fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    pub async fn get(&self, path: &str) -> Option<u16> {
        let answer = self.send(&format!("GET {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n\r\n")).await?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// Sends a webhook by hand; returns the status and the whole answer.
    pub async fn hook(&self, path: &str, key: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.send(&request).await.expect("an answer");
        (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), answer)
    }

    pub async fn send(&self, request: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    pub async fn ticket(&self, class: &str, title: &str) -> u64 {
        let fields = json!({"org_id": 3, "caller_id": 6, "title": title, "description": "<p>d</p>"});
        self.acme.create_ticket(class, fields).await.unwrap()
    }

    pub fn copies(&self) -> Vec<String> {
        self.elitery.tickets("Ticket").iter().map(|ticket| ticket.field("title").to_owned()).collect()
    }

    /// A command of the built binary, with this site's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// Runs a command beside the bridge, as an operator does; returns its output.
    pub async fn verb(&self, arguments: &[&str]) -> String {
        let output = ran(self.command(arguments)).await;
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// The same, for a command that must fail; returns the error output.
    pub async fn refused_verb(&self, arguments: &[&str]) -> String {
        let output = ran(self.command(arguments)).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    /// The file names on all internal tickets.
    pub fn elitery_files(&self) -> Vec<String> {
        let tickets = self.elitery.tickets("Ticket");
        let files = tickets.iter().flat_map(|ticket| self.elitery.attachments(ticket.id));
        let mut names: Vec<String> = files.map(|file| file.filename).collect();
        names.sort();
        names
    }

    /// Waits until the condition holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Site) -> bool) {
        for _ in 0..1200 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never: {what}\ncopies: {:#?}\n{}", self.copies(), self.log());
    }

    /// Checks that every external ticket has exactly one copy.
    pub async fn every_ticket_has_one_copy(&self) {
        let expected: Vec<String> = self
            .acme
            .tickets("Ticket")
            .iter()
            .map(|ticket| format!("[{}] {}", ticket.field("ref"), ticket.field("title")))
            .collect();
        let all_there = |site: &Site| expected.iter().all(|title| site.copies().contains(title));
        self.until("every ticket has a copy", all_there).await;
        let (mut copies, mut expected) = (self.copies(), expected.clone());
        copies.sort();
        expected.sort();
        assert_eq!(copies, expected, "a ticket was doubled");
    }

    /// Waits for two sweeps of both sides, and demands that nothing was written meanwhile.
    pub async fn goes_on_without_writing(&self) {
        tokio::time::sleep(Duration::from_secs(6)).await;
        self.acme.clear_calls();
        self.elitery.clear_calls();
        self.until("another sweep", |site| site.acme.calls().iter().any(|call| call.class == "Attachment")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((self.acme.writes(), self.elitery.writes()), (0, 0));
    }

    /// The output of a command, however it ends.
    pub async fn said(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        command.env("ITOP_BRIDGE_ADMIN_USER", "admin").env("ITOP_BRIDGE_ADMIN_PASSWORD", "admin");
        let output = ran(command).await;
        let [out, error] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        out + &error
    }

    /// The line of `check` that contains this.
    pub async fn check(&self, line: &str) -> String {
        let said = self.said(&["check"]).await;
        let found = said.lines().find(|found| found.contains(line));
        found.unwrap_or_else(|| panic!("no {line:?} in {said}")).to_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn ran(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// The log of a start that is refused.
pub async fn refused(site: &Site) -> String {
    let mut bridge = site.spawn();
    let status = bridge.ended().await;
    assert_eq!(status.code(), Some(1), "{}", site.log());
    site.log()
}

pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o777
}

/// Whether the process runs as root, for whom no file is closed, whatever its mode.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
