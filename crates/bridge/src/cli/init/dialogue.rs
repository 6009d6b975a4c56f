//! The questions and their answers, so that a person can go back. Esc ends a question with [`Back`]; then the
//! questions start over, and all answers but the last are repeated without asking. So going back one question works
//! the same everywhere, whatever depends on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use secrecy::{ExposeSecret, SecretString};

use super::prompt::{Back, Prompt};

/// Shown before the first question.
pub const KEYS: &str = "Enter takes the text in [brackets], the arrow up brings in the text to correct. Esc goes one \
                    question back, Ctrl-C leaves; nothing is written before the last answer.";

#[derive(Clone)]
enum Answer {
    Text(String),
    Secret(SecretString),
    /// The choice, as it was shown.
    Chosen(String),
    Agreed(bool),
}

pub struct Dialogue<'a> {
    person: Option<&'a mut dyn Prompt>,
    /// The key of each question, and its answer, in the order of asking.
    answered: Vec<(String, Answer)>,
    /// How many of the answers were repeated since the questions started over.
    repeated: usize,
    /// The last answer to each question, offered when it is asked again.
    before: BTreeMap<String, Answer>,
    /// The answers that were refused: Enter must not give one again.
    refused: BTreeMap<String, String>,
    is_repeating: Arc<AtomicBool>,
}

impl<'a> Dialogue<'a> {
    pub fn new(person: Option<&'a mut dyn Prompt>) -> Dialogue<'a> {
        Dialogue {
            person,
            answered: Vec::new(),
            repeated: 0,
            before: BTreeMap::new(),
            refused: BTreeMap::new(),
            is_repeating: Arc::default(),
        }
    }

    pub fn has_person(&self) -> bool {
        self.person.is_some()
    }

    /// Whether the present question was answered before: then an iTop need not be asked again for it.
    pub fn is_repeating(&self) -> Arc<AtomicBool> {
        self.is_repeating.clone()
    }

    /// Starts the questions over, up to the one before that at which the person went back. At the first one the
    /// person is asked whether to leave.
    pub fn go_back(&mut self) -> anyhow::Result<()> {
        if self.answered.pop().is_none() {
            let leaves = match self.person.as_deref_mut() {
                Some(person) => person.agree("Leave, and write nothing?", true),
                None => Ok(true),
            };
            match leaves {
                Ok(true) => return Err(Back.into()),
                Ok(false) => {}
                // Going back from there leads to the question.
                Err(error) if error.is::<Back>() => {}
                Err(error) => return Err(error),
            }
        }
        self.set_repeated(0);
        Ok(())
    }

    fn set_repeated(&mut self, repeated: usize) {
        self.repeated = repeated;
        self.is_repeating.store(repeated < self.answered.len(), Ordering::Relaxed);
    }

    /// A line of text. `flag` is the flag that would have answered it, and the question's key.
    pub fn text(&mut self, flag: &str, question: &str, offered: Option<&str>) -> anyhow::Result<String> {
        let again = |answer: &Answer| match answer {
            Answer::Text(text) => Some(text.clone()),
            _ => None,
        };
        let refused = self.refused.remove(flag);
        self.ask(flag, question, again, |person, before| {
            let before = before.and_then(again).filter(|before| !before.is_empty());
            let typed = person.text(question, before.as_deref().or(offered), refused.as_deref())?.trim().to_owned();
            Ok((typed.clone(), Answer::Text(typed)))
        })
    }

    /// A hidden line. Enter alone repeats the one typed before.
    pub fn secret(&mut self, flag: &str, question: &str) -> anyhow::Result<SecretString> {
        let again = |answer: &Answer| match answer {
            Answer::Secret(secret) => Some(secret.clone()),
            _ => None,
        };
        self.ask(flag, question, again, |person, before| {
            let before = before.and_then(again).filter(|before| !before.expose_secret().is_empty());
            let Some(before) = before else {
                let typed = SecretString::from(person.secret(question)?);
                return Ok((typed.clone(), Answer::Secret(typed)));
            };
            let typed = SecretString::from(person.secret(&format!("{question} [as before]"))?);
            let typed = if typed.expose_secret().is_empty() { before } else { typed };
            Ok((typed.clone(), Answer::Secret(typed)))
        })
    }

    /// The index of the choice.
    pub fn choose(&mut self, flag: &str, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize> {
        let again = |answer: &Answer| match answer {
            Answer::Chosen(chosen) => choices.iter().position(|choice| choice == chosen),
            _ => None,
        };
        self.ask(flag, question, again, |person, before| {
            let chosen = person.choose(question, choices, before.and_then(again).unwrap_or(offered))?;
            Ok((chosen, Answer::Chosen(choices[chosen].clone())))
        })
    }

    pub fn agree(&mut self, key: &str, question: &str, offered: bool) -> anyhow::Result<bool> {
        let again = |answer: &Answer| match answer {
            Answer::Agreed(agreed) => Some(*agreed),
            _ => None,
        };
        self.ask(key, question, again, |person, before| {
            let agreed = person.agree(question, before.and_then(again).unwrap_or(offered))?;
            Ok((agreed, Answer::Agreed(agreed)))
        })
    }

    /// Says something before the next question.
    pub fn say(&mut self, text: &str) -> anyhow::Result<()> {
        match self.person.as_deref_mut() {
            Some(person) if self.repeated == self.answered.len() => person.say(text),
            _ => Ok(()),
        }
    }

    /// A text was refused: it can be corrected, but is not offered again.
    pub fn refuse(&mut self, flag: &str) {
        if let Some(Answer::Text(text)) = self.before.remove(flag) {
            self.refused.insert(flag.to_owned(), text);
        }
    }

    /// A refused answer is not offered again.
    pub fn forget(&mut self, flag: &str) {
        self.before.remove(flag);
    }

    /// Offers this in place of the last answer.
    pub fn offer(&mut self, flag: &str, text: String) {
        self.before.insert(flag.to_owned(), Answer::Text(text));
    }

    fn ask<T>(
        &mut self,
        flag: &str,
        question: &str,
        again: impl Fn(&Answer) -> Option<T>,
        live: impl FnOnce(&mut dyn Prompt, Option<&Answer>) -> anyhow::Result<(T, Answer)>,
    ) -> anyhow::Result<T> {
        if self.person.is_none() {
            return Err(anyhow!("{flag} is missing ({question}), and there is no terminal to ask on"));
        }
        if let Some((key, answer)) = self.answered.get(self.repeated)
            && key == flag
            && let Some(answer) = again(answer)
        {
            self.set_repeated(self.repeated + 1);
            return Ok(answer);
        }
        // Questions after one that is asked again, or whose answer no longer fits, are asked again too.
        let known = self.answered[..self.repeated].iter().position(|(key, _)| key == flag);
        self.answered.truncate(known.unwrap_or(self.repeated));
        self.set_repeated(self.answered.len());
        let person = self.person.as_deref_mut().expect("somebody is there to be asked");
        let (value, answer) = live(person, self.before.get(flag))?;
        self.before.insert(flag.to_owned(), answer.clone());
        self.answered.push((flag.to_owned(), answer));
        self.set_repeated(self.answered.len());
        Ok(value)
    }
}
