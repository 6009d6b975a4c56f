//! The source of a log-in, and how a correction there reaches a running `serve`.

use std::fmt;
use std::path::PathBuf;

use super::{Login, Origins};

/// The source of a log-in: it decides whether a correction reaches a running `serve` at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginSource {
    File(PathBuf),
    Variables(Vec<String>),
    Written,
}

impl LoginSource {
    pub(super) fn of(login: &Login, section: &str, origins: &Origins) -> LoginSource {
        let key = if matches!(login, Login::Token(_)) { "token" } else { "password" };
        let origin = |key: &str| origins.get(&format!("{section}.{key}"));
        match (origin(&format!("{key}_file")).and_then(|origin| origin.read.first()), origin(key)) {
            (Some(file), None) => LoginSource::File(file.clone()),
            (_, Some(origin)) if !origin.variables.is_empty() => LoginSource::Variables(origin.variables.clone()),
            _ => LoginSource::Written,
        }
    }
}

/// How a correction reaches a running `serve`.
impl fmt::Display for LoginSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoginSource::File(file) => {
                write!(out, "a running `serve` reads {} again each minute while it is refused", file.display())
            }
            LoginSource::Variables(names) => {
                let names = names.join(" and ");
                write!(out, "`serve` takes {names} from its environment only at its start: restart it after a change")
            }
            LoginSource::Written => {
                write!(out, "`serve` reads the configuration only at its start: restart it after a change")
            }
        }
    }
}
