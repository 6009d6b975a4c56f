//! What was answered: all that the configuration is made of.

use std::path::PathBuf;

use secrecy::SecretString;

use super::flags::{Log, Status};
use super::lookup::Choice;

#[derive(Debug)]
pub struct Answers {
    pub internal: Account,
    pub external: Account,
    /// Attribute code, such as `org`, and what it names, in the order of the file.
    pub defaults: Vec<(&'static str, Choice)>,
    pub external_defaults: Vec<(&'static str, Choice)>,
    pub only: String,
    pub status_to_external: Status,
    pub private_log_to_internal: Log,
    pub private_log_to_external: Log,
    pub listen: String,
    pub public_url: String,
    /// What the person should know of them afterwards.
    pub notes: Vec<String>,
}

/// One iTop, and the account that it has let in.
#[derive(Debug)]
pub struct Account {
    pub name: String,
    pub url: String,
    pub user: String,
    pub password: Password,
}

#[derive(Debug, Clone)]
pub enum Password {
    /// As it was written: `${NAME}`.
    Variable(String),
    File(PathBuf),
    /// Goes into a file of its own beside the configuration.
    Typed(SecretString),
}
