//! iTop 3.1 answers HTML with every `&` escaped once more: what is stored as `a &lt; b` is read as
//! `a &amp;lt; b` (seen on 3.1.2 against its database; 3.2.0 answers what it stores). Copied as it is
//! read, the text would arrive damaged. Which of the two a side does is asked of the side itself.

use itop_client::{Error, Query, oql_quote};

use super::html;
use super::itop::Itop;

/// Whether a side escapes HTML when it is read, as far as known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Escaping {
    #[default]
    Unknown,
    AsStored,
    OnceMore,
}

impl Itop {
    /// An attribute's value as the side stores it, from what it answered.
    pub async fn as_stored(&self, class: &str, id: u64, code: &str, answered: &str) -> Result<String, Error> {
        if !html::begins_with_tag(answered) || !answered.contains('&') {
            return Ok(answered.to_owned());
        }
        let Some(entity) = doubly_escaped_entity(answered) else {
            // An `&` that is not escaped itself: this side answers what it stores.
            self.learn_escaping(Escaping::AsStored);
            return Ok(answered.to_owned());
        };
        match self.escaping() {
            Escaping::AsStored => Ok(answered.to_owned()),
            Escaping::OnceMore => Ok(answered.replace("&amp;", "&")),
            Escaping::Unknown if self.stores_without(class, id, code, &entity).await? => {
                tracing::info!(itop = %self.name, "this iTop escapes HTML once more when it is read; that is undone");
                self.learn_escaping(Escaping::OnceMore);
                Ok(answered.replace("&amp;", "&"))
            }
            Escaping::Unknown => Ok(answered.to_owned()),
        }
    }

    /// Whether the side answers this entity for a value that its database finds to be without it.
    async fn stores_without(&self, class: &str, id: u64, code: &str, entity: &str) -> Result<bool, Error> {
        let like = oql_quote(&format!("%{entity}%"));
        let query = Query::oql(format!("SELECT {class} WHERE id = {id} AND {code} NOT LIKE {like}"));
        let found = self.client.get(class, &query, &[code]).await?;
        Ok(found.objects.first().and_then(|object| object.text(code)).is_some_and(|value| value.contains(entity)))
    }
}

/// The first entity whose `&` is escaped (`&amp;lt;`), where every `&` of the text is escaped so.
fn doubly_escaped_entity(html: &str) -> Option<String> {
    let mut first = None;
    for (at, _) in html.match_indices('&') {
        let rest = html[at..].strip_prefix("&amp;")?;
        let end = rest.find(';').filter(|end| (1..=10).contains(end))?;
        let name = &rest[..end];
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#') {
            return None;
        }
        first.get_or_insert_with(|| format!("&amp;{name};"));
    }
    first
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
}
