//! The built binary over real sockets: what only a process, a file and a signal can show. Waits here are
//! for something to happen, with a generous end; none measures a time.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use itop_bridge::store::{SqliteStore, Store as _};
use itop_sim::{Effect, Fault, Sim, SimConfig, SocketSender, Version, WallClock};
use serde_json::json;
use tokio::net::TcpListener;

const EXTERNAL_KEY: &str = "sk_external_acme";
const INTERNAL_KEY: &str = "sk_internal";

/// Two iTops on sockets of their own, and a folder for one bridge.
struct Site {
    folder: PathBuf,
    acme: Sim,
    elitery: Sim,
    acme_url: String,
    elitery_url: String,
    port: u16,
}

impl Site {
    async fn new(name: &str) -> Site {
        let folder = std::env::temp_dir().join(format!("itop-bridge-process-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (acme, acme_url) = itop(Version::V3_1, 1).await;
        let (elitery, elitery_url) = itop(Version::V3_2, 1001).await;
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let bridge = format!("http://127.0.0.1:{port}");
        acme.install_external_hooks(&bridge, EXTERNAL_KEY);
        elitery.install_internal_hooks(&bridge, INTERNAL_KEY);
        let site = Site { folder, acme, elitery, acme_url, elitery_url, port };
        site.configure("user = \"bridge\"\npassword = \"Bridge.1234\"\nonly = \"all\"");
        site
    }

    fn configure(&self, acme: &str) {
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

    fn config(&self) -> PathBuf {
        self.folder.join("itop-bridge.toml")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn spawn(&self) -> Bridge {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_itop-bridge"))
            .args(["--config", self.config().to_str().unwrap(), "serve"])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Bridge { child }
    }

    /// A bridge that answers and whose first sweeps are done.
    async fn serve(&self) -> Bridge {
        let calls = self.acme.calls().len();
        let mut bridge = self.spawn();
        for _ in 0..600 {
            assert!(bridge.child.try_wait().unwrap().is_none(), "the bridge ended: {}", self.log());
            let ready = self.get("/readyz").await.is_some_and(|status| status == 200);
            let swept = self.acme.calls()[calls..].iter().any(|call| call.class == "Attachment");
            if ready && swept {
                self.acme.connect_hooks(SocketSender);
                self.elitery.connect_hooks(SocketSender);
                return bridge;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the bridge never became ready: {}", self.log());
    }

    async fn get(&self, path: &str) -> Option<u16> {
        let answer = self.send(&format!("GET {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n\r\n")).await?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// A webhook by hand; answers the status and the whole answer.
    async fn hook(&self, path: &str, key: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.send(&request).await.expect("an answer");
        (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), answer)
    }

    async fn send(&self, request: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    async fn ticket(&self, class: &str, title: &str) -> u64 {
        let fields = json!({"org_id": 3, "caller_id": 6, "title": title, "description": "<p>d</p>"});
        self.acme.create_ticket(class, fields).await.unwrap()
    }

    fn copies(&self) -> Vec<String> {
        self.elitery.tickets("Ticket").iter().map(|ticket| ticket.field("title").to_owned()).collect()
    }

    /// Calls a verb beside the bridge, as an operator does; answers what it said.
    async fn verb(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop-bridge"));
        command.arg("--config").arg(self.config()).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// The same, of a verb that cannot do it; answers why.
    async fn refused_verb(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop-bridge"));
        command.arg("--config").arg(self.config()).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    /// The names of the customers' files inside.
    fn elitery_files(&self) -> Vec<String> {
        let tickets = self.elitery.tickets("Ticket");
        let files = tickets.iter().flat_map(|ticket| self.elitery.attachments(ticket.id));
        let mut names: Vec<String> = files.map(|file| file.filename).collect();
        names.sort();
        names
    }

    /// Waits until this holds.
    async fn until(&self, what: &str, holds: impl Fn(&Site) -> bool) {
        for _ in 0..1200 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never: {what}\ncopies: {:#?}\n{}", self.copies(), self.log());
    }

    /// Every ticket outside has exactly one copy.
    async fn every_ticket_has_one_copy(&self) {
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
    async fn goes_on_without_writing(&self) {
        tokio::time::sleep(Duration::from_secs(6)).await;
        self.acme.clear_calls();
        self.elitery.clear_calls();
        self.until("another sweep", |site| site.acme.calls().iter().any(|call| call.class == "Attachment")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((self.acme.writes(), self.elitery.writes()), (0, 0));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn itop(version: Version, first: u64) -> (Sim, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut config = SimConfig::new(version, &url);
    config.first_ids.ticket = first;
    config.first_ids.reference = first;
    config.clock = WallClock::from(1_795_518_000);
    let sim = Sim::new(config);
    tokio::spawn(sim.clone().serve(listener));
    (sim, url)
}

/// The process; killed when a test ends, whatever happened.
struct Bridge {
    child: Child,
}

impl Bridge {
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        for _ in 0..400 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process did not end");
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a start that is refused prints.
async fn refused(site: &Site) -> String {
    let mut bridge = site.spawn();
    let status = bridge.ended().await;
    assert_eq!(status.code(), Some(1), "{}", site.log());
    site.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs_work_beside_a_running_bridge() {
    let site = Site::new("verbs").await;
    let _bridge = site.serve().await;
    let id = site.ticket("UserRequest", "before").await;
    site.every_ticket_has_one_copy().await;
    assert!(site.verb(&["pause", "acme"]).await.starts_with("acme is paused."));
    site.acme.update(id, json!({"title": "meanwhile"})).await.unwrap();
    let plan = site.verb(&["plan", "acme:R-000001"]).await;
    assert!(plan.contains("- title: [R-000001] before\n  + title: [R-000001] meanwhile\n"), "{plan}");
    assert!(site.verb(&["links", "list"]).await.contains("acme:R-000001"));
    assert!(site.verb(&["links", "show", "1"]).await.contains("queue: due at "), "the hook was accepted, and waits");
    assert_eq!(site.verb(&["retry"]).await, "No ticket is parked. Nothing was changed.\n");
    assert!(site.verb(&["resume", "acme"]).await.starts_with("acme is resumed."));
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert!(site.verb(&["plan", "1"]).await.contains("A pass writes nothing."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_crosses_over_real_sockets_and_a_pass_is_one_line_of_json() {
    let site = Site::new("crosses").await;
    let bridge = site.serve().await;
    site.ticket("UserRequest", "over \"sockets\"").await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
    let lines: Vec<serde_json::Value> = site
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let created: Vec<_> =
        lines.iter().filter(|line| line["wrote"].as_str().is_some_and(|wrote| wrote.starts_with("created"))).collect();
    assert_eq!(created.len(), 1, "{lines:#?}");
    assert_eq!(created[0]["ticket"], "acme:R-000001");
    assert!(created[0]["ms"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_traffic_doubles_nothing_and_loses_nothing() {
    let site = Site::new("kill").await;
    site.elitery.set_latency(Duration::from_millis(40));
    for round in 0..8 {
        let bridge = site.serve().await;
        for n in 0..4 {
            site.ticket("Incident", &format!("round {round} ticket {n}")).await;
        }
        // Each round dies at another step of its passes.
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        bridge.kill();
    }
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_cleanly_and_the_next_start_goes_on() {
    let site = Site::new("sigterm").await;
    site.elitery.set_latency(Duration::from_millis(100));
    let bridge = site.serve().await;
    for n in 0..10 {
        site.ticket("UserRequest", &format!("load {n}")).await;
    }
    let status = bridge.terminate().await;
    assert!(status.success(), "{status}: {}", site.log());
    assert!(site.log().contains("\"message\":\"stopped\""), "{}", site.log());
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_accepted_survives_kill_9() {
    let site = Site::new("accepted").await;
    // The provider's iTop is away, so that the accepted hint must wait.
    let bridge = site.serve().await;
    site.elitery.down(true);
    site.acme.drop_hooks(true);
    let id = site.ticket("UserRequest", "accepted").await;
    let body = format!(r#"{{"event":"ticket.create","class":"UserRequest","id":"{id}"}}"#);
    let (status, answer) = site.hook("/api/v1/create-ticket", EXTERNAL_KEY, &body).await;
    assert_eq!(status, 202, "{answer}");
    bridge.kill();
    site.elitery.down(false);
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_answered_while_both_itops_are_silent() {
    let site = Site::new("silent").await;
    let _bridge = site.serve().await;
    site.acme.fail_with(|_| Some(Fault::Hang(Effect::None)));
    site.elitery.fail_with(|_| Some(Fault::Hang(Effect::None)));
    for id in 1..=20 {
        let body = format!(r#"{{"class":"UserRequest","id":"{id}"}}"#);
        let (status, answer) = site.hook("/api/v1/update-ticket", EXTERNAL_KEY, &body).await;
        assert_eq!(status, 202, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_or_never_come_double_nothing() {
    let site = Site::new("cut").await;
    let _bridge = site.serve().await;
    for (n, fault) in [
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
        Fault::Hang(Effect::Committed),
        Fault::Status(500, Effect::Committed),
        Fault::Refuse,
    ]
    .into_iter()
    .enumerate()
    {
        site.elitery.fail_next_write(fault);
        site.ticket("UserRequest", &format!("fault {n}")).await;
        site.every_ticket_has_one_copy().await;
    }
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_20_mb_crosses_whole() {
    let site = Site::new("large").await;
    let _bridge = site.serve().await;
    let id = site.ticket("UserRequest", "a large log").await;
    let data: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    site.acme.attach(id, "large.log", "text/plain", &data).await.unwrap();
    site.until("the file is there", |site| !site.elitery.all_attachments().is_empty()).await;
    let copies = site.elitery.all_attachments();
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].filename.as_str(), copies[0].data.len()), ("large.log", data.len()));
    assert!(copies[0].data == data, "the copy differs");
    site.goes_on_without_writing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in_as_well_as_a_password() {
    let site = Site::new("token").await;
    site.configure("token = \"bridge-token\"\nonly = \"all\"");
    let _bridge = site.serve().await;
    site.ticket("Incident", "by token").await;
    site.every_ticket_has_one_copy().await;
    let secret = site.log().contains("bridge-token") || site.log().contains("Bridge.1234");
    assert!(!secret, "a secret stands in the log");
    site.goes_on_without_writing().await;
}

/// Yesterday's store beside today's iTops: what happened since is found by the marks.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_beside_a_running_bridge_is_whole_and_doubles_nothing_when_it_is_put_back() {
    let site = Site::new("backup").await;
    let bridge = site.serve().await;
    let first = site.ticket("UserRequest", "before the backup").await;
    site.acme.attach(first, "a.txt", "text/plain", b"a").await.unwrap();
    site.every_ticket_has_one_copy().await;
    let copy = site.folder.join("copy.db");
    let copied = site.verb(&["backup", copy.to_str().unwrap()]).await;
    assert!(copied.contains("copy.db: "), "{copied}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let pairs = SqliteStore::open_to_read(&copy).unwrap().links(None, 0, 10, None).unwrap();
    assert_eq!(pairs.iter().map(|stored| stored.link.external.id).collect::<Vec<_>>(), [first]);
    let refused = site.refused_verb(&["backup", copy.to_str().unwrap()]).await;
    assert!(refused.contains("is there already"), "{refused}");
    let nowhere = site.refused_verb(&["backup", "/no/such/folder/copy.db"]).await;
    assert!(nowhere.contains("no backup was made at /no/such/folder/copy.db"), "{nowhere}");
    let parts = std::fs::read_dir(&site.folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part-"));
    assert_eq!(parts.count(), 0, "nothing half-written stays");

    let second = site.ticket("UserRequest", "after the backup").await;
    site.acme.attach(second, "b.txt", "text/plain", b"b").await.unwrap();
    site.acme.attach(first, "c.txt", "text/plain", b"c").await.unwrap();
    site.every_ticket_has_one_copy().await;
    site.until("the files are copied", |site| site.elitery_files() == ["a.txt", "b.txt", "c.txt"]).await;
    assert!(bridge.terminate().await.success());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(site.folder.join(format!("bridge.db{suffix}")));
    }
    std::fs::copy(&copy, site.folder.join("bridge.db")).unwrap();

    let bridge = site.serve().await;
    site.ticket("UserRequest", "after all that").await;
    site.acme.update(first, json!({"title": "and changed"})).await.unwrap();
    site.until("the change crosses", |site| site.copies().iter().any(|title| title.ends_with("and changed"))).await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert_eq!(site.elitery_files(), ["a.txt", "b.txt", "c.txt"], "nothing is copied twice");
    assert!(bridge.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bridges_on_one_store_are_refused() {
    let site = Site::new("two").await;
    let bridge = site.serve().await;
    let log = refused(&site).await;
    let store = site.folder.join("bridge.db");
    assert_eq!(log.matches(&*store.to_string_lossy()).count(), 1, "the file is named once: {log}");
    assert!(log.contains("another itop-bridge holds the store") && log.contains("fuser -v"), "{log}");
    assert!(bridge.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_server_id_is_refused() {
    let site = Site::new("server-id").await;
    assert!(site.serve().await.terminate().await.success());
    let text = std::fs::read_to_string(site.config()).unwrap().replace("id = \"7f3a\"", "id = \"beef\"");
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("7f3a") && log.contains("beef"), "{log}");
    assert!(log.contains("put the store's own id back into [server].id"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_folder_that_does_not_exist_is_refused() {
    let site = Site::new("folder").await;
    let text = std::fs::read_to_string(site.config()).unwrap().replace("sqlite:bridge.db", "sqlite:none/bridge.db");
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("there is no folder") && log.contains("correct [store].url"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_and_an_address_of_another_machine_are_told_apart() {
    let site = Site::new("port").await;
    let taken = TcpListener::bind(("127.0.0.1", site.port)).await.unwrap();
    let log = refused(&site).await;
    assert!(log.contains(&format!("sport = :{}", site.port)), "{log}");
    drop(taken);
    let text =
        std::fs::read_to_string(site.config()).unwrap().replacen("listen = \"127.0.0.1", "listen = \"192.0.2.1", 1);
    std::fs::write(site.config(), text).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("This machine has no such address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_store_is_refused() {
    let site = Site::new("corrupt").await;
    std::fs::File::create(site.folder.join("bridge.db")).unwrap().write_all(&[b'x'; 8192]).unwrap();
    let log = refused(&site).await;
    assert!(log.contains("bridge.db") && log.contains("no store of itop-bridge"), "{log}");
    assert!(is_whole(&site.folder.join("bridge.db")), "what was there was changed");
}

fn is_whole(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes == [b'x'; 8192])
}

#[tokio::test(flavor = "multi_thread")]
async fn without_only_serve_refuses_to_start_and_says_why() {
    let site = Site::new("only").await;
    site.configure("user = \"bridge\"\npassword = \"Bridge.1234\"");
    let log = refused(&site).await;
    assert!(log.contains("itop-bridge.toml") && log.contains("only") && log.contains("\"all\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_key_is_named_with_its_line_and_the_nearest_known_key() {
    let site = Site::new("typo").await;
    site.configure("user = \"bridge\"\npasword = \"Bridge.1234\"\nonly = \"all\"");
    let log = refused(&site).await;
    let line =
        std::fs::read_to_string(site.config()).unwrap().lines().position(|line| line.starts_with("pasword")).unwrap()
            + 1;
    assert!(log.contains(&format!("itop-bridge.toml:{line}")), "{log}");
    assert!(log.contains("pasword") && log.contains("password"), "{log}");
}
