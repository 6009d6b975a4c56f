//! Whether the bridge answers at `public_url`, asked from this machine.
//!
//! The request goes, without a key, to a route that a web server in front passes on: itop-bridge's own refusal is the
//! proof. Redirects are not followed. Silence proves little from here: `serve` may not run yet, and a firewall may
//! let only the iTops through. The webhooks that came show what the iTops reach.

use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use itop_bridge_store::{SqliteStore, Store as _};
use itop_client::{Body, Progress, TransportError};
use secrecy::ExposeSecret as _;
use serde_json::Value as Json;

use super::{Finding, OWN, State, Verdict};
use crate::app::MakeTransport;
use crate::config::{Config, SideConfig};

pub(super) const LINE: &str = "public_url";

/// A server that needs longer for so small a request does not answer webhooks either.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bridge's answer to a call without a key.
const NO_KEY: &str = "missing_api_key";

/// The finding about the server at `public_url`.
pub async fn public_url(config: &Config, transport: MakeTransport<'_>) -> Finding {
    let seen = ask(config, transport).await;
    verdict(&seen, &config.server.public_url, other_port(config), hooks_came(config)).at(OWN, LINE)
}

/// How the `serve` at `public_url` treats a side's first key, which `setup` writes into the webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTaken {
    Yes,
    /// It does not know the key.
    No,
    /// It takes the key for that of this other side.
    OfAnother(String),
    /// It could not be asked. Only the bridge is shown a key.
    Unknown,
}

pub async fn key_is_taken(config: &Config, side: &SideConfig, transport: MakeTransport<'_>) -> KeyTaken {
    let url = &config.server.public_url;
    let Some(key) = side.api_keys.first() else { return KeyTaken::Unknown };
    if !matches!(ask(config, transport).await, Seen::TheBridge) {
        return KeyTaken::Unknown;
    }
    let request = http::Request::get(format!("{url}/api/v1/test")).header("x-api-key", key.expose_secret());
    let (Ok(transport), Ok(request)) = (transport(&nobodys(url)), request.body(Body::empty())) else {
        return KeyTaken::Unknown;
    };
    let progress = Progress::new();
    let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, transport.send(request, &progress)).await else {
        return KeyTaken::Unknown;
    };
    let json: Json = serde_json::from_slice(answer.body()).unwrap_or_default();
    match (answer.status(), json["side"].as_str(), json["name"].as_str()) {
        (StatusCode::OK, Some("both"), _) => KeyTaken::Yes,
        (StatusCode::OK, _, Some(name)) if name == side.name => KeyTaken::Yes,
        (StatusCode::OK, _, Some(name)) => KeyTaken::OfAnother(name.to_owned()),
        (StatusCode::UNAUTHORIZED, ..) => KeyTaken::No,
        _ => KeyTaken::Unknown,
    }
}

/// The result of the request.
enum Seen {
    TheBridge,
    /// The reason, in words.
    Nothing(String),
    /// A web server that reaches nothing behind it.
    NothingBehind(u16),
    Redirect(String),
    Other(String),
}

async fn ask(config: &Config, transport: MakeTransport<'_>) -> Seen {
    let url = &config.server.public_url;
    let request = http::Request::get(format!("{url}/api/v1/test")).body(Body::empty());
    let (Ok(transport), Ok(request)) = (transport(&nobodys(url)), request) else {
        return Seen::Nothing("this address cannot be asked".to_owned());
    };
    let progress = Progress::new();
    match tokio::time::timeout(PATIENCE, transport.send(request, &progress)).await {
        Err(_) => Seen::Nothing(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(TransportError::AnswerTooLarge { .. })) => Seen::Other("a very long answer".to_owned()),
        Ok(Err(error)) => Seen::Nothing(error.to_string()),
        Ok(Ok(answer)) => read(&answer),
    }
}

