//! What the client survives: silence, and servers, proxies and networks that do not answer as they should. Transports
//! are scripted and time is paused, so that 30 s cost nothing.

mod script;
mod secrets;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future;
use itop_client::*;
use proptest::prelude::*;
use script::{Script, Step, ok};
use tokio::time::Instant;

const PASSWORD: &str = "passw-CANARY";
const TOKEN: &str = "token-CANARY";
const TIMEOUT: Duration = Duration::from_secs(30);
const CREATED: &str = r#"{"code":0,"message":null,"objects":{"UserRequest::7":{"code":0,"message":"created","class":"UserRequest","key":"7","fields":{"id":"7","title":"t"}}}}"#;
const INVALID_LOGIN: &str = r#"{"code":1,"message":"Error: Invalid login"}"#;

const ANSWERED: Effect = Effect::Unknown { answered: true };
const UNANSWERED: Effect = Effect::Unknown { answered: false };

fn config() -> ClientConfig {
    let login = Login::Password { user: "bridge".into(), password: PASSWORD.into() };
    ClientConfig::new("https://itop.test/itop/", login)
}

fn client(script: Arc<Script>) -> Client {
    Client::new(config(), script).unwrap()
}

async fn create(client: &Client) -> Result<Written, Error> {
    client.create("UserRequest", &Fields::new().with("title", "t"), "a test", &["id", "title"]).await
}

/// The error of a create that meets `step`.
async fn failed_create(step: Step) -> Error {
    create(&client(Script::new([step]))).await.unwrap_err()
}

fn file(base64_bytes: usize) -> Fields {
    Fields::new().with("contents", Contents::new("A".repeat(base64_bytes).into(), "a.bin", "x/y"))
}

async fn create_file(client: &Client, base64_bytes: usize) -> Result<Written, Error> {
    client.create("Attachment", &file(base64_bytes), "a test", &["id"]).await
}

