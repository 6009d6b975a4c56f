//! The configuration: `itop-bridge.toml`, read, checked and resolved.
//!
//! A [`Config`] is complete: files are read, environment variables substituted, every override of an external merged,
//! every default filled in. Only the names in `defaults` stay unresolved, since only an iTop can look them up. All
//! mistakes of one file are reported at once, each with its line, its key and the fix.
//!
//! Relative paths are relative to the folder of the configuration file. In any string `${NAME}` is the environment
//! variable NAME, and `$${` is a plain `${`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use itop_bridge_engine::timing::Timing;
use itop_bridge_text::date_format::DateFormat;
use secrecy::SecretString;

use crate::shell;

mod document;
pub(crate) mod effective;
mod sections;
mod side;
mod source;
mod sync;
#[cfg(test)]
mod tests;

use document::Findings;
pub use document::first_line;
pub use itop_bridge_engine::settings::{Condition, DefaultValue, Defaults, LogCopy, OlderTickets, Only, SyncConfig};
pub use sections::name;
pub use side::{address, identity, is_sendable, known_identity};
pub use source::LoginSource;

#[derive(Debug, Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub internal: SideConfig,
    /// In the order of their names; empty if the last customer has left and there is a store that may know its pairs.
    pub externals: Vec<ExternalConfig>,
    pub alerts: Option<AlertsConfig>,
    /// Settings that work but should be fixed, such as a secret that every user of the machine can read.
    pub warnings: Vec<String>,
    /// Missing secrets: empty, unless the file was loaded for inspection ([`Config::load_to_look`]).
    pub absent: Vec<Problem>,
    pub origins: Origins,
}

/// Maps a dotted key, as written in the file, to the origin of its value. A default value has none.
pub type Origins = BTreeMap<String, Origin>;

/// The origin of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The path of the configuration file, as given.
    pub file: String,
    pub line: usize,
    /// The environment variables used in the value.
    pub variables: Vec<String>,
    /// The files that the value was read from.
    pub read: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Part of every mark: letters, digits and `-`.
    pub id: String,
    pub listen: SocketAddr,
    /// The bridge's address as both iTops reach it, without a trailing slash.
    pub public_url: String,
    pub coalesce_ms: i64,
}

#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
    pub keep_closed_days: u32,
}

/// One iTop and the means to reach it.
#[derive(Debug, Clone)]
pub struct SideConfig {
    /// The external's name, or `internal.name`.
    pub name: String,
    /// iTop's address without a trailing slash.
    pub url: String,
    pub login: Login,
    pub login_from: LoginSource,
    /// The keys that this iTop's webhooks may carry; at least one.
    pub api_keys: Vec<SecretString>,
    pub defaults: Defaults,
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// May contain a password.
    pub proxy: Option<SecretString>,
    /// The time zone of the times that this iTop prints, if the operator states it.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// The format of the dates that this iTop prints, if the operator states it.
    pub date_format: Option<DateFormat>,
    /// The most calls under way at once.
    pub max_calls: usize,
    /// A call that was sent may still be committed until this long after.
    pub settle_ms: i64,
    /// A call is given up once no byte has moved for this long.
    pub timeout_ms: i64,
    /// Missing secrets that a call would need; this side is then not called.
    pub absent: Vec<Problem>,
}

impl SideConfig {
    /// A side with only the values that a call needs.
    pub fn bare(name: &str, url: &str, user: &str, password: SecretString) -> SideConfig {
        SideConfig {
            name: name.to_owned(),
            url: url.to_owned(),
            login: Login::Password { user: user.to_owned(), password },
            login_from: LoginSource::Written,
            api_keys: Vec::new(),
            defaults: Defaults::new(),
            ca_file: None,
            proxy: None,
            time_zone: None,
            date_format: None,
            max_calls: 1,
            settle_ms: 0,
            timeout_ms: 30_000,
            absent: Vec::new(),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Login {
    Password { user: String, password: SecretString },
    Token(SecretString),
}

#[derive(Debug, Clone)]
pub struct ExternalConfig {
    pub side: SideConfig,
    /// `[internal].defaults`, overridden by this customer's own: for this customer's internal tickets.
    pub internal_defaults: Defaults,
    pub only: Only,
    pub sync: SyncConfig,
    /// The external's name in marks: its own name, or its first one.
    pub name_in_marks: String,
}

impl ExternalConfig {
    pub fn name(&self) -> &str {
        &self.side.name
    }
}

#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// A chat's webhook address is itself a key to the chat.
    pub webhook_url: SecretString,
    pub silence_ms: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {cause}. `itop-bridge init` asks a few questions and writes one; --config names one in another folder", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{}", join(problems, warnings, lacks))]
    Invalid {
        problems: Vec<Problem>,
        /// Settings that work but should be fixed with the rest.
        warnings: Vec<String>,
        /// Missing secrets, and the keys that need them.
        lacks: Vec<Problem>,
    },
}

/// One mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1; 0 if no line can be named.
    pub line: usize,
    /// The dotted key, such as `external.acme.url`; empty for a mistake of syntax.
    pub key: String,
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:", self.file)?;
        if self.line > 0 {
            write!(out, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", self.key)?;
        }
        write!(out, " {}", self.text)
    }
}

