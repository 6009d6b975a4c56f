//! No secret leaves: each is a canary that is looked for, in every way it can be spelt, in all that the bridge
//! says or writes while everything goes well and while everything fails. iTops here are made to say back what they
//! were told, as real ones do in their errors.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use itop_sim::{Effect, Fault, Sim, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::site::*;

/// With signs that each way of spelling spells differently.
const INTERNAL_PASSWORD: &str = "cnry-In/1+w\"d\\x&y%z";
const ACME_TOKEN: &str = "cnryTok3n/2+==x9_q";
const INTERNAL_KEY: &str = "sk_cnryInternal/3+0123456789";
const ACME_KEY: &str = "sk_cnryAcme/4+0123456789";
const ADMIN_PASSWORD: &str = "cnry-Admin/5+w\"d\\x&y";
const ALERT_TOKEN: &str = "cnryAlert/6+token~0123";
/// Of a second customer: his account's password in a file, his webhooks' key in a file, and the proxy's password.
const BETA_PASSWORD: &str = "cnry-Beta/7+w\"d\\x&y%z";
const BETA_KEY: &str = "sk_cnryBeta/8+0123456789";
const PROXY_PASSWORD: &str = "cnryProxy.9~w_d0123";
/// Of a third: the token in a file.
const GAMMA_TOKEN: &str = "cnryGamma/10+==x9_q";
/// Of an inline image: whoever has it can load the picture without a log-in.
const IMAGE_SECRET: &str = "5ec2e7f00dcafe77";

const CANARIES: [&str; 11] = [
    INTERNAL_PASSWORD,
    ACME_TOKEN,
    INTERNAL_KEY,
    ACME_KEY,
    ADMIN_PASSWORD,
    ALERT_TOKEN,
    BETA_PASSWORD,
    BETA_KEY,
    PROXY_PASSWORD,
    GAMMA_TOKEN,
    IMAGE_SECRET,
];

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// How a secret can be spelt.
fn spellings(secret: &str) -> Vec<String> {
    let url = |every: bool| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || (!every && b"-_.~".contains(byte));
        secret
            .bytes()
            .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    let json = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let once = json(secret);
    let php = once.replace('/', "\\/");
    let html = secret.replace('&', "&amp;").replace('"', "&quot;");
    let mut all = vec![secret.to_owned(), url(true), url(false), url(false).to_lowercase(), json(&once), json(&php)];
    all.extend([once, php, html, format!("{secret:?}").trim_matches('"').to_owned()]);
    // As base64 of it alone or behind anything else: at each of three offsets, without the signs at either end
    // that its neighbours share.
    for offset in 0..3 {
        let text = STANDARD.encode(format!("{}{secret}", "x".repeat(offset)));
        let core = &text[(offset * 8).div_ceil(6)..text.len() - 4];
        all.push(core.to_owned());
        all.push(core.replace('+', "-").replace('/', "_"));
        all.push(core.replace('/', "\\/"));
        all.push(core.replace('+', "%2B").replace('/', "%2F"));
    }
    all
}

#[test]
fn each_spelling_is_found() {
    let text = format!("Basic {}", STANDARD.encode(format!("bridge:{INTERNAL_PASSWORD}:end")));
    assert!(leaked(&text).contains(&INTERNAL_PASSWORD));
    for text in [
        serde_json::json!({ "a": serde_json::json!({ "b": ACME_KEY }).to_string() }).to_string(),
        url::form_urlencoded::byte_serialize(ADMIN_PASSWORD.as_bytes()).collect(),
        format!("{INTERNAL_PASSWORD:?}"),
    ] {
        assert_eq!(leaked(&text).len(), 1, "{text}");
    }
}

fn leaked(text: &str) -> Vec<&'static str> {
    let shows = |secret: &&str| spellings(secret).iter().any(|spelt| text.contains(spelt.as_str()));
    CANARIES.into_iter().filter(shows).collect()
}

/// All that left, each with where.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Vec<(String, String)>>>);

impl Left {
    fn note(&self, what: impl Into<String>, text: impl Into<String>) {
        self.0.lock().unwrap().push((what.into(), text.into()));
    }

