//! Sending fields of a ticket: together, and one by one where what failed may lie in one of them. A value that is not
//! taken is a conflict of its own field; the others are written.

use itop_bridge_core::Ticket;
use itop_bridge_core::link::RefusedField;
use itop_bridge_core::plan::FieldWrite;
use itop_client::{Effect, Error, ErrorClass};

use super::failure::Failure;
use super::pass::Pass;

/// A field as it is sent.
#[derive(Clone)]
pub(super) struct Outgoing<'f> {
    pub field: &'f FieldWrite,
    pub value: String,
    /// All that stands outside is said by it, however it is cut: it is not written again before that changes.
    pub is_whole: bool,
}

impl Outgoing<'_> {
    pub fn code(&self) -> &str {
        &self.field.code
    }
}

/// A field that was not written, and why.
pub(super) type NotTaken<'f> = (Outgoing<'f>, Error);

impl Pass<'_> {
    /// Updates the counterpart with these fields, in one call where that is taken. Where it is not, and one of them
    /// may be to blame, that one is left out, or each is sent by itself. What is written is recorded at once;
    /// answers what was not. A failure that no single field explains ends it.
    pub(super) async fn update_apart<'f>(
        &mut self,
        mut fields: Vec<Outgoing<'f>>,
        target: &Ticket,
        reason: &str,
    ) -> Result<Vec<NotTaken<'f>>, Failure> {
        let mut not_taken = Vec::new();
        while !fields.is_empty() {
            let error = match self.send_fields(&fields, target).await? {
                Ok(written) => {
                    self.fields_written(&fields, &written, target, reason).await?;
                    break;
                }
                Err(error) => error,
            };
            if !error.had_no_effect() {
                // It is over, and what it may have done is seen by the next look.
                self.look_again(self.shared.now_ms());
            }
            if self.send_less(&mut fields, &error) {
                continue;
            }
            let (named, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| names(&error, field.code()));
            fields = rest;
            if !named.is_empty() {
                not_taken.extend(named.into_iter().map(|field| (field, error.clone())));
            } else if !may_lie_in_one_field(&error) {
                self.save().await?;
                return Err(Failure::of(&self.shared.internal, &error));
            } else if fields.len() == 1 {
                not_taken.extend(fields.drain(..).map(|field| (field, error.clone())));
            } else {
                for field in fields.drain(..) {
                    not_taken.extend(Box::pin(self.update_apart(vec![field], target, reason)).await?);
                }
            }
        }
        Ok(not_taken)
    }

    async fn fields_written(
        &mut self,
        fields: &[Outgoing<'_>],
        written: &itop_client::Written,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let internal = &self.shared.internal;
        for Outgoing { field, value, .. } in fields {
            let answered = written.object.text(&field.code).unwrap_or(value);
            let stored = internal.as_stored(&target.class, target.id, &field.code, answered).await;
            self.field_written(field, &stored.unwrap_or_else(|_| answered.to_owned()));
        }
        let codes = fields.iter().map(Outgoing::code).collect::<Vec<_>>().join(", ");
        self.wrote(&codes, reason);
        self.save().await
    }

    /// Keeps what was not taken: as conflicts of their fields, where their values are to blame. Where nothing says so
    /// and no other field was written either, it is the ticket's own refusal.
    pub(super) fn keep_not_taken(
        &mut self,
        not_taken: Vec<NotTaken<'_>>,
        others_were_written: bool,
    ) -> Option<Failure> {
        let mut failure = None;
        for (outgoing, error) in not_taken {
            if others_were_written || !error.bad_values().is_empty() {
                self.field_refused(outgoing.field, &error);
            } else {
                failure = Some(Failure::of(&self.shared.internal, &error));
            }
        }
        failure
    }

    /// The inside does not take this value: it is not sent again before it changes outside, or its time has come.
    pub(super) fn field_refused(&mut self, field: &FieldWrite, error: &Error) {
        let (code, source) = (&field.code, field.source.as_deref().unwrap_or_default());
        let refused = RefusedField::new(code, source, words_for(error, code), self.shared.now_ms());
        let conflict = refused.conflict(&self.shared.internal.name);
        self.link.keep_refusal(refused, |refused_for_ms| self.shared.refused_value_waits_ms(refused_for_ms));
        if !self.link.conflicts.contains(&conflict) {
            tracing::warn!(ticket = %self.name(), field = code, %error, "a value is not taken; the other fields are written");
            self.did(format!("conflict: {code}: {}", conflict.text));
        }
        self.link.conflicts.retain(|known| known.about != *code);
        self.link.conflicts.push(conflict);
    }
}

/// What iTop says of this attribute.
fn words_for<'e>(error: &'e Error, code: &str) -> &'e str {
    let values = error.bad_values();
    let named = values.iter().find(|value| value.attribute.as_deref() == Some(code));
    named.or(values.first()).map_or(&error.message, |value| &value.words)
}

/// Whether the error says that this attribute's value is to blame.
pub(super) fn names(error: &Error, code: &str) -> bool {
    error.bad_values().iter().any(|value| value.attribute.as_deref() == Some(code))
}

/// Whether it may lie in one of the values that were sent, so that the others may get through without it.
fn may_lie_in_one_field(error: &Error) -> bool {
    matches!(error.class, ErrorClass::BadValues(_) | ErrorClass::Refused | ErrorClass::TooLarge)
        && error.effect != (Effect::Unknown { answered: false })
}
