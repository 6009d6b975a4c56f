//! The folders of the engine stand in layers: each uses only those above it. The compiler does not see that within a
//! crate, so this reads the paths that begin with `crate::`.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. The root (`lib.rs`) puts the parts together; `context.rs` is the data that all parts share, which
/// names types of most layers and calls none of them.
const LAYERS: [&[&str]; 13] = [
    &["clock", "random", "timing", "settings", "wording", "refused", "metrics"],
    &["issue"],
    &["suspension"],
    &["side"],
    &["queue"],
    &["scope"],
    &["halt"],
    &["pass"],
    &["foresee"],
    &["watch"],
    &["adopt"],
    &["lane"],
    &["operate"],
];

/// What the engine knows nothing of: HTTP servers, command lines, configuration files, other databases.
const FOREIGN: [&str; 8] = ["axum", "clap", "hyper", "inquire", "itop_bridge", "rusqlite", "toml", "tower"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

/// The identifiers that follow `prefix`, those of a group in braces too.
fn named_after(text: &str, prefix: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let word = |text: &str| text.chars().take_while(|letter| is_part(*letter)).collect::<String>();
    let mut names = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].chars().next_back().is_some_and(is_part) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let (mut depth, mut begins) = (0, true);
                for (at, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        _ if begins && is_part(letter) => {
                            names.push(word(&group[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

/// Each source with its path below `src`, and the module of the crate that it belongs to.
fn modules() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let of = |file: PathBuf| {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        (name, module, fs::read_to_string(&file).unwrap())
    };
    files.into_iter().map(of).collect()
}

/// What the root passes on under its own name, each with the folder that it comes from.
fn passed_on(root: &str) -> Vec<(String, String)> {
    let statements = root.split("pub use ").skip(1).filter_map(|text| text.split(';').next());
    let names = |statement: &str| {
        let (folder, rest) = statement.split_once("::")?;
        let last = rest.rsplit("::").next().unwrap_or(rest);
        let last = rest.find('{').map_or(last, |at| &rest[at..]);
        let words = last.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        Some(words.filter(|word| !word.is_empty()).map(|word| (word.to_owned(), folder.to_owned())).collect::<Vec<_>>())
    };
    statements.filter_map(names).flatten().collect()
}

#[test]
fn no_folder_uses_one_below_it() {
    let modules = modules();
    assert!(modules.len() > 50, "the sources were found: {}", modules.len());
    let (_, _, root) = modules.iter().find(|(_, module, _)| module == "lib").expect("the root");
    let passed_on = passed_on(root);
    assert!(passed_on.iter().any(|(name, folder)| name == "Itop" && folder == "side"), "{passed_on:?}");
    let mut against = Vec::new();
    for (file, module, text) in modules.iter().filter(|(_, module, _)| !["lib", "context"].contains(&module.as_str())) {
        let own = layer(module).unwrap_or_else(|| panic!("{file}: the layer of {module} is not stated"));
        for name in named_after(text, "crate::") {
            let used = passed_on.iter().find(|(passed, _)| *passed == name).map_or(name, |(_, folder)| folder.clone());
            if layer(&used).is_some_and(|used| used > own) {
                against.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(against.is_empty(), "against the layers:\n{}", against.join("\n"));
}

#[test]
fn the_engine_knows_no_server_no_command_line_and_no_file() {
    let mut named = Vec::new();
    for (file, _, text) in modules() {
        let foreign = FOREIGN.iter().filter(|foreign| !named_after(&text, &format!("{foreign}::")).is_empty());
        named.extend(foreign.map(|foreign| format!("{file} names {foreign}")));
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// What any file of `side/` may ask the client itself: none of it is a call.
const NO_CALLS: [&str; 6] = ["base_url", "hold_back_until", "login", "memory", "refused_bytes", "set_login"];

/// The files that may hand the client on, or call it.
const DOORS: [&str; 3] = ["side/call.rs", "side/itop.rs", "side/send.rs"];

#[test]
fn there_is_one_door_to_an_itop() {
    let modules = modules();
    let (mut doors, mut others) = (0, Vec::new());
    for (file, _, text) in &modules {
        let code: String = text.split_whitespace().collect();
        let word =
            |rest: &str| rest.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
        let asked: Vec<String> = code.split(".client.").skip(1).map(word).collect();
        let plain = code.matches(".client").count() - asked.len() - code.matches(".client_within(").count();
        let within = code.matches("client_within(").count();
        if DOORS.contains(&file.as_str()) {
            doors += asked.len() + within;
            continue;
        }
        let made = asked.into_iter().filter(|name| !NO_CALLS.contains(&name.as_str()));
        others.extend(made.map(|name| format!("{file} calls {name}")));
        let names =
            code.contains("itop_client::Client") || named_after(&code, "itop_client::").contains(&"Client".to_owned());
        if plain + within > 0 || names {
            others.push(format!("{file} hands the client on"));
        }
    }
    assert!(doors > 5, "the calls were found: {doors}");
    assert!(others.is_empty(), "past the door:\n{}", others.join("\n"));
}

/// A method names no module, so the order of the folders would not see who calls it.
#[test]
fn a_types_methods_stand_with_the_type() {
    let homes = [("Shared", "context"), ("Lane", "context"), ("Itop", "side"), ("Work", "pass"), ("Failure", "side")];
    let mut strays = Vec::new();
    for (file, module, text) in &modules() {
        for (name, home) in homes {
            let begins = |line: &str| {
                let of = line.strip_prefix("impl")?.rsplit(" for ").next()?;
                let of = of.rsplit_once("> ").map_or(of, |(_, of)| of).trim();
                Some(of.split(['<', ' ']).next()? == name)
            };
            if module != home && text.lines().any(|line| begins(line) == Some(true)) {
                strays.push(format!("{file} has methods of {name}"));
            }
        }
        if text.contains("super::super") {
            strays.push(format!("{file} climbs two modules"));
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn a_path_is_found_alone_and_in_a_group() {
    let text = "use crate::side::itop::Itop;\nuse crate::{\n    Lane, scope::only::{self, made_since},\n    pass\n};\nmy_crate::no";
    assert_eq!(named_after(text, "crate::"), ["side", "Lane", "scope", "pass"]);
}
