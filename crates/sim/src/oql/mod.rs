//! The part of OQL that tickets are asked with: `SELECT Class [AS alias] [WHERE condition]`,
//! with AND, OR, NOT, parentheses, comparisons, LIKE, IN, strings, numbers, placeholders
//! (`:current_contact_id`) and attribute paths. No joins, no functions, no unions.

mod eval;
mod lexer;
mod parser;

pub use eval::{Asker, matches};
pub use parser::parse;

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub class: String,
    pub alias: String,
    pub condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare { left: Term, operator: Operator, right: Term },
    In { left: Term, list: Vec<Term>, negated: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    Text(String),
    Number(i64),
    /// Without the colon: `current_contact_id`, `current_user->id`.
    Placeholder(String),
    /// An attribute code; the alias in front is gone.
    Attribute(String),
}

/// Why a query cannot be run; iTop names the exception's class in its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub exception: &'static str,
    pub message: String,
}
