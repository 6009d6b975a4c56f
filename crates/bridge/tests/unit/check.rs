//! `check`: what it says of each fault, on simulated iTops, and that it writes nothing into them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use itop_bridge::checks::{self, AdminOf, Finding, State};
use itop_bridge::config::{Config, SideConfig};
use itop_bridge::setup::Admin;
use itop_bridge::sides;
use itop_bridge_core::link::Course;
use itop_bridge_core::plan::{Halt, HaltKind};
use itop_bridge_core::{Link, TicketKey, TicketMark};
use itop_bridge_engine::clock::{Clock, SystemClock, VirtualClock};
use itop_bridge_store::{About, DirtyMark, HookCount, Instance, Look, Next, SqliteStore, Stop, Store, TicketOf};
use itop_client::{Body, Progress, Transport, TransportError};
use itop_sim::{Effect, Fault, Right, Sim, SimConfig, Version, WallClock, Wire};

const PASSWORD: &str = "Bridge.1234";

/// When the simulators' clocks start, in ms.
const NOW: i64 = 1_795_518_000_000;

/// Two simulated iTops and a configuration for them.
struct World {
    internal: Sim,
    acme: Sim,
    /// What `acme` answers in place of the simulator: an HTTP status and headers.
    acme_instead: Option<(u16, Vec<(&'static str, &'static str)>)>,
    /// What answers at `public_url`: an HTTP status, headers and a text; nothing where it is none.
    at_public_url: Option<Page>,
    password: &'static str,
    /// The machine's that `check` runs on.
    clock: VirtualClock,
    /// Lines for `[internal]`, `[external.acme]` and `[sync]`.
    internal_lines: String,
    acme_lines: String,
    sync: String,
}

const DEFAULTS: &str = "org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\", \
                        servicesubcategory = \"Installation\"";

impl World {
    fn new() -> World {
        let sim = |version, url: &str| {
            let sim = Sim::new(SimConfig::new(version, url));
            sim.allow("NormalChange");
            sim
        };
        World {
            internal: sim(Version::V3_2, "http://elitery"),
            acme: sim(Version::V3_1, "http://acme"),
            acme_instead: None,
            at_public_url: None,
            password: PASSWORD,
            clock: VirtualClock::starting_at(NOW),
            internal_lines: format!("defaults = {{ {DEFAULTS} }}"),
            acme_lines: "only = \"all\"".into(),
            sync: "classes = { UserRequest = \"UserRequest\", NormalChange = \"NormalChange\" }".into(),
        }
    }

    fn defaults(self, defaults: &str) -> World {
        World { internal_lines: format!("defaults = {{ {defaults} }}"), ..self }
    }

    fn text(&self, internal: &str, acme: &str, store: &Path) -> String {
        let account = format!("user = \"bridge\"\npassword = \"{}\"", self.password);
        format!(
            "[server]\nid = \"7f3a\"\n[store]\nurl = \"sqlite:{}\"\n\
             [internal]\nname = \"elitery\"\nurl = \"{internal}\"\n{account}\napi_keys = [\"sk_internal_0123456789\"]\n{}\n\
             [external.acme]\nurl = \"{acme}\"\n{account}\napi_keys = [\"sk_external_0123456789\"]\n{}\n\
             [sync]\n{}\n",
            store.display(),
            self.internal_lines,
            self.acme_lines,
            self.sync
        )
    }

    fn config(&self) -> Config {
        let text = self.text("http://elitery", "http://acme", Path::new("/nowhere/bridge.db"));
        Config::parse(&text, "test.toml", &|_| None).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn findings(&self, side: &str) -> Vec<Finding> {
        let findings = checks::side(&self.config(), side, &|side| Ok(self.way(side)), &self.clock).await;
        self.look_for_slips(&findings);
        findings
    }

    fn way(&self, side: &SideConfig) -> Arc<dyn Transport> {
        let (sim, instead) = match side.name.as_str() {
            checks::OWN => return Arc::new(AtPublicUrl(self.at_public_url.clone())),
            "elitery" => (self.internal.clone(), None),
            _ => (self.acme.clone(), self.acme_instead.clone()),
        };
        Arc::new(ToSim { sim, instead })
    }

    /// The sides whose iTop this account has called.
    fn shown_to(&self, account: &str) -> Vec<&'static str> {
        let called = |sim: &Sim| sim.calls().iter().any(|call| call.account.as_deref() == Some(account));
        let sides = [("elitery", &self.internal), ("acme", &self.acme)];
        sides.into_iter().filter(|(_, sim)| called(sim)).map(|(name, _)| name).collect()
    }

    fn look_for_slips(&self, findings: &[Finding]) {
        for finding in findings {
            let text = serde_json::to_string(finding).unwrap();
            assert!(!text.contains(self.password) && !text.contains("sk_"), "a secret: {text}");
        }
        for call in self.internal.calls().into_iter().chain(self.acme.calls()) {
            let deletes_nothing = call.operation == "core/delete" && call.key == 0;
            assert!(!call.wrote || deletes_nothing, "check has written: {}", call.json);
        }
    }

    /// All lines beside this store, at this time, but those that `findings` has and the clock's.
    async fn beside(&self, store: &Path, now_ms: i64) -> Vec<String> {
        let text = self.text("http://elitery", "http://acme", store);
        let config = Config::parse(&text, "test.toml", &|_| None).unwrap();
        let clock = VirtualClock::starting_at(now_ms);
        let mut findings = checks::run(&config, None, &|side| Ok(self.way(side)), &clock).await;
        self.look_for_slips(&findings);
        for side in ["elitery", "acme"] {
            let known = self.findings(side).await;
            findings.retain(|finding| !known.contains(finding) && finding.check != "clock");
        }
        findings.iter().map(Finding::to_string).collect()
    }

    /// The lines of a side that are not ok.
    async fn lines(&self, side: &str) -> Vec<String> {
        let bad = |finding: &&Finding| finding.state != State::Ok;
        self.findings(side).await.iter().filter(bad).map(Finding::to_string).collect()
    }

    /// The one line of a check.
    async fn line(&self, side: &str, check: &str) -> String {
        let findings = self.findings(side).await;
        let found: Vec<&Finding> = findings.iter().filter(|finding| finding.check == check).collect();
        assert_eq!(found.len(), 1, "{check}: {findings:#?}");
        found[0].to_string()
    }

    /// The line about the address of a side that does not answer; its further lines say so, and the other
    /// side is checked all the same.
    async fn dead_acme(&self) -> String {
        let findings = self.findings("acme").await;
        assert_eq!(findings[0].check, "address");
        assert!(findings.len() > 8);
        for finding in &findings[1..] {
            assert_eq!((finding.state, finding.detail.as_str()), (State::Unknown, "not checked"), "{finding}");
        }
        assert!(self.findings("elitery").await.iter().all(|finding| finding.state != State::Fault));
        findings[0].to_string()
    }
}

/// What answers at `public_url`.
struct AtPublicUrl(Option<Page>);

type Page = (u16, Vec<(&'static str, &'static str)>, &'static str);

impl Transport for AtPublicUrl {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            assert!(request.headers().is_empty() && request.body().is_empty(), "no key goes there: {request:?}");
            assert_eq!(request.uri(), "http://127.0.0.1:8080/api/v1/test");
            let Some((status, headers, text)) = &self.0 else {
                return Err(TransportError::NotConnected("Connection refused".into()));
            };
            let mut answer = http::Response::builder().status(*status);
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            Ok(answer.body(Bytes::from_static(text.as_bytes())).unwrap())
        })
    }
}

/// The way from a client to a simulator. The members of teams are this test's own, fewer than the sample's: the
/// helpdesk (37) has Jules Verne (9) alone.
struct ToSim {
    sim: Sim,
    instead: Option<(u16, Vec<(&'static str, &'static str)>)>,
}

