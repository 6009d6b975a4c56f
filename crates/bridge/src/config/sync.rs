//! `[sync]` and its overrides: both are read as the same set of optional keys. The external's own value takes
//! precedence over the common one, and that over the default.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_core::Lifecycles;
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits, ParentEntries, StatusToExternal, StatusToInternal};
use itop_bridge_engine::timing::Timing;

use super::document::{Found, Section};
use super::side::{ms, number};
use super::{Condition, LogCopy, OlderTickets, Only, SyncConfig};

const STATUS_TO_INTERNAL: [(&str, StatusToInternal); 2] =
    [("apply", StatusToInternal::Apply), ("off", StatusToInternal::Off)];
const STATUS_TO_EXTERNAL: [(&str, StatusToExternal); 3] =
    [("report", StatusToExternal::Report), ("apply", StatusToExternal::Apply), ("off", StatusToExternal::Off)];
const OLDER: [(&str, OlderTickets); 2] =
    [("stay", OlderTickets::Stay), ("cross_when_changed", OlderTickets::CrossWhenChanged)];
const LOG_COPY: [(&str, LogCopy); 2] = [("attachment", LogCopy::Attachment), ("off", LogCopy::Off)];
const PARENT_ENTRIES: [(&str, ParentEntries); 2] = [("keep", ParentEntries::Keep), ("send", ParentEntries::Send)];
const ATTACHMENT_DELETES: [(&str, AttachmentDeletes); 2] =
    [("owner", AttachmentDeletes::Owner), ("never", AttachmentDeletes::Never)];

/// The keys of one section, without defaults.
#[derive(Default)]
pub(super) struct SyncKeys {
    pub only: Option<Only>,
    /// True even if its value is wrong.
    pub only_is_written: bool,
    classes: Option<BTreeMap<String, String>>,
    since: Option<jiff::civil::Date>,
    older: Option<OlderTickets>,
    title: Option<String>,
    fields: Option<Vec<String>>,
    status_to_internal: Option<StatusToInternal>,
    status_to_external: Option<StatusToExternal>,
    private_log_to_internal: Option<LogCopy>,
    private_log_to_external: Option<LogCopy>,
    public_log_to_internal: Option<LogCopy>,
    public_log_to_external: Option<LogCopy>,
    log_authors: Option<bool>,
    parent_entries: Option<ParentEntries>,
    attachment_deletes: Option<AttachmentDeletes>,
    max_attachment_mib: Option<u64>,
    sweep_seconds: Option<u64>,
    audit_seconds: Option<u64>,
    halt_share: Option<f64>,
    halt_min: Option<u64>,
    lifecycles: Option<Arc<Lifecycles>>,
}

pub(super) fn read(section: Section<'_>) -> SyncKeys {
    let log = |key| section.get(key).and_then(|found| found.choice(&LOG_COPY));
    let keys = SyncKeys {
        only_is_written: section.has("only"),
        only: section.get("only").and_then(|found| only(&found)),
        classes: section.get("classes").and_then(|found| classes(&found)),
        since: section.get("since").and_then(|found| found.date()),
        older: section.get("older").and_then(|found| found.choice(&OLDER)),
        title: section.get("title").and_then(|found| found.parsed(title)),
        fields: section.get("fields").and_then(|found| fields(&found)),
        status_to_internal: section.get("status_to_internal").and_then(|found| found.choice(&STATUS_TO_INTERNAL)),
        status_to_external: section.get("status_to_external").and_then(|found| found.choice(&STATUS_TO_EXTERNAL)),
        private_log_to_internal: log("private_log_to_internal"),
        private_log_to_external: log("private_log_to_external"),
        public_log_to_internal: log("public_log_to_internal"),
        public_log_to_external: log("public_log_to_external"),
        log_authors: section.get("log_authors").and_then(|found| found.flag()),
        parent_entries: section.get("parent_entries").and_then(|found| found.choice(&PARENT_ENTRIES)),
        attachment_deletes: section.get("attachment_deletes").and_then(|found| found.choice(&ATTACHMENT_DELETES)),
        max_attachment_mib: number(&section, "max_attachment_mib", 1..=1_024),
        sweep_seconds: number(&section, "sweep_seconds", 1..=86_400),
        audit_seconds: number(&section, "audit_seconds", 1..=604_800),
        halt_share: section.get("halt_share").and_then(|found| found.share()),
        halt_min: number(&section, "halt_min", 1..=1_000_000),
        lifecycles: section.get("lifecycle_file").and_then(|found| lifecycles(&found)),
    };
    section.finish();
    keys
}

