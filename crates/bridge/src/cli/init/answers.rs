//! The answers: everything that the configuration is made of.

use std::path::PathBuf;

use secrecy::SecretString;

use super::flags::{Log, Status};
use super::lookup::Choice;

/// Attribute codes, such as `org`, and the objects that they name, in the order of the file.
pub type Chosen = Vec<(&'static str, Choice)>;

/// The answers for a new configuration.
#[derive(Debug)]
pub struct Answers {
    pub internal: Account,
    pub defaults: Chosen,
    pub customer: Customer,
    pub listen: String,
    pub public_url: String,
    /// Facts that the person should know afterwards.
    pub notes: Vec<String>,
}

/// The answers for one external.
#[derive(Debug)]
pub struct Customer {
    pub account: Account,
    /// For the external's own tickets that have none.
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

/// One iTop, and an account that it has accepted.
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
    /// Goes into its own file beside the configuration.
    Typed(SecretString),
}
