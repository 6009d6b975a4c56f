//! A picture or a file that its iTop cannot show, while it answers everything else: it holds nothing else up. A
//! picture becomes words after a while, a file is parked; while the whole side is down nothing is given up.

use std::time::Duration;

use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Call, Effect, Fault, InlineImage, Sim};

each_version![
    a_picture_of_a_log_becomes_words_after_a_while,
    a_picture_of_a_description_becomes_words_after_a_while,
    a_warning_before_a_picture_is_no_last_word,
];

any_version![
    a_new_ticket_does_not_wait_for_a_picture_that_cannot_be_read,
    a_clock_that_is_set_forward_gives_no_picture_up,
    a_picture_that_is_asked_for_too_soon_crosses_later,
    a_picture_that_comes_back_in_time_crosses_as_it_is,
    while_the_side_is_down_no_picture_is_given_up,
    a_file_that_cannot_be_read_holds_nothing_else_up,
    a_changed_file_that_cannot_be_read_holds_nothing_else_up,
    files_that_cannot_be_read_suspend_nobody,
];

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const BOTH_WAYS: [Side; 2] = [Side::External, Side::Internal];
const HOUR: u64 = 3600;

/// How one object fails for ever.
fn faults() -> [Fault; 3] {
    let effect = Effect::Committed;
    [Fault::Status(500, effect), Fault::Cut { after_bytes: 9, effect }, Fault::Hang(Effect::None)]
}

fn fails(sim: &Sim, fault: &Fault, fits: impl Fn(&Call) -> bool + Send + 'static) {
    sim.fail_when(usize::MAX, fault.clone(), fits);
}

fn downloads(image: &InlineImage) -> impl Fn(&Call) -> bool + Send + 'static {
    let id = json!(image.id);
    move |call| call.class == "InlineImage" && call.key == id
}

/// Reads the contents of this attachment.
fn reads(file: u64) -> impl Fn(&Call) -> bool + Send + 'static {
    move |call| call.class == "Attachment" && call.output_fields.contains("contents") && names(&call.key, file)
}

fn names(key: &serde_json::Value, id: u64) -> bool {
    let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    key.split(|letter: char| !letter.is_ascii_digit()).any(|number| number == id.to_string())
}

/// A linked pair, seen from the side that something happens on.
struct Pair {
    world: World,
    from: Side,
    outside: u64,
    inside: u64,
}

impl Pair {
    async fn new(versions: Versions, from: Side) -> Pair {
        let world = Setup::between(versions).start().await;
        let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(outside).await.id;
        Pair { world, from, outside, inside }
    }

    fn source(&self) -> (&Sim, u64) {
        self.on(self.from)
    }

    fn on(&self, side: Side) -> (&Sim, u64) {
        match side {
            Side::External => (self.world.acme(), self.outside),
            Side::Internal => (&self.world.internal, self.inside),
        }
    }

    async fn picture(&self) -> InlineImage {
        let (sim, ticket) = self.source();
        sim.add_inline_image(ticket, "5ec2e7", "image/png", PNG).await.unwrap()
    }

    async fn attach(&self, name: &str) -> u64 {
        let (sim, ticket) = self.source();
        sim.attach(ticket, name, "text/plain", name.as_bytes()).await.unwrap()
    }

    async fn write(&self, html: &str) {
        let (sim, ticket) = self.source();
        sim.add_log_entry(ticket, "private_log", html).await.unwrap();
    }

    /// What of this kind has crossed.
    fn crossed(&self, kind: &str) -> Vec<Attachment> {
        let (sim, ticket) = self.on(self.from.other());
        let mark = format!(":{}:{kind}:", self.from.word());
        sim.attachments(ticket).into_iter().filter(|file| file.temp_id.contains(&mark)).collect()
    }

    fn names(&self) -> Vec<String> {
        self.crossed("file").into_iter().map(|file| file.filename).collect()
    }

    fn texts(&self) -> String {
        self.crossed("log").iter().map(text_of).collect()
    }

    /// The title of the internal ticket follows the external one's.
    async fn title_follows(&self, title: &str) {
        self.world.acme().update(self.outside, json!({ "title": title })).await.unwrap();
        self.world.pass_seconds(200).await;
        let now = self.world.internal.ticket(self.inside).unwrap().field("title").to_owned();
        assert!(now.ends_with(title), "{now}");
    }

    async fn is_parked(&self) -> bool {
        self.world.queue().await.iter().any(|row| row.parked)
    }
}

