//! The specification's notifications, each sent exactly as its payload is printed there, with the values that
//! iTop puts into the placeholders. Nothing else tells the bridge: the simulators' own hooks are lost, and no
//! sweep or audit runs.

use axum::body::Body;
use axum::http::Request;
use itop_bridge_testkit::world::*;
use tower::ServiceExt as _;

use crate::status::{bridged, end, go, status};

each_version![
    external_1_ticket_update,
    external_2_ticket_created,
    external_3_attachment_update,
    external_4_attachment_delete,
    internal_01_ticket_approved,
    internal_02_ticket_assigned,
    internal_03_ticket_closed,
    internal_04_ticket_pending,
    internal_05_ticket_escalated_tto,
    internal_06_ticket_escalated_ttr,
    internal_07_ticket_not_approved,
    internal_08_pending,
    internal_09_ticket_rejected,
    internal_10_ticket_resolved,
    internal_11_ticket_waiting_for_approval,
    internal_12_ticket_validated,
    internal_13_attachment_delete,
    internal_14_attachment_update,
    internal_15_private_log_update,
];

const QUIET: &str = "sweep_seconds = 86400\naudit_seconds = 86400";

/// A pair of this class, and from then on no hooks but those that a test sends.
async fn pair(versions: Versions, class: &str) -> (World, u64, u64) {
    let world = Setup::between(versions).sync(QUIET).start().await;
    let (id, copy) = bridged(&world, class, &[]).await;
    world.acme().drop_hooks(true);
    world.internal.drop_hooks(true);
    (world, id, copy)
}

// ---- the payloads, as printed ------------------------------------------------------------------

const TICKET_CREATED: &str = r#"{
    "event": "ticket.create",
    "class": "$this->finalclass$",
    "id": "$this->id$",
    "ref": "$this->ref$",
    "title": "$this->title$",
    "description": "$this->description$",
    "status": "$this->status$",
    "caller_id": "$this->caller_id->name$",
    "org_id": "$this->org_id->name$",
    "team_id": "$this->team_id->name$",
    "operator_id": "$this->agent_id->name$",
    "priority": "$this->priority$"
}"#;

const TICKET_UPDATE: &str = r#"{ "class":"$this->finalclass$", "id":"$this->id$"}"#;

const EXTERNAL_ATTACHMENT: &str = r#"{ "event":"attachment.update", "source":"external", "attachment_id":"$this->id$", "item_class":"$this->item_class$", "item_id":"$this->item_id$"}"#;

const INTERNAL_ATTACHMENT: &str = r#"{ "event":"attachment.update", "source":"elitery", "attachment_id":"$this->id$", "item_class":"$this->item_class$", "item_id":"$this->item_id$"}"#;

const PRIVATE_LOG_UPDATE: &str = r#"{ "event":"update private log", "id":"$this->id$"}"#;

/// In the table, and as an example below it. The event is each state's own.
const STATE_CHANGE: [&str; 2] = [
    r#"{ "event":"ticket assigned", "id":"$this->id$"}"#,
    r#"{
    "event": "ticket assigned",
    "id": "$this->id$"
}"#,
];

/// What iTop sends: the attributes in the places of `$this->…$`.
fn filled(printed: &str, attributes: &[(&str, &str)]) -> String {
    let payload = attributes.iter().fold(printed.to_owned(), |payload, (attribute, value)| {
        payload.replace(&format!("$this->{attribute}$"), value)
    });
    assert!(!payload.contains('$'), "{payload}");
    payload
}

fn at_attachment(printed: &str, attachment: u64, ticket: u64) -> String {
    let (attachment, ticket) = (attachment.to_string(), ticket.to_string());
    filled(printed, &[("id", &attachment), ("item_class", "UserRequest"), ("item_id", &ticket)])
}

async fn send(world: &World, route: &str, key: &str, payload: String) {
    let request = Request::post(format!("/api/v1/{route}"))
        .header("Content-type", "application/json")
        .header("X-API-Key", key)
        .body(Body::from(payload))
        .unwrap();
    let answer = world.router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 202, "{route}");
    world.settle().await;
}

