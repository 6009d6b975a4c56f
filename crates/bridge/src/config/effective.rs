//! The configuration as a list of entries, each with its value and its origins. No entry contains the value of a
//! secret.

use std::collections::BTreeMap;

use itop_bridge_core::policy::{AttachmentDeletes, ParentEntries, StatusToExternal, StatusToInternal};
use serde_json::{Value, json};

use super::{
    Condition, Config, DefaultValue, Defaults, ExternalConfig, LogCopy, Login, OlderTickets, Only, Origin, Origins,
    Problem, SideConfig, SyncConfig,
};

const MASK: &str = "…";

/// One effective value.
pub(crate) struct Entry {
    /// Dotted.
    pub section: String,
    pub key: String,
    /// Null: not set.
    pub value: Value,
    /// None: the default.
    pub origins: Vec<Origin>,
    /// Why a secret is missing.
    pub absent: Vec<String>,
}

impl Entry {
    /// The whole key, dotted.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// A line of TOML; a comment if no value is set.
    pub fn to_toml(&self) -> String {
        match &self.value {
            Value::Null => format!("# {} is not set", self.key),
            value => format!("{} = {}", self.key, toml(value)),
        }
    }
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let shown: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", shown.join(", "))
        }
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        other => other.to_string(),
    }
}

pub(crate) fn effective(config: &Config) -> Vec<Entry> {
    let mut list = List { origins: &config.origins, absent: &config.absent, entries: Vec::new() };
    let server = &config.server;
    list.add("server", "id", json!(server.id));
    list.add("server", "listen", json!(server.listen.to_string()));
    list.add("server", "public_url", json!(server.public_url));
    list.add("server", "coalesce_ms", json!(server.coalesce_ms));
    list.add("store", "url", json!(format!("sqlite:{}", config.store.path.display())));
    list.add("store", "keep_closed_days", json!(config.store.keep_closed_days));
    list.add("internal", "name", json!(config.internal.name));
    list.side("internal", &config.internal);
    list.defaults("internal", "defaults", &config.internal.defaults, &["internal.defaults"]);
    for external in &config.externals {
        list.external(external);
    }
    list.add("alerts", "webhook_url", json!(config.alerts.as_ref().map(|_| MASK)));
    if let Some(alerts) = &config.alerts {
        list.add("alerts", "silence_minutes", json!(alerts.silence_ms / 60_000));
    }
    list.entries
}

struct List<'a> {
    origins: &'a Origins,
    absent: &'a [Problem],
    entries: Vec<Entry>,
}