/// The effective values for one external.
pub(super) fn resolve(own: SyncKeys, common: &SyncKeys) -> SyncConfig {
    macro_rules! pick {
        ($key:ident) => {
            own.$key.or_else(|| common.$key.clone())
        };
    }
    let timing = Timing::default();
    let lifecycles = pick!(lifecycles).unwrap_or_else(|| Arc::new(Lifecycles::built_in()));
    let to_itself = |class: &str| (class.to_owned(), class.to_owned());
    SyncConfig {
        classes: pick!(classes).unwrap_or_else(|| lifecycles.classes().map(to_itself).collect()),
        since: pick!(since),
        older: pick!(older).unwrap_or(OlderTickets::Stay),
        title: pick!(title).unwrap_or_else(|| "[{ref}] {title}".to_owned()),
        fields: pick!(fields)
            .unwrap_or_else(|| ["title", "description", "impact", "urgency"].map(str::to_owned).to_vec()),
        status_to_internal: pick!(status_to_internal).unwrap_or(StatusToInternal::Apply),
        status_to_external: pick!(status_to_external).unwrap_or(StatusToExternal::Report),
        private_log_to_internal: pick!(private_log_to_internal).unwrap_or(LogCopy::Attachment),
        private_log_to_external: pick!(private_log_to_external).unwrap_or(LogCopy::Attachment),
        public_log_to_internal: pick!(public_log_to_internal).unwrap_or(LogCopy::Off),
        public_log_to_external: pick!(public_log_to_external).unwrap_or(LogCopy::Off),
        log_authors: pick!(log_authors).unwrap_or(true),
        parent_entries: pick!(parent_entries).unwrap_or(ParentEntries::Keep),
        attachment_deletes: pick!(attachment_deletes).unwrap_or(AttachmentDeletes::Owner),
        max_attachment_bytes: pick!(max_attachment_mib).unwrap_or(32) * 1_024 * 1_024,
        sweep_ms: pick!(sweep_seconds).map_or(timing.sweep_ms, ms),
        audit_ms: pick!(audit_seconds).map_or(timing.audit_ms, ms),
        halt: HaltLimits {
            share: pick!(halt_share).unwrap_or(1.0 / 3.0),
            min: pick!(halt_min).and_then(|min| usize::try_from(min).ok()).unwrap_or(5),
        },
        lifecycles,
    }
}

pub(super) fn only(found: &Found<'_>) -> Option<Only> {
    if !found.is_table() {
        return found.parsed(condition).map(Only::Every);
    }
    let mut conditions = BTreeMap::new();
    for (class, value) in found.section()?.entries() {
        if !is_class(class) {
            value.wrong(not_a_class(class));
        }
        if let Some(condition) = value.parsed(condition) {
            conditions.insert(class.to_owned(), condition);
        }
    }
    Some(Only::ByClass(conditions))
}

fn condition(text: &str) -> Result<Condition, String> {
    let text = text.trim();
    if text == "all" {
        return Ok(Condition::All);
    }
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("select ")) {
        return Err("must be the condition alone: the part after WHERE in the OQL".to_owned());
    }
    if !text.contains(|c: char| c.is_whitespace() || "=<>!(".contains(c)) {
        return Err(format!(
            "must be \"all\", or a condition in OQL such as \"team_id_friendlyname = 'Elitery'\", but is \"{text}\""
        ));
    }
    Ok(Condition::Oql(text.to_owned()))
}

fn is_class(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn classes(found: &Found<'_>) -> Option<BTreeMap<String, String>> {
    let mut classes = BTreeMap::new();
    let entries = found.section()?.entries();
    if entries.is_empty() {
        found.wrong("names no class, so nothing would cross; leave the key out for every class".to_owned());
    }
    for (class, value) in entries {
        let name = |text: &str| if is_class(text) { Ok(text.to_owned()) } else { Err(not_a_class(text)) };
        if let Err(wrong) = name(class) {
            value.wrong(wrong);
        }
        if let Some(counterpart) = value.parsed(name) {
            classes.insert(class.to_owned(), counterpart);
        }
    }
    Some(classes)
}

fn not_a_class(text: &str) -> String {
    format!("\"{text}\" is no name of a class, such as UserRequest")
}

fn title(text: &str) -> Result<String, String> {
    let rest = text.replace("{ref}", "").replace("{title}", "");
    if let Some(unknown) = rest.split_once('{').and_then(|(_, after)| after.split_once('}')) {
        return Err(format!("{{{}}} is unknown; a title is made of {{ref}} and {{title}}", unknown.0));
    }
    if !text.contains("{title}") {
        return Err("must hold {title}".to_owned());
    }
    Ok(text.to_owned())
}

fn fields(found: &Found<'_>) -> Option<Vec<String>> {
    let code = |text: &str| {
        if text.ends_with("_id") {
            return Err(format!(
                "\"{text}\" names a person, team, organisation or service: these never cross; write the side's `defaults`"
            ));
        }
        if text == "status" || text.ends_with("_log") {
            return Err(format!("\"{text}\" is no field: see `status_to_internal` and `private_log_to_internal`"));
        }
        Ok(text.to_owned())
    };
    Some(found.list()?.iter().filter_map(|item| item.parsed(code)).collect())
}

fn lifecycles(found: &Found<'_>) -> Option<Arc<Lifecycles>> {
    let text = found.file()?;
    Lifecycles::from_json(&text)
        .map(Arc::new)
        .map_err(|error| found.wrong(format!("the file holds no lifecycles: {error}")))
        .ok()
}
