use itop_bridge_core::policy::StatusToExternal;
use secrecy::ExposeSecret;

use super::*;

const WHOLE: &str = r#"
[server]
id = "7f3a"

[internal]
name = "elitery"
url = "https://itop.provider.example/"
user = "bridge"
password = "${ITOP_INTERNAL_PASSWORD}"
api_keys = ["${BRIDGE_KEY_INTERNAL}"]
defaults = { org = "Demo", caller = 6, pending_reason = "waiting" }

[external.acme]
url = "https://itop.customer.example"
token = "${ITOP_ACME_TOKEN}"
api_keys = ["sk_acme_0123456789abcdef"]
internal_defaults = { org = "Acme" }
only = { UserRequest = "team_id_friendlyname = 'Elitery'", Incident = "all" }

[external.acme.sync]
title = "{title} ({ref})"

[sync]
title = "common"
sweep_seconds = 60
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "ITOP_INTERNAL_PASSWORD" => Some("s3cret-of-${HOME}".to_owned()),
        "BRIDGE_KEY_INTERNAL" => Some("sk_internal_0123456789".to_owned()),
        "ITOP_ACME_TOKEN" => Some("t0ken-of-acme".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "/nowhere/bridge.toml", &env)
}

/// The mistakes found in the whole configuration with one passage replaced, without the file name.
fn mistakes(passage: &str, instead: &str) -> Vec<String> {
    let whole = WHOLE.replace("\"common\"", "\"{title}\"");
    assert!(whole.contains(passage), "the passage must be there: {passage}");
    let Err(error) = parse(&whole.replacen(passage, instead, 1)) else { return Vec::new() };
    let said = error.to_string();
    let lines = said.lines().filter(|line| !line.starts_with("If systemd runs `serve`"));
    lines.map(|line| line.replace("/nowhere/bridge.toml:", "")).collect()
}

fn whole() -> Config {
    parse(&WHOLE.replace("\"common\"", "\"{title}\"")).unwrap()
}

#[test]
fn a_whole_file_is_resolved() {
    let config = whole();
    assert_eq!(config.server.id, "7f3a");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.store.path, Path::new("/nowhere/itop-bridge.db"));
    assert_eq!(config.internal.url, "https://itop.provider.example");
    assert_eq!(config.internal.settle_ms, 300_000);
    assert_eq!(config.timing(), Timing::default());

    let acme = &config.externals[0];
    assert_eq!(acme.name(), "acme");
    assert_eq!(acme.only.of("Incident"), Some(&Condition::All));
    assert_eq!(acme.only.of("NormalChange"), None);
    assert_eq!(acme.sync.title, "{title} ({ref})", "the external's own goes first");
    assert_eq!(acme.sync.sweep_ms, 60_000, "then the common one");
    assert_eq!(acme.sync.audit_ms, 3_600_000, "then the default");
    assert_eq!(acme.sync.classes.len(), 5);
    assert_eq!(acme.sync.classes["NormalChange"], "NormalChange");
}

#[test]
fn an_external_overrides_the_internal_defaults_one_by_one() {
    let config = whole();
    let defaults = &config.externals[0].internal_defaults;
    assert_eq!(defaults["org_id"], DefaultValue::Text("Acme".to_owned()));
    assert_eq!(defaults["caller_id"], DefaultValue::Number(6));
    assert_eq!(defaults["pending_reason"], DefaultValue::Text("waiting".to_owned()));
    assert_eq!(config.internal.defaults["org_id"], DefaultValue::Text("Demo".to_owned()));
}

