//! The story, one function per step. Each step is a person's action in one of the iTops and its effect in the other;
//! a step without its effect ends the demo.

use anyhow::{Context as _, ensure};
use itop_bridge_core::event::Event;
use itop_sim::{Attachment, Call, Outcome, Refusal, Sim, Ticket};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::narrator::{Narrator, counted};
use super::stage::{ACME, ELITERY, Stage};

/// Claude Monet of the organisation Demo, in the sample data of both iTops.
const CUSTOMER: (&str, u64, u64) = ("Claude Monet", 6, 3);

/// Team and agent, in the sample data of both iTops.
const HELPDESK: u64 = 37;
const JULES: u64 = 9;
const SOFTWARE: u64 = 2;

/// The classes whose objects the configuration's defaults name.
const NAMED: [&str; 5] = ["Organization", "Person", "Service", "ServiceSubcategory", "Team"];

/// One pixel.
pub(super) const SCREENSHOT: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 4,
    0, 0, 0, 0xb5, 0x1c, 0x0c, 2, 0, 0, 0, 11, b'I', b'D', b'A', b'T', 0x78, 0xda, 0x63, 0x64, 0x60, 0, 0, 0, 6, 0, 2,
    0x30, 0x81, 0xd0, 0x2f, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];
const SECRET: &str = "5ec2e7f00d";

type Told = anyhow::Result<()>;

pub(super) async fn play(stage: &Stage, say: &mut Narrator<'_>) -> Told {
    let request = a_request_is_opened(stage, say).await?;
    let incident = an_incident_with_a_picture_is_opened(stage, say).await?;
    the_customer_changes_a_field(stage, say, request).await?;
    an_internal_edit_stays(stage, say, request).await?;
    the_customer_overwrites_it(stage, say, request).await?;
    the_status_moves(stage, say, request).await?;
    files_come_and_go(stage, say, incident).await?;
    a_webhook_is_lost(stage, say, incident).await?;
    the_provider_is_down(stage, say, incident).await?;
    both_write_at_once(stage, say, incident).await?;
    the_provider_attaches_files(stage, say, incident).await?;
    the_provider_resolves(stage, say).await
}

