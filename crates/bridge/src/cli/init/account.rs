//! One iTop's address and account, asked for until that iTop accepts them.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use itop_client::{Client, ErrorClass};
use secrecy::{ExposeSecret, SecretString};

use super::address::{NoITop, answers, folder, of_address};
use super::answers::{Account, Password};
use super::questions::Questions;
use crate::config::{SideConfig, identity, name};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Internal,
    External,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Internal => "internal",
            Role::External => "external",
        }
    }

    fn whose(self) -> &'static str {
        match self {
            Role::Internal => "provider",
            Role::External => "customer",
        }
    }
}

/// The sides that a new one must differ from.
pub trait Others {
    /// Why a new side cannot have this name.
    fn name(&self, name: &str) -> Result<(), String>;

    /// Why its iTop cannot have this address.
    fn address(&self, name: &str, url: &str) -> Result<(), String>;
}

/// For a new configuration: the side that was asked for first, or none yet.
pub struct Other<'a>(pub Option<&'a Account>);

impl Others for Other<'_> {
    fn name(&self, name: &str) -> Result<(), String> {
        let taken = self.0.is_some_and(|other| other.name == name);
        if taken { Err(format!("{name} is the other side's name")) } else { Ok(()) }
    }

    fn address(&self, _: &str, url: &str) -> Result<(), String> {
        let same = self.0.is_some_and(|other| identity(&other.url) == identity(url));
        if same { Err("this is the other side's iTop".to_owned()) } else { Ok(()) }
    }
}

/// The flags of one side.
#[derive(Clone, Default)]
struct Given {
    name: Option<String>,
    url: Option<String>,
    user: Option<String>,
    password: Option<String>,
    file: Option<std::path::PathBuf>,
}