#[tokio::test(start_paused = true)]
async fn how_a_create_can_end() {
    use ErrorClass::{Login, OutOfMemory, Refused, Throttled, TooLarge, Transient, WrongAddress};
    let maintenance =
        r#"{"data":[{"code":100,"message":"This application is currently under maintenance."}],"scripts":[]}"#;
    let not_connected = TransportError::NotConnected("refused".into());
    let cut = &CREATED[..CREATED.len() - 2];
    let cases = [
        ("no connection", Step::Fails(not_connected), Transient, Effect::None),
        ("broken", Step::Fails(TransportError::Broken("reset".into())), Transient, UNANSWERED),
        ("too much", Step::Fails(TransportError::AnswerTooLarge { limit: 1 }), TooLarge, UNANSWERED),
        ("silence", Step::Silence, Transient, UNANSWERED),
        ("maintenance", Step::Answer(503, maintenance.into()), Transient, Effect::None),
        ("maintenance with 200", ok(maintenance), Transient, Effect::None),
        ("503 of a proxy", Step::Answer(503, b"<h1>under maintenance</h1>".into()), Transient, UNANSWERED),
        ("502", Step::Answer(502, b"<h1>Bad gateway</h1>".into()), Transient, UNANSWERED),
        ("500 with iTop's words", Step::Answer(500, INVALID_LOGIN.into()), Transient, UNANSWERED),
        ("413", Step::Answer(413, b"too large".into()), TooLarge, UNANSWERED),
        ("401", Step::Answer(401, b"".into()), Login, UNANSWERED),
        ("429", Step::Answer(429, b"slower".into()), Throttled { retry_after: None }, Effect::None),
        (
            "PHP ran out of memory when the write was done",
            Step::Answer(500, b"<p>iTop: Allowed memory size of 128M exhausted, contact".into()),
            OutOfMemory { limit: "128M".into() },
            ANSWERED,
        ),
        ("403", Step::Answer(403, b"blocked".into()), Refused, UNANSWERED),
        ("404", Step::Answer(404, b"".into()), WrongAddress { to: None }, UNANSWERED),
        ("empty", ok(""), Transient, UNANSWERED),
        ("a page", ok("<html><body>Please log in</body></html>"), Transient, UNANSWERED),
        ("cut", ok(cut), Transient, UNANSWERED),
        ("other JSON", ok(r#"{"status":"ok","code":null}"#), Transient, UNANSWERED),
        ("an object alone", ok(r#"{"code":0,"message":"created","class":"A","key":"7"}"#), Transient, UNANSWERED),
        ("PHP ran out of memory", ok("<p>iTop: Allowed memory size of 128M exhausted"), Transient, UNANSWERED),
        ("ok without the object", ok(r#"{"code":0,"message":null,"objects":null}"#), Refused, ANSWERED),
        ("a code unknown", ok(r#"{"code":100,"message":"Error: a trigger failed"}"#), Refused, ANSWERED),
        (
            "a code as text",
            ok(r#"{"code":"100","message":"Error: Missing parameter 'comment'"}"#),
            Refused,
            Effect::None,
        ),
        ("bad login", ok(INVALID_LOGIN), Login, Effect::None),
        (
            "the profile lacks",
            ok(r#"{"code":1,"message":"Error: This user is not authorized to use the web services. (…)"}"#),
            Login,
            Effect::None,
        ),
        (
            "a deadlock",
            ok(r#"{"code":1213,"message":"Error: Failed to issue SQL query: query = INSERT"}"#),
            Transient,
            ANSWERED,
        ),
    ];
    for (name, step, class, effect) in cases {
        let error = failed_create(step).await;
        assert_eq!((&error.class, error.effect), (&class, effect), "{name}: {error}");
    }
}

#[tokio::test]
async fn good_answers_in_bad_company() {
    let warning = "<br />\n<b>Warning</b>:  Undefined array key \"{x}\" in <b>/var/www/a.php</b> on line <b>3</b>{";
    let bodies = [
        CREATED.to_owned(),
        format!("{warning}{CREATED}"),
        format!("\u{feff}{CREATED}\n"),
        format!("{CREATED}\n<b>Fatal error</b>: {{"),
        format!(r#"{{"someone":"else's","code":7}}{CREATED}"#),
        CREATED.replace(r#""key":"7""#, r#""key":7"#).replace(r#""code":0"#, r#""code":"0""#),
        CREATED.replace(r#""key":"7","#, ""),
        CREATED.replace(r#""code":0,"message":"created","class":"UserRequest","#, ""),
    ];
    for body in bodies {
        let written = create(&client(Script::new([ok(&body)]))).await;
        let object = written.unwrap_or_else(|error| panic!("{body}: {error}")).object;
        assert_eq!((object.id, object.class.as_str(), object.text("title")), (7, "UserRequest", Some("t")));
    }
    let mut invalid_utf8 = CREATED.as_bytes().to_vec();
    let title = CREATED.find("\"t\"").unwrap() + 1;
    invalid_utf8[title] = 0xff;
    let written = create(&client(Script::new([Step::Answer(200, invalid_utf8)]))).await.unwrap();
    assert_eq!(written.object.text("title"), Some("\u{fffd}"));
}

proptest! {
    /// A piece of a good answer, with anything in front of it, never passes for the answer, and
    /// never for a proof that nothing happened.
    #[test]
    fn a_cut_answer_is_no_answer(cut in 0..CREATED.len(), junk in r#"[\PC{}"]{0,20}"#) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let error = runtime.block_on(failed_create(ok(&format!("{junk}{}", &CREATED[..cut]))));
        prop_assert_eq!(error.effect, UNANSWERED);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 200u16..600) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let error = runtime.block_on(failed_create(Step::Answer(status, bytes)));
        // A call that was asked to come later never reached iTop.
        let effect = if status == 429 { Effect::None } else { UNANSWERED };
        prop_assert_eq!(error.effect, effect);
    }
}

#[tokio::test]
async fn reads_have_no_effect_and_find_nothing_in_three_ways() {
    for nothing in ["null", "[]", "{}"] {
        let body = format!(r#"{{"code":0,"message":"Found: 0","objects":{nothing}}}"#);
        let found = client(Script::new([ok(&body)])).get("Ticket", &Query::id(7), &["id"]).await.unwrap();
        assert_eq!(found, Found::default());
    }
    let broken = Step::Fails(TransportError::Broken("reset".into()));
    let error = client(Script::new([broken])).get("Ticket", &Query::id(7), &[]).await.unwrap_err();
    assert!(error.is_transient() && error.had_no_effect());
    assert_eq!(error.to_string(), "core/get Ticket::7: reset");
}

#[tokio::test]
async fn one_bad_object_fails_a_read_and_names_it() {
    let body = CREATED.replace(r#""code":0,"message":"created""#, r#""code":100,"message":"broken row""#);
    let error = client(Script::new([ok(&body)])).get("UserRequest", &Query::id(7), &["id"]).await.unwrap_err();
    assert_eq!((&error.class, error.effect), (&ErrorClass::Refused, Effect::None));
    assert_eq!(error.message, "UserRequest::7: broken row (code 100)");
    let error = failed_create(ok(&body)).await;
    assert_eq!((&error.class, error.effect), (&ErrorClass::Refused, ANSWERED));
}

#[tokio::test]
async fn no_ids_are_no_call() {
    let script = Script::new([Step::Silence]);
    let found = client(script.clone()).get("Ticket", &Query::ids(&[]), &["id"]).await.unwrap();
    assert_eq!((found, script.calls()), (Found::default(), 0));
}

#[tokio::test]
async fn what_must_not_be_sent_is_not_sent() {
    let script = Script::new([Step::Silence]);
    let client = client(script.clone());
    let broken = Fields::new().with("contents", Contents::new("eHl".into(), "a", "x/y"));
    let not_whole = client.create("Attachment", &broken, "a test", &[]).await.unwrap_err();
    assert_eq!(not_whole.message, "not sent: contents is no whole base64");
    let injected = client.get("Ticket WHERE 1=1 --", &Query::ids(&[7]), &[]).await.unwrap_err();
    let image = client.inline_image(7, "abc&operation=x", 1000).await.unwrap_err();
    for (error, class) in
        [(not_whole, ErrorClass::Refused), (injected, ErrorClass::Refused), (image, ErrorClass::NotAnImage)]
    {
        assert_eq!((error.class, error.effect), (class, Effect::None));
    }
    assert_eq!(script.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_after_silence_only() {
    let start = Instant::now();
    let error = failed_create(Step::Silence).await;
    assert_eq!(start.elapsed(), TIMEOUT);
    assert!(error.message.starts_with("no byte moved for 30s"), "{error}");

    let pause = TIMEOUT - Duration::from_secs(1);
    let hooked = Arc::new(AtomicUsize::new(0));
    let count = hooked.clone();
    let start = Instant::now();
    let slow = client(Script::new([Step::Ticks(20, pause, Box::new(ok(CREATED)))]));
    let slow = slow.with_progress(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    create(&slow).await.unwrap();
    assert_eq!(start.elapsed(), 20 * pause);
    assert!(hooked.load(Ordering::Relaxed) >= 19, "the last tick comes with the answer");

    let start = Instant::now();
    let error = failed_create(Step::Ticks(3, pause, Box::new(Step::Silence))).await;
    assert_eq!(start.elapsed(), 3 * pause + TIMEOUT);
    assert_eq!((error.class, error.effect), (ErrorClass::Transient, UNANSWERED));
}

#[tokio::test(start_paused = true)]
async fn calls_at_a_time_are_limited_and_a_late_start_is_none() {
    let script = Script::new([Step::Ticks(1, Duration::from_secs(10), Box::new(ok(CREATED)))]);
    let client = Client::new(ClientConfig { max_calls: 2, ..config() }, script.clone()).unwrap();
    let start = Instant::now();
    let outcomes = future::join_all((0..6).map(|_| create(&client))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((start.elapsed(), script.most_at_once.load(Ordering::Relaxed)), (Duration::from_secs(30), 2));

    let hurried = client.starting_by(Instant::now() + Duration::from_secs(5));
    let outcomes = future::join_all((0..3).map(|_| create(&hurried))).await;
    let late: Vec<&Error> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!((late.len(), script.calls()), (1, 8));
    assert_eq!((&late[0].class, late[0].effect), (&ErrorClass::Transient, Effect::None));
}

#[tokio::test]
async fn a_client_that_only_reads_sends_no_write() {
    let script = Script::new([ok(CREATED)]);
    let client = Client::new(ClientConfig { only_reads: true, ..config() }, script.clone()).unwrap();
    let fields = Fields::new();
    let refused = [
        client.create("UserRequest", &fields, "c", &["id"]).await.err(),
        client.update("UserRequest", 7, &fields, "c", &["id"]).await.err(),
        client.apply_stimulus("UserRequest", 7, "ev_close", &fields, "c", &["id"]).await.err(),
        client.delete("UserRequest", 7, "c").await.err(),
        client.call("core/other", Default::default()).await.err(),
    ];
    for error in refused {
        let error = error.expect("it is not sent");
        assert_eq!((&error.class, error.effect), (&ErrorClass::Refused, Effect::None), "{error}");
    }
    assert_eq!(script.calls(), 0);
    let _ = client.check_login().await;
    assert_eq!(script.calls(), 1, "what only reads is sent");
}

#[tokio::test(start_paused = true)]
async fn contents_share_a_budget_across_clients() {
    let memory = Memory::new(1 << 20);
    let slow = || Script::new([Step::Ticks(1, Duration::from_secs(10), Box::new(ok(CREATED)))]);
    let make = |script| Client::new(ClientConfig { memory: memory.clone(), ..config() }, script).unwrap();
    let (one, other) = (make(slow()), make(slow()));
    let file = Query::id(7).contents_up_to(200_000); // more than half of it, at its peak
    let read = |client: Client| {
        let file = file.clone();
        async move { client.get("UserRequest", &file, &["contents"]).await.unwrap() }
    };

    let start = Instant::now();
    future::join(read(one.clone()), read(other.clone())).await;
    assert_eq!(start.elapsed(), Duration::from_secs(20), "one after the other");
    assert_eq!(memory.free_bytes(), 1 << 20);

    let reservation = memory.reserve(1 << 20).await;
    let start = Instant::now();
    future::join(read(one.within(&reservation)), read(other.within(&reservation))).await;
    assert_eq!(start.elapsed(), Duration::from_secs(10), "the caller has reserved for both");
}

#[tokio::test]
async fn a_body_over_post_max_size_is_no_bad_login() {
    let script = Script::new([ok(CREATED), ok(INVALID_LOGIN), ok(INVALID_LOGIN)]);
    let itop = client(script);
    create(&itop).await.unwrap();
    assert_eq!(itop.refused_bytes(), None);
    let error = create_file(&itop, 2 << 20).await.unwrap_err();
    assert_eq!((&error.class, error.effect), (&ErrorClass::TooLarge, Effect::None));
    let refused = itop.refused_bytes().unwrap();
    assert!((2 << 20..3 << 20).contains(&refused), "{refused}");
    let small = create(&itop).await.unwrap_err();
    assert_eq!(small.class, ErrorClass::Login, "a small call that is refused means what it says");

    let never_logged_in = client(Script::new([ok(INVALID_LOGIN)]));
    assert_eq!(create_file(&never_logged_in, 2 << 20).await.unwrap_err().class, ErrorClass::Login);

    let warned = format!("<b>Warning</b>: POST Content-Length of 9 bytes exceeds the limit of 8 bytes{INVALID_LOGIN}");
    let warned = client(Script::new([ok(&warned)]));
    assert_eq!(create_file(&warned, 4).await.unwrap_err().class, ErrorClass::TooLarge);
}

/// The token came as a header, so that it is `json_data` that iTop misses.
#[tokio::test]
async fn a_body_over_post_max_size_with_a_token() {
    let missing = r#"{"code":3,"message":"Error: Missing parameter 'json_data'"}"#;
    let config = ClientConfig { login: Login::Token(TOKEN.into()), ..config() };
    let client = Client::new(config, Script::new([ok(missing)])).unwrap();
    let error = create_file(&client, 2 << 20).await.unwrap_err();
    assert_eq!((error.class, error.effect), (ErrorClass::TooLarge, Effect::None));
}

#[tokio::test]
async fn a_file_that_exhausts_phps_memory_is_too_large() {
    let itop = client(Script::new([ok("<p>iTop: Allowed memory size of 128M exhausted</p>")]));
    let error = create_file(&itop, 2 << 20).await.unwrap_err();
    assert_eq!((error.class, error.effect), (ErrorClass::TooLarge, UNANSWERED));
    assert!(itop.refused_bytes().is_some());
}

#[tokio::test]
async fn a_redirect_names_the_host_and_nothing_more() {
    let step = Step::Header(302, "location", "https://sso.test:8443/login?ticket=CANARY");
    let error = failed_create(step).await;
    assert_eq!(error.class, ErrorClass::WrongAddress { to: Some("https://sso.test:8443".into()) });
    assert_eq!(error.message, "redirected to https://sso.test:8443: is the url right?");
    let error = failed_create(Step::Header(301, "location", "/itop/")).await;
    assert_eq!(error.message, "redirected: is the url right?");
}

#[tokio::test]
async fn a_write_tells_the_servers_time() {
    let step = Step::Header(200, "date", "Tue, 24 Nov 2026 11:12:33 GMT");
    let written = create(&client(Script::new([step]))).await.unwrap();
    assert_eq!(written.date.as_deref(), Some("Tue, 24 Nov 2026 11:12:33 GMT"));
}

#[tokio::test]
async fn a_stimulus_can_be_ok_and_do_nothing() {
    let still = client(Script::new([ok(r#"{"code":0,"message":null,"objects":null}"#)]));
    let outcome = still.apply_stimulus("UserRequest", 7, "ev_assign", &Fields::new(), "a test", &["status"]).await;
    assert_eq!(outcome.unwrap(), None);
}

#[tokio::test]
async fn an_image_is_what_its_bytes_are() {
    let download = async |step| client(Script::new([step])).inline_image(7, "abcdef0123", 1000).await;
    let image = download(Step::Answer(200, b"GIF89a...".into())).await.unwrap();
    assert_eq!((image.mime, &image.bytes[..]), ("image/gif", &b"GIF89a..."[..]));
    let svg = Step::Answer(200, b"<svg onload='x'/>".into());
    let none =
        "<p>Invalid secret for class 'InlineImage' - the object does not exist or you are not allowed to view it</p>";
    for no_image in
        [svg, ok(none), ok(""), ok("plain words"), Step::Answer(404, vec![]), Step::Header(302, "location", "/")]
    {
        let error = download(no_image).await.unwrap_err();
        assert_eq!((error.class, error.effect), (ErrorClass::NotAnImage, Effect::None));
    }
    let deadlock = "<p>Failed to issue SQL query: query = SELECT, mysql_errno = 1213, mysql_error = Deadlock found</p>";
    let login = "<!DOCTYPE html><html><body>Please log in</body></html>";
    for away in [Step::Answer(502, vec![]), ok(deadlock), ok(login)] {
        assert!(download(away).await.unwrap_err().is_transient());
    }
}

const GONE_AWAY: &str = r#"{"code":2006,"message":"Error: MySQL server has gone away: query = ROLLBACK, mysql_errno = 2006, mysql_error = MySQL server has gone away"}"#;

#[tokio::test(start_paused = true)]
async fn a_database_that_is_gone_for_a_large_packet_alone_means_too_large() {
    let operations = r#"{"code":0,"message":"Operations: 0","version":"1.3","operations":[]}"#;
    for (bytes, next, class) in [
        (2 << 20, ok(operations), ErrorClass::TooLarge),
        (2 << 20, ok(GONE_AWAY), ErrorClass::Transient),
        (1 << 10, ok(operations), ErrorClass::Transient),
    ] {
        let client = client(Script::new([ok(GONE_AWAY), next]));
        let fields = Fields::new().with("contents", Contents::new("A".repeat(bytes).into(), "f", "text/plain"));
        let error = client.create("Attachment", &fields, "c", &[]).await.unwrap_err();
        assert_eq!((error.class, error.effect), (class.clone(), ANSWERED), "{bytes}");
        assert_eq!(client.refused_bytes().is_some(), class == ErrorClass::TooLarge);
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_throttled_caller_may_come_back() {
    let date = "Tue, 24 Nov 2026 12:00:30 GMT";
    for (header, told) in
        [("120", RetryAfter::Seconds(120)), (date, RetryAfter::At { date: date.into(), answered: None })]
    {
        let client = client(Script::new([Step::Header(429, "retry-after", header)]));
        let error = client.create("UserRequest", &Fields::new(), "c", &[]).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Throttled { retry_after: Some(told) });
        assert!(error.had_no_effect());
    }
}
