//! The meaning of a call's end without a good answer of iTop's, by the last speaker: iTop, a web server or proxy in
//! front of it, the network, or nobody.
//!
//! *Guarantee:* an error says *no effect* only if the call was never started, if the connection was never made, in
//! maintenance, if a proxy asks for fewer calls, or if iTop's own words say that it stopped before the write
//! (`wording.rs`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{DATE, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::answer::{self, Answer, NoAnswer};
use crate::client::{Client, Login, Sent};
use crate::error::{Effect, Error, ErrorClass, Operation, RetryAfter};
use crate::transport::TransportError;
use crate::wording;

/// From this size on, a call can have failed for its size although the message says something else.
const LARGE_BYTES: u64 = 1 << 20;

/// Facts about this iTop and account, learnt from earlier calls.
pub(crate) struct History {
    has_logged_in: AtomicBool,
    /// The smallest body that was refused for its size; `u64::MAX` for none.
    refused_bytes: AtomicU64,
}

impl Default for History {
    fn default() -> History {
        History { has_logged_in: AtomicBool::new(false), refused_bytes: AtomicU64::new(u64::MAX) }
    }
}

impl History {
    pub(crate) fn note_login(&self) {
        self.has_logged_in.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_logged_in(&self) -> bool {
        self.has_logged_in.load(Ordering::Relaxed)
    }

    pub(crate) fn refused_bytes(&self) -> Option<u64> {
        Some(self.refused_bytes.load(Ordering::Relaxed)).filter(|&bytes| bytes < u64::MAX)
    }

    fn note_refused(&self, bytes: u64) {
        self.refused_bytes.fetch_min(bytes, Ordering::Relaxed);
    }
}

/// An error without its call.
struct Verdict {
    class: ErrorClass,
    effect: Effect,
    http_status: Option<u16>,
    code: Option<i64>,
    message: String,
}

impl Client {
    /// iTop answered with a `code` other than 0.
    pub(crate) fn refusal(&self, sent: Sent, answer: &Answer<'_>) -> Error {
        let (mut class, effect) = wording::judge(&sent.asked, answer.code, &answer.message);
        let mut message = answer.message.clone();
        if self.was_dropped_for_size(&class, answer, sent.bytes) {
            class = ErrorClass::TooLarge;
            message = format!("PHP's post_max_size is less than the {} bytes sent", sent.bytes);
        } else if class != ErrorClass::Login {
            self.history().note_login();
        }
        self.error(sent, Verdict { class, effect, http_status: Some(200), code: Some(answer.code), message })
    }

    /// The database drops the connection over a packet that is far too large, with the message of a server that is
    /// gone. The transaction is rolled back with it.
    pub(crate) fn may_be_a_packet_too_large(&self, error: &Error, sent_bytes: u64) -> bool {
        error.code == Some(wording::SQL_GONE_AWAY) && error.asked.operation.writes() && sent_bytes > LARGE_BYTES
    }

    /// A small call was answered right after it, so the database is there and the size was to blame.
    pub(crate) fn packet_too_large(&self, error: Error, sent_bytes: u64) -> Error {
        self.history().note_refused(sent_bytes);
        let message = format!("{}: the {sent_bytes} bytes sent are more than max_allowed_packet", error.message);
        Error { class: ErrorClass::TooLarge, message, ..error }
    }

    /// PHP drops every field of a body over `post_max_size`, so that iTop misses the log-in (or, if a token came as a
    /// header, `json_data`) and says so. Believing that would make the caller give up a good account. PHP's
    /// own warning in front settles it.
    fn was_dropped_for_size(&self, class: &ErrorClass, answer: &Answer<'_>, sent_bytes: u64) -> bool {
        const MISSING_JSON_DATA: i64 = 3;
        let is_login = *class == ErrorClass::Login;
        let php_says_so = answer.junk_before.contains("POST Content-Length of");
        let login_was_good = !is_login || self.history().has_logged_in();
        (is_login || answer.code == MISSING_JSON_DATA) && (php_says_so || (sent_bytes > LARGE_BYTES && login_was_good))
    }

