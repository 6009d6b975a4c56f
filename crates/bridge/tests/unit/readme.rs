//! The pages for people. A page in two languages says the same to a shell in both; the configuration that a guide prints
//! is whole, and the reference has the keys and the verbs that there are. The files in deploy/ name what is installed,
//! links lead somewhere, and all name the Rust that it takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use itop_bridge::config::Config;

const ENGLISH: &str = include_str!("../../../../README.md");
const INDONESIAN: &str = include_str!("../../../../README.id.md");
const CONNECT: &str = include_str!("../../../../docs/guide/connect.md");
const CONFIGURATION: &str = include_str!("../../../../docs/reference/configuration.md");

#[test]
fn the_printed_configuration_is_accepted_without_a_warning() {
    let [text] = &blocks(CONNECT, "toml")[..] else { panic!("one configuration is printed") };
    let secrets = |name: &str| {
        let line = blocks(CONNECT, "sh").into_iter().find(|block| block.contains(&format!("{name}='")))?;
        let value = line.split_once(&format!("{name}='"))?.1.split_once('\'')?.0;
        Some(value.to_owned())
    };
    let config = Config::parse(text, "/nowhere/itop-bridge.toml", &secrets).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, [""; 0]);
}

/// Pages that are the same in English and in Indonesian.
const PAIRS: [(&str, &str); 6] = [
    (ENGLISH, INDONESIAN),
    (CONNECT, include_str!("../../../../docs/guide/connect.id.md")),
    (include_str!("../../../../docs/guide/behaviour.md"), include_str!("../../../../docs/guide/behaviour.id.md")),
    (ADD, include_str!("../../../../docs/guide/add.id.md")),
    (include_str!("../../../../docs/guide/leave.md"), include_str!("../../../../docs/guide/leave.id.md")),
    (include_str!("../../../../docs/guide/leaflet.md"), include_str!("../../../../docs/guide/leaflet.id.md")),
];

#[test]
fn both_languages_have_the_same_commands_configuration_sections_and_paths() {
    for (english, indonesian) in PAIRS {
        let title = english.lines().next().unwrap_or_default();
        for kind in ["sh", "toml"] {
            assert_eq!(blocks(english, kind), blocks(indonesian, kind), "{title}: {kind}");
        }
        let headings = |text: &str| text.lines().filter(|line| line.starts_with('#')).map(level).collect::<Vec<_>>();
        assert_eq!(headings(english), headings(indonesian), "{title}: headings");
        let routes = |text: &str| text.matches("/api/v1/").count();
        assert_eq!(routes(english), routes(indonesian), "{title}: routes");
        let rows = |text: &str| text.lines().filter(|line| line.starts_with('|') || line.starts_with("- ")).count();
        assert_eq!(rows(english), rows(indonesian), "{title}: rows of tables and points of lists");
    }
}

#[test]
fn the_configuration_page_has_each_key_that_can_be_written_and_no_other() {
    let side = [keys_of("internal"), keys_of("external.acme")];
    let both: BTreeSet<String> = side[0].intersection(&side[1]).cloned().collect();
    let alone = |n: usize| side[n].difference(&both).cloned().collect::<BTreeSet<String>>();
    for (heading, known) in [
        ("`[server]`", keys_of("server")),
        ("`[store]`", keys_of("store")),
        ("Each side: ", both.clone()),
        ("`[internal]` alone", alone(0)),
        ("`[external.NAME]` alone", alone(1)),
        ("`[sync]` and ", keys_of("sync")),
        ("`[alerts]`", keys_of("alerts")),
    ] {
        assert_eq!(documented(heading), known, "{heading}");
    }
    assert_eq!(keys_of("sync"), keys_of("external.acme.sync"));
    for readme in [ENGLISH, INDONESIAN] {
        assert!(readme.contains("(docs/reference/configuration.md)"));
    }
}

const ADD: &str = include_str!("../../../../docs/guide/add.md");

/// The pages whose commands an operator types, with the program by its name.
const TYPED: [&str; 5] = [
    ENGLISH,
    CONNECT,
    ADD,
    include_str!("../../../../docs/guide/leave.md"),
    include_str!("../../../../docs/guide/operate.md"),
];

