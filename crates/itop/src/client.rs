//! The client: its configuration, and how one call is made.
//!
//! A call waits for room in the budget of bytes and for one of `max_calls` places, and is then sent with one time-out
//! around it. `operations.rs` defines the contents of a call, `outcome.rs` the meaning of its end.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use http::{Method, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use url::Url;

use crate::answer::{self, Answer};
use crate::error::{Asked, Error, ErrorClass};
use crate::memory::{Memory, Reservation};
use crate::multipart;
use crate::outcome::History;
use crate::transport::{Body, MaxAnswerBytes, PeerCertificate, Progress, Transport, TransportError};

/// The number of log-ins remembered: far more than are replaced while a call is under way.
const MOST_LOGINS: usize = 16;

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

/// How one call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd<'a> {
    pub asked: &'a Asked,
    /// From the sending of the call to the end of its answer, without the wait for a place or for memory.
    pub took: Duration,
    /// The class of the call's error, if it ended with one.
    pub error: Option<&'a ErrorClass>,
}

/// Called at the end of each call that was sent. It must not block.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(CallEnd<'_>) + Send + Sync>);

impl Observer {
    pub fn new(told: impl Fn(CallEnd<'_>) + Send + Sync + 'static) -> Observer {
        Observer(Arc::new(told))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Called whenever bytes have moved; one call may report several pieces. It must not block.
pub type ProgressHook = Arc<dyn Fn() + Send + Sync>;

/// A client of one iTop with one account. A clone is the same client; the methods that return a
/// client make a clone that differs in one setting.
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

/// One call, before it is sent.
pub(crate) struct Call {
    pub asked: Asked,
    pub request: http::Request<Body>,
    /// The bytes to reserve from the budget; 0 for a call without contents.
    pub charge_bytes: u64,
    pub max_answer_bytes: u64,
    /// A secret of this call only, such as an image's: kept out of its errors too.
    pub secret: Option<String>,
}

/// The facts about a call when its end is judged.
pub(crate) struct Sent {
    pub asked: Asked,
    /// Length of the whole body.
    pub bytes: u64,
    /// As in [`Call`].
    pub charge_bytes: u64,
    pub secret: Option<String>,
}

/// An answer with HTTP 200, whatever is in it.
pub(crate) struct Received {
    pub body: Bytes,
    pub from: ServerTold,
}

/// The server's statements about itself in its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTold {
    /// The HTTP header `Date` of the answer, as it came.
    pub date: Option<String>,
    /// None over plain HTTP.
    pub certificate: Option<PeerCertificate>,
}

/// The time when a call was sent; none if it was not.
#[derive(Default)]
pub(crate) struct Clocked(Option<Instant>);

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

    /// Makes a REST call and gives its answer with code 0 to `read`.
    pub(crate) async fn rest<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answer<'_>, ServerTold) -> Result<T, String>,
    ) -> Result<T, Error> {
        let (asked, mut clocked) = (call.asked.clone(), Clocked::default());
        let sent_bytes = call.request.body().len();
        let mut outcome = self.rest_unobserved(call, read, &mut clocked).await;
        if outcome.as_ref().is_err_and(|error| self.may_be_a_packet_too_large(error, sent_bytes))
            && self.small_call_is_answered().await
        {
            outcome = outcome.map_err(|error| self.packet_too_large(error, sent_bytes));
        }
        self.observe(&asked, &clocked, outcome.as_ref().err());
        outcome
    }

    /// Boxed, since it is itself such a call.
    fn small_call_is_answered(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.check_login().await.is_ok() })
    }

    async fn rest_unobserved<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answer<'_>, ServerTold) -> Result<T, String>,
        clocked: &mut Clocked,
    ) -> Result<T, Error> {
        // Boxed: a caller's future holds one of these per place that it calls from, and would not fit a thread's stack.
        let (received, sent, _memory) = Box::pin(self.send(call, clocked)).await?;
        let text = answer::as_text(&received.body);
        match Answer::find(&text) {
            Ok(answer) if answer.code == 0 => {
                self.shared.history.note_login();
                read(&answer, received.from).map_err(|message| self.useless(sent, &message))
            }
            Ok(answer) => Err(self.refusal(sent, &answer)),
            Err(no_answer) => Err(self.no_answer(sent, &text, no_answer)),
        }
    }

    pub(crate) fn observe(&self, asked: &Asked, clocked: &Clocked, error: Option<&Error>) {
        let (Some(observer), Some(sent_at)) = (&self.shared.config.observer, clocked.0) else { return };
        (observer.0)(CallEnd { asked, took: sent_at.elapsed(), error: error.map(|error| &error.class) });
    }

    /// Sends and receives. The returned memory must be held as long as the received bytes.
    pub(crate) async fn send(
        &self,
        call: Call,
        clocked: &mut Clocked,
    ) -> Result<(Received, Sent, Option<Reservation>), Error> {
        let Call { asked, mut request, charge_bytes, max_answer_bytes, secret } = call;
        request.extensions_mut().insert(MaxAnswerBytes(max_answer_bytes));
        let sent = Sent { asked, bytes: request.body().len(), charge_bytes, secret };
        if self.shared.config.only_reads && sent.asked.operation.writes() {
            return Err(self.would_write(sent));
        }
        if self.is_held_back() {
            return Err(self.held_back(sent));
        }
        let Some((memory, _place)) = self.start(charge_bytes).await else {
            return Err(self.not_started(sent));
        };
        clocked.0 = Some(Instant::now());
        match self.send_while_bytes_move(request).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
                let date = date.map(str::to_owned);
                let certificate = response.extensions().get::<PeerCertificate>().cloned();
                Ok((Received { body: response.into_body(), from: ServerTold { date, certificate } }, sent, memory))
            }
            Ok(response) => Err(self.bad_status(sent, &response)),
            Err(error) => Err(self.no_response(sent, error)),
        }
    }

    /// Memory first, then a place: a call that waits for memory must not keep others waiting.
    async fn start(&self, bytes: u64) -> Option<(Option<Reservation>, SemaphorePermit<'_>)> {
        let acquire = async {
            let memory = match (&self.reservation, bytes) {
                (_, 0) => None,
                (Some(reservation), _) => Some(reservation.clone()),
                (None, bytes) => Some(self.shared.config.memory.reserve(bytes).await),
            };
            let place = self.shared.places.acquire().await;
            (memory, place.expect("the semaphore of places is never closed"))
        };
        match self.start_by {
            None => Some(acquire.await),
            Some(instant) if Instant::now() > instant => None,
            Some(instant) => tokio::time::timeout_at(instant, acquire).await.ok(),
        }
    }

    /// The only place where a call is given up for silence.
    async fn send_while_bytes_move(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let timeout = self.shared.config.timeout;
        let progress = Progress::new();
        let sending = self.shared.transport.send(request, &progress);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                biased;
                response = &mut sending => return response,
                () = progress.moved() => {
                    if let Some(hook) = &self.on_progress {
                        hook();
                    }
                }
                () = tokio::time::sleep(timeout) => {
                    let (sent, received) = (progress.sent(), progress.received());
                    return Err(TransportError::Broken(format!(
                        "no byte moved for {timeout:?} ({sent} bytes sent, {received} received)"
                    )));
                }
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

fn checked_base_url(given: &str) -> Result<String, ConfigError> {
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
fn check_login(login: &Login) -> Result<(), ConfigError> {
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

fn token_header(token: &SecretString) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(token.expose_secret()).ok()?;
    header.set_sensitive(true);
    Some(header)
}
