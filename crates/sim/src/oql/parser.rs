//! Tokens to a query, by recursive descent. OR binds weaker than AND, as in iTop.

use super::lexer::{Token, tokens};
use super::{Condition, Fault, Operator, Query, Term};

pub fn parse(oql: &str) -> Result<Query, Fault> {
    let tokens = tokens(oql)?;
    Parser { tokens, at: 0, alias: String::new() }.query()
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    alias: String,
}

impl Parser {
    fn query(mut self) -> Result<Query, Fault> {
        self.expect_keyword("SELECT")?;
        let class = self.name()?;
        self.alias = if self.keyword("AS") { self.name()? } else { class.clone() };
        let condition = if self.keyword("WHERE") { Some(self.or()?) } else { None };
        if self.peek().is_some() {
            return Err(self.unexpected());
        }
        Ok(Query { class, alias: self.alias, condition })
    }

    fn or(&mut self) -> Result<Condition, Fault> {
        let mut left = self.and()?;
        while self.keyword("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, Fault> {
        let mut left = self.not()?;
        while self.keyword("AND") {
            left = Condition::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Condition, Fault> {
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.not()?)));
        }
        if self.symbol("(") {
            let inner = self.or()?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, Fault> {
        let left = self.term()?;
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            return Ok(Condition::In { left, list: self.list()?, negated });
        }
        if self.keyword("LIKE") {
            let operator = if negated { Operator::NotLike } else { Operator::Like };
            return Ok(Condition::Compare { left, operator, right: self.term()? });
        }
        let operator = self.operator().filter(|_| !negated).ok_or_else(|| self.unexpected())?;
        Ok(Condition::Compare { left, operator, right: self.term()? })
    }

    fn operator(&mut self) -> Option<Operator> {
        let known = [
            ("=", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        known.into_iter().find_map(|(symbol, operator)| self.symbol(symbol).then_some(operator))
    }

    fn list(&mut self) -> Result<Vec<Term>, Fault> {
        self.expect_symbol("(")?;
        let mut list = vec![self.term()?];
        while self.symbol(",") {
            list.push(self.term()?);
        }
        self.expect_symbol(")")?;
        Ok(list)
    }

    fn term(&mut self) -> Result<Term, Fault> {
        let negative = self.symbol("-");
        match self.tokens.get(self.at).cloned() {
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(Term::Number(if negative { -number } else { number }))
            }
            Some(Token::Text(text)) if !negative => {
                self.at += 1;
                Ok(Term::Text(text))
            }
            Some(Token::Placeholder(name)) if !negative => {
                self.at += 1;
                Ok(Term::Placeholder(name))
            }
            Some(Token::Word(_)) if !negative => self.attribute(),
            _ => Err(self.unexpected()),
        }
    }

    fn attribute(&mut self) -> Result<Term, Fault> {
        let first = self.name()?;
        if !self.symbol(".") {
            return Ok(Term::Attribute(first));
        }
        if first != self.alias {
            return Err(normalize(format!("Unknown class alias '{first}'")));
        }
        Ok(Term::Attribute(self.name()?))
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(present)) if *present == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), Fault> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Fault {
        let found = match self.peek() {
            None => "end of query".to_owned(),
            Some(Token::Word(text) | Token::Text(text)) => text.clone(),
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Placeholder(name)) => format!(":{name}"),
            Some(Token::Symbol(symbol)) => (*symbol).to_owned(),
        };
        Fault {
            exception: "OQLParserParseFailureException",
            message: format!("Unexpected token {found} at {}", self.at),
        }
    }
}

pub(super) fn normalize(message: String) -> Fault {
    Fault { exception: "OqlNormalizeException", message }
}