async fn a_request_is_opened(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<u64> {
    say.step(&format!("{} opens a request at {ACME}, with quotes in its title", CUSTOMER.0))?;
    let began = stage.begin();
    let id = open(stage, "UserRequest", r#"Printer says "PC LOAD LETTER" & stops"#).await?;
    let copy = stage.until_copy(id, "title", |title| !title.is_empty()).await?;
    let seen = Instant::now();
    pair(say, &stage.original(id)?, &copy)?;
    let cost = stage.cost(began, seen).await?;
    let names = stage.elitery.calls().iter().filter(|call| NAMED.contains(&call.class.as_str())).count();
    say.line(&format!(
        "the first ticket also looks up the names in the configuration's defaults: {}",
        counted(names, "call")
    ))?;
    say.cost(&cost)?;
    Ok(id)
}

async fn an_incident_with_a_picture_is_opened(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<u64> {
    say.step(&format!("{} opens an incident and pastes a screenshot into its description", CUSTOMER.0))?;
    let began = stage.begin();
    let id = open(stage, "Incident", r#"The "T:" drive is gone"#).await?;
    let image = ok(stage.acme.add_inline_image(id, SECRET, "image/png", SCREENSHOT).await)?;
    let description = format!("<p>Since this morning, look:</p><p>{}</p>", image.html);
    ok(stage.acme.update(id, json!({ "description": description })).await)?;
    let copy = stage.until_copy(id, "description", |html| html.contains("data:image/png;base64,")).await?;
    let seen = Instant::now();
    pair(say, &stage.original(id)?, &copy)?;
    let description = copy.field("description");
    ensure!(!description.contains(&stage.acme.base_url()), "{ACME}'s address crossed: {description}");
    ensure!(!description.contains(SECRET), "the picture's secret crossed: {description}");
    say.line("its description holds the picture itself, and neither acme's address nor the picture's secret")?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(id)
}

async fn the_customer_changes_a_field(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The customer makes it urgent")?;
    let before = counterpart(stage, id)?.field("urgency").to_owned();
    let began = stage.begin();
    ok(stage.acme.update(id, json!({ "urgency": "1" })).await)?;
    let copy = stage.until_copy(id, "urgency", |urgency| urgency == "1").await?;
    let seen = Instant::now();
    say.line(&format!("{}: urgency was {before} and is {}", name(&copy), copy.field("urgency")))?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(())
}

async fn an_internal_edit_stays(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The provider's agent corrects the impact at elitery; the customer then corrects the title")?;
    let began = stage.begin();
    ok(stage.elitery.update(counterpart(stage, id)?.id, json!({ "impact": "3" })).await)?;
    ok(stage.acme.update(id, json!({ "title": r#"Printer says "PC LOAD LETTER" and stops"# })).await)?;
    let copy = stage.until_copy(id, "title", |title| title.ends_with("and stops")).await?;
    let seen = Instant::now();
    let cost = stage.cost(began, seen).await?;
    let (original, edited) = (stage.original(id)?, counterpart(stage, id)?);
    ensure!(edited.field("impact") == "3", "the agent's edit did not stay: impact is {}", edited.field("impact"));
    say.line(&format!("{}: {}", name(&copy), copy.field("title")))?;
    say.line(&format!(
        "the edit stays: impact is {} at {ELITERY} and {} at {ACME}",
        edited.field("impact"),
        original.field("impact")
    ))?;
    say.cost(&cost)?;
    Ok(())
}

async fn the_customer_overwrites_it(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The customer changes the same field: now the customer's value wins, and the bridge keeps a record")?;
    let began = stage.begin();
    ok(stage.acme.update(id, json!({ "impact": "2" })).await)?;
    let copy = stage.until_copy(id, "impact", |impact| impact == "2").await?;
    let seen = Instant::now();
    let cost = stage.cost(began, seen).await?;
    let link = stage.link(id).await?.id;
    let activity = stage.store.call(move |store| store.activity(link, 20)).await?;
    let record = activity.iter().find(|line| matches!(line.event, Some(Event::EditOverwritten { .. })));
    let record = record.context("the bridge has no record of the edit that it overwrote")?;
    say.line(&format!("{}: impact is {}", name(&copy), copy.field("impact")))?;
    say.line(&format!("recorded: {}", record.text))?;
    say.cost(&cost)?;
    Ok(())
}

async fn the_status_moves(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The customer's help desk takes the request")?;
    status(stage, say, id, "ev_assign", json!({ "team_id": HELPDESK, "agent_id": JULES }), "assigned").await?;
    say.step("… waits for a part")?;
    let reason = json!({ "pending_reason": "A new <drum> is ordered" });
    let copy = status(stage, say, id, "ev_pending", reason, "pending").await?;
    ensure!(
        copy.field("pending_reason") == "A new <drum> is ordered",
        "the reason is {}",
        copy.field("pending_reason")
    );
    say.step("… and a rule of acme's iTop resolves it at once; at elitery that takes two stimuli")?;
    let solution = json!({ "solution": "Drum replaced", "resolution_code": "hardware_repair", "service_id": SOFTWARE });
    let copy = status(stage, say, id, "ev_autoresolve", solution, "resolved").await?;
    ensure!(copy.field("solution").contains("Drum replaced"), "the solution is {}", copy.field("solution"));
    Ok(())
}

async fn status(
    stage: &Stage,
    say: &mut Narrator<'_>,
    id: u64,
    stimulus: &str,
    fields: Json,
    wanted: &str,
) -> anyhow::Result<Ticket> {
    let before = counterpart(stage, id)?.status().to_owned();
    let began = stage.begin();
    ok(stage.acme.stimulus(id, stimulus, fields).await)?;
    stage.until_copy(id, "status", |status| status == wanted).await?;
    let seen = Instant::now();
    let cost = stage.cost(began, seen).await?;
    let calls = stage.elitery.calls();
    let applied: Vec<String> = calls.iter().filter_map(stimulus_of).collect();
    // The solution can take a second write, if only its answer reveals that it is HTML.
    let copy = counterpart(stage, id)?;
    say.line(&format!("{}: {before} -> {}, by {}", name(&copy), copy.status(), applied.join(", ")))?;
    for (code, what) in [("pending_reason", "reason"), ("solution", "solution")] {
        let said = copy.field(code);
        if calls.iter().any(|call| stimulus_of(call).is_some() && call.request()["fields"].get(code).is_some()) {
            say.line(&format!("{what}: {said}"))?;
        }
    }
    say.cost(&cost)?;
    Ok(copy)
}

fn stimulus_of(call: &Call) -> Option<String> {
    call.request().get("stimulus")?.as_str().map(str::to_owned)
}

async fn files_come_and_go(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The customer attaches two files to the incident")?;
    let began = stage.begin();
    let log = ok(stage.acme.attach(id, "drive.log", "text/plain", "T: not mounted\n".repeat(400).as_bytes()).await)?;
    let picture = ok(stage.acme.attach(id, "letak kabel.png", "image/png", SCREENSHOT).await)?;
    files_at_elitery(stage, id, &["drive.log", "letak kabel.png"]).await?;
    let seen = Instant::now();
    list_files(stage, say, id)?;
    say.cost(&stage.cost(began, seen).await?)?;

    say.step("… renames one")?;
    let began = stage.begin();
    ok(stage.acme.rename_attachment(log, "drive of today.log").await)?;
    files_at_elitery(stage, id, &["drive of today.log", "letak kabel.png"]).await?;
    let seen = Instant::now();
    list_files(stage, say, id)?;
    say.cost(&stage.cost(began, seen).await?)?;

    say.step("… downloads it: iTop counts that and calls the bridge")?;
    let began = stage.begin();
    ok(stage.acme.download_attachment(log).await)?;
    stage.settled().await?;
    let cost = stage.cost(began, Instant::now()).await?;
    ensure!(cost.writes == 0, "a download led to {} writes", cost.writes);
    say.line("it was looked at, and nothing was written")?;
    say.cost(&cost)?;

    say.step("… and deletes the other")?;
    let began = stage.begin();
    stage.acme.delete_attachment(picture).await;
    files_at_elitery(stage, id, &["drive of today.log"]).await?;
    let seen = Instant::now();
    list_files(stage, say, id)?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(())
}

async fn a_webhook_is_lost(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("A webhook gets lost; iTop never sends one twice. The next sweep finds the change")?;
    let began = stage.begin();
    stage.acme.drop_hooks(true);
    ok(stage.acme.update(id, json!({ "urgency": "2" })).await)?;
    stage.acme.drop_hooks(false);
    let copy = stage.until_copy(id, "urgency", |urgency| urgency == "2").await?;
    let seen = Instant::now();
    let lost = stage.acme.deliveries().iter().filter(|hook| hook.outcome == Outcome::Lost).count();
    ensure!(lost > 0, "no webhook was lost after all");
    say.line(&format!("webhooks lost: {lost}; {}: urgency is {}", name(&copy), copy.field("urgency")))?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(())
}

async fn the_provider_is_down(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The provider's iTop is down while the customer changes the title")?;
    stage.begin();
    stage.elitery.down(true);
    ok(stage.acme.update(id, json!({ "title": r#"The "T:" drive is gone again"# })).await)?;
    let what = "the bridge's message about the iTop that is down";
    let why = stage.until(what, async || Ok(stage.failures().await?.into_iter().next())).await?;
    say.line(&format!("meanwhile the change waits: {why}"))?;
    stage.elitery.down(false);
    say.line("it is back:")?;
    let began = Instant::now();
    let copy = stage.until_copy(id, "title", |title| title.ends_with("again")).await?;
    let seen = Instant::now();
    say.line(&format!("{}: {}", name(&copy), copy.field("title")))?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(())
}

async fn both_write_at_once(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The customer's help desk and the provider's agent write into their private logs at the same time")?;
    let copy = counterpart(stage, id)?;
    let began = stage.begin();
    let question = "<p>It is the drive of <b>accounting</b>. When will it be back?</p>";
    let answer = "<p>The controller is replaced; within the hour.</p>";
    let (asked, answered) = tokio::join!(
        stage.acme.add_log_entry(id, "private_log", question),
        stage.elitery.add_log_entry(copy.id, "private_log", answer),
    );
    ok(asked.and(answered))?;
    let at_elitery = file_of(stage, &stage.elitery, copy.id, ":external:log:", "accounting").await?;
    let at_acme = file_of(stage, &stage.acme, id, ":internal:log:", "controller").await?;
    let seen = Instant::now();
    print_file(say, &format!("{} has", name(&copy)), &at_elitery)?;
    print_file(say, &format!("{ACME} {} has", stage.original(id)?.field("ref")), &at_acme)?;
    say.line("neither log was written to, and no entry comes back")?;
    let cost = stage.cost(began, seen).await?;
    let (original, copy) = (stage.original(id)?, counterpart(stage, id)?);
    let entries = (original.log("private_log").len(), copy.log("private_log").len());
    // The first internal entry is the mark that came with the ticket.
    ensure!(entries == (1, 2), "the logs have {entries:?} entries");
    say.cost(&cost)?;
    Ok(())
}

async fn the_provider_attaches_files(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    say.step("The provider's agent attaches two files")?;
    let copy = counterpart(stage, id)?;
    let original = stage.original(id)?;
    let began = stage.begin();
    ok(stage.elitery.attach(copy.id, "controller.pdf", "application/pdf", b"%PDF-1.4 the new controller").await)?;
    let wrong = ok(stage.elitery.attach(copy.id, "wrong one.txt", "text/plain", b"of another customer").await)?;
    files_at_acme(stage, id, &["controller.pdf", "wrong one.txt"]).await?;
    let seen = Instant::now();
    say.line(&format!("{ACME} {} has controller.pdf and wrong one.txt", original.field("ref")))?;
    say.cost(&stage.cost(began, seen).await?)?;

    say.step("… and deletes one")?;
    let began = stage.begin();
    stage.elitery.delete_attachment(wrong).await;
    files_at_acme(stage, id, &["controller.pdf"]).await?;
    let seen = Instant::now();
    say.line(&format!("{ACME} {} has controller.pdf", original.field("ref")))?;
    say.cost(&stage.cost(began, seen).await?)?;
    Ok(())
}

async fn the_provider_resolves(stage: &Stage, say: &mut Narrator<'_>) -> Told {
    say.step("The provider's agent takes another request and resolves it: the bridge reports this to the customer, in one file")?;
    let id = open(stage, "UserRequest", "The meeting room has no light").await?;
    let copy = stage.until_copy(id, "title", |title| !title.is_empty()).await?;
    stage.settled().await?;
    let before = stage.original(id)?.status().to_owned();
    let began = stage.begin();
    ok(stage.elitery.stimulus(copy.id, "ev_assign", json!({ "team_id": HELPDESK, "agent_id": JULES })).await)?;
    let solution = json!({ "solution": "Lamp replaced", "resolution_code": "hardware_repair", "service_id": SOFTWARE });
    ok(stage.elitery.stimulus(copy.id, "ev_resolve", solution).await)?;
    let report = file_of(stage, &stage.acme, id, ":internal:status:", "Lamp replaced").await?;
    let seen = Instant::now();
    let cost = stage.cost(began, seen).await?;
    let original = stage.original(id)?;
    ensure!(original.status() == before, "the customer's ticket moved: {before} -> {}", original.status());
    print_file(say, &format!("{ACME} {} stays {before}, and has", original.field("ref")), &report)?;
    say.cost(&cost)?;
    Ok(())
}

/// The file with this mark that the bridge made, as soon as it contains these words.
async fn file_of(stage: &Stage, sim: &Sim, ticket: u64, mark: &str, words: &str) -> anyhow::Result<Attachment> {
    stage
        .until(&format!("a file that says {words:?}"), async || {
            let files = sim.attachments(ticket).into_iter();
            let says = |file: &Attachment| String::from_utf8_lossy(&file.data).contains(words);
            Ok(files.filter(|file| file.temp_id.contains(mark)).find(says))
        })
        .await
}

fn print_file(say: &mut Narrator<'_>, who: &str, file: &Attachment) -> Told {
    say.line(&format!("{who} {}:", file.filename))?;
    for line in String::from_utf8_lossy(&file.data).lines().filter(|line| !line.is_empty()) {
        say.line(&format!("  | {line}"))?;
    }
    Ok(())
}

/// Waits until the customer's ticket has exactly these of the provider's files, by name.
async fn files_at_acme(stage: &Stage, id: u64, wanted: &[&str]) -> Told {
    stage
        .until("the files at acme", async || {
            let files = stage.acme.attachments(id);
            let copies = files.iter().filter(|file| file.temp_id.contains(":internal:file:"));
            let mut names: Vec<&str> = copies.map(|file| file.filename.as_str()).collect();
            names.sort_unstable();
            Ok((names == wanted).then_some(()))
        })
        .await
}

async fn open(stage: &Stage, class: &str, title: &str) -> anyhow::Result<u64> {
    let (_, caller, org) = CUSTOMER;
    let fields = json!({ "org_id": org, "caller_id": caller, "title": title, "description": format!("<p>Please help, {} &amp; co.</p>", CUSTOMER.0) });
    ok(stage.acme.create_ticket(class, fields).await)
}

/// A refusal of a person's action by the simulated iTop is a mistake of this story.
fn ok<T>(done: Result<T, Refusal>) -> anyhow::Result<T> {
    done.context("the simulated iTop refused an action of this story")
}

fn counterpart(stage: &Stage, id: u64) -> anyhow::Result<Ticket> {
    stage.copy_of(&stage.original(id)?).with_context(|| format!("the copy of {ACME}'s ticket {id} is gone"))
}

fn name(copy: &Ticket) -> String {
    format!("{ELITERY} {}", copy.field("ref"))
}

fn pair(say: &mut Narrator<'_>, original: &Ticket, copy: &Ticket) -> std::io::Result<()> {
    say.line(&format!("{ACME} {} -> {}: {}", original.field("ref"), name(copy), copy.field("title")))
}

/// Waits until the copy has exactly these files, by name.
async fn files_at_elitery(stage: &Stage, id: u64, wanted: &[&str]) -> Told {
    stage
        .until("the files at elitery", async || {
            let files = stage.elitery.attachments(counterpart(stage, id)?.id);
            let mut names: Vec<&str> = files.iter().map(|file| file.filename.as_str()).collect();
            names.sort_unstable();
            Ok((names == wanted).then_some(()))
        })
        .await
}

fn list_files(stage: &Stage, say: &mut Narrator<'_>, id: u64) -> Told {
    let copy = counterpart(stage, id)?;
    let files = stage.elitery.attachments(copy.id);
    let files: Vec<String> =
        files.iter().map(|file| format!("{} ({} bytes)", file.filename, file.data.len())).collect();
    say.line(&format!("{} has {}", name(&copy), files.join(" and ")))?;
    Ok(())
}
