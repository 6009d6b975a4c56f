//! An administrator's account of one iTop, and the meaning of its refusals. It is passed for one run, in environment
//! variables, and stored nowhere.

use itop_client::{Client, Error, ErrorClass, Memory};
use secrecy::SecretString;

use super::{Installed, Wanted};
use crate::app::{self, MakeTransport, SideError};
use crate::config::{Login, SideConfig};

pub const USER: &str = "ITOP_BRIDGE_ADMIN_USER";
pub const PASSWORD: &str = "ITOP_BRIDGE_ADMIN_PASSWORD";

/// The account. Its `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct Admin {
    pub user: String,
    pub password: SecretString,
}

/// A failed call, with the side and the fix.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error("{side}: {what}. Fix: {fix}")]
    Refused { side: String, what: String, fix: String, error: Box<Error> },
}

impl AdminError {
    /// The failure, without the fix, which is `setup`'s.
    pub fn what(&self) -> String {
        match self {
            AdminError::Refused { what, .. } => what.clone(),
            AdminError::Side(error) => error.to_string(),
        }
    }

    /// The fix.
    pub fn fix(&self) -> Option<&str> {
        match self {
            AdminError::Refused { fix, .. } => Some(fix),
            AdminError::Side(_) => None,
        }
    }

    /// The error of the failed call.
    pub fn error(&self) -> Option<&Error> {
        match self {
            AdminError::Refused { error, .. } => Some(error),
            AdminError::Side(_) => None,
        }
    }
}

impl Admin {
    /// The account from the environment; none if no user is named.
    pub fn from(env: &dyn Fn(&str) -> Option<String>) -> Option<Admin> {
        let given = |name| env(name).filter(|value: &String| !value.is_empty());
        Some(Admin { user: given(USER)?, password: given(PASSWORD)?.into() })
    }

    /// A client of that side with this account instead of the bridge's own.
    pub fn client(&self, side: &SideConfig, transport: MakeTransport<'_>) -> Result<Client, SideError> {
        let login = Login::Password { user: self.user.clone(), password: self.password.clone() };
        // The side's own log-in is not used here; a proxy's password is.
        let absent = side.absent.iter().filter(|absent| absent.key.ends_with(".proxy")).cloned().collect();
        let side = SideConfig { login, absent, ..side.clone() };
        app::client(&side, &Memory::default(), transport(&side)?, None, false)
    }

    /// The present state of the wanted objects in that iTop.
    pub async fn read(&self, client: &Client, side: &SideConfig, wanted: &Wanted) -> Result<Installed, AdminError> {
        Installed::read(client, &wanted.classes())
            .await
            .map_err(|error| self.refused(side, error, "its webhooks were not read"))
    }

    /// A failure in words: the failed call, iTop's own message, and the fix.
    pub fn refused(&self, side: &SideConfig, error: Error, what: &str) -> AdminError {
        let fix = self.fix(side, &error);
        AdminError::Refused {
            side: format!("{} ({})", side.name, side.url),
            what: format!("{what}: {error}"),
            fix,
            error: Box::new(error),
        }
    }

    fn fix(&self, side: &SideConfig, error: &Error) -> String {
        let user = &self.user;
        match &error.class {
            ErrorClass::Login if error.message.contains("not authorized to use the web services") => {
                format!("give user \"{user}\" in iTop the profile \"REST Services User\" beside \"Administrator\"")
            }
            ErrorClass::Login => format!(
                "correct {USER} and {PASSWORD}: an administrator's account of this very iTop, enabled, that may log in with a password"
            ),
            ErrorClass::Rights { .. } if error.asked.operation.writes() => format!(
                "give user \"{user}\" the profile \"Administrator\"; if it has it, end the read-only mode (access_mode, a backup or an update under way) of this iTop"
            ),
            ErrorClass::Rights { .. } => format!(
                "user \"{user}\" is no administrator: name in {USER} one with the profiles \"Administrator\" and \"REST Services User\""
            ),
            ErrorClass::UnknownClass { .. } => {
                "install the extension combodo-webhook-integration in this iTop: it has no webhooks without it"
                    .to_owned()
            }
            ErrorClass::Transient | ErrorClass::WrongAddress { .. } => format!(
                "`itop-bridge check` says more about the way to this iTop; `url` of {} is {}. Then run setup again: it goes on where it stopped",
                side.name, side.url
            ),
            _ => "look into log/error.log of that iTop; running setup again goes on where it stopped".to_owned(),
        }
    }
}