fn read(answer: &http::Response<bytes::Bytes>) -> Seen {
    let status = answer.status();
    let json: Option<Json> = serde_json::from_slice(answer.body()).ok();
    let word = json.as_ref().and_then(|json| json["error"].as_str()).unwrap_or_default();
    if word == NO_KEY || (status == StatusCode::TOO_MANY_REQUESTS && !word.is_empty()) {
        return Seen::TheBridge;
    }
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| url::Url::parse(to).ok());
        return Seen::Redirect(to.map_or("another page".to_owned(), |to| to.origin().ascii_serialization()));
    }
    match status.as_u16() {
        status @ 502..=504 => Seen::NothingBehind(status),
        status => Seen::Other(format!("HTTP {status}")),
    }
}

/// A loopback address whose port differs from the one that `serve` listens on.
fn other_port(config: &Config) -> Option<String> {
    let listen = config.server.listen;
    let url = url::Url::parse(&config.server.public_url).ok()?;
    let named = url.port_or_known_default().filter(|_| is_loopback(&url))?;
    (named != listen.port()).then(|| format!("`listen` is {listen}, `public_url` names port {named}"))
}

/// Whether the address is a loopback one.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn verdict(seen: &Seen, url: &str, other_port: Option<String>, hooks_came: bool) -> Verdict {
    const START: &str = "start `itop-bridge serve`";
    match (seen, hooks_came) {
        (Seen::TheBridge, _) => Verdict::ok(format!("itop-bridge answers at {url}")),
        (Seen::Nothing(why), true) => Verdict::note(
            format!("nothing answers at {url} from here ({why}), and webhooks have come"),
            format!("{START} if it does not run; an address that only the iTops reach is fine"),
        ),
        (Seen::Nothing(_), false) if other_port.is_some() => Verdict::note(
            format!("nothing answers at {url} from here: {}", other_port.unwrap_or_default()),
            "let both in [server] name one port, unless a web server of this machine stands between; after a change of `public_url` run setup for both sides again",
        ),
        (Seen::Nothing(why), false) => Verdict::note(
            format!("nothing answers at {url} from here ({why})"),
            format!(
                "{START}; if it runs, correct `public_url` of [server] or the network path to it. If only the iTops reach that address, the first webhook will show that it is right"
            ),
        ),
        (Seen::NothingBehind(status), _) => Verdict::note(
            format!("the web server at {url} reaches nothing behind it (HTTP {status})"),
            format!("{START}; if it runs, let that web server pass /api/v1/ on to `listen` of [server]"),
        ),
        (Seen::Redirect(to), came) => other(
            format!("{url} redirects to {to}, and a webhook does not go there"),
            "write the address at which the redirect ends into `public_url` of [server], and run setup for both sides again",
            came,
        ),
        (Seen::Other(what), came) => other(
            format!("something answers at {url} that is not itop-bridge ({what})"),
            "correct `public_url` of [server], or let the web server there pass /api/v1/ on to `listen`",
            came,
        ),
    }
}

/// Webhooks that came prove that the iTops are routed elsewhere than this machine.
fn other(detail: String, fix: &str, hooks_came: bool) -> Verdict {
    match hooks_came {
        false => Verdict::fault(detail, fix),
        true => Verdict {
            state: State::Note,
            detail: format!("{detail}, asked from this machine; but webhooks have come"),
            fix: Some(format!("if they come no more, {fix}")),
        },
    }
}

/// Whether any side's webhook ever came.
fn hooks_came(config: &Config) -> bool {
    let path = &config.store.path;
    let store = path.exists().then(|| SqliteStore::open_to_read(path).ok()).flatten();
    store.and_then(|mut store| store.hooks().ok()).is_some_and(|hooks| !hooks.is_empty())
}

/// A stand-in side for an address that is not an iTop's: no account, no proxy.
fn nobodys(url: &str) -> SideConfig {
    SideConfig { timeout_ms: 0, ..SideConfig::bare(OWN, url, "", String::new().into()) }
}
