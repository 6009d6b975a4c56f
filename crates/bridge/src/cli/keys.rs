//! `keys new`: a key that a side's webhooks carry.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Args, Subcommand};

use super::Outcome;
use crate::random::Random;

const KEY_BYTES: usize = 32;

/// API keys for webhooks.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge keys new > /etc/itop-bridge/acme.key")]
pub(super) struct Keys {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    /// Print a new random key. Write it into the configuration as one of a side's `api_keys`, or into a file of its
    /// `api_key_files`, and into that iTop's webhooks as the header X-API-Key (`setup` does this).
    #[command(after_help = "Example:\n  itop-bridge keys new > /etc/itop-bridge/acme.key")]
    New,
}

pub(super) fn run(keys: &Keys, random: &dyn Random, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match keys.verb {
        KeysVerb::New => writeln!(out, "{}", draw(random))?,
    }
    Ok(Outcome::Fine)
}

/// `sk_` as the original program's keys begin, and 32 random bytes in hexadecimal.
pub(super) fn draw(random: &dyn Random) -> String {
    let mut bytes = [0; KEY_BYTES];
    random.fill(&mut bytes);
    bytes.iter().fold("sk_".to_owned(), |mut key, byte| {
        write!(key, "{byte:02x}").expect("a string takes what is written");
        key
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{SeededRandom, SystemRandom};

    #[test]
    fn a_key_is_long_and_fits_a_header() {
        let key = draw(&SystemRandom);
        assert_eq!(key.len(), 3 + 2 * KEY_BYTES);
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert_ne!(key, draw(&SystemRandom));
        assert_eq!(draw(&SeededRandom::new(1)), draw(&SeededRandom::new(1)));
    }
}
