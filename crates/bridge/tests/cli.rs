//! The binary as a person calls it.

use std::process::{Command, Output};

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
fn help_has_an_example() {
    let output = call(&["keys", "new", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("Example:\n  itop-bridge keys new"));
}
