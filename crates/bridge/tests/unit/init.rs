//! `init`: the questions, on two simulated iTops over sockets, and what it writes.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use itop_bridge::app::http_transport;
use itop_bridge::checks::{self, State};
use itop_bridge::cli::init::{self, Back, Init, Log, Prompt, Seams, Status};
use itop_bridge::config::Config;
use itop_bridge_engine::clock::VirtualClock;
use itop_bridge_engine::random::SeededRandom;
use itop_sim::{Right, Sim, SimConfig, Version};
use tokio::net::TcpListener;

mod add;

const PASSWORD: &str = "Bridge.1234";

struct World {
    folder: PathBuf,
    internal: String,
    external: String,
    /// The provider's.
    sim: Sim,
    /// Of what is drawn.
    seed: std::cell::Cell<u64>,
}

impl World {
    async fn new(test: &str) -> World {
        let folder = std::env::temp_dir().join(format!("itop-bridge-init-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let ((internal, sim), (external, _)) = (serve(Version::V3_2).await, serve(Version::V3_1).await);
        World { folder, internal, external, sim, seed: std::cell::Cell::new(7) }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("itop-bridge.toml")
    }

    fn flags(&self) -> Init {
        let text = |text: &str| Some(text.to_owned());
        Init {
            internal_name: text("elitery"),
            internal_url: Some(self.internal.clone()),
            internal_user: text("bridge"),
            internal_password: text("${INSIDE}"),
            external_name: text("acme"),
            external_url: Some(self.external.clone()),
            external_user: text("bridge"),
            external_password: text("${OUTSIDE}"),
            org: text("Demo"),
            team: text("Helpdesk"),
            agent: text("Jules Verne"),
            only: text("all"),
            ..Init::default()
        }
    }

    async fn run(&self, init: &Init, person: Option<&mut dyn Prompt>) -> Result<String, String> {
        let env = |_: &str| Some(PASSWORD.to_owned());
        let random = SeededRandom::new(self.seed.get());
        let seams =
            Seams { env: &env, transport: &http_transport, random: &random, program: "target/release/itop-bridge" };
        let mut out = Vec::new();
        let done = init::with(init, &self.file(), person, seams, &mut out).await;
        done.map_err(|error| self.plain(&format!("{error:#}")))?;
        Ok(self.plain(&String::from_utf8(out).unwrap()))
    }

    /// What differs from run to run is named.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.internal, "http://elitery").replace(&self.external, "http://acme");
        text.replace(&self.folder.display().to_string(), "FOLDER")
    }

    fn written(&self) -> String {
        self.plain(&std::fs::read_to_string(self.file()).unwrap())
    }

    /// Each of these is a line of the configuration; answers its text.
    fn has_lines(&self, lines: &[&str]) -> String {
        let written = self.written();
        for line in lines {
            assert!(written.lines().any(|known| known == *line), "{line} in {written}");
        }
        written
    }

    fn config(&self) -> Config {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let env = |_: &str| Some(PASSWORD.to_owned());
        Config::parse(&text, &self.file().to_string_lossy(), &env).unwrap_or_else(|error| panic!("{error}"))
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn serve(version: Version) -> (String, Sim) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sim = Sim::new(SimConfig::new(version, &url));
    tokio::spawn(sim.clone().serve(listener));
    (url, sim)
}

/// Where the script has this for an answer, the person goes back.
const ESC: &str = "Esc";

/// A person whose answers are known beforehand, and what both said.
struct Script {
    answers: VecDeque<String>,
    said: String,
}

impl Script {
    fn new(answers: &[&str]) -> Script {
        Script { answers: answers.iter().map(|answer| (*answer).to_owned()).collect(), said: String::new() }
    }

    fn answer(&mut self, question: &str) -> String {
        self.answers.pop_front().unwrap_or_else(|| panic!("no answer to {question:?} after:\n{}", self.said))
    }
}

impl Prompt for Script {
    fn text(&mut self, question: &str, offered: Option<&str>, _: Option<&str>) -> anyhow::Result<String> {
        let mut answer = self.answer(question);
        let shown = offered.map(|offered| format!(" [{offered}]")).unwrap_or_default();
        self.said += &format!("? {question}{shown}\n> {answer}\n");
        if answer == ESC {
            return Err(Back.into());
        }
        if answer.is_empty() {
            answer = offered.unwrap_or_default().to_owned();
        }
        Ok(answer)
    }

    fn secret(&mut self, question: &str) -> anyhow::Result<String> {
        self.said += &format!("? {question}\n> ***\n");
        match self.answer(question) {
            answer if answer == ESC => Err(Back.into()),
            answer => Ok(answer),
        }
    }

    fn choose(&mut self, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize> {
        let answer = self.answer(question);
        self.said += &format!("? {question}\n");
        let chosen = match answer.as_str() {
            ESC => return Err(Back.into()),
            "" => offered,
            _ => choices.iter().position(|choice| choice.starts_with(&answer)).unwrap_or_else(|| panic!("{answer}")),
        };
        for (at, choice) in choices.iter().enumerate() {
            self.said += &format!("  {} {choice}\n", if at == chosen { '>' } else { '-' });
        }
        Ok(chosen)
    }

    fn agree(&mut self, question: &str, offered: bool) -> anyhow::Result<bool> {
        let answer = self.answer(question);
        self.said += &format!("? {question} [{}]\n> {answer}\n", if offered { "yes" } else { "no" });
        match answer.as_str() {
            ESC => Err(Back.into()),
            "" => Ok(offered),
            answer => Ok(answer == "yes"),
        }
    }

    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.said += &format!("{text}\n");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_each_answer_is_tested_and_check_has_no_fault_with_what_is_written() {
    let world = World::new("asked").await;
    let mut person = Script::new(&[
        "elitery",
        &world.internal,
        "bridge",
        "wrong",
        PASSWORD,
        "Demo",
        "Claude Monet",
        "Helpdesk",
        "Jules Verne",
        "Software",
        "Installation",
        "Elitery",
        "acme",
        &world.internal,
        &world.external,
        "bridge",
        PASSWORD,
        "those that",
        "team_id_friendlyname =",
        ESC,
        "those of",
        "Helpdesk",
        "report",
        "yes",
        "no",
        "",
    ]);
    let said = world.run(&Init::default(), Some(&mut person)).await.unwrap();
    assert!(person.answers.is_empty(), "not asked: {:?}", person.answers);
    assert_eq!(world.plain(&person.said), include_str!("init/dialogue.txt"));
    assert_eq!(said, include_str!("init/next.txt"));
    assert_eq!(world.written(), include_str!("init/itop-bridge.toml"));
    assert_eq!(world.files(), ["acme.password", "elitery.password", "itop-bridge.toml"]);
    for file in world.files() {
        assert_private(&world.folder.join(file));
    }
    no_fault(&world).await;
}

/// What a web server says in place of an iTop, to each request alike.
async fn web_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_tried_as_soon_as_it_is_typed_and_esc_goes_back_to_it() {
    let world = World::new("address").await;
    let missing = web_server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let moved = web_server(
        "HTTP/1.1 301 Moved\r\nlocation: https://login.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    )
    .await;
    let page = format!("{}/pages/UI.php?c=1", world.internal);
    let mut person =
        Script::new(&["elitery", "http://127.0.0.1:1", &missing, &moved, &page, ESC, "", "bridge", ESC, "", PASSWORD]);
    let flags = Init { org: Some("nowhere".into()), ..Init::default() };
    let stopped = world.run(&flags, Some(&mut person)).await.unwrap_err();
    assert!(stopped.starts_with("--org: there is no \"nowhere\" here"), "{stopped}");
    let said = world.plain(&person.said).replace(&missing, "http://missing").replace(&moved, "http://moved");
    let (keys, said) = said.split_once('\n').unwrap();
    assert!(keys.contains("Esc goes one question back, Ctrl-C leaves"), "{keys}");
    assert_eq!(
        said,
        "? A short name of the provider (a-z, 0-9, -)\n> elitery\n\
         ? The address of the provider's iTop\n> http://127.0.0.1:1\n\
         asking http://127.0.0.1:1…\n\
         http://127.0.0.1:1: no connection: nothing listens at this address and port (Connection refused (os error 111))\n\
         ? The address of the provider's iTop [http://127.0.0.1:1]\n> http://missing\n\
         asking http://missing…\n\
         http://missing: no iTop there (HTTP 404)\n\
         ? The address of the provider's iTop [http://missing]\n> http://moved\n\
         asking http://moved…\n\
         http://moved: http://moved redirects to https://login.example\n\
         ? The address of the provider's iTop [http://moved]\n> http://elitery/pages/UI.php?c=1\n\
         Taken as http://elitery, the folder that iTop is installed in.\n\
         asking http://elitery…\n\
         ? The bridge's account in elitery\n> Esc\n\
         ? The address of the provider's iTop [http://elitery]\n> \n\
         asking http://elitery…\n\
         ? The bridge's account in elitery\n> bridge\n\
         ? Its password, or ${NAME} of the environment\n> ***\n\
         asking http://elitery…\n\
         ? The bridge's account in elitery [bridge]\n> \n\
         ? Its password, or ${NAME} of the environment\n> ***\n\
         asking elitery…\n\
         elitery answers (REST 1.3), and lets \"bridge\" in.\n"
    );
    assert_eq!(world.files(), [""; 0]);
    let wrong = Init { internal_url: Some(missing.clone()), ..world.flags() };
    let said = world.run(&wrong, None).await.unwrap_err();
    assert_eq!(said.replace(&missing, "http://missing"), "--internal-url: http://missing: no iTop there (HTTP 404)");
}

/// Goes back from each question once, when it is asked first, and takes again what is offered.
struct Wavering {
    straight: Script,
    /// What was asked and answered, in order, and what was answered.
    answered: Vec<(String, String)>,
    seen: Vec<String>,
    /// The question before, to which an Esc has led back.
    returned: Option<(String, String)>,
    went_back: usize,
}

impl Wavering {
    /// The answer, where the person answers; `again` is the one that is offered, as the person would type it.
    fn answer(&mut self, question: &str, again: Option<String>) -> anyhow::Result<String> {
        let question = question.trim_end_matches(" [as before]");
        if let Some((expected, answer)) = self.returned.take() {
            assert_eq!(question, expected, "one question back");
            if let Some(again) = again {
                assert_eq!(again, answer, "{question}: the answer is offered again");
            }
            self.answered.push((expected, answer.clone()));
            return Ok(answer);
        }
        if !self.answered.is_empty() && !self.seen.iter().any(|seen| seen == question) {
            self.seen.push(question.to_owned());
            self.returned = self.answered.pop();
            self.went_back += 1;
            return Err(Back.into());
        }
        let answer = self.straight.answer(question);
        self.answered.push((question.to_owned(), answer.clone()));
        Ok(answer)
    }
}

impl Prompt for Wavering {
    fn text(&mut self, question: &str, offered: Option<&str>, _: Option<&str>) -> anyhow::Result<String> {
        self.answer(question, Some(offered.unwrap_or_default().to_owned()))
    }

    fn secret(&mut self, question: &str) -> anyhow::Result<String> {
        // Enter alone takes the one of before.
        let is_again = self.returned.is_some();
        let answer = self.answer(question, None)?;
        assert_eq!(question.ends_with(" [as before]"), is_again, "{question}");
        Ok(if is_again { String::new() } else { answer })
    }

    fn choose(&mut self, question: &str, choices: &[String], offered: usize) -> anyhow::Result<usize> {
        let answer = self.answer(question, Some(choices[offered].clone()))?;
        let chosen = choices.iter().position(|choice| choice.starts_with(&answer)).unwrap();
        if let Some((_, answered)) = self.answered.last_mut() {
            *answered = choices[chosen].clone();
        }
        Ok(chosen)
    }

    fn agree(&mut self, question: &str, offered: bool) -> anyhow::Result<bool> {
        let word = if offered { "yes" } else { "no" };
        Ok(self.answer(question, Some(word.to_owned()))? == "yes")
    }

    fn say(&mut self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

const TERSE: [&str; 15] = [
    "Demo",
    "Claude Monet",
    "Helpdesk",
    "Jules Verne",
    "Software",
    "Installation",
    "acme",
    "EXTERNAL",
    "bridge",
    PASSWORD,
    "those of",
    "Hardware",
    "apply",
    "Helpdesk",
    "Victor Hugo",
];

/// Esc is one question back from every question, and what was answered is offered again: who goes back from each of
/// them once and takes what is offered has written the same file.
#[tokio::test(flavor = "multi_thread")]
async fn from_every_question_esc_goes_one_back_and_the_file_is_the_same() {
    let world = World::new("back").await;
    let nowhere = "http://bridge.invalid:8080";
    let first = ["elitery", &world.internal, "bridge", PASSWORD];
    let last = ["yes", "no", nowhere, "yes", "yes"];
    let answers: Vec<&str> = first.into_iter().chain(TERSE).chain(last).collect();
    let answers: Vec<&str> =
        answers.into_iter().map(|answer| if answer == "EXTERNAL" { &world.external } else { answer }).collect();
    // Its last question is whether a file of a password may be overwritten.
    let others = || std::fs::write(world.folder.join("acme.password"), "of a bridge that runs\n").unwrap();
    others();
    let mut straight = Script::new(&answers);
    world.run(&Init::default(), Some(&mut straight)).await.unwrap();
    assert!(straight.answers.is_empty(), "not asked: {:?}", straight.answers);
    let written = world.written();
    std::fs::remove_file(world.file()).unwrap();

    std::fs::remove_file(world.folder.join("elitery.password")).unwrap();
    others();
    let (straight, answered) = (Script::new(&answers), Vec::new());
    let mut person = Wavering { straight, answered, seen: Vec::new(), returned: None, went_back: 0 };
    world.run(&Init::default(), Some(&mut person)).await.unwrap();
    assert!(person.straight.answers.is_empty(), "not asked: {:?}", person.straight.answers);
    assert!(person.went_back >= 20, "{}", person.went_back);
    assert_eq!(world.written(), written);
    assert_eq!(world.files(), ["acme.password", "elitery.password", "itop-bridge.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn esc_at_the_first_question_asks_whether_to_leave_and_writes_nothing() {
    let world = World::new("leave").await;
    let mut person = Script::new(&[ESC, "no", "elitery", ESC, ESC, ESC, "elitery", ESC, ESC, "yes"]);
    let said = world.run(&Init::default(), Some(&mut person)).await.unwrap_err();
    assert_eq!(said, "left with Esc; nothing was written");
    assert!(person.answers.is_empty(), "{:?}", person.answers);
    assert!(person.said.ends_with("? Leave, and write nothing? [yes]\n> yes\n"), "{}", person.said);
    assert_eq!(world.files(), [""; 0]);
}

/// What depends on an answer that is changed is asked afresh, and nothing of the old answer is left.
#[tokio::test(flavor = "multi_thread")]
async fn another_answer_after_esc_changes_what_depends_on_it() {
    let world = World::new("another").await;
    let flags = Init { team: None, agent: None, service: Some("2".into()), caller: Some("6".into()), ..world.flags() };
    let mut person = Script::new(&["Helpdesk", ESC, "Hardware", "", "Installation", "report", "yes", "yes", ""]);
    world.run(&flags, Some(&mut person)).await.unwrap();
    let written = world.written();
    assert!(written.contains("team = 38  # Hardware support\n") && !written.contains("Helpdesk"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_chosen_that_is_said_and_an_id_is_taken() {
    let world = World::new("empty").await;
    for class in ["Organization", "Person", "Service"] {
        world.sim.set_right("bridge", class, Right::Read, false);
    }
    let flags = || Init { org: None, agent: None, caller: None, ..world.flags() };
    let mut person = Script::new(&["Demo", "3", "", "Jules Verne", "", "report", "yes", "yes", ""]);
    world.run(&flags(), Some(&mut person)).await.unwrap();
    let said = world.plain(&person.said);
    let none = "this iTop shows the account none to choose from: there is none, or the account's profiles or its allowed \
                organisations hide them.\n";
    for lines in [
        &format!(
            "The organisation of the tickets in the provider's iTop: {none}? The organisation of the tickets in the provider's iTop, by its id\n> Demo\n\
             write its id, a number: it stands in the address of its page in iTop\n\
             ? The organisation of the tickets in the provider's iTop, by its id\n> 3\n"
        ),
        &format!("Their caller: {none}? Their caller, by its id [none]\n> \n"),
        &format!("Their service: {none}? Their service, by its id [none]\n> \n"),
    ] {
        assert!(said.contains(lines), "{lines}\nin\n{said}");
    }
    assert!(world.written().contains("org = 3  # not looked up: the account sees none\n"), "{}", world.written());
    let again = || std::fs::remove_file(world.file()).unwrap();
    again();
    world.run(&Init { org: Some("3".into()), ..world.flags() }, None).await.unwrap();
    again();
    let named = world.run(&world.flags(), None).await.unwrap_err();
    assert!(named.starts_with("--org: this iTop shows the account none to choose from: "), "{named}");
}

/// The time at which the simulators start.
fn now() -> VirtualClock {
    VirtualClock::starting_at(1_795_518_000_000)
}

/// Nothing of either iTop is a fault: not the accounts, not the defaults, not `only`.
async fn no_fault(world: &World) {
    let config = world.config();
    assert_eq!(config.warnings, [""; 0]);
    let findings = checks::run(&config, None, &http_transport, &now()).await;
    let faults: Vec<String> =
        findings.iter().filter(|finding| finding.state == State::Fault).map(ToString::to_string).collect();
    assert_eq!(faults, [""; 0]);
    assert!(findings.iter().any(|finding| finding.check == "default agent_id" && finding.state == State::Ok));
}

#[cfg(unix)]
fn assert_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_flags_nothing_is_asked() {
    let world = World::new("flags").await;
    let flags = Init {
        only: None,
        only_team: Some("Helpdesk".into()),
        caller: Some("6".into()),
        status_to_external: Some(Status::Apply),
        external_team: Some("Helpdesk".into()),
        external_agent: Some("Jules Verne".into()),
        private_log_to_external: Some(Log::Off),
        ..world.flags()
    };
    world.run(&flags, None).await.unwrap();
    let written = world.written();
    for line in [
        "password = \"${INSIDE}\"  # the environment's",
        "org = 3  # Demo",
        "[external.acme.defaults]",
        "only = \"team_id_friendlyname = 'Helpdesk'\"",
        "status_to_external = \"apply\"",
        "private_log_to_internal = \"attachment\"",
        "private_log_to_external = \"off\"",
    ] {
        assert!(written.lines().any(|known| known == line), "{line} in {written}");
    }
    assert_eq!(world.files(), ["itop-bridge.toml"]);
    // Without a service, `check` names what no default gives, and nothing else.
    let findings = checks::run(&world.config(), None, &http_transport, &now()).await;
    let faults = findings.iter().filter(|finding| finding.state == State::Fault);
    let other: Vec<_> = faults.filter(|fault| !fault.check.starts_with("stimuli")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_what_is_missing_or_wrong_is_an_error_that_names_its_flag_and_nothing_is_written() {
    let world = World::new("wrong").await;
    let flags = || world.flags();
    let text = |text: &str| Some(text.to_owned());
    for (init, said) in [
        (
            Init { agent: None, ..flags() },
            "--agent is missing (Their agent, of that team), and there is no terminal to ask on",
        ),
        (
            Init { external_password: None, ..flags() },
            "--external-password is missing (Its password, or ${NAME} of the environment), and there is no terminal to ask \
             on",
        ),
        (
            Init { internal_password: text("in clear"), ..flags() },
            "--internal-password: a password on a command line is seen by every user of this machine; give '${NAME}', \
             an environment variable, or --internal-password-file",
        ),
        (
            Init { team: text("Helpdesc"), ..flags() },
            "--team: there is no \"Helpdesc\" here; there are: \"Hardware support\", \"Helpdesk\"",
        ),
        (
            Init { external_url: Some(world.internal.clone()), ..flags() },
            "--external-url: this is the other side's iTop",
        ),
        (
            Init { internal_name: text("Elitery!"), ..flags() },
            "--internal-name: \"Elitery!\" is no name: write 1 to 32 of a-z, 0-9 and `-`",
        ),
    ] {
        assert_eq!(world.run(&init, None).await.unwrap_err(), said);
    }
    let init = Init { internal_user: text("nobody"), ..flags() };
    let said = world.run(&init, None).await.unwrap_err();
    assert!(said.starts_with("elitery (http://elitery) does not let \"nobody\" in: "), "{said}");
    assert!(said.contains("Invalid login") && !said.contains(PASSWORD), "{said}");
    let init = Init { only: text("team_id_friendlyname ="), ..flags() };
    let said = world.run(&init, None).await.unwrap_err();
    assert!(said.starts_with("--only: iTop does not take this condition: "), "{said}");
    assert_eq!(world.files(), [""; 0]);
}

/// The files of a running bridge's passwords are as dear as its configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_another_bridge_is_overwritten_only_when_asked() {
    let world = World::new("passwords").await;
    let files = [world.folder.join("elitery.password"), world.folder.join("acme.password")];
    let typed = || Init { internal_password: None, external_password: None, ..world.flags() };
    let answers = |rest: &[&str]| {
        let typed = [PASSWORD, "", "", PASSWORD, "report", "yes", "yes", ""];
        Script::new(&[&typed[..], rest].concat())
    };
    let others = || {
        for file in &files {
            std::fs::write(file, "of a bridge that runs\n").unwrap();
        }
    };
    others();
    let said = world.run(&typed(), Some(&mut answers(&["no"]))).await.unwrap_err();
    assert_eq!(
        said,
        "FOLDER/elitery.password was left as it is, and nothing was written; another name of that side gets a file of \
         its own"
    );
    let mut person = answers(&["yes", "no"]);
    let said = world.run(&typed(), Some(&mut person)).await.unwrap_err();
    assert!(said.starts_with("FOLDER/acme.password was left as it is, and nothing was written"), "{said}");
    let asked = "? FOLDER/acme.password is there already, with another password. Overwrite it? [no]\n> no\n";
    assert!(world.plain(&person.said).ends_with(asked), "{}", person.said);
    assert_eq!(world.files(), ["acme.password", "elitery.password"]);
    for file in &files {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "of a bridge that runs\n");
    }

    world.run(&typed(), Some(&mut answers(&["yes", "yes"]))).await.unwrap();
    // The same passwords once more: there is nothing to ask.
    let again = || std::fs::remove_file(world.file()).unwrap();
    again();
    world.run(&typed(), Some(&mut answers(&[]))).await.unwrap();
    again();
    others();
    world.run(&Init { force: true, ..typed() }, Some(&mut answers(&[]))).await.unwrap();
    for file in &files {
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{PASSWORD}\n"));
        assert_private(file);
    }
}

/// Whatever stands in the way of one file, the others are as they were.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_whole_is_not_begun() {
    let world = World::new("whole").await;
    let typed = Init { internal_password: None, external_password: None, force: true, ..world.flags() };
    let answers = || Script::new(&[PASSWORD, "", "", PASSWORD, "report", "yes", "yes", ""]);
    // As the last one it would take its place after the passwords.
    let beside = world.folder.join("itop-bridge.toml.new");
    std::fs::create_dir(&beside).unwrap();
    let said = world.run(&typed, Some(&mut answers())).await.unwrap_err();
    assert!(said.starts_with("cannot write FOLDER/itop-bridge.toml; nothing was written: "), "{said}");
    assert_eq!(world.files(), ["itop-bridge.toml.new"]);
    std::fs::remove_dir(&beside).unwrap();

    // Nor what `serve` could not read: a variable is set for the questions, and then no more.
    let of_another = world.folder.join("acme.password");
    std::fs::write(&of_another, "of a bridge that runs\n").unwrap();
    let asked = std::cell::Cell::new(0);
    let env = |_: &str| (asked.replace(asked.get() + 1) == 0).then(|| PASSWORD.to_owned());
    let (random, mut out) = (SeededRandom::new(7), Vec::new());
    let seams = Seams { env: &env, transport: &http_transport, random: &random, program: "itop-bridge" };
    let init = Init { external_password: None, force: true, ..world.flags() };
    let mut person = Script::new(&["", "", PASSWORD, "report", "yes", "yes", ""]);
    let said = init::with(&init, &world.file(), Some(&mut person), seams, &mut out).await.unwrap_err();
    let said = format!("{said:#}");
    assert!(said.starts_with("the new text would not be a valid configuration; nothing was written: "), "{said}");
    assert!(said.contains("the environment variable INSIDE is not set"), "{said}");
    assert_eq!(world.files(), ["acme.password"]);
    assert_eq!(std::fs::read_to_string(&of_another).unwrap(), "of a bridge that runs\n");
}

/// The bridge listens where the iTops of this machine look for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_url_of_this_machine_says_where_to_listen() {
    let world = World::new("listen").await;
    let url = || Some("http://127.0.0.1:18080".to_owned());
    let said = world.run(&Init { public_url: url(), ..world.flags() }, None).await.unwrap();
    let note =
        "the bridge listens on 127.0.0.1:18080, where http://127.0.0.1:18080 leads; --listen chooses another address\n";
    assert!(said.contains(&format!("note    {note}")), "{said}");
    assert!(world.written().contains("listen = \"127.0.0.1:18080\"\n"), "{}", world.written());
    let again = || std::fs::remove_file(world.file()).unwrap();
    again();
    let flags = Init { caller: Some("6".into()), service: Some("2".into()), ..world.flags() };
    let typed = ["Installation", "report", "yes", "yes", "localhost:18080", "http://localhost:18080"];
    let mut person = Script::new(&typed);
    world.run(&flags, Some(&mut person)).await.unwrap();
    assert!(
        person.said.ends_with(
            "? How do both iTops reach the bridge? [http://127.0.0.1:8080]\n> localhost:18080\n\
             \"localhost:18080\" must be an address that begins with http:// or https://\n\
             ? How do both iTops reach the bridge? [http://127.0.0.1:8080]\n> http://localhost:18080\n\
             the bridge listens on 127.0.0.1:18080, where http://localhost:18080 leads; --listen chooses another address\n"
        ),
        "{}",
        person.said
    );
    let listen = Some("127.0.0.1:9000".parse().unwrap());
    again();
    let said = world.run(&Init { public_url: url(), listen, ..world.flags() }, None).await.unwrap();
    assert!(!said.contains("listens on"), "{said}");
    assert!(world.written().contains("listen = \"127.0.0.1:9000\"\n"), "{}", world.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_is_said_and_may_be_taken_all_the_same() {
    let world = World::new("public").await;
    let flags = || Init { caller: Some("6".into()), service: Some("2".into()), ..world.flags() };
    let nowhere = "http://bridge.invalid:8080";
    let mut person = Script::new(&["Installation", "report", "yes", "yes", nowhere, "no", "", "yes"]);
    world.run(&flags(), Some(&mut person)).await.unwrap();
    assert!(
        person.said.ends_with(
            "? How do both iTops reach the bridge? [http://127.0.0.1:8080]\n> http://bridge.invalid:8080\n\
             bridge.invalid leads to no address from this machine\n\
             ? Take it all the same? [no]\n> no\n\
             ? How do both iTops reach the bridge? [http://bridge.invalid:8080]\n> \n\
             bridge.invalid leads to no address from this machine\n\
             ? Take it all the same? [no]\n> yes\n"
        ),
        "{}",
        person.said
    );
    assert_eq!(world.config().server.public_url, nowhere);
    std::fs::remove_file(world.file()).unwrap();
    let given = Init { public_url: Some(nowhere.into()), ..flags() };
    let said = world.run(&given, None).await.unwrap();
    assert!(said.contains("note    bridge.invalid leads to no address from this machine\n"), "{said}");
}

/// Where the customer's tickets are driven, a person is asked for the team and agent of those that have none.
#[tokio::test(flavor = "multi_thread")]
async fn with_apply_a_person_is_asked_for_the_customers_team_and_agent() {
    let world = World::new("apply").await;
    let flags = Init { caller: Some("6".into()), service: Some("2".into()), ..world.flags() };
    let mut person = Script::new(&["Installation", "apply", "Helpdesk", "Jules Verne", "yes", "yes", ""]);
    world.run(&flags, Some(&mut person)).await.unwrap();
    let said =
        "A stimulus needs a team and an agent: these are for the customer's tickets that have none.\n? Their team\n";
    assert!(person.said.contains(said), "{}", person.said);
    let written = world.written();
    let (_, section) = written.split_once("[external.acme.defaults]\n").unwrap();
    assert!(section.starts_with("team = ") && section.contains("# Helpdesk\nagent = "), "{section}");
}

/// The binary in a terminal of its own, and what a person sees there.
struct InTerminal {
    script: std::process::Child,
    keys: std::process::ChildStdin,
    seen: Arc<Mutex<String>>,
    /// How much of it was waited for already.
    read: usize,
}

impl InTerminal {
    /// Through `script` of util-linux, which makes a pseudo-terminal for a program.
    fn start(folder: &Path, arguments: &[String]) -> InTerminal {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let shell = format!("stty cols 160 rows 40; exec {} {}", env!("CARGO_BIN_EXE_itop-bridge"), words.join(" "));
        let mut command = std::process::Command::new("script");
        command.args(["--quiet", "--return", "--command", &shell, "/dev/null"]).env("OUTSIDE", PASSWORD);
        let command = command.current_dir(folder).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().expect("`script` of util-linux is there");
        let (keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let seen = Arc::new(Mutex::new(String::new()));
        let all = seen.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut some) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..n]));
            }
        });
        InTerminal { script, keys, seen, read: 0 }
    }

    /// Types these keys once the question is on the screen, after what was waited for before.
    async fn answers(&mut self, question: &str, keys: &str) {
        for _ in 0..600 {
            let at = self.seen.lock().unwrap()[self.read..].find(question);
            if let Some(at) = at {
                self.read += at + question.len();
                self.keys.write_all(keys.as_bytes()).unwrap();
                return self.keys.flush().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never asked: {question}\n{}", self.seen.lock().unwrap());
    }

    /// All that was on the screen.
    async fn ended_well(&mut self) -> String {
        for _ in 0..600 {
            if let Some(status) = self.script.try_wait().unwrap() {
                let seen = self.seen.lock().unwrap().clone();
                assert!(status.success(), "{seen}");
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not end\n{}", self.seen.lock().unwrap());
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_in_a_terminal() {
    let world = World::new("terminal").await;
    // In the folder where the configuration is to be, as docs/guide/connect.md has it.
    let arguments: Vec<String> = ["init", "--internal-name", "elitery", "--external-name", "acme"]
        .into_iter()
        .chain(["--internal-url", &world.internal, "--internal-user", "bridge", "--external-url", &world.external])
        .chain(["--external-user", "bridge", "--external-password", "${OUTSIDE}"])
        .chain(["--org", "Demo", "--team", "Helpdesk", "--agent", "Jules Verne", "--only", "all"])
        .map(str::to_owned)
        .collect();
    let mut terminal = InTerminal::start(&world.folder, &arguments);
    terminal.answers("Its password", &format!("{PASSWORD}\r")).await;
    terminal.answers("Their caller", "\r").await;
    // What is typed picks among the choices.
    terminal.answers("Their service", "Softw\r").await;
    terminal.answers("Their service subcategory", "\x1b[B\r").await;
    terminal.answers("How does the customer learn", "\r").await;
    terminal.answers("Shall the customer's private log", "\r").await;
    terminal.answers("Shall the provider's private log", "n\r").await;
    terminal.answers("How do both iTops reach the bridge?", "\r").await;
    let seen = terminal.ended_well().await;
    assert!(!seen.contains(PASSWORD), "the password was shown: {seen}");
    assert_eq!(world.files(), ["elitery.password", "itop-bridge.toml"]);
    let written = world.has_lines(&[
        "service = 2  # Software",
        "private_log_to_internal = \"attachment\"",
        "private_log_to_external = \"off\"",
    ]);
    assert!(written.contains("servicesubcategory = "), "{written}");
    for name in world.files() {
        assert_private(&world.folder.join(name));
    }
}

/// After a refused log-in the password is asked for again, and no question before it: there it would be shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_asked_for_again_and_esc_corrects_the_account() {
    let world = World::new("refused-password").await;
    let url = world.internal.clone();
    let mut person = Script::new(&["elitery", &url, "bridgf", "mistyped", ESC, "bridge", "mistyped too", PASSWORD]);
    let flags = Init { org: Some("nowhere".into()), ..Init::default() };
    let stopped = world.run(&flags, Some(&mut person)).await.unwrap_err();
    assert!(stopped.starts_with("--org: there is no \"nowhere\" here"), "{stopped}");
    let said = world.plain(&person.said);
    let (_, said) = said.split_once("? The bridge's account in elitery\n").unwrap();
    let asked: Vec<&str> = said.lines().filter(|line| line.starts_with("? ")).collect();
    let password = "? Its password, or ${NAME} of the environment";
    assert_eq!(asked, [password, password, "? The bridge's account in elitery [bridgf]", password, password], "{said}");
    assert_eq!(said.matches("Esc corrects the account.").count(), 2, "{said}");
}

/// The keys of a shell: Ctrl-U clears, what is typed replaces what is offered, the arrow up takes it to be corrected, and
/// Esc goes a question back, from a line as from a list.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_a_line_is_edited_as_in_a_shell() {
    let world = World::new("edited").await;
    let arguments: Vec<String> = ["init", "--internal-name", "elitery", "--external-name", "acme"]
        .into_iter()
        .chain(["--external-url", &world.external, "--external-user", "bridge", "--external-password", "${OUTSIDE}"])
        .chain(["--org", "Demo", "--caller", "6", "--team", "Helpdesk", "--agent", "Jules Verne", "--service", "2"])
        .chain(["--subcategory", "4", "--only", "all"])
        .map(str::to_owned)
        .collect();
    let mut terminal = InTerminal::start(&world.folder, &arguments);
    terminal.answers("The address of the provider's iTop", "http://127.0.0.1:1\r").await;
    terminal.answers("no connection", "").await;
    // What is refused is offered, and what is typed is the answer, not its continuation.
    terminal.answers("[http://127.0.0.1:1]", &format!("rubbish\x15{}\r", world.internal)).await;
    terminal.answers("The bridge's account in elitery", "bridgf\x7fe\r").await;
    terminal.answers("Its password", &format!("rubbish\x15{PASSWORD}\r")).await;
    terminal.answers("How does the customer learn", "\x1b[B\r").await;
    terminal.answers("Their team", "\x1b").await;
    terminal.answers("How does the customer learn", "\x1b[A\r").await;
    terminal.answers("Shall the customer's private log", "\r").await;
    terminal.answers("Shall the provider's private log", "maybe\x15rubbish\r").await;
    terminal.answers("write y or n", "n\r").await;
    terminal.answers("How do both iTops reach the bridge?", "\x1b").await;
    terminal.answers("Shall the provider's private log", "\x1b").await;
    terminal.answers("Shall the customer's private log", "n\r").await;
    terminal.answers("Shall the provider's private log", "\r").await;
    // The arrow up brings in what is offered, then what was refused.
    terminal.answers("[http://127.0.0.1:8080]", "\x1b[A\x01x\r").await;
    terminal.answers("must be an address", "").await;
    terminal.answers("[http://127.0.0.1:8080]", "\x1b[A\x01\x1b[3~\x05\x7f1\r").await;
    let seen = terminal.ended_well().await;
    assert!(!seen.contains(PASSWORD) && !seen.contains("hunter"), "the password was shown: {seen}");
    world.has_lines(&[
        "url = \"http://elitery\"",
        "user = \"bridge\"",
        "public_url = \"http://127.0.0.1:8081\"  # how both iTops reach the bridge; `setup` writes it into them",
        "status_to_external = \"report\"",
        "private_log_to_internal = \"off\"",
        "private_log_to_external = \"off\"",
    ]);
    assert_eq!(std::fs::read_to_string(world.folder.join("elitery.password")).unwrap(), format!("{PASSWORD}\n"));
}

/// Ctrl-C leaves from any question, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_ctrl_c_leaves() {
    let world = World::new("ctrl-c").await;
    let mut terminal = InTerminal::start(&world.folder, &["init".to_owned()]);
    terminal.answers("A short name of the provider", "elitery\r").await;
    terminal.answers("The address of the provider's iTop", "half\x03").await;
    terminal.answers("left with Ctrl-C; nothing was written", "").await;
    assert_eq!(world.files(), [""; 0]);
}
