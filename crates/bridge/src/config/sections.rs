//! The file as a whole: its sections, and the rules between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use itop_bridge_engine::timing::Timing;
use secrecy::ExposeSecret;

use super::document::{Document, Found, Section};
use super::side::{address, http_url, identity, ms, number};
use super::sync::SyncKeys;
use super::{AlertsConfig, Config, ExternalConfig, OlderTickets, Only, Origins, ServerConfig, SideConfig, StoreConfig};
use super::{side, sync};

const KEEP_CLOSED_DAYS: u32 = 400;

const ONLY_IS_MISSING: &str = "it says which tickets may leave the customer's iTop. Updates, attachments and the sweep \
    bring tickets along too, not only the customer's trigger, so it is never guessed. Write only = \"all\" for every \
    ticket, or a condition in OQL such as only = \"team_id_friendlyname = 'Elitery'\" (one a class: \
    only = { UserRequest = \"…\", Incident = \"all\" }), here or under [sync]";

pub(super) fn read(document: &Document<'_>) -> Option<Config> {
    let table = document.parse()?;
    let root = document.root(&table);
    let server =
        section(&root, "server", "needs at least `id`, a few letters and digits of your choice").and_then(server);
    let store = match root.get("store") {
        Some(found) => found.section().and_then(|section| store(section, document)),
        None => Some(StoreConfig { path: document.path("itop-bridge.db"), keep_closed_days: KEEP_CLOSED_DAYS }),
    };
    let internal = section(&root, "internal", "the provider's iTop").and_then(internal);
    let common = root.get("sync").and_then(|found| found.section()).map(sync::read).unwrap_or_default();
    // After the last customer has left, the store still knows its pairs, and the commands that end them need no other
    // external.
    let may_be_none = store.as_ref().is_some_and(|store| store.path.exists());
    let externals = match root.has("external") || !may_be_none {
        true => section(&root, "external", "write at least one [external.NAME], a customer's iTop")
            .map(|section| externals(&section, internal.as_ref(), &common, may_be_none)),
        false => Some(Vec::new()),
    };
    let alerts = root.get("alerts").and_then(|found| alerts(found.section()?));
    root.finish();

    let written = document.sides().iter().filter(|side| side.path != "internal").count();
    check_sides(document, written);
    check_marks(document, externals.as_deref().unwrap_or_default());
    Some(Config {
        server: server?,
        store: store?,
        internal: internal?,
        externals: externals?,
        alerts,
        warnings: Vec::new(),
        absent: Vec::new(),
        origins: Origins::new(),
    })
}

fn section<'s>(root: &Section<'s>, key: &'static str, hint: &str) -> Option<Section<'s>> {
    let found = root.get(key);
    if found.is_none() {
        root.wrong(format!("the section [{key}] is missing: {hint}"));
    }
    found?.section()
}

fn server(section: Section<'_>) -> Option<ServerConfig> {
    let id = section
        .need("id", "it stands in the mark of everything the bridge creates; choose a few letters and digits, such as 7f3a; it must never change")
        .and_then(|found| found.parsed(server_id));
    let listen = match section.get("listen") {
        Some(found) => found.parsed(|text| {
            text.parse()
                .map_err(|_| format!("must be an address and a port such as \"127.0.0.1:8080\", but is \"{text}\""))
        }),
        None => Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
    };
    let public_url = match section.get("public_url") {
        Some(found) => found.parsed(address),
        None => listen.and_then(|listen| reachable(&section, listen)),
    };
    let coalesce_ms = number(&section, "coalesce_ms", 0..=60_000);
    section.finish();
    Some(ServerConfig {
        id: id?,
        listen: listen?,
        public_url: public_url?,
        coalesce_ms: coalesce_ms.map_or(Timing::default().coalesce_ms, u64::cast_signed),
    })
}

/// The id is part of marks that are searched for with `LIKE`, where `_` and `%` would match anything.
fn server_id(text: &str) -> Result<String, String> {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() > 32 || !text.bytes().all(fit) {
        return Err(format!("must be at most 32 letters, digits and `-`, but is \"{text}\""));
    }
    Ok(text.to_owned())
}

fn reachable(section: &Section<'_>, listen: SocketAddr) -> Option<String> {
    if listen.ip().is_unspecified() {
        section.missing(
            "public_url",
            "`listen` is every address of this machine, so nothing says how the iTops reach the bridge",
        );
        return None;
    }
    Some(format!("http://{listen}"))
}

fn store(section: Section<'_>, document: &Document<'_>) -> Option<StoreConfig> {
    let path = match section.get("url") {
        Some(found) => found.parsed(sqlite_path).map(|path| document.path(&path)),
        None => Some(document.path("itop-bridge.db")),
    };
    let keep = number(&section, "keep_closed_days", 1..=36_500).and_then(|days| u32::try_from(days).ok());
    section.finish();
    Some(StoreConfig { path: path?, keep_closed_days: keep.unwrap_or(KEEP_CLOSED_DAYS) })
}

fn sqlite_path(text: &str) -> Result<String, String> {
    match text.strip_prefix("sqlite:") {
        Some(path) if !path.trim_start_matches('/').is_empty() => {
            Ok(path.strip_prefix("//").unwrap_or(path).to_owned())
        }
        _ => Err(format!("must be \"sqlite:\" and a file, such as \"sqlite:itop-bridge.db\", but is \"{text}\"")),
    }
}

fn internal(section: Section<'_>) -> Option<SideConfig> {
    let name = section
        .need("name", "a short name of the provider, such as \"elitery\"; it stands in reports to the customer")
        .and_then(|found| found.parsed(name));
    // A side without a name is read too, to find its other mistakes.
    let side = side::read(&section, name.clone().unwrap_or_default());
    section.finish();
    name.and(side)
}

