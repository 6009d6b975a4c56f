//! The account's rights on a class, tested without using them.
//!
//! iTop (3.1.2 and 3.2.0, `core/restservices.class.inc.php`, and tried on both) judges the rights on a class before
//! it looks at the attributes or for the object. So a create with only an attribute that no class has, and an update,
//! deletion or stimulus of the object 0, which never exists, end with code 1 if the right is missing, and otherwise
//! in a way that proves the right and leaves nothing behind. Over REST, iTop requires for a stimulus only the right
//! to update the class: a profile's permission for one stimulus and not another (`IsStimulusAllowed`) counts in the
//! console and the portal only.

use futures_util::future::join_all;
use itop_client::{Client, Error, ErrorClass, Fields, Query};

use super::{Verdict, joined, listed};
use crate::config::{Login, SideConfig};

/// An attribute that no class has.
const PROBE: &str = "itop_bridge_probe";
const COMMENT: &str = "itop-bridge check: asks for a right, changes nothing";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Create,
    Update,
    Delete,
    Stimulus,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Create => "create",
            Right::Update => "update",
            Right::Delete => "delete",
            Right::Stimulus => "apply stimuli",
        }
    }
}

/// The bridge's use of a class.
pub(super) struct ClassRights {
    pub class: String,
    wanted: Vec<Right>,
}

impl ClassRights {
    pub fn new(class: impl Into<String>, wanted: &[Right]) -> ClassRights {
        ClassRights { class: class.into(), wanted: wanted.to_vec() }
    }
}

enum Answer {
    Allowed,
    Denied,
    NoClass,
    /// The call should have been refused, but succeeded.
    Done,
    Unclear(Error),
}

/// One verdict per class, in order.
pub(super) async fn judge(client: &Client, classes: &[ClassRights], side: &SideConfig) -> Vec<Verdict> {
    let answers = join_all(classes.iter().map(|rights| {
        join_all(rights.wanted.iter().map(|right| async move { (*right, ask(client, &rights.class, *right).await) }))
    }))
    .await;
    let read_only = looks_read_only(&answers);
    classes.iter().zip(&answers).map(|(rights, answers)| verdict(&rights.class, answers, read_only, side)).collect()
}

async fn ask(client: &Client, class: &str, right: Right) -> Answer {
    let probe = Fields::new().with(PROBE, "1");
    let error = match right {
        Right::Read => match client.get(class, &Query::oql(format!("SELECT {class}")).limit(1), &["id"]).await {
            Ok(_) => return Answer::Allowed,
            Err(error) => error,
        },
        Right::Create => match client.create(class, &probe, COMMENT, &["id"]).await {
            Ok(_) => return Answer::Done,
            Err(error) => error,
        },
        Right::Update => match client.update(class, 0, &probe, COMMENT, &["id"]).await {
            Ok(_) => return Answer::Done,
            Err(error) => error,
        },
        Right::Stimulus => match client.apply_stimulus(class, 0, PROBE, &Fields::new(), COMMENT, &["id"]).await {
            Ok(_) => return Answer::Done,
            Err(error) => error,
        },
        Right::Delete => match client.delete(class, 0, COMMENT).await {
            Ok(deleted) if deleted.count == 0 => return Answer::Allowed,
            Ok(_) => return Answer::Done,
            Err(error) => error,
        },
    };
    match (&error.class, right) {
        (ErrorClass::Rights { .. }, _) => Answer::Denied,
        (ErrorClass::UnknownClass { .. }, _) => Answer::NoClass,
        (ErrorClass::UnknownAttribute { .. }, Right::Create | Right::Update) => Answer::Allowed,
        (ErrorClass::Gone, Right::Update | Right::Delete | Right::Stimulus) => Answer::Allowed,
        _ => Answer::Unclear(error),
    }
}

/// A read-only iTop answers every write as if the rights were missing, word for word.
fn looks_read_only(answers: &[Vec<(Right, Answer)>]) -> bool {
    let all = || answers.iter().flatten();
    let writes = || all().filter(|(right, _)| *right != Right::Read);
    let reads = all().all(|(right, answer)| *right != Right::Read || matches!(answer, Answer::Allowed));
    reads && writes().count() > 1 && writes().all(|(_, answer)| matches!(answer, Answer::Denied))
}

fn verdict(class: &str, answers: &[(Right, Answer)], read_only: bool, side: &SideConfig) -> Verdict {
    let words = |fits: fn(&Answer) -> bool| -> Vec<&str> {
        answers.iter().filter(|(_, answer)| fits(answer)).map(|(right, _)| right.word()).collect()
    };
    if answers.iter().any(|(_, answer)| matches!(answer, Answer::NoClass)) {
        return Verdict::fault(
            format!("this iTop has no class {class}"),
            "install the module that brings it, or leave the class out of [sync].classes",
        );
    }
    let done = words(|answer| matches!(answer, Answer::Done));
    if !done.is_empty() {
        return Verdict::fault(
            format!("this iTop carried out a {} that it should have refused", listed(&done)),
            format!(
                "look for a {class} that was made or changed just now by this account, and report it to itop-bridge"
            ),
        );
    }
    let denied = words(|answer| matches!(answer, Answer::Denied));
    let allowed = words(|answer| matches!(answer, Answer::Allowed));
    if !denied.is_empty() {
        let detail = match allowed.is_empty() {
            true => format!("the account may not {}", joined(&denied, "or")),
            false => format!("the account may {}, but not {}", listed(&allowed), joined(&denied, "or")),
        };
        let fix = fix(class, side);
        return match read_only && !denied.contains(&"read") {
            true => Verdict::fault(
                format!("{detail}, and so it is with every class"),
                format!(
                    "end the read-only mode (access_mode, a backup or an update under way) if this iTop is in it; else {fix}"
                ),
            ),
            false => Verdict::fault(detail, fix),
        };
    }
    match answers.iter().find_map(|(_, answer)| if let Answer::Unclear(error) = answer { Some(error) } else { None }) {
        Some(error) => Verdict::unclear(error),
        None => Verdict::ok(format!("the account may {}", listed(&allowed))),
    }
}

fn fix(class: &str, side: &SideConfig) -> String {
    let account = match &side.login {
        Login::Password { user, .. } => format!("user \"{user}\""),
        Login::Token(_) => "the token's account".to_owned(),
    };
    match class {
        "Ticket" | "Attachment" | "UserRequest" | "Incident" => {
            format!("give {account} a profile with that right, such as \"Support Agent\"")
        }
        _ if class.ends_with("Change") => format!(
            "give {account} a profile with that right, such as \"Change Supervisor\", or leave the class out of [sync].classes"
        ),
        _ => format!("give {account} a profile with that right, or leave the class out of [sync].classes"),
    }
}