impl List<'_> {
    fn add(&mut self, section: &str, key: &str, value: Value) {
        self.add_from(section, key, value, &[format!("{section}.{key}")]);
    }

    /// `written`: the keys where the value may be written, the decisive one first.
    fn add_from(&mut self, section: &str, key: &str, value: Value, written: &[String]) {
        let origins = written.iter().find_map(|path| self.origins.get(path)).cloned();
        self.push(section, key, value, origins.into_iter().collect(), written);
    }

    fn push(&mut self, section: &str, key: &str, value: Value, origins: Vec<Origin>, written: &[String]) {
        let absent = self.absent.iter().filter(|absent| written.contains(&absent.key));
        let absent: Vec<String> = absent.map(|absent| absent.text.clone()).collect();
        let value = match &value {
            Value::Null if !absent.is_empty() => json!(MASK),
            Value::Array(known) if !absent.is_empty() => json!(vec![MASK; known.len() + absent.len()]),
            _ => value,
        };
        self.entries.push(Entry { section: section.to_owned(), key: key.to_owned(), value, origins, absent });
    }

    fn external(&mut self, external: &ExternalConfig) {
        let section = format!("external.{}", external.name());
        self.side(&section, &external.side);
        self.add(&section, "name_in_marks", json!(external.name_in_marks));
        let only = match &external.only {
            Only::Every(condition) => shown(condition),
            Only::ByClass(conditions) => conditions.iter().map(|(class, one)| (class.clone(), shown(one))).collect(),
        };
        let written = [format!("{section}.only"), format!("{section}.sync.only"), "sync.only".to_owned()];
        self.add_from(&section, "only", only, &written);
        self.defaults(&section, "defaults", &external.side.defaults, &[&format!("{section}.defaults")]);
        let own = format!("{section}.internal_defaults");
        self.defaults(&section, "internal_defaults", &external.internal_defaults, &[&own, "internal.defaults"]);
        for (key, value) in sync(&external.sync) {
            let written = [format!("{section}.sync.{key}"), format!("sync.{key}")];
            self.add_from(&format!("{section}.sync"), key, value, &written);
        }
        let (own, common) = (format!("{section}.sync.lifecycle_file"), "sync.lifecycle_file".to_owned());
        let origin = self.origins.get(&own).or_else(|| self.origins.get(&common));
        let file = origin.and_then(|origin| origin.read.first()).map(|file| file.display().to_string());
        self.add_from(&format!("{section}.sync"), "lifecycle_file", json!(file), &[own, common]);
    }

    fn side(&mut self, section: &str, side: &SideConfig) {
        self.add(section, "url", json!(side.url));
        match &side.login {
            Login::Password { user, .. } => {
                self.add(section, "user", json!(user));
                self.secret(section, "password");
            }
            Login::Token(_) => self.secret(section, "token"),
        }
        let paths = [format!("{section}.api_keys"), format!("{section}.api_key_files")];
        let origins = paths.iter().filter_map(|path| self.origins.get(path)).cloned().collect();
        self.push(section, "api_keys", json!(vec![MASK; side.api_keys.len()]), origins, &paths);
        self.add(section, "ca_file", json!(side.ca_file.as_ref().map(|file| file.display().to_string())));
        self.add(section, "proxy", json!(side.proxy.as_ref().map(|_| MASK)));
        self.add(section, "time_zone", json!(side.time_zone.as_ref().and_then(|zone| zone.iana_name())));
        self.add(section, "date_format", json!(side.date_format.as_ref().map(ToString::to_string)));
        self.add(section, "max_calls", json!(side.max_calls));
        self.add(section, "settle_seconds", json!(side.settle_ms / 1_000));
        self.add(section, "timeout_seconds", json!(side.timeout_ms / 1_000));
    }

    fn secret(&mut self, section: &str, key: &str) {
        let written = [format!("{section}.{key}"), format!("{section}.{key}_file")];
        self.add_from(section, key, json!(MASK), &written);
    }

    /// One dotted key per default, so that each has its own origin. `written`: the tables where they may be written.
    fn defaults(&mut self, section: &str, table: &str, defaults: &Defaults, written: &[&str]) {
        for (code, value) in defaults {
            let value = match value {
                DefaultValue::Number(number) => json!(number),
                DefaultValue::Text(text) => json!(text),
            };
            let short = code.strip_suffix("_id").unwrap_or(code);
            let paths: Vec<String> =
                written.iter().flat_map(|table| [format!("{table}.{code}"), format!("{table}.{short}")]).collect();
            self.add_from(section, &format!("{table}.{code}"), value, &paths);
        }
    }
}

fn shown(condition: &Condition) -> Value {
    match condition {
        Condition::All => json!("all"),
        Condition::Oql(oql) => json!(oql),
    }
}

fn sync(sync: &SyncConfig) -> Vec<(&'static str, Value)> {
    let log = |copy: LogCopy| match copy {
        LogCopy::Attachment => "attachment",
        LogCopy::Off => "off",
    };
    let to_internal = match sync.status_to_internal {
        StatusToInternal::Apply => "apply",
        StatusToInternal::Off => "off",
    };
    let to_external = match sync.status_to_external {
        StatusToExternal::Report => "report",
        StatusToExternal::Apply => "apply",
        StatusToExternal::Off => "off",
    };
    let parent_entries = match sync.parent_entries {
        ParentEntries::Keep => "keep",
        ParentEntries::Send => "send",
    };
    let older = match sync.older {
        OlderTickets::Stay => "stay",
        OlderTickets::CrossWhenChanged => "cross_when_changed",
    };
    let deletes = match sync.attachment_deletes {
        AttachmentDeletes::Owner => "owner",
        AttachmentDeletes::Never => "never",
    };
    let classes: BTreeMap<&str, &str> =
        sync.classes.iter().map(|(external, internal)| (external.as_str(), internal.as_str())).collect();
    vec![
        ("classes", json!(classes)),
        ("since", json!(sync.since.map(|date| date.to_string()))),
        ("older", json!(older)),
        ("title", json!(sync.title)),
        ("fields", json!(sync.fields)),
        ("status_to_internal", json!(to_internal)),
        ("status_to_external", json!(to_external)),
        ("private_log_to_internal", json!(log(sync.private_log_to_internal))),
        ("private_log_to_external", json!(log(sync.private_log_to_external))),
        ("public_log_to_internal", json!(log(sync.public_log_to_internal))),
        ("public_log_to_external", json!(log(sync.public_log_to_external))),
        ("log_authors", json!(sync.log_authors)),
        ("parent_entries", json!(parent_entries)),
        ("attachment_deletes", json!(deletes)),
        ("max_attachment_mib", json!(sync.max_attachment_bytes / (1_024 * 1_024))),
        ("sweep_seconds", json!(sync.sweep_ms / 1_000)),
        ("audit_seconds", json!(sync.audit_ms / 1_000)),
        ("halt_share", json!(sync.halt.share)),
        ("halt_min", json!(sync.halt.min)),
    ]
}
