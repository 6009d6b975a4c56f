//! The guides for a customer more and for one that leaves, followed to the letter: each command as it is printed, in a
//! shell, with the built binary and iTops on sockets. What a person does between them is done here too.

use std::process::{Command, Stdio};

use itop_bridge_testkit::site::{Bridge, Site, itop};
use itop_sim::{Sim, SocketSender, Version};
use serde_json::json;

const ADD: &str = include_str!("../../../../docs/guide/add.md");
const LEAVE: &str = include_str!("../../../../docs/guide/leave.md");

/// The commands under a heading.
fn commands(guide: &str, heading: &str) -> Vec<String> {
    let section = guide.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.map(str::to_owned).collect()
}

struct Operator {
    site: Site,
    bridge: Option<Bridge>,
    beta: Sim,
    beta_url: String,
}

impl Operator {
    async fn new(name: &str) -> Operator {
        let site = Site::new(crate::PROGRAM, name).await;
        site.rewrite("[sync]\n", "[sync]\nclasses = { UserRequest = \"UserRequest\", Incident = \"Incident\" }\n");
        let bridge = Some(site.serve().await);
        let (beta, beta_url) = itop(Version::V3_1, 5001).await;
        beta.connect_hooks(SocketSender);
        site.until("the connection", |site| site.log().contains("the connection has begun")).await;
        Operator { site, bridge, beta, beta_url }
    }

    /// Runs a block, for the customer of this name; what it said, and whether it ended well.
    async fn types(&mut self, block: &str, customer: &str) -> (bool, String) {
        let (mut shell, mut said, mut is_well) = (String::new(), String::new(), true);
        for line in block.lines() {
            match line {
                "systemctl restart itop-bridge" | "systemctl stop itop-bridge" | "systemctl start itop-bridge" => {
                    let (ended_well, words) = self.shell(&std::mem::take(&mut shell), customer).await;
                    (is_well, said) = (is_well && ended_well, said + &words);
                    self.systemctl(line.split(' ').nth(1).unwrap()).await;
                }
                // What asks has nobody to ask here.
                "itop-bridge external remove acme" => shell += &format!("{line} --yes\n"),
                // What it finds is looked at below.
                line if line.starts_with("itop-bridge check") => shell += &format!("{line} || true\n"),
                line => shell += &format!("{line}\n"),
            }
        }
        let (ended_well, words) = self.shell(&shell, customer).await;
        (is_well && ended_well, said + &words)
    }

