//! iTop 3.1 answers HTML with every `&` escaped once more: it stores `a &lt; b` and answers `a &amp;lt; b` (seen on
//! 3.1.2 against its database; 3.2.0 answers what it stores). Copied as answered, the text would arrive damaged. But a
//! person may have written `&amp;lt;`, so the text alone proves nothing: the side's own database is asked. iTop never
//! escapes plain attributes, so the answer holds for one attribute of one class.

use std::collections::{BTreeMap, BTreeSet};

use itop_client::{Error, Object, Query, oql_quote};

use crate::Shared;
use crate::side::call;
use crate::side::itop::Itop;

/// An object's text attributes, as the side stores them; other attributes are left out.
pub(crate) async fn texts_as_stored(
    shared: &Shared,
    itop: &Itop,
    object: &Object,
    attributes: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut texts = BTreeMap::new();
    for code in attributes {
        if let Some(text) = object.text(code) {
            texts.insert(code.clone(), as_stored(shared, itop, &object.class, object.id, code, text).await?);
        }
    }
    Ok(texts)
}

/// The attribute's value as the side stores it, given the side's answer.
pub(crate) async fn as_stored(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    id: u64,
    code: &str,
    answered: &str,
) -> Result<String, Error> {
    let Some(entity) = doubly_escaped_entity(answered) else { return Ok(answered.to_owned()) };
    if !itop.model().escapes_once_more(class, code) {
        if !stores_without(shared, itop, class, id, code, &entity).await? {
            return Ok(answered.to_owned());
        }
        tracing::info!(itop = %itop.name, class, code, "this iTop escapes HTML twice when it is read; the bridge undoes that");
        itop.model().learn_escaping_once_more(class, code);
    }
    Ok(answered.replace("&amp;", "&"))
}

/// Whether the side answers this entity for a value that, by its database, lacks it.
async fn stores_without(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    id: u64,
    code: &str,
    entity: &str,
) -> Result<bool, Error> {
    let like = oql_quote(&format!("%{entity}%"));
    let query = Query::oql(format!("SELECT {class} WHERE id = {id} AND {code} NOT LIKE {like}"));
    let found = call::asked(shared, itop, class, &query, &[code]).await?;
    Ok(found.objects.first().and_then(|object| object.text(code)).is_some_and(|value| value.contains(entity)))
}

/// The entity whose `&` is escaped most often (`&amp;lt;`, `&amp;amp;lt;`), if every `&` of the text begins such an
/// entity. In a text that was escaped once more, exactly this entity cannot be stored.
fn doubly_escaped_entity(text: &str) -> Option<String> {
    let mut deepest: Option<(usize, &str)> = None;
    for (at, _) in text.match_indices('&') {
        let mut rest = text[at..].strip_prefix("&amp;")?;
        let mut depth = 1;
        while let Some(shorter) = rest.strip_prefix("amp;") {
            (rest, depth) = (shorter, depth + 1);
        }
        let name = rest.split_once(';').map_or("", |(name, _)| name);
        let is_entity =
            (1..=10).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#');
        // `&amp;amp;` is itself an escaped entity.
        let (depth, name) = match (is_entity, depth) {
            (true, _) => (depth, name),
            (false, 1) => return None,
            (false, _) => (depth - 1, "amp"),
        };
        if deepest.is_none_or(|(most, _)| depth > most) {
            deepest = Some((depth, name));
        }
    }
    deepest.map(|(depth, name)| format!("&{}{name};", "amp;".repeat(depth)))
}

#[cfg(test)]
mod tests {
    use super::doubly_escaped_entity;

    #[test]
    fn only_a_text_whose_every_ampersand_is_escaped_once_more_is_suspected() {
        assert_eq!(doubly_escaped_entity("<p>a &amp;lt; b &amp;amp; c</p>").as_deref(), Some("&amp;lt;"));
        assert_eq!(doubly_escaped_entity("<p>a &amp;#39; b</p>").as_deref(), Some("&amp;#39;"));
        assert_eq!(doubly_escaped_entity("<p>a &amp; b</p>"), None);
        assert_eq!(doubly_escaped_entity("<p>a &lt; b &amp;lt;</p>"), None);
        assert_eq!(doubly_escaped_entity("<p>a</p>"), None);
    }

    #[test]
    fn the_entity_that_is_escaped_most_often_tells() {
        assert_eq!(doubly_escaped_entity("a &amp;lt; b &amp;amp;lt; c &amp;gt;").as_deref(), Some("&amp;amp;lt;"));
        assert_eq!(doubly_escaped_entity("a &amp;amp; b").as_deref(), Some("&amp;amp;"));
        assert_eq!(doubly_escaped_entity("a &amp;amp;amp; b").as_deref(), Some("&amp;amp;amp;"));
    }
}