#[test]
fn a_variable_is_put_in_once_and_debug_shows_no_secret() {
    let config = whole();
    let Login::Password { password, .. } = &config.internal.login else { panic!("logs in by password") };
    assert_eq!(password.expose_secret(), "s3cret-of-${HOME}");
    let shown = format!("{config:?}");
    for secret in ["s3cret", "t0ken", "sk_"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_mistyped_key_is_named_with_its_line_and_the_nearest() {
    assert_eq!(
        mistakes("sweep_seconds", "sweep_second"),
        ["25: sync.sweep_second: unknown key; did you mean `sweep_seconds`?"]
    );
    let said = mistakes("user = \"bridge\"", "user = \"bridge\"\nzzz = 1");
    assert!(said[0].starts_with("9: internal.zzz: unknown key; the known ones are name, url, user, "), "{said:?}");
    for section in ["snyc", "sink"] {
        let said = mistakes("[sync]", &format!("[{section}]"));
        assert_eq!(said[0], format!("23: {section}: unknown key; did you mean `sync`?"));
    }
    assert_eq!(
        mistakes("[sync]", "[zzz]")[0],
        "23: zzz: unknown key; the known ones are server, store, internal, sync, external, alerts"
    );
}

#[test]
fn only_is_never_guessed() {
    let said = mistakes("only = {", "# {");
    assert_eq!(said.len(), 1);
    for part in [
        "13: external.acme: `only` is missing",
        "never guessed",
        "only = \"all\"",
        "only = \"team_id_friendlyname = 'Elitery'\"",
        "under [sync]",
    ] {
        assert!(said[0].contains(part), "{part} in {said:?}");
    }
    let under_sync = WHOLE.replace("only = {", "# {").replace("title = \"common\"", "only = \"all\"");
    assert_eq!(parse(&under_sync).unwrap().externals[0].only, Only::Every(Condition::All));
}

#[test]
fn a_wrong_only_is_said_once_and_is_not_missing() {
    assert_eq!(
        mistakes("Incident = \"all\"", "Incident = \"al\""),
        [
            "18: external.acme.only.Incident: must be \"all\", or a condition in OQL such as \"team_id_friendlyname = 'Elitery'\", but is \"al\""
        ]
    );
    assert_eq!(
        mistakes("\"team_id_friendlyname = 'Elitery'\"", "\"SELECT UserRequest WHERE id > 1\""),
        ["18: external.acme.only.UserRequest: must be the condition alone: the part after WHERE in the OQL"]
    );
    assert_eq!(
        mistakes("Incident = \"all\"", "Incidant = \"all\""),
        [
            "13: external.acme: `only` names the class Incidant, which is not bridged: add it to `classes`, or take it out"
        ]
    );
}

#[test]
fn a_wrong_type_or_value_says_what_is_wanted() {
    for (instead, said) in [
        ("sweep_seconds = \"60\"", "sync.sweep_seconds: must be a whole number from 1 to 86400, but is a string"),
        ("sweep_seconds = 0", "sync.sweep_seconds: must be a whole number from 1 to 86400, but is 0"),
        ("sweep_seconds = -5", "sync.sweep_seconds: must be a whole number from 1 to 86400, but is -5"),
        (
            "status_to_external = \"reprt\"",
            "sync.status_to_external: must be \"report\" or \"apply\" or \"off\", but is \"reprt\"",
        ),
        ("log_authors = 1", "sync.log_authors: must be true or false, but is a whole number"),
        ("older = \"leave\"", "sync.older: must be \"stay\" or \"cross_when_changed\", but is \"leave\""),
        ("since = \"yesterday\"", "sync.since: must be a date such as \"2026-01-01\", but is \"yesterday\""),
        ("halt_share = 2", "sync.halt_share: must be a number above 0 and at most 1, such as 0.33"),
        (
            "fields = [\"title\", \"team_id\"]",
            "sync.fields: \"team_id\" names a person, team, organisation or service: these never cross; write the side's `defaults`",
        ),
        ("classes = []", "sync.classes: must be a table, but is a list"),
    ] {
        assert_eq!(mistakes("sweep_seconds = 60", instead), [format!("25: {said}")]);
    }
    assert_eq!(
        mistakes("\"{title}\"", "\"{Title}\""),
        ["24: sync.title: {Title} is unknown; a title is made of {ref} and {title}"]
    );
    assert_eq!(
        mistakes("caller = 6", "caller = true"),
        ["11: internal.defaults.caller: must be an id (a whole number) or a name (a string)"]
    );
    assert_eq!(
        mistakes("caller = 6", "org_id = 6"),
        ["11: internal.defaults.org_id: `org_id` is given twice, once by its short form"]
    );
}

#[test]
fn a_date_may_be_written_as_toml_does() {
    for written in ["\"2026-01-02\"", "2026-01-02"] {
        let config = parse(&WHOLE.replace("title = \"common\"", &format!("since = {written}"))).unwrap();
        assert_eq!(config.externals[0].sync.since, Some(jiff::civil::date(2026, 1, 2)));
    }
}

#[test]
fn an_unset_variable_names_the_key() {
    assert_eq!(
        mistakes("${ITOP_INTERNAL_PASSWORD}", "${NO_SUCH}"),
        ["9: internal.password: the environment variable NO_SUCH is not set"]
    );
    assert_eq!(
        mistakes("${BRIDGE_KEY_INTERNAL}", "${UNENDED")[0],
        "10: internal.api_keys: `${` has no `}` (write `$${` for a plain `${`)"
    );
}

#[test]
fn a_plain_dollar_brace_can_be_written() {
    let config =
        parse(&WHOLE.replace("${ITOP_INTERNAL_PASSWORD}", "a$${b}$c").replace("\"common\"", "\"{title}\"")).unwrap();
    let Login::Password { password, .. } = &config.internal.login else { panic!("logs in by password") };
    assert_eq!(password.expose_secret(), "a${b}$c");
}

#[test]
fn two_sides_of_one_address_are_refused() {
    for same in ["https://itop.provider.example", "HTTPS://ITOP.provider.example:443//", "http://itop.provider.example"]
    {
        assert_eq!(
            mistakes("https://itop.customer.example", same),
            ["13: external.acme: has the same `url` as elitery: the bridge would copy tickets of one iTop into itself"]
        );
    }
    assert_eq!(mistakes("https://itop.customer.example", "https://itop.provider.example/other"), Vec::<String>::new());
    let on_this_machine = |address: &str| {
        let sides =
            [("https://itop.provider.example", "http://localhost:8312"), ("https://itop.customer.example", address)];
        parse(
            &sides
                .iter()
                .fold(WHOLE.replace("\"common\"", "\"{title}\""), |all, (is, is_to_be)| all.replace(is, is_to_be)),
        )
    };
    assert!(on_this_machine("http://127.0.0.1:8320").is_ok());
    for same in ["http://127.0.0.1:8312", "http://[::1]:8312/"] {
        let said = on_this_machine(same).unwrap_err().to_string();
        assert!(said.contains("external.acme: has the same `url` as elitery"), "{said}");
    }
}

#[test]
fn an_address_is_the_folder_of_an_itop() {
    for (url, said) in [
        ("itop.customer.example", "must be an address that begins with http:// or https://"),
        (
            "https://itop.customer.example/pages/UI.php",
            "must be the folder that iTop is installed in, without the name of a page",
        ),
        (
            "https://me:secret@itop.customer.example",
            "must be an address without an account: addresses are shown and logged",
        ),
        ("https://itop.customer.example/?a=b", "must be an address without `?` and `#`"),
    ] {
        assert_eq!(mistakes("https://itop.customer.example", url), [format!("14: external.acme.url: {said}")]);
    }
}

#[test]
fn a_key_may_be_shared_with_one_external_only() {
    let shared =
        WHOLE.replace("${BRIDGE_KEY_INTERNAL}", "sk_acme_0123456789abcdef").replace("\"common\"", "\"{title}\"");
    let warnings = parse(&shared).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("share an API key")), "{warnings:?}");
    let two = format!(
        "{shared}\n[external.other]\nurl = \"https://o.example\"\nonly = \"all\"\ntoken = \"t\"\napi_keys = [\"sk_other_0123456789abcdef\"]\n"
    );
    let said = parse(&two).unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/bridge.toml:13: external.acme: shares an API key with elitery; with more than one external, only a key can identify the caller"), "{said}");
}