impl Transport for ToSim {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.to_bytes();
            if let Some((status, headers)) = &self.instead {
                let mut answer = http::Response::builder().status(*status);
                for (name, value) in headers {
                    answer = answer.header(*name, *value);
                }
                return Ok(answer.body(Bytes::from_static(b"<html>a page</html>")).unwrap());
            }
            let text = String::from_utf8_lossy(&body);
            if text.contains("\"class\":\"lnkPersonToTeam\"") {
                return Ok(http::Response::new(members(&text)));
            }
            drop(text);
            match self.sim.handle(http::Request::from_parts(head, body)).await {
                Wire::Answer(answer) => Ok(answer),
                Wire::Refused => Err(TransportError::NotConnected("Connection refused".into())),
                Wire::Cut(_) | Wire::Hang => Err(TransportError::Broken("cut".into())),
            }
        })
    }
}

fn members(asked: &str) -> Bytes {
    let verne = "team_id = 37";
    let fits = asked.contains(verne) && (!asked.contains("person_id = ") || asked.contains("person_id = 9"));
    Bytes::from_static(if fits {
        br#"{"code":0,"message":"Found: 1","objects":{"lnkPersonToTeam::3":{"code":0,"class":"lnkPersonToTeam","key":"3","fields":{"id":"3","person_id_friendlyname":"Jules Verne"}}}}"#
    } else {
        br#"{"code":0,"message":"Found: 0","objects":null}"#
    })
}

#[tokio::test(start_paused = true)]
async fn a_good_configuration() {
    let world = World::new();
    let printed = |findings: Vec<Finding>| findings.iter().map(|f| format!("{f}\n")).collect::<String>();
    assert_eq!(
        printed(world.findings("elitery").await),
        "\
ok      elitery address: iTop's REST answers at http://elitery
ok      elitery login: user \"bridge\"
ok      elitery REST: version 1.3
note    elitery TLS: plain http: the password and every ticket go over the network in clear. \
Fix: give that web server a certificate, and write https:// in `url` of [internal].
ok      elitery clock: agrees with this machine's
ok      elitery version: 3.2 or later: its tickets have the attribute team_email
ok      elitery class Ticket: the account may read
ok      elitery class NormalChange: the account may read, create, update and apply stimuli
ok      elitery class UserRequest: the account may read, create, update and apply stimuli
ok      elitery class Attachment: the account may read, create, update and delete
ok      elitery fields: description, impact, title, urgency
ok      elitery default agent_id: \"Jules Verne\" (Person 9), in the team \"Helpdesk\"; tickets are created as new with this agent, so iTop sends no notification of an assignment
ok      elitery default caller_id: \"Claude Monet\" (Person 6), of \"Demo\"
ok      elitery default org_id: \"Demo\" (Organization 3)
ok      elitery default service_id: \"Software\" (Service 2)
ok      elitery default servicesubcategory_id: \"Installation\" (ServiceSubcategory 4), of \"Software\"
ok      elitery default team_id: \"Helpdesk\" (Team 37)
note    elitery stimuli NormalChange: no default for manager_group_id, manager_id, supervisor_group_id and supervisor_id: \
if one of them is empty, iTop may refuse ev_assign, ev_plan, ev_replan and ev_validate. \
Fix: add them to [internal].defaults, or let people fill them in before the other side's ticket moves.
ok      elitery stimuli UserRequest: the defaults name every person, team and service that the stimuli ask for
"
    );
    assert_eq!(
        printed(world.findings("acme").await),
        "\
ok      acme address: iTop's REST answers at http://acme
ok      acme login: user \"bridge\"
ok      acme REST: version 1.3
note    acme TLS: plain http: the password and every ticket go over the network in clear. \
Fix: give that web server a certificate, and write https:// in `url` of [external.acme].
ok      acme clock: agrees with this machine's
ok      acme version: 3.1, or earlier: its tickets lack the attribute team_email
ok      acme class Ticket: the account may read
ok      acme class NormalChange: the account may read
ok      acme class UserRequest: the account may read
ok      acme class Attachment: the account may read, create, update and delete
ok      acme fields: title, description, impact, urgency
ok      acme only NormalChange: every ticket; 0 now
ok      acme only UserRequest: every ticket; 0 now
ok      acme older tickets: the connection has not begun: tickets that stand there when `serve` first reaches that \
iTop are older than the connection, unless a webhook announced them, and stay where they are until `itop-bridge backfill`
"
    );
}

#[tokio::test(start_paused = true)]
async fn no_itop_at_the_address() {
    let mut world = World::new();
    world.acme.down(true);
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: no connection: Connection refused. Fix: correct `url` of [external.acme], or open \
         the way from this machine to it: name server, firewall, `proxy`."
    );
    world.acme.down(false);

    world.acme.fail_next(Fault::Page("<html><h1>Welcome</h1> to nginx</html>".into(), Effect::None));
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: something answers that is no iTop's REST: Welcome to nginx. Fix: write in \
         [external.acme] as `url` the folder that iTop is installed in; if it is that, look into its log/error.log."
    );

    world.acme_instead = Some((404, vec![]));
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: no iTop there (HTTP 404). Fix: write in [external.acme] as `url` the folder that iTop \
         is installed in: the browser's address before /pages/."
    );
    world.acme_instead = Some((502, vec![]));
    assert!(world.dead_acme().await.contains("the web server answers HTTP 502: "));
    world.acme_instead = Some((401, vec![]));
    assert!(world.dead_acme().await.contains("asks for a log-in of its own (HTTP 401)"));
    world.acme_instead = Some((403, vec![]));
    assert!(world.dead_acme().await.contains("the web server forbids it (HTTP 403)"));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_named_without_what_may_be_secret_in_it() {
    let mut world = World::new();
    world.acme_instead = Some((301, vec![("location", "https://acme/webservices/rest.php?version=1.3")]));
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: http://acme redirects to https://acme. Fix: write `url = \"https://acme\"` in \
         [external.acme], or the address that a browser ends at."
    );
    world.acme_instead = Some((302, vec![("location", "https://login.example/sso?session=4711")]));
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: http://acme redirects to https://login.example. Fix: write in [external.acme] as `url` \
         the address that a browser ends at, if https://login.example is that iTop."
    );
    world.acme_instead = Some((302, vec![("location", "/itop/")]));
    assert!(world.dead_acme().await.contains("redirects to another page of the same host (HTTP 302)"));
}

#[tokio::test(start_paused = true)]
async fn maintenance() {
    let world = World::new();
    world.acme.maintenance(true);
    assert_eq!(
        world.dead_acme().await,
        "fault   acme address: this iTop is under maintenance. Fix: wait until its maintenance has ended, then check \
         again."
    );
}

#[tokio::test(start_paused = true)]
async fn the_account_is_refused() {
    let world = World { password: "Bridge.9999-canary", ..World::new() };
    let findings = world.findings("acme").await;
    assert_eq!(findings[0].state, State::Ok);
    assert_eq!(
        findings[1].to_string(),
        "fault   acme login: user \"bridge\" or its password is refused: Invalid login. Fix: correct user and password \
         of [external.acme], and see that the account is enabled and may log in with a password; `serve` reads the configuration only at its start: restart it after a change."
    );
    assert!(findings[2..].iter().all(|finding| finding.detail == "not checked"));

    let world = World::new();
    world.acme.with_account("bridge", |account| account.may_use_rest = false);
    let findings = world.findings("acme").await;
    assert!(findings[..2].iter().all(|finding| finding.state == State::Ok));
    assert_eq!(
        findings[2].to_string(),
        "fault   acme REST: the account may not use REST. Fix: give user \"bridge\" in iTop the profile \"REST Services \
         User\"."
    );
    assert!(findings[3..].iter().all(|finding| finding.detail == "not checked"));
}

