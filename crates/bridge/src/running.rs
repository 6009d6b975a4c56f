//! The configuration that the running `serve` has loaded, kept in the store, so that a command run beside it can tell
//! that the configuration has changed since.
//!
//! For each value the store keeps a hash, with a new salt at each start. For a secret it keeps only 16 bits of the
//! hash: enough to see that the secret differs, too few to guess it, since one in 65,536 candidates fits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use itop_bridge_core::text::hex;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::random::Random;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_store::{Instance, Result, SqliteStore, Store};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::effective::effective;
use crate::config::{Config, Login, LoginSource};

/// The store's name for it.
const CURSOR: &str = "serve";

/// Hexadecimal digits of the hash of a value, and of a secret.
const OF_VALUE: usize = 32;
const OF_SECRET: usize = 4;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The configuration that a process loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    since_ms: i64,
    process: u32,
    version: String,
    /// The process writes to no iTop.
    #[serde(default)]
    dry_run: bool,
    salt: String,
    /// Dotted key to the hash of its value.
    values: BTreeMap<String, String>,
    /// Dotted key to the hashes of its secrets.
    secrets: BTreeMap<String, BTreeSet<String>>,
    /// The log-ins that the process rereads when an iTop refuses them: dotted key to the file.
    #[serde(default)]
    reread: BTreeMap<String, String>,
}

impl Loaded {
    /// The configuration that this process has loaded now.
    pub fn now(config: &Config, dry_run: bool, clock: &dyn Clock, random: &dyn Random) -> Loaded {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let salt = hex(&salt);
        let (since_ms, process, version) = (clock.now_ms(), std::process::id(), VERSION.to_owned());
        let (values, secrets) = (BTreeMap::new(), BTreeMap::new());
        let reread = reread(config);
        let mut loaded = Loaded { since_ms, process, version, dry_run, salt, values, secrets, reread };
        (loaded.values, loaded.secrets) = loaded.hashes(config);
        loaded
    }

