//! Whether an object fits a query, compared as MySQL does with iTop's collation: letters'
//! case does not count; two numbers compare as numbers.

use std::cmp::Ordering;

use super::parser::normalize;
use super::{Condition, Fault, Operator, Query, Term};
use crate::value::Object;
use crate::world::World;

/// Who asks: what placeholders stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub user_id: u64,
    pub contact_id: u64,
}

/// The objects that fit, ascending by id.
pub fn matches<'a>(world: &'a World, query: &Query, asker: Asker) -> Result<Vec<&'a Object>, Fault> {
    let Some(class) = world.schema().class(&query.class) else {
        return Err(normalize(format!("Unknown class '{}'", query.class)));
    };
    // A wrong attribute is an error even when there is nothing to compare.
    if let Some(condition) = &query.condition {
        check(condition, &|code| code == "id" || class.attribute(code).is_some())?;
    }
    let context = Context { world, asker };
    let fits = |object: &&Object| query.condition.as_ref().is_none_or(|condition| context.fits(condition, object));
    Ok(world.all(&class.name).filter(fits).collect())
}

fn check(condition: &Condition, known: &dyn Fn(&str) -> bool) -> Result<(), Fault> {
    let term = |term: &Term| match term {
        Term::Attribute(code) if !known(code) => Err(normalize(format!("Unknown filter code '{code}'"))),
        Term::Placeholder(name) if !is_placeholder(name) => Err(Fault {
            exception: "MissingQueryArgument",
            message: format!("Missing query argument: expecting = {name}"),
        }),
        _ => Ok(()),
    };
    match condition {
        Condition::And(left, right) | Condition::Or(left, right) => {
            check(left, known)?;
            check(right, known)
        }
        Condition::Not(inner) => check(inner, known),
        Condition::Compare { left, right, .. } => term(left).and_then(|()| term(right)),
        Condition::In { left, list, .. } => {
            term(left)?;
            list.iter().try_for_each(term)
        }
    }
}

fn is_placeholder(name: &str) -> bool {
    matches!(name, "current_contact_id" | "current_contact->id" | "current_user->id")
}

struct Context<'a> {
    world: &'a World,
    asker: Asker,
}

impl Context<'_> {
    fn fits(&self, condition: &Condition, object: &Object) -> bool {
        match condition {
            Condition::And(left, right) => self.fits(left, object) && self.fits(right, object),
            Condition::Or(left, right) => self.fits(left, object) || self.fits(right, object),
            Condition::Not(inner) => !self.fits(inner, object),
            Condition::Compare { left, operator, right } => {
                compare(self.value(left, object), *operator, self.value(right, object))
            }
            Condition::In { left, list, negated } => {
                let left = self.value(left, object);
                let found = list.iter().any(|term| compare(left.clone(), Operator::Equal, self.value(term, object)));
                left.is_some() && found != *negated
            }
        }
    }

    /// `None` is SQL's NULL, which fits nothing.
    fn value(&self, term: &Term, object: &Object) -> Option<String> {
        match term {
            Term::Text(text) => Some(text.clone()),
            Term::Number(number) => Some(number.to_string()),
            Term::Placeholder(name) if name == "current_user->id" => Some(self.asker.user_id.to_string()),
            Term::Placeholder(_) => Some(self.asker.contact_id.to_string()),
            Term::Attribute(code) if code == "id" => Some(object.id.to_string()),
            Term::Attribute(code) => {
                let attribute = self.world.class(&object.class).attribute(code)?;
                self.world.read(object, attribute)
            }
        }
    }
}

fn compare(left: Option<String>, operator: Operator, right: Option<String>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    let order = || match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.to_lowercase().cmp(&right.to_lowercase()),
    };
    match operator {
        Operator::Equal => order() == Ordering::Equal,
        Operator::NotEqual => order() != Ordering::Equal,
        Operator::Less => order() == Ordering::Less,
        Operator::LessOrEqual => order() != Ordering::Greater,
        Operator::Greater => order() == Ordering::Greater,
        Operator::GreaterOrEqual => order() != Ordering::Less,
        Operator::Like => like(&left, &right),
        Operator::NotLike => !like(&left, &right),
    }
}

