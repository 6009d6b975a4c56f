//! Sentences for people that the engine itself uses, in its log and its alerts.

mod after_resume;
pub mod count;
pub mod moment;
pub mod span;

pub use after_resume::AfterResume;
use count::counted;
use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::plan::Write;

/// How to resume a halted pair or log, and what that does.
pub fn resume(name: &str, after: AfterResume, internal: &str) -> String {
    let command = format!("`itop-bridge resume {name}`");
    match after {
        AfterResume::Ends { or_anew: true } => format!(
            "look at both its tickets; if that is still so, {command} ends the pair for good, and `itop-bridge resume {name} --create` makes a new ticket in {internal} instead"
        ),
        AfterResume::Ends { or_anew: false } => {
            format!("look at both its tickets; if that is still so, {command} ends the pair for good")
        }
        AfterResume::GoesOnWithTheNewReference => {
            format!("look at both its tickets; {command} goes on with the external ticket's new reference")
        }
        AfterResume::DeletesTheCopies => {
            format!(
                "look at both its tickets; {command} goes on, and deletes the copies of the files that are still gone"
            )
        }
        AfterResume::TakesTheLogAsDelivered => {
            format!("{command} goes on, and takes the log as delivered, except for the entries dated after the halt")
        }
    }
}

/// Ends a sentence, unless it ends with a question mark or a full stop.
pub fn ended(text: &str) -> String {
    if text.ends_with(['?', '.']) { format!("{text} ") } else { format!("{text}. ") }
}

/// Capitalises the first letter.
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

/// Describes one write, for `plan` and a dry run.
pub fn write(write: &Write) -> String {
    match write {
        Write::CreateTicket { class, .. } => format!("make {} {class}", article(class)),
        Write::UpdateFields { fields } => {
            let codes: Vec<&str> = fields.iter().map(|field| field.code.as_str()).collect();
            format!("update {}", codes.join(", "))
        }
        Write::WalkStatus { wanted, .. } => format!("move the status to {wanted}"),
        Write::WriteText { code, .. } => format!("write {code}, which was refused before"),
        Write::CopyFile { .. } => "copy a file".to_owned(),
        Write::RewriteFile { .. } => "bring a copy up to date, in place".to_owned(),
        Write::DeleteCopy { .. } => "delete a copy".to_owned(),
        Write::SendLog { log, entries, .. } => {
            let entries = counted(entries.len(), "entry", "entries");
            format!("attach {entries} of the {} log, as a file", log.word())
        }
        Write::SendBatch { log, .. } => format!("attach what is not sent yet of the {} log", log.word()),
        Write::Enclose { copy: None, .. } => "attach what a field has no room for".to_owned(),
        Write::Enclose { copy: Some(_), .. } => "bring up to date what a field has no room for".to_owned(),
        Write::SendAside { log, .. } => format!("attach what was kept back of the {} log", log.word()),
        Write::WriteDocument { kind, copy } => {
            let document = match kind {
                DocumentKind::Report => "the report of the status",
                DocumentKind::Notice => "the notice",
            };
            match copy {
                None => format!("attach {document}"),
                Some(_) => format!("bring {document} up to date"),
            }
        }
    }
}

/// Incident and EmergencyChange begin with a vowel; so does UserRequest, but not in speech.
fn article(class: &str) -> &'static str {
    if class.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" }
}