#[tokio::test(start_paused = true)]
async fn a_class_without_rights() {
    let world = World::new();
    world.internal.deny("NormalChange");
    assert_eq!(
        world.line("elitery", "class NormalChange").await,
        "fault   elitery class NormalChange: the account may read, but not create, update or apply stimuli. Fix: give user \"bridge\" a \
         profile with that right, such as \"Change Supervisor\", or leave the class out of [sync].classes."
    );
    assert!(world.line("elitery", "class UserRequest").await.starts_with("ok"));
    // An external is only read, until its tickets are driven by stimuli.
    world.acme.deny("NormalChange");
    assert!(world.line("acme", "class NormalChange").await.starts_with("ok"));
    let world = World { sync: format!("{}\nstatus_to_external = \"apply\"", world.sync), ..world };
    assert!(world.line("acme", "class NormalChange").await.contains("may read, but not update or apply stimuli"));
    world.acme.set_right("bridge", "NormalChange", Right::Read, false);
    assert!(world.line("acme", "class NormalChange").await.contains("may not read, update or apply stimuli"));
    assert!(world.line("acme", "only NormalChange").await.starts_with("unknown acme only NormalChange: not checked"));
}

/// Impact crosses inwards only, and a change cannot be planned without it: a driven external needs its own.
#[tokio::test(start_paused = true)]
async fn a_driven_change_needs_a_default_for_its_impact() {
    let people = "team = \"Helpdesk\", agent = 9, caller = 6, supervisor_group_id = 37, supervisor_id = 9, \
                  manager_group_id = 37, manager_id = 9";
    let driven = |defaults: String| {
        let world = World::new();
        let sync = format!("{}\nstatus_to_external = \"apply\"", world.sync);
        World { acme_lines: format!("only = \"all\"\ndefaults = {{ {defaults} }}"), sync, ..world }
    };
    assert_eq!(
        driven(people.to_owned()).line("acme", "stimuli NormalChange").await,
        "note    acme stimuli NormalChange: no default for impact: if it is empty, iTop may refuse ev_plan and ev_replan. \
         Fix: add it to [external.acme].defaults, or let people fill it in before the other side's ticket moves."
    );
    let world = driven(format!("{people}, impact = \"see there\""));
    assert!(world.line("acme", "stimuli NormalChange").await.starts_with("ok"));
    // Where it is no field of the bridge's, it crosses with the stimulus. Inwards it always does.
    let world = driven(people.to_owned());
    let world = World { sync: format!("{}\nfields = [\"title\"]", world.sync), ..world };
    assert!(world.line("acme", "stimuli NormalChange").await.starts_with("ok"));
    assert!(!world.line("elitery", "stimuli NormalChange").await.contains("impact"));
}