impl Questions<'_> {
    /// `others`: the sides that it must differ from.
    pub async fn account(&mut self, role: Role, others: &dyn Others) -> anyhow::Result<(Account, Client)> {
        let (word, whose) = (role.word(), role.whose());
        let (flag, question) = (format!("--{word}-name"), format!("A short name of the {whose} (a-z, 0-9, -)"));
        let name = self.text(self.given(role).name, &flag, &question, None, |text| {
            let name = name(text)?;
            others.name(&name).map(|()| name)
        })?;
        let mut refused: Option<(String, String)> = None;
        loop {
            let given = self.given(role);
            let (url, user) = match refused.take() {
                Some(known) => known,
                None => {
                    let url = self.address(role, &name, &given, others).await?;
                    let (flag, question) = (format!("--{word}-user"), format!("The bridge's account in {name}"));
                    (url, self.text(given.user.clone(), &flag, &question, None, not_empty)?)
                }
            };
            let (password, secret) = self.password(role, &given)?;
            let client = self.client(&SideConfig::bare(&name, &url, &user, secret))?;
            self.dialogue.say(&format!("asking {name}…"))?;
            let error = match client.check_login().await {
                Ok(operations) => {
                    let version = operations.version;
                    self.dialogue.say(&format!("{name} answers (REST {version}), and lets \"{user}\" in."))?;
                    return Ok((Account { name, url, user, password }, client));
                }
                Err(error) => error,
            };
            let said = match error.class {
                ErrorClass::Login => format!("{name} ({url}) does not let \"{user}\" in: {error}"),
                _ => format!("{name} ({url}): {error}"),
            };
            let asked = given.url.is_none() || given.user.is_none() || !given.has_password();
            if !self.dialogue.has_person() || !asked {
                bail!("{said}. Correct --{word}-user or the password");
            }
            // After a mistyped password only a password is asked for next: typed at another question it would be
            // shown.
            let is_there = error.class == ErrorClass::Login;
            self.dialogue.say(&if is_there { format!("{said}. Esc corrects the account.") } else { said })?;
            self.refuse(role);
            refused = is_there.then_some((url, user));
        }
    }

    /// Forgets the given account, which was refused, so that it is asked for.
    fn refuse(&mut self, role: Role) {
        self.dialogue.forget(&format!("--{}-password", role.word()));
        let flags = &mut self.flags;
        match role {
            Role::Internal => {
                (flags.internal_url, flags.internal_user) = (None, None);
                (flags.internal_password, flags.internal_password_file) = (None, None);
            }
            Role::External => {
                (flags.external_url, flags.external_user) = (None, None);
                (flags.external_password, flags.external_password_file) = (None, None);
            }
        }
    }

    /// An address at which an iTop answers.
    async fn address(&mut self, role: Role, name: &str, given: &Given, others: &dyn Others) -> anyhow::Result<String> {
        let (word, whose) = (role.word(), role.whose());
        let (flag, question) = (format!("--{word}-url"), format!("The address of the {whose}'s iTop"));
        loop {
            let (typed, url) = self.text(given.url.clone(), &flag, &question, None, |text| {
                let url = folder(text).map_err(|wrong| of_address(text, &wrong))?;
                others.address(name, &url).map(|()| (text.to_owned(), url))
            })?;
            if typed != url {
                self.dialogue.say(&format!("Taken as {url}, the folder that iTop is installed in."))?;
                self.dialogue.offer(&flag, url.clone());
            }
            self.dialogue.say(&format!("asking {url}…"))?;
            let nobody = SideConfig::bare(name, &url, "", SecretString::default());
            let Err(NoITop { why, instead }) = answers(&self.client(&nobody)?, &nobody).await else {
                return Ok(url);
            };
            if !self.dialogue.has_person() || given.url.is_some() {
                bail!("{flag}: {url}: {why}");
            }
            self.dialogue.say(&format!("{url}: {why}"))?;
            self.dialogue.offer(&flag, instead.unwrap_or(url));
        }
    }

    fn given(&self, role: Role) -> Given {
        let flags = &self.flags;
        match role {
            Role::Internal => Given {
                name: flags.internal_name.clone(),
                url: flags.internal_url.clone(),
                user: flags.internal_user.clone(),
                password: flags.internal_password.clone(),
                file: flags.internal_password_file.clone(),
            },
            Role::External => Given {
                name: flags.external_name.clone(),
                url: flags.external_url.clone(),
                user: flags.external_user.clone(),
                password: flags.external_password.clone(),
                file: flags.external_password_file.clone(),
            },
        }
    }

    /// The password as the configuration spells it, and its value.
    fn password(&mut self, role: Role, given: &Given) -> anyhow::Result<(Password, SecretString)> {
        let flag = format!("--{}-password", role.word());
        if let Some(file) = &given.file {
            let secret = first_line(file).with_context(|| format!("{flag}-file"))?;
            let file = std::path::absolute(file)?;
            return Ok((Password::File(file), secret));
        }
        if let Some(written) = &given.password {
            let Some(name) = variable(written) else {
                bail!(
                    "{flag}: a password on a command line is seen by every user of this machine; give '${{NAME}}', an \
                     environment variable, or {flag}-file"
                );
            };
            return self.of_variable(written, name).map_err(|wrong| anyhow!("{flag}: {wrong}"));
        }
        loop {
            let typed = self.dialogue.secret(&flag, "Its password, or ${NAME} of the environment")?;
            let Some(name) = variable(typed.expose_secret()) else {
                if typed.expose_secret().is_empty() {
                    self.dialogue.say("must not be empty")?;
                    continue;
                }
                return Ok((Password::Typed(typed.clone()), typed));
            };
            match self.of_variable(typed.expose_secret(), name) {
                Ok(found) => return Ok(found),
                Err(wrong) => self.dialogue.say(&wrong)?,
            }
            self.dialogue.forget(&flag);
        }
    }

    fn of_variable(&self, written: &str, name: &str) -> Result<(Password, SecretString), String> {
        let value = (self.env)(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        Ok((Password::Variable(written.to_owned()), SecretString::from(value)))
    }
}

impl Given {
    fn has_password(&self) -> bool {
        self.password.is_some() || self.file.is_some()
    }
}

/// The name in `${NAME}`.
fn variable(written: &str) -> Option<&str> {
    let name = written.trim().strip_prefix("${")?.strip_suffix('}')?;
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(fit)).then_some(name)
}

fn first_line(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = SecretString::from(text);
    match text.expose_secret().lines().next().filter(|line| !line.trim().is_empty()) {
        Some(line) => Ok(SecretString::from(line)),
        None => bail!("{} is empty; its first line must be the password", file.display()),
    }
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}
