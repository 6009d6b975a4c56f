//! The requirements of each side, as a table, and the judgement of each line.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use itop_bridge_core::policy::{AttachmentDeletes, StatusToExternal, StatusToInternal};
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::wording::count::counted;
use itop_client::{Client, Error, ErrorClass, Memory, Query};

use super::defaults::DefaultOf;
use super::rights::{ClassRights, Right};
use super::uncarried::Waiting;
use super::{Finding, Remembered, State, Verdict, place_of_internal, reach, rights, server, stimuli, uncarried};
use crate::app::{self, MakeTransport};
use crate::config::{Condition, Config, ExternalConfig, Only, SideConfig, SyncConfig};

/// The requirements of one side.
pub(super) struct Table<'a> {
    pub side: &'a SideConfig,
    /// The side's section in the configuration: `[internal]`.
    pub section: String,
    parts: Vec<Part>,
}

/// Requirements of one kind, one line each.
pub(super) enum Part {
    Rights(Vec<ClassRights>),
    /// The fields kept up to date, and the classes; at least one class must have each field.
    Fields {
        codes: Vec<String>,
        classes: Vec<String>,
    },
    Defaults(Vec<DefaultOf>),
    Only {
        class: String,
        condition: Option<Condition>,
        section: String,
    },
    /// The tickets that wait without a counterpart, as far as the store knows.
    Uncarried {
        waiting: Vec<Waiting>,
        only: Only,
        now_ms: i64,
    },
    /// The tickets older than the connection, once it has begun.
    Older {
        sync: SyncConfig,
        up_to: Option<u64>,
    },
    /// Judged from the configuration alone.
    Told {
        check: String,
        verdict: Verdict,
    },
}

pub(super) fn tables<'a>(config: &'a Config, remembered: Option<&Remembered>) -> Vec<Table<'a>> {
    let external = |of: &'a ExternalConfig| external(of, remembered);
    std::iter::once(internal(config)).chain(config.externals.iter().map(external)).collect()
}

fn internal(config: &Config) -> Table<'_> {
    let externals = &config.externals;
    let classes: BTreeSet<&String> = externals.iter().flat_map(|external| external.sync.classes.values()).collect();
    let deletes = externals.iter().any(|external| external.sync.attachment_deletes == AttachmentDeletes::Owner);
    let mut rights = vec![ClassRights::new("Ticket", &[Right::Read])];
    rights.extend(classes.iter().map(|class| ClassRights::new(class.as_str(), of_counterparts(externals, class))));
    rights.push(attachments(deletes));
    let codes: BTreeSet<&String> = externals.iter().flat_map(|external| &external.sync.fields).collect();
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    let mut parts = vec![
        Part::Rights(rights),
        Part::Fields { codes: codes.into_iter().cloned().collect(), classes: classes.clone() },
        Part::Defaults(DefaultOf::internal(config, &classes)),
    ];
    parts.extend(no_organisation(externals));
    parts.extend(stimuli::internal(externals));
    Table { side: &config.internal, section: "[internal]".to_owned(), parts }
}

fn external<'a>(external: &'a ExternalConfig, remembered: Option<&Remembered>) -> Table<'a> {
    let sync = &external.sync;
    let section = format!("[external.{}]", external.name());
    let driven = sync.status_to_external == StatusToExternal::Apply;
    let wanted: &[Right] = if driven { &[Right::Read, Right::Update, Right::Stimulus] } else { &[Right::Read] };
    let mut rights = vec![ClassRights::new("Ticket", &[Right::Read])];
    rights.extend(sync.classes.keys().map(|class| ClassRights::new(class, wanted)));
    rights.push(attachments(sync.attachment_deletes == AttachmentDeletes::Owner));
    let classes: Vec<String> = sync.classes.keys().cloned().collect();
    let defaults = DefaultOf::external(external, &format!("{section}.defaults"), &classes);
    let mut parts = vec![
        Part::Rights(rights),
        Part::Fields { codes: sync.fields.clone(), classes: classes.clone() },
        Part::Defaults(defaults),
    ];
    parts.extend(classes.iter().map(|class| Part::Only {
        class: class.clone(),
        condition: external.only.of(class).cloned(),
        section: section.clone(),
    }));
    let up_to = remembered.and_then(|known| known.connection_began_after(external.name()));
    parts.push(Part::Older { sync: sync.clone(), up_to });
    if let Some((known, waiting)) = remembered.and_then(|known| Some((known, known.uncarried(external.name())?))) {
        let bridged = |waiting: &&Waiting| sync.classes.contains_key(waiting.class());
        let (waiting, only) = (waiting.iter().filter(bridged).cloned().collect(), external.only.clone());
        parts.push(Part::Uncarried { waiting, only, now_ms: known.now_ms() });
    }
    if driven {
        parts.extend(stimuli::external(external));
    }
    Table { side: &external.side, section, parts }
}

