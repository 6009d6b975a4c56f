//! The parameters of a world, and the configuration that its bridge gets.

use std::time::Duration;

use itop_bridge::config::Config;
use itop_sim::{FirstIds, Sim, SimConfig, Version, WallClock};

use super::World;
use super::transport::Bridges;
use super::versions::Versions;

/// 2026-11-24 11:00:00 UTC.
const START_MS: i64 = 1_795_518_000_000;

pub const EXTERNAL_KEY: &str = "sk_external_acme";
pub const INTERNAL_KEY: &str = "sk_internal";

pub(super) const NAMES: [&str; 2] = ["acme", "beta"];

/// The internal side's defaults: names that the sample data has.
pub const DEFAULTS: &str = "org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\", \
                            servicesubcategory = \"Installation\", supervisor_group_id = 38, supervisor_id = 10, \
                            manager_group_id = 38, manager_id = 11, pending_reason = \"waiting for the customer\", \
                            acceptance_comment = \"accepted in the external\", acceptance_date = \"2026-11-24 12:00:00\", \
                            approval_comment = \"approved in the external\", approval_date = \"2026-11-24 12:00:00\", \
                            outage = \"no\", fallback = \"undo\", reason = \"see in the external\", \
                            start_date = \"2026-11-25 12:00:00\", end_date = \"2026-11-26 12:00:00\"";

/// The ids of the sample data.
pub mod sample {
    pub const DEMO: u64 = 3;
    pub const IT: u64 = 2;
    pub const MONET: u64 = 6;
    pub const HUGO: u64 = 10;
    pub const HELPDESK: u64 = 37;
    pub const HARDWARE: u64 = 38;
    pub const SOFTWARE: u64 = 2;
    pub const COMPUTERS: u64 = 1;
}

/// The parameters of a world.
pub struct Setup {
    /// The versions of the externals, in order: `acme`, `beta`.
    pub externals: Vec<Version>,
    pub internal: Version,
    /// Lines for `[external.acme]`, instead of `only = "all"`.
    pub acme: String,
    /// Lines for `[sync]`.
    pub sync: String,
    /// Lines for `[alerts]`.
    pub alerts: String,
    pub internal_defaults: String,
    /// Lines for `[internal]`.
    pub internal_lines: String,
    /// Lines for `[external.beta]`.
    pub beta: String,
    /// The speed of every line, for both directions together.
    pub line_bits_per_second: Option<u64>,
    /// The time of all clocks at the start, in ms since the epoch.
    pub start_ms: i64,
    pub server_id: &'static str,
    /// The host in the bridge's address.
    pub host: &'static str,
    /// Existing iTops to use in place of new ones.
    pub acme_is: Option<Sim>,
    pub internal_is: Option<Sim>,
    /// The provider's first ids.
    pub internal_ids: FirstIds,
    /// The key of acme's webhooks.
    pub acme_key: &'static str,
    /// The configuration's line for acme's password.
    pub acme_password: String,
    pub bridges: Bridges,
    /// The names of the externals in the configuration, …
    pub names: [&'static str; 2],
    /// … that of the internal, …
    pub internal_name: &'static str,
    /// … and the hosts of the externals and the internal there.
    pub hosts: [&'static str; 3],
    /// Externals missing from the configuration, by name.
    pub left_out: &'static [&'static str],
    pub dry_run: bool,
}

impl Setup {
    pub fn with_external(version: Version) -> Setup {
        Setup {
            externals: vec![version],
            internal: Version::V3_2,
            acme: "only = \"all\"".into(),
            sync: String::new(),
            alerts: String::new(),
            internal_defaults: DEFAULTS.into(),
            internal_lines: String::new(),
            beta: "only = \"all\"".into(),
            line_bits_per_second: None,
            start_ms: START_MS,
            server_id: "7f3a",
            host: "bridge",
            acme_is: None,
            internal_is: None,
            // The ids of the externals collide with each other, but not with these, so that a mix-up shows.
            internal_ids: FirstIds { ticket: 1001, reference: 1001, attachment: 501, inline_image: 301 },
            acme_key: EXTERNAL_KEY,
            acme_password: "password = \"Bridge.1234\"".into(),
            bridges: Bridges::default(),
            names: NAMES,
            internal_name: "elitery",
            hosts: ["acme", "beta", "elitery"],
            left_out: &[],
            dry_run: false,
        }
    }

