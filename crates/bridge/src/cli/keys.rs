//! `keys new`: draws a key for a side's webhooks.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use itop_bridge_core::text::hex;
use itop_bridge_engine::random::Random;

use super::Outcome;
use super::private_file;

const KEY_BYTES: usize = 32;

/// API keys for webhooks.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge keys new --file /etc/itop-bridge/acme.key")]
pub(super) struct Keys {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    /// Draw a new random key, and print it or write it to a file. Write it into the configuration as one of a side's
    /// `api_keys`, or name its file in `api_key_files`, and write it into that iTop's webhooks as the header X-API-Key
    /// (`setup` does this).
    #[command(
        after_help = "Examples:\n  itop-bridge keys new\n  itop-bridge keys new --file /etc/itop-bridge/acme.key"
    )]
    New {
        /// Write the key to this file, which only its owner can read, and print nothing. A file that is there already
        /// is left as it is.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(keys: &Keys, random: &dyn Random, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match &keys.verb {
        KeysVerb::New { file: None } => writeln!(out, "{}", draw(random))?,
        KeysVerb::New { file: Some(file) } => write_to(file, &draw(random))?,
    }
    Ok(Outcome::Fine)
}

/// Never overwrites: a new key must not replace one in use.
fn write_to(file: &Path, key: &str) -> anyhow::Result<()> {
    let shown = file.display();
    match private_file::write_new(file, &format!("{key}\n")) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{shown} is there already, and was left as it is: name another file")
        }
        written => written.with_context(|| format!("cannot write {shown}")),
    }
}

/// `sk_`, the prefix of the original program's keys, and 32 random bytes in hexadecimal.
pub(super) fn draw(random: &dyn Random) -> String {
    let mut bytes = [0; KEY_BYTES];
    random.fill(&mut bytes);
    format!("sk_{}", hex(&bytes))
}

#[cfg(test)]
mod tests {
    use itop_bridge_engine::random::{SeededRandom, SystemRandom};

    use super::*;

    #[test]
    fn a_key_is_long_and_fits_a_header() {
        let key = draw(&SystemRandom);
        assert_eq!(key.len(), 3 + 2 * KEY_BYTES);
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert_ne!(key, draw(&SystemRandom));
        assert_eq!(draw(&SeededRandom::new(1)), draw(&SeededRandom::new(1)));
    }
}