/// How a command gets the service's user and environment if the service runs under the supplied systemd unit.
fn beside_the_service(file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!(
        "If systemd runs `serve`, run the verb with the unit's user and environment: `sudo systemd-run --pipe --quiet \
         --wait -p User=itop-bridge -p EnvironmentFile=/etc/itop-bridge/itop-bridge.env itop-bridge --config {} VERB`",
        shell::quoted_path(&file)
    )
}

fn join(problems: &[Problem], warnings: &[String], lacks: &[Problem]) -> String {
    let mut all: Vec<&Problem> = problems.iter().chain(lacks).collect();
    all.sort_by_key(|problem| problem.line);
    let mut lines: Vec<String> = all.into_iter().map(Problem::to_string).collect();
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(lacks.first().map(|lack| beside_the_service(Path::new(&lack.file))));
    lines.join("\n")
}

/// The missing secrets that a call to this section's side needs: all but its webhooks' keys.
fn of_login(absent: &[Problem], section: &str) -> Vec<Problem> {
    let keys = ["password", "password_file", "token", "token_file", "proxy"];
    let is_of_login = |problem: &&Problem| keys.iter().any(|key| problem.key == format!("{section}.{key}"));
    absent.iter().filter(is_of_login).cloned().collect()
}

impl Config {
    /// All sides, the internal first.
    pub fn sides(&self) -> impl Iterator<Item = &SideConfig> {
        std::iter::once(&self.internal).chain(self.externals.iter().map(|external| &external.side))
    }

    /// Reads the file, with the process's environment.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        Config::load_to_look(path)?.with_all_secrets()
    }

    /// The same, but secrets may be missing: for a command that needs none or only some of them. The command demands
    /// those that it uses with [`Config::need`]; a side without its secret is not called.
    pub fn load_to_look(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let env = |name: &str| std::env::var(name).ok();
        Config::parse_to_look(&text, &path.to_string_lossy(), &env, &|file| std::fs::read_to_string(file))
    }

    /// Reads a text as if it were the contents of `file_name`. Files that it names are read too.
    pub fn parse(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        Config::parse_with(text, file_name, env, &|file| std::fs::read_to_string(file))
    }

    /// The same, if files that the text names may not exist yet: `read` supplies their contents.
    pub fn parse_with(
        text: &str,
        file_name: &str,
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Config, ConfigError> {
        Config::parse_to_look(text, file_name, env, read)?.with_all_secrets()
    }

    /// The same, but secrets may be missing.
    pub fn parse_to_look(
        text: &str,
        file_name: &str,
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Config, ConfigError> {
        let document = document::Document::new(text, file_name, env, read);
        let config = sections::read(&document);
        let origins = document.origins();
        let Findings { problems, absent, warnings } = document.into_findings();
        match config {
            Some(mut config) if problems.is_empty() => {
                let note = |side: &mut SideConfig, section: &str| {
                    side.absent = of_login(&absent, section);
                    side.login_from = LoginSource::of(&side.login, section, &origins);
                };
                note(&mut config.internal, "internal");
                for external in &mut config.externals {
                    let section = format!("external.{}", external.side.name);
                    note(&mut external.side, &section);
                }
                Ok(Config { warnings, absent, origins, ..config })
            }
            _ => Err(ConfigError::Invalid { problems, warnings, lacks: absent }),
        }
    }

    fn with_all_secrets(self) -> Result<Config, ConfigError> {
        let Config { absent, warnings, .. } = &self;
        if absent.is_empty() {
            return Ok(self);
        }
        Err(ConfigError::Invalid { problems: Vec::new(), warnings: warnings.clone(), lacks: absent.clone() })
    }

    /// Fails if one of these sides cannot be called for lack of a secret.
    pub fn need(&self, sides: &[&str]) -> Result<(), ConfigError> {
        let all = self.sides();
        let lacks: Vec<Problem> =
            all.filter(|side| sides.contains(&&*side.name)).flat_map(|side| side.absent.clone()).collect();
        match lacks.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Invalid { problems: Vec::new(), warnings: Vec::new(), lacks }),
        }
    }

    /// The same for all sides.
    pub fn need_every_side(&self) -> Result<(), ConfigError> {
        let externals = self.externals.iter().map(ExternalConfig::name);
        self.need(&externals.chain([&*self.internal.name]).collect::<Vec<_>>())
    }

    /// Fails if a key of this side's webhooks is missing.
    pub fn need_keys(&self, side: &str) -> Result<(), ConfigError> {
        let section = self.section(side);
        let is_key = |problem: &&Problem| {
            [format!("{section}.api_keys"), format!("{section}.api_key_files")].contains(&problem.key)
        };
        let lacks: Vec<Problem> = self.absent.iter().filter(is_key).cloned().collect();
        match lacks.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Invalid { problems: Vec::new(), warnings: Vec::new(), lacks }),
        }
    }

    /// A side's section, dotted.
    pub fn section(&self, side: &str) -> String {
        if side == self.internal.name { "internal".to_owned() } else { format!("external.{side}") }
    }

    /// The default timing of `serve`, with this file's values.
    pub fn timing(&self) -> Timing {
        Timing { coalesce_ms: self.server.coalesce_ms, ..Timing::default() }
    }
}