    fn kept(store: &mut dyn Store) -> Result<Option<Loaded>> {
        // A record that another version wrote in another format says nothing.
        Ok(store.cursor(&Instance::Internal, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub fn keep(&self, store: &mut dyn Store) -> Result<()> {
        store.set_cursor(&Instance::Internal, CURSOR, &serde_json::to_string(self).unwrap_or_default())
    }

    fn hashes(&self, config: &Config) -> (BTreeMap<String, String>, BTreeMap<String, BTreeSet<String>>) {
        let secrets = secrets(config);
        let mut values = BTreeMap::new();
        for entry in effective(config) {
            let path = entry.path();
            if secrets.contains_key(&path) {
                continue;
            }
            // The file's contents count, not only its path.
            let is_file = ["ca_file", "lifecycle_file"].contains(&&*entry.key);
            let file = entry.value.as_str().filter(|_| is_file).and_then(|file| std::fs::read(file).ok());
            let value = match is_file || path == "store.url" {
                true => absolute(&entry.value),
                false => entry.value.to_string(),
            };
            let hash = self.hash(&path, &[value.as_bytes(), &file.unwrap_or_default()], OF_VALUE);
            values.insert(path, hash);
        }
        let hashed = |path: &str, secrets: Vec<SecretString>| {
            secrets.iter().map(|secret| self.secret(path, secret)).collect::<BTreeSet<String>>()
        };
        let secrets = secrets.into_iter().map(|(path, secrets)| (path.clone(), hashed(&path, secrets))).collect();
        (values, secrets)
    }

    fn secret(&self, path: &str, secret: &SecretString) -> String {
        self.hash(path, &[secret.expose_secret().as_bytes()], OF_SECRET)
    }

    fn hash(&self, path: &str, parts: &[&[u8]], digits: usize) -> String {
        let mut hash = Sha256::new();
        for part in [self.salt.as_bytes(), path.as_bytes()].iter().chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hex(&hash.finalize())[..digits].to_owned()
    }

    fn compare(&self, config: &Config) -> Vec<Differs> {
        let (values, mut secrets) = self.hashes(config);
        let mut known = self.secrets.clone();
        let absent = config.absent.iter().map(|absent| path_of(&absent.key));
        let now = reread(config);
        let reread =
            self.reread.iter().filter(|(path, file)| now.get(*path) == Some(*file)).map(|(path, _)| path.clone());
        for path in absent.chain(reread) {
            // Without the secret, equality cannot be judged. A file that is reread needs no restart.
            secrets.remove(&path);
            known.remove(&path);
        }
        let mut differs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let paths = different(&self.values, &values).into_iter().chain(different(&known, &secrets));
        for path in paths {
            let (section, key) = in_section(&path);
            differs.entry(section).or_default().push(key);
        }
        let has =
            |paths: &BTreeMap<String, String>, section: &str| paths.keys().any(|path| in_section(path).0 == section);
        let kind = |section: &str| match (has(&self.values, section), has(&values, section)) {
            (false, true) => Difference::New,
            (true, false) => Difference::Gone,
            _ => Difference::Other,
        };
        let each = |(section, keys): (String, Vec<String>)| Differs { kind: kind(&section), section, keys };
        differs.into_iter().map(each).collect()
    }
}

/// The absolute path, so that a file is the same whatever path the configuration was named by.
fn absolute(value: &serde_json::Value) -> String {
    let named = value.as_str().unwrap_or_default();
    absolute_path(Path::new(named.strip_prefix("sqlite:").unwrap_or(named)))
}

fn absolute_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// The keys whose values differ, or that only one side has.
fn different<T: PartialEq>(before: &BTreeMap<String, T>, now: &BTreeMap<String, T>) -> Vec<String> {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != now.get(*path)).cloned().collect()
}

/// `external.acme.sync.title` is `sync.title` of `[external.acme]`.
fn in_section(path: &str) -> (String, String) {
    let parts = if path.starts_with("external.") { 2 } else { 1 };
    let at = path.match_indices('.').nth(parts - 1).map_or(path.len(), |(at, _)| at);
    (path[..at].to_owned(), path[at..].trim_start_matches('.').to_owned())
}

/// The key of a secret, the same whether it is written inline or in a file.
fn path_of(written: &str) -> String {
    let path = written.strip_suffix("_files").map(|path| format!("{path}s"));
    path.unwrap_or_else(|| written.strip_suffix("_file").unwrap_or(written).to_owned())
}

/// Every secret, under the dotted key of its inline form.
fn secrets(config: &Config) -> BTreeMap<String, Vec<SecretString>> {
    let mut secrets = BTreeMap::new();
    for side in config.sides() {
        let section = config.section(&side.name);
        let (key, login) = of_login(&side.login);
        secrets.insert(format!("{section}.{key}"), vec![login.clone()]);
        secrets.insert(format!("{section}.api_keys"), side.api_keys.clone());
        secrets.insert(format!("{section}.proxy"), side.proxy.iter().cloned().collect());
    }
    let alerts = config.alerts.iter().map(|alerts| alerts.webhook_url.clone()).collect();
    secrets.insert("alerts.webhook_url".to_owned(), alerts);
    secrets
}

/// The log-ins that stand in files, under the dotted keys of their inline forms.
fn reread(config: &Config) -> BTreeMap<String, String> {
    let in_files = config.sides().filter_map(|side| match &side.login_from {
        LoginSource::File(file) => {
            let key = format!("{}.{}", config.section(&side.name), of_login(&side.login).0);
            Some((key, absolute_path(file)))
        }
        LoginSource::Variables(_) | LoginSource::Written => None,
    });
    in_files.collect()
}

fn of_login(login: &Login) -> (&'static str, &SecretString) {
    match login {
        Login::Password { password, .. } => ("password", password),
        Login::Token(token) => ("token", token),
    }
}

/// Whether the last `serve` of this store was a dry run, whether or not it runs now.
pub fn was_dry_run(store: &mut dyn Store) -> Result<bool> {
    Ok(Loaded::kept(store)?.is_some_and(|loaded| loaded.dry_run))
}

/// Whether the `serve` of this store writes to no iTop; it counts as running unless it is known not to.
pub fn is_dry_run(store: &mut dyn Store) -> Result<bool> {
    Ok(store.is_served()? != Some(false) && was_dry_run(store)?)
}

/// The running process has reread the file of a log-in.
pub fn login_was_read(store: &mut dyn Store, section: &str, key: &str, secret: &SecretString) -> Result<()> {
    let Some(mut loaded) = Loaded::kept(store)? else { return Ok(()) };
    let path = format!("{section}.{key}");
    let hash = loaded.secret(&path, secret);
    loaded.secrets.insert(path, BTreeSet::from([hash]));
    loaded.keep(store)
}

/// The process also accepts these keys: it has reread their files.
pub fn keys_were_read(store: &mut dyn Store, section: &str, keys: &[SecretString]) -> Result<()> {
    let Some(mut loaded) = Loaded::kept(store)? else { return Ok(()) };
    let path = format!("{section}.api_keys");
    let more: Vec<String> = keys.iter().map(|key| loaded.secret(&path, key)).collect();
    loaded.secrets.entry(path).or_default().extend(more);
    loaded.keep(store)
}

/// How the `serve` of a store relates to a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// No `serve` that recorded this has ever run on this store.
    Unknown,
    /// The last `serve` has ended.
    Stopped { since_ms: i64 },
    /// It runs with exactly this configuration.
    Current { since_ms: i64, process: u32, dry_run: bool },
    /// It runs with another configuration.
    Older { since_ms: i64, process: u32, dry_run: bool, version: String, differs: Vec<Differs> },
}

/// A section that differs from the loaded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    pub section: String,
    pub keys: Vec<String>,
    pub kind: Difference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    New,
    Gone,
    Other,
}