#[tokio::test(start_paused = true)]
async fn a_read_only_itop_is_told_from_missing_profiles() {
    let world = World::new();
    world.internal.read_only(true);
    let line = world.line("elitery", "class UserRequest").await;
    assert!(line.contains("but not create, update or apply stimuli, and so it is with every class"), "{line}");
    assert!(line.contains("Fix: end the read-only mode"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_class_that_the_itop_does_not_have() {
    let world =
        World { sync: "classes = { UserRequest = \"UserRequest\", Problem = \"Problem\" }".into(), ..World::new() };
    assert_eq!(
        world.line("acme", "class Problem").await,
        "fault   acme class Problem: this iTop has no class Problem. Fix: install the module that brings it, or leave the \
         class out of [sync].classes."
    );
}

#[tokio::test(start_paused = true)]
async fn defaults_that_name_nothing() {
    let world = World::new().defaults(
        "org = \"Demoo\", caller = 4711, team = \"Helpdesx\", service = \"Software\", \
         servicesubcategory = \"Repair\", supervisor_id = \"Nobody At All\", pending_reson = \"x\"",
    );
    let lines = world.lines("elitery").await;
    let faults: Vec<&str> = lines.iter().filter(|line| line.starts_with("fault")).map(String::as_str).collect();
    let fix = "Fix: correct the name, or give its id, in [internal].defaults.";
    assert_eq!(
        faults,
        [
            "fault   elitery default caller_id: there is no Person 4711, or the account may not see it. Fix: correct the id \
             in [internal].defaults.",
            &format!(
                "fault   elitery default org_id: there is no Organization \"Demoo\"; the nearest is \"Demo\". {fix}"
            ),
            "fault   elitery default pending_reson: no bridged class has the attribute pending_reson. Fix: correct the \
             attribute's code in [internal].defaults, or take it out.",
            &format!(
                "fault   elitery default servicesubcategory_id: there is no ServiceSubcategory \"Repair\" of the service \
                 \"Software\". {fix}"
            ),
            &format!("fault   elitery default supervisor_id: there is no Person \"Nobody At All\". {fix}"),
            &format!(
                "fault   elitery default team_id: there is no Team \"Helpdesx\"; the nearest is \"Helpdesk\". {fix}"
            ),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn defaults_that_do_not_fit_each_other() {
    let world =
        World::new().defaults("org = \"Demo\", caller = 9, team = 37, agent = 10, service = 2, servicesubcategory = 2");
    let lines = world.lines("elitery").await;
    assert_eq!(
        lines[1..4],
        [
            "fault   elitery default agent_id: \"Victor Hugo\" (Person 10) is not in the team \"Helpdesk\". Fix: name one \
             of its members in [internal].defaults: \"Jules Verne\".",
            "note    elitery default caller_id: \"Jules Verne\" (Person 9) is no person of the organisation \"Demo\". Fix: \
             name a caller of that organisation in [internal].defaults, if iTop's console should offer it.",
            "fault   elitery default servicesubcategory_id: \"Repair\" (ServiceSubcategory 2) does not belong to the service \
             \"Software\". Fix: name a subcategory of that service in [internal].defaults.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_default_that_differs_between_customers_names_them() {
    let mut world = World::new().defaults("team = \"Helpdesk\"");
    world.acme_lines = "only = \"all\"\ninternal_defaults = { org = \"Demo\" }\n[external.beta]\nurl = \"http://beta\"\n\
                        user = \"bridge\"\npassword = \"Bridge.1234\"\napi_keys = [\"sk_beta_0123456789\"]\nonly = \"all\""
        .into();
    assert!(world.line("elitery", "default org_id (acme)").await.starts_with("ok"));
    assert!(world.line("elitery", "default team_id").await.starts_with("ok"));
    assert_eq!(
        world.line("elitery", "default org_id").await,
        "fault   elitery default org_id: there is none for the tickets of beta, and iTop takes no ticket without an \
         organisation. Fix: write `org` in [external.beta].internal_defaults."
    );
}

/// The lines of acme, and a second customer with these.
fn beside_beta(own: &str) -> String {
    format!(
        "only = \"all\"\n[external.beta]\nurl = \"http://beta\"\nuser = \"bridge\"\npassword = \"Bridge.1234\"\n\
         api_keys = [\"sk_beta_0123456789\"]\nonly = \"all\"\n{own}"
    )
}

#[tokio::test(start_paused = true)]
async fn the_mend_of_one_customers_default_names_that_customers_section() {
    let beta = |own: &str| beside_beta(&format!("internal_defaults = {{ {own} }}"));
    let with = |acme_lines: String| World { acme_lines, ..World::new() };
    // The caller of all is none of beta's organisation: another caller in [internal].defaults would break acme.
    let world = with(beta("org = 2"));
    let line = world.line("elitery", "default caller_id (beta)").await;
    assert!(line.contains("in [external.beta].internal_defaults"), "{line}");
    assert!(world.line("elitery", "default caller_id (acme)").await.starts_with("ok"));
    // A wrong value of its own is corrected where it stands.
    let line = with(beta("team = \"Helpdisk\"")).line("elitery", "default team_id (beta)").await;
    assert!(line.ends_with("in [external.beta].internal_defaults."), "{line}");
    // One that all others have replaced is corrected for whoever inherits it.
    let mut world = with(beta("team = \"Helpdesk\", agent = 9"));
    world = world.defaults("org = \"Demo\", caller = 6, team = \"Helpdisk\", service = \"Software\"");
    let line = world.line("elitery", "default team_id (acme)").await;
    assert!(line.ends_with("in [internal].defaults."), "{line}");
}

#[tokio::test(start_paused = true)]
async fn customers_whose_tickets_get_one_organisation_inside_are_named() {
    let lines = async |own: &str| {
        let world = World { acme_lines: beside_beta(own), ..World::new() };
        let lines = world.beside(Path::new("/nowhere/bridge.db"), 0).await;
        lines.into_iter().filter(|line| line.contains(" organisations: ")).collect::<Vec<_>>()
    };
    let said = "note    itop-bridge organisations: the tickets of acme and beta get one organisation in elitery: \"Demo\". \
                Fix: if people of one of these customers may see tickets of that organisation, write another \
                `org_id` into [external.NAME.internal_defaults].";
    assert_eq!(lines("").await, [said]);
    assert_eq!(lines("internal_defaults = { org = 2 }").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn only_is_tried_as_the_engine_sends_it() {
    let mut world = World::new();
    world.acme_lines = "only = { UserRequest = \"team_nam = 'Elitery'\" }".into();
    assert!(
        world.line("acme", "only UserRequest").await.starts_with("fault   acme only UserRequest: Unknown filter code")
    );
    assert_eq!(
        world.line("acme", "only NormalChange").await,
        "note    acme only NormalChange: `only` does not name this class: none of its tickets leaves. Fix: add \
         NormalChange to `only` of [external.acme], or take the class out of [sync].classes."
    );
    world.acme_lines = "only = \"title LIKE '%fire%'\"".into();
    assert_eq!(
        world.line("acme", "only UserRequest").await,
        "ok      acme only UserRequest: the account sees no UserRequest yet, so there is nothing that could fit"
    );
    let ticket = serde_json::json!({"org_id": 3, "title": "on fire", "description": "<p>x</p>"});
    world.acme.create_ticket("UserRequest", ticket).await.unwrap();
    assert_eq!(world.line("acme", "only UserRequest").await, "ok      acme only UserRequest: fits 1 ticket now");
    world.acme_lines = "only = \"team_name = 'Elitery'\"".into();
    assert_eq!(
        world.line("acme", "only UserRequest").await,
        "note    acme only UserRequest: fits none of the 1 ticket that stands there: if the next ones are like it, nothing \
         crosses. Fix: if some of these should have fitted, correct `only` of [external.acme]: most often a name is written \
         otherwise in that iTop. Try it in its Run queries. On iTop 3.1 `team_name` is the team's email address: write \
         `team_id_friendlyname`."
    );
}

#[tokio::test(start_paused = true)]
async fn a_field_that_no_class_has() {
    let world = World::new();
    let world = World { sync: format!("{}\nfields = [\"title\", \"urgncy\"]", world.sync), ..world };
    assert_eq!(
        world.line("acme", "fields").await,
        "fault   acme fields: no bridged class has urgncy. Fix: correct the attribute's code in [sync].fields, or take it \
         out."
    );
}

/// A folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("itop-bridge-check-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a crash, or a person who cloned a ticket, left: it is found where it stands, beside the store that says which of
/// two is kept, and what was not read is said.
#[tokio::test(start_paused = true)]
async fn marks_that_stand_twice() {
    let (world, folder) = (World::new(), folder("duplicates"));
    let path = folder.join("bridge.db");
    SqliteStore::open(&path).unwrap().adopt_server_id("7f3a").unwrap();
    let lines = async || {
        let config =
            Config::parse(&world.text("http://elitery", "http://acme", &path), "test.toml", &|_| None).unwrap();
        let findings = checks::run(&config, None, &|side| Ok(world.way(side)), &world.clock).await;
        world.look_for_slips(&findings);
        let found = findings.iter().filter(|finding| finding.check == "duplicates");
        found.map(Finding::to_string).collect::<Vec<_>>()
    };
    let well = "ok      acme duplicates: no mark exists twice";
    assert_eq!(lines().await, ["ok      elitery duplicates: no mark exists twice", well]);
    let mark = TicketMark { server: "7f3a".into(), external: "acme".into(), class: "UserRequest".into(), ticket: 7 };
    for title in ["Printer", "Printer again"] {
        let entry = mark.entry("R-000007");
        let fields = serde_json::json!({"title": title, "description": "d", "org_id": 3, "private_log": entry});
        world.internal.create_ticket("UserRequest", fields).await.unwrap();
    }
    let twice = "note    elitery duplicates: R-000001, R-000002 carry one mark, of UserRequest 7 of acme. Fix: run \
                 `itop-bridge links rebuild`, which takes one of them, and close the ticket that is no counterpart.";
    assert_eq!(lines().await, [twice, well]);

    world.internal.fail_when(usize::MAX, Fault::Refuse, |call| call.json.contains("[itop-bridge:7f3a:"));
    let lines = lines().await;
    assert!(lines[0].starts_with("unknown elitery duplicates: not checked: elitery"), "{lines:?}");
    assert_eq!(lines[1], well);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_store() {
    let folder = folder("store");
    let line = |path: &Path| {
        let text = World::new().text("http://elitery", "http://acme", path);
        let config = Config::parse(&text, "test.toml", &|_| None).unwrap();
        let own = checks::own(&config);
        assert_eq!(own[1].to_string(), "ok      itop-bridge configuration: no warnings");
        own[0].to_string().replace(&*folder.to_string_lossy(), "DIR")
    };
    let path = folder.join("bridge.db");
    assert_eq!(line(&path), "ok      itop-bridge store: DIR/bridge.db will be made by the first `serve`");
    assert!(!path.exists());
    SqliteStore::open(&path).unwrap().adopt_server_id("7f3a").unwrap();
    assert_eq!(
        line(&path),
        "ok      itop-bridge store: DIR/bridge.db opens, can be written, and belongs to server id 7f3a"
    );
    let other = folder.join("other.db");
    SqliteStore::open(&other).unwrap().adopt_server_id("0001").unwrap();
    assert_eq!(
        line(&other),
        "fault   itop-bridge store: DIR/other.db: the store belongs to server id 0001, the configuration says 7f3a. Fix: \
         put the store's own id back into [server].id, which must never change, or name the right file in [store].url."
    );
    // As `serve` says it: a page in the middle that is no page.
    let damaged = folder.join("damaged.db");
    let mut bytes = std::fs::read(&other).unwrap();
    bytes[8192..12_288].fill(0xa5);
    std::fs::write(&damaged, &bytes).unwrap();
    let line_of_damaged = line(&damaged);
    for part in ["fault   itop-bridge store: DIR/damaged.db: the file is damaged: ", "Fix: put a backup in its place"] {
        assert!(line_of_damaged.contains(part), "{part} in {line_of_damaged}");
    }
    assert!(std::fs::read(&damaged).unwrap() == bytes, "it is left as it is");
    let line_of_none = line(&folder.join("none/bridge.db"));
    assert!(line_of_none.starts_with("fault   itop-bridge store: there is no folder DIR/none"), "{line_of_none}");
    std::fs::remove_dir_all(&folder).unwrap();
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// The hints and webhooks of these tests come at some time of 2026.
const START: i64 = 1_790_000_000_000;

fn hint(ticket: u64) -> DirtyMark {
    let of = TicketOf { external: "acme".into(), ticket };
    DirtyMark { about: About::External { of, class: Some("UserRequest".into()) }, look: Look::ticket(), due_ms: START }
}

/// Without an administrator's account the webhooks that came tell which are there.
#[tokio::test(start_paused = true)]
async fn webhooks_are_judged_by_those_that_came() {
    let folder = folder("came");
    let path = folder.join("bridge.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.adopt_server_id("7f3a").unwrap();
    let came = |kind: &str, count, last_ms| HookCount { side: "acme".into(), kind: kind.into(), count, last_ms };
    let hooks = [
        came("create-ticket", 1, START),
        came("update-private-log", 4, START + 2 * HOUR),
        came("update-ticket", 3, START + HOUR),
    ];
    store.count_hooks(&hooks).unwrap();
    let lines = World::new().beside(&path, START + 49 * HOUR).await;
    let webhooks = lines.iter().map(String::as_str).filter(|line| line.contains("webhook") && !line.contains("ADMIN"));
    let webhooks: Vec<&str> = webhooks.filter(|line| !line.contains(" itop-bridge public_url: ")).collect();
    let setup = |side: &str| {
        format!("if still none has come, run `itop-bridge setup --side {side}` with an administrator's account.")
    };
    assert_eq!(
        webhooks,
        [
            &format!(
                "note    elitery webhook ticket-state-change: none has come yet. Fix: move a ticket into another state in \
                 elitery and check again; {}",
                setup("elitery")
            ),
            &format!(
                "note    elitery webhook ticket-update-private-log: none has come yet. Fix: write into the log of a \
                 ticket in elitery and check again; {}",
                setup("elitery")
            ),
            &format!(
                "note    elitery webhook update-attachment: none has come yet. Fix: attach a file to a ticket in elitery \
                 and check again; {}",
                setup("elitery")
            ),
            "unknown elitery public_url: it is not known whether that iTop reaches http://127.0.0.1:8080: none of its webhooks has come yet. Fix: run `curl http://127.0.0.1:8080/api/v1/test` on that iTop's machine while `serve` runs: \
             itop-bridge answers missing_api_key.",
            "ok      acme webhook create-ticket: 1 came, the last 2 days ago",
            "ok      acme webhook update-ticket: 7 came, the last 47 h ago",
            &format!(
                "note    acme webhook update-attachment: none has come yet. Fix: attach a file to a ticket in acme and \
                 check again; {}",
                setup("acme")
            ),
            "ok      acme public_url: that iTop reaches the bridge: its last webhook came 47 h ago",
        ]
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A side that is down is to be brought back, and nothing else: neither `setup` nor an administrator helps.
#[tokio::test(start_paused = true)]
async fn of_a_side_that_is_down_only_what_came_is_said() {
    let folder = folder("came-and-down");
    let (path, mut store) = store(&folder);
    let came = HookCount { side: "acme".into(), kind: "create-ticket".into(), count: 1, last_ms: START };
    store.count_hooks(&[came]).unwrap();
    let world = World::new();
    world.acme.down(true);
    world.internal.down(true);
    let text = world.text("http://elitery", "http://acme", &path);
    let config = Config::parse(&text, "test.toml", &|_| None).unwrap();
    let clock = VirtualClock::starting_at(START + HOUR);
    let admin = Admin { user: "admin".into(), password: "canary".to_owned().into() };
    for admin in [None, Some(AdminOf { side: "acme", account: &admin })] {
        let findings = checks::run(&config, admin, &|side| Ok(world.way(side)), &clock).await;
        let advice =
            |finding: &&Finding| finding.to_string().contains("setup") || finding.to_string().contains("ADMIN");
        assert_eq!(findings.iter().filter(advice).collect::<Vec<_>>(), [&findings[0]; 0]);
        let of = |side: &str| {
            let of_side = findings.iter().filter(|finding| finding.side == side);
            let about = of_side.filter(|finding| finding.check.contains("webhook") || finding.check == "public_url");
            about.map(Finding::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            of("acme"),
            [
                "unknown acme webhooks: not checked",
                "ok      acme webhook create-ticket: 1 came, the last 60 min ago",
                "unknown acme webhook update-ticket: not checked",
                "unknown acme webhook update-attachment: not checked",
                "ok      acme public_url: that iTop reaches the bridge: its last webhook came 60 min ago",
            ]
        );
        assert!(of("elitery").iter().all(|line| line.ends_with(": not checked")), "{:?}", of("elitery"));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_port_in_public_url_than_the_one_listened_at_is_named() {
    let world = World::new();
    let text = world.text("http://elitery", "http://acme", Path::new("/nowhere/bridge.db"));
    let text = text.replacen(
        "[server]\n",
        "[server]\nlisten = \"127.0.0.1:18080\"\npublic_url = \"http://127.0.0.1:8080\"\n",
        1,
    );
    let config = Config::parse(&text, "test.toml", &|_| None).unwrap();
    let said = checks::public_url(&config, &|side| Ok(world.way(side))).await.to_string();
    assert_eq!(
        said,
        "note    itop-bridge public_url: nothing answers at http://127.0.0.1:8080 from here: `listen` is 127.0.0.1:18080, \
         `public_url` names port 8080. Fix: let both in [server] name one port, unless a web server of this machine \
         stands between; after a change of `public_url` run setup for both sides again."
    );
}

/// What was asked for could not be looked at: that ends with 1, and the reason is iTop's own.
#[tokio::test(start_paused = true)]
async fn an_administrator_who_is_refused_is_a_fault() {
    let world = World::new();
    let said = async |user: &str, password: &str| {
        let admin = Admin { user: user.into(), password: password.to_owned().into() };
        let asked = Some(AdminOf { side: "acme", account: &admin });
        let findings = checks::run(&world.config(), asked, &|side| Ok(world.way(side)), &world.clock).await;
        let line = findings.iter().find(|finding| finding.side == "acme" && finding.check == "webhooks").unwrap();
        line.to_string()
    };
    assert_eq!(
        said("admin", "canary").await,
        "fault   acme webhooks: not checked: acme does not let user \"admin\" of ITOP_BRIDGE_ADMIN_USER in: Invalid login. \
         Fix: correct ITOP_BRIDGE_ADMIN_USER and ITOP_BRIDGE_ADMIN_PASSWORD: an administrator's account of this very \
         iTop, enabled, that may log in with a password."
    );
    assert_eq!(
        said("bridge", world.password).await,
        "fault   acme webhooks: not checked: user \"bridge\" of ITOP_BRIDGE_ADMIN_USER is no administrator of acme. \
         Fix: user \"bridge\" is no administrator: name in ITOP_BRIDGE_ADMIN_USER one with the profiles \
         \"Administrator\" and \"REST Services User\"."
    );
}

/// An id is a number, and a number in quotes is a name.
#[tokio::test(start_paused = true)]
async fn an_id_in_quotes_is_said_to_be_one() {
    let world = World::new().defaults("team = \"37\"");
    let line = world.line("elitery", "default team_id").await;
    assert_eq!(
        line,
        "fault   elitery default team_id: there is no Team \"37\". Fix: write 37 without quotes if it is an id, or \
         correct the name, in [internal].defaults."
    );
}

/// Whether the bridge is where the iTops are told to find it, as far as this machine can see.
#[tokio::test(start_paused = true)]
async fn what_answers_at_public_url_is_told() {
    let folder = folder("public-url");
    let (path, mut store) = store(&folder);
    let url = "http://127.0.0.1:8080";
    let refusal = "{\"error\": \"missing_api_key\", \"message\": \"send a key\"}";
    let start = "start `itop-bridge serve`";
    let correct = "correct `public_url` of [server], or let the web server there pass /api/v1/ on to `listen`";
    let ends_at = "write the address at which the redirect ends into `public_url` of [server], and run setup for both sides again";
    let cases = [
        (Some((401, vec![], refusal)), format!("ok      itop-bridge public_url: itop-bridge answers at {url}"), None),
        (
            None,
            format!(
                "note    itop-bridge public_url: nothing answers at {url} from here (no connection: Connection refused). \
                 Fix: {start}; if it runs, correct `public_url` of [server] or the network path to it. If only the iTops reach that address, the first webhook will show that it is right."
            ),
            Some(format!(
                "note    itop-bridge public_url: nothing answers at {url} from here (no connection: Connection refused), \
                 and webhooks have come. Fix: {start} if it does not run; an address that only the iTops reach is \
                 fine."
            )),
        ),
        (
            Some((502, vec![], "<html>Bad Gateway</html>")),
            format!(
                "note    itop-bridge public_url: the web server at {url} reaches nothing behind it (HTTP 502). Fix: {start}; if it runs, let that web server pass /api/v1/ on to `listen` of [server]."
            ),
            None,
        ),
        (
            Some((200, vec![], "{\"status\": \"ok\"}")),
            format!(
                "fault   itop-bridge public_url: something answers at {url} that is not itop-bridge (HTTP 200). Fix: {correct}."
            ),
            Some(format!(
                "note    itop-bridge public_url: something answers at {url} that is not itop-bridge (HTTP 200), asked from this machine; but webhooks have come. Fix: if they come no more, {correct}."
            )),
        ),
        (
            Some((301, vec![("location", "https://bridge.example/api/v1/test?secret=1")], "")),
            format!(
                "fault   itop-bridge public_url: {url} redirects to https://bridge.example, and a webhook does not go there. \
                 Fix: {ends_at}."
            ),
            Some(format!(
                "note    itop-bridge public_url: {url} redirects to https://bridge.example, and a webhook does not go there, asked from this machine; but webhooks have come. Fix: if they come no more, {ends_at}."
            )),
        ),
    ];
    let mut world = World::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (answer, _, _) in &cases {
        world.at_public_url.clone_from(answer);
        before.extend(lines_of(&world, &path, NOW, "itop-bridge public_url").await);
    }
    let came = HookCount { side: "elitery".into(), kind: "update-attachment".into(), count: 1, last_ms: START };
    store.count_hooks(&[came]).unwrap();
    for (answer, _, _) in &cases {
        world.at_public_url.clone_from(answer);
        after.extend(lines_of(&world, &path, NOW, "itop-bridge public_url").await);
    }
    let expected: Vec<&String> = cases.iter().map(|(_, before, _)| before).collect();
    assert_eq!(before.iter().collect::<Vec<_>>(), expected);
    let expected: Vec<&String> = cases.iter().map(|(_, before, after)| after.as_ref().unwrap_or(before)).collect();
    assert_eq!(after.iter().collect::<Vec<_>>(), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_parked_or_stands_still() {
    let folder = folder("waits");
    let path = folder.join("bridge.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.adopt_server_id("7f3a").unwrap();
    let world = World::new();
    let standing = async |minutes: i64| {
        let lines = world.beside(&path, START + minutes * MINUTE).await;
        let is_standing = |line: &String| [" work: ", " queue: ", " pairs: "].iter().any(|check| line.contains(check));
        lines.into_iter().filter(is_standing).collect::<Vec<String>>()
    };
    let well = "neither paused nor halted";
    assert_eq!(
        standing(0).await,
        [
            &format!("ok      elitery work: {well}"),
            &format!("ok      acme work: {well}"),
            "ok      acme queue: no ticket waits",
            "ok      acme pairs: 0 in step",
        ]
    );

    store.mark_dirty(&[hint(7), hint(8)], START).unwrap();
    assert_eq!(standing(5).await[2], "ok      acme queue: 2 tickets wait, the oldest for 5 min");
    assert_eq!(
        standing(180).await[2],
        "note    acme queue: 2 tickets wait, the oldest for 3 h. Fix: see whether `serve` runs, and look for these tickets in its log."
    );

    let claims = store.claim("acme", 2, START, MINUTE).unwrap();
    let error = "Error: unknown value".to_owned();
    store.finish(&claims[0], &Next::Retry { due_ms: START, error, parked: true, look: None }, START).unwrap();
    let key = |id, reference: &str| TicketKey { class: "UserRequest".into(), id, reference: reference.into() };
    let halt = Halt { kind: HaltKind::InternalVanished, text: "the internal ticket is gone".into() };
    let link = Link {
        internal: Some(key(80, "R-000080")),
        course: Course { halt: Some(halt), ..Course::default() },
        ..Link::without_counterpart(key(8, "R-000008"))
    };
    store.insert_link(&claims[1].lease, &link, &[]).unwrap();
    store.finish(&claims[1], &Next::Done, START).unwrap();
    store.set_stopped(&Instance::Internal, Some(&Stop::TicketsGone { gone: 9, linked: 9 })).unwrap();
    store.set_stopped(&Instance::External("acme".into()), Some(&Stop::Paused)).unwrap();
    assert_eq!(
        standing(0).await,
        [
            "fault   elitery work: halted: 9 of 9 linked tickets are gone or changed their reference at once: was this iTop restored, emptied or cloned?. Fix: look into it, then run `itop-bridge resume \
             elitery`.",
            "note    acme work: an operator paused it. Fix: run `itop-bridge resume acme` to let it go on.",
            "note    acme queue: 1 ticket is parked, after an hour of refusals; the first is acme:7: Error: unknown \
             value. Fix: correct the cause that the message names, then run `itop-bridge retry acme:7`.",
            "note    acme pairs: 0 of 1 in step; halted: 1. The first is acme:R-000008: halted: the internal ticket is gone. \
             Fix: look at both its tickets; if that is still so, `itop-bridge resume acme:R-000008` ends the pair for \
             good, and `itop-bridge resume acme:R-000008 --create` makes a new ticket in elitery instead.",
        ]
    );

    let lost = Stop::PairsLost { marked: 2, internal: "elitery".into(), first: 7, of: "acme:R-000001".into() };
    store.set_stopped(&Instance::External("acme".into()), Some(&lost)).unwrap();
    assert_eq!(
        standing(0).await[1],
        format!(
            "fault   acme work: halted: {lost}. Fix: run `itop-bridge links rebuild`; `itop-bridge resume acme` goes on \
             without these pairs, and may make their copies a second time."
        )
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A store of acme's bridge, in a folder of its own.
fn store(folder: &Path) -> (PathBuf, SqliteStore) {
    let path = folder.join("bridge.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.adopt_server_id("7f3a").unwrap();
    (path, store)
}

async fn lines_of(world: &World, path: &Path, now_ms: i64, check: &str) -> Vec<String> {
    let lines = world.beside(path, now_ms).await;
    lines.into_iter().filter(|line| line.contains(&format!(" {check}: "))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_learnt_of_a_server_is_shown() {
    let folder = folder("learnt");
    let (path, mut store) = store(&folder);
    let acme = Instance::External("acme".into());
    let mut world = World::new();
    let unknown = "not yet learnt: until the bridge first creates something there, people read times as server time";
    assert_eq!(
        lines_of(&world, &path, NOW, "time zone").await,
        [format!("ok      elitery time zone: {unknown}"), format!("ok      acme time zone: {unknown}")]
    );
    let unknown = "not yet learnt: no call was refused for its size";
    assert_eq!(
        lines_of(&world, &path, NOW, "post_max_size").await,
        [format!("ok      elitery post_max_size: {unknown}"), format!("ok      acme post_max_size: {unknown}")]
    );

    world.acme = limited(2 << 20);
    store.set_cursor(&acme, "offset", "3600 2026-11-24 12:00:00").unwrap();
    store.set_cursor(&acme, "refused_bytes", &format!("2202009 {}", NOW - 3 * HOUR)).unwrap();
    store.set_cursor(&Instance::Internal, "refused_bytes", &format!("104857600 {}", NOW - 3 * HOUR)).unwrap();
    assert_eq!(
        lines_of(&world, &path, NOW, "time zone").await[1],
        "ok      acme time zone: UTC+01, learnt from its answers"
    );
    assert_eq!(
        lines_of(&world, &path, NOW, "post_max_size").await,
        [
            "ok      elitery post_max_size: a call of 100.0 MiB was refused for its size, 3 h ago: more than the largest \
             file that is sent needs",
            "note    acme post_max_size: a call of 2.1 MiB was refused for its size, 3 h ago: a file of 1.6 MiB or more goes \
             as a small text that says so. Fix: raise post_max_size in that iTop's php.ini, and the limit of its web \
             server, over 42.8 MiB, or lower max_attachment_mib.",
        ]
    );
    let room = "{\"UserRequest.description\":{\"chars\":1000,\"at_ms\":1},\"UserRequest.title\":{\"basic_plane_only\":true,\"at_ms\":1}}";
    store.set_cursor(&acme, "room", room).unwrap();
    assert_eq!(
        lines_of(&world, &path, NOW, "characters").await,
        [
            "ok      acme texts: UserRequest.description takes 1000 characters: longer texts are cut, and cross whole as files",
            "note    acme characters: its tables are in utf8mb3 and lack characters such as emoji; they become `?` in \
             UserRequest.title. Fix: convert that iTop's database to utf8mb4; `serve` notices within a day.",
        ]
    );
    // Once the limit was raised, it is a fault of the past.
    world.acme = limited(64 << 20);
    assert_eq!(
        lines_of(&world, &path, NOW, "post_max_size").await[1],
        "ok      acme post_max_size: a call of 2.1 MiB was refused for its size, 3 h ago, and one of that size gets through now"
    );
    store.set_cursor(&acme, "offsets", "3600 2026-11-24 12:00:00").unwrap();
    store.set_cursor(&acme, "date_format", "d/m/Y H:i").unwrap();
    assert_eq!(
        lines_of(&world, &path, NOW, "time zone").await[1],
        "ok      acme time zone: UTC+01, learnt from its answers; a date of another season waits until `time_zone` \
         of [external.acme] is set"
    );
    assert_eq!(
        lines_of(&world, &path, NOW, "date format").await,
        [
            "ok      elitery date format: Y-m-d H:i:s, iTop's default",
            "ok      acme date format: d/m/Y H:i, learnt from its answers",
        ]
    );
    store.set_cursor(&acme, "unread_date", "5 Jun 2026 08:00").unwrap();
    assert_eq!(
        lines_of(&world, &path, NOW, "date format").await[1],
        "fault   acme date format: it prints a date as \"5 Jun 2026 08:00\", which can be read in no format: its dates are \
         unknown. Fix: set `date_format` of [external.acme] to that iTop's `date_and_time_format`, or change that there."
    );
    for (zone, line) in [
        ("Europe/Paris", "ok      acme time zone: Europe/Paris, as configured and as its answers show"),
        (
            "Asia/Jakarta",
            "fault   acme time zone: the configuration says Asia/Jakarta, and its answers show UTC+01. Fix: correct \
             `time_zone` of [external.acme], or take it out: it is learnt.",
        ),
    ] {
        world.acme_lines = format!("only = \"all\"\ntime_zone = \"{zone}\"");
        assert_eq!(lines_of(&world, &path, NOW, "time zone").await[1], line);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A customer's iTop whose PHP takes so many bytes.
fn limited(post_max_bytes: usize) -> Sim {
    let mut config = SimConfig::new(Version::V3_1, "http://acme");
    config.limits.post_max_bytes = post_max_bytes;
    let sim = Sim::new(config);
    sim.allow("NormalChange");
    sim
}

/// Counted by class, those alone that fit `only`, without a call a ticket.
#[tokio::test(start_paused = true)]
async fn tickets_that_fit_and_wait_are_counted() {
    let folder = folder("uncarried");
    let (path, mut store) = store(&folder);
    let world = World { acme_lines: "only = \"title LIKE 'out%'\"".into(), ..World::new() };
    let count = async |now_ms: i64| lines_of(&world, &path, now_ms, "new tickets").await;
    assert_eq!(count(START).await, ["ok      acme new tickets: no ticket that fits waits for its counterpart"]);
    let mut hints = Vec::new();
    for (title, number) in [("out", 3), ("stays", 100)] {
        for _ in 0..number {
            let fields = serde_json::json!({"org_id": 3, "title": title, "description": "<p>x</p>"});
            let id = world.acme.create_ticket("UserRequest", fields).await.unwrap();
            hints.push(hint(id));
        }
    }
    store.mark_dirty(&hints, START).unwrap();
    world.acme.clear_calls();
    assert_eq!(
        count(START + 5 * MINUTE).await,
        ["ok      acme new tickets: wait for their counterpart: 3 of UserRequest; the oldest hint came 5 min ago"]
    );
    let asked = world.acme.calls().iter().filter(|call| call.json.contains("id IN (")).count();
    assert!(asked < 5, "{asked} calls");
    assert_eq!(
        count(START + 3 * HOUR).await,
        [
            "note    acme new tickets: wait for their counterpart: 3 of UserRequest; the oldest hint came 3 h ago. Fix: see whether `serve` runs, and look for these tickets in its log."
        ]
    );
    let many: Vec<DirtyMark> = (1000..3000).map(hint).collect();
    for some in many.chunks(200) {
        store.mark_dirty(some, START).unwrap();
    }
    assert!(count(START).await[0].contains(": 2103 of UserRequest, not compared with `only`;"));
    world.acme.down(true);
    assert_eq!(count(START).await, ["unknown acme new tickets: not checked"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off() {
    let mut world = World::new();
    world.clock = VirtualClock::starting_at(NOW + 7 * MINUTE);
    assert_eq!(
        world.line("acme", "clock").await,
        "fault   acme clock: 420 s behind this machine's; more than 120 s is a fault. Fix: set both clocks by a time \
         server: otherwise people read wrong times, and a valid certificate may be taken for one that has ended."
    );
    world.clock = VirtualClock::starting_at(NOW - 30_000);
    assert_eq!(world.line("acme", "clock").await, "ok      acme clock: 30 s ahead of this machine's");
}

/// An authority, and what it signs for 127.0.0.1.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut of = rcgen::CertificateParams::new(Vec::new()).unwrap();
        of.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = of.self_signed(&key).unwrap().pem();
        Authority { issuer: rcgen::Issuer::new(of, key), pem }
    }

    /// A way with TLS to what listens at `port`, by a certificate for `name` that ends in so many seconds.
    async fn before(&self, port: u16, name: &str, ends_in_seconds: i64) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut of = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let ends = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(SystemClock.now_ms() as u64);
        let second = std::time::Duration::from_secs(1);
        let of_seconds = u32::try_from(ends_in_seconds.abs()).unwrap();
        let ends = if ends_in_seconds < 0 { ends - second * of_seconds } else { ends + second * of_seconds };
        of.not_after = ends.into();
        of.not_before = (ends - second * 200 * 86_400).into();
        let certificate = of.signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(outside).await else { return };
                    let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        url
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_told_before_it_ends() {
    const DAY: i64 = 86_400;
    let folder = folder("tls");
    let authority = Authority::new();
    std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(on_time("http://acme").serve(listener));
    let lines = async |name: &str, ends_in_seconds: i64| {
        let url = authority.before(port, name, ends_in_seconds).await;
        let ca_file = format!("only = \"all\"\nca_file = \"{}\"", folder.join("ca.pem").display());
        let world = World { acme_lines: ca_file, ..World::new() };
        let text = world.text("http://127.0.0.1:9", &url, Path::new("/nowhere/bridge.db"));
        let config = Config::parse(&text, "test.toml", &|_| None).unwrap();
        let findings = checks::side(&config, "acme", &itop_bridge::app::http_transport, &SystemClock).await;
        let of = |check: &str| findings.iter().find(|finding| finding.check == check).unwrap().to_string();
        let lines = [of("address"), of("TLS")].map(|line| line.replace(&url, "URL"));
        assert_eq!(
            findings.iter().any(|finding| finding.check == "clock" && finding.state == State::Ok),
            ends_in_seconds > 0 && name != "elsewhere"
        );
        lines
    };
    let date = |days: i64| {
        let until = jiff::Timestamp::from_millisecond(SystemClock.now_ms() + (days * DAY + 3600) * 1000).unwrap();
        until.to_string()[..10].to_owned()
    };
    let [address, tls] = lines("127.0.0.1", 90 * DAY + 3600).await;
    assert_eq!(address, "ok      acme address: iTop's REST answers at URL");
    assert_eq!(tls, format!("ok      acme TLS: the certificate is valid until {}, 90 days more", date(90)));
    let [_, tls] = lines("127.0.0.1", 20 * DAY + 3600).await;
    let expected = format!(
        "note    acme TLS: the certificate ends on {}, in 20 days. Fix: renew the certificate of that web server before \
         then, or no call gets through.",
        date(20)
    );
    assert_eq!(tls, expected);
    let [address, tls] = lines("127.0.0.1", -DAY).await;
    assert!(address.starts_with("fault   acme address: no connection: its certificate is not accepted"), "{address}");
    assert!(address.contains("certificate expired") && address.contains("Fix: renew the certificate"), "{address}");
    assert_eq!(tls, "unknown acme TLS: not checked");
    let [address, _] = lines("elsewhere", DAY).await;
    assert!(address.contains("Fix: write in `url` of [external.acme] the name"), "{address}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A simulator whose clock is this machine's.
fn on_time(url: &str) -> Sim {
    let mut config = SimConfig::new(Version::V3_1, url);
    config.clock = WallClock::new(|| SystemClock.now_ms() / 1000);
    Sim::new(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_prints_lines_or_json_and_ends_with_0_or_1() {
    let world = World::new().defaults("org = \"Demo\"");
    let world = World { internal: on_time("http://elitery"), acme: on_time("http://acme"), ..world };
    world.internal.allow("NormalChange");
    world.acme.allow("NormalChange");
    let mut addresses = Vec::new();
    for sim in [&world.internal, &world.acme] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(sim.clone().serve(listener));
    }
    let folder = folder("binary");
    let file = folder.join("itop-bridge.toml");
    std::fs::write(&file, world.text(&addresses[0], &addresses[1], Path::new("bridge.db"))).unwrap();
    let call = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_itop-bridge"));
        command.arg("--config").arg(&file).arg("check").args(arguments);
        command.env("ITOP_BRIDGE_ADMIN_USER", "admin").env("ITOP_BRIDGE_ADMIN_PASSWORD", "admin");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains(PASSWORD) && !printed.contains("sk_"), "a secret: {printed}");
        (output.status.code(), printed)
    };

    let (code, printed) = call(&[]).await;
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("ok      elitery (internal) login: user \"bridge\"\n"), "{printed}");
    assert!(printed.lines().last().unwrap().ends_with(" ok"), "{printed}");

    // An administrator's account is shown to its own iTop alone, and to none unless it is said whose it is.
    assert!(world.shown_to("admin").is_empty());
    let (code, printed) = call(&["--admin", "acme"]).await;
    assert_eq!((code, world.shown_to("admin")), (Some(1), vec!["acme"]), "{printed}");
    assert!(printed.contains("fault   acme (external) webhook connection: "), "{printed}");
    assert!(printed.contains("and run `itop-bridge check --admin elitery`."), "{printed}");
    assert_eq!(call(&["--admin", "nobody"]).await, (Some(1), String::new()));

    world.internal.deny("UserRequest");
    let (code, printed) = call(&["--json"]).await;
    assert_eq!(code, Some(1), "{printed}");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    let faults: Vec<&serde_json::Value> = findings.iter().filter(|finding| finding["state"] == "fault").collect();
    assert_eq!(
        faults,
        [&serde_json::json!({
            "side": "elitery",
            "check": "class UserRequest",
            "state": "fault",
            "detail": "the account may read, but not create, update or apply stimuli",
            "fix": "give user \"bridge\" a profile with that right, such as \"Support Agent\"",
        })]
    );
    assert!(findings.iter().any(|finding| finding["state"] == "ok" && finding["fix"].is_null()));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_older_tickets_is_said_with_how_many_there_are() {
    let folder = folder("older");
    let (path, mut store) = store(&folder);
    let world = World::new();
    for title in ["one", "two", "three"] {
        world
            .acme
            .create_ticket("UserRequest", serde_json::json!({"org_id": 3, "title": title, "description": "<p>x</p>"}))
            .await
            .unwrap();
    }
    let older = async || lines_of(&world, &path, START, "older tickets").await;
    let acme = Instance::External("acme".into());
    store.set_cursor(&acme, "since_id", "2").unwrap();
    assert_eq!(
        older().await,
        [
            "ok      acme older tickets: the connection has begun: tickets up to id 2 are older than the connection, unless a webhook announced them, and stay \
          where they are until `itop-bridge backfill`; 2 such tickets stand there, of all classes"
        ]
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_knows_the_sides_otherwise_is_a_fault() {
    let folder = folder("sides");
    let (path, mut store) = store(&folder);
    let world = World::new();
    let sides = async || lines_of(&world, &path, START, "sides").await;
    let fine = "ok      itop-bridge sides: each name stands for the iTop that the store knows by it";
    assert_eq!(sides().await, [fine]);
    let of = |name: &str| Instance::External(name.to_owned());
    store.set_cursor(&of("acme"), "address", "old.example").unwrap();
    assert_eq!(
        sides().await,
        [
            "note    itop-bridge sides: acme was at old.example before, and the configuration has another address. Fix: if that is another iTop, correct `url` of acme before `serve` starts."
        ]
    );
    store.drop_cursor(&of("acme"), "address").unwrap();
    store.set_cursor(&of("gamma"), "address", "acme").unwrap();
    let said = sides().await;
    assert!(
        said[0]
            .starts_with("fault   itop-bridge sides: [external.acme] has the address that the store knows as gamma's")
    );
    assert!(said[0].ends_with("and run `itop-bridge external rename gamma acme`."), "{said:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_itop_that_may_be_another_customers_is_not_shown_a_password() {
    let folder = folder("exchanged");
    let (path, mut store) = store(&folder);
    let world = World::new();
    let config =
        |internal: &str, acme: &str| Config::parse(&world.text(internal, acme, &path), "t.toml", &|_| None).unwrap();
    sides::remember(&mut store, &config("http://elitery", "http://acme")).unwrap();
    let way = |side: &SideConfig| Ok(world.way(side));
    let findings = checks::run(&config("http://acme", "http://elitery"), None, &way, &world.clock).await;
    let of_sides = findings.iter().filter(|finding| finding.side == "acme" || finding.side == "elitery");
    let lines: Vec<String> = of_sides.map(Finding::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.contains("address: not asked: this name or address stood for another iTop")),
        "{lines:#?}"
    );
    assert!(findings.iter().any(|finding| finding.check == "sides" && finding.state == State::Fault));
    for sim in [&world.internal, &world.acme] {
        assert_eq!(sim.calls_containing("operation").len(), 0, "an iTop was asked");
    }
}
