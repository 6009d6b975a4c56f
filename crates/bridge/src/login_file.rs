//! The engine's access to a configured log-in: rereads the secret if it comes from a file.

use std::fs;
use std::io;

use itop_bridge_engine::LoginSource as Reread;
use itop_bridge_store::{Result, Store};
use secrecy::SecretString;

use crate::config::{LoginSource, first_line};
use crate::running;

/// The log-in of one section of the configuration.
pub struct ConfiguredLogin {
    /// `internal`, or `external.NAME`.
    pub section: String,
    pub from: LoginSource,
}

impl Reread for ConfiguredLogin {
    fn how_to_correct(&self) -> String {
        self.from.to_string()
    }

    fn place(&self) -> String {
        match &self.from {
            LoginSource::File(file) => file.display().to_string(),
            LoginSource::Variables(_) | LoginSource::Written => String::new(),
        }
    }

    fn read(&self) -> io::Result<Option<SecretString>> {
        let LoginSource::File(file) = &self.from else { return Ok(None) };
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        Ok(first_line(&text).map(|secret| SecretString::from(secret.to_owned())))
    }

    fn was_read(&self, store: &mut dyn Store, key: &str, secret: &SecretString) -> Result<()> {
        running::login_was_read(store, &self.section, key, secret)
    }
}