    async fn shell(&self, lines: &str, customer: &str) -> (bool, String) {
        let lines = lines.replace("https://itop.second.example", &self.beta_url);
        let lines = match customer {
            "acme" => lines,
            other => lines.replace("acme", other),
        };
        let program = crate::PROGRAM;
        let script = format!("set -e\nitop-bridge() {{ {program} \"$@\"; }}\n{lines}");
        let secret = if lines.contains("read -rs PASSWORD") { "Bridge.1234" } else { "admin" };
        let mut command = Command::new("bash");
        let script = format!("{script}\n");
        command.args(["-c", &script]).current_dir(&self.site.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that asks for nothing may have ended without reading.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{secret}\n").as_bytes());
        let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), words(&output.stdout) + &words(&output.stderr))
    }

    async fn systemctl(&mut self, what: &str) {
        if what != "start"
            && let Some(bridge) = self.bridge.take()
        {
            assert!(bridge.terminate().await.success());
        }
        if what != "stop" {
            let _ = std::fs::remove_file(self.site.folder.join("log"));
            self.bridge = Some(self.site.spawn());
            self.site.until("it serves", |site| site.log().contains("itop-bridge serves")).await;
        }
    }

    /// A section of the guide, every command of it.
    async fn follows(&mut self, guide: &str, heading: &str, customer: &str) -> String {
        let mut all = String::new();
        for block in commands(guide, heading) {
            // It asks a person, and the next block is the same without a question.
            if block == "itop-bridge init\n" {
                continue;
            }
            let (is_well, said) = self.types(&block, customer).await;
            assert!(is_well, "{heading}: {block}\n{said}\n{}", self.site.log());
            // The simulated iTops have a time of their own.
            let is_wrong = |line: &&str| line.starts_with("fault") && !line.contains(" clock: ");
            let wrong: Vec<&str> = said.lines().filter(is_wrong).collect();
            assert!(wrong.is_empty(), "{heading}: {block}\n{wrong:#?}");
            all += &said;
        }
        all
    }

    async fn adds_beta(&mut self) {
        self.follows(ADD, "2. ", "beta").await;
        self.follows(ADD, "3. ", "beta").await;
        let begun = |site: &Site| site.log().lines().any(|line| line.contains("begun") && line.contains("beta"));
        self.site.until("the connection of beta", begun).await;
        self.follows(ADD, "4. ", "beta").await;
        let fields = json!({"org_id": 3, "caller_id": 6, "title": "of beta", "description": "<p>d</p>"});
        let id = self.beta.create_ticket("UserRequest", fields).await.unwrap();
        let copy = format!("[R-{id:06}] of beta");
        self.site.until("it crosses", |site| site.copies().contains(&copy)).await;
        let log = self.site.log();
        assert!(!log.contains("refused"), "no webhook is refused: {log}");
        self.follows(ADD, "5. ", "beta").await;
    }

    fn without(&self, customer: &str) {
        let text = std::fs::read_to_string(self.site.config()).unwrap();
        let mut kept = String::new();
        let mut is_its = false;
        for line in text.lines() {
            if line.starts_with('[') {
                let name = line.trim_matches(['[', ']']);
                is_its = name == format!("external.{customer}") || name.starts_with(&format!("external.{customer}."));
            }
            if !is_its {
                kept += &format!("{line}\n");
            }
        }
        std::fs::write(self.site.config(), kept).unwrap();
    }

    async fn leaves(&mut self, customer: &str, is_last: bool) {
        self.follows(LEAVE, "1. ", customer).await;
        self.follows(LEAVE, "2. ", customer).await;
        self.without(customer);
        let said = self.follows(LEAVE, "3. ", customer).await;
        assert!(said.contains(&format!("{customer} is removed.")), "{said}");
        if is_last {
            let (is_well, said) = self.types("itop-bridge check\n", customer).await;
            assert!(is_well && said.contains("without a customer nobody needs it"), "{said}");
            let (is_well, said) = self.types("itop-bridge status\n", customer).await;
            assert!(is_well && said.ends_with("\nThere is no customer. `itop-bridge init` adds one.\n"), "{said}");
            let id = self.beta.tickets("Ticket")[0].id;
            let (is_well, said) = self.types(&format!("itop-bridge links show {customer}:R-{id:06}\n"), customer).await;
            assert!(is_well && said.contains("ended"), "its pairs are still told: {said}");
            return;
        }
        self.follows(LEAVE, "4. ", customer).await;
    }
}

/// A second customer is added, the first leaves, then the last; and one comes back, as the first of a new beginning.
#[tokio::test(flavor = "multi_thread")]
async fn customers_come_and_go_by_the_guides_to_the_letter() {
    let mut operator = Operator::new("guide").await;
    operator.site.ticket("UserRequest", "of acme").await;
    operator.site.every_ticket_has_one_copy().await;
    operator.adds_beta().await;

    operator.leaves("acme", false).await;
    operator.site.acme.update(1, json!({"title": "after it left"})).await.unwrap();
    let id = operator.beta.tickets("Ticket")[0].id;
    operator.beta.update(id, json!({"title": "goes on"})).await.unwrap();
    operator.site.until("beta goes on", |site| site.copies().iter().any(|title| title.ends_with("goes on"))).await;

    operator.leaves("beta", true).await;
    assert!(operator.bridge.is_none());
    let copies = operator.site.copies();
    assert_eq!(copies.len(), 2, "{copies:?}");

    operator.adds_beta().await;
    let copies = operator.site.copies();
    assert_eq!(copies.len(), 3, "no ticket was doubled: {copies:?}");
}
