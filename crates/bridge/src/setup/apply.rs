//! Carries out the steps in order, one call each. Completed steps stay: if a run ends in the middle, the next
//! completes it, since everything is found again by its name.

use std::collections::BTreeMap;

use itop_client::{Client, Error, FieldValue, Fields};
use secrecy::ExposeSecret;
use serde_json::json;

use super::compare::{Change, Step, Target, Value, Values};

const COMMENT: &str = "itop-bridge setup";
/// iTop's own name of the type, in every language (`data.struct.remote_application_type.xml`, 3.1 and 3.2).
const GENERIC_TYPE: &str = "Other / Generic";

/// Objects made by steps: their names to their ids.
#[derive(Debug, Default)]
pub struct Made(BTreeMap<String, u64>);

/// Carries out one step.
pub async fn apply(client: &Client, step: &Step, made: &mut Made) -> Result<(), Error> {
    match &step.change {
        Change::Create(values) => {
            let written = client.create(&step.class, &made.fields(values), COMMENT, &["id"]).await?;
            made.0.insert(step.name.clone(), written.object.id);
        }
        Change::Update { id, values, .. } => {
            client.update(&step.class, *id, &made.fields(values), COMMENT, &["id"]).await?;
        }
        Change::Delete { id, .. } => {
            client.delete(&step.class, *id, COMMENT).await?;
        }
    }
    Ok(())
}

impl Made {
    fn fields(&self, values: &Values) -> Fields {
        let mut fields = Fields::new();
        for (code, value) in values {
            fields.set(*code, self.field(value));
        }
        fields
    }

    fn field(&self, value: &Value) -> FieldValue {
        match value {
            Value::Text(text) => text.as_str().into(),
            Value::Secret(text) => text.expose_secret().into(),
            Value::GenericType => json!({ "name": GENERIC_TYPE }).into(),
            Value::Connection(target) => self.id(target).into(),
            Value::Actions { own, others } => {
                let others = others.iter().map(|(id, order)| json!({ "action_id": id, "order": order }));
                let own = json!({ "action_id": self.id(own), "order": 1 });
                json!(others.chain([own]).collect::<Vec<_>>()).into()
            }
        }
    }

    /// # Panics
    /// When a step comes before the one that makes the object it names.
    fn id(&self, target: &Target) -> u64 {
        match target {
            Target::Standing(id) => *id,
            Target::Made(name) => *self.0.get(name).unwrap_or_else(|| panic!("{name:?} is made by an earlier step")),
        }
    }
}
