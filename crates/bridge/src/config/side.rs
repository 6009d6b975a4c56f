//! One side: its iTop's address, the bridge's log-in, and the defaults of its tickets.

use itop_bridge_engine::timing::Timing;
use itop_bridge_text::date_format::DateFormat;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::document::{Found, Section, is_absent};
use super::{DefaultValue, Defaults, Login, LoginSource, SideConfig};

/// External keys that the operator may write without `_id`.
const SHORT_FORMS: [&str; 6] = ["org", "caller", "team", "agent", "service", "servicesubcategory"];
/// Shorter keys can be guessed.
const SHORTEST_KEY: usize = 16;

/// Reads the keys that both kinds of sides have. The caller finishes the section.
pub(super) fn read(section: &Section<'_>, name: String) -> Option<SideConfig> {
    let timing = Timing::default();
    let url = section
        .need("url", "the address of this iTop, such as \"https://itop.customer.example\"")
        .and_then(|found| found.parsed(address));
    let login = login(section);
    let api_keys = api_keys(section, &name);
    section.keep_side(&name, url.clone(), api_keys.usable.clone());
    let defaults = section.get("defaults").and_then(|found| defaults(&found)).unwrap_or_default();
    let ca_file = section.get("ca_file").and_then(|found| {
        found.file()?;
        found.path()
    });
    let proxy = section.get("proxy").and_then(|found| found.secret_that(|text| http_url(text).map(|_| ())));
    let time_zone = section.get("time_zone").and_then(|found| found.parsed(time_zone));
    let date_format = section.get("date_format").and_then(|found| found.parsed(date_format));
    let max_calls = number(section, "max_calls", 1..=64).unwrap_or(4);
    let settle_seconds = number(section, "settle_seconds", 1..=86_400);
    let timeout_seconds = number(section, "timeout_seconds", 1..=600).unwrap_or(30);
    Some(SideConfig {
        name,
        url: url?,
        login: login?,
        login_from: LoginSource::Written,
        api_keys: Some(api_keys.usable).filter(|_| api_keys.are_well)?,
        defaults,
        ca_file,
        proxy: proxy.filter(|proxy| !is_absent(proxy)),
        time_zone,
        date_format,
        max_calls: usize::try_from(max_calls).ok()?,
        settle_ms: settle_seconds.map_or(timing.settle_ms, ms),
        timeout_ms: ms(timeout_seconds),
        absent: Vec::new(),
    })
}

pub(super) fn number(section: &Section<'_>, key: &'static str, limits: std::ops::RangeInclusive<u64>) -> Option<u64> {
    section.get(key).and_then(|found| found.number(limits))
}

pub(super) fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
}

/// An HTTP address without a trailing slash.
pub fn address(text: &str) -> Result<String, String> {
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must be an address without `?` and `#`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be an address without an account: addresses are shown and logged".to_owned());
    }
    if url.path().ends_with(".php") {
        return Err("must be the folder that iTop is installed in, without the name of a page".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "must be an address that begins with http:// or https://".to_owned())
}

/// The identity of an iTop's address: http and https of one host are the same iTop, and `localhost`, `127.0.0.1` and
/// `[::1]` are one host.
pub fn identity(address: &str) -> String {
    let Ok(url) = Url::parse(address) else { return address.to_owned() };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    known_identity(&format!("{host}{port}{}", url.path().trim_end_matches('/')))
}

/// An identity as an earlier version stored it, for which `localhost` and `127.0.0.1` were two hosts.
pub fn known_identity(stored: &str) -> String {
    let is_host_of = |rest: &&str| rest.is_empty() || rest.starts_with([':', '/']);
    let rest = ["localhost", "[::1]"].iter().find_map(|host| stored.strip_prefix(host).filter(is_host_of));
    rest.map_or_else(|| stored.to_owned(), |rest| format!("127.0.0.1{rest}"))
}

fn time_zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(name)
        .map_err(|_| format!("\"{name}\" is no time zone; write one as \"Europe/Paris\" or \"Asia/Jakarta\""))
}

fn date_format(format: &str) -> Result<DateFormat, String> {
    DateFormat::parse(format)
        .map_err(|error| format!("\"{format}\" cannot be read back: {error}; write it as iTop's date_and_time_format has it, such as \"d/m/Y H:i:s\""))
}