/// Names are part of marks, TICKET arguments and addresses.
pub fn name(text: &str) -> Result<String, String> {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 32 || !text.bytes().all(fit) {
        return Err(format!("\"{text}\" is no name: write 1 to 32 of a-z, 0-9 and `-`"));
    }
    Ok(text.to_owned())
}

fn externals(
    section: &Section<'_>,
    internal: Option<&SideConfig>,
    common: &SyncKeys,
    may_be_none: bool,
) -> Vec<ExternalConfig> {
    let entries = section.entries();
    if entries.is_empty() && !may_be_none {
        section.wrong("names no external: write at least one [external.NAME]".to_owned());
    }
    let read = |(written, found): (&str, Found<'_>)| {
        let name = name(written).map_err(|wrong| found.wrong(wrong)).ok();
        if internal.is_some_and(|internal| internal.name == written) {
            found.wrong("has the internal's name; give one of the two another".to_owned());
        }
        let external = external(found.section()?, written, internal, common)?;
        name.map(|_| external)
    };
    entries.into_iter().filter_map(read).collect()
}

fn external(
    section: Section<'_>,
    name: &str,
    internal: Option<&SideConfig>,
    common: &SyncKeys,
) -> Option<ExternalConfig> {
    let side = side::read(&section, name.to_owned());
    let mut internal_defaults = internal.map(|side| side.defaults.clone()).unwrap_or_default();
    let own_defaults = section.get("internal_defaults").and_then(|found| side::defaults(&found));
    internal_defaults.extend(own_defaults.unwrap_or_default());

    let name_in_marks = match section.get("name_in_marks") {
        Some(found) => found.parsed(self::name),
        None => Some(name.to_owned()),
    };
    let only_here = section.get("only");
    let mut own = section.get("sync").and_then(|found| found.section()).map(sync::read).unwrap_or_default();
    if only_here.is_some() && own.only.is_some() {
        section.wrong(format!("`only` stands both here and under [external.{name}.sync]; keep one"));
    }
    let only = match &only_here {
        Some(found) => sync::only(found),
        None => own.only.take().or_else(|| common.only.clone()),
    };
    // A wrong `only` is reported where it is written; it is not missing.
    let said = only_here.is_some() || common.only_is_written || own.only_is_written;
    if only.is_none() && !said {
        section.missing("only", ONLY_IS_MISSING);
    }
    let sync = sync::resolve(own, common);
    if let Some(Only::ByClass(conditions)) = &only {
        for class in conditions.keys().filter(|class| !sync.classes.contains_key(*class)) {
            section.wrong(format!(
                "`only` names the class {class}, which is not bridged: add it to `classes`, or take it out"
            ));
        }
    }
    if sync.since.is_some() && sync.older == OlderTickets::CrossWhenChanged {
        section.wrong(
            "`older` is about tickets that are older than the connection, and `since` puts a date in the place of the connection: keep one of the two"
                .to_owned(),
        );
    }
    section.finish();
    Some(ExternalConfig { side: side?, internal_defaults, only: only?, sync, name_in_marks: name_in_marks? })
}

fn alerts(section: Section<'_>) -> Option<AlertsConfig> {
    let webhook_url = section
        .need("webhook_url", "where alerts are sent; leave out [alerts] for none")
        .and_then(|found| found.secret_that(|text| http_url(text).map(|_| ())));
    let silence_minutes = number(&section, "silence_minutes", 1..=10_080).unwrap_or(60);
    section.finish();
    Some(AlertsConfig { webhook_url: webhook_url?, silence_ms: ms(silence_minutes * 60) })
}

/// No two externals may have the same name in marks.
fn check_marks(document: &Document<'_>, externals: &[ExternalConfig]) {
    for external in externals.iter().filter(|external| external.name_in_marks != external.name()) {
        let is_same =
            |other: &&ExternalConfig| other.name() != external.name() && other.name_in_marks == external.name_in_marks;
        let Some(other) = externals.iter().find(is_same) else { continue };
        let path = format!("external.{}", external.name());
        let line = document.sides().iter().find(|side| side.path == path).map_or(0, |side| side.line);
        let (marks, other) = (&external.name_in_marks, other.name());
        let text = format!(
            "has `name_in_marks = \"{marks}\"`, which stands in the marks of {other} too: their copies could not be distinguished"
        );
        document.note(line, &path, text);
    }
}

/// No two sides may be the same iTop or share a key, which must tell the calling side. Judged by the parts of each
/// that could be read.
fn check_sides(document: &Document<'_>, externals: usize) {
    let sides = document.sides();
    let mut addresses: BTreeMap<String, &str> = BTreeMap::new();
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for side in sides.iter() {
        let wrong = |text| document.note(side.line, &side.path, text);
        if let Some(other) = side.url.as_ref().and_then(|url| addresses.insert(identity(url), &side.name)) {
            wrong(format!("has the same `url` as {other}: the bridge would copy tickets of one iTop into itself"));
        }
        for key in &side.api_keys {
            let other = keys.insert(key.expose_secret(), &side.name);
            let Some(other) = other.filter(|other| *other != side.name) else { continue };
            if externals == 1 {
                document.warn(format!(
                    "{other} and {} share an API key: the routes alone tell the sides apart; draw another with `itop-bridge keys new`",
                    side.name
                ));
            } else {
                wrong(format!(
                    "shares an API key with {other}; with more than one external, only a key can identify the caller: draw another with `itop-bridge keys new`"
                ));
            }
        }
    }
}