    /// iTop answered ok, but the answer lacks its result.
    pub(crate) fn useless(&self, sent: Sent, message: &str) -> Error {
        let effect = unknown_effect(&sent, true);
        let message = message.to_owned();
        let class = ErrorClass::Refused;
        self.error(sent, Verdict { class, effect, http_status: Some(200), code: Some(0), message })
    }

    /// HTTP 200, without JSON of iTop's.
    pub(crate) fn no_answer(&self, sent: Sent, text: &str, why: NoAnswer) -> Error {
        if answer::is_maintenance(text) {
            return self.maintenance(sent, StatusCode::OK);
        }
        // Both PHP and iTop itself print these words (`application/startup.inc.php`).
        let is_large = sent.charge_bytes > LARGE_BYTES || sent.bytes > LARGE_BYTES;
        let ran_out_of_memory = text.contains("Allowed memory size of") && is_large;
        let message = match why {
            _ if text.trim().is_empty() => "an empty answer".to_owned(),
            NoAnswer::Cut => "the answer ends in its middle".to_owned(),
            NoAnswer::NotJson => format!("no answer of iTop's: {}", self.page_for_people(&sent, text)),
        };
        let class = if ran_out_of_memory { ErrorClass::TooLarge } else { ErrorClass::Transient };
        let effect = unknown_effect(&sent, false);
        self.error(sent, Verdict { class, effect, http_status: Some(200), code: None, message })
    }

    /// iTop answers with 200, or with 503 in maintenance: any other status comes from something else.
    pub(crate) fn bad_status(&self, sent: Sent, response: &Response<Bytes>) -> Error {
        let status = response.status();
        let text = answer::as_text(response.body());
        if status == StatusCode::SERVICE_UNAVAILABLE && answer::is_maintenance(&text) {
            return self.maintenance(sent, status);
        }
        let memory = exhausted_memory(&text).filter(|_| sent.asked.operation.writes());
        let class = match status.as_u16() {
            _ if memory.is_some() => ErrorClass::OutOfMemory { limit: memory.unwrap_or_default() },
            429 => ErrorClass::Throttled { retry_after: retry_after(response) },
            300..=399 | 403 | 404 | 410 if sent.asked.operation == Operation::InlineImage => ErrorClass::NotAnImage,
            300..=399 => ErrorClass::WrongAddress { to: location_host(response) },
            404 | 410 => ErrorClass::WrongAddress { to: None },
            401 => ErrorClass::Login,
            413 => ErrorClass::TooLarge,
            407 | 408 | 425 => ErrorClass::Transient,
            400..=499 => ErrorClass::Refused,
            _ => ErrorClass::Transient,
        };
        let message = match &class {
            ErrorClass::WrongAddress { to: Some(host) } => format!("redirected to {host}: is the url right?"),
            ErrorClass::WrongAddress { to: None } if status.is_redirection() => {
                "redirected: is the url right?".to_owned()
            }
            ErrorClass::WrongAddress { to: None } => "no iTop there: is the url right?".to_owned(),
            ErrorClass::Throttled { .. } => "too many calls, says what stands before this iTop".to_owned(),
            ErrorClass::OutOfMemory { limit } => format!("PHP's memory ({limit}) is exhausted"),
            _ => format!("no answer of iTop's: {}", self.page_for_people(&sent, &text)),
        };
        let effect = match &class {
            ErrorClass::Throttled { .. } => Effect::None,
            ErrorClass::OutOfMemory { .. } => unknown_effect(&sent, true),
            _ => unknown_effect(&sent, false),
        };
        self.error(sent, Verdict { class, effect, http_status: Some(status.as_u16()), code: None, message })
    }

    /// No answer came, or one that is too large.
    pub(crate) fn no_response(&self, sent: Sent, error: TransportError) -> Error {
        let (class, effect) = match error {
            TransportError::NotConnected(_) => (ErrorClass::Transient, Effect::None),
            TransportError::Broken(_) => (ErrorClass::Transient, unknown_effect(&sent, false)),
            TransportError::AnswerTooLarge { .. } => (ErrorClass::TooLarge, unknown_effect(&sent, false)),
        };
        self.error(sent, Verdict { class, effect, http_status: None, code: None, message: error.to_string() })
    }

