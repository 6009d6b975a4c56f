//! The configuration's text, of what was answered.

use super::account::Account;
use super::answers::{Answers, Password};
use super::lookup::Choice;
use super::questions::CLASSES;

/// What is drawn, and never asked for.
pub struct Drawn {
    pub server_id: String,
    pub internal_key: String,
    pub external_key: String,
}

/// The name of the file that a typed password goes into, beside the configuration.
pub fn password_file(account: &Account) -> String {
    format!("{}.password", account.name)
}

pub fn text(answers: &Answers, drawn: &Drawn) -> String {
    let Answers { internal, external, .. } = answers;
    let classes: Vec<String> = CLASSES.iter().map(|class| format!("{class} = {}", quoted(class))).collect();
    format!(
        "\
# Written by `itop-bridge init`. docs/configuration.md has every key; `itop-bridge config show` says what holds.
# It holds keys: keep it readable for its owner alone.

[server]
id = {id}  # part of every mark that the bridge writes; never change it
listen = {listen}
public_url = {public_url}  # how both iTops reach the bridge; `setup` writes it into them

[store]
url = \"sqlite:itop-bridge.db\"  # beside this file

# The provider's iTop.
[internal]
name = {internal_name}
{internal_account}
api_keys = [{internal_key}]  # its webhooks carry the first; several while you change them

# What a ticket inside is given where nothing else says it: the ids of that iTop.
[internal.defaults]
{defaults}
# The customer's iTop. One section a customer.
[external.{external_name}]
{external_account}
api_keys = [{external_key}]
# Which tickets may leave it: what stands after WHERE in OQL, or \"all\".
only = {only}
{external_defaults}
[sync]
# Changes too: RoutineChange, NormalChange, EmergencyChange. They need more defaults; `check` says which.
classes = {{ {classes} }}
# report: a small file on the customer's ticket tells the provider's status; apply: the customer's ticket is moved; off.
status_to_external = \"{status}\"
# attachment: new entries cross as text files, which iTop's portal shows to the ticket's caller, and iTop copies a
# parent request's entries into its children; off: they stay.
private_log_to_internal = \"{to_internal}\"
private_log_to_external = \"{to_external}\"
",
        id = quoted(&drawn.server_id),
        listen = quoted(&answers.listen),
        public_url = quoted(&answers.public_url),
        internal_name = quoted(&internal.name),
        internal_account = account(internal),
        internal_key = quoted(&drawn.internal_key),
        defaults = defaults(&answers.defaults),
        external_name = external.name,
        external_account = account(external),
        external_key = quoted(&drawn.external_key),
        only = quoted(&answers.only),
        external_defaults = external_defaults(answers),
        classes = classes.join(", "),
        status = answers.status_to_external.word(),
        to_internal = answers.private_log_to_internal.word(),
        to_external = answers.private_log_to_external.word(),
    )
}

fn account(account: &Account) -> String {
    let password = match &account.password {
        Password::Variable(written) => format!("password = {}  # the environment's", quoted_as_it_is(written)),
        Password::File(file) => format!("password_file = {}", quoted(&file.to_string_lossy())),
        Password::Typed(_) => format!("password_file = {}  # beside this file", quoted(&password_file(account))),
    };
    format!("url = {}\nuser = {}\n{password}", quoted(&account.url), quoted(&account.user))
}

/// An id a line, with its name as the comment: a name may change, and two may share one.
fn defaults(defaults: &[(&str, Choice)]) -> String {
    let line = |(code, choice): &(&str, Choice)| {
        let name: String = choice.name.chars().filter(|c| !c.is_control()).collect();
        format!("{code} = {}  # {name}\n", choice.id)
    };
    defaults.iter().map(line).collect()
}

fn external_defaults(answers: &Answers) -> String {
    if answers.external_defaults.is_empty() {
        return String::new();
    }
    let lines = defaults(&answers.external_defaults);
    format!(
        "\n# For the customer's tickets that have none, where a stimulus needs one.\n[external.{}.defaults]\n{lines}",
        answers.external.name
    )
}

/// A TOML string that means the text; `${` would be a variable.
fn quoted(text: &str) -> String {
    quoted_as_it_is(&text.replace("${", "$${"))
}

fn quoted_as_it_is(text: &str) -> String {
    toml::Value::from(text).to_string()
}
