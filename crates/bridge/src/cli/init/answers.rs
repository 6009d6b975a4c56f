//! What was answered: all that the configuration is made of.

use std::path::PathBuf;

use secrecy::SecretString;

use super::flags::{Log, Status};
use super::lookup::Choice;

/// Attribute code, such as `org`, and what it names, in the order of the file.
pub type Chosen = Vec<(&'static str, Choice)>;

/// Of a new configuration.
#[derive(Debug)]
pub struct Answers {
    pub internal: Account,
    pub defaults: Chosen,
    pub customer: Customer,
    pub listen: String,
    pub public_url: String,
    /// What the person should know of them afterwards.
    pub notes: Vec<String>,
}

/// Of one external.
#[derive(Debug)]
pub struct Customer {
    pub account: Account,
    /// For its own tickets that have none.
    pub defaults: Chosen,
    pub only: String,
    pub sync: Sync,
}

/// The keys of `[sync]` that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    pub status_to_external: Status,
    pub private_log_to_internal: Log,
    pub private_log_to_external: Log,
}

impl Default for Sync {
    fn default() -> Sync {
        let log = Log::Attachment;
        Sync { status_to_external: Status::Report, private_log_to_internal: log, private_log_to_external: log }
    }
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
