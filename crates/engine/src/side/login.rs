//! Re-reads the secret of a refused log-in before each further try, so that a correction needs no restart.

use std::sync::atomic::Ordering;

use itop_bridge_store::{Result, Store};
use itop_client::Login;
use secrecy::{ExposeSecret as _, SecretString};

use crate::Shared;
use crate::side::itop::Itop;

/// The source of a side's secret.
pub trait LoginSource: Send + Sync {
    /// Tells the operator how a correction of the secret reaches a running `serve`.
    fn how_to_correct(&self) -> String;

    /// Where the secret stands, such as the path of a file.
    fn place(&self) -> String;

    /// The present secret; `None` if only a restart reads it again.
    fn read(&self) -> std::io::Result<Option<SecretString>>;

    /// Records in the store that the bridge now uses this secret, a `password` or a `token`.
    fn was_read(&self, store: &mut dyn Store, key: &str, secret: &SecretString) -> Result<()>;
}

pub(crate) async fn read_login_again(shared: &Shared, itop: &Itop) {
    let Some(source) = itop.login_source.clone() else { return };
    if !itop.login_is_refused.load(Ordering::Relaxed) {
        return;
    }
    let secret = match source.read() {
        Ok(Some(secret)) => secret,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(itop = %itop.name, %error, "the log-in cannot be read again");
            return;
        }
    };
    let (key, is_known, login) = match itop.client.login() {
        Login::Password { user, password } => {
            let is_known = password.expose_secret() == secret.expose_secret();
            ("password", is_known, Login::Password { user, password: secret.clone() })
        }
        Login::Token(token) => ("token", token.expose_secret() == secret.expose_secret(), Login::Token(secret.clone())),
    };
    if is_known {
        return;
    }
    if let Err(error) = itop.client.set_login(login) {
        tracing::warn!(itop = %itop.name, file = source.place(), %error, "what the file of the log-in holds now cannot be sent");
        return;
    }
    tracing::info!(itop = %itop.name, file = source.place(), "the file of the log-in holds another {key} now, which is tried");
    let noted = shared.store.call(move |store| source.was_read(store, key, &secret));
    if let Err(error) = noted.await {
        tracing::warn!(itop = %itop.name, %error, "that the log-in was read again was not stored: `check` takes the configuration for changed");
    }
}