#[test]
fn names_are_distinct_and_plain() {
    assert_eq!(
        mistakes("name = \"elitery\"", "name = \"acme\""),
        ["13: external.acme: has the internal's name; give one of the two another"]
    );
    assert_eq!(
        mistakes("name = \"elitery\"", "name = \"El_itery\""),
        ["6: internal.name: \"El_itery\" is no name: write 1 to 32 of a-z, 0-9 and `-`"]
    );
}

#[test]
fn logging_in_needs_one_way_and_not_two() {
    assert_eq!(
        mistakes("user = \"bridge\"\n", ""),
        ["5: internal: `user` is missing: the account's name, beside `password` (or write `token`)"]
    );
    assert_eq!(
        mistakes("user = \"bridge\"", "user = \"bridge\"\ntoken = \"t\""),
        ["5: internal: write either `token` or `user` and `password`, not both"]
    );
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_in_the_order_of_lines() {
    let said = parse("[server]\nlisten = 1\n[internal]\nname = \"a\"\nurls = \"https://i.example\"\n[external]\n")
        .unwrap_err();
    let ConfigError::Invalid { problems, .. } = said else { panic!("the file was read") };
    let said: Vec<_> = problems.iter().map(|p| (p.line, p.text.split(':').next().unwrap())).collect();
    assert_eq!(
        said,
        [
            (1, "`id` is missing"),
            (2, "must be a string, but is a whole number"),
            (3, "`url` is missing"),
            (3, "`user` is missing"),
            (3, "`api_keys` is missing"),
            (5, "unknown key; did you mean `url`?"),
            (6, "names no external"),
        ]
    );
}

#[test]
fn a_secret_that_is_not_here_hides_no_other_mistake() {
    let text = WHOLE
        .replace("\"common\"", "\"{title}\"")
        .replace("${ITOP_INTERNAL_PASSWORD}", "${NOPE}")
        .replace("\"${BRIDGE_KEY_INTERNAL}\"", "\"short\"")
        .replace("sk_acme_0123456789abcdef", "brief")
        .replace("https://itop.customer.example", "https://itop.provider.example")
        + "[external.beta]\nurl = 5\ntoken = \"t\"\napi_keys = [\"brief\"]\nonly = \"all\"\n";
    let said = parse(&text).unwrap_err().to_string();
    for part in [
        "internal.password: the environment variable NOPE is not set",
        "external.acme: has the same `url` as elitery",
        "external.beta.url: must be a string",
        "external.beta: shares an API key with acme",
        "warning: a key of elitery is shorter than 16 characters",
        "warning: a key of acme is shorter than 16 characters",
        "warning: a key of beta is shorter than 16 characters",
        "sudo systemd-run --pipe --quiet --wait -p User=itop-bridge",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn who_only_looks_needs_no_secret_and_is_told_of_the_one_that_a_call_needs() {
    let text = WHOLE.replace("\"common\"", "\"{title}\"");
    let read = |file: &Path| std::fs::read_to_string(file);
    let config = Config::parse_to_look(&text, "/nowhere/bridge.toml", &|_| None, &read).unwrap();
    assert_eq!(config.externals[0].side.api_keys.len(), 1, "this one stands in the file");
    let lacks = |sides: &[&str]| config.need(sides).map_err(|error| error.to_string());
    for (side, variable) in [("elitery", "ITOP_INTERNAL_PASSWORD"), ("acme", "ITOP_ACME_TOKEN")] {
        let said = lacks(&[side]).unwrap_err();
        assert!(said.contains(&format!("the environment variable {variable} is not set")), "{said}");
        assert!(said.contains("--config /nowhere/bridge.toml VERB`") && said.lines().count() == 2, "{said}");
    }
    assert_eq!(config.need_every_side().unwrap_err().to_string().lines().count(), 3);
    assert!(config.need_keys("elitery").unwrap_err().to_string().contains("BRIDGE_KEY_INTERNAL"));
    config.need_keys("acme").unwrap();
    let whole = Config::parse_to_look(&text, "/nowhere/bridge.toml", &env, &read).unwrap();
    assert!(whole.absent.is_empty() && whole.need_every_side().is_ok());
    let wrong = text.replace("name = \"elitery\"", "name = \"El\"");
    Config::parse_to_look(&wrong, "/nowhere/bridge.toml", &|_| None, &read).unwrap_err();
}

#[test]
fn where_a_log_in_comes_from_is_known() {
    let config = whole();
    assert_eq!(config.internal.login_from, LoginSource::Variables(vec!["ITOP_INTERNAL_PASSWORD".to_owned()]));
    let text =
        WHOLE.replace("\"common\"", "\"{title}\"").replace("token = \"${ITOP_ACME_TOKEN}\"", "token_file = \"t\"");
    let read = |_: &Path| Ok("t0ken\n".to_owned());
    let config = Config::parse_with(&text, "/nowhere/bridge.toml", &env, &read).unwrap();
    assert_eq!(config.externals[0].side.login_from, LoginSource::File("/nowhere/t".into()));
}

#[test]
fn broken_toml_is_said_with_its_line_alone() {
    let said = parse("[server]\nid = \n").unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/bridge.toml:2: this is not TOML: "), "{said}");
}

#[test]
fn secrets_of_files_are_read_and_an_open_file_is_warned_of() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), "sk_from_a_file_0123456789\n").unwrap();
    let text = WHOLE
        .replace("api_keys = [\"sk_acme_0123456789abcdef\"]", "api_key_files = [\"key\"]")
        .replace("\"common\"", "\"{title}\"");
    let config = Config::parse(&text, &folder.join("bridge.toml").to_string_lossy(), &env).unwrap();
    assert_eq!(config.externals[0].side.api_keys[0].expose_secret(), "sk_from_a_file_0123456789");
    assert!(
        config.warnings.iter().any(|warning| warning.contains("every user of this machine can read it")),
        "{:?}",
        config.warnings
    );

    let missing = Config::parse(&text.replace("\"key\"", "\"no-such\""), "bridge.toml", &env).unwrap_err().to_string();
    assert!(
        missing.starts_with("bridge.toml:16: external.acme.api_key_files: cannot read the file no-such: "),
        "{missing}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let said = Config::load(Path::new("/nowhere/bridge.toml")).unwrap_err().to_string();
    assert!(said.starts_with("cannot read the configuration /nowhere/bridge.toml: "), "{said}");
    assert!(
        said.ends_with("`itop-bridge init` asks a few questions and writes one; --config names one in another folder"),
        "{said}"
    );
}

#[test]
fn every_key_that_there_is_can_be_written() {
    let every = r#"
        [server]
        id = "7f3a"
        listen = "127.0.0.1:8080"
        public_url = "http://127.0.0.1:8080"
        coalesce_ms = 200
        [store]
        url = "sqlite:/var/lib/bridge.db"
        keep_closed_days = 100
        [internal]
        name = "elitery"
        url = "https://itop.provider.example"
        user = "bridge"
        password = "secret"
        api_keys = ["sk_internal_0123456789", "sk_internal_old_012345"]
        defaults = { org = "Demo", caller = 6, team = "Helpdesk", agent = 9, service = "Software", servicesubcategory = "Installation" }
        proxy = "http://user:pass@proxy.example:3128"
        time_zone = "Asia/Jakarta"
        date_format = "d/m/Y H:i:s"
        max_calls = 2
        settle_seconds = 120
        timeout_seconds = 10
        [external.acme]
        url = "https://itop.customer.example"
        token = "secret"
        api_keys = ["sk_acme_0123456789abcdef"]
        defaults = { team = "Helpdesk", agent = 9, service = "Software" }
        internal_defaults = { org = "Acme" }
        [sync]
        only = "team_id_friendlyname = 'Elitery'"
        classes = { UserRequest = "UserRequest", Incident = "Incident" }
        since = "2026-01-01"
        older = "stay"
        title = "[{ref}] {title}"
        fields = ["title", "description", "impact", "urgency"]
        status_to_internal = "off"
        status_to_external = "apply"
        private_log_to_internal = "off"
        private_log_to_external = "off"
        public_log_to_internal = "attachment"
        public_log_to_external = "attachment"
        log_authors = false
        parent_entries = "send"
        attachment_deletes = "never"
        max_attachment_mib = 1
        sweep_seconds = 10
        audit_seconds = 20
        halt_share = 0.5
        halt_min = 9
        [alerts]
        webhook_url = "https://chat.example/hook"
        silence_minutes = 5
    "#;
    let config = parse(every).unwrap();
    assert_eq!(config.store.path, Path::new("/var/lib/bridge.db"));
    assert_eq!(config.timing().coalesce_ms, 200);
    assert_eq!(
        (config.internal.max_calls, config.internal.settle_ms, config.internal.timeout_ms),
        (2, 120_000, 10_000)
    );
    assert_eq!(config.internal.api_keys.len(), 2);
    assert_eq!(config.alerts.as_ref().unwrap().silence_ms, 300_000);
    let sync = &config.externals[0].sync;
    assert_eq!(sync.status_to_external, StatusToExternal::Apply);
    assert_eq!((sync.private_log_to_internal, sync.public_log_to_internal), (LogCopy::Off, LogCopy::Attachment));
    assert_eq!((sync.max_attachment_bytes, sync.sweep_ms, sync.audit_ms), (1_048_576, 10_000, 20_000));
    assert!(!format!("{config:?}").contains("user:pass"));
}

#[test]
fn a_lifecycle_of_the_operators_own_names_the_classes() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-lifecycle-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own = r#"{"Wish": {"initial": "new", "states": ["new"], "transitions": [], "stimuli": {}}}"#;
    std::fs::write(folder.join("own.json"), own).unwrap();
    let text = WHOLE
        .replace("title = \"common\"", "lifecycle_file = \"own.json\"")
        .replace("UserRequest = \"team", "Wish = \"team")
        .replace(", Incident = \"all\"", "");
    let config = Config::parse(&text, &folder.join("bridge.toml").to_string_lossy(), &env).unwrap();
    assert_eq!(config.externals[0].sync.classes.keys().collect::<Vec<_>>(), ["Wish"]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_becomes_of_older_tickets_is_said_once() {
    let older = |lines: &str| parse(&WHOLE.replace("title = \"common\"", lines));
    assert_eq!(older("title = \"{title}\"").unwrap().externals[0].sync.older, OlderTickets::Stay);
    let crosses = older("older = \"cross_when_changed\"").unwrap();
    assert_eq!(crosses.externals[0].sync.older, OlderTickets::CrossWhenChanged);
    let both = older("older = \"cross_when_changed\"\nsince = \"2026-01-01\"").unwrap_err().to_string();
    assert!(both.contains("keep one of the two"), "{both}");
}

#[test]
fn the_name_in_marks_is_the_externals_own_or_one_that_no_other_has() {
    let whole = WHOLE.replace("title = \"common\"\n", "");
    let acme = parse(&whole).unwrap();
    assert_eq!(acme.externals[0].name_in_marks, acme.externals[0].name());
    let renamed = whole.replace("[external.acme", "[external.acme2");
    let renamed = renamed.replace("[external.acme2]", "[external.acme2]\nname_in_marks = \"acme\"");
    let config = parse(&renamed).unwrap();
    let external = &config.externals[0];
    assert_eq!((external.name(), external.name_in_marks.as_str()), ("acme2", "acme"));
    let wrong = parse(&renamed.replace("\"acme\"", "\"no name\"")).unwrap_err().to_string();
    assert!(wrong.contains("name_in_marks: \"no name\" is no name"), "{wrong}");
    let section = "[external.acme]\nurl = \"https://other.example\"\nuser = \"b\"\npassword = \"secret\"\n\
                   api_keys = [\"sk_other_0123456789abcdef\"]\nonly = \"all\"\n";
    let both = parse(&format!("{renamed}\n{section}")).unwrap_err();
    assert!(both.to_string().contains("which stands in the marks of acme too"), "{both}");
}

#[test]
fn without_an_external_there_must_be_a_store_that_may_know_one() {
    let folder = std::env::temp_dir().join(format!("itop-bridge-none-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = "[server]\nid = \"7f3a\"\n[internal]\nname = \"elitery\"\nurl = \"https://elitery.example\"\n\
                user = \"b\"\npassword = \"secret\"\napi_keys = [\"sk_internal_0123456789\"]\n";
    let parse = |text: &str| Config::parse(text, &folder.join("bridge.toml").to_string_lossy(), &|_| None);
    for text in [text.to_owned(), format!("{text}[external]\n")] {
        let said = parse(&text).unwrap_err().to_string();
        assert!(said.contains("write at least one [external.NAME]"), "{said}");
        std::fs::write(folder.join("itop-bridge.db"), "").unwrap();
        assert!(parse(&text).unwrap().externals.is_empty());
        std::fs::remove_file(folder.join("itop-bridge.db")).unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}