    /// That this left, and says that: a place where nothing is looked at would leak nothing either.
    fn shows(&self, what: &str, part: &str) {
        let left = self.0.lock().unwrap();
        assert!(left.iter().any(|(it, text)| it == what && text.contains(part)), "{part:?} is in no {what}");
    }

    async fn waits_for(&self, what: &str, part: &str) {
        let is_there = || self.0.lock().unwrap().iter().any(|(it, text)| it == what && text.contains(part));
        for _ in 0..1200 {
            if is_there() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.shows(what, part);
    }

    fn nothing_leaked(&self) {
        for (what, text) in self.0.lock().unwrap().iter() {
            let leaked = leaked(text);
            let lines: Vec<&str> = text.lines().filter(|line| !self::leaked(line).is_empty()).take(3).collect();
            assert!(leaked.is_empty(), "{leaked:?} in {what}: {lines:#?}");
        }
    }
}

/// Where alerts go; answers each with 200, and every third with 500.
async fn chat(left: Left) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut socket, _)) = listener.accept().await {
            number += 1;
            let mut request = vec![0; 65_536];
            let mut length = 0;
            // The head, with the address, is meant for it; the body is what people see.
            while let Ok(count) = socket.read(&mut request[length..]).await {
                length += count;
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                if let Some((_, body)) =
                    text.split_once("\r\n\r\n").filter(|(_, body)| body.ends_with('}') || count == 0)
                {
                    left.note("an alert", body);
                    break;
                }
            }
            let status = if number % 3 == 0 { "500 No" } else { "200 OK" };
            let _ = socket
                .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
                .await;
        }
    });
    url
}

