//! The operations of `rest.php`, from a parsed `json_data` to an answer. Synchronous and without
//! hooks: what triggers must see is returned as events, what must be deleted as ids.

mod objects;
mod render;
mod values;

use serde_json::{Value as Json, json};

use crate::account::{Account, Right};
use crate::change::{self, Event, blank};
use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Transition};
use crate::provision;
use crate::refusal::Refusal;
use crate::value::{Object, Value};
use crate::world::World;

pub use render::php_json;

/// What an operation came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answer: Json,
    pub events: Vec<Event>,
    /// Objects to delete after this, each with its hooks first.
    pub doomed: Vec<(String, u64)>,
    pub code: i64,
    /// Whether it was a write that was not refused.
    pub wrote: bool,
}

impl Outcome {
    fn answer(answer: Json) -> Self {
        Self { answer, ..Self::default() }
    }

    pub fn refused(refusal: &Refusal) -> Self {
        Self { answer: refusal.to_json(), code: refusal.code, ..Self::default() }
    }
}

/// Whether an operation of that name changes objects.
pub fn is_write(operation: &str) -> bool {
    matches!(operation, "core/create" | "core/update" | "core/apply_stimulus" | "core/delete")
}

/// One call's surroundings: who asks, when, of what.
pub struct Service<'a> {
    pub world: &'a mut World,
    pub accounts: &'a [Account],
    pub account: &'a Account,
    pub now: i64,
    /// `access_mode` below full: every write looks like missing rights.
    pub read_only: bool,
    pub limits: Limits,
}

