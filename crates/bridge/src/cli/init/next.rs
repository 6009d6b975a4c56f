//! The final output: the files written, and the next steps, as commands that can be pasted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use itop_bridge_store::SqliteStore;

use super::answers::{Account, Answers, Password};
use super::existing::Existing;
use crate::shell;

/// The program as it was called, with this configuration.
pub struct Call(String);

impl Call {
    pub fn of(program: &str, config: &Path) -> Call {
        let shown = config.display().to_string();
        let option =
            if shown == "itop-bridge.toml" { String::new() } else { format!(" --config {}", shell::quoted(&shown)) };
        Call(format!("{}{option}", shell::quoted(program)))
    }

    /// The steps of docs/guide/connect.md, in its order.
    pub fn after_a_new_file(&self, files: &[PathBuf], answers: &Answers) -> String {
        let (call, internal, external) = (&self.0, &answers.internal.name, &answers.customer.account.name);
        let mut said = wrote(files);
        for note in &answers.notes {
            let _ = writeln!(said, "note    {note}");
        }
        let _ = write!(
            said,
            "\nNext:\n  \
             {call} check    lists the missing requirements\n  \
             {call} serve    leave it running, setup needs it; its log says \"the connection has begun\"\n  \
             {call} setup --side {external}\n  \
             {call} setup --side {internal}\n{}",
            self.of_every_setup(external)
        );
        said
    }

    /// `serve` must restart with the new section first: until then it refuses webhooks that carry its key.
    pub fn after_a_customer(
        &self,
        config: &Path,
        existing: &Existing,
        files: &[PathBuf],
        account: &Account,
        doubt: Option<String>,
    ) -> String {
        let (call, name, internal) = (&self.0, &account.name, &existing.config.internal.name);
        let mut said = wrote(files);
        let _ =
            writeln!(said, "Added [external.{name}] at the end of {}; all else in it is as it was.", config.display());
        if let Some(doubt) = doubt {
            let _ = writeln!(said, "note    {doubt} (`public_url`)");
        }
        if let Password::Variable(variable) = &account.password {
            let _ = writeln!(said, "note    `serve` needs {variable} in its environment from its next start on");
        }
        let start = match SqliteStore::is_served(&existing.config.store.path) {
            true => {
                "restart `serve` (systemctl restart itop-bridge): it runs with the file as it was before".to_owned()
            }
            false => format!("{call} serve    leave it running"),
        };
        let _ = write!(
            said,
            "\nNext, in this order, so that no webhook is refused:\n  \
             {call} check    lists the missing requirements\n  \
             {start}; its log says \"the connection has begun\" of {name}\n  \
             {call} setup --side {name}\n  \
             {call} setup --side {internal}    makes what {name} needs there and no other customer did\n{}",
            self.of_every_setup(name)
        );
        said
    }

    fn of_every_setup(&self, external: &str) -> String {
        let call = &self.0;
        format!(
            "setup works as an administrator of that iTop, by ITOP_BRIDGE_ADMIN_USER and ITOP_BRIDGE_ADMIN_PASSWORD.\n\
             Tickets of {external} that are opened before the connection has begun stay where they are, also when they are changed,\n\
             until {call} backfill --side {external} --since DATE. `older` in the configuration can say otherwise.\n"
        )
    }
}

fn wrote(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("Wrote {}.\n", file.display())).collect()
}
