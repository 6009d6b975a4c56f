//! A log-in that was refused: where it comes from a file, that is read again before each next try, so that a
//! corrected one needs no restart.

use std::sync::atomic::Ordering;

use itop_client::Login;
use secrecy::{ExposeSecret as _, SecretString};

use super::Shared;
use super::itop::Itop;
use crate::config::{LoginSource, first_line};
use crate::running;

impl Shared {
    pub(super) async fn read_login_again(&self, itop: &Itop) {
        let LoginSource::File(file) = &itop.login_source else { return };
        if !itop.login_is_refused.load(Ordering::Relaxed) {
            return;
        }
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(itop = %itop.name, file = %file.display(), %error, "the file of the log-in cannot be read");
                return;
            }
        };
        let Some(secret) = first_line(&text).map(|secret| SecretString::from(secret.to_owned())) else { return };
        let (key, is_known, login) = match itop.client.login() {
            Login::Password { user, password } => {
                let is_known = password.expose_secret() == secret.expose_secret();
                ("password", is_known, Login::Password { user, password: secret.clone() })
            }
            Login::Token(token) => {
                ("token", token.expose_secret() == secret.expose_secret(), Login::Token(secret.clone()))
            }
        };
        if is_known {
            return;
        }
        if let Err(error) = itop.client.set_login(login) {
            tracing::warn!(itop = %itop.name, file = %file.display(), %error, "what the file of the log-in holds now cannot be sent");
            return;
        }
        tracing::info!(itop = %itop.name, file = %file.display(), "the file of the log-in holds another {key} now, which is tried");
        let section = itop.section().trim_matches(['[', ']']).to_owned();
        let noted = self.store.call(move |store| running::login_was_read(store, &section, key, &secret));
        if let Err(error) = noted.await {
            tracing::warn!(itop = %itop.name, %error, "that the log-in was read again was not stored: `check` takes the configuration for changed");
        }
    }
}
