//! No address that stands in a text is ever called, and no answer sends the bridge anywhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::site::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// Counts who connects, and answers each with this.
async fn listener(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 65_536];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    (url, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_stands_in_a_text_or_an_answer_is_fetched() {
    let (trap, caught) = listener("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {trap}/webservices/rest.php\r\ncontent-length: 0\r\n\r\n");
    let (moved, asked) = listener(redirect).await;

    let site = Site::new("urls").await;
    let login = "user = \"bridge\"\npassword = \"Bridge.1234\"\n";
    let rest = format!(
        "[external.moved]\nurl = \"{moved}\"\n{login}only = \"all\"\napi_keys = [\"sk_moved_0123456789abc\"]\n\
         [sync]\nsweep_seconds = 5\nmax_attachment_mib = 1\npublic_log_to_internal = \"attachment\"\n\
         [alerts]\nwebhook_url = \"{moved}/hook\""
    );
    let internal = format!("{login}api_keys = [\"sk_internal_0123456789\"]");
    site.configure(&internal, &format!("{login}api_keys = [\"sk_acme_0123456789abc\"]"), &rest);
    site.acme.install_external_hooks(&site.url(), "sk_acme_0123456789abc");
    site.elitery.install_internal_hooks(&site.url(), "sk_internal_0123456789");
    let bridge = site.serve().await;

    let elsewhere = [
        format!(
            "<img src=\"{trap}/pages/ajax.document.php?operation=download_inlineimage&amp;id=1&amp;s=abc\" alt=\"a\">"
        ),
        format!("<img src=\"{trap}/p.png\" srcset=\"{trap}/q.png 2x\" data-img-id=\"1\" data-img-secret=\"abc\">"),
        format!("<picture><source srcset=\"{trap}/r.png\"><img src=\"{trap}/s.png\"></picture>"),
        format!("<a href=\"{trap}/link\">{trap}/text</a>"),
        format!(
            "<table background=\"{trap}/t.png\"><tr><td style=\"background:url({trap}/u.png)\">x</td></tr></table>"
        ),
    ];
    let id = site.ticket(&format!("{trap}/title"), &format!("<p>{}</p>", elsewhere.join(" "))).await;
    // What claims to be a picture, and one that is too large.
    let script = site.acme.add_inline_image(id, "5ec1", "image/png", b"<svg onload='x'/>").await.unwrap();
    let mut large = PNG.to_vec();
    large.resize(2 << 20, 0);
    let large = site.acme.add_inline_image(id, "5ec2", "image/png", &large).await.unwrap();
    let pictures = format!("<p>two: {} {}</p>", script.html, large.html);
    for html in elsewhere.iter().chain([&pictures]) {
        site.acme.add_log_entry(id, "private_log", &format!("<p>{html}</p>")).await.unwrap();
    }
    site.acme.attach(id, &format!("{trap}/name.txt"), "text/uri-list", trap.as_bytes()).await.unwrap();
    site.acme
        .update(id, json!({ "description": format!("<p>{} and</p>{pictures}", elsewhere.join(" ")) }))
        .await
        .unwrap();
    let crossed = |site: &Site| {
        let copies = site.copies();
        let [copy] = &copies[..] else { return false };
        let log = |file: &itop_sim::Attachment| String::from_utf8_lossy(&file.data).contains("two:");
        copy.field("description").contains("two:") && site.elitery.attachments(copy.id).iter().any(log)
    };
    site.until("text and log have crossed", crossed).await;
    let (check, check_moved) = (site.verb(&["check"]).await, asked.load(Ordering::SeqCst));
    assert!(String::from_utf8_lossy(&check.stdout).contains("redirects"), "{}", String::from_utf8_lossy(&check.stdout));
    site.one_more_pass_writes_nothing().await;

    let copy = &site.copies()[0];
    let description = copy.field("description");
    assert!(!description.contains("<img"), "none of the pictures is one of acme's own: {description}");
    for file in site.elitery.attachments(copy.id) {
        assert!(!file.mimetype.starts_with("image/") && file.data.len() < 1 << 20, "{}", file.filename);
    }
    assert!(check_moved > 0 && asked.load(Ordering::SeqCst) >= check_moved, "the address that redirects was called");
    assert_eq!(caught.load(Ordering::SeqCst), 0, "an address from a text or a redirect was called");
    assert!(bridge.terminate().await.success());
}
