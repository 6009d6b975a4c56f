//! No password, token or image secret is ever shown, whatever a server answers.

use itop_client::*;
use secrecy::ExposeSecret as _;

use crate::script::{Script, Step};
use crate::{PASSWORD, TOKEN, client, config, create};

/// A server that says back whatever it was told, in every kind of answer.
#[tokio::test]
async fn no_secret_is_ever_shown() {
    let secret = "c0ffee00c0ffee";
    let secrets = format!("{PASSWORD} {TOKEN} {secret}");
    let said = [
        format!("Error: {secrets}"),
        format!("The current user does not have enough permissions for reading data of class {secrets}"),
        format!("Error: class: '{secrets}' is not a valid class'"),
        format!("Error: output_fields: invalid attribute code '{secrets}'"),
        format!(
            "Error: Failed to issue SQL query: query = INSERT INTO x VALUES ('{secrets}'), mysql_error = {secrets}"
        ),
        format!("{}{secrets}", "x".repeat(285)),
    ];
    let mut bodies = vec![format!("<html><title>{secrets}</title>{secrets}</html>")];
    for message in &said {
        for code in [1, 3, 100, 1062] {
            bodies.push(serde_json::json!({"code": code, "message": message}).to_string());
        }
    }
    let logins = [Login::Password { user: "bridge".into(), password: PASSWORD.into() }, Login::Token(TOKEN.into())];
    for login in logins {
        // Not even its beginning, where a message is cut in its middle.
        let own = if matches!(login, Login::Token(_)) { &TOKEN[..6] } else { &PASSWORD[..6] };
        let config = ClientConfig { login, ..config() };
        for body in &bodies {
            for status in [200, 403, 500] {
                let script = Script::new([Step::Answer(status, body.clone().into())]);
                let client = Client::new(config.clone(), script).unwrap();
                let error = create(&client).await.unwrap_err();
                let shown = format!("{error} {error:?} {client:?} {config:?}");
                assert!(!shown.contains(own), "{shown}");
                let error = client.inline_image(7, secret, 1000).await.unwrap_err();
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("c0ffee"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_log_in_is_replaced_and_neither_is_shown() {
    let body = serde_json::json!({"code": 100, "message": format!("Error: {PASSWORD} and CANARY-of-now")}).to_string();
    let client = client(Script::new([Step::Answer(200, body.into())]));
    let other = Login::Password { user: "bridge".into(), password: "CANARY-of-now".into() };
    client.clone().set_login(other).unwrap();
    assert!(matches!(client.login(), Login::Password { password, .. } if password.expose_secret() == "CANARY-of-now"));
    // A call with the one before may still be under way.
    let shown = create(&client).await.unwrap_err().to_string();
    assert!(!shown.contains("CANARY") && !shown.contains(PASSWORD), "{shown}");
    client.set_login(Login::Token("CANARY\n".into())).unwrap_err();
}

#[test]
fn a_configuration_is_checked_without_showing_it() {
    let make = |config| Client::new(config, Script::new([Step::Silence])).map(|client| client.base_url().to_owned());
    assert_eq!(make(config()).unwrap(), "https://itop.test/itop");
    let urls = [
        "itop.test",
        "ftp://itop.test",
        "https://u:CANARY@itop.test",
        "https://itop.test/?a",
        "https://itop.test/pages/UI.php",
    ];
    for url in urls {
        let error = make(ClientConfig { base_url: url.into(), ..config() }).unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
    let password = |password: &str| Login::Password { user: "bridge".into(), password: password.into() };
    for login in [password("CANARY\r\n--x"), Login::Token("CANARY\n".into())] {
        let error = make(ClientConfig { login, ..config() }).unwrap_err();
        assert!(matches!(error, ConfigError::Login(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
    assert_eq!(make(ClientConfig { max_calls: 0, ..config() }), Err(ConfigError::NoCalls));
}