    pub fn two_externals() -> Setup {
        Setup { externals: vec![Version::V3_1, Version::V3_2], ..Setup::with_external(Version::V3_1) }
    }

    pub fn between(versions: Versions) -> Setup {
        Setup { internal: versions.internal, ..Setup::with_external(versions.external) }
    }

    /// A bridge of another provider beside the first: its sides have the same names, its `server.id` differs.
    /// [`Setup::acme_is`] or [`Setup::internal_is`] names the iTop that the two share.
    pub fn beside(self, first: &World) -> Setup {
        let (start_ms, bridges) = (first.now_ms(), first.bridges.clone());
        Setup { server_id: "beef", host: "second-bridge", start_ms, bridges, ..self }
    }

    pub fn acme_is(self, sim: &Sim) -> Setup {
        Setup { acme_is: Some(sim.clone()), ..self }
    }

    pub fn internal_is(self, sim: &Sim) -> Setup {
        Setup { internal_is: Some(sim.clone()), ..self }
    }

    /// Without the default that gives every internal ticket the same start.
    pub fn without_a_start_date(mut self) -> Setup {
        self.internal_defaults = self.internal_defaults.replace("start_date", "plan_date");
        self
    }

    pub fn acme(self, lines: &str) -> Setup {
        Setup { acme: lines.into(), ..self }
    }

    pub fn sync(self, lines: &str) -> Setup {
        Setup { sync: lines.into(), ..self }
    }

    pub async fn start(self) -> World {
        World::start(self).await
    }

    /// A new iTop, in which the account may write changes too.
    pub(super) fn new_itop(&self, version: Version, name: &str, first_ids: FirstIds) -> Sim {
        let mut config = SimConfig::new(version, &format!("http://{name}"));
        config.first_ids = first_ids;
        config.latency = Duration::from_millis(80);
        config.line_bits_per_second = self.line_bits_per_second;
        config.clock = WallClock::from(self.start_ms / 1000);
        let sim = Sim::new(config);
        for class in ["RoutineChange", "NormalChange", "EmergencyChange"] {
            sim.allow(class);
        }
        sim
    }

    pub(super) fn key_of(&self, external: &str) -> String {
        if external == "acme" { self.acme_key.to_owned() } else { format!("sk_external_{external}") }
    }

    pub(super) fn config(&self) -> Config {
        let mut text = format!(
            "[server]\nid = \"{}\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://{}\"\n\
             [store]\nurl = \"sqlite:unused.db\"\n\
             [internal]\nname = \"{}\"\nurl = \"http://{}\"\nuser = \"bridge\"\npassword = \"Bridge.1234\"\n\
             api_keys = [\"{INTERNAL_KEY}\"]\ndefaults = {{ {} }}\n{}\n",
            self.server_id, self.host, self.internal_name, self.hosts[2], self.internal_defaults, self.internal_lines
        );
        let sides = NAMES.iter().zip(self.names).zip(self.hosts).zip([&self.acme, &self.beta]);
        for (((first, name), host), lines) in sides.take(self.externals.len()) {
            let password = if *first == "acme" { &self.acme_password } else { "password = \"Bridge.1234\"" };
            text.push_str(&format!(
                "[external.{name}]\nurl = \"http://{host}\"\nuser = \"bridge\"\n{password}\n\
                 api_keys = [\"{}\"]\n{lines}\n",
                self.key_of(first)
            ));
        }
        text.push_str(&format!("[sync]\n{}\n", self.sync));
        text.push_str(&format!("[alerts]\nwebhook_url = \"http://chat/hook?key=sk_chat\"\n{}\n", self.alerts));
        let mut config = Config::parse(&text, "test.toml", &|_| None).unwrap_or_else(|error| panic!("{error}"));
        config.externals.retain(|external| !self.left_out.contains(&external.name()));
        config
    }
}