/// The rights that the bridge needs on an internal class.
fn of_counterparts(externals: &[ExternalConfig], class: &str) -> &'static [Right] {
    let moves = |external: &ExternalConfig| {
        external.sync.status_to_internal == StatusToInternal::Apply
            && external.sync.classes.values().any(|internal| internal == class)
    };
    let all = &[Right::Read, Right::Create, Right::Update, Right::Stimulus];
    if externals.iter().any(moves) { all } else { &all[..3] }
}

fn attachments(deletes: bool) -> ClassRights {
    let all = [Right::Read, Right::Create, Right::Update, Right::Delete];
    ClassRights::new("Attachment", if deletes { &all } else { &all[..3] })
}

/// iTop refuses a ticket without an organisation; every other key to a person or team may stay empty.
fn no_organisation(externals: &[ExternalConfig]) -> Option<Part> {
    let without: Vec<&str> =
        externals.iter().filter(|e| !e.internal_defaults.contains_key("org_id")).map(|e| e.name()).collect();
    if without.is_empty() {
        return None;
    }
    let whose = without.join(", ");
    let verdict = Verdict::fault(
        format!("there is none for the tickets of {whose}, and iTop takes no ticket without an organisation"),
        format!("write `org` in {}", place_of_internal(&without, externals.len())),
    );
    Some(Part::Told { check: "default org_id".to_owned(), verdict })
}

impl Table<'_> {
    pub async fn judge(&self, transport: MakeTransport<'_>, memory: &Memory, clock: &dyn Clock) -> Vec<Finding> {
        let client = transport(self.side).and_then(|transport| app::client(self.side, memory, transport, None, false));
        let (reached, told) = match &client {
            Ok(client) => {
                let answer = client.check_login().await;
                let verdicts = reach::verdicts(answer.as_ref(), self.side, &self.section);
                (verdicts, answer.ok().map(|operations| (operations.from, clock.now_ms())))
            }
            Err(error) => (reach::no_client(error), None),
        };
        let open = reached.iter().all(|(_, verdict)| verdict.state == State::Ok);
        let client = client.as_ref().ok().filter(|_| open);
        let server = match (client, &told) {
            (Some(client), Some((told, now_ms))) => {
                server::judge(client, told, *now_ms, self.side, &self.section).await
            }
            _ => vec![Verdict::not_checked(); server::LINES.len()],
        };
        let server = server::LINES.into_iter().zip(server);
        let asked = join_all(self.parts.iter().map(|part| self.part(part, client))).await;
        let reached = reached.into_iter().chain(server).map(|(check, verdict)| verdict.at(&self.side.name, check));
        let asked = asked.into_iter().flatten().map(|(check, verdict)| verdict.at(&self.side.name, &check));
        reached.chain(asked).collect()
    }

    /// Whether that server accepts a call of this size now; none if it did not answer.
    pub async fn takes(&self, bytes: u64, transport: MakeTransport<'_>, memory: &Memory) -> Option<bool> {
        let client = transport(self.side).and_then(|transport| app::client(self.side, memory, transport, None, false));
        match client.ok()?.check_size(bytes).await {
            Ok(()) => Some(true),
            Err(error) if error.class == ErrorClass::TooLarge => Some(false),
            Err(_) => None,
        }
    }

    /// The lines of a part, judged if there is a client.
    async fn part(&self, part: &Part, client: Option<&Client>) -> Vec<(String, Verdict)> {
        let names = part.names();
        let verdicts = match (part, client) {
            (Part::Told { verdict, .. }, _) => vec![verdict.clone()],
            (_, None) => vec![Verdict::not_checked(); names.len()],
            (Part::Rights(classes), Some(client)) => rights::judge(client, classes, self.side).await,
            (Part::Fields { codes, classes }, Some(client)) => vec![fields(client, codes, classes).await],
            (Part::Defaults(defaults), Some(client)) => {
                join_all(defaults.iter().map(|default| default.judge(client))).await
            }
            (Part::Only { class, condition, section }, Some(client)) => {
                vec![only(client, class, condition.as_ref(), section).await]
            }
            (Part::Older { sync, up_to }, Some(client)) => vec![older(client, sync, *up_to).await],
            (Part::Uncarried { waiting, only, now_ms }, Some(client)) => {
                vec![uncarried::judge(client, waiting, only, *now_ms).await]
            }
        };
        names.into_iter().zip(verdicts).collect()
    }
}

impl Part {
    fn names(&self) -> Vec<String> {
        match self {
            Part::Rights(classes) => classes.iter().map(|rights| format!("class {}", rights.class)).collect(),
            Part::Fields { .. } => vec!["fields".to_owned()],
            Part::Defaults(defaults) => defaults.iter().map(|default| default.check.clone()).collect(),
            Part::Only { class, .. } => vec![format!("only {class}")],
            Part::Older { .. } => vec!["older tickets".to_owned()],
            Part::Uncarried { .. } => vec!["new tickets".to_owned()],
            Part::Told { check, .. } => vec![check.clone()],
        }
    }
}