fn login(section: &Section<'_>) -> Option<Login> {
    let user = section.get("user");
    let password = one_of(section, "password", "password_file");
    let token = one_of(section, "token", "token_file");
    if section.has("token") || section.has("token_file") {
        if user.is_some() || section.has("password") || section.has("password_file") {
            section.wrong("write either `token` or `user` and `password`, not both".to_owned());
        }
        return Some(Login::Token(token?));
    }
    let Some(user) = user else {
        section.missing("user", "the account's name, beside `password` (or write `token`)");
        return None;
    };
    if !section.has("password") && !section.has("password_file") {
        section.missing("password", "write it as \"${NAME}\" for an environment variable, or `password_file`");
    }
    Some(Login::Password { user: user.text()?, password: password? })
}

/// A secret that is written here or in a file.
fn one_of(section: &Section<'_>, here: &'static str, in_file: &'static str) -> Option<SecretString> {
    let (here, file) = (section.get(here), section.get(in_file));
    if let (Some(_), Some(file)) = (&here, &file) {
        file.wrong("the same secret is given twice; keep one of the two".to_owned());
    }
    here.and_then(|found| found.secret()).or_else(|| file?.secret_file())
}

/// The usable keys of a side.
struct ApiKeys {
    usable: Vec<SecretString>,
    /// No key is missing or wrong. An absent secret, as in a shell without the service's environment, is no mistake
    /// of the file.
    are_well: bool,
}

fn api_keys(section: &Section<'_>, name: &str) -> ApiKeys {
    let listed = section.get("api_keys").and_then(|found| found.list()).unwrap_or_default();
    let files = section.get("api_key_files").and_then(|found| found.list()).unwrap_or_default();
    let read = |found: &Found<'_>, key: Option<SecretString>| {
        let key = key?;
        if is_absent(&key) {
            return Some(key);
        }
        let fit = is_sendable(key.expose_secret());
        if !fit {
            found.wrong("a key may hold no spaces and only ASCII characters: it travels in a header".to_owned());
        }
        if key.expose_secret().len() < SHORTEST_KEY {
            found.document().warn(format!("a key of {name} is shorter than {SHORTEST_KEY} characters and may be guessed: draw one with `itop-bridge keys new`"));
        }
        fit.then_some(key)
    };
    let found = listed.len() + files.len();
    let mut keys: Vec<SecretString> = listed.iter().filter_map(|item| read(item, item.secret())).collect();
    keys.extend(files.iter().filter_map(|item| read(item, item.secret_file())));
    if found == 0 {
        section.missing("api_keys", "the keys that this iTop's webhooks carry; draw one with `itop-bridge keys new`");
    }
    let are_well = found > 0 && keys.len() == found;
    keys.retain(|key| !is_absent(key));
    ApiKeys { usable: keys, are_well }
}

/// Whether a key can travel in a header.
pub fn is_sendable(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn defaults(found: &Found<'_>) -> Option<Defaults> {
    let mut defaults = Defaults::new();
    for (written, value) in found.section()?.entries() {
        let code = if SHORT_FORMS.contains(&written) { format!("{written}_id") } else { written.to_owned() };
        let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !code.bytes().all(fit) {
            value.wrong("must be an attribute's code, such as `team` or `pending_reason`".to_owned());
            continue;
        }
        let default = if value.is_number() {
            value.number(1..=u64::MAX).map(DefaultValue::Number)
        } else if value.is_text() {
            value.text().map(DefaultValue::Text)
        } else {
            value.wrong("must be an id (a whole number) or a name (a string)".to_owned());
            None
        };
        let Some(default) = default else { continue };
        if defaults.insert(code.clone(), default).is_some() {
            value.wrong(format!("`{code}` is given twice, once by its short form"));
        }
    }
    Some(defaults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_names_are_one_host() {
        for address in ["http://localhost:8312/itop", "https://127.0.0.1:8312/itop/", "http://[::1]:8312/itop"] {
            assert_eq!(identity(address), "127.0.0.1:8312/itop");
        }
        for (stored, known) in [
            ("localhost:8312/itop", "127.0.0.1:8312/itop"),
            ("localhost", "127.0.0.1"),
            ("[::1]/itop", "127.0.0.1/itop"),
            ("localhost.example/itop", "localhost.example/itop"),
            ("itop.example:8312/localhost", "itop.example:8312/localhost"),
        ] {
            assert_eq!(known_identity(stored), known);
        }
    }
}
