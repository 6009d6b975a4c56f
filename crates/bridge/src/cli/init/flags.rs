//! Flags of `init` that answer its questions.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Ask for both iTops' addresses, accounts and defaults, and write the configuration; or add a customer to the one that
/// is there.
///
/// An existing configuration is never overwritten: `init` asks about one more customer only, and adds its section
/// [external.NAME]. Only the flags of the customer can be given then, and --org to --subcategory are the values in which
/// its tickets differ from [internal.defaults]. For a new configuration, name another file with --config.
///
/// Each answer is tested at once, and the choices are looked up in the iTops. If all flags that are marked "needed" are
/// given, or without a terminal, nothing is asked. Of --public-url only the name is looked up, because nothing listens
/// there before `serve`. Writes nothing into an iTop.
#[derive(Debug, Default, Clone, Args)]
#[command(after_help = "Examples:\n  itop-bridge init\n  itop-bridge init --config acme/itop-bridge.toml\n  \
                  itop-bridge init --internal-name elitery --internal-url https://itop.provider.example \\\n    \
                  --internal-user bridge --internal-password '${ITOP_INTERNAL_PASSWORD}' \\\n    \
                  --external-name acme --external-url https://itop.customer.example \\\n    \
                  --external-user bridge --external-password-file acme.password \\\n    \
                  --org Demo --team Helpdesk --agent 'Jules Verne' --only all\n  \
                  itop-bridge init --external-name beta --external-url https://itop.second.example \\\n    \
                  --external-user bridge --external-password-file beta.password --only all")]
pub struct Init {
    /// A short name of the provider: a-z, 0-9 and `-` (needed for a new configuration).
    #[arg(long, value_name = "NAME")]
    pub internal_name: Option<String>,
    /// The address of the provider's iTop, without /pages/UI.php (needed for a new configuration).
    #[arg(long, value_name = "URL")]
    pub internal_url: Option<String>,
    /// The bridge's account in the provider's iTop (needed for a new configuration).
    #[arg(long, value_name = "LOGIN")]
    pub internal_user: Option<String>,
    /// Its password as '${NAME}', an environment variable (this or
    /// --internal-password-file is needed for a new configuration).
    #[arg(long, value_name = "${NAME}", conflicts_with = "internal_password_file")]
    pub internal_password: Option<String>,
    /// A file whose first line is its password.
    #[arg(long, value_name = "FILE")]
    pub internal_password_file: Option<PathBuf>,

    /// A short name of the customer (needed).
    #[arg(long, value_name = "NAME")]
    pub external_name: Option<String>,
    /// The address of the customer's iTop (needed).
    #[arg(long, value_name = "URL")]
    pub external_url: Option<String>,
    /// The bridge's account in the customer's iTop (needed).
    #[arg(long, value_name = "LOGIN")]
    pub external_user: Option<String>,
    /// Its password as '${NAME}', an environment variable (this or --external-password-file is needed).
    #[arg(long, value_name = "${NAME}", conflicts_with = "external_password_file")]
    pub external_password: Option<String>,
    /// A file whose first line is its password.
    #[arg(long, value_name = "FILE")]
    pub external_password_file: Option<PathBuf>,

    /// The organisation of the tickets in the provider's iTop: a name or an id, as with the next ones (needed for a new
    /// configuration).
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Their team (needed for a new configuration).
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// Their agent, a person of the team (needed for a new configuration, and beside another team). `none`: somebody
    /// assigns each ticket; not where [internal.defaults] names an agent.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Their caller, a person of the organisation.
    #[arg(long, value_name = "NAME")]
    pub caller: Option<String>,
    /// Their service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Their service subcategory, of the service.
    #[arg(long, value_name = "NAME")]
    pub subcategory: Option<String>,

    /// Which tickets may leave the customer's iTop: `all`, or the part after WHERE of an OQL query (this or
    /// --only-team is needed).
    #[arg(long, value_name = "OQL", conflicts_with = "only_team")]
    pub only: Option<String>,
    /// Only tickets of this team of the customer's iTop.
    #[arg(long, value_name = "NAME")]
    pub only_team: Option<String>,
    /// How the customer learns the provider's status; report if left out.
    #[arg(long, value_enum)]
    pub status_to_external: Option<Status>,
    /// For `apply`: the team of the customer's tickets that have none.
    #[arg(long, value_name = "NAME")]
    pub external_team: Option<String>,
    /// For `apply`: their agent, a person of that team.
    #[arg(long, value_name = "NAME")]
    pub external_agent: Option<String>,
    /// Whether the customer's private log goes to the provider, as files; attachment if left out.
    #[arg(long, value_enum)]
    pub private_log_to_internal: Option<Log>,
    /// Whether the provider's private log goes to the customer, as files; attachment if left out.
    #[arg(long, value_enum)]
    pub private_log_to_external: Option<Log>,

    /// How both iTops reach the bridge; if left out, `http://` and the address of --listen.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// The address and port on which the bridge listens for webhooks; if left out, 127.0.0.1:8080, or the port of a
    /// --public-url that is this machine's own (http://127.0.0.1:18080).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Overwrite existing password files.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Status {
    Report,
    Apply,
    Off,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Status::Report => "report",
            Status::Apply => "apply",
            Status::Off => "off",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    Attachment,
    Off,
}

impl Log {
    pub fn word(self) -> &'static str {
        match self {
            Log::Attachment => "attachment",
            Log::Off => "off",
        }
    }
}

impl Init {
    /// Whether all needed flags are given, so that nothing must be asked: for a customer alone, or for both sides.
    pub fn is_complete(&self, is_customer_alone: bool) -> bool {
        let customer = [&self.external_name, &self.external_url, &self.external_user];
        let provider =
            [&self.internal_name, &self.internal_url, &self.internal_user, &self.org, &self.team, &self.agent];
        let has_customer = customer.iter().all(|text| text.is_some())
            && (self.external_password.is_some() || self.external_password_file.is_some())
            && (self.only.is_some() || self.only_team.is_some());
        let has_provider = provider.iter().all(|text| text.is_some())
            && (self.internal_password.is_some() || self.internal_password_file.is_some());
        has_customer && (is_customer_alone || has_provider)
    }

    /// A flag for a value that an existing configuration already has.
    pub fn of_the_provider(&self) -> Option<&'static str> {
        [
            ("--internal-name", self.internal_name.is_some()),
            ("--internal-url", self.internal_url.is_some()),
            ("--internal-user", self.internal_user.is_some()),
            ("--internal-password", self.internal_password.is_some()),
            ("--internal-password-file", self.internal_password_file.is_some()),
            ("--public-url", self.public_url.is_some()),
            ("--listen", self.listen.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Whether a default of the internal tickets is given.
    pub fn has_internal_defaults(&self) -> bool {
        [&self.org, &self.team, &self.agent, &self.caller, &self.service, &self.subcategory]
            .into_iter()
            .any(Option::is_some)
    }
}
