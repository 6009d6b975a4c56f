//! Which objects a `key` means: an id, an OQL query, or search criteria.

use serde_json::Value as Json;

use super::{Service, number_of};
use crate::oql;
use crate::refusal::Refusal;
use crate::value::Object;

impl Service<'_> {
    /// All objects of a key in iTop's default order, with the class that the rights are asked for.
    pub(super) fn find_all(&self, class: &str, key: &Json) -> Result<(String, Vec<Object>), Refusal> {
        let (class, mut found) = if let Some(id) = number_of(key) {
            let id = u64::try_from(id).unwrap_or(0);
            (class.to_owned(), self.world.find(class, id).cloned().into_iter().collect())
        } else if let Some(criteria) = key.as_object() {
            let class = self.final_class(class, criteria)?;
            let found = self.by_criteria(&class, criteria)?.0;
            (class, found)
        } else if let Some(query) = key.as_str() {
            self.by_oql(query)?
        } else {
            return Err(Refusal::error("Wrong format for key"));
        };
        found.retain(|object| self.may_see(object));
        self.sort(&class, &mut found);
        Ok((class, found))
    }

    /// The one object of a key; none and several are errors.
    pub(super) fn find_one(&self, class: &str, key: &Json) -> Result<Object, Refusal> {
        if let Some(id) = number_of(key) {
            let found = u64::try_from(id).ok().and_then(|id| self.world.find(class, id)).cloned();
            let found = found.filter(|object| self.may_see(object));
            return found.ok_or_else(|| Refusal::error(format!("Invalid object {class}::{id}")));
        }
        let (mut found, what) = if let Some(criteria) = key.as_object() {
            let class = self.final_class(class, criteria)?;
            let (found, report) = self.by_criteria(&class, criteria)?;
            (found, format!("with criteria: {report}"))
        } else if let Some(query) = key.as_str() {
            (self.by_oql(query)?.1, format!("for query: {query}"))
        } else {
            return Err(Refusal::error("Wrong format for key"));
        };
        found.retain(|object| self.may_see(object));
        match found.len() {
            0 => Err(Refusal::error(format!("No item found {what}"))),
            1 => Ok(found.into_iter().next().expect("one was counted")),
            n => Err(Refusal::error(format!("Several items found ({n}) {what}"))),
        }
    }

    /// A ticket of an organisation that the account may not see is not there for it, nor are that ticket's files, which
    /// carry its organisation.
    fn may_see(&self, object: &Object) -> bool {
        let code = match self.world.schema().root(&object.class) {
            "Ticket" => "org_id",
            "Attachment" => "item_org_id",
            _ => return true,
        };
        self.account.sees(object.get(code).key())
    }

    fn final_class(&self, class: &str, criteria: &serde_json::Map<String, Json>) -> Result<String, Refusal> {
        match criteria.get("finalclass").and_then(Json::as_str) {
            None => Ok(class.to_owned()),
            Some(named) if self.world.schema().class(named).is_some() => Ok(named.to_owned()),
            Some(named) => Err(Refusal::error(format!("finalclass: Unknown class '{named}'"))),
        }
    }

    /// The objects whose attributes equal all criteria, and iTop's report of the criteria.
    fn by_criteria(
        &self,
        class: &str,
        criteria: &serde_json::Map<String, Json>,
    ) -> Result<(Vec<Object>, String), Refusal> {
        let mut wanted = Vec::new();
        let mut report = Vec::new();
        for (code, value) in criteria {
            let Some(attribute) = self.world.class(class).attribute(code) else {
                return Err(Refusal::error(format!("{code}: Unknown attribute")));
            };
            let text = match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            report.push(format!("{code}: {text} ({text})"));
            wanted.push((attribute, text.to_lowercase()));
        }
        let fits = |object: &&Object| {
            wanted.iter().all(|(attribute, text)| {
                self.world.read(object, attribute).is_some_and(|found| found.to_lowercase() == *text)
            })
        };
        Ok((self.world.all(class).filter(fits).cloned().collect(), report.join(", ")))
    }

    fn by_oql(&self, text: &str) -> Result<(String, Vec<Object>), Refusal> {
        let run = || {
            let query = oql::parse(text)?;
            let found = oql::matches(self.world, &query, self.account.asker())?;
            let found: Vec<Object> = found.into_iter().cloned().collect();
            Ok((query.class, found))
        };
        run().map_err(|fault: oql::Fault| {
            Refusal::error(format!(
                "Query failed to execute: query = {text}, exception_class = {}, exception_message = {}",
                fault.exception, fault.message
            ))
        })
    }

    /// Tickets come newest first, everything else by name.
    fn sort(&self, class: &str, found: &mut [Object]) {
        if self.world.schema().root(class) == "Ticket" {
            found.sort_by_key(|object| std::cmp::Reverse(object.id));
        } else {
            found.sort_by_cached_key(|object| (self.world.friendly_name(object).to_lowercase(), object.id));
        }
    }
}