/// The treatment of tickets older than the connection, and their number.
async fn older(client: &Client, sync: &SyncConfig, up_to: Option<u64>) -> Verdict {
    let words = sync.older_tickets(up_to);
    let (None, Some(up_to)) = (sync.since, up_to) else {
        return Verdict::ok(match (sync.since, up_to) {
            (None, None) => format!("the connection has not begun: {words}"),
            _ => words,
        });
    };
    match client.get("Ticket", &Query::oql(format!("SELECT Ticket WHERE id <= {up_to}")).limit(1), &["id"]).await {
        Ok(found) => {
            let those = counted(found.total as usize, "such ticket stands", "such tickets stand");
            Verdict::ok(format!("the connection has begun: {words}; {those} there, of all classes"))
        }
        Err(error) => Verdict::unclear(&error),
    }
}

/// A field that some class lacks is skipped; a field that every class lacks is a typo.
async fn fields(client: &Client, codes: &[String], classes: &[String]) -> Verdict {
    let have = join_all(codes.iter().map(|code| has_attribute(client, classes, code))).await;
    let (mut nowhere, mut unclear) = (Vec::new(), None);
    for (code, have) in codes.iter().zip(have) {
        match have {
            Ok(true) => {}
            Ok(false) => nowhere.push(code.as_str()),
            Err(error) => unclear = Some(error),
        }
    }
    match (nowhere.as_slice(), unclear) {
        ([], None) => Verdict::ok(codes.join(", ")),
        ([], Some(error)) => Verdict::unclear(&error),
        (nowhere, _) => Verdict::fault(
            format!("no bridged class has {}", nowhere.join(", ")),
            "correct the attribute's code in [sync].fields, or take it out",
        ),
    }
}

/// Whether one of the classes has the attribute: iTop judges the requested attributes before it looks for an object.
/// An error means that the question stayed open.
pub(super) async fn has_attribute(client: &Client, classes: &[String], code: &str) -> Result<bool, Error> {
    let mut open = None;
    for class in classes {
        match client.get(class, &Query::id(0), &[code]).await {
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.class, ErrorClass::UnknownAttribute { .. }) => {}
            Err(error) if matches!(error.class, ErrorClass::UnknownClass { .. }) => {}
            Err(error) => open = Some(error),
        }
    }
    open.map_or(Ok(false), Err)
}

/// The condition as the engine sends it, and how many tickets match it.
async fn only(client: &Client, class: &str, condition: Option<&Condition>, section: &str) -> Verdict {
    let oql = match condition {
        None => {
            let fix = format!("add {class} to `only` of {section}, or take the class out of [sync].classes");
            return Verdict::note("`only` does not name this class: none of its tickets leaves", fix);
        }
        Some(Condition::All) => format!("SELECT {class}"),
        Some(Condition::Oql(condition)) => format!("SELECT {class} WHERE ({condition})"),
    };
    match client.get(class, &Query::oql(oql).limit(1), &["id"]).await {
        Ok(found) if condition == Some(&Condition::All) => Verdict::ok(format!("every ticket; {} now", found.total)),
        Ok(found) if found.total == 0 => fits_none(client, class, condition, section).await,
        Ok(found) => Verdict::ok(format!("fits {} now", counted(found.total as usize, "ticket", "tickets"))),
        Err(error) if error.class == ErrorClass::Refused => {
            let fix = format!("correct `only` of {section}: it is the part after WHERE; try it in iTop's Run queries");
            Verdict::fault(reason(&error.message), fix)
        }
        Err(error) => Verdict::unclear(&error),
    }
}

/// A name that is spelt differently in that iTop is no error there: the condition just never holds.
async fn fits_none(client: &Client, class: &str, condition: Option<&Condition>, section: &str) -> Verdict {
    let all = match client.get(class, &Query::oql(format!("SELECT {class}")).limit(1), &["id"]).await {
        Ok(all) => all.total as usize,
        Err(error) => return Verdict::unclear(&error),
    };
    if all == 0 {
        return Verdict::ok(format!("the account sees no {class} yet, so there is nothing that could fit"));
    }
    let names_team = matches!(condition, Some(Condition::Oql(oql)) if oql.contains("team_name"));
    let team = match names_team {
        true => " On iTop 3.1 `team_name` is the team's email address: write `team_id_friendlyname`.",
        false => "",
    };
    Verdict::note(
        format!(
            "fits none of the {}, nothing crosses",
            counted(
                all,
                "ticket that stands there: if the next ones are like it",
                "tickets that stand there: if the next ones are like them"
            )
        ),
        format!(
            "if some of these should have fitted, correct `only` of {section}: most often a name is written otherwise in that iTop. Try it in its Run queries.{team}"
        )
        .trim_end_matches('.')
        .to_owned(),
    )
}

/// iTop's reason, without the query and the list of accepted alternatives.
fn reason(message: &str) -> String {
    let reason = message.strip_prefix("Query failed to execute: ").unwrap_or(message);
    let reason = reason.split(", expecting {").next().unwrap_or(reason);
    reason.split(": SELECT ").next().unwrap_or(reason).to_owned()
}
