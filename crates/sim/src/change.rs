//! iTop's rules of writing an object: what is checked, what is computed, what a write brings
//! about elsewhere (a parent's log entries, the organisation of attachments). Each write
//! returns the events for which triggers may fire, in iTop's order.

use std::collections::BTreeMap;

use crate::lifecycle::Lifecycle;
use crate::provision;
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::schema::{Attribute, Class, Kind};
use crate::value::{Entry, Object, Value};
use crate::world::World;

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Created,
    /// With the codes of the attributes that changed.
    Updated(Vec<String>),
    Entered(String),
    Deleted,
}

/// A change, with the object as it was at that moment: triggers render this.
#[derive(Debug, Clone)]
pub struct Event {
    pub change: Change,
    pub object: Object,
}

/// An object of a class with its defaults, not yet stored.
pub fn blank(class: &Class) -> Object {
    let lifecycle = Lifecycle::of(&class.name);
    let values = class.attributes.iter().filter(|attribute| attribute.is_stored()).map(|attribute| {
        let value = match attribute.kind {
            Kind::Key(_) | Kind::Item => Value::Key(0),
            Kind::Date | Kind::Number | Kind::Links | Kind::Set { .. } | Kind::File => Value::Null,
            Kind::Log => Value::Log(Vec::new()),
            Kind::State => Value::Text(lifecycle.map_or_else(String::new, |cycle| cycle.initial.clone())),
            _ => Value::Text(attribute.default.clone()),
        };
        (attribute.code.clone(), value)
    });
    let values: BTreeMap<String, Value> = values.collect();
    Object { class: class.name.clone(), id: 0, values }
}

/// Stores a new object. The id is drawn only once all checks have passed.
pub fn insert(world: &mut World, mut object: Object, now: i64) -> Result<(Object, Vec<Event>), Refusal> {
    compute(&mut object);
    let class = world.class(&object.class);
    check(&world.rules, class, &object, |_| true, "-1", provision::issue(world, &object))?;
    if let Some(error) = world.rules.sql_error(class, &object, |_| true) {
        return Err(error.of_insert(&class.name));
    }
    object.id = world.next_id(&object.class);
    if world.schema().is_a(&object.class, "Ticket") {
        stamp_new_ticket(world, &mut object, now);
    } else if class.attribute("expire").is_some() {
        object.set("expire", Value::Date(now));
        if object.get("creation_date") == &Value::Null && class.attribute("creation_date").is_some() {
            object.set("creation_date", Value::Date(now));
        }
    }
    provision::store(world, &mut object);
    let events = vec![Event { change: Change::Created, object: object.clone() }];
    Ok((object, events))
}

fn stamp_new_ticket(world: &mut World, object: &mut Object, now: i64) {
    let prefix = match object.class.as_str() {
        "UserRequest" => 'R',
        "Incident" => 'I',
        _ => 'C',
    };
    object.set("ref", Value::Text(format!("{prefix}-{:06}", world.next.reference)));
    world.next.reference += 1;
    object.set("last_update", Value::Date(now));
    // A change is dated by its creation; its start is planned by people.
    let dated = if prefix == 'C' { "creation_date" } else { "start_date" };
    if object.get(dated) == &Value::Null {
        object.set(dated, Value::Date(now));
    }
}

/// Stores a changed object. One that does not differ is left alone, and fires nothing.
pub fn update(world: &mut World, draft: Object, now: i64) -> Result<(Object, Vec<Event>), Refusal> {
    let before = world.find(&draft.class, draft.id).cloned();
    let (object, mut events) = update_alone(world, draft, now)?;
    if let Some(before) = before.filter(|_| world.schema().is_a(&object.class, "Ticket")) {
        events.extend(copy_log_to_children(world, &before, &object, now)?);
    }
    Ok((object, events))
}

/// The same without what it brings about in its children.
pub fn update_alone(world: &mut World, mut draft: Object, now: i64) -> Result<(Object, Vec<Event>), Refusal> {
    let Some(before) = world.find(&draft.class, draft.id).cloned() else {
        return Err(Refusal::error(format!("Invalid object {}::{}", draft.class, draft.id)));
    };
    compute(&mut draft);
    let mut changed = draft.changed_since(&before);
    if changed.is_empty() {
        return Ok((before, Vec::new()));
    }
    let is_changed = |code: &str| changed.iter().any(|one| one == code);
    let class = world.class(&draft.class);
    let of_the_whole = provision::issue(world, &draft);
    check(&world.rules, class, &draft, is_changed, &draft.id.to_string(), of_the_whole)?;
    if let Some(error) = world.rules.sql_error(class, &draft, is_changed) {
        return Err(error.of_update(&class.name, draft.id));
    }
    let is_ticket = world.schema().is_a(&draft.class, "Ticket");
    if is_ticket {
        draft.set("last_update", Value::Date(now));
        changed = draft.changed_since(&before);
    }
    provision::store(world, &mut draft);
    let mut events = vec![Event { change: Change::Updated(changed), object: draft.clone() }];
    if before.get("status") != draft.get("status") {
        let state = draft.get("status").text().to_owned();
        events.push(Event { change: Change::Entered(state), object: draft.clone() });
    }
    if is_ticket {
        events.extend(move_attachments_to_organization(world, &draft, now)?);
    }
    Ok((draft, events))
}

