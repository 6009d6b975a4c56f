//! The versions of iTop that a story runs with: `each_version` where they may matter, `any_version` where they do not.
//!
//! A commit runs a story of the first kind with either version on either side, and one of the second kind with one of
//! these two pairs. `EVERY_VERSION=yes` runs both kinds with all four pairs, as `scripts/nightly` does.

use itop_sim::Version;

/// The versions that an external may have.
pub const BOTH: [Version; 2] = [Version::V3_1, Version::V3_2];

/// The versions of a customer's iTop and of the provider's.
#[derive(Debug, Clone, Copy)]
pub struct Versions {
    pub external: Version,
    pub internal: Version,
}

/// Every pair of versions.
pub const PAIRS: [Versions; 4] = [
    Versions { external: Version::V3_1, internal: Version::V3_1 },
    Versions { external: Version::V3_1, internal: Version::V3_2 },
    Versions { external: Version::V3_2, internal: Version::V3_1 },
    Versions { external: Version::V3_2, internal: Version::V3_2 },
];

/// Either version on either side.
pub const CROSSED: [Versions; 2] = [PAIRS[1], PAIRS[2]];

fn is_every_version_wanted() -> bool {
    std::env::var("EVERY_VERSION").is_ok_and(|value| value == "yes")
}

/// The pairs for a story about what iTop answers, shows or takes.
pub fn each_pair() -> &'static [Versions] {
    if is_every_version_wanted() { &PAIRS } else { &CROSSED }
}

/// The pairs with this version on the external.
pub fn each_pair_from(external: Version) -> impl Iterator<Item = Versions> {
    each_pair().iter().copied().filter(move |versions| versions.external == external)
}

/// The pairs for a story about the bridge alone: one, drawn by the story's name, so that the stories together have
/// both versions on both sides.
pub fn any_pair(story: &str) -> &'static [Versions] {
    if is_every_version_wanted() {
        return &PAIRS;
    }
    // The hash FNV-1a.
    let hash = story
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    if (hash >> 32).is_multiple_of(2) { &CROSSED[..1] } else { &CROSSED[1..] }
}

/// Each story as two tests, by the external's version. The story's subject is something that iTop answers, shows or
/// takes: texts, dates, files, states, logs, webhooks.
#[macro_export]
macro_rules! each_version {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[tokio::test(start_paused = true)]
            async fn external_3_1() {
                for versions in $crate::world::each_pair_from(itop_sim::Version::V3_1) {
                    println!("{versions:?}");
                    super::$story(versions).await;
                }
            }

            #[tokio::test(start_paused = true)]
            async fn external_3_2() {
                for versions in $crate::world::each_pair_from(itop_sim::Version::V3_2) {
                    println!("{versions:?}");
                    super::$story(versions).await;
                }
            }
        }
    )+};
}
pub use crate::each_version;

/// Each story as one test. The story's subject is the bridge's own: its queue, leases, store, halts, verbs.
#[macro_export]
macro_rules! any_version {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[tokio::test(start_paused = true)]
            async fn any_version() {
                for &versions in $crate::world::any_pair(module_path!()) {
                    println!("{versions:?}");
                    super::$story(versions).await;
                }
            }
        }
    )+};
}
pub use crate::any_version;
