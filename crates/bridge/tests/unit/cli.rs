//! The binary as a person calls it.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use itop_bridge::config::Config;
use itop_bridge::running::Loaded;
use itop_bridge_engine::clock::VirtualClock;
use itop_bridge_engine::random::SeededRandom;
use itop_bridge_store::{SqliteStore, Store as _};

/// Two sides at which nothing listens.
const CONFIG: &str = "[server]\nid = \"7f3a\"\n[store]\nurl = \"sqlite:bridge.db\"\n\
                      [internal]\nname = \"elitery\"\nurl = \"http://127.0.0.1:1\"\nuser = \"b\"\npassword = \"p\"\n\
                      api_keys = [\"sk_internal\"]\ndefaults = { org = \"Demo\", caller = 6 }\n\
                      [external.acme]\nurl = \"http://127.0.0.1:2\"\nuser = \"b\"\npassword = \"p\"\n\
                      api_keys = [\"sk_external\"]\nonly = \"all\"\n";

fn call(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_itop-bridge")).args(arguments).output().unwrap()
}

#[test]
fn keys_new_prints_a_key_and_nothing_else() {
    let output = call(&["keys", "new"]);
    assert_eq!(output.status.code(), Some(0));
    let key = String::from_utf8(output.stdout).unwrap();
    assert!(key.starts_with("sk_") && key.ends_with('\n') && key.len() == 3 + 64 + 1, "{key}");
    assert!(output.stderr.is_empty());
}

