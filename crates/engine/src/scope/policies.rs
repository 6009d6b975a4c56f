//! The policy of each class of a lane, with the names in the defaults looked up in their iTops.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use itop_bridge_core::policy::{HaltLimits, Policy, StatusToExternal, Waits};
use itop_bridge_core::{LogName, Side};
use itop_client::{Query, oql_quote};

use crate::settings::{DefaultValue, Defaults, LogCopy, SyncConfig};
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::{Lane, Shared};

/// The policies by external class, made when first needed: an iTop that is down at the start must not keep the bridge
/// from accepting webhooks.
#[derive(Default)]
pub struct Policies {
    ready: Mutex<HashMap<String, Arc<Policy>>>,
}

/// The policy for tickets of this external class.
pub(crate) async fn policy(shared: &Shared, lane: &Lane, class: &str) -> Result<Arc<Policy>, Failure> {
    if let Some(policy) = lane.policies.ready.lock().unwrap_or_else(PoisonError::into_inner).get(class) {
        return Ok(policy.clone());
    }
    let bare = policy_without_defaults(shared, lane, class)?;
    let sync = &lane.settings.sync;
    let internal_defaults = look_up_all(shared, lane, &shared.internal, &lane.settings.internal_defaults).await?;
    // The external's defaults are sent only if the bridge drives the external ticket.
    let external_defaults = match sync.status_to_external {
        StatusToExternal::Apply => look_up_all(shared, lane, &lane.external, &lane.settings.external_defaults).await?,
        StatusToExternal::Report | StatusToExternal::Off => BTreeMap::new(),
    };
    let policy = Arc::new(Policy { internal_defaults, external_defaults, ..bare });
    lane.policies.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(class.to_owned(), policy.clone());
    Ok(policy)
}

/// The same for callers that create and move no ticket: nothing is looked up.
pub(crate) fn policy_without_defaults(shared: &Shared, lane: &Lane, class: &str) -> Result<Policy, Failure> {
    let sync = &lane.settings.sync;
    let internal_class = sync
        .classes
        .get(class)
        .ok_or_else(|| Failure::setup(format!("class {class} is not bridged: it is not in [sync].classes")))?;
    Ok(Policy {
        server: shared.server.clone(),
        external: lane.name.clone(),
        name_in_marks: lane.settings.name_in_marks.clone(),
        internal: shared.internal.name.clone(),
        external_console: lane.external.console(),
        internal_console: shared.internal.console(),
        internal_class: internal_class.clone(),
        title: sync.title.clone(),
        fields: sync.fields.clone(),
        status_to_internal: sync.status_to_internal,
        status_to_external: sync.status_to_external,
        logs: logs(sync),
        parent_entries: sync.parent_entries,
        attachment_deletes: sync.attachment_deletes,
        internal_defaults: BTreeMap::new(),
        external_defaults: BTreeMap::new(),
        external_lifecycle: sync.lifecycles.of(class).cloned(),
        internal_lifecycle: sync.lifecycles.of(internal_class).cloned(),
        halt: HaltLimits { share: sync.halt.share, min: sync.halt.min },
        waits: Waits {
            file_missing_ms: shared.timing.file_missing_ms,
            last_file_missing_ms: shared.timing.last_file_missing_ms,
            parent_ms: shared.timing.parent_ms,
            doubt_look_ms: shared.timing.second_looks_ms[1],
        },
    })
}

async fn look_up_all(
    shared: &Shared,
    lane: &Lane,
    itop: &Itop,
    defaults: &Defaults,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut ids = BTreeMap::new();
    // `service_id` comes before `servicesubcategory_id`, which is looked up within it.
    for (code, value) in defaults {
        let id = match look_up(shared, itop, code, value, &ids).await {
            Ok(Ok(id)) => id,
            Ok(Err(text)) => {
                return Err(Failure::setup(format!("{}: defaults of {}: {text}", itop.name, lane.name)));
            }
            Err(error) => return Err(Failure::of(itop, &error)),
        };
        ids.insert(code.clone(), id);
    }
    Ok(ids)
}

/// The logs that cross, each with the side on which it is read.
fn logs(sync: &SyncConfig) -> Vec<(Side, LogName)> {
    let all = [
        (sync.private_log_to_internal, Side::External, LogName::Private),
        (sync.private_log_to_external, Side::Internal, LogName::Private),
        (sync.public_log_to_internal, Side::External, LogName::Public),
        (sync.public_log_to_external, Side::Internal, LogName::Public),
    ];
    let on = all.into_iter().filter(|(copy, _, _)| *copy == LogCopy::Attachment);
    on.map(|(_, from, log)| (from, log)).collect()
}

/// The id of a default: a number is one already, the name for an external key is looked up.
async fn look_up(
    shared: &Shared,
    itop: &Itop,
    code: &str,
    value: &DefaultValue,
    known: &BTreeMap<String, String>,
) -> Result<Result<String, String>, itop_client::Error> {
    let name = match value {
        DefaultValue::Number(id) => return Ok(Ok(id.to_string())),
        DefaultValue::Text(text) if !code.ends_with("_id") => return Ok(Ok(text.clone())),
        DefaultValue::Text(name) => name,
    };
    let (class, attribute) = target_of(code);
    let mut oql = format!("SELECT {class} WHERE {attribute} = {}", oql_quote(name));
    if let (true, Some(service)) =
        (class == "ServiceSubcategory", known.get("service_id").and_then(|id| id.parse::<u64>().ok()))
    {
        oql.push_str(&format!(" AND service_id = {service}"));
    }
    let found = call::asked(shared, itop, class, &Query::oql(oql).limit(2), &["id"]).await?;
    Ok(match found.objects.as_slice() {
        [one] => Ok(one.id.to_string()),
        [] if name.bytes().all(|byte| byte.is_ascii_digit()) => Err(format!(
            "{code} = {name:?}: there is no {class} of that name; an id is written without quotes: {code} = {name}"
        )),
        [] => Err(format!("{code} = {name:?}: there is no {class} of that name; correct the name or give its id")),
        _ => Err(format!("{code} = {name:?}: there are several {class} of that name; give the id")),
    })
}

/// The class that an external key of iTop's ITIL model points at, and the attribute with its name.
pub fn target_of(code: &str) -> (&'static str, &'static str) {
    match code {
        "org_id" => ("Organization", "name"),
        "service_id" => ("Service", "name"),
        "servicesubcategory_id" => ("ServiceSubcategory", "name"),
        "team_id" => ("Team", "name"),
        _ if code.ends_with("_group_id") => ("Team", "name"),
        _ => ("Person", "friendlyname"),
    }
}
