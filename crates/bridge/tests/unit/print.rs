//! `setup --print`: the page that a customer's administrator follows, word for word, in both languages.

use itop_bridge::cli::Outcome;
use itop_bridge::cli::setup::{Setup, in_itop};
use itop_bridge::config::Config;
use itop_bridge::setup::page::Lang;

const TEXT: &str = "[server]\nid = \"7f3a\"\npublic_url = \"https://bridge.provider.example\"\n\
                    [internal]\nname = \"elitery\"\nurl = \"https://itop.provider.example\"\nuser = \"b\"\n\
                    password = \"canary\"\napi_keys = [\"sk_internal_canary\"]\ndefaults = { org = \"Demo\", caller = 6 }\n\
                    [external.acme]\nurl = \"https://itop.customer.example\"\nuser = \"b\"\npassword = \"canary\"\n\
                    api_keys = [\"sk_external_canary\"]\nonly = \"team_id_friendlyname = 'Elitery' OR title LIKE '%a|b%'\"\n\
                    [sync]\nclasses = { UserRequest = \"UserRequest\", NormalChange = \"NormalChange\" }\n";

fn printed(side: &str, lang: Lang) -> String {
    let config = Config::parse(TEXT, "test.toml", &|_| None).unwrap();
    let setup = Setup { side: side.to_owned(), dry_run: false, remove: false, print: true, lang };
    let mut out = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let printing = in_itop(&setup, &config, &|_| None, &|side| panic!("{} is called", side.name), &mut out);
    assert_eq!(runtime.block_on(printing).unwrap(), Outcome::Fine);
    let page = String::from_utf8(out).unwrap();
    assert!(!page.contains("canary"), "a secret: {page}");
    page
}

#[test]
fn the_page_of_an_external_in_english() {
    assert_eq!(printed("acme", Lang::En), include_str!("print/external.en.md"));
}

#[test]
fn the_page_of_an_external_in_indonesian() {
    assert_eq!(printed("acme", Lang::Id), include_str!("print/external.id.md"));
}

#[test]
fn the_page_of_the_internal_side_in_english() {
    assert_eq!(printed("elitery", Lang::En), include_str!("print/internal.en.md"));
}

#[test]
fn the_page_of_the_internal_side_in_indonesian() {
    assert_eq!(printed("elitery", Lang::Id), include_str!("print/internal.id.md"));
}