fn names(sim: &itop_sim::Sim, ticket: u64) -> Vec<String> {
    let files = sim.attachments(ticket).into_iter();
    files.filter(|file| !file.temp_id.ends_with(":report")).map(|file| file.filename).collect()
}

// ---- what the customer's iTop sends ------------------------------------------------------------

async fn external_1_ticket_update(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    world.acme().update(id, json!({ "title": "Printer in flames" })).await.unwrap();
    let payload = filled(TICKET_UPDATE, &[("finalclass", "UserRequest"), ("id", &id.to_string())]);
    send(&world, "update-ticket", EXTERNAL_KEY, payload).await;
    assert!(world.internal.ticket(copy).unwrap().field("title").ends_with("Printer in flames"));
    end(world).await;
}

async fn external_2_ticket_created(versions: Versions) {
    let world = Setup::between(versions).sync(QUIET).start().await;
    world.acme().drop_hooks(true);
    world.internal.drop_hooks(true);
    let id = world.acme().create_ticket("Incident", ticket("No network")).await.unwrap();
    let made = world.acme().ticket(id).unwrap();
    let (id_text, own) = (id.to_string(), |code| (code, made.field(code)));
    let ticket = [("finalclass", "Incident"), ("id", id_text.as_str())];
    let fields = ["ref", "title", "description", "status", "priority"].map(own);
    let people = [("caller_id->name", "Monet"), ("org_id->name", "Demo")];
    // What iTop prints for the name of nothing.
    let nobody = [("team_id->name", "undefined"), ("agent_id->name", "undefined")];
    let attributes = [&ticket[..], &fields, &people, &nobody].concat();
    let payload = filled(TICKET_CREATED, &attributes);
    send(&world, "create-ticket", EXTERNAL_KEY, payload).await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.class.as_str(), world.internal.tickets("Ticket").len()), ("Incident", 1));
    end(world).await;
}

async fn external_3_attachment_update(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    let file = world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    send(&world, "update-attachment", EXTERNAL_KEY, at_attachment(EXTERNAL_ATTACHMENT, file, id)).await;
    assert_eq!(names(&world.internal, copy), ["a.txt"]);
    world.acme().rename_attachment(file, "b.txt").await.unwrap();
    send(&world, "update-attachment", EXTERNAL_KEY, at_attachment(EXTERNAL_ATTACHMENT, file, id)).await;
    assert_eq!(names(&world.internal, copy), ["b.txt"]);
    end(world).await;
}

async fn external_4_attachment_delete(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    let file = world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    send(&world, "update-attachment", EXTERNAL_KEY, at_attachment(EXTERNAL_ATTACHMENT, file, id)).await;
    world.acme().delete_attachment(file).await;
    // The specification calls a deletion an update, too.
    send(&world, "update-attachment", EXTERNAL_KEY, at_attachment(EXTERNAL_ATTACHMENT, file, id)).await;
    assert!(names(&world.internal, copy).is_empty());
    end(world).await;
}

// ---- what the provider's iTop sends ------------------------------------------------------------

/// The internal ticket goes by these stimuli, the hook names its id alone, and the customer's ticket is told.
async fn is_told(versions: Versions, class: &str, stimuli: &[&str], event: &str, state: &str) {
    let (world, id, copy) = pair(versions, class).await;
    go(&world.internal, copy, stimuli).await;
    assert_eq!(status(&world.internal, copy), state);
    let reference = world.internal.ticket(copy).unwrap().field("ref").to_owned();
    for printed in STATE_CHANGE {
        let payload = filled(&printed.replace("ticket assigned", event), &[("id", &copy.to_string())]);
        send(&world, "ticket-state-change", INTERNAL_KEY, payload).await;
        let told: Vec<String> = world.acme().attachments(id).into_iter().map(|file| file.filename).collect();
        assert_eq!(told, [format!("elitery {reference} {state}.txt")]);
    }
    assert_eq!(status(world.acme(), id), "new", "rule 4: its own lifecycle stays its own");
    end(world).await;
}

async fn internal_01_ticket_approved(versions: Versions) {
    is_told(versions, "UserRequest", &["ev_wait_for_approval", "ev_approve"], "ticket approved", "approved").await;
}

