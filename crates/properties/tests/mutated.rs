//! Files of the corpora with a few changes, through their law: so many of each as `PROPTEST_CASES` says, the same
//! ones in every run (the seed stands in `.cargo/config.toml`), so that a commit is judged by itself. What breaks a
//! law is printed, shrunk; `fuzz/run` looks further, led by what the code does.

use std::fmt;
use std::path::Path;

use itop_bridge_properties::LAWS;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn every_law_holds_of_its_corpus_with_a_few_changes() {
    for (name, law) in LAWS {
        let corpus = corpus_of(name);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let tried = runner.run(&mutated(corpus), |Bytes(bytes)| {
            law(&bytes);
            Ok(())
        });
        if let Err(broken) = tried {
            panic!("{name}: {broken}");
        }
    }
}

fn corpus_of(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    // A folder lists its files in no order of its own.
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it is read")).collect()
}

struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A change of a file: where, from there on how many bytes, and what of it.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Word(Index, &'static str),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    /// So many bytes of another file, from its second place on.
    Insert(Index, usize, Index, Index),
}

/// What means something to one parser or another.
const WORDS: [&str; 24] = [
    "<",
    ">",
    "\"",
    "'",
    "&",
    "&amp;",
    "&lt;",
    "<!--",
    "-->",
    "</",
    "/>",
    "<img ",
    "<svg>",
    "<title>",
    "<table><tr><td>",
    " src=",
    " data-img-secret=\"ab12\"",
    "{",
    "}",
    "[",
    "\\u0000",
    "\u{202e}",
    "\u{1f525}",
    "\r\n\r\n",
];

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (place(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Change::Word(at, word)),
        (place(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (place(), 1..40_usize, 1..60_usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        (place(), 1..200_usize, place(), place())
            .prop_map(|(at, length, file, from)| { Change::Insert(at, length, file, from) }),
    ]
}

fn mutated(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Bytes> {
    (any::<Index>(), prop::collection::vec(change(), 0..12)).prop_map(move |(file, changes)| {
        let mut bytes = file.get(&corpus).clone();
        for change in changes {
            apply(&change, &mut bytes, &corpus);
        }
        Bytes(bytes)
    })
}

fn apply(change: &Change, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    // One place more than there are bytes: at the end.
    let place = |at: &Index| at.index(bytes.len() + 1);
    let upto = |from: usize, length: usize, all: usize| from..(from + length).min(all);
    match change {
        Change::Byte(at, byte) => {
            let at = place(at);
            bytes.splice(upto(at, 1, bytes.len()), [*byte]);
        }
        Change::Word(at, word) => {
            let at = place(at);
            bytes.splice(at..at, word.bytes());
        }
        Change::Remove(at, length) => {
            let range = upto(place(at), *length, bytes.len());
            bytes.drain(range);
        }
        Change::Repeat(at, length, times) => {
            let at = place(at);
            let again = bytes[upto(at, *length, bytes.len())].repeat(*times);
            bytes.splice(at..at, again);
        }
        Change::Insert(at, length, file, from) => {
            let other = file.get(corpus);
            let from = from.index(other.len() + 1);
            let piece = other[upto(from, *length, other.len())].to_vec();
            let at = place(at);
            bytes.splice(at..at, piece);
        }
    }
}
