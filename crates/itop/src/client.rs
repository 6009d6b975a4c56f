//! The client: its settings, and the state that its clones share.
//!
//! `operations.rs` defines the contents of a call, `client/call.rs` makes it, and `outcome.rs` judges how it ended.

mod call;
mod config;
mod observer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Uri};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::memory::{Memory, Reservation};
use crate::multipart;
use crate::outcome::History;
use crate::transport::{Body, Transport};
use config::{check_login, checked_base_url, token_header};

pub use call::ServerTold;
pub(crate) use call::{Call, Clocked, Sent};
pub use config::{ClientConfig, ConfigError, Login};
pub use observer::{CallEnd, Observer};

/// The number of log-ins remembered: far more than are replaced while a call is under way.
const MOST_LOGINS: usize = 16;

/// Called whenever bytes have moved; one call may report several pieces. It must not block.
pub type ProgressHook = Arc<dyn Fn() + Send + Sync>;

/// A client of one iTop with one account. A clone is the same client; the methods that return a client make a clone
/// that differs in one setting.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    on_progress: Option<ProgressHook>,
    start_by: Option<Instant>,
    reservation: Option<Reservation>,
}

struct Shared {
    base_url: String,
    config: ClientConfig,
    /// The configured log-in, then its replacements: the last one counts. No message may contain an earlier one
    /// either, since a call with it may still be under way.
    logins: Mutex<Vec<Login>>,
    transport: Arc<dyn Transport>,
    places: Semaphore,
    history: History,
    /// No call is sent before then.
    not_before: Mutex<Option<Instant>>,
}

impl Client {
    pub fn new(config: ClientConfig, transport: Arc<dyn Transport>) -> Result<Client, ConfigError> {
        let base_url = checked_base_url(&config.base_url)?;
        check_login(&config.login)?;
        if config.max_calls == 0 {
            return Err(ConfigError::NoCalls);
        }
        let shared = Shared {
            base_url,
            places: Semaphore::new(config.max_calls.min(Semaphore::MAX_PERMITS)),
            logins: Mutex::new(vec![config.login.clone()]),
            config,
            transport,
            history: History::default(),
            not_before: Mutex::default(),
        };
        Ok(Client { shared: Arc::new(shared), on_progress: None, start_by: None, reservation: None })
    }

    /// Calls `hook` whenever bytes of this client's calls move: for renewing a lease.
    #[must_use]
    pub fn with_progress(&self, hook: ProgressHook) -> Client {
        Client { on_progress: Some(hook), ..self.clone() }
    }

    /// A call that cannot be started by this time, for lack of a place or of memory, is not made at all: a transient
    /// error without effect. Connecting comes after that, with its own time-out.
    #[must_use]
    pub fn starting_by(&self, instant: Instant) -> Client {
        Client { start_by: Some(instant), ..self.clone() }
    }

    /// Calls take their memory from `reservation` instead of the budget.
    #[must_use]
    pub fn within(&self, reservation: &Reservation) -> Client {
        Client { reservation: Some(reservation.clone()), ..self.clone() }
    }

    /// Without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    pub fn memory(&self) -> &Memory {
        &self.shared.config.memory
    }

    /// The smallest request, in bytes, that this iTop has refused for its size.
    pub fn refused_bytes(&self) -> Option<u64> {
        self.shared.history.refused_bytes()
    }

    /// Until then this client and its clones send no call: each fails with [`ErrorClass::Throttled`], without effect.
    /// Something in front of this iTop has asked for fewer calls.
    pub fn hold_back_until(&self, instant: Instant) {
        *self.shared.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(instant);
    }

    fn is_held_back(&self) -> bool {
        let not_before = self.shared.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.is_some_and(|instant| Instant::now() < instant)
    }

    pub(crate) fn history(&self) -> &History {
        &self.shared.history
    }

    /// The present log-in.
    pub fn login(&self) -> Login {
        self.logins().last().cloned().expect("there is one from the start")
    }

    pub(crate) fn logins(&self) -> MutexGuard<'_, Vec<Login>> {
        self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log-in for the further calls of this client and its clones.
    pub fn set_login(&self, login: Login) -> Result<(), ConfigError> {
        check_login(&login)?;
        let mut logins = self.logins();
        logins.push(login);
        let old = logins.len().saturating_sub(MOST_LOGINS);
        logins.drain(..old);
        Ok(())
    }

    pub(crate) fn other_secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.shared.config.secrets.iter()
    }

    pub(crate) fn max_answer_bytes(&self) -> u64 {
        self.shared.config.max_answer_bytes
    }

    /// The request for a REST operation whose JSON is `json`.
    pub(crate) fn rest_request(&self, json: Body) -> http::Request<Body> {
        let mut request = http::Request::default();
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri("/webservices/rest.php?version=1.3");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(multipart::CONTENT_TYPE));
        let body = match &self.login() {
            Login::Password { user, password } => {
                multipart::form(&[("auth_user", user), ("auth_pwd", password.expose_secret())], json)
            }
            Login::Token(token) => {
                headers.insert("auth-token", token_header(token).expect("checked in `new`"));
                multipart::form(&[], json)
            }
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *request.body_mut() = body;
        request
    }

    /// `path_and_query` must consist of characters that a URL may contain unescaped.
    pub(crate) fn uri(&self, path_and_query: &str) -> Uri {
        format!("{}{path_and_query}", self.shared.base_url).parse().expect("checked in `new`")
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