/// Entries of a parent are copied into its children, under the same author.
fn copy_log_to_children(world: &mut World, before: &Object, parent: &Object, now: i64) -> Result<Vec<Event>, Refusal> {
    let mut events = Vec::new();
    for child in children_of(world, parent) {
        if let Some(child) = with_copied_entries(world, before, parent, &child, now) {
            events.extend(update(world, child, now)?.1);
        }
    }
    Ok(events)
}

/// The tickets that iTop copies the entries of this one into: of a problem or a change into none.
pub fn children_of(world: &World, parent: &Object) -> Vec<(String, u64)> {
    let link = match parent.class.as_str() {
        "UserRequest" => "parent_request_id",
        "Incident" => "parent_incident_id",
        _ => return Vec::new(),
    };
    let children = world.all("Ticket").filter(|ticket| ticket.get(link).key() == parent.id && ticket.id != parent.id);
    children.map(|child| (child.class.clone(), child.id)).collect()
}

/// The child as it is to be saved. The copies are dated when that is done.
pub fn with_copied_entries(
    world: &World,
    before: &Object,
    parent: &Object,
    (class, id): &(String, u64),
    now: i64,
) -> Option<Object> {
    let mut child = world.find(class, *id).cloned()?;
    for log in ["private_log", "public_log"] {
        let (old, new) = (before.get(log).log(), parent.get(log).log());
        if let Some(appended) = new.strip_prefix(old) {
            let mut entries = child.get(log).log().to_vec();
            entries.extend(appended.iter().map(|entry| Entry { at: now, ..as_copied(entry) }));
            child.set(log, Value::Log(entries));
        }
    }
    Some(child)
}

/// What is plain text in the parent's log is HTML in the children's (seen on 3.1.2 and 3.2.0).
fn as_copied(entry: &Entry) -> Entry {
    let escaped = || entry.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    match entry.plain {
        true => Entry { text: format!("<p>{}</p>", escaped().replace('\n', "<br>")), plain: false, ..entry.clone() },
        false => entry.clone(),
    }
}

/// A ticket's write brings the organisation of its attachments in line: an update of each that
/// differs.
fn move_attachments_to_organization(world: &mut World, ticket: &Object, now: i64) -> Result<Vec<Event>, Refusal> {
    let organization = ticket.get("org_id").key();
    let mut events = Vec::new();
    for id in world.attachments_of(&ticket.class, ticket.id) {
        let Some(mut file) = world.find("Attachment", id).cloned() else { continue };
        if file.get("item_org_id").key() != organization {
            file.set("item_org_id", Value::Number(organization));
            events.extend(update(world, file, now)?.1);
        }
    }
    Ok(events)
}

/// The priority follows impact and urgency, whatever was written.
fn compute(object: &mut Object) {
    const BY_IMPACT_AND_URGENCY: [[u8; 4]; 3] = [[1, 1, 2, 4], [1, 2, 3, 4], [2, 3, 3, 4]];
    if !object.values.contains_key("priority") {
        return;
    }
    let index = |code: &str| object.get(code).text().parse::<usize>().ok().and_then(|value| value.checked_sub(1));
    let priority = index("impact")
        .zip(index("urgency"))
        .and_then(|(impact, urgency)| BY_IMPACT_AND_URGENCY.get(impact)?.get(urgency))
        .unwrap_or(&4);
    object.set("priority", Value::Text(priority.to_string()));
}

/// iTop's checks before a write; all issues stand in the message.
fn check(
    rules: &Rules,
    class: &Class,
    object: &Object,
    is_changed: impl Fn(&str) -> bool,
    id: &str,
    of_the_whole: Option<String>,
) -> Result<(), Refusal> {
    let issues: Vec<String> = class
        .attributes
        .iter()
        .filter(|attribute| attribute.is_stored() && is_changed(&attribute.code))
        .filter_map(|attribute| {
            let issue = issue(rules, attribute, object)?;
            Some(format!("Unexpected value for attribute '{}' ({}) : {issue}", attribute.label, attribute.code))
        })
        .chain(of_the_whole)
        .chain(rules.issues(object, &is_changed))
        .collect();
    if issues.is_empty() {
        return Ok(());
    }
    let numbered: Vec<String> = issues.iter().enumerate().map(|(n, issue)| format!("{n}=>{issue}")).collect();
    Err(Refusal::error(format!(
        "{}: issues = {{{}}}, class = {}, id = {id}",
        issues.join(", "),
        numbered.join("; "),
        class.name
    )))
}

fn issue(rules: &Rules, attribute: &Attribute, object: &Object) -> Option<String> {
    let value = object.get(&attribute.code);
    if value.is_null() {
        return attribute.required.then(|| "Null not allowed".to_owned());
    }
    let not_allowed = || Some(format!("Value not allowed [{}]", value.text()));
    match &attribute.kind {
        Kind::Choice(choices)
            if !choices.iter().any(|choice| choice == value.text()) && !rules.allows(&attribute.code, value.text()) =>
        {
            not_allowed()
        }
        Kind::State => {
            let known = Lifecycle::of(&object.class)
                .is_some_and(|cycle| cycle.states.iter().any(|state| state == value.text()));
            if known { None } else { not_allowed() }
        }
        _ => {
            let usual = attribute.max_chars()?;
            let limit = rules.max_chars.get(&attribute.code).copied().unwrap_or(usual);
            let found = value.text().chars().count();
            (found > limit).then(|| format!("String too long (found {found}, limited to {limit})"))
        }
    }
}