#[test]
fn the_pages_have_commands_that_there_are() {
    for page in TYPED {
        let shell = blocks(page, "sh").join("\n");
        let called: Vec<&str> = shell.lines().filter(|line| line.starts_with("itop-bridge ")).collect();
        assert!(called.len() > 4, "{called:?}");
        for line in called {
            let line = line.split(" > ").next().unwrap_or_default().replace("$(date +%F)", "DATE");
            let words = line.split(" #").next().unwrap_or_default().split_whitespace();
            itop_bridge::cli::command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

/// The pages with the verbs, in both languages.
const VERBS: [&str; 2] = [
    include_str!("../../../../docs/reference/command-line.md"),
    include_str!("../../../../docs/reference/command-line.id.md"),
];

#[test]
fn the_page_of_the_command_line_has_each_verb_that_there_is_and_no_other() {
    let verbs_of = |page: &str| -> BTreeSet<String> {
        let table = page.split("| --- | --- |\n").nth(1).unwrap_or_default();
        let rows = table.lines().map_while(|line| line.strip_prefix("| `")?.split('`').next());
        rows.map(|call| {
            let words = call.split(' ').take_while(|word| word.starts_with(|sign: char| sign.is_ascii_lowercase()));
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
    };
    let mut there_are = BTreeSet::new();
    for verb in itop_bridge::cli::command().get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = verb.get_name();
        let below = verb.get_subcommands().map(|below| format!("{name} {}", below.get_name())).collect::<Vec<_>>();
        if below.is_empty() {
            there_are.insert(name.to_owned());
        }
        there_are.extend(below);
    }
    for page in VERBS {
        assert_eq!(verbs_of(page), there_are);
    }
}

/// Every page for people: those at the root, and in the folders of docs/.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages: Vec<PathBuf> =
        ["README.md", "README.id.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    for folder in ["docs/guide", "docs/reference", "docs/design"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages
}

#[test]
fn every_link_from_page_to_page_leads_to_a_file_and_a_heading() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    for page in pages() {
        let text = read(&page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            assert!(target.exists(), "{page:?} links to {link}");
            let anchors = || read(&target).lines().filter_map(anchor_of).collect::<Vec<_>>();
            assert!(anchor.is_empty() || anchors().iter().any(|known| known == anchor), "{page:?} links to {link}");
        }
    }
}

/// A long page says at its beginning what is on it: each of its sections, in their order.
#[test]
fn a_long_page_begins_with_a_table_of_contents() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let sections: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        if text.lines().count() < 100 {
            continue;
        }
        let begun = text.split("\n## ").next().unwrap_or_default();
        let listed = begun.split("](#").skip(1).filter_map(|rest| rest.split_once(')')).map(|(anchor, _)| anchor);
        let listed: Vec<&str> = listed.collect();
        let wanted = sections.iter().filter_map(|line| anchor_of(line)).filter(|it| !UNLISTED.contains(&it.as_str()));
        assert_eq!(listed, wanted.collect::<Vec<_>>(), "{page:?}");
    }
}

/// Sections that nobody looks for in a table of contents.
const UNLISTED: [&str; 2] = ["licence", "lisensi"];

/// The anchor that GitHub gives a heading.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?.to_lowercase();
    let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    Some(kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect())
}

/// What the page has for a customer behind a proxy is a section that a configuration takes.
#[test]
fn a_customer_by_hand_is_a_section_that_holds() {
    let [section] = &blocks(ADD, "toml")[..] else { panic!("one section is printed") };
    let [whole] = &blocks(CONNECT, "toml")[..] else { panic!("one configuration is printed") };
    let env = |name: &str| Some(format!("sk_of_{name}"));
    let read = |file: &std::path::Path| Ok(format!("sk_in_{}\n", file.display()));
    let config = Config::parse_with(&format!("{whole}\n{section}"), "/nowhere/itop-bridge.toml", &env, &read)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(config.externals.iter().any(|external| external.name() == "beta"));
}

const UNIT: &str = include_str!("../../../../deploy/itop-bridge.service");
const CONTAINER: &str = include_str!("../../../../deploy/Containerfile");
const INSTALL: &str = include_str!("../../../../docs/guide/install.md");

/// The binary's words are taken by the binary, and nothing is started where nothing was put.
#[test]
fn the_service_and_the_container_start_what_is_installed() {
    let value = |text: &'static str, key: &str| {
        let mut found = text.lines().filter_map(|line| line.strip_prefix(key)).map(str::trim);
        found.next().unwrap_or_else(|| panic!("no {key}"))
    };
    let started = value(UNIT, "ExecStart=").split(' ').map(str::to_owned).collect::<Vec<_>>();
    let words = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    let contained = [words(value(CONTAINER, "ENTRYPOINT ")), words(value(CONTAINER, "CMD "))].concat();
    assert_eq!(started, contained);
    let parsed = itop_bridge::cli::command().try_get_matches_from(&started).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.subcommand_name(), Some("serve"));

    let installs = |line: &&str| line.starts_with("install ") || line.starts_with("cp ");
    let shell = blocks(INSTALL, "sh").join("\n");
    let commands: Vec<&str> = shell.lines().filter(installs).collect();
    // The pages go there as a tree.
    let page = value(UNIT, "Documentation=file:").split_once("docs/").expect("a page of docs");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page.1).exists(), "{page:?}");
    for path in [page.0, "/usr/local/bin/", "/etc/systemd/system/"] {
        assert!(commands.iter().any(|command| command.ends_with(path)), "nothing is put at {path}: {commands:#?}");
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copied = CONTAINER.lines().filter_map(|line| line.strip_prefix("COPY ")).flat_map(|line| {
        let mut files: Vec<&str> = line.split(' ').collect();
        files.pop();
        files
    });
    let named = commands
        .iter()
        .flat_map(|line| line.split(' '))
        .filter(|word| word.starts_with("deploy/") || word.starts_with("docs/"));
    for file in copied.chain(named).filter(|file| *file != "target/release/itop-bridge") {
        assert!(root.join(file).exists(), "there is no {file}");
    }
    // Where the store of the service lies must be writable for it: StateDirectory.
    assert!(
        INSTALL.contains("sqlite:/var/lib/itop-bridge/itop-bridge.db") && UNIT.contains("StateDirectory=itop-bridge\n")
    );
    assert!(CONTAINER.contains("VOLUME /var/lib/itop-bridge\n"));
}