async fn internal_02_ticket_assigned(versions: Versions) {
    is_told(versions, "UserRequest", &["ev_assign"], "ticket assigned", "assigned").await;
}

async fn internal_03_ticket_closed(versions: Versions) {
    is_told(versions, "Incident", &["ev_assign", "ev_resolve", "ev_close"], "ticket closed", "closed").await;
}

async fn internal_04_ticket_pending(versions: Versions) {
    is_told(versions, "UserRequest", &["ev_assign", "ev_pending"], "ticket pending", "pending").await;
}

async fn internal_05_ticket_escalated_tto(versions: Versions) {
    is_told(versions, "Incident", &["ev_timeout"], "ticket escalated tto", "escalated_tto").await;
}

async fn internal_06_ticket_escalated_ttr(versions: Versions) {
    is_told(versions, "UserRequest", &["ev_assign", "ev_timeout"], "ticket escalated ttr", "escalated_ttr").await;
}

async fn internal_07_ticket_not_approved(versions: Versions) {
    let path = ["ev_validate", "ev_assign", "ev_plan", "ev_notapprove"];
    is_told(versions, "NormalChange", &path, "ticket not approved", "notapproved").await;
}

/// Listed once more under this name.
async fn internal_08_pending(versions: Versions) {
    is_told(versions, "Incident", &["ev_assign", "ev_pending"], "pending", "pending").await;
}

async fn internal_09_ticket_rejected(versions: Versions) {
    is_told(versions, "NormalChange", &["ev_reject"], "ticket rejected", "rejected").await;
}

async fn internal_10_ticket_resolved(versions: Versions) {
    is_told(versions, "UserRequest", &["ev_assign", "ev_resolve"], "ticket resolved", "resolved").await;
}

async fn internal_11_ticket_waiting_for_approval(versions: Versions) {
    let event = "ticket waiting for approval";
    is_told(versions, "UserRequest", &["ev_wait_for_approval"], event, "waiting_for_approval").await;
}

async fn internal_12_ticket_validated(versions: Versions) {
    is_told(versions, "NormalChange", &["ev_validate"], "ticket validated", "validated").await;
}

async fn internal_13_attachment_delete(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    let file = world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    send(&world, "update-attachment", INTERNAL_KEY, at_attachment(INTERNAL_ATTACHMENT, file, copy)).await;
    assert_eq!(names(world.acme(), id), ["a.txt"]);
    world.internal.delete_attachment(file).await;
    send(&world, "update-attachment", INTERNAL_KEY, at_attachment(INTERNAL_ATTACHMENT, file, copy)).await;
    assert!(names(world.acme(), id).is_empty());
    end(world).await;
}

async fn internal_14_attachment_update(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    let file = world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    send(&world, "update-attachment", INTERNAL_KEY, at_attachment(INTERNAL_ATTACHMENT, file, copy)).await;
    world.internal.replace_attachment(file, b"changed").await.unwrap();
    send(&world, "update-attachment", INTERNAL_KEY, at_attachment(INTERNAL_ATTACHMENT, file, copy)).await;
    let outside = world.acme().attachments(id).into_iter().find(|file| file.filename == "a.txt").unwrap();
    assert_eq!(outside.data, b"changed".as_slice());
    end(world).await;
}

async fn internal_15_private_log_update(versions: Versions) {
    let (world, id, copy) = pair(versions, "UserRequest").await;
    world.internal.add_log_entry(copy, "private_log", "<p>we look into it</p>").await.unwrap();
    let payload = filled(PRIVATE_LOG_UPDATE, &[("id", &copy.to_string())]);
    send(&world, "ticket-update-private-log", INTERNAL_KEY, payload).await;
    let told = world.acme().attachments(id).into_iter().find(|file| file.filename.contains(" private log "));
    let text = String::from_utf8(told.expect("the log as an attachment").data.to_vec()).unwrap();
    assert!(text.contains("we look into it"), "{text}");
    assert!(world.acme().ticket(id).unwrap().log("private_log").is_empty(), "a log is never written to");
    end(world).await;
}