/// Two customers more, whose secrets lie in files; the first is reached through a proxy that wants a password. It is
/// his iTop itself, which hears what is sent to a proxy. Answers the two, and their sections.
async fn with_secrets_in_files(site: &Site) -> ([Sim; 2], String) {
    let ((beta, beta_url), (gamma, gamma_url)) = (itop(Version::V3_2, 1).await, itop(Version::V3_1, 1).await);
    beta.with_account("bridge", |account| account.password = BETA_PASSWORD.into());
    gamma.with_account("bridge", |account| account.token = Some(GAMMA_TOKEN.into()));
    let in_file = |name: &str, secret: &str| {
        let path = site.folder.join(name);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    in_file("beta.password", BETA_PASSWORD);
    in_file("beta.key", BETA_KEY);
    in_file("gamma.token", GAMMA_TOKEN);
    let proxy = beta_url.replace("http://", &format!("http://proxied:{PROXY_PASSWORD}@"));
    let waits = "timeout_seconds = 2\nonly = \"all\"";
    let text = format!(
        "[external.beta]\nurl = \"http://beta.example\"\nproxy = \"{proxy}\"\nuser = \"bridge\"\n\
         password_file = \"beta.password\"\napi_key_files = [\"beta.key\"]\n{waits}\n\
         [external.gamma]\nurl = \"{gamma_url}\"\ntoken_file = \"gamma.token\"\n\
         api_keys = [\"sk_gamma_0123456789abcdef\"]\n{waits}\n"
    );
    ([beta, gamma], text)
}

impl Site {
    /// Until nothing of acme's waits: what failed is tried again once a minute at least.
    async fn has_settled(&self) {
        for _ in 0..600 {
            let metrics = self.get("/metrics", "").await.unwrap_or_default();
            if metrics.contains("itop_bridge_queue_tickets{external=\"acme\"} 0\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("acme's tickets never came to rest: {}", self.log().lines().rev().take(20).collect::<String>());
    }

    async fn note_verb(&self, left: &Left, arguments: &[&str]) {
        let output = self.verb(arguments).await;
        let name = arguments.join(" ");
        left.note(format!("stdout of {name}"), String::from_utf8_lossy(&output.stdout));
        left.note(format!("stderr of {name}"), String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{name} said nothing");
    }

    async fn note_answers(&self, left: &Left) {
        let heads = [
            String::new(),
            format!("x-api-key: {BETA_KEY}\r\n"),
            format!("x-api-key: {ACME_KEY}\r\n"),
            format!("authorization: Bearer {INTERNAL_KEY}\r\n"),
            format!("x-api-key: {ADMIN_PASSWORD}\r\n"),
            format!("authorization: Basic {}\r\n", STANDARD.encode(INTERNAL_KEY)),
        ];
        for head in &heads {
            for path in ["/metrics", "/status", "/openapi.json", "/healthz", "/readyz", "/api/v1/test", "/nowhere"] {
                let answer = self.get(path, head).await.unwrap_or_default();
                left.note(format!("GET {path}"), answer);
            }
            for path in ["create-ticket", "update-ticket", "ticket-state-change", "update-attachment"] {
                for body in [
                    r#"{"class":"UserRequest","id":"1"}"#.to_owned(),
                    format!(r#"{{"id":"{ACME_KEY}"}}"#),
                    format!("not JSON {ACME_KEY} {INTERNAL_KEY}"),
                    r#"{"item_class":"UserRequest","item_id":"1","attachment_id":"1"}"#.to_owned(),
                ] {
                    let answer = self.post(&format!("/api/v1/{path}"), head, &body).await.unwrap_or_default();
                    left.note(format!("POST {path}"), answer);
                }
            }
        }
    }
}

/// Every write that an iTop got, with the files in it as they are.
fn note_writes(left: &Left, name: &str, sim: &Sim) {
    for call in sim.calls().iter().filter(|call| call.is_write()) {
        left.note(format!("a write to {name}"), &call.json);
        let data = call.request()["fields"]["contents"]["data"].as_str().unwrap_or_default().to_owned();
        let data = STANDARD.decode(data).unwrap_or_default();
        left.note(format!("a file for {name}"), String::from_utf8_lossy(&data));
    }
}

/// What goes wrong, saying back what that iTop was told.
fn faults(told: &[&str]) -> Vec<Fault> {
    let told = told.join(" and ");
    let sql = format!(
        "Failed to issue SQL query: query = INSERT INTO x VALUES ('{told}'), mysql_error = '{told}', mysql_errno = 1406"
    );
    vec![
        Fault::Refuse,
        Fault::Status(500, Effect::Committed),
        Fault::Status(503, Effect::None),
        Fault::Status(403, Effect::None),
        Fault::Page(format!("<html><title>Log in</title>{told}</html>"), Effect::None),
        Fault::Page(format!("<b>Fatal error</b>: {told} in rest.php, Allowed memory size of"), Effect::Committed),
        Fault::Warning(format!("<b>Warning</b>: {told}")),
        Fault::Cut { after_bytes: 20, effect: Effect::Committed },
        Fault::Hang(Effect::Committed),
        Fault::Answer { code: 1, message: "Error: Invalid login".into() },
        Fault::Answer { code: 1, message: format!("Error: Invalid login {told}") },
        Fault::Answer {
            code: 1,
            message: format!(
                "Error: The current user does not have enough permissions for modifying data of class {told}"
            ),
        },
        Fault::Answer { code: 100, message: format!("Error: {told}") },
        Fault::Answer { code: 1406, message: sql },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_whatever_goes_well_or_wrong() {
    let left = Left::default();
    let mut site = Site::new("secrets").await;
    let chat = chat(left.clone()).await;
    let by_env = |name: &'static str, value: &str| (name, value.to_owned());
    site.env = vec![
        by_env("INSIDE", INTERNAL_PASSWORD),
        by_env("ITOP_BRIDGE_ADMIN_USER", "admin"),
        by_env("ITOP_BRIDGE_ADMIN_PASSWORD", ADMIN_PASSWORD),
        by_env("RUST_LOG", "trace"),
    ];
    site.elitery.with_account("bridge", |account| account.password = INTERNAL_PASSWORD.into());
    site.acme.with_account("bridge", |account| account.token = Some(ACME_TOKEN.into()));
    for sim in [&site.acme, &site.elitery] {
        sim.with_account("admin", |account| account.password = ADMIN_PASSWORD.into());
    }
    let ([beta, gamma], files) = with_secrets_in_files(&site).await;
    site.configure(
        &format!("user = \"bridge\"\npassword = \"${{INSIDE}}\"\napi_keys = ['{INTERNAL_KEY}']"),
        &format!("token = '{ACME_TOKEN}'\napi_keys = ['{ACME_KEY}']"),
        &format!(
            "{files}[sync]\nsweep_seconds = 5\npublic_log_to_internal = \"attachment\"\n\
             [alerts]\nwebhook_url = \"{chat}/hook?token={ALERT_TOKEN}\""
        ),
    );
    site.acme.install_external_hooks(&site.url(), ACME_KEY);
    site.elitery.install_internal_hooks(&site.url(), INTERNAL_KEY);
    let bridge = site.serve().await;

    // All that goes well.
    let id = site.ticket("canaries", "<p>d</p>").await;
    let image = site.acme.add_inline_image(id, IMAGE_SECRET, "image/png", PNG).await.unwrap();
    site.acme.update(id, json!({ "description": format!("<p>a picture {}</p>", image.html) })).await.unwrap();
    site.acme.add_log_entry(id, "private_log", &format!("<p>see {}</p>", image.html)).await.unwrap();
    site.acme.attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    let crossed = |site: &Site| {
        let copies = site.copies();
        copies.iter().any(|copy| {
            copy.field("description").contains("data:image/png") && site.elitery.attachments(copy.id).len() >= 3
        })
    };
    site.until("the ticket with its picture, file and log", crossed).await;
    site.note_answers(&left).await;

    for (name, sim) in [("beta", &beta), ("gamma", &gamma)] {
        assert!(!sim.calls().is_empty(), "{name} is read with what its files hold");
    }

    // All that goes wrong, on either side, and people who go on working.
    for (sim, told) in [(&beta, vec![BETA_PASSWORD, PROXY_PASSWORD]), (&gamma, vec![GAMMA_TOKEN])] {
        let mut faults = faults(&told).into_iter().cycle();
        sim.fail_with(move |_| faults.next());
    }
    let told: [(&Sim, Vec<&str>); 2] =
        [(&site.acme, vec![ACME_TOKEN, IMAGE_SECRET]), (&site.elitery, vec![INTERNAL_PASSWORD])];
    for (sim, told) in &told {
        for (number, fault) in faults(told).into_iter().enumerate() {
            let spoilt = fault.clone();
            sim.fail_when(3, fault, |_| true);
            sim.fail_when(1, spoilt, |call| call.is_write());
            let text = format!("<p>{number} {}</p>", image.html);
            site.acme.update(id, json!({ "title": format!("canaries {number}"), "description": text })).await.unwrap();
            site.acme.add_log_entry(id, "private_log", &text).await.unwrap();
            tokio::time::sleep(Duration::from_millis(600)).await;
            sim.heal();
        }
    }
    // Long enough for alerts.
    [&beta, &gamma].into_iter().for_each(|sim| sim.down(true));
    for sim in [&site.acme, &site.elitery] {
        sim.down(true);
        site.acme.update(id, json!({ "impact": "1" })).await.unwrap();
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    left.waits_for("an alert", "acme").await;
    site.note_answers(&left).await;
    verbs(&site, &left).await;
    for sim in [&site.acme, &site.elitery, &beta, &gamma] {
        sim.down(false);
        sim.heal();
    }
    // What was an error becomes a file now.
    site.has_settled().await;
    note_writes(&left, "acme", &site.acme);
    note_writes(&left, "elitery", &site.elitery);
    for sim in [&site.acme, &site.elitery] {
        sim.clear_calls();
    }
    verbs(&site, &left).await;
    webhooks_hold_the_key_of_their_own_side_alone(&site, &left).await;
    assert!(bridge.terminate().await.success());
    left.note("the log, at trace", site.log());
    assert!(site.log().contains("TRACE") || site.log().contains("\"trace\"") || site.log().contains("DEBUG"));
    for file in ["bridge.db", "copy.db"] {
        let bytes = std::fs::read(site.folder.join(file)).unwrap();
        // A picture that is on its way is stored with its secret.
        left.note(file, String::from_utf8_lossy(&bytes).replace(IMAGE_SECRET, ""));
    }
    for (what, part) in [
        ("an alert", "acme"),
        ("a write to elitery", "canaries"),
        ("a write to acme", "Attachment"),
        ("a file for elitery", "The private log of R-000001"),
        ("GET /metrics", "itop_bridge_side_up"),
        ("GET /openapi.json", "update-ticket"),
        ("POST create-ticket", "accepted"),
        ("stdout of config show", "[external.acme]"),
        ("stdout of plan 1", "R-000001"),
        ("stdout of links show 1", "R-000001"),
        ("stderr of --config wrong.toml check", "wrong.toml"),
        ("the log, at trace", "hyper"),
        ("bridge.db", "R-000001"),
    ] {
        left.shows(what, part);
    }
    left.nothing_leaked();
}

/// Each verb, also wrongly called.
async fn verbs(site: &Site, left: &Left) {
    let _ = std::fs::remove_file(site.folder.join("copy.db"));
    let pairs = "external_ticket_id,elitery_ticket_id,ticket_class\n1,1001,UserRequest\n77,1077,Incident\n";
    std::fs::write(site.folder.join("pairs.csv"), pairs).unwrap();
    for line in [
        "check",
        "check --admin acme",
        "check --admin elitery --json",
        "config show",
        "config show --json",
        "plan 1",
        "plan acme:R-000001",
        "plan 1 --json",
        "links list",
        "links list --json",
        "links show 1",
        "links show 1 --json",
        "links rebuild --dry-run",
        "links rebuild",
        "links import pairs.csv --external acme --dry-run",
        "links import pairs.csv --external acme",
        "links import none.csv --external acme --json",
        "links link acme:R-000001 elitery:R-001001",
        "links unlink nobody:R-1",
        "backfill --side acme --since 2026-01-01 --dry-run",
        "backfill --side acme --since 2026-01-01 --match title --dry-run",
        "backfill --side acme --since 2026-01-01 --yes",
        "backfill --side beta --since 2026-01-01 --yes --json",
        "setup --side acme --print",
        "setup --side acme --dry-run",
        "setup --side elitery --dry-run",
        "pause acme",
        "resume acme",
        "resume acme:R-000001",
        "resume acme:R-000001 --create",
        "retry",
        "retry acme:R-000001",
        "backup copy.db",
        "serve",
        "--config none.toml check",
    ] {
        site.note_verb(left, &line.split(' ').collect::<Vec<_>>()).await;
    }
    // Mistakes on the lines that hold secrets.
    let right = std::fs::read_to_string(site.config()).unwrap();
    for (from, to) in [
        ("token = '", "tokn = '"),
        ("token = '", "token = "),
        ("api_keys = ['", "api_keys = '"),
        ("password = \"${INSIDE}\"", "password = [\"${INSIDE}\"]"),
        ("password_file = \"beta.password\"", "password = \"x\"\npassword_file = \"beta.password\""),
        ("token_file = \"gamma.token\"", "token_file = \"no.such.file\""),
        ("proxy = \"http://", "proxy = \"gopher://"),
        ("api_key_files = [\"beta.key\"]", "api_key_files = [\"beta.key\", \"beta.key\"]"),
        ("webhook_url = \"http", "webhook_url = \"gopher"),
        ("[external.acme]\nurl = \"http://", "[external.acme]\nurl = \"http://${INSIDE}@"),
    ] {
        assert!(right.contains(from), "{from}");
        std::fs::write(site.folder.join("wrong.toml"), right.replace(from, to)).unwrap();
        for verb in ["check", "config show", "serve"] {
            let arguments: Vec<&str> = ["--config", "wrong.toml"].into_iter().chain(verb.split(' ')).collect();
            site.note_verb(left, &arguments).await;
        }
    }
}

/// `setup` writes a side's key into that side's iTop: it is how it calls. No other secret goes there.
async fn webhooks_hold_the_key_of_their_own_side_alone(site: &Site, left: &Left) {
    for sim in [&site.acme, &site.elitery] {
        sim.clear_calls();
    }
    for (side, sim, own) in [("acme", &site.acme, ACME_KEY), ("elitery", &site.elitery, INTERNAL_KEY)] {
        sim.clear_triggers();
        site.note_verb(left, &["setup", "--side", side]).await;
        let writes: Vec<String> =
            sim.calls().iter().filter(|call| call.is_write()).map(|call| call.json.clone()).collect();
        assert!(writes.iter().any(|json| leaked(json) == [own]), "{side}'s webhooks have no key");
        for json in &writes {
            assert!(leaked(json).iter().all(|secret| *secret == own), "{:?} in {json}", leaked(json));
        }
        site.note_verb(left, &["setup", "--side", side, "--remove"]).await;
        sim.clear_calls();
    }
}
