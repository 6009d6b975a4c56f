//! The configuration of a client, and its checks.

use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Observer;
use crate::memory::Memory;

/// The account's credentials. `Debug` shows neither password nor token.
#[derive(Clone, Debug)]
pub enum Login {
    Password {
        user: String,
        password: SecretString,
    },
    /// Sent as header `Auth-Token`: iTop's module authent-token, 3.1 and later.
    Token(SecretString),
}

#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The URL of iTop's root, such as `https://itop.example/itop`.
    pub base_url: String,
    pub login: Login,
    /// Secrets besides the login's that no message may contain, such as a proxy's password.
    pub secrets: Vec<SecretString>,
    /// A call is given up when no byte has moved, in either direction, for this long. A whole call has no limit: a
    /// large file may take its time.
    pub timeout: Duration,
    /// The most calls at a time, for this client and its clones together.
    pub max_calls: usize,
    /// Shared by the clients of a process.
    pub memory: Memory,
    /// Largest answer of a call that reads no contents.
    pub max_answer_bytes: u64,
    /// A call that may change this iTop is not sent: it fails at once, without effect.
    pub only_reads: bool,
    pub observer: Option<Observer>,
}

impl ClientConfig {
    pub fn new(base_url: impl Into<String>, login: Login) -> ClientConfig {
        ClientConfig {
            base_url: base_url.into(),
            login,
            secrets: Vec::new(),
            timeout: Duration::from_secs(30),
            max_calls: 4,
            memory: Memory::default(),
            max_answer_bytes: 64 << 20,
            only_reads: false,
            observer: None,
        }
    }
}

/// Why no client can be made. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("not the URL of an iTop: {0}")]
    Url(String),
    #[error("the {0} has line breaks or other characters that cannot be sent")]
    Login(&'static str),
    #[error("max_calls must be at least 1")]
    NoCalls,
}

pub(super) fn checked_base_url(given: &str) -> Result<String, ConfigError> {
    let bad = |why: &str| ConfigError::Url(why.to_owned());
    let url = Url::parse(given.trim()).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("the account does not go into it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it ends before ? and #"));
    }
    if url.path().ends_with(".php") {
        return Err(bad("it is the root of iTop, without a page's name"));
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    base.parse::<Uri>().map_err(|error| bad(&error.to_string()))?;
    Ok(base)
}

/// Line breaks would end a form field or a header in its middle.
pub(super) fn check_login(login: &Login) -> Result<(), ConfigError> {
    let is_sendable = |text: &str| !text.contains(['\r', '\n', '\0']);
    match login {
        Login::Password { user, .. } if !is_sendable(user) => Err(ConfigError::Login("user name")),
        Login::Password { password, .. } if !is_sendable(password.expose_secret()) => {
            Err(ConfigError::Login("password"))
        }
        Login::Token(token) if token_header(token).is_none() => Err(ConfigError::Login("token")),
        _ => Ok(()),
    }
}

pub(super) fn token_header(token: &SecretString) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(token.expose_secret()).ok()?;
    header.set_sensitive(true);
    Some(header)
}
