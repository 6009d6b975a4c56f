//! `demo --keep`: how to use the programs left running. Every command works as printed.

use serde_json::{Value as Json, json};

use super::narrator::Narrator;
use super::stage::{ACME, ELITERY, Stage};
use crate::shell;

pub(super) fn explain(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<()> {
    let (acme, elitery) = (stage.acme.base_url(), stage.elitery.base_url());
    let (url, key) = (&stage.bridge_url, &stage.acme_key);
    say.heading("Left running until Ctrl-C. To try from another terminal:")?;

    say.heading("Open a request at acme (the title is yours)")?;
    say.command(&rest(
        &acme,
        &json!({
            "operation": "core/create", "class": "UserRequest", "comment": "demo", "output_fields": "id,ref",
            "fields": { "org_id": 3, "caller_id": 6, "title": "Opened with curl", "description": "<p>Hello</p>" },
        }),
    ))?;
    say.heading("See it at elitery a moment later")?;
    say.command(&rest(
        &elitery,
        &json!({
            "operation": "core/get", "class": "UserRequest", "output_fields": "id,ref,title,status",
            "key": "SELECT UserRequest WHERE title LIKE '%curl%'",
        }),
    ))?;

    let Some(first) = stage.acme.tickets("Incident").into_iter().next() else { return Ok(()) };
    say.heading(&format!("Move {ACME}'s {} on, and see its counterpart's status", first.field("ref")))?;
    say.command(&rest(
        &acme,
        &json!({
            "operation": "core/apply_stimulus", "class": first.class, "key": first.id, "stimulus": "ev_assign",
            "comment": "demo", "output_fields": "ref,status", "fields": { "team_id": 37, "agent_id": 9 },
        }),
    ))?;
    say.command(&rest(
        &elitery,
        &json!({
            "operation": "core/get", "class": first.class, "output_fields": "ref,title,status",
            "key": format!("SELECT {} WHERE title LIKE '[{}]%'", first.class, first.field("ref")),
        }),
    ))?;

    say.heading("Call a webhook yourself, as acme's iTop does")?;
    let payload = json!({ "class": first.class, "id": first.id.to_string() });
    say.command(&format!(
        "curl -s {url}/api/v1/update-ticket -H 'X-API-Key: {key}' -H 'Content-type: application/json' -d '{payload}'"
    ))?;
    say.heading("Ask whose key it is, and try elitery's on acme's route")?;
    say.command(&format!("curl -s {url}/api/v1/test -H 'X-API-Key: {key}'"))?;
    say.command(&format!(
        "curl -s {url}/api/v1/update-ticket -H 'X-API-Key: {}' -H 'Content-type: application/json' -d '{payload}'",
        stage.elitery_key
    ))?;
    say.heading("Check that both iTops fulfil the requirements of the bridge")?;
    let program = std::env::current_exe()?;
    let [program, config] = [&program, &stage.config_file].map(|path| shell::quoted_path(path));
    say.command(&format!("{program} --config {config} check"))?;

    say.heading(&format!(
        "{ACME} and {ELITERY} have an administrator admin, password admin. The bridge's log follows."
    ))?;
    Ok(())
}

/// A call as a shell command.
fn rest(base_url: &str, request: &Json) -> String {
    let request = format!("json_data={request}");
    format!(
        "curl -s '{base_url}/webservices/rest.php?version=1.3' --data-urlencode auth_user=admin \
         --data-urlencode auth_pwd=admin --data-urlencode {}",
        shell::quoted(&request)
    )
}
