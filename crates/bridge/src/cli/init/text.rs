//! Turns the answers into the configuration's text.

use super::answers::{Account, Answers, Customer, Password, Sync};
use super::lookup::Choice;
use super::questions::CLASSES;

/// Values that are drawn at random and never asked for.
pub struct Drawn {
    pub server_id: String,
    pub internal_key: String,
    pub external_key: String,
}

/// The name of the file that a typed password goes into, beside the configuration.
pub fn password_file(account: &Account) -> String {
    format!("{}.password", account.name)
}

/// A whole configuration.
pub fn text(answers: &Answers, drawn: &Drawn) -> String {
    let Answers { internal, customer, .. } = answers;
    let classes: Vec<String> = CLASSES.iter().map(|class| format!("{class} = {}", quoted(class))).collect();
    format!(
        "\
# Written by `itop-bridge init`. docs/reference/configuration.md has every key; `itop-bridge config show` prints the values in force.
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

# The values of a new ticket in the provider's iTop, if nothing else gives one: ids of that iTop.
[internal.defaults]
{defaults}
# The customer's iTop. Each customer has one such section.
{external}
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
        external = external(customer, &drawn.external_key),
        classes = classes.join(", "),
        status = customer.sync.status_to_external.word(),
        to_internal = customer.sync.private_log_to_internal.word(),
        to_external = customer.sync.private_log_to_external.word(),
    )
}

/// The sections of an additional customer, with its own keys where it differs from `general`.
pub fn sections(customer: &Customer, internal_defaults: &[(&str, Choice)], general: Sync, key: &str) -> String {
    let name = &customer.account.name;
    let external = external(customer, key);
    let internal_defaults = match internal_defaults.is_empty() {
        true => String::new(),
        false => format!(
            "\n# Its tickets in the provider's iTop differ from [internal.defaults] in these values.\n[external.{name}.internal_defaults]\n{}",
            defaults(internal_defaults)
        ),
    };
    format!("# Added by `itop-bridge init`.\n{external}{internal_defaults}{}", own_sync(customer, general))
}

fn external(customer: &Customer, key: &str) -> String {
    let Customer { account: own, defaults: external_defaults, only, .. } = customer;
    let name = &own.name;
    let external_defaults = match external_defaults.is_empty() {
        true => String::new(),
        false => format!(
            "\n# For the customer's tickets that have none, where a stimulus needs one.\n[external.{name}.defaults]\n{}",
            defaults(external_defaults)
        ),
    };
    format!(
        "\
[external.{name}]
{account}
api_keys = [{key}]
# Which tickets may leave it: the part after WHERE of an OQL query, or \"all\".
only = {only}
{external_defaults}",
        account = account(own),
        key = quoted(key),
        only = quoted(only),
    )
}

fn own_sync(customer: &Customer, general: Sync) -> String {
    let own = customer.sync;
    let keys = [
        ("status_to_external", own.status_to_external.word(), general.status_to_external.word()),
        ("private_log_to_internal", own.private_log_to_internal.word(), general.private_log_to_internal.word()),
        ("private_log_to_external", own.private_log_to_external.word(), general.private_log_to_external.word()),
    ];
    let differ = keys.iter().filter(|(_, own, general)| own != general);
    let lines: String = differ.map(|(key, own, _)| format!("{key} = \"{own}\"\n")).collect();
    match lines.is_empty() {
        true => lines,
        false => format!(
            "\n# It differs from [sync] in these values.\n[external.{name}.sync]\n{lines}",
            name = customer.account.name
        ),
    }
}

fn account(account: &Account) -> String {
    let password = match &account.password {
        Password::Variable(written) => format!("password = {}  # the environment's", quoted_as_it_is(written)),
        Password::File(file) => format!("password_file = {}", quoted(&file.to_string_lossy())),
        Password::Typed(_) => format!("password_file = {}  # beside this file", quoted(&password_file(account))),
    };
    format!("url = {}\nuser = {}\n{password}", quoted(&account.url), quoted(&account.user))
}

/// One id per line, with the name as a comment: a name may change, and two objects may share one.
fn defaults(defaults: &[(&str, Choice)]) -> String {
    let line = |(code, choice): &(&str, Choice)| {
        let name: String = choice.name.chars().filter(|c| !c.is_control()).collect();
        format!("{code} = {}  # {name}\n", choice.id)
    };
    defaults.iter().map(line).collect()
}

/// A TOML string for the text; `${` is escaped, since it would be a variable.
fn quoted(text: &str) -> String {
    quoted_as_it_is(&text.replace("${", "$${"))
}

fn quoted_as_it_is(text: &str) -> String {
    toml::Value::from(text).to_string()
}