#[test]
fn keys_new_writes_a_file_that_its_owner_alone_can_read_and_never_over_another() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::env::temp_dir().join(format!("itop-bridge-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("acme.key");
    let new = || call(&["keys", "new", "--file", file.to_str().unwrap()]);
    let output = new();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(key.starts_with("sk_") && key.ends_with('\n') && key.len() == 3 + 64 + 1, "{key}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let output = new();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.ends_with("acme.key is there already, and was left as it is: name another file\n"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key, "a key in use is not lost");
    let output = call(&["keys", "new", "--file", folder.join("none/acme.key").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["no-such-verb"][..], &["keys"], &["keys", "new", "more"], &[]] {
        assert_eq!(call(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn half_of_a_tickets_name_is_wrong_usage() {
    for half in ["acme:", ":R-000123", ""] {
        let output = call(&["resume", half]);
        assert_eq!(output.status.code(), Some(2), "{half}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("write SIDE:REFERENCE, such as acme:R-000123"), "{said}");
    }
}

#[test]
fn what_names_no_ticket_is_wrong_usage() {
    for arguments in
        [&["plan", "acme"][..], &["plan"], &["links", "show", "acme:"], &["links"], &["retry", "acme"], &["pause"]]
    {
        assert_eq!(call(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_verb_without_a_store_says_so_and_makes_none() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (config, store) = (folder.join("itop-bridge.toml"), folder.join("bridge.db"));
    std::fs::write(&config, CONFIG).unwrap();
    let verbs = [
        &["plan", "1"][..],
        &["links", "list"],
        &["links", "show", "1"],
        &["retry"],
        &["pause", "acme"],
        &["resume", "acme"],
        &["backup", "copy.db"],
        &["external", "rename", "beta", "acme"],
        &["external", "remove", "beta"],
    ];
    for verb in verbs {
        let output = call(&[&["--config", config.to_str().unwrap()], verb].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(
            said.contains("there is no store at")
                && said.contains("is [store].url the one that `serve` uses? If `serve` has never run, start it once"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
        assert!(!store.exists(), "{verb:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// So they work beside the service, whose environment has the secrets.
#[test]
fn a_verb_that_calls_no_itop_asks_for_no_secret() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (config, store) = (folder.join("itop-bridge.toml"), folder.join("bridge.db"));
    std::fs::write(&config, CONFIG.replace("\"p\"", "\"${NO_SUCH_PASSWORD}\"").replace("\"sk_", "\"${NO_SUCH_KEY}"))
        .unwrap();
    SqliteStore::open_exclusive(&store).unwrap().adopt_server_id("7f3a").unwrap();
    let copy = folder.join("copy.db");
    let verbs = [
        &["status"][..],
        &["status", "--json"],
        &["links", "list"],
        &["links", "show", "1"],
        &["retry"],
        &["pause", "acme"],
        &["resume", "acme"],
        &["backup", copy.to_str().unwrap()],
        &["config", "show"],
        &["setup", "--side", "acme", "--print"],
        &["external", "rename", "beta", "acme"],
        &["external", "remove", "beta"],
    ];
    for verb in verbs {
        let output = call(&[&["--config", config.to_str().unwrap()], verb].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("NO_SUCH_"), "{verb:?}: {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_pause_says_whether_somebody_takes_webhooks_meanwhile() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-pause-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (config, store) = (folder.join("itop-bridge.toml"), folder.join("bridge.db"));
    std::fs::write(&config, CONFIG).unwrap();
    let verb = |verb: &str| {
        let output = call(&["--config", config.to_str().unwrap(), verb, "acme"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut serving = SqliteStore::open_exclusive(&store).unwrap();
    serving.adopt_server_id("7f3a").unwrap();
    let said = verb("pause");
    assert_eq!(said, "acme is paused. Webhooks are still accepted; `itop-bridge resume acme` goes on.\n");
    verb("resume");
    // Of a dry run each says that nothing of it will be seen in an iTop.
    let loaded = Config::parse(CONFIG, config.to_str().unwrap(), &|_| None).unwrap();
    Loaded::now(&loaded, true, &VirtualClock::starting_at(5), &SeededRandom::new(1)).keep(&mut serving).unwrap();
    let dry = "But `serve` is a dry run: it writes nothing until it is started without `--dry-run`.\n";
    assert!(verb("pause").ends_with(dry));
    assert!(verb("resume").ends_with(dry));
    let retried = call(&["--config", config.to_str().unwrap(), "retry"]);
    assert!(String::from_utf8(retried.stdout).unwrap().ends_with(dry));
    let checked = call(&["--config", config.to_str().unwrap(), "check"]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains(", as a dry run: it writes nothing. Fix: start it without `--dry-run`"), "{checked}");
    drop(serving);
    let said = verb("pause");
    assert!(said.starts_with("acme is paused. `serve` does not run, so webhooks are not accepted now; "), "{said}");
    assert!(!said.contains("still accepted"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn status_tells_whether_serve_runs_and_ends_with_0_1_or_2() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-status-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (config, store) = (folder.join("itop-bridge.toml"), folder.join("bridge.db"));
    let status = |more: &[&str]| {
        let output = call(&[&["--config", config.to_str().unwrap(), "status"], more].concat());
        let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), words(output.stdout), words(output.stderr))
    };
    let (code, _, why) = status(&[]);
    assert_eq!(code, Some(2), "{why}");
    std::fs::write(&config, CONFIG).unwrap();
    let (code, _, why) = status(&[]);
    assert!(code == Some(2) && why.contains("there is no store at"), "{why}");
    let mut serving = SqliteStore::open_exclusive(&store).unwrap();
    serving.adopt_server_id("7f3a").unwrap();
    let (code, said, why) = status(&[]);
    assert_eq!((code, why.as_str()), (Some(0), ""), "{said}");
    assert!(
        said.contains("serve: runs\n") && said.ends_with("no answer of elitery and acme yet since `serve` began.\n"),
        "{said}"
    );
    drop(serving);
    let (code, said, why) = status(&[]);
    assert_eq!((code, why.as_str()), (Some(1), "ends with 1: something needs a person\n"), "{said}");
    assert!(said.contains("serve: `serve` does not run: waiting tickets go on once it is started"), "{said}");
    let (code, said, _) = status(&["--json"]);
    assert!(code == Some(1) && said.contains("\"serve\": \"stopped\""), "{said}");
    assert_eq!(status(&["--json", "--watch"]).0, Some(2), "one of the two");
    // It held the lock for a moment only.
    drop(SqliteStore::open_exclusive(&store).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn help_has_an_example() {
    let output = call(&["keys", "new", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("Examples:\n  itop-bridge keys new\n  itop-bridge keys new --file ")
    );
}

/// The names of all verbs, of their verbs, and of all options.
fn words(command: &clap::Command) -> BTreeSet<String> {
    let options = command.get_arguments().filter_map(|option| option.get_long()).map(str::to_owned);
    let verbs = command.get_subcommands().flat_map(|verb| words(verb).into_iter().chain([verb.get_name().to_owned()]));
    options.chain(verbs).collect()
}

#[test]
fn each_shell_is_given_completions_that_know_every_verb_and_option() {
    let known = words(&itop_bridge::cli::command());
    assert!(known.len() > 40 && ["rebuild", "match", "print", "config"].iter().all(|word| known.contains(*word)));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = call(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let said = String::from_utf8(output.stdout).unwrap();
        for word in &known {
            assert!(said.contains(word), "{shell} does not know {word}");
        }
    }
    for arguments in [&["completions", "no-such-shell"][..], &["completions"]] {
        let output = call(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("bash, elvish, fish, powershell, zsh"), "{said}");
    }
}