/// SQL's LIKE: `%` any run, `_` one character, a backslash takes the next one literally.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern = pattern_tokens(&pattern.to_lowercase());
    // The classic two-pointer match: on a mismatch let the last `%` take one more character.
    let (mut at, mut token, mut retry) = (0, 0, None);
    while at < text.len() {
        match pattern.get(token) {
            Some(Like::Run) => {
                retry = Some((token, at));
                token += 1;
            }
            Some(Like::One) => (at, token) = (at + 1, token + 1),
            Some(Like::Literal(expected)) if *expected == text[at] => (at, token) = (at + 1, token + 1),
            _ => {
                let Some((run, taken)) = retry else { return false };
                retry = Some((run, taken + 1));
                (at, token) = (taken + 1, run + 1);
            }
        }
    }
    pattern[token..].iter().all(|token| matches!(token, Like::Run))
}

enum Like {
    Run,
    One,
    Literal(char),
}

fn pattern_tokens(pattern: &str) -> Vec<Like> {
    let mut characters = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => Like::Run,
            '_' => Like::One,
            '\\' => Like::Literal(characters.next().unwrap_or('\\')),
            other => Like::Literal(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::config::{FirstIds, Version, Zone};

    fn world() -> World {
        let mut world = World::new(Version::V3_2, Zone::parse("UTC"), "http://itop", FirstIds::default());
        crate::sample::fill(&mut world);
        world
    }

    /// The ids that a query about persons finds.
    fn find(condition: &str) -> Result<Vec<u64>, Fault> {
        let query = parse(&format!("SELECT Person AS p WHERE {condition}"))?;
        let world = world();
        let found = matches(&world, &query, Asker { user_id: 2, contact_id: 40 })?;
        Ok(found.iter().map(|object| object.id).collect())
    }

    #[track_caller]
    fn check(condition: &str, expected: &[u64]) {
        assert_eq!(find(condition).as_deref(), Ok(expected), "{condition}");
    }

    #[test]
    fn comparisons() {
        check("id = 9", &[9]);
        check("id >= 10 AND id < 12", &[10, 11]);
        check("id <> 1 AND id != 6 AND id <= 8", &[7, 8]);
        // Numbers compare as numbers, also as strings; letters' case does not count.
        check("id > '9' AND p.id <= 10", &[10]);
        check("name = 'MONET'", &[6]);
        check("id IN (6, '7') OR name IN ('Verne')", &[6, 7, 9]);
        check("id NOT IN (1,6,7,8,9,10,11)", &[12, 40]);
    }

    #[test]
    fn attributes_of_what_a_key_points_at() {
        check("org_name = 'Demo'", &[6, 7, 8]);
        check("p.org_id_friendlyname LIKE 'my comp%'", &[1]);
        check("friendlyname = 'Claude Monet'", &[6]);
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        check("id = 1 OR id = 6 AND id = 7", &[1]);
        check("(id = 1 OR id = 6) AND id = 6", &[6]);
        check("NOT id < 40", &[40]);
        check("NOT (id < 12 OR id = 40)", &[12]);
    }

    #[test]
    fn like_knows_runs_single_characters_and_escapes() {
        check("name LIKE '%o%e%'", &[6]);
        check("name LIKE 'H_go'", &[10]);
        check("name NOT LIKE '%e%' AND id > 1", &[8, 10, 11]);
        check(r"email LIKE '%jules.vernes@it\\.com'", &[9]);
        check(r"email LIKE '%\\%%'", &[]);
    }

    #[test]
    fn strings_take_both_quotes_and_escapes() {
        let text = |oql: &str| match parse(oql).unwrap().condition.unwrap() {
            Condition::Compare { right: Term::Text(text), .. } => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#"SELECT Person WHERE name = "it's \" \\""#), r#"it's " \"#);
        assert_eq!(text(r"SELECT Person WHERE name = 'it\'s'"), "it's");
        assert!(parse(r"SELECT Person WHERE name = 'a\n'").is_err());
    }

    #[test]
    fn placeholders_stand_for_who_asks() {
        check("id = :current_contact_id", &[40]);
        check("id = :current_user->id", &[]);
        assert!(find("id = :nobody").is_err());
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(find("name ~ 'x'").unwrap_err().message, "Unexpected input at line 1: ~");
        for wrong in ["name =", "= 3", "(id = 1", "id = 1 id", "name NOT = 'x'", "q.id = 1", "nope = 1", ""] {
            assert!(find(wrong).is_err(), "{wrong}");
        }
    }
}
