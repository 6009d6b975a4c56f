//! The two READMEs: the configuration that they print is whole, and both say the same to a shell.

use itop_bridge::config::Config;

const ENGLISH: &str = include_str!("../../../README.md");
const INDONESIAN: &str = include_str!("../../../README.id.md");

#[test]
fn the_printed_configuration_is_accepted_without_a_warning() {
    let [text] = &blocks(ENGLISH, "toml")[..] else { panic!("one configuration is printed") };
    let secrets = |name: &str| {
        let line = blocks(ENGLISH, "sh").into_iter().find(|block| block.contains(&format!("{name}='")))?;
        let value = line.split_once(&format!("{name}='"))?.1.split_once('\'')?.0;
        Some(value.to_owned())
    };
    let config = Config::parse(text, "/nowhere/itop-bridge.toml", &secrets).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn both_languages_have_the_same_commands_configuration_sections_and_paths() {
    for kind in ["sh", "toml"] {
        assert_eq!(blocks(ENGLISH, kind), blocks(INDONESIAN, kind), "{kind}");
    }
    let headings = |text: &str| text.lines().filter(|line| line.starts_with('#')).map(level).collect::<Vec<_>>();
    assert_eq!(headings(ENGLISH), headings(INDONESIAN));
    let routes = |text: &str| text.matches("/api/v1/").count();
    assert_eq!(routes(ENGLISH), routes(INDONESIAN));
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('|') || line.starts_with("- ")).count();
    assert_eq!(rows(ENGLISH), rows(INDONESIAN), "rows of tables and points of lists");
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
