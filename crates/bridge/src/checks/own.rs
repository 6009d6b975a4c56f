//! The bridge itself: its store and the warnings of the configuration.

use std::path::Path;

use itop_bridge_store::{SqliteStore, Store, StoreError};

use super::{Finding, OWN, State, Verdict, by_external, listed};
use crate::config::{Config, DefaultValue};
use crate::running::Running;
use crate::sides::{self, Compared, Moved};

/// The findings that need no iTop.
pub fn own(config: &Config) -> Vec<Finding> {
    let store = store(&config.store.path, &config.server.id).at(OWN, "store");
    let mut findings = vec![store];
    findings.extend(serve(config).map(|verdict| verdict.at(OWN, "serve")));
    if config.warnings.is_empty() {
        findings.push(Verdict::ok("no warnings").at(OWN, "configuration"));
    }
    let warning = |text: &String| Verdict { state: State::Note, detail: text.clone(), fix: None };
    findings.extend(config.warnings.iter().map(|text| warning(text).at(OWN, "configuration")));
    findings.extend(shared_organisations(config).into_iter().map(|verdict| verdict.at(OWN, "organisations")));
    findings.extend(sides(config).into_iter().map(|verdict| verdict.at(OWN, "sides")));
    findings
}

/// Whether `serve` runs, and with this configuration; none before it ever ran.
fn serve(config: &Config) -> Option<Verdict> {
    let running = Running::of_store(config);
    if running == Running::Unknown {
        return None;
    }
    if matches!(running, Running::Stopped { .. }) && config.externals.is_empty() {
        return Some(Verdict::ok("does not run; without a customer nobody needs it"));
    }
    let state = if running.fix().is_some() { State::Note } else { State::Ok };
    Some(Verdict { state, detail: running.to_string(), fix: running.fix().map(str::to_owned) })
}

/// Customers whose tickets share one internal organisation: anybody who may see its tickets sees those of all these
/// customers.
fn shared_organisations(config: &Config) -> Vec<Verdict> {
    let organisations = config.externals.iter().filter_map(|of| Some((of.name(), of.internal_defaults.get("org_id")?)));
    let groups = by_external(organisations.collect()).into_iter().filter(|(names, _)| names.len() > 1);
    let note = |(names, organisation): (Vec<&str>, &DefaultValue)| {
        let organisation = match organisation {
            DefaultValue::Number(id) => id.to_string(),
            DefaultValue::Text(name) => format!("{name:?}"),
        };
        Verdict::note(
            format!(
                "the tickets of {} get one organisation in {}: {organisation}",
                listed(&names),
                config.internal.name
            ),
            "if people of one of these customers may see tickets of that organisation, write another `org_id` into \
             [external.NAME.internal_defaults]",
        )
    };
    groups.map(note).collect()
}

/// Whether each name stands for the iTop that the store knows by it. Empty if no store opens, which the store's own
/// line reports.
fn sides(config: &Config) -> Vec<Verdict> {
    let Some(mut store) = opened(config) else { return Vec::new() };
    let compared = store.adopt_server_id(&config.server.id).and_then(|()| sides::compare(&mut store, config));
    let Ok(Compared { contradictions, moved }) = compared else { return Vec::new() };
    let moved = moved.iter().map(|Moved { side, was }| {
        Verdict::note(
            format!("{side} was at {was} before, and the configuration has another address"),
            format!("if that is another iTop, correct `url` of {side} before `serve` starts"),
        )
    });
    let found = contradictions.iter().map(|found| Verdict::fault(found.to_string(), found.fix()));
    let all: Vec<Verdict> = found.chain(moved).collect();
    if all.is_empty() { vec![Verdict::ok("each name stands for the iTop that the store knows by it")] } else { all }
}

/// Creating a missing store is left to `serve`: another user may run `check`, whose file `serve` could not open.
fn store(path: &Path, server: &str) -> Verdict {
    let shown = path.display();
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match folder.is_dir() {
            true => Verdict::ok(format!("{shown} will be made by the first `serve`")),
            false => Verdict::fault(
                format!("there is no folder {}", folder.display()),
                "make the folder for the user that runs `serve`, or correct [store].url",
            ),
        };
    }
    // The same steps as `serve` takes at its start, so that both report the same.
    let opened = SqliteStore::is_whole(path).and_then(|()| SqliteStore::open(path)).and_then(|mut store| {
        store.adopt_server_id(server)?;
        store.probe()
    });
    match opened {
        Ok(()) => Verdict::ok(format!("{shown} opens, can be written, and belongs to server id {server}")),
        Err(error) => Verdict::fault(format!("{shown}: {error}"), fix(&error)),
    }
}

/// The fix for a store that does not open.
pub fn fix(error: &StoreError) -> &'static str {
    match error {
        StoreError::OtherServer { .. } => {
            "put the store's own id back into [server].id, which must never change, or name the right file in [store].url"
        }
        StoreError::Locked(_) => {
            "only one process works on a store: stop the `serve` that does (`systemctl stop itop-bridge` where systemd runs it; `fuser -v` on the file with .lock at its end names its process), or name another file in [store].url"
        }
        StoreError::Newer { .. } => "run the version of itop-bridge that wrote it, or a newer one",
        StoreError::NoStore(_) => "name another file in [store].url; the file there was not changed",
        StoreError::Damaged(_) => {
            "put a backup in its place, without the -wal and -shm files beside it; without a backup move it away and run `links rebuild` before `serve`, which finds the pairs by their marks. The file was not changed"
        }
        _ => "give the user that runs `serve` the right to write this file and its folder, and the disk room",
    }
}

/// The sides whose iTop may be a different one than the store knows. They are not asked: one of them might be shown
/// the other's password.
pub(super) fn contradicted(config: &Config) -> Vec<String> {
    let compared = opened(config).and_then(|mut store| sides::compare(&mut store, config).ok());
    let Some(Compared { contradictions, .. }) = compared else { return Vec::new() };
    let all = config.sides().map(|side| &side.name);
    all.filter(|side| contradictions.iter().any(|found| found.is_of_another_itop(side))).cloned().collect()
}

/// The store, if it exists and opens.
fn opened(config: &Config) -> Option<SqliteStore> {
    let path = &config.store.path;
    path.exists().then(|| SqliteStore::open_to_read(path).ok()).flatten()
}