fn text_of(file: &Attachment) -> String {
    String::from_utf8(file.data.to_vec()).expect("a text file")
}

async fn a_picture_of_a_log_becomes_words_after_a_while(versions: Versions) {
    for (fault, from) in faults().into_iter().flat_map(|fault| BOTH_WAYS.map(|from| (fault.clone(), from))) {
        let pair = Pair::new(versions, from).await;
        let image = pair.picture().await;
        fails(pair.source().0, &fault, downloads(&image));
        pair.write(&format!("<p>see {} here</p>", image.html)).await;
        pair.attach("a.txt").await;
        // It is not given up at once, and meanwhile nothing waits but the log that shows it.
        pair.title_follows("Still on fire").await;
        assert_eq!((pair.names(), &*pair.texts()), (vec!["a.txt".to_owned()], ""), "{fault:?}");
        pair.world.pass_seconds(15 * 60).await;
        assert!(pair.texts().contains(&format!("see [image {}] here", image.id)), "{fault:?}: {}", pair.texts());
        let images = pair.crossed("image");
        let [words] = &images[..] else { panic!("{fault:?}: {images:?}") };
        assert!(words.filename.ends_with(&format!("image {}.txt", image.id)), "{}", words.filename);
        assert!(text_of(words).contains("It was not copied: it could not be read"), "{}", text_of(words));
        assert!(pair.world.did(pair.outside, &format!("inline image {} could not be had", image.id)).await);
        pair.write(&format!("<p>as said, {}</p>", image.html)).await;
        pair.world.settle().await;
        assert!(pair.texts().contains("as said, [image"));
        assert_eq!(pair.crossed("image").len(), 1);
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_picture_of_a_description_becomes_words_after_a_while(versions: Versions) {
    for fault in faults() {
        let pair = Pair::new(versions, Side::External).await;
        let image = pair.picture().await;
        fails(pair.world.acme(), &fault, downloads(&image));
        let named = image.html.replace("<img", "<img alt=\"the printer\"");
        let description = format!("<p>before {} after {named}</p>", image.html);
        let fields = json!({ "description": description, "title": "Look at it" });
        pair.world.acme().update(pair.outside, fields).await.unwrap();
        pair.attach("a.txt").await;
        pair.write("<p>please hurry</p>").await;
        pair.world.pass_seconds(200).await;
        let copy = pair.world.copy_of(pair.outside).await;
        assert_eq!(copy.field("title"), "[R-000001] Look at it", "{fault:?}");
        assert!(!copy.field("description").contains("before"), "{fault:?}: {}", copy.field("description"));
        assert_eq!(pair.names(), ["a.txt"], "{fault:?}");
        assert!(pair.texts().contains("please hurry"), "{fault:?}");
        pair.world.pass_seconds(15 * 60).await;
        let copy = pair.world.copy_of(pair.outside).await;
        let words = "<p>before (picture left out: it could not be read) after the printer</p>";
        assert_eq!(copy.field("description"), words, "{fault:?}");
        // It is known by now that it cannot be read.
        let fields = json!({ "description": format!("<p>again {}</p>", image.html) });
        pair.world.acme().update(pair.outside, fields).await.unwrap();
        pair.world.pass_seconds(100).await;
        let copy = pair.world.copy_of(pair.outside).await;
        assert!(copy.field("description").contains("again (picture left out"), "{}", copy.field("description"));
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_new_ticket_does_not_wait_for_a_picture_that_cannot_be_read(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.acme().drop_hooks(true);
    let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let image = world.acme().add_inline_image(outside, "5ec2e7", "image/png", PNG).await.unwrap();
    fails(world.acme(), &faults()[0], downloads(&image));
    let description = format!("<p>see {}</p>", image.html);
    world.acme().drop_hooks(false);
    world.acme().update(outside, json!({ "description": description })).await.unwrap();
    world.pass_seconds(20).await;
    let words = "<p>see (picture left out: it could not be read)</p>";
    assert_eq!(world.copy_of(outside).await.field("description"), words);
    // In time it comes after all.
    world.pass_seconds(120).await;
    world.acme().heal();
    world.settle().await;
    let copy = world.copy_of(outside).await;
    assert!(copy.field("description").contains("data:image/png"), "{}", copy.field("description"));
    assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

/// As a machine's may be, that was asleep: minutes that nobody waited do not count.
async fn a_clock_that_is_set_forward_gives_no_picture_up(versions: Versions) {
    let pair = Pair::new(versions, Side::External).await;
    let image = pair.picture().await;
    fails(pair.world.acme(), &faults()[0], downloads(&image));
    let description = format!("<p>see {}</p>", image.html);
    pair.world.acme().update(pair.outside, json!({ "description": description })).await.unwrap();
    pair.world.pass_seconds(5 * 60).await;
    pair.world.clock.jump(20 * 60_000);
    pair.world.pass_seconds(2 * 60).await;
    let now = pair.world.copy_of(pair.outside).await;
    assert!(!now.field("description").contains("see"), "{}", now.field("description"));
    pair.world.acme().heal();
    pair.world.settle().await;
    let copy = pair.world.copy_of(pair.outside).await;
    assert!(copy.field("description").contains("data:image/png"), "{}", copy.field("description"));
    pair.world.one_more_pass_writes_nothing().await;
}

/// With `display_errors`, a warning of PHP's stands before the picture: no word of iTop's that there is none.
async fn a_warning_before_a_picture_is_no_last_word(versions: Versions) {
    let pair = Pair::new(versions, Side::External).await;
    let image = pair.picture().await;
    let warning = Fault::Warning("Warning: Undefined variable $x in y.php on line 7\n".into());
    pair.world.acme().fail_when(2, warning, downloads(&image));
    let description = format!("<p>see {}</p>", image.html);
    pair.world.acme().update(pair.outside, json!({ "description": description })).await.unwrap();
    pair.world.settle().await;
    let copy = pair.world.copy_of(pair.outside).await;
    assert!(copy.field("description").contains("data:image/png"), "{}", copy.field("description"));
    pair.world.one_more_pass_writes_nothing().await;
}

/// Whoever asks for fewer calls says nothing of the picture.
async fn a_picture_that_is_asked_for_too_soon_crosses_later(versions: Versions) {
    for retry_after in [None, Some("7"), Some("soon")] {
        let pair = Pair::new(versions, Side::External).await;
        let image = pair.picture().await;
        let header = retry_after.map(|after| ("retry-after", after.to_owned()));
        let throttled = Fault::Proxy { status: 429, header, effect: Effect::None };
        pair.world.acme().fail_when(1, throttled, downloads(&image));
        let description = format!("<p>see {}</p>", image.html);
        pair.world.acme().update(pair.outside, json!({ "description": description })).await.unwrap();
        pair.world.pass_seconds(300).await;
        pair.world.settle().await;
        let copy = pair.world.copy_of(pair.outside).await;
        assert!(copy.field("description").contains("data:image/png"), "{}", copy.field("description"));
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_picture_that_comes_back_in_time_crosses_as_it_is(versions: Versions) {
    for from in BOTH_WAYS {
        let pair = Pair::new(versions, from).await;
        let image = pair.picture().await;
        fails(pair.source().0, &faults()[0], downloads(&image));
        pair.write(&format!("<p>see {} here</p>", image.html)).await;
        pair.world.pass_seconds(8 * 60).await;
        assert_eq!(pair.texts(), "");
        pair.source().0.heal();
        pair.world.settle().await;
        let images = pair.crossed("image");
        let [picture] = &images[..] else { panic!("{images:?}") };
        assert_eq!(&picture.data[..], PNG);
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn while_the_side_is_down_no_picture_is_given_up(versions: Versions) {
    for (from, cut) in BOTH_WAYS.into_iter().flat_map(|from| [(from, false), (from, true)]) {
        let pair = Pair::new(versions, from).await;
        let image = pair.picture().await;
        // The first thing that fails is the picture; then nothing is answered for hours, once it is known to be
        // down, and once every now and then.
        pair.source().0.fail_when(1, faults()[0].clone(), downloads(&image));
        pair.write(&format!("<p>see {} here</p>", image.html)).await;
        pair.world.pass_milliseconds(900).await;
        if cut {
            fails(pair.source().0, &Fault::Cut { after_bytes: 9, effect: Effect::None }, |_| true);
        } else {
            pair.source().0.down(true);
        }
        pair.world.pass_seconds(2 * HOUR).await;
        assert_eq!(pair.texts(), "");
        pair.source().0.heal();
        // And the first that is asked for after is the picture, which fails once more.
        pair.source().0.fail_when(1, faults()[0].clone(), downloads(&image));
        pair.world.settle().await;
        let images = pair.crossed("image");
        let [picture] = &images[..] else { panic!("{images:?}") };
        assert_eq!(&picture.data[..], PNG);
        assert!(pair.texts().contains("see [image"));
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_file_that_cannot_be_read_holds_nothing_else_up(versions: Versions) {
    for (fault, from) in faults().into_iter().flat_map(|fault| BOTH_WAYS.map(|from| (fault.clone(), from))) {
        let pair = Pair::new(versions, from).await;
        pair.source().0.drop_hooks(true);
        let bad = pair.attach("bad.txt").await;
        pair.source().0.drop_hooks(false);
        fails(pair.source().0, &fault, reads(bad));
        pair.attach("good.txt").await;
        pair.write("<p>please hurry</p>").await;
        pair.title_follows("Still on fire").await;
        assert_eq!(pair.names(), ["good.txt"], "{fault:?}");
        assert!(pair.texts().contains("please hurry"), "{fault:?}");
        assert!(!pair.is_parked().await, "not so soon");
        pair.world.pass_seconds(HOUR).await;
        assert!(pair.is_parked().await, "{fault:?}: {:?}", pair.world.queue().await);
        let error = pair.world.queue().await[0].error.clone().unwrap();
        assert!(error.contains(&format!("attachment {bad} cannot be read")), "{error}");
        // What comes meanwhile crosses at once.
        pair.attach("later.txt").await;
        pair.title_follows("Out").await;
        assert_eq!(pair.names(), ["good.txt", "later.txt"], "{fault:?}");
        pair.source().0.heal();
        pair.world.settle().await;
        assert_eq!(pair.names(), ["good.txt", "later.txt", "bad.txt"], "{fault:?}");
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn a_changed_file_that_cannot_be_read_holds_nothing_else_up(versions: Versions) {
    for (fault, from) in faults().into_iter().flat_map(|fault| BOTH_WAYS.map(|from| (fault.clone(), from))) {
        let pair = Pair::new(versions, from).await;
        let (bad, good) = (pair.attach("bad.txt").await, pair.attach("good.txt").await);
        pair.world.settle().await;
        pair.world.pass_seconds(60).await;
        fails(pair.source().0, &fault, reads(bad));
        let holds = |name: &str| {
            let files = pair.crossed("file");
            let file = files.iter().find(|file| file.filename == name).expect("it has crossed");
            text_of(file)
        };
        for file in [bad, good] {
            pair.source().0.replace_attachment(file, b"changed").await.unwrap();
        }
        // These hints name the two files alone.
        pair.world.pass_seconds(200).await;
        assert_eq!((holds("good.txt"), holds("bad.txt")), ("changed".into(), "bad.txt".into()), "{fault:?}");
        pair.write("<p>please hurry</p>").await;
        pair.title_follows("Still on fire").await;
        assert!(pair.texts().contains("please hurry"), "{fault:?}");
        pair.source().0.clear_calls();
        pair.world.pass_seconds(600).await;
        let tries = pair.source().0.calls().iter().filter(|call| reads(bad)(call)).count();
        assert!((3..=25).contains(&tries), "{fault:?}: tried {tries} times in ten minutes");
        pair.source().0.heal();
        pair.world.settle().await;
        assert_eq!((holds("good.txt"), holds("bad.txt")), ("changed".into(), "changed".into()), "{fault:?}");
        pair.world.one_more_pass_writes_nothing().await;
    }
}

async fn files_that_cannot_be_read_suspend_nobody(versions: Versions) {
    let world = Setup::between(versions).start().await;
    for n in 0..4 {
        let title = format!("Printer {n} on fire");
        let id = world.acme().create_ticket("UserRequest", ticket(&title)).await.unwrap();
        let bad = world.acme().attach(id, "bad.txt", "text/plain", b"bad").await.unwrap();
        fails(world.acme(), &faults()[0], reads(bad));
    }
    for _ in 0..12 {
        world.pass_seconds(10 * 60).await;
        assert_eq!(world.issues(), Vec::<String>::new());
    }
    assert_eq!(world.queue().await.iter().filter(|row| row.parked).count(), 4);
    let another = world.acme().create_ticket("UserRequest", ticket("Another")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.copy_of(another).await;
    world.acme().heal();
    world.one_more_pass_writes_nothing().await;
    assert!(world.internal.tickets("UserRequest").iter().all(|ticket| {
        world.internal.attachments(ticket.id).len() == usize::from(!ticket.field("title").contains("Another"))
    }));
}