impl Service<'_> {
    pub fn run(&mut self, request: &Json) -> Outcome {
        self.dispatch(request).unwrap_or_else(|refusal| Outcome::refused(&self.account.language.says(refusal)))
    }

    fn dispatch(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        match mandatory(request, "operation")?.as_str().unwrap_or_default() {
            "list_operations" => Ok(Outcome::answer(operations())),
            "core/check_credentials" => self.check_credentials(request),
            "core/get" => self.get(request),
            "core/create" => self.create(request),
            "core/update" => self.update(request),
            "core/apply_stimulus" => self.apply_stimulus(request),
            "core/delete" => self.delete(request),
            other => Err(Refusal::exception(11, format!("Unknown verb '{other}' in version '1.3'"))),
        }
    }

    fn check_credentials(&self, request: &Json) -> Result<Outcome, Refusal> {
        let (user, password) = (mandatory(request, "user")?, mandatory(request, "password")?);
        let authorized = self.accounts.iter().any(|one| *user == one.login && *password == one.password);
        Ok(Outcome::answer(json!({"code": 0, "message": null, "authorized": authorized})))
    }

    fn get(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        let class = self.class_of(request)?;
        let key = mandatory(request, "key")?;
        let fields = self.field_list(&class, request)?;
        let number = |name: &str, default| request.get(name).map_or(default, |value| number_of(value).unwrap_or(0));
        let (limit, page) = (number("limit", 0), number("page", 1));
        let (target, found) = self.find_all(&class, key)?;
        self.require(Right::Read, "reading", &target)?;
        if page < 1 {
            return Err(Refusal::declined(
                13,
                "The request page number is not valid. It must be an integer greater than 0",
            ));
        }
        let total = found.len();
        let shown: Vec<Object> = match usize::try_from(limit).unwrap_or(0) {
            0 => found,
            limit => found.into_iter().skip(limit * (page as usize - 1)).take(limit).collect(),
        };
        let objects = shown.iter().map(|object| (object, "", false));
        let answer = render::objects_answer(self.world, objects, &fields, Some(format!("Found: {total}")));
        Ok(Outcome::answer(answer))
    }

    fn create(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        mandatory(request, "comment")?;
        let class = self.class_of(request)?;
        let fields = mandatory(request, "fields")?;
        let shown = self.field_list(&class, request)?;
        self.require_write("creating", &class)?;
        let (object, events) = self.insert(&class, fields)?;
        Ok(self.written("created", &object, events, &shown))
    }

    /// Creates an object from its fields, as REST and the console both do.
    pub fn insert(&mut self, class: &str, fields: &Json) -> Result<(Object, Vec<Event>), Refusal> {
        if self.world.class(class).is_abstract {
            return Err(Refusal::error(format!("Cannot create an object of the abstract class {class}")));
        }
        let mut draft = blank(self.world.class(class));
        self.fill(&mut draft, fields)?;
        if class == "Attachment" {
            draft.set("user_id", Value::Key(self.account.user_id));
            draft.set("contact_id", Value::Key(self.account.contact_id));
        }
        self.check_file(&draft)?;
        change::insert(self.world, draft, self.now)
    }

    fn update(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        mandatory(request, "comment")?;
        let class = self.class_of(request)?;
        let key = mandatory(request, "key")?;
        let fields = mandatory(request, "fields")?;
        let shown = self.field_list(&class, request)?;
        let (target, _) = self.find_all(&class, key)?;
        self.require_write("modifying", &target)?;
        let object = self.find_one(&class, key)?;
        let (object, events) = self.change(object, fields)?;
        Ok(self.written("updated", &object, events, &shown))
    }

    /// Updates an object from fields, as REST and the console both do.
    pub fn change(&mut self, mut object: Object, fields: &Json) -> Result<(Object, Vec<Event>), Refusal> {
        self.fill(&mut object, fields)?;
        self.check_file(&object)?;
        change::update(self.world, object, self.now)
    }

    fn apply_stimulus(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        mandatory(request, "comment")?;
        let class = self.class_of(request)?;
        let key = mandatory(request, "key")?;
        let fields = mandatory(request, "fields")?;
        let shown = self.field_list(&class, request)?;
        let stimulus = mandatory(request, "stimulus")?.as_str().unwrap_or_default().to_owned();
        let (target, _) = self.find_all(&class, key)?;
        self.require_write("modifying", &target)?;
        let object = self.find_one(&class, key)?;
        let (object, events) = self.stimulate(object, &stimulus, fields)?;
        Ok(self.written("updated", &object, events, &shown))
    }

    /// Sets the fields, checks the transition and what it demands, then moves the object. A
    /// refusal leaves the fields unwritten too.
    pub fn stimulate(
        &mut self,
        mut object: Object,
        stimulus: &str,
        fields: &Json,
    ) -> Result<(Object, Vec<Event>), Refusal> {
        self.fill(&mut object, fields)?;
        let state = object.get("status").text().to_owned();
        let transition = Lifecycle::of(&object.class).and_then(|cycle| cycle.transition(&state, stimulus));
        let Some(transition) = transition else {
            let name = self.world.friendly_name(&object);
            let message = format!("Invalid stimulus: '{stimulus}' on the object {name} in state '{state}'");
            return Err(Refusal::declined(100, message));
        };
        // An empty key passes as present on PHP 8: 0 does not equal ''.
        let lacking = |code: &&String| {
            let value = object.get(code);
            value.is_null() && !matches!(value, Value::Key(_))
        };
        let missing: Vec<&str> = transition.mandatory.iter().filter(lacking).map(String::as_str).collect();
        if !missing.is_empty() {
            let list = missing.join(", ");
            let message = format!("Missing mandatory attribute(s) for applying the stimulus: {list}.");
            return Err(Refusal::declined(100, message));
        }
        object.set("status", Value::Text(transition.to.clone()));
        self.date_transition(&mut object, transition);
        change::update(self.world, object, self.now)
    }

    /// What iTop's transition actions set.
    fn date_transition(&self, object: &mut Object, transition: &Transition) {
        let Some(code) = transition.dated().filter(|code| object.values.contains_key(*code)) else { return };
        object.set(code, Value::Date(self.now));
        if let (true, Value::Date(start)) = (code == "resolution_date", object.get("start_date").clone()) {
            let spent = u64::try_from(self.now - start).unwrap_or(0);
            object.set("time_spent", Value::Number(spent));
        }
    }

    fn delete(&mut self, request: &Json) -> Result<Outcome, Refusal> {
        mandatory(request, "comment")?;
        let class = self.class_of(request)?;
        let key = mandatory(request, "key")?;
        let (target, found) = self.find_all(&class, key)?;
        self.require(Right::Delete, "deleting", &target)?;
        let fields = render::Fields::These(vec!["id".into(), "friendlyname".into()]);
        let with_them: Vec<Object> =
            found.iter().flat_map(|object| provision::deleted_with(self.world, object)).collect();
        let message = match with_them.len() {
            0 => format!("Deleted: {}", found.len()),
            more => format!("Deleted: {} plus (for DB integrity) {more}", found.len()),
        };
        let objects = found.iter().chain(&with_them).map(|object| (object, "", false));
        let answer = render::objects_answer(self.world, objects, &fields, Some(message));
        let doomed = found.into_iter().chain(with_them).map(|object| (object.class, object.id)).collect();
        Ok(Outcome { answer, doomed, wrote: true, ..Outcome::default() })
    }

    fn written(&self, message: &str, object: &Object, events: Vec<Event>, fields: &render::Fields) -> Outcome {
        let fresh = message == "created";
        let answer = render::objects_answer(self.world, [(object, message, fresh)], fields, None);
        Outcome { answer, events, wrote: true, ..Outcome::default() }
    }

    fn require_write(&self, action: &str, class: &str) -> Result<(), Refusal> {
        if self.read_only {
            return Err(Refusal::rights(action, class));
        }
        self.require(Right::Write, action, class)
    }

    fn require(&self, right: Right, action: &str, class: &str) -> Result<(), Refusal> {
        let barred = self.read_only && right != Right::Read;
        if !barred && self.account.may(right, class, self.world.schema().root(class)) {
            return Ok(());
        }
        // Modules may be read one by one, not listed.
        let action = if class == "ModuleInstallation" { "exporting" } else { action };
        Err(Refusal::rights(action, class))
    }

    fn class_of(&self, request: &Json) -> Result<String, Refusal> {
        let class = mandatory(request, "class")?.as_str().unwrap_or_default();
        match self.world.schema().class(class) {
            Some(_) => Ok(class.to_owned()),
            None => Err(Refusal::error(format!("class: '{class}' is not a valid class'"))),
        }
    }

    fn field_list(&self, class: &str, request: &Json) -> Result<render::Fields, Refusal> {
        let list = request.get("output_fields").and_then(Json::as_str).unwrap_or("*");
        render::Fields::parse(list, self.world.class(class))
    }
}

fn operations() -> Json {
    let operations = [
        ("core/create", "Create an object"),
        ("core/update", "Update an object"),
        ("core/apply_stimulus", "Apply a stimulus to change the state of an object"),
        ("core/get", "Search for objects"),
        ("core/delete", "Delete objects"),
        ("core/get_related", "Get related objects through the specified relation"),
        ("core/check_credentials", "Check user credentials"),
    ]
    .map(|(verb, description)| json!({"verb": verb, "description": description, "extension": "CoreServices"}));
    json!({"code": 0, "message": "Operations: 7", "version": "1.3", "operations": operations})
}

/// PHP's `isset`: null is as good as absent.
pub(crate) fn mandatory<'a>(request: &'a Json, name: &str) -> Result<&'a Json, Refusal> {
    request
        .get(name)
        .filter(|value| !value.is_null())
        .ok_or_else(|| Refusal::error(format!("Missing parameter '{name}'")))
}

/// A number, or a string of one.
fn number_of(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.trim().parse().ok())
}