/// The oldest Rust that builds all that Cargo.lock pins is what Cargo.toml and the pages for people name.
#[test]
fn the_oldest_rust_that_is_named_builds_every_locked_package() {
    let needed = needed_rust();
    let said = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(version(said), version(&needed), "Cargo.toml names Rust {said}, and the locked packages need {needed}");
    for (file, text) in [("README.md", ENGLISH), ("README.id.md", INDONESIAN), ("deploy/Containerfile", CONTAINER)] {
        assert!(text.contains(&format!(" {needed} ")), "{file} does not name Rust {needed}");
        let numbers = text.split(|sign: char| !sign.is_ascii_digit() && sign != '.');
        let others = numbers.filter(|number| number.starts_with("1.") && *number != needed);
        let others: Vec<&str> =
            others.filter(|number| version(number).is_some_and(|[_, minor, _]| minor >= 80)).collect();
        assert!(others.is_empty(), "{file} names {others:?} besides Rust {needed}");
    }
}

/// The highest `rust-version` of the packages that are built on this machine.
fn needed_rust() -> String {
    let output = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let versions = output(Command::new(&cargo).arg("-vV"));
    let host = versions.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo says where it runs");
    let mut metadata = Command::new(&cargo);
    metadata.args(["metadata", "--locked", "--offline", "--format-version=1", "--filter-platform", host]);
    metadata.current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: serde_json::Value = serde_json::from_str(&output(&mut metadata)).unwrap();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let locked = packages.filter(|package| !package["source"].is_null());
    let needed = locked.filter_map(|package| package["rust_version"].as_str());
    let needed = needed.max_by_key(|needed| version(needed)).expect("one of them names a version");
    needed.strip_suffix(".0").filter(|short| short.contains('.')).unwrap_or(needed).to_owned()
}

fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(str::parse);
    let [major, minor, patch] = [parts.next(), parts.next(), parts.next().or(Some(Ok(0)))];
    Some([major?.ok()?, minor?.ok()?, patch?.ok()?])
}

/// What can stand in a section, as the error about a key that cannot says it.
fn keys_of(section: &str) -> BTreeSet<String> {
    let sections = ["server", "store", "internal", "external.acme", "external.acme.sync", "sync", "alerts"];
    let written = |name: &&str| format!("[{name}]\n{}", if *name == section { "zzz = 1\n" } else { "" });
    let text: String = sections.iter().map(written).collect();
    let said = Config::parse(&text, "test.toml", &|_| None).unwrap_err().to_string();
    let mistake = format!("{section}.zzz: unknown key; the known ones are ");
    let line = said.lines().find_map(|line| line.split_once(&mistake)).unwrap_or_else(|| panic!("{section}: {said}"));
    line.1.split(", ").map(str::to_owned).collect()
}

/// The keys that the page's tables under a heading have.
fn documented(heading: &str) -> BTreeSet<String> {
    let mut sections = CONFIGURATION.split("\n## ").filter(|section| section.starts_with(heading));
    let section = sections.next().unwrap_or_else(|| panic!("the page has no heading {heading}"));
    assert!(sections.next().is_none(), "{heading} begins two headings");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

fn level(heading: &str) -> usize {
    heading.bytes().take_while(|byte| *byte == b'#').count()
}

/// The fenced blocks of a kind. Those inside a list are indented.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}");
    let mut lines = text.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == fence {
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The pages for those who read the code name files that are there.
#[test]
fn the_files_that_the_design_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pages = ["docs/design/security-model.md", "docs/design/architecture.md", "CONTRIBUTING.md"];
    let mut named = 0;
    for page in pages {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let words = text.split('`').skip(1).step_by(2).map(|word| word.trim_start_matches("crates/"));
        let crates = ["bridge/", "core/", "engine/", "itop/", "sim/", "store/", "testkit/", "text/"];
        let is_path = |word: &&str| word.contains("/tests/") || word.contains("/src/");
        for path in words.filter(|word| crates.iter().any(|name| word.starts_with(name))).filter(is_path) {
            assert!(root.join("crates").join(path).exists(), "{page} names {path}");
            named += 1;
        }
    }
    assert!(named > 20, "the pages name files: {named}");
}
