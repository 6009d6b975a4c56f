//! A failure, in the three terms that a caller acts on: its class, whether a write may have had an effect, and words
//! for people.

use std::fmt;

use crate::bad_value::BadValue;

/// A call that did not give the requested result.
///
/// `message` is cut to about 300 characters and contains no secret and no data of an SQL query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub asked: Box<Asked>,
    pub class: ErrorClass,
    pub effect: Effect,
    pub http_status: Option<u16>,
    /// iTop's own `code`, or MySQL's error number.
    pub code: Option<i64>,
    pub message: String,
}

/// The call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub operation: Operation,
    /// The requested class; empty if the operation has none.
    pub class: String,
    /// The object's id, if the call named one.
    pub id: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Get,
    Create,
    Update,
    ApplyStimulus,
    Delete,
    ListOperations,
    /// The download of an inline image, which is not a REST operation.
    InlineImage,
    /// An operation that this crate has no type for.
    Other(String),
}

impl Operation {
    /// iTop's name for the operation.
    pub fn name(&self) -> &str {
        match self {
            Operation::Get => "core/get",
            Operation::Create => "core/create",
            Operation::Update => "core/update",
            Operation::ApplyStimulus => "core/apply_stimulus",
            Operation::Delete => "core/delete",
            Operation::ListOperations => "list_operations",
            Operation::InlineImage => "download_inlineimage",
            Operation::Other(name) => name,
        }
    }

    /// Whether it may change something. An unknown operation may.
    pub fn writes(&self) -> bool {
        use Operation::*;
        !matches!(self, Get | ListOperations | InlineImage)
    }
}

/// The kind of failure, which decides what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// It may go away by itself: the network, 5xx, maintenance, no JSON, an absent database.
    Transient,
    /// iTop refused it, and would again.
    Refused,
    /// The account lacks rights, for this class if iTop named one. A *read-only iTop* (backup,
    /// update) answers every write with these very words.
    Rights { class: Option<String> },
    /// The log-in was refused, or the account may not use REST at all.
    Login,
    /// `Invalid stimulus`: the object is not in the state that the caller thought.
    Stale,
    /// The object to write to does not exist, or this account may not see it.
    Gone,
    /// iTop, or its database, refuses these values, and would again. The rest of the request is not to blame.
    BadValues(Vec<BadValue>),
    /// The class has no such attribute.
    UnknownAttribute { attribute: String },
    /// This iTop has no such class.
    UnknownClass { class: String },
    /// The request, or the data to be read, exceeds a limit of this iTop or the caller.
    TooLarge,
    /// Something in front of iTop asks for fewer calls (HTTP 429). The call never reached iTop.
    Throttled { retry_after: Option<RetryAfter> },
    /// PHP ran out of memory on a write, and its error page came instead of an answer: the write may have been
    /// carried out, and nothing of the call is still running. `limit` is PHP's own word for its memory, such as
    /// `128M`.
    OutOfMemory { limit: String },
    /// Something other than iTop's REST is at this URL: a redirect (`to` is its host), or 404.
    WrongAddress { to: Option<String> },
    /// The answer is not an image, by its bytes.
    NotAnImage,
}

/// When a throttled caller may call again, according to the header `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    Seconds(u64),
    /// An HTTP date, and the answer's own header `Date`, by the same clock.
    At {
        date: String,
        answered: Option<String>,
    },
}

impl ErrorClass {
    /// The same class, with every name in it made fit for people.
    pub(crate) fn map_names(self, fit: impl Fn(&str) -> String) -> ErrorClass {
        match self {
            ErrorClass::Rights { class } => ErrorClass::Rights { class: class.map(|class| fit(&class)) },
            ErrorClass::BadValues(values) => {
                let fitted = values.into_iter().map(|value| BadValue {
                    attribute: value.attribute.map(|attribute| fit(&attribute)),
                    words: fit(&value.words),
                    ..value
                });
                ErrorClass::BadValues(fitted.collect())
            }
            ErrorClass::UnknownAttribute { attribute } => ErrorClass::UnknownAttribute { attribute: fit(&attribute) },
            ErrorClass::UnknownClass { class } => ErrorClass::UnknownClass { class: fit(&class) },
            ErrorClass::WrongAddress { to } => ErrorClass::WrongAddress { to: to.map(|to| fit(&to)) },
            ErrorClass::OutOfMemory { limit } => ErrorClass::OutOfMemory { limit: fit(&limit) },
            other => other,
        }
    }
}

/// The possible effect of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the connection was never made, or iTop's own words say that it stopped before
    /// the write. Reads have this always.
    None,
    /// It may have been carried out.
    Unknown {
        /// iTop's own JSON came: the call is over, and a read shows at once what it did. Without
        /// it, the call may still be running, and absence proves nothing yet.
        answered: bool,
    },
}

impl Error {
    /// The faults of the values that were sent, if the error names any.
    pub fn bad_values(&self) -> &[BadValue] {
        match &self.class {
            ErrorClass::BadValues(values) => values,
            _ => &[],
        }
    }

    pub fn is_transient(&self) -> bool {
        self.class == ErrorClass::Transient
    }

    /// The HTTP status of a page that came in place of iTop's answer, from something in front of it or from a PHP
    /// that broke on this one call. Other calls may well pass.
    pub fn page_status(&self) -> Option<u16> {
        use ErrorClass::*;
        let may_be_about_the_call = matches!(self.class, Transient | Refused | WrongAddress { .. });
        self.http_status.filter(|_| may_be_about_the_call && self.code.is_none())
    }

    pub fn had_no_effect(&self) -> bool {
        self.effect == Effect::None
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        if !self.class.is_empty() {
            write!(f, " {}", self.class)?;
        }
        match self.id {
            Some(id) => write!(f, "::{id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asked, self.message)?;
        match (self.code, self.http_status) {
            (Some(code), _) => write!(f, " (code {code})")?,
            (None, Some(status)) => write!(f, " (HTTP {status})")?,
            (None, None) => {}
        }
        match self.effect {
            Effect::None => Ok(()),
            Effect::Unknown { .. } => f.write_str("; it may have been carried out"),
        }
    }
}

impl std::error::Error for Error {}
