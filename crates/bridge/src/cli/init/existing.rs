//! An existing configuration, and how a customer is added to it: the file stays as it is, and gets one more section.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_store::{SqliteStore, Store as _};

use super::account::Others;
use super::answers::Sync;
use super::flags::{Log, Status};
use crate::cli::store;
use crate::config::{Condition, Config, ExternalConfig, LogCopy, Only, SyncConfig, identity};
use crate::sides::{self, Contradiction};

pub struct Existing {
    /// The path as given: relative paths in the file start from its folder.
    named: PathBuf,
    /// The path of the file itself, with links resolved.
    pub path: PathBuf,
    pub config: Config,
    /// The settings of a customer without its own `sync` keys.
    general: SyncConfig,
    /// None where `serve` never ran.
    store: Option<RefCell<SqliteStore>>,
}

impl Existing {
    /// The configuration at this path; none if there is no such file.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Option<Existing>> {
        if !path.exists() {
            return Ok(None);
        }
        let shown = path.display();
        let why = || {
            format!(
                "{shown} exists, and is left as it is: `init` adds a customer only to a valid configuration. Correct \
                 it first, or name a new file with --config"
            )
        };
        let real = path.canonicalize().with_context(why)?;
        let text = std::fs::read_to_string(&real).with_context(why)?;
        let config = read(&text, path, env).with_context(why)?;
        let general = general(&text, path, &config, env).with_context(why)?;
        config.need(&[&config.internal.name])?;
        let store = match config.store.path.exists() {
            true => Some(RefCell::new(store::to_read(&config)?)),
            false => None,
        };
        Ok(Some(Existing { named: path.to_owned(), path: real, config, general, store }))
    }

    /// The customer's settings if no others are given.
    pub fn sync(&self) -> Sync {
        let log = |copy| match copy {
            LogCopy::Attachment => Log::Attachment,
            LogCopy::Off => Log::Off,
        };
        Sync {
            status_to_external: match self.general.status_to_external {
                StatusToExternal::Report => Status::Report,
                StatusToExternal::Apply => Status::Apply,
                StatusToExternal::Off => Status::Off,
            },
            private_log_to_internal: log(self.general.private_log_to_internal),
            private_log_to_external: log(self.general.private_log_to_external),
        }
    }

    /// The classes of a customer's tickets that cross.
    pub fn classes(&self) -> Vec<&str> {
        self.general.classes.keys().map(String::as_str).collect()
    }

    /// The contradiction that the store would report for such an external.
    fn contradiction(&self, name: &str, url: &str) -> anyhow::Result<Option<String>> {
        let Some(store) = &self.store else { return Ok(None) };
        let mut config = self.config.clone();
        let mut side = config.internal.clone();
        (side.name, side.url) = (name.to_owned(), url.to_owned());
        config.externals.push(ExternalConfig {
            side,
            internal_defaults: config.internal.defaults.clone(),
            only: Only::Every(Condition::All),
            sync: self.general.clone(),
            name_in_marks: name.to_owned(),
        });
        let compared = sides::compare(&mut *store.borrow_mut(), &config)?;
        let moved = compared.moved.iter().find(|moved| moved.side == name);
        let moved = moved.map(|moved| {
            let was = &moved.was;
            format!("the store knows {name} as the iTop at {was}: it is another customer's name. Give another one")
        });
        let found = compared.contradictions.iter().find(|found| found.is_about(name));
        Ok(found.map(told).or(moved))
    }

    /// The text with these sections added at its end, and otherwise unchanged. The result must be valid.
    pub fn with(
        &self,
        sections: &str,
        env: &dyn Fn(&str) -> Option<String>,
        read: ReadFile<'_>,
    ) -> anyhow::Result<String> {
        // Read again: somebody may have edited it meanwhile.
        let path = &self.path;
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = appended(&text, sections);
        Config::parse_to_look(&text, &self.named.to_string_lossy(), env, read)
            .with_context(|| format!("{} cannot take another section; nothing was written", path.display()))?;
        Ok(text)
    }
}

/// Reads a file that a configuration names.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

impl Others for Existing {
    fn name(&self, name: &str) -> Result<(), String> {
        if name == self.config.internal.name {
            return Err(format!("{name} is the provider's name"));
        }
        if self.config.externals.iter().any(|external| external.name() == name) {
            return Err(format!("[external.{name}] is there already"));
        }
        if let Some(other) = self.config.externals.iter().find(|external| external.name_in_marks == name) {
            let other = other.name();
            return Err(format!("{name} stands in the marks of {other}'s tickets; give another name"));
        }
        match self.contradiction(name, NOWHERE).map_err(|error| format!("{error:#}"))? {
            // A customer that had left may come back, which its address shows.
            Some(_) if self.is_known_at_an_address(name)? => Ok(()),
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }

    fn address(&self, name: &str, url: &str) -> Result<(), String> {
        let sides = std::iter::once(&self.config.internal).chain(self.config.externals.iter().map(|one| &one.side));
        let same = sides.into_iter().find(|side| identity(&side.url) == identity(url));
        if let Some(same) = same {
            return Err(format!("this is the iTop of {}, which is in the configuration already", same.name));
        }
        match self.contradiction(name, url).map_err(|error| format!("{error:#}"))? {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }
}

/// An address where no iTop is.
const NOWHERE: &str = "http://nowhere.invalid";

impl Existing {
    fn is_known_at_an_address(&self, name: &str) -> Result<bool, String> {
        let Some(store) = &self.store else { return Ok(false) };
        let mut store = store.borrow_mut();
        let known = store.externals().map_err(|error| error.to_string())?;
        let (address, _) = sides::remembered(&mut *store, name).map_err(|error| error.to_string())?;
        Ok(address.is_some() && known.iter().any(|external| external.name == name))
    }
}

/// The contradiction, with what to answer: nothing was written yet.
fn told(found: &Contradiction) -> String {
    match found {
        Contradiction::Renamed { old, .. } => {
            format!("the store knows the iTop at this address as {old}: give it that name")
        }
        _ => format!("{found}: {}", found.fix()),
    }
}

fn read(text: &str, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Config> {
    Ok(Config::parse_to_look(text, &path.to_string_lossy(), env, &|file| std::fs::read_to_string(file))?)
}

/// The settings of a customer with minimal keys, tried on the text, so that a file that cannot take another section
/// is refused before anything is asked.
fn general(
    text: &str,
    path: &Path,
    config: &Config,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<SyncConfig> {
    let is_taken = |name: &str| {
        config.internal.name == name
            || config.externals.iter().any(|other| other.name() == name || other.name_in_marks == name)
    };
    let name = (0..).map(|n| format!("new-{n}")).find(|name| !is_taken(name)).unwrap_or_default();
    let section = format!(
        "[external.{name}]\nurl = \"{NOWHERE}\"\ntoken = \"t\"\napi_keys = [\"sk_of-nobody-but-to-try\"]\nonly = \"all\"\n"
    );
    let tried = read(&appended(text, &section), path, env)?;
    let found = tried.externals.into_iter().find(|external| external.name() == name);
    found.map(|external| external.sync).ok_or_else(|| anyhow!("it takes no section more"))
}

/// The unchanged text, followed by the addition.
fn appended(text: &str, sections: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let sections = sections.replace('\n', end);
    let before = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    format!("{text}{before}{end}{sections}")
}
