//! A customer more, beside a configuration that is there.

use itop_bridge::sides;
use itop_bridge_store::{SqliteStore, Store as _};

use super::*;

/// What an operator has made of the file that `init` wrote: the end of a line is missing, too.
const BY_HAND: &str = "\n# Ours: asked for by the customer, do not touch.\n[alerts]\nsilence_minutes  =  90\n\
                       webhook_url = \"https://chat.example/hook\"  # the night shift's";

struct Adding {
    world: World,
    beta: String,
    /// The file before.
    text: String,
}

impl Adding {
    async fn new(test: &str) -> Adding {
        let world = World::new(test).await;
        world.run(&world.flags(), None).await.unwrap();
        world.seed.set(8);
        let text = std::fs::read_to_string(world.file()).unwrap() + BY_HAND;
        std::fs::write(world.file(), &text).unwrap();
        let (beta, _) = serve(Version::V3_1).await;
        Adding { world, beta, text }
    }

    fn flags(&self) -> Init {
        let text = |text: &str| Some(text.to_owned());
        Init {
            external_name: text("beta"),
            external_url: Some(self.beta.clone()),
            external_user: text("bridge"),
            external_password: text("${BETA}"),
            only: text("all"),
            ..Init::default()
        }
    }

    /// Runs it, and answers what it said.
    async fn run(&self, init: &Init, person: Option<&mut dyn Prompt>) -> Result<String, String> {
        let said = self.world.run(init, person).await;
        let plain = |said: String| said.replace(&self.beta, "http://beta");
        said.map(plain).map_err(plain)
    }

    /// What stands behind the text of before.
    fn added(&self) -> String {
        let text = std::fs::read_to_string(self.world.file()).unwrap();
        let added = text.strip_prefix(&self.text).unwrap_or_else(|| panic!("the file was changed: {text}"));
        // A fresh key each time.
        let key = added.split("\"sk_").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(key.len(), 64);
        assert!(!self.text.contains(key), "the key is fresh");
        added.replace(&self.beta, "http://beta").replace(key, "…")
    }

