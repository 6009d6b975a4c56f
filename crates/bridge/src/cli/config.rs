//! `config show`: the effective values, each with its origin, and no secret.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, print_json};
use crate::config::effective::{Entry, effective};
use crate::config::{Config, Origin};

/// The configuration in force.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge config show")]
pub(super) struct ConfigVerbs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print every value in force as TOML, and where it comes from: a line of the file, an environment
    /// variable, another file, or the default. A secret is shown as "…". Calls no iTop.
    ///
    /// The values of [sync] are shown as they apply to each external.
    #[command(
        after_help = "Examples:\n  itop-bridge config show\n  itop-bridge config show --json | jq '.[] | select(.origin != \"default\")'"
    )]
    Show {
        /// Print an array of {key, value, origin}.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(verbs: &ConfigVerbs, path: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let ConfigVerb::Show { json } = verbs.verb;
    let entries = effective(&Config::load_to_look(path)?);
    if json {
        let shown: Vec<_> = entries.iter().map(to_json).collect();
        print_json(&shown, out)?;
    } else {
        write!(out, "{}", toml(&entries))?;
    }
    Ok(Outcome::Fine)
}

/// One heading per section; each value's origin is its comment.
fn toml(entries: &[Entry]) -> String {
    let mut text = String::from("# Every value in force, with its origin. \"…\" is a secret.\n");
    for section in entries.chunk_by(|a, b| a.section == b.section) {
        let lines: Vec<(String, String)> = section.iter().map(|entry| (entry.to_toml(), origin(entry))).collect();
        let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
        // An empty section would be a mistake; commented out, the printed text stays a valid configuration.
        let unset = if section.iter().all(|entry| entry.value.is_null()) { "# " } else { "" };
        text.push_str(&format!("\n{unset}[{}]\n", section[0].section));
        for (line, origin) in lines {
            text.push_str(&format!("{line:<width$}  # {origin}\n"));
        }
    }
    text
}

fn to_json(entry: &Entry) -> Value {
    json!({ "key": entry.path(), "value": entry.value, "origin": origin(entry) })
}

fn origin(entry: &Entry) -> String {
    let origins = entry.origins.iter().map(shown).chain(entry.absent.iter().map(|why| format!("not here: {why}")));
    match origins.collect::<Vec<_>>() {
        none if none.is_empty() => "default".to_owned(),
        origins => origins.join("; "),
    }
}

fn shown(origin: &Origin) -> String {
    let mut text = format!("{}:{}", origin.file, origin.line);
    for variable in &origin.variables {
        text.push_str(&format!(", environment variable {variable}"));
    }
    for file in &origin.read {
        text.push_str(&format!(", file {}", file.display()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[server]
id = \"7f3a\"
[internal]
name = \"elitery\"
url = \"https://itop.provider.example\"
user = \"bridge\"
password = \"${INTERNAL_PASSWORD}\"
api_keys = [\"sk_first_0123456789\", \"${KEY}\"]
defaults = { org = \"Demo\", team_id = 37 }
[external.acme]
url = \"https://itop.customer.example\"
token = \"the-token-itself\"
api_keys = [\"sk_third_0123456789\"]
proxy = \"http://me:proxy-word@proxy.example\"
internal_defaults = { org = \"Acme\" }
sync = { title = \"{title} ({ref})\" }
[sync]
only = { UserRequest = \"team_name = 'Helpdesk'\" }
title = \"{title}\"
sweep_seconds = 60
[alerts]
webhook_url = \"https://chat.example/the-hook-itself\"
";

    fn config() -> Config {
        let env = |name: &str| Some(format!("value-of-{name}"));
        Config::parse(FILE, "b.toml", &env).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn each_value_is_shown_with_where_it_comes_from_and_no_secret() {
        let text = toml(&effective(&config()));
        assert_eq!(text, include_str!("config/shown.toml"));
        for secret in ["value-of", "sk_", "the-token", "proxy-word", "the-hook"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }

    #[test]
    fn what_is_shown_is_toml_and_means_the_same() {
        let text = toml(&effective(&config())).replace("\"…\"", "\"https://masked.example/0123456789\"");
        let again = Config::parse(&text, "b.toml", &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let values = |config: &Config| {
            effective(config).into_iter().map(|entry| (entry.section, entry.key, entry.value)).collect::<Vec<_>>()
        };
        assert_eq!(values(&again), values(&config()));
    }

    #[test]
    fn a_section_that_is_not_set_is_said_so() {
        let (without, _) = FILE.split_once("[alerts]").unwrap();
        let parse = |text: &str| Config::parse(text, "b.toml", &|_| Some("value-of-it-0123456789".to_owned())).unwrap();
        let text = toml(&effective(&parse(without)));
        assert!(text.ends_with("\n# [alerts]\n# webhook_url is not set  # default\n"), "{text}");
        parse(&text.replace("\"…\"", "\"https://masked.example/0123456789\""));
    }

    #[test]
    fn json_has_the_whole_key_the_value_and_the_origin() {
        let entries = effective(&config());
        let of = |key: &str| entries.iter().map(to_json).find(|entry| entry["key"] == key).unwrap();
        let expected = serde_json::json!({
            "key": "internal.password", "value": "…", "origin": "b.toml:7, environment variable INTERNAL_PASSWORD"
        });
        assert_eq!(of("internal.password"), expected);
        assert_eq!(of("external.acme.sync.sweep_seconds")["value"], 60);
        assert_eq!(of("external.acme.sync.audit_seconds")["origin"], "default");
        assert_eq!(of("external.acme.only")["origin"], "b.toml:18");
        assert!(of("internal.ca_file")["value"].is_null());
    }

    #[test]
    fn a_secret_in_a_file_has_that_file_as_its_origin() {
        let folder = std::env::temp_dir().join(format!("itop-bridge-show-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("word"), "hidden-word\n").unwrap();
        let text = FILE.replace("password = \"${INTERNAL_PASSWORD}\"", "password_file = \"word\"");
        let name = folder.join("b.toml");
        let config = Config::parse(&text, &name.to_string_lossy(), &|_| Some("v".repeat(16))).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let shown = toml(&effective(&config));
        let line = shown.lines().find(|line| line.starts_with("password")).unwrap();
        assert!(line.ends_with(&format!("b.toml:7, file {}", folder.join("word").display())), "{line}");
        assert!(!shown.contains("hidden-word"));
    }
}
