//! One iTop's address and account, until that iTop lets them in.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use itop_client::{Client, ErrorClass};
use secrecy::{ExposeSecret, SecretString};

use super::address::{NoITop, answers, folder, of_address};
pub use super::answers::Account;
use super::answers::Password;
use super::prompt::Back;
use super::questions::Questions;
use crate::config::{SideConfig, identity, name};

/// What a person may do instead of an answer.
const BACK: &str = " (Esc: back to the address)";

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

/// What the flags say of one side.
#[derive(Clone, Default)]
struct Given {
    name: Option<String>,
    url: Option<String>,
    user: Option<String>,
    password: Option<String>,
    file: Option<std::path::PathBuf>,
}

impl Questions<'_> {
    /// `other`: the side that it must differ from.
    pub async fn account(&mut self, role: Role, other: Option<&Account>) -> anyhow::Result<(Account, Client)> {
        let (word, whose) = (role.word(), role.whose());
        let mut given = self.given(role);
        let (flag, question) = (format!("--{word}-name"), format!("A short name of the {whose} (a-z, 0-9, -)"));
        let name = self.text(given.name.take(), &flag, &question, None, |text| {
            let name = name(text)?;
            let taken = other.is_some_and(|other| other.name == name);
            if taken { Err(format!("{name} is the other side's name")) } else { Ok(name) }
        })?;
        // What was refused: most of it was right.
        let (mut url_before, mut user_before) = (None, None);
        loop {
            let url = self.address(role, &name, &given, url_before.as_deref(), other).await?;
            url_before = Some(url.clone());
            let (flag, question) = (format!("--{word}-user"), format!("The bridge's account in {name}{BACK}"));
            let user = match self.text(given.user.clone(), &flag, &question, user_before.as_deref(), not_empty) {
                Err(error) if error.is::<Back>() => {
                    given.url = None;
                    continue;
                }
                user => user?,
            };
            user_before = Some(user.clone());
            let (password, secret) = match self.password(role, &given) {
                Err(error) if error.is::<Back>() => {
                    given = Given::default();
                    continue;
                }
                password => password?,
            };
            let client = self.client(&SideConfig::bare(&name, &url, &user, secret))?;
            self.say(&format!("asking {name}…"))?;
            let error = match client.check_login().await {
                Ok(operations) => {
                    self.say(&format!("{name} answers (REST {}), and lets \"{user}\" in.", operations.version))?;
                    return Ok((Account { name, url, user, password }, client));
                }
                Err(error) => error,
            };
            let said = match error.class {
                ErrorClass::Login => format!("{name} ({url}) does not let \"{user}\" in: {error}"),
                _ => format!("{name} ({url}): {error}"),
            };
            let asked = given.url.is_none() || given.user.is_none() || !given.has_password();
            if self.person.is_none() || !asked {
                bail!("{said}. Correct --{word}-user or the password");
            }
            self.say(&said)?;
            given = Given::default();
        }
    }

    /// An address at which an iTop answers.
    async fn address(
        &mut self,
        role: Role,
        name: &str,
        given: &Given,
        before: Option<&str>,
        other: Option<&Account>,
    ) -> anyhow::Result<String> {
        let (word, whose) = (role.word(), role.whose());
        let (flag, question) = (format!("--{word}-url"), format!("The address of the {whose}'s iTop"));
        let (mut given, mut before) = (given.url.clone(), before.map(str::to_owned));
        loop {
            let is_given = given.is_some();
            let (typed, url) = self.text(given.take(), &flag, &question, before.as_deref(), |text| {
                let url = folder(text).map_err(|wrong| of_address(text, &wrong))?;
                let same = other.is_some_and(|other| identity(&other.url) == identity(&url));
                if same { Err("this is the other side's iTop".to_owned()) } else { Ok((text.to_owned(), url)) }
            })?;
            if typed != url {
                self.say(&format!("Taken as {url}, the folder that iTop is installed in."))?;
            }
            self.say(&format!("asking {url}…"))?;
            let nobody = SideConfig::bare(name, &url, "", SecretString::default());
            let Err(NoITop { why, instead }) = answers(&self.client(&nobody)?, &nobody).await else {
                return Ok(url);
            };
            if self.person.is_none() || is_given {
                bail!("{flag}: {url}: {why}");
            }
            self.say(&format!("{url}: {why}"))?;
            before = Some(instead.unwrap_or(url));
        }
    }

    fn given(&self, role: Role) -> Given {
        let flags = self.flags;
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

    /// How it is written into the configuration, and what it is.
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
            let question = &format!("Its password, or ${{NAME}} of the environment{BACK}");
            let person = self.person(&format!("{flag} or {flag}-file"), question)?;
            let typed = person.secret(question)?;
            let Some(name) = variable(&typed) else {
                if typed.is_empty() {
                    person.say("must not be empty")?;
                    continue;
                }
                let secret = SecretString::from(typed);
                return Ok((Password::Typed(secret.clone()), secret));
            };
            match self.of_variable(&typed, name) {
                Ok(found) => return Ok(found),
                Err(wrong) => self.say(&wrong)?,
            }
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