    fn is_untouched(&self) {
        assert_eq!(std::fs::read_to_string(self.world.file()).unwrap(), self.text);
        assert_eq!(self.world.files(), ["itop-bridge.toml"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_asked_for_alone_and_the_file_before_it_stays_byte_for_byte() {
    let adding = Adding::new("add").await;
    let mut person = Script::new(&[
        "elitery",
        "acme",
        "beta",
        &adding.world.external,
        &adding.beta,
        "bridge",
        PASSWORD,
        "those of",
        "Helpdesk",
        "report",
        "yes",
        "no",
        "no",
        "IT Dep",
        "(none)",
        "Hardware",
        "",
        "(none)",
    ]);
    let said = adding.run(&Init::default(), Some(&mut person)).await.unwrap();
    assert!(person.answers.is_empty(), "not asked: {:?}", person.answers);
    let asked = adding.world.plain(&person.said).replace(&adding.beta, "http://beta");
    assert!(
        asked.contains(
            "? A short name of the customer (a-z, 0-9, -)\n> elitery\nelitery is the provider's name\n\
             ? A short name of the customer (a-z, 0-9, -)\n> acme\n[external.acme] is there already\n\
             ? A short name of the customer (a-z, 0-9, -)\n> beta\n\
             ? The address of the customer's iTop\n> http://acme\n\
             this is the iTop of acme, which is in the configuration already\n\
             ? The address of the customer's iTop\n> http://beta\n"
        ),
        "{asked}"
    );
    assert!(!asked.contains("address of the provider's iTop") && !asked.contains("reach the bridge"), "{asked}");
    let defaults =
        "? Shall its tickets get the defaults of all customers (agent_id = 9, org_id = 3, team_id = 37)? [no]\n";
    assert!(asked.contains(defaults), "{asked}");
    assert_eq!(
        adding.added(),
        "\n\n# Added by `itop-bridge init`.\n[external.beta]\nurl = \"http://beta\"\nuser = \"bridge\"\n\
         password_file = \"beta.password\"  # beside this file\napi_keys = [\"sk_…\"]\n\
         # Which tickets may leave it: the part after WHERE of an OQL query, or \"all\".\n\
         only = \"team_id_friendlyname = 'Helpdesk'\"\n\
         \n# Its tickets in the provider's iTop differ from [internal.defaults] in these values.\n[external.beta.internal_defaults]\n\
         org = 2  # IT Department\nteam = 38  # Hardware support\n"
            .to_owned()
            + &agent_of(&adding)
            + "\n# It differs from [sync] in these values.\n[external.beta.sync]\nprivate_log_to_external = \"off\"\n"
    );
    assert!(
        said.contains(
            "Wrote FOLDER/beta.password.\nAdded [external.beta] at the end of FOLDER/itop-bridge.toml; all else in it \
             is as it was.\n"
        ),
        "{said}"
    );
    let steps = ["check ", "serve ", "setup --side beta\n", "setup --side elitery "];
    let at: Vec<usize> =
        steps.iter().map(|step| said.find(step).unwrap_or_else(|| panic!("{step} in {said}"))).collect();
    assert!(at.is_sorted(), "the key is loaded before a webhook carries it: {said}");
    let config = adding.world.config();
    assert_eq!(config.externals.iter().map(|external| external.name()).collect::<Vec<_>>(), ["acme", "beta"]);
    assert_private(&adding.world.folder.join("beta.password"));
    let findings = checks::run(&config, None, &http_transport, &now()).await;
    let faults = findings.iter().filter(|finding| finding.state == State::Fault);
    let other: Vec<_> = faults.filter(|fault| !fault.check.starts_with("stimuli")).collect();
    assert!(other.is_empty(), "{other:?}");
}

/// The only one of the hardware's team.
fn agent_of(adding: &Adding) -> String {
    let text = std::fs::read_to_string(adding.world.file()).unwrap();
    let (_, section) = text.split_once("[external.beta.internal_defaults]").unwrap();
    section.lines().find(|line| line.starts_with("agent = ")).map(|line| format!("{line}\n")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_flags_a_customer_is_added_without_a_question() {
    let adding = Adding::new("add-flags").await;
    let said = adding.run(&adding.flags(), None).await.unwrap();
    assert!(said.contains("note    `serve` needs ${BETA} in its environment from its next start on\n"), "{said}");
    assert_eq!(
        adding.added(),
        "\n\n# Added by `itop-bridge init`.\n[external.beta]\nurl = \"http://beta\"\nuser = \"bridge\"\n\
         password = \"${BETA}\"  # the environment's\napi_keys = [\"sk_…\"]\n\
         # Which tickets may leave it: the part after WHERE of an OQL query, or \"all\".\nonly = \"all\"\n"
    );
    let config = adding.world.config();
    let of = |name: &str| config.externals.iter().find(|external| external.name() == name).unwrap();
    assert_eq!(of("beta").internal_defaults, of("acme").internal_defaults);
    // A second time it is there.
    let text = std::fs::read_to_string(adding.world.file()).unwrap();
    let said = adding.run(&adding.flags(), None).await.unwrap_err();
    assert_eq!(said, "--external-name: [external.beta] is there already");
    assert_eq!(std::fs::read_to_string(adding.world.file()).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_for_one_customer_goes_into_its_own_sections() {
    let adding = Adding::new("add-own").await;
    let text = |text: &str| Some(text.to_owned());
    let init = Init {
        org: text("Demo"),
        service: text("Software"),
        status_to_external: Some(Status::Apply),
        external_team: text("Helpdesk"),
        external_agent: text("Jules Verne"),
        private_log_to_internal: Some(Log::Off),
        private_log_to_external: Some(Log::Attachment),
        ..adding.flags()
    };
    adding.run(&init, None).await.unwrap();
    let added = adding.added();
    let (_, own) = added.split_once("only = \"all\"\n").unwrap();
    assert_eq!(
        own,
        "\n# For the customer's tickets that have none, where a stimulus needs one.\n[external.beta.defaults]\n\
         team = 37  # Helpdesk\nagent = 9  # Jules Verne\n\
         \n# Its tickets in the provider's iTop differ from [internal.defaults] in these values.\n[external.beta.internal_defaults]\n\
         service = 2  # Software\n\
         \n# It differs from [sync] in these values.\n[external.beta.sync]\nstatus_to_external = \"apply\"\n\
         private_log_to_internal = \"off\"\n"
    );
    // Another team has another agent.
    std::fs::write(adding.world.file(), &adding.text).unwrap();
    let said = adding.run(&Init { team: text("Hardware support"), ..adding.flags() }, None).await.unwrap_err();
    assert!(said.starts_with("--agent is missing (Their agent, of that team)"), "{said}");
    adding.is_untouched();
}

/// From each of its questions too, Esc is one question back.
#[tokio::test(flavor = "multi_thread")]
async fn from_every_question_of_a_customer_esc_goes_one_back() {
    let adding = Adding::new("add-back").await;
    let answers = [
        "beta",
        &adding.beta,
        "bridge",
        PASSWORD,
        "those of",
        "Helpdesk",
        "apply",
        "Helpdesk",
        "Victor Hugo",
        "no",
        "yes",
        "no",
        "IT Dep",
        "(none)",
        "Helpdesk",
        "Victor Hugo",
        "Software",
        "Installation",
    ];
    let mut straight = Script::new(&answers);
    adding.run(&Init::default(), Some(&mut straight)).await.unwrap();
    assert!(straight.answers.is_empty(), "not asked: {:?}", straight.answers);
    let added = adding.added();
    std::fs::write(adding.world.file(), &adding.text).unwrap();
    let (straight, answered) = (Script::new(&answers), Vec::new());
    let mut person = Wavering { straight, answered, seen: Vec::new(), returned: None, went_back: 0 };
    adding.run(&Init::default(), Some(&mut person)).await.unwrap();
    assert!(person.straight.answers.is_empty(), "not asked: {:?}", person.straight.answers);
    assert!(person.went_back >= 15, "{}", person.went_back);
    assert_eq!(adding.added(), added);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_or_is_said_already_is_refused_and_nothing_is_touched() {
    let mut adding = Adding::new("add-refused").await;
    for (init, flag) in [
        (Init { internal_name: Some("other".into()), ..adding.flags() }, "--internal-name"),
        (Init { public_url: Some("http://b".into()), ..adding.flags() }, "--public-url"),
    ] {
        let said = adding.run(&init, None).await.unwrap_err();
        assert_eq!(
            said,
            format!(
                "FOLDER/itop-bridge.toml is there already, and `init` adds a customer to it: that file has its own value for {flag}. Leave the flag out, or name a new file with --config"
            )
        );
    }
    adding.is_untouched();
    for (broken, why) in [
        (adding.text.replace("[internal]", "[internal"), "itop-bridge.toml:"),
        (adding.text.replace("silence_minutes", "silence_minute"), "unknown key"),
        // Such a table takes no section more.
        (
            "[server]\nid = \"x\"\n[internal]\nname = \"elitery\"\nurl = \"http://i\"\nuser = \"b\"\npassword = \"p\"\n\
             api_keys = [\"sk_internal_0123456789\"]\n[external]\nacme = { url = \"http://a\", token = \"t\", \
             api_keys = [\"sk_acme_0123456789\"], only = \"all\" }\n[external.sub]\n"
                .to_owned(),
            "itop-bridge.toml:",
        ),
    ] {
        adding.text = broken;
        std::fs::write(adding.world.file(), &adding.text).unwrap();
        for init in [adding.flags(), Init { force: true, ..adding.flags() }, Init::default()] {
            let said = adding.run(&init, Some(&mut Script::new(&[]))).await.unwrap_err();
            let start = "FOLDER/itop-bridge.toml exists, and is left as it is: `init` adds a customer only to a valid configuration. Correct it first, or name a new file with --config: ";
            assert!(said.starts_with(start) && said.contains(why), "{said}");
        }
        adding.is_untouched();
    }
}

/// A name stands in marks for good, and an iTop is known by its address.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_or_an_address_that_the_store_knows_is_no_new_customers() {
    let adding = Adding::new("add-known").await;
    let left = "http://left.example/itop";
    let with_left = format!(
        "{}\n[external.gone]\nurl = \"{}\"\ntoken = \"t\"\napi_keys = [\"sk_gone_0123456789\"]\nonly = \"all\"\n\
         [external.renamed]\nname_in_marks = \"first\"\nurl = \"http://renamed.example\"\ntoken = \"t\"\n\
         api_keys = [\"sk_renamed_0123456789\"]\nonly = \"all\"\n",
        adding.text, adding.beta
    );
    let env = |_: &str| Some(PASSWORD.to_owned());
    let name = adding.world.file().to_string_lossy().into_owned();
    let before = Config::parse(&with_left, &name, &env).unwrap();
    let mut store = SqliteStore::open_exclusive(&before.store.path).unwrap();
    store.adopt_server_id(&before.server.id).unwrap();
    sides::remember(&mut store, &before).unwrap();
    for name in ["gone", "renamed"] {
        sides::mark_removed(&mut store, name).unwrap();
    }
    drop(store);
    let named = |name: &str, url: &str| Init {
        external_name: Some(name.to_owned()),
        external_url: Some(url.to_owned()),
        ..adding.flags()
    };
    for (init, why) in [
        (named("gone", left), "gone was removed, and is at another address now"),
        (named("first", left), "the marks of renamed's tickets carry the name first"),
        (named("new", &adding.beta), "the store knows the iTop at this address as gone: give it that name"),
    ] {
        let said = adding.run(&init, None).await.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert_eq!(std::fs::read_to_string(adding.world.file()).unwrap(), adding.text);
    }
    // It may come back itself.
    adding.run(&named("gone", &adding.beta), None).await.unwrap();
    assert!(adding.added().contains("[external.gone]\n"));
}

/// `serve` reads the file as its own user, also after root has added a customer.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_file_keeps_its_owner_and_mode_and_a_link_to_it_stays() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let adding = Adding::new("add-owner").await;
    let real = adding.world.folder.join("real.toml");
    std::fs::rename(adding.world.file(), &real).unwrap();
    std::os::unix::fs::symlink(&real, adding.world.file()).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    let owner = std::os::unix::fs::chown(&real, Some(12345), Some(12346))
        .map_or_else(|_| std::fs::metadata(&real).map(|file| (file.uid(), file.gid())).unwrap(), |()| (12345, 12346));
    let typed = Init { external_password: None, ..adding.flags() };
    let mut person = Script::new(&[PASSWORD, "report", "yes", "yes", "yes"]);
    adding.run(&typed, Some(&mut person)).await.unwrap();
    assert!(std::fs::symlink_metadata(adding.world.file()).unwrap().is_symlink());
    for (file, mode) in [(real, 0o640), (adding.world.folder.join("beta.password"), 0o640)] {
        let found = std::fs::metadata(&file).unwrap();
        assert_eq!((found.uid(), found.gid()), owner, "{}", file.display());
        assert_eq!(found.permissions().mode() & 0o777, mode, "{}", file.display());
    }
    adding.added();
}

/// Whatever stands in the way, the file is the one of before.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_cannot_be_written_whole_is_not_begun() {
    let adding = Adding::new("add-whole").await;
    let beside = adding.world.folder.join("itop-bridge.toml.new");
    std::fs::create_dir(&beside).unwrap();
    let typed = Init { external_password: None, ..adding.flags() };
    let mut person = Script::new(&[PASSWORD, "report", "yes", "yes", "yes"]);
    let said = adding.run(&typed, Some(&mut person)).await.unwrap_err();
    assert!(said.starts_with("cannot write FOLDER/itop-bridge.toml; nothing was written: "), "{said}");
    std::fs::remove_dir(&beside).unwrap();
    adding.is_untouched();
}