    pub(crate) fn not_started(&self, sent: Sent) -> Error {
        let message = "not sent: other calls took too long".to_owned();
        let (class, effect) = (ErrorClass::Transient, Effect::None);
        self.error(sent, Verdict { class, effect, http_status: None, code: None, message })
    }

    /// Not sent, since fewer calls were requested a moment ago.
    pub(crate) fn held_back(&self, sent: Sent) -> Error {
        let message = "not sent: fewer calls were asked for".to_owned();
        let class = ErrorClass::Throttled { retry_after: None };
        self.error(sent, Verdict { class, effect: Effect::None, http_status: None, code: None, message })
    }

    /// A page with HTTP 200 in place of a requested image.
    pub(crate) fn page_in_place_of_an_image(&self, sent: Sent, body: &[u8]) -> Error {
        let message = format!("no answer of iTop's: {}", self.page_for_people(&sent, &answer::as_text(body)));
        let (class, effect) = (ErrorClass::Transient, Effect::None);
        self.error(sent, Verdict { class, effect, http_status: Some(200), code: None, message })
    }

    /// Not sent, since this client only reads.
    pub(crate) fn would_write(&self, sent: Sent) -> Error {
        let message = "not sent: this client only reads".to_owned();
        let (class, effect) = (ErrorClass::Refused, Effect::None);
        self.error(sent, Verdict { class, effect, http_status: None, code: None, message })
    }

    fn maintenance(&self, sent: Sent, status: StatusCode) -> Error {
        let message = "this iTop is under maintenance".to_owned();
        let (class, effect) = (ErrorClass::Transient, Effect::None);
        self.error(sent, Verdict { class, effect, http_status: Some(status.as_u16()), code: Some(100), message })
    }

    fn error(&self, sent: Sent, verdict: Verdict) -> Error {
        // Without a status the answer was too large, not the request.
        let was_refused = verdict.class == ErrorClass::TooLarge && verdict.http_status.is_some();
        if was_refused && sent.asked.operation.writes() {
            self.history().note_refused(sent.bytes);
        }
        let secrets = self.secrets(&sent);
        let secrets = exposed(&secrets);
        let message = wording::for_people(&verdict.message, &secrets);
        let class = verdict.class.map_names(|name| wording::for_people(name, &secrets));
        let Verdict { effect, http_status, code, .. } = verdict;
        Error { asked: Box::new(sent.asked), class, effect, http_status, code, message }
    }

    fn page_for_people(&self, sent: &Sent, page: &str) -> String {
        let secrets = self.secrets(sent);
        wording::page_for_people(page, &exposed(&secrets))
    }

    /// The secrets that no message may contain.
    fn secrets(&self, sent: &Sent) -> Vec<SecretString> {
        let of_login = |login: &Login| match login {
            Login::Password { password, .. } => password.clone(),
            Login::Token(token) => token.clone(),
        };
        let mut secrets: Vec<SecretString> = self.logins().iter().map(of_login).collect();
        secrets.extend(sent.secret.clone().map(SecretString::from));
        secrets.extend(self.other_secrets().cloned());
        secrets
    }
}

fn exposed(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(|secret| secret.expose_secret()).collect()
}

fn unknown_effect(sent: &Sent, answered: bool) -> Effect {
    match sent.asked.operation.writes() {
        true => Effect::Unknown { answered },
        false => Effect::None,
    }
}

/// PHP's memory limit, if a page says that it is exhausted: iTop's `128M`, or PHP's bytes.
fn exhausted_memory(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("Allowed memory size of ")?;
    let limit: String = rest.chars().take_while(char::is_ascii_alphanumeric).take(16).collect();
    Some(match limit.parse::<u64>() {
        Ok(bytes) => format!("{}M", bytes >> 20),
        Err(_) => limit,
    })
}

fn retry_after(response: &Response<Bytes>) -> Option<RetryAfter> {
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
    let after = header(RETRY_AFTER).filter(|after| !after.is_empty())?;
    Some(match after.parse() {
        Ok(seconds) => RetryAfter::Seconds(seconds),
        Err(_) => RetryAfter::At { date: after, answered: header(DATE) },
    })
}

/// The host of a redirect, never its whole address, which may contain a session's secret.
fn location_host(response: &Response<Bytes>) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let url = Url::parse(location).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}