impl Running {
    pub fn of(store: &mut dyn Store, config: &Config) -> Result<Running> {
        let Some(loaded) = Loaded::kept(store)? else { return Ok(Running::Unknown) };
        let Loaded { since_ms, process, dry_run, .. } = loaded;
        if !SqliteStore::is_served(&config.store.path) {
            return Ok(Running::Stopped { since_ms });
        }
        // Another version may print a value in another way, so a difference would say nothing.
        let is_this = loaded.version == VERSION;
        let differs = if is_this { loaded.compare(config) } else { Vec::new() };
        Ok(match is_this && differs.is_empty() {
            true => Running::Current { since_ms, process, dry_run },
            false => Running::Older { since_ms, process, dry_run, version: loaded.version, differs },
        })
    }

    /// The same, for a store that is opened for this alone; unknown if it does not open.
    pub fn of_store(config: &Config) -> Running {
        let path = &config.store.path;
        let store = path.exists().then(|| SqliteStore::open_to_read(path).ok()).flatten();
        store.and_then(|mut store| Running::of(&mut store, config).ok()).unwrap_or(Running::Unknown)
    }

    pub fn is_older(&self) -> bool {
        matches!(self, Running::Older { .. })
    }

    /// The fix, if one is needed.
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Running::Older { .. } => Some("restart it: `systemctl restart itop-bridge` where systemd runs it"),
            Running::Stopped { .. } => Some("start it: `systemctl start itop-bridge` where systemd runs it"),
            Running::Current { dry_run: true, .. } => Some("start it without `--dry-run` to let it write"),
            Running::Unknown | Running::Current { .. } => None,
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Running::Unknown => write!(out, "it is not known whether `serve` runs"),
            Running::Stopped { since_ms } => {
                write!(out, "`serve` does not run on this store; it was last started at {}", moment(*since_ms))
            }
            Running::Current { since_ms, process, dry_run } => {
                let dry = if *dry_run { ", as a dry run: it writes nothing" } else { "" };
                write!(
                    out,
                    "`serve` (process {process}, since {}) runs with this configuration{dry}",
                    moment(*since_ms)
                )
            }
            Running::Older { since_ms, process, dry_run, version, differs } if version == VERSION => {
                let dry = if *dry_run { ", as a dry run that writes nothing" } else { "" };
                let sections: Vec<String> = differs.iter().map(ToString::to_string).collect();
                write!(
                    out,
                    "`serve` (process {process}, since {}) runs with an older configuration{dry}: {}",
                    moment(*since_ms),
                    sections.join("; ")
                )
            }
            Running::Older { since_ms, process, version, .. } => write!(
                out,
                "`serve` (process {process}, since {}) is itop-bridge {version}, and this is {VERSION}",
                moment(*since_ms)
            ),
        }
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Differs { section, keys, kind } = self;
        match kind {
            Difference::New => write!(out, "[{section}] is new"),
            Difference::Gone => write!(out, "[{section}] is gone from the file"),
            Difference::Other => write!(out, "[{section}] differs ({})", keys.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use itop_bridge_engine::clock::VirtualClock;
    use itop_bridge_engine::random::SeededRandom;

    use super::*;

    const TEXT: &str = "[server]\nid = \"7f3a\"\n[internal]\nname = \"elitery\"\nurl = \"http://i\"\nuser = \"b\"\n\
                        password = \"${P}\"\napi_keys = [\"sk_internal_0123456789\"]\n\
                        [external.acme]\nurl = \"http://a\"\ntoken = \"t0ken\"\n\
                        api_keys = [\"sk_acme_0123456789\"]\nonly = \"all\"\n";
    const BETA: &str = "[external.beta]\nurl = \"http://b\"\ntoken = \"t\"\napi_keys = [\"sk_beta_0123456789\"]\n\
                        only = \"all\"\n";

    fn config(text: &str) -> Config {
        Config::parse(text, "b.toml", &|_| Some("hunter2-hunter2".to_owned())).unwrap()
    }

    fn loaded() -> Loaded {
        Loaded::now(&config(TEXT), false, &VirtualClock::starting_at(5), &SeededRandom::new(1))
    }

    fn differs(text: &str) -> Vec<String> {
        loaded().compare(&config(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_section_that_differs_is_named_with_its_keys() {
        assert_eq!(differs(TEXT), [""; 0]);
        assert_eq!(differs(&TEXT.replace("only = \"all\"", "only = \"id > 5\"")), ["[external.acme] differs (only)"]);
        assert_eq!(differs(&TEXT.replace("sk_acme", "sk_none")), ["[external.acme] differs (api_keys)"]);
        assert_eq!(differs(&TEXT.replace("${P}", "another")), ["[internal] differs (password)"]);
        assert_eq!(differs(&TEXT.replace("t0ken", "t1ken")), ["[external.acme] differs (token)"]);
        assert_eq!(differs(&format!("{TEXT}{BETA}")), ["[external.beta] is new"]);
        assert_eq!(
            differs(&format!("{TEXT}[sync]\nsweep_seconds = 60\n[alerts]\nwebhook_url = \"http://chat/1\"\n")),
            ["[alerts] is new", "[external.acme] differs (sync.sweep_seconds)"]
        );
        let both =
            Loaded::now(&config(&format!("{TEXT}{BETA}")), false, &VirtualClock::starting_at(5), &SeededRandom::new(1));
        let gone: Vec<String> = both.compare(&config(TEXT)).iter().map(ToString::to_string).collect();
        assert_eq!(gone, ["[external.beta] is gone from the file"]);
    }

    #[test]
    fn the_same_file_is_known_by_whatever_path_it_was_named() {
        let file = std::env::current_dir().unwrap().join("b.toml");
        let named = |file: &str| Config::parse(TEXT, file, &|_| Some("hunter2-hunter2".to_owned())).unwrap();
        assert_eq!(loaded().compare(&named(&file.to_string_lossy())), []);
        let differs = loaded().compare(&named("/elsewhere/b.toml"));
        assert_eq!(differs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[store] differs (url)"]);
    }

    #[test]
    fn a_secret_that_is_not_here_is_not_compared() {
        let read = |file: &std::path::Path| std::fs::read_to_string(file);
        let here = Config::parse_to_look(TEXT, "b.toml", &|_| None, &read).unwrap();
        assert_eq!(loaded().compare(&here), []);
    }

    #[test]
    fn a_log_in_that_is_reread_from_its_file_needs_no_restart() {
        let text = TEXT.replace("token = \"t0ken\"", "token_file = \"t\"");
        let read = |written: &'static str| move |_: &Path| Ok(written.to_owned());
        let parse = |text: &str, written| {
            Config::parse_to_look(text, "b.toml", &|_| Some("hunter2-hunter2".to_owned()), &read(written)).unwrap()
        };
        let before = Loaded::now(&parse(&text, "t0ken"), false, &VirtualClock::starting_at(5), &SeededRandom::new(1));
        assert_eq!(before.compare(&parse(&text, "t1ken")), []);
        let another = text.replace("token_file = \"t\"", "token_file = \"u\"");
        let differs: Vec<String> = before.compare(&parse(&another, "t1ken")).iter().map(ToString::to_string).collect();
        assert_eq!(differs, ["[external.acme] differs (token)"], "the process rereads the other file");
        let differs: Vec<String> = before.compare(&parse(TEXT, "")).iter().map(ToString::to_string).collect();
        assert_eq!(differs, [""; 0], "the same token, now in the configuration itself");
        let moved = TEXT.replace("t0ken", "t1ken");
        let differs: Vec<String> = before.compare(&parse(&moved, "")).iter().map(ToString::to_string).collect();
        assert_eq!(differs, ["[external.acme] differs (token)"]);
    }

    #[test]
    fn neither_a_secret_nor_what_gives_it_away_is_kept() {
        let text = serde_json::to_string(&loaded()).unwrap();
        for secret in ["hunter2", "sk_internal", "sk_acme", "t0ken"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(loaded().secrets.values().flatten().all(|hash| hash.len() == OF_SECRET), "a secret's hash is cut");
        let again = Loaded::now(&config(TEXT), false, &VirtualClock::starting_at(5), &SeededRandom::new(2));
        assert_ne!(again.values, loaded().values, "each start has a salt of its own");
    }

    #[test]
    fn what_was_read_again_differs_no_more() {
        let mut store = SqliteStore::open_in_memory().unwrap();
        loaded().keep(&mut store).unwrap();
        let key = [SecretString::from("sk_new_0123456789".to_owned())];
        keys_were_read(&mut store, "external.acme", &key).unwrap();
        let token = SecretString::from("t1ken".to_owned());
        login_was_read(&mut store, "external.acme", "token", &token).unwrap();
        let now = TEXT.replace("t0ken", "t1ken");
        let now = now.replace("[\"sk_acme_0123456789\"]", "[\"sk_new_0123456789\", \"sk_acme_0123456789\"]");
        assert_eq!(Loaded::kept(&mut store).unwrap().unwrap().compare(&config(&now)), []);
    }

    #[test]
    fn a_key_has_its_section_and_one_name() {
        for (path, section, key) in [
            ("external.acme.sync.title", "external.acme", "sync.title"),
            ("internal.defaults.org_id", "internal", "defaults.org_id"),
        ] {
            assert_eq!(in_section(path), (section.to_owned(), key.to_owned()));
        }
        assert_eq!(path_of("internal.api_key_files"), "internal.api_keys");
        assert_eq!(path_of("internal.password_file"), "internal.password");
        assert_eq!(path_of("internal.proxy"), "internal.proxy");
    }
}
