//! An iTop's address, as copied from a browser, and whether an iTop answers there.

use itop_client::{Client, Error};

use crate::checks;
use crate::config::{SideConfig, address};

/// The ends of iTop's own addresses; the installation's folder precedes them.
const PARTS: [&str; 3] = ["/webservices", "/pages", "/portal"];

/// The folder that iTop is installed in, if the address of one of its pages was given.
pub fn folder(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    let page = typed.split(['?', '#']).next().unwrap_or_default();
    let page = page.trim_end_matches('/');
    let folder = match page.rsplit_once('/') {
        Some((folder, name)) if name.ends_with(".php") => folder,
        _ => page,
    };
    let within = PARTS.iter().find_map(|part| folder.strip_suffix(part));
    // An account in the address, or another scheme, is refused as typed.
    address(within.unwrap_or(folder))
}

/// The fault of an address, which is quoted only if it contains no account.
pub fn of_address(typed: &str, wrong: &str) -> String {
    if typed.contains('@') { format!("this address {wrong}") } else { format!("\"{typed}\" {wrong}") }
}

/// Why no iTop's REST answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoITop {
    pub why: String,
    /// The address that a redirect of the same host suggests.
    pub instead: Option<String>,
}

/// Asks without an account: iTop's own refusal is the proof.
pub async fn answers(client: &Client, side: &SideConfig) -> Result<(), NoITop> {
    let Err(error) = client.check_login().await else { return Ok(()) };
    match checks::no_itop(&error, side) {
        None => Ok(()),
        Some(why) => Err(NoITop { why, instead: instead(&error, &side.url) }),
    }
}

/// The address with the scheme that the same host redirects to.
fn instead(error: &Error, url: &str) -> Option<String> {
    let itop_client::ErrorClass::WrongAddress { to: Some(to) } = &error.class else { return None };
    let (scheme, host) = to.split_once("://")?;
    let (_, rest) = url.split_once("://")?;
    (rest.split('/').next() == Some(host)).then(|| format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_itop_is_taken_for_the_folder_that_it_is_in() {
        for typed in [
            "https://itop.example/itop",
            "https://itop.example/itop/",
            " https://itop.example/itop/pages/UI.php ",
            "https://itop.example/itop/pages/UI.php?c[menu]=WelcomeMenu#top",
            "https://itop.example/itop/pages/",
            "https://itop.example/itop/webservices/rest.php?version=1.3",
            "https://itop.example/itop/index.php",
        ] {
            assert_eq!(folder(typed).as_deref(), Ok("https://itop.example/itop"), "{typed}");
        }
        assert_eq!(folder("https://itop.example/pages/UI.php").as_deref(), Ok("https://itop.example"));
        assert!(folder("itop.example").is_err());
        assert!(folder("https://me:secret@itop.example/pages/UI.php").is_err());
    }
}
