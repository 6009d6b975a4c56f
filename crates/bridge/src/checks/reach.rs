//! Address, log-in and the right to use REST: one call tests all three, by how it fails.

use itop_client::{Error, ErrorClass, Operations};

use super::{State, Verdict};
use crate::app::SideError;
use crate::config::{Login, SideConfig};

pub(super) const ADDRESS: &str = "address";
const LOGIN: &str = "login";
pub(super) const REST: &str = "REST";

pub(super) type Reached = [(&'static str, Verdict); 3];

/// The side's own settings do not permit a call.
pub(super) fn no_client(error: &SideError) -> Reached {
    address_fault(error.to_string(), "correct the side's url, ca_file or proxy".to_owned())
}

/// `section`: the side's section in the configuration.
pub(super) fn verdicts(answer: Result<&Operations, &Error>, side: &SideConfig, section: &str) -> Reached {
    let error = match answer {
        Ok(operations) => {
            return [
                (ADDRESS, address_ok(side)),
                (LOGIN, Verdict::ok(account(side))),
                (REST, Verdict::ok(format!("version {}", operations.version))),
            ];
        }
        Err(error) => error,
    };
    match (&error.class, error.http_status, error.code) {
        (ErrorClass::Login, _, Some(_)) => not_let_in(error, side, section),
        (ErrorClass::Login, _, None) => address_fault(
            "the web server in front of iTop asks for a log-in of its own (HTTP 401)".to_owned(),
            "let the bridge's address through that log-in".to_owned(),
        ),
        (ErrorClass::WrongAddress { to }, status, _) => elsewhere(to.as_deref(), status, side, section),
        (_, _, Some(100)) if is_maintenance(error) => address_fault(
            "this iTop is under maintenance".to_owned(),
            "wait until its maintenance has ended, then check again".to_owned(),
        ),
        // iTop's own words, but not about the account.
        (_, _, Some(_)) => [
            (ADDRESS, address_ok(side)),
            (LOGIN, Verdict::fault(error.to_string(), "look into log/error.log of that iTop")),
            (REST, Verdict::not_checked()),
        ],
        (_, Some(403), _) => address_fault(
            "the web server forbids it (HTTP 403)".to_owned(),
            "allow the bridge's address the path webservices/rest.php in that web server".to_owned(),
        ),
        (_, Some(200), _) => address_fault(
            error.message.replacen("no answer of iTop's", "something answers that is no iTop's REST", 1),
            format!(
                "write in {section} as `url` the folder that iTop is installed in; if it is that, look into its log/error.log"
            ),
        ),
        (_, Some(status), _) => address_fault(
            format!("the web server answers HTTP {status}: {}", error.message),
            "look into the log of that web server, or of the proxy in front of it".to_owned(),
        ),
        (_, None, None) => silent(error, section),
    }
}

/// Why this answer does not come from an iTop's REST; none if it does.
pub fn no_itop(error: &Error, side: &SideConfig) -> Option<String> {
    let [(_, address), ..] = verdicts(Err(error), side, "");
    (address.state == State::Fault).then_some(address.detail)
}

fn silent(error: &Error, section: &str) -> Reached {
    let says = |sign: &str| error.message.contains(sign);
    let fix = if says("certificate expired") {
        "renew the certificate of that web server; if it is not old, set the clock of this machine".to_owned()
    } else if says("certificate not valid for name") {
        format!("write in `url` of {section} the name that the certificate is made out to, or get one for this name")
    } else if says("certificate") || says("UnknownIssuer") {
        format!("name the certificate of the authority that signed it in `ca_file` of {section}")
    } else if says("speaks no TLS") {
        format!("write http:// instead of https:// in `url` of {section}, or the port that speaks TLS")
    } else {
        format!("correct `url` of {section}, or open the way from this machine to it: name server, firewall, `proxy`")
    };
    address_fault(error.message.clone(), fix)
}

fn elsewhere(to: Option<&str>, status: Option<u16>, side: &SideConfig, section: &str) -> Reached {
    let host_and_path = side.url.split_once("://").map_or(side.url.as_str(), |(_, rest)| rest);
    let host = host_and_path.split('/').next().unwrap_or_default();
    let (detail, fix) = match (to, status) {
        (Some(to), _) if to.split_once("://").is_some_and(|(_, there)| there == host) => {
            let scheme = to.split("://").next().unwrap_or_default();
            (
                format!("{} redirects to {to}", side.url),
                format!(
                    "write `url = \"{scheme}://{host_and_path}\"` in {section}, or the address that a browser ends at"
                ),
            )
        }
        (Some(to), _) => (
            format!("{} redirects to {to}", side.url),
            format!("write in {section} as `url` the address that a browser ends at, if {to} is that iTop"),
        ),
        (None, Some(status @ 300..=399)) => (
            format!("{} redirects to another page of the same host (HTTP {status})", side.url),
            format!("write in {section} as `url` the address that a browser ends at, without the page's name"),
        ),
        (None, status) => (
            format!("no iTop there (HTTP {})", status.unwrap_or(404)),
            format!(
                "write in {section} as `url` the folder that iTop is installed in: the browser's address before /pages/"
            ),
        ),
    };
    address_fault(detail, fix)
}

/// iTop has refused the account, or its use of REST.
fn not_let_in(error: &Error, side: &SideConfig, section: &str) -> Reached {
    let known = |detail: &str, fix: String| {
        [(ADDRESS, address_ok(side)), (LOGIN, Verdict::ok(account(side))), (REST, Verdict::fault(detail, fix))]
    };
    if error.message.starts_with("This user is not authorized to use the web services") {
        let fix = format!("give {} in iTop the profile \"REST Services User\"", account(side));
        return known("the account may not use REST", fix);
    }
    if error.message.starts_with("Portal user is not allowed") {
        let fix = format!("take the profile \"Portal user\" from {} in iTop, or use another account", account(side));
        return known("a portal user may not use REST", fix);
    }
    let (detail, fix) = match &side.login {
        Login::Password { user, .. } => (
            format!("user \"{user}\" or its password is refused: {}", error.message),
            format!(
                "correct user and password of {section}, and see that the account is enabled and may log in with a password; {}",
                side.login_from
            ),
        ),
        Login::Token(_) => (
            format!("the token is refused: {}", error.message),
            format!(
                "write a valid token into {section}; that iTop needs the module authent-token, and the token the scope REST/JSON; {}",
                side.login_from
            ),
        ),
    };
    [(ADDRESS, address_ok(side)), (LOGIN, Verdict::fault(detail, fix)), (REST, Verdict::not_checked())]
}

fn is_maintenance(error: &Error) -> bool {
    error.class == ErrorClass::Transient && error.message.contains("maintenance")
}

fn address_ok(side: &SideConfig) -> Verdict {
    Verdict { state: State::Ok, detail: format!("iTop's REST answers at {}", side.url), fix: None }
}

fn address_fault(detail: String, fix: String) -> Reached {
    [(ADDRESS, Verdict::fault(detail, fix)), (LOGIN, Verdict::not_checked()), (REST, Verdict::not_checked())]
}

fn account(side: &SideConfig) -> String {
    match &side.login {
        Login::Password { user, .. } => format!("user \"{user}\""),
        Login::Token(_) => "the token's account".to_owned(),
    }
}
